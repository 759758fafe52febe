//! `secret-malformed`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};

use super::support::credentials::{
    State, list, login_object, named, only_usable, with_login_evidence, with_replace_secret,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    texts::is_free_text,
};

cause! {
    /// # secret-malformed
    ///
    /// ## What it means
    ///
    /// A pull secret of the pod cannot be decoded. One bad entry in one secret fails every pull
    /// of the pod, also of images that need no login.
    ///
    /// ## How we know
    ///
    /// The kubelet says so itself, before any registry is asked: `illegal base64 data at input
    /// byte N`, `unable to parse auth field, must be formatted as base64(username:password)`, or
    /// a JSON error. Kubelets from 1.33 on use that text as the waiting reason.
    ///
    /// ## What to do
    ///
    /// Create the content again with `kubectl create secret docker-registry`, which encodes it
    /// rightly. By hand, `auth` is the base64 of `user:password`: `printf %s 'user:password' |
    /// base64 -w0`, not `echo`, which adds a line end to the password.
    ///
    /// ## What it is not
    ///
    /// - A secret without `auths`, with an empty entry or with a line end in the password does
    ///   decode. It gives no login, or a wrong one, and the registry refuses.
    /// - A JSON error in the words of a runtime is about a manifest or a token.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/credentialprovider/config.go` 1.36 (`decodeDockerConfigFieldAuth`).
    /// - Kubernetes `pkg/kubelet/images/image_manager.go` 1.33 to 1.36: the reason.
    SecretMalformed
    generals: [AuthMissingCredentials],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() != Fault::SecretMalformed || case.pasted {
        return Vec::new();
    }
    named(case)
        .iter()
        .map(|one| case.secret_question(one.name))
        .collect()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::SecretMalformed {
        return None;
    }
    let text = case.text();
    let candidates: Vec<_> = named(case)
        .into_iter()
        .filter(|one| matches!(one.state, State::Usable | State::Unknown))
        .collect();
    // JSON errors have many authors; the kubelet alone makes a waiting reason of them, and Go
    // names the kubelet's own type where a value is of the wrong kind.
    let only_kubelet = text.contains("base64")
        || text.contains("auth field")
        || text.contains("Go struct field DockerConfig");
    let confidence = if case.pasted {
        Confidence::Likely
    } else if candidates.is_empty() {
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
        format!("{whose} cannot be decoded: {}", fault_words(text)),
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::Unknown,
            "the pod names no secret that the kubelet would decode",
            case.keyring_question().to_string(),
        );
    }
    if candidates.len() > 1 {
        finding = finding.open(Some(case.keyring_question()));
    }
    finding = with_login_evidence(finding, case).note(
        "effect",
        "it fails every pull of the pod, also of images that need no login",
    );
    Some(with_replace_secret(finding, case, "write the login again").into())
}

/// The fault in words; the byte where the text tells it.
fn fault_words(text: &str) -> String {
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
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::{
        causes::support::credentials::samples::{IMAGE, missing_secret},
        fixture::{pull_secret, stuck},
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
}
