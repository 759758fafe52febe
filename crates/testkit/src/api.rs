//! A Kubernetes API server in memory, as far as a reader of pods needs one.
//!
//! [`FakeCluster::router`] goes straight into `kube::Client::new`; [`FakeCluster::serve`] serves
//! the same over loopback HTTP, and [`kubeconfig`] points a client at it. Objects are put in as
//! JSON; [`PodGenerator`] adds any number of pods that exist only while they are sent. Nothing works
//! in it unless a test lets it: [`Kubelet`] plays what becomes of pods that are created.

mod admission;
mod body;
mod cluster;
mod discovery;
mod handle;
mod kubelet;
mod list;
mod pods;
mod resources;
mod selectors;
mod serve;
mod status;
mod store;
mod watch;

pub use admission::PodSecurity;
pub use cluster::{FakeCluster, Forbid, ForbidScope, Logged, summary};
pub use kubelet::{Kubelet, Run, Running};
pub use pods::PodGenerator;
pub use serve::{ServeError, Served, kubeconfig};
pub use store::ObjectError;
