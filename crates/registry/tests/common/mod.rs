//! Helpers of the tests that ask real sockets.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pulldoctor_reference::Reference;
use pulldoctor_registry::judge::{ProxyRules, RealmRule};
use pulldoctor_registry::{
    Limits, Login, Probe, ProbeConfig, ProbeRequest, Problem, Resolvers, SecretText, Stage,
    StageName, StageOutcome, Transcript,
};
use pulldoctor_testkit::dns::{DnsServer, Record, Zone};
use pulldoctor_testkit::registry::{Directory, FakeRegistry};
use pulldoctor_testkit::spec::{HostSpec, TlsMode};
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};

/// Bounds that let a test of a hostile registry end soon.
pub fn quick() -> Limits {
    Limits {
        dns: Duration::from_millis(400),
        connect: Duration::from_millis(400),
        handshake: Duration::from_millis(600),
        answer: Duration::from_millis(600),
        body: Duration::from_millis(600),
        idle: Duration::from_millis(600),
        total: Duration::from_secs(6),
        retry_after: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// A prober that trusts nobody, asks no resolver but those of the test, and knows no proxy.
pub fn config() -> ProbeConfig {
    ProbeConfig {
        limits: quick(),
        proxies: ProxyRules::default(),
        resolvers: Resolvers::Servers {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
        },
        authority_files: Vec::new(),
        system_authorities: false,
        realms: RealmRule::default(),
        ..ProbeConfig::default()
    }
}

pub fn spec(value: Value) -> HostSpec {
    serde_json::from_value(value).unwrap()
}

/// A specification over plain HTTP.
pub fn plain(value: Value) -> HostSpec {
    let mut spec = spec(value);
    spec.tls = TlsMode::PlainHttp;
    spec
}

pub fn one_repository() -> Value {
    json!([{"name": "shop/api", "tags": [
        {"tag": "1.4.1"}, {"tag": "1.4.2-alpine"}, {"tag": "multi", "image": "index:amd64+arm64"}]}])
}

pub fn request(image: &str) -> ProbeRequest {
    ProbeRequest::new(Reference::parse(image).unwrap())
}

pub fn login(name: &str, password: &str) -> Login {
    Login {
        source: format!("secret test/{name}"),
        username: name.to_owned(),
        password: SecretText::new(password),
    }
}

pub async fn ask(config: ProbeConfig, request: &ProbeRequest) -> Transcript {
    run(&Probe::new(config).unwrap(), request).await
}

/// Asks and checks what must hold of every transcript.
pub async fn run(probe: &Probe, request: &ProbeRequest) -> Transcript {
    let mut seen: Vec<Stage> = Vec::new();
    let transcript = probe
        .run(request, &mut |stage| seen.push(stage.clone()))
        .await;
    assert_eq!(seen, transcript.stages, "stages are reported as they stand");
    let text = serde_json::to_string(&transcript).unwrap();
    let again: Transcript = serde_json::from_str(&text).unwrap();
    assert_eq!(again, transcript, "a transcript reads back");
    for login in &request.logins {
        let password = login.password.expose();
        assert!(
            password.is_empty() || !text.contains(password),
            "a password in a transcript"
        );
        assert!(
            !format!("{request:?}{transcript:?}{probe:?}").contains(password)
                || password.is_empty()
        );
    }
    assert!(
        !text.contains('\u{1b}') && !text.contains("\\u001b"),
        "an escape in a transcript"
    );
    transcript
}

/// The first failed stage and its problem.
pub fn failure(transcript: &Transcript) -> (StageName, Problem) {
    let found = transcript.first_failure();
    assert!(found.is_some(), "nothing failed: {transcript:#?}");
    let stage = found.unwrap();
    (stage.stage, stage.problem.unwrap())
}

/// `stage:outcome` of all stages.
pub fn outline(transcript: &Transcript) -> String {
    let parts: Vec<String> = transcript
        .stages
        .iter()
        .map(|stage| {
            let outcome = match stage.outcome {
                StageOutcome::Ok => "ok",
                StageOutcome::Failed => "failed",
                StageOutcome::Skipped => "skipped",
            };
            format!("{}:{outcome}", stage.stage.as_str())
        })
        .collect();
    parts.join(" ")
}

/// An authority, a file with its root, and the folder that the file lives in.
pub struct Company {
    pub authority: Authority,
    pub directory: Directory,
    _folder: tempfile::TempDir,
    pub file: PathBuf,
}

impl Company {
    pub fn new() -> Self {
        let authority = Authority::new("Company").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        Self {
            authority,
            directory: Directory::new(),
            _folder: folder,
            file,
        }
    }

    pub async fn registry(&self, spec: HostSpec) -> FakeRegistry {
        FakeRegistry::start_filled(spec, &self.authority, &self.directory)
            .await
            .unwrap()
    }

    /// A prober that trusts the company.
    pub fn config(&self) -> ProbeConfig {
        ProbeConfig {
            authority_files: vec![self.file.clone()],
            ..config()
        }
    }
}

/// A resolver with these names.
pub async fn dns(names: &[(&str, Record)]) -> (DnsServer, Resolvers) {
    let zone = Zone::new();
    for (name, record) in names {
        zone.set(name, record.clone());
    }
    let server = DnsServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), zone)
        .await
        .unwrap();
    let resolvers = Resolvers::Servers {
        servers: vec![server.address()],
        search: Vec::new(),
        ndots: 1,
    };
    (server, resolvers)
}

/// A TLS server that gives every request the same answer. Returns `127.0.0.1:PORT`.
pub async fn serve_tls(
    chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    key: rustls_pki_types::PrivateKeyDer<'static>,
    answer: &'static str,
) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    address
}
