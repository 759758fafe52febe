//! Watches: changes as lines of JSON, as long as the client listens.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::list::partial;
use super::resources::Resource;
use super::selectors::Selectors;
use super::store::{Change, Store};

/// What is watched.
pub(super) struct Wanted {
    pub(super) resource: &'static Resource,
    pub(super) namespace: Option<String>,
    pub(super) selectors: Selectors,
    pub(super) metadata_only: bool,
    /// The version after which changes are wanted; from now on without it.
    pub(super) after: Option<u64>,
    /// Sends what is there first, and a bookmark after it (WatchList).
    pub(super) initial: bool,
}

impl Wanted {
    fn line(&self, change: &Change) -> Option<Bytes> {
        let object: &Value = &change.object;
        let wanted = change.resource == self.resource
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| object["metadata"]["namespace"] == **namespace)
            && self.selectors.matches(object);
        wanted.then(|| self.event(change.kind, object))
    }

    fn event(&self, kind: &str, object: &Value) -> Bytes {
        let shown = if self.metadata_only {
            partial(object)
        } else {
            object.clone()
        };
        line(kind, &shown)
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

/// The stream of a watch. One that begins too long ago is a single error.
pub(super) fn watch(store: &Store, wanted: Wanted) -> Response {
    let after = match wanted.after {
        Some(after) if after > 0 && !wanted.initial => after,
        _ => store.version(),
    };
    let mut ready = VecDeque::new();
    let Some((past, receiver)) = store.subscribe(after) else {
        return respond(Body::from(line(
            "ERROR",
            &json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": format!("too old resource version: {after} ({})", store.version()),
                "reason": "Expired", "code": 410,
            }),
        )));
    };
    if wanted.initial {
        for object in store.list(wanted.resource, wanted.namespace.as_deref()) {
            if wanted.selectors.matches(&object) {
                ready.push_back(wanted.event("ADDED", &object));
            }
        }
        let kind = wanted.resource.kind;
        ready.push_back(line(
            "BOOKMARK",
            &json!({
                "kind": kind, "apiVersion": wanted.resource.api_version(),
                "metadata": {"resourceVersion": after.to_string(),
                             "annotations": {"k8s.io/initial-events-end": "true"}},
            }),
        ));
    }
    ready.extend(past.iter().filter_map(|change| wanted.line(change)));
    let state = (Arc::new(wanted), ready, receiver);
    respond(Body::from_stream(stream::unfold(state, next)))
}

type State = (Arc<Wanted>, VecDeque<Bytes>, broadcast::Receiver<Change>);

async fn next(state: State) -> Option<(Result<Bytes, std::io::Error>, State)> {
    let (wanted, mut ready, mut receiver) = state;
    loop {
        if let Some(line) = ready.pop_front() {
            return Some((Ok(line), (wanted, ready, receiver)));
        }
        // A watcher that cannot keep up is dropped, as the API server does it.
        let change = receiver.recv().await.ok()?;
        ready.extend(wanted.line(&change));
    }
}

fn respond(body: Body) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
