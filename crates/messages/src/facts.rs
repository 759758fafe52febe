//! Typed details that a message may carry beside its fault.

use serde::{Deserialize, Serialize};

/// Details of a message; each is `None` or empty where the text does not carry it.
///
/// All strings are capped and free of control characters.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Facts {
    /// The name that was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// The name server, `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_server: Option<String>,
    /// The address that was dialled, `ip:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dial_address: Option<String>,
    /// The names that a certificate is valid for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub valid_for: Vec<String>,
    /// The name that the certificate should have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted_name: Option<String>,
    /// The end of a certificate's validity, as written (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// The start of a certificate's validity, as written (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// The node's clock when it judged the certificate, as written (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_time: Option<String>,
    /// The subject of the authority that was tried and did not verify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_authority: Option<String>,
    /// The digest (or diff ID) that was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_expected: Option<String>,
    /// The digest (or diff ID) that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_actual: Option<String>,
    /// The layer or blob that the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// The platform that was wanted, `os/arch[/variant]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The media type that could not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The file or directory that could not be written or read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The runtime's socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Pull secrets that could not be fetched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The right that is missing, in the registry's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// The resource that the right is missing on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The credential plugin that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The registry behind a mirror: the value of `?ns=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirrored_registry: Option<String>,
    /// How long the runtime or the kubelet waited, as written (`5m0s`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waited: Option<String>,
    /// The container that the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The pod that the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The snapshotter that the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshotter: Option<String>,
    /// The configuration file that the text names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_file: Option<String>,
    /// What is wrong with a reference, in the parser's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parse_error: Option<String>,
    /// When to come again, in the registry's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
}
