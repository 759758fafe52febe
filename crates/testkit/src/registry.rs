//! A registry that speaks the OCI distribution protocol over real sockets, and whose every route
//! can be made to fail.
//!
//! [`FakeRegistry`] is one registry on a loopback port, for tests. The lab daemon serves many on
//! shared ports from a [`Directory`].

mod answer;
mod auth;
mod body;
mod directory;
mod fake;
mod host;
mod log;
mod routes;
mod serve;
mod token;
mod wire;

pub use crate::glob::matches as glob_matches;
pub use directory::Directory;
pub use fake::{FakeRegistry, StartError};
pub use host::{Described, HostError, VirtualHost, describe, fill};
pub use log::{Authorization, LogEntry};
pub use serve::serve_listener;
pub use token::{ISSUER, key_set};
