//! What the lab could leave on a machine: a picture before and one after, and what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::cgroup;
use crate::exec;
use crate::paths;

/// Machine-wide settings that a kubelet changes
/// (`setupKernelTunables`, pkg/kubelet/cm/container_manager_linux.go, 1.37).
pub const SYSCTLS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// A picture of everything on the machine that the lab also makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    /// Network and mount namespaces, each with a process that is in it.
    namespaces: BTreeMap<String, String>,
    /// Processes that are the lab's by their cgroup or by a path in their command line.
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    loops: BTreeSet<String>,
    links: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    sysctls: BTreeSet<String>,
    folder: bool,
}

impl Traces {
    /// Looks at the machine.
    pub fn now() -> Self {
        let mut namespaces = BTreeMap::new();
        let mut processes = BTreeSet::new();
        let of_lab: BTreeSet<u32> = cgroup::processes().into_iter().collect();
        for pid in pids() {
            let words = command_line(pid);
            for kind in ["net", "mnt"] {
                if let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
                    namespaces
                        .entry(namespace.display().to_string())
                        .or_insert_with(|| format!("{pid} `{words}`"));
                }
            }
            if of_lab.contains(&pid) || words.contains(paths::DATA) {
                processes.insert(format!("process {pid} `{words}`"));
            }
        }
        Self {
            namespaces,
            processes,
            mounts: mounts(),
            loops: lines(
                &["losetup", "-l", "-n", "-O", "NAME,BACK-FILE"],
                "loop device",
            ),
            links: lines(&["ip", "-o", "link"], "link"),
            cgroups: cgroup::tops()
                .iter()
                .map(|path| format!("cgroup {}", path.display()))
                .collect(),
            sysctls: SYSCTLS
                .iter()
                .filter_map(|name| {
                    let value = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
                    Some(format!("sysctl {name} = {}", value.trim()))
                })
                .collect(),
            folder: Path::new(paths::DATA).exists(),
        }
    }

    /// What is here now and was not before, each in words.
    pub fn since(&self, before: &Self) -> Vec<String> {
        let mut new: Vec<String> = self
            .namespaces
            .iter()
            .filter(|(name, _)| !before.namespaces.contains_key(*name))
            .map(|(name, holder)| format!("namespace {name} of process {holder}"))
            .collect();
        for (now, then) in [
            (&self.processes, &before.processes),
            (&self.mounts, &before.mounts),
            (&self.loops, &before.loops),
            (&self.links, &before.links),
            (&self.cgroups, &before.cgroups),
            (&self.sysctls, &before.sysctls),
        ] {
            new.extend(now.difference(then).cloned());
        }
        if self.folder && !before.folder {
            new.push(format!("folder {}", paths::DATA));
        }
        new
    }
}

fn pids() -> Vec<u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The command line, cut short: it is for a person to read.
fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&bytes).replace('\0', " ");
    words.trim().chars().take(300).collect()
}

/// Mount points and what is mounted there; ids and options may change by themselves.
fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("mount {} at {}", words.next()?, words.next()?))
        })
        .collect()
}

/// The lines that a command prints, each with the word for what it names.
fn lines(argv: &[&str], word: &str) -> BTreeSet<String> {
    let text = exec::run(argv.iter().copied()).unwrap_or_default();
    text.lines()
        .map(|line| {
            // Of `ip -o link` only number and name: counters and states change.
            let line: Vec<&str> = line.split_whitespace().take(2).collect();
            format!("{word} {}", line.join(" "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_process_of_the_lab_is_seen_and_its_end_too() {
        let before = Traces::now();
        let mut child = Command::new("sh")
            .args(["-c", "read wait", "/var/lib/pulldoctor-lab/traces-test"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let marks = |traces: &Traces| {
            let new = traces.since(&before).into_iter();
            new.filter(|trace| trace.contains("traces-test")).count()
        };
        let pause = Duration::from_millis(20);
        let seen = exec::wait_until(Duration::from_secs(5), pause, || marks(&Traces::now()) == 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen);
        assert_eq!(marks(&Traces::now()), 0);
    }

    #[test]
    fn every_kind_of_trace_is_named() {
        let before = Traces::now();
        let mut after = before.clone();
        let name = || "new".to_owned();
        after.namespaces.insert("net:[1]".to_owned(), name());
        after.processes.insert("process new".to_owned());
        after.mounts.insert("mount new".to_owned());
        after.loops.insert("loop device new".to_owned());
        after.links.insert("link new".to_owned());
        after.cgroups.insert("cgroup new".to_owned());
        after.sysctls.insert("sysctl new".to_owned());
        after.folder = true;
        let expected = if before.folder { 7 } else { 8 };
        assert_eq!(after.since(&before).len(), expected);
        assert!(before.since(&before).is_empty());
    }
}
