//! The lab's daemon: one process that is the lab's DNS server and all its faulty registries.
//!
//! How it is started and controlled is described in `src/bin/labd.rs`.

mod control;
mod daemon;
mod options;

pub use control::{HostAnswer, router, serve_control};
pub use daemon::{ControlError, Daemon, DaemonError};
pub use options::Options;
