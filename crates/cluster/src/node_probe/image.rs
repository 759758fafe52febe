//! Which image a probe starts from: one that is on the node and may be used without a login.

use std::collections::{BTreeMap, BTreeSet};

use pulldoctor_model::NodeFacts;

use crate::running::PodRow;

/// Most images that are tried one after another.
pub(super) const MOST_TRIES: usize = 3;

/// The images to try, best first: those of containers that run there without a pull secret, which
/// any pod may use (kubelet 1.35 and later check that, KEP-2535); the smallest first, so that the
/// choice does not depend on the order of a list. Then the pause image, then the rest of what the
/// node says it has.
pub(super) fn candidates(pods: &[PodRow], node: Option<&NodeFacts>) -> Vec<String> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for image in node.map(|node| node.images.as_slice()).unwrap_or_default() {
        for name in &image.names {
            sizes.insert(name, image.size);
        }
    }
    let mut free: BTreeSet<&str> = BTreeSet::new();
    let mut bound: BTreeSet<&str> = BTreeSet::new();
    for pod in pods {
        let used = if pod.spec.image_pull_secrets.is_empty() {
            &mut free
        } else {
            &mut bound
        };
        used.extend(pod.running().filter(|name| is_usable(name)));
    }
    let by_size = |names: &mut Vec<&str>| {
        names.sort_by_key(|name| (sizes.get(name).copied().unwrap_or(u64::MAX), *name));
    };
    let mut running: Vec<&str> = free.into_iter().collect();
    by_size(&mut running);
    let mut others: Vec<&str> = sizes
        .keys()
        .copied()
        .filter(|name| is_usable(name) && !bound.contains(name))
        .collect();
    by_size(&mut others);
    others.sort_by_key(|name| !is_pause(name));
    let mut all: Vec<String> = Vec::new();
    for name in running.into_iter().chain(others) {
        if !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all.truncate(MOST_TRIES);
    all
}

/// A bare identity and a name without tag (`<none>`) cannot be started from.
fn is_usable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with("sha256:") && !name.contains('<')
}

pub(super) fn is_pause(name: &str) -> bool {
    name.rsplit('/')
        .next()
        .is_some_and(|last| last.split([':', '@']).next() == Some("pause"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(image: &str, secrets: usize, running: bool) -> PodRow {
        let state = if running { "running" } else { "waiting" };
        serde_json::from_value(json!({
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": image}],
                "imagePullSecrets": vec![json!({"name": "regcred"}); secrets]},
            "status": {"containerStatuses": [{"name": "c", "state": {state: {}}}]}
        }))
        .unwrap()
    }

    fn node(images: &[(&str, u64)]) -> NodeFacts {
        let images: Vec<_> = images
            .iter()
            .map(|(name, size)| json!({"names": [name], "size": size}))
            .collect();
        serde_json::from_value(json!({"os": "linux", "arch": "amd64", "kubelet": "",
            "runtime": "", "conditions": [], "images": images, "unschedulable": false}))
        .unwrap()
    }

    #[test]
    fn what_runs_without_a_secret_comes_first_the_smallest_before_all() {
        let pods = [
            pod("big:1", 0, true),
            pod("small:1", 0, true),
            pod("private:1", 1, true),
            pod("stuck:1", 0, false),
        ];
        let node = node(&[("big:1", 900), ("small:1", 5), ("private:1", 1)]);
        assert_eq!(candidates(&pods, Some(&node)), ["small:1", "big:1"]);
    }

    #[test]
    fn without_pods_the_pause_image_comes_first() {
        let node = node(&[
            ("sha256:0123", 1),
            ("<none>@<none>", 1),
            ("app:1", 2),
            ("registry.k8s.io/pause:3.10", 3),
            ("tool/pause-not:1", 1),
        ]);
        assert_eq!(
            candidates(&[], Some(&node)),
            ["registry.k8s.io/pause:3.10", "tool/pause-not:1", "app:1"]
        );
        assert!(candidates(&[], None).is_empty());
    }
}
