//! The logins that a probe tries, and what is known of those that it cannot try.

mod helper;
mod user;
mod words;

use pulldoctor_keyring::{Credential, Secret};
use pulldoctor_model::{Fit, KeyringFacts, SecretStanding, SecretVerdict};
use pulldoctor_reference::Reference;
use pulldoctor_registry::{Login, SecretText};
use pulldoctor_report::{ProbeCredential, ProbeOutcome, UntestedCredential};

use crate::failure::Failure;

/// Whose credentials a probe tries: the value of `--credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Nobody's.
    Anonymous,
    /// Those that docker and podman would find for the person who calls.
    User,
}

impl std::str::FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "anonymous" => Ok(Self::Anonymous),
            "user" => Ok(Self::User),
            _ => Err("give anonymous or user".to_owned()),
        }
    }
}

/// The logins for an image, and what became of the other credentials that were looked at.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    /// In the order in which they are tried.
    pub(crate) tried: Vec<Login>,
    /// The username of each as an output may show it: some are tokens.
    pub(crate) shown: Vec<String>,
    /// Verdicts on pull secrets; nothing where none was looked at.
    pub(crate) facts: Option<KeyringFacts>,
    /// Credentials that are not for this image, or cannot be decoded.
    pub(crate) others: Vec<ProbeCredential>,
    /// Credentials that could not be had.
    pub(crate) unread: Vec<UntestedCredential>,
    /// Whose they are, for people: `without a login`.
    pub(crate) who: String,
}

/// Finds the logins.
pub(crate) async fn find(whose: &Whose, image: &Reference) -> Result<Logins, Failure> {
    match whose {
        Whose::Anonymous => Ok(Logins {
            who: "without a login".to_owned(),
            ..Logins::default()
        }),
        Whose::User => user::find(image).await,
    }
}

/// A credential as the client takes it. What is no text is sent with replacement characters: no
/// registry takes such bytes, and the kubelet's own JSON cannot hold them.
fn login(source: String, credential: &Credential) -> Login {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Login {
        source,
        username: text(credential.username()),
        password: secret(credential.password()),
    }
}

fn secret(password: &Secret<Vec<u8>>) -> SecretText {
    SecretText::new(String::from_utf8_lossy(password.expose()).into_owned())
}

/// Where an entry stands.
fn entry_source(holder: &str, key: &str) -> String {
    format!("{holder} auths[{key}]")
}

/// The entries of a secret or file that make no login for this image.
fn others(holder: &str, secret: &SecretVerdict) -> Vec<ProbeCredential> {
    let whole = |outcome, detail| {
        vec![ProbeCredential {
            source: holder.to_owned(),
            username: None,
            outcome,
            detail,
        }]
    };
    match &secret.standing {
        SecretStanding::Malformed { .. }
        | SecretStanding::NoEntries { .. }
        | SecretStanding::MissingKey { .. } => {
            whole(ProbeOutcome::Malformed, words::standing(&secret.standing))
        }
        SecretStanding::WrongType { .. } => {
            whole(ProbeOutcome::NotMatching, words::standing(&secret.standing))
        }
        SecretStanding::Missing { .. } | SecretStanding::Unreadable => Vec::new(),
        SecretStanding::Used => secret
            .entries
            .iter()
            .filter(|entry| !matches!(entry.fit, Fit::Matches))
            .map(|entry| ProbeCredential {
                source: entry_source(holder, &entry.key),
                username: Some(entry.username.clone()),
                outcome: ProbeOutcome::NotMatching,
                detail: words::fit(&entry.fit),
            })
            .collect(),
    }
}
