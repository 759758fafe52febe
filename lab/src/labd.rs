//! The fault daemon `labd` (package pulldoctor-testkit): DNS for everybody, and registries whose
//! every answer can be spoilt. This file starts it and speaks to its control socket.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::exec;
use crate::http_unix;
use crate::paths;

/// Its control socket.
pub fn socket() -> PathBuf {
    paths::data("labd.sock")
}

/// Declares or replaces a virtual host; `spec` is testkit's `HostSpec`.
///
/// # Errors
/// When the daemon does not answer or refuses the specification, with what it said.
pub fn put_host(name: &str, spec: &Value) -> Result<()> {
    ask("PUT", &format!("/hosts/{name}"), Some(spec))
}

/// Removes a virtual host; its name does not exist any more.
///
/// # Errors
/// When the daemon does not answer or refuses.
pub fn delete_host(name: &str) -> Result<()> {
    ask("DELETE", &format!("/hosts/{name}"), None)
}

fn ask(method: &str, path: &str, body: Option<&Value>) -> Result<()> {
    let bytes = body.map(serde_json::to_vec).transpose()?;
    let (status, answer) = http_unix::request(&socket(), method, path, bytes.as_deref())?;
    if !(200..300).contains(&status) {
        let text = String::from_utf8_lossy(&answer);
        bail!("labd answered {status} to {method} {path}: {}", exec::last_lines(&text, 3));
    }
    Ok(())
}
