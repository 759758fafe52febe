//! The fake API server under kube's own client, in process and over loopback HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::{Duration, Instant};

use common::{get, request, send};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod, Secret};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use pulldoctor_testkit::api::{FakeCluster, Forbid, PodGenerator, Served, summary};
use pulldoctor_testkit::spec::FaultSpec;
use serde_json::{Value, json};

fn client(cluster: &FakeCluster) -> Client {
    Client::new(cluster.router(), "default")
}

async fn serve(cluster: &FakeCluster) -> Served {
    cluster.serve("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
           "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
           "status": {"phase": "Running"}})
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("no answer of the server: {other}"),
    }
}

#[tokio::test]
async fn objects_are_got_and_listed_by_namespace_and_selector() {
    let cluster = FakeCluster::new();
    for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "x")] {
        cluster.put(pod(namespace, name)).unwrap();
    }
    let client = client(&cluster);
    let all = Api::<Pod>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let names: Vec<String> = all
        .items
        .iter()
        .map(|pod| {
            let metadata = &pod.metadata;
            format!(
                "{}/{}",
                metadata.namespace.as_ref().unwrap(),
                metadata.name.as_ref().unwrap()
            )
        })
        .collect();
    assert_eq!(names, ["a/x", "a/y", "b/x"]);
    let in_a = Api::<Pod>::namespaced(client.clone(), "a");
    assert_eq!(
        in_a.list(&ListParams::default()).await.unwrap().items.len(),
        2
    );
    let labelled = in_a
        .list(&ListParams::default().labels("app=y"))
        .await
        .unwrap();
    assert_eq!(labelled.items.len(), 1);
    let by_node = in_a
        .list(&ListParams::default().fields("spec.nodeName!=n1"))
        .await
        .unwrap();
    assert_eq!(by_node.items.len(), 0);
    let bad = in_a
        .list(&ListParams::default().fields("spec.image=i"))
        .await
        .unwrap_err();
    assert_eq!(code(&bad), 400);
    assert_eq!(
        in_a.get("y").await.unwrap().metadata.name.as_deref(),
        Some("y")
    );
    let missing = in_a.get("z").await.unwrap_err();
    assert_eq!(code(&missing), 404);
    assert!(
        missing.to_string().contains("pods \"z\" not found"),
        "{missing}"
    );
}

#[tokio::test]
async fn events_are_selected_by_their_object() {
    let cluster = FakeCluster::new();
    for (name, object) in [("e1", "x"), ("e2", "y")] {
        cluster
            .put(json!({"apiVersion": "v1", "kind": "Event",
                "metadata": {"name": name, "namespace": "a"}, "type": "Warning",
                "reason": "Failed", "message": "m",
                "involvedObject": {"kind": "Pod", "name": object, "namespace": "a"}}))
            .unwrap();
    }
    let events = Api::<Event>::namespaced(client(&cluster), "a");
    let of_x = ListParams::default().fields("involvedObject.name=x,involvedObject.kind=Pod");
    let found = events.list(&of_x).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].metadata.name.as_deref(), Some("e1"));
}

#[tokio::test]
async fn pages_join_to_the_whole_and_expire() {
    let cluster = FakeCluster::new();
    cluster.put(pod("a-first", "stored")).unwrap();
    cluster.generate(PodGenerator::new(1_000)).unwrap();
    let pods = Api::<Pod>::all(client(&cluster));
    let mut seen = std::collections::BTreeSet::new();
    let mut token: Option<String> = None;
    let mut pages = 0;
    loop {
        let mut params = ListParams::default().limit(300);
        if let Some(token) = &token {
            params = params.continue_token(token);
        }
        let page = pods.list(&params).await.unwrap();
        pages += 1;
        for pod in page.items {
            assert!(seen.insert((pod.metadata.namespace.unwrap(), pod.metadata.name.unwrap())));
        }
        token = page.metadata.continue_.filter(|token| !token.is_empty());
        let left = page.metadata.remaining_item_count.unwrap_or(0);
        assert_eq!(left, 1_001 - i64::try_from(seen.len()).unwrap());
        if token.is_none() {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (4, 1_001));

    let first = pods.list(&ListParams::default().limit(10)).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    cluster.expire_continue(1);
    let next = ListParams::default().limit(10).continue_token(&token);
    let expired = pods.list(&next).await.unwrap_err();
    assert_eq!(code(&expired), 410);
    assert_eq!(pods.list(&next).await.unwrap().items.len(), 10);

    let served = serve(&cluster).await;
    let cached = get("a", "/api/v1/pods?limit=10&resourceVersion=0");
    let cached = send(served.address(), cached).await.unwrap().json();
    let count = cached["items"].as_array().unwrap().len();
    assert_eq!(
        count, 1_001,
        "version 0 comes from the cache, without pages"
    );
}

#[tokio::test]
async fn an_expired_list_can_be_continued_with_the_token_of_the_refusal() {
    let cluster = FakeCluster::new();
    cluster.generate(PodGenerator::new(100)).unwrap();
    let served = serve(&cluster).await;
    let at = served.address();
    let first = send(at, get("a", "/api/v1/pods?limit=60"))
        .await
        .unwrap()
        .json();
    let token = first["metadata"]["continue"].as_str().unwrap();
    cluster.expire_continue(1);
    let path = format!("/api/v1/pods?limit=60&continue={token}");
    let gone = send(at, get("a", &path)).await.unwrap();
    assert_eq!(gone.status, 410);
    assert_eq!(gone.json()["reason"], "Expired");
    let fresh = gone.json()["metadata"]["continue"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/pods?limit=60&continue={fresh}");
    let rest = send(at, get("a", &path)).await.unwrap().json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 40);
}

#[tokio::test]
async fn generated_pods_are_real_pods_with_owners_nodes_and_namespaces() {
    let cluster = FakeCluster::new();
    let generator = PodGenerator::new(2_000);
    let expected = generator.stuck();
    cluster.generate(generator).unwrap();
    let client = client(&cluster);
    let pods = Api::<Pod>::all(client.clone());
    let pending = pods
        .list(&ListParams::default().fields("status.phase=Pending"))
        .await
        .unwrap();
    assert_eq!(pending.items.len(), expected);
    let stuck = &pending.items[0];
    let namespace = stuck.metadata.namespace.clone().unwrap();
    let owner = stuck.metadata.owner_references.as_ref().unwrap()[0].clone();
    let set = Api::<ReplicaSet>::namespaced(client.clone(), &namespace)
        .get(&owner.name)
        .await
        .unwrap();
    assert_eq!(set.metadata.uid, Some(owner.uid));
    let owner = set.metadata.owner_references.unwrap()[0].clone();
    Api::<Deployment>::namespaced(client.clone(), &namespace)
        .get(&owner.name)
        .await
        .unwrap();
    Api::<Namespace>::all(client.clone())
        .get(&namespace)
        .await
        .unwrap();
    let node = stuck.spec.as_ref().unwrap().node_name.clone().unwrap();
    Api::<Node>::all(client.clone()).get(&node).await.unwrap();
    let in_namespace = Api::<Pod>::namespaced(client.clone(), &namespace);
    let listed = in_namespace.list(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items.len(), 100);
    let same = in_namespace
        .get(stuck.metadata.name.as_ref().unwrap())
        .await
        .unwrap();
    assert_eq!(&same, stuck);
    let app = &stuck.metadata.labels.as_ref().unwrap()["app"];
    let of_app = ListParams::default().labels(&format!("app={app}"));
    assert_eq!(in_namespace.list(&of_app).await.unwrap().items.len(), 10);
}

#[tokio::test]
async fn what_is_forbidden_is_refused_as_rbac_words_it() {
    let cluster = FakeCluster::new();
    cluster.put(pod("a", "x")).unwrap();
    cluster.put(pod("b", "x")).unwrap();
    cluster.forbid(Forbid::everywhere("*", "secrets"));
    cluster.forbid(Forbid::cluster_wide("list", "pods"));
    cluster.forbid(Forbid::namespace("list", "pods", "b"));
    cluster.forbid(Forbid::everywhere("get", "nodes/proxy"));
    let client = client(&cluster);
    let all = Api::<Pod>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap_err();
    assert_eq!(code(&all), 403);
    assert!(
        all.to_string().contains(
            "pods is forbidden: User \"testkit\" cannot list resource \"pods\" in API group \"\" \
             at the cluster scope"
        ),
        "{all}"
    );
    let list = async |namespace: &str| {
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        pods.list(&ListParams::default()).await
    };
    assert_eq!(list("a").await.unwrap().items.len(), 1);
    assert_eq!(code(&list("b").await.unwrap_err()), 403);
    let secret = Api::<Secret>::namespaced(client.clone(), "a")
        .get("s")
        .await
        .unwrap_err();
    assert_eq!(code(&secret), 403);

    let served = serve(&cluster).await;
    let path = "/api/v1/nodes/n1/proxy/stats/summary";
    cluster.raw(path, summary("n1", 100, 5, 10, 1));
    assert_eq!(
        send(served.address(), get("a", path)).await.unwrap().status,
        403
    );
    cluster.allow_all();
    let got = send(served.address(), get("a", path)).await.unwrap().json();
    assert_eq!(got["node"]["runtime"]["imageFs"]["usedBytes"], 95);
    assert_eq!(list("b").await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_review_answers_from_the_same_rules() {
    let cluster = FakeCluster::new();
    cluster.forbid(Forbid::everywhere("get", "secrets"));
    let served = serve(&cluster).await;
    for (verb, expected) in [("get", false), ("list", true)] {
        let mut review = request(
            "POST",
            "a",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            &[],
        );
        let body = json!({"spec": {"resourceAttributes":
            {"verb": verb, "resource": "secrets", "namespace": "a"}}});
        *review.body_mut() = body.to_string().into();
        let got = send(served.address(), review).await.unwrap().json();
        assert_eq!(got["status"]["allowed"], expected, "{verb}");
    }
}

#[tokio::test]
async fn discovery_and_version_are_served() {
    let cluster = FakeCluster::new();
    cluster.git_version("v1.31.4");
    let client = client(&cluster);
    assert_eq!(client.apiserver_version().await.unwrap().minor, "31");
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "apps"));
    let apps = client.list_api_group_resources("apps/v1").await.unwrap();
    assert!(
        apps.resources
            .iter()
            .any(|resource| resource.kind == "ReplicaSet")
    );
    let core = client.list_core_api_resources("v1").await.unwrap();
    assert!(
        core.resources
            .iter()
            .any(|resource| resource.name == "pods" && resource.namespaced)
    );
}

#[tokio::test]
async fn metadata_alone_has_no_data() {
    let cluster = FakeCluster::new();
    cluster
        .put(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                    "type": "Opaque", "data": {"k": "Y2FuYXJ5"}}),
        )
        .unwrap();
    let secrets = Api::<Secret>::default_namespaced(client(&cluster));
    let one = secrets.get_metadata("s").await.unwrap();
    assert_eq!(one.metadata.name.as_deref(), Some("s"));
    let list = secrets.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    let served = serve(&cluster).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let raw = request(
        "GET",
        "a",
        "/api/v1/namespaces/default/secrets",
        &[("accept", accept)],
    );
    let raw = send(served.address(), raw).await.unwrap();
    assert!(!String::from_utf8_lossy(&raw.body).contains("Y2FuYXJ5"));
    assert!(
        cluster
            .log()
            .last()
            .unwrap()
            .accept
            .contains("PartialObjectMetadataList")
    );
}

#[tokio::test]
async fn requests_are_slowed_refused_cut_and_dropped() {
    let cluster = FakeCluster::new();
    cluster.generate(PodGenerator::new(100)).unwrap();
    let served = serve(&cluster).await;
    let at = served.address();
    let pods = || get("a", "/api/v1/pods");

    cluster.latency(Duration::from_millis(150));
    let start = Instant::now();
    send(at, get("a", "/version")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(150));
    cluster.latency(Duration::ZERO);

    let on_pods = || FaultSpec {
        path: Some("/api/v1/pods".to_owned()),
        ..FaultSpec::default()
    };
    cluster.faults(&[FaultSpec {
        status: Some(503),
        times: Some(1),
        ..on_pods()
    }]);
    let unavailable = send(at, pods()).await.unwrap();
    assert_eq!(unavailable.status, 503);
    assert_eq!(unavailable.json()["kind"], "Status");
    assert_eq!(send(at, pods()).await.unwrap().status, 200);

    cluster.faults(&[FaultSpec {
        cut_after: Some(100_000),
        ..on_pods()
    }]);
    let cut = send(at, pods()).await.unwrap();
    assert_eq!(cut.body.len(), 100_000);
    assert!(cut.broken.is_some());

    cluster.faults(&[FaultSpec {
        hang_up: true,
        ..on_pods()
    }]);
    assert!(send(at, pods()).await.is_err());
    let list = Api::<Pod>::all(client(&cluster))
        .list(&ListParams::default())
        .await;
    assert!(list.is_err(), "in process the body fails");

    cluster.faults(&[FaultSpec {
        stall_after: Some(10),
        ..on_pods()
    }]);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), send(at, pods()))
            .await
            .is_err()
    );

    cluster.faults(&[]);
    cluster.require_token("t0k3n");
    assert_eq!(send(at, pods()).await.unwrap().status, 401);
    let allowed = request("GET", "a", "/version", &[("authorization", "Bearer t0k3n")]);
    assert_eq!(send(at, allowed).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_watch_shows_what_is_there_and_what_changes() {
    let cluster = FakeCluster::new();
    cluster.put(pod("a", "old")).unwrap();
    let pods = Api::<Pod>::namespaced(client(&cluster), "a");
    let version = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .metadata
        .resource_version;
    let version = version.unwrap();
    // Between list and watch: must not be lost.
    cluster.put(pod("a", "new")).unwrap();
    cluster.put(pod("b", "elsewhere")).unwrap();
    let mut stream = pods
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    let next = async |stream: &mut futures::stream::BoxStream<'_, _>| {
        let event: Result<WatchEvent<Pod>, kube::Error> =
            tokio::time::timeout(Duration::from_secs(5), stream.next())
                .await
                .unwrap()
                .unwrap();
        event
    };
    let name = |event: &WatchEvent<Pod>| match event {
        WatchEvent::Added(pod) => format!("+{}", pod.metadata.name.as_ref().unwrap()),
        WatchEvent::Modified(pod) => format!("~{}", pod.metadata.name.as_ref().unwrap()),
        WatchEvent::Deleted(pod) => format!("-{}", pod.metadata.name.as_ref().unwrap()),
        other => format!("{other:?}"),
    };
    assert_eq!(name(&next(&mut stream).await.unwrap()), "+new");
    cluster.put(pod("a", "old")).unwrap();
    assert_eq!(name(&next(&mut stream).await.unwrap()), "~old");
    assert!(cluster.remove("v1", "Pod", "a", "new"));
    assert_eq!(name(&next(&mut stream).await.unwrap()), "-new");

    let mut initial = pods
        .watch(&WatchParams::default().initial_events(), "0")
        .await
        .unwrap()
        .boxed();
    assert_eq!(name(&next(&mut initial).await.unwrap()), "+old");
    match next(&mut initial).await {
        Ok(WatchEvent::Bookmark(_)) => {}
        other => panic!("{other:?}"),
    }

    cluster.compact();
    let mut late = pods
        .watch(&WatchParams::default(), &version)
        .await
        .unwrap()
        .boxed();
    match next(&mut late).await {
        Ok(WatchEvent::Error(status)) => assert_eq!(status.code, 410),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn writes_create_change_and_delete() {
    use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams};
    let cluster = FakeCluster::new();
    let pods = Api::<Pod>::namespaced(client(&cluster), "a");
    let object: Pod = serde_json::from_value(pod("a", "x")).unwrap();
    pods.create(&PostParams::default(), &object).await.unwrap();
    let twice = pods
        .create(&PostParams::default(), &object)
        .await
        .unwrap_err();
    assert_eq!(code(&twice), 409);
    let patch = json!({"metadata": {"labels": {"app": null, "new": "1"}}});
    let dry = PatchParams::default().dry_run();
    let shown = pods.patch("x", &dry, &Patch::Merge(&patch)).await.unwrap();
    assert!(shown.metadata.labels.unwrap().contains_key("new"));
    assert!(
        !pods
            .get("x")
            .await
            .unwrap()
            .metadata
            .labels
            .unwrap()
            .contains_key("new")
    );
    pods.patch("x", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();
    let labels = pods.get("x").await.unwrap().metadata.labels.unwrap();
    assert_eq!(
        labels.into_iter().collect::<Vec<_>>(),
        [("new".to_owned(), "1".to_owned())]
    );
    let stale = json!({"metadata": {"resourceVersion": "1", "labels": {"b": "2"}}});
    let lost = pods
        .patch("x", &PatchParams::default(), &Patch::Merge(&stale))
        .await;
    assert_eq!(code(&lost.unwrap_err()), 409);
    pods.evict("x", &EvictParams::default()).await.unwrap();
    assert_eq!(code(&pods.get("x").await.unwrap_err()), 404);
    let gone = pods
        .delete("x", &DeleteParams::default())
        .await
        .unwrap_err();
    assert_eq!(code(&gone), 404);
}

#[tokio::test]
async fn a_kubeconfig_leads_to_the_server() {
    use kube::config::{KubeConfigOptions, Kubeconfig};
    let cluster = FakeCluster::new();
    cluster.put(pod("default", "x")).unwrap();
    cluster.require_token("t0k3n");
    let served = serve(&cluster).await;
    let read = Kubeconfig::from_yaml(&served.kubeconfig(Some("t0k3n"))).unwrap();
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.unwrap()).unwrap();
    let pods = Api::<Pod>::default_namespaced(client)
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(pods.items.len(), 1);
    assert!(cluster.log().iter().all(|request| request.authenticated));
}

#[tokio::test]
async fn gzip_is_used_when_asked_for_and_allowed() {
    use std::io::Read as _;
    let cluster = FakeCluster::new();
    cluster.generate(PodGenerator::new(200)).unwrap();
    let served = serve(&cluster).await;
    let ask = async || {
        let asked = request("GET", "a", "/api/v1/pods", &[("accept-encoding", "gzip")]);
        send(served.address(), asked).await.unwrap()
    };
    let plain = ask().await;
    assert_eq!(plain.header("content-encoding"), "");
    cluster.compress(true);
    let small = ask().await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(small.body.len() * 4 < plain.body.len());
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&small.body[..])
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, plain.body);
}
