//! A verdict on each secret: what the kubelet makes of it, and why it does not help the image.

mod entry;
mod fit;
mod standing;

use std::collections::HashMap;

use pulldoctor_model::{
    Fit, KeyringFacts, KeyringFailure, MatchingCredential, SecretStanding, SecretVerdict,
};
use pulldoctor_reference::Reference;

use crate::config::Config;
use crate::keyring::{Keyring, normalise};
use crate::pull_secret::PullSecret;
use crate::show;
use fit::Target;

/// The most entries of a secret that do not match, and the most matching ones of all secrets.
const MOST: usize = 100;

/// What the kubelet makes of a secret, for an image.
///
/// The verdict holds hosts and usernames, and never a password: see [`SecretVerdict`]. It knows
/// this secret only; [`facts`] looks at all of a pod's.
///
/// ```
/// use pulldoctor_keyring::{DOCKER_CONFIG_JSON, PullSecret, examine};
/// use pulldoctor_model::{Fit, Mismatch};
/// use pulldoctor_reference::Reference;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with(
///     ".dockerconfigjson",
///     r#"{"auths":{"https://index.docker.io/v1":{"username":"ci-bot","password":"x"}}}"#,
/// );
/// let verdict = examine(&secret, &Reference::parse("shop/api:1.4.2")?);
/// assert_eq!(
///     verdict.entries[0].fit,
///     Fit::Mismatch {
///         reasons: vec![Mismatch::ApiPathWithoutSlash],
///         corrected: Some("https://index.docker.io/v1/".to_owned()),
///     }
/// );
/// # Ok(())
/// # }
/// ```
pub fn examine(secret: &PullSecret, image: &Reference) -> SecretVerdict {
    let config = secret.read();
    let target = Target::new(image).shadowed_by(config.iter().flat_map(|config| &config.entries));
    verdict(secret, config, &target)
}

/// Which credentials the kubelet tries for an image, and a verdict on each of the pod's secrets.
///
/// `secrets` are those that the pod names, in its order; one that is not there or could not be read
/// is the verdict that says so ([`SecretVerdict::missing`], [`SecretVerdict::unreadable`]). The
/// kubelet passes over a secret that is missing.
pub fn facts(secrets: &[Result<PullSecret, SecretVerdict>], image: &Reference) -> KeyringFacts {
    let there: Vec<&PullSecret> = secrets
        .iter()
        .filter_map(|secret| secret.as_ref().ok())
        .collect();
    let configs: Vec<Option<Config>> = there.iter().map(|secret| secret.read()).collect();
    let target =
        Target::new(image).shadowed_by(configs.iter().flatten().flat_map(|config| &config.entries));
    let repository = image.repo();
    let keyring = Keyring::new(there.iter().copied());
    let mut facts = KeyringFacts {
        failure: keyring.as_ref().err().map(|error| KeyringFailure {
            secret: there[error.secret()].name.clone(),
            text: error.to_string(),
        }),
        ..KeyringFacts::default()
    };
    if let Ok(keyring) = &keyring {
        for credential in keyring.lookup(&repository).into_iter().take(MOST) {
            let Some(config) = &configs[credential.secret()] else {
                continue;
            };
            let secret = there[credential.secret()];
            let entry = &config.entries[credential.entry()];
            let verdict = entry::verdict(entry, secret, &target);
            facts.matching.push(MatchingCredential {
                secret: secret.name.clone(),
                key: verdict.key,
                username: verdict.username,
                kind: verdict.kind,
                expiry: verdict.expiry,
                faults: verdict.faults,
            });
        }
    }
    facts.repository = repository;
    let mut read = there.iter().zip(configs);
    facts.secrets = secrets
        .iter()
        .filter_map(|secret| match secret {
            Ok(_) => {
                let (secret, config) = read.next()?;
                Some(verdict(secret, config, &target))
            }
            Err(verdict) => Some(verdict.clone()),
        })
        .collect();
    facts
}

fn verdict(secret: &PullSecret, config: Option<Config>, target: &Target) -> SecretVerdict {
    let (standing, config) = standing::judge(secret, config);
    let mut verdict = SecretVerdict {
        namespace: secret.namespace.clone(),
        name: secret.name.clone(),
        standing,
        entries: Vec::new(),
        omitted: 0,
        created: secret.created,
        written: secret.written,
    };
    let has_entries = !matches!(verdict.standing, SecretStanding::NoEntries { .. });
    let Some(config) = config.filter(|_| has_entries) else {
        return verdict;
    };
    let mut first_spelling: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut others = 0;
    for (place, entry) in config.entries.iter().enumerate() {
        let twin = normalise(&entry.key)
            .ok()
            .map(|key| *first_spelling.entry(key).or_insert(place))
            .filter(|first| *first != place);
        let mut judged = entry::verdict(entry, secret, target);
        if let Some(twin) = twin {
            judged.faults.push(pulldoctor_model::EntryFault::SameAs {
                key: show::key(&config.entries[twin].key),
            });
        }
        let matches = matches!(judged.fit, Fit::Matches);
        others += usize::from(!matches);
        if others > MOST && !matches || verdict.entries.len() >= 2 * MOST {
            verdict.omitted += 1;
        } else {
            verdict.entries.push(judged);
        }
    }
    verdict
}
