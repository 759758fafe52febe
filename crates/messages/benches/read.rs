//! How long reading messages takes; the budget for `explain` is 1,000 messages in 50 ms.

use divan::Bencher;

fn main() {
    divan::main();
}

fn corpus() -> Vec<String> {
    include_str!("../tests/corpus/train.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|value| value["message"].as_str().map(str::to_owned))
        .cycle()
        .take(1000)
        .collect()
}

#[divan::bench]
fn thousand_messages(bencher: Bencher<'_, '_>) {
    let messages = corpus();
    bencher.bench(|| {
        messages
            .iter()
            .map(|m| pulldoctor_messages::read(m).layers.len())
            .sum::<usize>()
    });
}

#[divan::bench]
fn one_megabyte(bencher: Bencher<'_, '_>) {
    let message = "failed to pull image ".repeat(50_000);
    bencher.bench(|| pulldoctor_messages::read(divan::black_box(&message)));
}
