//! Files that kubectl wrote, and recordings.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{fs, path::Path};

use common::{controlled, creating, event, gap, merge, owner, pod, stuck, waiting};
use pulldoctor_cluster::{Bundle, BundleError, Namespaces, ScanError, Scope};
use pulldoctor_model::{Answer, Evidence, GapReason, Question};
use serde_json::{Value, json};

const CANARY: &str = "Y2FuYXJ5LXB3ZA==";

fn list(items: &[Value]) -> String {
    serde_json::to_string(&json!({"apiVersion": "v1", "kind": "List", "items": items})).unwrap()
}

fn bundle(text: &str) -> Bundle {
    Bundle::from_text(Path::new("cluster.json"), text.as_bytes()).unwrap()
}

fn read(text: &str) -> (Bundle, Evidence) {
    let mut bundle = bundle(text);
    let evidence = bundle.scan(&Scope::all()).unwrap();
    (bundle, evidence)
}

fn secret(namespace: &str, name: &str, kind: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": namespace, "annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": CANARY}},
        "data": {".dockerconfigjson": CANARY}})
}

fn ask(namespace: &str, name: &str) -> Question {
    Question::Secret {
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn events_of(pod: &str) -> Question {
    Question::PodEvents {
        namespace: "shop".into(),
        pod: pod.into(),
        uid: format!("uid-shop-{pod}"),
    }
}

#[test]
fn a_list_of_kubectl_is_diagnosed_as_the_cluster_was() {
    let mut api = stuck("shop", "api-6c9f-a");
    merge(&mut api, controlled("apps/v1", "ReplicaSet", "api-6c9f"));
    let text = list(&[
        event(
            &api,
            "Failed",
            "Failed to pull image \"reg.example.com/shop/api:1\": x",
            Some("spec.containers{api}"),
            3,
        ),
        api,
        pod("shop", "well", json!({})),
        owner(
            "apps/v1",
            "ReplicaSet",
            "shop",
            "api-6c9f",
            controlled("apps/v1", "Deployment", "api"),
        ),
        owner("apps/v1", "Deployment", "shop", "api", json!({})),
        secret("shop", "regcred", "kubernetes.io/dockerconfigjson"),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default",
            "namespace": "shop"}, "imagePullSecrets": [{"name": "regcred"}]}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status":
            {"nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}}),
    ]);
    let (bundle, mut evidence) = read(&text);
    assert_eq!((evidence.scanned.pods, evidence.scanned.stuck), (2, 1));
    assert!(evidence.gaps.is_empty(), "{:?}", evidence.gaps);
    let symptom = &evidence.symptoms[0];
    assert_eq!(symptom.owner.as_deref(), Some("Deployment/api"));
    assert_eq!(
        symptom.field.as_deref(),
        Some("spec.template.spec.containers[0].image")
    );

    let questions = [
        events_of("api-6c9f-a"),
        ask("shop", "regcred"),
        ask("shop", "missing"),
        Question::ServiceAccount {
            namespace: "shop".into(),
            name: "default".into(),
        },
        Question::Node { name: "n1".into() },
        Question::Owner {
            namespace: "shop".into(),
            owner: "Deployment/api".into(),
            container: "api".into(),
        },
        Question::RegistriesInUse,
        Question::ImageElsewhere {
            image: "reg.example.com/shop/api:1".into(),
        },
    ];
    bundle.answer(&questions, &mut evidence);
    assert_eq!(
        evidence.answers.len(),
        questions.len(),
        "{:?}",
        evidence.gaps
    );
    assert!(evidence.symptoms[0].next_retry.is_some());
    let Answer::Secret(missing) = &evidence.answer(&questions[2]).unwrap().answer else {
        panic!()
    };
    assert!(!missing.exists);
    assert_eq!(missing.siblings, ["regcred"]);
    let Answer::Elsewhere(places) = &evidence.answer(&questions[7]).unwrap().answer else {
        panic!()
    };
    assert_eq!((places[0].usage.pulled, places[0].usage.waiting), (1, 1));
    assert!(!format!("{bundle:?}{evidence:?}").contains(CANARY));
}

#[test]
fn what_files_lack_is_a_gap_that_nobody_asked_for() {
    let (bundle, mut evidence) = read(&list(&[
        stuck("shop", "a"),
        secret("cart", "other", "Opaque"),
    ]));
    let questions = [
        events_of("a"),
        ask("shop", "regcred"),
        Question::NodeFilesystems { name: "n1".into() },
    ];
    bundle.answer(&questions, &mut evidence);
    assert!(
        evidence
            .answers
            .iter()
            .all(|it| matches!(&it.answer, Answer::Secret(_)))
    );
    for what in [
        "list events in shop",
        "read file system statistics of node n1",
    ] {
        let gap = gap(&evidence, what);
        assert_eq!((gap.why, gap.grant.as_ref()), (GapReason::NotAsked, None));
    }
    // A secret that was asked for by name says nothing of others.
    let single = serde_json::to_string(&secret("shop", "other", "Opaque")).unwrap();
    let text = format!("{}\n{single}", list(&[stuck("shop", "a")]));
    let (bundle, mut evidence) = read(&text);
    bundle.answer(&questions[1..2], &mut evidence);
    assert_eq!(gap(&evidence, "get secrets in shop").questions.len(), 1);
}

#[test]
fn yaml_of_several_documents_is_read() {
    let text = format!(
        r#"
apiVersion: v1
kind: List
metadata:
  resourceVersion: ""
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: api
    namespace: shop
    uid: u1
    creationTimestamp: "2026-01-01T00:00:00Z"
  spec:
    nodeName: n1
    containers:
    - name: api
      image: nginx:1.29-typo
      env:
      - name: PASSWORD
        value: {CANARY}
  status:
    phase: Pending
    containerStatuses:
    - name: api
      restartCount: 0
      state:
        waiting:
          message: |-
            Back-off pulling image "nginx:1.29-typo": ErrImagePull: x
            second line
          reason: ImagePullBackOff
---
apiVersion: v1
kind: Secret
type: Opaque
metadata: {{name: regcred, namespace: shop}}
data:
  password: {CANARY}
---
"#
    );
    let mut bundle = Bundle::from_text(Path::new("a.yaml"), text.as_bytes()).unwrap();
    assert!(!format!("{bundle:?}").contains(CANARY));
    let mut evidence = bundle.scan(&Scope::all()).unwrap();
    assert!(evidence.symptoms[0].message.ends_with("\nsecond line"));
    assert_eq!(
        evidence.symptoms[0].field.as_deref(),
        Some("spec.containers[0].image")
    );
    bundle.answer(&[ask("shop", "regcred")], &mut evidence);
    let Answer::Secret(facts) = &evidence.answers[0].answer else {
        panic!()
    };
    assert_eq!(
        (facts.kind.as_deref(), facts.keys.len()),
        (Some("Opaque"), 1)
    );
}

#[test]
fn a_folder_is_read_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("pods.json", &list(&[stuck("shop", "a")]));
    fs::create_dir(folder.path().join("more")).unwrap();
    write("more/secrets.json", &list(&[secret("shop", "x", "Opaque")]));
    write("notes.txt", "not ours: [");
    let mut bundle = Bundle::open(folder.path()).unwrap();
    let mut evidence = bundle.scan(&Scope::namespace("shop")).unwrap();
    assert_eq!(evidence.scanned.stuck, 1);
    bundle.answer(&[ask("shop", "x")], &mut evidence);
    assert_eq!(evidence.answers.len(), 1);
    assert!(matches!(
        Bundle::open(Path::new("/nowhere")).unwrap_err(),
        BundleError::Read { .. }
    ));
}

#[test]
fn scope_is_applied_to_files_too() {
    let mut labelled = stuck("shop", "other");
    merge(
        &mut labelled,
        json!({"metadata": {"labels": {"app": "web"}}}),
    );
    let mut of_set = stuck("shop", "api-6c9f-a");
    merge(&mut of_set, controlled("apps/v1", "ReplicaSet", "api-6c9f"));
    let text = list(&[labelled, of_set, stuck("cart", "b")]);
    let found = |change: &dyn Fn(&mut Scope)| {
        let mut scope = Scope::namespace("shop");
        change(&mut scope);
        bundle(&text)
            .scan(&scope)
            .map(|it| it.symptoms.into_iter().map(|it| it.pod).collect::<Vec<_>>())
    };
    assert_eq!(found(&|_| ()).unwrap(), ["api-6c9f-a", "other"]);
    assert_eq!(
        found(&|scope| scope.namespaces = Namespaces::All)
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        found(&|scope| scope.selector = Some("app=web".into())).unwrap(),
        ["other"]
    );
    // The ReplicaSet is not among the files: its name tells.
    let deployment = |scope: &mut Scope| scope.targets = vec!["deploy/api".parse().unwrap()];
    assert_eq!(found(&deployment).unwrap(), ["api-6c9f-a"]);
    let missing = |scope: &mut Scope| scope.targets = vec!["othe".parse().unwrap()];
    let error = found(&missing).unwrap_err();
    assert!(matches!(&error, ScanError::NoSuchObject { near, .. } if near == &["pod/other"]));
    let elsewhere = |scope: &mut Scope| scope.namespaces = Namespaces::Named(vec!["shpo".into()]);
    assert!(matches!(
        found(&elsewhere),
        Err(ScanError::NoSuchNamespace { .. })
    ));
    let bad = |scope: &mut Scope| scope.selector = Some("a in (".into());
    assert!(matches!(found(&bad), Err(ScanError::BadSelector { .. })));
}

#[test]
fn suspects_need_their_events() {
    let waits = creating("shop", "a");
    let (_, evidence) = read(&list(std::slice::from_ref(&waits)));
    assert!(gap(&evidence, "list events in shop").hides_pods);
    let text = "Failed to create pod sandbox: failed to get sandbox image \"r/pause:3\": x";
    let failed = event(&waits, "FailedCreatePodSandBox", text, None, 5);
    let (_, evidence) = read(&list(&[waits.clone(), failed]));
    assert_eq!(evidence.symptoms[0].image, "r/pause:3");
    assert_eq!(evidence.answers.len(), 1);
    let (_, evidence) = read(&list(&[
        event(&pod("shop", "b", json!({})), "Started", "x", None, 5),
        waits,
    ]));
    assert!(evidence.symptoms.is_empty() && evidence.gaps.is_empty());
}

#[test]
fn healthy_files_are_healthy() {
    let crash = pod("shop", "crash", waiting("CrashLoopBackOff", "back-off"));
    let (_, evidence) = read(&list(&[pod("shop", "a", json!({})), crash]));
    assert_eq!((evidence.scanned.pods, evidence.scanned.stuck), (2, 0));
    // What `kubectl get --raw /api/v1/pods` writes does not name the kind of each item.
    let mut bare = stuck("shop", "b");
    bare.as_object_mut().unwrap().remove("kind");
    let (_, evidence) = read(&json!({"kind": "PodList", "items": [bare]}).to_string());
    assert_eq!(evidence.scanned.stuck, 1);
    // A bare array, as `jq .items` leaves it.
    let (_, evidence) = read(&json!([stuck("shop", "c")]).to_string());
    assert_eq!(evidence.scanned.stuck, 1);
}

#[test]
fn a_recording_is_replayed_and_not_asked_further() {
    let (_, mut recorded) = read(&list(&[stuck("shop", "a"), stuck("cart", "b")]));
    recorded.context = "prod".to_owned();
    let text = serde_json::to_string(&recorded).unwrap();
    let mut bundle = bundle(&text);
    assert!(bundle.is_recording());
    let mut evidence = bundle.scan(&Scope::all()).unwrap();
    assert_eq!(evidence, recorded);
    bundle.answer(&[events_of("a")], &mut evidence);
    assert_eq!(
        gap(&evidence, "list events in shop").why,
        GapReason::NotAsked
    );
    assert_eq!(
        bundle
            .scan(&Scope::namespace("cart"))
            .unwrap()
            .symptoms
            .len(),
        1
    );
}

#[test]
fn what_is_no_bundle_is_said_without_its_content() {
    let open = |name: &str, text: &str| Bundle::from_text(Path::new(name), text.as_bytes());
    let report = open("a.json", r#"{"schema": "pulldoctor.dev/report/v1"}"#).unwrap_err();
    assert!(matches!(report, BundleError::OtherDocument { .. }));
    for text in ["", "just words", "[]", "{}", "kind: ConfigMap"] {
        assert!(
            matches!(open("a.yaml", text), Err(BundleError::Empty { .. })),
            "{text}"
        );
    }
    for text in [
        format!("{{\"kind\": \"Secret\", \"data\": \"{CANARY}"),
        format!("kind: Secret\ndata:\n  a: {CANARY}\n b: ]{CANARY}"),
        format!("kind: Secret\ndata: &a [*a, {CANARY}"),
    ] {
        let error = open("a", &text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, BundleError::Malformed { .. }), "{shown}");
        assert!(!shown.contains(CANARY), "{shown}");
        assert_eq!(error.exit().code(), 3);
    }
}

#[test]
fn aliases_cannot_make_a_small_file_large() {
    let level = |level: usize| {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{refs}]\n")
    };
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let text: String = std::iter::once(first).chain((1..12).map(level)).collect();
    let start = std::time::Instant::now();
    assert!(Bundle::from_text(Path::new("bomb.yaml"), text.as_bytes()).is_err());
    assert!(start.elapsed().as_secs() < 5);
}
