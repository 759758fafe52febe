//! Reads anything as a chain of certificates and judges it. Each certificate comes with its
//! length in two bytes before it; the last one is the authority that is trusted.
//!
//! `cargo +nightly fuzz run certificate fuzz/corpus/certificate fuzz/seeds/certificate`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::judge::trust::{Anchor, Certificate, judge_chain};

/// 2027-01-15.
const NOW: i64 = 1_800_000_000;

fn pieces(mut input: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let (piece, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

fuzz_target!(|input: &[u8]| {
    let all = pieces(input);
    for der in all.iter().take(32) {
        let Some(certificate) = Certificate::parse(der) else {
            continue;
        };
        let facts = certificate.facts();
        assert!(facts.names.len() <= 32);
        for text in facts.names.iter().chain([&facts.subject, &facts.issuer]) {
            assert!(
                !text.chars().any(char::is_control),
                "a shown text is printable"
            );
            assert!(text.chars().count() <= 256);
        }
        let _ = certificate.has_unusual_key();
    }
    let Some((last, chain)) = all.split_last() else {
        return;
    };
    let anchors: Vec<Anchor> = Anchor::from_certificate(last).into_iter().collect();
    for host in ["registry.example.com", "10.0.0.1", "::1", "localhost"] {
        for (chain, anchors) in [(chain, anchors.as_slice()), (all.as_slice(), &[])] {
            let judgement = judge_chain(chain, host, NOW, anchors);
            if anchors.is_empty() {
                assert!(judgement.fault.is_some(), "nothing is trusted");
            }
            for text in judgement
                .fault
                .iter()
                .map(|fault| &fault.go_text)
                .chain(&judgement.issuer_url)
            {
                assert!(
                    !text.chars().any(char::is_control),
                    "a shown text is printable"
                );
            }
        }
    }
});
