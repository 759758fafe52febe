//! `lab kills`: ends looks from nodes at random moments. After SIGTERM nothing may be left; after
//! SIGKILL, which lets nobody tidy up, nothing after the next run that comes when their lifetime is
//! over.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::{Cluster, random_word};
use crate::exec;
use crate::net::Namespace;
use crate::paths;
use crate::state::State;
use crate::tool;

/// What is looked at.
const IMAGE: &str = "registry.lab/shop/api:v1.4.0";

/// The nodes that take turns: containerd 1.6 and 2.4.
const NODES: [&str; 2] = ["n1", "n2"];

/// A look takes about two seconds, with the start of the program.
const LATEST_KILL_MS: u64 = 2_500;

/// After this time nothing of a look belongs to anybody (`docs/node-probe.md`).
const LIFETIME: Duration = Duration::from_secs(185);

/// How long a look may tidy up.
const TIDY: Duration = Duration::from_secs(10);

/// What carries the labels of the node probe.
const SELECTOR: &str = "labelSelector=app.kubernetes.io/name=pulldoctor-probe";

/// Kills that many looks, waits for the end of their lifetime and looks once more.
///
/// # Errors
/// When the lab is not up, a whole look fails, or something is left.
pub fn run(times: usize, no_build: bool) -> Result<()> {
    let _use = paths::in_use()?;
    if !no_build {
        tool::build(&[tool::TOOL])?;
    }
    let workstation = Namespace::of(&State::load()?, "ws")?;
    let cluster = Cluster::of_lab(&workstation);
    look(&cluster, &workstation).context("a look that nobody disturbs")?;
    ensure!(
        left(&cluster)?.is_empty(),
        "a look that nobody disturbed left something: {:?}",
        left(&cluster)?
    );
    let terminated = times / 5;
    for at in 0..terminated {
        end(&workstation, NODES[at % NODES.len()])?;
        let names = left(&cluster)?;
        ensure!(names.is_empty(), "left after SIGTERM: {}", names.join(", "));
    }
    println!("lab: {terminated} looks were ended by SIGTERM, and left nothing");
    let mut met = 0;
    for at in 0..times {
        let before = left(&cluster)?.len();
        kill(&workstation, NODES[at % NODES.len()])?;
        met += usize::from(left(&cluster)?.len() > before);
    }
    let most = left(&cluster)?.len();
    println!("lab: {times} looks were killed, {met} left something, {most} objects are there");
    // Or the kills came too early or too late to say anything.
    ensure!(
        times < 10 || met * 5 > times,
        "only {met} of {times} kills met a look that had created something"
    );
    let since = Instant::now();
    println!("lab: their lifetime ends in {} s", LIFETIME.as_secs());
    std::thread::sleep(LIFETIME);
    look(&cluster, &workstation)?;
    let names = left(&cluster)?;
    if !names.is_empty() {
        bail!("left after {times} kills: {}", names.join(", "));
    }
    println!(
        "lab: nothing is left of them ({:.0} s)",
        since.elapsed().as_secs_f32()
    );
    Ok(())
}

fn words(place: &Namespace, node: &str) -> Command {
    let mut words = place.enter();
    words.extend([
        tool::binary().display().to_string(),
        "probe".to_owned(),
        IMAGE.to_owned(),
        format!("--from=node/{node}"),
    ]);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .env("KUBECONFIG", paths::kubeconfig())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A look that ends by itself.
fn look(cluster: &Cluster, place: &Namespace) -> Result<()> {
    let said = cluster
        .tool(Some(place), ["probe", IMAGE, "--from=node/n1"])
        .timeout(Duration::from_secs(60))
        .finish()?;
    ensure!(
        said.code == 0,
        "it ended with {}: {}",
        said.code,
        said.stderr
    );
    Ok(())
}

/// A look that is under way for a random time.
fn begin(place: &Namespace, node: &str) -> Result<Child> {
    let child = words(place, node).spawn().context("start a look")?;
    let chance = u64::from_str_radix(&random_word(8)?, 16)?;
    std::thread::sleep(Duration::from_millis(chance % LATEST_KILL_MS));
    Ok(child)
}

/// A look that is killed at a random moment.
fn kill(place: &Namespace, node: &str) -> Result<()> {
    let mut child = begin(place, node)?;
    // It may have ended.
    let _ = child.kill();
    let _ = child.wait();
    Ok(())
}

/// A look that is asked to end at a random moment.
fn end(place: &Namespace, node: &str) -> Result<()> {
    let mut child = begin(place, node)?;
    // It may have ended.
    let _ = exec::run([
        "kill".to_owned(),
        "-TERM".to_owned(),
        child.id().to_string(),
    ]);
    let mut ended = false;
    exec::wait_until(TIDY, Duration::from_millis(20), || {
        ended = child.try_wait().is_ok_and(|status| status.is_some());
        ended
    });
    if !ended {
        let _ = child.kill();
        let _ = child.wait();
        bail!(
            "a look did not end within {} s after SIGTERM",
            TIDY.as_secs()
        );
    }
    Ok(())
}

/// The objects of looks that are there.
fn left(cluster: &Cluster) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for plural in ["configmaps", "pods"] {
        let list = cluster.get(&format!("/api/v1/{plural}?{SELECTOR}"))?;
        for object in list["items"].as_array().into_iter().flatten() {
            let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
            names.push(format!("{plural} {}/{}", text("namespace"), text("name")));
        }
    }
    Ok(names)
}
