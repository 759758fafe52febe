//! Keyrings and registries: which credentials are tried, what a probe costs, and what is a gap.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod common;

use std::{path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{connect_with, gap, put};
use pulldoctor_cluster::{Bundle, Cluster, ConnectOptions, Registries, Scope, recall};
use pulldoctor_model::{
    Answer, Evidence, Fit, GapReason, KeyringFacts, Question, RegistryCredentials, SecretStanding,
    Vantage,
    registry::{CredentialOutcome, Transcript},
};
use pulldoctor_registry::{ProbeConfig, Resolvers};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid},
    registry::{Authorization, Directory, FakeRegistry},
    spec::HostSpec,
    tls::Authority,
};
use serde_json::{Value, json};

const CANARY: &str = "c4n4ry-p4ssw0rd";
const OTHER: &str = "c4n4ry-0th3r";

/// A company: its authority, its registries, and how they are asked.
struct Company {
    authority: Authority,
    directory: Directory,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Company {
    fn new() -> Self {
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

    /// A registry with `shop/api:1.4.1` that lets `ci` and `cd` read.
    async fn registry(&self, mut spec: Value) -> FakeRegistry {
        spec["repositories"] = json!([{"name": "shop/api",
            "tags": [{"tag": "1.4.1"}, {"tag": "1.4.3"}, {"tag": "1.4.4"}]}]);
        let spec: HostSpec = serde_json::from_value(spec).unwrap();
        FakeRegistry::start_filled(spec, &self.authority, &self.directory)
            .await
            .unwrap()
    }

    async fn private(&self) -> FakeRegistry {
        self.registry(json!({"auth": {"kind": "basic", "users": [
            {"name": "ci", "password": CANARY}, {"name": "cd", "password": OTHER}]}}))
            .await
    }

    fn probing(&self) -> ProbeConfig {
        ProbeConfig {
            resolvers: Resolvers::Servers {
                servers: Vec::new(),
                search: Vec::new(),
                ndots: 1,
            },
            authority_files: vec![self.file.clone()],
            system_authorities: false,
            ..ProbeConfig::default()
        }
    }

    fn registries(&self) -> Registries {
        Registries::new(self.probing()).unwrap()
    }
}

fn connect(fake: &FakeCluster, registries: Registries) -> Cluster {
    let options = ConnectOptions {
        registries: Some(registries),
        ..ConnectOptions::default()
    };
    connect_with(fake, &options)
}

async fn ask(cluster: &Cluster, questions: &[Question]) -> Evidence {
    let mut evidence = Evidence::new("fake", "x", jiff::Timestamp::UNIX_EPOCH);
    cluster.answer(questions, &mut evidence).await;
    let text = format!("{evidence:?}{}", serde_json::to_string(&evidence).unwrap());
    assert_no_canary(&text);
    evidence
}

fn assert_no_canary(text: &str) {
    for canary in [CANARY, OTHER] {
        assert!(!text.contains(canary), "{canary} in {text}");
        for shift in ["ci:", "cd:", "", "x", "xx"] {
            let encoded = STANDARD.encode(format!("{shift}{canary}"));
            let core = &encoded[8..encoded.len() - 4];
            assert!(!text.contains(core), "{core} in {text}");
        }
    }
}

/// A pull secret with one entry.
fn secret(namespace: &str, name: &str, key: &str, username: &str, password: &str) -> Value {
    let auth = STANDARD.encode(format!("{username}:{password}"));
    config_secret(namespace, name, &json!({"auths": {key: {"auth": auth}}}))
}

fn config_secret(namespace: &str, name: &str, config: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": name, "namespace": namespace,
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "data": {".dockerconfigjson": STANDARD.encode(config.to_string())}})
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn keyring(namespace: &str, secrets: &[&str], image: &str) -> Question {
    Question::Keyring {
        namespace: namespace.to_owned(),
        secrets: names(secrets),
        image: image.to_owned(),
    }
}

fn registry(namespace: &str, secrets: &[&str], image: &str) -> Question {
    Question::Registry {
        image: image.to_owned(),
        platform: Some("linux/amd64".to_owned()),
        credentials: if secrets.is_empty() {
            RegistryCredentials::Anonymous
        } else {
            RegistryCredentials::Secrets {
                namespace: namespace.to_owned(),
                names: names(secrets),
            }
        },
        content: false,
    }
}

fn image(registry: &FakeRegistry, tag: &str) -> String {
    format!("{}/shop/api:{tag}", registry.authority())
}

fn told<'e>(evidence: &'e Evidence, question: &Question) -> &'e KeyringFacts {
    let answered = evidence.answer(question).unwrap();
    assert_eq!(answered.from, Vantage::Api);
    match &answered.answer {
        Answer::Keyring(facts) => facts,
        other => panic!("{other:?}"),
    }
}

fn transcript<'e>(evidence: &'e Evidence, question: &Question) -> &'e Transcript {
    let answered = evidence
        .answer(question)
        .unwrap_or_else(|| panic!("{:?}", evidence.gaps));
    assert_eq!(answered.from, Vantage::Here);
    assert_eq!(answered.took_ms, None);
    match &answered.answer {
        Answer::Registry(transcript) => transcript,
        other => panic!("{other:?}"),
    }
}

fn outcomes(transcript: &Transcript) -> Vec<(&str, CredentialOutcome)> {
    transcript
        .credentials
        .iter()
        .map(|record| (record.source.as_str(), record.outcome))
        .collect()
}

/// How many probes a registry saw: each begins with a request without a login.
fn probes(registry: &FakeRegistry) -> usize {
    registry
        .log()
        .iter()
        .filter(|it| it.method == "HEAD" && it.path.contains("/manifests/"))
        .filter(|it| it.authorization == Authorization::None)
        .count()
}

#[tokio::test]
async fn a_secret_is_read_once_for_all_who_ask() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            secret("shop", "good", "reg.example.com", "ci", CANARY),
            secret("cart", "gone", "reg.example.com", "ci", CANARY),
        ],
    );
    let outside = Question::Secret {
        namespace: "shop".to_owned(),
        name: "good".to_owned(),
    };
    let one = keyring("shop", &["good", "gone"], "reg.example.com/shop/api:1");
    let other = keyring("shop", &["good"], "else.example.com/shop/api:1");
    let cluster = common::connect(&fake);
    let evidence = ask(&cluster, &[outside.clone(), one.clone(), other.clone()]).await;
    assert!(evidence.gaps.is_empty(), "{:?}", evidence.gaps);
    assert!(matches!(&evidence.answer(&outside).unwrap().answer,
        Answer::Secret(facts) if facts.exists && facts.keys == [".dockerconfigjson"]));

    let facts = told(&evidence, &one);
    assert_eq!(facts.matching.len(), 1);
    assert_eq!(facts.matching[0].username, "ci");
    assert_eq!(
        facts.secrets[1].standing,
        SecretStanding::Missing {
            elsewhere: vec!["cart".to_owned()]
        }
    );
    let facts = told(&evidence, &other);
    assert!(facts.matching.is_empty());
    assert!(matches!(
        facts.secrets[0].entries[0].fit,
        Fit::Mismatch { .. }
    ));
    let reads = |name: &str| {
        let path = format!("/api/v1/namespaces/shop/secrets/{name}");
        fake.log().iter().filter(|it| it.path == path).count()
    };
    assert_eq!((reads("good"), reads("gone")), (1, 1));
}

#[tokio::test]
async fn a_new_scan_reads_again() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [secret("shop", "a", "reg.example.com", "ci", CANARY)],
    );
    let question = keyring("shop", &["a"], "reg.example.com/shop/api:1");
    let cluster = common::connect(&fake);
    let before = ask(&cluster, std::slice::from_ref(&question)).await;
    assert_eq!(told(&before, &question).matching.len(), 1);
    put(
        &fake,
        [secret("shop", "a", "reg.example.org", "ci", CANARY)],
    );
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    cluster
        .answer(std::slice::from_ref(&question), &mut evidence)
        .await;
    assert!(told(&evidence, &question).matching.is_empty());
}

#[tokio::test]
async fn secrets_that_may_not_be_read_are_one_gap_and_no_registry_is_asked() {
    let company = Company::new();
    let registry_server = company.private().await;
    let fake = FakeCluster::new();
    fake.forbid(Forbid::everywhere("get", "secrets"));
    let cluster = connect(&fake, company.registries());
    let image = image(&registry_server, "1.4.1");
    let outside = Question::Secret {
        namespace: "shop".to_owned(),
        name: "a".to_owned(),
    };
    let ring = keyring("shop", &["a", "b"], &image);
    let asked = registry("shop", &["a", "b"], &image);
    let questions = [outside.clone(), ring.clone(), asked.clone()];
    let evidence = ask(&cluster, &questions).await;
    let facts = told(&evidence, &ring);
    assert_eq!(facts.secrets.len(), 2);
    for verdict in &facts.secrets {
        assert_eq!(verdict.standing, SecretStanding::Unreadable);
    }
    assert_eq!(evidence.gaps.len(), 1, "{:?}", evidence.gaps);
    let gap = gap(&evidence, "get secrets in shop");
    assert_eq!(gap.why, GapReason::Forbidden);
    assert_eq!(gap.questions, questions);
    assert_eq!(
        gap.grant.as_deref(),
        Some("- apiGroups: [\"\"]\n  resources: [\"secrets\"]\n  verbs: [\"get\"]")
    );
    assert!(evidence.answer(&asked).is_none());
    assert!(registry_server.log().is_empty());

    // The verdict recalled brings its gap along.
    let mut later = Evidence::new("fake", "x", jiff::Timestamp::UNIX_EPOCH);
    recall(&evidence, std::slice::from_ref(&ring), &mut later);
    assert_eq!(later.gaps.len(), 1);
    assert_eq!(later.gaps[0].questions, [ring]);
}

#[tokio::test]
async fn every_credential_is_told_in_the_kubelets_order() {
    let company = Company::new();
    let server = company.private().await;
    let host = server.authority();
    let fake = FakeCluster::new();
    let auth = STANDARD.encode(format!("ci:{CANARY}"));
    put(
        &fake,
        [
            secret("shop", "old", &host, "ci", "bad"),
            config_secret(
                "shop",
                "new",
                &json!({"auths": {
                    format!("https://{host}/shop"): {"auth": auth},
                    "reg.example.com": {"username": "ghp_0123456789", "password": CANARY}}}),
            ),
        ],
    );
    let question = registry("shop", &["old", "new"], &image(&server, "1.4.1"));
    let cluster = connect(&fake, company.registries());
    let evidence = ask(&cluster, std::slice::from_ref(&question)).await;
    let seen = transcript(&evidence, &question);
    assert!(seen.is_good(), "{seen:#?}");
    let path = format!("secret shop/new auths[https://{host}/shop]");
    let plain = format!("secret shop/old auths[{host}]");
    assert_eq!(
        outcomes(seen),
        [
            (path.as_str(), CredentialOutcome::Granted),
            (plain.as_str(), CredentialOutcome::Refused),
            (
                "secret shop/new auths[reg.example.com]",
                CredentialOutcome::NotMatching
            ),
            ("anonymous", CredentialOutcome::Refused),
        ]
    );
    assert_eq!(seen.credentials[0].username.as_deref(), Some("ci"));
    assert_eq!(seen.credentials[2].username.as_deref(), Some("ghp_…"));
    let text = serde_json::to_string(seen).unwrap();
    assert!(!text.contains("\"login 1\""), "{text}");
}

#[tokio::test]
async fn a_secret_that_does_not_parse_leaves_the_pod_without_a_login() {
    let company = Company::new();
    let server = company.private().await;
    let host = server.authority();
    let fake = FakeCluster::new();
    let bad = json!({"auths": {"b.example.com": {"auth": CANARY}}});
    put(
        &fake,
        [
            config_secret("shop", "bad", &bad),
            secret("shop", "good", &host, "ci", CANARY),
        ],
    );
    let image = image(&server, "1.4.1");
    let ring = keyring("shop", &["good", "bad"], &image);
    let question = registry("shop", &["good", "bad"], &image);
    let cluster = connect(&fake, company.registries());
    let evidence = ask(&cluster, &[ring.clone(), question.clone()]).await;
    assert_eq!(
        told(&evidence, &ring).failure.as_ref().unwrap().secret,
        "bad"
    );
    let seen = transcript(&evidence, &question);
    let good = format!("secret shop/good auths[{host}]");
    assert_eq!(
        outcomes(seen),
        [
            (good.as_str(), CredentialOutcome::NotMatching),
            (
                "secret shop/bad auths[b.example.com]",
                CredentialOutcome::Malformed
            ),
            ("anonymous", CredentialOutcome::Refused),
        ]
    );
    assert!(
        server
            .log()
            .iter()
            .all(|it| it.authorization == Authorization::None)
    );
}

#[tokio::test]
async fn the_same_question_is_one_probe_whoever_asks() {
    let company = Company::new();
    let server = company.private().await;
    let host = server.authority();
    let fake = FakeCluster::new();
    let image = image(&server, "1.4.1");
    let mut questions = Vec::new();
    for number in 0..500 {
        let namespace = format!("ns{number}");
        put(&fake, [secret(&namespace, "regcred", &host, "ci", CANARY)]);
        questions.push(registry(&namespace, &["regcred"], &image));
    }
    let cluster = connect(&fake, company.registries());
    let evidence = ask(&cluster, &questions).await;
    assert_eq!(probes(&server), 1);
    for (number, question) in questions.iter().enumerate() {
        let seen = transcript(&evidence, question);
        let source = format!("secret ns{number}/regcred auths[{host}]");
        assert_eq!(
            outcomes(seen),
            [
                (source.as_str(), CredentialOutcome::Granted),
                ("anonymous", CredentialOutcome::Refused)
            ]
        );
    }
    let asked: Vec<&Question> = evidence.answers.iter().map(|it| &it.question).collect();
    assert_eq!(asked, questions.iter().collect::<Vec<_>>());

    // Another login is another probe, and so are another platform, and none at all.
    put(&fake, [secret("other", "regcred", &host, "cd", OTHER)]);
    let other = registry("other", &["regcred"], &image);
    let mut arm = questions[0].clone();
    if let Question::Registry { platform, .. } = &mut arm {
        *platform = Some("linux/arm64".to_owned());
    }
    let nobody = registry("shop", &[], &image);
    let again = [other.clone(), arm, questions[3].clone(), nobody];
    let evidence = ask(&cluster, &again).await;
    assert_eq!(probes(&server), 4);
    assert_eq!(evidence.answers.len(), 4);
    assert_eq!(
        transcript(&evidence, &other).credentials[0]
            .username
            .as_deref(),
        Some("cd")
    );
}

#[tokio::test]
async fn offline_and_beyond_the_bound_no_registry_is_asked() {
    let company = Company::new();
    let server = company.private().await;
    let fake = FakeCluster::new();
    let questions: Vec<Question> = ["1.4.1", "1.4.3", "1.4.4"]
        .iter()
        .map(|tag| registry("shop", &[], &image(&server, tag)))
        .collect();
    let what = format!("ask registry {}", server.authority());

    let evidence = ask(&common::connect(&fake), &questions).await;
    assert!(evidence.answers.is_empty() && server.log().is_empty());
    let closed = gap(&evidence, &what);
    assert_eq!(
        (closed.why, closed.questions.len()),
        (GapReason::NotAsked, 3)
    );

    let cluster = connect(&fake, company.registries().at_most(2));
    let evidence = ask(&cluster, &questions).await;
    assert_eq!(probes(&server), 2);
    assert!(evidence.answer(&questions[0]).is_some() && evidence.answer(&questions[1]).is_some());
    let beyond = gap(&evidence, &format!("{what} beyond the 2 of `--max-probes`"));
    assert_eq!(beyond.why, GapReason::NotAsked);
    assert_eq!(beyond.questions, questions[2..]);
}

#[tokio::test]
async fn a_registry_that_takes_its_time_is_a_gap() {
    let company = Company::new();
    let slow = json!({"faults": [{"path": "/v2/**", "delay_ms": 20_000}]});
    let server = company.registry(slow).await;
    let fake = FakeCluster::new();
    let quick = company.registries().within(Duration::from_millis(500));
    let cluster = connect(&fake, quick);
    let questions = [
        registry("shop", &[], &image(&server, "1.4.1")),
        Question::RegistriesInUse,
    ];
    let evidence = ask(&cluster, &questions).await;
    assert!(evidence.answer(&questions[1]).is_some());
    let what = format!(
        "ask registry {} within 0.5 s (`--probe-timeout`)",
        server.authority()
    );
    assert_eq!(gap(&evidence, &what).why, GapReason::Timeout);
}

#[tokio::test]
async fn a_registry_that_cannot_be_reached_is_an_answer() {
    let company = Company::new();
    let question = registry("shop", &[], "127.0.0.1:1/shop/api:1");
    let cluster = connect(&FakeCluster::new(), company.registries());
    let evidence = ask(&cluster, std::slice::from_ref(&question)).await;
    assert!(!transcript(&evidence, &question).is_good());
    assert!(evidence.gaps.is_empty());
}

#[tokio::test]
async fn a_token_service_elsewhere_needs_consent() {
    let company = Company::new();
    let realm = json!({"auth": {"kind": "bearer", "realm": "https://auth.vendor.example/token",
        "users": [{"name": "ci", "password": CANARY}]}});
    let server = company.registry(realm).await;
    let fake = FakeCluster::new();
    put(
        &fake,
        [secret("shop", "regcred", &server.authority(), "ci", CANARY)],
    );
    let question = registry("shop", &["regcred"], &image(&server, "1.4.1"));
    let cluster = connect(&fake, company.registries());
    let evidence = ask(&cluster, std::slice::from_ref(&question)).await;
    assert!(!transcript(&evidence, &question).is_good());
    assert_eq!(evidence.gaps.len(), 1);
    let held = &evidence.gaps[0];
    assert!(
        held.what.contains("`--allow-realm auth.vendor.example`"),
        "{held:?}"
    );
    assert_eq!(
        (held.why, held.questions.as_slice()),
        (GapReason::NotAsked, &[question][..])
    );
}

#[tokio::test]
async fn what_ran_before_is_put_forward() {
    let company = Company::new();
    let server = company.registry(json!({})).await;
    let fake = FakeCluster::new();
    let ran = common::pod(
        "shop",
        "ran",
        json!({"spec": {"containers": [
            {"name": "api", "image": image(&server, "1.4.3"), "imagePullPolicy": "Always"}]}}),
    );
    put(&fake, [ran]);
    let cluster = connect(&fake, company.registries());
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    let question = registry("shop", &[], &image(&server, "1.4.2"));
    cluster
        .answer(std::slice::from_ref(&question), &mut evidence)
        .await;
    let near = &transcript(&evidence, &question).near_tags;
    let first = near.first().unwrap();
    assert!(first.ran_before && first.tag == "1.4.3", "{near:?}");
    assert!(near[1..].iter().all(|near| !near.ran_before));
}

#[tokio::test]
async fn what_is_no_image_reaches_no_network() {
    let company = Company::new();
    let cluster = connect(&FakeCluster::new(), company.registries());
    let questions = [
        registry("shop", &[], "UPPER/x y"),
        keyring("shop", &["a"], "UPPER/x y"),
    ];
    let evidence = ask(&cluster, &questions).await;
    assert!(evidence.answers.is_empty());
    assert_eq!(evidence.gaps.len(), 1);
    assert_eq!(evidence.gaps[0].questions, questions);
}

/// A bundle of these objects, as YAML or JSON.
fn bundle(objects: &[Value], yaml: bool) -> Bundle {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let (name, text) = if yaml {
        ("x.yaml", serde_saphyr::to_string(&list).unwrap())
    } else {
        ("x.json", list.to_string())
    };
    Bundle::from_text(name.as_ref(), text.as_bytes()).unwrap()
}

#[test]
fn files_hold_keyrings_too_unless_their_content_was_taken_out() {
    let good = secret("shop", "good", "reg.example.com", "ci", CANARY);
    let mut redacted = secret("shop", "redacted", "reg.example.com", "ci", CANARY);
    redacted["data"] = json!({".dockerconfigjson": "UkVEQUNURUQ="});
    let mut dropped = secret("shop", "dropped", "reg.example.com", "ci", CANARY);
    dropped["data"] = Value::Null;
    let mut opaque = secret("shop", "opaque", "reg.example.com", "ci", CANARY);
    opaque["type"] = "Opaque".into();
    let elsewhere = secret("cart", "gone", "reg.example.com", "ci", CANARY);
    for yaml in [false, true] {
        let objects = [
            good.clone(),
            redacted.clone(),
            dropped.clone(),
            opaque.clone(),
            elsewhere.clone(),
        ];
        let bundle = bundle(&objects, yaml);
        assert_no_canary(&format!("{bundle:?}"));
        let image = "reg.example.com/shop/api:1";
        let ring = keyring(
            "shop",
            &["good", "redacted", "dropped", "opaque", "gone"],
            image,
        );
        let unknown = keyring("web", &["good"], image);
        let asked = registry("shop", &["good"], image);
        let mut evidence = Evidence::new("files", "x", jiff::Timestamp::UNIX_EPOCH);
        let questions = [ring.clone(), unknown.clone(), asked.clone()];
        bundle.answer(&questions, &mut evidence);
        assert_no_canary(&serde_json::to_string(&evidence).unwrap());
        let facts = told(&evidence, &ring);
        assert_eq!(facts.matching.len(), 1, "{facts:#?}");
        let standing = |at: usize| &facts.secrets[at].standing;
        assert_eq!(*standing(0), SecretStanding::Used);
        assert_eq!(*standing(1), SecretStanding::Unreadable);
        assert_eq!(*standing(2), SecretStanding::Unreadable);
        assert!(
            matches!(
                standing(3),
                SecretStanding::WrongType { holds: Some(_), .. }
            ),
            "{:?}",
            standing(3)
        );
        assert!(
            matches!(standing(4), SecretStanding::Missing { elsewhere } if elsewhere == &["cart"])
        );
        for name in ["redacted", "dropped"] {
            let what = format!("read secret shop/{name}, whose content was taken out");
            assert_eq!(gap(&evidence, &what).why, GapReason::NotAsked);
        }
        assert_eq!(
            gap(&evidence, "get secrets in web").why,
            GapReason::NotAsked
        );
        assert_eq!(
            gap(&evidence, "ask registry reg.example.com").questions,
            [asked]
        );
    }
}
