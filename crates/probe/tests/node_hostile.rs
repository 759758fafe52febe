//! Servers that no HTTP library would be, and the bounds that hold against them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Company, ask_in, ask_of, failure, one_repository, plain, see, spec, target};
use pulldoctor_probe::Surroundings;
use pulldoctor_registry::judge::{Problem, StageName};
use pulldoctor_testkit::registry::FakeRegistry;
use pulldoctor_testkit::scripted::{ScriptedServer, Step};
use serde_json::json;

/// Asks a scripted server in plain HTTP.
async fn ask(script: Vec<Step>) -> (StageName, Problem, Duration) {
    let server = ScriptedServer::start(script).await.unwrap();
    let mut asked = target(&server.address().to_string(), "1");
    asked.plain_http = true;
    let start = Instant::now();
    let got = see(asked, &[]).await;
    let (stage, problem) = failure(&got);
    (stage, problem, start.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_answer_ends_in_time() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (name, script, problem) in [
        (
            "silence",
            vec![Step::ReadHead, Step::Stall],
            Problem::HttpTimeout,
        ),
        ("reset", vec![Step::ReadHead, Step::Reset], Problem::HttpCut),
        ("end", vec![Step::ReadHead], Problem::HttpCut),
        (
            "slow loris",
            vec![
                Step::ReadHead,
                Step::text(ok),
                Step::Forever("A: b\r\n".into(), Duration::from_millis(50)),
            ],
            Problem::HttpTimeout,
        ),
        (
            "endless headers",
            vec![
                Step::ReadHead,
                Step::text(ok),
                Step::Forever("A: b\r\n".repeat(100).into(), Duration::ZERO),
            ],
            Problem::HttpTooLarge,
        ),
        (
            "one endless header",
            vec![
                Step::ReadHead,
                Step::text("HTTP/1.1 200 OK\r\nA: "),
                Step::Forever("b".repeat(4096).into(), Duration::ZERO),
            ],
            Problem::HttpTooLarge,
        ),
        (
            "endless interim answers",
            vec![
                Step::ReadHead,
                Step::Forever(
                    "HTTP/1.1 100 Continue\r\n\r\n".into(),
                    Duration::from_millis(1),
                ),
            ],
            Problem::HttpTimeout,
        ),
        (
            "no HTTP",
            vec![Step::ReadHead, Step::text("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
            Problem::HttpMalformed,
        ),
        (
            "a loop",
            vec![
                Step::ReadHead,
                Step::text(
                    "HTTP/1.1 307 X\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                ),
            ],
            Problem::RedirectLoop,
        ),
        (
            "a redirect to the metadata service",
            vec![
                Step::ReadHead,
                Step::text(
                    "HTTP/1.1 307 X\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n",
                ),
            ],
            Problem::RedirectRefused,
        ),
        (
            "a redirect to nowhere",
            vec![
                Step::ReadHead,
                Step::text(
                    "HTTP/1.1 307 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
                ),
            ],
            Problem::RedirectRefused,
        ),
    ] {
        let (stage, got, took) = ask(script).await;
        assert_eq!((stage, got), (StageName::Http, problem), "{name}");
        assert!(took < Duration::from_secs(4), "{name}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_cut() {
    for framing in ["", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n");
        let piece = if framing.is_empty() {
            "x".repeat(4096)
        } else {
            format!("1000\r\n{}\r\n", "x".repeat(4096))
        };
        let script = vec![
            Step::ReadHead,
            Step::text(&head),
            Step::Forever(piece.into(), Duration::ZERO),
        ];
        let (_, problem, took) = ask(script).await;
        // Over the bound of bytes or of time, whichever comes first.
        assert!(
            matches!(problem, Problem::HttpTooLarge | Problem::HttpTimeout),
            "{problem:?}"
        );
        assert!(took < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_cuts_in_the_handshake() {
    for (listen, problem) in [("silent", Problem::TlsTimeout), ("close", Problem::TlsCut)] {
        let company = Company::new();
        let registry = company.registry(spec(json!({"listen": listen}))).await;
        let start = Instant::now();
        let got = see(target(&registry.authority(), "1"), &[]).await;
        assert_eq!(failure(&got), (StageName::Tls, problem), "{got:#?}");
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    // Bytes that look like TLS, one at a time.
    let drip = vec![Step::Drip(
        vec![0x16; 64].into(),
        Duration::from_millis(100),
    )];
    let server = ScriptedServer::start(drip).await.unwrap();
    let start = Instant::now();
    let got = see(target(&server.address().to_string(), "1"), &[]).await;
    assert_eq!(failure(&got).0, StageName::Tls, "{got:#?}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_handshake_is_tried_with_a_small_request() {
    // The first connection stalls as behind a link that loses large packets; the second one gets
    // its small answer.
    let server = ScriptedServer::start_each(vec![
        vec![Step::Stall],
        vec![
            Step::ReadHead,
            Step::text("HTTP/1.0 400 Bad Request\r\n\r\n"),
        ],
    ])
    .await
    .unwrap();
    let asked = ask_of(vec![target(&server.address().to_string(), "1")]);
    let answer = ask_in(Surroundings::default(), asked).await;
    let sight = &answer.sights[0];
    assert_eq!(
        failure(&sight.transcript),
        (StageName::Tls, Problem::TlsTimeout)
    );
    let detail = &sight.transcript.first_failure().unwrap().detail;
    assert!(detail.contains("large packets"), "{detail}");
    assert_eq!(sight.paths[0].small_answered, Some(true));
    assert!(sight.paths[0].segment.is_some_and(|size| size >= 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_probe_has_an_end() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository(),
        "faults": [{"delay_ms": 400}]})))
    .await
    .unwrap();
    let mut asked = ask_of(vec![target(&registry.authority(), "1.4.1")]);
    asked.limits.total = 1000;
    let start = Instant::now();
    let answer = ask_in(Surroundings::default(), asked).await;
    let got = &answer.sights[0].transcript;
    assert!(got.first_failure().is_some(), "{got:#?}");
    assert!(
        start.elapsed() < Duration::from_millis(2500),
        "{:?}",
        start.elapsed()
    );
}

/// A registry that gives a token and refuses with an answer in which it repeats it.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_repeated_does_not_come_home() {
    let token = "canary-9f3/c7+a1==";
    for status in ["401 Unauthorized", "403 Forbidden", "500 Oops"] {
        let sized = |status: &str, headers: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        };
        let gives = ScriptedServer::start(vec![
            Step::ReadHead,
            Step::text(&sized("200 OK", "", &json!({"token": token}).to_string())),
        ])
        .await
        .unwrap();
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"s\"\r\n",
            gives.address()
        );
        let echo = json!({"errors": [{"code": "DENIED", "message":
            format!("Authorization: Bearer {token}, that is canary-9f3%2Fc7%2Ba1")}]});
        let refusal = sized(
            status,
            &format!("Server: nginx Bearer {token}\r\n{challenge}"),
            &echo.to_string(),
        );
        // The HEAD with the token is not served, so that a GET follows.
        let server = ScriptedServer::start_each(vec![vec![
            Step::ReadHead,
            Step::text(&sized("401 Unauthorized", &challenge, "")),
            Step::ReadHead,
            Step::text("HTTP/1.1 405 X\r\nContent-Length: 0\r\n\r\n"),
            Step::ReadHead,
            Step::text(&refusal),
        ]])
        .await
        .unwrap();
        let mut asked = target(&server.address().to_string(), "1");
        asked.plain_http = true;
        let got = see(asked, &[]).await;
        assert_eq!(failure(&got).0, StageName::Manifest, "{got:#?}");
        let text = serde_json::to_string(&got).unwrap();
        assert!(!text.contains("canary") && text.contains('…'), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn escapes_do_not_come_home() {
    let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\u{1b}[2Jgone\u{202e}\"}]}";
    let answer = format!(
        "HTTP/1.1 403 X\r\nServer: a\u{1b}[31m\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = ScriptedServer::start(vec![Step::ReadHead, Step::text(&answer)])
        .await
        .unwrap();
    let mut asked = target(&server.address().to_string(), "1");
    asked.plain_http = true;
    let got = see(asked, &[]).await;
    let text = serde_json::to_string(&got).unwrap();
    assert!(
        !text.contains('\u{1b}') && !text.contains("u001b"),
        "{text}"
    );
    assert!(!text.contains('\u{202e}'), "{text}");
}
