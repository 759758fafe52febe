//! What would be created and what must be allowed, for `--explain-access`.

use pulldoctor_model::Question;
use serde_json::{Value, json};

use crate::{connect::Cluster, rbac::rule};

use super::{
    NodeProbeError, Place,
    ground::{Ground, nodes_of_namespace},
    living::{Key, Kind},
    manifest::{ProbePod, PullPod, config_map, config_maps, contents},
    session::Session,
};

/// What stands for an image where none is known.
const ANY_IMAGE: &str = "(an image that is on the node)";

/// What a look would create. Nothing has been.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// From where.
    pub place: Place,
    /// The namespaces that are tried, in order. The objects are shown for the first.
    pub namespaces: Vec<String>,
    /// The ConfigMaps, their content as numbers of bytes, and the pod.
    pub objects: Vec<Value>,
    /// RBAC rules for a Role in the namespace where it runs, as YAML.
    pub rules: String,
    /// RBAC rules for a ClusterRole, as YAML: what makes the choice of an image better, and lets what
    /// an earlier run left be found in all namespaces.
    pub cluster_rules: String,
}

/// The rules that a look needs in its namespace.
pub(super) fn own_rules() -> String {
    [
        rule("", "configmaps", &["create", "delete"]),
        rule("", "pods", &["create", "delete", "get", "watch"]),
        rule("", "pods/log", &["get"]),
    ]
    .join("\n")
}

/// The rules that a pull by the kubelet needs in the pod's namespace, as YAML.
pub fn pull_rules() -> String {
    [
        rule("", "pods", &["create", "delete", "get", "watch"]),
        rule("", "events", &["list"]),
    ]
    .join("\n")
}

/// The rules that are good to have everywhere.
fn wide_rules() -> String {
    [
        rule("", "nodes", &["get"]),
        rule("", "pods", &["list"]),
        rule("", "configmaps", &["list"]),
    ]
    .join("\n")
}

impl Cluster {
    /// What [`Cluster::look_from`] would create from there, and the rights that it needs. Only
    /// reads, and goes without what it may not read.
    pub async fn probe_plan(&self, place: &Place) -> Result<Plan, NodeProbeError> {
        let session = Session::open(self, &[])?;
        let program = session.access.program.ok_or(NodeProbeError::NoProgram)?;
        let seats = session.seats(place);
        let mut namespaces: Vec<String> = Vec::new();
        for seat in &seats {
            if !namespaces.contains(&seat.namespace) {
                namespaces.push(seat.namespace.clone());
            }
        }
        let node = match place {
            Place::Node(node) => Some(node.clone()),
            Place::Namespace(namespace) => nodes_of_namespace(self.api(), namespace)
                .await
                .ok()
                .and_then(|nodes| nodes.into_iter().next()),
        };
        let ground = match &node {
            Some(node) => Ground::read(self.api(), node, &namespaces).await.ok(),
            None => None,
        };
        let image = ground.and_then(|ground| ground.images.into_iter().next());
        let first = seats.first();
        let namespace = first.map_or("default", |seat| seat.namespace.as_str());
        let names: Vec<String> = (0..config_maps(program))
            .map(|_| Key::new(Kind::ConfigMap, namespace).name)
            .collect();
        let owner = names.first().map(|name| (name.as_str(), "(its uid)"));
        let mut objects: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(part, name)| {
                let owner = owner.filter(|_| part > 0);
                let mut map = config_map(name, namespace, program, part, owner);
                for (key, bytes) in contents(program, part) {
                    map["binaryData"][key] = json!(format!("({} bytes)", bytes.len()));
                }
                map
            })
            .collect();
        objects.push(
            ProbePod {
                name: &Key::new(Kind::Pod, namespace).name,
                namespace,
                node: node.as_deref().unwrap_or("(a node of its pods)"),
                host_network: first.is_some_and(|seat| seat.host_network),
                image: image.as_deref().unwrap_or(ANY_IMAGE),
                ask: "(the hosts and the image)",
                config_maps: &names,
                owner,
            }
            .manifest(),
        );
        Ok(Plan {
            place: place.clone(),
            namespaces,
            objects,
            rules: own_rules(),
            cluster_rules: wide_rules(),
        })
    }
}

/// The pod by which a kubelet is made to pull, as it would be created; nothing for a question of
/// another kind.
pub fn pull_object(question: &Question) -> Option<Value> {
    let Question::KubeletPull {
        node,
        namespace,
        secrets,
        service_account,
        image,
    } = question
    else {
        return None;
    };
    Some(
        PullPod {
            name: &Key::new(Kind::Pod, namespace).name,
            namespace,
            node,
            image,
            secrets,
            service_account: service_account.as_deref(),
        }
        .manifest(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wanted_that_reads_secrets_or_enters_containers() {
        for rules in [own_rules(), pull_rules(), wide_rules()] {
            for word in ["secrets", "exec", "*", "update", "patch", "proxy"] {
                assert!(!rules.contains(word), "{word} in {rules}");
            }
        }
    }
}
