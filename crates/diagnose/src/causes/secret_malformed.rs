//! `secret-malformed`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    CauseId, Confidence, EntryFault, Finding, Object, Question, SecretStanding,
};

use super::support::credentials::{
    Defect, Named, State, Word, accused_credential, defect, fault_words, is_blank, is_complete,
    led, list, login_object, login_questions, lookup, malformed_words, named, no_entries_words,
    only_usable, spoiled_by, standing_words, with_forensics, with_login, with_login_evidence,
    with_more, with_new_login, with_open, with_repair_of_fault, with_repair_of_login,
    with_replace_secret, with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
    texts::is_free_text,
};

cause! {
    /// # secret-malformed
    ///
    /// ## What it means
    ///
    /// The content of a pull secret is not what was meant. Either the kubelet cannot decode it:
    /// one bad entry in one secret then fails every pull of the pod, also of images that need no
    /// login. Or it decodes and holds no login, or a login with something in it that does not
    /// belong there: a line end, quotes, a placeholder.
    ///
    /// ## How we know
    ///
    /// The kubelet says so itself, before any registry is asked: `illegal base64 data at input
    /// byte N`, `unable to parse auth field, must be formatted as base64(username:password)`, or
    /// a JSON error. Kubelets from 1.33 on use that text as the waiting reason. The secret is
    /// then decoded as the kubelet does it, down to its own text, which names the secret, the line
    /// and the column.
    ///
    /// Where the registry refuses, the content tells: no `auths`, an empty entry (a whole
    /// `config.json` whose passwords are in a credential helper), or a password with a line end.
    /// It is *proven* where no other login of the pod matches the image, and for a spoiled
    /// password where the registry refuses that login itself.
    ///
    /// ## What to do
    ///
    /// Create the content again with `kubectl create secret docker-registry`, which encodes it
    /// rightly. By hand, `auth` is the base64 of `user:password`: `printf %s 'user:password' |
    /// base64 -w0`, not `echo`, which adds a line end to the password.
    ///
    /// ## What it is not
    ///
    /// - A password that is only wrong is `auth-bad-credentials`.
    /// - A JSON error in the words of a runtime is about a manifest or a token.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/credentialprovider/config.go` 1.36 (`decodeDockerConfigFieldAuth`).
    /// - Kubernetes `pkg/kubelet/images/image_manager.go` 1.33 to 1.36: the reason.
    SecretMalformed
    generals: [AuthMissingCredentials, AuthBadCredentials, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if case.pasted {
        return Vec::new();
    }
    if !may_be_the_kubelets(case) {
        return login_questions(case);
    }
    let named = named(case);
    let mut asked: Vec<Question> = named
        .iter()
        .map(|one| case.secret_question(one.name))
        .collect();
    if !named.is_empty() {
        asked.push(case.keyring_question());
    }
    asked
}

/// Whether the text may be the kubelet's own about a secret: it says so, or it is a reason of its
/// own in words that nobody knows.
fn may_be_the_kubelets(case: &Case<'_>) -> bool {
    match case.fault() {
        Fault::SecretMalformed => true,
        Fault::Unknown => is_free_text(&case.symptom.reason),
        _ => false,
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if may_be_the_kubelets(case)
        && let Some(finding) = broken(case)
    {
        return Some(finding.into());
    }
    if *case.fault() == Fault::SecretMalformed {
        return Some(told(case).into());
    }
    let word = word(case)?;
    if led(case, CauseId::SecretMalformed).is_some() {
        return login(case, word).map(Raised::from);
    }
    let is_empty = |one: &Named<'_>| {
        matches!(
            one.verdict.map(|verdict| &verdict.standing),
            Some(SecretStanding::NoEntries { .. })
        )
    };
    if let Some(defect) = defect(case, word, is_empty) {
        return empty(case, word, &defect);
    }
    broken_since(case)
}

/// The kubelet's own text, and the secret in which the keyring finds that very fault.
fn broken(case: &Case<'_>) -> Option<Finding> {
    let failure = lookup(case)?.failure.as_ref()?;
    let explains = failure.explains(case.text()) || failure.explains(&case.symptom.reason);
    if !explains && *case.fault() != Fault::SecretMalformed {
        return None;
    }
    // The secret was written again since, and is broken in another way.
    let confidence = if explains {
        Confidence::Proven
    } else {
        Confidence::Likely
    };
    let named = named(case);
    let one = named.iter().find(|one| one.name == failure.secret)?;
    let SecretStanding::Malformed {
        fault,
        line,
        column,
        ..
    } = &one.verdict?.standing
    else {
        return None;
    };
    let finding = case.finding(
        CauseId::SecretMalformed,
        confidence,
        Object::secret(case.symptom.namespace.clone(), one.name),
        format!(
            "pull secret `{}` cannot be decoded: {}",
            one.name,
            malformed_words(fault, *line, *column)
        ),
    );
    let finding = with_effect(with_login_evidence(finding, case));
    let finding = with_repair_of_fault(finding, case, one, fault);
    Some(with_new_login(finding, case, one, "write the login again"))
}

fn with_effect(finding: Finding) -> Finding {
    finding.note(
        "effect",
        "it fails every pull of the pod, also of images that need no login",
    )
}

/// Every login that matches the image is empty, or has something in it that was not meant.
fn login(case: &Case<'_>, word: Word) -> Option<Finding> {
    let lead = led(case, CauseId::SecretMalformed)?;
    let credential = accused_credential(case).or_else(|| lookup(case)?.matching.first())?;
    let summary = if is_blank(credential) {
        let what = credential
            .faults
            .iter()
            .find(|fault| !matches!(fault, EntryFault::Repeated | EntryFault::SameAs { .. }))
            .and_then(fault_words)
            .unwrap_or_else(|| "it is empty".to_owned());
        format!(
            "the entry `{}` of pull secret `{}` gives no login: {what}",
            credential.key, credential.secret
        )
    } else {
        let what = credential
            .faults
            .iter()
            .find(|fault| {
                matches!(
                    fault,
                    EntryFault::Password { .. } | EntryFault::Username { .. }
                )
            })
            .and_then(fault_words)
            .unwrap_or_else(|| "it is not what was meant".to_owned());
        format!(
            "the login of user `{}` in pull secret `{}` is refused, and {what}",
            credential.username, credential.secret
        )
    };
    let finding = case.finding(
        CauseId::SecretMalformed,
        lead.confidence,
        Object::secret(case.symptom.namespace.clone(), credential.secret.as_str()),
        summary,
    );
    let finding = with_open(finding, case, case.registry_question());
    let finding = with_login(with_rivals(finding, case, &lead), case, word);
    let finding = with_forensics(finding, case);
    let named = named(case);
    let Some(one) = named.iter().find(|one| one.name == credential.secret) else {
        return Some(finding);
    };
    let finding = if spoiled_by(credential).is_some() {
        with_repair_of_login(finding, case, one, credential)
    } else {
        finding
    };
    Some(with_new_login(finding, case, one, "write the login again"))
}

/// A secret that decodes and holds no login at all.
fn empty(case: &Case<'_>, word: Word, defect: &Defect<'_>) -> Option<Raised> {
    let one = defect.first;
    let SecretStanding::NoEntries { because } = &one.verdict?.standing else {
        return None;
    };
    let finding = case.finding(
        CauseId::SecretMalformed,
        defect.confidence,
        Object::secret(case.symptom.namespace.clone(), one.name),
        format!(
            "pull secret `{}` holds no login: {}",
            one.name,
            no_entries_words(because)
        ),
    );
    let finding = with_more(with_login(finding, case, word), defect);
    let finding = with_new_login(finding, case, &one, "write the login");
    Some(Raised {
        finding,
        role: defect.role,
    })
}

/// A secret that cannot be decoded now, although the kubelet came as far as the registry: the next
/// try will not.
fn broken_since(case: &Case<'_>) -> Option<Raised> {
    let failure = lookup(case)?.failure.as_ref()?;
    let named = named(case);
    let one = named.iter().find(|one| one.name == failure.secret)?;
    let words = standing_words(one.verdict?)?;
    let finding = case.finding(
        CauseId::SecretMalformed,
        Confidence::Likely,
        Object::secret(case.symptom.namespace.clone(), one.name),
        format!(
            "pull secret `{}` {words}; the last try was made before that",
            one.name
        ),
    );
    Some(Raised {
        finding: with_effect(with_login_evidence(finding, case)),
        role: Role::Contributes,
    })
}

/// The kubelet's own text, where the content of the secrets does not tell which one is meant.
fn told(case: &Case<'_>) -> Finding {
    let text = case.text();
    let candidates: Vec<_> = named(case)
        .into_iter()
        .filter(|one| matches!(one.state, State::Usable | State::Unknown))
        .collect();
    // All of them decode now.
    let is_mended = lookup(case).is_some_and(is_complete) && !candidates.is_empty();
    // JSON errors have many authors; the kubelet alone makes a waiting reason of them, and Go
    // names the kubelet's own type where a value is of the wrong kind.
    let only_kubelet = text.contains("base64")
        || text.contains("auth field")
        || text.contains("Go struct field DockerConfig");
    let confidence = if case.pasted {
        Confidence::Likely
    } else if candidates.is_empty() || is_mended {
        Confidence::Possible
    } else if only_kubelet || is_free_text(&case.symptom.reason) {
        Confidence::Proven
    } else {
        Confidence::Likely
    };
    let whose = match only_usable(case) {
        Some(one) => format!("pull secret `{}`", one.name),
        None if candidates.is_empty() => "a pull secret".to_owned(),
        None => format!(
            "one of the pull secrets {}",
            list(candidates.iter().map(|one| one.name))
        ),
    };
    let mut finding = case.finding(
        CauseId::SecretMalformed,
        confidence,
        login_object(case),
        if is_mended {
            format!("{whose} could not be decoded at the last try, and can be now")
        } else {
            format!("{whose} cannot be decoded: {}", text_words(text))
        },
    );
    if is_mended {
        finding = finding.rival(
            CauseId::Unknown,
            "it was mended since, and the next try tells what is left",
            "the text of the next try",
        );
    } else if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::Unknown,
            "the pod names no secret that the kubelet would decode",
            case.keyring_question().to_string(),
        );
    }
    if candidates.len() > 1 {
        finding = finding.open(case.unanswered(case.keyring_question()));
    }
    finding = with_effect(with_login_evidence(finding, case));
    if is_mended {
        return finding;
    }
    with_replace_secret(finding, case, "write the login again")
}

/// The fault in words, by the text; the byte where it tells it.
fn text_words(text: &str) -> String {
    if let Some(byte) = byte_of(text) {
        return format!("an `auth` field is no base64 at byte {byte}");
    }
    if text.contains("base64 data") {
        return "an `auth` field is no base64".to_owned();
    }
    if text.contains("auth field") {
        return "an `auth` field holds no `username:password`".to_owned();
    }
    "its JSON does not parse".to_owned()
}

fn byte_of(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("input byte ")?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{
            HOST, IMAGE, NO_BASIC, SCOPE, WRONG_LOGIN, account, missing_secret,
        },
        fixture::{
            Fixture, challenged, docker_secret, granted, login_secret, no_token, pull_secret,
            refused, stuck,
        },
    };

    #[test]
    fn a_free_text_reason_is_proof() {
        let text = "illegal base64 data at input byte 8";
        let finding = stuck(IMAGE, text, text)
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMalformed);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.name, "regcred");
        assert!(finding.summary.contains("byte 8"));
    }

    #[test]
    fn the_reason_alone_is_enough() {
        let reason = "unable to parse auth field, must be formatted as base64(username:password)";
        let finding = stuck(IMAGE, reason, "")
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMalformed);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.summary.contains("username:password"));
    }

    #[test]
    fn of_two_secrets_neither_is_accused_alone() {
        let text = "illegal base64 data at input byte 4";
        let finding = stuck(IMAGE, text, text)
            .secret("one", pull_secret())
            .secret("two", pull_secret())
            .judge();
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert!(finding.summary.contains("`one`, `two`"));
    }

    #[test]
    fn a_missing_one_cannot_be_the_malformed_one() {
        let text = "illegal base64 data at input byte 4";
        let finding = stuck(IMAGE, text, text)
            .secret("gone", missing_secret())
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.object.name, "regcred");
    }

    #[test]
    fn a_json_error_that_names_the_kubelets_type_is_the_kubelets() {
        let text = "json: cannot unmarshal array into Go struct field DockerConfigJson.auths of type string";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMalformed);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn a_runtimes_json_error_is_about_something_else() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve reference \"registry.example.com/shop/api:1\": failed to authorize: failed to fetch anonymous token: unable to decode token response: invalid character '<' looking for beginning of value";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .secret("regcred", pull_secret())
            .judge();
        assert_ne!(finding.cause, CauseId::SecretMalformed);
    }

    fn holding(text: &str, config: &str) -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", text), &[])
            .keyring(&[docker_secret("regcred", config)])
    }

    #[test]
    fn the_secret_that_has_the_very_fault_is_named() {
        let text = "illegal base64 data at input byte 2";
        let config = r#"{"auths":{"registry.example.com":{"auth":"ci-bot:canary-pass"}}}"#;
        let fixture = stuck(IMAGE, text, text)
            .keyring(&[login_secret("good", &[HOST]), docker_secret("bad", config)]);
        assert!(
            !fixture
                .questions()
                .iter()
                .any(|question| matches!(question, pulldoctor_model::Question::Registry { .. }))
        );
        let finding = fixture.judge();
        let told = finding
            .evidence
            .iter()
            .map(|item| item.answer.as_str())
            .collect::<String>();
        assert_eq!(finding.cause, CauseId::SecretMalformed, "{told}");
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.name, "bad", "{told}");
        assert_eq!(finding.remedies[0].id, "repair-secret");
        assert!(!format!("{finding:?}").contains("canary"));
    }

    #[test]
    fn the_kubelets_words_that_no_grammar_knows_are_the_secrets_that_explains_them() {
        let config = r#"{"auths":{"registry.example.com":{"auth":true}}}"#;
        let explain = stuck(IMAGE, "x y", "").keyring(&[docker_secret("regcred", config)]);
        let text =
            explain.with_case(|case| case.keyring().seen().unwrap().failure.clone().unwrap().text);
        let finding = stuck(IMAGE, &text, &text)
            .keyring(&[docker_secret("regcred", config)])
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMalformed, "{text}");
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn a_secret_that_is_broken_in_another_way_now_is_likely() {
        let text = "illegal base64 data at input byte 8";
        let finding = stuck(IMAGE, text, text)
            .keyring(&[login_secret("good", &[HOST]), docker_secret("bad", "{")])
            .judge();
        assert_eq!(finding.object.name, "bad");
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn what_decodes_now_was_mended() {
        let text = "illegal base64 data at input byte 8";
        let finding = stuck(IMAGE, text, text)
            .keyring(&[login_secret("regcred", &[HOST])])
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMalformed);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding.summary.contains("can be now"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn a_secret_without_any_login() {
        for config in [
            r#"{"auths":{}}"#,
            r#"{"registry.example.com":{"username":"ci-bot","password":"canary-pass"}}"#,
            r#"{"auths":{"registry.example.com":{}},"credsStore":"desktop"}"#,
            r#"{"auths":{"registry.example.com":{"identitytoken":"canary-pass"}}}"#,
        ] {
            for text in [NO_BASIC, SCOPE] {
                let finding = holding(text, config).judge();
                assert_eq!(finding.cause, CauseId::SecretMalformed, "{config}");
                assert_eq!(finding.confidence, Confidence::Proven);
                assert_eq!(finding.object.name, "regcred");
                assert!(finding.rivals.is_empty() && finding.next.is_empty());
                assert!(!format!("{finding:?}").contains("canary"));
            }
        }
        // One that is refused did hold a login.
        let finding = holding(WRONG_LOGIN, r#"{"auths":{}}"#).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
    }

    #[test]
    fn a_line_end_in_the_password() {
        let config = r#"{"auths":{"registry.example.com":{"username":"ci-bot","password":"canary-pass\n"}}}"#;
        let fixture = holding(WRONG_LOGIN, config);
        let with = |record| {
            fixture
                .clone()
                .registry(challenged(
                    IMAGE,
                    &[("regcred", HOST, record)],
                    refused(Identity::Unknown, 401),
                ))
                .judge()
        };
        for finding in [fixture.judge(), with(no_token(Identity::Rejected))] {
            assert_eq!(finding.cause, CauseId::SecretMalformed);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert!(finding.summary.contains("line end"), "{}", finding.summary);
            assert_eq!(finding.remedies[0].id, "repair-secret");
            assert!(!format!("{finding:?}").contains("canary"));
        }
        // The registry takes it as it is: then that is the password.
        let good = with(refused(Identity::Accepted, 403));
        assert_eq!(good.cause, CauseId::AuthForbidden);
        assert_eq!(with(granted(200)).cause, CauseId::Unknown);
    }

    #[test]
    fn a_secret_that_broke_after_the_last_try_stands_beside() {
        let finding = holding(SCOPE, "{").judge();
        assert_ne!(finding.cause, CauseId::SecretMalformed);
        assert!(
            finding
                .also
                .iter()
                .any(|also| also.cause == CauseId::SecretMalformed)
        );
    }
}
