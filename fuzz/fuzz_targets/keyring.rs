//! Reads anything as a pull secret, and checks what must hold of the verdict. The first line is
//! the image, the rest the config.
//!
//! `cargo +nightly fuzz run keyring fuzz/corpus/keyring fuzz/seeds/keyring`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_keyring::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, Keyring, PullSecret,
    facts,
};
use pulldoctor_reference::Reference;

fuzz_target!(|input: &[u8]| {
    let end = input
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(input.len());
    let (image, config) = input.split_at(end);
    let Ok(image) = str::from_utf8(image) else {
        return;
    };
    // Any text can be looked up, also one that no parser lets through.
    let config = config.get(1..).unwrap_or_default();
    for (kind, key) in [
        (DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY),
        (DOCKER_CFG, DOCKER_CFG_KEY),
        ("Opaque", DOCKER_CONFIG_JSON_KEY),
    ] {
        let secret = PullSecret::new("shop", "regcred", kind).with(key, config);
        let keyring = Keyring::new([&secret]);
        let found = keyring
            .as_ref()
            .map_or(0, |keyring| keyring.lookup(image).len());
        let Ok(image) = Reference::parse(image) else {
            continue;
        };
        let facts = facts(&[Ok(secret)], &image);
        assert_eq!(
            facts.failure.is_some(),
            keyring.is_err(),
            "the verdict is the lookup's"
        );
        if let Some(failure) = &facts.failure {
            assert_eq!(found, 0);
            assert!(
                !failure.text.contains("character '"),
                "no character of the secret is told"
            );
        } else if image.repo() == facts.repository {
            let keyring = keyring.unwrap_or_default();
            let found = keyring.lookup(&facts.repository).len();
            assert_eq!(
                facts.matching.len(),
                found.min(100),
                "what matches is what is found"
            );
        }
        for entry in facts.secrets.iter().flat_map(|secret| &secret.entries) {
            for text in [&entry.key, &entry.username] {
                assert!(text.chars().count() <= 160, "a shown text is capped");
                assert!(
                    !text.chars().any(char::is_control),
                    "a shown text is printable"
                );
            }
        }
    }
});
