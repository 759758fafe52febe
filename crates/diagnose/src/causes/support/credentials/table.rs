//! The decision table, as the documentation of the module above shows it.

use pulldoctor_messages::{Fault, Reading, Runtime};
use pulldoctor_model::{CauseId, Confidence};

use super::{
    Host, Keys, State, Word, cloud_of, host_of, is_ecr, is_public, keys, mirror, named, node_is_in,
    word,
};
use crate::case::Case;

/// What comes first by the table, and what may be the truth instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The cause.
    pub(crate) cause: CauseId,
    /// How sure.
    pub(crate) confidence: Confidence,
    /// Causes that are not excluded.
    pub(crate) rivals: Vec<CauseId>,
}

fn lead_of(cause: CauseId, confidence: Confidence, rivals: &[CauseId]) -> Lead {
    Lead {
        cause,
        confidence,
        rivals: rivals.to_vec(),
    }
}

/// Looks up the table in this module's documentation.
#[expect(clippy::match_same_arms, reason = "each arm is a row of the table")]
fn lead(case: &Case<'_>) -> Option<Lead> {
    use CauseId::{
        AuthBadCredentials as Bad, AuthExpiredCredentials as Stale, AuthForbidden as Forbidden,
        AuthMissingCredentials as Missing, BlockedByPolicy as Blocked, ImageNotFoundRepo as Repo,
        NotFoundOrPrivate as Hidden, SecretMalformed as Malformed, SecretWrongHost as WrongHost,
    };
    use Confidence::{Likely, Possible, Proven};

    let word = word(case)?;
    let keys = keys(case);
    let host = host_of(case);
    let name = case.registry();
    let azure = name.ends_with(".azurecr.io");
    let mut lead = match (word, keys, host) {
        (Word::NothingSent, Keys::Usable, Host::Hides) => {
            lead_of(WrongHost, Possible, &[Malformed, Hidden])
        }
        (Word::NothingSent, Keys::Usable, _) => lead_of(WrongHost, Possible, &[Malformed]),
        (Word::NothingSent, _, Host::Hides) => lead_of(Hidden, Possible, &[Repo, Missing]),
        (Word::NothingSent, Keys::None, Host::AlwaysLogin) => lead_of(Missing, Likely, &[]),
        (Word::NothingSent, Keys::None, Host::Plain) => lead_of(Missing, Proven, &[]),
        (Word::NothingSent, _, Host::AlwaysLogin) => lead_of(Missing, Possible, &[WrongHost]),
        (Word::NothingSent, _, Host::Plain) => lead_of(Missing, Possible, &[WrongHost, Hidden]),

        (Word::SentWrong, Keys::None, _) if azure => lead_of(Forbidden, Possible, &[Bad, Stale]),
        (Word::SentWrong, _, _) if azure => lead_of(Bad, Possible, &[Forbidden, Stale]),
        // `invalid_token` is said of a token, not of the login that it was made from.
        (Word::SentWrong, _, _) if case.text().contains("invalid_token") => {
            lead_of(Bad, Possible, &[Stale, CauseId::RegistryServerError])
        }
        // A login that was told by the list of attempts alone.
        (Word::SentWrong, _, _) if *case.fault() == Fault::Unauthorized => {
            lead_of(Bad, Possible, &[Forbidden, Missing])
        }
        (Word::SentWrong, _, _) => lead_of(Bad, Likely, &[]),
        (Word::SentRefused, _, _) if name == "ghcr.io" || name.contains("gitlab") => {
            lead_of(Bad, Possible, &[Stale, Forbidden])
        }
        (Word::SentRefused, _, _) => lead_of(Forbidden, Possible, &[Bad, Stale]),
        (Word::RightMissing, _, _) if case.text().contains("may not exist") => {
            lead_of(Forbidden, Possible, &[Repo])
        }
        (Word::RightMissing, _, _) => lead_of(Forbidden, Likely, &[]),
        (Word::Expired, _, _) => lead_of(Stale, Likely, &[]),
        (Word::DeniedToLogin, _, _) => lead_of(Forbidden, Possible, &[Hidden]),

        (Word::Denied, Keys::Usable, Host::Plain) => {
            lead_of(Forbidden, Possible, &[WrongHost, Hidden])
        }
        (Word::Denied, Keys::Usable, _) => lead_of(Hidden, Possible, &[Repo, Forbidden, WrongHost]),
        (Word::Denied, Keys::None, Host::Plain) => lead_of(Missing, Possible, &[Hidden]),
        (Word::Denied, _, _) => lead_of(Hidden, Possible, &[Repo, Missing]),

        (Word::Status401, Keys::Usable, Host::Hides) => {
            lead_of(Hidden, Possible, &[Repo, Bad, WrongHost])
        }
        (Word::Status401, _, Host::Hides) | (Word::Status401, Keys::Unreadable, Host::Plain) => {
            lead_of(Hidden, Possible, &[Repo, Missing])
        }
        (Word::Status401, Keys::Usable, _) => lead_of(Bad, Possible, &[WrongHost, Forbidden]),
        (Word::Status401, Keys::None, Host::Plain) if !sent_head_401(case.reading()) => {
            lead_of(Missing, Likely, &[])
        }
        (Word::Status401, Keys::None, Host::Plain) => lead_of(Missing, Possible, &[Hidden, Bad]),
        (Word::Status401, _, Host::Plain) => lead_of(Missing, Possible, &[Bad, Hidden]),
        (Word::Status401, _, Host::AlwaysLogin) => lead_of(Missing, Possible, &[Bad]),

        (Word::Status403, _, _) if is_public(case) && keys != Keys::Usable => {
            lead_of(Blocked, Possible, &[Bad])
        }
        // ECR answers 401 to those without a login, so one was sent; it lives for 12 hours.
        (Word::Status403, _, _) if is_ecr(&name) && secret_is_old(case) => {
            lead_of(Stale, Possible, &[Forbidden])
        }
        (Word::Status403, _, _) if is_ecr(&name) => lead_of(Forbidden, Possible, &[Stale, Repo]),
        (Word::Status403, _, Host::AlwaysLogin) => lead_of(Forbidden, Possible, &[Blocked]),
        (Word::Status403, _, Host::Hides) | (Word::Status403, Keys::Unreadable, _) => {
            lead_of(Hidden, Possible, &[Repo, Missing, Blocked])
        }
        (Word::Status403, Keys::None, _) => lead_of(Missing, Possible, &[Hidden, Blocked]),
        (Word::Status403, Keys::Pasted, _) => lead_of(Forbidden, Possible, &[Missing, Blocked]),
        (Word::Status403, Keys::Usable, _) => lead_of(Forbidden, Possible, &[Bad, Blocked]),
    };
    soften(case, &mut lead, word, keys);
    Some(lead)
}

/// What the API has not answered yet, and a mirror that answered in the registry's place, keep a
/// finding from being sure.
fn soften(case: &Case<'_>, lead: &mut Lead, word: Word, keys: Keys) {
    if mirror(case).is_some() {
        lead.confidence = lead.confidence.min(Confidence::Possible);
        lead.rivals.push(CauseId::MirrorMisconfigured);
    }
    if lead.cause != CauseId::AuthMissingCredentials {
        return;
    }
    if keys == Keys::Unreadable {
        lead.rivals.insert(0, CauseId::SecretMissing);
    }
    if keys == Keys::None && case.service_account().is_open() && !case.symptom.static_pod {
        lead.confidence = lead.confidence.min(Confidence::Possible);
        lead.rivals.push(CauseId::PodOlderThanServiceAccount);
    }
    let cloud = cloud_of(&case.registry());
    let elsewhere = cloud.is_some_and(|cloud| {
        case.node()
            .seen()
            .is_some_and(|facts| !node_is_in(case, facts, cloud))
    });
    if cloud.is_some() && !elsewhere && word != Word::Status403 && keys != Keys::Usable {
        lead.confidence = lead.confidence.min(Confidence::Possible);
        lead.rivals.push(CauseId::CredentialProviderFailure);
    }
}

/// containerd from 1.6.25 on says `no basic auth credentials` where it had none, so a bare status
/// of the manifest's request was told to a login, or to a token without scope.
fn sent_head_401(reading: &Reading) -> bool {
    reading.runtime == Some(Runtime::Containerd)
        && reading.url.as_ref().is_some_and(|url| url.is_manifest)
}

/// Whether every usable secret was made more than 12 hours before the observation, the life of a
/// token of ECR.
fn secret_is_old(case: &Case<'_>) -> bool {
    const LIFE: i64 = 12 * 3_600;
    let mut usable = named(case)
        .into_iter()
        .filter(|one| one.state == State::Usable)
        .peekable();
    usable.peek().is_some()
        && usable.all(|one| {
            one.facts
                .and_then(|facts| facts.created)
                .is_some_and(|at| case.evidence.observed.as_second() - at.as_second() > LIFE)
        })
}

/// The lead, if it is this cause.
pub(crate) fn led(case: &Case<'_>, cause: CauseId) -> Option<Lead> {
    lead(case).filter(|lead| lead.cause == cause)
}
