//! From what a person names to the lists of pods that have to be read.

use std::collections::{BTreeMap, HashSet};

use pulldoctor_model::{Gap, GapReason};
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::{ApiError, ScanError},
    path::ApiPath,
    rbac,
    scope::{Target, TargetKind, nearest_few},
    slim::{self, Metadata},
};

/// How many names are read at most to find near ones.
const NAMES: &str = "500";

/// How many bytes such a list may have.
const NAMES_MOST: usize = 32 << 20;

/// Above so many Jobs a label selector that names them all is longer than some servers take.
const JOBS_BY_LABEL: usize = 40;

/// Pods to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The namespace; none for all.
    pub(crate) namespace: Option<String>,
    /// The label selector.
    pub(crate) selector: Option<String>,
    /// The field selector.
    pub(crate) fields: Option<String>,
    /// The one pod, read by name.
    pub(crate) pod: Option<String>,
    /// Which of the pods are meant.
    pub(crate) filter: Filter,
    /// The object that the person named.
    pub(crate) target: Option<Target>,
}

/// Which of the listed pods are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    /// All.
    #[default]
    Any,
    /// Those controlled by one of these objects, by UID.
    Controlled(HashSet<String>),
    /// Those whose controller's name says that it belongs to the target, which may not be read.
    Named(Target),
}

impl Filter {
    /// Whether a pod is meant.
    pub(crate) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        let controller = || metadata.controller();
        match self {
            Self::Any => true,
            Self::Controlled(uids) => {
                controller().is_some_and(|owner| uids.contains(owner.uid.as_str()))
            }
            Self::Named(target) => controller()
                .is_some_and(|owner| belongs(owner.kind.as_str(), owner.name.as_str(), target)),
        }
    }
}

/// Whether a controller is the target, or has the name that the target gives to what it makes:
/// `NAME-HASH` for a Deployment's ReplicaSet, `NAME-NUMBER` for a CronJob's Job.
pub(crate) fn belongs(kind: &str, name: &str, target: &Target) -> bool {
    let suffix = || {
        name.strip_prefix(target.name.as_str())
            .and_then(|rest| rest.strip_prefix('-'))
    };
    match target.kind {
        TargetKind::Deployment => {
            kind == "ReplicaSet"
                && suffix().is_some_and(|hash| {
                    !hash.is_empty() && hash.chars().all(|it| it.is_ascii_alphanumeric())
                })
        }
        TargetKind::CronJob => {
            kind == "Job"
                && suffix().is_some_and(|number| {
                    !number.is_empty() && number.chars().all(|it| it.is_ascii_digit())
                })
        }
        other => kind == other.kind() && name == target.name,
    }
}

/// A listing, and what could not be seen on the way to it.
pub(crate) type Resolved = (Listing, Option<Gap>);

/// Finds the pods of a named object.
pub(crate) async fn target(
    api: &Api,
    context: &str,
    namespace: &str,
    target: &Target,
    selector: Option<&str>,
) -> Result<Resolved, ScanError> {
    let mut listing = Listing {
        namespace: Some(namespace.to_owned()),
        selector: selector.map(str::to_owned),
        target: Some(target.clone()),
        ..Listing::default()
    };
    if target.kind == TargetKind::Pod {
        if selector.is_some() {
            listing.fields = Some(format!("metadata.name={}", target.name));
        } else {
            listing.pod = Some(target.name.clone());
        }
        return Ok((listing, None));
    }
    let path = ApiPath::group(target.kind.group(), "v1")
        .namespace(Some(namespace))
        .segment(target.kind.resource())
        .segment(&target.name);
    let owner: OwnerObject = match api.object(&path, Form::Full, "an owner").await {
        Ok(owner) => owner,
        Err(ApiError::NotFound { .. }) => {
            return Err(absent(api, context, namespace, target).await);
        }
        Err(error @ ApiError::Forbidden { .. }) => {
            listing.filter = Filter::Named(target.clone());
            return Ok((listing, Some(unread(target, namespace, &error))));
        }
        Err(source) => {
            return Err(ScanError::Cluster {
                context: context.to_owned(),
                source,
            });
        }
    };

    let own = [owner.metadata.uid.clone()].into_iter().collect();
    let mut labels = owner
        .spec
        .selector
        .as_ref()
        .and_then(SelectorField::to_list_form);
    let made = match target.kind {
        TargetKind::Deployment => Some(("apps", "replicasets")),
        TargetKind::CronJob => Some(("batch", "jobs")),
        _ => None,
    };
    let mut gap = None;
    listing.filter = match made {
        None => Filter::Controlled(own),
        Some((group, resource)) => {
            let narrowed = labels.as_deref();
            match controlled_by(
                api,
                (group, resource),
                namespace,
                narrowed,
                &owner.metadata.uid,
            )
            .await
            {
                Ok(made) => {
                    if target.kind == TargetKind::CronJob && made.len() <= JOBS_BY_LABEL {
                        let names: Vec<&str> = made.iter().map(|(_, name)| name.as_str()).collect();
                        // Without Jobs no pod can match, and an empty set is no valid selector.
                        labels = (!names.is_empty())
                            .then(|| format!("job-name in ({})", names.join(",")));
                    }
                    Filter::Controlled(made.into_iter().map(|(uid, _)| uid).collect())
                }
                Err(error) => {
                    gap = Some(Gap {
                        what: format!("list {resource} in {namespace}"),
                        why: error.gap(),
                        grant: (error.gap() == GapReason::Forbidden)
                            .then(|| rbac::rule(group, resource, &["get", "list"])),
                        questions: Vec::new(),
                        hides_pods: false,
                    });
                    Filter::Named(target.clone())
                }
            }
        }
    };
    listing.selector = match (labels, listing.selector) {
        (Some(own), Some(given)) => Some(format!("{own},{given}")),
        (own, given) => own.or(given),
    };
    Ok((listing, gap))
}

fn unread(target: &Target, namespace: &str, error: &ApiError) -> Gap {
    Gap {
        what: format!(
            "get {} {} in {namespace}",
            target.kind.resource(),
            target.name
        ),
        why: error.gap(),
        grant: Some(rbac::rule(
            target.kind.group(),
            target.kind.resource(),
            &["get"],
        )),
        questions: Vec::new(),
        hides_pods: false,
    }
}

/// UID and name of the objects of a resource that this UID controls.
async fn controlled_by(
    api: &Api,
    (group, resource): (&str, &str),
    namespace: &str,
    labels: Option<&str>,
    uid: &str,
) -> Result<Vec<(String, String)>, ApiError> {
    let mut made = Vec::new();
    let mut resume: Option<String> = None;
    loop {
        let path = ApiPath::group(group, "v1")
            .namespace(Some(namespace))
            .segment(resource)
            .query("limit", NAMES)
            .query_opt("labelSelector", labels)
            .query_opt("continue", resume.as_deref());
        let answer = api.get(&path, Form::MetadataList, NAMES_MOST).await?;
        let walked = slim::walk(&answer.body, |item: Item<'_>| {
            if item
                .metadata
                .controller()
                .is_some_and(|owner| owner.uid.as_str() == uid)
            {
                made.push((
                    item.metadata.uid.as_str().to_owned(),
                    item.metadata.name.as_str().to_owned(),
                ));
            }
        })
        .map_err(|error| ApiError::malformed("owners", &error))?;
        if walked.meta.resume.is_empty() {
            return Ok(made);
        }
        resume = Some(walked.meta.resume);
    }
}

/// The error for an object that is not there: its namespace may not be there either.
pub(crate) async fn absent(
    api: &Api,
    context: &str,
    namespace: &str,
    target: &Target,
) -> ScanError {
    if let Err(error) = check_namespace(api, context, namespace).await {
        return error;
    }
    let path = ApiPath::group(target.kind.group(), "v1")
        .namespace(Some(namespace))
        .segment(target.kind.resource())
        .query("limit", NAMES);
    let names = names(api, &path).await.unwrap_or_default();
    ScanError::NoSuchObject {
        target: target.to_string(),
        namespace: namespace.to_owned(),
        near: nearest_few(&target.name, names)
            .into_iter()
            .map(|name| {
                Target {
                    kind: target.kind,
                    name,
                }
                .to_string()
            })
            .collect(),
    }
}

/// Whether a namespace is there. Where it may not be read, it is taken to be.
pub(crate) async fn check_namespace(
    api: &Api,
    context: &str,
    namespace: &str,
) -> Result<(), ScanError> {
    let path = ApiPath::core().namespace(Some(namespace));
    match api.get(&path, Form::Metadata, NAMES_MOST).await {
        Err(ApiError::NotFound { .. }) => Err(ScanError::NoSuchNamespace {
            namespace: namespace.to_owned(),
            near: nearest_few(namespace, namespaces(api).await.unwrap_or_default()),
        }),
        Err(source) if source.is_total() => Err(ScanError::Cluster {
            context: context.to_owned(),
            source,
        }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The names of all namespaces.
pub(crate) async fn namespaces(api: &Api) -> Result<Vec<String>, ApiError> {
    let mut all = Vec::new();
    let mut resume: Option<String> = None;
    loop {
        let path = ApiPath::core()
            .segment("namespaces")
            .query("limit", NAMES)
            .query_opt("continue", resume.as_deref());
        let answer = api.get(&path, Form::MetadataList, NAMES_MOST).await?;
        let walked = slim::walk(&answer.body, |item: Item<'_>| {
            all.push(item.metadata.name.as_str().to_owned());
        })
        .map_err(|error| ApiError::malformed("namespaces", &error))?;
        if walked.meta.resume.is_empty() {
            all.sort();
            return Ok(all);
        }
        resume = Some(walked.meta.resume);
    }
}

/// The names in one page of a list.
async fn names(api: &Api, path: &ApiPath) -> Result<Vec<String>, ApiError> {
    let answer = api.get(path, Form::MetadataList, NAMES_MOST).await?;
    let mut names = Vec::new();
    slim::walk(&answer.body, |item: Item<'_>| {
        names.push(item.metadata.name.as_str().to_owned());
    })
    .map_err(|error| ApiError::malformed("names", &error))?;
    Ok(names)
}

/// An object of which only the metadata are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(crate) struct Item<'a> {
    #[serde(borrow, deserialize_with = "slim::nullable")]
    pub(crate) metadata: Metadata<'a>,
}

#[derive(Debug, Deserialize)]
struct OwnerObject {
    metadata: OwnerMetadata,
    #[serde(default)]
    spec: OwnerSpec,
}

#[derive(Debug, Default, Deserialize)]
struct OwnerMetadata {
    #[serde(default)]
    uid: String,
}

#[derive(Debug, Default, Deserialize)]
struct OwnerSpec {
    selector: Option<SelectorField>,
}

/// The selector of an object: a plain map in a ReplicationController, `matchLabels` and
/// `matchExpressions` elsewhere.
#[derive(Debug, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(crate) struct SelectorField(Selector);

impl From<serde_json::Value> for SelectorField {
    fn from(value: serde_json::Value) -> Self {
        let is_plain = value
            .as_object()
            .is_some_and(|map| map.values().all(serde_json::Value::is_string));
        Self(if is_plain {
            Selector {
                match_labels: serde_json::from_value(value).ok(),
                match_expressions: None,
            }
        } else {
            serde_json::from_value(value).unwrap_or_default()
        })
    }
}

impl SelectorField {
    /// The selector as a list takes it.
    pub(crate) fn to_list_form(&self) -> Option<String> {
        self.0.to_list_form()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<Requirement>>,
}

#[derive(Debug, Deserialize)]
struct Requirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Selector {
    fn to_list_form(&self) -> Option<String> {
        let mut parts: Vec<String> = self
            .match_labels
            .iter()
            .flatten()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        for requirement in self.match_expressions.iter().flatten() {
            let key = &requirement.key;
            let values = || {
                requirement
                    .values
                    .iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(",")
            };
            parts.push(match requirement.operator.as_str() {
                "In" => format!("{key} in ({})", values()),
                "NotIn" => format!("{key} notin ({})", values()),
                "Exists" => key.clone(),
                "DoesNotExist" => format!("!{key}"),
                // An operator that is not known narrows nothing: the UIDs decide.
                _ => continue,
            });
        }
        (!parts.is_empty()).then(|| parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_take_the_form_of_a_list() {
        let spec: OwnerSpec = serde_json::from_str(
            r#"{"selector":{"matchLabels":{"app":"api","tier":"web"},"matchExpressions":[
                {"key":"env","operator":"In","values":["a","b"]},
                {"key":"x","operator":"NotIn","values":["c"]},
                {"key":"y","operator":"Exists"},{"key":"z","operator":"DoesNotExist"}]}}"#,
        )
        .unwrap();
        assert_eq!(
            spec.selector
                .and_then(|selector| selector.to_list_form())
                .as_deref(),
            Some("app=api,tier=web,env in (a,b),x notin (c),y,!z")
        );
        let plain: OwnerSpec = serde_json::from_str(r#"{"selector":{"app":"api"}}"#).unwrap();
        assert_eq!(
            plain
                .selector
                .and_then(|selector| selector.to_list_form())
                .as_deref(),
            Some("app=api")
        );
    }

    #[test]
    fn names_tell_the_maker_where_nothing_else_may_be_read() {
        let deployment: Target = "deploy/api".parse().unwrap();
        assert!(belongs("ReplicaSet", "api-6c9f8d7b5d", &deployment));
        assert!(!belongs(
            "ReplicaSet",
            "api-gateway-6c9f8d7b5d",
            &deployment
        ));
        assert!(!belongs("StatefulSet", "api-6c9f", &deployment));
        let cron: Target = "cj/nightly".parse().unwrap();
        assert!(belongs("Job", "nightly-29100000", &cron));
        assert!(!belongs("Job", "nightly-x", &cron));
        let set: Target = "sts/db".parse().unwrap();
        assert!(belongs("StatefulSet", "db", &set));
        assert!(!belongs("StatefulSet", "db-2", &set));
    }
}
