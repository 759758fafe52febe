//! Looks at registries from a node: name, address, handshake, first answer, anonymous token,
//! manifest, and the host that serves its blobs. Blocking sockets and threads, no runtime; a limit
//! on every wait and on every byte; never a credential.
//!
//! What it sees goes home as a [`NodeAnswer`]. The readers and judgements are those of
//! `pulldoctor_registry::judge`, which do no I/O; only the transport is this crate's own.

mod around;
mod blob;
mod deadline;
mod dns;
mod exchange;
mod http;
mod image;
mod run;
mod surroundings;
mod tcp;
mod tls;
mod url;
mod way;
mod wire;

pub use pulldoctor_registry::judge::NodeAnswer;
pub use run::{refusal, run};
pub use surroundings::Surroundings;
