//! Reads anything as the target of a redirect, and checks that no credential goes to another host.
//!
//! `cargo +nightly fuzz run redirect fuzz/corpus/redirect fuzz/seeds/redirect`

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::{
    door::redirect,
    judge::{AddressClass, classify, may_redirect_to},
};

fuzz_target!(|input: &str| {
    if let Some((target, shown, has_credential)) = redirect(input) {
        assert!(matches!(target.scheme(), "http" | "https"));
        let is_own = target.host_str() == Some("registry.example.com")
            && target.scheme() == "https"
            && target.port().is_none();
        assert_eq!(has_credential, is_own, "{target}");
        assert!(
            shown.is_ascii() && !shown.contains([' ', '\r', '\n']),
            "{shown:?} in a request"
        );
    }
    if let Ok(address) = input.parse::<IpAddr>() {
        let class = classify(address);
        assert_eq!(
            may_redirect_to(address, None).is_ok(),
            class == AddressClass::Other
        );
        if address.is_loopback() {
            assert_ne!(class, AddressClass::Other);
        }
    }
});
