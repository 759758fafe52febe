//! Reads anything as `WWW-Authenticate` headers (one a line), and judges where a credential would go.
//!
//! `cargo +nightly fuzz run challenge fuzz/corpus/challenge fuzz/seeds/challenge`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_registry::judge::{Destination, RealmRule, judge_destination, parse_challenges};

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let challenges = parse_challenges(text.lines());
    assert!(challenges.len() <= 16);
    for pair in challenges.windows(2) {
        assert!(pair[0].scheme >= pair[1].scheme, "the best comes first");
    }
    for challenge in &challenges {
        assert!(challenge.parameters.len() <= 32);
        let Some(realm) = challenge.parameter("realm") else {
            continue;
        };
        let Ok(url) = url::Url::parse(realm) else {
            continue;
        };
        let verdict = judge_destination("registry.example.com", &url, &RealmRule::default());
        if verdict == Destination::Allowed {
            // A dot at the end makes a name whole; it is the same host.
            let host = url.host_str().unwrap_or_default().trim_end_matches('.');
            let own = host == "example.com" || host.ends_with(".example.com");
            assert!(own && url.scheme() == "https", "{realm} gets a credential");
        }
    }
});
