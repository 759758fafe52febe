//! What the keyring and the registry's own answer decide, before the table has to guess.
//!
//! The node's text stays the measure. What agrees with it is proven: it was read from the API, or
//! the registry says it to the pod's own credentials, wherever it is asked from. What contradicts
//! it is never a cause: something has changed since, or the node goes another way.

use pulldoctor_model::{
    CauseId, Confidence, CredentialKind, ExpiryKnown, KeyringFacts, MatchingCredential,
    registry::{CredentialRecord, Identity, Problem},
};

use super::{
    Host, Keys, Lead, Refusal, Said, Word, accused_credential, cloud_of, expired_by, has_near_key,
    host_of, is_blank, is_complete, keys, lookup, mirror, refuses_own_token, refusing_host, said,
    spoiled_by, turns_node_away,
};
use crate::case::Case;

/// Where the decision lies.
#[derive(Debug)]
pub(super) enum Decided {
    /// A cause of the family.
    Lead(Lead),
    /// No cause of the family: the registry lets the pod read.
    Elsewhere,
    /// With the table.
    Open,
}

/// Decides what can be decided.
pub(super) fn decide(case: &Case<'_>, word: Word) -> Decided {
    use CauseId::{BlockedByPolicy as Blocked, PublicImageWrongCredential as Public};
    if case.pasted {
        return Decided::Open;
    }
    let said = said(case);
    let keyring = lookup(case);
    let has_no_login = keys(case) == Keys::None;
    if let Said::Opens { with, found } = said {
        let of_the_node = with.username.is_none() && has_no_login && word.tells_of_login();
        return if of_the_node && found {
            lead(Public, Confidence::Likely, &[])
        } else {
            Decided::Elsewhere
        };
    }
    if refuses_own_token(case) {
        return Decided::Elsewhere;
    }
    if word == Word::Status403 {
        // From two places, or by the node itself, before any login is asked for. A registry that
        // denies in its own words may mean that a login is missing, though it does not ask for one.
        match said {
            Said::RefusesUnasked { by_registry: false } => {
                return lead(Blocked, Confidence::Likely, &[]);
            }
            _ if turns_node_away(case) => return lead(Blocked, Confidence::Likely, &[]),
            Said::RefusesUnasked { by_registry: true } => {
                return lead(
                    Blocked,
                    Confidence::Possible,
                    &[CauseId::AuthMissingCredentials],
                );
            }
            _ => {}
        }
    }
    match keyring {
        Some(keyring) if !keyring.matching.is_empty() => with_login(case, word, keyring, said),
        _ if has_no_login && word.may_lack_login() => without_login(case, word, keyring, said),
        _ => Decided::Open,
    }
}

fn lead(cause: CauseId, confidence: Confidence, rivals: &[CauseId]) -> Decided {
    Decided::Lead(Lead {
        cause,
        confidence,
        rivals: rivals.to_vec(),
    })
}

/// What is read from the API is proven, unless a mirror stands between.
fn read_from_api(case: &Case<'_>) -> Confidence {
    if mirror(case).is_some() {
        Confidence::Likely
    } else {
        Confidence::Proven
    }
}

/// No credential of the pod matches the image.
fn without_login(
    case: &Case<'_>,
    word: Word,
    keyring: Option<&KeyringFacts>,
    said: Said<'_>,
) -> Decided {
    use CauseId::{AuthMissingCredentials as Missing, SecretWrongHost as WrongHost};
    if keyring.is_some_and(|keyring| misses_the_host(case, keyring)) {
        return lead(WrongHost, read_from_api(case), &[]);
    }
    let is_refused = matches!(said, Said::Refuses(Refusal { login: None, .. }));
    if is_refused && host_of(case) != Host::Hides && word != Word::NothingSent {
        return lead(Missing, Confidence::Proven, &[]);
    }
    Decided::Open
}

/// Whether a secret was meant to open the image and has no key for it. Where the registry hides
/// what it has, or the node's cloud may provide a login, a secret for quite another registry says
/// nothing: the pod may need it for another image.
fn misses_the_host(case: &Case<'_>, keyring: &KeyringFacts) -> bool {
    let has_other_way = host_of(case) == Host::Hides || cloud_of(&refusing_host(case)).is_some();
    is_complete(keyring)
        && keyring
            .secrets
            .iter()
            .any(|secret| !secret.entries.is_empty() && is_used(secret, has_other_way))
}

fn is_used(secret: &pulldoctor_model::SecretVerdict, only_near: bool) -> bool {
    has_near_key(secret) || !only_near && secret.standing == pulldoctor_model::SecretStanding::Used
}

/// At least one credential of the pod matches the image.
fn with_login(case: &Case<'_>, word: Word, keyring: &KeyringFacts, said: Said<'_>) -> Decided {
    use CauseId::{
        AuthBadCredentials as Bad, AuthMissingCredentials as Missing, NotFoundOrPrivate as Hidden,
        PublicImageWrongCredential as Public, SecretMalformed as Malformed,
    };
    if keyring.matching.iter().all(is_blank) && word.may_lack_login() {
        return lead(Malformed, read_from_api(case), &[]);
    }
    match said {
        Said::Refuses(refusal) if refusal.is_public && word != Word::NothingSent => {
            lead(Public, Confidence::Proven, &[])
        }
        Said::Refuses(Refusal {
            login: Some(login), ..
        }) => by_registry(case, word, login),
        // A login would match now, and the last try sent none.
        _ if word == Word::NothingSent && host_of(case) == Host::Hides => {
            lead(Missing, Confidence::Possible, &[Bad, Hidden])
        }
        _ if word == Word::NothingSent => lead(Missing, Confidence::Possible, &[Bad]),
        _ => by_content(case, word, keyring),
    }
}

/// The registry refuses every login: the one that speaks for all tells why.
fn by_registry(case: &Case<'_>, word: Word, login: &CredentialRecord) -> Decided {
    use CauseId::{
        AuthBadCredentials as Bad, AuthExpiredCredentials as Stale, AuthForbidden as Forbidden,
        ImageNotFoundRepo as Repo, SecretMalformed as Malformed,
    };
    let credential = accused_credential(case);
    match login.identity {
        Identity::Accepted if case.text().contains("may not exist") => {
            lead(Forbidden, Confidence::Possible, &[Repo])
        }
        // A login that is good and opens nothing: it may be that nothing is there.
        Identity::Accepted if host_of(case) == Host::Hides => {
            lead(Forbidden, Confidence::Possible, &[Repo])
        }
        Identity::Accepted => {
            let agrees = match word {
                Word::NothingSent | Word::Expired => false,
                Word::SentWrong => login.problem == Some(Problem::TokenRefused),
                _ => true,
            };
            lead(Forbidden, sure(agrees), &[])
        }
        Identity::Rejected => {
            // A token without scope was granted, so the login was good, or none was sent.
            let agrees = match word {
                Word::NothingSent | Word::RightMissing => false,
                Word::Denied | Word::DeniedToLogin => !case.text().contains("insufficient_scope"),
                _ => true,
            };
            let says_so = word == Word::Expired || login.detail.to_lowercase().contains("expired");
            let past = credential.and_then(|credential| expired_by(case, credential));
            let job = credential.is_some_and(|one| one.kind == CredentialKind::GitlabJobToken);
            if says_so || past.is_some() {
                lead(Stale, sure(agrees), &[])
            } else if credential.and_then(spoiled_by).is_some() {
                lead(Malformed, sure(agrees), &[])
            } else if job {
                lead(Stale, Confidence::Likely, &[])
            } else {
                lead(Bad, sure(agrees), &[])
            }
        }
        Identity::Unknown => match lookup(case) {
            Some(keyring) => by_content(case, word, keyring),
            None => Decided::Open,
        },
    }
}

fn sure(agrees: bool) -> Confidence {
    if agrees {
        Confidence::Proven
    } else {
        Confidence::Likely
    }
}

/// Without the registry's answer: what is wrong with every credential that matches.
fn by_content(case: &Case<'_>, word: Word, keyring: &KeyringFacts) -> Decided {
    use CauseId::{AuthExpiredCredentials as Stale, SecretMalformed as Malformed};
    let is_about_login = matches!(
        word,
        Word::SentWrong | Word::SentRefused | Word::Expired | Word::Status401 | Word::Status403
    );
    if !is_about_login {
        return Decided::Open;
    }
    let ends: Vec<_> = each(keyring, |one| expired_by(case, one));
    if ends.len() == keyring.matching.len() {
        let is_stated = ends.iter().all(|end| *end == ExpiryKnown::Stated);
        let confidence = if is_stated || word == Word::Expired {
            read_from_api(case)
        } else {
            Confidence::Likely
        };
        return lead(Stale, confidence, &[]);
    }
    if each(keyring, spoiled_by).len() == keyring.matching.len() && word != Word::Expired {
        let confidence = if word == Word::SentWrong {
            read_from_api(case)
        } else {
            Confidence::Likely
        };
        return lead(Malformed, confidence, &[]);
    }
    Decided::Open
}

fn each<T>(keyring: &KeyringFacts, look: impl FnMut(&MatchingCredential) -> Option<T>) -> Vec<T> {
    keyring.matching.iter().filter_map(look).collect()
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{CredentialRecord, Identity},
    };

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, FORBIDDEN, HOST, IMAGE, NO_BASIC, SCOPE, WRONG_LOGIN, account,
        },
        fixture::{
            PodSecret, absent_secret, challenged, docker_secret, granted, held_back, login_secret,
            no_token, refused, stuck, unreadable_secret,
        },
    };

    /// The pod's secrets, and whether one of them gives a login for the image.
    fn secrets() -> Vec<(Vec<PodSecret>, bool)> {
        let spoiled = r#"{"auths":{"registry.example.com":{"username":"ci-bot","password":"canary-pass\n"}}}"#;
        vec![
            (vec![login_secret("regcred", &[HOST])], true),
            (
                vec![absent_secret("gone"), login_secret("regcred", &[HOST])],
                true,
            ),
            (vec![docker_secret("regcred", spoiled)], true),
            (
                vec![login_secret("regcred", &["registry.example.com:5000"])],
                false,
            ),
            (vec![login_secret("regcred", &["ghcr.io"])], false),
            (vec![absent_secret("regcred")], false),
            (vec![docker_secret("regcred", r#"{"auths":{}}"#)], false),
            (vec![docker_secret("regcred", "{")], false),
            (vec![unreadable_secret("regcred")], false),
            (Vec::new(), false),
        ]
    }

    /// What may become of a login.
    fn records() -> Vec<CredentialRecord> {
        vec![
            granted(200),
            granted(404),
            no_token(Identity::Rejected),
            no_token(Identity::Unknown),
            refused(Identity::Accepted, 401),
            refused(Identity::Accepted, 403),
            refused(Identity::Unknown, 403),
            held_back(),
        ]
    }

    #[test]
    fn whatever_keyring_and_registry_say_the_promises_hold() {
        let status_401 = FORBIDDEN.replace("403 Forbidden", "401 Unauthorized");
        let expired = format!("{FORBIDDEN}\ndenied: Your authorization token has expired.");
        let texts = [
            NO_BASIC,
            ANONYMOUS,
            WRONG_LOGIN,
            SCOPE,
            FORBIDDEN,
            &status_401,
            &expired,
        ];
        for text in texts {
            for (secrets, has_login) in secrets() {
                let many = if has_login { usize::MAX } else { 1 };
                for login in records().into_iter().take(many) {
                    for anonymous in [granted(200), granted(404), refused(Identity::Unknown, 401)] {
                        let logins: &[_] = if has_login {
                            &[("regcred", HOST, login.clone())]
                        } else {
                            &[]
                        };
                        let opens = has_login && login.outcome == granted(200).outcome;
                        let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                            .keyring(&secrets)
                            .registry(challenged(IMAGE, logins, anonymous))
                            .judge();
                        let row = format!(
                            "{text}\n{secrets:?}\n{login:?}\n{} {:?} {:?}",
                            finding.cause, finding.confidence, finding.rivals
                        );
                        match finding.confidence {
                            Confidence::Proven => assert!(finding.rivals.is_empty(), "{row}"),
                            Confidence::Possible => assert!(!finding.rivals.is_empty(), "{row}"),
                            Confidence::Unknown => assert!(!finding.next.is_empty(), "{row}"),
                            Confidence::Likely => {}
                        }
                        let accuses_login = matches!(
                            finding.cause,
                            CauseId::AuthBadCredentials
                                | CauseId::AuthExpiredCredentials
                                | CauseId::AuthForbidden
                                | CauseId::AuthMissingCredentials
                        );
                        assert!(!(opens && accuses_login), "{row}");
                        let all = format!("{finding:?}");
                        assert!(!all.contains("canary"), "{row}");
                    }
                }
            }
        }
    }
}
