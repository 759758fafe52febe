//! Removes what earlier runs left: what carries the probe's labels and has outlived the lifetime
//! that stands on it, both by the server's clock.

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};

use crate::{
    api::{Api, Form},
    connect::Cluster,
    error::ApiError,
    path::ApiPath,
    slim::{nullable, time},
};

use super::{
    living::{Key, Kind},
    manifest::{LIFETIME, SELECTOR},
};

/// Most bytes of a list of what was left.
const MOST_LIST: usize = 16 << 20;

/// Objects that are removed at the same time.
const AT_ONCE: usize = 8;

/// Nobody lets an object live longer, in seconds; a larger number is not ours.
const LONGEST: i64 = 3_600;

/// What a sweep came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects that were removed.
    pub removed: usize,
    /// Objects whose time is over and that could not be removed.
    pub left: usize,
    /// Objects whose time is not over: of another run, that lives or was killed a moment ago.
    pub living: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    #[serde(deserialize_with = "nullable")]
    items: Vec<Row>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    #[serde(deserialize_with = "time")]
    creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "nullable")]
    annotations: HashMap<String, String>,
}

impl Metadata {
    /// Whether its time is over; nothing where it does not say that it is ours.
    fn is_over(&self, now: Timestamp) -> Option<bool> {
        let lifetime: i64 = self.annotations.get(LIFETIME)?.parse().ok()?;
        if !(0..=LONGEST).contains(&lifetime) {
            return None;
        }
        let age: SignedDuration = now.duration_since(self.creation_timestamp?);
        Some(age.as_secs() > lifetime)
    }
}

impl Cluster {
    /// Removes what runs that were killed have left, in all namespaces where it may list them, else
    /// in those in which this program creates something by itself. Objects of a run that still
    /// lives are never touched: they are removed only after the lifetime that stands on them, which
    /// no run exceeds.
    pub async fn sweep(&self) -> Swept {
        let api = self.api();
        let mut found: BTreeSet<Key> = BTreeSet::new();
        let mut swept = Swept::default();
        for kind in [Kind::ConfigMap, Kind::Pod] {
            for (metadata, now) in self.left_of(kind).await {
                match metadata.is_over(now) {
                    Some(true) => {
                        found.insert(Key {
                            kind,
                            namespace: metadata.namespace,
                            name: metadata.name,
                        });
                    }
                    Some(false) => swept.living += 1,
                    None => {}
                }
            }
        }
        // Owners stand first.
        let removing = found.iter().map(|key| remove(api, key));
        let mut removing = stream::iter(removing.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some(is_gone) = removing.next().await {
            if is_gone {
                swept.removed += 1;
            } else {
                swept.left += 1;
            }
        }
        swept
    }

    /// The objects of a kind that carry the probe's labels, with the server's clock.
    async fn left_of(&self, kind: Kind) -> Vec<(Metadata, Timestamp)> {
        if let Ok(rows) = list(self.api(), kind, None).await {
            return rows;
        }
        let mut rows = Vec::new();
        for namespace in self.own_namespaces() {
            rows.extend(
                list(self.api(), kind, Some(&namespace))
                    .await
                    .unwrap_or_default(),
            );
        }
        rows
    }

    /// The namespaces in which something is created without being named.
    fn own_namespaces(&self) -> BTreeSet<String> {
        let named = self.inner.nodes.access.as_ref();
        let named = named.and_then(|access| access.probe_namespace.clone());
        let usual = [self.default_namespace(), "kube-system", "default"];
        named.into_iter().chain(usual.map(str::to_owned)).collect()
    }
}

async fn list(
    api: &Api,
    kind: Kind,
    namespace: Option<&str>,
) -> Result<Vec<(Metadata, Timestamp)>, ApiError> {
    let path = ApiPath::core()
        .namespace(namespace)
        .segment(kind.plural())
        .query("labelSelector", SELECTOR)
        // From the server's memory: what is missing there is too young.
        .query("resourceVersion", "0");
    let answer = api.get(&path, Form::MetadataList, MOST_LIST).await?;
    let list: List = serde_json::from_slice(&answer.body)
        .map_err(|error| ApiError::malformed("a list of what was left", &error))?;
    let now = Cluster::clock(answer.date);
    Ok(list
        .items
        .into_iter()
        .map(|row| (row.metadata, now))
        .collect())
}

/// Whether it is gone.
async fn remove(api: &Api, key: &Key) -> bool {
    match api.delete(&key.path()).await {
        Ok(_) | Err(ApiError::NotFound { .. }) => true,
        Err(error) => {
            tracing::debug!(%error, name = %key.name, "an object of an earlier run stays");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(lifetime: Option<&str>, created: &str) -> Metadata {
        Metadata {
            creation_timestamp: created.parse().ok(),
            annotations: lifetime
                .map(|text| (LIFETIME.to_owned(), text.to_owned()))
                .into_iter()
                .collect(),
            ..Metadata::default()
        }
    }

    #[test]
    fn only_what_has_outlived_its_own_lifetime_is_over() {
        let now = "2026-01-01T00:02:01Z".parse().unwrap();
        let begun = "2026-01-01T00:00:00Z";
        for (object, expected) in [
            (object(Some("120"), begun), Some(true)),
            (object(Some("180"), begun), Some(false)),
            (object(Some("120"), "2026-01-01T00:00:01Z"), Some(false)),
            (object(None, begun), None),
            (object(Some("for ever"), begun), None),
            (object(Some("-5"), begun), None),
            (object(Some("999999999"), "2020-01-01T00:00:00Z"), None),
            (object(Some("120"), "never"), None),
        ] {
            assert_eq!(object.is_over(now), expected, "{object:?}");
        }
    }
}
