//! `not-found-or-private`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::credentials::{
    Keys, Lead, Said, create_secret_command, is_public, keys, led, login_name, login_questions,
    said, with_login, with_open, with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # not-found-or-private
    ///
    /// ## What it means
    ///
    /// The registry refuses, and it answers alike for a repository that does not exist and for
    /// one that this pod may not see. Which of the two it is cannot be told from the outside.
    ///
    /// ## How we know
    ///
    /// `pull access denied, repository does not exist or may require authorization`,
    /// `insufficient_scope`, or a refused anonymous token, from a registry that is known to hide
    /// private repositories (Docker Hub, GHCR, Quay, GitLab, Artifact Registry, ACR, ECR, Harbor).
    /// The registry is asked with the pod's own logins. One that opens the repository decides
    /// between the two. One that is good and opens nothing is `auth-forbidden`, which then stays
    /// *possible*; an answer to nobody leaves both.
    ///
    /// ## What to do
    ///
    /// In this order:
    ///
    /// - Check the name, letter by letter. A name without a host is looked up on Docker Hub,
    ///   also if you built the image on your own machine.
    /// - If it is private, create a pull secret in the pod's namespace and name it in
    ///   `imagePullSecrets` or in the pod's service account.
    ///
    /// ## What it is not
    ///
    /// Not a missing tag: a readable repository answers `404` for that.
    ///
    /// ## Sources
    ///
    /// - Docker Hub: the token endpoint answers 200, the manifest 401 `insufficient_scope`, for
    ///   both.
    /// - containerd `core/remotes/docker/resolver.go`: the text.
    NotFoundOrPrivate
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() == Fault::ImageMissing && !case.pasted && case.image.is_some() {
        return vec![case.registry_question()];
    }
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    // The oldest Docker and the kubelets of its time say so of all three.
    // A login that opens it, or that is told that nothing is there, has decided which of the two.
    if matches!(said(case), Said::Opens { .. }) {
        return None;
    }
    let lead = if *case.fault() == Fault::ImageMissing {
        Lead {
            cause: CauseId::NotFoundOrPrivate,
            confidence: Confidence::Possible,
            rivals: vec![CauseId::ImageNotFoundRepo, CauseId::AuthMissingCredentials],
        }
    } else {
        led(case, CauseId::NotFoundOrPrivate)?
    };
    let what = if case.symptom.image.is_empty() {
        "the repository".to_owned()
    } else {
        format!("`{}`", case.repository())
    };
    let but = match (keys(case), login_name(case)) {
        (Keys::None, _) => "is private and the pod has no login for it".to_owned(),
        (Keys::Usable, Some(login)) => format!("is private and {login} does not open it"),
        _ => "is private and the pod's credentials do not open it".to_owned(),
    };
    let finding = case.finding(
        CauseId::NotFoundOrPrivate,
        lead.confidence,
        case.image_object(),
        format!("{what} does not exist, or {but}"),
    );
    let mut finding = with_rivals(finding, case, &lead);
    if keys(case) == Keys::Unreadable {
        finding = with_open(finding, case, case.keyring_question());
    }
    finding = with_open(finding, case, case.registry_question());
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "missing, or not for this pod");
        if !image.has_explicit_domain() && case.registry() == "docker.io" {
            finding = finding.note(
                "name",
                format!(
                    "no registry is written, so this is Docker Hub's `{}`",
                    image.repo()
                ),
            );
        }
    }
    if let Some(word) = word(case) {
        finding = with_login(finding, case, word);
    }
    if is_public(case) {
        finding = finding.note(
            "official",
            "all images of this kind are public, so the repository does not exist",
        );
    }
    finding = finding.remedy(
        "check-name",
        Applicability::Advice,
        "first compare the name with the registry's own page",
        None,
    );
    if keys(case) == Keys::None {
        finding = finding.remedy(
            "create-secret",
            Applicability::Consent,
            "if it is private, create a pull secret and name it in imagePullSecrets",
            Some(create_secret_command(case, "regcred")),
        );
    }
    Some(finding.into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, Question, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, FORBIDDEN, IMAGE, SCOPE, about, account, missing_secret,
        },
        fixture::{challenged, granted, login_secret, pull_secret, refused, stuck},
    };

    fn hub() -> String {
        about(SCOPE, "docker.io")
    }

    #[test]
    fn hub_does_not_tell_missing_from_private() {
        let finding = account(stuck("shop/api:1", "ErrImagePull", &hub()), &[]).judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
        assert_eq!(finding.confidence, Confidence::Possible);
        let rivals: Vec<_> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(
            rivals,
            [CauseId::ImageNotFoundRepo, CauseId::AuthMissingCredentials]
        );
        assert!(!finding.open.is_empty());
    }

    #[test]
    fn with_a_secret_the_right_and_the_match_are_open_too() {
        let finding = account(stuck("shop/api:1", "ErrImagePull", &hub()), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
        let rivals: Vec<_> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert!(rivals.contains(&CauseId::AuthForbidden));
        assert!(rivals.contains(&CauseId::SecretWrongHost));
    }

    #[test]
    fn a_missing_secret_comes_first() {
        let finding = account(stuck("shop/api:1", "ErrImagePull", &hub()), &[])
            .secret("gone", missing_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn ghcr_refuses_the_anonymous_token_for_both() {
        let text = about(ANONYMOUS, "ghcr.io").replace("401 Unauthorized", "403 Forbidden");
        let finding = account(stuck("ghcr.io/shop/api:1", "ErrImagePull", &text), &[]).judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
        // A secret that is named gave no login: that is mended before the name is doubted.
        let named = account(stuck("ghcr.io/shop/api:1", "ErrImagePull", &text), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(named.cause, CauseId::SecretWrongHost);
        assert!(
            named
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::NotFoundOrPrivate)
        );
    }

    #[test]
    fn where_secrets_may_not_be_read_nothing_is_excluded() {
        let secret = Question::Secret {
            namespace: "shop".to_owned(),
            name: "regcred".to_owned(),
        };
        let finding = account(stuck(IMAGE, "ErrImagePull", FORBIDDEN), &[])
            .symptom(|symptom| symptom.pull_secrets.push("regcred".to_owned()))
            .forbid(secret.clone())
            .judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
        assert!(finding.open.contains(&secret));
    }

    #[test]
    fn a_registry_that_tells_them_apart_is_not_suspected() {
        let finding = account(stuck(IMAGE, "ErrImagePull", FORBIDDEN), &[]).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_login_that_opens_the_repository_decides() {
        let key = "https://index.docker.io/v1/";
        for status in [200, 404] {
            let finding = account(stuck("shop/api:1", "ErrImagePull", &hub()), &[])
                .keyring(&[login_secret("regcred", &[key])])
                .registry(challenged(
                    "shop/api:1",
                    &[("regcred", key, granted(status))],
                    refused(Identity::Unknown, 401),
                ))
                .judge();
            assert_ne!(finding.cause, CauseId::NotFoundOrPrivate);
            assert!(
                finding
                    .rivals
                    .iter()
                    .all(|rival| rival.cause != CauseId::NotFoundOrPrivate)
            );
        }
    }
}
