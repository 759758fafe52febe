//! A fake cluster and the objects that the tests put into it.
#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "every test crate uses some of these helpers, none uses all"
)]

use pulldoctor_cluster::{Cluster, ConnectOptions, ScanError, Scope};
use pulldoctor_model::{Evidence, Gap};
use pulldoctor_testkit::api::FakeCluster;
use serde_json::{Value, json};

/// A client of a fake cluster.
pub(crate) fn connect(fake: &FakeCluster) -> Cluster {
    connect_with(fake, &ConnectOptions::default())
}

/// As [`connect`], with options.
pub(crate) fn connect_with(fake: &FakeCluster, options: &ConnectOptions) -> Cluster {
    let client = kube::Client::new(fake.router(), "default");
    Cluster::from_client(client, "fake", "https://fake:6443", "default", options)
}

/// Scans to the end.
pub(crate) async fn scan(fake: &FakeCluster, scope: &Scope) -> Result<Evidence, ScanError> {
    connect(fake).scan(scope, &mut |_| ()).await
}

/// Merges one JSON value into another.
pub(crate) fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

/// A pod that runs.
pub(crate) fn pod(namespace: &str, name: &str, change: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}"),
            "creationTimestamp": "2026-01-01T09:00:00Z", "labels": {"app": "api"}},
        "spec": {"nodeName": "n1", "serviceAccountName": "default",
            "containers": [{"name": "api", "image": "reg.example.com/shop/api:1",
                "imagePullPolicy": "IfNotPresent"}]},
        "status": {"phase": "Running", "startTime": "2026-01-01T09:00:00Z",
            "conditions": [{"type": "PodScheduled", "status": "True",
                "lastTransitionTime": "2026-01-01T09:00:00Z"}],
            "containerStatuses": [{"name": "api", "containerID": "containerd://ab",
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T09:00:05Z"}}}]}
    });
    merge(&mut pod, change);
    pod
}

/// The status of a container that waits.
pub(crate) fn waiting(reason: &str, message: &str) -> Value {
    json!({"status": {"phase": "Pending", "containerStatuses": [{"name": "api",
        "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}]}})
}

/// A pod that cannot pull.
pub(crate) fn stuck(namespace: &str, name: &str) -> Value {
    pod(
        namespace,
        name,
        waiting(
            "ImagePullBackOff",
            "Back-off pulling image \"x\": ErrImagePull: x: not found",
        ),
    )
}

/// A pod whose containers have no result yet.
pub(crate) fn creating(namespace: &str, name: &str) -> Value {
    pod(namespace, name, waiting("ContainerCreating", ""))
}

/// The controller of an object.
pub(crate) fn controlled(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"metadata": {"ownerReferences": [{"apiVersion": api_version, "kind": kind,
        "name": name, "uid": format!("uid-{name}"), "controller": true}]}})
}

/// An object of `apps/v1` or another group, with labels `app: api` and a template.
pub(crate) fn owner(
    api_version: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    change: Value,
) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"),
            "labels": {"app": "api"}},
        "spec": {"selector": {"matchLabels": {"app": "api"}},
            "template": {"spec": {"containers": [{"name": "api",
                "image": "reg.example.com/shop/api:1"}]}}}
    });
    merge(&mut object, change);
    object
}

/// An event of a pod, at a number of seconds before now.
pub(crate) fn event(
    pod: &Value,
    reason: &str,
    message: &str,
    path: Option<&str>,
    seconds_ago: i64,
) -> Value {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap();
    let name = pod["metadata"]["name"].as_str().unwrap();
    let at = (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago)).to_string();
    let hash = seconds_ago.unsigned_abs() ^ (reason.len() as u64) << 8;
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{reason}.{hash:x}").to_lowercase(),
            "namespace": namespace},
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name,
            "uid": pod["metadata"]["uid"], "fieldPath": path},
        "type": "Warning", "reason": reason, "message": message, "count": 1,
        "firstTimestamp": at, "lastTimestamp": at
    })
}

/// Puts objects in.
pub(crate) fn put(fake: &FakeCluster, objects: impl IntoIterator<Item = Value>) {
    for object in objects {
        fake.put(object).unwrap();
    }
}

/// A namespace.
pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The gap with this text.
pub(crate) fn gap<'e>(evidence: &'e Evidence, what: &str) -> &'e Gap {
    evidence
        .gaps
        .iter()
        .find(|gap| gap.what == what)
        .unwrap_or_else(|| panic!("no gap `{what}` in {:?}", evidence.gaps))
}
