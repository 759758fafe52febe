//! Everything that does I/O.

mod check;
mod config;
mod connect;
mod dns;
pub mod door;
mod echo;
mod exchange;
mod fault;
mod layers;
mod manifest;
mod origin;
mod probe;
mod redirects;
mod shared;
mod tags;
mod tar_walk;
mod tcp;
mod tls;
mod token;
mod tunnel;
mod verify;

pub use config::{Limits, Login, ProbeConfig, ProbeDepth, ProbeRequest, Resolvers, SetupError};
pub use probe::Probe;
pub use tls::authorities;
