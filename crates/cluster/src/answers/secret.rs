//! Secrets: whether they exist, their type and the names of their keys, which may be told; and
//! their content, which stays in this crate's memory and goes to [`pulldoctor_keyring`] alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pulldoctor_keyring::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, PullSecret, Secret,
};
use pulldoctor_model::SecretFacts;
use serde::{Deserialize, Deserializer};
use tokio::sync::OnceCell;

use super::service_account::Metadata;
use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    resolve::Item,
    slim::{self, Text, nullable},
};

/// How many bytes a secret's object may have: its limit is 1 MiB, in base64.
const SECRET_MOST: usize = 4 << 20;

/// How many bytes a list of names may have.
const NAMES_MOST: usize = 32 << 20;

/// How many names of other secrets or namespaces are kept.
const KEPT: usize = 20;

/// The types that the kubelet reads pull credentials from (`pkg/credentialprovider/secrets`).
const PULL_TYPES: [&str; 2] = [DOCKER_CONFIG_JSON, DOCKER_CFG];

/// Whether the kubelet looks for credentials in secrets of this type.
pub(crate) fn can_hold_credentials(kind: &str) -> bool {
    PULL_TYPES.contains(&kind)
}

/// A secret that was read. None where there is no such secret.
type Found = Result<Option<Arc<SecretRead>>, ApiError>;

/// Secrets by namespace and name.
type Known = HashMap<(String, String), Arc<OnceCell<Found>>>;

/// Names, each list of them read at most once.
type Lists = Mutex<HashMap<String, Arc<OnceCell<Vec<String>>>>>;

/// The secrets of one run: each is read at most once, whoever asks for it. Their content is held
/// here and nowhere else, in a type that no output shows.
#[derive(Default)]
pub(crate) struct Secrets {
    read: Mutex<Known>,
    /// The secrets that can hold pull credentials, by namespace.
    in_namespace: Lists,
    /// The namespaces that hold a secret, by its name. The server reads every secret there is
    /// for such a list.
    holders: Lists,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Forgets everything: a new run begins.
    pub(crate) fn clear(&self) {
        locked(&self.read).clear();
        locked(&self.in_namespace).clear();
        locked(&self.holders).clear();
    }

    /// Reads a secret, or returns what came of it the last time.
    pub(crate) async fn get(&self, api: &Api, namespace: &str, name: &str) -> Found {
        let cell = {
            let mut read = locked(&self.read);
            let key = (namespace.to_owned(), name.to_owned());
            Arc::clone(read.entry(key).or_default())
        };
        let found = cell.get_or_init(|| read(api, namespace, name)).await;
        found.clone()
    }

    /// The outside of a secret. A missing one is an answer too.
    pub(crate) async fn outside(
        &self,
        api: &Api,
        namespace: &str,
        name: &str,
    ) -> Result<SecretFacts, ApiError> {
        let mut facts = match self.get(api, namespace, name).await? {
            Some(secret) => secret.facts.clone(),
            None => SecretFacts {
                exists: false,
                kind: None,
                keys: Vec::new(),
                created: None,
                elsewhere: self.elsewhere(api, namespace, name).await,
                siblings: Vec::new(),
            },
        };
        let is_usable = facts.kind.as_deref().is_some_and(can_hold_credentials);
        if !is_usable {
            facts.siblings = self.siblings(api, namespace).await;
            facts.siblings.retain(|sibling| sibling != name);
        }
        Ok(facts)
    }

    /// Other namespaces that hold a secret of this name; none where they may not be listed.
    pub(crate) async fn elsewhere(&self, api: &Api, namespace: &str, name: &str) -> Vec<String> {
        let cell = cell(&self.holders, name);
        let holders = cell.get_or_init(|| holders(api, name)).await;
        let others = holders.iter().filter(|other| *other != namespace);
        others.take(KEPT).cloned().collect()
    }

    async fn siblings(&self, api: &Api, namespace: &str) -> Vec<String> {
        let cell = cell(&self.in_namespace, namespace);
        cell.get_or_init(|| siblings(api, namespace)).await.clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cell(lists: &Lists, key: &str) -> Arc<OnceCell<Vec<String>>> {
    Arc::clone(locked(lists).entry(key.to_owned()).or_default())
}

async fn read(api: &Api, namespace: &str, name: &str) -> Found {
    let path = ApiPath::core()
        .namespace(Some(namespace))
        .segment("secrets")
        .segment(name);
    match api.get(&path, Form::Full, SECRET_MOST).await {
        Ok(answer) => serde_json::from_slice::<SecretObject>(&answer.body)
            .map(|secret| Some(Arc::new(secret.read_as(namespace, name))))
            .map_err(|error| ApiError::malformed("a secret", &error)),
        Err(ApiError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names of secrets that can hold pull credentials; none where they may not be listed. Only
/// metadata are asked for, so no content leaves the server.
async fn siblings(api: &Api, namespace: &str) -> Vec<String> {
    let mut names = Vec::new();
    for kind in PULL_TYPES {
        let path = ApiPath::core()
            .namespace(Some(namespace))
            .segment("secrets")
            .query("limit", "100")
            .query("fieldSelector", &format!("type={kind}"));
        names.extend(list(api, &path).await.into_iter().map(|(_, name)| name));
    }
    names.sort();
    names.truncate(KEPT);
    names
}

/// The namespaces that hold a secret of this name, sorted.
async fn holders(api: &Api, name: &str) -> Vec<String> {
    let path = ApiPath::core()
        .segment("secrets")
        .query("limit", "100")
        .query("fieldSelector", &format!("metadata.name={name}"));
    let mut namespaces: Vec<String> = list(api, &path)
        .await
        .into_iter()
        .map(|(namespace, _)| namespace)
        .collect();
    namespaces.sort();
    namespaces
}

async fn list(api: &Api, path: &ApiPath) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Ok(answer) = api.get(path, Form::MetadataList, NAMES_MOST).await {
        // What could be read counts; these names are a convenience.
        let _ = slim::walk(&answer.body, |item: Item<'_>| {
            let metadata = &item.metadata;
            found.push((
                metadata.namespace.as_str().to_owned(),
                metadata.name.as_str().to_owned(),
            ));
        });
    }
    found
}

/// What was read of a secret.
#[derive(Debug)]
pub(crate) struct SecretRead {
    /// Its outside.
    pub(crate) facts: SecretFacts,
    /// The secret as the kubelet has it; none where a value is no base64, which the API never
    /// serves.
    pub(crate) content: Option<PullSecret>,
}

/// A secret as the API has it. Its values are decoded where they are parsed, into a type that no
/// output shows.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SecretObject {
    pub(crate) metadata: Metadata,
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    data: BTreeMap<String, Encoded>,
    /// Only in manifests that were never applied.
    #[serde(deserialize_with = "nullable")]
    string_data: BTreeMap<String, Plain>,
}

impl SecretObject {
    /// What is told of a secret that exists.
    pub(crate) fn facts(&self) -> SecretFacts {
        let keys: BTreeSet<&String> = self.data.keys().chain(self.string_data.keys()).collect();
        SecretFacts {
            exists: true,
            kind: Some(self.kind().to_owned()),
            keys: keys.into_iter().cloned().collect(),
            created: self.metadata.created(),
            elsewhere: Vec::new(),
            siblings: Vec::new(),
        }
    }

    /// A secret without a type is Opaque (`SetDefaults_Secret`).
    fn kind(&self) -> &str {
        if self.kind.is_empty() {
            "Opaque"
        } else {
            &self.kind
        }
    }

    /// The secret with what of its content is there.
    pub(crate) fn content(self, namespace: &str, name: &str) -> PullSecret {
        let mut secret = PullSecret::new(namespace, name, self.kind());
        secret.created = self.metadata.created();
        secret.written = self.metadata.written("f:data");
        let decoded = self
            .data
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.0?)));
        let plain = self
            .string_data
            .into_iter()
            .map(|(key, value)| (key, value.0));
        secret.data = decoded.chain(plain).collect();
        secret
    }

    /// Whether the content was taken out: the API keeps no secret of these types without a JSON
    /// object under the key of its type (`ValidateSecret`, `pkg/apis/core/validation`).
    pub(crate) fn is_redacted(&self) -> bool {
        let key = match self.kind() {
            DOCKER_CONFIG_JSON => DOCKER_CONFIG_JSON_KEY,
            DOCKER_CFG => DOCKER_CFG_KEY,
            _ => return false,
        };
        let is_object = |value: &Secret<Vec<u8>>| value.expose().trim_ascii().starts_with(b"{");
        let plain = self.string_data.get(key).map(|value| &value.0);
        let encoded = self.data.get(key).and_then(|value| value.0.as_ref());
        !plain.or(encoded).is_some_and(is_object)
    }

    fn read_as(self, namespace: &str, name: &str) -> SecretRead {
        let facts = self.facts();
        let is_whole = self.data.values().all(|value| value.0.is_some());
        SecretRead {
            facts,
            content: is_whole.then(|| self.content(namespace, name)),
        }
    }
}

/// Whether a value of `data` may be base64 of a Docker config: of something that begins with `{`,
/// which is `e` and then one of sixteen letters.
pub(crate) fn may_be_config(encoded: &str) -> bool {
    let second = |byte: &u8| matches!(byte, b'w'..=b'z' | b'0'..=b'9' | b'+' | b'/');
    encoded.as_bytes().first() == Some(&b'e') && encoded.as_bytes().get(1).is_some_and(second)
}

/// A value of `data`; none if it is no base64.
#[derive(Debug, Default)]
struct Encoded(Option<Secret<Vec<u8>>>);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(
            match Option::<Text<'de>>::deserialize(deserializer)? {
                None => Some(Secret::new(Vec::new())),
                Some(text) => STANDARD.decode(text.as_str()).ok().map(Secret::new),
            },
        ))
    }
}

/// A value of `stringData`.
#[derive(Debug)]
struct Plain(Secret<Vec<u8>>);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self(Secret::new(text.into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_shown() {
        let secret: SecretObject = serde_json::from_str(
            r#"{"metadata":{"name":"regcred","creationTimestamp":"2026-01-01T00:00:00Z",
                "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"Y2FuYXJ5"},
                "managedFields":[{"time":"2026-01-02T00:00:00Z",
                    "fieldsV1":{"f:data":{".":{},"f:.dockerconfigjson":{}}}}]},
                "type":"kubernetes.io/dockerconfigjson",
                "data":{".dockerconfigjson":"Y2FuYXJ5","b":"Y2FuYXJ5","c":null}}"#,
        )
        .unwrap();
        assert!(!format!("{secret:?}").contains("anary"));
        assert!(!format!("{secret:?}").contains("Y2FuYXJ5"));
        let read = secret.read_as("shop", "regcred");
        assert_eq!(read.facts.keys, [".dockerconfigjson", "b", "c"]);
        assert_eq!(
            read.facts.kind.as_deref(),
            Some("kubernetes.io/dockerconfigjson")
        );
        assert!(read.facts.exists && read.facts.created.is_some());
        let content = read.content.as_ref().unwrap();
        assert_eq!(content.data["b"].expose(), b"canary");
        assert!(content.written > content.created);
        assert!(!format!("{read:?}").contains("anary"));
    }

    #[test]
    fn what_is_no_base64_is_not_taken_for_content() {
        let secret: SecretObject = serde_json::from_str(
            r#"{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"<gone>"}}"#,
        )
        .unwrap();
        let read = secret.read_as("shop", "regcred");
        assert_eq!(read.facts.keys, [".dockerconfigjson"]);
        assert!(read.content.is_none());
    }

    #[test]
    fn only_two_types_hold_credentials() {
        assert!(can_hold_credentials("kubernetes.io/dockercfg"));
        assert!(!can_hold_credentials("Opaque"));
    }
}
