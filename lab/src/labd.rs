//! The fault daemon `labd` (package pulldoctor-testkit): DNS for everybody, and registries whose
//! every answer can be spoilt. This file starts it and speaks to its control socket.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cgroup;
use crate::exec;
use crate::faults::read;
use crate::http_unix;
use crate::net::{self, Namespace};
use crate::paths;
use crate::registries::{REGISTRIES, TOKEN_SERVICES};
use crate::state::State;

/// Its control socket.
pub fn socket() -> PathBuf {
    paths::data("labd/control.sock")
}

/// The issuer that its tokens name (testkit's `registry::ISSUER`).
pub const ISSUER: &str = "testkit";

/// The public key of its tokens, for registries that are to trust them.
pub fn key_set() -> PathBuf {
    paths::data("labd/jwks.json")
}

/// Starts the daemon, tells it the names of the real registries, and adds its authority to the
/// company's trust bundle (`pki/trust.crt`), of which nodes and workstation get a copy.
///
/// # Errors
/// When it does not start.
pub fn start(state: &mut State, outer: &Namespace) -> Result<()> {
    let dir = paths::data("labd");
    fs::create_dir_all(&dir)?;
    let binary = paths::target_dir().join("labd");
    let mut argv = outer.enter();
    argv.extend(
        [
            &binary.display().to_string(),
            "--listen-ip",
            net::LABD,
            "--state",
            &dir.display().to_string(),
            "--refuse-ip",
            net::REFUSE,
            "--drop-ip",
            net::DROP,
            "--outsider",
            net::OUTSIDE,
            "--busybox",
            "/bin/busybox",
        ]
        .map(str::to_owned),
    );
    let log = paths::data("logs/labd.log");
    let pid = exec::daemon(&argv, &[], &log, &cgroup::procs_file())?;
    state.add_process("labd", pid, &log)?;
    let healthy = || ask("GET", "/health", None).is_ok();
    if !exec::wait_until(Duration::from_secs(10), Duration::from_millis(20), healthy) {
        bail!("labd does not start: {}", exec::last_lines(&read(&log), 3));
    }
    for registry in &REGISTRIES {
        put_host(
            registry.host,
            &json!({"dns": {"address": registry.address}}),
        )?;
    }
    for service in &TOKEN_SERVICES {
        put_host(service.host, &service.spec())?;
    }
    let own = fs::read_to_string(paths::data("pki/company.crt"))?;
    let its = fs::read_to_string(dir.join("ca.pem")).context("labd wrote no authority")?;
    fs::write(paths::data("pki/trust.crt"), own + &its)?;
    Ok(())
}

/// Declares or replaces a virtual host; `spec` is testkit's `HostSpec`.
///
/// # Errors
/// When the daemon does not answer or refuses the specification, with what it said.
pub fn put_host(name: &str, spec: &Value) -> Result<()> {
    ask("PUT", &format!("/hosts/{name}"), Some(spec))
}

/// Removes a virtual host; its name does not exist any more. One that is gone already is fine:
/// a case may have declared it twice.
///
/// # Errors
/// When the daemon does not answer or refuses.
pub fn delete_host(name: &str) -> Result<()> {
    match http_unix::request(&socket(), "DELETE", &format!("/hosts/{name}"), None)? {
        (200..300 | 404, _) => Ok(()),
        (status, _) => bail!("labd answered {status} when host {name} was to be removed"),
    }
}

/// The requests that a virtual host was sent, as the daemon's JSON; empty when there is none.
pub fn log(name: &str) -> String {
    http_unix::request(&socket(), "GET", &format!("/hosts/{name}/log"), None)
        .map(|(_, body)| String::from_utf8_lossy(&body).into_owned())
        .unwrap_or_default()
}

fn ask(method: &str, path: &str, body: Option<&Value>) -> Result<()> {
    let bytes = body.map(serde_json::to_vec).transpose()?;
    let (status, answer) = http_unix::request(&socket(), method, path, bytes.as_deref())?;
    if !(200..300).contains(&status) {
        let text = String::from_utf8_lossy(&answer);
        bail!(
            "labd answered {status} to {method} {path}: {}",
            exec::last_lines(&text, 3)
        );
    }
    Ok(())
}
