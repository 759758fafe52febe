//! Scans of a fake cluster: pages, targets, owners, and what only events tell.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use common::{
    connect, controlled, creating, event, gap, merge, namespace, owner, pod, put, scan, stuck,
    waiting,
};
use pulldoctor_cluster::{Namespaces, ScanError, Scope};
use pulldoctor_model::{ContainerKind, GapReason, Question};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid, PodGenerator},
    spec::FaultSpec,
};
use serde_json::json;

/// The `limit` of each pod list.
fn limits(fake: &FakeCluster) -> Vec<u32> {
    let log = fake.log();
    let lists = log.iter().filter(|it| it.path == "/api/v1/pods");
    lists
        .map(|it| {
            let limit = it.query.split('&').find_map(|it| it.strip_prefix("limit="));
            limit.unwrap().parse().unwrap()
        })
        .collect()
}

#[tokio::test]
async fn pages_of_large_pods_hold_fewer() {
    let fake = FakeCluster::new();
    let ballast = "x".repeat(60_000);
    let pods = (0..800).map(|number| {
        let change = json!({"metadata": {"annotations": {"ballast": ballast}}});
        pod("shop", &format!("p{number:03}"), change)
    });
    put(&fake, pods);
    let evidence = scan(&fake, &Scope::all()).await.unwrap();
    assert_eq!(evidence.scanned.pods, 800);
    let limits = limits(&fake);
    assert_eq!(limits[0], 500);
    assert!(limits[1..].iter().all(|limit| *limit <= 105), "{limits:?}");

    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(2_500)).unwrap();
    scan(&fake, &Scope::all()).await.unwrap();
    let limits = self::limits(&fake);
    assert!(limits[1] > 700, "{limits:?}");
}

fn targets(names: &[&str]) -> Scope {
    let mut scope = Scope::namespace("shop");
    scope.targets = names.iter().map(|name| name.parse().unwrap()).collect();
    scope
}

#[tokio::test]
async fn all_pages_are_read_and_counted() {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(1_730)).unwrap();
    let cluster = connect(&fake);
    let mut scan = cluster.start(&Scope::all()).await.unwrap();
    let mut pages = 0;
    let mut first_at = None;
    while let Some(page) = scan.next().await.unwrap() {
        pages += 1;
        if first_at.is_none() && page.progress.stuck > 0 {
            first_at = Some(page.progress.pods);
        }
    }
    let evidence = scan.finish();
    assert_eq!((pages, first_at), (3, Some(500)));
    assert_eq!(evidence.scanned.pods, 1_730);
    assert_eq!(evidence.scanned.stuck, PodGenerator::new(1_730).stuck());
    assert_eq!(evidence.scanned.namespaces, ["*"]);
    assert!(evidence.gaps.is_empty(), "{:?}", evidence.gaps);
    let symptom = &evidence.symptoms[0];
    assert!(
        symptom.owner.as_deref().unwrap().starts_with("Deployment/"),
        "{symptom:?}"
    );
    assert_eq!(
        symptom.field.as_deref(),
        Some("spec.template.spec.containers[0].image")
    );
    // The owners of each application are asked for once.
    let sets = fake
        .log()
        .iter()
        .filter(|it| it.path.contains("/replicasets/"))
        .count();
    assert_eq!(sets, evidence.scanned.stuck.div_ceil(10));
}

#[tokio::test]
async fn an_aged_token_loses_no_pod() {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(1_200)).unwrap();
    fake.expire_continue(1);
    let evidence = scan(&fake, &Scope::all()).await.unwrap();
    assert_eq!(evidence.scanned.pods, 1_200);
    // Without a token to go on with, the list is read again from the start.
    let fault = FaultSpec {
        path: Some("/api/v1/pods".to_owned()),
        skip: 1,
        times: Some(1),
        status: Some(410),
        ..FaultSpec::default()
    };
    fake.faults(&[fault]);
    let evidence = scan(&fake, &Scope::all()).await.unwrap();
    assert_eq!(evidence.scanned.pods, 1_200);
    assert!(evidence.gaps.is_empty());
}

#[tokio::test]
async fn a_list_that_breaks_off_keeps_what_was_seen() {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(1_200)).unwrap();
    let fault = FaultSpec {
        path: Some("/api/v1/pods".to_owned()),
        skip: 1,
        hang_up: true,
        ..FaultSpec::default()
    };
    fake.faults(&[fault]);
    let evidence = scan(&fake, &Scope::all()).await.unwrap();
    assert_eq!(evidence.scanned.pods, 500);
    let gap = gap(&evidence, "list pods in all namespaces");
    assert!(gap.hides_pods);
    assert_eq!(gap.why, GapReason::Unreachable);
}

#[tokio::test]
async fn a_dropped_connection_and_a_busy_server_are_asked_again() {
    let fake = FakeCluster::new();
    put(&fake, [stuck("shop", "api-1")]);
    let fault = |status: Option<u16>| FaultSpec {
        path: Some("/api/v1/pods".to_owned()),
        times: Some(1),
        status,
        hang_up: status.is_none(),
        headers: [("retry-after".to_owned(), "0".to_owned())].into(),
        ..FaultSpec::default()
    };
    for status in [None, Some(429), Some(503), Some(500)] {
        fake.faults(&[fault(status)]);
        let evidence = scan(&fake, &Scope::all()).await.unwrap();
        assert_eq!(evidence.scanned.stuck, 1, "{status:?}");
    }
}

#[tokio::test]
async fn targets_find_the_pods_of_their_owner_only() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            namespace("shop"),
            owner("apps/v1", "Deployment", "shop", "api", json!({})),
            owner(
                "apps/v1",
                "ReplicaSet",
                "shop",
                "api-6c9f",
                controlled("apps/v1", "Deployment", "api"),
            ),
            owner("apps/v1", "StatefulSet", "shop", "db", json!({})),
            owner(
                "batch/v1",
                "CronJob",
                "shop",
                "nightly",
                json!({"spec": {"selector": null}}),
            ),
            owner(
                "batch/v1",
                "Job",
                "shop",
                "nightly-1",
                controlled("batch/v1", "CronJob", "nightly"),
            ),
        ],
    );
    let mine = |name: &str, owner: serde_json::Value| {
        let mut pod = stuck("shop", name);
        merge(&mut pod, owner);
        pod
    };
    let mut job = mine("nightly-1-x", controlled("batch/v1", "Job", "nightly-1"));
    merge(
        &mut job,
        json!({"metadata": {"labels": {"job-name": "nightly-1"}}}),
    );
    put(
        &fake,
        [
            mine(
                "api-6c9f-a",
                controlled("apps/v1", "ReplicaSet", "api-6c9f"),
            ),
            mine("db-0", controlled("apps/v1", "StatefulSet", "db")),
            mine("stray", json!({})),
            job,
        ],
    );
    let found = async |names: &[&str]| {
        let evidence = scan(&fake, &targets(names)).await.unwrap();
        assert!(evidence.gaps.is_empty(), "{:?}", evidence.gaps);
        let pods: Vec<String> = evidence
            .symptoms
            .iter()
            .map(|it| format!("{} {}", it.pod, it.owner.as_deref().unwrap_or("-")))
            .collect();
        (evidence.scanned.pods, pods)
    };
    assert_eq!(
        found(&["deploy/api"]).await,
        (1, vec!["api-6c9f-a Deployment/api".to_owned()])
    );
    assert_eq!(
        found(&["rs/api-6c9f"]).await.1,
        ["api-6c9f-a Deployment/api"]
    );
    assert_eq!(found(&["sts/db"]).await.1, ["db-0 StatefulSet/db"]);
    assert_eq!(
        found(&["cronjob/nightly"]).await.1,
        ["nightly-1-x CronJob/nightly"]
    );
    assert_eq!(found(&["stray"]).await.1, ["stray -"]);
    // A pod that two targets name is counted once.
    let (pods, found) = found(&["deploy/api", "pod/api-6c9f-a", "stray"]).await;
    assert_eq!((pods, found.len()), (2, 2));
}

#[tokio::test]
async fn what_does_not_exist_is_the_requests_fault() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            namespace("shop"),
            namespace("cart"),
            stuck("shop", "api-1"),
            owner("apps/v1", "Deployment", "shop", "api", json!({})),
        ],
    );
    let error = scan(&fake, &targets(&["deploy/apu"])).await.unwrap_err();
    assert!(matches!(&error, ScanError::NoSuchObject { near, .. } if near == &["deployment/api"]));
    assert_eq!(error.exit().code(), 3);
    assert_eq!(
        error.help().as_deref(),
        Some("did you mean `deployment/api`?")
    );
    let error = scan(&fake, &targets(&["pod/api-2"])).await.unwrap_err();
    assert!(matches!(&error, ScanError::NoSuchObject { near, .. } if near == &["pod/api-1"]));

    let error = scan(&fake, &Scope::namespace("shpo")).await.unwrap_err();
    assert!(matches!(&error, ScanError::NoSuchNamespace { near, .. } if near == &["shop"]));
    assert_eq!(error.exit().code(), 3);
    let mut scope = targets(&["pod/api-1"]);
    scope.namespaces = Namespaces::Named(vec!["shpo".to_owned()]);
    let error = scan(&fake, &scope).await.unwrap_err();
    assert!(
        matches!(&error, ScanError::NoSuchNamespace { .. }),
        "{error}"
    );

    // An empty namespace is healthy.
    assert_eq!(
        scan(&fake, &Scope::namespace("cart"))
            .await
            .unwrap()
            .scanned
            .pods,
        0
    );
    let mut scope = targets(&["api-1"]);
    scope.namespaces = Namespaces::All;
    let error = scan(&fake, &scope).await.unwrap_err();
    assert!(matches!(error, ScanError::NamesAcrossNamespaces));
}

#[tokio::test]
async fn selectors_narrow_the_list() {
    let fake = FakeCluster::new();
    let mut other = stuck("shop", "other");
    merge(&mut other, json!({"metadata": {"labels": {"app": "web"}}}));
    put(&fake, [namespace("shop"), stuck("shop", "api-1"), other]);
    let mut scope = Scope::namespace("shop");
    scope.selector = Some("app=web".to_owned());
    let evidence = scan(&fake, &scope).await.unwrap();
    assert_eq!(
        (evidence.scanned.pods, evidence.symptoms[0].pod.as_str()),
        (1, "other")
    );
    scope.selector = Some("app in (".to_owned());
    let error = scan(&fake, &scope).await.unwrap_err();
    assert!(matches!(error, ScanError::BadSelector { .. }), "{error:?}");
}

const PAUSE: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get \
    sandbox image \"registry.k8s.io/pause:3.8\": failed to pull image: i/o timeout";

#[tokio::test]
async fn a_missing_pause_image_is_found_in_the_events() {
    let fake = FakeCluster::new();
    let (bad, well) = (creating("shop", "bad"), creating("shop", "well"));
    put(
        &fake,
        [
            event(&bad, "FailedCreatePodSandBox", PAUSE, None, 5),
            event(
                &well,
                "FailedMount",
                "MountVolume.SetUp failed: configmap \"x\" not found",
                None,
                5,
            ),
            bad,
            well,
        ],
    );
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 1);
    let symptom = &evidence.symptoms[0];
    assert_eq!(
        (symptom.pod.as_str(), symptom.kind),
        ("bad", ContainerKind::Sandbox)
    );
    assert_eq!(symptom.image, "registry.k8s.io/pause:3.8");
    assert_eq!(
        (symptom.container.as_ref(), symptom.field.as_ref()),
        (None, None)
    );
    // The events that were read need not be asked for again.
    assert_eq!(evidence.answers.len(), 1);
    assert!(
        matches!(&evidence.answers[0].question, Question::PodEvents { pod, .. } if pod == "bad")
    );
}

#[tokio::test]
async fn a_slow_pull_is_healthy_and_one_behind_another_is_not() {
    let fake = FakeCluster::new();
    let pulling = |pod: &serde_json::Value, image: &str, seconds: i64| {
        let text = format!("Pulling image \"{image}\"");
        event(pod, "Pulling", &text, Some("spec.containers{api}"), seconds)
    };
    let with_image = |name: &str, image: &str| {
        let mut pod = creating("shop", name);
        merge(
            &mut pod,
            json!({"spec": {"containers": [{"name": "api", "image": image}]},
                "status": {"conditions": [
                    {"type": "PodScheduled", "status": "True",
                     "lastTransitionTime": "2026-01-01T09:00:00Z"},
                    {"type": "PodReadyToStartContainers", "status": "True"}]}}),
        );
        pod
    };
    let slow = with_image("slow", "r.example.com/huge:1");
    put(&fake, [pulling(&slow, "r.example.com/huge:1", 900), slow]);
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 0, "a pull that goes on");

    // A young pod of another namespace waits behind it.
    let mut behind = with_image("behind", "r.example.com/small:1");
    behind["metadata"]["namespace"] = json!("cart");
    behind["metadata"]["uid"] = json!("uid-behind");
    put(
        &fake,
        [pulling(&behind, "r.example.com/small:1", 20), behind],
    );
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(evidence.symptoms.len(), 1);
    let symptom = &evidence.symptoms[0];
    assert_eq!(
        (symptom.pod.as_str(), symptom.kind),
        ("slow", ContainerKind::Container)
    );
    assert_eq!(symptom.reason, "ContainerCreating");
    assert!(symptom.since.is_some());
}

#[tokio::test]
async fn a_restart_that_cannot_pull_is_found_in_a_running_pod() {
    let fake = FakeCluster::new();
    let crash = waiting(
        "CrashLoopBackOff",
        "back-off 5m0s restarting failed container",
    );
    let mut restart = waiting("ImagePullBackOff", "Back-off pulling image");
    restart["status"]["phase"] = json!("Running");
    restart["status"]["containerStatuses"][0]["restartCount"] = json!(4);
    put(
        &fake,
        [pod("shop", "crash", crash), pod("shop", "restart", restart)],
    );
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(evidence.symptoms.len(), 1);
    assert!(evidence.symptoms[0].ran_before);
}

#[tokio::test]
async fn a_login_that_is_refused_ends_the_scan() {
    let fake = FakeCluster::new();
    fake.require_token("t0p-secret");
    let error = scan(&fake, &Scope::all()).await.unwrap_err();
    assert_eq!(error.exit().code(), 4);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("401"), "{source}");
    assert!(error.help().unwrap().contains("log in again"));
}

#[tokio::test]
async fn all_namespaces_are_tried_one_by_one_where_they_may_not_be_listed_together() {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            namespace("shop"),
            namespace("cart"),
            stuck("shop", "a"),
            stuck("cart", "b"),
        ],
    );
    fake.forbid(Forbid::cluster_wide("list", "pods"));
    fake.forbid(Forbid::namespace("list", "pods", "cart"));
    let evidence = scan(&fake, &Scope::all()).await.unwrap();
    assert_eq!(evidence.symptoms.len(), 1);
    let gap = gap(&evidence, "list pods in cart");
    assert!(gap.hides_pods);
    assert_eq!(
        gap.grant.as_deref(),
        Some("- apiGroups: [\"\"]\n  resources: [\"pods\"]\n  verbs: [\"get\", \"list\"]")
    );
}

#[tokio::test]
async fn nothing_but_refusals_is_no_healthy_cluster() {
    let fake = FakeCluster::new();
    put(&fake, [namespace("shop"), stuck("shop", "a")]);
    fake.forbid(Forbid::everywhere("list", "pods"));
    for scope in [Scope::all(), Scope::namespace("shop")] {
        let error = scan(&fake, &scope).await.unwrap_err();
        assert!(matches!(error, ScanError::Forbidden { .. }), "{error:?}");
        assert_eq!(error.exit().code(), 4);
        assert!(error.help().unwrap().contains("resources: [\"pods\"]"));
    }
    fake.forbid(Forbid::everywhere("list", "namespaces"));
    let error = scan(&fake, &Scope::all()).await.unwrap_err();
    assert!(matches!(error, ScanError::Forbidden { .. }), "{error:?}");
    // Its own name may still be asked for.
    let evidence = scan(&fake, &targets(&["a"])).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 1);
}

#[tokio::test]
async fn without_rights_on_owners_the_pods_own_controller_is_told() {
    let fake = FakeCluster::new();
    let mut pod = stuck("shop", "api-6c9f8d-a");
    merge(&mut pod, controlled("apps/v1", "ReplicaSet", "api-6c9f8d"));
    put(&fake, [namespace("shop"), pod]);
    fake.forbid(Forbid::everywhere("*", "replicasets"));
    fake.forbid(Forbid::everywhere("*", "deployments"));
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(
        evidence.symptoms[0].owner.as_deref(),
        Some("ReplicaSet/api-6c9f8d")
    );
    let missing = gap(&evidence, "get replicasets in shop");
    assert!(!missing.hides_pods && missing.questions.is_empty());

    let evidence = scan(&fake, &targets(&["deploy/api"])).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 1, "its ReplicaSet bears its name");
    assert!(!gap(&evidence, "get deployments api in shop").hides_pods);
    let error = scan(&fake, &targets(&["deploy/other"])).await.unwrap_err();
    assert!(
        matches!(error, ScanError::TargetForbidden { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn suspects_whose_events_may_not_be_read_are_a_gap_that_hides_pods() {
    let fake = FakeCluster::new();
    put(&fake, [creating("shop", "a")]);
    fake.forbid(Forbid::everywhere("list", "events"));
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    let gap = gap(&evidence, "list events in shop");
    assert!(gap.hides_pods && gap.grant.is_some());
}

#[tokio::test]
async fn events_of_many_suspects_are_one_list() {
    let fake = FakeCluster::new();
    let pods: Vec<_> = (0..20)
        .map(|number| creating("shop", &format!("p{number:02}")))
        .collect();
    put(
        &fake,
        pods.iter()
            .map(|pod| event(pod, "FailedCreatePodSandBox", PAUSE, None, 3)),
    );
    put(&fake, pods);
    let evidence = scan(&fake, &Scope::namespace("shop")).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 20);
    assert_eq!(
        fake.log()
            .iter()
            .filter(|it| it.path.ends_with("/events"))
            .count(),
        1
    );
}
