//! Pods as far as it matters which images run where, and what they are pulled with.

use serde::Deserialize;

use crate::slim::nullable;

/// A page of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PodList {
    pub(crate) metadata: ListMeta,
    #[serde(deserialize_with = "nullable")]
    pub(crate) items: Vec<PodRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListMeta {
    #[serde(rename = "continue")]
    pub(crate) resume: Option<String>,
}

/// A pod.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct PodRow {
    pub(crate) metadata: PodMeta,
    pub(crate) spec: PodSpec,
    pub(crate) status: PodStatus,
}

/// Something that is named.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Named {
    pub(crate) name: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct PodMeta {
    pub(crate) namespace: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct PodSpec {
    pub(crate) node_name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) service_account_name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) image_pull_secrets: Vec<Named>,
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
pub(crate) struct PodStatus {
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
    pub(crate) fn running(&self) -> impl Iterator<Item = &str> {
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
