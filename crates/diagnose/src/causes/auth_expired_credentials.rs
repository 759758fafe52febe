//! `auth-expired-credentials`.

use pulldoctor_model::{Applicability, CauseId, Confidence, ExpiryKnown, Finding, Question};

use super::support::credentials::{
    accused_credential, expired_by, host_name, is_ecr, led, login_name, login_object,
    login_questions, only_usable, with_forensics, with_login, with_open, with_replace_secret,
    with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # auth-expired-credentials
    ///
    /// ## What it means
    ///
    /// The login was good once and its time is over. Tokens of cloud registries live for hours:
    /// 12 for ECR, about one for Google's access tokens, up to three for Azure's; GitLab's
    /// `CI_JOB_TOKEN` dies with its job.
    ///
    /// ## How we know
    ///
    /// The registry says so (`Your authorization token has expired`, `token has expired`, `The
    /// security token included in the request is invalid`), or the secret tells by itself: a JSON
    /// Web Token states its end (read without a check of its signature), and the tokens of ECR,
    /// Google, Azure, GitHub and GitLab are known by their shape, so the age of the secret tells.
    /// It is *proven* where the registry refuses that very login, or the token states an end that
    /// has passed. Where secrets may not be read, ECR's plain 403 is *possible* if the secret was
    /// made more than 12 hours ago.
    ///
    /// ## What to do
    ///
    /// - Write the secret again with a fresh token; pods that wait pick it up by themselves.
    /// - So that it does not come back, let the nodes fetch tokens themselves: a credential
    ///   provider of the kubelet. A token in a secret always expires.
    ///
    /// ## What it is not
    ///
    /// An expired certificate of the registry is `tls-expired`.
    ///
    /// ## Sources
    ///
    /// - AWS, `GetAuthorizationToken`: 12 hours.
    /// - containerd 2.4 appends a registry's JSON error to the status.
    AuthExpiredCredentials
    generals: [AuthBadCredentials, AuthMissingCredentials, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let lead = led(case, CauseId::AuthExpiredCredentials)?;
    let host = case.registry();
    let place = host_name(case);
    let kind = accused_credential(case).map(|credential| credential.kind.describe());
    let summary = match (only_usable(case), kind, lead.confidence) {
        (Some(one), Some(kind), Confidence::Proven | Confidence::Likely) => format!(
            "pull secret `{}` holds {kind}, for {place}: its time is over",
            one.name
        ),
        (Some(one), _, Confidence::Possible) => format!(
            "the token in pull secret `{}` for {place} is older than the 12 hours it lives",
            one.name
        ),
        (Some(_), ..) => format!(
            "{} for {place} has expired",
            login_name(case).unwrap_or_else(|| "the login".to_owned())
        ),
        (None, _, Confidence::Possible) => {
            format!("the token for {place} is older than the 12 hours it lives")
        }
        (None, ..) => format!("the login for {place} has expired"),
    };
    let finding = case.finding(
        CauseId::AuthExpiredCredentials,
        lead.confidence,
        login_object(case),
        summary,
    );
    let mut finding = with_rivals(finding, case, &lead);
    finding = with_open(finding, case, case.keyring_question());
    finding = with_open(finding, case, case.registry_question());
    if let Some(one) = only_usable(case) {
        let written = one.verdict.and_then(|verdict| verdict.written);
        let created = one.facts.and_then(|facts| facts.created);
        if let Some(written) = written {
            finding = finding.note("secret", format!("last written {written}"));
        } else if let Some(created) = created {
            finding = finding.note("secret", format!("created {created}"));
        }
    }
    finding = with_end(with_forensics(finding, case), case);
    finding = with_login(finding, case, word(case)?);
    finding = with_replace_secret(finding, case, "write a fresh token");
    if is_ecr(&host) {
        finding = finding.remedy(
            "credential-provider",
            Applicability::Advice,
            "let the nodes fetch ECR tokens: the kubelet's ecr-credential-provider",
            None,
        );
    }
    Some(finding.into())
}

/// Adds when the login's time was over, and how that is known.
fn with_end(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(credential) = accused_credential(case) else {
        return finding;
    };
    match (credential.expiry, expired_by(case, credential)) {
        (Some(end), Some(ExpiryKnown::Stated)) => {
            finding.note("expired", format!("{}, as the token itself states", end.at))
        }
        (Some(end), Some(ExpiryKnown::LongestLife)) => finding.note(
            "expired",
            format!(
                "{} at the latest: no longer does its kind live after the secret was written",
                end.at
            ),
        ),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, SecretFacts, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{
            FORBIDDEN, HOST as PLAIN, IMAGE, WRONG_LOGIN, about, account,
        },
        fixture::{
            Fixture, PodSecret, at, challenged, docker_secret, login_secret, no_token, pull_secret,
            refused, stuck, written,
        },
    };

    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    fn made(hours_ago: i64) -> SecretFacts {
        SecretFacts {
            created: Some(at(-3_600 * hours_ago)),
            ..pull_secret()
        }
    }

    #[test]
    fn the_registry_says_so() {
        let text = format!(
            "{}\ndenied: Your authorization token has expired. Reauthenticate and try again.",
            about(FORBIDDEN, HOST)
        );
        let finding = account(
            stuck(&format!("{HOST}/shop/api:1"), "ErrImagePull", &text),
            &[],
        )
        .secret("regcred", made(30))
        .judge();
        assert_eq!(finding.cause, CauseId::AuthExpiredCredentials);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.name, "regcred");
    }

    #[test]
    fn ecrs_plain_403_is_judged_by_the_secrets_age() {
        let image = format!("{HOST}/shop/api:1");
        let text = about(FORBIDDEN, HOST);
        let with = |facts| {
            account(stuck(&image, "ErrImagePull", &text), &[])
                .secret("regcred", facts)
                .judge()
        };
        let old = with(made(13));
        assert_eq!(old.cause, CauseId::AuthExpiredCredentials);
        assert_eq!(old.confidence, Confidence::Possible);
        assert_eq!(old.rivals[0].cause, CauseId::AuthForbidden);
        assert_eq!(with(made(11)).cause, CauseId::AuthForbidden);
    }

    /// A secret whose password is an unsigned JSON Web Token that ends then.
    fn token(end: i64) -> PodSecret {
        let claims = match end {
            1_789_996_400 => "eyJleHAiOjE3ODk5OTY0MDB9",
            1_790_003_600 => "eyJleHAiOjE3OTAwMDM2MDB9",
            _ => unreachable!("encoded above"),
        };
        docker_secret(
            "regcred",
            &format!(
                r#"{{"auths":{{"{PLAIN}":{{"username":"ci-bot","password":"eyJhbGciOiJub25lIn0.{claims}.c2ln"}}}}}}"#
            ),
        )
    }

    fn refused_with(secret: PodSecret) -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[]).keyring(&[secret])
    }

    #[test]
    fn a_token_that_states_its_end() {
        let finding = refused_with(token(1_789_996_400)).judge();
        assert_eq!(finding.cause, CauseId::AuthExpiredCredentials);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.name, "regcred");
        assert!(finding.notes.iter().any(|(word, _)| word == "expired"));
        // Its time is not over: it is bad for another reason.
        let finding = refused_with(token(1_790_003_600)).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
    }

    #[test]
    fn the_longest_life_of_its_kind_and_the_registrys_refusal() {
        let job = docker_secret(
            "regcred",
            &format!(
                r#"{{"auths":{{"{PLAIN}":{{"username":"bot","password":"ghs_canarycanarycanarycanarycanary012345"}}}}}}"#
            ),
        );
        let old = written(job.clone(), -25 * 3_600);
        let fixture = refused_with(old);
        assert_eq!(fixture.judge().cause, CauseId::AuthExpiredCredentials);
        assert_eq!(fixture.judge().confidence, Confidence::Likely);
        let transcript = |secret| {
            challenged(
                IMAGE,
                &[(secret, PLAIN, no_token(Identity::Rejected))],
                refused(Identity::Unknown, 401),
            )
        };
        let mut proven = fixture.registry(transcript("regcred")).judge();
        assert_eq!(proven.cause, CauseId::AuthExpiredCredentials);
        assert_eq!(proven.confidence, Confidence::Proven);
        let young = written(job, -3_600);
        proven = refused_with(young).registry(transcript("regcred")).judge();
        assert_eq!(proven.cause, CauseId::AuthBadCredentials);
    }

    #[test]
    fn the_registrys_own_words_about_the_pods_login() {
        let mut record = no_token(Identity::Rejected);
        record.detail = "401: unauthorized: token has expired".to_owned();
        let finding = refused_with(login_secret("regcred", &[PLAIN]))
            .registry(challenged(
                IMAGE,
                &[("regcred", PLAIN, record)],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthExpiredCredentials);
        assert_eq!(finding.confidence, Confidence::Proven);
    }
}
