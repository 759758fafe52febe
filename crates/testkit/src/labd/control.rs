//! The control interface: JSON over HTTP on a Unix socket.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::UnixListener;

use crate::registry::{Described, LogEntry, VirtualHost, describe};
use crate::spec::{FaultSpec, HostSpec};

use super::daemon::{ControlError, Daemon, DaemonError};

/// What `PUT` and `GET /hosts/{name}` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAnswer {
    /// The name.
    pub name: String,
    /// `https://name[:port]`.
    pub base_url: String,
    /// The name with its port where that is not the usual one, as an image reference has it.
    pub authority: String,
    /// Every tag with its digest.
    pub images: Vec<Described>,
    /// The specification as it was understood, defaults filled in.
    pub spec: HostSpec,
}

impl HostAnswer {
    fn of(host: &VirtualHost) -> Self {
        let base_url = host.base_url().to_owned();
        let authority = base_url
            .split_once("://")
            .map_or("", |(_, rest)| rest)
            .to_owned();
        Self {
            name: host.name().to_owned(),
            authority,
            base_url,
            images: describe(host.content()),
            spec: host.spec().clone(),
        }
    }
}

/// Listens on the daemon's control socket until it is dropped. A socket that an earlier run left
/// behind is removed.
pub async fn serve_control(daemon: Arc<Daemon>) -> Result<(), DaemonError> {
    let path = daemon.control_path();
    let failed = |source: io::Error| DaemonError::Control {
        path: path.clone(),
        source,
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    axum::serve(listener, router(daemon)).await.map_err(failed)
}

/// The routes.
pub fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/hosts", get(list))
        .route(
            "/hosts/{name}",
            put(put_host).get(get_host).delete(delete_host),
        )
        .route("/hosts/{name}/faults", put(put_faults))
        .route("/hosts/{name}/log", get(get_log).delete(delete_log))
        .with_state(daemon)
}

/// A refusal: the message and what caused it.
struct Refusal(StatusCode, Vec<String>);

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::Unknown(_) => StatusCode::NOT_FOUND,
            ControlError::Listen { .. } => StatusCode::CONFLICT,
            ControlError::Interrupted(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut chain = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            chain.push(error.to_string());
            cause = error.source();
        }
        Self(status, chain)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1.join(": ")}))).into_response()
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, vec![error.to_string()]))
}

type Shared = State<Arc<Daemon>>;

async fn health(State(daemon): Shared) -> Response {
    Json(json!({"ok": true, "dns": daemon.dns_address().to_string(),
                "hosts": daemon.directory().all().len()}))
    .into_response()
}

async fn list(State(daemon): Shared) -> Json<Vec<String>> {
    Json(
        daemon
            .directory()
            .all()
            .iter()
            .map(|host| host.name().to_owned())
            .collect(),
    )
}

async fn put_host(
    State(daemon): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<HostAnswer>, Refusal> {
    let spec: HostSpec = read(&body)?;
    let host = daemon.put(&name, spec).await?;
    Ok(Json(HostAnswer::of(&host)))
}

async fn get_host(
    State(daemon): Shared,
    Path(name): Path<String>,
) -> Result<Json<HostAnswer>, Refusal> {
    Ok(Json(HostAnswer::of(&*daemon.host(&name)?)))
}

async fn delete_host(
    State(daemon): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    daemon.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put_faults(
    State(daemon): Shared,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let faults: Vec<FaultSpec> = read(&body)?;
    daemon.host(&name)?.set_faults(&faults);
    Ok(StatusCode::NO_CONTENT)
}

async fn get_log(
    State(daemon): Shared,
    Path(name): Path<String>,
) -> Result<Json<Vec<LogEntry>>, Refusal> {
    Ok(Json(daemon.host(&name)?.log()))
}

async fn delete_log(
    State(daemon): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    daemon.host(&name)?.clear_log();
    Ok(StatusCode::NO_CONTENT)
}
