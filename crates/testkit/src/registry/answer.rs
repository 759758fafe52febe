//! An answer before faults: status, headers and the whole body.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status,
            headers,
            body,
        }
    }

    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string().into())
    }

    /// The registry protocol's own error for a code, with its default status and message
    /// (distribution, registry/api/errcode/register.go).
    pub(super) fn error(code: ErrorCode) -> Self {
        Self::error_with(code, code.message())
    }

    pub(super) fn error_with(code: ErrorCode, message: &str) -> Self {
        let body = json!({"errors": [{"code": code.name(), "message": message, "detail": null}]});
        Self::json(code.status(), &body)
    }

    /// The same for a bare status that a fault asks for.
    pub(super) fn error_for_status(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            401 => ErrorCode::Unauthorized,
            403 => ErrorCode::Denied,
            404 => ErrorCode::ManifestUnknown,
            405 => ErrorCode::Unsupported,
            429 => ErrorCode::TooManyRequests,
            502..=504 => ErrorCode::Unavailable,
            _ => ErrorCode::Unknown,
        };
        Self {
            status,
            ..Self::error(code)
        }
    }

    #[must_use]
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a header; a value that cannot stand in one is left out.
    pub(super) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// As an answer to HEAD: the length is stated, the body left out.
    #[must_use]
    pub(super) fn without_body(mut self) -> Self {
        if !self.headers.contains_key(CONTENT_LENGTH) {
            self.headers
                .insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        self.body = Bytes::new();
        self
    }
}

/// The codes of the distribution specification that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorCode {
    Unauthorized,
    Denied,
    NameUnknown,
    ManifestUnknown,
    BlobUnknown,
    Unsupported,
    RangeInvalid,
    TooManyRequests,
    Unavailable,
    Unknown,
}

impl ErrorCode {
    fn name(self) -> &'static str {
        self.row().0
    }

    fn message(self) -> &'static str {
        self.row().1
    }

    fn status(self) -> StatusCode {
        self.row().2
    }

    fn row(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::Unauthorized => (
                "UNAUTHORIZED",
                "authentication required",
                StatusCode::UNAUTHORIZED,
            ),
            Self::Denied => (
                "DENIED",
                "requested access to the resource is denied",
                StatusCode::FORBIDDEN,
            ),
            Self::NameUnknown => (
                "NAME_UNKNOWN",
                "repository name not known to registry",
                StatusCode::NOT_FOUND,
            ),
            Self::ManifestUnknown => (
                "MANIFEST_UNKNOWN",
                "manifest unknown",
                StatusCode::NOT_FOUND,
            ),
            Self::BlobUnknown => (
                "BLOB_UNKNOWN",
                "blob unknown to registry",
                StatusCode::NOT_FOUND,
            ),
            Self::Unsupported => (
                "UNSUPPORTED",
                "The operation is unsupported.",
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            Self::RangeInvalid => (
                "RANGE_INVALID",
                "invalid content range",
                StatusCode::RANGE_NOT_SATISFIABLE,
            ),
            Self::TooManyRequests => (
                "TOOMANYREQUESTS",
                "too many requests",
                StatusCode::TOO_MANY_REQUESTS,
            ),
            Self::Unavailable => (
                "UNAVAILABLE",
                "service unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
            ),
            Self::Unknown => (
                "UNKNOWN",
                "unknown error",
                StatusCode::INTERNAL_SERVER_ERROR,
            ),
        }
    }
}
