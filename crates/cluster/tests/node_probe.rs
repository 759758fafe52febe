//! Looks from nodes of a fake cluster: every way to fail, and that nothing stays.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;
#[path = "common/nodes.rs"]
mod nodes;

use std::time::Duration;

use common::{pod, put};
use nodes::{PAUSE, access, connect, created, left, node, probe, put_node, target};
use pulldoctor_cluster::{Look, NodeProbeError, Place};
use pulldoctor_model::{GapReason, NodeNetwork, registry::Problem};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid, Kubelet, PodSecurity, Run, Running},
    spec::FaultSpec,
};
use serde_json::{Value, json};

/// Nothing listens there.
const NOBODY: &str = "127.0.0.1:1";

fn n1() -> Place {
    Place::Node("n1".to_owned())
}

/// A cluster with node `n1`, on which pods come to this.
fn cluster(play: impl Fn(&Value) -> Run + Send + Sync + 'static) -> (FakeCluster, Running) {
    let fake = FakeCluster::new();
    put_node(&fake, "n1");
    let running = Kubelet::new(play).node("n1", &[PAUSE]).run(&fake);
    (fake, running)
}

async fn look(fake: &FakeCluster) -> Result<Look, NodeProbeError> {
    let looked = connect(fake, access())
        .look_from(&n1(), &[target(NOBODY)])
        .await;
    assert_eq!(left(fake), Vec::<String>::new(), "{looked:?}");
    looked
}

async fn fails(fake: &FakeCluster) -> NodeProbeError {
    let error = look(fake).await.unwrap_err();
    let text = format!("{error} {:?}", error.help());
    assert!(!text.contains('\u{1b}'), "{text}");
    error
}

#[tokio::test]
async fn a_node_is_looked_from_and_nothing_stays() {
    let (fake, _running) = cluster(probe);
    let look = look(&fake).await.unwrap();
    assert_eq!(look.node, "n1");
    assert_eq!(look.namespace, "default");
    assert_eq!(look.image, PAUSE);
    assert_eq!(look.view.network, NodeNetwork::Host);
    assert_eq!(look.view.clock_ahead_s, Some(0));
    assert!(!look.view.is_cut);
    let failure = look.view.sights[0].transcript.first_failure().unwrap();
    assert_eq!(failure.problem, Some(Problem::TcpRefused));
    assert_eq!(created(&fake, "pods"), 1);
    assert_eq!(created(&fake, "configmaps"), 2);
}

#[tokio::test]
async fn a_namespace_is_looked_from_with_its_own_network() {
    let (fake, _running) = cluster(probe);
    put(&fake, [pod("shop", "api-1", json!({}))]);
    fake.pod_security("shop", PodSecurity::Restricted);
    let place = Place::Namespace("shop".to_owned());
    let cluster = connect(&fake, access());
    let look = cluster.look_from(&place, &[target(NOBODY)]).await.unwrap();
    let network = NodeNetwork::Pod {
        namespace: "shop".to_owned(),
    };
    assert_eq!(look.view.network, network);
    assert_eq!(left(&fake), Vec::<String>::new());

    // Without a pod of its own it is a node that would take one.
    let nowhere = Place::Namespace("empty".to_owned());
    put(
        &fake,
        [
            node("n0", json!({"spec": {"unschedulable": true}})),
            node(
                "n00",
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
            ),
        ],
    );
    let look = cluster
        .look_from(&nowhere, &[target(NOBODY)])
        .await
        .unwrap();
    assert_eq!(
        (look.node.as_str(), look.namespace.as_str()),
        ("n1", "empty")
    );
    fake.forbid(Forbid::everywhere("list", "nodes"));
    let error = cluster.look_from(&nowhere, &[target(NOBODY)]).await;
    assert!(
        matches!(error, Err(NodeProbeError::NoNode { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_host_network_is_had_where_it_is_admitted() {
    let (fake, _running) = cluster(probe);
    fake.pod_security("default", PodSecurity::Baseline);
    assert_eq!(look(&fake).await.unwrap().namespace, "kube-system");

    // Nowhere: then it is the pods' network, and the view says so.
    fake.pod_security("kube-system", PodSecurity::Restricted);
    let look = look(&fake).await.unwrap();
    assert_eq!(look.namespace, "default");
    let network = NodeNetwork::Pod {
        namespace: "default".to_owned(),
    };
    assert_eq!(look.view.network, network);

    // Nobody is asked for a namespace that was named.
    fake.clear_log();
    fake.pod_security("tools", PodSecurity::Baseline);
    let named = pulldoctor_cluster::NodeAccess {
        probe_namespace: Some("tools".to_owned()),
        ..access()
    };
    let look = connect(&fake, named)
        .look_from(&n1(), &[target(NOBODY)])
        .await;
    assert_eq!(look.unwrap().namespace, "tools");
    let posts = fake.log().into_iter().filter(|it| it.method == "POST");
    assert!(posts.clone().count() > 0);
    for post in posts {
        assert!(post.path.contains("/namespaces/tools/"), "{post:?}");
    }
}

#[tokio::test]
async fn what_admission_makes_of_the_pod_is_seen_before_anything_is_created() {
    let (fake, _running) = cluster(probe);
    fake.always_pull_images();
    let error = fails(&fake).await;
    assert!(matches!(error, NodeProbeError::PullForced), "{error:?}");

    let (fake, _running) = cluster(probe);
    fake.inject("mesh-proxy");
    let error = fails(&fake).await;
    assert!(error.to_string().contains("mesh-proxy"), "{error}");
    assert_eq!(error.gap(), GapReason::Forbidden);
    for plural in ["pods", "configmaps"] {
        assert_eq!(created(&fake, plural), 0, "{plural}");
    }
}

#[tokio::test]
async fn an_image_that_may_not_be_used_is_passed_over() {
    let (fake, _running) = cluster(|pod| {
        if pod["spec"]["containers"][0]["image"] == "shop/broken:1" {
            let text = "exec: no such file".to_owned();
            return Run::Waits("CreateContainerError".to_owned(), text);
        }
        probe(pod)
    });
    // They run elsewhere in the list of the node's pods, but are not on it (any more).
    for (at, image) in ["shop/gone:1", "shop/broken:1"].iter().enumerate() {
        put(
            &fake,
            [pod(
                "shop",
                &format!("p-{at}"),
                json!({"spec": {"containers": [{"name": "api", "image": image}]}}),
            )],
        );
    }
    let images = json!({"status": {"images": [
        {"names": ["shop/gone:1"], "sizeBytes": 1}, {"names": ["shop/broken:1"], "sizeBytes": 2},
        {"names": null}, {"names": [PAUSE], "sizeBytes": 300_000}]}});
    put(&fake, [node("n1", images)]);
    let look = look(&fake).await.unwrap();
    assert_eq!(look.image, PAUSE);
    assert_eq!(created(&fake, "pods"), 3);
    assert_eq!(created(&fake, "configmaps"), 2);
}

#[tokio::test]
async fn a_node_that_starts_nothing_says_why() {
    let (fake, _running) = cluster(probe);
    put(
        &fake,
        [node(
            "n1",
            json!({"status": {"conditions": [{"type": "DiskPressure", "status": "True",
                "message": "kubelet has disk pressure"}]}}),
        )],
    );
    let error = fails(&fake).await;
    assert!(
        matches!(error, NodeProbeError::NoPodStarts { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("DiskPressure"), "{error}");
    assert_eq!(created(&fake, "pods"), 0);

    let (fake, _running) = cluster(|_| {
        let text = "The node had condition: [DiskPressure]. ".to_owned();
        Run::Rejected("Evicted".to_owned(), text)
    });
    let error = fails(&fake).await;
    assert!(
        matches!(error, NodeProbeError::NoPodStarts { .. }),
        "{error:?}"
    );

    let (fake, _running) = cluster(|_| Run::Rejected("OutOfcpu".to_owned(), "full".to_owned()));
    let error = fails(&fake).await;
    assert_eq!(error.to_string(), "start on node `n1`: OutOfcpu: full");
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_does_not_start_is_told_by_its_event() {
    let (fake, _running) = cluster(|_| {
        Run::NoSandbox("failed to get sandbox image \"registry.k8s.io/pause:3.10\"".to_owned())
    });
    let error = fails(&fake).await;
    assert!(
        matches!(error, NodeProbeError::NoPodStarts { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("sandbox image"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn patience_has_an_end() {
    for run in [Run::Silent, Run::Stays] {
        let (fake, _running) = cluster(move |_| run.clone());
        let error = fails(&fake).await;
        assert!(
            matches!(error, NodeProbeError::Patience { .. }),
            "{error:?}"
        );
        assert_eq!(error.gap(), GapReason::Timeout);
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_its_rules() {
    for (verb, resource) in [
        ("create", "pods"),
        ("create", "configmaps"),
        ("watch", "pods"),
    ] {
        let (fake, _running) = cluster(probe);
        fake.forbid(Forbid::everywhere(verb, resource));
        let error = fails(&fake).await;
        let grant = error.grant().unwrap_or_else(|| panic!("{error:?}"));
        assert!(grant.contains(resource), "{grant}");
        assert_eq!(error.gap(), GapReason::Forbidden);
        assert!(error.to_string().contains(verb), "{error}");
    }
    // Where the pod may not be created, nothing is.
    let (fake, _running) = cluster(probe);
    fake.forbid(Forbid::everywhere("create", "pods"));
    fails(&fake).await;
    assert_eq!(created(&fake, "configmaps"), 0);
}

#[tokio::test]
async fn without_the_log_the_summary_is_read() {
    let (fake, _running) = cluster(probe);
    fake.forbid(Forbid::everywhere("get", "pods/log"));
    let look = look(&fake).await.unwrap();
    assert!(look.view.is_cut);
    let failure = look.view.sights[0].transcript.first_failure().unwrap();
    assert_eq!(failure.problem, Some(Problem::TcpRefused));

    let (fake, _running) = cluster(|_| Run::Ends {
        log: String::new(),
        message: String::new(),
    });
    fake.forbid(Forbid::everywhere("get", "pods/log"));
    let error = fails(&fake).await;
    assert!(
        error
            .grant()
            .is_some_and(|grant| grant.contains("pods/log"))
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_done_without() {
    let (fake, _running) = cluster(probe);
    fake.forbid(Forbid::everywhere("*", "nodes"));
    fake.forbid(Forbid::everywhere("*", "events"));
    fake.forbid(Forbid::cluster_wide("list", "pods"));
    fake.forbid(Forbid::cluster_wide("list", "configmaps"));
    assert_eq!(look(&fake).await.unwrap().image, PAUSE);

    // And without any pod or node to learn an image from there is none.
    fake.forbid(Forbid::everywhere("list", "pods"));
    let error = fails(&fake).await;
    assert!(matches!(error, NodeProbeError::NoImage { .. }), "{error:?}");
    let grant = error.grant().unwrap_or_default().to_owned();
    for resource in ["nodes", "pods"] {
        assert!(grant.contains(&format!("[\"{resource}\"]")), "{grant}");
    }
}

#[tokio::test]
async fn nodes_that_are_not_there_or_are_of_another_kind() {
    let (fake, _running) = cluster(probe);
    let nowhere = Place::Node("n9".to_owned());
    let error = connect(&fake, access())
        .look_from(&nowhere, &[target(NOBODY)])
        .await;
    assert!(
        matches!(error, Err(NodeProbeError::ReadNode { .. })),
        "{error:?}"
    );

    put(
        &fake,
        [node(
            "n1",
            json!({"status": {"nodeInfo": {"architecture": "arm64"}}}),
        )],
    );
    let error = fails(&fake).await;
    assert!(error.to_string().contains("linux/arm64"), "{error}");
}

#[tokio::test]
async fn a_hostile_log_is_no_answer_or_a_clean_one() {
    for log in ["", "null", "{}", "[]", "\u{1b}[2J", &"{".repeat(300_000)] {
        let log = log.to_owned();
        let (fake, _running) = cluster(move |_| Run::Ends {
            log: log.clone(),
            message: "\u{1b}]0;".to_owned(),
        });
        let error = fails(&fake).await;
        assert!(matches!(error, NodeProbeError::Answer(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_watch_that_breaks_is_opened_again() {
    let (fake, _running) = cluster(probe);
    let fault = |text: &str| serde_json::from_str::<FaultSpec>(text).unwrap();
    fake.faults(&[
        fault(r#"{"path": "/api/v1/namespaces/default/pods", "method": "GET", "times": 2, "status": 503}"#),
        fault(r#"{"path": "/api/v1/namespaces/default/pods", "method": "GET", "times": 1, "cut_after": 10}"#),
    ]);
    assert_eq!(look(&fake).await.unwrap().image, PAUSE);
}

#[tokio::test]
async fn a_pod_that_somebody_removes_is_not_waited_for() {
    let (fake, _running) = cluster(|_| Run::Stays);
    let cluster = connect(&fake, access());
    let looking = tokio::spawn(async move { cluster.look_from(&n1(), &[target(NOBODY)]).await });
    let name = loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let pod = left(&fake).into_iter().find(|name| {
            fake.objects("Pod")
                .iter()
                .any(|pod| pod["metadata"]["name"] == **name)
        });
        if let Some(name) = pod {
            break name;
        }
    };
    fake.remove("v1", "Pod", "default", &name);
    let error = looking.await.unwrap();
    assert!(
        matches!(error, Err(NodeProbeError::Removed { .. })),
        "{error:?}"
    );
    assert_eq!(left(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn clocks_are_compared() {
    let (fake, _running) = cluster(probe);
    fake.advance(Duration::from_secs(600));
    let ahead = look(&fake).await.unwrap().view.clock_ahead_s.unwrap();
    assert!((-602..=-598).contains(&ahead), "{ahead}");
}

#[tokio::test]
async fn a_plan_creates_nothing_and_shows_no_megabyte() {
    let (fake, _running) = cluster(probe);
    let plan = connect(&fake, access()).probe_plan(&n1()).await.unwrap();
    assert!(fake.log().iter().all(|it| it.method == "GET"));
    assert_eq!(plan.objects.len(), 3);
    assert_eq!(plan.objects[0]["binaryData"]["run"], "(4 bytes)");
    assert_eq!(plan.objects[2]["spec"]["nodeName"], "n1");
    assert_eq!(plan.objects[2]["spec"]["containers"][0]["image"], PAUSE);
    assert_eq!(plan.namespaces, ["default", "kube-system"]);
    assert!(plan.rules.contains("pods/log"), "{}", plan.rules);
}
