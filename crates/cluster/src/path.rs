//! Paths and queries of the Kubernetes API, with every foreign part escaped.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may stand in a path segment or a query value as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request path that grows segment by segment.
#[derive(Debug, Clone)]
pub(crate) struct ApiPath {
    text: String,
    has_query: bool,
}

impl ApiPath {
    /// `/api/v1` for the empty group, else `/apis/GROUP/VERSION`.
    pub(crate) fn group(group: &str, version: &str) -> Self {
        let text = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        Self {
            text,
            has_query: false,
        }
    }

    /// The core group.
    pub(crate) fn core() -> Self {
        Self::group("", "v1")
    }

    /// Adds `/namespaces/NAME`, where there is one.
    pub(crate) fn namespace(self, namespace: Option<&str>) -> Self {
        match namespace {
            Some(name) => self.segment("namespaces").segment(name),
            None => self,
        }
    }

    /// Adds a segment. A name that a path would swallow (`.`, `..`) is escaped.
    pub(crate) fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        if segment.chars().all(|character| character == '.') {
            for _ in segment.chars() {
                self.text.push_str("%2E");
            }
        } else {
            // Writing to a string does not fail.
            let _ = write!(self.text, "{}", utf8_percent_encode(segment, PLAIN));
        }
        self
    }

    /// Adds a query parameter.
    pub(crate) fn query(mut self, key: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        let _ = write!(self.text, "{key}={}", utf8_percent_encode(value, PLAIN));
        self
    }

    /// Adds a query parameter where it has a value.
    pub(crate) fn query_opt(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.query(key, value),
            None => self,
        }
    }

    /// The path with its query.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_parts_cannot_leave_their_place() {
        let path = ApiPath::core()
            .namespace(Some("shop"))
            .segment("secrets")
            .segment("../../x?y#z")
            .query("fieldSelector", "a=b&c");
        assert_eq!(
            path.as_str(),
            "/api/v1/namespaces/shop/secrets/..%2F..%2Fx%3Fy%23z?fieldSelector=a%3Db%26c"
        );
        assert_eq!(ApiPath::core().segment("..").as_str(), "/api/v1/%2E%2E");
    }

    #[test]
    fn groups_have_their_own_root() {
        assert_eq!(
            ApiPath::group("apps", "v1")
                .namespace(None)
                .segment("deployments")
                .as_str(),
            "/apis/apps/v1/deployments"
        );
    }
}
