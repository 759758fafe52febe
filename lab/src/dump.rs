//! What a failing case leaves for the person who looks into it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::cluster::Cluster;
use crate::faults::read;
use crate::labd;
use crate::paths;
use crate::tool::Said;

/// Writes objects, events, log lines of kubelets and runtimes that name the namespace or one of
/// the case's hosts (in the lab), the output of the tool and of a case's further
/// commands, and the reason into a folder, and returns it.
///
/// # Errors
/// When a file cannot be written.
pub fn write(
    cluster: &Cluster,
    case: &str,
    namespace: &str,
    hosts: &[&str],
    said: Option<&Said>,
    ran: &[Said],
    reason: &str,
) -> Result<PathBuf> {
    let root = paths::target_dir();
    let dir = root.parent().unwrap_or(&root).join("lab-dumps").join(case);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("reason.txt"), format!("{reason}\n"))?;
    let kinds = "pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,secrets,serviceaccounts";
    for (file, words) in [
        ("objects.yaml", vec!["get", kinds, "-o", "yaml"]),
        (
            "events.txt",
            vec!["get", "events", "--sort-by=.lastTimestamp"],
        ),
        ("describe.txt", vec!["describe", "pods"]),
    ] {
        let output = cluster
            .kubectl(["-n", namespace])
            .args(words)
            .timeout(Duration::from_secs(30))
            .finish();
        let text = output.map_or_else(|error| error.to_string(), |done| done.stdout + &done.stderr);
        fs::write(dir.join(file), text)?;
    }
    if let Some(said) = said {
        fs::write(dir.join("tool.stdout.json"), &said.stdout)?;
        fs::write(dir.join("tool.stderr.txt"), &said.stderr)?;
        fs::write(
            dir.join("evidence.json"),
            serde_json::to_vec_pretty(&said.evidence)?,
        )?;
    }
    for (at, said) in ran.iter().enumerate() {
        fs::write(dir.join(format!("run.{at}.stdout.json")), &said.stdout)?;
        fs::write(dir.join(format!("run.{at}.stderr.txt")), &said.stderr)?;
    }
    for host in hosts {
        fs::write(dir.join(format!("requests.{host}.json")), labd::log(host))?;
    }
    if !cluster.is_lab() {
        return Ok(dir);
    }
    for entry in fs::read_dir(paths::data("logs"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let lines: Vec<String> = read(&entry.path())
            .lines()
            .filter(|line| line.contains(namespace) || hosts.iter().any(|host| line.contains(host)))
            .map(str::to_owned)
            .collect();
        if !lines.is_empty() {
            let from = lines.len().saturating_sub(2000);
            fs::write(
                dir.join(name),
                lines.get(from..).unwrap_or_default().join("\n"),
            )?;
        }
    }
    Ok(dir)
}
