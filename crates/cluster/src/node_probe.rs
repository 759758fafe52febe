//! The probe that looks at a registry from a node: what is created for it, how its answer comes
//! back, and that nothing stays behind. Documented for reviewers in `docs/node-probe.md`.

mod admit;
mod answer;
mod error;
mod ground;
mod image;
mod launch;
mod living;
mod manifest;
mod plan;
mod pull;
mod session;
mod status;
mod sweep;
mod wait;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pulldoctor_model::NodeView;
use pulldoctor_registry::{
    ProbeConfig, SetupError, authorities,
    judge::{NodeTarget, trust::Anchor},
};
use tokio::sync::{OnceCell, Semaphore};

pub(crate) use answer::read as read_answer;
pub use error::NodeProbeError;
pub use plan::{Plan, pull_object, pull_rules};
pub(crate) use pull::PullOrder;
pub(crate) use session::Session;
pub use sweep::Swept;

use crate::connect::Cluster;
use living::Living;

/// Nodes that are looked from in one run, unless the person says otherwise.
const MOST_PROBES: usize = 32;

/// Nodes that are looked from at the same time, unless the person says otherwise.
const MOST_AT_ONCE: usize = 20;

/// How long whoever asked for a look waits for the removal of what earlier runs left.
const SWEEP_PATIENCE: Duration = Duration::from_secs(5);

/// From where a registry is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A node's own network.
    Node(String),
    /// The pod network of a namespace, under its network policies.
    Namespace(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Namespace(name) => write!(f, "namespace/{name}"),
        }
    }
}

/// The program that travels: a stub that unpacks the parts beside it.
#[derive(Clone, Copy)]
pub struct ProbeProgram {
    /// As in `node.status.nodeInfo.architecture`.
    pub architecture: &'static str,
    /// What is executed.
    pub stub: &'static [u8],
    /// The packed probe. The first part and the stub together fit into one ConfigMap, each further
    /// part into one of its own.
    pub parts: &'static [&'static [u8]],
}

impl fmt::Debug for ProbeProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeProgram")
            .field("architecture", &self.architecture)
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

/// How nodes are looked from. With it in [`ConnectOptions`](crate::ConnectOptions), pods may be
/// created in the cluster.
#[derive(Clone)]
pub struct NodeAccess {
    /// What runs there; nothing where this program was built without it.
    pub program: Option<ProbeProgram>,
    /// `--probe-namespace`: where the objects are created for a node's view. Without it, the first
    /// namespace that admits the host's network.
    pub probe_namespace: Option<String>,
    /// Who is trusted when the certificates that came home are judged.
    pub anchors: Arc<[Anchor]>,
    /// Names this program to the registry.
    pub user_agent: String,
    /// Most probes of one run.
    pub most_probes: usize,
    /// Most probes at the same time.
    pub most_at_once: usize,
}

impl fmt::Debug for NodeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeAccess")
            .field("program", &self.program)
            .field("probe_namespace", &self.probe_namespace)
            .field("most_probes", &self.most_probes)
            .field("most_at_once", &self.most_at_once)
            .finish_non_exhaustive()
    }
}

impl NodeAccess {
    /// Access with the authorities that a probe from here would trust.
    pub fn new(program: Option<ProbeProgram>, config: &ProbeConfig) -> Result<Self, SetupError> {
        Ok(Self {
            program,
            probe_namespace: None,
            anchors: authorities(config)?.into(),
            user_agent: config.user_agent.clone(),
            most_probes: MOST_PROBES,
            most_at_once: MOST_AT_ONCE,
        })
    }
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What was seen, one sight for each target, in their order.
    pub view: NodeView,
    /// The node on which it ran.
    pub node: String,
    /// The namespace in which it ran.
    pub namespace: String,
    /// The image that it was started from.
    pub image: String,
    /// From the pod's creation until its answer was read.
    pub took: Duration,
}

/// What a connection knows of nodes and of what it created.
pub(crate) struct Nodes {
    pub(crate) access: Option<NodeAccess>,
    living: Arc<Living>,
    /// Probes of this run.
    spent: AtomicUsize,
    /// Probes at the same time.
    gate: Semaphore,
    swept: OnceCell<Swept>,
}

impl Nodes {
    pub(crate) fn new(access: Option<NodeAccess>) -> Self {
        let at_once = access.as_ref().map_or(0, |access| access.most_at_once);
        Self {
            access,
            living: Arc::default(),
            spent: AtomicUsize::new(0),
            gate: Semaphore::new(at_once.clamp(1, 1_000)),
            swept: OnceCell::new(),
        }
    }

    /// A new run begins.
    pub(crate) fn begin(&self) {
        self.spent.store(0, Ordering::SeqCst);
    }
}

impl Cluster {
    /// Looks at these hosts from there, all at once, with a pod that exists for about two seconds.
    ///
    /// Nothing stays: what was created is removed before this returns, and by a task of its own
    /// where the future is dropped. What a process that was killed has left is removed by the next
    /// run, once its time is over.
    pub async fn look_from(
        &self,
        place: &Place,
        targets: &[NodeTarget],
    ) -> Result<Look, NodeProbeError> {
        let session = Session::open(self, &[])?;
        let sweeping = self.sweep_once();
        let looking = async {
            let looked = match session.reserve() {
                Ok(reserved) => session.look(place, targets.to_vec(), reserved).await,
                Err(error) => Err(error),
            };
            session.close().await;
            looked
        };
        let (looked, ()) = tokio::join!(looking, sweeping);
        looked
    }

    /// Removes what earlier runs left, the first time that nodes are looked from.
    pub(crate) async fn sweep_once(&self) {
        let sweeping = self.inner.nodes.swept.get_or_init(|| self.sweep());
        // What is left then is for the next run.
        let _ = tokio::time::timeout(SWEEP_PATIENCE, sweeping).await;
    }

    /// Removes what this process created in the cluster and has not removed yet, and creates
    /// nothing from now on. For the moment before the process ends.
    pub async fn clean_up(&self) {
        self.inner.nodes.living.end(self.api()).await;
    }
}
