use pulldoctor_model::registry::{
    AddressAttempt, CredentialOutcome, CredentialRecord, Facts, Identity, StageOutcome, TcpFacts,
};

use super::*;

pub(super) fn stage(name: StageName, problem: Option<Problem>, facts: Facts) -> Stage {
    Stage {
        stage: name,
        outcome: match problem {
            Some(_) => StageOutcome::Failed,
            None => StageOutcome::Ok,
        },
        took_ms: 0,
        detail: String::new(),
        problem,
        facts,
    }
}

/// A probe whose last stage failed.
pub(super) fn transcript(host: &str, last: StageName, problem: Problem) -> Transcript {
    Transcript {
        image: format!("{host}/shop/api:1"),
        repository: "shop/api".to_owned(),
        reference: "1".to_owned(),
        stages: vec![stage(last, Some(problem), Facts::None)],
        credentials: vec![record(None, CredentialOutcome::Refused, Identity::Unknown)],
        requests: 1,
        ..Transcript::new(host)
    }
}

fn record(
    username: Option<&str>,
    outcome: CredentialOutcome,
    identity: Identity,
) -> CredentialRecord {
    CredentialRecord {
        source: "secret shop/regcred".to_owned(),
        username: username.map(str::to_owned),
        outcome,
        identity,
        problem: None,
        manifest_status: None,
        detail: String::new(),
    }
}

fn judged(transcript: &Transcript, keyring: Option<&KeyringFacts>) -> ProbeVerdict {
    let image = Reference::parse(&transcript.image).unwrap();
    judge_probe(transcript, &image, keyring)
}

fn sure(verdict: &ProbeVerdict) -> (CauseId, Confidence) {
    (verdict.cause.unwrap(), verdict.confidence.unwrap())
}

#[test]
fn a_registry_that_hides_is_never_sure() {
    let private = transcript("ghcr.io", StageName::Token, Problem::TokenRefused);
    let verdict = judged(&private, None);
    assert_eq!(
        sure(&verdict),
        (CauseId::NotFoundOrPrivate, Confidence::Possible)
    );
    assert_eq!(verdict.rivals.len(), 2);

    let mut known = transcript("ghcr.io", StageName::Manifest, Problem::Forbidden);
    known.credentials = vec![record(
        Some("ci"),
        CredentialOutcome::Refused,
        Identity::Accepted,
    )];
    assert_eq!(
        sure(&judged(&known, None)),
        (CauseId::AuthForbidden, Confidence::Possible)
    );
}

#[test]
fn nobody_s_login_is_proof_only_where_the_secrets_were_seen() {
    let refused = transcript("reg.example.com", StageName::Token, Problem::TokenRefused);
    let cause = CauseId::AuthMissingCredentials;
    assert_eq!(sure(&judged(&refused, None)), (cause, Confidence::Likely));
    let none = KeyringFacts::default();
    assert_eq!(
        sure(&judged(&refused, Some(&none))),
        (cause, Confidence::Proven)
    );
    let unread = KeyringFacts {
        secrets: vec![SecretVerdict::unreadable("shop", "regcred")],
        ..KeyringFacts::default()
    };
    assert_eq!(
        sure(&judged(&refused, Some(&unread))),
        (cause, Confidence::Likely)
    );
    let lost = KeyringFacts {
        secrets: vec![SecretVerdict::missing("shop", "regcred", Vec::new())],
        ..KeyringFacts::default()
    };
    assert_eq!(
        sure(&judged(&refused, Some(&lost))),
        (CauseId::SecretMissing, Confidence::Proven)
    );
}

#[test]
fn a_404_to_nobody_proves_nothing() {
    let hidden = transcript("reg.example.com", StageName::Manifest, Problem::NotFound);
    let verdict = judged(&hidden, None);
    assert_eq!(
        sure(&verdict),
        (CauseId::ImageNotFoundTag, Confidence::Possible)
    );
    assert_eq!(verdict.rivals[0].0, CauseId::NotFoundOrPrivate);
}

#[test]
fn what_was_held_back_leaves_it_open() {
    let mut held = transcript(
        "reg.example.com",
        StageName::Token,
        Problem::RealmNotAllowed,
    );
    held.gaps.push(pulldoctor_model::registry::Gap {
        what: "credential".to_owned(),
        problem: Problem::RealmNotAllowed,
        host: "tokens.example.net".to_owned(),
        remedy: None,
    });
    let verdict = judged(&held, None);
    assert_eq!((verdict.cause, verdict.is_partial), (None, true));
}

#[test]
fn only_a_network_that_lets_nothing_out_is_our_own() {
    let attempts = |problems: &[Problem]| {
        let attempts = problems.iter().map(|problem| AddressAttempt {
            address: ([192, 0, 2, 1], 443).into(),
            problem: Some(*problem),
            connected: false,
            took_ms: 0,
        });
        let facts = TcpFacts {
            attempts: attempts.collect(),
            reused: false,
        };
        let problem = problems.last().copied();
        is_own_network(&stage(StageName::Tcp, problem, Facts::Tcp(facts)))
    };
    assert!(attempts(&[Problem::TcpNetworkUnreachable; 2]));
    assert!(!attempts(&[
        Problem::TcpRefused,
        Problem::TcpNetworkUnreachable
    ]));
    assert!(!attempts(&[Problem::TcpNoRoute]));
    let dns = |problem| is_own_network(&stage(StageName::Dns, Some(problem), Facts::None));
    assert!(dns(Problem::DnsUnreachable));
    assert!(!dns(Problem::DnsNxdomain) && !dns(Problem::DnsTimeout));
}
