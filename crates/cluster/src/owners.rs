//! The topmost controller of pods, through a cache, and the field of it that holds the image.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt as _, stream};
use pulldoctor_model::{ContainerKind, Gap, GapReason, Symptom};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::{
    api::{Api, Form},
    error::ApiError,
    events::SIDE_BY_SIDE,
    path::ApiPath,
    rbac,
    symptoms::{Controller, Draft},
};

/// What is known above a ReplicaSet or a Job.
#[derive(Debug, Clone)]
enum Above {
    /// Its own controller.
    Controller(Controller),
    /// Nothing: it is the topmost.
    Nothing,
    /// It could not be read.
    Unread(GapReason),
}

type Key = (String, Controller);

/// Remembers who controls which ReplicaSet and Job.
pub(crate) struct OwnerCache {
    api: Api,
    known: Mutex<HashMap<Key, Arc<OnceCell<Above>>>>,
}

impl OwnerCache {
    pub(crate) fn new(api: Api) -> Self {
        Self {
            api,
            known: Mutex::new(HashMap::new()),
        }
    }

    /// Looks up the owners of drafts. A controller that could not be read leaves the pod's own
    /// one in its place, and a gap that hides nothing.
    pub(crate) async fn resolve(&self, drafts: Vec<Draft>) -> (Vec<Symptom>, Vec<Gap>) {
        let keys: BTreeSet<(String, String, String, String)> = drafts
            .iter()
            .filter_map(|draft| {
                let controller = draft.controller.as_ref()?;
                climbs(controller).then(|| {
                    (
                        draft.symptom.namespace.clone(),
                        controller.api_version.clone(),
                        controller.kind.clone(),
                        controller.name.clone(),
                    )
                })
            })
            .collect();
        let above: HashMap<Key, Above> = stream::iter(keys)
            .map(|(namespace, api_version, kind, name)| async move {
                let controller = Controller {
                    api_version,
                    kind,
                    name,
                };
                let above = self.above(&namespace, &controller).await;
                ((namespace, controller), above)
            })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;

        let mut unread: BTreeMap<(String, String), GapReason> = BTreeMap::new();
        let symptoms = drafts
            .into_iter()
            .map(|draft| {
                let top = draft.controller.clone().map(|controller| {
                    let key = (draft.symptom.namespace.clone(), controller);
                    match above.get(&key) {
                        Some(Above::Controller(top)) => top.clone(),
                        Some(Above::Unread(why)) => {
                            unread.insert((key.0, key.1.kind.clone()), *why);
                            key.1
                        }
                        Some(Above::Nothing) | None => key.1,
                    }
                });
                with_owner(draft, top.as_ref())
            })
            .collect();
        let gaps = unread
            .into_iter()
            .map(|((namespace, kind), why)| {
                let (group, resource) = if kind == "Job" {
                    ("batch", "jobs")
                } else {
                    ("apps", "replicasets")
                };
                Gap {
                    what: format!("get {resource} in {namespace}"),
                    why,
                    grant: (why == GapReason::Forbidden)
                        .then(|| rbac::rule(group, resource, &["get"])),
                    questions: Vec::new(),
                    hides_pods: false,
                }
            })
            .collect();
        (symptoms, gaps)
    }

    async fn above(&self, namespace: &str, controller: &Controller) -> Above {
        let key = (namespace.to_owned(), controller.clone());
        let cell = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default()
            .clone();
        cell.get_or_init(|| self.read(namespace, controller))
            .await
            .clone()
    }

    async fn read(&self, namespace: &str, controller: &Controller) -> Above {
        let (group, resource) = match controller.kind.as_str() {
            "Job" => ("batch", "jobs"),
            _ => ("apps", "replicasets"),
        };
        let path = ApiPath::group(group, "v1")
            .namespace(Some(namespace))
            .segment(resource)
            .segment(&controller.name);
        match self
            .api
            .object::<Owned>(&path, Form::Metadata, "an owner")
            .await
        {
            Ok(owned) => owned
                .metadata
                .owner_references
                .unwrap_or_default()
                .into_iter()
                .find(|owner| owner.controller.unwrap_or_default())
                .map_or(Above::Nothing, |owner| {
                    Above::Controller(Controller {
                        api_version: owner.api_version,
                        kind: owner.kind,
                        name: owner.name,
                    })
                }),
            // It is being deleted; its pods will follow.
            Err(ApiError::NotFound { .. }) => Above::Nothing,
            Err(error) => Above::Unread(error.gap()),
        }
    }
}

/// Whether a controller is made by another one: a ReplicaSet by a Deployment or Rollout, a Job
/// by a CronJob. What stands above the others (an operator's own object) has no pod template,
/// so they are the topmost that can be acted upon.
fn climbs(controller: &Controller) -> bool {
    matches!(
        (
            controller.kind.as_str(),
            controller.api_version.split('/').next()
        ),
        ("ReplicaSet", Some("apps")) | ("Job", Some("batch"))
    )
}

/// The symptom with its owner and the field of the owner that holds the image.
pub(crate) fn with_owner(draft: Draft, owner: Option<&Controller>) -> Symptom {
    let mut symptom = draft.symptom;
    symptom.owner = owner.map(|owner| format!("{}/{}", owner.kind, owner.name));
    // Ephemeral containers are added to the pod itself: no template holds them.
    let in_owner = owner.filter(|_| symptom.kind != ContainerKind::Ephemeral);
    let prefix = match in_owner.map(|owner| owner.kind.as_str()) {
        None if owner.is_some() => None,
        None => Some("spec"),
        Some("CronJob") => Some("spec.jobTemplate.spec.template.spec"),
        Some(
            "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicationController"
            | "Job"
            | "Rollout",
        ) => Some("spec.template.spec"),
        Some(_) => None,
    };
    symptom.field = prefix
        .zip(draft.tail)
        .map(|(prefix, tail)| format!("{prefix}.{tail}"));
    symptom
}

#[derive(Debug, Deserialize)]
struct Owned {
    metadata: OwnedMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnedMetadata {
    owner_references: Option<Vec<Reference>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    controller: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suspects::fixture::symptom;

    fn field(kind: ContainerKind, owner: Option<&str>, tail: Option<&str>) -> Option<String> {
        let mut symptom = symptom("x");
        symptom.kind = kind;
        let owner = owner.map(|kind| Controller {
            api_version: String::new(),
            kind: kind.to_owned(),
            name: "api".to_owned(),
        });
        let draft = Draft {
            symptom,
            controller: None,
            tail: tail.map(str::to_owned),
        };
        with_owner(draft, owner.as_ref()).field
    }

    #[test]
    fn the_field_is_the_owners() {
        let tail = Some("containers[0].image");
        let of = |owner| field(ContainerKind::Container, owner, tail);
        assert_eq!(of(None).as_deref(), Some("spec.containers[0].image"));
        assert_eq!(
            of(Some("Deployment")).as_deref(),
            Some("spec.template.spec.containers[0].image")
        );
        assert_eq!(
            of(Some("CronJob")).as_deref(),
            Some("spec.jobTemplate.spec.template.spec.containers[0].image")
        );
        assert_eq!(of(Some("Workflow")), None);
        assert_eq!(
            field(
                ContainerKind::ImageVolume,
                Some("StatefulSet"),
                Some("volumes[1].image.reference")
            )
            .as_deref(),
            Some("spec.template.spec.volumes[1].image.reference")
        );
        let ephemeral = Some("ephemeralContainers[0].image");
        assert_eq!(
            field(ContainerKind::Ephemeral, Some("Deployment"), ephemeral),
            None
        );
        assert_eq!(
            field(ContainerKind::Ephemeral, None, ephemeral).as_deref(),
            Some("spec.ephemeralContainers[0].image")
        );
        assert_eq!(
            field(ContainerKind::Sandbox, Some("Deployment"), None),
            None
        );
    }
}
