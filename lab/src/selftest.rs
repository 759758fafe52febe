//! `lab selftest`: crashes the lab in several ways and sees that `down` leaves nothing of it,
//! and runs cases on it as on any other cluster.

use std::fs;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::binaries;
use crate::exec::{self, Exec};
use crate::net::Namespace;
use crate::paths;
use crate::state::State;
use crate::tool;
use crate::traces::Traces;
use crate::variables::Variables;

/// Parts of the lab; `up` is killed as soon as one is there, and so is what it was about to do.
const CRASH_POINTS: [&str; 3] = ["outer", "apiserver", "n1/kubelet"];

/// Cases that the other cluster runs here: one with a fault to find, one that is healthy.
const ELSEWHERE: [&str; 2] = [
    "anywhere-tag-never-pushed",
    "healthy-anywhere-wrong-command",
];

/// Runs all of it, in less than a minute. Where the lab cannot run, or is in use, it is
/// skipped, and says so.
///
/// # Errors
/// When something is left behind, a step fails, or the lab is missing where `CI=true`.
pub fn run(no_build: bool) -> Result<()> {
    if let Err(missing) = binaries::prerequisites() {
        if std::env::var("CI").is_ok_and(|value| value == "true") {
            bail!("{missing}, and with CI=true that is a failure");
        }
        println!("lab: selftest skipped ({missing})");
        return Ok(());
    }
    let Some(_alone) = paths::alone()? else {
        println!("lab: selftest skipped (another `cargo xtask lab` is at work)");
        return Ok(());
    };
    if fs::exists(paths::DATA)? {
        println!("lab: selftest skipped (the lab is up: `cargo xtask lab down` first)");
        return Ok(());
    }
    binaries::build()?;
    if !no_build {
        tool::build(&[tool::TOOL, tool::FAULT_DAEMON])?;
    }
    let start = Instant::now();
    let tell = |what: &str| println!("lab: {:5.1} s  {what}", start.elapsed().as_secs_f32());
    let before = Traces::now();
    let result = crashes(&before, &tell);
    if result.is_err() {
        // Whatever went wrong: the machine is to be as it was.
        let _ = lab(&["down"]).run();
    }
    result
}

fn crashes(before: &Traces, tell: &impl Fn(&str)) -> Result<()> {
    for role in CRASH_POINTS {
        kill_up_at(role)?;
        down(before).with_context(|| format!("after a crash of `up` at `{role}`"))?;
        tell(&format!("nothing is left of an `up` killed at `{role}`"));
    }
    kill_up_at("apiserver")?;
    lab(&["up", "--no-build"]).run()?;
    tell("`up` mends what a killed `up` left");
    elsewhere()?;
    tell("its cluster is as good as any other");
    let _input = leave_a_shell()?;
    kill_test_under_way()?;
    down(before).context("after a crash of `test`")?;
    tell("nothing is left of a `test` killed with faults injected, nor of a shell");
    Ok(())
}

/// A command of the lab in a process of its own, which is not locked out by this one.
fn lab(words: &[&str]) -> Exec {
    Exec::new([own_program(), "lab".to_owned()])
        .args(words.iter().copied())
        .env(paths::SELFTEST, "1")
        .timeout(Duration::from_secs(180))
}

fn own_program() -> String {
    let own = std::env::current_exe().unwrap_or_else(|_| "pulldoctor-xtask".into());
    own.display().to_string()
}

fn start(words: &[&str]) -> Result<Child> {
    Command::new(own_program())
        .arg("lab")
        .args(words)
        .env(paths::SELFTEST, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("failed to start `lab {}`", words.join(" ")))
}

/// Waits until something is so, and kills the process then (SIGKILL: nothing is tidied up).
fn kill_when(mut child: Child, what: &str, mut reached: impl FnMut() -> bool) -> Result<()> {
    let mut ended = None;
    let limit = Duration::from_secs(90);
    let done = exec::wait_until(limit, Duration::from_millis(5), || {
        ended = child.try_wait().ok().flatten();
        ended.is_some() || reached()
    });
    let _ = child.kill();
    let _ = child.wait();
    match ended {
        Some(status) => bail!("the lab ended ({status}) before {what}"),
        None if done => Ok(()),
        None => bail!("no {what} after {limit:?}"),
    }
}

fn kill_up_at(role: &str) -> Result<()> {
    let child = start(&["up", "--no-build"])?;
    kill_when(child, &format!("start of `{role}`"), || {
        State::load().is_ok_and(|state| state.processes.contains_key(role))
    })
}

/// Kills a `lab shell` whose shell stays in its namespace, waiting for input for as long as what
/// is returned lives.
fn leave_a_shell() -> Result<ChildStdin> {
    let mut child = Command::new(own_program())
        .args(["lab", "shell"])
        .env(paths::SELFTEST, "1")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("failed to start `lab shell`")?;
    let mut input = child.stdin.take().context("no way to the shell")?;
    let mark = paths::data("shell-is-there");
    writeln!(input, "echo > {}", mark.display())?;
    kill_when(child, "a shell", || mark.exists())?;
    Ok(input)
}

/// Kills a run of cases in the midst of node surgery, with pods about.
fn kill_test_under_way() -> Result<()> {
    let child = start(&["test", "--no-build", "--all"])?;
    let journals = paths::data("undo");
    let mut since: Option<Instant> = None;
    kill_when(child, "faults injected", || {
        let count = fs::read_dir(&journals).map_or(0, Iterator::count);
        if count >= 3 {
            since.get_or_insert_with(Instant::now);
        }
        // A little later, so that some pods have containers.
        since.is_some_and(|since| since.elapsed() > Duration::from_secs(2))
    })
}

fn down(before: &Traces) -> Result<()> {
    lab(&["down"]).run()?;
    let mut left = Vec::new();
    // The kernel lets namespaces go a moment after their last process.
    exec::wait_until(Duration::from_secs(3), Duration::from_millis(100), || {
        left = Traces::now().since(before);
        left.is_empty()
    });
    if !left.is_empty() {
        bail!("`down` left behind: {}", left.join("; "));
    }
    Ok(())
}

/// Runs cases on the lab's cluster through its kubeconfig alone, from the workstation.
fn elsewhere() -> Result<()> {
    let workstation = Namespace::of(&State::load()?, "ws")?;
    let variables = Variables::of_lab();
    let said = workstation
        .exec([own_program(), "lab".to_owned()])
        .args(["test", "--no-build", "--context", "lab"])
        .args(["--image".to_owned(), variables.fill("$PUBLIC_IMAGE")])
        .args([
            "--private-image".to_owned(),
            variables.fill("$PRIVATE_IMAGE"),
        ])
        .args(ELSEWHERE)
        .env(paths::SELFTEST, "1")
        .env("KUBECONFIG", paths::kubeconfig().display().to_string())
        .timeout(Duration::from_secs(180))
        .run()
        .context("cases on the lab as another cluster")?;
    if !said.contains(&format!("{} passed", ELSEWHERE.len())) {
        bail!("not all cases ran on the lab as another cluster: {said}");
    }
    Ok(())
}
