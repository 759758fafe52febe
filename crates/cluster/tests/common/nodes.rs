//! Nodes of a fake cluster on which the real probe runs, as far as a test's network goes.
#![allow(
    dead_code,
    reason = "every test crate uses some of these helpers, none uses all"
)]

use std::sync::Arc;

use pulldoctor_cluster::{Cluster, ConnectOptions, NodeAccess, ProbeProgram};
use pulldoctor_model::NodeRole;
use pulldoctor_probe::{Surroundings, run};
use pulldoctor_registry::judge::{NodeAsk, NodeTarget};
use pulldoctor_testkit::api::{FakeCluster, Run};
use serde_json::{Value, json};

use crate::common::{connect_with, merge, pod, put};

/// The image that runs on every node.
pub(crate) const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// What stands for the program: the fake kubelets run the probe's library.
pub(crate) const PROGRAM: ProbeProgram = ProbeProgram {
    architecture: "amd64",
    stub: b"stub",
    parts: &[b"packed", b"more"],
};

/// Access as a test wants it.
pub(crate) fn access() -> NodeAccess {
    NodeAccess {
        program: Some(PROGRAM),
        probe_namespace: None,
        anchors: Arc::new([]),
        user_agent: "pulldoctor/test".to_owned(),
        most_probes: 32,
        most_at_once: 32,
    }
}

/// A client that may look from nodes.
pub(crate) fn connect(fake: &FakeCluster, access: NodeAccess) -> Cluster {
    let options = ConnectOptions {
        nodes: Some(access),
        ..ConnectOptions::default()
    };
    connect_with(fake, &options)
}

/// A node that is well.
pub(crate) fn node(name: &str, change: Value) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "amd64",
                "kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.4.2"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": [{"names": [PAUSE], "sizeBytes": 300_000}]}});
    merge(&mut node, change);
    node
}

/// A node with a pod that runs there.
pub(crate) fn put_node(fake: &FakeCluster, name: &str) {
    put(
        fake,
        [
            node(name, json!({})),
            pod(
                "kube-system",
                &format!("proxy-{name}"),
                json!({"spec": {"nodeName": name, "hostNetwork": true,
                    "containers": [{"name": "api", "image": PAUSE}]}}),
            ),
        ],
    );
}

/// What the kubelet plays: the real probe with its real answer.
pub(crate) fn probe(pod: &Value) -> Run {
    let ask = ask(pod);
    let answer = run(&ask, &Surroundings::default());
    Run::Ends {
        log: format!("{}\n", answer.line()),
        message: answer.summary(),
    }
}

/// The question that a pod carries.
pub(crate) fn ask(pod: &Value) -> NodeAsk {
    let env = &pod["spec"]["containers"][0]["env"][0]["value"];
    serde_json::from_str(env.as_str().unwrap()).unwrap()
}

/// A host on loopback where nothing listens: its port refuses connections at once.
pub(crate) fn target(host: &str) -> NodeTarget {
    NodeTarget {
        role: NodeRole::Registry,
        host: host.to_owned(),
        plain_http: false,
        image: None,
    }
}

/// The objects of probes that are there.
pub(crate) fn left(fake: &FakeCluster) -> Vec<String> {
    ["Pod", "ConfigMap"]
        .into_iter()
        .flat_map(|kind| fake.objects(kind))
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .filter(|name| name.starts_with("pulldoctor-probe"))
        .collect()
}

/// How many objects of a kind were created, dry runs left out.
pub(crate) fn created(fake: &FakeCluster, plural: &str) -> usize {
    fake.log()
        .iter()
        .filter(|it| {
            it.method == "POST"
                && it.path.ends_with(&format!("/{plural}"))
                && !it.query.contains("dryRun")
        })
        .count()
}
