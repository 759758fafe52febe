//! Reads anything as a page of tags, and ranks them. The first line is the tag that is missing.
//!
//! `cargo +nightly fuzz run lists fuzz/corpus/lists fuzz/seeds/lists`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::{
    door::range_start,
    judge::{names, rank_names, rank_tags},
};

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (wanted, page) = input.split_at(end);
    let wanted = String::from_utf8_lossy(wanted);
    let found = names(page, "tags");
    for name in &found {
        assert!(!name.is_empty() && name.len() <= 255);
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let near = rank_tags(&wanted, &found, &found[..found.len().min(2)], 10);
    assert!(near.len() <= 10);
    for pair in near.windows(2) {
        assert!(pair[0].distance <= pair[1].distance, "nearest first");
    }
    for tag in &near {
        assert!(found.contains(&tag.tag) && tag.tag != wanted && tag.tag != "latest");
    }
    assert!(rank_names(&wanted, &found, 10).len() <= 10);
    let _ = range_start(&wanted);
});
