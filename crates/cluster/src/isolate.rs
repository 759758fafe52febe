//! Which pulls would tell whose fault a failing one is: the suspect image on another node, images
//! that are known to be good on the suspect node. Chosen here, from what the cluster runs; nothing
//! is created by it.

mod choose;

use pulldoctor_model::{GapReason, Question, ReportGap, TrialRole};
use pulldoctor_reference::Reference;
use thiserror::Error;

use crate::{
    Cluster,
    api::Form,
    error::ApiError,
    nodes::{self, NodeRow},
    path::ApiPath,
    rbac,
    running::{PodList, PodRow},
};
use choose::{Good, good_image, other_node};

/// Pods in a page of the list.
const PAGE: &str = "500";
/// Most pages that are read: enough to find images that work.
const MOST_PAGES: usize = 10;
/// Most bytes of a page.
const PAGE_MOST: usize = 64 << 20;

/// The image that is stuck, and with what it is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// The pod's namespace.
    pub namespace: String,
    /// The image as written in the pod.
    pub image: String,
    /// The pod's pull secrets.
    pub secrets: Vec<String>,
    /// Its service account.
    pub service_account: Option<String>,
}

/// A pull that is to be tried, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTrial {
    /// What it is for.
    pub role: TrialRole,
    /// The image; empty where none was found.
    pub image: String,
    /// The node; empty where none was found.
    pub node: String,
    /// The question to ask, or why it cannot be asked.
    pub ask: Result<Question, String>,
}

/// The pulls that would tell, and what of the choice could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsolationPlan {
    /// The pulls, in the order in which they are told.
    pub trials: Vec<PlannedTrial>,
    /// What could not be looked at.
    pub gaps: Vec<ReportGap>,
}

/// Why no pulls can be chosen.
#[derive(Debug, Error)]
pub enum IsolateError {
    /// There is no such node.
    #[error("find node `{node}`")]
    NoSuchNode {
        /// The node.
        node: String,
        /// Nodes with a name like it.
        near: Vec<String>,
    },
    /// The nodes cannot be read.
    #[error("read the nodes of the cluster")]
    Nodes(#[source] ApiError),
}

impl IsolateError {
    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoSuchNode { near, .. } if near.is_empty() => {
                Some("`kubectl get nodes` lists them".to_owned())
            }
            Self::NoSuchNode { near, .. } => {
                let near: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("did you mean {}?", near.join(" or ")))
            }
            Self::Nodes(ApiError::Forbidden { .. }) => Some(format!(
                "this rule allows it:\n{}",
                rbac::rule("", "nodes", &["get", "list"])
            )),
            Self::Nodes(source) => source.help(),
        }
    }

    /// The exit code of the command.
    pub fn exit(&self) -> pulldoctor_model::ExitCode {
        match self {
            Self::NoSuchNode { .. } => pulldoctor_model::ExitCode::Request,
            Self::Nodes(_) => pulldoctor_model::ExitCode::Unreachable,
        }
    }
}

impl Cluster {
    /// Chooses pulls that tell the fault of an image from that of a node. `suspect` is none where
    /// only the node is looked at; then the pulls are tried in `namespace`. `known_good` is an
    /// image that the person names.
    pub async fn plan_isolation(
        &self,
        node: &str,
        namespace: &str,
        suspect: Option<&Suspect>,
        known_good: Option<&Reference>,
    ) -> Result<IsolationPlan, IsolateError> {
        let nodes = nodes::list(self.api()).await.map_err(IsolateError::Nodes)?;
        let Some(here) = nodes.iter().find(|row| row.name == node) else {
            let names: Vec<String> = nodes.iter().map(|row| row.name.clone()).collect();
            return Err(IsolateError::NoSuchNode {
                node: node.to_owned(),
                near: crate::scope::nearest_few(node, names),
            });
        };
        let mut plan = IsolationPlan::default();
        let pods = match self.running(suspect).await {
            Ok(pods) => pods,
            Err(error) => {
                plan.gaps.push(ReportGap {
                    what: "list pods to find images that work".to_owned(),
                    why: error.gap(),
                    grant: (error.gap() == GapReason::Forbidden)
                        .then(|| rbac::rule("", "pods", &["get", "list"])),
                    counts: known_good.is_none(),
                });
                Vec::new()
            }
        };
        if let Some(suspect) = suspect {
            plan.trials.push(elsewhere(suspect, here, &nodes, &pods));
        }
        let of = suspect.and_then(|suspect| Reference::parse(&suspect.image).ok());
        let home = suspect.map_or(namespace, |suspect| suspect.namespace.as_str());
        let first = of
            .as_ref()
            .or(known_good)
            .map(|image| image.registry().to_owned())
            .or_else(|| choose::busiest_registry(&pods));
        for (role, is_same) in [
            (TrialRole::SameRegistryHere, true),
            (TrialRole::OtherRegistryHere, false),
        ] {
            // Whoever names an image for a node wants to know about that one.
            if suspect.is_none() && known_good.is_some() && !is_same {
                continue;
            }
            let named =
                known_good.filter(|named| (Some(named.registry()) == first.as_deref()) == is_same);
            let good = match (named, &first) {
                (Some(named), _) => Some(Good::named(named, suspect, home)),
                (None, Some(registry)) => {
                    let fits = |image: &Reference| (image.registry() == registry) == is_same;
                    good_image(fits, of.as_ref(), here, &nodes, &pods, home)
                }
                (None, None) => None,
            };
            plan.trials.push(here_trial(role, good, node));
        }
        Ok(plan)
    }

    /// Pods with a container that runs: of the whole cluster, else of the suspect's namespace.
    async fn running(&self, suspect: Option<&Suspect>) -> Result<Vec<PodRow>, ApiError> {
        match self.pages(None).await {
            Err(ApiError::Forbidden { message }) => match suspect {
                Some(suspect) => self.pages(Some(&suspect.namespace)).await,
                None => Err(ApiError::Forbidden { message }),
            },
            other => other,
        }
    }

    async fn pages(&self, namespace: Option<&str>) -> Result<Vec<PodRow>, ApiError> {
        let mut rows = Vec::new();
        let mut resume: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let path = ApiPath::core()
                .namespace(namespace)
                .segment("pods")
                .query("fieldSelector", "status.phase=Running")
                .query("limit", PAGE)
                .query_opt("continue", resume.as_deref());
            let answer = self.api().get(&path, Form::Compressed, PAGE_MOST).await?;
            let list: PodList = serde_json::from_slice(&answer.body)
                .map_err(|error| ApiError::malformed("a page of pods", &error))?;
            rows.extend(list.items);
            resume = list.metadata.resume.filter(|token| !token.is_empty());
            if resume.is_none() {
                break;
            }
        }
        Ok(rows)
    }
}

fn elsewhere(
    suspect: &Suspect,
    here: &NodeRow,
    nodes: &[NodeRow],
    pods: &[PodRow],
) -> PlannedTrial {
    let role = TrialRole::SuspectElsewhere;
    let image = suspect.image.clone();
    match other_node(&suspect.image, here, nodes, pods) {
        Some(node) => PlannedTrial {
            role,
            image: image.clone(),
            node: node.to_owned(),
            ask: Ok(Question::KubeletPull {
                node: node.to_owned(),
                namespace: suspect.namespace.clone(),
                secrets: suspect.secrets.clone(),
                service_account: suspect.service_account.clone(),
                image,
            }),
        },
        None => PlannedTrial {
            role,
            image,
            node: String::new(),
            ask: Err(format!(
                "no other node is Ready, takes pods and is {}",
                here.facts.platform()
            )),
        },
    }
}

fn here_trial(role: TrialRole, good: Option<Good>, node: &str) -> PlannedTrial {
    let Some(good) = good else {
        let place = match role {
            TrialRole::SameRegistryHere => "of this registry",
            _ => "of another registry",
        };
        return PlannedTrial {
            role,
            image: String::new(),
            node: node.to_owned(),
            ask: Err(format!(
                "no image {place} is known that runs in this cluster and that any pod may pull"
            )),
        };
    };
    PlannedTrial {
        role,
        image: good.image.clone(),
        node: node.to_owned(),
        ask: Ok(Question::KubeletPull {
            node: node.to_owned(),
            namespace: good.namespace,
            secrets: good.secrets,
            service_account: good.service_account,
            image: good.image,
        }),
    }
}
