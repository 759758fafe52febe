//! All that was seen: what the engine judges, and what a recording holds.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Answer, Question, Symptom};

/// Where something was seen from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Vantage {
    /// The Kubernetes API (objects, events).
    Api,
    /// The error message.
    Text,
    /// This process's own network.
    Here,
    /// A probe on a node.
    Node(String),
    /// A probe in a namespace's pod network.
    Namespace(String),
    /// A pull by the kubelet of a node.
    Kubelet(String),
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("api"),
            Self::Text => f.write_str("text"),
            Self::Here => f.write_str("here"),
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Namespace(name) => write!(f, "namespace/{name}"),
            Self::Kubelet(name) => write!(f, "kubelet/{name}"),
        }
    }
}

impl Serialize for Vantage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Vantage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "api" => return Ok(Self::Api),
            "text" => return Ok(Self::Text),
            "here" => return Ok(Self::Here),
            _ => {}
        }
        match text.split_once('/') {
            Some(("node", name)) => Ok(Self::Node(name.to_owned())),
            Some(("namespace", name)) => Ok(Self::Namespace(name.to_owned())),
            Some(("kubelet", name)) => Ok(Self::Kubelet(name.to_owned())),
            _ => Err(serde::de::Error::custom(format!(
                "`{text}` is not a place to look from"
            ))),
        }
    }
}

/// An answered question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// What was asked.
    pub question: Question,
    /// Where the answer comes from.
    pub from: Vantage,
    /// How long it took, in milliseconds; none where it came with something else.
    pub took_ms: Option<u64>,
    /// What came back.
    pub answer: Answer,
}

/// Why an answer is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Not permitted.
    Forbidden,
    /// No answer in time.
    Timeout,
    /// No way to ask.
    Unreachable,
    /// It was there once and is gone (events after their hour).
    Expired,
    /// Not asked, or a recording does not hold it.
    NotAsked,
}

/// Something that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// What is missing, as a fragment: `list secrets in shop`.
    pub what: String,
    /// Why.
    pub why: GapReason,
    /// The RBAC rule to add, as YAML, where a permission is missing.
    pub grant: Option<String>,
    /// The questions that it leaves open; none where it hides pods.
    pub questions: Vec<Question>,
    /// Whether it can hide stuck pods whatever the questions are.
    pub hides_pods: bool,
}

/// What was looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scanned {
    /// Pods after namespace, selector and targets.
    pub pods: usize,
    /// Pods among them that are stuck.
    pub stuck: usize,
    /// The namespaces, sorted; `["*"]` for all.
    pub namespaces: Vec<String>,
}

/// All that was seen of a cluster. A recording is this, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// [`Evidence::SCHEMA`].
    pub schema: String,
    /// The kubeconfig context.
    pub context: String,
    /// What tells this cluster from another: the API server's address.
    pub cluster: String,
    /// The API server's clock when the pods were listed.
    pub observed: Timestamp,
    /// What was looked through.
    pub scanned: Scanned,
    /// The containers that wait for an image.
    pub symptoms: Vec<Symptom>,
    /// Answered questions, in the order in which they were asked.
    pub answers: Vec<Answered>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

impl Evidence {
    /// The version of the recorded form.
    pub const SCHEMA: &'static str = "pulldoctor.dev/evidence/v1";

    /// Evidence of nothing yet.
    pub fn new(
        context: impl Into<String>,
        cluster: impl Into<String>,
        observed: Timestamp,
    ) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            context: context.into(),
            cluster: cluster.into(),
            observed,
            scanned: Scanned::default(),
            symptoms: Vec::new(),
            answers: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The answer to a question, if it has one. Linear: the engine keeps an index of its own.
    pub fn answer(&self, question: &Question) -> Option<&Answered> {
        self.answers
            .iter()
            .find(|answered| &answered.question == question)
    }

    /// The gap that stands in the place of an answer.
    pub fn gap(&self, question: &Question) -> Option<&Gap> {
        self.gaps
            .iter()
            .find(|gap| gap.questions.contains(question))
    }
}
