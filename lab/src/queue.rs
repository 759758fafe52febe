//! Which case may run next: nodes under surgery and virtual hosts belong to one case at a time.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::case::{Case, Fault};

/// What a case holds while it runs: names it has for itself, nodes that it shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    own: Vec<String>,
    shared: Vec<String>,
}

impl Locks {
    fn of(case: &Case) -> Self {
        let mut own: Vec<String> = case.locks.clone();
        own.extend(
            case.all_hosts()
                .into_iter()
                .map(|host| format!("host {host}")),
        );
        let surgery: HashSet<&str> = case
            .all_faults()
            .filter(|fault| fault.is_surgery())
            .map(Fault::node)
            .collect();
        own.extend(surgery.iter().map(|node| format!("node {node}")));
        // Node settings of a host: two cases must not write the same file.
        own.extend(case.all_faults().filter_map(|fault| match fault {
            Fault::HostsToml { node, host, .. } => Some(format!("hosts.toml {node} {host}")),
            Fault::Firewall { node, host, .. } | Fault::Route { node, host, .. } => {
                Some(format!("way {node} {host}"))
            }
            _ => None,
        }));
        own.sort();
        own.dedup();
        let shared = case
            .used_nodes()
            .into_iter()
            .filter(|node| !surgery.contains(node.as_str()))
            .map(|node| format!("node {node}"))
            .collect();
        Self { own, shared }
    }
}

struct Waiting {
    cases: Vec<(Case, Locks)>,
    owned: HashSet<String>,
    shared: HashMap<String, usize>,
}

/// Cases that wait for their turn.
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    /// All of them, in this order.
    pub fn new(cases: Vec<Case>) -> Self {
        let cases = cases.into_iter().map(|case| {
            let locks = Locks::of(&case);
            (case, locks)
        });
        let waiting = Waiting {
            cases: cases.collect(),
            owned: HashSet::new(),
            shared: HashMap::new(),
        };
        Self {
            waiting: Mutex::new(waiting),
            changed: Condvar::new(),
        }
    }

    /// The first case whose locks are free; none when there is no more or `spent` says so.
    pub fn next(&self, spent: impl Fn() -> bool) -> Option<(Case, Locks)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if waiting.cases.is_empty() || spent() {
                return None;
            }
            if let Some(index) = waiting.first_free() {
                let (case, locks) = waiting.cases.remove(index);
                waiting.owned.extend(locks.own.iter().cloned());
                for node in &locks.shared {
                    *waiting.shared.entry(node.clone()).or_default() += 1;
                }
                return Some((case, locks));
            }
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives back what a case held.
    pub fn done(&self, locks: &Locks) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &locks.own {
            waiting.owned.remove(name);
        }
        for node in &locks.shared {
            if let Some(count) = waiting.shared.get_mut(node) {
                *count -= 1;
            }
        }
        self.changed.notify_all();
    }

    /// How many were never given out.
    pub fn left(&self) -> usize {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cases
            .len()
    }
}

impl Waiting {
    fn first_free(&self) -> Option<usize> {
        // Nodes that an earlier case waits to have for itself are not given to later sharers,
        // or it would wait until all others are done.
        let mut reserved: HashSet<&String> = HashSet::new();
        for (index, (_, locks)) in self.cases.iter().enumerate() {
            let free = locks.own.iter().all(|name| {
                !self.owned.contains(name) && self.shared.get(name).copied().unwrap_or(0) == 0
            }) && locks
                .shared
                .iter()
                .all(|node| !self.owned.contains(node) && !reserved.contains(node));
            if free {
                return Some(index);
            }
            reserved.extend(locks.own.iter().filter(|name| name.starts_with("node ")));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn case(name: &str, extra: &str) -> Case {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        let text = format!("story: s\norigin: lab\nmanifests: ''\nexpect: {{exit: 0}}\n{extra}\n");
        fs::write(dir.join("case.yaml"), text).unwrap();
        Case::load(&dir).unwrap()
    }

    #[test]
    fn node_surgery_waits_for_sharers_and_keeps_later_ones_off() {
        let queue = Queue::new(vec![
            case("a", "nodes: [n1]"),
            case(
                "b",
                "faults: [{containerd_stopped: {node: n1}}]\nnodes: [n1]",
            ),
            case("c", "nodes: [n1]"),
            case("d", "nodes: [n2]"),
        ]);
        let (first, locks) = queue.next(|| false).unwrap();
        assert_eq!(first.name, "a");
        let (second, _) = queue.next(|| false).unwrap();
        assert_eq!(second.name, "d");
        queue.done(&locks);
        let (third, locks) = queue.next(|| false).unwrap();
        assert_eq!(third.name, "b");
        queue.done(&locks);
        assert_eq!(queue.next(|| false).unwrap().0.name, "c");
        assert!(queue.next(|| false).is_none());
    }

    #[test]
    fn a_virtual_host_is_held_by_one_case() {
        let queue = Queue::new(vec![
            case("a", "hosts: {x.example.com: {}}"),
            case("b", "hosts: {x.example.com: {}}"),
        ]);
        let (_, locks) = queue.next(|| false).unwrap();
        assert_eq!(queue.waiting.lock().unwrap().first_free(), None);
        queue.done(&locks);
        assert_eq!(queue.next(|| false).unwrap().0.name, "b");
    }

    #[test]
    fn a_spent_budget_leaves_cases_out() {
        let queue = Queue::new(vec![case("a", "")]);
        assert!(queue.next(|| true).is_none());
        assert_eq!(queue.left(), 1);
    }
}
