//! The lab's own cgroups: one top folder per controller, so that every process of the lab can be
//! found and ended, and so that no kubelet meets the machine's own groups.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::exec;

/// The name of the lab's top cgroup under every controller.
pub const TOP: &str = "pulldoctor-lab";

const ROOT: &str = "/sys/fs/cgroup";

/// Roots of the hierarchies: one for cgroup v2, one per controller for v1.
fn hierarchies() -> Vec<PathBuf> {
    if Path::new(ROOT).join("cgroup.controllers").exists() {
        return vec![PathBuf::from(ROOT)];
    }
    let mut roots: Vec<PathBuf> = fs::read_dir(ROOT)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists() && !path.is_symlink())
        .collect();
    roots.sort();
    roots
}

/// The hierarchy whose membership tells which processes are the lab's.
fn tracking_root() -> PathBuf {
    let pids = Path::new(ROOT).join("pids");
    if pids.join("cgroup.procs").exists() {
        pids
    } else {
        PathBuf::from(ROOT)
    }
}

/// The file that a process of the lab enters at its start.
pub fn procs_file() -> PathBuf {
    tracking_root().join(TOP).join("system/cgroup.procs")
}

/// Puts this process, and all that it starts from now on, among the lab's own: when it is
/// killed, `down` finds what it left running.
///
/// # Errors
/// When the lab's cgroups are not there.
pub fn enter() -> Result<()> {
    let file = tracking_root().join(TOP).join("drivers/cgroup.procs");
    fs::write(&file, "0").with_context(|| format!("failed to enter {}", file.display()))
}

/// The lab's top cgroups that are there, one per controller.
pub fn tops() -> Vec<PathBuf> {
    hierarchies()
        .iter()
        .map(|root| root.join(TOP))
        .filter(|top| top.exists())
        .collect()
}

/// Makes the lab's cgroups under every controller: `system` for its daemons, `drivers` for the
/// processes of `cargo xtask lab`, and one per node for the pods. Returns the top folders.
///
/// # Errors
/// When a folder cannot be made.
pub fn create(nodes: &[&str]) -> Result<Vec<PathBuf>> {
    let mut tops = Vec::new();
    for root in hierarchies() {
        let top = root.join(TOP);
        make(&root, &top)?;
        for child in ["system", "drivers"].iter().chain(nodes) {
            make(&top, &top.join(child))?;
        }
        tops.push(top);
    }
    Ok(tops)
}

fn make(parent: &Path, dir: &Path) -> Result<()> {
    // cgroup v2: what the children may use must be handed down first.
    if let Ok(controllers) = fs::read_to_string(parent.join("cgroup.controllers")) {
        for controller in controllers.split_whitespace() {
            let _ = fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            );
        }
    }
    fs::create_dir_all(dir).with_context(|| format!("failed to make cgroup {}", dir.display()))?;
    // cgroup v1: a new cpuset is empty, and a process cannot enter it until it is not.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if dir.join(file).exists() {
            let value = fs::read_to_string(parent.join(file)).unwrap_or_default();
            if !value.trim().is_empty() {
                let _ = fs::write(dir.join(file), value.trim());
            }
        }
    }
    Ok(())
}

/// Every process in the lab's cgroups, whatever controller it is under.
pub fn processes() -> Vec<u32> {
    let mut pids = Vec::new();
    for root in hierarchies() {
        walk(&root.join(TOP), &mut |dir| {
            let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            pids.extend(
                text.lines()
                    .filter_map(|line| line.trim().parse::<u32>().ok()),
            );
        });
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// Removes the lab's cgroups, deepest first. Returns the folders that remain.
pub fn remove() -> Vec<PathBuf> {
    let mut left = Vec::new();
    for root in hierarchies() {
        let top = root.join(TOP);
        // The kernel lets an emptied group go a moment after its last process.
        exec::wait_until(Duration::from_secs(5), Duration::from_millis(50), || {
            let mut dirs = Vec::new();
            walk(&top, &mut |dir| dirs.push(dir.to_path_buf()));
            for dir in dirs.iter().rev() {
                let _ = fs::remove_dir(dir);
            }
            !top.exists()
        });
        if top.exists() {
            left.push(top);
        }
    }
    left
}

/// Calls `visit` on a folder and all folders below it, parents before children.
fn walk(dir: &Path, visit: &mut impl FnMut(&Path)) {
    if !dir.is_dir() {
        return;
    }
    visit(dir);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            walk(&path, visit);
        }
    }
}
