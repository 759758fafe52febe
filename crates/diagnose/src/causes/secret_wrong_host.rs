//! `secret-wrong-host`.

use pulldoctor_model::{
    Applicability, CauseId, Confidence, EntryVerdict, Finding, Fit, Object, Question,
};

use super::support::credentials::{
    State, is_near, led, list, login_questions, lookup, mismatch_words, named,
    only_missing_the_host, refusing_host, with_login, with_new_login, with_open,
    with_registry_caret, with_repair_of_key, with_rivals, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # secret-wrong-host
    ///
    /// ## What it means
    ///
    /// The pod's pull secrets are there and can be read, but none of their entries is for this
    /// image's registry, so the kubelet sends no login.
    ///
    /// ## How we know
    ///
    /// The text says that nothing was sent (`failed to fetch anonymous token`, `no basic auth
    /// credentials`), or refuses, although the pod names a secret of the right type. The secret's
    /// keys are held against the image as the kubelet does it: where none matches it is *proven*,
    /// and the difference is named. A registry that hides what it has is excepted where all keys
    /// are for quite other registries: then nothing shows that the secret was meant for it. Where
    /// secrets may not be read it stays *possible*.
    ///
    /// ## What to do
    ///
    /// Compare the keys under `auths` with the image:
    ///
    /// - The port counts: `registry:443` is not `registry`.
    /// - `*.example.com` stands for exactly one label.
    /// - A path in the key has to be the beginning of the image's path.
    /// - Docker Hub is `https://index.docker.io/v1/` or `docker.io`; `registry-1.docker.io`,
    ///   `hub.docker.com` and `https://index.docker.io/v1` never match.
    ///
    /// ## What it is not
    ///
    /// Where a login was sent and refused, it matched: `auth-bad-credentials`.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/credentialprovider/keyring.go` 1.36.
    /// - containerd `core/remotes/docker/authorizer.go` and `auth/fetch.go`: the texts.
    SecretWrongHost
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let lead = led(case, CauseId::SecretWrongHost)?;
    let host = refusing_host(case);
    let meant = only_missing_the_host(case);
    let near = meant
        .and_then(|one| one.verdict)
        .and_then(|verdict| verdict.entries.iter().find(|entry| is_near(entry)));
    let summary = match (&meant, near) {
        (Some(one), Some(entry)) => format!(
            "pull secret `{}` has no login for `{}`: its key `{}` {}",
            one.name,
            case.repository(),
            entry.key,
            reason(entry)
        ),
        (Some(one), None) => format!(
            "pull secret `{}` has no login for `{host}`: the node sent none",
            one.name
        ),
        (None, _) => format!(
            "none of the pull secrets {} has a login for `{host}`: the node sent none",
            list(
                named(case)
                    .iter()
                    .filter(|one| one.state == State::Usable)
                    .map(|one| one.name)
            )
        ),
    };
    let object = match &meant {
        Some(one) => Object::secret(case.symptom.namespace.clone(), one.name),
        None => case.image_object(),
    };
    let confidence = lead.confidence.max(Confidence::Possible);
    let finding = case.finding(CauseId::SecretWrongHost, confidence, object, summary);
    let finding = with_open(finding, case, case.keyring_question());
    let finding = with_rivals(finding, case, &lead);
    let finding = with_login(finding, case, word(case)?);
    let finding = with_keys(finding, case);
    let finding = with_registry_caret(finding, case, "no entry of the pull secrets is for this");
    let title = format!("write a login for `{host}`");
    let Some(one) = &meant else {
        return Some(
            finding
                .remedy("replace-secret", Applicability::Advice, title, None)
                .into(),
        );
    };
    let corrected = near.and_then(|entry| match &entry.fit {
        Fit::Mismatch { corrected, .. } => Some((entry, corrected.as_deref()?)),
        _ => None,
    });
    let finding = match corrected {
        Some((entry, corrected)) => with_repair_of_key(finding, case, one, &entry.key, corrected),
        None => finding,
    };
    Some(with_new_login(finding, case, one, &title).into())
}

fn reason(entry: &EntryVerdict) -> String {
    match &entry.fit {
        Fit::Mismatch { reasons, .. } => {
            let words: Vec<String> = reasons.iter().map(mismatch_words).collect();
            words.join(", and ")
        }
        Fit::Matches | Fit::Shadowed { .. } => "matches".to_owned(),
    }
}

/// Shows the keys that were meant for the registry beside the image.
fn with_keys(mut finding: Finding, case: &Case<'_>) -> Finding {
    let Some(keyring) = lookup(case) else {
        return finding;
    };
    finding = finding.note("image", keyring.repository.clone());
    let near = keyring
        .secrets
        .iter()
        .flat_map(|secret| secret.entries.iter().map(move |entry| (secret, entry)))
        .filter(|(_, entry)| is_near(entry));
    for (secret, entry) in near.take(5) {
        finding = finding.note(
            "key",
            format!("`{}` in `{}` {}", entry.key, secret.name, reason(entry)),
        );
    }
    finding
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, Question};

    use crate::{
        causes::support::credentials::samples::{
            ANONYMOUS, HOST, IMAGE, NO_BASIC, SCOPE, WRONG_LOGIN, about, account,
        },
        fixture::{Fixture, login_secret, pull_secret, stuck, unreadable_secret},
    };

    #[test]
    fn nothing_sent_although_a_secret_is_named() {
        for text in [NO_BASIC, ANONYMOUS] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                .secret("regcred", pull_secret())
                .judge();
            assert_eq!(finding.cause, CauseId::SecretWrongHost);
            assert_eq!(finding.confidence, Confidence::Possible);
            assert_eq!(finding.object.name, "regcred");
            assert_eq!(finding.rivals[0].cause, CauseId::SecretMalformed);
            assert!(
                finding
                    .open
                    .iter()
                    .any(|question| matches!(question, Question::Keyring { .. }))
            );
            assert!(
                finding
                    .ruled_out
                    .iter()
                    .any(|out| out.cause == CauseId::AuthBadCredentials)
            );
        }
    }

    #[test]
    fn a_login_that_was_sent_did_match() {
        let finding = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
    }

    fn with_keys(text: &str, keys: &[&str]) -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", text), &[]).keyring(&[login_secret("regcred", keys)])
    }

    #[test]
    fn the_key_and_why_it_misses_are_named() {
        for (key, word) in [
            ("registry.example.com:5000", "port"),
            ("registry.example.com/other", "path"),
            ("https://registry.exmaple.com", "letter"),
            ("*.registry.example.com", "label"),
        ] {
            let finding = with_keys(NO_BASIC, &[key, "ghcr.io"]).judge();
            assert_eq!(finding.cause, CauseId::SecretWrongHost, "{key}");
            assert_eq!(finding.confidence, Confidence::Proven);
            assert_eq!(finding.object.name, "regcred");
            assert!(finding.rivals.is_empty() && finding.next.is_empty());
            assert!(finding.summary.contains(key), "{}", finding.summary);
            assert!(finding.summary.contains(word), "{}", finding.summary);
        }
    }

    #[test]
    fn a_key_that_would_match_is_offered() {
        let finding = with_keys(NO_BASIC, &["registry.example.com:5000"]).judge();
        let remedy = &finding.remedies[0];
        assert_eq!(remedy.id, "correct-key");
        let command = remedy.command.as_deref().unwrap();
        assert!(
            command.contains("--arg key registry.example.com:5000"),
            "{command}"
        );
    }

    #[test]
    fn a_key_that_matches_is_none() {
        let finding = with_keys(SCOPE, &[HOST]).judge();
        assert_ne!(finding.cause, CauseId::SecretWrongHost);
        assert!(
            finding
                .rivals
                .iter()
                .all(|rival| rival.cause != CauseId::SecretWrongHost)
        );
    }

    #[test]
    fn where_the_registry_hides_a_secret_for_another_one_says_little() {
        let text = about(SCOPE, "docker.io");
        let with = |key: &str| {
            account(stuck("shop/api:1", "ErrImagePull", &text), &[])
                .keyring(&[login_secret("regcred", &[key])])
                .judge()
        };
        let alias = with("https://registry-1.docker.io");
        assert_eq!(alias.cause, CauseId::SecretWrongHost);
        assert_eq!(alias.confidence, Confidence::Proven);
        let other = with("registry.example.com");
        assert_eq!(other.cause, CauseId::NotFoundOrPrivate);
        assert!(
            other
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::SecretWrongHost)
        );
        // On a registry that wants a login for all, it is the nearest thing to mend.
        let plain = with_keys(NO_BASIC, &["ghcr.io"]).judge();
        assert_eq!(plain.cause, CauseId::SecretWrongHost);
        assert_eq!(plain.confidence, Confidence::Proven);
    }

    #[test]
    fn beside_a_secret_that_may_not_be_read_nothing_is_proven() {
        let finding = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
            .keyring(&[
                login_secret("regcred", &["ghcr.io"]),
                unreadable_secret("hidden"),
            ])
            .judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }
}
