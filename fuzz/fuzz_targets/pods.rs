//! Reads anything as a page of a pod list.
//!
//! `cargo +nightly fuzz run pods fuzz/corpus/pods fuzz/seeds/pods`

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::{peek_token, read_page};

fuzz_target!(|input: &[u8]| {
    let read = read_page(input, Timestamp::UNIX_EPOCH);
    if let Some((pods, stuck)) = read {
        assert!(pods <= input.len() / 2, "each takes two bytes at least");
        assert!(stuck <= input.len());
    }
    assert_eq!(
        read_page(input, Timestamp::UNIX_EPOCH),
        read,
        "reading has no memory"
    );
    if let Some(token) = peek_token(input) {
        assert!(token.len() <= input.len());
    }
});
