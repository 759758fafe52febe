//! Everything that does I/O.

mod config;
mod connect;
mod dns;
mod exchange;
mod fault;
mod manifest;
mod origin;
mod probe;
mod redirects;
mod resolve_conf;
mod shared;
mod tcp;
mod tls;
mod token;
mod tunnel;

pub use config::{Limits, Login, ProbeConfig, ProbeDepth, ProbeRequest, Resolvers, SetupError};
pub use probe::Probe;
