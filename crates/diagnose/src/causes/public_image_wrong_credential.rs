//! `public-image-wrong-credential`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::credentials::{
    Keys, Said, Word, accused_credential, is_public, keys, led, login_object, login_questions,
    only_usable, said, with_forensics, with_login, with_replace_secret, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # public-image-wrong-credential
    ///
    /// ## What it means
    ///
    /// Everyone may pull the image, and the pull fails all the same: a pull secret holds a login
    /// for this registry, the login is bad, and the kubelet does not fall back to pulling without
    /// one.
    ///
    /// ## How we know
    ///
    /// The text says that a login was sent and refused, and the image is public beyond doubt:
    /// one of Docker's official images, or one of a registry without private repositories
    /// (`registry.k8s.io`, `mcr.microsoft.com`, `public.ecr.aws`). For any other image it is
    /// *proven* where the registry refuses each of the pod's logins and serves the image to those
    /// who come without one.
    ///
    /// ## What to do
    ///
    /// Write the login for that registry again, or take its entry out of the secret.
    ///
    /// ## What it is not
    ///
    /// An image that may be private fails by the same text as `auth-bad-credentials`.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/kuberuntime/kuberuntime_image.go` 1.22 to 1.36: each login that
    ///   matches is tried, and nothing after them.
    PublicImageWrongCredential
    generals: [AuthBadCredentials, AuthExpiredCredentials, AuthForbidden, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let word = word(case)?;
    let confidence = match (led(case, CauseId::PublicImageWrongCredential), word) {
        (Some(lead), _) => lead.confidence,
        (None, _) if !is_public(case) || matches!(said(case), Said::Opens { .. }) => return None,
        (None, word) => by_name(case, word)?,
    };
    let host = case.registry();
    let whose = match only_usable(case) {
        Some(one) => format!("pull secret `{}` holds", one.name),
        None => "the node sent".to_owned(),
    };
    let mut finding = case.finding(
        CauseId::PublicImageWrongCredential,
        confidence,
        login_object(case),
        format!(
            "`{}` is public, but {whose} a login for `{host}` that is refused",
            case.image_name()
        ),
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::BlockedByPolicy,
            "what stands before the registry may refuse as well",
            case.registry_question().to_string(),
        );
    }
    finding = with_login(with_forensics(finding, case), case, word);
    finding = with_replace_secret(finding, case, "write the login again");
    Some(
        finding
            .remedy(
                "remove-entry",
                Applicability::Advice,
                match accused_credential(case) {
                    Some(credential) => format!(
                        "or take the entry `{}` out of secret `{}`: the image needs none",
                        credential.key, credential.secret
                    ),
                    None => format!(
                        "or take the entry for `{host}` out of the secret: the image needs none"
                    ),
                },
                None,
            )
            .into(),
    )
}

/// An image that is public by its name, and what the text says of the login.
fn by_name(case: &Case<'_>, word: Word) -> Option<Confidence> {
    match word {
        Word::SentWrong | Word::SentRefused | Word::Expired => Some(Confidence::Likely),
        // public.ecr.aws answers a stale login with 403.
        Word::Status403 if keys(case) == Keys::Usable => Some(Confidence::Possible),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{HOST, IMAGE, WRONG_LOGIN, account},
        fixture::{challenged, granted, login_secret, no_token, pull_secret, refused, stuck},
    };

    fn hub(repository: &str) -> String {
        format!(
            "failed to pull and unpack image \"docker.io/{repository}:1\": failed to resolve image: failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.docker.io/token?scope=repository%3Ax%3Apull&service=registry.docker.io: 401 Unauthorized"
        )
    }

    #[test]
    fn an_official_image_needs_no_login() {
        let finding = account(stuck("nginx:1", "ErrImagePull", &hub("library/nginx")), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::PublicImageWrongCredential);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.name, "regcred");
        assert!(finding.rivals.is_empty());
    }

    #[test]
    fn an_image_of_a_user_may_be_private() {
        let finding = account(stuck("shop/api:1", "ErrImagePull", &hub("shop/api")), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
    }

    #[test]
    fn served_to_nobody_and_refused_to_the_login() {
        let fixture = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[login_secret("regcred", &[HOST])]);
        let with = |anonymous| {
            let login = [("regcred", HOST, no_token(Identity::Rejected))];
            fixture
                .clone()
                .registry(challenged(IMAGE, &login, anonymous))
                .judge()
        };
        let public = with(granted(200));
        assert_eq!(public.cause, CauseId::PublicImageWrongCredential);
        assert_eq!(public.confidence, Confidence::Proven);
        assert_eq!(public.object.name, "regcred");
        assert!(public.rivals.is_empty());
        let private = with(refused(Identity::Unknown, 401));
        assert_eq!(private.cause, CauseId::AuthBadCredentials);
        // Nobody is told that it is there: that is not public.
        let missing = with(granted(404));
        assert_eq!(missing.cause, CauseId::AuthBadCredentials);
    }
}
