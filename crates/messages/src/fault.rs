//! What went wrong, mechanically. A fault is not yet a root cause: the engine weighs it against
//! what the cluster and the registry say.

use serde::{Deserialize, Serialize};

/// What the innermost part of a message says went wrong.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Fault {
    // --- reference ---
    /// The image string does not parse (`InvalidImageName`, `invalid reference format`).
    InvalidReference,
    /// A name without a registry that CRI-O or Podman could not resolve.
    ShortName,

    // --- not found ---
    /// The manifest is not there; `by` says what the reference named it by. containerd says the
    /// same for a missing repository.
    ManifestMissing {
        /// Tag, digest, or not told.
        by: MissingBy,
    },
    /// The registry does not know the repository (`NAME_UNKNOWN`).
    NameUnknown,
    /// The old Docker daemon's `image X not found`: tag, repository or missing login.
    ImageMissing,

    // --- credentials ---
    /// `pull access denied` and its kin: the registry does not tell missing from private.
    AccessDenied,
    /// The registry asks for Basic credentials and none were sent.
    NoCredentials,
    /// The token endpoint refused.
    TokenRefused {
        /// HTTP status, if told.
        status: Option<u16>,
        /// Whether the token was asked for without credentials; `None` if not told.
        anonymous: Option<bool>,
    },
    /// 401 or `authentication required`, and nothing that says more.
    Unauthorized,
    /// 403 of the registry, and nothing that says more.
    Forbidden,
    /// The identity was recognised and lacks a named right.
    PermissionMissing,
    /// The credential was good once and has expired.
    Expired,
    /// The credential was refused as wrong.
    BadLogin,

    // --- registry ---
    /// 429 or `toomanyrequests`.
    RateLimited,
    /// A 5xx answer.
    ServerError {
        /// HTTP status, if told.
        status: Option<u16>,
    },
    /// A policy of the registry, of a firewall or of a law refuses.
    BlockedByPolicy {
        /// Which sort of policy.
        policy: PolicyKind,
    },
    /// The answer was no registry's: HTML where JSON belongs, no `/v2/`, no usable token.
    UnexpectedAnswer {
        /// HTTP status, if told.
        status: Option<u16>,
    },
    /// Another HTTP status.
    HttpStatus {
        /// The status.
        status: u16,
    },

    // --- network ---
    /// The name lookup failed.
    Dns {
        /// How.
        failure: DnsFault,
    },
    /// The connection was refused.
    Refused,
    /// No answer to the connection attempt.
    DialTimeout,
    /// Connected, but no answer came in time.
    HeaderTimeout,
    /// The TLS handshake did not end in time.
    TlsHandshakeTimeout,
    /// `no route to host`.
    NoRoute,
    /// `network is unreachable`, or no usable local address.
    NetworkUnreachable,
    /// A proxy failed or refused.
    Proxy {
        /// How.
        failure: ProxyFault,
    },
    /// The connection broke in the middle.
    Interrupted,
    /// Redirects without end, or to nowhere.
    RedirectLoop,

    // --- TLS ---
    /// The issuer is not trusted.
    UnknownAuthority,
    /// The certificate has expired (or the text does not tell it from "not yet valid").
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate lacks the host's name.
    NameMismatch,
    /// Another TLS failure: alert, client certificate wanted, version.
    TlsOther,
    /// A server that speaks plain HTTP was asked for HTTPS.
    PlainHttp,
    /// A TLS server was asked in plain HTTP.
    TlsExpected,
    /// What answers speaks neither.
    NotTls,

    // --- disk ---
    /// No space left on a device: bytes or inodes, the text does not tell.
    NoSpace,
    /// The text says that inodes ran out.
    NoInodes,
    /// A disk quota is exceeded.
    DiskQuota,
    /// The file system is read-only.
    ReadOnly,
    /// `input/output error`.
    IoError,

    // --- content ---
    /// A digest differs from what was named.
    DigestMismatch,
    /// A size differs from what was named.
    SizeMismatch,
    /// A layer's archive cannot be read.
    BrokenArchive,
    /// The unpacked layer has another diff ID than the config names.
    DiffIdMismatch,
    /// The registry lacks a blob that a manifest names.
    BlobMissing,
    /// A manifest or config does not parse.
    BrokenManifest,
    /// The index has no entry for the node's platform.
    PlatformMissing,
    /// A media type or schema that this runtime cannot use.
    UnsupportedManifest,
    /// The image names no command to run.
    NoCommand,
    /// A signature policy or a verifier refuses.
    Signature,

    // --- node ---
    /// The node's own store lost content that its database names.
    LocalStoreDamaged,
    /// A snapshot or lease vanished while the pull needed it.
    SnapshotRace,
    /// The runtime cannot be reached or is not ready.
    RuntimeUnavailable,
    /// A snapshotter is missing, not loaded or fails.
    Snapshotter,
    /// A layer could not be written for another reason than space.
    Unpack,
    /// The runtime's configuration is at fault.
    RuntimeConfig,
    /// A mirror or `hosts.toml` names no host that can serve.
    NoEndpoint,
    /// A certificate or key that the runtime's configuration names for a registry is not there, or
    /// cannot be used.
    RegistryFile,
    /// The kubelet's own rate limit.
    QpsExceeded,
    /// Another pull holds what this one needs.
    QueueBlocked,
    /// The runtime saw no progress and gave up.
    NoProgress,
    /// `context canceled`, and nothing that says why.
    Cancelled,
    /// A deadline passed, and nothing says at which stage.
    DeadlineExceeded,

    // --- secrets ---
    /// A pull secret does not decode.
    SecretMalformed,
    /// A named pull secret could not be fetched (names in `facts.secrets`).
    SecretMissing,
    /// A static pod names a secret.
    StaticPodSecret,
    /// A kubelet credential plugin failed.
    CredentialProvider,

    // --- policy ---
    /// Policy `Never` and the image is not on the node. A kubelet that withholds a present image
    /// from a pod without credentials for it (1.33 on) says the same, on purpose.
    NeverPull,

    /// The pause image failed; the fault inside tells why.
    SandboxImage {
        /// What is wrong with the pause image.
        inner: Box<Fault>,
    },
    /// The text tells that a pull failed and carries no cause.
    BackOffOnly,
    /// The text is about something else than a pull.
    NotAPullProblem,
    /// Nothing was recognised.
    #[default]
    Unknown,
}

/// What a missing manifest was asked for by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingBy {
    /// By tag.
    Tag,
    /// By digest.
    Digest,
    /// The text does not name the reference.
    Unknown,
}

/// How a name lookup failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsFault {
    /// NXDOMAIN or an empty answer.
    NoSuchHost,
    /// SERVFAIL, REFUSED or a lame answer.
    ServerMisbehaving,
    /// The name server did not answer.
    Timeout,
    /// The name server's port is closed.
    ServerRefused,
    /// The name server cannot be reached.
    Unreachable,
    /// The C library's "temporary failure".
    Temporary,
    /// Not told.
    Other,
}

/// How a proxy failed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "how",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum ProxyFault {
    /// The way to the proxy itself failed; the fault inside tells how.
    Connect {
        /// What failed between the node and the proxy.
        inner: Box<Fault>,
    },
    /// The proxy wants a login (407).
    LoginRequired,
    /// The proxy answered CONNECT with another status. Go then prints the bare status text.
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The proxy setting does not parse or its scheme is wrong.
    Misconfigured,
}

/// Which sort of policy blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// A country or its addresses are excluded.
    Geography,
    /// The client's address is not allowed.
    ClientAddress,
    /// Not on an allow-list, or on a deny-list.
    AllowList,
    /// A scan or vulnerability rule.
    Scan,
    /// A quota, or a bill that was not paid.
    Quota,
    /// Terms to be accepted, or a law (451).
    Legal,
    /// A firewall or filter in between.
    Firewall,
    /// Blocked in the node's own `registries.conf`.
    NodeConfig,
    /// An admission rule of the cluster.
    Admission,
    /// Not told.
    Other,
}
