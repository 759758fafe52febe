//! The Kubernetes side of pulldoctor: finds the containers that wait for an image and answers
//! the engine's questions, from a live cluster ([`Cluster`]) or from files ([`Bundle`]).
//!
//! [`Cluster::connect`] reads the kubeconfig, [`Cluster::scan`] lists the pods page by page and
//! hands over the symptoms of each, [`Cluster::answer`] fills in answers or the gaps that stand
//! in their place. Which containers count as stuck is decided by pure functions over slim rows
//! of pods and events, the same for both sources.
//!
//! Nothing here judges, and no secret's content leaves the function that reads it.

mod answers;
mod api;
mod body;
mod bundle;
mod connect;
mod credentials;
mod error;
mod events;
mod gaps;
mod index;
mod isolate;
mod kubeconfig;
mod lines;
mod logs;
mod measure;
mod node_probe;
mod nodes;
mod owners;
mod pace;
mod path;
mod rbac;
mod registries;
mod resolve;
mod running;
mod scan;
mod scope;
mod selector;
mod slim;
mod suspects;
mod symptoms;
mod timing;

pub use answers::{Held, Holder, HolderError, SecretNames, recall};
pub use bundle::{Bundle, BundleError};
pub use connect::{Cluster, ConnectOptions};
pub use credentials::Credentials;
pub use error::{ApiError, ConnectError, ScanError};
pub use isolate::{IsolateError, IsolationPlan, PlannedTrial, Suspect};
pub use logs::{GivenLog, GivenLogs, LogError};
#[doc(hidden)]
pub use measure::{peek_token, read_kubeconfig, read_node_answer, read_page, sift_log};
pub use node_probe::{
    Look, NodeAccess, NodeProbeError, Place, Plan, ProbeProgram, Swept, pull_object, pull_rules,
};
pub use registries::Registries;
pub use scan::{Page, Scan, ScanProgress};
pub use scope::{Namespaces, Scope, Target, TargetError, TargetKind};
