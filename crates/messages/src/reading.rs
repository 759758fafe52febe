//! The structured result of reading one message.

use serde::{Deserialize, Serialize};

use crate::{Facts, Fault};

/// What one message says.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Reading {
    /// Waiting reason or event word in the text (`ErrImagePull`, `ImagePullBackOff`, …).
    pub reason: Option<String>,
    /// gRPC code of the outermost `rpc error: code = …`.
    pub code: Option<GrpcCode>,
    /// The program whose wording this is.
    pub runtime: Option<Runtime>,
    /// The stage at which it failed.
    pub operation: Option<Operation>,
    /// The image as the outermost layer names it.
    pub image: Option<String>,
    /// The image's registry, `host[:port]`, `docker.io` where the runtime implies it.
    pub registry: Option<String>,
    /// Method of the failed request.
    pub method: Option<Method>,
    /// The failed request's URL.
    pub url: Option<UrlFacts>,
    /// HTTP status of the failed request.
    pub status: Option<u16>,
    /// What is told about the use of credentials.
    pub credential: Option<CredentialUse>,
    /// The registry's own words.
    pub server_message: Option<String>,
    /// The failed request went to another host than the image's registry.
    pub foreign_host: Option<ForeignHost>,
    /// What went wrong.
    pub fault: Fault,
    /// Details.
    pub facts: Facts,
    /// The wrapping layers that were peeled, outermost first.
    pub layers: Vec<Layer>,
    /// Where the text lists several errors (several credentials, mirrors): each on its own.
    pub attempts: Vec<Reading>,
    /// The text was longer than what is read (64 KiB): its middle was not looked at.
    pub truncated: bool,
}

impl Reading {
    /// Whether anything in the text says that it is about pulling an image.
    ///
    /// A bare `dial tcp 10.0.0.12:5432: connect: connection refused` is read as what it says, and
    /// may come from any program.
    pub fn tells_of_a_pull(&self) -> bool {
        self.image.is_some()
            || self.operation.is_some()
            || self.runtime.is_some()
            || self
                .layers
                .iter()
                .any(|layer| layer.is_of_a_pull() || *layer == Layer::DoRequest)
            || self
                .reason
                .as_deref()
                .is_some_and(|reason| reason.contains("Image") || reason.contains("Registry"))
            || self.url.as_ref().is_some_and(|url| {
                url.is_token_endpoint
                    || url.is_blob
                    || url.is_manifest
                    || ["/v1/", "/v2/"]
                        .iter()
                        .any(|start| url.path.starts_with(start))
            })
    }
}

/// A gRPC status code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are those of the gRPC specification")]
pub enum GrpcCode {
    Canceled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// The program whose wording a message has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// containerd, ctr, nerdctl.
    Containerd,
    /// CRI-O, Podman, Skopeo: containers/image.
    CriO,
    /// Docker Engine, cri-dockerd, the old dockershim.
    Docker,
}

/// The stage at which a pull failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Reading the reference.
    Parse,
    /// Fetching or decoding a pull secret, or asking a credential plugin.
    Credentials,
    /// Asking whether the image is on the node.
    Inspect,
    /// Waiting for the kubelet's own queue or limit.
    Queue,
    /// Asking whether the registry speaks the protocol (`GET /v2/`).
    Ping,
    /// Resolving the reference to a digest.
    Resolve,
    /// Asking for a token.
    Authorize,
    /// Fetching a manifest or index.
    Manifest,
    /// Fetching a layer or config.
    Blob,
    /// Checking digest, size or signature.
    Verify,
    /// Unpacking a layer.
    Unpack,
    /// Writing to or reading from the node's store.
    Store,
    /// Starting the pod's sandbox.
    Sandbox,
    /// Creating the container.
    Create,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are those of HTTP")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
}

/// What a URL in a message tells. The query is not kept: it may carry a signature.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlFacts {
    /// `http` or `https`.
    pub scheme: String,
    /// Host with port, if one is named.
    pub host: String,
    /// Path, without the query.
    pub path: String,
    /// The URL is a token endpoint's.
    pub is_token_endpoint: bool,
    /// The URL is a blob's.
    pub is_blob: bool,
    /// The URL is a manifest's.
    pub is_manifest: bool,
}

impl UrlFacts {
    /// Whether the URL asks whether the registry speaks the protocol (`/v2/`, `/v1/_ping`).
    pub fn is_registry_root(&self) -> bool {
        matches!(
            self.path.as_str(),
            "/v2/" | "/v2" | "/v1/_ping" | "/v1/" | "/v0/"
        )
    }
}

/// What a message tells about the use of credentials.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialUse {
    /// A token was asked for without credentials.
    Anonymous,
    /// A token was asked for with credentials.
    WithCredentials,
    /// The registry asked for Basic credentials and there were none.
    NoBasicCredentials,
}

/// Another host than the image's registry, and its part.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignHost {
    /// Host with port.
    pub host: String,
    /// What it does in the pull.
    pub role: HostRole,
}

/// The part that another host plays in a pull.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostRole {
    /// Issues tokens.
    Token,
    /// Serves layers.
    Blob,
    /// Stands in for the registry by configuration of the node.
    Mirror,
    /// The registry sent the client there.
    Redirect,
    /// A proxy.
    Proxy,
}

/// A wrapping layer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Layer {
    /// `Failed to pull image "X": …` (kubelet event).
    FailedToPull,
    /// `Back-off pulling image "X": …`.
    BackOff,
    /// `PullImage from image service failed` (kubelet log).
    PullImageLog,
    /// `Failed to apply default image tag "X": …`.
    ApplyDefaultTag,
    /// `Failed to inspect image "X": …`, `ImageStatus …`.
    InspectImage,
    /// `Failed to create pod sandbox: …`.
    PodSandbox,
    /// `Error syncing pod …`, `failed to "StartContainer" …`.
    SyncPod,
    /// `container "c" in pod "p" is waiting to start: …` (`kubectl logs`).
    LogsRefusal,
    /// `image pull failed for X because …` (kubelet 1.28 on).
    PullFailedBecause,
    /// `rpc error: code = C desc = …`.
    Rpc,
    /// `[ERROR ImagePull]: …` (kubeadm preflight).
    Preflight,
    /// `Error response from daemon: …`.
    Daemon,
    /// `failed to pull and unpack image "X": …`.
    PullAndUnpack,
    /// `failed to resolve reference "X": …`.
    ResolveReference,
    /// `failed to resolve image: …` (transfer service).
    ResolveImage,
    /// `failed to do request: …`.
    DoRequest,
    /// `failed to authorize: …`.
    Authorize,
    /// `failed to fetch anonymous token: …`.
    AnonymousToken,
    /// `failed to fetch oauth token: …`.
    OauthToken,
    /// `failed to copy: …`.
    Copy,
    /// `httpReadSeeker: failed open: …`.
    OpenReader,
    /// `failed to extract layer …: …`.
    ExtractLayer,
    /// `failed commit on ref "…": …`.
    CommitRef,
    /// `unable to pull image or OCI artifact: pull image err: …`.
    ImageOrArtifact,
    /// `initializing source docker://X: …`.
    InitializingSource,
    /// `pinging container registry H: …`.
    Ping,
    /// `reading manifest T in R: …`.
    ReadingManifest,
    /// `copying system image from manifest list: …`, `writing blob: …`.
    WritingBlob,
    /// `committing the finished image: …`.
    CommitImage,
    /// `failed to register layer: …`.
    RegisterLayer,
    /// `error pulling image configuration: …`.
    ImageConfiguration,
    /// `(Mirrors also failed: …)`.
    MirrorsFailed,
    /// A log line's frame: journald, klog, logfmt, JSON.
    LogLine,
    /// A method and a URL.
    Request,
}

impl Layer {
    /// Whether only what pulls an image has this layer: other errors of the kubelet, of the
    /// runtimes and of Go programs come in the rest.
    pub(crate) fn is_of_a_pull(self) -> bool {
        !matches!(
            self,
            Self::PodSandbox
                | Self::SyncPod
                | Self::Rpc
                | Self::Daemon
                | Self::DoRequest
                | Self::LogLine
                | Self::Request
        )
    }
}
