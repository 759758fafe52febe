//! How long a reference takes: a good one, a refused one, and hostile ones of a megabyte.

use divan::{Bencher, black_box};
use pulldoctor_reference::{Reference, suggestion};

fn main() {
    divan::main();
}

#[divan::bench(args = [
    "nginx",
    "registry.example.com:5000/shop/api:1.4.2",
    "ghcr.io/shop/api:1@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
])]
fn accepted(bencher: Bencher<'_, '_>, input: &str) {
    bencher.bench(|| Reference::parse(black_box(input)).is_ok());
}

#[divan::bench(args = ["Nginx", "https://registry.example.com/shop/api", "shop/api:${TAG}", "api:"])]
fn refused(bencher: Bencher<'_, '_>, input: &str) {
    bencher.bench(|| Reference::parse(black_box(input)).is_err());
}

/// What a megabyte is made of; each part is one that a careless parser reads again and again.
#[divan::bench(args = ["a", "a/", "a-", "-", ":", "A", "é", "[", "@sha256:", "//"])]
fn megabyte(bencher: Bencher<'_, '_>, part: &str) {
    let input = part.repeat((1 << 20) / part.len());
    bencher.bench(|| {
        (
            Reference::parse(black_box(&input)).is_ok(),
            suggestion(&input).is_some(),
        )
    });
}
