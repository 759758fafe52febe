//! Texts and answers for the tests of the family.

use pulldoctor_model::{Answer, Question, SecretFacts, ServiceAccountFacts};

use crate::fixture::{Fixture, at, pull_secret};

/// A registry that is neither known to hide nor of a cloud, as the key of a secret.
pub(crate) const HOST: &str = "registry.example.com";

/// An image of a registry that is neither known to hide nor of a cloud.
pub(crate) const IMAGE: &str = "registry.example.com/shop/api:1";

/// containerd 2.x, Basic challenge, nothing sent.
pub(crate) const NO_BASIC: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials";

/// containerd 2.x, token endpoint, nothing sent.
pub(crate) const ANONYMOUS: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example.com/token?scope=repository%3Ashop%2Fapi%3Apull&service=registry: 401 Unauthorized";

/// containerd 2.x, token endpoint, a login was sent.
pub(crate) const WRONG_LOGIN: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.example.com/token?scope=repository%3Ashop%2Fapi%3Apull&service=registry: 401 Unauthorized";

/// containerd 2.x, a token without the scope.
pub(crate) const SCOPE: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed";

/// containerd 2.x, the manifest's request with a bare 403.
pub(crate) const FORBIDDEN: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 403 Forbidden";

/// The text for another image.
pub(crate) fn about(text: &str, registry: &str) -> String {
    text.replace("registry.example.com", registry)
}

/// A secret that is not there.
pub(crate) fn missing_secret() -> SecretFacts {
    SecretFacts {
        exists: false,
        kind: None,
        keys: Vec::new(),
        created: None,
        ..pull_secret()
    }
}

/// Adds the pod's service account, which names these secrets today.
pub(crate) fn account(fixture: Fixture, secrets: &[&str]) -> Fixture {
    fixture.answer(
        Question::ServiceAccount {
            namespace: "shop".to_owned(),
            name: "default".to_owned(),
        },
        Answer::ServiceAccount(ServiceAccountFacts {
            exists: true,
            pull_secrets: secrets.iter().map(|&name| name.to_owned()).collect(),
            pull_secrets_changed: (!secrets.is_empty()).then(|| at(-30)),
            created: Some(at(-90_000)),
        }),
    )
}

/// Adds the answer about a secret that the pod itself does not name.
pub(crate) fn secret_of_account(fixture: Fixture, name: &str, facts: SecretFacts) -> Fixture {
    fixture.answer(
        Question::Secret {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
        },
        Answer::Secret(facts),
    )
}
