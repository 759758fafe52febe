//! What the engine makes of the evidence of one symptom.

use serde::{Deserialize, Serialize};

use crate::{CauseId, Question, Vantage};

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The evidence does not tell.
    Unknown,
    /// Consistent with the evidence, but a named rival is not excluded.
    Possible,
    /// Admits one reading only, or was reproduced from another place.
    Likely,
    /// Reproduced from the failing node, independent of the place, or read live from the API.
    Proven,
}

impl Confidence {
    /// The word used everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Proven => "proven",
        }
    }
}

/// What kind of thing an incident is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// An image, as written in the pod.
    Image,
    /// A secret.
    Secret,
    /// A registry's host.
    Registry,
    /// A node.
    Node,
    /// A pod.
    Pod,
}

/// The object that an incident is about: `cause + object` make an incident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its namespace, for secrets and pods.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Object {
    /// An image.
    pub fn image(name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Image,
            namespace: None,
            name: name.into(),
        }
    }

    /// A registry.
    pub fn registry(host: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Registry,
            namespace: None,
            name: host.into(),
        }
    }

    /// A node.
    pub fn node(name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Node,
            namespace: None,
            name: name.into(),
        }
    }

    /// A secret.
    pub fn secret(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Secret,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// A pod.
    pub fn pod(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Pod,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }
}

/// One piece of evidence that carries a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceItem {
    /// What was asked.
    pub question: String,
    /// What came back.
    pub answer: String,
    /// Where it was seen.
    pub from: Vantage,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
}

/// A cause that may be the truth instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rival {
    /// The other cause.
    pub cause: CauseId,
    /// Why it is not excluded.
    pub because: String,
    /// What would decide.
    pub decided_by: String,
}

/// A cause that the evidence excludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The excluded cause.
    pub cause: CauseId,
    /// By what.
    pub by: String,
}

/// A cause that contributes, or lies behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Also {
    /// The other cause.
    pub cause: CauseId,
    /// How it contributes.
    pub because: String,
}

/// What to ask next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextQuestion {
    /// The question.
    pub question: String,
    /// A command that answers it.
    pub command: Option<String>,
}

/// When a remedy may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applicability {
    /// Unattended.
    Safe,
    /// After the person has seen the difference and agreed.
    Consent,
    /// By the person, outside the cluster's API.
    Advice,
}

/// A remedy that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemedyRef {
    /// Its id.
    pub id: String,
    /// When it may be applied.
    pub applicability: Applicability,
    /// What it does, in one line.
    pub title: String,
    /// A command that does it.
    pub command: Option<String>,
}

/// The part of the image reference that a finding points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caret {
    /// First byte in the image as written.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What to say under it.
    pub label: String,
}

/// A cause that the evidence of one symptom raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The cause.
    pub cause: CauseId,
    /// How sure.
    pub confidence: Confidence,
    /// The object that it is about.
    pub object: Object,
    /// The cause in one sentence.
    pub summary: String,
    /// What carries it.
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
    /// The part of the image that it points at.
    pub caret: Option<Caret>,
    /// Facts worth a line of their own, as (word, text).
    pub notes: Vec<(String, String)>,
    /// Questions that, once answered, may change the cause or its confidence.
    pub open: Vec<Question>,
}

impl Finding {
    /// A finding without evidence, rivals or advice yet.
    pub fn new(
        cause: CauseId,
        confidence: Confidence,
        object: Object,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            cause,
            confidence,
            object,
            summary: summary.into(),
            evidence: Vec::new(),
            rivals: Vec::new(),
            ruled_out: Vec::new(),
            also: Vec::new(),
            next: Vec::new(),
            remedies: Vec::new(),
            caret: None,
            notes: Vec::new(),
            open: Vec::new(),
        }
    }
}

/// The judgement on one symptom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The symptom's place in [`Evidence::symptoms`](crate::Evidence::symptoms).
    pub symptom: usize,
    /// The finding that has to be mended first.
    pub first: Finding,
}
