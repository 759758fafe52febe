//! `lab kills`: kills looks from nodes at random moments (SIGKILL: nothing is tidied up) and sees
//! that the next run, after their lifetime, leaves nothing of them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::{Cluster, random_word};
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

/// A look that is killed at a random moment.
fn kill(place: &Namespace, node: &str) -> Result<()> {
    let mut child = words(place, node).spawn().context("start a look")?;
    let chance = u64::from_str_radix(&random_word(8)?, 16)?;
    std::thread::sleep(Duration::from_millis(chance % LATEST_KILL_MS));
    // It may have ended.
    let _ = child.kill();
    let _ = child.wait();
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
