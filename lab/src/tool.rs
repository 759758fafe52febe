//! Builds and runs `pulldoctor`, as an operator would.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::Cluster;
use crate::exec::Exec;
use crate::net::Namespace;
use crate::paths;

/// What a run of the tool left.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code.
    pub exit: i32,
    /// Standard output as it is.
    pub stdout: String,
    /// Standard error as it is.
    pub stderr: String,
    /// Standard output as JSON; null when it is empty or none.
    pub report: Value,
    /// The evidence that it recorded; null when it wrote none.
    pub evidence: Value,
}

/// The binary under test, beside this one.
pub fn binary() -> std::path::PathBuf {
    paths::target_dir().join("pulldoctor")
}

/// The tool's package.
pub const TOOL: &str = "pulldoctor-cli";
/// The fault daemon's package.
pub const FAULT_DAEMON: &str = "pulldoctor-testkit";

/// Builds binaries of this workspace into the folder where this program lies. Those that are
/// needed are best built by one call: cargo then compiles what they share once, with the
/// features that both want.
///
/// # Errors
/// When cargo fails.
pub fn build(packages: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Exec::new([cargo.as_str(), "build", "--quiet"]);
    for package in packages {
        build = build.args(["-p", package]);
    }
    build = build.args(["--bins"]);
    if let Some(target) = paths::target_dir().parent() {
        build = build.env("CARGO_TARGET_DIR", target.display().to_string());
    }
    if paths::target_dir().ends_with("release") {
        build = build.args(["--release"]);
    }
    build
        .dir(&paths::repository())
        .timeout(Duration::from_secs(30 * 60))
        .run()
        .with_context(|| format!("failed to build {}", packages.join(", ")))?;
    Ok(())
}

/// Runs `pulldoctor diagnose -n NAMESPACE -o json --record FILE ARGS…` on a cluster, in a
/// namespace of the lab if one is given.
///
/// # Errors
/// When the binary is not there or does not end within 90 s.
pub fn diagnose(
    cluster: &Cluster,
    place: Option<&Namespace>,
    namespace: &str,
    args: &[String],
) -> Result<Said> {
    let binary = binary();
    if !binary.exists() {
        bail!("no {} (`cargo build -p pulldoctor-cli`)", binary.display());
    }
    let record = cluster.record_file(namespace)?;
    let finished = cluster
        .tool(place, ["diagnose", "-n", namespace, "-o", "json"])
        .args(["--record".to_owned(), record.display().to_string()])
        .args(args.iter().map(|arg| arg.replace("$NAMESPACE", namespace)))
        .timeout(Duration::from_secs(90))
        .finish()?;
    let report = serde_json::from_str(&finished.stdout).unwrap_or(Value::Null);
    let evidence = std::fs::read(&record)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null);
    Ok(Said {
        exit: finished.code,
        stdout: finished.stdout,
        stderr: finished.stderr,
        report,
        evidence,
    })
}

/// Runs another command of the tool with `-o json`, in a namespace of the lab if one is given.
///
/// # Errors
/// When it does not end within 90 s.
pub fn command(
    cluster: &Cluster,
    place: Option<&Namespace>,
    namespace: &str,
    args: &[String],
) -> Result<Said> {
    let finished = cluster
        .tool(
            place,
            args.iter().map(|arg| arg.replace("$NAMESPACE", namespace)),
        )
        .args(["-o", "json"])
        .timeout(Duration::from_secs(90))
        .finish()?;
    Ok(Said {
        exit: finished.code,
        report: serde_json::from_str(&finished.stdout).unwrap_or(Value::Null),
        stdout: finished.stdout,
        stderr: finished.stderr,
        evidence: Value::Null,
    })
}
