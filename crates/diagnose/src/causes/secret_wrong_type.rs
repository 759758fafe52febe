//! `secret-wrong-type`.

use pulldoctor_model::{Applicability, CauseId, Finding, Object, Question, SecretStanding};

use super::support::{
    credentials::{
        Named, State, create_secret_command, defect, login_questions, with_login, with_more,
        with_other_secrets, word,
    },
    in_namespace, quote,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # secret-wrong-type
    ///
    /// ## What it means
    ///
    /// The pod names a pull secret that exists, but the kubelet ignores it because of its type.
    /// It does so silently: no event, no line in its log.
    ///
    /// ## How we know
    ///
    /// Only two shapes are read: type `kubernetes.io/dockerconfigjson` with the key
    /// `.dockerconfigjson`, and type `kubernetes.io/dockercfg` with the key `.dockercfg`. The API
    /// shows another type (`Opaque`, the type of `kubectl create secret generic`, or
    /// `kubernetes.io/basic-auth`), and the registry refuses. It is proven where the pod names no
    /// other secret that could have matched.
    ///
    /// ## What to do
    ///
    /// The type of a secret cannot be changed. Delete it and create it again:
    /// `kubectl create secret docker-registry NAME --docker-server=HOST …`.
    ///
    /// ## What it is not
    ///
    /// A secret of the right type whose content does not decode is `secret-malformed`; one whose
    /// entries are for other registries is `secret-wrong-host`.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/credentialprovider/secrets/secrets.go` 1.22 to 1.36.
    /// - Kubernetes `pkg/apis/core/validation` 1.36 (`ValidateSecretUpdate`): the type is fixed.
    SecretWrongType
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let word = word(case)?;
    let defect = defect(case, word, |one| one.state == State::Ignored)?;
    let first = defect.first;
    let finding = case.finding(
        CauseId::SecretWrongType,
        defect.confidence,
        Object::secret(case.symptom.namespace.clone(), first.name),
        summary(&first),
    );
    let finding = with_other_secrets(finding, case, &defect);
    let finding = with_login(finding, case, word);
    let finding = with_more(with_remedy(finding, case, &first), &defect);
    Some(Raised {
        finding,
        role: defect.role,
    })
}

fn summary(one: &Named<'_>) -> String {
    if let Some(SecretStanding::MissingKey { wanted, .. }) =
        one.verdict.map(|verdict| &verdict.standing)
    {
        return format!(
            "pull secret `{}` has nothing under `{wanted}`, so the kubelet ignores it",
            one.name
        );
    }
    format!(
        "pull secret `{}` is of type `{}`, which the kubelet ignores",
        one.name,
        kind_of(one)
    )
}

fn kind_of<'a>(one: &Named<'a>) -> &'a str {
    one.facts
        .and_then(|facts| facts.kind.as_deref())
        .unwrap_or("unknown")
}

fn with_remedy(finding: Finding, case: &Case<'_>, one: &Named<'_>) -> Finding {
    let keys = one.facts.map_or(&[][..], |facts| &facts.keys[..]);
    let finding = finding.note(
        "keys",
        if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join(", ")
        },
    );
    let name = quote(one.name);
    let namespace = in_namespace(case);
    // The content was read, and is a login under another key.
    if let Some(SecretStanding::WrongType {
        holds: Some(holds),
        key: Some(key),
        ..
    }) = one.verdict.map(|verdict| &verdict.standing)
        && !key.contains('…')
    {
        let wanted = if holds == "kubernetes.io/dockercfg" {
            ".dockercfg"
        } else {
            ".dockerconfigjson"
        };
        return finding.remedy(
            "retype-secret",
            Applicability::Consent,
            format!("delete it and create it again as `{holds}`, with the same content"),
            Some(format!(
                "kubectl get secret {name} {namespace} -o json | jq --arg key {} {} | kubectl replace --force -f -",
                quote(key),
                quote(&format!(
                    ".type = \"{holds}\" | .data = {{\"{wanted}\": .data[$key]}}"
                ))
            )),
        );
    }
    // Where the content already has the right key only the type is wrong, and nothing is lost.
    if keys.iter().any(|key| key == ".dockerconfigjson") {
        return finding.remedy(
            "retype-secret",
            Applicability::Consent,
            "delete it and create it again under the right type, with the same content",
            Some(format!(
                "kubectl get secret {name} {namespace} -o json | sed 's#\"type\": \"{}\"#\"type\": \"kubernetes.io/dockerconfigjson\"#' | kubectl replace --force -f -",
                kind_of(one).replace(['\'', '#', '\\'], "")
            )),
        );
    }
    finding.remedy(
        "retype-secret",
        Applicability::Consent,
        "delete it and create it again as a docker-registry secret",
        Some(format!(
            "kubectl delete secret {name} {namespace} && {}",
            create_secret_command(case, one.name)
        )),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, SecretFacts};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, HOST, IMAGE, NO_BASIC, account, missing_secret,
        },
        fixture::{login_secret, pull_secret, stuck},
    };

    fn opaque(key: &str) -> SecretFacts {
        SecretFacts {
            kind: Some("Opaque".to_owned()),
            keys: vec![key.to_owned()],
            ..pull_secret()
        }
    }

    #[test]
    fn an_opaque_secret_explains_the_refusal() {
        for text in [NO_BASIC, ANONYMOUS] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                .secret("regcred", opaque(".dockerconfigjson"))
                .judge();
            assert_eq!(finding.cause, CauseId::SecretWrongType);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert!(finding.summary.contains("`Opaque`"));
            let command = finding.remedies[0].command.as_deref().unwrap();
            assert!(command.contains("kubectl replace --force"), "{command}");
        }
    }

    #[test]
    fn without_the_key_its_content_is_no_use() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .secret("regcred", opaque("config.json"))
            .judge();
        let command = finding.remedies[0].command.as_deref().unwrap();
        assert!(command.starts_with("kubectl delete secret regcred -n shop && "));
    }

    #[test]
    fn a_secret_of_the_right_type_is_not_accused() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretWrongHost);
    }

    #[test]
    fn beside_a_missing_one_both_are_named() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .secret("regcred", opaque("password"))
            .secret("gone", missing_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
        assert_eq!(finding.also[0].cause, CauseId::SecretWrongType);
    }

    #[test]
    fn a_login_under_another_key_is_kept() {
        let secret = login_secret("regcred", &[HOST]).change(|secret| {
            secret.kind = "Opaque".to_owned();
            let data = secret.data.remove(".dockerconfigjson").unwrap();
            secret.data.insert("config.json".to_owned(), data);
        });
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .keyring(&[secret])
            .judge();
        assert_eq!(finding.cause, CauseId::SecretWrongType);
        assert_eq!(finding.confidence, Confidence::Proven);
        let command = finding.remedies[0].command.as_deref().unwrap();
        assert!(command.contains("--arg key config.json"), "{command}");
    }
}
