//! The connection to a cluster.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::Client;

use crate::{
    answers::Secrets,
    api::{Api, innermost, login_fault},
    error::ConnectError,
    index::ImageIndex,
    kubeconfig,
    node_probe::{NodeAccess, Nodes},
    owners::OwnerCache,
    registries::{Probes, Registries},
};

/// How long a login plugin may take; it may open a browser.
const LOGIN: Duration = Duration::from_secs(300);

/// Which cluster, as whom, and how patiently.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--as`.
    pub impersonate: Option<String>,
    /// `--as-group`; without effect unless `impersonate` is set.
    pub impersonate_groups: Vec<String>,
    /// `--request-timeout`: how long one request may take. Without it a request ends only when
    /// the server is silent for half a minute.
    pub request_timeout: Option<Duration>,
    /// How long everything may take. What is missing then is a gap.
    pub deadline: Option<Duration>,
    /// How registries are asked. Without it none is, and what they would answer is a gap.
    pub registries: Option<Registries>,
    /// How nodes are looked from. Without it nothing is created in the cluster, and questions that
    /// only a node can answer are left as they are.
    pub nodes: Option<NodeAccess>,
}

/// A cluster that can be asked. Cheap to clone; the clones share what a scan has learnt.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) api: Api,
    context: String,
    address: String,
    default_namespace: String,
    pub(crate) owners: OwnerCache,
    index: Mutex<ImageIndex>,
    pub(crate) secrets: Secrets,
    pub(crate) registries: Option<Registries>,
    pub(crate) probes: Probes,
    pub(crate) nodes: Nodes,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("context", &self.inner.context)
            .field("address", &self.inner.address)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Prepares the connection: reads the kubeconfig and runs its login plugin, if it has one.
    /// The server itself is asked first by [`Cluster::scan`].
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let chosen = kubeconfig::load(options)?;
        let address = chosen.config.cluster_url.to_string();
        let address = address.trim_end_matches('/').to_owned();
        let default_namespace = chosen.config.default_namespace.clone();
        let context = chosen.context;
        let config = chosen.config;
        // The plugin blocks: kube runs it while the client is built.
        let building = tokio::task::spawn_blocking(move || Client::try_from(config));
        let patience = options
            .deadline
            .map_or(LOGIN, |deadline| deadline.min(LOGIN));
        let login = |reason: String| ConnectError::Login {
            context: context.clone(),
            reason,
        };
        let client = tokio::time::timeout(patience, building)
            .await
            .map_err(|_| login(format!("no answer within {} s", patience.as_secs())))?
            .map_err(|_| login("the login was broken off".to_owned()))?
            .map_err(|error| {
                login(match &error {
                    kube::Error::Auth(error) => login_fault(error),
                    other => innermost(other),
                })
            })?;
        Ok(Self::from_client(
            client,
            context,
            address,
            default_namespace,
            options,
        ))
    }

    /// A cluster behind a client that exists already, a fake one for instance.
    pub fn from_client(
        client: Client,
        context: impl Into<String>,
        address: impl Into<String>,
        default_namespace: impl Into<String>,
        options: &ConnectOptions,
    ) -> Self {
        let deadline = options.deadline.map(|deadline| Instant::now() + deadline);
        let api = Api::new(client, options.request_timeout, deadline);
        Self {
            inner: Arc::new(Inner {
                owners: OwnerCache::new(api.clone()),
                api,
                context: context.into(),
                address: address.into(),
                default_namespace: default_namespace.into(),
                index: Mutex::new(ImageIndex::default()),
                secrets: Secrets::default(),
                registries: options.registries.clone(),
                probes: Probes::default(),
                nodes: Nodes::new(options.nodes.clone()),
            }),
        }
    }

    /// The kubeconfig context.
    pub fn context(&self) -> &str {
        &self.inner.context
    }

    /// The API server's address: what tells this cluster from another.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// The namespace that is meant where none is named.
    pub fn default_namespace(&self) -> &str {
        &self.inner.default_namespace
    }

    pub(crate) fn api(&self) -> &Api {
        &self.inner.api
    }

    /// What the scan has learnt of images on nodes. Never held over an await.
    pub(crate) fn index(&self) -> MutexGuard<'_, ImageIndex> {
        self.inner
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what an earlier scan has learnt.
    pub(crate) fn forget(&self) {
        self.index().clear();
        self.inner.secrets.clear();
        self.inner.probes.clear();
        self.inner.nodes.begin();
    }

    /// The server's clock, or this machine's where the server does not tell.
    pub(crate) fn clock(date: Option<Timestamp>) -> Timestamp {
        date.unwrap_or_else(Timestamp::now)
    }
}
