//! A registry, asked stage by stage: name resolution, proxy, TCP, TLS, HTTP, token, manifest,
//! platform, config, layers. [`Probe::run`] returns a [`Transcript`]: what was asked, what came
//! back and how long it took, whether it went well or not.
//!
//! [`judge`] is what is known of registries without I/O (challenges, manifests, certificate chains
//! in Go's terms, where a credential may go). It is built alone with `default-features = false`,
//! for the probe that runs on a node; feature `trust` adds the certificates.

#[cfg(feature = "client")]
mod client;
pub mod judge;
#[cfg(feature = "recorder")]
pub mod recorder;
mod secret;
#[cfg(feature = "trust")]
mod text;

#[cfg(feature = "client")]
pub use client::{
    Limits, Login, Probe, ProbeConfig, ProbeDepth, ProbeRequest, Resolvers, SetupError, authorities,
};

#[cfg(feature = "client")]
#[doc(hidden)]
pub use client::door;

pub use judge::{Problem, Stage, StageName, StageOutcome, Transcript};
pub use secret::SecretText;
