//! One virtual host: its specification, its content, its certificate and its counters.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::image::{Base, Content, ImageError, ImageKind, make};
use crate::spec::{AuthSpec, HostSpec, TlsMode};
use crate::tls::{Authority, TlsError};

use super::body::Forgotten;
use super::log::{Log, LogEntry};
use crate::fault::Faults;

/// Why a host could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its certificate.
    #[error("make the certificate")]
    Tls(#[from] TlsError),
    /// Its content.
    #[error("make `{kind}` for `{repository}:{tag}`")]
    Image {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// What was to be made.
        kind: ImageKind,
        /// Why not.
        #[source]
        source: ImageError,
    },
}

/// A tag and the digest behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The repository, without the host.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The digest of its top manifest.
    pub digest: String,
}

/// A host that is served.
#[derive(Debug)]
pub struct VirtualHost {
    name: String,
    port: u16,
    base_url: String,
    spec: HostSpec,
    content: Arc<Content>,
    faults: RwLock<Arc<Faults>>,
    pub(super) log: Log,
    tls: Option<Arc<ServerConfig>>,
    forgotten: watch::Sender<bool>,
}

impl VirtualHost {
    /// Makes a host on a port. The certificate names `names`, of which the first is the host's.
    pub fn new(
        names: &[&str],
        port: u16,
        spec: HostSpec,
        content: Arc<Content>,
        authority: &Authority,
    ) -> Result<Self, HostError> {
        let name = names
            .first()
            .copied()
            .unwrap_or("localhost")
            .to_ascii_lowercase();
        let (scheme, usual, tls) = match spec.tls {
            TlsMode::PlainHttp | TlsMode::Off => ("http", 80, None),
            mode => (
                "https",
                443,
                Some(authority.server_config(mode, names, spec.http2)?),
            ),
        };
        let base_url = if port == usual {
            format!("{scheme}://{name}")
        } else {
            format!("{scheme}://{name}:{port}")
        };
        Ok(Self {
            name,
            port,
            base_url,
            faults: RwLock::new(Arc::new(Faults::new(&spec.faults))),
            spec,
            content,
            log: Log::default(),
            tls,
            forgotten: watch::Sender::new(false),
        })
    }

    /// The host's name, lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port that it is served on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `https://name[:port]`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The specification that it was made from.
    pub fn spec(&self) -> &HostSpec {
        &self.spec
    }

    /// What it serves.
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// The requests that it got, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.log.entries()
    }

    /// Forgets the requests that it got.
    pub fn clear_log(&self) {
        self.log.clear();
    }

    /// Replaces the faults and starts their counters again.
    pub fn set_faults(&self, faults: &[crate::spec::FaultSpec]) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Faults::new(faults));
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_ref()
    }

    /// Ends the answers that are still being sent slowly, or that stall.
    pub(super) fn forget(&self) {
        self.forgotten.send_replace(true);
    }

    /// Comes about with [`VirtualHost::forget`].
    pub(super) fn forgotten(&self) -> Forgotten {
        Forgotten::told_by(self.forgotten.subscribe())
    }

    /// The token URL of a Bearer host.
    pub(super) fn realm(&self) -> Option<String> {
        match &self.spec.auth {
            AuthSpec::Bearer {
                realm: Some(realm), ..
            } => Some(realm.clone()),
            AuthSpec::Bearer { .. } => Some(format!("{}/token", self.base_url)),
            _ => None,
        }
    }

    /// The service that a Bearer challenge names.
    pub(super) fn service(&self) -> &str {
        match &self.spec.auth {
            AuthSpec::Bearer {
                service: Some(service),
                ..
            } => service,
            _ => &self.name,
        }
    }
}

/// Makes the content that a specification asks for. Large images take their time: call it where
/// blocking is allowed.
pub fn fill(spec: &HostSpec, host: &str, base: &Base) -> Result<Content, HostError> {
    let mut content = Content::new();
    let salt = spec.salt.as_deref().unwrap_or(host);
    for repository in &spec.repositories {
        content.repository(&repository.name);
        for tag in &repository.tags {
            let salt = format!("{salt}/{}:{}", repository.name, tag.tag);
            let artifact = make(&tag.image, base, &salt).map_err(|source| HostError::Image {
                repository: repository.name.clone(),
                tag: tag.tag.clone(),
                kind: tag.image.clone(),
                source,
            })?;
            content.push(&repository.name, &tag.tag, artifact);
        }
    }
    Ok(content)
}

/// Every tag of a content with its digest.
pub fn describe(content: &Content) -> Vec<Described> {
    let mut all = Vec::new();
    for repository in content.names() {
        for (tag, digest) in content
            .get(repository)
            .into_iter()
            .flat_map(|entry| &entry.tags)
        {
            all.push(Described {
                repository: repository.to_owned(),
                tag: tag.clone(),
                digest: digest.clone(),
            });
        }
    }
    all
}
