//! A node: platform, versions, conditions, images, and when it was last heard of.

use jiff::Timestamp;
use pulldoctor_model::{Condition, NodeFacts, NodeImage, Taint};
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    slim::{nullable, time},
    symptoms::capped,
};

/// Most bytes of a lease.
const MOST_LEASE: usize = 64 << 10;
/// A lease that is renewed by a right clock is this old at most, in seconds: it is renewed every 10 s
/// and holds for 40 s.
const LEASE_LATE: i64 = 40;
/// Both clocks tell whole seconds, and an answer takes its time.
const LEASE_EARLY: i64 = 5;

/// Reads a node and, where that is allowed, its lease: the status is renewed only every five
/// minutes, the lease every ten seconds.
pub(crate) async fn read(api: &Api, name: &str) -> Result<NodeFacts, ApiError> {
    let path = ApiPath::core().segment("nodes").segment(name);
    let lease = ApiPath::group("coordination.k8s.io", "v1")
        .namespace(Some("kube-node-lease"))
        .segment("leases")
        .segment(name);
    let (node, lease) = tokio::join!(
        api.object::<NodeObject>(&path, Form::Full, "a node"),
        api.get(&lease, Form::Full, MOST_LEASE),
    );
    let mut facts = node?.facts();
    let lease = lease.ok().and_then(|answer| {
        let lease: Lease = serde_json::from_slice(&answer.body).ok()?;
        Some((lease.spec.renew_time?, answer.date))
    });
    if let Some((renewed, date)) = lease {
        facts.heartbeat = facts.heartbeat.max(Some(renewed));
        facts.lease_ahead_s = date.map(|date| lease_ahead(renewed, date));
    }
    Ok(facts)
}

/// Seconds by which a lease that the kubelet renews by its own clock is ahead of the server's.
fn lease_ahead(renewed: Timestamp, date: Timestamp) -> i64 {
    let ahead = renewed.as_second().saturating_sub(date.as_second());
    if (-LEASE_LATE..=LEASE_EARLY).contains(&ahead) {
        0
    } else {
        ahead
    }
}

/// What a node says, without its lease.
pub(super) async fn facts(api: &Api, name: &str) -> Result<NodeFacts, ApiError> {
    let path = ApiPath::core().segment("nodes").segment(name);
    let node: NodeObject = api.object(&path, Form::Full, "a node").await?;
    Ok(node.facts())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lease {
    spec: LeaseSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LeaseSpec {
    #[serde(deserialize_with = "time")]
    renew_time: Option<Timestamp>,
}

/// A node as the API has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeObject {
    pub(crate) metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(deserialize_with = "nullable")]
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<RawTaint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTaint {
    key: String,
    effect: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    node_info: Info,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<RawCondition>,
    #[serde(deserialize_with = "nullable")]
    images: Vec<RawImage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Info {
    operating_system: String,
    architecture: String,
    kubelet_version: String,
    container_runtime_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
    #[serde(deserialize_with = "time")]
    last_transition_time: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    last_heartbeat_time: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawImage {
    #[serde(deserialize_with = "nullable")]
    names: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    size_bytes: u64,
}

impl NodeObject {
    /// What is told of a node.
    pub(crate) fn facts(self) -> NodeFacts {
        let heartbeat = self
            .status
            .conditions
            .iter()
            .filter_map(|it| it.last_heartbeat_time)
            .max();
        let info = self.status.node_info;
        NodeFacts {
            os: info.operating_system,
            arch: info.architecture,
            kubelet: info.kubelet_version,
            runtime: info.container_runtime_version,
            conditions: self
                .status
                .conditions
                .into_iter()
                .map(|raw| Condition {
                    kind: raw.kind,
                    status: raw.status,
                    reason: raw.reason,
                    message: capped(&raw.message),
                    since: raw.last_transition_time,
                })
                .collect(),
            images: self
                .status
                .images
                .into_iter()
                .map(|raw| NodeImage {
                    names: raw.names,
                    size: raw.size_bytes,
                })
                .collect(),
            heartbeat,
            unschedulable: self.spec.unschedulable,
            lease_ahead_s: None,
            taints: self
                .spec
                .taints
                .into_iter()
                .map(|raw| Taint {
                    key: raw.key,
                    effect: raw.effect,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_read() {
        let node: NodeObject = serde_json::from_str(
            r#"{"metadata":{"name":"n1"},"spec":{"unschedulable":true,
                "taints":[{"key":"gpu","effect":"NoSchedule"}]},"status":{
                "nodeInfo":{"operatingSystem":"linux","architecture":"arm64",
                 "kubeletVersion":"v1.37.2","containerRuntimeVersion":"containerd://2.4.2"},
                "conditions":[{"type":"DiskPressure","status":"True","reason":"r","message":"m",
                 "lastTransitionTime":"2026-01-01T00:00:00Z",
                 "lastHeartbeatTime":"2026-01-01T00:05:00Z"}],
                "images":[{"names":["a@sha256:1","a:1"],"sizeBytes":12},{"names":null}]}}"#,
        )
        .unwrap();
        let facts = node.facts();
        assert_eq!(facts.platform(), "linux/arm64");
        assert_eq!(facts.conditions[0].kind, "DiskPressure");
        assert_eq!(facts.images[0].size, 12);
        assert_eq!(facts.heartbeat, "2026-01-01T00:05:00Z".parse().ok());
        assert!(facts.unschedulable);
        assert_eq!(facts.taints[0].effect, "NoSchedule");
    }

    #[test]
    fn a_lease_is_as_old_as_its_renewals_allow() {
        let ahead = |renewed: i64| {
            let at = |second| Timestamp::from_second(second).unwrap();
            lease_ahead(at(1_700_000_000 + renewed), at(1_700_000_000))
        };
        for right in [-40, -10, 0, 5] {
            assert_eq!(ahead(right), 0, "{right}");
        }
        assert_eq!((ahead(300), ahead(-41)), (300, -41));
    }
}
