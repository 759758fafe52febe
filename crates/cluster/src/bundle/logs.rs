//! Logs of nodes in a folder: those that are named as kubelets, runtimes and journald name them,
//! and those that lie in a folder that is named after a node.

use std::{collections::BTreeSet, path::Path};

use pulldoctor_model::Evidence;

use super::Bundle;
use crate::logs::GivenLog;

/// How a log of a node is named, in lower case.
const NAMES: [&str; 7] = [
    "kubelet",
    "containerd",
    "crio",
    "cri-o",
    "docker",
    "cri-docker",
    "journal",
];

impl Bundle {
    /// The logs of nodes that lie in the folder.
    pub fn node_logs(&self, evidence: &Evidence) -> Vec<GivenLog> {
        let nodes: BTreeSet<&str> = evidence
            .symptoms
            .iter()
            .filter_map(|symptom| symptom.node.as_deref())
            .collect();
        let root = Path::new(&self.name);
        let logs = self.logs.iter().filter_map(|path| {
            let folders = path.strip_prefix(root).unwrap_or(path).parent();
            let node = folders
                .into_iter()
                .flat_map(Path::components)
                .filter_map(|folder| folder.as_os_str().to_str())
                .rfind(|folder| nodes.contains(folder))
                .map(str::to_owned);
            (node.is_some() || is_named_as_one(path)).then(|| GivenLog {
                node,
                path: path.clone(),
            })
        });
        logs.collect()
    }
}

fn lower_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().to_ascii_lowercase()
}

/// Whether a file is a log by its name: `x.log`, `x.log.1`, `x.log.gz`.
pub(super) fn is_log(path: &Path) -> bool {
    let name = lower_name(path);
    let Some(at) = name.find(".log") else {
        return false;
    };
    let rest = &name[at + ".log".len()..];
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    rest.chars()
        .all(|character| character.is_ascii_digit() || matches!(character, '.' | '-'))
}

fn is_named_as_one(path: &Path) -> bool {
    let name = lower_name(path);
    NAMES.iter().any(|known| {
        name.strip_prefix(known)
            .is_some_and(|rest| rest.starts_with(['.', '-', '_', 'd', 'c']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_by_their_names() {
        for (path, log, named) in [
            ("a/kubelet.log", true, true),
            ("kubelet-n1.log.gz", true, true),
            ("journalctl.log.1", true, true),
            ("dockerd.log", true, true),
            ("api-6c9f.log", true, false),
            ("kubelet.yaml", false, true),
            ("login.logo.png", false, false),
        ] {
            let path = Path::new(path);
            assert_eq!(
                (is_log(path), is_named_as_one(path)),
                (log, named),
                "{path:?}"
            );
        }
    }
}
