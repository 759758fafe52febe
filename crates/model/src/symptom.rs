//! A container that waits for an image.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which of a pod's parts waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContainerKind {
    /// An init container, restartable ones (sidecars) included.
    Init,
    /// An app container.
    Container,
    /// An ephemeral (debug) container.
    Ephemeral,
    /// A volume that mounts an image; `container` is the one that mounts it.
    ImageVolume,
    /// The pod's sandbox, whose pause image is missing.
    Sandbox,
}

/// When the kubelet asks the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PullPolicy {
    /// On every start.
    Always,
    /// Only when the image is not on the node.
    IfNotPresent,
    /// Never.
    Never,
}

/// A container that waits for an image, with what its pod says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Symptom {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID: the kubelet's back-off is kept for it, and events name it.
    pub pod_uid: String,
    /// The container's name; none for the sandbox.
    pub container: Option<String>,
    /// Which part of the pod waits.
    pub kind: ContainerKind,
    /// The node, once the pod is scheduled.
    pub node: Option<String>,
    /// The topmost controller, as `Kind/name`; none for a bare pod.
    pub owner: Option<String>,
    /// The field of the owner (or of a bare pod) that holds the image.
    pub field: Option<String>,
    /// The image as written in the pod.
    pub image: String,
    /// The pull policy.
    pub pull_policy: Option<PullPolicy>,
    /// The waiting reason.
    pub reason: String,
    /// The waiting message; may be empty, or hold no cause (kubelets up to 1.31).
    pub message: String,
    /// Since when it waits.
    pub since: Option<Timestamp>,
    /// When the pod was created.
    pub created: Option<Timestamp>,
    /// When the kubelet is expected to try again.
    pub next_retry: Option<Timestamp>,
    /// The names in the pod's `imagePullSecrets`.
    pub pull_secrets: Vec<String>,
    /// The pod's service account.
    pub service_account: Option<String>,
    /// Whether the pod is the mirror of a static pod.
    pub static_pod: bool,
    /// Whether this container ran before with an earlier start (a restart that cannot pull).
    pub ran_before: bool,
    /// The pod's `nodeSelector` on `kubernetes.io/arch`, if it has one.
    pub wanted_arch: Option<String>,
}

impl Symptom {
    /// The name under which the kubelet files the container's events:
    /// `spec.containers{name}`, `spec.initContainers{name}`, `spec.ephemeralContainers{name}`;
    /// none for volumes and the sandbox, whose events name the bare pod.
    /// (`pkg/kubelet/container/ref.go`, 1.36.)
    pub fn event_field_path(&self) -> Option<String> {
        let list = match self.kind {
            ContainerKind::Init => "initContainers",
            ContainerKind::Container => "containers",
            ContainerKind::Ephemeral => "ephemeralContainers",
            ContainerKind::ImageVolume | ContainerKind::Sandbox => return None,
        };
        self.container
            .as_ref()
            .map(|name| format!("spec.{list}{{{name}}}"))
    }
}
