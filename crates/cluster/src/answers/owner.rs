//! What an owner's template says today, and what it said before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pulldoctor_model::{Gap, OwnerFacts, PullPolicy, Revision};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    answers::Wanted,
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    resolve::SelectorField,
    scope::TargetKind,
    slim::{self, nullable, time},
};

/// How many bytes one page of revisions may have.
const PAGE_MOST: usize = 32 << 20;

/// How many earlier revisions are told.
const KEPT: usize = 10;

/// Where a kind lives in the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
}

/// Where the objects of this kind are; none for kinds whose template is not known.
pub(crate) fn place(kind: &str) -> Option<Place> {
    if kind == "Rollout" {
        return Some(Place {
            group: "argoproj.io",
            version: "v1alpha1",
            resource: "rollouts",
        });
    }
    let known = TargetKind::of_kind(kind)?;
    Some(Place {
        group: known.group(),
        version: "v1",
        resource: known.resource(),
    })
}

/// Reads an owner (`Kind/name`) and its history. What may not be read of the history is a gap
/// that leaves no question open.
pub(crate) async fn read(
    api: &Api,
    namespace: &str,
    owner: &str,
    container: &str,
) -> Result<(OwnerFacts, Vec<Gap>), ApiError> {
    let (kind, name) = owner.split_once('/').unwrap_or((owner, ""));
    let Some(place) = place(kind) else {
        return Err(ApiError::Unreachable {
            reason: format!("`{kind}` has no known template"),
        });
    };
    let path = ApiPath::group(place.group, place.version)
        .namespace(Some(namespace))
        .segment(place.resource)
        .segment(name);
    let object: OwnerObject = api.object(&path, Form::Full, "an owner").await?;
    let mut besides = Vec::new();
    let mut keep = |resource: &'static str, error: &ApiError| {
        let wanted = Wanted {
            what: format!("list {resource} in {namespace}"),
            rule: Some(("apps", resource, &["get", "list"])),
            of: None,
        };
        besides.push(wanted.gap(error.gap(), Vec::new()));
    };
    let labels = object.selector();
    let (mut sets, mut revisions) = (Vec::new(), Vec::new());
    match kind {
        "Deployment" | "Rollout" => {
            let read = list(api, namespace, "replicasets", labels.as_deref(), |it| {
                sets.push(it);
            });
            if let Err(error) = read.await {
                keep("replicasets", &error);
            }
        }
        "StatefulSet" | "DaemonSet" => {
            let read = list(
                api,
                namespace,
                "controllerrevisions",
                labels.as_deref(),
                |it| {
                    revisions.push(it);
                },
            );
            if let Err(error) = read.await {
                keep("controllerrevisions", &error);
            }
        }
        _ => {}
    }
    Ok((facts(&object, container, &sets, &revisions), besides))
}

async fn list<T: for<'de> Deserialize<'de>>(
    api: &Api,
    namespace: &str,
    resource: &str,
    labels: Option<&str>,
    mut each: impl FnMut(T),
) -> Result<(), ApiError> {
    let mut resume: Option<String> = None;
    loop {
        let path = ApiPath::group("apps", "v1")
            .namespace(Some(namespace))
            .segment(resource)
            .query("limit", "100")
            .query_opt("labelSelector", labels)
            .query_opt("continue", resume.as_deref());
        let answer = api.get(&path, Form::Full, PAGE_MOST).await?;
        let walked = slim::walk(&answer.body, &mut each)
            .map_err(|error| ApiError::malformed("revisions", &error))?;
        if walked.meta.resume.is_empty() {
            return Ok(());
        }
        resume = Some(walked.meta.resume);
    }
}

/// What is told of an owner. Only those of the sets and revisions count that it controls.
pub(crate) fn facts(
    owner: &OwnerObject,
    container: &str,
    sets: &[ReplicaSetObject],
    revisions: &[RevisionObject],
) -> OwnerFacts {
    let today = owner
        .template()
        .and_then(|template| template.find(container));
    let mut earlier: Vec<(i64, Option<Timestamp>, Revision)> = Vec::new();
    for set in sets.iter().filter(|set| owner.controls(&set.metadata)) {
        if let Some(found) = set.spec.template.spec.find(container) {
            earlier.push((
                set.metadata.revision(),
                set.metadata.creation_timestamp,
                Revision {
                    name: set.metadata.name.clone(),
                    image: found.image.clone(),
                    created: set.metadata.creation_timestamp,
                    ready: set.status.ready_replicas,
                },
            ));
        }
    }
    for revision in revisions.iter().filter(|it| owner.controls(&it.metadata)) {
        if let Some(found) = revision.data.spec.template.spec.find(container) {
            earlier.push((
                revision.revision,
                revision.metadata.creation_timestamp,
                Revision {
                    name: revision.metadata.name.clone(),
                    image: found.image.clone(),
                    created: revision.metadata.creation_timestamp,
                    ready: owner.status.ready_of(&revision.metadata.name),
                },
            ));
        }
    }
    earlier.sort_by(|a, b| (b.0, b.1, &b.2.name).cmp(&(a.0, a.1, &a.2.name)));
    // The highest revision is today's. A DaemonSet does not name the revision of its ready pods:
    // those that are not of today's are of the one before, mostly.
    let mut history: Vec<Revision> = earlier
        .into_iter()
        .skip(1)
        .take(KEPT)
        .map(|(_, _, revision)| revision)
        .collect();
    if let Some(before) = history.first_mut() {
        before.ready = before.ready.max(owner.status.ready_before());
    }
    OwnerFacts {
        template_image: today.map(|found| found.image.clone()),
        template_policy: today.and_then(TemplateContainer::policy),
        history,
        managed_by: owner.metadata.managed_by(),
    }
}

/// An object that makes pods.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OwnerObject {
    pub(crate) metadata: OwnerMetadata,
    spec: OwnerSpec,
    status: OwnerStatus,
}

impl OwnerObject {
    fn template(&self) -> Option<&PodSpec> {
        let job = self
            .spec
            .job_template
            .as_ref()
            .map(|job| &job.spec.template);
        self.spec
            .template
            .as_ref()
            .or(job)
            .map(|template| &template.spec)
    }

    /// The label selector of its pods and revisions.
    fn selector(&self) -> Option<String> {
        self.spec
            .selector
            .as_ref()
            .and_then(SelectorField::to_list_form)
    }

    fn controls(&self, made: &OwnerMetadata) -> bool {
        made.owner_references
            .iter()
            .any(|owner| owner.controller.unwrap_or_default() && owner.uid == self.metadata.uid)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OwnerMetadata {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    #[serde(deserialize_with = "time")]
    creation_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    annotations: Annotations,
    #[serde(deserialize_with = "nullable")]
    owner_references: Vec<OwnerReference>,
}

impl OwnerMetadata {
    /// The number that a Deployment (or Rollout) gives to its ReplicaSets.
    fn revision(&self) -> i64 {
        self.annotations
            .revision
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// Who would undo a change by hand: Helm, Argo CD, Flux, by the labels that they set.
    fn managed_by(&self) -> Option<String> {
        let has = |key: &str| self.labels.contains_key(key);
        if has("helm.toolkit.fluxcd.io/name") || has("kustomize.toolkit.fluxcd.io/name") {
            return Some("Flux".to_owned());
        }
        if has("argocd.argoproj.io/instance") || self.annotations.is_argo_cd {
            return Some("argocd".to_owned());
        }
        self.labels.get("app.kubernetes.io/managed-by").cloned()
    }
}

/// The few annotations that are read.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "RawAnnotations")]
struct Annotations {
    revision: Option<String>,
    is_argo_cd: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAnnotations {
    #[serde(rename = "deployment.kubernetes.io/revision")]
    deployment: Option<String>,
    #[serde(rename = "rollout.argoproj.io/revision")]
    rollout: Option<String>,
    #[serde(rename = "argocd.argoproj.io/tracking-id")]
    argo_cd: Option<IgnoredAny>,
}

impl From<RawAnnotations> for Annotations {
    fn from(raw: RawAnnotations) -> Self {
        Self {
            revision: raw.deployment.or(raw.rollout),
            is_argo_cd: raw.argo_cd.is_some(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnerReference {
    uid: String,
    controller: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnerSpec {
    selector: Option<SelectorField>,
    template: Option<Template>,
    job_template: Option<JobTemplate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobTemplate {
    spec: JobSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobSpec {
    template: Template,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    #[serde(deserialize_with = "nullable")]
    spec: PodSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<TemplateContainer>,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<TemplateContainer>,
}

impl PodSpec {
    fn find(&self, name: &str) -> Option<&TemplateContainer> {
        self.containers
            .iter()
            .chain(&self.init_containers)
            .find(|it| it.name == name)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TemplateContainer {
    name: String,
    image: String,
    image_pull_policy: Option<String>,
}

impl TemplateContainer {
    fn policy(&self) -> Option<PullPolicy> {
        match self.image_pull_policy.as_deref()? {
            "Always" => Some(PullPolicy::Always),
            "IfNotPresent" => Some(PullPolicy::IfNotPresent),
            "Never" => Some(PullPolicy::Never),
            _ => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnerStatus {
    ready_replicas: u32,
    current_replicas: u32,
    current_revision: String,
    number_ready: u32,
    updated_number_scheduled: u32,
}

impl OwnerStatus {
    /// Ready pods of a StatefulSet's current revision; never more than there are.
    fn ready_of(&self, revision: &str) -> u32 {
        if self.current_revision == revision {
            self.ready_replicas.min(self.current_replicas)
        } else {
            0
        }
    }

    /// Ready pods of a DaemonSet that are surely not of its newest revision.
    fn ready_before(&self) -> u32 {
        self.number_ready
            .saturating_sub(self.updated_number_scheduled)
    }
}

/// A ReplicaSet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReplicaSetObject {
    pub(crate) metadata: OwnerMetadata,
    spec: ReplicaSetSpec,
    status: ReplicaSetStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReplicaSetSpec {
    template: Template,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ReplicaSetStatus {
    ready_replicas: u32,
}

/// A ControllerRevision of a StatefulSet or DaemonSet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RevisionObject {
    pub(crate) metadata: OwnerMetadata,
    #[serde(deserialize_with = "nullable")]
    revision: i64,
    #[serde(deserialize_with = "nullable")]
    data: RevisionData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RevisionData {
    spec: ReplicaSetSpec,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(extra: &str) -> OwnerObject {
        serde_json::from_str(&format!(
            r#"{{"metadata":{{"name":"api","uid":"d1",
                "labels":{{"app.kubernetes.io/managed-by":"Helm"}}}},
               "spec":{{"selector":{{"matchLabels":{{"app":"api"}}}},
                "template":{{"spec":{{"containers":[
                 {{"name":"api","image":"r/api:3","imagePullPolicy":"Always"}}],
                 "initContainers":[{{"name":"init","image":"r/init:1"}}]}}}}}}{extra}}}"#
        ))
        .unwrap()
    }

    fn set(name: &str, revision: u32, tag: u32, ready: u32, uid: &str) -> ReplicaSetObject {
        serde_json::from_str(&format!(
            r#"{{"metadata":{{"name":"{name}",
                "annotations":{{"deployment.kubernetes.io/revision":"{revision}"}},
                "ownerReferences":[{{"uid":"{uid}","controller":true}}]}},
               "spec":{{"template":{{"spec":{{"containers":[
                 {{"name":"api","image":"r/api:{tag}"}}]}}}}}},
               "status":{{"readyReplicas":{ready}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn history_is_newest_first_without_todays() {
        let sets = [
            set("a", 1, 1, 0, "d1"),
            set("c", 10, 3, 0, "d1"),
            set("b", 9, 2, 4, "d1"),
            set("x", 11, 9, 9, "other"),
        ];
        let facts = facts(&owner(""), "api", &sets, &[]);
        assert_eq!(facts.template_image.as_deref(), Some("r/api:3"));
        assert_eq!(facts.template_policy, Some(PullPolicy::Always));
        assert_eq!(facts.managed_by.as_deref(), Some("Helm"));
        let history: Vec<_> = facts
            .history
            .iter()
            .map(|it| (it.image.as_str(), it.ready))
            .collect();
        assert_eq!(history, [("r/api:2", 4), ("r/api:1", 0)]);
    }

    #[test]
    fn a_container_outside_the_template_has_no_image_there() {
        assert_eq!(facts(&owner(""), "injected", &[], &[]).template_image, None);
        assert_eq!(
            facts(&owner(""), "init", &[], &[])
                .template_image
                .as_deref(),
            Some("r/init:1")
        );
    }

    #[test]
    fn controller_revisions_are_read() {
        let revision = |name: &str, number: u32| -> RevisionObject {
            serde_json::from_str(&format!(
                r#"{{"metadata":{{"name":"{name}",
                    "ownerReferences":[{{"uid":"d1","controller":true}}]}},
                   "revision":{number},
                   "data":{{"spec":{{"template":{{"spec":{{"containers":[
                     {{"name":"api","image":"r/api:{number}"}}]}}}}}}}}}}"#
            ))
            .unwrap()
        };
        let status = r#","status":{"readyReplicas":2,"currentReplicas":3,"currentRevision":"r2"}"#;
        let facts = facts(
            &owner(status),
            "api",
            &[],
            &[revision("r2", 2), revision("r3", 3)],
        );
        assert_eq!(facts.history.len(), 1);
        assert_eq!(
            (facts.history[0].image.as_str(), facts.history[0].ready),
            ("r/api:2", 2)
        );
    }

    #[test]
    fn cron_jobs_have_their_template_deeper() {
        let cron: OwnerObject = serde_json::from_str(
            r#"{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[
                {"name":"c","image":"r/c:1"}]}}}}}}"#,
        )
        .unwrap();
        assert_eq!(
            facts(&cron, "c", &[], &[]).template_image.as_deref(),
            Some("r/c:1")
        );
    }
}
