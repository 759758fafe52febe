//! How long a keyring takes: of a usual secret, of a large one, and hostile ones of a megabyte.

use divan::{Bencher, black_box};
use pulldoctor_keyring::{DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, Keyring, PullSecret, facts};
use pulldoctor_reference::Reference;

fn main() {
    divan::main();
}

fn secret(config: String) -> PullSecret {
    PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with(DOCKER_CONFIG_JSON_KEY, config)
}

fn hosts(count: usize) -> PullSecret {
    let hosts: Vec<String> = (0..count)
        .map(|n| {
            format!(r#""https://registry-{n}.example.com/v2/":{{"auth":"Y2ktYm90OmNhbmFyeQ=="}}"#)
        })
        .collect();
    secret(format!(r#"{{"auths":{{{}}}}}"#, hosts.join(",")))
}

/// Reading the secret and one lookup, as for one image of one pod.
#[divan::bench(args = [1, 10, 1_000])]
fn read_and_look_up(bencher: Bencher<'_, '_>, count: usize) {
    let secret = hosts(count);
    bencher.bench(|| {
        Keyring::new([black_box(&secret)])
            .map(|keyring| keyring.lookup("registry-0.example.com/shop/api").len())
    });
}

/// All verdicts, as for one question of the engine.
#[divan::bench(args = [1, 10, 1_000])]
fn verdicts(bencher: Bencher<'_, '_>, count: usize) {
    let secrets = [Ok(hosts(count))];
    let Ok(image) = Reference::parse("registry-0.exmaple.com/shop/api:1.4.2") else {
        return;
    };
    bencher.bench(|| facts(black_box(&secrets), &image));
}

/// What a megabyte is made of; each part is one that a careless reader goes over again and again.
#[divan::bench(args = ["{\"a\":", "\"a\":{},", "\"auths\":{\"a\":{}},", "*a", "a.", "%41"])]
fn megabyte(bencher: Bencher<'_, '_>, part: &str) {
    let many = part.repeat((1 << 20) / part.len());
    let config = if part.starts_with('"') {
        format!("{{\"auths\":{{{many}\"z\":{{}}}}}}")
    } else if part.starts_with('{') {
        format!("{{\"auths\":{many}")
    } else {
        format!("{{\"auths\":{{\"{many}\":{{}}}}}}")
    };
    let secrets = [Ok(secret(config))];
    let Ok(image) = Reference::parse("registry.example.com/shop/api:1.4.2") else {
        return;
    };
    bencher.bench(|| facts(black_box(&secrets), &image));
}
