//! How long the engine takes for 1,000 stuck containers of 100 workloads, with nothing answered
//! and with every owner, node and image known.
#![expect(clippy::expect_used, reason = "a benchmark that cannot start stops")]

use divan::Bencher;
use pulldoctor_model::{
    Answer, Answered, ContainerKind, Evidence, ImagePlace, PullPolicy, Question, Symptom,
    Timestamp, Usage, Vantage,
};

fn main() {
    divan::main();
}

/// What the kubelet says, after the name of the image.
const TEXTS: [&str; 4] = [
    "rpc error: code = NotFound desc = failed to pull and unpack image \"IMAGE\": failed to \
     resolve image: IMAGE: not found",
    "failed to pull and unpack image \"IMAGE\": failed to resolve reference \"IMAGE\": pull access \
     denied, repository does not exist or may require authorization: server message: \
     insufficient_scope: authorization failed",
    "failed to pull and unpack image \"IMAGE\": failed to resolve reference \"IMAGE\": failed to \
     do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup \
     registry.example.com on 10.96.0.10:53: no such host",
    "failed to pull and unpack image \"IMAGE\": failed to resolve reference \"IMAGE\": failed to \
     do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to \
     verify certificate: x509: certificate signed by unknown authority",
];

fn symptom(number: usize, now: Timestamp) -> Symptom {
    let app = number / 10;
    let image = format!("registry.example.com/shop/svc-{app}:v1.{}.2", app % 40);
    let text = TEXTS[app % TEXTS.len()].replace("IMAGE", &image);
    Symptom {
        namespace: format!("team-{}", app % 20),
        pod: format!("svc-{app}-{number}"),
        pod_uid: format!("uid-{number}"),
        container: Some("app".to_owned()),
        kind: ContainerKind::Container,
        node: Some(format!("node-{}", number % 50)),
        owner: Some(format!("Deployment/svc-{app}")),
        field: Some("spec.template.spec.containers[0].image".to_owned()),
        message: format!("Back-off pulling image \"{image}\": ErrImagePull: {text}"),
        image,
        pull_policy: Some(PullPolicy::IfNotPresent),
        reason: "ImagePullBackOff".to_owned(),
        since: Some(now),
        created: Some(now),
        next_retry: None,
        pull_secrets: vec!["regcred".to_owned()],
        service_account: Some("default".to_owned()),
        static_pod: false,
        ran_before: false,
        wanted_arch: None,
    }
}

fn evidence() -> Evidence {
    let now = Timestamp::from_second(1_790_000_000).expect("in range");
    let mut evidence = Evidence::new("bench", "https://cluster", now);
    evidence.symptoms = (0..1_000).map(|number| symptom(number, now)).collect();
    evidence.scanned.pods = 100_000;
    evidence.scanned.stuck = 1_000;
    evidence.scanned.namespaces = vec!["*".to_owned()];
    evidence
}

/// Settles what the engine asks for as far as a cluster could: images fare on 50 nodes, all
/// else is gone.
fn answered() -> Evidence {
    let mut evidence = evidence();
    loop {
        let questions = pulldoctor_diagnose::questions(&evidence);
        if questions.is_empty() {
            return evidence;
        }
        for question in questions {
            let answer = match &question {
                Question::ImageElsewhere { image } => Answer::Elsewhere(places(image)),
                Question::RegistryElsewhere { .. } => {
                    Answer::Elsewhere(places("registry.example.com/mesh/proxy:v2.7.1"))
                }
                Question::RegistriesInUse => Answer::Registries(Vec::new()),
                Question::PodEvents { .. } | Question::NodeEvents { .. } => {
                    Answer::Events(Vec::new())
                }
                _ => Answer::Absent,
            };
            evidence.answers.push(Answered {
                question,
                from: Vantage::Api,
                took_ms: None,
                answer,
            });
        }
    }
}

fn places(image: &str) -> Vec<ImagePlace> {
    (0..50)
        .map(|node| ImagePlace {
            image: image.to_owned(),
            node: Some(format!("node-{node}")),
            usage: Usage {
                pulled: u32::from(node % 5 == 0),
                waiting: 1,
            },
            latest: None,
        })
        .collect()
}

#[divan::bench]
fn questions(bencher: Bencher<'_, '_>) {
    let evidence = evidence();
    bencher.bench(|| pulldoctor_diagnose::questions(divan::black_box(&evidence)).len());
}

#[divan::bench]
fn questions_when_answered(bencher: Bencher<'_, '_>) {
    let evidence = answered();
    bencher.bench(|| pulldoctor_diagnose::questions(divan::black_box(&evidence)).len());
}

#[divan::bench]
fn judge(bencher: Bencher<'_, '_>) {
    let evidence = answered();
    bencher.bench(|| pulldoctor_diagnose::judge(divan::black_box(&evidence)).len());
}

#[divan::bench]
fn report(bencher: Bencher<'_, '_>) {
    let evidence = answered();
    bencher.bench(|| {
        pulldoctor_diagnose::report(divan::black_box(&evidence))
            .incidents
            .len()
    });
}
