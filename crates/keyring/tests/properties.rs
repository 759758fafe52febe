//! What holds for any secrets and any image.

#![expect(clippy::unwrap_used, reason = "a test, also outside of test functions")]

mod common;
mod generator;

use generator::{Case, Generator};
use proptest::prelude::*;
use pulldoctor_keyring::{
    DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, Keyring, PullSecret, facts, normal_key,
};
use pulldoctor_model::{Fit, KeyringFacts, SecretStanding};
use pulldoctor_reference::Reference;

fn case() -> impl Strategy<Value = (Vec<PullSecret>, Reference)> {
    any::<u64>().prop_filter_map("an image that the kubelet refuses", |seed| {
        let Case { secrets, image } = Generator::new(seed).case();
        let image = Reference::parse(&image).ok()?;
        let secrets = secrets
            .into_iter()
            .map(|made| {
                made.data.into_iter().fold(
                    PullSecret::new("shop", "regcred", made.kind),
                    |secret, (key, value)| secret.with(key, value),
                )
            })
            .collect();
        Some((secrets, image))
    })
}

fn config(config: impl Into<Vec<u8>>) -> PullSecret {
    PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with(DOCKER_CONFIG_JSON_KEY, config)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn verdicts_agree_with_the_lookup((secrets, image) in case()) {
        let all: Vec<_> = secrets.iter().cloned().map(Ok).collect();
        let facts = facts(&all, &image);
        prop_assert_eq!(facts.secrets.len(), secrets.len());
        let malformed = facts
            .secrets
            .iter()
            .filter(|secret| matches!(secret.standing, SecretStanding::Malformed { .. }))
            .count();
        match Keyring::new(&secrets) {
            Err(error) => {
                prop_assert!(malformed > 0);
                let failure = facts.failure.as_ref().unwrap();
                prop_assert!(failure.explains(error.kubelet_text().expose()));
                let standing = &facts.secrets[error.secret()].standing;
                prop_assert!(
                    matches!(standing, SecretStanding::Malformed { text, .. } if *text == failure.text),
                    "{:?}", standing
                );
            }
            Ok(keyring) => {
                prop_assert_eq!(malformed, 0);
                prop_assert_eq!(&facts.failure, &None);
                let found = keyring.lookup(&image.repo());
                prop_assert_eq!(found.len(), facts.matching.len());
                for (credential, matching) in found.iter().zip(&facts.matching) {
                    prop_assert_eq!(&credential.shown_key(), &matching.key);
                }
                let fitting = facts
                    .secrets
                    .iter()
                    .filter(|secret| secret.standing == SecretStanding::Used)
                    .flat_map(|secret| &secret.entries)
                    .filter(|entry| entry.fit == Fit::Matches)
                    .count();
                prop_assert_eq!(found.len(), fitting);
            }
        }
        let json = serde_json::to_string(&facts).unwrap();
        prop_assert_eq!(serde_json::from_str::<KeyringFacts>(&json).unwrap(), facts);
    }

    #[test]
    fn corrected_keys_match((secrets, image) in case()) {
        let all: Vec<_> = secrets.into_iter().map(Ok).collect();
        for entry in facts(&all, &image).secrets.iter().flat_map(|secret| &secret.entries) {
            if let Fit::Mismatch { reasons, corrected } = &entry.fit {
                prop_assert!(!reasons.is_empty());
                if let Some(key) = corrected {
                    let json = serde_json::json!({"auths": {key.as_str(): {"username": "u"}}});
                    let secret = config(json.to_string());
                    let keyring = Keyring::new([&secret]).unwrap();
                    prop_assert_eq!(keyring.lookup(&image.repo()).len(), 1, "{}", key);
                }
            }
        }
    }

    #[test]
    fn keys_that_are_no_url_find_nothing(key in ".*") {
        let json = serde_json::json!({"auths": {key.as_str(): {"username": "u"}}});
        let secret = config(json.to_string());
        let keyring = Keyring::new([&secret]).unwrap();
        if normal_key(&key).is_none() {
            prop_assert!(keyring.lookup("a.io/b").is_empty());
            prop_assert!(keyring.lookup("docker.io/library/nginx").is_empty());
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0_usize..3) {
        let kind = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "Opaque"][kind];
        let secret = [DOCKER_CONFIG_JSON_KEY, ".dockercfg"]
            .iter()
            .fold(PullSecret::new("shop", "regcred", kind), |secret, key| secret.with(*key, bytes.clone()));
        facts(&[Ok(secret)], &Reference::parse("nginx").unwrap());
    }
}

/// A megabyte is the most that a secret can hold.
#[test]
fn hostile_secrets_take_no_time() {
    let many = |part: &str| part.repeat(1_000_000 / part.len());
    let image = Reference::parse("registry.example.com/shop/api").unwrap();
    for text in [
        "[".repeat(1_000_000),
        format!("{{\"auths\":{}", many("{\"a\":")),
        format!("{{\"auths\":{{{}\"z\":{{}}}}}}", many("\"a\":{},")),
        format!("{{{}\"auths\":{{}}}}", many("\"auths\":{\"a\":{}},")),
        format!("{{\"auths\":{{\"{}\":{{}}}}}}", many("*a")),
        format!("{{\"auths\":{{\"{}.example.com\":{{}}}}}}", many("*")),
        format!("{{\"auths\":{{\"{}\":{{}}}}}}", many("a.")),
        format!("{{\"auths\":{{\"a\":{{\"auth\":\"{}\"}}}}}}", many("YTpi")),
        format!(
            "{{\"auths\":{{\"a\":{{{}\"x\":1}}}}}}",
            many("\"auth\":\"YTpi\",")
        ),
        (0..30_000).fold("{\"auths\":{".to_owned(), |text, n| {
            format!("{text}\"https://registry.example.com?{n}\":{{}},")
        }) + "\"z\":{}}}",
    ] {
        let start = std::time::Instant::now();
        let judged = facts(&[Ok(config(text.clone()))], &image);
        assert!(judged.secrets[0].entries.len() <= 200);
        let took = start.elapsed();
        assert!(took.as_secs() < 30, "{} took {took:?}", &text[..40]);
    }
}
