//! The pull secrets of a pod or a service account, or one by its name: whose credentials a probe
//! is made with.

use std::fmt;

use pulldoctor_keyring::{PullSecret, facts};
use pulldoctor_model::{ExitCode, KeyringFacts, SecretVerdict};
use pulldoctor_reference::Reference;
use serde::Deserialize;
use thiserror::Error;

use super::{Health, node, service_account};
use crate::{
    api::Form, connect::Cluster, credentials::Credentials, error::ApiError, path::ApiPath, rbac,
    slim::nullable,
};

/// Whose pull secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Those that a pod names.
    Pod(String),
    /// Those that a service account names.
    ServiceAccount(String),
    /// One secret.
    Secret(String),
}

impl Holder {
    const fn resource(&self) -> &'static str {
        match self {
            Self::Pod(_) => "pods",
            Self::ServiceAccount(_) => "serviceaccounts",
            Self::Secret(_) => "secrets",
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Pod(name) => ("pod", name),
            Self::ServiceAccount(name) => ("service account", name),
            Self::Secret(name) => ("secret", name),
        };
        write!(formatter, "{kind} `{name}`")
    }
}

/// Why there are no pull secrets to look at.
#[derive(Debug, Error)]
pub enum HolderError {
    /// There is no such object.
    #[error("find {holder} in namespace `{namespace}`")]
    Missing {
        /// The object.
        holder: Holder,
        /// Where it was looked for.
        namespace: String,
        /// Other namespaces that have a secret of this name.
        elsewhere: Vec<String>,
    },
    /// It could not be read.
    #[error("read {holder} in namespace `{namespace}`")]
    Read {
        /// The object.
        holder: Holder,
        /// Where.
        namespace: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
}

impl HolderError {
    /// The exit code.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Read { source, .. } if source.is_total() => ExitCode::Unreachable,
            Self::Read {
                source: ApiError::Timeout { .. },
                ..
            } => ExitCode::Unreachable,
            _ => ExitCode::Request,
        }
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Missing { elsewhere, .. } if elsewhere.is_empty() => None,
            Self::Missing { elsewhere, .. } => Some(format!(
                "there is one in {}: choose it with `-n`",
                elsewhere.join(", ")
            )),
            Self::Read {
                holder,
                source: ApiError::Forbidden { .. },
                ..
            } => Some(format!(
                "this rule allows it:\n{}",
                rbac::rule("", holder.resource(), &["get"])
            )),
            Self::Read { source, .. } => source.help(),
        }
    }
}

/// Which pull secrets someone has. Nothing of their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretNames {
    /// Their namespace.
    pub namespace: String,
    /// Their names, in the kubelet's order.
    pub names: Vec<String>,
    /// The service account that they come with.
    pub service_account: Option<String>,
    /// The node of the pod that names them; empty where there is none.
    node: String,
}

/// The pull secrets of someone, and what they are to an image.
#[derive(Debug)]
pub struct Held {
    /// Which they are.
    pub names: SecretNames,
    /// The logins, and the entries that are none for this image.
    pub credentials: Credentials,
    /// A verdict on every secret.
    pub facts: KeyringFacts,
    /// `os/architecture` of the pod's node.
    pub platform: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PodObject {
    spec: PodSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    node_name: String,
    service_account_name: Option<String>,
    #[serde(deserialize_with = "nullable")]
    image_pull_secrets: Vec<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

impl Cluster {
    /// Which pull secrets someone in a namespace has. No secret is read.
    pub async fn secret_names_of(
        &self,
        namespace: &str,
        holder: &Holder,
    ) -> Result<SecretNames, HolderError> {
        let failed = |source| HolderError::Read {
            holder: holder.clone(),
            namespace: namespace.to_owned(),
            source,
        };
        let missing = || HolderError::Missing {
            holder: holder.clone(),
            namespace: namespace.to_owned(),
            elsewhere: Vec::new(),
        };
        let mut found = SecretNames {
            namespace: namespace.to_owned(),
            names: Vec::new(),
            service_account: None,
            node: String::new(),
        };
        match holder {
            Holder::Secret(name) => found.names = vec![name.clone()],
            Holder::ServiceAccount(name) => {
                let account = service_account::read(self.api(), namespace, name)
                    .await
                    .map_err(failed)?;
                if !account.exists {
                    return Err(missing());
                }
                found.names = account.pull_secrets;
                found.service_account = Some(name.clone());
            }
            Holder::Pod(name) => {
                let path = ApiPath::core()
                    .namespace(Some(namespace))
                    .segment("pods")
                    .segment(name);
                let pod = match self.api().object(&path, Form::Full, "a pod").await {
                    Err(ApiError::NotFound { .. }) => return Err(missing()),
                    read => read.map_err(failed)?,
                };
                let PodObject { spec } = pod;
                found.node = spec.node_name;
                found.service_account = spec.service_account_name;
                found.names = spec
                    .image_pull_secrets
                    .into_iter()
                    .map(|secret| secret.name)
                    .filter(|name| !name.is_empty())
                    .collect();
            }
        }
        Ok(found)
    }

    /// Reads the pull secrets of someone in a namespace, and looks for the logins for an image as
    /// the kubelet does. A secret that is named and missing is a verdict, not an error.
    pub async fn credentials_of(
        &self,
        namespace: &str,
        holder: &Holder,
        image: &Reference,
    ) -> Result<Held, HolderError> {
        if let Holder::Secret(name) = holder {
            let secrets = &self.inner.secrets;
            let found = secrets.get(self.api(), namespace, name).await;
            let found = found.map_err(|source| HolderError::Read {
                holder: holder.clone(),
                namespace: namespace.to_owned(),
                source,
            })?;
            if found.is_none() {
                return Err(HolderError::Missing {
                    holder: holder.clone(),
                    namespace: namespace.to_owned(),
                    elsewhere: secrets.elsewhere(self.api(), namespace, name).await,
                });
            }
        }
        let names = self.secret_names_of(namespace, holder).await?;
        let platform = self.platform_of(&names.node).await;
        let read = self
            .pull_secrets(namespace, &names.names, &Health::default())
            .await;
        let secrets: Vec<Result<PullSecret, SecretVerdict>> = read.secrets;
        Ok(Held {
            names,
            credentials: Credentials::of(&secrets, image),
            facts: facts(&secrets, image),
            platform,
        })
    }

    /// The platform of a node; nothing where it may not be read.
    async fn platform_of(&self, name: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        let facts = node::read(self.api(), name).await.ok()?;
        let is_known = !facts.os.is_empty() && !facts.arch.is_empty();
        is_known.then(|| facts.platform())
    }
}
