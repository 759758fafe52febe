//! `secret-missing`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Object, Question};

use super::{
    support::{
        credentials::{
            Named, State, changed, create_secret_command, defect, list, login_questions, look,
            lost_secrets, with_login, with_more, with_other_secrets, word,
        },
        in_namespace, quote,
    },
    unknown::with_nothing_to_mend,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # secret-missing
    ///
    /// ## What it means
    ///
    /// The pod names a pull secret that is not in its namespace. The kubelet skips it and pulls
    /// with what is left, which is nothing in most cases, so the registry refuses.
    ///
    /// ## How we know
    ///
    /// The API answers 404 for the secret, and the registry's answer is a refusal. It is proven
    /// where the pod names no other secret that matches the image: beside one that does, a missing
    /// one is no fault. Kubelets from 1.28 on also
    /// say it themselves: `Unable to retrieve some image pull secrets (…)`, at every sync, also
    /// where the image needs no login: a missing secret is no fault while the pull works.
    ///
    /// ## What to do
    ///
    /// - Create the secret in the pod's own namespace. Secrets are not shared between namespaces.
    /// - Or correct the name in `imagePullSecrets`, of the pod's template or its service account.
    ///
    /// Pods that wait pick it up by themselves at the next try, within five minutes.
    ///
    /// ## What it is not
    ///
    /// A secret that is there and of a type that the kubelet ignores is `secret-wrong-type`.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/kubelet_pods.go` 1.28 to 1.36 (`getPullSecretsForPod`).
    SecretMissing
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() == Fault::SecretMissing && !case.pasted {
        return case
            .reading()
            .facts
            .secrets
            .iter()
            .map(|name| case.secret_question(name))
            .collect();
    }
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() == Fault::SecretMissing {
        return Some(told(case).into());
    }
    if let Some(finding) = appeared(case) {
        return Some(finding.into());
    }
    let word = word(case)?;
    let said = lost_secrets(case, None);
    let gone = |one: &Named<'_>| {
        one.state == State::Missing
            || (one.state == State::Unknown && said.iter().any(|name| name == one.name))
    };
    let defect = defect(case, word, gone)?;
    let first = defect.first;
    let mut finding = case.finding(
        CauseId::SecretMissing,
        defect.confidence,
        Object::secret(case.symptom.namespace.clone(), first.name),
        summary(case, first.name),
    );
    finding = with_other_secrets(finding, case, &defect);
    finding = with_login(finding, case, word);
    if first.state == State::Unknown {
        finding = finding.seen(
            case.events().answered(),
            format!("the kubelet could not retrieve `{}`", first.name),
        );
    }
    finding = with_more(with_remedies(finding, case, &first), &defect);
    Some(Raised {
        finding,
        role: defect.role,
    })
}

/// The secret was created after the node's last try: until then there was none of its name, unless
/// another one was deleted.
fn appeared(case: &Case<'_>) -> Option<Finding> {
    let changed = changed(case)?;
    let secret = changed.appeared()?;
    if !word(case)?.may_lack_login() {
        return None;
    }
    let mut finding = case.finding(
        CauseId::SecretMissing,
        Confidence::Possible,
        Object::secret(case.symptom.namespace.clone(), secret),
        changed.summary(case),
    );
    finding = if lost_secrets(case, None).iter().any(|name| name == secret) {
        finding
            .seen(
                case.events().answered(),
                format!("the kubelet could not retrieve `{secret}`"),
            )
            .rival(
                CauseId::Unknown,
                "the node may go another way: a login of its own, or a mirror",
                "the text of the next try",
            )
    } else {
        finding.rival(
            CauseId::AuthBadCredentials,
            "a secret of that name may have been there before, with another login",
            "the text of the next try",
        )
    };
    Some(with_nothing_to_mend(
        changed.with_details(finding, case),
        case,
    ))
}

/// The kubelet's own text names the secret.
fn told(case: &Case<'_>) -> Finding {
    let Some(name) = case.reading().facts.secrets.first() else {
        return case
            .finding(
                CauseId::SecretMissing,
                Confidence::Possible,
                case.image_object(),
                "the kubelet cannot retrieve a pull secret",
            )
            .rival(
                CauseId::Unknown,
                "the text does not say which, nor whether the pull needs it",
                "the pod's own pull secrets",
            );
    };
    let one = look(case, name);
    let (confidence, summary) = match one.state {
        State::Missing => (Confidence::Proven, summary(case, name)),
        State::Unknown => (
            Confidence::Likely,
            format!("the kubelet cannot retrieve pull secret `{name}`"),
        ),
        State::Ignored | State::Usable => (
            Confidence::Possible,
            format!("the kubelet could not retrieve pull secret `{name}`, which is there now"),
        ),
    };
    let mut finding = case.finding(
        CauseId::SecretMissing,
        confidence,
        Object::secret(case.symptom.namespace.clone(), name.as_str()),
        summary,
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::Unknown,
            "the kubelet's cache may have been behind",
            "the text of the next try",
        );
    }
    let finding = finding.seen(
        case.secret(name).answered(),
        if one.state == State::Missing {
            "it is not there"
        } else {
            "it is there"
        },
    );
    with_remedies(finding, case, &one)
}

fn summary(case: &Case<'_>, name: &str) -> String {
    if case.pasted {
        format!("pull secret `{name}` does not exist in the pod's namespace")
    } else {
        format!(
            "the pod names pull secret `{name}`, and namespace `{}` has no such secret",
            case.symptom.namespace
        )
    }
}

fn with_remedies(mut finding: Finding, case: &Case<'_>, one: &Named<'_>) -> Finding {
    if case.pasted {
        return finding.remedy(
            "create-secret",
            Applicability::Advice,
            "create the secret in the pod's namespace",
            None,
        );
    }
    let name = one.name;
    if let Some(facts) = one.facts {
        if let Some(elsewhere) = facts.elsewhere.first() {
            finding = finding
                .note(
                    "elsewhere",
                    format!(
                        "a secret `{name}` is in {}",
                        list(facts.elsewhere.iter().map(String::as_str))
                    ),
                )
                .remedy(
                    "copy-secret",
                    Applicability::Consent,
                    format!("copy `{name}` from namespace `{elsewhere}`"),
                    Some(copy_command(case, name, elsewhere)),
                );
        }
        if let Some(near) = nearest(name, &facts.siblings) {
            finding = finding.note(
                "similar",
                format!("the namespace has a pull secret `{near}`"),
            );
        }
    }
    finding.remedy(
        "create-secret",
        Applicability::Consent,
        format!("create `{name}`; pods that wait pick it up by themselves"),
        Some(create_secret_command(case, name)),
    )
}

/// Copies content and type, and nothing else, without showing the content.
fn copy_command(case: &Case<'_>, name: &str, from: &str) -> String {
    format!(
        "kubectl get secret {name} -n {from} -o jsonpath='{{.data.\\.dockerconfigjson}}' | base64 -d | kubectl create secret generic {name} --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=/dev/stdin {namespace}",
        name = quote(name),
        from = quote(from),
        namespace = in_namespace(case),
    )
}

/// The sibling whose name is so near that a slip of the hand explains it.
fn nearest<'n>(name: &str, siblings: &'n [String]) -> Option<&'n str> {
    siblings
        .iter()
        .map(|other| (strsim::damerau_levenshtein(name, other), other))
        .filter(|(distance, other)| {
            *distance <= 2.min(name.len() / 3) || other.contains(name) || name.contains(*other)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other.as_str())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, Event, ObjectKind, Question, SecretFacts};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, HOST, IMAGE, NO_BASIC, SCOPE, WRONG_LOGIN, account, missing_secret,
        },
        fixture::{absent_secret, at, login_secret, pull_secret, stuck},
    };

    #[test]
    fn a_secret_that_is_not_there_explains_the_refusal() {
        for text in [NO_BASIC, ANONYMOUS, SCOPE] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                .secret("regcred", missing_secret())
                .judge();
            assert_eq!(finding.cause, CauseId::SecretMissing, "{text}");
            assert_eq!(finding.confidence, Confidence::Proven);
            assert_eq!(finding.object.kind, ObjectKind::Secret);
            assert_eq!(finding.object.name, "regcred");
            assert!(finding.rivals.is_empty(), "{:?}", finding.rivals);
        }
    }

    #[test]
    fn it_is_asked_for_only_where_the_registry_refuses() {
        let secret = Question::Secret {
            namespace: "shop".to_owned(),
            name: "regcred".to_owned(),
        };
        let named = |text: &str| {
            stuck(IMAGE, "ErrImagePull", text)
                .symptom(|symptom| symptom.pull_secrets.push("regcred".to_owned()))
                .questions()
        };
        assert!(named(NO_BASIC).contains(&secret));
        let dns = "failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        assert!(!named(dns).contains(&secret));
    }

    #[test]
    fn it_is_nothing_where_the_pull_fails_for_another_reason() {
        let dns = "failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        let finding = stuck(IMAGE, "ErrImagePull", dns)
            .secret("regcred", missing_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert!(finding.also.is_empty());
    }

    #[test]
    fn beside_a_usable_secret_it_is_possible() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .secret("regcred", missing_secret())
            .secret("other", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::SecretWrongHost);
    }

    #[test]
    fn where_a_login_was_refused_it_contributes() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .secret("regcred", missing_secret())
            .secret("other", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.also[0].cause, CauseId::SecretMissing);
    }

    #[test]
    fn the_same_name_elsewhere_can_be_copied() {
        let facts = SecretFacts {
            elsewhere: vec!["infra".to_owned()],
            siblings: vec!["regcred2".to_owned()],
            ..missing_secret()
        };
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .secret("regcred", facts)
            .judge();
        let copy = &finding.remedies[0];
        assert_eq!(copy.id, "copy-secret");
        assert!(copy.command.as_deref().unwrap().contains("-n infra"));
        assert!(finding.notes.iter().any(|(word, _)| word == "similar"));
    }

    #[test]
    fn where_secrets_may_not_be_read_the_kubelets_event_tells() {
        let secret = Question::Secret {
            namespace: "shop".to_owned(),
            name: "regcred".to_owned(),
        };
        let events = Question::PodEvents {
            namespace: "shop".to_owned(),
            pod: "api-1".to_owned(),
            uid: "uid-1".to_owned(),
        };
        let event = Event {
            kind: "Warning".to_owned(),
            reason: "FailedToRetrieveImagePullSecret".to_owned(),
            message: "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.".to_owned(),
            field_path: None,
            first: Some(at(-60)),
            last: Some(at(-5)),
            count: 6,
        };
        let fixture = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .symptom(|symptom| symptom.pull_secrets.push("regcred".to_owned()))
            .forbid(secret);
        assert!(fixture.questions().contains(&events));
        let finding = fixture.answer(events, Answer::Events(vec![event])).judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn the_kubelets_warning_pasted_is_likely() {
        let verdict = crate::read_text(
            "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
        );
        assert_eq!(verdict.finding.cause, CauseId::SecretMissing);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
    }

    #[test]
    fn the_content_of_the_others_decides_whether_it_matters() {
        let with = |key: &str, text: &str| {
            account(stuck(IMAGE, "ErrImagePull", text), &[])
                .keyring(&[absent_secret("gone"), login_secret("other", &[key])])
                .judge()
        };
        let alone = with("ghcr.io", NO_BASIC);
        assert_eq!(alone.cause, CauseId::SecretMissing);
        assert_eq!(alone.confidence, Confidence::Proven);
        assert!(alone.rivals.is_empty(), "{:?}", alone.rivals);
        let beside = with(HOST, SCOPE);
        assert_eq!(beside.cause, CauseId::AuthForbidden);
        assert!(
            beside
                .also
                .iter()
                .any(|also| also.cause == CauseId::SecretMissing)
        );
    }
}
