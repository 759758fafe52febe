//! All looks of one run: they share the ConfigMaps that carry the program, and what was learnt of
//! where a pod is admitted.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pulldoctor_model::NodeNetwork;
use pulldoctor_registry::judge::{NODE_PROTOCOL, NodeAsk, NodeLimits, NodeTarget};
use tokio::{
    sync::{Mutex, OnceCell, SemaphorePermit},
    time::{Instant, timeout},
};

use crate::{api::Api, connect::Cluster};

use super::{
    Look, NodeAccess, Nodes, Place, ProbeProgram, admit,
    admit::Seat,
    answer,
    error::NodeProbeError,
    ground::{self, Ground},
    launch::{self, Order},
    living::{CreateError, Created, Key, Kind},
    manifest::{self, config_map},
};

/// How long one look may take in all. With the time in which new pods may come to a ConfigMap it
/// stays below the lifetime of every object.
const LOOK: Duration = Duration::from_secs(50);

/// How long new pods may come to a ConfigMap.
const FRESH: Duration = Duration::from_secs(60);

/// Namespaces that are tried for a node's view where none is named, besides those of the pods that
/// wait and the context's own.
const USUAL: [&str; 2] = ["kube-system", "default"];

/// Most namespaces of waiting pods that are tried.
const MOST_WORKLOADS: usize = 3;

/// The program in a namespace of the cluster.
pub(super) struct Carrier {
    /// The first one owns the others, and every pod.
    maps: Vec<Created>,
    since: Instant,
}

impl Carrier {
    pub(super) fn names(&self) -> Vec<String> {
        self.maps.iter().map(|map| map.key.name.clone()).collect()
    }

    pub(super) fn owner(&self) -> manifest::Owner<'_> {
        let first = self.maps.first()?;
        Some((&first.key.name, &first.uid))
    }
}

/// One of the probes of a run.
#[derive(Debug)]
pub(crate) struct Reserved(());

/// A run.
pub(crate) struct Session<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) access: &'c NodeAccess,
    /// Namespaces of the pods that wait.
    workloads: Vec<String>,
    carriers: Mutex<HashMap<String, Arc<Carrier>>>,
    /// Those that are too old for new pods.
    spent: Mutex<Vec<Arc<Carrier>>>,
    seat: OnceCell<Seat>,
}

impl<'c> Session<'c> {
    /// Begins a run; `workloads` are the namespaces of the pods that wait.
    pub(crate) fn open(cluster: &'c Cluster, workloads: &[String]) -> Result<Self, NodeProbeError> {
        let access = cluster.inner.nodes.access.as_ref();
        let mut workloads = workloads.to_vec();
        workloads.sort();
        workloads.dedup();
        workloads.truncate(MOST_WORKLOADS);
        Ok(Self {
            cluster,
            access: access.ok_or(NodeProbeError::NoAccess)?,
            workloads,
            carriers: Mutex::default(),
            spent: Mutex::default(),
            seat: OnceCell::new(),
        })
    }

    pub(super) fn api(&self) -> &Api {
        self.cluster.api()
    }

    pub(super) fn nodes(&self) -> &Nodes {
        &self.cluster.inner.nodes
    }

    /// Takes one of the probes of this run.
    pub(crate) fn reserve(&self) -> Result<Reserved, NodeProbeError> {
        let most = self.access.most_probes;
        let more = |spent| (spent < most).then_some(spent + 1);
        let spent = &self.nodes().spent;
        match spent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more) {
            Ok(_) => Ok(Reserved(())),
            Err(_) => Err(NodeProbeError::TooMany { most }),
        }
    }

    /// Waits for the turn of a probe.
    pub(super) async fn turn(&self, _: Reserved) -> Result<SemaphorePermit<'_>, NodeProbeError> {
        let turn = self.nodes().gate.acquire().await;
        turn.map_err(|_| NodeProbeError::BrokenOff)
    }

    /// Looks at these hosts from there.
    pub(crate) async fn look(
        &self,
        place: &Place,
        targets: Vec<NodeTarget>,
        reserved: Reserved,
    ) -> Result<Look, NodeProbeError> {
        let program = self.access.program.ok_or(NodeProbeError::NoProgram)?;
        let _turn = self.turn(reserved).await?;
        let most = self.api().left_of_run().map_or(LOOK, |left| left.min(LOOK));
        let looking = self.look_now(place, targets, program);
        match timeout(most, looking).await {
            Ok(looked) => looked,
            Err(_) => Err(NodeProbeError::Patience {
                node: match place {
                    Place::Node(name) | Place::Namespace(name) => name.clone(),
                },
                after: most,
            }),
        }
    }

    async fn look_now(
        &self,
        place: &Place,
        mut targets: Vec<NodeTarget>,
        program: ProbeProgram,
    ) -> Result<Look, NodeProbeError> {
        let ground = self.ground(place, program).await?;
        let first = ground
            .images
            .first()
            .ok_or_else(|| NodeProbeError::NoImage {
                node: ground.node.clone(),
                grant: ground.grant(),
            })?;
        let seat = self.seat(place, &ground.node, first).await?;
        if let Some(facts) = &ground.facts {
            for image in targets
                .iter_mut()
                .filter_map(|target| target.image.as_mut())
            {
                image.platform.get_or_insert_with(|| facts.platform());
            }
        }
        let ask = NodeAsk {
            protocol: NODE_PROTOCOL,
            user_agent: self.access.user_agent.clone(),
            targets,
            limits: NodeLimits::default(),
        };
        let carrier = self.carrier(&seat.namespace, program).await?;
        let began = Instant::now();
        let order = Order {
            node: &ground.node,
            images: &ground.images,
            seat: &seat,
            ask: &ask,
            carrier: &carrier,
        };
        let heard = launch::run(self, &order).await?;
        let network = if seat.host_network {
            NodeNetwork::Host
        } else {
            NodeNetwork::Pod {
                namespace: seat.namespace.clone(),
            }
        };
        Ok(Look {
            view: answer::view(heard.answer, network, heard.date, &self.access.anchors),
            node: ground.node,
            namespace: seat.namespace,
            image: heard.image,
            took: began.elapsed(),
        })
    }

    /// The node to look from, and what is known of it.
    async fn ground(&self, place: &Place, program: ProbeProgram) -> Result<Ground, NodeProbeError> {
        let namespace = match place {
            Place::Node(node) => {
                let ground = Ground::read(self.api(), node, &self.tried()[1]).await?;
                return fitting(ground, program);
            }
            Place::Namespace(namespace) => namespace,
        };
        let nodes = ground::nodes_of_namespace(self.api(), namespace).await;
        let mut nodes = nodes.map_err(|source| NodeProbeError::ListPods {
            namespace: namespace.clone(),
            source,
        })?;
        if nodes.is_empty() {
            // Where its pods would be put.
            nodes = ground::schedulable(self.api()).await.unwrap_or_default();
        }
        let mut why = NodeProbeError::NoNode {
            namespace: namespace.clone(),
        };
        let namespaces = std::slice::from_ref(namespace);
        for node in nodes.iter().take(3) {
            let ground = Ground::read(self.api(), node, namespaces).await;
            match ground.and_then(|ground| fitting(ground, program)) {
                Ok(ground) => return Ok(ground),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    /// The namespaces that are tried, in order: with the host's network, and with the pods'. Those of
    /// the pods that wait come last with the one and first with the other, which is theirs.
    fn tried(&self) -> [Vec<String>; 2] {
        if let Some(namespace) = &self.access.probe_namespace {
            return [vec![namespace.clone()], vec![namespace.clone()]];
        }
        let own = self.cluster.default_namespace();
        let usual: Vec<&str> = std::iter::once(own).chain(USUAL).collect();
        let theirs: Vec<&str> = self.workloads.iter().map(String::as_str).collect();
        [[&usual, &theirs], [&theirs, &usual]].map(|parts| {
            let mut all: Vec<String> = Vec::new();
            for namespace in parts.into_iter().flatten() {
                if !all.iter().any(|known| known == namespace) {
                    all.push((*namespace).to_owned());
                }
            }
            all
        })
    }

    /// The seats that are tried, in order: the host's network wherever it is admitted, then the
    /// pods' network.
    pub(super) fn seats(&self, place: &Place) -> Vec<Seat> {
        let seat = |namespace, host_network| Seat {
            namespace,
            host_network,
        };
        match place {
            Place::Namespace(namespace) => vec![seat(namespace.clone(), false)],
            Place::Node(_) => {
                let [host, pods] = self.tried();
                let host = host.into_iter().map(|namespace| seat(namespace, true));
                let pods = pods.into_iter().map(|namespace| seat(namespace, false));
                host.chain(pods).collect()
            }
        }
    }

    async fn seat(&self, place: &Place, node: &str, image: &str) -> Result<Seat, NodeProbeError> {
        let find = async || admit::find(self.api(), &self.seats(place), node, image).await;
        match place {
            Place::Namespace(_) => find().await,
            // Admission does not depend on the node.
            Place::Node(_) => self.seat.get_or_try_init(find).await.cloned(),
        }
    }

    /// The program in this namespace, brought there by the first who needs it.
    async fn carrier(
        &self,
        namespace: &str,
        program: ProbeProgram,
    ) -> Result<Arc<Carrier>, NodeProbeError> {
        let mut carriers = self.carriers.lock().await;
        if let Some(carrier) = carriers.get(namespace)
            && carrier.since.elapsed() < FRESH
        {
            return Ok(Arc::clone(carrier));
        }
        let carrier = Arc::new(self.bring(namespace, program).await?);
        if let Some(old) = carriers.insert(namespace.to_owned(), Arc::clone(&carrier)) {
            self.spent.lock().await.push(old);
        }
        Ok(carrier)
    }

    async fn bring(
        &self,
        namespace: &str,
        program: ProbeProgram,
    ) -> Result<Carrier, NodeProbeError> {
        let since = Instant::now();
        let mut maps: Vec<Created> = Vec::new();
        for part in 0..manifest::config_maps(program) {
            let key = Key::new(Kind::ConfigMap, namespace);
            let owner = maps
                .first()
                .map(|first| (first.key.name.as_str(), first.uid.as_str()));
            let object = config_map(&key.name, namespace, program, part, owner);
            let living = &self.nodes().living;
            maps.push(
                living
                    .create(self.api(), key, &object)
                    .await
                    .map_err(|error| not_created(error, "the ConfigMap", namespace))?,
            );
        }
        Ok(Carrier { maps, since })
    }

    /// Removes what the looks shared.
    pub(crate) async fn close(self) {
        let carriers = self.carriers.into_inner().into_values();
        let spent = self.spent.into_inner();
        let api = self.cluster.api();
        let living = &self.cluster.inner.nodes.living;
        // Nobody else holds one: every look has ended, or its future was dropped.
        let maps = carriers
            .chain(spent)
            .filter_map(Arc::into_inner)
            .flat_map(|carrier| carrier.maps);
        futures::future::join_all(maps.map(|map| living.remove(api, map))).await;
    }
}

/// A ground on which this program can be started.
fn fitting(ground: Ground, program: ProbeProgram) -> Result<Ground, NodeProbeError> {
    if let Some(platform) = ground.other_platform(program.architecture) {
        return Err(NodeProbeError::OtherPlatform {
            node: ground.node,
            platform,
            built: program.architecture,
        });
    }
    match ground.is_closed() {
        Some(why) => Err(NodeProbeError::NoPodStarts {
            node: ground.node,
            why,
        }),
        None => Ok(ground),
    }
}

/// The error where an object could not be created.
pub(super) fn not_created(
    error: CreateError,
    what: &'static str,
    namespace: &str,
) -> NodeProbeError {
    let error = match error {
        CreateError::Ending => return NodeProbeError::BrokenOff,
        CreateError::Api(error) => error,
    };
    match admit::refusal(error.clone()) {
        Err(admit::Refusal::Forbidden) => NodeProbeError::Forbidden {
            what: format!("create {what} in {namespace}"),
            grant: super::plan::own_rules(),
        },
        Err(admit::Refusal::NotAdmitted(message)) => NodeProbeError::NotAdmitted {
            namespaces: format!("namespace `{namespace}`"),
            message,
        },
        _ => NodeProbeError::Create {
            what,
            source: error,
        },
    }
}
