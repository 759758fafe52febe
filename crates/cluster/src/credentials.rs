//! From pull secrets to the logins that a registry is asked with, as the kubelet would, and to the
//! records of the others, so that a reader sees every credential.

use std::collections::HashMap;

use pulldoctor_keyring::{DOCKER_CFG, Keyring, PullSecret, facts};
use pulldoctor_model::{
    EntryFault, EntryVerdict, Fit, KeyringFacts, Mismatch, SecretStanding, SecretVerdict,
    registry::{CredentialOutcome, CredentialRecord, Identity},
};
use pulldoctor_reference::Reference;
use pulldoctor_registry::{Login, SecretText};

/// How many logins are tried, as many as a probe tries.
const TRIED: usize = 8;

/// How many of the others are told.
const TOLD: usize = 20;

/// The credentials of pull secrets for one image.
#[derive(Debug, Default)]
pub struct Credentials {
    /// What a registry is asked with, in the kubelet's order. With none it is asked without a
    /// login, as the kubelet does.
    pub logins: Vec<Login>,
    /// The username of each login as an output may show it.
    pub shown_usernames: Vec<String>,
    /// The credentials that no registry gets for this image, and why.
    pub others: Vec<CredentialRecord>,
}

impl Credentials {
    /// Reads pull secrets, in the order in which the pod names them. What of them is missing or
    /// could not be read holds no credential.
    pub fn of(secrets: &[Result<PullSecret, SecretVerdict>], image: &Reference) -> Self {
        let there: Vec<&PullSecret> = secrets.iter().flatten().collect();
        let keyring = Keyring::new(there.iter().copied());
        let mut credentials = Self::default();
        let facts = facts(secrets, image);
        if let Ok(keyring) = &keyring {
            for found in keyring.lookup(&image.repo()) {
                let source = source(there[found.secret()], &found.shown_key());
                credentials.add(
                    source,
                    found.username(),
                    found.shown_username(),
                    found.password().expose(),
                );
            }
        }
        credentials.add_others(&facts, &there);
        credentials.others.truncate(TOLD);
        credentials
    }

    /// Adds a credential that matches.
    fn add(&mut self, source: String, username: &[u8], shown_username: &str, password: &[u8]) {
        let record = |outcome, detail: &str| CredentialRecord {
            source: source.clone(),
            username: Some(shown_username.to_owned()),
            outcome,
            identity: Identity::Unknown,
            problem: None,
            manifest_status: None,
            detail: detail.to_owned(),
        };
        let (Ok(username), Ok(password)) = (str::from_utf8(username), str::from_utf8(password))
        else {
            let detail = "it is no UTF-8, so the kubelet cannot hand it to the runtime";
            self.others
                .push(record(CredentialOutcome::Malformed, detail));
            return;
        };
        // containerd's `ParseAuth` and CRI-O alike: without a username there is no login.
        if username.is_empty() {
            let detail = "it holds no username: the runtime asks without a login";
            self.others.push(CredentialRecord {
                username: None,
                ..record(CredentialOutcome::Untested, detail)
            });
            return;
        }
        if self.logins.len() >= TRIED {
            let detail = "not tried: too many match before it";
            self.others
                .push(record(CredentialOutcome::Untested, detail));
            return;
        }
        self.shown_usernames.push(shown_username.to_owned());
        self.logins.push(Login {
            source,
            username: username.to_owned(),
            password: SecretText::new(password),
        });
    }

    /// Adds what does not match, and what cannot be read.
    fn add_others(&mut self, facts: &KeyringFacts, there: &[&PullSecret]) {
        let by_name: HashMap<&str, &PullSecret> = there
            .iter()
            .map(|secret| (secret.name.as_str(), *secret))
            .collect();
        for verdict in &facts.secrets {
            let Some(secret) = by_name.get(verdict.name.as_str()) else {
                continue;
            };
            let is_malformed = matches!(verdict.standing, SecretStanding::Malformed { .. });
            if is_malformed && verdict.entries.is_empty() {
                self.others.push(CredentialRecord {
                    source: format!("secret {}/{}", verdict.namespace, verdict.name),
                    username: None,
                    outcome: CredentialOutcome::Malformed,
                    identity: Identity::Unknown,
                    problem: None,
                    manifest_status: None,
                    detail: "the secret does not parse".to_owned(),
                });
            }
            for entry in &verdict.entries {
                let Some((outcome, detail)) = unused(verdict, entry, facts) else {
                    continue;
                };
                self.others.push(CredentialRecord {
                    source: source(secret, &entry.key),
                    username: Some(entry.username.clone()),
                    outcome,
                    identity: Identity::Unknown,
                    problem: None,
                    manifest_status: None,
                    detail,
                });
            }
        }
    }
}

/// Where a credential comes from: `secret shop/regcred auths[registry.example.com]`.
fn source(secret: &PullSecret, key: &str) -> String {
    // The old form has the hosts at the top.
    let list = if secret.kind == DOCKER_CFG {
        ""
    } else {
        "auths"
    };
    format!("secret {}/{} {list}[{key}]", secret.namespace, secret.name)
}

/// Why an entry is not tried for the image; none if it is.
fn unused(
    verdict: &SecretVerdict,
    entry: &EntryVerdict,
    facts: &KeyringFacts,
) -> Option<(CredentialOutcome, String)> {
    if entry.faults.contains(&EntryFault::Malformed) {
        let detail = "the kubelet cannot read it, and drops every pull secret of the pod";
        return Some((CredentialOutcome::Malformed, detail.to_owned()));
    }
    match &verdict.standing {
        SecretStanding::WrongType { kind, .. } => {
            let detail = format!("the kubelet passes over secrets of type `{kind}`");
            return Some((CredentialOutcome::NotMatching, detail));
        }
        SecretStanding::MissingKey { wanted, .. } => {
            let detail = format!("the kubelet reads the key `{wanted}` alone");
            return Some((CredentialOutcome::NotMatching, detail));
        }
        _ => {}
    }
    match &entry.fit {
        Fit::Matches => {
            let failure = facts.failure.as_ref()?;
            let detail = format!(
                "not tried: secret `{}` does not parse, and the kubelet then drops all",
                failure.secret
            );
            Some((CredentialOutcome::NotMatching, detail))
        }
        Fit::Shadowed { by } => {
            let detail = format!("not tried: `{by}` matches before it");
            Some((CredentialOutcome::NotMatching, detail))
        }
        Fit::Mismatch { reasons, corrected } => {
            let reason = reasons.first().map_or("it does not match", mismatch);
            let detail = match corrected {
                Some(corrected) => format!("{reason}; `{corrected}` would match"),
                None => reason.to_owned(),
            };
            Some((CredentialOutcome::NotMatching, detail))
        }
    }
}

/// A few words for why a key does not match.
fn mismatch(reason: &Mismatch) -> &'static str {
    match reason {
        Mismatch::NotAUrl { .. } => "its key is no URL",
        Mismatch::WhiteSpace => "its key has white space around it",
        Mismatch::Scheme { .. } => "its key has a scheme that the kubelet does not know",
        Mismatch::DockerHubAlias => {
            "its key names Docker Hub in a way that the kubelet does not know"
        }
        Mismatch::ApiPathWithoutSlash => "its key ends with `/v1` or `/v2` without a slash",
        Mismatch::Port { .. } => "its key has another port",
        Mismatch::Path { .. } => "its key has a path that the image's does not start with",
        Mismatch::TrailingSlash => "its key ends with a slash that the image's path does not have",
        Mismatch::TagInKey => "its key names a tag or a digest",
        Mismatch::LabelCount { .. } => "its key has another number of labels",
        Mismatch::Case => "its key differs in upper and lower case",
        Mismatch::Typo { .. } => "its key is nearly the image's registry",
        Mismatch::Subdomain => "its key is for a domain above or below the image's registry",
        Mismatch::OtherRegistry => "its key is for another registry",
    }
}
