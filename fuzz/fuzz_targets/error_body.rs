//! Reads anything as the body of a refusal, and as headers beside it.
//!
//! `cargo +nightly fuzz run error_body fuzz/corpus/error_body fuzz/seeds/error_body`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::judge::{next_link, parse_error_body, parse_rate_limit};

fuzz_target!(|input: &[u8]| {
    let body = parse_error_body(input);
    assert!(body.errors.len() <= 8);
    if let Some(text) = body.summary() {
        assert!(text.len() <= 16 * 1024, "{} bytes", text.len());
        assert!(!text.chars().any(char::is_control), "a text that is shown");
    }
    let text = String::from_utf8_lossy(input);
    if let Some(limit) = parse_rate_limit(|_| Some(&text), 0) {
        assert!(limit.retry_after_s.is_none_or(|seconds| seconds <= 86_400));
    }
    if let Some(next) = next_link(&text) {
        assert!(!next.contains('>'));
    }
});
