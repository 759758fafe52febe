//! `secret-wrong-host`.

use pulldoctor_model::{CauseId, Confidence, Question};

use super::support::credentials::{
    State, led, list, login_object, login_questions, named, only_usable, refusing_host, with_login,
    with_registry_caret, with_replace_secret, with_rivals, word,
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
    /// credentials`) although the pod names a secret of the right type. Which entries the secret
    /// has is not read for this, so it stays *possible*: a secret without `auths`, or with an
    /// empty entry, gives no login either.
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
    let summary = match only_usable(case) {
        Some(one) => format!(
            "pull secret `{}` has no login for `{host}`: the node sent none",
            one.name
        ),
        None => format!(
            "none of the pull secrets {} has a login for `{host}`: the node sent none",
            list(
                named(case)
                    .iter()
                    .filter(|one| one.state == State::Usable)
                    .map(|one| one.name)
            )
        ),
    };
    let finding = case
        .finding(
            CauseId::SecretWrongHost,
            lead.confidence.max(Confidence::Possible),
            login_object(case),
            summary,
        )
        .open(Some(case.keyring_question()));
    let finding = with_rivals(finding, case, &lead);
    let finding = with_login(finding, case, word(case)?);
    let finding = with_registry_caret(finding, case, "no entry of the pull secrets is for this");
    Some(with_replace_secret(finding, case, &format!("write a login for `{host}`")).into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, Question};

    use crate::{
        causes::support::credentials::samples::{ANONYMOUS, IMAGE, NO_BASIC, WRONG_LOGIN, account},
        fixture::{pull_secret, stuck},
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
}
