//! The outside of a secret: whether it exists, its type, the names of its keys. Its content is
//! skipped while parsing, and the body is dropped before the function returns.

use std::{collections::HashMap, fmt, sync::Arc};

use jiff::Timestamp;
use pulldoctor_model::SecretFacts;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use tokio::sync::{Mutex, OnceCell};

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    resolve::Item,
    slim::{self, Text, nullable, time},
};

/// How many bytes a secret's object may have: its limit is 1 MiB, in base64.
const SECRET_MOST: usize = 4 << 20;

/// How many bytes a list of names may have.
const NAMES_MOST: usize = 32 << 20;

/// How many names of other secrets or namespaces are kept.
const KEPT: usize = 20;

/// The types that the kubelet reads pull credentials from (`pkg/credentialprovider/secrets`).
const PULL_TYPES: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];

/// Whether the kubelet looks for credentials in secrets of this type.
pub(crate) fn can_hold_credentials(kind: &str) -> bool {
    PULL_TYPES.contains(&kind)
}

/// Names, each list of them read at most once.
type Lists = Mutex<HashMap<String, Arc<OnceCell<Vec<String>>>>>;

/// What is listed besides the secrets themselves: many pods miss the same one.
#[derive(Debug, Default)]
pub(crate) struct Siblings {
    /// The secrets that can hold pull credentials, by namespace.
    in_namespace: Lists,
    /// The namespaces that hold a secret, by its name. The server reads every secret there is
    /// for such a list.
    holders: Lists,
}

impl Siblings {
    async fn of(&self, api: &Api, namespace: &str) -> Vec<String> {
        let cell = cell(&self.in_namespace, namespace).await;
        cell.get_or_init(|| siblings(api, namespace)).await.clone()
    }

    /// Other namespaces that hold a secret of this name; none where they may not be listed.
    async fn elsewhere(&self, api: &Api, namespace: &str, name: &str) -> Vec<String> {
        let cell = cell(&self.holders, name).await;
        let holders = cell.get_or_init(|| holders(api, name)).await;
        let others = holders.iter().filter(|other| *other != namespace);
        others.take(KEPT).cloned().collect()
    }
}

async fn cell(lists: &Lists, key: &str) -> Arc<OnceCell<Vec<String>>> {
    lists
        .lock()
        .await
        .entry(key.to_owned())
        .or_default()
        .clone()
}

/// Reads the outside of a secret. A missing one is an answer too.
pub(crate) async fn read(
    api: &Api,
    namespace: &str,
    name: &str,
    known: &Siblings,
) -> Result<SecretFacts, ApiError> {
    let path = ApiPath::core()
        .namespace(Some(namespace))
        .segment("secrets")
        .segment(name);
    let mut facts = match api.get(&path, Form::Full, SECRET_MOST).await {
        Ok(answer) => serde_json::from_slice::<SecretOutline<'_>>(&answer.body)
            .map_err(|error| ApiError::malformed("a secret", &error))?
            .facts(),
        Err(ApiError::NotFound { .. }) => SecretFacts {
            exists: false,
            kind: None,
            keys: Vec::new(),
            created: None,
            elsewhere: known.elsewhere(api, namespace, name).await,
            siblings: Vec::new(),
        },
        Err(error) => return Err(error),
    };
    let is_usable = facts.kind.as_deref().is_some_and(can_hold_credentials);
    if !is_usable {
        facts.siblings = known.of(api, namespace).await;
        facts.siblings.retain(|sibling| sibling != name);
    }
    Ok(facts)
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

/// A secret without its values.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct SecretOutline<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub(crate) metadata: SecretMetadata<'a>,
    #[serde(rename = "type")]
    pub(crate) kind: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    data: Keys,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct SecretMetadata<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) namespace: Text<'a>,
    #[serde(deserialize_with = "time")]
    creation_timestamp: Option<Timestamp>,
}

impl SecretOutline<'_> {
    /// What is told of a secret that exists.
    pub(crate) fn facts(&self) -> SecretFacts {
        let mut keys = self.data.0.clone();
        keys.sort();
        SecretFacts {
            exists: true,
            // A secret without a type is Opaque (`SetDefaults_Secret`).
            kind: Some(self.kind.non_empty().unwrap_or("Opaque").to_owned()),
            keys,
            created: self.metadata.creation_timestamp,
            elsewhere: Vec::new(),
            siblings: Vec::new(),
        }
    }
}

/// The keys of a map, without its values.
#[derive(Debug, Default)]
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_kept() {
        let outline: SecretOutline<'_> = serde_json::from_str(
            r#"{"metadata":{"name":"regcred","creationTimestamp":"2026-01-01T00:00:00Z",
                "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"Y2FuYXJ5"}},
                "type":"kubernetes.io/dockerconfigjson",
                "data":{".dockerconfigjson":"Y2FuYXJ5","b":"Y2FuYXJ5"}}"#,
        )
        .unwrap();
        assert!(!format!("{outline:?}").contains("Y2FuYXJ5"));
        let facts = outline.facts();
        assert_eq!(facts.keys, [".dockerconfigjson", "b"]);
        assert_eq!(
            facts.kind.as_deref(),
            Some("kubernetes.io/dockerconfigjson")
        );
        assert!(facts.exists && facts.created.is_some());
    }

    #[test]
    fn only_two_types_hold_credentials() {
        assert!(can_hold_credentials("kubernetes.io/dockercfg"));
        assert!(!can_hold_credentials("Opaque"));
    }
}
