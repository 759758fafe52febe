//! The shared vocabulary of pulldoctor.
//!
//! A [`Symptom`] is a container that waits for an image. A [`Question`] is what would decide
//! between causes; its [`Answer`], or the [`Gap`] that stands in its place, goes into the
//! [`Evidence`]. The engine (`pulldoctor-diagnose`) turns evidence into [`Finding`]s, ranks them
//! into a [`Diagnosis`] for each symptom and groups those into [`Incident`]s, which a
//! [`Report`] carries to every renderer.
//!
//! Nothing here does I/O, and nothing here holds a secret: evidence keeps verdicts on
//! credentials, never their content. Evidence holds what was seen, never what was made of it,
//! so that an old recording is judged by today's engine.

mod answer;
mod cause;
mod evidence;
mod exit;
mod finding;
mod incident;
mod keyring;
mod node_view;
mod question;
pub mod registry;
mod secrets;
mod symptom;
mod text;

pub use answer::{
    Answer, Condition, Event, Filesystem, ImagePlace, NodeFacts, NodeFilesystems, NodeImage,
    OwnerFacts, RegistryUse, Revision, SecretFacts, ServiceAccountFacts, Taint, Usage,
};
pub use cause::{CauseId, Family, UnknownCause};
pub use evidence::{Answered, Evidence, Gap, GapReason, Scanned, Vantage};
pub use exit::ExitCode;
pub use finding::{
    Also, Applicability, Caret, Confidence, Diagnosis, EvidenceItem, Finding, NextQuestion, Object,
    ObjectKind, RemedyRef, Rival, RuledOut,
};
pub use incident::{Incident, Report, ReportGap, ReportSymptom};
pub use keyring::{
    AuthLooks, Blemish, CredentialKind, EntryFault, EntryVerdict, Expiry, ExpiryKnown, Fit,
    JsonLooks, KeyringFacts, KeyringFailure, MalformedSecret, MatchingCredential, Mismatch,
    NoEntries, SecretStanding, SecretVerdict, without_quoted_character,
};
pub use node_view::{
    KubeletConfig, KubeletPull, LogLine, NodeHost, NodeLogs, NodeMetrics, NodeNetwork, NodePath,
    NodeResolvers, NodeRole, NodeSight, NodeView, TrialRole,
};
pub use question::{Question, RegistryCredentials};
pub use secrets::without_secrets;
pub use symptom::{ContainerKind, PullPolicy, Symptom};
pub use text::{clean, clean_line, shorten};

/// A point in time, as Kubernetes writes it (RFC 3339).
pub use jiff::Timestamp;
