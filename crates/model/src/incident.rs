//! Incidents and the report: the document that others script against
//! (`pulldoctor.dev/report/v1`). Every key is always present.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Also, Caret, CauseId, Confidence, ContainerKind, EvidenceItem, ExitCode, GapReason,
    NextQuestion, Object, RemedyRef, Rival, RuledOut, Scanned, Symptom,
};

/// Symptoms that share a cause and its object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// A hash of cluster, namespace of the object, cause and object; the same in every run.
    pub id: String,
    /// The cause.
    pub cause: CauseId,
    /// How sure.
    pub confidence: Confidence,
    /// The object that it is about.
    pub object: Object,
    /// The cause in one sentence.
    pub summary: String,
    /// The containers that wait because of it, by namespace, pod, kind and container.
    pub symptoms: Vec<ReportSymptom>,
    /// What carries the verdict.
    pub evidence: Vec<EvidenceItem>,
    /// What may be the truth instead.
    pub rivals: Vec<Rival>,
    /// What is excluded.
    pub ruled_out: Vec<RuledOut>,
    /// What contributes.
    pub also: Vec<Also>,
    /// What to ask next.
    pub next: Vec<NextQuestion>,
    /// What mends it.
    pub remedies: Vec<RemedyRef>,
    /// The part of the image that the verdict points at; for people only.
    #[serde(skip)]
    pub caret: Option<Caret>,
    /// Facts worth a line of their own; for people only.
    #[serde(skip)]
    pub notes: Vec<(String, String)>,
}

/// A stuck container as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportSymptom {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; none for the sandbox.
    pub container: Option<String>,
    /// Which part of the pod.
    pub kind: ContainerKind,
    /// The node; none while not scheduled.
    pub node: Option<String>,
    /// The topmost controller; none for a bare pod.
    pub owner: Option<String>,
    /// The field that holds the image.
    pub field: Option<String>,
    /// The image as written in the pod.
    pub image: String,
    /// The waiting reason.
    pub reason: String,
    /// The newest text that says why.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When the kubelet is expected to try again.
    pub next_retry: Option<Timestamp>,
}

impl ReportSymptom {
    /// The row of a symptom, with the text that was judged.
    pub fn new(symptom: &Symptom, message: String) -> Self {
        Self {
            namespace: symptom.namespace.clone(),
            pod: symptom.pod.clone(),
            container: symptom.container.clone(),
            kind: symptom.kind,
            node: symptom.node.clone(),
            owner: symptom.owner.clone(),
            field: symptom.field.clone(),
            image: symptom.image.clone(),
            reason: symptom.reason.clone(),
            message,
            since: symptom.since,
            next_retry: symptom.next_retry,
        }
    }
}

/// A gap as the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportGap {
    /// What is missing.
    pub what: String,
    /// Why.
    pub why: GapReason,
    /// The RBAC rule to add, as YAML.
    pub grant: Option<String>,
    /// Whether it could change which pods are reported or the first cause of an incident.
    pub counts: bool,
}

/// The whole of `diagnose`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`Report::SCHEMA`].
    pub schema: String,
    /// The kubeconfig context.
    pub context: String,
    /// What was looked through.
    pub scanned: Scanned,
    /// The incidents: most symptoms first, then by id.
    pub incidents: Vec<Incident>,
    /// What could not be seen.
    pub gaps: Vec<ReportGap>,
}

impl Report {
    /// The version of the document.
    pub const SCHEMA: &'static str = "pulldoctor.dev/report/v1";

    /// What a command that made this report exits with.
    pub fn exit(&self) -> ExitCode {
        if self.gaps.iter().any(|gap| gap.counts) {
            ExitCode::Partial
        } else if self.incidents.is_empty() {
            ExitCode::Fine
        } else {
            ExitCode::Problems
        }
    }
}
