//! Reads anything as a kubeconfig and chooses its current context.
//!
//! `cargo +nightly fuzz run kubeconfig fuzz/corpus/kubeconfig fuzz/seeds/kubeconfig`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::read_kubeconfig;

/// The token of the seeds.
const CANARY: &str = "c4n4ry-t0k3n";

/// Whether the canary stands once, and there as a login.
fn is_login(input: &str) -> bool {
    let mut lines = input.lines().filter(|line| line.contains(CANARY));
    lines
        .next()
        .is_some_and(|line| line.trim() == format!("token: {CANARY}"))
        && lines.next().is_none()
}

fuzz_target!(|input: &str| {
    match read_kubeconfig(input) {
        Some(Ok((context, server))) => {
            assert!(!context.is_empty());
            assert!(
                server
                    .parse::<http::Uri>()
                    .is_ok_and(|url| url.host().is_some())
            );
        }
        // The context may bear any name, also this one; the login must not be told.
        Some(Err(error)) if is_login(input) => {
            let told = format!("{error} {error:?} {:?}", error.help());
            assert!(!told.contains(CANARY), "a token is told: {told}");
        }
        _ => {}
    }
});
