//! What the fake API server and its kubelets do to objects that are created, under kube's client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, LogParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use pulldoctor_testkit::api::{FakeCluster, Kubelet, PodSecurity, Run};
use serde_json::{Value, json};

fn pods(cluster: &FakeCluster) -> Api<Pod> {
    Api::namespaced(Client::new(cluster.router(), "default"), "shop")
}

fn pod(name: &str, spec: &Value) -> Pod {
    let mut pod = json!({"metadata": {"name": name}, "spec": {"nodeName": "n1",
        "containers": [{"name": "c", "image": "pause:1", "imagePullPolicy": "Never"}]}});
    for (key, value) in spec.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    serde_json::from_value(pod).unwrap()
}

async fn create(cluster: &FakeCluster, pod: &Pod, dry_run: bool) -> Result<Pod, kube::Error> {
    let params = PostParams {
        dry_run,
        ..PostParams::default()
    };
    pods(cluster).create(&params, pod).await
}

fn message(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_pod_runs_to_its_end_and_leaves_a_log() {
    let cluster = FakeCluster::new();
    let _running = Kubelet::new(|_| Run::Ends {
        log: "said\n".to_owned(),
        message: "in short".to_owned(),
    })
    .node("n1", &["pause:1"])
    .starts_in(Duration::from_millis(10))
    .run(&cluster);
    let made = create(&cluster, &pod("p", &json!({})), false)
        .await
        .unwrap();
    let version = made.metadata.resource_version.unwrap();
    let params = WatchParams::default().fields("metadata.name=p");
    let mut changes = pods(&cluster)
        .watch(&params, &version)
        .await
        .unwrap()
        .boxed();
    let Some(Ok(WatchEvent::Modified(ended))) = changes.next().await else {
        panic!("no change");
    };
    let status = ended.status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Succeeded"));
    let state = status.container_statuses.unwrap()[0].state.clone().unwrap();
    assert_eq!(
        state.terminated.unwrap().message.as_deref(),
        Some("in short")
    );
    let log = pods(&cluster)
        .logs("p", &LogParams::default())
        .await
        .unwrap();
    assert_eq!(log, "said\n");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_pulled_by_never() {
    let cluster = FakeCluster::new();
    let _running = Kubelet::new(|_| panic!("it must not run"))
        .node("n1", &[])
        .run(&cluster);
    create(&cluster, &pod("p", &json!({})), false)
        .await
        .unwrap();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let known = pods(&cluster).get("p").await.unwrap();
        let Some(statuses) = known.status.and_then(|status| status.container_statuses) else {
            continue;
        };
        let waiting = statuses[0].state.clone().unwrap().waiting.unwrap();
        assert_eq!(waiting.reason.as_deref(), Some("ErrImageNeverPull"));
        return;
    }
    panic!("the kubelet says nothing");
}

#[tokio::test]
async fn a_pod_that_was_put_there_as_it_runs_is_not_played() {
    let cluster = FakeCluster::new();
    let _running = Kubelet::new(|_| Run::Stays)
        .node("n1", &["pause:1"])
        .run(&cluster);
    let status = json!({"phase": "Failed", "containerStatuses": [
        {"name": "c", "state": {"terminated": {"exitCode": 3}}}]});
    let put = |name: &str, status: &Value| {
        let mut pod = serde_json::to_value(pod(name, &json!({}))).unwrap();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["namespace"] = json!("shop");
        pod["status"] = status.clone();
        cluster.put(pod).unwrap();
    };
    put("told", &status);
    put("new", &json!({}));
    let phase = |name: &str| {
        let pods = cluster.objects("Pod").into_iter();
        let mut named = pods.filter(|pod| pod["metadata"]["name"] == name);
        named.next().unwrap()["status"]["phase"].clone()
    };
    // They are taken in their order: when the second is played, the first has been passed over.
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if phase("new") == "Running" {
            assert_eq!(phase("told"), "Failed");
            return;
        }
    }
    panic!("the kubelet says nothing");
}

#[tokio::test]
async fn pod_security_refuses_also_in_a_dry_run_and_a_dry_run_stores_nothing() {
    let cluster = FakeCluster::new();
    let host = json!({"hostNetwork": true});
    create(&cluster, &pod("p", &host), true).await.unwrap();
    assert!(cluster.objects("Pod").is_empty());

    cluster.pod_security("shop", PodSecurity::Baseline);
    let error = create(&cluster, &pod("p", &host), true).await.unwrap_err();
    let said = message(error);
    assert!(
        said.contains("violates PodSecurity \"baseline:latest\""),
        "{said}"
    );
    create(&cluster, &pod("p", &json!({})), true).await.unwrap();

    let cluster = FakeCluster::new();
    cluster.pod_security("shop", PodSecurity::Restricted);
    let error = create(&cluster, &pod("p", &json!({})), true)
        .await
        .unwrap_err();
    assert!(message(error).contains("runAsNonRoot"));
}

#[tokio::test]
async fn admission_changes_pods_where_it_is_told_to() {
    let cluster = FakeCluster::new();
    cluster.always_pull_images();
    cluster.inject("proxy");
    let made = create(&cluster, &pod("p", &json!({})), true).await.unwrap();
    let containers = made.spec.unwrap().containers;
    assert_eq!(containers.len(), 2);
    for container in containers {
        assert_eq!(container.image_pull_policy.as_deref(), Some("Always"));
    }
}

#[tokio::test]
async fn what_a_config_map_owns_goes_with_it() {
    let cluster = FakeCluster::new();
    let maps: Api<ConfigMap> = Api::namespaced(Client::new(cluster.router(), "default"), "shop");
    let map = serde_json::from_value(json!({"metadata": {"name": "owner"}})).unwrap();
    let owner = maps.create(&PostParams::default(), &map).await.unwrap();
    let mut owned = pod("p", &json!({}));
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
        "uid": owner.metadata.uid.unwrap()}]);
    owned.metadata.owner_references = serde_json::from_value(reference).unwrap();
    create(&cluster, &owned, false).await.unwrap();
    assert_eq!(cluster.objects("Pod").len(), 1);
    maps.delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    assert!(cluster.objects("Pod").is_empty());
    // An owner that is gone when the pod comes is no owner either.
    create(&cluster, &owned, false).await.unwrap();
    assert!(cluster.objects("Pod").is_empty());
}

#[tokio::test]
async fn the_servers_clock_can_be_moved() {
    let cluster = FakeCluster::new();
    let before = create(&cluster, &pod("a", &json!({})), false)
        .await
        .unwrap();
    cluster.advance(Duration::from_secs(3_600));
    let after = create(&cluster, &pod("b", &json!({})), false)
        .await
        .unwrap();
    let time = |pod: &Pod| pod.metadata.creation_timestamp.clone().unwrap().0;
    let passed = time(&after).duration_since(time(&before)).as_secs();
    assert!((3_600..3_620).contains(&passed), "{passed}");
}
