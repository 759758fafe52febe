//! The objects that a test put in, and what watchers are told of changes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::resources::{self, Resource};

/// Changes kept for watches that begin at an older version.
const HISTORY: usize = 1_000;
/// The first version; a real cluster is never at zero.
const FIRST_VERSION: u64 = 1_000;

/// Why an object was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Its `apiVersion` and `kind` are not served.
    #[error("`{api_version}` `{kind}` is not served")]
    Kind {
        /// As given.
        api_version: String,
        /// As given.
        kind: String,
    },
    /// It has no `metadata.name`.
    #[error("the object has no name")]
    NoName,
}

/// A change as watchers see it.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(super) kind: &'static str,
    pub(super) resource: &'static Resource,
    pub(super) object: Arc<Value>,
}

/// Namespace (empty for objects of the cluster) and name.
type Key = (String, String);
type Table = BTreeMap<Key, Arc<Value>>;

#[derive(Debug)]
struct State {
    tables: BTreeMap<(&'static str, &'static str), Table>,
    version: u64,
    history: VecDeque<Change>,
    /// Watches from before this version are too old.
    oldest: u64,
    /// Logs of pods by their UID.
    logs: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Store {
    state: Mutex<State>,
    changes: broadcast::Sender<Change>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tables: BTreeMap::new(),
                version: FIRST_VERSION,
                history: VecDeque::new(),
                oldest: FIRST_VERSION,
                logs: BTreeMap::new(),
            }),
            changes: broadcast::channel(HISTORY).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn version(&self) -> u64 {
        self.lock().version
    }

    /// Adds or replaces an object, fills in what the API server would, and tells the watchers.
    pub(super) fn put(&self, mut object: Value) -> Result<Arc<Value>, ObjectError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let resource = resources::of_kind(&api_version, &kind)
            .ok_or(ObjectError::Kind { api_version, kind })?;
        let name = text(&object["metadata"]["name"]);
        if name.is_empty() {
            return Err(ObjectError::NoName);
        }
        let metadata = &mut object["metadata"];
        let namespace = if resource.namespaced {
            if metadata["namespace"].is_null() {
                metadata["namespace"] = json!("default");
            }
            text(&metadata["namespace"])
        } else {
            String::new()
        };
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        metadata["resourceVersion"] = json!(version.to_string());
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("00000000-0000-4000-8000-{version:012}"));
        }
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        let object = Arc::new(object);
        let table = state
            .tables
            .entry((resource.group, resource.plural))
            .or_default();
        let before = table.insert((namespace, name), Arc::clone(&object));
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        self.tell(
            &mut state,
            Change {
                version,
                kind,
                resource,
                object: Arc::clone(&object),
            },
        );
        Ok(object)
    }

    pub(super) fn remove(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        let mut state = self.lock();
        let table = state.tables.get_mut(&(resource.group, resource.plural))?;
        let object = table.remove(&(namespace.to_owned(), name.to_owned()))?;
        state.version += 1;
        let version = state.version;
        let change = Change {
            version,
            kind: "DELETED",
            resource,
            object: Arc::clone(&object),
        };
        self.tell(&mut state, change);
        Some(object)
    }

    /// Keeps what a pod's container wrote.
    pub(super) fn keep_log(&self, pod: &Value, log: String) {
        if let Some(uid) = pod["metadata"]["uid"].as_str() {
            self.lock().logs.insert(uid.to_owned(), log);
        }
    }

    /// What a pod's container wrote.
    pub(super) fn log_of(&self, pod: &Value) -> String {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        self.lock().logs.get(uid).cloned().unwrap_or_default()
    }

    /// Sets the status of an object that is still the same one.
    pub(super) fn set_status(&self, resource: &'static Resource, of: &Value, status: Value) {
        let text = |key: &str| of["metadata"][key].as_str().unwrap_or_default().to_owned();
        let key = (text("namespace"), text("name"));
        let mut state = self.lock();
        let Some(table) = state.tables.get_mut(&(resource.group, resource.plural)) else {
            return;
        };
        let Some(known) = table.get(&key) else {
            return;
        };
        if known["metadata"]["uid"] != of["metadata"]["uid"] {
            return;
        }
        let mut object = (**known).clone();
        object["status"] = status;
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let object = Arc::new(object);
        if let Some(table) = state.tables.get_mut(&(resource.group, resource.plural)) {
            table.insert(key, Arc::clone(&object));
        }
        let change = Change {
            version,
            kind: "MODIFIED",
            resource,
            object,
        };
        self.tell(&mut state, change);
    }

    /// Removes what a ConfigMap owned that is gone, as the garbage collector does it. Owners of other
    /// kinds need not be in a test at all.
    pub(super) fn collect_garbage(&self) {
        let owners = self.list_kind("ConfigMap");
        let is_orphan = |object: &Value| {
            let owners_of = object["metadata"]["ownerReferences"].as_array();
            owners_of.into_iter().flatten().any(|owner| {
                owner["kind"] == "ConfigMap"
                    && !owners
                        .iter()
                        .any(|known| known["metadata"]["uid"] == owner["uid"])
            })
        };
        for kind in ["ConfigMap", "Pod"] {
            let Some(resource) = resources::of_kind("v1", kind) else {
                continue;
            };
            for object in self.list(resource, None) {
                if is_orphan(&object) {
                    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
                    self.remove(resource, text("namespace"), text("name"));
                }
            }
        }
    }

    fn list_kind(&self, kind: &str) -> Vec<Arc<Value>> {
        resources::of_kind("v1", kind)
            .map(|resource| self.list(resource, None))
            .unwrap_or_default()
    }

    fn tell(&self, state: &mut State, change: Change) {
        if state.history.len() == HISTORY
            && let Some(dropped) = state.history.pop_front()
        {
            state.oldest = dropped.version;
        }
        state.history.push_back(change.clone());
        // Nobody may be watching.
        let _ = self.changes.send(change);
    }

    /// Forgets past changes, so that watches from before now are too old.
    pub(super) fn compact(&self) {
        let mut state = self.lock();
        state.version += 1;
        state.oldest = state.version;
        state.history.clear();
    }

    /// Changes after a version, and those to come. Nothing where that version is too old.
    pub(super) fn subscribe(
        &self,
        after: u64,
    ) -> Option<(Vec<Change>, broadcast::Receiver<Change>)> {
        let state = self.lock();
        if after < state.oldest {
            return None;
        }
        let past = state
            .history
            .iter()
            .filter(|change| change.version > after)
            .cloned()
            .collect();
        Some((past, self.changes.subscribe()))
    }

    pub(super) fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        let state = self.lock();
        let table = state.tables.get(&(resource.group, resource.plural))?;
        table.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// All objects of a resource, or those of one namespace, in order.
    pub(super) fn list(&self, resource: &Resource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let state = self.lock();
        let table = state.tables.get(&(resource.group, resource.plural));
        table
            .into_iter()
            .flatten()
            .filter(|((own, _), _)| namespace.is_none_or(|namespace| namespace == own))
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }
}
