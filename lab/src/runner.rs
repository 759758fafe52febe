//! Runs cases on a cluster, several at a time, and says what became of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::binaries;
use crate::case::{Case, Fault, Origin, name_matches};
use crate::cluster::Cluster;
use crate::faults::Lab;
use crate::lifecycle;
use crate::paths;
use crate::play::{Ground, Outcome, run_one};
use crate::queue::Queue;
use crate::tool;
use crate::variables::Variables;

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
    /// Run on another cluster than the lab's.
    pub elsewhere: Option<Elsewhere>,
}

/// Another cluster (kind, k3d, a cloud), and the images that its nodes can reach.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    /// Context of the kubeconfig that `kubectl` finds.
    pub context: String,
    /// `$PUBLIC_IMAGE`, see [`Variables::elsewhere`].
    pub public_image: Option<String>,
    /// `$PRIVATE_IMAGE`.
    pub private_image: Option<String>,
}

/// Counts of skipped cases by reason.
type Skipped = BTreeMap<String, usize>;

/// Runs the chosen cases, prints one line each and a summary, and says by its result whether
/// all passed.
///
/// # Errors
/// When a case failed, the other cluster does not answer, or the lab is missing where
/// `CI=true`.
pub fn run(options: &Options) -> Result<()> {
    let (mut chosen, mut skipped) = choose(options)?;
    if let Some(elsewhere) = &options.elsewhere {
        if !options.without_tool && !options.no_build {
            tool::build(&[tool::TOOL])?;
        }
        let cluster = Cluster::elsewhere(&elsewhere.context)?;
        cluster.remove_leftover_namespaces()?;
        let ground = Ground::new(cluster, None);
        let results = run_all(&ground, chosen, &mut skipped, options);
        return ground.clean().and(results);
    }
    if let Err(missing) = binaries::prerequisites() {
        return without_lab(&missing, chosen.len());
    }
    if !options.no_build {
        tool::build(&[tool::TOOL, tool::FAULT_DAEMON])?;
    }
    let _use = paths::in_use()?;
    lifecycle::up(true)?;
    // Two runs at once would take each other's faults for left-overs, and share nodes unknowingly.
    let _lock = paths::lock("test")?;
    let lab = Lab::open()?;
    lab.heal_leftovers()?;
    let cluster = Cluster::of_lab(&lab.namespace("ws")?);
    cluster.remove_leftover_namespaces()?;
    // Those that need a node for themselves first: at the end they would run one by one.
    chosen.sort_by_key(|case| !case.all_faults().any(Fault::is_surgery));
    run_all(
        &Ground::new(cluster, Some(lab)),
        chosen,
        &mut skipped,
        options,
    )
}

/// The cases to run, and how many are not, by reason.
fn choose(options: &Options) -> Result<(Vec<Case>, Skipped)> {
    let dir = options
        .dir
        .clone()
        .unwrap_or_else(|| paths::repository().join("cases"));
    let variables = match &options.elsewhere {
        None => Variables::of_lab(),
        Some(other) => Variables::elsewhere(
            other.public_image.as_deref(),
            other.private_image.as_deref(),
        )?,
    };
    let mut skipped = Skipped::new();
    let mut chosen: Vec<Case> = Vec::new();
    for case in Case::load_all_with(&dir, &variables)? {
        let named = options
            .cases
            .iter()
            .any(|pattern| name_matches(pattern, &case.name));
        if !options.cases.is_empty() && !named {
            continue;
        }
        let reason = if case.origin == Origin::Fixture {
            Some("fixtures, replayed by `cargo test` only".to_owned())
        } else if let (Some(_), Some(need)) = (&options.elsewhere, case.needs.first()) {
            Some(need.to_string())
        } else if case.slow && !options.all && !named {
            Some("slow, run with --all".to_owned())
        } else {
            None
        };
        match reason {
            Some(reason) => *skipped.entry(reason).or_default() += 1,
            None => chosen.push(case),
        }
    }
    if chosen.is_empty() && skipped.is_empty() && !options.cases.is_empty() {
        bail!("no case is named {}", options.cases.join(", "));
    }
    Ok((chosen, skipped))
}

fn run_all(
    ground: &Ground,
    chosen: Vec<Case>,
    skipped: &mut Skipped,
    options: &Options,
) -> Result<()> {
    let start = Instant::now();
    let budget = options
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    let queue = Queue::new(chosen);
    let results: Mutex<(usize, Vec<String>)> = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..(if options.jobs == 0 { 4 } else { options.jobs }) {
            scope.spawn(|| {
                while let Some((case, locks)) =
                    queue.next(|| budget.is_some_and(|limit| start.elapsed() > limit))
                {
                    let begin = Instant::now();
                    let outcome = run_one(ground, &case, options);
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
        skipped.insert("left out, the time budget was spent".to_owned(), left);
    }
    let (passed, failed) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary(passed, failed.len(), skipped);
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed cases: {}", failed.join(", "))
    }
}

fn summary(passed: usize, failed: usize, skipped: &Skipped) {
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
