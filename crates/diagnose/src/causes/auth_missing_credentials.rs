//! `auth-missing-credentials`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Question};

use super::support::credentials::{
    Keys, Word, create_secret_command, host_name, keys, led, login_questions, with_forensics,
    with_login, with_open, with_registry_caret, with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # auth-missing-credentials
    ///
    /// ## What it means
    ///
    /// The registry wants a login for this image, and the pod has none for it: no pull secret in
    /// its own list, none from its service account, none of the node's.
    ///
    /// ## How we know
    ///
    /// The text says that nothing was sent: `failed to fetch anonymous token … 401`, `no basic
    /// auth credentials`, `authentication required`; or the pod's secrets, looked up as the
    /// kubelet does it, have no login for this image, and the registry refuses whoever comes
    /// without one. It is proven where the pod names no secret that matches, and the registry does
    /// not answer alike for missing and private repositories. Where it does,
    /// `not-found-or-private` comes first.
    ///
    /// ## What to do
    ///
    /// - Create a pull secret in the pod's namespace, and name it in `imagePullSecrets` of the
    ///   pod's template, or of its service account for pods to come.
    /// - On a cloud, give the nodes the right to read the registry.
    ///
    /// ## What it is not
    ///
    /// - A pod that names a secret which is missing, ignored or for another host has a cause of
    ///   its own.
    /// - `docker login` on the node or on your machine does not reach the kubelet.
    ///
    /// ## Sources
    ///
    /// - containerd `core/remotes/docker/auth/fetch.go`: which token is anonymous.
    /// - Kubernetes `pkg/kubelet/kuberuntime/kuberuntime_image.go` 1.36: without a credential one
    ///   anonymous try is made.
    AuthMissingCredentials
    generals: [NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let lead = led(case, CauseId::AuthMissingCredentials)?;
    let word = word(case)?;
    let host = host_name(case);
    let sure = word == Word::NothingSent || lead.confidence >= Confidence::Likely;
    let summary = match (keys(case), sure) {
        (Keys::Usable, true) => {
            format!("{host} wants a login, and the node sent none at its last try")
        }
        (Keys::None, true) => format!("{host} wants a login, and the pod has none for it"),
        (Keys::None, false) => {
            format!("{host} refuses, and the pod has no login for it")
        }
        (_, true) => format!("{host} wants a login, and the node sent none"),
        (_, false) => format!("{host} refuses, and perhaps no login was sent"),
    };
    let finding = case.finding(
        CauseId::AuthMissingCredentials,
        lead.confidence,
        case.image_object(),
        summary,
    );
    let mut finding = with_rivals(finding, case, &lead);
    finding = with_open(finding, case, case.keyring_question());
    if keys(case) == Keys::Usable {
        finding = with_open(finding, case, case.registry_question());
        finding = with_forensics(finding, case).note(
            "since",
            "the pod's secret has a login for this image now: it may have been written after that try, or have reached the node after it",
        );
    }
    finding = with_login(finding, case, word);
    finding = with_registry_caret(finding, case, "wants a login");
    Some(with_remedies(finding, case).into())
}

fn with_remedies(finding: Finding, case: &Case<'_>) -> Finding {
    if case.pasted {
        return finding.remedy(
            "create-secret",
            Applicability::Advice,
            "create a pull secret in the pod's namespace and name it in the pod",
            None,
        );
    }
    let finding = finding.remedy(
        "create-secret",
        Applicability::Consent,
        "create a pull secret; then name it in imagePullSecrets of the pod's template",
        Some(create_secret_command(case, "regcred")),
    );
    match &case.symptom.service_account {
        Some(account) if !case.symptom.static_pod => finding.remedy(
            "link-secret",
            Applicability::Consent,
            "or name it in the service account, for pods to come",
            Some(format!(
                "kubectl patch serviceaccount {} {} -p '{{\"imagePullSecrets\":[{{\"name\":\"regcred\"}}]}}'",
                super::support::quote(account),
                super::support::in_namespace(case)
            )),
        ),
        _ => finding,
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, Question, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, FORBIDDEN, HOST, IMAGE, NO_BASIC, SCOPE, about, account,
        },
        fixture::{challenged, granted, login_secret, node, refused, stuck},
    };

    #[test]
    fn nothing_sent_and_nothing_named_is_proof() {
        for text in [NO_BASIC, ANONYMOUS] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[]).judge();
            assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert!(finding.rivals.is_empty());
            assert!(
                finding
                    .ruled_out
                    .iter()
                    .any(|out| out.cause == CauseId::AuthBadCredentials)
            );
        }
    }

    #[test]
    fn while_the_service_account_is_not_known_it_is_possible() {
        let account = Question::ServiceAccount {
            namespace: "shop".to_owned(),
            name: "default".to_owned(),
        };
        let fixture = stuck(IMAGE, "ErrImagePull", NO_BASIC);
        assert!(fixture.questions().contains(&account));
        let finding = fixture.forbid(account.clone()).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::PodOlderThanServiceAccount);
        assert!(finding.open.contains(&account));
    }

    #[test]
    fn a_refusal_that_tells_less_has_the_missing_repository_as_rival() {
        for text in [SCOPE, FORBIDDEN] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[]).judge();
            assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
            assert_eq!(finding.confidence, Confidence::Possible);
            assert_eq!(finding.rivals[0].cause, CauseId::NotFoundOrPrivate);
        }
    }

    #[test]
    fn a_registry_that_hides_comes_as_missing_or_private() {
        let text = about(ANONYMOUS, "ghcr.io");
        let finding = account(stuck("ghcr.io/shop/api:1", "ErrImagePull", &text), &[]).judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
    }

    #[test]
    fn a_registry_that_always_wants_a_login_does_not_hide_anything_yet() {
        let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        let image = format!("{host}/shop/api:1");
        let finding = account(stuck(&image, "ErrImagePull", &about(NO_BASIC, host)), &[])
            .node(node())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_secret_that_may_not_be_read_is_named() {
        let secret = Question::Secret {
            namespace: "shop".to_owned(),
            name: "regcred".to_owned(),
        };
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .symptom(|symptom| symptom.pull_secrets.push("regcred".to_owned()))
            .forbid(secret.clone())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::SecretMissing);
        assert!(finding.open.contains(&secret));
    }

    #[test]
    fn a_pasted_text_is_no_proof() {
        let verdict = crate::read_text(NO_BASIC);
        assert_eq!(verdict.finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(verdict.finding.confidence, Confidence::Possible);
    }

    #[test]
    fn the_registry_refuses_whoever_has_no_login() {
        let refuses = challenged(IMAGE, &[], refused(Identity::Unknown, 401));
        let fixture = account(stuck(IMAGE, "ErrImagePull", SCOPE), &[]).node(node());
        assert!(
            fixture
                .questions()
                .iter()
                .any(|question| matches!(question, Question::Registry { .. }))
        );
        let finding = fixture.clone().registry(refuses).judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.rivals.is_empty() && finding.next.is_empty());
        // Anybody may read it, asked from here.
        let opens = challenged(IMAGE, &[], granted(200));
        assert_eq!(fixture.registry(opens).judge().cause, CauseId::Unknown);
    }

    #[test]
    fn a_registry_that_hides_is_not_decided_by_an_answer_to_nobody() {
        let text = about(SCOPE, "docker.io");
        let finding = account(stuck("shop/api:1", "ErrImagePull", &text), &[])
            .registry(challenged(
                "shop/api:1",
                &[],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::NotFoundOrPrivate);
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn a_secret_that_would_match_now_is_told() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .keyring(&[login_secret("regcred", &[HOST])])
            .judge();
        assert_eq!(finding.cause, CauseId::AuthMissingCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::AuthBadCredentials);
        assert!(finding.notes.iter().any(|(word, _)| word == "since"));
    }
}
