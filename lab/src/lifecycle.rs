//! `up`, `down` and `status`: the lab as a whole.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::binaries;
use crate::cgroup;
use crate::control_plane;
use crate::exec;
use crate::images::{self, Recipe};
use crate::labd;
use crate::net::{self, Furnishing, Namespace};
use crate::node::NODES;
use crate::paths;
use crate::registries;
use crate::state::State;
use crate::tool;
use crate::traces::SYSCTLS;

/// Boots the lab; does nothing when it is up. A half-booted one is taken down first. With
/// `no_build` the tool and the fault daemon are taken as they lie in the target folder.
///
/// # Errors
/// When a requirement is missing or a part does not start; what was started remains for
/// `status` and `down`.
pub fn up(no_build: bool) -> Result<()> {
    let _use = paths::in_use()?;
    binaries::build()?;
    if !no_build {
        tool::build(&[tool::TOOL, tool::FAULT_DAEMON])?;
    }
    let _lock = paths::lock("lifecycle")?;
    let start = Instant::now();
    let old = State::load().unwrap_or_default();
    if old.ready && is_whole(&old) {
        println!("lab: is up");
        return cgroup::enter();
    }
    if Path::new(paths::DATA).exists() || !cgroup::processes().is_empty() {
        remove_all()?;
    }
    fs::create_dir_all(paths::data("logs"))?;
    let mut state = State::default();
    for name in SYSCTLS {
        if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(name)) {
            state
                .sysctls
                .insert(name.to_owned(), value.trim().to_owned());
        }
    }
    state.save()?;
    let names: Vec<&str> = NODES.iter().map(|node| node.name).collect();
    state.cgroups = cgroup::create(&names)?;
    state.save()?;
    cgroup::enter()?;

    let company = control_plane::create_pki()?;
    let outer = net::create_outer(&mut state)?;
    labd::start(&mut state, &outer)?;
    registries::start(&mut state, &outer, &company)?;
    let workstation = create_workstation(&mut state, &outer)?;
    create_outside(&mut state, &outer)?;
    step(start, "namespaces, DNS and registries are there");

    control_plane::start(&mut state, &outer)?;
    step(start, "control plane is ready");
    let layout = paths::data("images/pause");
    images::write_layout(&layout, &Recipe::sleeping(images::PAUSE))?;
    let pause = images::pack(&layout)?;
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| registries::fill(&workstation));
        for node in &NODES {
            node.start(&mut state, &outer, &pause)
                .with_context(|| format!("failed to start node {}", node.name))?;
        }
        match filling.join() {
            Ok(result) => result,
            Err(_) => bail!("filling the registries ended in a panic"),
        }
    })?;
    step(start, "registries are filled, nodes are starting");
    wait_for_cluster()?;
    state.ready = true;
    state.save()?;
    step(start, "all nodes are Ready");
    Ok(())
}

fn step(start: Instant, what: &str) {
    println!("lab: {:5.1} s  {what}", start.elapsed().as_secs_f32());
}

fn create_workstation(state: &mut State, outer: &Namespace) -> Result<Namespace> {
    let trust = paths::data("pki/trust.crt");
    let furnishing = Furnishing {
        resolv_conf: &format!("nameserver {}\noptions timeout:2 attempts:2\n", net::LABD),
        hosts: "127.0.0.1 localhost workstation\n",
        trust: Some(&trust),
        ..Furnishing::default()
    };
    net::create_inner(state, outer, "ws", net::WORKSTATION, &furnishing)
}

/// A workstation on which the company's names do not exist and its authority is not trusted.
fn create_outside(state: &mut State, outer: &Namespace) -> Result<()> {
    // Another authority, not an empty store: Go reads an empty one as a broken one.
    let trust = paths::data("pki/ca.crt");
    let furnishing = Furnishing {
        resolv_conf: &format!("nameserver {}\noptions timeout:2 attempts:2\n", net::LABD),
        hosts: "127.0.0.1 localhost laptop\n",
        trust: Some(&trust),
        ..Furnishing::default()
    };
    net::create_inner(state, outer, "outside", net::OUTSIDE, &furnishing)?;
    Ok(())
}

fn wait_for_cluster() -> Result<()> {
    let ready = exec::wait_until(Duration::from_secs(60), Duration::from_millis(300), || {
        NODES.iter().all(crate::node::Node::is_ready)
            // Without the service account no pod is admitted.
            && control_plane::get("/api/v1/namespaces/default/serviceaccounts/default").is_ok()
    });
    if ready {
        return Ok(());
    }
    let waiting: Vec<&str> = NODES
        .iter()
        .filter(|node| !node.is_ready())
        .map(|node| node.name)
        .collect();
    bail!(
        "not Ready after 60 s: {} (logs in {})",
        waiting.join(", "),
        paths::data("logs").display()
    );
}

/// True when every process that the state names still runs.
pub fn is_whole(state: &State) -> bool {
    !state.processes.is_empty() && state.processes.keys().all(|role| state.pid(role).is_some())
}

/// Removes everything that the lab made on this machine, whatever state it is in.
///
/// # Errors
/// When something could not be removed; it is named.
pub fn down() -> Result<()> {
    let _use = paths::in_use()?;
    let _lock = paths::lock("lifecycle")?;
    remove_all()
}

fn remove_all() -> Result<()> {
    let state = State::load().unwrap_or_default();
    kill_all(&state);
    let mut left: Vec<String> = Vec::new();
    let survivors = survivors(&state);
    if !survivors.is_empty() {
        left.push(format!("processes {survivors:?}"));
    }
    left.extend(
        cgroup::remove()
            .iter()
            .map(|path| format!("cgroup {}", path.display())),
    );
    for image in &state.loop_images {
        left.extend(detach(image));
    }
    for (name, value) in &state.sysctls {
        let path = Path::new("/proc/sys").join(name);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if now.trim() != value && fs::write(&path, value).is_err() {
            left.push(format!("sysctl {name} (was {value})"));
        }
    }
    // The nodes' mounts died with them; one that leaked would be under our folder.
    for mount in leaked_mounts() {
        if exec::run(["umount", "-l", &mount]).is_err() {
            left.push(format!("mount {mount}"));
        }
    }
    if left.is_empty() {
        if Path::new(paths::DATA).exists() {
            fs::remove_dir_all(paths::DATA).context("failed to remove the lab's folder")?;
        }
        println!("lab: down");
        return Ok(());
    }
    bail!(
        "the lab left behind: {} (run `down` again)",
        left.join(", ")
    );
}

/// Everything alive that belongs to the lab, but for this process itself.
fn survivors(state: &State) -> Vec<u32> {
    let mut pids = cgroup::processes();
    pids.extend(state.processes.keys().filter_map(|role| state.pid(role)));
    pids.sort_unstable();
    pids.dedup();
    pids.retain(|pid| *pid != std::process::id());
    pids
}

fn kill_all(state: &State) {
    // Several rounds: a shim may start something between reading the list and the signal.
    for _ in 0..50 {
        let pids = survivors(state);
        if pids.is_empty() {
            return;
        }
        let words: Vec<String> = pids.iter().map(u32::to_string).collect();
        let _ = exec::Exec::new(["kill", "-KILL"]).args(words).finish();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Detaches loop devices of an image file; what could not be detached.
fn detach(image: &Path) -> Vec<String> {
    let attached = || {
        exec::run([
            "losetup",
            "-n",
            "-O",
            "NAME",
            "-j",
            &image.display().to_string(),
        ])
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    // Mounted with autoclear: it goes by itself a moment after its namespace.
    exec::wait_until(Duration::from_secs(3), Duration::from_millis(100), || {
        attached().is_empty()
    });
    attached()
        .into_iter()
        .filter(|device| exec::run(["losetup", "-d", device]).is_err())
        .map(|device| format!("loop device {device}"))
        .collect()
}

fn leaked_mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut leaked: Vec<String> = mounts
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|target| Path::new(target).starts_with(paths::DATA))
        .map(str::to_owned)
        .collect();
    // The deepest first.
    leaked.reverse();
    leaked
}

/// Prints a small table of the lab's parts.
///
/// # Errors
/// When the state file cannot be read.
pub fn status() -> Result<()> {
    let state = State::load()?;
    if state.processes.is_empty() {
        println!("lab: down");
        return Ok(());
    }
    println!("{:<24} {:>8}  {:<8} LOG", "PART", "PID", "STATE");
    for (role, process) in &state.processes {
        let alive = if state.pid(role).is_some() {
            "running"
        } else {
            "DEAD"
        };
        println!(
            "{role:<24} {:>8}  {alive:<8} {}",
            process.pid,
            process.log.display()
        );
    }
    println!();
    println!(
        "{:<6} {:<12} {:<18} {:<7}",
        "NODE", "ADDRESS", "CONTAINERD", "READY"
    );
    for node in &NODES {
        let object =
            control_plane::get(&format!("/api/v1/nodes/{}", node.name)).unwrap_or_default();
        let runtime = object["status"]["nodeInfo"]["containerRuntimeVersion"]
            .as_str()
            .unwrap_or("?");
        println!(
            "{:<6} {:<12} {runtime:<18} {:<7}",
            node.name,
            node.address,
            if node.is_ready() { "yes" } else { "NO" }
        );
    }
    println!("\nKUBECONFIG={}", paths::kubeconfig().display());
    Ok(())
}
