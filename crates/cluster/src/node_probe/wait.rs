//! Waits for the fate of a pod: by a watch, which is opened again where it ends.

use std::time::Duration;

use pulldoctor_model::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    api::{Api, Form, Lines},
    error::ApiError,
    events::{self, PodRef},
    path::ApiPath,
};

use super::{
    living::Created,
    status::{PodState, Standing},
};

/// How long a pod may show nothing before its events are read.
const QUIET: Duration = Duration::from_secs(4);

/// How long a sandbox may fail: the first attempt after a fault of the network does, and the next
/// one works.
const SANDBOX: Duration = Duration::from_secs(8);

/// Pause before a watch is opened again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long one watch lasts; the server ends it itself.
const WATCH_SECONDS: &str = "60";

/// What a pod came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands so that whoever waits is content.
    Stands(Standing),
    /// Its sandbox does not start: the event's text.
    NoSandbox(String),
    /// Somebody removed it.
    Removed,
    /// The time is over.
    Late,
}

/// One event of a watch.
#[derive(Deserialize)]
struct Change<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What a line of a watch says.
enum Said {
    Standing(Standing),
    Removed,
    /// The version is too old, or the server gives up.
    Broken,
}

/// Waits until `is_enough` of a standing, at most until then.
pub(super) async fn wait(
    api: &Api,
    pod: &Created,
    until: Instant,
    is_enough: impl Fn(&Standing) -> bool,
) -> Result<Fate, ApiError> {
    let began = Instant::now();
    let mut version = Some(pod.version.clone());
    let mut last = Standing::Waiting;
    let mut look_at_events = began + QUIET;
    loop {
        if Instant::now() >= until {
            return Ok(Fate::Late);
        }
        // Without a version that can be resumed, the present state is read first.
        let from = match version.take() {
            Some(version) if !version.is_empty() => version,
            _ => match read(api, pod).await? {
                None => return Ok(Fate::Removed),
                Some(state) => {
                    last = state.standing();
                    if is_enough(&last) {
                        return Ok(Fate::Stands(last));
                    }
                    state.metadata.resource_version
                }
            },
        };
        let mut lines = match open(api, pod, &from, until).await {
            Ok(Some(lines)) => lines,
            Ok(None) => return Ok(Fate::Late),
            Err(error @ (ApiError::Forbidden { .. } | ApiError::Unauthorized)) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(%error, "the watch of the probe is opened again");
                sleep(AGAIN).await;
                continue;
            }
        };
        loop {
            let next = until.min(look_at_events);
            match timeout_at(next, lines.next()).await {
                Err(_) if Instant::now() >= until => return Ok(Fate::Late),
                Err(_) => {
                    look_at_events = Instant::now() + QUIET / 2;
                    if last == Standing::Waiting
                        && let Some(text) = sandbox_fault(api, pod).await
                        && began.elapsed() >= SANDBOX
                    {
                        return Ok(Fate::NoSandbox(text));
                    }
                }
                Ok(Ok(Some(line))) => match said(&line, &pod.uid) {
                    Said::Standing(standing) => {
                        if is_enough(&standing) {
                            return Ok(Fate::Stands(standing));
                        }
                        last = standing;
                    }
                    Said::Removed => return Ok(Fate::Removed),
                    Said::Broken => break,
                },
                Ok(Ok(None) | Err(_)) => break,
            }
        }
        sleep(AGAIN).await;
    }
}

async fn read(api: &Api, pod: &Created) -> Result<Option<PodState>, ApiError> {
    let path = pod.key.path();
    match api.object::<PodState>(&path, Form::Full, "a pod").await {
        Ok(state) if state.metadata.uid == pod.uid || pod.uid.is_empty() => Ok(Some(state)),
        Ok(_) | Err(ApiError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn open(
    api: &Api,
    pod: &Created,
    version: &str,
    until: Instant,
) -> Result<Option<Lines>, ApiError> {
    let path: ApiPath = pod
        .key
        .collection()
        .query("watch", "true")
        .query("fieldSelector", &format!("metadata.name={}", pod.key.name))
        .query("resourceVersion", version)
        .query("timeoutSeconds", WATCH_SECONDS);
    let left = until.saturating_duration_since(Instant::now());
    match timeout(left, api.lines(&path)).await {
        Err(_) => Ok(None),
        Ok(lines) => lines.map(Some),
    }
}

fn said(line: &[u8], uid: &str) -> Said {
    let Ok(change) = serde_json::from_slice::<Change<'_>>(line) else {
        return Said::Broken;
    };
    if change.kind == "ERROR" {
        return Said::Broken;
    }
    let Ok(state) = serde_json::from_str::<PodState>(change.object.get()) else {
        return Said::Broken;
    };
    if change.kind == "DELETED" || (!uid.is_empty() && state.metadata.uid != uid) {
        return Said::Removed;
    }
    Said::Standing(state.standing())
}

/// The text of an event that says that the sandbox failed. Where events may not be read, there is
/// none.
async fn sandbox_fault(api: &Api, pod: &Created) -> Option<String> {
    let of = PodRef {
        namespace: pod.key.namespace.clone(),
        pod: pod.key.name.clone(),
        uid: pod.uid.clone(),
    };
    let mut found = events::of_pods(api, std::slice::from_ref(&of)).await;
    let events = found.events.remove(&of.uid)?;
    last_fault(&events).map(|event| event.message.clone())
}

fn last_fault(events: &[Event]) -> Option<&Event> {
    const FAULTS: [&str; 3] = ["FailedCreatePodSandBox", "FailedMount", "NetworkNotReady"];
    events
        .iter()
        .rev()
        .find(|event| FAULTS.contains(&event.reason.as_str()))
}
