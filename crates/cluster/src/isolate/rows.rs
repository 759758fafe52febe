//! Nodes as far as the choice of trials needs them.

use pulldoctor_reference::Reference;
use serde::Deserialize;

use crate::{running::Named, slim::nullable};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Nodes {
    #[serde(deserialize_with = "nullable")]
    pub(super) items: Vec<NodeRow>,
}

/// A node.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct NodeRow {
    pub(super) metadata: Named,
    pub(super) spec: NodeSpec,
    pub(super) status: NodeStatus,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct NodeSpec {
    #[serde(deserialize_with = "nullable")]
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<Taint>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Taint {
    effect: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeStatus {
    node_info: NodeInfo,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable")]
    images: Vec<Image>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NodeInfo {
    operating_system: String,
    architecture: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Image {
    #[serde(deserialize_with = "nullable")]
    names: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    size_bytes: u64,
}

impl NodeRow {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    pub(super) fn platform(&self) -> String {
        let info = &self.status.node_info;
        format!("{}/{}", info.operating_system, info.architecture)
    }

    /// Whether pods may be sent there: Ready, not cordoned, no pressure on its disk.
    pub(super) fn takes_pods(&self) -> bool {
        let is = |kind: &str, status: &str| {
            self.status
                .conditions
                .iter()
                .any(|condition| condition.kind == kind && condition.status == status)
        };
        is("Ready", "True") && !is("DiskPressure", "True") && !self.spec.unschedulable
    }

    /// Whether something keeps ordinary pods away: it may be unlike the others.
    pub(super) fn is_special(&self) -> bool {
        self.spec
            .taints
            .iter()
            .any(|taint| taint.effect != "PreferNoSchedule")
    }

    /// The bytes of an image that the node lists.
    pub(super) fn size_of(&self, image: &Reference) -> Option<u64> {
        self.status
            .images
            .iter()
            .find(|row| row.names.iter().any(|name| is_same(name, image)))
            .map(|row| row.size_bytes)
    }
}

/// Whether a name of a node's list is this image: runtimes write names in full.
fn is_same(name: &str, image: &Reference) -> bool {
    Reference::parse(name).is_ok_and(|name| name.containerd_name() == image.containerd_name())
}
