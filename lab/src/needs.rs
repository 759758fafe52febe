//! What a case needs of the place where it runs, read from the case itself: those that need
//! nothing of the lab run on any cluster.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::case::{Case, Place, Step};

/// Something that only the lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Virtual hosts of the fault daemon.
    VirtualHosts,
    /// Faults on nodes or on the workstation.
    Faults,
    /// A workstation outside of the company.
    Outside,
    /// Nodes by name.
    Nodes,
    /// Images of the lab's registries, or under names that only its DNS knows or denies.
    Registries,
    /// Objects outside of the case's own namespace.
    OtherObjects,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VirtualHosts => "need registries that misbehave on demand",
            Self::Faults => "need faults on nodes",
            Self::Outside => "need a workstation that the company's network does not know",
            Self::Nodes => "need the lab's nodes",
            Self::Registries => "need the lab's registries",
            Self::OtherObjects => "need objects outside of their own namespace",
        })
    }
}

/// Kinds that live in a namespace and change nothing outside of it.
const OWN_KINDS: [&str; 13] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

/// What a case needs, the strongest first. `case` is as written, its variables not filled in.
///
/// # Errors
/// When its manifests cannot be read.
pub fn of(case: &Case) -> Result<Vec<Need>> {
    let mut needs = Vec::new();
    if !case.all_hosts().is_empty() {
        needs.push(Need::VirtualHosts);
    }
    if case.all_faults().next().is_some() {
        needs.push(Need::Faults);
    }
    if case.from == Place::Outside {
        needs.push(Need::Outside);
    }
    let runs = case.runs.iter().flat_map(|run| &run.args);
    let reads_logs = case
        .args
        .iter()
        .chain(runs)
        .any(|arg| arg.contains("$LOGS"));
    if !case.nodes.is_empty() || reads_logs {
        needs.push(Need::Nodes);
    }
    let mut texts = vec![case.manifests()?];
    texts.extend(case.steps.iter().filter_map(|step| match step {
        Step::Apply(text) => Some(text.clone()),
        _ => None,
    }));
    for text in texts {
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(&text).context("failed to read the manifests")?;
        for object in objects.iter().filter(|object| !object.is_null()) {
            needs_of_object(object, &mut needs);
        }
    }
    needs.sort_unstable();
    needs.dedup();
    Ok(needs)
}

fn needs_of_object(object: &Value, needs: &mut Vec<Need>) {
    let own_kind = object["kind"]
        .as_str()
        .is_some_and(|kind| OWN_KINDS.contains(&kind));
    let namespace = object["metadata"]["namespace"].as_str();
    if !own_kind || namespace.is_some_and(|namespace| namespace != "$NAMESPACE") {
        needs.push(Need::OtherObjects);
    }
    walk(object, needs);
}

fn walk(value: &Value, needs: &mut Vec<Need>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value.as_str()) {
                    // Of an image volume it is `image: {reference: …}`.
                    ("image" | "reference", Some(image)) if !is_anywhere(image) => {
                        needs.push(Need::Registries);
                    }
                    ("nodeName" | "kubernetes.io/hostname", Some(_)) => needs.push(Need::Nodes),
                    _ => walk(value, needs),
                }
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| walk(entry, needs)),
        _ => {}
    }
}

/// Whether an image means the same on every cluster: by variable, or under a name that RFC 2606
/// keeps from ever existing.
fn is_anywhere(image: &str) -> bool {
    let host = image.split('/').next().unwrap_or(image);
    let host = host.split(':').next().unwrap_or(host);
    image.starts_with("$P") || host.ends_with(".invalid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(extra: &str, manifests: &str) -> Vec<Need> {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("story: s\norigin: lab\nexpect: {{exit: 0}}\n{extra}\n");
        std::fs::write(dir.path().join("case.yaml"), text).unwrap();
        std::fs::write(dir.path().join("manifests.yaml"), manifests).unwrap();
        Case::load(dir.path()).unwrap().needs
    }

    fn pod(spec: &str) -> String {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n")
    }

    #[test]
    fn variables_and_invalid_names_need_nothing() {
        let first = pod("{containers: [{name: a, image: $PUBLIC_IMAGE}]}");
        let second = pod("{containers: [{name: a, image: 'r.invalid:5000/a:1'}]}");
        assert_eq!(needs("", &format!("{first}---\n{second}---\n")), []);
    }

    #[test]
    fn whatever_only_the_lab_has_is_seen() {
        let fine = pod("{containers: [{name: a, image: $PUBLIC_IMAGE}]}");
        let image = pod("{containers: [{name: a, image: registry.lab/a}]}");
        let volume = pod("{volumes: [{name: v, image: {reference: registry.lab/a}}]}");
        let node = pod("{nodeName: n1, containers: []}");
        let policy = fine.replace("kind: Pod", "kind: MutatingAdmissionPolicy");
        let other = fine.replace("name: a}", "name: a, namespace: kube-system}");
        let other = other.replacen("name: a, namespace", "name: b, namespace", 1);
        for (extra, manifests, need) in [
            ("", &image, Need::Registries),
            ("", &volume, Need::Registries),
            ("", &node, Need::Nodes),
            ("nodes: [n1]", &fine, Need::Nodes),
            (
                "args: [--runtime-log, n1=$LOGS/n1.kubelet.log]",
                &fine,
                Need::Nodes,
            ),
            ("from: outside", &fine, Need::Outside),
            ("", &policy, Need::OtherObjects),
            ("", &other, Need::OtherObjects),
            ("hosts: {a.example.com: {}}", &fine, Need::VirtualHosts),
            (
                "steps: [{fault: {pause_missing: {node: n1}}}]",
                &fine,
                Need::Faults,
            ),
        ] {
            assert_eq!(needs(extra, manifests), [need], "{extra} {manifests}");
        }
    }

    #[test]
    fn objects_of_later_steps_count() {
        let fine = pod("{containers: [{name: a, image: $PUBLIC_IMAGE}]}");
        let step = "steps:\n  - apply: |\n      kind: Pod\n      spec: {containers: [{image: registry.lab/a}]}";
        assert_eq!(needs(step, &fine), [Need::Registries]);
    }
}
