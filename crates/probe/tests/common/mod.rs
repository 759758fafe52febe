//! Helpers of the tests that ask real sockets.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use pulldoctor_probe::{NodeAnswer, Surroundings, run};
use pulldoctor_registry::judge::trust::Anchor;
use pulldoctor_registry::judge::{
    NODE_PROTOCOL, NodeAsk, NodeImage, NodeLimits, NodeRole, NodeTarget, Problem, ResolveConf,
    StageName, StageOutcome, Transcript,
};
use pulldoctor_testkit::registry::{Directory, FakeRegistry};
use pulldoctor_testkit::spec::{HostSpec, TlsMode};
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};

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
        {"tag": "1.4.1"}, {"tag": "multi", "image": "index:amd64+arm64"}]}])
}

/// Asks `host` for `shop/api:tag`.
pub fn target(host: &str, tag: &str) -> NodeTarget {
    NodeTarget {
        role: NodeRole::Registry,
        host: host.to_owned(),
        plain_http: false,
        image: Some(NodeImage {
            written: format!("{host}/shop/api:{tag}"),
            repository: "shop/api".to_owned(),
            reference: tag.to_owned(),
            tag: Some(tag.to_owned()),
            platform: Some("linux/amd64".to_owned()),
        }),
    }
}

/// Bounds that let a test of a hostile registry end soon.
pub fn ask_of(targets: Vec<NodeTarget>) -> NodeAsk {
    NodeAsk {
        protocol: NODE_PROTOCOL,
        user_agent: "pulldoctor/test".to_owned(),
        targets,
        limits: NodeLimits {
            total: 6000,
            dns: 500,
            connect: 500,
            handshake: 800,
            answer: 800,
        },
    }
}

/// Asks with these surroundings and checks what must hold of every answer.
pub async fn ask_in(place: Surroundings, ask: NodeAsk) -> NodeAnswer {
    let count = ask.targets.len();
    let own = ask.clone();
    let answer = tokio::task::spawn_blocking(move || run(&own, &place))
        .await
        .unwrap();
    assert_eq!(answer.sights.len(), count);
    let line = answer.line();
    assert!(!line.contains('\n') && !line.contains("\\u001b"), "{line}");
    let again = NodeAnswer::from_log(&format!("{line}\n"));
    assert_eq!(again.as_ref(), Ok(&answer), "an answer reads back");
    let brief = NodeAnswer::from_summary(&answer.summary(), &ask).unwrap();
    for (sight, full) in brief.sights.iter().zip(&answer.sights) {
        let problem = |transcript: &Transcript| {
            let failed = transcript.first_failure()?;
            Some((failed.stage, failed.problem))
        };
        assert_eq!(problem(&sight.transcript), problem(&full.transcript));
    }
    answer
}

/// Asks one target without resolvers, and judges what came by these authorities.
pub async fn see(target: NodeTarget, anchors: &[Anchor]) -> Transcript {
    let mut answer = ask_in(Surroundings::default(), ask_of(vec![target])).await;
    let clock = answer.clock;
    answer.sights.remove(0).judged(clock, anchors).transcript
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

/// An authority and the hosts that it vouches for.
pub struct Company {
    pub authority: Authority,
    pub directory: Directory,
}

impl Company {
    pub fn new() -> Self {
        Self {
            authority: Authority::new("Company").unwrap(),
            directory: Directory::new(),
        }
    }

    pub async fn registry(&self, spec: HostSpec) -> FakeRegistry {
        FakeRegistry::start_filled(spec, &self.authority, &self.directory)
            .await
            .unwrap()
    }

    /// Its root, as an authority that is trusted at home.
    pub fn anchors(&self) -> Vec<Anchor> {
        use rustls_pki_types::CertificateDer;
        use rustls_pki_types::pem::PemObject as _;
        let pem = self.authority.pem();
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(|der| Anchor::from_certificate(&der.unwrap()).unwrap())
            .collect()
    }
}

/// Resolvers that are asked for everything but what this hosts file names.
pub fn place(servers: Vec<SocketAddr>, hosts: &str) -> Surroundings {
    Surroundings {
        resolvers: ResolveConf {
            servers,
            search: Vec::new(),
            ndots: 1,
        },
        hosts: hosts.to_owned(),
    }
}
