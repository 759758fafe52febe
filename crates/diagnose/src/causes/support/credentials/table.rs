//! The decision table, as the documentation of the module above shows it.

use pulldoctor_messages::{Fault, Reading, Runtime};
use pulldoctor_model::{CauseId, Confidence};

use super::{
    Decided, Host, Keys, State, Word, cloud_of, decide, host_of, is_complete, is_ecr, is_public,
    keys, lookup, mirror, named, node_is_in, refusing_host, word,
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

/// What keyring and registry decide, or the table where they do not.
fn lead(case: &Case<'_>) -> Option<Lead> {
    let word = word(case)?;
    let mut lead = match decide(case, word) {
        Decided::Lead(lead) => lead,
        Decided::Elsewhere => return None,
        Decided::Open => by_table(case, word),
    };
    soften(case, &mut lead, word, keys(case));
    exclude(case, &mut lead);
    Some(lead)
}

/// Drops the rivals that the keyring excludes. The last one stays where the lead needs one.
fn exclude(case: &Case<'_>, lead: &mut Lead) {
    use CauseId::{
        AuthMissingCredentials as Missing, SecretMalformed as Malformed, SecretMissing as NoSecret,
        SecretWrongHost as WrongHost,
    };
    let Some(keyring) = lookup(case).filter(|keyring| is_complete(keyring)) else {
        return;
    };
    if keyring.matching.is_empty() {
        // A secret that is for another registry may still be the one that was meant.
        let has_other = keyring
            .secrets
            .iter()
            .any(|secret| !secret.entries.is_empty());
        if lead.cause == CauseId::NotFoundOrPrivate && has_other {
            lead.rivals.push(WrongHost);
        }
        lead.rivals.retain(|rival| *rival != Malformed);
    } else {
        let is_out = |rival: &CauseId| [Malformed, NoSecret, WrongHost, Missing].contains(rival);
        let rest = lead.rivals.iter().filter(|rival| !is_out(rival)).count();
        if rest > 0 || lead.confidence != Confidence::Possible {
            lead.rivals.retain(|rival| !is_out(rival));
        }
    }
}

/// Looks up the table in this module's documentation.
#[expect(clippy::match_same_arms, reason = "each arm is a row of the table")]
fn by_table(case: &Case<'_>, word: Word) -> Lead {
    use CauseId::{
        AuthBadCredentials as Bad, AuthExpiredCredentials as Stale, AuthForbidden as Forbidden,
        AuthMissingCredentials as Missing, BlockedByPolicy as Blocked, ImageNotFoundRepo as Repo,
        NotFoundOrPrivate as Hidden, SecretMalformed as Malformed, SecretWrongHost as WrongHost,
    };
    use Confidence::{Likely, Possible, Proven};

    let keys = keys(case);
    let host = host_of(case);
    let name = refusing_host(case);
    let azure = name.ends_with(".azurecr.io");
    match (word, keys, host) {
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
    }
}

/// What the API has not answered yet, and a mirror that answered in the registry's place, keep a
/// finding from being sure.
fn soften(case: &Case<'_>, lead: &mut Lead, word: Word, keys: Keys) {
    if mirror(case).is_some() {
        lead.confidence = lead.confidence.min(Confidence::Likely);
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
    let cloud = cloud_of(&refusing_host(case));
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

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, Question, SecretFacts};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, FORBIDDEN, IMAGE, NO_BASIC, SCOPE, WRONG_LOGIN, about, account,
            missing_secret,
        },
        fixture::{Fixture, node, pull_secret, stuck},
    };

    const HOSTS: [&str; 5] = [
        "registry.example.com",
        "docker.io",
        "ghcr.io",
        "shop.azurecr.io",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    ];

    fn texts() -> Vec<String> {
        let status_401 = FORBIDDEN.replace("403 Forbidden", "401 Unauthorized");
        let token_403 = WRONG_LOGIN.replace("401 Unauthorized", "403 Forbidden");
        let expired = format!("{FORBIDDEN}\ndenied: Your authorization token has expired.");
        [NO_BASIC, ANONYMOUS, WRONG_LOGIN, SCOPE, FORBIDDEN]
            .map(str::to_owned)
            .into_iter()
            .chain([status_401, token_403, expired])
            .collect()
    }

    type Build = fn(Fixture) -> Fixture;

    /// What the API may show, as builders.
    fn shown() -> Vec<(&'static str, Build)> {
        vec![
            ("nothing", |one| one),
            ("no secret", |one| account(one, &[])),
            ("a usable secret", |one| {
                account(one, &[]).secret("regcred", pull_secret())
            }),
            ("a missing secret", |one| {
                account(one, &[]).secret("regcred", missing_secret())
            }),
            ("an ignored secret", |one| {
                let opaque = SecretFacts {
                    kind: Some("Opaque".to_owned()),
                    ..pull_secret()
                };
                account(one, &[]).secret("regcred", opaque)
            }),
            ("a usable and a missing secret", |one| {
                account(one, &[])
                    .secret("regcred", pull_secret())
                    .secret("gone", missing_secret())
            }),
            ("an unreadable secret", |one| {
                account(one, &[])
                    .symptom(|symptom| symptom.pull_secrets.push("regcred".to_owned()))
                    .forbid(Question::Secret {
                        namespace: "shop".to_owned(),
                        name: "regcred".to_owned(),
                    })
            }),
            ("a service account with a secret", |one| {
                account(one, &["regcred"])
            }),
        ]
    }

    #[test]
    fn every_row_keeps_the_promises_of_the_document() {
        for text in texts() {
            for host in HOSTS {
                let text = about(&text, host);
                let image = about(IMAGE, host);
                for (what, build) in shown() {
                    for with_node in [false, true] {
                        let mut fixture = build(stuck(&image, "ErrImagePull", &text));
                        if with_node {
                            fixture = fixture.node(node());
                        }
                        let finding = fixture.judge();
                        let row = format!("{what}, {text}: {} {:?}", finding.cause, finding.rivals);
                        assert_ne!(finding.cause, CauseId::Unknown, "{row}");
                        assert!(
                            finding
                                .rivals
                                .iter()
                                .all(|one| one.cause != CauseId::Unknown),
                            "a rival is named by its cause; {row}"
                        );
                        match finding.confidence {
                            Confidence::Proven => assert!(finding.rivals.is_empty(), "{row}"),
                            Confidence::Possible => assert!(!finding.rivals.is_empty(), "{row}"),
                            Confidence::Likely | Confidence::Unknown => {}
                        }
                        let says_missing = finding.cause == CauseId::AuthMissingCredentials;
                        let was_sent = text.contains("oauth token") || text.contains("expired");
                        assert!(!(says_missing && was_sent), "{row}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_pasted_text_is_never_proof_and_never_without_a_cause() {
        for text in texts() {
            for host in HOSTS {
                let verdict = crate::read_text(&about(&text, host));
                assert!(verdict.finding.confidence <= Confidence::Likely);
                assert_ne!(verdict.finding.cause, CauseId::Unknown, "{text}");
            }
        }
    }

    #[test]
    fn what_a_mirror_refuses_is_about_the_mirror() {
        let text = "failed to pull and unpack image \"docker.io/shop/api:1\": failed to resolve image: unexpected status from HEAD request to https://mirror.example.com/v2/shop/api/manifests/1?ns=docker.io: 401 Unauthorized";
        let finding = account(stuck("shop/api:1", "ErrImagePull", text), &[]).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert!(
            finding.summary.contains("`mirror.example.com`"),
            "{}",
            finding.summary
        );
        assert!(
            finding
                .also
                .iter()
                .any(|also| also.cause == CauseId::MirrorMisconfigured)
        );
    }
}
