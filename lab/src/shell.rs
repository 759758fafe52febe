//! A shell on the workstation or on a node.

use std::process::Command;

use anyhow::{Context, Result};

use crate::cgroup;
use crate::net::Namespace;
use crate::paths;
use crate::state::State;

/// Opens an interactive shell inside a namespace of the lab, with `kubectl`, `ctr` and
/// `pulldoctor` on the search path and `KUBECONFIG` set. Its status does not matter.
///
/// # Errors
/// When the lab is not up or the shell cannot be started.
pub fn open(name: &str) -> Result<()> {
    let _use = paths::in_use()?;
    let namespace = Namespace::of(&State::load()?, name)?;
    // Or the shell would hold the namespace beyond `down`.
    cgroup::enter()?;
    let words = namespace.enter();
    let (program, args) = words.split_first().context("empty command")?;
    let own = std::env::var("PATH").unwrap_or_default();
    let path = format!(
        "{}:{}:{own}",
        paths::bin().display(),
        paths::target_dir().display()
    );
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    println!("lab: shell on `{name}`; kubectl and pulldoctor see the lab's cluster; `exit` leaves");
    Command::new(program)
        .args(args)
        .arg(shell)
        .env("PATH", path)
        .env("KUBECONFIG", paths::kubeconfig())
        .status()
        .context("failed to start the shell")?;
    Ok(())
}
