//! What a probe is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pulldoctor_reference::Reference;

use crate::judge::{Platform, ProxyRules, RealmRule};
use crate::secret::SecretText;

/// The settings of all probes of one place.
#[derive(Debug, Clone)]
pub struct ProbeConfig {
    /// Bounds of time and size.
    pub limits: Limits,
    /// Proxies; [`ProbeConfig::from_environment`] reads the environment.
    pub proxies: ProxyRules,
    /// Who resolves names.
    pub resolvers: Resolvers,
    /// Files with more authorities in PEM.
    pub authority_files: Vec<PathBuf>,
    /// Trust the system's authorities (SSL_CERT_FILE and SSL_CERT_DIR in place of them) as well.
    pub system_authorities: bool,
    /// Where credentials may go beside the registry's own domain, and which registries the node
    /// asks in plain HTTP.
    pub realms: RealmRule,
    /// Names this program to the registry.
    pub user_agent: String,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            proxies: ProxyRules::default(),
            resolvers: Resolvers::System,
            authority_files: Vec::new(),
            system_authorities: true,
            realms: RealmRule::default(),
            user_agent: concat!("pulldoctor/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl ProbeConfig {
    /// The default with the proxies of this process's environment.
    pub fn from_environment() -> Self {
        Self {
            proxies: ProxyRules::new(|name| std::env::var(name).ok()),
            ..Self::default()
        }
    }
}

/// Who resolves names.
#[derive(Debug, Clone)]
pub enum Resolvers {
    /// The system (getaddrinfo), whose addresses are used; the servers of `/etc/resolv.conf` are
    /// asked beside it.
    System,
    /// These servers and nobody else.
    Servers {
        /// In order of preference.
        servers: Vec<SocketAddr>,
        /// The search path.
        search: Vec<String>,
        /// Names with fewer dots are tried with the search path first.
        ndots: u32,
    },
}

/// Bounds of time and size.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For the names of one host.
    pub dns: Duration,
    /// For one connection attempt.
    pub connect: Duration,
    /// For a handshake, TLS or CONNECT.
    pub handshake: Duration,
    /// Until the head of an answer is there.
    pub answer: Duration,
    /// For a body that is not a layer.
    pub body: Duration,
    /// Between two pieces of a layer.
    pub idle: Duration,
    /// For one layer.
    pub layer: Duration,
    /// For a whole probe without `Verify`.
    pub total: Duration,
    /// For a whole probe with `Verify`; nothing for as long as its layers may take.
    pub total_verify: Option<Duration>,
    /// Most bytes of a head.
    pub head_bytes: usize,
    /// Most bytes of a manifest, config, token or list. containerd refuses larger manifests.
    pub body_bytes: usize,
    /// Most bytes of a refusal's body.
    pub error_bytes: usize,
    /// Most redirects in a row, as in Go.
    pub redirects: usize,
    /// Requests to one host at the same time.
    pub per_host: usize,
    /// Longest time that a Retry-After is waited for; beyond it the request is not sent.
    pub retry_after: Duration,
    /// Most pages of tags.
    pub tag_pages: usize,
    /// Most tags.
    pub tags: usize,
    /// Most logins that are tried.
    pub logins: usize,
    /// Layers that are read at the same time.
    pub parallel_layers: usize,
    /// How often the reading of a layer is taken up again after a cut.
    pub layer_resumes: u32,
    /// Most bytes that a layer may unpack to.
    pub unpacked_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            dns: seconds(5),
            connect: seconds(5),
            handshake: seconds(10),
            answer: seconds(15),
            body: seconds(15),
            idle: seconds(30),
            layer: seconds(3600),
            total: seconds(60),
            total_verify: None,
            head_bytes: 64 * 1024,
            body_bytes: 4 * 1024 * 1024,
            error_bytes: 64 * 1024,
            redirects: 10,
            per_host: 4,
            retry_after: seconds(3),
            tag_pages: 20,
            tags: 20_000,
            logins: 8,
            parallel_layers: 3,
            layer_resumes: 4,
            unpacked_bytes: 256 << 30,
        }
    }
}

/// A login and where it comes from.
#[derive(Debug, Clone)]
pub struct Login {
    /// For people: `secret shop/regcred auths[registry.example.com]`.
    pub source: String,
    /// Empty for an identity token, as in containerd.
    pub username: String,
    /// The password or token.
    pub password: SecretText,
}

/// How far a probe goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeDepth {
    /// Is the manifest there? One request where the way is warm.
    Exists,
    /// And is there a platform and a config?
    Image,
    /// And are the layers there, and can the host that serves them be reached?
    Layers,
    /// And is their content whole?
    Verify,
}

/// One question.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// The image.
    pub image: Reference,
    /// The logins that the kubelet would try, in its order.
    pub logins: Vec<Login>,
    /// Whether to ask without a login too, where there are logins. It decides nothing then.
    pub try_anonymous: bool,
    /// The node's platform.
    pub platform: Option<Platform>,
    /// How far to go.
    pub depth: ProbeDepth,
    /// Whether to list the tags where the manifest is missing.
    pub list_tags: bool,
    /// Tags that ran here before, for the ranking of near ones.
    pub history: Vec<String>,
}

impl ProbeRequest {
    /// A question about an image, without logins, down to the layers' presence.
    pub fn new(image: Reference) -> Self {
        Self {
            image,
            logins: Vec::new(),
            try_anonymous: true,
            platform: None,
            depth: ProbeDepth::Layers,
            list_tags: true,
            history: Vec::new(),
        }
    }
}

/// Why no probe can be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file with authorities cannot be read.
    #[error("read the authorities in `{}`", path.display())]
    ReadAuthorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file with authorities holds none.
    #[error("find a certificate in `{}`", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library cannot be set up.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}
