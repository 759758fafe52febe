//! Parses anything as a reference in both dialects and checks what must hold of the result.
//!
//! `cargo +nightly fuzz run reference fuzz/corpus/reference fuzz/seeds/reference`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_reference::{Dialect, Reference, suggestion_as};

fuzz_target!(|input: &str| {
    for dialect in [Dialect::Until128, Dialect::Since129] {
        match Reference::parse_as(input, dialect) {
            Ok(reference) => {
                let again = Reference::parse_as(&reference.kubelet_name(), dialect)
                    .expect("what the kubelet sends parses");
                assert_eq!(again.normal(), reference.normal());
                assert!(!reference.registry().is_empty());
                assert!(!reference.repository().is_empty());
                assert_eq!(suggestion_as(input, dialect), None);
            }
            Err(error) => {
                let pointed = error.span().of(input).expect("the span lies in the input");
                assert_eq!(pointed.is_empty(), input.is_empty());
                assert!(!error.to_string().chars().any(char::is_control));
                assert!(error.kubelet_text().len() <= input.len() + 100);
                if let Some(meant) = suggestion_as(input, dialect) {
                    assert!(Reference::parse_as(&meant, dialect).is_ok());
                }
            }
        }
    }
});
