//! Runs cases on the lab's cluster, several at a time, each in a namespace of its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::binaries;
use crate::case::{Case, Fault, Origin, Step, name_matches};
use crate::check;
use crate::control_plane;
use crate::dump;
use crate::exec;
use crate::faults::{Injected, Lab};
use crate::lifecycle;
use crate::net::Namespace;
use crate::node;
use crate::paths;
use crate::tool::{self, Said};
use crate::wait;

/// What to run and how.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of cases (`image-*` for a prefix); all when empty.
    pub cases: Vec<String>,
    /// Folder of the cases; `cases/` of the repository unless given.
    pub dir: Option<PathBuf>,
    /// Slow ones as well.
    pub all: bool,
    /// Most cases at a time; 4 when 0.
    pub jobs: usize,
    /// No new case is started after so many minutes.
    pub minutes: Option<u64>,
    /// Stop before the tool is run: only injecting and waiting is tried.
    pub without_tool: bool,
    /// Do not build the tool and the fault daemon first.
    pub no_build: bool,
    /// Write the recorded evidence into the case's folder.
    pub record: bool,
}

/// How a case ended.
enum Outcome {
    Passed,
    Failed(String),
}

/// Runs the chosen cases, prints one line each and a summary, and says by its result whether
/// all passed.
///
/// # Errors
/// When a case failed, or the lab is missing where `CI=true`.
pub fn run(options: &Options) -> Result<()> {
    let dir = options
        .dir
        .clone()
        .unwrap_or_else(|| paths::repository().join("cases"));
    let cases = Case::load_all(&dir)?;
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen: Vec<Case> = Vec::new();
    for case in cases {
        let named = options
            .cases
            .iter()
            .any(|pattern| name_matches(pattern, &case.name));
        if !options.cases.is_empty() && !named {
            continue;
        }
        if case.origin == Origin::Fixture {
            *skipped
                .entry("fixtures, replayed by `cargo test` only")
                .or_default() += 1;
        } else if case.slow && !options.all && !named {
            *skipped.entry("slow, run with --all").or_default() += 1;
        } else {
            chosen.push(case);
        }
    }
    if chosen.is_empty() && skipped.is_empty() && !options.cases.is_empty() {
        bail!("no case is named {}", options.cases.join(", "));
    }
    if let Err(missing) = binaries::prerequisites() {
        return without_lab(&missing, chosen.len());
    }
    if !options.without_tool && !options.no_build {
        tool::build(&["pulldoctor-cli"])?;
    }
    lifecycle::up(options.no_build)?;
    // Two runs at once would take each other's faults for left-overs, and share nodes unknowingly.
    let _lock = paths::lock("test")?;
    let lab = Lab::open()?;
    lab.heal_leftovers()?;
    remove_leftover_namespaces()?;

    let start = Instant::now();
    let budget = options
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    // Those that need a node for themselves first: at the end they would run one by one.
    chosen.sort_by_key(|case| !case.all_faults().any(Fault::is_surgery));
    let queue = Queue::new(chosen);
    let results: Mutex<(usize, Vec<String>)> = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..(if options.jobs == 0 { 4 } else { options.jobs }) {
            scope.spawn(|| {
                while let Some((case, locks)) =
                    queue.next(|| budget.is_some_and(|limit| start.elapsed() > limit))
                {
                    let begin = Instant::now();
                    let outcome = run_one(&lab, &case, options);
                    queue.done(&locks);
                    let seconds = begin.elapsed().as_secs_f32();
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Outcome::Passed => {
                            results.0 += 1;
                            println!("PASS {} ({seconds:.1} s)", case.name);
                        }
                        Outcome::Failed(reason) => {
                            println!("FAIL {} ({seconds:.1} s): {reason}", case.name);
                            results.1.push(case.name.clone());
                        }
                    }
                }
            });
        }
    });
    let left = queue.left();
    if left > 0 {
        skipped.insert("left out, the time budget was spent", left);
    }
    let (passed, failed) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary(passed, failed.len(), &skipped);
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed cases: {}", failed.join(", "))
    }
}

fn summary(passed: usize, failed: usize, skipped: &BTreeMap<&str, usize>) {
    let total: usize = skipped.values().sum();
    let reasons: Vec<String> = skipped
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let reasons = if reasons.is_empty() {
        String::new()
    } else {
        format!(" ({})", reasons.join("; "))
    };
    println!("lab: {passed} passed, {failed} failed, {total} skipped{reasons}");
}

fn without_lab(missing: &binaries::Missing, count: usize) -> Result<()> {
    if std::env::var("CI").is_ok_and(|value| value == "true") {
        bail!("{missing}, and with CI=true that is a failure");
    }
    println!("lab: 0 passed, 0 failed, {count} skipped ({missing})");
    Ok(())
}

/// What a case holds while it runs: names it has for itself, nodes that it shares.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Locks {
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
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    fn new(cases: Vec<Case>) -> Self {
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
    fn next(&self, spent: impl Fn() -> bool) -> Option<(Case, Locks)> {
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

    fn done(&self, locks: &Locks) {
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

    fn left(&self) -> usize {
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

/// Runs one case to its end and takes everything back.
fn run_one(lab: &Lab, case: &Case, options: &Options) -> Outcome {
    match try_one(lab, case, options) {
        Ok(wrong) if wrong.is_empty() => Outcome::Passed,
        Ok(wrong) => Outcome::Failed(wrong.join("; ")),
        Err(error) => Outcome::Failed(format!("{error:#}")),
    }
}

fn try_one(lab: &Lab, case: &Case, options: &Options) -> Result<Vec<String>> {
    let namespace = unique_namespace(&case.name)?;
    let workstation = lab.namespace("ws")?;
    forget_images(lab, case)?;
    let mut injected = Injected::none(lab, &namespace)?;
    let mut said = None;
    let mut result = play(&mut injected, case, &workstation, &namespace).and_then(|()| {
        if options.without_tool {
            return Ok(Vec::new());
        }
        let record = paths::data("records").join(format!("{namespace}.json"));
        fs::create_dir_all(paths::data("records"))?;
        let output = tool::diagnose(&workstation, &namespace, &record, &case.args)?;
        let wrong = judge(case, &output, options);
        said = Some(output);
        wrong
    });
    let reason = match &result {
        Ok(wrong) => wrong.join("\n"),
        Err(error) => format!("{error:#}"),
    };
    let failed = !reason.is_empty();
    if failed {
        let dumped = dump::write(
            &workstation,
            &case.name,
            &namespace,
            &case.all_hosts(),
            said.as_ref(),
            &reason,
        );
        if let (Ok(wrong), Ok(dir)) = (&mut result, &dumped) {
            wrong.push(format!("dump in {}", dir.display()));
        }
    }
    remove_namespace(&namespace);
    let healed = injected.heal();
    let _ = forget_images(lab, case);
    // A fault that stays would spoil the next case: it is the worse news of the two.
    healed.context("the case's faults could not be taken back")?;
    result
}

/// Brings the case about: hosts, faults, objects, and what must have happened.
fn play(
    injected: &mut Injected<'_>,
    case: &Case,
    workstation: &Namespace,
    namespace: &str,
) -> Result<()> {
    let faults: Vec<&Fault> = case.all_faults().collect();
    injected.hosts(&case.hosts, &faults)?;
    for fault in &case.faults {
        injected.inject(fault)?;
    }
    create_namespace(namespace)?;
    apply(workstation, namespace, &case.manifests()?)?;
    for condition in &case.wait {
        wait::for_condition(namespace, condition)?;
    }
    for step in &case.steps {
        match step {
            Step::Wait(condition) => wait::for_condition(namespace, condition)?,
            Step::Fault(fault) => injected.inject(fault)?,
            Step::Hosts(hosts) => injected.hosts(hosts, &faults)?,
            Step::Heal(false) => {}
            Step::Heal(true) => injected.heal()?,
            Step::Apply(text) => apply(workstation, namespace, text)?,
            Step::Delete(object) => {
                control_plane::kubectl(
                    workstation,
                    ["-n", namespace, "delete", "--now", object.as_str()],
                )
                .timeout(Duration::from_secs(60))
                .run()?;
            }
            Step::Sleep(seconds) => std::thread::sleep(Duration::from_secs(*seconds)),
        }
    }
    Ok(())
}

fn judge(case: &Case, said: &Said, options: &Options) -> Result<Vec<String>> {
    if said.report.is_null() && said.exit < 3 {
        return Ok(vec![format!(
            "the tool wrote no JSON (exit {}): {}",
            said.exit,
            exec::last_lines(&said.stderr, 3)
        )]);
    }
    let mut wrong = check::report(&case.expect, said.exit, &said.report);
    if said.evidence.is_null() {
        wrong.push("the tool recorded no evidence".to_owned());
        return Ok(wrong);
    }
    let file = case.evidence_file();
    if options.record {
        fs::write(&file, serde_json::to_string_pretty(&said.evidence)? + "\n")
            .with_context(|| format!("failed to write {}", file.display()))?;
        println!("lab: recorded {}", file.display());
        return Ok(wrong);
    }
    match fs::read(&file) {
        Ok(bytes) => {
            let stored: Value = serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is no JSON", file.display()))?;
            wrong.extend(check::shape_differences(&stored, &said.evidence));
        }
        Err(_) => wrong.push(format!(
            "no recording yet (`cargo xtask lab record {}`)",
            case.name
        )),
    }
    Ok(wrong)
}

fn unique_namespace(case: &str) -> Result<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let suffix: String = uuid
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(5)
        .collect();
    let name: String = case.chars().take(50).collect();
    Ok(format!("{}-{suffix}", name.trim_end_matches('-')))
}

fn create_namespace(name: &str) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name, "labels": {"lab.pulldoctor.dev/case": "true"}}});
    control_plane::ask("POST", "/api/v1/namespaces", Some(&object))?;
    let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
    let pause = Duration::from_millis(100);
    if !exec::wait_until(Duration::from_secs(15), pause, || {
        control_plane::get(&account).is_ok()
    }) {
        bail!("namespace {name} got no service account within 15 s");
    }
    Ok(())
}

fn remove_namespace(name: &str) {
    // Ends the pods at once; the rest goes in its own time and disturbs nobody.
    let pods = format!("/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0");
    let _ = control_plane::ask("DELETE", &pods, None);
    let _ = control_plane::ask("DELETE", &format!("/api/v1/namespaces/{name}"), None);
}

/// Removes the namespaces of an earlier run that was killed.
fn remove_leftover_namespaces() -> Result<()> {
    let list = control_plane::get("/api/v1/namespaces?labelSelector=lab.pulldoctor.dev%2Fcase")?;
    for object in list["items"].as_array().into_iter().flatten() {
        if object["status"]["phase"] == "Active" {
            remove_namespace(object["metadata"]["name"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn apply(workstation: &Namespace, namespace: &str, text: &str) -> Result<()> {
    let text = text.replace("$NAMESPACE", namespace);
    control_plane::kubectl(workstation, ["-n", namespace, "apply", "-f", "-"])
        .stdin(text)
        .timeout(Duration::from_secs(30))
        .run()
        .context("failed to apply the case's objects")?;
    Ok(())
}

/// Removes images of the case's own hosts from its nodes: an earlier run may have pulled them.
fn forget_images(lab: &Lab, case: &Case) -> Result<()> {
    let hosts = case.all_hosts();
    if hosts.is_empty() {
        return Ok(());
    }
    for name in case.used_nodes() {
        if name == "ws" {
            continue;
        }
        let namespace = lab.namespace(&name)?;
        node::by_name(&name)?.remove_images(&namespace, |image| {
            let host = image.split('/').next().unwrap_or(image);
            hosts.contains(&host.split(':').next().unwrap_or(host))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn namespaces_are_unique_and_short() {
        let long = "x".repeat(80);
        let one = unique_namespace(&long).unwrap();
        assert!(one.len() <= 63);
        assert_ne!(one, unique_namespace(&long).unwrap());
    }
}
