//! Lists: selection, pages, and the JSON that is written while it is sent.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::{Writer, streamed};
use super::pods::PodGenerator;
use super::resources::Resource;
use super::selectors::Selectors;
use super::status;

/// Everything that a list may be made of: objects that were put in, then generated pods.
pub(super) struct Rows {
    pub(super) stored: Vec<Arc<Value>>,
    pub(super) generated: Option<(Arc<PodGenerator>, std::ops::Range<usize>)>,
}

impl Rows {
    fn len(&self) -> usize {
        self.stored.len() + self.generated.as_ref().map_or(0, |(_, range)| range.len())
    }

    fn matches(&self, position: usize, selectors: &Selectors) -> bool {
        match (self.stored.get(position), &self.generated) {
            (Some(object), _) => selectors.matches(object),
            (None, Some((pods, range))) => {
                selectors.matches(&pods.selectable(range.start + position - self.stored.len()))
            }
            (None, None) => false,
        }
    }

    fn write(&self, position: usize, metadata_only: bool, out: &mut Vec<u8>) {
        let start = out.len();
        match (self.stored.get(position), &self.generated) {
            (Some(object), _) if metadata_only => {
                out.extend_from_slice(partial(object).to_string().as_bytes());
            }
            (Some(object), _) => out.extend_from_slice(object.to_string().as_bytes()),
            (None, Some((pods, range))) => {
                pods.write(range.start + position - self.stored.len(), out);
                if metadata_only {
                    let whole: Value = serde_json::from_slice(&out[start..]).unwrap_or_default();
                    out.truncate(start);
                    out.extend_from_slice(partial(&whole).to_string().as_bytes());
                }
            }
            (None, None) => {}
        }
    }
}

/// The metadata of an object, as `PartialObjectMetadata`.
pub(super) fn partial(object: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
           "metadata": object["metadata"]})
}

/// How a list is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) limit: Option<usize>,
    pub(super) continues: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) selectors: Selectors,
    pub(super) metadata_only: bool,
    pub(super) gzip: bool,
}

/// Where a page begins, and of which moment it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    v: String,
    rv: u64,
    at: usize,
}

impl Token {
    fn new(rv: u64, at: usize) -> Self {
        Self {
            v: "meta.k8s.io/v1".to_owned(),
            rv,
            at,
        }
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }

    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

/// One page. `expire` makes an answer of 410 out of a continued one.
pub(super) fn page(
    resource: &Resource,
    rows: Rows,
    wanted: &Wanted,
    version: u64,
    expire: impl FnOnce() -> bool,
) -> Response {
    let start = match &wanted.continues {
        None => Token::new(version, 0),
        Some(text) => match Token::decode(text) {
            None => return status::bad_request("continue key is not valid"),
            Some(token) if expire() => {
                return status::expired(&Token::new(version, token.at).encode());
            }
            Some(token) => token,
        },
    };
    // A list at version 0 comes out of the watch cache, which has no pages (apiserver, cacher.go).
    let from_cache = wanted.resource_version.as_deref() == Some("0");
    let limit = wanted
        .limit
        .filter(|limit| *limit > 0 && !from_cache)
        .unwrap_or(usize::MAX);
    let mut positions = Vec::new();
    let mut at = start.at;
    let total = rows.len();
    while at < total && positions.len() < limit {
        if wanted.selectors.is_empty() || rows.matches(at, &wanted.selectors) {
            positions.push(at);
        }
        at += 1;
    }
    // With selectors the rest may hold nothing more, which a real server would not know either.
    let mut metadata = json!({"resourceVersion": start.rv.to_string()});
    if at < total {
        metadata["continue"] = json!(Token::new(start.rv, at).encode());
        if wanted.selectors.is_empty() {
            metadata["remainingItemCount"] = json!(total - at);
        }
    }
    let (api_version, kind) = if wanted.metadata_only {
        (
            "meta.k8s.io/v1".to_owned(),
            "PartialObjectMetadataList".to_owned(),
        )
    } else {
        (resource.api_version(), format!("{}List", resource.kind))
    };
    let head = format!(
        "{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":["
    );
    let mut response = streamed(
        writer(head, rows, positions, wanted.metadata_only),
        wanted.gzip,
    )
    .into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    if wanted.gzip {
        headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
    }
    response
}

fn writer(head: String, rows: Rows, positions: Vec<usize>, metadata_only: bool) -> Writer {
    let mut head = Some(head);
    let mut next = 0;
    Box::new(move |out| {
        if let Some(head) = head.take() {
            out.extend_from_slice(head.as_bytes());
        }
        let Some(position) = positions.get(next) else {
            out.extend_from_slice(b"]}");
            return false;
        };
        if next > 0 {
            out.push(b',');
        }
        rows.write(*position, metadata_only, out);
        next += 1;
        true
    })
}
