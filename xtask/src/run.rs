//! Running the tools of the build.

use std::{env, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, bail};

/// Cargo, as it runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs one step with its output shown; says what it took.
pub(crate) fn step(name: &str, mut command: Command) -> Result<()> {
    let started = Instant::now();
    println!("== {name}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{name} failed ({status}): {command:?}");
    }
    println!("== {name}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Whether a program is on the path.
pub(crate) fn have(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| {
        env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
    })
}
