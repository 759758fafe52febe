//! What is asked of a node itself, and what is seen from there. Never a credential.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::registry::Transcript;

/// Why a host is looked at from a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// It is the image's own registry.
    Registry,
    /// The node is told to ask it first.
    Mirror,
    /// It is a token service.
    Token,
    /// It serves blobs.
    Blob,
    /// The node sends its requests through it.
    Proxy,
}

/// A host that the node's text names besides the registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeHost {
    /// What it is.
    pub role: NodeRole,
    /// `host[:port]`.
    pub host: String,
}

/// Which network a probe looked from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NodeNetwork {
    /// The node's own: what its runtime sees, but for the runtime's mirrors, proxy and
    /// authorities.
    Host,
    /// The network of pods. It lacks the node's source address, hosts file, loopback and MTU, and
    /// network policies bear on it.
    Pod {
        /// The namespace of the pod.
        namespace: String,
    },
}

/// What was seen from a node, all of it at one time. The answer to `Question::NodeView`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// The network that was looked from.
    pub network: NodeNetwork,
    /// The registry first, then the other hosts in the question's order.
    pub sights: Vec<NodeSight>,
    /// Who resolves names there.
    pub resolvers: NodeResolvers,
    /// Seconds by which the node's clock is ahead of the API server's; none where only a summary
    /// came back or no clock was told.
    pub clock_ahead_s: Option<i64>,
    /// Something is missing: the answer was too long, or only its summary could be read.
    pub is_cut: bool,
}

impl NodeView {
    /// What was seen of the registry itself.
    pub fn registry(&self) -> Option<&NodeSight> {
        self.sights
            .iter()
            .find(|sight| sight.role == NodeRole::Registry)
    }

    /// What was seen of another host.
    pub fn host(&self, host: &str) -> Option<&NodeSight> {
        self.sights
            .iter()
            .find(|sight| sight.transcript.host == host)
    }
}

/// What was seen of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSight {
    /// Why it was looked at.
    pub role: NodeRole,
    /// The stages, without any login. Certificates are judged by the authorities that the asking
    /// computer trusts: the node's own were not read.
    pub transcript: Transcript,
    /// What is known of the ways.
    pub paths: Vec<NodePath>,
}

/// The way to an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePath {
    /// The address.
    pub address: SocketAddr,
    /// The largest TCP segment that both ends and the path are believed to allow, in bytes.
    pub segment: Option<u32>,
    /// Where a handshake stalled: whether a small request on another connection was answered.
    /// Then large packets may be lost on the way.
    pub small_answered: Option<bool>,
}

/// Who resolves names, as `/etc/resolv.conf` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeResolvers {
    /// In order of preference.
    pub servers: Vec<SocketAddr>,
    /// The search path.
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the search path first.
    pub ndots: u32,
}

/// What became of a pull that the kubelet was made to try. The answer to
/// `Question::KubeletPull`: raw, to be read by the grammar of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeletPull {
    /// The image was got: the container started, or ended in whatever way.
    pub got: bool,
    /// Whether the image was on the node before, so that nothing but its name was resolved.
    pub was_there: bool,
    /// The waiting reason, where it was not got.
    pub reason: String,
    /// The waiting message, or the events' text where the sandbox did not start.
    pub message: String,
}

/// Lines of a node's logs. The answer to `Question::NodeLogs`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLogs {
    /// Oldest first; those that are about the image or its registry.
    pub lines: Vec<LogLine>,
    /// There were more.
    pub is_cut: bool,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// `kubelet`, `containerd`, `crio`, `docker`, or the file's name.
    pub unit: String,
    /// When, where the line says so.
    pub time: Option<Timestamp>,
    /// The line names no zone, and no other line tells that of the node: the time is taken to be in
    /// UTC, and may be off by what a zone makes.
    #[serde(default)]
    pub is_zoneless: bool,
    /// The message, without what the log's writer put around it.
    pub text: String,
}

/// The kubelet's settings about images (`configz`). The answer to `Question::NodeConfig`. Fields
/// as in `KubeletConfiguration` v1beta1; none where an old kubelet has no such field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KubeletConfig {
    /// One pull at a time.
    pub serialize_image_pulls: Option<bool>,
    /// Pulls at a time where they are not serialised.
    pub max_parallel_image_pulls: Option<u32>,
    /// Pulls a second that the kubelet starts; 0 for no limit.
    pub registry_pull_qps: Option<i64>,
    /// Pulls that may come at once.
    pub registry_burst: Option<i64>,
    /// `NeverVerify`, `NeverVerifyPreloadedImages`, `NeverVerifyAllowlistedImages` or
    /// `AlwaysVerify` (KEP-2535).
    pub image_pull_credentials_verification_policy: Option<String>,
    /// Per cent of the image file system above which images are removed.
    pub image_gc_high_threshold_percent: Option<i64>,
    /// Per cent down to which they are removed.
    pub image_gc_low_threshold_percent: Option<i64>,
    /// Seconds that a request to the runtime may take.
    pub runtime_request_timeout_s: Option<u64>,
    /// Thresholds of hard eviction, `imagefs.available` for instance, sorted by name.
    pub eviction_hard: Vec<(String, String)>,
}

/// What the kubelet counted (`/metrics`). The answer to `Question::NodeMetrics`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeMetrics {
    /// Pulls that ended well (`kubelet_image_pull_duration_seconds_count`).
    pub pulls: Option<u64>,
    /// Milliseconds that they took in all.
    pub pulls_took_ms: Option<u64>,
    /// Pulls that failed (`kubelet_runtime_operations_errors_total{operation_type="pull_image"}`).
    pub pull_errors: Option<u64>,
    /// Failures of credential provider plugins by plugin, sorted
    /// (`kubelet_credential_provider_plugin_errors_total`).
    pub credential_provider_errors: Vec<(String, u64)>,
}

/// What one of several pulls is for, that are to tell whose fault a failing one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialRole {
    /// The image that is stuck, once more on its node.
    SuspectHere,
    /// The image that is stuck, on another node that fits.
    SuspectElsewhere,
    /// A good image from the same registry, on the suspect node.
    SameRegistryHere,
    /// A good image from another registry, on the suspect node.
    OtherRegistryHere,
}

impl TrialRole {
    /// The word of the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SuspectHere => "suspect-here",
            Self::SuspectElsewhere => "suspect-elsewhere",
            Self::SameRegistryHere => "same-registry-here",
            Self::OtherRegistryHere => "other-registry-here",
        }
    }

    /// In words, for a table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::SuspectHere => "the image, on its node",
            Self::SuspectElsewhere => "the image, on another node",
            Self::SameRegistryHere => "a good image of this registry, on this node",
            Self::OtherRegistryHere => "a good image of another registry, on this node",
        }
    }

    /// Whether an image that is known to be good is pulled.
    pub const fn is_of_good_image(self) -> bool {
        matches!(self, Self::SameRegistryHere | Self::OtherRegistryHere)
    }
}
