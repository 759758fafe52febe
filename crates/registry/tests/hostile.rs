//! Registries that mean harm. Each ends in bounded time, in bounded memory, with a clear stage and
//! without a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Company, ask, config, failure, login, plain, request, spec};
use pulldoctor_registry::{ProbeDepth, Problem, StageName, StageOutcome, Transcript};
use pulldoctor_testkit::registry::FakeRegistry;
use pulldoctor_testkit::scripted::{ScriptedServer, Step};
use serde_json::json;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The script after the peek that finds out that this loopback port speaks no TLS.
async fn scripted(script: Vec<Step>) -> ScriptedServer {
    let plain_400 = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    ScriptedServer::start_each(vec![
        vec![
            Step::text(plain_400),
            Step::Pause(Duration::from_millis(50)),
        ],
        script,
    ])
    .await
    .unwrap()
}

async fn probe(script: Vec<Step>) -> Transcript {
    let server = scripted(script).await;
    timed(&server.address().to_string()).await
}

async fn timed(authority: &str) -> Transcript {
    let mut question = request(&format!("{authority}/shop/api:1"));
    question.logins = vec![login("ci", "canary-hostile")];
    let start = Instant::now();
    let got = ask(config(), &question).await;
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?} {got:#?}",
        start.elapsed()
    );
    got
}

fn answer(head: &str, body: &str) -> Step {
    Step::text(&format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn answers_that_never_end_or_never_begin() {
    let ms = Duration::from_millis;
    let head = |text: &str| Step::text(text);
    let big_header = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(10 << 20));
    for (name, script, problem) in [
        (
            "silence",
            vec![Step::ReadHead, Step::Stall],
            Problem::HttpTimeout,
        ),
        (
            "slow loris",
            vec![
                Step::ReadHead,
                Step::Drip(Bytes::from("HTTP/1.1 200 OK\r\n".repeat(50)), ms(40)),
            ],
            Problem::HttpTimeout,
        ),
        (
            "endless headers",
            vec![
                Step::ReadHead,
                head("HTTP/1.1 200 OK\r\n"),
                Step::Forever("X-A: b\r\n".repeat(1000).into(), Duration::ZERO),
            ],
            Problem::HttpTooLarge,
        ),
        (
            "a 10 MB header",
            vec![Step::ReadHead, Step::text(&big_header)],
            Problem::HttpTooLarge,
        ),
        (
            "no HTTP",
            vec![Step::ReadHead, head("220 smtp.example.com ESMTP\r\n")],
            Problem::HttpMalformed,
        ),
        (
            "endless 100 Continue",
            vec![
                Step::ReadHead,
                Step::Forever("HTTP/1.1 100 Continue\r\n\r\n".into(), ms(1)),
            ],
            Problem::HttpTimeout,
        ),
        (
            "a header with escapes",
            vec![Step::ReadHead, head("HTTP/1.1 200 \u{1b}[2J\r\n\r\n")],
            Problem::HttpMalformed,
        ),
        ("closed", vec![Step::ReadHead], Problem::HttpCut),
        ("reset", vec![Step::ReadHead, Step::Reset], Problem::HttpCut),
    ] {
        let got = probe(script).await;
        assert_eq!(
            failure(&got),
            (StageName::Http, problem),
            "{name}: {got:#?}"
        );
    }
    assert!(resident() < 400_000, "{} KiB", resident());
}

#[tokio::test]
async fn bodies_that_never_end() {
    let found = format!(
        "HTTP/1.1 200 OK\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 3\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let endless = |head: &str, piece: String, pause| {
        vec![
            Step::ReadHead,
            Step::text(&found),
            Step::ReadHead,
            Step::text(head),
            Step::Forever(piece.into(), pause),
        ]
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let before = resident();
    for (name, script, problem) in [
        (
            "chunks without end",
            endless(chunked, chunk, Duration::ZERO),
            Problem::HttpTooLarge,
        ),
        (
            "to the end of the connection",
            endless("HTTP/1.1 200 OK\r\n\r\n", "y".repeat(65536), Duration::ZERO),
            Problem::HttpTooLarge,
        ),
        (
            "a body that trickles",
            endless(
                "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
                "z".to_owned(),
                Duration::from_millis(30),
            ),
            Problem::HttpTimeout,
        ),
        (
            "a terabyte that is promised",
            endless(
                "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n",
                "w".repeat(65536),
                Duration::ZERO,
            ),
            Problem::HttpTooLarge,
        ),
        (
            "chunk extensions without end",
            endless(chunked, ";".repeat(65536), Duration::ZERO),
            Problem::HttpCut,
        ),
    ] {
        let got = probe(script).await;
        let (stage, found) = failure(&got);
        assert_eq!(stage, StageName::Manifest, "{name}: {got:#?}");
        assert!(
            found == problem || found == Problem::HttpMalformed,
            "{name}: {found:?}"
        );
    }
    assert!(
        resident() < before + 200_000,
        "{} KiB after {before}",
        resident()
    );
}

#[tokio::test]
async fn an_endless_refusal_is_read_no_further_than_needed() {
    let script = vec![
        Step::ReadHead,
        Step::text("HTTP/1.1 503 Service Unavailable\r\n\r\n"),
        Step::Forever("x".repeat(65536).into(), Duration::ZERO),
    ];
    // A HEAD has no body; the connection must not be used again for what follows.
    let got = probe(script).await;
    assert_eq!(
        failure(&got),
        (StageName::Http, Problem::ServerError),
        "{got:#?}"
    );
}

#[tokio::test]
async fn redirects_that_lead_nowhere_or_inside() {
    for (target, problem) in [
        ("/v2/shop/api/manifests/1", Problem::RedirectLoop),
        (
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
            Problem::RedirectRefused,
        ),
        ("http://[fd00:ec2::254]/", Problem::RedirectRefused),
        ("http://169.254.10.10/", Problem::RedirectRefused),
        ("http://0.0.0.0/", Problem::RedirectRefused),
        ("http://[::ffff:169.254.169.254]/", Problem::RedirectRefused),
        ("http://2852039166/", Problem::RedirectRefused),
        ("file:///etc/passwd", Problem::RedirectRefused),
        (
            "gopher://127.0.0.1:6379/_FLUSHALL",
            Problem::RedirectRefused,
        ),
        ("\u{1b}[2Jhttp://", Problem::RedirectRefused),
    ] {
        let script = vec![
            Step::ReadHead,
            Step::text(&format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
            )),
        ];
        let got = probe(script).await;
        let (stage, found) = failure(&got);
        assert_eq!(stage, StageName::Http, "{target}: {got:#?}");
        assert!(
            found == problem || found == Problem::HttpMalformed,
            "{target}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_registry_elsewhere_may_not_send_to_loopback() {
    // The registry is at 127.0.0.1 itself, so that one is allowed; a name for a link-local address
    // is not, whatever it is called.
    let (_server, resolvers) = common::dns(&[(
        "meta.lab",
        pulldoctor_testkit::dns::Record::address(std::net::Ipv4Addr::new(169, 254, 169, 254)),
    )])
    .await;
    for realm in ["http://meta.lab/token", "https://meta.lab/token"] {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        let registry = FakeRegistry::start(plain(json!({"faults": [
            {"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": challenge}}]})))
        .await
        .unwrap();
        let mut settings = config();
        settings.resolvers = resolvers.clone();
        let got = ask(settings, &request(&format!("{}/a:1", registry.authority()))).await;
        assert_eq!(
            failure(&got),
            (StageName::Token, Problem::RedirectRefused),
            "{got:#?}"
        );
    }
}

#[tokio::test]
async fn texts_that_play_with_the_terminal() {
    let company = Company::new();
    let body = "{\"errors\":[{\"code\":\"\\u001b]0;x\\u0007\",\"message\":\"\\u001b[2J\u{202e}evil\\u0000\"}]}";
    let registry = company
        .registry(spec(
            json!({"faults": [{"path": "/v2/**", "status": 403, "body": body,
            "headers": {"Server": "evil\u{9b}31m"}}]}),
        ))
        .await;
    let got = ask(
        company.config(),
        &request(&format!("{}/a:1", registry.authority())),
    )
    .await;
    assert_eq!(failure(&got), (StageName::Manifest, Problem::Forbidden));
    let text = serde_json::to_string(&got).unwrap();
    for bad in ["\\u001b", "\\u0000", "\\u0007", "\u{202e}", "\u{9b}"] {
        assert!(!text.contains(bad), "{bad:?} in {text}");
    }
    assert!(text.contains("\\\\u{1b}"), "{text}");
}

#[tokio::test]
async fn manifests_that_are_not_what_they_say() {
    let manifest = |digest: &str| {
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2},
            "layers": []})
        .to_string()
    };
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let head =
        |kind: &str| format!("200 OK\r\nDocker-Content-Digest: {DIGEST}\r\nContent-Type: {kind}");
    let json_type = "application/vnd.oci.image.manifest.v1+json";
    for (name, kind, body, problem) in [
        (
            "another digest",
            json_type,
            manifest(DIGEST),
            Problem::ManifestDigest,
        ),
        (
            "a path for a digest",
            json_type,
            manifest("sha256:../../../../etc/passwd"),
            Problem::ManifestDigest,
        ),
        (
            "a web page",
            "text/html",
            "<html><title>Log in</title>".to_owned(),
            Problem::ManifestMalformed,
        ),
        ("deep nesting", json_type, deep, Problem::ManifestDigest),
    ] {
        let script = vec![
            Step::ReadHead,
            Step::text(&format!(
                "HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n",
                head(kind),
                body.len()
            )),
            Step::ReadHead,
            answer(&head(kind), &body),
        ];
        let got = probe(script).await;
        assert_eq!(
            failure(&got),
            (StageName::Manifest, problem),
            "{name}: {got:#?}"
        );
    }
    // Without a digest in the header, the content is looked at.
    for (name, body) in [
        (
            "a path for a digest",
            manifest("sha256:../../../../etc/passwd"),
        ),
        ("deep nesting", "[".repeat(200_000)),
        ("nothing", String::new()),
        ("a number", "7".to_owned()),
        ("an object of nothing", "{}".to_owned()),
    ] {
        let script = vec![
            Step::ReadHead,
            Step::text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            Step::ReadHead,
            answer("200 OK", &body),
        ];
        let got = probe(script).await;
        assert_eq!(
            failure(&got),
            (StageName::Manifest, Problem::ManifestMalformed),
            "{name}: {got:#?}"
        );
    }
    // A body that is packed though nobody asked for it is not unpacked.
    let script = vec![
        Step::ReadHead,
        Step::text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
        Step::ReadHead,
        answer("200 OK\r\nContent-Encoding: gzip", "\u{1f}x"),
    ];
    let got = probe(script).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::ManifestMalformed)
    );
}

#[tokio::test]
async fn http_1_0_is_understood() {
    let got = probe(vec![
        Step::ReadHead,
        Step::text("HTTP/1.0 404 Not Found\r\n\r\n"),
    ])
    .await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::NotFound),
        "{got:#?}"
    );
}

#[tokio::test]
async fn tags_without_end() {
    let registry = FakeRegistry::start(plain(
        json!({"repositories": [{"name": "shop/api", "tags": [{"tag": "2"}]}],
        "faults": [{"path": "/v2/**/tags/list", "status": 200, "body": "{\"tags\":[\"a\",\"b\"]}",
            "headers": {"Link": "</v2/shop/api/tags/list?n=1>; rel=\"next\""}}]}),
    ))
    .await
    .unwrap();
    let got = timed(&registry.authority()).await;
    assert_eq!(failure(&got), (StageName::Manifest, Problem::NotFound));
    let list = got.tags.unwrap();
    assert_eq!((list.tags.len(), list.truncated), (2, true));
    assert!(registry.log().len() < 8, "{:?}", registry.log());
}

#[tokio::test]
async fn a_good_answer_closed_at_every_byte() {
    let registry = FakeRegistry::start(plain(
        json!({"repositories": [{"name": "shop/api", "tags": [{"tag": "1", "image": "tiny"}]}]}),
    ))
    .await
    .unwrap();
    let settings = config();
    let mut question = request(&format!("{}/shop/api:1", registry.authority()));
    question.depth = ProbeDepth::Verify;
    // HEAD and GET of the manifest, the config, the layer: each cut at every byte of its answer.
    let routes = [
        ("HEAD", "/v2/**/manifests/*"),
        ("GET", "/v2/**/manifests/*"),
        ("GET", "/v2/**/blobs/*"),
    ];
    let (mut failed, mut good) = (0, 0);
    for (method, path) in routes {
        for at in (0..700).chain((700..3000).step_by(97)) {
            let faults = json!([{"method": method, "path": path, "wire_cut_after": at}]);
            registry.set_faults(&serde_json::from_value::<Vec<_>>(faults).unwrap());
            let start = Instant::now();
            let got = ask(settings.clone(), &question).await;
            assert!(
                start.elapsed() < Duration::from_secs(6),
                "{method} {path} {at}"
            );
            match got.first_failure() {
                None => good += 1,
                Some(stage) => {
                    failed += 1;
                    let problem = stage.problem.unwrap();
                    assert!(
                        matches!(
                            problem,
                            Problem::HttpCut
                                | Problem::HttpMalformed
                                | Problem::LayerCut
                                | Problem::ManifestMalformed
                                | Problem::ManifestDigest
                        ),
                        "{method} {path} {at}: {problem:?} {}",
                        stage.detail
                    );
                    assert_eq!(stage.outcome, StageOutcome::Failed);
                }
            }
        }
    }
    assert!(failed > 500 && good > 0, "{failed} {good}");
}

#[tokio::test]
async fn a_layer_that_is_a_bomb_or_without_end() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..200 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let hash = |bytes: &[u8]| pulldoctor_testkit::image::sha256(bytes);
    let config_blob =
        json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [DIGEST]}})
            .to_string();
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": hash(config_blob.as_bytes()), "size": config_blob.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": hash(&bomb), "size": bomb.len()}]})
    .to_string();
    let before = resident();
    for (name, layer, problem) in [
        (
            "a bomb",
            vec![
                Step::text(&format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    bomb.len()
                )),
                Step::Send(bomb.clone().into()),
                Step::Stall,
            ],
            Problem::LayerTooLarge,
        ),
        (
            "no end",
            vec![
                Step::text("HTTP/1.1 200 OK\r\n\r\n"),
                Step::Forever(vec![7; 65536].into(), Duration::ZERO),
            ],
            Problem::LayerSize,
        ),
    ] {
        let mut script = vec![
            Step::ReadHead,
            Step::text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            Step::ReadHead,
            answer("200 OK", &manifest),
            Step::ReadHead,
            answer("200 OK", &config_blob),
            Step::ReadHead,
        ];
        script.extend(layer);
        let server = scripted(script).await;
        let mut question = request(&format!("{}/shop/api:1", server.address()));
        question.depth = ProbeDepth::Verify;
        let mut settings = config();
        settings.limits.unpacked_bytes = 50 << 20;
        let start = Instant::now();
        let got = ask(settings, &question).await;
        assert!(start.elapsed() < Duration::from_secs(20), "{name}");
        assert_eq!(
            failure(&got),
            (StageName::Layers, problem),
            "{name}: {got:#?}"
        );
    }
    assert!(
        resident() < before + 100_000,
        "{} KiB after {before}",
        resident()
    );
}
