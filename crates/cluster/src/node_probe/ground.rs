//! What is known of a node before a pod is created there.

use std::collections::BTreeMap;

use futures::future::join_all;
use pulldoctor_model::NodeFacts;

use crate::{
    answers,
    api::{Api, Form},
    error::ApiError,
    nodes::{self, NodeRow},
    path::ApiPath,
    rbac::rule,
    running::{PodList, PodRow},
};

use super::{
    error::NodeProbeError,
    image::{MOST_TRIES, candidates, is_pause},
};

/// Most bytes of a list of the pods of a node or a namespace.
const MOST_PODS: usize = 64 << 20;

/// A node, and what could be started from there.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) node: String,
    /// Nothing where it may not be read.
    pub(super) facts: Option<NodeFacts>,
    /// Images to start from, best first.
    pub(super) images: Vec<String>,
    /// Images of containers that run there, as written. The node's own list lags behind them.
    pub(super) running: Vec<String>,
    /// What may not be read of it: resources and verbs.
    denied: Vec<(&'static str, &'static str)>,
}

impl Ground {
    /// Reads it. Where the pods of all namespaces may not be listed, those of these are.
    pub(super) async fn read(
        api: &Api,
        node: &str,
        namespaces: &[String],
    ) -> Result<Self, NodeProbeError> {
        let (facts, pods) = tokio::join!(answers::read_node(api, node), pods_of_node(api, node));
        let mut denied = Vec::new();
        let facts = match facts {
            Ok(facts) => Some(facts),
            Err(ApiError::Forbidden { .. }) => {
                denied.push(("nodes", "get"));
                None
            }
            Err(source) => {
                return Err(NodeProbeError::ReadNode {
                    node: node.to_owned(),
                    source,
                });
            }
        };
        let pods = match pods {
            Ok(pods) => pods,
            Err(error) => {
                if matches!(error, ApiError::Forbidden { .. }) {
                    denied.push(("pods", "list"));
                }
                let lists = namespaces
                    .iter()
                    .map(|namespace| list(api, Some(namespace), node));
                join_all(lists)
                    .await
                    .into_iter()
                    .flatten()
                    .flatten()
                    .collect()
            }
        };
        let mut images = candidates(&pods, facts.as_ref());
        if images.is_empty() && facts.is_some() {
            // A node that lists nothing (its runtime was away a moment ago), or so much that the
            // smallest images are cut off: the pause image of the others is the likeliest.
            match nodes::list(api).await {
                Ok(nodes) => images = pause_images(&nodes),
                Err(ApiError::Forbidden { .. }) => denied.push(("nodes", "list")),
                Err(_) => {}
            }
        }
        Ok(Self {
            node: node.to_owned(),
            facts,
            images,
            running: pods
                .iter()
                .flat_map(PodRow::running)
                .map(str::to_owned)
                .collect(),
            denied,
        })
    }

    /// The RBAC rules that would tell more of its images, as YAML.
    pub(super) fn grant(&self) -> String {
        let rules: Vec<String> = self
            .denied
            .iter()
            .map(|(resource, verb)| rule("", resource, &[verb]))
            .collect();
        rules.join("\n")
    }

    /// Why no pod starts there, as far as the node says so itself.
    pub(super) fn is_closed(&self) -> Option<String> {
        let facts = self.facts.as_ref()?;
        let condition = |kind: &str, status: &str| {
            facts
                .conditions
                .iter()
                .find(|condition| condition.kind == kind && condition.status == status)
        };
        // Only pods that the node cannot live without are taken then
        // (`pkg/kubelet/eviction/eviction_manager.go`, 1.37); a taint that is tolerated changes
        // nothing.
        for pressure in ["DiskPressure", "PIDPressure"] {
            if let Some(condition) = condition(pressure, "True") {
                return Some(format!("it has {pressure}: {}", condition.message));
            }
        }
        // `False` may be a network that is not ready, which a pod on the host's network does not
        // need.
        condition("Ready", "Unknown").map(|condition| {
            format!(
                "its kubelet does not report any more: {}",
                condition.message
            )
        })
    }

    /// The platform, unless a program for this architecture runs there.
    pub(super) fn other_platform(&self, architecture: &str) -> Option<String> {
        let facts = self.facts.as_ref()?;
        let fits = |own: &str, wanted: &str| own.is_empty() || own == wanted;
        let runs = fits(&facts.os, "linux") && fits(&facts.arch, architecture);
        (!runs).then(|| facts.platform())
    }
}

async fn pods_of_node(api: &Api, node: &str) -> Result<Vec<PodRow>, ApiError> {
    list(api, None, node).await
}

async fn list(api: &Api, namespace: Option<&str>, node: &str) -> Result<Vec<PodRow>, ApiError> {
    let path = ApiPath::core()
        .namespace(namespace)
        .segment("pods")
        .query("fieldSelector", &format!("spec.nodeName={node}"))
        // From the server's memory, where pods have an index by node.
        .query("resourceVersion", "0");
    read_list(api, &path).await
}

async fn read_list(api: &Api, path: &ApiPath) -> Result<Vec<PodRow>, ApiError> {
    let answer = api.get(path, Form::Full, MOST_PODS).await?;
    let list: PodList = serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::malformed("a list of pods", &error))?;
    Ok(list.items)
}

/// The nodes of a namespace's pods, those with most of them first.
pub(super) async fn nodes_of_namespace(
    api: &Api,
    namespace: &str,
) -> Result<Vec<String>, ApiError> {
    let path = ApiPath::core()
        .namespace(Some(namespace))
        .segment("pods")
        .query("resourceVersion", "0");
    let mut nodes: Vec<(usize, String)> = Vec::new();
    for pod in read_list(api, &path).await? {
        let node = pod.spec.node_name;
        if node.is_empty() {
            continue;
        }
        match nodes.iter_mut().find(|(_, known)| *known == node) {
            Some((count, _)) => *count += 1,
            None => nodes.push((1, node)),
        }
    }
    nodes.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    Ok(nodes.into_iter().map(|(_, node)| node).collect())
}

/// Nodes that take pods, by name.
pub(super) async fn schedulable(api: &Api) -> Result<Vec<String>, ApiError> {
    let nodes = nodes::list(api).await?.into_iter();
    let mut names: Vec<String> = nodes
        .filter(NodeRow::takes_pods)
        .map(|node| node.name)
        .collect();
    names.sort();
    Ok(names)
}

/// The pause images that nodes list, those of most nodes first.
fn pause_images(nodes: &[NodeRow]) -> Vec<String> {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        for name in candidates(&[], Some(&node.facts))
            .into_iter()
            .filter(|name| is_pause(name))
        {
            *tally.entry(name).or_default() += 1;
        }
    }
    let mut names: Vec<(String, usize)> = tally.into_iter().collect();
    names.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    names.truncate(MOST_TRIES);
    names.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::Condition;

    use super::*;

    fn ground(kind: &str, status: &str) -> Ground {
        Ground {
            node: "n1".to_owned(),
            facts: Some(NodeFacts {
                os: "linux".to_owned(),
                arch: "arm64".to_owned(),
                conditions: vec![Condition {
                    kind: kind.to_owned(),
                    status: status.to_owned(),
                    reason: String::new(),
                    message: "why".to_owned(),
                    since: None,
                }],
                unschedulable: true,
                ..NodeFacts::default()
            }),
            images: Vec::new(),
            running: Vec::new(),
            denied: Vec::new(),
        }
    }

    #[test]
    fn a_node_says_itself_that_nothing_starts() {
        let why = ground("DiskPressure", "True").is_closed();
        assert_eq!(why.as_deref(), Some("it has DiskPressure: why"));
        assert!(ground("Ready", "Unknown").is_closed().is_some());
        for open in [
            ground("Ready", "False"),
            ground("DiskPressure", "False"),
            ground("MemoryPressure", "True"),
        ] {
            assert_eq!(open.is_closed(), None, "{open:?}");
        }
    }

    #[test]
    fn where_a_node_lists_nothing_the_pause_image_of_the_others_is_tried() {
        let node = |names: &[&str]| {
            let mut facts = ground("Ready", "True").facts.unwrap();
            facts.images = names
                .iter()
                .map(|name| pulldoctor_model::NodeImage {
                    names: vec![(*name).to_owned()],
                    size: 1,
                })
                .collect();
            NodeRow {
                name: "n".to_owned(),
                facts,
            }
        };
        let nodes = [
            node(&["registry.k8s.io/pause:3.9", "app:1"]),
            node(&["registry.k8s.io/pause:3.10", "app:1"]),
            node(&["registry.k8s.io/pause:3.10"]),
            node(&[]),
        ];
        assert_eq!(
            pause_images(&nodes),
            ["registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.9"]
        );
        assert!(pause_images(&nodes[3..]).is_empty());
    }

    #[test]
    fn a_program_runs_on_its_own_platform_only() {
        let arm = ground("Ready", "True");
        assert_eq!(arm.other_platform("amd64").as_deref(), Some("linux/arm64"));
        assert_eq!(arm.other_platform("arm64"), None);
    }
}
