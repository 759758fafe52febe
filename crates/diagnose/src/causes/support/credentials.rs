//! What the causes of the credentials family share: what the text says about the login, what the
//! API and the registry say about the pod's secrets, and the table that weighs what is left open.
//!
//! # What is decided
//!
//! Two answers come before the table ([`decide`]). The keyring ([`lookup`]) tells which credentials
//! of the pod match the image, and what is wrong with the others; the registry ([`said`]) tells
//! what becomes of each, and of those who come without one. The text stays the measure: what
//! agrees with it is proven, what does not is likely at most, and a registry that lets the pod read
//! makes none of these causes ([`changed`]).
//!
//! | keyring | registry | cause |
//! | --- | --- | --- |
//! | none matches, and a key is near, or the registry does not hide | any | secret-wrong-host ! |
//! | none matches, none meant for it | refuses whoever has no login, and does not hide | auth-missing ! |
//! | all that match are empty | not asked | secret-malformed ! |
//! | one matches | refuses the login itself | auth-bad !; auth-expired ! where its time is over or the registry says so; secret-malformed ! where the password holds what does not belong there |
//! | one matches | accepts the login, and refuses the image | auth-forbidden !; hides: P, image-not-found-repo its rival |
//! | one matches | refuses it, and serves the image to those without | public-image-wrong-credential ! |
//! | one matches, its time is over by its own words | not asked | auth-expired ! (L where only its age tells) |
//! | one matches and is spoiled | not asked | secret-malformed !, L where the text does not speak of the login |
//! | any | serves the image | none of the family |
//!
//! Of several logins that are refused the one that is good in itself speaks for all, else the
//! first in the kubelet's order. A login that was held back decides nothing.
//!
//! # The table
//!
//! It weighs what is left open, and everything where secrets may not be read. Rows are what the text says ([`Word`]), columns what the API shows ([`Keys`]). `P` is possible,
//! `L` likely, `!` proven; *hides* is a registry that answers alike for missing and private, and
//! where no repository at all is open (ACR, ECR) a login is *always* wanted.
//!
//! | text | pasted | no secret named | usable secret named | secrets unreadable |
//! | --- | --- | --- | --- | --- |
//! | nothing sent: anonymous token refused, `no basic auth credentials` | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; always: auth-missing P; else auth-missing ! | secret-wrong-host P | as pasted |
//! | sent and wrong: oauth token 401, `incorrect username or password` | auth-bad L | auth-bad L | auth-bad L | auth-bad L |
//! | the same on ACR, whose 401 also means a missing right | auth-bad P | auth-forbidden P | auth-bad P | auth-bad P |
//! | sent and refused: oauth token 403 | auth-forbidden P (GHCR, GitLab: auth-bad P) | same | same | same |
//! | a named right is missing | auth-forbidden L (P where "or it may not exist") | same | same | same |
//! | expired | auth-expired L | same | same | same |
//! | token granted, scope not (`insufficient_scope`), `pull access denied` | not-found-or-private P | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-forbidden P | not-found-or-private P |
//! | the same, told to a login | auth-forbidden P | same | same | same |
//! | 401 and no more | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-missing L | hides: not-found-or-private P; else auth-bad P | not-found-or-private P |
//! | 403 and no more | hides: not-found-or-private P; else auth-forbidden P | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-forbidden P | not-found-or-private P |
//!
//! Three things soften a row: a service account that is not known (auth-missing is then possible,
//! pod-older-than-service-account its rival), a node that may get its login from a credential
//! provider of the registry's cloud (possible), and a mirror that answered in the registry's place
//! (likely at most; the row is then about the mirror). ECR's 403 is told to a login, since it
//! answers 401 without one: auth-forbidden P, or auth-expired P where the secret is older than 12
//! hours. A 403 on an image that everyone may pull is blocked-by-policy P.
//!
//! Over the table stand the causes that are read from the API and explain the refusal alone:
//! secret-missing, secret-wrong-type, pod-older-than-service-account, static-pod-secret,
//! image-not-entitled. Where every named secret is missing or of a wrong type the column is "no
//! secret named", and those causes are proven.
//!
//! containerd tells the first two rows apart by itself: `failed to fetch anonymous token` and `no
//! basic auth credentials` are said when the kubelet sent nothing, `failed to fetch oauth token`
//! when it sent a login (`core/remotes/docker/auth/fetch.go`). `insufficient_scope` follows a
//! token that was granted, so a login that was sent, if any, was good.

use pulldoctor_messages::{CredentialUse, Fault, Operation, Reading};
use pulldoctor_model::{Confidence, PullPolicy, Question};

use crate::{case::Case, cause::Role, known::Known};

mod changed;
mod content;
mod decide;
mod host;
mod kubelet;
mod lookup;
mod phrases;
mod repair;
mod said;
mod secrets;
mod table;
mod told;

pub(crate) use changed::{changed, lost_secrets};
pub(crate) use content::*;
use decide::{Decided, decide};
pub(crate) use host::*;
pub(crate) use kubelet::*;
pub(crate) use lookup::*;
pub(crate) use phrases::*;
pub(crate) use repair::*;
use said::anonymous;
pub(crate) use said::{Refusal, Said, refuses_own_token, said, turns_node_away};
pub(crate) use secrets::*;
pub(crate) use table::{Lead, led};

/// What the text says about the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// No login was sent, and the registry wants one.
    NothingSent,
    /// A login was sent and is wrong.
    SentWrong,
    /// A login was sent and refused with 403: wrong, expired or without the right.
    SentRefused,
    /// The identity is known and lacks a named right.
    RightMissing,
    /// A login was good once.
    Expired,
    /// A token was granted without the scope, or access is denied; not told to whom.
    Denied,
    /// The same, told to a login.
    DeniedToLogin,
    /// 401, and no more.
    Status401,
    /// 403, and no more.
    Status403,
}

impl Word {
    /// Whether it may be that the registry saw no login of the pod.
    pub(crate) fn may_lack_login(self) -> bool {
        matches!(
            self,
            Self::NothingSent | Self::Denied | Self::Status401 | Self::Status403
        )
    }

    /// Whether a login was sent for certain.
    pub(crate) fn tells_of_login(self) -> bool {
        matches!(
            self,
            Self::SentWrong
                | Self::SentRefused
                | Self::RightMissing
                | Self::Expired
                | Self::DeniedToLogin
        )
    }
}

/// Reads what the judged text says about the login; none where it is no refusal.
///
/// A refusal in the middle of a layer says nothing about the pod's credentials: the manifest was
/// served.
pub(crate) fn word(case: &Case<'_>) -> Option<Word> {
    word_of(case.reading())
}

/// Reads what a text says about the login.
pub(crate) fn word_of(reading: &Reading) -> Option<Word> {
    if reading.operation == Some(Operation::Blob)
        && matches!(
            reading.fault,
            Fault::Unauthorized | Fault::Forbidden | Fault::BadLogin
        )
    {
        return None;
    }
    let anonymous = matches!(
        reading.credential,
        Some(CredentialUse::Anonymous | CredentialUse::NoBasicCredentials)
    );
    let with_login = reading.credential == Some(CredentialUse::WithCredentials);
    if anonymous
        && matches!(
            reading.fault,
            Fault::PermissionMissing
                | Fault::BadLogin
                | Fault::AccessDenied
                | Fault::Unauthorized
                | Fault::Forbidden
        )
    {
        return Some(Word::NothingSent);
    }
    Some(match &reading.fault {
        Fault::NoCredentials
        | Fault::TokenRefused {
            anonymous: Some(true),
            ..
        } => Word::NothingSent,
        Fault::TokenRefused {
            anonymous: Some(false),
            status: Some(401),
        }
        | Fault::BadLogin => Word::SentWrong,
        Fault::TokenRefused {
            anonymous: Some(false),
            ..
        } => Word::SentRefused,
        Fault::PermissionMissing => Word::RightMissing,
        Fault::Expired => Word::Expired,
        Fault::AccessDenied if with_login => Word::DeniedToLogin,
        Fault::AccessDenied => Word::Denied,
        Fault::Unauthorized if with_login => Word::SentWrong,
        Fault::Forbidden if with_login => Word::SentRefused,
        Fault::TokenRefused {
            status: Some(403), ..
        }
        | Fault::Forbidden => Word::Status403,
        Fault::TokenRefused { .. } | Fault::Unauthorized => Word::Status401,
        _ => return None,
    })
}

/// What would decide, for every cause of the family: the named secrets, the service account and
/// its secrets, the node where its kubelet or cloud matters.
pub(crate) fn login_questions(case: &Case<'_>) -> Vec<Question> {
    if case.pasted {
        return Vec::new();
    }
    let Some(word) = word(case) else {
        return Vec::new();
    };
    let named = named(case);
    let mut asked: Vec<Question> = named
        .iter()
        .map(|one| case.secret_question(one.name))
        .collect();
    if !case.symptom.static_pod {
        asked.extend(case.service_account_question());
    }
    if named.is_empty()
        && let Some(account) = case.service_account().seen()
    {
        asked.extend(
            account
                .pull_secrets
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| case.secret_question(name)),
        );
        if case.symptom.pull_secrets.is_empty() && !case.symptom.static_pod {
            asked.extend(case.account_keyring_question());
        }
    }
    let entitled = word.may_lack_login() && case.symptom.pull_policy != Some(PullPolicy::Always);
    if entitled || cloud_of(&refusing_host(case)).is_some() {
        asked.extend(case.node_question());
    }
    asked.extend(deep_questions(case, word));
    // A secret that may not be read may still be named by the kubelet's own event.
    if named
        .iter()
        .any(|one| matches!(case.secret(one.name), Known::Gap(_)))
    {
        asked.push(case.events_question());
    }
    asked
}

/// What the content of the secrets and the registry itself would decide. Each is asked only where
/// what comes before it leaves something open.
fn deep_questions(case: &Case<'_>, word: Word) -> Vec<Question> {
    let mut asked = Vec::new();
    let keyring = case.keyring_question();
    let has_names = !named(case).is_empty();
    if has_names {
        asked.push(keyring.clone());
    }
    let is_looked_up = !has_names || case.is_settled(&keyring);
    if is_looked_up && registry_decides(case, word) {
        asked.push(case.registry_question());
    }
    if matches!(said(case), Said::Opens { .. }) {
        // When the last try was tells whether a secret was written after it.
        asked.push(case.events_question());
    }
    asked
}

/// Whether the registry, asked with the pod's own credentials, can tell more than the text and
/// the keyring do.
fn registry_decides(case: &Case<'_>, word: Word) -> bool {
    // What a mirror refused, the registry behind it does not explain.
    if mirror(case).is_some() || case.image.is_none() {
        return false;
    }
    match lookup(case) {
        Some(facts) if facts.failure.is_some() => false,
        Some(facts) if !facts.matching.is_empty() => {
            !(word.may_lack_login() && facts.matching.iter().all(is_blank))
        }
        // The node has asked without a login itself.
        Some(facts) => is_complete(facts) && word != Word::NothingSent,
        None => named(case).is_empty() && word != Word::NothingSent,
    }
}

/// A defect of named secrets that is read from the API.
#[derive(Debug, Clone)]
pub(crate) struct Defect<'a> {
    /// The secrets that have it, in the pod's order; at least one.
    pub(crate) secrets: Vec<Named<'a>>,
    /// The first of them: the one to mend first.
    pub(crate) first: Named<'a>,
    /// Other secrets of the pod that the kubelet may use for the image: it is not known.
    pub(crate) others: Vec<Named<'a>>,
    /// How sure it is that the defect explains the refusal.
    pub(crate) confidence: Confidence,
    /// Whether it can be what failed the pull: not where a login was sent and refused, and not
    /// beside another secret that matches.
    pub(crate) role: Role,
}

/// The named secrets with a defect, weighed against the text.
///
/// Proven where nothing else that the pod names could have matched and the registry may have seen
/// no login; possible beside a secret that may match: its content was not read.
pub(crate) fn defect<'a>(
    case: &Case<'a>,
    word: Word,
    has_it: impl Fn(&Named<'a>) -> bool,
) -> Option<Defect<'a>> {
    let (secrets, rest): (Vec<_>, Vec<_>) = named(case).into_iter().partition(has_it);
    let first = *secrets.first()?;
    let keyring = lookup(case);
    let is_known = keyring.is_some_and(is_complete);
    let others: Vec<_> = rest
        .into_iter()
        .filter(|one| !is_known && matches!(one.state, State::Usable | State::Unknown))
        .collect();
    let reads = match said(case) {
        // The pod's own login opens the image: nothing that is missing beside it is at fault.
        Said::Opens { with, .. } if with.username.is_some() => return None,
        Said::Opens { .. } => true,
        _ => false,
    };
    let confidence = if !others.is_empty() || reads {
        Confidence::Possible
    } else if mirror(case).is_some() {
        Confidence::Likely
    } else {
        Confidence::Proven
    };
    let is_beside =
        keyring.is_some_and(|keyring| keyring.failure.is_some() || !keyring.matching.is_empty());
    let role = if word.may_lack_login() && !is_beside {
        Role::Cause
    } else {
        Role::Contributes
    };
    Some(Defect {
        secrets,
        first,
        others,
        confidence,
        role,
    })
}

#[cfg(test)]
pub(crate) mod samples;
