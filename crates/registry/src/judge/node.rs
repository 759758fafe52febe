//! What a probe on a node is asked and answers. The node only sees; what its chains are worth is
//! judged at home, where authorities are at hand.

mod summary;
#[cfg(feature = "trust")]
mod verdict;

use serde::{Deserialize, Serialize};

use pulldoctor_model::{NodePath, NodeResolvers, NodeRole};
#[cfg(feature = "client")]
use pulldoctor_reference::Reference;

use super::{Facts, Problem, StageName, StageOutcome, Transcript};

/// The version of these types. The probe travels with the program that asks it, so there is no
/// older one to read; a mismatch is a fault of the build and is said to be one.
pub const NODE_PROTOCOL: u32 = 1;

/// Most hosts that one probe asks.
pub const MOST_TARGETS: usize = 16;

/// Most bytes of an answer.
pub const MOST_ANSWER: usize = 512 * 1024;

/// Most tags of one repository, or repositories of one registry, that an answer holds.
pub const MOST_NAMES: usize = 200;

/// Most bytes of a termination message (`MaxContainerTerminationMessageLength` of the kubelet).
pub const MOST_SUMMARY: usize = 4096;

/// What a probe is asked. It never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAsk {
    /// [`NODE_PROTOCOL`].
    pub protocol: u32,
    /// Names the program to the registry.
    pub user_agent: String,
    /// Whom to ask, all at once.
    pub targets: Vec<NodeTarget>,
    /// Bounds of time.
    pub limits: NodeLimits,
}

/// One host to ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTarget {
    /// Why it is asked.
    pub role: NodeRole,
    /// `host[:port]`.
    pub host: String,
    /// The node is configured to ask it in plain HTTP.
    pub plain_http: bool,
    /// What to ask it for; nothing where only the way to it matters.
    pub image: Option<NodeImage>,
}

/// An image to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeImage {
    /// As it was written.
    pub written: String,
    /// The repository.
    pub repository: String,
    /// The tag or digest.
    pub reference: String,
    /// The tag that is written, also where the reference is a digest.
    pub tag: Option<String>,
    /// The node's `os/architecture[/variant]`.
    pub platform: Option<String>,
}

#[cfg(feature = "client")]
impl NodeImage {
    /// What a runtime asks a registry for.
    pub fn new(image: &Reference) -> Self {
        Self {
            written: image.as_written().to_owned(),
            repository: image.repository().to_owned(),
            reference: image.manifest_reference(),
            tag: image.effective_tag().map(str::to_owned),
            platform: None,
        }
    }
}

/// Bounds of time, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLimits {
    /// For everything.
    pub total: u64,
    /// For the names of one host.
    pub dns: u64,
    /// For one connection attempt.
    pub connect: u64,
    /// For a TLS handshake.
    pub handshake: u64,
    /// For one answer with its body.
    pub answer: u64,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            total: 5000,
            dns: 2000,
            connect: 2000,
            handshake: 3000,
            answer: 3000,
        }
    }
}

/// What a probe answers: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAnswer {
    /// [`NODE_PROTOCOL`].
    pub protocol: u32,
    /// One a target, in their order.
    pub sights: Vec<RawSight>,
    /// Who resolves names there.
    pub resolvers: NodeResolvers,
    /// The node's clock at the end, in Unix seconds.
    pub clock: i64,
    /// Milliseconds.
    pub took_ms: u64,
    /// Why nothing could be asked.
    pub error: Option<String>,
    /// Something was left out, since the answer was too long or only its summary could be read.
    pub is_cut: bool,
}

/// What was seen of one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawSight {
    /// Why it was asked.
    pub role: NodeRole,
    /// The stages. Those of TLS say nothing of the certificates before they are judged.
    pub transcript: Transcript,
    /// The certificates that hosts sent.
    pub chains: Vec<SentChain>,
    /// What is known of the ways.
    pub paths: Vec<NodePath>,
}

impl RawSight {
    /// Leaves out the tags, but for the wanted one where it is listed.
    fn without_tags(&mut self) {
        let wanted = &self.transcript.reference;
        if let Some(list) = &mut self.transcript.tags {
            let count = list.tags.len();
            list.tags.retain(|tag| tag == wanted);
            list.truncated |= list.tags.len() < count;
        }
    }

    fn bare(&mut self) {
        self.chains.clear();
        self.transcript.other_hosts.clear();
    }

    fn barest(&mut self) {
        for stage in &mut self.transcript.stages {
            stage.facts = Facts::None;
        }
    }
}

/// Certificates as they were sent, leaf first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentChain {
    /// `host[:port]` as in the stages.
    pub host: String,
    /// In DER, as base64.
    pub certificates: Vec<String>,
    /// Why the signature of the handshake is not good, where it is not.
    pub unchecked: Option<String>,
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeAnswerError {
    /// Longer than any answer.
    TooLong,
    /// No line of it is an answer.
    NotAnAnswer,
    /// It is of another version.
    Protocol(u32),
    /// The probe says why it asked nothing.
    Probe(String),
}

impl std::fmt::Display for NodeAnswerError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => formatter.write_str("the probe's answer is too long"),
            Self::NotAnAnswer => formatter.write_str("the probe's output holds no answer"),
            Self::Protocol(version) => write!(formatter, "the probe speaks version {version}"),
            Self::Probe(why) => write!(formatter, "the probe could not ask: {why}"),
        }
    }
}

impl std::error::Error for NodeAnswerError {}

impl NodeAnswer {
    /// The answer as one line, with what is least missed left out where it would be too long.
    pub fn line(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        let mut less = self.clone();
        less.is_cut = true;
        for lessen in [RawSight::without_tags, RawSight::bare, RawSight::barest] {
            if text.len() <= MOST_ANSWER {
                break;
            }
            less.sights.iter_mut().for_each(lessen);
            text = serde_json::to_string(&less).unwrap_or_default();
        }
        text
    }

    /// Finds the answer in a container's log.
    pub fn from_log(log: &str) -> Result<Self, NodeAnswerError> {
        if log.len() > MOST_ANSWER + 1024 {
            return Err(NodeAnswerError::TooLong);
        }
        let answer: Self = log
            .lines()
            .rev()
            .filter(|line| line.starts_with('{'))
            .find_map(|line| serde_json::from_str(line).ok())
            .ok_or(NodeAnswerError::NotAnAnswer)?;
        answer.checked()
    }

    fn checked(self) -> Result<Self, NodeAnswerError> {
        if self.protocol != NODE_PROTOCOL {
            return Err(NodeAnswerError::Protocol(self.protocol));
        }
        match &self.error {
            Some(error) => Err(NodeAnswerError::Probe(super::show(error))),
            None => Ok(self),
        }
    }
}

/// A transcript of a target before anything was asked.
pub fn begin_transcript(target: &NodeTarget) -> Transcript {
    let mut transcript = Transcript::new(&target.host);
    if let Some(image) = &target.image {
        transcript.image.clone_from(&image.written);
        transcript.repository.clone_from(&image.repository);
        transcript.reference.clone_from(&image.reference);
    }
    transcript
}

/// One stage in the summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BriefStage(StageName, StageOutcome, Option<Problem>, String);
