//! `auth-bad-credentials`.

use pulldoctor_model::{CauseId, Confidence, Question};

use super::support::credentials::{
    host_name, led, login_object, login_questions, only_usable, with_login, with_replace_secret,
    with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # auth-bad-credentials
    ///
    /// ## What it means
    ///
    /// The node sent a login for this registry, and the registry refused it: a wrong password, a
    /// wrong user, a deleted or expired token, or a line end that slipped into the password.
    ///
    /// ## How we know
    ///
    /// `failed to fetch oauth token: … 401 Unauthorized` is said only where a login was sent;
    /// `incorrect username or password` and its kin are the registry's own words. Once a login
    /// matches, the kubelet makes no anonymous try, so this fails public images too.
    ///
    /// ## What to do
    ///
    /// - Try the login yourself: `docker login HOST`.
    /// - Write the secret again. `echo user:password | base64` puts a line end into the password;
    ///   `kubectl create secret docker-registry` does not.
    ///
    /// ## What it is not
    ///
    /// - A registry that names a missing right knows who asks: `auth-forbidden`.
    /// - Azure's registry answers 401 also where the identity lacks the right to pull.
    ///
    /// ## Sources
    ///
    /// - containerd `core/remotes/docker/auth/fetch.go`.
    /// - Kubernetes `pkg/kubelet/kuberuntime/kuberuntime_image.go` 1.36: no anonymous fallback.
    AuthBadCredentials
    generals: [AuthMissingCredentials, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let lead = led(case, CauseId::AuthBadCredentials)?;
    let word = word(case)?;
    let host = host_name(case);
    let verb = if lead.confidence >= Confidence::Likely {
        "refuses"
    } else {
        "probably refuses"
    };
    let summary = match only_usable(case) {
        Some(one) => format!("{host} {verb} the login of pull secret `{}`", one.name),
        None => format!("{host} {verb} the login that the node sent"),
    };
    let mut finding = with_rivals(
        case.finding(
            CauseId::AuthBadCredentials,
            lead.confidence,
            login_object(case),
            summary,
        ),
        case,
        &lead,
    )
    .open(Some(case.registry_question()));
    if only_usable(case).is_none() && !case.pasted && case.symptom.pull_secrets.is_empty() {
        finding = finding.note(
            "login",
            "the pod names no secret, so it is one of the node: config.json, a credential provider or the runtime",
        );
    }
    finding = with_login(finding, case, word);
    Some(with_replace_secret(finding, case, "write the login again").into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, IMAGE, WRONG_LOGIN, about, account, missing_secret,
        },
        fixture::{pull_secret, stuck},
    };

    #[test]
    fn a_login_that_was_refused_is_the_secrets() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Secret);
        assert_eq!(finding.object.name, "regcred");
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::AuthMissingCredentials)
        );
    }

    #[test]
    fn of_two_secrets_neither_is_accused_alone() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .secret("one", pull_secret())
            .secret("two", pull_secret())
            .judge();
        assert_eq!(finding.object.kind, ObjectKind::Image);
    }

    #[test]
    fn nothing_sent_is_no_bad_login() {
        let finding = account(stuck(IMAGE, "ErrImagePull", ANONYMOUS), &[])
            .secret("gone", missing_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
    }

    #[test]
    fn azure_answers_so_for_a_missing_right_too() {
        let host = "shop.azurecr.io";
        let text = about(WRONG_LOGIN, host);
        let image = format!("{host}/shop/api:1");
        let finding = account(stuck(&image, "ErrImagePull", &text), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::AuthForbidden);
        // Without a secret the login was that of the node's identity, which Azure knows.
        let identity = account(stuck(&image, "ErrImagePull", &text), &[]).judge();
        assert_eq!(identity.cause, CauseId::AuthForbidden);
    }

    #[test]
    fn each_attempt_of_a_list_is_told() {
        let text = format!("[{WRONG_LOGIN}, {ANONYMOUS}]");
        let finding = account(stuck(IMAGE, "ErrImagePull", &text), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        let (_, told) = finding
            .notes
            .iter()
            .find(|(word, _)| word == "attempts")
            .unwrap();
        assert!(told.contains("with a login: 401") && told.contains("without a login: 401"));
    }
}
