//! The stable ids of every root cause.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The families in which the causes are listed and explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The reference itself is wrong.
    Reference,
    /// The registry has no such repository, tag or digest, or will not say.
    NotFound,
    /// Pull secrets, service accounts, tokens and rights.
    Credentials,
    /// The registry answers, but not with the image.
    Registry,
    /// The registry cannot be reached.
    Network,
    /// The connection is not trusted or not TLS.
    Tls,
    /// What the registry serves cannot be used.
    Content,
    /// The node's disk, image store, runtime or kubelet.
    Node,
    /// Pull policy and admission.
    Policy,
    /// No cause is known.
    Unknown,
}

impl Family {
    /// Every family in the order in which they are listed.
    pub const ALL: [Self; 10] = [
        Self::Reference,
        Self::NotFound,
        Self::Credentials,
        Self::Registry,
        Self::Network,
        Self::Tls,
        Self::Content,
        Self::Node,
        Self::Policy,
        Self::Unknown,
    ];

    /// The heading under which the family's causes are listed.
    pub fn title(self) -> &'static str {
        match self {
            Self::Reference => "Image reference",
            Self::NotFound => "Not found",
            Self::Credentials => "Credentials",
            Self::Registry => "Registry",
            Self::Network => "Network",
            Self::Tls => "TLS",
            Self::Content => "Content",
            Self::Node => "Node",
            Self::Policy => "Policy",
            Self::Unknown => "Unknown",
        }
    }
}

/// A text that names no cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCause(pub String);

impl fmt::Display for UnknownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not the id of a cause", self.0)
    }
}

impl std::error::Error for UnknownCause {}

macro_rules! causes {
    ($($variant:ident = $id:literal in $family:ident : $title:literal;)*) => {
        /// The id of a root cause. An id never changes once released: people script against it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CauseId {
            $(#[doc = $title] $variant,)*
        }

        impl CauseId {
            /// Every cause, family by family.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The id as it is written everywhere.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// The family in which it is listed.
            pub const fn family(self) -> Family {
                match self { $(Self::$variant => Family::$family,)* }
            }

            /// One line that says what it means.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

causes! {
    InvalidImageName = "invalid-image-name" in Reference: "the image reference does not parse";
    ShortNameUnresolved = "short-name-unresolved" in Reference: "a short name that the runtime maps to no registry";
    HostTypo = "host-typo" in Reference: "the first part of the name was read as a host that does not exist";

    ImageNotFoundRepo = "image-not-found-repo" in NotFound: "the repository does not exist";
    ImageNotFoundTag = "image-not-found-tag" in NotFound: "the repository has no such tag";
    ImageNotFoundDigest = "image-not-found-digest" in NotFound: "the repository has no such digest";
    NotFoundOrPrivate = "not-found-or-private" in NotFound: "missing or private: the registry answers alike for both";
    DeprecatedRegistry = "deprecated-registry" in NotFound: "the registry or repository is frozen or has moved";

    AuthMissingCredentials = "auth-missing-credentials" in Credentials: "the registry wants a login and the pod has none for it";
    AuthBadCredentials = "auth-bad-credentials" in Credentials: "the registry refused the login that was sent";
    AuthExpiredCredentials = "auth-expired-credentials" in Credentials: "the login has expired";
    AuthForbidden = "auth-forbidden" in Credentials: "the login is good but may not pull this image";
    SecretMissing = "secret-missing" in Credentials: "the pod names a pull secret that does not exist in its namespace";
    SecretMalformed = "secret-malformed" in Credentials: "a pull secret cannot be decoded";
    SecretWrongType = "secret-wrong-type" in Credentials: "a pull secret has a type that the kubelet ignores";
    SecretWrongHost = "secret-wrong-host" in Credentials: "no entry of the pull secrets matches this image";
    PublicImageWrongCredential = "public-image-wrong-credential" in Credentials: "a public image fails because a bad credential matches it";
    PodOlderThanServiceAccount = "pod-older-than-service-account" in Credentials: "the service account got its pull secret after the pod was admitted";
    StaticPodSecret = "static-pod-secret" in Credentials: "a static pod cannot use pull secrets";
    CredentialProviderFailure = "credential-provider-failure" in Credentials: "the kubelet's credential provider failed";
    ImageNotEntitled = "image-not-entitled" in Credentials: "the image is on the node but this pod may not use it";

    RateLimited = "rate-limited" in Registry: "the registry limits pulls";
    RegistryServerError = "registry-server-error" in Registry: "the registry has a fault of its own";
    BlockedByPolicy = "blocked-by-policy" in Registry: "a policy before or in the registry refuses the pull";

    RegistryUnreachableDns = "registry-unreachable-dns" in Network: "the registry's name does not resolve";
    RegistryUnreachableRefused = "registry-unreachable-refused" in Network: "the registry's port refuses connections";
    RegistryUnreachableTimeout = "registry-unreachable-timeout" in Network: "the registry does not answer in time";
    RegistryUnreachableRoute = "registry-unreachable-route" in Network: "there is no route to the registry";
    ProxyFailure = "proxy-failure" in Network: "the proxy, not the registry, failed or refused";
    ConnectionInterrupted = "connection-interrupted" in Network: "the connection was cut inside a transfer";
    BlobHostUnreachable = "blob-host-unreachable" in Network: "the registry answers, but the host that serves its layers or tokens does not";

    TlsUnknownAuthority = "tls-unknown-authority" in Tls: "the node does not trust the registry's certificate authority";
    TlsIncompleteChain = "tls-incomplete-chain" in Tls: "the registry does not send an intermediate certificate";
    TlsExpired = "tls-expired" in Tls: "the registry's certificate has expired";
    TlsNotYetValid = "tls-not-yet-valid" in Tls: "the registry's certificate is not valid yet";
    ClockSkew = "clock-skew" in Tls: "the node's clock is wrong";
    TlsNameMismatch = "tls-name-mismatch" in Tls: "the registry's certificate is for another name";
    TlsOther = "tls-other" in Tls: "the TLS handshake fails";
    HttpHttpsMismatch = "http-https-mismatch" in Tls: "one side speaks plain HTTP, the other HTTPS";

    CorruptedContent = "corrupted-content" in Content: "a layer or config is damaged or gone";
    PlatformMismatch = "platform-mismatch" in Content: "the image has no variant for the node's platform";
    UnsupportedManifest = "unsupported-manifest" in Content: "what the registry serves is no image that this runtime can run";
    SignatureRejected = "signature-rejected" in Content: "a signature policy rejects the image";

    DiskFull = "disk-full" in Node: "the node's disk has no space left";
    InodesExhausted = "inodes-exhausted" in Node: "the node's file system has no inodes left";
    DiskIoError = "disk-io-error" in Node: "the node's disk fails or is read-only";
    NodeStoreDamaged = "node-store-damaged" in Node: "the node's image store is damaged";
    RuntimeBroken = "runtime-broken" in Node: "the node's container runtime fails";
    MirrorMisconfigured = "mirror-misconfigured" in Node: "a registry mirror fails or is misconfigured";
    PullQpsExceeded = "pull-qps-exceeded" in Node: "the kubelet's own pull rate limit was reached";
    PullQueueBlocked = "pull-queue-blocked" in Node: "another pull holds up this node's pulls";
    PullTimeout = "pull-timeout" in Node: "the pull made no progress in time";
    PullCancelled = "pull-cancelled" in Node: "the pull was cancelled";
    SandboxImageUnavailable = "sandbox-image-unavailable" in Node: "the node cannot pull the pause image";

    NeverPullAbsent = "never-pull-absent" in Policy: "the pull policy is Never and the image is not on the node";
    AlwaysNeedsRegistry = "always-needs-registry" in Policy: "the image is on the node, but the policy Always asks the registry";
    ImageRewrittenByAdmission = "image-rewritten-by-admission" in Policy: "admission changed the image";

    Unknown = "unknown" in Unknown: "the evidence does not tell";
}

impl fmt::Display for CauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CauseId {
    type Err = UnknownCause;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|id| id.as_str() == text)
            .ok_or_else(|| UnknownCause(text.to_owned()))
    }
}

impl Serialize for CauseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for CauseId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_parse_back() {
        for (at, id) in CauseId::ALL.iter().enumerate() {
            assert_eq!(id.as_str().parse::<CauseId>(), Ok(*id));
            assert!(
                CauseId::ALL[at + 1..]
                    .iter()
                    .all(|other| other.as_str() != id.as_str())
            );
        }
    }

    #[test]
    fn an_unknown_id_is_named() {
        let error = "image-gone".parse::<CauseId>().unwrap_err();
        assert_eq!(error.to_string(), "`image-gone` is not the id of a cause");
    }
}
