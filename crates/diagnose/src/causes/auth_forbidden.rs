//! `auth-forbidden`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Question};

use super::support::credentials::{
    host_name, is_ecr, led, login_name, login_object, login_questions, with_forensics, with_login,
    with_open, with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # auth-forbidden
    ///
    /// ## What it means
    ///
    /// The registry knows who asks, and that identity may not pull this repository.
    ///
    /// ## How we know
    ///
    /// The registry names a right that is missing (`Permission
    /// "artifactregistry.repositories.downloadArtifacts" denied`, `is not authorized to perform:
    /// ecr:BatchGetImage`), or answers 403 to a login, or grants a token without the scope that
    /// was asked for (`insufficient_scope`). It is *proven* where the registry, asked with the pod's
    /// own login, accepts that login and still refuses this repository. Until it is asked the last
    /// two have rivals; where a registry answers alike for what does not exist, that one stays.
    ///
    /// ## What to do
    ///
    /// Grant the right to pull on this repository:
    ///
    /// - ECR: `ecr:GetAuthorizationToken`, `ecr:BatchGetImage`, `ecr:GetDownloadUrlForLayer`, and
    ///   the repository's own policy where the account is another.
    /// - Artifact Registry: the role Artifact Registry Reader. ACR: the role AcrPull.
    /// - GHCR: a token with `read:packages`, and access of that user to the package.
    /// - GitLab: a token with `read_registry`. Harbor: a robot account of that project.
    ///
    /// ## What it is not
    ///
    /// A wrong password is `auth-bad-credentials`; a firewall's 403 is `blocked-by-policy`.
    ///
    /// ## Sources
    ///
    /// - Docker token authentication specification: a token may hold fewer actions than asked.
    /// - distribution `registry/api/errcode/register.go`: `DENIED` is 403.
    AuthForbidden
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let lead = led(case, CauseId::AuthForbidden)?;
    let word = word(case)?;
    let host = host_name(case);
    let facts = &case.reading().facts;
    let known = !case.pasted || case.reading().image.is_some();
    let what = if known {
        format!("`{}`", case.repository())
    } else {
        "this repository".to_owned()
    };
    let login = login_name(case).unwrap_or_else(|| "the login".to_owned());
    let summary = match (&facts.permission, lead.confidence) {
        (Some(permission), _) => {
            format!("{login} lacks the right `{permission}`, so {host} does not serve {what}")
        }
        (None, Confidence::Possible) => {
            format!("{login} probably lacks the right to pull {what} from {host}")
        }
        (None, _) => format!("{login} lacks the right to pull {what} from {host}"),
    };
    let finding = case.finding(
        CauseId::AuthForbidden,
        lead.confidence,
        login_object(case),
        summary,
    );
    let mut finding = with_rivals(finding, case, &lead);
    finding = with_forensics(with_open(finding, case, case.registry_question()), case);
    if let Some(resource) = &facts.resource {
        finding = finding.note("resource", resource.clone());
    }
    if let Some(image) = case.image.as_ref().filter(|_| known) {
        finding = finding.caret(image.spans().repository, "not for this login");
    }
    finding = with_login(finding, case, word);
    Some(with_remedy(finding, case).into())
}

fn with_remedy(finding: Finding, case: &Case<'_>) -> Finding {
    let host = case.registry();
    let title = if is_ecr(&host) {
        "grant ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository"
    } else if host.ends_with(".azurecr.io") {
        "grant the identity the role AcrPull on the registry"
    } else if host.ends_with("-docker.pkg.dev") || host.ends_with("gcr.io") {
        "grant the identity the role Artifact Registry Reader on the repository"
    } else if host == "ghcr.io" {
        "use a token with read:packages of a user who may read the package"
    } else {
        "grant the login the right to pull this repository"
    };
    finding.remedy("grant-pull", Applicability::Advice, title, None)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{
            FORBIDDEN, HOST, IMAGE, NO_BASIC, SCOPE, about, account,
        },
        fixture::{challenged, login_secret, pull_secret, refused, stuck},
    };

    #[test]
    fn a_named_right_is_likely() {
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let text = format!(
            "{}\ndenied: User: arn:aws:sts::123456789012:assumed-role/nodes/i-0 is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:123456789012:repository/shop/api",
            about(FORBIDDEN, host)
        );
        let finding = account(
            stuck(&format!("{host}/shop/api:1"), "ErrImagePull", &text),
            &[],
        )
        .judge();
        assert_eq!(finding.cause, CauseId::AuthForbidden);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding.summary.contains("`ecr:BatchGetImage`"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn googles_text_leaves_the_missing_repository_open() {
        let text = "Error response from daemon: Head \"https://europe-west2-docker.pkg.dev/v2/p/ml/app/manifests/1\": denied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/p/locations/europe-west2/repositories/ml\" (or it may not exist)";
        let verdict = crate::read_text(text);
        assert_eq!(verdict.finding.cause, CauseId::AuthForbidden);
        assert_eq!(verdict.finding.confidence, Confidence::Possible);
        assert_eq!(verdict.rivals(), [CauseId::ImageNotFoundRepo]);
    }

    #[test]
    fn a_token_without_the_scope_rules_out_a_wrong_password() {
        let finding = account(stuck(IMAGE, "ErrImagePull", SCOPE), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthForbidden);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::AuthBadCredentials)
        );
    }

    #[test]
    fn without_any_secret_it_is_the_login_that_lacks() {
        let finding = account(stuck(IMAGE, "ErrImagePull", SCOPE), &[]).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_login_that_the_registry_knows_and_does_not_let_read() {
        let transcript = challenged(
            IMAGE,
            &[("regcred", HOST, refused(Identity::Accepted, 401))],
            refused(Identity::Unknown, 401),
        );
        for text in [SCOPE, FORBIDDEN] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                .keyring(&[login_secret("regcred", &[HOST])])
                .registry(transcript.clone())
                .judge();
            assert_eq!(finding.cause, CauseId::AuthForbidden);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert!(finding.rivals.is_empty(), "{:?}", finding.rivals);
            assert!(finding.summary.contains("`ci-bot`"), "{}", finding.summary);
        }
        // A text that is told to nobody is not that login's.
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .keyring(&[login_secret("regcred", &[HOST])])
            .registry(transcript)
            .judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_token_that_the_registry_does_not_take_is_not_the_logins_right() {
        let text = SCOPE.replace("insufficient_scope", "invalid_token");
        let finding = account(stuck(IMAGE, "ErrImagePull", &text), &[])
            .keyring(&[login_secret("regcred", &[HOST])])
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, refused(Identity::Accepted, 401))],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Possible);
        let rivals: Vec<CauseId> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(rivals, [CauseId::AuthForbidden]);
        assert!(
            finding
                .remedies
                .iter()
                .all(|remedy| remedy.id != "grant-pull")
        );
    }

    #[test]
    fn where_the_registry_hides_a_good_login_leaves_the_missing_repository_open() {
        let text = about(SCOPE, "docker.io");
        let key = "https://index.docker.io/v1/";
        let finding = account(stuck("shop/api:1", "ErrImagePull", &text), &[])
            .keyring(&[login_secret("regcred", &[key])])
            .registry(challenged(
                "shop/api:1",
                &[("regcred", key, refused(Identity::Accepted, 401))],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthForbidden);
        assert_eq!(finding.confidence, Confidence::Possible);
        let rivals: Vec<_> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(rivals, [CauseId::ImageNotFoundRepo]);
        assert!(finding.summary.contains("`ci-bot`"), "{}", finding.summary);
    }
}
