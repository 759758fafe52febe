//! The state file: every process, cgroup, loop device, sysctl and folder that the lab made,
//! written before or as each comes into being, so that `down` can remove all of it also after a
//! crash. Mounts and network namespaces die with the processes that hold them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::paths;

/// A process that the lab started and that keeps running.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`): with the pid, it
    /// names this process and no later one.
    pub started: u64,
    /// Its log file.
    pub log: PathBuf,
}

/// All that the lab owns on this machine.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Processes by role (`outer`, `n1`, `n1/kubelet`, `apiserver`, …). The bare ones hold the
    /// namespaces (network, mount) of that name and every mount in them.
    pub processes: BTreeMap<String, Process>,
    /// Cgroup folders made, one per controller.
    pub cgroups: Vec<PathBuf>,
    /// Image files that are loop-mounted inside a node.
    pub loop_images: Vec<PathBuf>,
    /// Machine-wide sysctls as they were before, by path under `/proc/sys`.
    pub sysctls: BTreeMap<String, String>,
    /// True once `up` has come to its end.
    pub ready: bool,
}

impl State {
    /// Reads the state file; an absent one is an empty state.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load() -> Result<Self> {
        let path = file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("failed to read state file {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    /// Writes the state file, atomically.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self) -> Result<()> {
        fs::create_dir_all(paths::DATA)?;
        let next = paths::data("state.json.next");
        fs::write(&next, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&next, file()).context("failed to write the state file")
    }

    /// Notes a running process under its role and saves.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn add_process(&mut self, role: &str, pid: u32, log: &Path) -> Result<()> {
        let started = start_time(pid).unwrap_or(0);
        self.processes.insert(
            role.to_owned(),
            Process {
                pid,
                started,
                log: log.to_path_buf(),
            },
        );
        self.save()
    }

    /// The process id of a role, when that very process still runs.
    pub fn pid(&self, role: &str) -> Option<u32> {
        let process = self.processes.get(role)?;
        is_alive(process).then_some(process.pid)
    }
}

/// The state file's place.
pub fn file() -> PathBuf {
    paths::data("state.json")
}

/// True when the process of that id is still the one that was noted and not a zombie.
pub fn is_alive(process: &Process) -> bool {
    start_time(process.pid) == Some(process.started)
}

/// Start time of a process in clock ticks since boot; none when it is gone or a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name stands in parentheses and may hold anything, also parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_alive_and_a_later_one_is_not() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        let log = PathBuf::new();
        assert!(is_alive(&Process {
            pid,
            started,
            log: log.clone()
        }));
        assert!(!is_alive(&Process {
            pid,
            started: started + 1,
            log
        }));
    }
}
