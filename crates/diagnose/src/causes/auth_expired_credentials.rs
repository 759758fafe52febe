//! `auth-expired-credentials`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::credentials::{
    host_name, is_ecr, led, login_object, login_questions, only_usable, with_login,
    with_replace_secret, with_rivals, word,
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
    /// security token included in the request is invalid`). ECR's plain 403 is *possible* where
    /// the pod's secret was made more than 12 hours ago.
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
    let summary = match (only_usable(case), lead.confidence) {
        (Some(one), Confidence::Possible) => format!(
            "the token in pull secret `{}` for {place} is older than the 12 hours it lives",
            one.name
        ),
        (Some(one), _) => format!(
            "the login of pull secret `{}` for {place} has expired",
            one.name
        ),
        (None, Confidence::Possible) => {
            format!("the token for {place} is older than the 12 hours it lives")
        }
        (None, _) => format!("the login for {place} has expired"),
    };
    let mut finding = with_rivals(
        case.finding(
            CauseId::AuthExpiredCredentials,
            lead.confidence,
            login_object(case),
            summary,
        ),
        case,
        &lead,
    )
    .open(Some(case.keyring_question()));
    if let Some(created) = only_usable(case).and_then(|one| one.facts?.created) {
        finding = finding.note("secret", format!("created {created}"));
    }
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

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, SecretFacts};

    use crate::{
        causes::support::credentials::samples::{FORBIDDEN, about, account},
        fixture::{at, pull_secret, stuck},
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
}
