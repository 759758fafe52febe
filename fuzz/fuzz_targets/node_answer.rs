//! Reads anything as the log of a probe's pod: what comes of it is about the host that was asked, and
//! every text in it is short and printable.
//!
//! `cargo +nightly fuzz run node_answer fuzz/corpus/node_answer fuzz/seeds/node_answer`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::read_node_answer;
use serde_json::Value;

fn see(value: &Value) {
    match value {
        Value::String(text) => {
            assert!(text.chars().count() <= 16_400, "a text is short");
            assert!(!text.chars().any(char::is_control), "a text is printable");
        }
        Value::Array(members) => members.iter().for_each(see),
        Value::Object(fields) => fields.values().for_each(see),
        _ => {}
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(view) = read_node_answer(input, "registry.example.com") else {
        return;
    };
    assert_eq!(view.sights.len(), 1, "one host was asked");
    assert_eq!(view.sights[0].transcript.host, "registry.example.com");
    see(&serde_json::to_value(&view).unwrap());
});
