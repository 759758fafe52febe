//! Reads anything as a manifest, index, config and token answer.
//!
//! `cargo +nightly fuzz run manifest fuzz/corpus/manifest fuzz/seeds/manifest`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::judge::{
    Descriptor, Document, Platform, choose, is_digest, parse_config, parse_manifest, parse_token,
};

fn check(descriptor: &Descriptor) {
    assert!(
        is_digest(&descriptor.digest),
        "a digest that may not stand in a URL"
    );
    assert!(!descriptor.media_type.chars().any(char::is_control));
}

fuzz_target!(|input: &[u8]| {
    match parse_manifest(None, input) {
        Ok(Document::Manifest(manifest)) => {
            assert!(manifest.layers.len() <= 1000);
            manifest
                .layers
                .iter()
                .chain(&manifest.config)
                .for_each(check);
        }
        Ok(Document::Index(index)) => {
            assert!(index.entries.len() <= 1000);
            index
                .entries
                .iter()
                .for_each(|entry| check(&entry.descriptor));
            for architecture in ["amd64", "arm64", "arm", "s390x"] {
                if let Some(entry) = choose(&index, &Platform::linux(architecture)) {
                    assert!(!entry.is_attestation);
                }
            }
        }
        Ok(Document::Schema1) | Err(_) => {}
    }
    if let Some(config) = parse_config(input) {
        for digest in &config.diff_ids {
            assert!(digest.is_empty() || is_digest(digest));
        }
    }
    if let Ok(answer) = parse_token(input) {
        assert!(
            answer
                .token
                .expose()
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
        );
    }
});
