//! A Kubernetes secret as the API returns it, decoded.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::config::{Config, Form, read};
use crate::secret::Secret;

/// The type of secrets that hold `~/.docker/config.json`.
pub const DOCKER_CONFIG_JSON: &str = "kubernetes.io/dockerconfigjson";
/// The type of secrets that hold `~/.dockercfg`, the form of before 2014.
pub const DOCKER_CFG: &str = "kubernetes.io/dockercfg";
/// The key of [`DOCKER_CONFIG_JSON`].
pub const DOCKER_CONFIG_JSON_KEY: &str = ".dockerconfigjson";
/// The key of [`DOCKER_CFG`].
pub const DOCKER_CFG_KEY: &str = ".dockercfg";

/// A secret that a pod or a service account names for its pulls. Its data is shown in no output.
#[derive(Debug, Clone)]
pub struct PullSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its type, `kubernetes.io/dockerconfigjson` for instance.
    pub kind: String,
    /// Its data, decoded from the base64 of the API.
    pub data: BTreeMap<String, Secret<Vec<u8>>>,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its data was last written, where managedFields tell.
    pub written: Option<Timestamp>,
}

impl PullSecret {
    /// A secret without data.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        kind: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            kind: kind.into(),
            data: BTreeMap::new(),
            created: None,
            written: None,
        }
    }

    /// The same secret with one key more.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.data.insert(key.into(), Secret::new(value.into()));
        self
    }

    /// A `config.json` as if it were a secret's: a user's own for instance. Its credential helpers
    /// are not asked, as the kubelet does not ask them.
    pub fn from_docker_config(name: impl Into<String>, config: impl Into<Vec<u8>>) -> Self {
        Self::new("", name, DOCKER_CONFIG_JSON).with(DOCKER_CONFIG_JSON_KEY, config)
    }

    /// The config in it, if its type and key let the kubelet look at it
    /// (`secretsToTrackedDockerConfigs`, `credentialprovider/secrets/secrets.go`).
    pub(crate) fn config(&self) -> Option<(Form, &[u8])> {
        let (form, key) = match self.kind.as_str() {
            DOCKER_CONFIG_JSON => (Form::Json, DOCKER_CONFIG_JSON_KEY),
            DOCKER_CFG => (Form::Legacy, DOCKER_CFG_KEY),
            _ => return None,
        };
        let data = self.data.get(key)?.expose();
        (!data.is_empty()).then_some((form, data.as_slice()))
    }

    pub(crate) fn read(&self) -> Option<Config> {
        self.config().map(|(form, data)| read(data, form))
    }
}
