//! What the registry says to the pod's credentials, asked from here.

use pulldoctor_model::registry::{
    CredentialOutcome, CredentialRecord, Facts, Identity, Problem, StageName, StageOutcome,
    Transcript,
};

use super::mirror;
use crate::{
    case::Case,
    node_sight::{FromNode, from_node},
};

/// What the registry says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    /// It was not asked, did not answer from here, or was not shown every login.
    Nothing,
    /// It lets this one read.
    Opens {
        /// The first credential of the kubelet's order that it lets read, or none at all.
        with: &'a CredentialRecord,
        /// Whether the image is there.
        found: bool,
    },
    /// It refuses without asking for any login.
    RefusesUnasked {
        /// In the words of a registry (`DENIED`, `UNAUTHORIZED`), not of whoever stands before it.
        by_registry: bool,
    },
    /// It refuses every login, or whoever has none.
    Refuses(Refusal<'a>),
}

/// A refusal of every login.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    /// The login that speaks for all: one that is good in itself, or the first that the kubelet
    /// tries. None where the pod has no login for the image.
    pub(crate) login: Option<&'a CredentialRecord>,
    /// Whether the image can be read without any login.
    pub(crate) is_public: bool,
}

/// Reads the registry's answer for its logins. What a mirror refused it does not explain.
pub(crate) fn said<'a>(case: &Case<'a>) -> Said<'a> {
    match case.registry_answer().seen() {
        Some(transcript) if mirror(case).is_none() => read(transcript),
        _ => Said::Nothing,
    }
}

/// Whether the node was told that its token is invalid, and the registry refuses here as well though
/// its token service takes the login: then it does not take the service's own tokens.
pub(crate) fn refuses_own_token(case: &Case<'_>) -> bool {
    let Said::Refuses(refusal) = said(case) else {
        return false;
    };
    case.text().contains("invalid_token")
        && refusal
            .login
            .is_some_and(|login| login.identity == Identity::Accepted)
}

/// Whether the registry's address turns the node itself away with 403 before it asks for a login.
/// A registry asks by 401, so that is a filter's answer.
pub(crate) fn turns_node_away(case: &Case<'_>) -> bool {
    from_node(case)
        .filter(FromNode::is_nodes_own)
        .and_then(|look| look.registry())
        .is_some_and(|seen| {
            matches!(read(seen), Said::RefusesUnasked { by_registry: false })
                && seen.credentials.iter().any(|record| {
                    record.username.is_none() && record.problem == Some(Problem::Forbidden)
                })
        })
}

fn read(transcript: &Transcript) -> Said<'_> {
    let has_answer = transcript
        .stage(StageName::Http)
        .is_some_and(|http| http.outcome != StageOutcome::Failed);
    if !has_answer {
        return Said::Nothing;
    }
    let logins: Vec<&CredentialRecord> = transcript
        .credentials
        .iter()
        .filter(|record| record.is_login())
        .collect();
    let anonymous = anonymous(transcript);
    if let Some(with) = logins.iter().copied().find(|record| is_granted(record)) {
        return opens(with);
    }
    let refused = |record: &&CredentialRecord| record.outcome == CredentialOutcome::Refused;
    if logins.is_empty() || logins.iter().all(|record| is_unasked(record)) {
        return match anonymous {
            Some(with) if is_granted(with) => opens(with),
            Some(record) if refused(&record) && is_unchallenged(transcript) => {
                Said::RefusesUnasked {
                    by_registry: is_denied_by_registry(transcript),
                }
            }
            Some(record) if refused(&record) && logins.is_empty() => Said::Refuses(Refusal {
                login: None,
                is_public: false,
            }),
            _ => Said::Nothing,
        };
    }
    if !logins.iter().all(refused) {
        return Said::Nothing;
    }
    Said::Refuses(Refusal {
        login: transcript.speaking_login(),
        is_public: anonymous.is_some_and(|record| is_granted(record) && is_there(record)),
    })
}

/// What became of those who come without a login.
pub(super) fn anonymous(transcript: &Transcript) -> Option<&CredentialRecord> {
    transcript
        .credentials
        .iter()
        .find(|record| record.username.is_none() && record.source == "anonymous")
}

fn opens(with: &CredentialRecord) -> Said<'_> {
    Said::Opens {
        with,
        found: is_there(with),
    }
}

fn is_granted(record: &CredentialRecord) -> bool {
    record.outcome == CredentialOutcome::Granted
}

fn is_there(record: &CredentialRecord) -> bool {
    matches!(record.manifest_status, Some(200..300))
}

/// Not tried, and nothing was in the way: the registry did not ask for it.
fn is_unasked(record: &CredentialRecord) -> bool {
    record.outcome == CredentialOutcome::Untested && record.problem.is_none()
}

/// The first answer was no 401: no login was asked for.
fn is_unchallenged(transcript: &Transcript) -> bool {
    transcript
        .stage(StageName::Token)
        .is_some_and(|token| token.outcome == StageOutcome::Skipped)
}

fn is_denied_by_registry(transcript: &Transcript) -> bool {
    transcript
        .stage(StageName::Manifest)
        .and_then(|stage| match &stage.facts {
            Facts::Manifest(facts) => facts.error.as_ref(),
            _ => None,
        })
        .is_some_and(|error| error.has("DENIED") || error.has("UNAUTHORIZED"))
}
