//! The choice of another node and of good images, as pure functions over rows.

use std::collections::BTreeMap;

use pulldoctor_reference::Reference;

use super::Suspect;
use crate::{nodes::NodeRow, running::PodRow};

/// An image that works somewhere, and what it is pulled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Good {
    pub(super) image: String,
    pub(super) namespace: String,
    pub(super) secrets: Vec<String>,
    pub(super) service_account: Option<String>,
}

impl Good {
    /// An image that the person names: pulled with what the suspect has.
    pub(super) fn named(image: &Reference, suspect: Option<&Suspect>, home: &str) -> Self {
        Self {
            image: image.as_written().to_owned(),
            namespace: home.to_owned(),
            secrets: suspect.map_or_else(Vec::new, |suspect| suspect.secrets.clone()),
            service_account: suspect.and_then(|suspect| suspect.service_account.clone()),
        }
    }
}

/// Another node for the suspect image: of the same platform, ready, and without the image as far
/// as is known, so that it is pulled for real. One without taints first; then by name, so that the
/// same cluster gives the same choice.
pub(super) fn other_node<'a>(
    image: &str,
    here: &NodeRow,
    nodes: &'a [NodeRow],
    pods: &[PodRow],
) -> Option<&'a str> {
    let reference = Reference::parse(image).ok();
    let registry = reference.as_ref().map(Reference::registry);
    let pulls_from_it = |node: &NodeRow| {
        pods.iter()
            .filter(|pod| pod.spec.node_name == node.name)
            .flat_map(PodRow::running)
            .any(|image| {
                Reference::parse(image)
                    .ok()
                    .is_some_and(|image| Some(image.registry()) == registry)
            })
    };
    // What runs there is there, however old the node's list is.
    let has_it = |node: &NodeRow| {
        reference.as_ref().is_some_and(|image| {
            node.size_of(image).is_some()
                || pods
                    .iter()
                    .filter(|pod| pod.spec.node_name == node.name)
                    .flat_map(PodRow::running)
                    .any(|known| image.is_written_as(known))
        })
    };
    nodes
        .iter()
        .filter(|node| node.name != here.name)
        .filter(|node| node.takes_pods() && node.facts.platform() == here.facts.platform())
        .min_by_key(|node| {
            (
                has_it(node),
                node.is_special(),
                !pulls_from_it(node),
                &node.name,
            )
        })
        .map(|node| node.name.as_str())
}

/// The registry of which most images run.
pub(super) fn busiest_registry(pods: &[PodRow]) -> Option<String> {
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for image in pods.iter().flat_map(PodRow::running) {
        if let Ok(image) = Reference::parse(image) {
            *tally.entry(image.registry().to_owned()).or_default() += 1;
        }
    }
    tally
        .into_iter()
        .max_by(|(one, a), (other, b)| a.cmp(b).then_with(|| other.cmp(one)))
        .map(|(registry, _)| registry)
}

/// An image that runs in this cluster, and that a pod of its own may pull on the node: from the
/// suspect's namespace with its own secrets, or from anywhere without any. One that the node does
/// not list comes first, since it is pulled for real; then the smallest.
pub(super) fn good_image(
    fits: impl Fn(&Reference) -> bool,
    suspect: Option<&Reference>,
    here: &NodeRow,
    nodes: &[NodeRow],
    pods: &[PodRow],
    home: &str,
) -> Option<Good> {
    let mut best: Option<((bool, bool, u64, String), Good)> = None;
    for pod in pods {
        let is_home = pod.metadata.namespace == home;
        let secrets = &pod.spec.image_pull_secrets;
        if !is_home && !secrets.is_empty() {
            continue;
        }
        // Where it runs on a node of another platform, it may not be for this one.
        let runs_on = nodes.iter().find(|node| node.name == pod.spec.node_name);
        if runs_on.is_some_and(|node| node.facts.platform() != here.facts.platform()) {
            continue;
        }
        for image in pod.running() {
            let Ok(reference) = Reference::parse(image) else {
                continue;
            };
            let is_suspect = suspect.is_some_and(|suspect| {
                suspect.registry() == reference.registry()
                    && suspect.repository() == reference.repository()
            });
            if is_suspect || !fits(&reference) {
                continue;
            }
            let size = nodes
                .iter()
                .filter_map(|node| node.size_of(&reference))
                .min()
                .unwrap_or(u64::MAX);
            let is_there = here.size_of(&reference).is_some() || pod.spec.node_name == here.name;
            let key = (is_there, !secrets.is_empty(), size, image.to_owned());
            if best.as_ref().is_some_and(|(known, _)| *known <= key) {
                continue;
            }
            best = Some((
                key,
                Good {
                    image: image.to_owned(),
                    // Without secrets it can be tried where the suspect lives.
                    namespace: home.to_owned(),
                    secrets: secrets.iter().map(|secret| secret.name.clone()).collect(),
                    service_account: pod
                        .spec
                        .service_account_name
                        .clone()
                        .filter(|_| is_home && !secrets.is_empty()),
                },
            ));
        }
    }
    best.map(|(_, good)| good)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answers::NodeObject;

    fn node(name: &str, arch: &str, ready: &str, images: &[(&str, u64)]) -> NodeRow {
        let images: Vec<_> = images
            .iter()
            .map(|(name, size)| json!({"names": [name], "sizeBytes": size}))
            .collect();
        let object: NodeObject = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"taints": null},
            "status": {
                "nodeInfo": {"operatingSystem": "linux", "architecture": arch},
                "conditions": [{"type": "Ready", "status": ready}],
                "images": images,
            }
        }))
        .unwrap();
        object.into()
    }

    fn pod(namespace: &str, node: &str, image: &str, secrets: usize) -> PodRow {
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace},
            "spec": {"nodeName": node, "serviceAccountName": "robot",
                "imagePullSecrets": vec![json!({"name": "regcred"}); secrets],
                "containers": [{"name": "c", "image": image}]},
            "status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}
        }))
        .unwrap()
    }

    const IMAGE: &str = "reg.example.com/shop/api:2";

    #[test]
    fn another_node_is_like_the_first_and_lacks_the_image() {
        let here = node("n1", "amd64", "True", &[]);
        let nodes = [
            here.clone(),
            node("n2", "arm64", "True", &[]),
            node("n3", "amd64", "False", &[]),
            node("n4", "amd64", "True", &[(IMAGE, 7)]),
            node("n5", "amd64", "True", &[]),
        ];
        assert_eq!(other_node(IMAGE, &here, &nodes, &[]), Some("n5"));
        // Where all have it, it is resolved there.
        assert_eq!(other_node(IMAGE, &here, &nodes[..4], &[]), Some("n4"));
        assert_eq!(other_node(IMAGE, &here, &nodes[..3], &[]), None);
        // A node whose list does not know yet what runs there.
        let nodes = [
            here.clone(),
            nodes[4].clone(),
            node("n6", "amd64", "True", &[]),
        ];
        let pods = [pod("shop", "n5", IMAGE, 0)];
        assert_eq!(other_node(IMAGE, &here, &nodes, &pods), Some("n6"));
    }

    #[test]
    fn a_good_image_is_small_not_there_and_free() {
        let here = node("n1", "amd64", "True", &[("reg.example.com/there:1", 1)]);
        let nodes = [
            here.clone(),
            node(
                "n2",
                "amd64",
                "True",
                &[
                    ("reg.example.com/big:1", 900),
                    ("reg.example.com/small:1", 5),
                ],
            ),
            node("n3", "arm64", "True", &[("reg.example.com/arm:1", 1)]),
        ];
        let pods = [
            pod("other", "n2", "reg.example.com/big:1", 0),
            pod("other", "n2", "reg.example.com/there:1", 0),
            pod("other", "n2", "reg.example.com/private:1", 1),
            pod("other", "n3", "reg.example.com/arm:1", 0),
            pod("other", "n2", "reg.example.com/small:1", 0),
            pod("shop", "n2", "reg.example.com/shop/api:1", 0),
            pod("other", "n2", "nginx:1", 0),
        ];
        let suspect = Reference::parse(IMAGE).unwrap();
        let same = |image: &Reference| image.registry() == "reg.example.com";
        let good = good_image(same, Some(&suspect), &here, &nodes, &pods, "shop").unwrap();
        assert_eq!(good.image, "reg.example.com/small:1");
        assert_eq!((good.namespace.as_str(), good.secrets.len()), ("shop", 0));
        let other = |image: &Reference| !same(image);
        let good = good_image(other, Some(&suspect), &here, &nodes, &pods, "shop").unwrap();
        assert_eq!(good.image, "nginx:1");
        // What is on the node already comes last.
        let good = good_image(same, Some(&suspect), &here, &nodes, &pods[1..2], "shop").unwrap();
        assert_eq!(good.image, "reg.example.com/there:1");
        assert!(good_image(same, Some(&suspect), &here, &nodes, &pods[2..4], "shop").is_none());
    }

    #[test]
    fn a_private_image_of_the_own_namespace_is_tried_with_its_secrets() {
        let here = node("n1", "amd64", "True", &[]);
        let pods = [pod("shop", "n2", "reg.example.com/web:1", 1)];
        let good = good_image(|_| true, None, &here, &[], &pods, "shop").unwrap();
        assert_eq!(good.secrets, ["regcred"]);
        assert_eq!(good.service_account.as_deref(), Some("robot"));
        assert!(good_image(|_| true, None, &here, &[], &pods, "elsewhere").is_none());
    }

    #[test]
    fn the_busiest_registry() {
        let pods = [
            pod("a", "n1", "nginx", 0),
            pod("a", "n1", "reg.example.com/x", 0),
            pod("a", "n1", "reg.example.com/y", 0),
        ];
        assert_eq!(busiest_registry(&pods).as_deref(), Some("reg.example.com"));
        assert_eq!(busiest_registry(&[]), None);
    }
}
