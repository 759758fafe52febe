//! What a probe from here proves by itself: no pod, no node's text beside it.
//!
//! A registry's answer that does not depend on the place is *proven*: a missing tag while the tags
//! are listed, a login that is refused, a platform that is not there. What the place may change
//! (names, routes, proxies, certificates, limits) is *likely* at most: a node may see it otherwise.

mod beside;
mod kubelet;
mod sure;
mod words;

use pulldoctor_model::{
    Caret, CauseId, Confidence, KeyringFacts, SecretStanding, SecretVerdict,
    registry::{Facts, Problem, Stage, StageName, StageOutcome, Transcript},
};
use pulldoctor_reference::Reference;

use crate::transcript::cause_of;

pub use beside::{alone, compare, learn};
pub(crate) use kubelet::kubelet_worth_of;
pub use kubelet::{Worth as KubeletWorth, kubelet_question, kubelet_worth, wants_login, weigh};

/// From where a registry was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat<'a> {
    /// From this computer.
    Here,
    /// From a node.
    Node(&'a str),
    /// From the pods of a namespace.
    Namespace(&'a str),
}

impl Seat<'_> {
    /// Where something is so.
    fn at(self) -> String {
        match self {
            Self::Here => "here".to_owned(),
            Self::Node(name) => format!("on node `{name}`"),
            Self::Namespace(name) => format!("in namespace `{name}`"),
        }
    }

    /// Where something was tried.
    fn from(self) -> String {
        match self {
            Self::Here => "from here".to_owned(),
            Self::Node(name) => format!("from node `{name}`"),
            Self::Namespace(name) => format!("from namespace `{name}`"),
        }
    }

    /// Whose question was not answered; goes without saying here.
    fn of(self) -> String {
        match self {
            Self::Here => String::new(),
            Self::Node(name) => format!(" of node `{name}`"),
            Self::Namespace(name) => format!(" of namespace `{name}`"),
        }
    }
}

/// What a probe comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeVerdict {
    /// The cause; nothing where no stage failed, or where what failed is only that something was
    /// not asked.
    pub cause: Option<CauseId>,
    /// How sure it is; there where there is a cause.
    pub confidence: Option<Confidence>,
    /// One sentence.
    pub summary: String,
    /// What it may be instead, and why.
    pub rivals: Vec<(CauseId, &'static str)>,
    /// The part of the image that it is about.
    pub caret: Option<Caret>,
    /// Something that was not asked could change this verdict.
    pub is_partial: bool,
}

/// Judges a probe from here, as [`judge_probe_from`] does.
pub fn judge_probe(
    transcript: &Transcript,
    image: &Reference,
    keyring: Option<&KeyringFacts>,
) -> ProbeVerdict {
    judge_probe_from(Seat::Here, transcript, image, keyring)
}

/// Judges a probe. `keyring` holds the verdicts on the pull secrets whose logins were tried;
/// nothing where no secrets were looked at.
pub fn judge_probe_from(
    seat: Seat<'_>,
    transcript: &Transcript,
    image: &Reference,
    keyring: Option<&KeyringFacts>,
) -> ProbeVerdict {
    let is_partial = is_partial(transcript);
    if let Some(failure) = keyring.and_then(|facts| facts.failure.as_ref()) {
        return ProbeVerdict {
            cause: Some(CauseId::SecretMalformed),
            confidence: Some(Confidence::Proven),
            summary: format!(
                "the kubelet cannot read secret `{}`, and then asks for no image",
                failure.secret
            ),
            rivals: Vec::new(),
            caret: None,
            is_partial: false,
        };
    }
    let Some(stage) = transcript.first_failure() else {
        return ProbeVerdict {
            cause: None,
            confidence: None,
            summary: words::good(seat, transcript),
            rivals: Vec::new(),
            caret: None,
            is_partial,
        };
    };
    if let Some(beyond) = beyond_trust(seat, transcript, stage) {
        return judge_probe_from(seat, &beyond, image, keyring);
    }
    let Some(found) = cause_of(transcript).filter(|_| !is_partial) else {
        return ProbeVerdict {
            cause: None,
            confidence: None,
            summary: words::unasked(transcript, stage),
            rivals: Vec::new(),
            caret: None,
            is_partial: true,
        };
    };
    let defect = keyring
        .filter(|_| found == CauseId::AuthMissingCredentials)
        .and_then(defect);
    let (cause, confidence, rivals) = match defect {
        Some(cause) => (cause, Confidence::Proven, Vec::new()),
        None => sure::sure(transcript, stage, found, keyring.is_some_and(is_all_read)),
    };
    ProbeVerdict {
        cause: Some(cause),
        confidence: Some(confidence),
        summary: words::summary(seat, transcript, stage, cause, keyring),
        rivals,
        caret: caret(image, transcript, cause, stage),
        is_partial: false,
    }
}

/// What a probe elsewhere saw beyond certificates that this computer does not trust: whether that
/// place trusts them is not known, and the probe went on. Nothing where no later stage failed.
fn beyond_trust(seat: Seat<'_>, transcript: &Transcript, stage: &Stage) -> Option<Transcript> {
    let is_trust = matches!(
        stage.problem,
        Some(Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain)
    );
    if matches!(seat, Seat::Here) || !is_trust {
        return None;
    }
    let mut beyond = transcript.clone();
    for own in &mut beyond.stages {
        if own.stage == stage.stage {
            own.outcome = StageOutcome::Ok;
            own.problem = None;
        }
    }
    beyond.first_failure().is_some().then_some(beyond)
}

/// Whether this machine's own network let no question out, so that nothing is said about the
/// registry: no resolver can be reached, or there is no route to any address.
pub fn is_own_network(stage: &Stage) -> bool {
    match (&stage.facts, stage.problem) {
        (_, Some(Problem::DnsUnreachable)) => true,
        (Facts::Tcp(facts), Some(Problem::TcpNetworkUnreachable)) => facts
            .attempts
            .iter()
            .all(|attempt| attempt.problem == Some(Problem::TcpNetworkUnreachable)),
        _ => false,
    }
}

/// A credential was held back where the registry wants one: the probe ended before the answer that
/// counts.
fn is_partial(transcript: &Transcript) -> bool {
    let Some(stage) = transcript.first_failure() else {
        return false;
    };
    let is_refusal = matches!(stage.stage, StageName::Token | StageName::Manifest)
        && !matches!(stage.problem, Some(Problem::NotFound));
    is_refusal && !transcript.gaps.is_empty()
}

/// The first defect of the secrets, where no login of theirs is for this image.
fn defect(facts: &KeyringFacts) -> Option<CauseId> {
    if !facts.matching.is_empty() || facts.secrets.is_empty() {
        return None;
    }
    let of = |standing: &SecretStanding| match standing {
        SecretStanding::Missing { .. } => Some(CauseId::SecretMissing),
        SecretStanding::WrongType { .. } => Some(CauseId::SecretWrongType),
        SecretStanding::MissingKey { .. }
        | SecretStanding::NoEntries { .. }
        | SecretStanding::Malformed { .. } => Some(CauseId::SecretMalformed),
        SecretStanding::Used => Some(CauseId::SecretWrongHost),
        SecretStanding::Unreadable => None,
    };
    if !is_all_read(facts) {
        return None;
    }
    facts.secrets.iter().find_map(|secret| of(&secret.standing))
}

/// Whether every secret could be looked at.
fn is_all_read(facts: &KeyringFacts) -> bool {
    let is_read = |secret: &SecretVerdict| secret.standing != SecretStanding::Unreadable;
    facts.secrets.iter().all(is_read)
}

/// The part of the image that a cause is about.
fn caret(
    image: &Reference,
    transcript: &Transcript,
    cause: CauseId,
    stage: &Stage,
) -> Option<Caret> {
    let spans = image.spans();
    let span = match (cause, stage.stage) {
        (CauseId::ImageNotFoundTag, _) => spans.tag?,
        (CauseId::ImageNotFoundDigest, _) => spans.digest?,
        (CauseId::ImageNotFoundRepo | CauseId::NotFoundOrPrivate, _) => spans.repository,
        (
            _,
            StageName::Dns | StageName::Proxy | StageName::Tcp | StageName::Tls | StageName::Http,
        ) => spans.registry?,
        _ => return None,
    };
    Some(Caret {
        start: span.start,
        end: span.end,
        label: words::caret(transcript, stage),
    })
}

#[cfg(test)]
mod tests;
