//! Looks through the pods of files, by the same rules as those of a cluster.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use pulldoctor_model::{Answer, Answered, Event, Evidence, Gap, GapReason, Question, Vantage};
use serde::Deserialize;

use super::{Bundle, Source, objects::Objects};
use crate::{
    error::ScanError,
    events::PodRef,
    gaps::{add_gap, count_stuck, sorted},
    index::ImageIndex,
    owners::with_owner,
    resolve::belongs,
    scope::{Namespaces, Scope, Target, TargetKind, nearest_few},
    selector::Selector,
    slim::{Metadata, Pod, nullable},
    suspects::{Suspect, weigh},
    symptoms::{self, Controller, Draft},
};

/// What stands for the API server's address where there is none.
const NO_CLUSTER: &str = "files";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labelled {
    metadata: Labels,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labels {
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

impl Bundle {
    /// Looks through the pods of a scope. Names may be looked up in all namespaces here.
    pub fn scan(&mut self, scope: &Scope) -> Result<Evidence, ScanError> {
        match &self.source {
            Source::Recording(recording) => narrowed(recording, scope),
            Source::Objects(objects) => {
                self.index.clear();
                scan(objects, scope, &self.name, &mut self.index)
            }
        }
    }
}

/// The part of a recording that lies in a scope.
fn narrowed(recording: &Evidence, scope: &Scope) -> Result<Evidence, ScanError> {
    let mut evidence = recording.clone();
    if let Namespaces::Named(names) = &scope.namespaces {
        let known: HashSet<&String> = evidence.scanned.namespaces.iter().collect();
        let is_known = |name: &String| {
            known.contains(&"*".to_owned())
                || known.contains(name)
                || recording.symptoms.iter().any(|it| it.namespace == *name)
        };
        if let Some(missing) = names.iter().find(|name| !is_known(name)) {
            return Err(no_namespace(missing, evidence.scanned.namespaces.clone()));
        }
        evidence
            .symptoms
            .retain(|symptom| names.contains(&symptom.namespace));
    }
    if !scope.targets.is_empty() {
        let is_meant = |target: &Target, symptom: &pulldoctor_model::Symptom| match target.kind {
            TargetKind::Pod => symptom.pod == target.name,
            kind => symptom.owner.as_deref() == Some(&format!("{}/{}", kind.kind(), target.name)),
        };
        for target in &scope.targets {
            if !evidence
                .symptoms
                .iter()
                .any(|symptom| is_meant(target, symptom))
            {
                let near = evidence.symptoms.iter().map(|it| it.pod.clone()).collect();
                return Err(no_object(target, scope, near));
            }
        }
        evidence
            .symptoms
            .retain(|symptom| scope.targets.iter().any(|target| is_meant(target, symptom)));
    }
    count_stuck(&mut evidence);
    Ok(evidence)
}

fn no_namespace(name: &str, known: Vec<String>) -> ScanError {
    ScanError::NoSuchNamespace {
        namespace: name.to_owned(),
        near: nearest_few(name, known),
    }
}

fn no_object(target: &Target, scope: &Scope, known: Vec<String>) -> ScanError {
    let namespace = match &scope.namespaces {
        Namespaces::All => "*".to_owned(),
        Namespaces::Named(names) => names.join(", "),
    };
    let near = if target.kind == TargetKind::Pod {
        nearest_few(&target.name, known)
            .into_iter()
            .map(|name| format!("pod/{name}"))
            .collect()
    } else {
        Vec::new()
    };
    ScanError::NoSuchObject {
        target: target.to_string(),
        namespace,
        near,
    }
}

fn scan(
    objects: &Objects,
    scope: &Scope,
    name: &str,
    index: &mut ImageIndex,
) -> Result<Evidence, ScanError> {
    let selector = match &scope.selector {
        None => None,
        Some(text) => Some(
            Selector::parse(text).map_err(|message| ScanError::BadSelector {
                selector: text.clone(),
                message,
            })?,
        ),
    };
    let observed = objects.latest.unwrap_or(Timestamp::UNIX_EPOCH);
    let mut evidence = Evidence::new(name, NO_CLUSTER, observed);
    evidence.scanned.namespaces = match &scope.namespaces {
        Namespaces::All => vec!["*".to_owned()],
        Namespaces::Named(names) => {
            for namespace in names {
                if !objects.namespaces.contains(namespace) {
                    let known = objects.namespaces.iter().cloned().collect();
                    return Err(no_namespace(namespace, known));
                }
            }
            let mut names = names.clone();
            names.sort();
            names.dedup();
            names
        }
    };

    let mut drafts: Vec<Draft> = Vec::new();
    let mut suspects: Vec<Suspect> = Vec::new();
    let mut met = vec![false; scope.targets.len()];
    let mut names = Vec::new();
    for text in &objects.pods {
        // Each was read once when it was added.
        let Ok(pod) = serde_json::from_str::<Pod<'_>>(text) else {
            continue;
        };
        let namespace = pod.metadata.namespace.as_str();
        let is_here = match &scope.namespaces {
            Namespaces::All => true,
            Namespaces::Named(names) => names.iter().any(|name| name == namespace),
        };
        if !is_here
            || !selector
                .as_ref()
                .is_none_or(|selector| selects(selector, text))
        {
            continue;
        }
        names.push(pod.metadata.name.as_str().to_owned());
        if !is_target(objects, &scope.targets, &pod.metadata, &mut met) {
            continue;
        }
        evidence.scanned.pods += 1;
        let reading = symptoms::read(&pod, observed);
        symptoms::tally(&pod, &reading.drafts, index);
        drafts.extend(reading.drafts);
        suspects.extend(reading.suspect);
    }
    let unmet = scope.targets.iter().zip(&met).find(|(_, met)| !**met);
    if let Some((target, _)) = unmet.filter(|(target, _)| !has_owner(objects, scope, target)) {
        return Err(no_object(target, scope, names));
    }
    drafts.extend(check_suspects(objects, &suspects, &mut evidence));
    adopt(objects, drafts, &mut evidence);
    if objects.skipped > 0 {
        add_gap(
            &mut evidence,
            Gap {
                what: format!(
                    "read {} objects of {name} that are malformed",
                    objects.skipped
                ),
                why: GapReason::Unreachable,
                grant: None,
                questions: Vec::new(),
                hides_pods: true,
            },
        );
    }
    count_stuck(&mut evidence);
    Ok(sorted(evidence))
}

fn selects(selector: &Selector, text: &str) -> bool {
    serde_json::from_str::<Labelled>(text)
        .is_ok_and(|labelled| selector.matches(&labelled.metadata.labels))
}

/// Whether a pod belongs to one of the targets; notes which.
fn is_target(
    objects: &Objects,
    targets: &[Target],
    metadata: &Metadata<'_>,
    met: &mut [bool],
) -> bool {
    let mut is_meant = targets.is_empty();
    for (target, met) in targets.iter().zip(met) {
        let fits = if target.kind == TargetKind::Pod {
            metadata.name.as_str() == target.name
        } else {
            metadata.controller().is_some_and(|owner| {
                let controller = Controller {
                    api_version: owner.api_version.as_str().to_owned(),
                    kind: owner.kind.as_str().to_owned(),
                    name: owner.name.as_str().to_owned(),
                };
                let namespace = metadata.namespace.as_str();
                let top = objects.topmost(namespace, &controller);
                let is = |it: &Controller| it.kind == target.kind.kind() && it.name == target.name;
                is(&controller)
                    || is(&top)
                    || (!objects.knows(namespace, &controller)
                        && belongs(&controller.kind, &controller.name, target))
            })
        };
        *met |= fits;
        is_meant |= fits;
    }
    is_meant
}

/// Whether a target without pods is among the objects.
fn has_owner(objects: &Objects, scope: &Scope, target: &Target) -> bool {
    objects.owners.keys().any(|(namespace, kind, name)| {
        let is_here = match &scope.namespaces {
            Namespaces::All => true,
            Namespaces::Named(names) => names.contains(namespace),
        };
        is_here && kind == target.kind.kind() && *name == target.name
    })
}

fn check_suspects(objects: &Objects, suspects: &[Suspect], evidence: &mut Evidence) -> Vec<Draft> {
    let mut known: HashMap<PodRef, Vec<Event>> = HashMap::new();
    for pod in suspects.iter().filter_map(Suspect::pod) {
        match objects.events("Pod", &pod.namespace, &pod.pod, &pod.uid) {
            Some(events) => {
                known.insert(pod, events);
            }
            None => add_gap(
                evidence,
                Gap {
                    what: format!("list events in {}", pod.namespace),
                    why: GapReason::NotAsked,
                    grant: None,
                    questions: Vec::new(),
                    hides_pods: true,
                },
            ),
        }
    }
    let events_of = |pod: &PodRef| known.get(pod).map(Vec::as_slice);
    let stuck = weigh(suspects, events_of, evidence.observed).into_stuck();
    let mut told = HashSet::new();
    for (pod, _) in &stuck {
        if let Some(events) = known.get(pod)
            && told.insert(pod)
        {
            evidence.answers.push(Answered {
                question: Question::PodEvents {
                    namespace: pod.namespace.clone(),
                    pod: pod.pod.clone(),
                    uid: pod.uid.clone(),
                },
                from: Vantage::Api,
                took_ms: None,
                answer: Answer::Events(events.clone()),
            });
        }
    }
    stuck.into_iter().map(|(_, draft)| draft).collect()
}

fn adopt(objects: &Objects, drafts: Vec<Draft>, evidence: &mut Evidence) {
    for draft in drafts {
        let namespace = draft.symptom.namespace.clone();
        let owner = draft.controller.clone();
        if let Some(owner) = owner
            .as_ref()
            .filter(|owner| !objects.knows(&namespace, owner))
        {
            let resource = if owner.kind == "Job" {
                "jobs"
            } else {
                "replicasets"
            };
            add_gap(
                evidence,
                Gap {
                    what: format!("get {resource} in {namespace}"),
                    why: GapReason::NotAsked,
                    grant: None,
                    questions: Vec::new(),
                    hides_pods: false,
                },
            );
        }
        let top = owner.map(|owner| objects.topmost(&namespace, &owner));
        evidence.symptoms.push(with_owner(draft, top.as_ref()));
    }
}
