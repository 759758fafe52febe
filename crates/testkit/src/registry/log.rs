//! What was asked of a host, for assertions. Credentials are never kept, only their scheme.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Entries kept; older ones are dropped.
const MOST: usize = 10_000;

/// The scheme of a request's Authorization header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorization {
    /// No header.
    None,
    /// `Basic …`
    Basic,
    /// `Bearer …`
    Bearer,
    /// Anything else.
    Other,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The client's address.
    pub client: IpAddr,
    /// The method.
    pub method: String,
    /// The Host header or HTTP/2 authority, with its port if it had one.
    pub host: String,
    /// The path.
    pub path: String,
    /// The query, without its question mark; empty where there was none.
    pub query: String,
    /// The scheme of the credential that came along.
    pub authorization: Authorization,
    /// The User-Agent header.
    pub user_agent: String,
    /// The status that was answered; nothing where the connection was closed instead.
    pub status: Option<u16>,
    /// The number of the fault that was applied, in the order of the specification.
    pub fault: Option<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Mutex<VecDeque<LogEntry>>,
}

impl Log {
    pub(super) fn push(&self, entry: LogEntry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == MOST {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    pub(super) fn entries(&self) -> Vec<LogEntry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
