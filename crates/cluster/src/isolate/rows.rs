//! Nodes and pods as far as the choice of trials needs them.

use pulldoctor_reference::Reference;
use serde::Deserialize;

use crate::slim::nullable;

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
pub(super) struct Named {
    pub(super) name: String,
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

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pods {
    pub(super) metadata: ListMeta,
    #[serde(deserialize_with = "nullable")]
    pub(super) items: Vec<PodRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMeta {
    #[serde(rename = "continue")]
    pub(super) resume: Option<String>,
}

/// A pod.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct PodRow {
    pub(super) metadata: PodMeta,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct PodMeta {
    pub(super) namespace: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) node_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) service_account_name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) image_pull_secrets: Vec<Named>,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct Container {
    name: String,
    image: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(deserialize_with = "nullable")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    name: String,
    #[serde(deserialize_with = "nullable")]
    state: State,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct State {
    running: Option<serde::de::IgnoredAny>,
}

impl PodRow {
    /// The images of its containers that run, as written.
    pub(super) fn running(&self) -> impl Iterator<Item = &str> {
        self.status
            .container_statuses
            .iter()
            .filter(|status| status.state.running.is_some())
            .filter_map(|status| {
                self.spec
                    .containers
                    .iter()
                    .find(|container| container.name == status.name)
            })
            .map(|container| container.image.as_str())
    }
}
