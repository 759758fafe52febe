//! Reads anything as a token service's answer and as a JSON Web Token.
//!
//! `cargo +nightly fuzz run token fuzz/corpus/token fuzz/seeds/token`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::judge::{parse_token, read_claims};

fn check(access: &[String]) {
    assert!(access.len() <= 16);
    for text in access {
        assert!(
            !text.chars().any(char::is_control),
            "a shown text is printable"
        );
    }
}

fuzz_target!(|input: &[u8]| {
    match parse_token(input) {
        Ok(answer) => {
            let token = answer.token.expose();
            assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(
                !format!("{answer:?}").contains(token) || token.len() < 32,
                "a token is shown"
            );
            answer
                .claims
                .iter()
                .for_each(|claims| check(&claims.access));
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
    if let Ok(text) = str::from_utf8(input) {
        read_claims(text)
            .iter()
            .for_each(|claims| check(&claims.access));
    }
});
