//! What a probe of a registry saw: the document `pulldoctor.dev/probe/v1`, and how a person sees
//! it.

mod human;
mod place;

use pulldoctor_model::{
    Caret, CauseId, Confidence,
    registry::{
        CredentialOutcome, CredentialRecord, NearTag, Problem, Stage, StageName, StageOutcome,
        Transcript,
    },
};
use serde::Serialize;

pub use human::{human_probe_heading, human_probe_result, human_probe_stage, human_probe_stages};
pub use place::{ProbeBeside, ProbeKubelet, ProbeView};

/// The stages in the order in which they are listed.
const STAGES: [StageName; 10] = [
    StageName::Dns,
    StageName::Proxy,
    StageName::Tcp,
    StageName::Tls,
    StageName::Http,
    StageName::Token,
    StageName::Manifest,
    StageName::Platform,
    StageName::Config,
    StageName::Layers,
];

/// Said of a stage that the probe did not come to.
const NOT_REACHED: &str = "not reached";

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStage {
    /// Which one.
    pub stage: StageName,
    /// How it ended; a stage that was not reached is skipped.
    pub outcome: StageOutcome,
    /// Milliseconds.
    pub took_ms: u64,
    /// One sentence.
    pub detail: String,
    /// What is wrong, where it failed.
    pub problem: Option<Problem>,
}

impl From<&Stage> for ProbeStage {
    fn from(stage: &Stage) -> Self {
        Self {
            stage: stage.stage,
            outcome: stage.outcome,
            took_ms: stage.took_ms,
            detail: stage.detail.clone(),
            problem: stage.problem,
        }
    }
}

/// What became of a credential, in the four words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProbeOutcome {
    /// The registry let it read the repository.
    Granted,
    /// The registry or its token service refused it.
    Refused,
    /// It is not tried for this image.
    NotMatching,
    /// It cannot be decoded.
    Malformed,
}

impl ProbeOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::NotMatching => "not matching",
            Self::Malformed => "malformed",
        }
    }
}

/// A credential and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProbeCredential {
    /// Where it comes from; `anonymous` for none.
    pub source: String,
    /// The username; nothing for none.
    pub username: Option<String>,
    /// What became of it.
    pub outcome: ProbeOutcome,
    /// One sentence.
    pub detail: String,
}

/// A credential that was not tried: none of the four words is true of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UntestedCredential {
    /// Where it comes from.
    pub source: String,
    /// The username; nothing for none.
    pub username: Option<String>,
    /// Why not.
    pub because: String,
}

/// What it may be instead of the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProbeRival {
    /// The other cause.
    pub cause: CauseId,
    /// Why it may be.
    pub because: String,
}

/// A tag that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProbeNearTag {
    /// The tag.
    pub tag: String,
    /// Why it is near.
    pub because: String,
}

/// Something that was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProbeGap {
    /// What.
    pub what: String,
    /// The flag that consents to it.
    pub remedy: Option<String>,
    /// Whether it could change the verdict.
    pub counts: bool,
}

/// What the judgement adds to a transcript.
#[derive(Debug, Clone, Default)]
pub struct ProbeJudgement {
    /// The cause, where something failed.
    pub cause: Option<CauseId>,
    /// How sure it is.
    pub confidence: Option<Confidence>,
    /// One sentence.
    pub summary: String,
    /// What it may be instead.
    pub rivals: Vec<(CauseId, &'static str)>,
    /// The part of the image that it is about.
    pub caret: Option<Caret>,
    /// Whether what was not asked could change it.
    pub is_partial: bool,
}

/// One probe. Every key is always present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeDocument {
    schema: &'static str,
    image: String,
    from: String,
    stages: Vec<ProbeStage>,
    credentials: Vec<ProbeCredential>,
    cause: Option<CauseId>,
    confidence: Option<Confidence>,
    summary: String,
    rivals: Vec<ProbeRival>,
    platform: Option<String>,
    near_tags: Vec<ProbeNearTag>,
    near_repositories: Vec<String>,
    untested: Vec<UntestedCredential>,
    gaps: Vec<ProbeGap>,
    requests: u32,
    took_ms: u64,
    /// From where and through what it was seen; nothing from here, or where nobody could look.
    view: Option<ProbeView>,
    /// What the node's kubelet said of the credentials; nothing where it was not made to try.
    kubelet: Option<ProbeKubelet>,
    /// What this computer saw of the same.
    beside: Option<ProbeBeside>,
    #[serde(skip)]
    caret: Option<Caret>,
}

impl ProbeDocument {
    /// The version of the document.
    pub const SCHEMA: &'static str = "pulldoctor.dev/probe/v1";

    /// The document of one probe from here, for a platform. `others` are credentials that were
    /// looked at and never became a login, `unread` those that could not be had.
    pub fn new(
        transcript: &Transcript,
        judgement: ProbeJudgement,
        platform: Option<String>,
        others: &[CredentialRecord],
        unread: Vec<UntestedCredential>,
    ) -> Self {
        let mut credentials: Vec<ProbeCredential> =
            transcript.credentials.iter().filter_map(tested).collect();
        // Nobody's login is asked last.
        let last = credentials
            .iter()
            .position(|credential| credential.username.is_none())
            .unwrap_or(credentials.len());
        credentials.splice(last..last, others.iter().filter_map(tested));
        let mut untested: Vec<UntestedCredential> = transcript
            .credentials
            .iter()
            .chain(others)
            .filter_map(untested)
            .collect();
        untested.extend(unread);
        Self {
            schema: Self::SCHEMA,
            image: transcript.image.clone(),
            from: "here".to_owned(),
            stages: stages(transcript),
            credentials,
            cause: judgement.cause,
            confidence: judgement.confidence,
            summary: judgement.summary,
            rivals: judgement
                .rivals
                .into_iter()
                .map(|(cause, because)| ProbeRival {
                    cause,
                    because: because.to_owned(),
                })
                .collect(),
            platform,
            near_tags: transcript.near_tags.iter().map(near_tag).collect(),
            near_repositories: transcript.near_repositories.clone(),
            untested,
            gaps: transcript
                .gaps
                .iter()
                .map(|gap| ProbeGap {
                    what: gap.what.clone(),
                    remedy: gap.remedy.clone(),
                    counts: judgement.is_partial,
                })
                .collect(),
            requests: transcript.requests,
            took_ms: transcript.took_ms,
            view: None,
            kubelet: None,
            beside: None,
            caret: judgement.caret,
        }
    }

    /// The same, seen from another place: `node/n1`.
    #[must_use]
    pub fn seen_from(mut self, place: impl Into<String>, view: Option<ProbeView>) -> Self {
        self.from = place.into();
        self.view = view;
        self
    }

    /// The same, with what this computer saw.
    #[must_use]
    pub fn beside(mut self, beside: Option<ProbeBeside>) -> Self {
        self.beside = beside;
        self
    }

    /// The same, with what the node's kubelet said of the credentials.
    #[must_use]
    pub fn tried_by(mut self, kubelet: Option<ProbeKubelet>) -> Self {
        self.kubelet = kubelet;
        self
    }

    /// Adds that nobody could look, and what would let them.
    #[must_use]
    pub fn not_seen(self, what: impl Into<String>, remedy: Option<String>) -> Self {
        self.not_asked(what, remedy, true)
    }

    /// Adds something else that was not asked, what would let it be, and whether it could change
    /// the verdict.
    #[must_use]
    pub fn not_asked(
        mut self,
        what: impl Into<String>,
        remedy: Option<String>,
        counts: bool,
    ) -> Self {
        self.gaps.push(ProbeGap {
            what: what.into(),
            remedy,
            counts,
        });
        self
    }

    /// The cause, where something failed.
    pub fn cause(&self) -> Option<CauseId> {
        self.cause
    }

    /// Replaces how a stage ended: the kubelet would have stopped there.
    pub fn fail_stage(&mut self, name: StageName, detail: impl Into<String>) {
        for stage in &mut self.stages {
            if stage.stage == name {
                stage.outcome = StageOutcome::Failed;
                stage.detail = detail.into();
                return;
            }
        }
    }
}

/// All ten, those that were not reached as skipped.
fn stages(transcript: &Transcript) -> Vec<ProbeStage> {
    STAGES
        .into_iter()
        .map(|name| {
            transcript.stage(name).map_or_else(
                || ProbeStage {
                    stage: name,
                    outcome: StageOutcome::Skipped,
                    took_ms: 0,
                    detail: NOT_REACHED.to_owned(),
                    problem: None,
                },
                ProbeStage::from,
            )
        })
        .collect()
}

fn near_tag(near: &NearTag) -> ProbeNearTag {
    ProbeNearTag {
        tag: near.tag.clone(),
        because: near.because.clone(),
    }
}

fn tested(record: &CredentialRecord) -> Option<ProbeCredential> {
    let outcome = match record.outcome {
        CredentialOutcome::Granted => ProbeOutcome::Granted,
        CredentialOutcome::Refused => ProbeOutcome::Refused,
        CredentialOutcome::NotMatching => ProbeOutcome::NotMatching,
        CredentialOutcome::Malformed => ProbeOutcome::Malformed,
        CredentialOutcome::Untested => return None,
    };
    Some(ProbeCredential {
        source: record.source.clone(),
        username: record.username.clone(),
        outcome,
        detail: record.detail.clone(),
    })
}

fn untested(record: &CredentialRecord) -> Option<UntestedCredential> {
    (record.outcome == CredentialOutcome::Untested).then(|| UntestedCredential {
        source: record.source.clone(),
        username: record.username.clone(),
        because: record.detail.clone(),
    })
}
