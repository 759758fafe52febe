//! The objects that files hold, as far as a diagnosis needs them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use pulldoctor_keyring::PullSecret;
use pulldoctor_model::{Event, NodeFacts, SecretFacts, ServiceAccountFacts};

use crate::{
    answers::{
        NodeObject, OwnerObject, ReplicaSetObject, RevisionObject, SecretObject,
        ServiceAccountObject,
    },
    events::{RawEvent, newest},
    resolve::Item,
    slim::Pod,
    symptoms::Controller,
};

/// Namespace and name of an object.
pub(super) type Named = (String, String);

/// Kind, namespace and name of what an event is about.
type About = (String, String, String);

/// Everything that was found in files.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Pods as JSON text; they are read again by every scan.
    pub(super) pods: Vec<Box<str>>,
    pub(super) secrets: BTreeMap<Named, SecretFacts>,
    /// The content of those that it was not taken out of.
    pub(super) contents: BTreeMap<Named, PullSecret>,
    pub(super) accounts: BTreeMap<Named, ServiceAccountFacts>,
    pub(super) nodes: BTreeMap<String, NodeFacts>,
    /// By namespace, kind and name.
    pub(super) owners: BTreeMap<(String, String, String), OwnerObject>,
    /// Who controls a ReplicaSet or Job, by namespace, kind and name.
    pub(super) parents: BTreeMap<(String, String, String), Option<Controller>>,
    pub(super) sets: Vec<ReplicaSetObject>,
    pub(super) revisions: Vec<RevisionObject>,
    /// The namespaces of all objects.
    pub(super) namespaces: BTreeSet<String>,
    /// Kinds whose objects of a namespace were listed: what is not among them does not exist.
    listed: BTreeSet<(String, String)>,
    /// Events with the UID of their object.
    events: HashMap<About, Vec<(String, Event)>>,
    /// The newest time that any object bears.
    pub(super) latest: Option<Timestamp>,
    /// Objects that could not be read.
    pub(super) skipped: usize,
    /// Objects in all.
    pub(super) count: usize,
}

/// Kind and namespace of an object that was added.
pub(super) type Added = (String, String);

impl Objects {
    /// Adds one object. None where its kind says nothing to us or it cannot be read.
    pub(super) fn add(&mut self, kind: &str, text: &str) -> Option<Added> {
        let added = self.read(kind, text);
        match &added {
            Ok(Some(namespace)) => {
                self.count += 1;
                self.namespaces.insert(namespace.clone());
                Some((kind.to_owned(), namespace.clone()))
            }
            Ok(None) => None,
            Err(_) => {
                self.skipped += 1;
                None
            }
        }
    }

    fn read(&mut self, kind: &str, text: &str) -> Result<Option<String>, serde_json::Error> {
        let namespace = match kind {
            "Pod" => {
                let pod: Pod<'_> = serde_json::from_str(text)?;
                let times = pod
                    .status
                    .conditions
                    .iter()
                    .map(|it| it.last_transition_time);
                let latest = times
                    .chain([pod.metadata.creation_timestamp, pod.status.start_time])
                    .flatten()
                    .max();
                let namespace = pod.metadata.namespace.as_str().to_owned();
                self.seen_at(latest);
                self.pods.push(text.into());
                namespace
            }
            "Event" => {
                let event: RawEvent<'_> = serde_json::from_str(text)?;
                self.add_event(&event)
            }
            "Secret" => {
                let secret: SecretObject = serde_json::from_str(text)?;
                let key = (
                    secret.metadata.namespace.clone(),
                    secret.metadata.name.clone(),
                );
                self.secrets.insert(key.clone(), secret.facts());
                if !secret.is_redacted() {
                    let content = secret.content(&key.0, &key.1);
                    self.contents.insert(key.clone(), content);
                }
                key.0
            }
            "ServiceAccount" => {
                let account: ServiceAccountObject = serde_json::from_str(text)?;
                let metadata = &account.metadata;
                let key = (metadata.namespace.clone(), metadata.name.clone());
                self.accounts.insert(key.clone(), account.facts());
                key.0
            }
            "Node" => {
                let node: NodeObject = serde_json::from_str(text)?;
                let name = node.metadata.name.clone();
                let facts = node.facts();
                self.seen_at(facts.heartbeat);
                self.nodes.insert(name, facts);
                String::new()
            }
            "ControllerRevision" => {
                let revision: RevisionObject = serde_json::from_str(text)?;
                let namespace = revision.metadata.namespace.clone();
                self.revisions.push(revision);
                namespace
            }
            "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "Job"
            | "CronJob"
            | "ReplicationController"
            | "Rollout" => self.add_owner(kind, text)?,
            _ => return Ok(None),
        };
        Ok(Some(namespace))
    }

    fn add_event(&mut self, raw: &RawEvent<'_>) -> String {
        let object = &raw.involved_object;
        let event = raw.to_event();
        self.seen_at(event.last);
        let about = (
            object.kind.as_str().to_owned(),
            object.namespace.as_str().to_owned(),
            object.name.as_str().to_owned(),
        );
        // Events about nodes are filed in `default`.
        let namespace = if about.1.is_empty() {
            "default".to_owned()
        } else {
            about.1.clone()
        };
        let uid = object.uid.as_str().to_owned();
        self.events.entry(about).or_default().push((uid, event));
        namespace
    }

    fn add_owner(&mut self, kind: &str, text: &str) -> Result<String, serde_json::Error> {
        let owner: OwnerObject = serde_json::from_str(text)?;
        let key = (
            owner.metadata.namespace.clone(),
            kind.to_owned(),
            owner.metadata.name.clone(),
        );
        if matches!(kind, "ReplicaSet" | "Job") {
            let item: Item<'_> = serde_json::from_str(text)?;
            let parent = item.metadata.controller().map(|owner| Controller {
                api_version: owner.api_version.as_str().to_owned(),
                kind: owner.kind.as_str().to_owned(),
                name: owner.name.as_str().to_owned(),
            });
            self.parents.insert(key.clone(), parent);
        }
        if kind == "ReplicaSet" {
            self.sets.push(serde_json::from_str(text)?);
        }
        let namespace = key.0.clone();
        self.owners.insert(key, owner);
        Ok(namespace)
    }

    fn seen_at(&mut self, time: Option<Timestamp>) {
        self.latest = self.latest.max(time);
    }

    /// Notes that these objects came in one list: of every kind in it, each namespace in it
    /// was listed.
    pub(super) fn came_as_list(&mut self, added: &[Added]) {
        let kinds: BTreeSet<&String> = added.iter().map(|(kind, _)| kind).collect();
        let namespaces: BTreeSet<&String> = added.iter().map(|(_, namespace)| namespace).collect();
        for kind in kinds {
            for namespace in &namespaces {
                self.listed.insert((kind.clone(), (*namespace).clone()));
            }
        }
    }

    /// Whether the objects of a kind in a namespace were listed.
    pub(super) fn is_listed(&self, kind: &str, namespace: &str) -> bool {
        self.listed
            .contains(&(kind.to_owned(), namespace.to_owned()))
    }

    /// The events of an object; none where no events of its namespace were listed.
    pub(super) fn events(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Option<Vec<Event>> {
        let filed = if namespace.is_empty() {
            "default"
        } else {
            namespace
        };
        let about = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        let known = self.events.get(&about);
        if known.is_none() && !self.is_listed("Event", filed) {
            return None;
        }
        let events = known
            .into_iter()
            .flatten()
            .filter(|(of, _)| of.is_empty() || uid.is_empty() || of == uid)
            .map(|(_, event)| event.clone())
            .collect();
        Some(newest(events))
    }

    /// The topmost controller, as far as the files tell.
    pub(super) fn topmost(&self, namespace: &str, controller: &Controller) -> Controller {
        let key = (
            namespace.to_owned(),
            controller.kind.clone(),
            controller.name.clone(),
        );
        self.parents
            .get(&key)
            .cloned()
            .flatten()
            .unwrap_or_else(|| controller.clone())
    }

    /// Whether it is known what stands above a controller.
    pub(super) fn knows(&self, namespace: &str, controller: &Controller) -> bool {
        let key = (
            namespace.to_owned(),
            controller.kind.clone(),
            controller.name.clone(),
        );
        !matches!(controller.kind.as_str(), "ReplicaSet" | "Job") || self.parents.contains_key(&key)
    }
}
