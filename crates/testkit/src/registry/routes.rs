//! The true answers of the distribution protocol, before any fault.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_RANGE, HeaderName, LINK, LOCATION, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::answer::{Answer, ErrorCode};
use super::auth::{self, Wanted};
use super::host::VirtualHost;
use crate::query;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A request as the routes see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
    }
}

/// What a path means.
enum Route<'a> {
    Ping,
    Catalog,
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Referrers(&'a str),
    Unknown,
}

fn route(path: &str) -> Route<'_> {
    let Some(rest) = path.strip_prefix("/v2/") else {
        return if path == "/v2" {
            Route::Ping
        } else {
            Route::Unknown
        };
    };
    if rest.is_empty() {
        return Route::Ping;
    }
    if rest == "_catalog" {
        return Route::Catalog;
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Route::Tags(name);
    }
    // A repository may itself be called `manifests`: the last occurrence separates.
    let split = |word: &str| {
        rest.rsplit_once(word)
            .filter(|(name, last)| !name.is_empty() && !last.contains('/'))
    };
    if let Some((name, reference)) = split("/manifests/") {
        return Route::Manifest(name, reference);
    }
    if let Some((name, digest)) = split("/blobs/") {
        return Route::Blob(name, digest);
    }
    if let Some((name, _)) = split("/referrers/") {
        return Route::Referrers(name);
    }
    Route::Unknown
}

/// Answers as a registry in good order would.
pub(super) fn answer(host: &VirtualHost, asked: Asked<'_>) -> Answer {
    let answer = routed(host, asked).header(API_VERSION, "registry/2.0");
    if asked.method == Method::HEAD {
        answer.without_body()
    } else {
        answer
    }
}

fn routed(host: &VirtualHost, asked: Asked<'_>) -> Answer {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Answer::error(ErrorCode::Unsupported);
    }
    let route = route(asked.path);
    let wanted = match route {
        Route::Ping => Wanted::Ping,
        Route::Catalog => Wanted::Catalog,
        Route::Tags(name)
        | Route::Manifest(name, _)
        | Route::Blob(name, _)
        | Route::Referrers(name) => Wanted::Pull(name),
        Route::Unknown => {
            return Answer::new(
                StatusCode::NOT_FOUND,
                "text/plain",
                "404 page not found\n".into(),
            );
        }
    };
    let realm = host.realm().unwrap_or_default();
    if let Err(refusal) = auth::authorize(
        &host.spec().auth,
        &realm,
        host.service(),
        asked.authorization(),
        wanted,
    ) {
        return *refusal;
    }
    match route {
        Route::Catalog => {
            let names: Vec<&str> = host.content().names().collect();
            let page = page(&names, asked.query, 0);
            let answer = Answer::json(StatusCode::OK, &json!({"repositories": page.names}));
            with_link(answer, asked.path, &page)
        }
        Route::Tags(name) => {
            let Some(repository) = host.content().get(name) else {
                return Answer::error(ErrorCode::NameUnknown);
            };
            let tags: Vec<&str> = repository.tags.keys().map(String::as_str).collect();
            let page = page(&tags, asked.query, host.spec().tags_page);
            let answer = Answer::json(StatusCode::OK, &json!({"name": name, "tags": page.names}));
            with_link(answer, asked.path, &page)
        }
        Route::Manifest(name, reference) => {
            let Some(repository) = host.content().get(name) else {
                return Answer::error(ErrorCode::NameUnknown);
            };
            let Some(manifest) = repository.manifest(reference) else {
                return Answer::error(ErrorCode::ManifestUnknown);
            };
            let mut answer =
                Answer::new(StatusCode::OK, "application/json", manifest.bytes.clone())
                    .header(DIGEST, &manifest.digest);
            answer.set(http::header::CONTENT_TYPE, &manifest.media_type);
            answer
        }
        Route::Blob(name, digest) => {
            let Some(repository) = host.content().get(name) else {
                return Answer::error(ErrorCode::NameUnknown);
            };
            let Some(blob) = repository.blobs.get(digest) else {
                return Answer::error(ErrorCode::BlobUnknown);
            };
            if let Some(other) = &host.spec().redirect_blobs {
                let base = other.trim_end_matches('/');
                let scheme = if base.contains("://") { "" } else { "https://" };
                let target = format!("{scheme}{base}{}", asked.path);
                return Answer::new(
                    StatusCode::TEMPORARY_REDIRECT,
                    "application/octet-stream",
                    Bytes::new(),
                )
                .header(LOCATION, &target)
                .header(DIGEST, digest);
            }
            ranged(blob, asked.headers).header(DIGEST, digest)
        }
        // Referrers are not served; clients then fall back to the tag scheme.
        Route::Referrers(_) => Answer::new(
            StatusCode::NOT_FOUND,
            "text/plain",
            "404 page not found\n".into(),
        ),
        Route::Ping | Route::Unknown => Answer::json(StatusCode::OK, &json!({})),
    }
}

struct Page<'a> {
    names: Vec<&'a str>,
    /// The query of the next page.
    next: Option<String>,
}

/// One page of sorted names, after `last` and of at most `n`, or the server's own limit.
fn page<'a>(names: &[&'a str], query: &str, limit: usize) -> Page<'a> {
    let pairs = query::pairs(query);
    let last = query::first(&pairs, "last").unwrap_or_default();
    let wanted = query::first(&pairs, "n")
        .and_then(|number| number.parse::<usize>().ok())
        .filter(|number| *number > 0);
    let size = match (wanted, limit) {
        (Some(wanted), 0) => wanted,
        (Some(wanted), limit) => wanted.min(limit),
        (None, 0) => usize::MAX,
        (None, limit) => limit,
    };
    let rest: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| last.is_empty() || *name > last)
        .collect();
    let shown: Vec<&str> = rest.iter().copied().take(size).collect();
    let next = (shown.len() < rest.len())
        .then(|| shown.last().map(|last| format!("n={size}&last={last}")))
        .flatten();
    Page { names: shown, next }
}

fn with_link(answer: Answer, path: &str, page: &Page<'_>) -> Answer {
    match &page.next {
        Some(next) => answer.header(LINK, &format!("<{path}?{next}>; rel=\"next\"")),
        None => answer,
    }
}

/// A blob, or the part of it that a single byte range asks for.
fn ranged(blob: &Bytes, headers: &HeaderMap) -> Answer {
    const TYPE: &str = "application/octet-stream";
    let length = blob.len();
    let range = headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'));
    let Some((from, to)) = range else {
        return Answer::new(StatusCode::OK, TYPE, blob.clone()).header(ACCEPT_RANGES, "bytes");
    };
    let bounds = match (from.parse::<usize>().ok(), to.parse::<usize>().ok()) {
        (Some(from), Some(to)) => (from, to.saturating_add(1).min(length)),
        (Some(from), None) => (from, length),
        (None, Some(suffix)) => (length.saturating_sub(suffix), length),
        (None, None) => (length, length),
    };
    if bounds.0 >= bounds.1 {
        return Answer::error(ErrorCode::RangeInvalid)
            .header(CONTENT_RANGE, &format!("bytes */{length}"));
    }
    Answer::new(
        StatusCode::PARTIAL_CONTENT,
        TYPE,
        blob.slice(bounds.0..bounds.1),
    )
    .header(ACCEPT_RANGES, "bytes")
    .header(
        CONTENT_RANGE,
        &format!("bytes {}-{}/{length}", bounds.0, bounds.1 - 1),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn pages_end_and_link_to_the_next() {
        let names = ["a", "b", "c", "d", "e"];
        let first = page(&names, "n=2", 0);
        assert_eq!(first.names, ["a", "b"]);
        assert_eq!(first.next.as_deref(), Some("n=2&last=b"));
        let last = page(&names, "n=2&last=d", 0);
        assert_eq!(last.names, ["e"]);
        assert_eq!(last.next, None);
        assert_eq!(page(&names, "n=100", 3).names.len(), 3);
        assert_eq!(page(&names, "", 0).names.len(), 5);
        assert_eq!(page(&names, "n=5", 0).next, None);
    }

    #[test]
    fn ranges_are_inclusive_open_or_from_the_end() {
        let blob = Bytes::from_static(b"0123456789");
        for (range, status, body) in [
            ("bytes=0-0", 206, "0"),
            ("bytes=7-", 206, "789"),
            ("bytes=-2", 206, "89"),
            ("bytes=5-100", 206, "56789"),
            ("bytes=10-", 416, ""),
            ("lines=1-2", 200, "0123456789"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_static(range));
            let answer = ranged(&blob, &headers);
            assert_eq!(answer.status.as_u16(), status, "{range}");
            if status != 416 {
                assert_eq!(answer.body, body, "{range}");
            }
        }
    }

    #[test]
    fn the_last_word_of_a_path_separates() {
        assert!(matches!(
            route("/v2/a/manifests/b/manifests/1"),
            Route::Manifest("a/manifests/b", "1")
        ));
        assert!(matches!(route("/v2/a/b/tags/list"), Route::Tags("a/b")));
        assert!(matches!(
            route("/v2/a/blobs/sha256:0"),
            Route::Blob("a", "sha256:0")
        ));
        assert!(matches!(route("/v2/manifests/1"), Route::Unknown));
        assert!(matches!(route("/other"), Route::Unknown));
    }
}
