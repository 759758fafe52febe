//! Reads anything as the log of a node, line by line and through the sieve that keeps what is
//! about images.
//!
//! `cargo +nightly fuzz run log fuzz/corpus/log fuzz/seeds/log`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::sift_log;
use pulldoctor_messages::{log_line_body, read_log_line};
use pulldoctor_model::{Timestamp, without_secrets};

const IMAGES: [&str; 3] = ["reg.example.com/shop/api:1", "nginx", "Not/A reference"];

fuzz_target!(|input: &[u8]| {
    let near = Timestamp::UNIX_EPOCH;
    let text = String::from_utf8_lossy(input);
    for line in text.lines() {
        assert!(line.ends_with(log_line_body(line)), "a prefix is cut off");
        let entry = read_log_line(line, near);
        assert_eq!(read_log_line(line, near), entry, "reading has no memory");
        assert!(
            entry.text.len() <= 2 * line.len() + 64,
            "nothing is made up"
        );
    }
    let safe = without_secrets(&text);
    assert!(safe.len() <= 3 * text.len(), "a mask is short");

    let found = sift_log(input, usize::MAX, &IMAGES, &["n1", "n2"], near);
    // How the log is cut into pieces does not matter.
    assert_eq!(sift_log(input, 7, &IMAGES, &["n1", "n2"], near), found);
    for (node, image, logs) in &found {
        assert!(
            node.as_deref()
                .is_none_or(|node| node == "n1" || node == "n2")
        );
        assert!(IMAGES.contains(&image.as_str()));
        assert!(!logs.lines.is_empty() && logs.lines.len() <= 60);
        for line in &logs.lines {
            assert!(line.text.len() <= 2100, "a kept line is short");
            let kept = [&line.text, &line.unit];
            assert!(
                !kept.iter().any(|text| text.chars().any(char::is_control)),
                "a kept line is printable"
            );
        }
    }
});
