//! Reads anything as proxy settings (HTTPS_PROXY, HTTP_PROXY, NO_PROXY and a host, one a line),
//! and as what a proxy answers.
//!
//! `cargo +nightly fuzz run proxy fuzz/corpus/proxy fuzz/seeds/proxy`

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::{
    SecretText,
    door::ask_proxy,
    judge::{ProxyDecision, ProxyRules, ProxyScheme, ProxyUrl},
};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let lines: Vec<&str> = text.lines().collect();
    let line = |at: usize| lines.get(at).map(|line| (*line).to_owned());
    let rules = ProxyRules::new(|name| match name {
        "https_proxy" => line(0),
        "http_proxy" => line(1),
        "no_proxy" => line(2),
        _ => None,
    });
    let host = line(3).unwrap_or_else(|| "registry.example.com".to_owned());
    for is_https in [true, false] {
        match rules.decide(is_https, &host, 443) {
            ProxyDecision::Through(_, proxy) => {
                assert!(!proxy.host.is_empty());
                assert!(printable(&proxy.to_string()), "{proxy}");
            }
            ProxyDecision::Excepted(why) => assert!(printable(&why), "{why}"),
            ProxyDecision::Unset | ProxyDecision::Invalid(_) => {}
        }
    }
    for login in [
        None,
        Some(("user".to_owned(), SecretText::new("c4n4ry".to_owned()))),
    ] {
        let proxy = ProxyUrl {
            scheme: ProxyScheme::Http,
            host: "proxy.example.com".to_owned(),
            port: 3128,
            login,
        };
        for is_socks in [false, true] {
            if let Some(detail) = RUNTIME.block_on(ask_proxy(input, &proxy, is_socks)) {
                assert!(
                    printable(&detail) && detail.chars().count() <= 500,
                    "{detail}"
                );
            }
        }
    }
});
