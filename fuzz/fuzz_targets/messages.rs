//! Reads anything as one message and as a pasted blob, and checks what must hold of the readings.
//!
//! `cargo +nightly fuzz run messages fuzz/corpus/messages fuzz/seeds/messages`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_messages::{Reading, read, read_paste};

fn check(reading: &Reading) {
    let texts = [
        &reading.image,
        &reading.registry,
        &reading.server_message,
        &reading.facts.path,
        &reading.facts.dns_name,
        &reading.facts.wanted_name,
    ];
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= 1100, "a kept text is capped");
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "a kept text is printable"
        );
    }
    assert!(reading.layers.len() <= 128 && reading.attempts.len() <= 16);
    for attempt in &reading.attempts {
        assert!(attempt.attempts.is_empty(), "attempts do not nest");
        check(attempt);
    }
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let reading = read(&text);
    check(&reading);
    assert_eq!(read(&text), reading, "reading has no memory");
    for reading in &read_paste(&text).readings {
        check(reading);
    }
});
