//! `cargo xtask dist`: the program as people download it.

use std::fs;

use anyhow::{Context, Result, ensure};
use pulldoctor_lab::paths;

use crate::run::{cargo, step};

/// Most bytes of the program.
const MOST: u64 = 15_000_000;
/// Builds the node probe and then the program, and weighs it.
pub(crate) fn run() -> Result<()> {
    crate::probe::run()?;
    let target = paths::target_dir();
    let target = target.parent().context("find the target folder")?;
    let mut build = cargo(&[
        "build",
        "--locked",
        "--profile",
        "dist",
        "--package",
        "pulldoctor-cli",
    ]);
    build
        .current_dir(paths::repository())
        .env("CARGO_TARGET_DIR", target);
    step("dist", build)?;
    let program = target.join("dist/pulldoctor");
    let size = fs::metadata(&program)
        .with_context(|| format!("look at {}", program.display()))?
        .len();
    println!("dist: {}, {size} bytes", program.display());
    ensure!(size <= MOST, "it is larger than {MOST} bytes");
    Ok(())
}
