//! Credential helpers: `docker-credential-NAME get`, as docker and podman run them.
//!
//! They run for `--credentials user` only: they are programs that the person's own config names,
//! and that docker runs at every pull. What they say is bounded in time and size, and never shown.

use std::process::Stdio;
use std::time::Duration;

use pulldoctor_registry::SecretText;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a helper may take. Some fetch a token first.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of its answer.
const MOST: u64 = 64 * 1024;
/// What a helper says that has nothing (`docker-credential-helpers`, `credentials/error.go`).
const NOTHING: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper for the login of a server. Nothing where it has none; why not, where it fails.
pub(super) async fn ask(name: &str, server: &str) -> Result<Option<(String, SecretText)>, String> {
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !is_name {
        return Err("its name is no name of a program".to_owned());
    }
    match timeout(PATIENCE, run(name, server)).await {
        Ok(result) => result,
        Err(_) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
    }
}

async fn run(name: &str, server: &str) -> Result<Option<(String, SecretText)>, String> {
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be run: {}", error.kind()))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that reads nothing has its reasons; its answer counts.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let mut text = Vec::new();
    if let Some(output) = child.stdout.take() {
        output
            .take(MOST)
            .read_to_end(&mut text)
            .await
            .map_err(|error| format!("its answer cannot be read: {}", error.kind()))?;
    }
    let status = child
        .wait()
        .await
        .map_err(|error| format!("it cannot be waited for: {}", error.kind()))?;
    if !status.success() {
        if String::from_utf8_lossy(&text).trim() == NOTHING {
            return Ok(None);
        }
        return Err(match status.code() {
            Some(code) => format!("it failed with exit code {code}"),
            None => "it was ended by a signal".to_owned(),
        });
    }
    let answer: Answer =
        serde_json::from_slice(&text).map_err(|_| "its answer is no login".to_owned())?;
    // A token stands for the whole login.
    let username = match answer.username.as_str() {
        "<token>" => String::new(),
        _ => answer.username,
    };
    if username.is_empty() && answer.secret.is_empty() {
        return Ok(None);
    }
    Ok(Some((username, SecretText::new(answer.secret))))
}
