//! The logins that a probe tries, and what is known of those that it cannot try.

mod helper;
mod user;
mod words;

use pulldoctor_cluster::{Cluster, Held, Holder, HolderError, SecretNames};
use pulldoctor_model::{
    KeyringFacts, SecretStanding,
    registry::{CredentialOutcome, CredentialRecord, Identity},
};
use pulldoctor_reference::Reference;
use pulldoctor_registry::Login;
use pulldoctor_report::UntestedCredential;

use crate::{args, collect, failure::Failure};

/// Whose credentials a probe tries: the value of `--credentials`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Nobody's.
    Anonymous,
    /// Those that docker and podman would find for the person who calls.
    User,
    /// Pull secrets in a cluster.
    Cluster(Holder),
}

impl std::str::FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split_once('/').filter(|(_, name)| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            !name.is_empty() && name.chars().all(is_name)
        });
        match (text, named) {
            ("anonymous", _) => Ok(Self::Anonymous),
            ("user", _) => Ok(Self::User),
            (_, Some(("pod" | "pods" | "po", name))) => {
                Ok(Self::Cluster(Holder::Pod(name.to_owned())))
            }
            (_, Some(("sa" | "serviceaccount" | "serviceaccounts", name))) => {
                Ok(Self::Cluster(Holder::ServiceAccount(name.to_owned())))
            }
            (_, Some(("secret" | "secrets", name))) => {
                Ok(Self::Cluster(Holder::Secret(name.to_owned())))
            }
            _ => Err("give pod/NAME, sa/NAME, secret/NAME, anonymous or user".to_owned()),
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
    pub(crate) others: Vec<CredentialRecord>,
    /// Credentials that could not be had.
    pub(crate) unread: Vec<UntestedCredential>,
    /// The pull secrets that the kubelet of a node can be made to use; nothing where the logins are
    /// not of a cluster.
    pub(crate) names: Option<SecretNames>,
    /// The platform that they are for, where they say one.
    pub(crate) platform: Option<String>,
    /// Whose they are, for people: `without a login`.
    pub(crate) who: String,
}

/// Finds the logins.
pub(crate) async fn find(options: &args::Probe, image: &Reference) -> Result<Logins, Failure> {
    match &options.credentials {
        Whose::Anonymous => Ok(Logins {
            who: "without a login".to_owned(),
            ..Logins::default()
        }),
        Whose::User => user::find(image).await,
        Whose::Cluster(holder) => of_cluster(options, holder, image).await,
    }
}

async fn of_cluster(
    options: &args::Probe,
    holder: &Holder,
    image: &Reference,
) -> Result<Logins, Failure> {
    let cluster = Cluster::connect(&collect::connect_options(&options.cluster, None, None))
        .await
        .map_err(collect::unconnected)?;
    let namespace = options
        .namespace
        .as_deref()
        .unwrap_or_else(|| cluster.default_namespace());
    let held = cluster
        .credentials_of(namespace, holder, image)
        .await
        .map_err(unheld)?;
    let mut logins = of_secrets(held);
    logins.who = match holder {
        Holder::Secret(_) => format!("with {holder} of {namespace}"),
        _ => format!("with the pull secrets of {holder} in {namespace}"),
    };
    Ok(logins)
}

/// The pull secrets that the kubelet of a node would be made to use. None of them is read.
pub(crate) async fn names(
    options: &args::Probe,
    cluster: &Cluster,
) -> Result<Option<SecretNames>, Failure> {
    let Whose::Cluster(holder) = &options.credentials else {
        return Ok(None);
    };
    let namespace = options
        .namespace
        .as_deref()
        .unwrap_or_else(|| cluster.default_namespace());
    let names = cluster.secret_names_of(namespace, holder).await;
    names.map(Some).map_err(unheld)
}

fn unheld(error: HolderError) -> Failure {
    let help = error.help();
    Failure::cannot(error.exit(), error).maybe_help(help)
}

/// What pull secrets hold. Secrets without any entry are told, too.
fn of_secrets(held: Held) -> Logins {
    let Held {
        names,
        credentials,
        facts,
        platform,
    } = held;
    let mut logins = Logins {
        tried: credentials.logins,
        shown: credentials.shown_usernames,
        others: credentials.others,
        names: Some(names),
        platform,
        ..Logins::default()
    };
    for secret in &facts.secrets {
        let source = format!("secret {}/{}", secret.namespace, secret.name);
        let because = words::standing(&secret.standing);
        let known = logins
            .others
            .iter_mut()
            .find(|other| other.source == source);
        match (&secret.standing, known) {
            (SecretStanding::Malformed { .. }, Some(known)) => known.detail = because,
            (SecretStanding::NoEntries { .. }, None) => {
                logins
                    .others
                    .push(whole(source, CredentialOutcome::Malformed, because));
            }
            (SecretStanding::WrongType { .. } | SecretStanding::MissingKey { .. }, None)
                if secret.entries.is_empty() =>
            {
                logins
                    .others
                    .push(whole(source, CredentialOutcome::NotMatching, because));
            }
            (SecretStanding::Missing { .. } | SecretStanding::Unreadable, _) => {
                logins.unread.push(UntestedCredential {
                    source,
                    username: None,
                    because,
                });
            }
            _ => {}
        }
    }
    logins.facts = Some(facts);
    logins
}

/// A record of a whole secret or file.
fn whole(source: String, outcome: CredentialOutcome, detail: String) -> CredentialRecord {
    CredentialRecord {
        source,
        username: None,
        outcome,
        identity: Identity::Unknown,
        problem: None,
        manifest_status: None,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_is_read_as_kubectl_names_things() {
        let pod = Holder::Pod("api-0".to_owned());
        assert_eq!("pod/api-0".parse(), Ok(Whose::Cluster(pod)));
        let account = Holder::ServiceAccount("default".to_owned());
        assert_eq!("sa/default".parse(), Ok(Whose::Cluster(account)));
        assert_eq!("user".parse(), Ok(Whose::User));
        for wrong in [
            "",
            "pod",
            "pod/",
            "deploy/api",
            "secret/a b",
            "secret/../x",
            "User",
        ] {
            assert!(wrong.parse::<Whose>().is_err(), "{wrong}");
        }
    }
}
