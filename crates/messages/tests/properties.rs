//! Properties that hold for any text.

use proptest::prelude::*;
use pulldoctor_messages::{Fault, read, read_paste};

/// Errors as a runtime would put them into envelopes, of many families.
fn inner() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "failed to pull and unpack image \"r.io/a/b:1\": failed to resolve reference \"r.io/a/b:1\": r.io/a/b:1: not found",
        "failed to pull and unpack image \"r.io/a/b:1\": failed to resolve reference \"r.io/a/b:1\": failed to do request: Head \"https://r.io/v2/a/b/manifests/1\": dial tcp: lookup r.io on 10.0.0.2:53: no such host",
        "failed to pull and unpack image \"r.io/a/b:1\": failed to resolve image: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r.io/token?scope=repository%3Aa%2Fb%3Apull&service=r.io: 401 Unauthorized",
        "failed to pull and unpack image \"r.io/a/b:1\": no match for platform in manifest: not found",
        "failed to pull and unpack image \"r.io/a/b:1\": failed to extract layer sha256:aa: write /x: no space left on device: unknown",
        "initializing source docker://r.io/a/b:1: reading manifest 1 in r.io/a/b: unauthorized: access to the requested resource is not authorized",
        "Error response from daemon: manifest for r.io/a/b:1 not found: manifest unknown: manifest unknown",
        "Error response from daemon: Get \"https://r.io/v2/\": x509: certificate signed by unknown authority",
        "initializing source docker://r.io/a/b:1: pinging container registry r.io: Get \"https://r.io/v2/\": net/http: TLS handshake timeout",
        "failed to pull and unpack image \"r.io/a/b:1\": failed to resolve reference \"r.io/a/b:1\": unexpected status from GET request to https://r.io/v2/a/b/manifests/1: 429 Too Many Requests",
        "pull QPS exceeded",
    ])
}

/// Envelopes that a text goes through on its way to a person.
fn wrap(depth: usize, text: &str) -> String {
    match depth % 8 {
        0 => format!("rpc error: code = Unknown desc = {text}"),
        1 => format!("Failed to pull image \"r.io/a/b:1\": {text}"),
        2 => format!("Back-off pulling image \"r.io/a/b:1\": ErrImagePull: {text}"),
        3 => format!("\"PullImage from image service failed\" err={text:?} image=\"r.io/a/b:1\""),
        4 => format!("{{\"msg\":{text:?},\"image\":\"r.io/a/b:1\"}}"),
        5 => format!(
            "Nov 24 20:00:01 n3 kubelet[812]: E1124 20:00:01.123456     812 pod_workers.go:1301] \"Error syncing pod, skipping\" err={text:?} pod=\"shop/api\""
        ),
        6 => format!("[ERROR ImagePull]: failed to pull image r.io/a/b:1: output: {text}"),
        _ => format!("time=\"2026-11-24T20:00:00Z\" level=error msg={text:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let reading = read(&text);
        prop_assert!(serde_json::to_string(&reading).is_ok());
        let _ = read_paste(&text);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces_of_the_grammar_in_any_order_are_read(pieces in prop::collection::vec(prop::sample::select(vec![
        "rpc error: code = ", "desc = ", "\"", "\\\"", "[", "]", "(", ": ", "failed to pull image ", "lookup ", " on ", "https://", "Get ",
        "x509: certificate is valid for ", ", not ", "sha256:", "\n", "é", "🚫", "429 ", "unexpected commit digest ", "(Mirrors also failed: ", "]): ",
        "; artifact err: ", "%!F(MISSING)", "&quot;", "\\u0026", "](http", "denied: ", "dial tcp ", "->", "not found", "{", "<html>",
    ]), 0..60)) {
        let text = pieces.concat();
        let _ = read(&text);
        let _ = read_paste(&text);
    }

    #[test]
    fn envelopes_do_not_change_the_fault(text in inner(), envelopes in prop::collection::vec(0usize..8, 0..4)) {
        let bare = read(text);
        let wrapped = envelopes.iter().fold(text.to_owned(), |text, depth| wrap(*depth, &text));
        let reading = read(&wrapped);
        prop_assert_eq!(&reading.fault, &bare.fault, "{}", wrapped);
        prop_assert_eq!(&reading.status, &bare.status, "{}", wrapped);
        prop_assert_eq!(&reading.url, &bare.url, "{}", wrapped);
        if bare.registry.is_some() {
            prop_assert_eq!(&reading.registry, &bare.registry, "{}", wrapped);
        }
        let pasted = read_paste(&wrapped);
        prop_assert_eq!(pasted.readings.first().map(|r| &r.fault), Some(&bare.fault), "{}", wrapped);
    }

    #[test]
    fn cutting_the_end_never_makes_up_a_cause_of_another_family(text in inner(), keep in 0usize..1000) {
        let at = text.len() * keep / 1000;
        let Some(cut) = text.get(..at) else { return Ok(()); };
        let fault = read(cut).fault;
        // A text that lost its cause may tell less, never a local fault that it did not have.
        if !text.contains("space left") {
            prop_assert!(!matches!(fault, Fault::NoSpace | Fault::ReadOnly | Fault::IoError | Fault::Signature), "{cut}");
        }
    }
}

/// Work is linear: a text of twice the length takes about twice as long. What is counted is time
/// on one thread, so the bound is generous; a quadratic reader is off by a factor of hundreds.
#[test]
fn megabytes_take_milliseconds() {
    let pieces = [
        "failed to pull image ",
        "open ",
        "x509: certificate is valid for ",
        "[rpc error: code = ",
        "](http",
        "\"",
        "[",
        "\n \"",
        "a:\n",
        "permission \"",
        "\\",
        "Mirrors also failed: [",
        "credential plugin ",
        "400 ",
    ];
    for piece in pieces {
        let text = piece.repeat(1024 * 1024 / piece.len());
        let start = std::time::Instant::now();
        let reading = read(&text);
        assert!(reading.truncated);
        let _ = read_paste(&text);
        assert!(
            start.elapsed().as_millis() < 10_000,
            "{piece:?} took {:?}",
            start.elapsed()
        );
    }
}
