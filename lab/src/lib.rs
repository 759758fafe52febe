//! A real Kubernetes on one machine, with faults to inject: see `lab/README.md`.
#![expect(
    clippy::print_stdout,
    reason = "the lab is driven by a person through `cargo xtask lab` and tells what it does"
)]

pub mod binaries;
pub mod canary;
pub mod case;
pub mod cgroup;
pub mod check;
pub mod cluster;
pub mod control_plane;
pub mod dump;
pub mod exec;
pub mod faults;
pub mod http_unix;
pub mod images;
pub mod kills;
pub mod kubelet;
pub mod labd;
pub mod lifecycle;
pub mod needs;
pub mod net;
pub mod node;
pub mod paths;
pub mod pki;
pub mod play;
pub mod queue;
pub mod registries;
pub mod runner;
pub mod selftest;
pub mod shell;
pub mod state;
pub mod tool;
pub mod traces;
pub mod variables;
pub mod wait;

pub use binaries::{Missing, prerequisites, requirements};
