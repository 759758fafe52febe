//! What was seen when a question was asked. Never a secret's content.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    KeyringFacts, KubeletConfig, KubeletPull, NodeLogs, NodeMetrics, NodeView, PullPolicy,
    registry::Transcript,
};

/// The answer to a [`Question`](crate::Question) of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "value")]
pub enum Answer {
    /// Events of a pod or a node, oldest first. An empty list says that none is left.
    Events(Vec<Event>),
    /// Whether the secret is there, and its outside.
    Secret(SecretFacts),
    /// Whether the service account is there, and its pull secrets.
    ServiceAccount(ServiceAccountFacts),
    /// The node object.
    Node(Box<NodeFacts>),
    /// The node's file systems.
    NodeFilesystems(NodeFilesystems),
    /// The owner's template and its earlier revisions.
    Owner(OwnerFacts),
    /// How an image, or a registry's images, fare on the nodes of the scanned pods.
    Elsewhere(Vec<ImagePlace>),
    /// The registries that the scanned pods use.
    Registries(Vec<RegistryUse>),
    /// The credentials that the kubelet tries, and a verdict on each secret.
    Keyring(KeyringFacts),
    /// What the registry said, stage by stage.
    Registry(Box<Transcript>),
    /// What was seen from a node.
    NodeView(Box<NodeView>),
    /// What became of a pull that the kubelet was made to try.
    KubeletPull(KubeletPull),
    /// Lines of a node's logs.
    NodeLogs(NodeLogs),
    /// The kubelet's settings about images.
    NodeConfig(Box<KubeletConfig>),
    /// What the kubelet counted.
    NodeMetrics(NodeMetrics),
    /// The object asked about does not exist.
    Absent,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// The event's reason, `Failed` for instance.
    pub reason: String,
    /// The message.
    pub message: String,
    /// The part of the object that it is about, `spec.containers{api}` for instance.
    pub field_path: Option<String>,
    /// When it was first seen.
    pub first: Option<Timestamp>,
    /// When it was last seen.
    pub last: Option<Timestamp>,
    /// How often it was seen.
    pub count: u32,
}

/// The outside of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretFacts {
    /// Whether it exists.
    pub exists: bool,
    /// Its type, `kubernetes.io/dockerconfigjson` for instance.
    pub kind: Option<String>,
    /// The names of its keys, sorted.
    pub keys: Vec<String>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Other namespaces that hold a secret of the same name, sorted, where that was readable.
    pub elsewhere: Vec<String>,
    /// Other secrets of this namespace that are of a type which can hold pull credentials.
    pub siblings: Vec<String>,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountFacts {
    /// Whether it exists.
    pub exists: bool,
    /// The names in its `imagePullSecrets` today.
    pub pull_secrets: Vec<String>,
    /// When its `imagePullSecrets` were last written, as far as managedFields tell.
    pub pull_secrets_changed: Option<Timestamp>,
    /// When it was created.
    pub created: Option<Timestamp>,
}

/// A node object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// Go's name of the operating system, `linux`.
    pub os: String,
    /// Go's name of the architecture, `amd64`.
    pub arch: String,
    /// The kubelet's version, `v1.37.2`.
    pub kubelet: String,
    /// The runtime and its version, `containerd://2.4.2`.
    pub runtime: String,
    /// The node's conditions.
    pub conditions: Vec<Condition>,
    /// Its images (at most 50 by default, largest first).
    pub images: Vec<NodeImage>,
    /// When the kubelet last renewed its lease or status.
    pub heartbeat: Option<Timestamp>,
    /// Whether it takes no new pods.
    pub unschedulable: bool,
    /// Seconds by which the kubelet's clock, as its lease has it, is ahead of the API server's when
    /// the lease was read; 0 where that is no more than the time between two renewals. Nothing where
    /// the lease could not be read.
    #[serde(default)]
    pub lease_ahead_s: Option<i64>,
    /// Its taints.
    #[serde(default)]
    pub taints: Vec<Taint>,
}

/// A mark that keeps pods away from a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

impl NodeFacts {
    /// Whether the list of images holds all of them: the kubelet cuts it at 50
    /// (`nodeStatusMaxImages`, `pkg/kubelet/nodestatus/setters.go`).
    pub fn images_are_complete(&self) -> bool {
        !self.images.is_empty() && self.images.len() < 50
    }

    /// The kubelet's minor version, 37 for `v1.37.2`.
    pub fn kubelet_minor(&self) -> Option<u32> {
        let minor = self.kubelet.trim_start_matches('v').split('.').nth(1)?;
        minor
            .chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok()
    }

    /// The platform, as `os/arch`.
    pub fn platform(&self) -> String {
        format!("{}/{}", self.os, self.arch)
    }
}

/// A node's condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `DiskPressure` for instance.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The condition's reason.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// An image on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeImage {
    /// Its names, digests first, at most five.
    pub names: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
}

/// What `stats/summary` says of a node's file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeFilesystems {
    /// The kubelet's own file system.
    pub node: Option<Filesystem>,
    /// The runtime's image file system.
    pub image: Option<Filesystem>,
    /// The runtime's container file system, where it is split off.
    pub container: Option<Filesystem>,
}

/// One file system, in bytes and inodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    /// Bytes available.
    pub available: Option<u64>,
    /// Bytes in all.
    pub capacity: Option<u64>,
    /// Inodes free.
    pub inodes_free: Option<u64>,
    /// Inodes in all.
    pub inodes: Option<u64>,
}

/// The owner of pods, and what its template said before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerFacts {
    /// The container's image in today's template.
    pub template_image: Option<String>,
    /// The container's pull policy in today's template.
    pub template_policy: Option<PullPolicy>,
    /// Earlier revisions, newest first, without today's.
    pub history: Vec<Revision>,
    /// Who manages the object (`Helm`, `argocd`, `Flux`), where its labels say so.
    pub managed_by: Option<String>,
}

/// An earlier revision of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The ReplicaSet or ControllerRevision.
    pub name: String,
    /// The container's image then.
    pub image: String,
    /// When the revision was made.
    pub created: Option<Timestamp>,
    /// Pods of it that are ready now.
    pub ready: u32,
}

/// How an image fares on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePlace {
    /// The image as written in the pods.
    pub image: String,
    /// The node; none for pods that are not scheduled.
    pub node: Option<String>,
    /// Containers that run, or ran, with it there.
    pub usage: Usage,
    /// When the newest of the containers that got it started there.
    #[serde(default)]
    pub latest: Option<Timestamp>,
}

/// How a registry's images fare in the scanned pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryUse {
    /// The registry's host, normalised (`docker.io` where the image names none).
    pub host: String,
    /// Its images in the scanned pods.
    pub usage: Usage,
}

/// Containers that use an image on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Containers that run or have run: the image was pulled.
    pub pulled: u32,
    /// Containers that wait for it.
    pub waiting: u32,
}
