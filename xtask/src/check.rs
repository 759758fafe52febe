//! `cargo xtask check`: format, lints, generated files, dependencies.

use anyhow::Result;

use crate::run::{cargo, have, step};

/// Runs every check that needs no cluster, and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    step("format", cargo(&["fmt", "--all", "--check"]))?;
    step(
        "lints",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    step("generated files", cargo(&["xtask", "generate", "--check"]))?;
    if have("cargo-deny") {
        step(
            "dependencies",
            cargo(&[
                "deny",
                "--log-level",
                "error",
                "check",
                "bans",
                "licenses",
                "sources",
            ]),
        )?;
    } else {
        println!("skipped: dependencies (cargo-deny is not installed: `cargo install cargo-deny`)");
    }
    Ok(())
}
