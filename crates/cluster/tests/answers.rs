//! Answers of a fake cluster, and the gaps where it refuses.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod common;

use common::{connect, controlled, event, gap, merge, namespace, owner, pod, put, stuck, waiting};
use pulldoctor_cluster::{Scope, recall};
use pulldoctor_model::{Answer, Evidence, GapReason, Question, Vantage};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid, PodGenerator, summary},
    spec::FaultSpec,
};
use serde_json::{Value, json};

const CANARY: &str = "Y2FuYXJ5LXB3ZA==";

async fn ask(fake: &FakeCluster, questions: &[Question]) -> Evidence {
    let cluster = connect(fake);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    fake.clear_log();
    cluster.answer(questions, &mut evidence).await;
    evidence
}

fn answer<'e>(evidence: &'e Evidence, question: &Question) -> &'e Answer {
    let answered = evidence
        .answer(question)
        .unwrap_or_else(|| panic!("no answer to {question}: {:?}", evidence.gaps));
    assert_eq!(answered.from, Vantage::Api);
    &answered.answer
}

fn secret(name: &str) -> Question {
    Question::Secret {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn secret_object(namespace: &str, name: &str, kind: &str, key: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": namespace,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY}},
        "data": {key: CANARY}})
}

#[tokio::test]
async fn a_secrets_outside_is_told_and_its_content_never() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            secret_object(
                "shop",
                "regcred",
                "kubernetes.io/dockerconfigjson",
                ".dockerconfigjson",
            ),
            secret_object("shop", "opaque", "Opaque", "password"),
            secret_object("cart", "missing", "kubernetes.io/dockercfg", ".dockercfg"),
        ],
    );
    let evidence = ask(
        &fake,
        &[secret("regcred"), secret("opaque"), secret("missing")],
    )
    .await;
    let Answer::Secret(good) = answer(&evidence, &secret("regcred")) else {
        panic!()
    };
    assert!(good.exists && good.siblings.is_empty());
    assert_eq!(good.keys, [".dockerconfigjson"]);
    let Answer::Secret(opaque) = answer(&evidence, &secret("opaque")) else {
        panic!()
    };
    assert_eq!(opaque.kind.as_deref(), Some("Opaque"));
    assert_eq!(opaque.siblings, ["regcred"]);
    let Answer::Secret(missing) = answer(&evidence, &secret("missing")) else {
        panic!()
    };
    assert!(!missing.exists);
    assert_eq!(missing.elsewhere, ["cart"]);
    assert_eq!(missing.siblings, ["regcred"]);
    assert!(!serde_json::to_string(&evidence).unwrap().contains(CANARY));
    // Lists of secrets bring metadata only.
    for request in fake.log().iter().filter(|it| it.path.ends_with("/secrets")) {
        assert!(
            request.accept.contains("PartialObjectMetadataList"),
            "{request:?}"
        );
    }
}

#[tokio::test]
async fn a_secret_that_is_no_json_leaks_nothing() {
    let fake = FakeCluster::new();
    fake.raw(
        "/api/v1/namespaces/shop/secrets/regcred",
        json!({"metadata": {"name": "regcred"}, "type": [CANARY], "data": {"a": CANARY}}),
    );
    let evidence = ask(&fake, &[secret("regcred")]).await;
    assert_eq!(evidence.gaps.len(), 1);
    assert!(!format!("{evidence:?}").contains(CANARY));
}

#[tokio::test]
async fn every_refusal_is_a_gap_with_its_rule() {
    let fake = FakeCluster::new();
    fake.forbid(Forbid::everywhere("*", "*"));
    let questions = [
        (secret("regcred"), "get secrets in shop", Some("secrets")),
        (
            Question::ServiceAccount {
                namespace: "shop".into(),
                name: "default".into(),
            },
            "get serviceaccounts in shop",
            Some("serviceaccounts"),
        ),
        (
            Question::Node { name: "n1".into() },
            "get nodes",
            Some("nodes"),
        ),
        (
            Question::NodeFilesystems { name: "n1".into() },
            "read file system statistics of node n1",
            None,
        ),
        (
            Question::NodeEvents { name: "n1".into() },
            "list events of nodes in default",
            Some("events"),
        ),
        (
            Question::PodEvents {
                namespace: "shop".into(),
                pod: "a".into(),
                uid: "u".into(),
            },
            "list events in shop",
            Some("events"),
        ),
        (
            Question::Owner {
                namespace: "shop".into(),
                owner: "Deployment/api".into(),
                container: "api".into(),
            },
            "get deployments in shop",
            Some("deployments"),
        ),
    ];
    let cluster = connect(&fake);
    let mut evidence = Evidence::new("fake", "x", jiff::Timestamp::now());
    let asked: Vec<Question> = questions
        .iter()
        .map(|(question, ..)| question.clone())
        .collect();
    cluster.answer(&asked, &mut evidence).await;
    assert!(evidence.answers.is_empty());
    for (question, what, resource) in &questions {
        let gap = gap(&evidence, what);
        assert_eq!(gap.why, GapReason::Forbidden);
        assert_eq!(gap.questions, std::slice::from_ref(question));
        assert!(!gap.hides_pods);
        match resource {
            None => assert_eq!(gap.grant, None),
            Some(resource) => {
                let grant = gap.grant.as_deref().unwrap();
                assert!(
                    grant.contains(&format!("resources: [\"{resource}\"]")),
                    "{grant}"
                );
            }
        }
    }
    // Asked again, nothing is asked again.
    fake.clear_log();
    cluster.answer(&asked, &mut evidence).await;
    assert!(fake.log().is_empty());
}

#[tokio::test]
async fn scans_and_answers_may_run_on_any_thread() {
    fn is_send<T: Send>(it: T) -> T {
        it
    }
    let cluster = connect(&FakeCluster::new());
    let mut evidence = is_send(async { cluster.scan(&Scope::all(), &mut |_| ()).await })
        .await
        .unwrap();
    is_send(cluster.answer(&[], &mut evidence)).await;
    let mut scan = is_send(cluster.start(&Scope::all())).await.unwrap();
    assert!(is_send(scan.next()).await.unwrap().is_some());
}

#[tokio::test]
async fn questions_of_others_are_left_alone() {
    let fake = FakeCluster::new();
    let question = Question::NodeView {
        node: "n1".into(),
        registry: "reg.example.com".into(),
        image: "reg.example.com/app:1".into(),
        hosts: Vec::new(),
    };
    let evidence = ask(&fake, &[question]).await;
    assert!(evidence.answers.is_empty() && evidence.gaps.is_empty());
}

#[tokio::test]
async fn a_node_and_its_lease_and_file_systems() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {
                "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64",
                    "kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.4.2"},
                "conditions": [{"type": "Ready", "status": "True",
                    "lastHeartbeatTime": "2026-01-01T00:00:00Z"}],
                "images": [{"names": ["nginx:1"], "sizeBytes": 7}]}}),
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "n1", "namespace": "kube-node-lease"},
                "spec": {"renewTime": "2026-01-01T00:04:00.000000Z"}}),
        ],
    );
    fake.raw(
        "/api/v1/nodes/n1/proxy/stats/summary",
        summary("n1", 100, 10, 50, 5),
    );
    let node = Question::Node { name: "n1".into() };
    let filesystems = Question::NodeFilesystems { name: "n1".into() };
    let gone = Question::Node {
        name: "gone".into(),
    };
    let evidence = ask(&fake, &[node.clone(), filesystems.clone(), gone.clone()]).await;
    let Answer::Node(facts) = answer(&evidence, &node) else {
        panic!()
    };
    assert_eq!(facts.heartbeat, "2026-01-01T00:04:00Z".parse().ok());
    assert_eq!(facts.kubelet_minor(), Some(37));
    let Answer::NodeFilesystems(facts) = answer(&evidence, &filesystems) else {
        panic!()
    };
    assert_eq!(facts.image.as_ref().unwrap().available, Some(10));
    assert_eq!(answer(&evidence, &gone), &Answer::Absent);
}

#[tokio::test]
async fn an_owner_brings_its_history_and_corrects_the_field() {
    let fake = FakeCluster::new();
    let set = |name: &str, revision: u32, tag: u32, ready: u32| {
        let mut set = owner(
            "apps/v1",
            "ReplicaSet",
            "shop",
            name,
            controlled("apps/v1", "Deployment", "api"),
        );
        merge(
            &mut set,
            json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": revision.to_string()}},
                "spec": {"template": {"spec": {"containers": [
                    {"name": "api", "image": format!("reg.example.com/shop/api:{tag}")}]}}},
                "status": {"readyReplicas": ready}}),
        );
        set
    };
    let mut pod = pod("shop", "api-b-x", waiting("ErrImagePull", "x"));
    merge(&mut pod, controlled("apps/v1", "ReplicaSet", "api-b"));
    merge(
        &mut pod,
        json!({"spec": {"containers": [{"name": "api", "image": "reg.example.com/shop/api:2"},
            {"name": "injected", "image": "mesh:1"}]},
            "status": {"containerStatuses": [
                {"name": "api", "state": {"waiting": {"reason": "ErrImagePull"}}},
                {"name": "injected", "state": {"waiting": {"reason": "ErrImagePull"}}}]}}),
    );
    put(
        &fake,
        [
            namespace("shop"),
            owner("apps/v1", "Deployment", "shop", "api", json!({})),
            set("api-a", 1, 1, 3),
            set("api-b", 2, 2, 0),
            pod,
        ],
    );
    let of = |container: &str| Question::Owner {
        namespace: "shop".into(),
        owner: "Deployment/api".into(),
        container: container.into(),
    };
    let evidence = ask(&fake, &[of("api"), of("injected")]).await;
    let Answer::Owner(facts) = answer(&evidence, &of("api")) else {
        panic!()
    };
    assert_eq!(facts.history.len(), 1);
    assert_eq!(
        (facts.history[0].image.as_str(), facts.history[0].ready),
        ("reg.example.com/shop/api:1", 3)
    );
    let field = |at: usize| evidence.symptoms[at].field.as_deref();
    assert_eq!(field(0), Some("spec.template.spec.containers[0].image"));
    assert_eq!(field(1), None, "an injected container is in no template");
}

#[tokio::test]
async fn events_fill_the_times_and_expired_ones_are_an_empty_list() {
    let fake = FakeCluster::new();
    let pod = stuck("shop", "a");
    let path = Some("spec.containers{api}");
    let text = "Failed to pull image \"reg.example.com/shop/api:1\": x";
    put(
        &fake,
        [
            event(&pod, "Failed", text, path, 2),
            pod,
            stuck("shop", "b"),
        ],
    );
    let of = |name: &str| Question::PodEvents {
        namespace: "shop".into(),
        pod: name.into(),
        uid: format!("uid-shop-{name}"),
    };
    let evidence = ask(&fake, &[of("a"), of("b")]).await;
    assert_eq!(answer(&evidence, &of("b")), &Answer::Events(Vec::new()));
    let a = &evidence.symptoms[0];
    let wait = a
        .next_retry
        .unwrap()
        .duration_since(a.since.unwrap())
        .as_secs();
    assert_eq!(wait, 10);
    assert_eq!(evidence.symptoms[1].next_retry, None);
    assert_eq!(fake.log().len(), 2, "a handful of pods is asked one by one");
}

#[tokio::test]
async fn many_pods_of_a_namespace_are_one_list_of_events() {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(2_000)).unwrap();
    let cluster = connect(&fake);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    let questions: Vec<Question> = evidence
        .symptoms
        .iter()
        .map(|symptom| Question::PodEvents {
            namespace: symptom.namespace.clone(),
            pod: symptom.pod.clone(),
            uid: symptom.pod_uid.clone(),
        })
        .collect();
    let namespaces: std::collections::HashSet<_> = evidence
        .symptoms
        .iter()
        .map(|symptom| &symptom.namespace)
        .collect();
    let expected = namespaces.len();
    assert!(questions.len() > 6 * expected);
    fake.clear_log();
    cluster.answer(&questions, &mut evidence).await;
    assert_eq!(fake.log().len(), expected);
    assert_eq!(evidence.answers.len(), questions.len());
}

#[tokio::test]
async fn the_scan_knows_what_runs_where() {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(1_000)).unwrap();
    let cluster = connect(&fake);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    let image = evidence.symptoms[0].image.clone();
    let questions = [
        Question::ImageElsewhere {
            image: image.clone(),
        },
        Question::RegistriesInUse,
    ];
    fake.clear_log();
    cluster.answer(&questions, &mut evidence).await;
    assert!(fake.log().is_empty());
    let Answer::Elsewhere(places) = answer(&evidence, &questions[0]) else {
        panic!()
    };
    assert_eq!(places.iter().map(|it| it.usage.waiting).sum::<u32>(), 10);
    let Answer::Registries(registries) = answer(&evidence, &questions[1]) else {
        panic!()
    };
    assert!(!registries.is_empty());
}

#[tokio::test]
async fn a_server_that_goes_away_is_not_asked_for_every_question() {
    let fake = FakeCluster::new();
    fake.faults(&[FaultSpec {
        hang_up: true,
        ..FaultSpec::default()
    }]);
    let cluster = connect(&fake);
    let mut evidence = Evidence::new("fake", "x", jiff::Timestamp::now());
    let questions: Vec<Question> = (0..200)
        .map(|number| Question::Node {
            name: format!("n{number}"),
        })
        .collect();
    let start = std::time::Instant::now();
    cluster.answer(&questions, &mut evidence).await;
    assert_eq!(evidence.gaps[0].questions.len(), 200);
    assert_eq!(evidence.gaps[0].why, GapReason::Unreachable);
    assert!(start.elapsed().as_secs() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_not_waited_for_every_time() {
    let fake = FakeCluster::new();
    fake.latency(std::time::Duration::from_secs(600));
    let cluster = connect(&fake);
    let mut evidence = Evidence::new("fake", "x", jiff::Timestamp::now());
    let questions: Vec<Question> = (0..200)
        .map(|number| Question::Node {
            name: format!("n{number}"),
        })
        .collect();
    let start = tokio::time::Instant::now();
    cluster.answer(&questions, &mut evidence).await;
    assert_eq!(evidence.gaps.len(), 1);
    assert_eq!(evidence.gaps[0].why, GapReason::Timeout);
    assert_eq!(evidence.gaps[0].questions.len(), 200);
    assert!(start.elapsed().as_secs() < 40, "{:?}", start.elapsed());

    // Events have a limit of their own, and fail by namespace.
    let question = Question::PodEvents {
        namespace: "shop".into(),
        pod: "a".into(),
        uid: "u".into(),
    };
    cluster.answer(&[question], &mut evidence).await;
    assert_eq!(
        gap(&evidence, "list events in shop").why,
        GapReason::Timeout
    );
}

#[tokio::test]
async fn what_was_answered_early_in_a_scan_is_recalled() {
    let fake = FakeCluster::new();
    let waits = stuck("shop", "a");
    let pulling = event(&waits, "Pulling", "Pulling image \"x\"", None, 90);
    put(&fake, [waits, pulling]);
    let events = Question::PodEvents {
        namespace: "shop".to_owned(),
        pod: "a".to_owned(),
        uid: "uid-shop-a".to_owned(),
    };
    let counted = Question::ImageElsewhere {
        image: "reg.example.com/shop/api:1".to_owned(),
    };
    let owner = Question::Owner {
        namespace: "shop".to_owned(),
        owner: "Deployment/gone".to_owned(),
        container: "api".to_owned(),
    };
    let questions = [events.clone(), counted.clone(), owner.clone()];
    let before = ask(&fake, &questions).await;
    let cluster = connect(&fake);
    let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    recall(&before, &questions[..2], &mut evidence);
    assert_eq!(evidence.answer(&events), before.answer(&events));
    assert!(evidence.answer(&counted).is_none());
    // Only what is asked now.
    assert!(before.answer(&owner).is_some());
    assert!(evidence.answer(&owner).is_none());
    // As if it had been answered now.
    assert_eq!(evidence.symptoms, before.symptoms);
}
