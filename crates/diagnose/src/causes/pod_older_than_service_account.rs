//! `pod-older-than-service-account`.

use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question, ServiceAccountFacts,
};

use super::support::{
    credentials::{
        Named, Said, State, is_complete, list, login_questions, look, mirror, said, with_login,
        word,
    },
    in_namespace, quote,
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
};

cause! {
    /// # pod-older-than-service-account
    ///
    /// ## What it means
    ///
    /// The pod's service account names a pull secret today, but the pod was admitted before that
    /// and has none. A service account's secrets are copied into a pod once, when the pod is
    /// created; later changes never reach it.
    ///
    /// ## How we know
    ///
    /// The pod's own list is empty, its service account's is not, and the registry refuses. Both
    /// lists are read from the API.
    ///
    /// ## What to do
    ///
    /// Recreate the pod: `kubectl delete pod NAME`. Its controller makes a new one, which gets
    /// the secrets. Waiting does not help.
    ///
    /// ## What it is not
    ///
    /// - A secret without a login for this image: recreating the pod would not help, and the cause is
    ///   `auth-missing-credentials`.
    /// - A pod whose template lists any secret never gets those of its service account.
    /// - A secret that is created after the pod, under a name that the pod has, heals the pod by
    ///   itself.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `plugin/pkg/admission/serviceaccount/admission.go` 1.36: on create only, and
    ///   only where the pod has no list.
    PodOlderThanServiceAccount
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let word = word(case).filter(|word| word.may_lack_login())?;
    // A list with an empty name is a list: nothing was copied over it.
    if !case.symptom.pull_secrets.is_empty() || case.symptom.static_pod {
        return None;
    }
    let account = case.service_account();
    let facts = account.seen()?;
    let secrets: Vec<Named<'_>> = facts
        .pull_secrets
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| look(case, name))
        .collect();
    if secrets.is_empty() {
        return None;
    }
    let keyring = case.account_keyring();
    if keyring
        .seen()
        .is_some_and(|keyring| is_complete(keyring) && keyring.matching.is_empty())
        && secrets.iter().any(|one| one.state == State::Usable)
    {
        return Some(opens_nothing(case, &secrets));
    }
    let service_account = case.symptom.service_account.as_deref().unwrap_or("default");
    let names = list(secrets.iter().map(|one| one.name));
    // The registry serves it to anybody, asked from here: then a secret is not what it lacks.
    let is_open = matches!(said(case), Said::Opens { .. });
    let contradicted = was_there_before(case, facts) || is_open;
    let confidence = if contradicted {
        Confidence::Possible
    } else if mirror(case).is_some() {
        Confidence::Likely
    } else {
        Confidence::Proven
    };
    let mut finding = case.finding(
        CauseId::PodOlderThanServiceAccount,
        confidence,
        case.image_object(),
        format!(
            "service account `{service_account}` names pull secret {names}, but the pod was admitted without it"
        ),
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::AuthMissingCredentials,
            if is_open {
                "asked from here, the registry wants no login for this image"
            } else {
                "the service account had its secrets before the pod was made, as far as its record tells"
            },
            case.registry_question().to_string(),
        );
    }
    finding = with_login(finding, case, word);
    if let (Some(changed), Some(created)) = (facts.pull_secrets_changed, case.symptom.created) {
        finding = finding.note(
            "order",
            format!("pod created {created}, service account's secrets written {changed}"),
        );
    }
    for one in &secrets {
        finding = match one.state {
            State::Missing => finding.also(
                CauseId::SecretMissing,
                format!("secret `{}`, which the service account names, does not exist", one.name),
            ),
            State::Ignored => finding.also(
                CauseId::SecretWrongType,
                format!(
                    "secret `{}`, which the service account names, has a type that the kubelet ignores",
                    one.name
                ),
            ),
            State::Usable | State::Unknown => finding,
        };
    }
    let is_in_order = secrets
        .iter()
        .any(|one| matches!(one.state, State::Usable | State::Unknown));
    Some(with_remedy(finding, case, is_in_order).into())
}

/// The account's secrets would not open the image: to recreate the pod changes nothing.
fn opens_nothing(case: &Case<'_>, secrets: &[Named<'_>]) -> Raised {
    let finding = case
        .finding(
            CauseId::PodOlderThanServiceAccount,
            Confidence::Possible,
            case.image_object(),
            format!(
                "the service account names pull secret {}, which the pod was admitted without, and no login in it is for this image",
                list(secrets.iter().map(|one| one.name))
            ),
        )
        .rival(
            CauseId::AuthMissingCredentials,
            "no login that the service account names is for this image",
            case.registry_question().to_string(),
        );
    Raised {
        finding,
        role: Role::Contributes,
    }
}

/// Whether the account's secrets were last written before the pod was created.
fn was_there_before(case: &Case<'_>, facts: &ServiceAccountFacts) -> bool {
    facts
        .pull_secrets_changed
        .zip(case.symptom.created)
        .is_some_and(|(changed, created)| changed < created)
}

/// Recreating heals by itself only where the account's secrets are there, and of a type that counts.
fn with_remedy(finding: Finding, case: &Case<'_>, is_in_order: bool) -> Finding {
    let pod = quote(&case.symptom.pod);
    let namespace = in_namespace(case);
    let (applicability, title, command) = if case.symptom.owner.is_some() {
        (
            Applicability::Safe,
            "recreate the pod, so that it gets the service account's secrets",
            format!("kubectl delete pod {pod} {namespace}"),
        )
    } else {
        (
            Applicability::Consent,
            "delete and create the pod again: nothing else recreates it",
            format!("kubectl get pod {pod} {namespace} -o yaml | kubectl replace --force -f -"),
        )
    };
    if is_in_order {
        finding.remedy("recreate-pod", applicability, title, Some(command))
    } else {
        finding.remedy(
            "recreate-pod",
            Applicability::Consent,
            format!("mend the secret first; then {title}"),
            Some(command),
        )
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, IMAGE, NO_BASIC, WRONG_LOGIN, account, missing_secret, secret_of_account,
        },
        fixture::{login_secret, pull_secret, stuck},
    };

    #[test]
    fn the_account_has_secrets_and_the_pod_none() {
        for text in [NO_BASIC, ANONYMOUS] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &["regcred"]).judge();
            assert_eq!(finding.cause, CauseId::PodOlderThanServiceAccount);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert_eq!(finding.remedies[0].applicability, Applicability::Safe);
            assert_eq!(
                finding.remedies[0].command.as_deref(),
                Some("kubectl delete pod api-1 -n shop")
            );
        }
    }

    #[test]
    fn a_bare_pod_is_not_recreated_unasked() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &["regcred"])
            .symptom(|symptom| symptom.owner = None)
            .judge();
        assert_eq!(finding.remedies[0].applicability, Applicability::Consent);
    }

    #[test]
    fn what_lies_behind_is_named_too() {
        let fixture = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &["regcred"]);
        assert!(fixture.questions().contains(&Question::Secret {
            namespace: "shop".to_owned(),
            name: "regcred".to_owned(),
        }));
        let finding = secret_of_account(fixture, "regcred", missing_secret()).judge();
        assert_eq!(finding.cause, CauseId::PodOlderThanServiceAccount);
        assert_eq!(finding.also[0].cause, CauseId::SecretMissing);
        // To recreate the pod alone heals nothing.
        assert_eq!(finding.remedies[0].applicability, Applicability::Consent);
        assert!(
            finding.remedies[0]
                .title
                .starts_with("mend the secret first")
        );
    }

    #[test]
    fn a_secret_that_opens_nothing_is_no_reason_to_recreate_the_pod() {
        for (key, cause) in [
            ("registry.example.com", CauseId::PodOlderThanServiceAccount),
            ("registry.other.example", CauseId::AuthMissingCredentials),
        ] {
            let secret = login_secret("regcred", &[key]);
            let fixture = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &["regcred"]);
            let question = fixture
                .questions()
                .into_iter()
                .find(|question| matches!(question, Question::Keyring { .. }))
                .unwrap();
            let fixture = secret_of_account(fixture, "regcred", pull_secret());
            let finding = fixture.keyring_of(question, &[secret]).judge();
            assert_eq!(finding.cause, cause, "{key}");
            assert_eq!(finding.confidence, Confidence::Proven, "{key}");
            let also: Vec<CauseId> = finding.also.iter().map(|also| also.cause).collect();
            let is_beside = also.contains(&CauseId::PodOlderThanServiceAccount);
            assert_eq!(is_beside, cause == CauseId::AuthMissingCredentials, "{key}");
        }
    }

    #[test]
    fn a_pod_with_a_list_of_its_own_never_gets_the_accounts() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &["regcred"])
            .secret("other", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretWrongHost);
        let empty_name = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &["regcred"])
            .symptom(|symptom| symptom.pull_secrets.push(String::new()));
        assert_eq!(empty_name.cause(), CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_login_that_was_refused_is_another_matter() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &["regcred"]).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
    }
}
