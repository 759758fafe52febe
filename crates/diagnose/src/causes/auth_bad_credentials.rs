//! `auth-bad-credentials`.

use pulldoctor_model::{CauseId, Confidence, Finding, Object, Question};

use super::{
    support::credentials::{
        Keys, Word, changed, host_name, keys, led, login_name, login_object, login_questions,
        with_forensics, with_login, with_open, with_replace_secret, with_rivals, word,
    },
    unknown::with_nothing_to_mend,
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
    /// `incorrect username or password` and its kin are the registry's own words. It is *proven*
    /// where the registry, asked with the same login of the pod's own secret, refuses that login
    /// itself: not only for this repository. The secret, the key and the username are shown, the
    /// password never. Once a login matches, the kubelet makes no anonymous try, so this fails
    /// public images too.
    ///
    /// `pulldoctor diagnose --node-view` has the kubelet of the node pull a manifest that no
    /// repository has, with the pod's credentials and its own: a login that is refused again is
    /// *proven*, also where it is one of the node's; `not found` says that the credentials are good
    /// now.
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
    /// - A secret that was written after the node's last try and is accepted now was mended: it is
    ///   *possible* that the login of before was wrong, and the next try should work.
    /// - A password with a line end, quotes or a placeholder in it is `secret-malformed`; a token
    ///   whose time is over is `auth-expired-credentials`.
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
    if let Some(finding) = mended(case) {
        return Some(finding.into());
    }
    let lead = led(case, CauseId::AuthBadCredentials)?;
    let word = word(case)?;
    let host = host_name(case);
    let verb = if lead.confidence >= Confidence::Likely {
        "refuses"
    } else {
        "probably refuses"
    };
    let summary = match login_name(case) {
        Some(login) => format!("{host} {verb} {login}"),
        None => format!("{host} {verb} the login that the node sent"),
    };
    let finding = case.finding(
        CauseId::AuthBadCredentials,
        lead.confidence,
        login_object(case),
        summary,
    );
    let mut finding = with_rivals(finding, case, &lead);
    finding = with_open(finding, case, case.registry_question());
    if keys(case) == Keys::None {
        finding = finding.note(
            "login",
            "no secret of the pod has one for this image, so it is one of the node: config.json, a credential provider or the runtime",
        );
    }
    finding = with_forensics(finding, case);
    finding = with_login(finding, case, word);
    Some(with_replace_secret(finding, case, "write the login again").into())
}

/// The node's last try was refused, and the secret was written after it: its login is good now.
fn mended(case: &Case<'_>) -> Option<Finding> {
    let changed = changed(case)?;
    let secret = changed.mended().filter(|_| changed.appeared().is_none())?;
    if !matches!(
        word(case)?,
        Word::SentWrong | Word::SentRefused | Word::Status401
    ) {
        return None;
    }
    let finding = case
        .finding(
            CauseId::AuthBadCredentials,
            Confidence::Possible,
            Object::secret(case.symptom.namespace.clone(), secret),
            changed.summary(case),
        )
        .rival(
            CauseId::Unknown,
            "the node may go another way: a login of its own, or a mirror",
            "the text of the next try",
        );
    Some(with_nothing_to_mend(
        changed.with_details(finding, case),
        case,
    ))
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, ObjectKind, Question,
        registry::{CredentialOutcome, Identity},
    };

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, HOST, IMAGE, NO_BASIC, WRONG_LOGIN, about, account, missing_secret,
        },
        fixture::{
            Fixture, challenged, docker_secret, granted, held_back, login_secret, no_token, node,
            pull_secret, refused, stuck,
        },
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

    fn with_login(text: &str) -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", text), &[])
            .node(node())
            .keyring(&[login_secret("regcred", &[HOST])])
    }

    #[test]
    fn the_registry_refuses_the_same_login() {
        let text = "failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 401 Unauthorized";
        for text in [WRONG_LOGIN, text] {
            let finding = with_login(text)
                .registry(challenged(
                    IMAGE,
                    &[("regcred", HOST, no_token(Identity::Rejected))],
                    refused(Identity::Unknown, 401),
                ))
                .judge();
            assert_eq!(finding.cause, CauseId::AuthBadCredentials);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert_eq!(finding.object.name, "regcred");
            assert!(finding.rivals.is_empty() && finding.next.is_empty());
            assert!(
                finding.summary.contains("user `ci-bot`"),
                "{}",
                finding.summary
            );
            let excluded = |cause| finding.ruled_out.iter().any(|out| out.cause == cause);
            assert!(excluded(CauseId::AuthForbidden));
            assert!(excluded(CauseId::SecretWrongHost));
            assert!(excluded(CauseId::PublicImageWrongCredential));
            let all = format!("{finding:?}");
            assert!(!all.contains("canary-pass"));
        }
    }

    #[test]
    fn a_login_that_opens_the_image_is_never_accused() {
        let finding = with_login(WRONG_LOGIN)
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, granted(200))],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::Unknown);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::AuthBadCredentials)
        );
    }

    #[test]
    fn a_login_that_is_good_and_opens_nothing_lacks_a_right() {
        let finding = with_login(WRONG_LOGIN)
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, refused(Identity::Accepted, 403))],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthForbidden);
    }

    #[test]
    fn a_bad_one_beside_a_good_one_is_no_cause() {
        let secrets = [
            login_secret("bad", &[HOST]),
            login_secret("good", &["registry.example.com/shop"]),
        ];
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&secrets)
            .registry(challenged(
                IMAGE,
                &[
                    ("good", "registry.example.com/shop", granted(200)),
                    ("bad", HOST, no_token(Identity::Rejected)),
                ],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::Unknown);
    }

    #[test]
    fn of_two_that_are_refused_the_first_is_named() {
        let key = "registry.example.com/shop";
        let secrets = [login_secret("one", &[HOST]), login_secret("two", &[key])];
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&secrets)
            .registry(challenged(
                IMAGE,
                &[
                    ("two", key, no_token(Identity::Rejected)),
                    ("one", HOST, no_token(Identity::Rejected)),
                ],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.object.name, "two");
    }

    #[test]
    fn what_the_kubelet_does_not_try_speaks_for_nothing() {
        let mut other = no_token(Identity::Unknown);
        other.outcome = CredentialOutcome::NotMatching;
        other.problem = None;
        let mut broken = other.clone();
        broken.outcome = CredentialOutcome::Malformed;
        let mut transcript = challenged(
            IMAGE,
            &[
                ("regcred", "ghcr.io", other),
                ("regcred", HOST, no_token(Identity::Rejected)),
            ],
            refused(Identity::Unknown, 401),
        );
        transcript.credentials.insert(0, broken);
        let finding = with_login(WRONG_LOGIN).registry(transcript).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Proven);
        let told = format!("{:?}", finding.evidence);
        assert!(!told.contains("auths[ghcr.io]"), "{told}");
    }

    #[test]
    fn what_was_held_back_decides_nothing() {
        let finding = with_login(WRONG_LOGIN)
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, held_back())],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Likely);
        let command = finding.next.iter().find_map(|next| next.command.as_deref());
        assert_eq!(
            command,
            Some("pulldoctor diagnose --allow-realm auth.other.net")
        );
        // The gap is about what could change the verdict.
        assert!(
            finding
                .open
                .iter()
                .any(|question| matches!(question, Question::Registry { .. }))
        );
    }

    #[test]
    fn a_login_of_the_nodes_own_is_no_secrets() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[login_secret("regcred", &["ghcr.io"])])
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert!(
            finding
                .notes
                .iter()
                .any(|(_, text)| text.contains("one of the node"))
        );
    }

    #[test]
    fn the_registry_is_asked_once_the_keyring_and_the_node_are_known() {
        let is_registry = |question: &Question| matches!(question, Question::Registry { .. });
        let is_keyring = |question: &Question| matches!(question, Question::Keyring { .. });
        let fixture = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .secret("regcred", pull_secret());
        let asked = fixture.questions();
        assert!(asked.iter().any(is_keyring) && !asked.iter().any(is_registry));
        let known = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[login_secret("regcred", &[HOST])]);
        let asked = known.questions();
        assert!(asked.contains(&Question::Node {
            name: "n1".to_owned()
        }));
        assert!(!asked.iter().any(is_registry));
        assert!(with_login(WRONG_LOGIN).questions().iter().any(is_registry));
        // Nothing matches and nothing was sent: the node has asked the registry itself.
        let nothing = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .node(node())
            .keyring(&[login_secret("regcred", &["ghcr.io"])]);
        assert!(!nothing.questions().iter().any(is_registry));
    }

    #[test]
    fn what_is_odd_about_the_login_is_told() {
        let config = r#"{"auths":{"registry.example.com":{"username":"ci-bot","password":"canary-pass","auth":"Y2ktYm90OmNhbmFyeS1vbGQ="}}}"#;
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[docker_secret("regcred", config)])
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, no_token(Identity::Rejected))],
                refused(Identity::Unknown, 401),
            ))
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert!(
            finding
                .notes
                .iter()
                .any(|(_, text)| text.contains("another password"))
        );
        assert!(!format!("{finding:?}").contains("canary"));
    }
}
