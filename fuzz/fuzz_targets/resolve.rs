//! Reads anything as `resolv.conf`, and as a name server's packet.
//!
//! `cargo +nightly fuzz run resolve fuzz/corpus/resolve fuzz/seeds/resolve`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::{
    door::{dns_answer, search_names},
    judge::DnsAnswer,
};

fuzz_target!(|input: &[u8]| {
    for name in ["registry", "registry.example.com", "rooted.example.com."] {
        let (names, servers) = search_names(input, name);
        assert!(servers <= 3);
        assert!(
            names.contains(&format!("{}.", name.trim_end_matches('.'))),
            "the name itself"
        );
        assert!(
            names
                .iter()
                .all(|name| name.ends_with('.') && name.len() <= 254)
        );
    }
    if let Some(answer) = dns_answer(input) {
        assert!(answer.addresses.len() <= 16);
        assert_eq!(
            answer.answer == DnsAnswer::Addresses,
            !answer.addresses.is_empty()
        );
        assert!(
            !answer
                .note
                .iter()
                .any(|note| note.chars().any(char::is_control))
        );
    }
});
