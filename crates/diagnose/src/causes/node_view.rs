//! What several causes of the node read from it: versions, images, conditions, time.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, Condition, Finding, NodeFacts, Symptom, Timestamp};
use pulldoctor_reference::Reference;

use super::support::{in_namespace, quote};
use crate::{case::Case, finding::FindingExt};

/// The kubelet tries at 0, 10, 30, 70, 150 and 310 seconds (`pkg/kubelet/kubelet.go`,
/// `imageBackOffPeriod`): who waits longer than this has failed at least five times.
pub(crate) const SEVERAL_TRIES: i64 = 310;

/// How the text calls the symptom's node.
pub(crate) fn on_node(case: &Case<'_>) -> String {
    match &case.symptom.node {
        Some(node) => format!("node `{node}`"),
        None => "the node".to_owned(),
    }
}

/// For how many seconds the container has waited, if that is known.
pub(crate) fn waits_for(case: &Case<'_>) -> Option<i64> {
    if case.pasted {
        return None;
    }
    let since = case.symptom.since?;
    Some(case.evidence.observed.as_second() - since.as_second())
}

/// Whether the fault has outlasted several tries of the kubelet.
pub(crate) fn outlasts_retries(case: &Case<'_>) -> bool {
    waits_for(case).is_some_and(|seconds| seconds >= SEVERAL_TRIES)
}

/// `12 min` or `40 s`.
pub(crate) fn duration(seconds: i64) -> String {
    if seconds >= 7_200 {
        format!("{} h", seconds / 3_600)
    } else if seconds >= 120 {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

/// Seconds from a point in time until the pods were listed.
pub(crate) fn age(case: &Case<'_>, at: Timestamp) -> i64 {
    case.evidence.observed.as_second() - at.as_second()
}

/// Whether the node lists the image, under any of its names. A tag beside a digest does not
/// count: the runtimes drop it.
pub(crate) fn lists_image(facts: &NodeFacts, image: &Reference) -> bool {
    let mut names = facts.images.iter().flat_map(|one| &one.names);
    names.any(|name| image.is_written_as(name))
}

/// The node's condition of this kind.
pub(crate) fn condition<'f>(facts: &'f NodeFacts, kind: &str) -> Option<&'f Condition> {
    facts.conditions.iter().find(|one| one.kind == kind)
}

/// Whether the node's condition of this kind is `True`.
pub(crate) fn is_true(facts: &NodeFacts, kind: &str) -> bool {
    condition(facts, kind).is_some_and(|one| one.status == "True")
}

/// The runtime's name and version, `("containerd", 1, 6)` for `containerd://1.6.20`.
pub(crate) fn runtime(facts: &NodeFacts) -> Option<(&str, u32, u32)> {
    let (name, version) = facts.runtime.split_once("://")?;
    let mut numbers = version.split(['.', '-', '+', '~']);
    let major = numbers.next()?.trim_start_matches('v').parse().ok()?;
    let minor = numbers.next().unwrap_or("0").parse().ok()?;
    Some((name, major, minor))
}

/// Whether the node runs this runtime, in this version or a later one.
pub(crate) fn runs(facts: &NodeFacts, name: &str, major: u32, minor: u32) -> bool {
    runtime(facts).is_some_and(|(found, at_major, at_minor)| {
        found == name && (at_major, at_minor) >= (major, minor)
    })
}

/// Other symptoms on the symptom's node.
pub(crate) fn neighbours<'e>(case: &Case<'e>) -> impl Iterator<Item = &'e Symptom> {
    let symptom = case.symptom;
    case.evidence.symptoms.iter().filter(move |other| {
        symptom.node.is_some()
            && other.node == symptom.node
            && (&other.pod_uid, &other.container, other.kind)
                != (&symptom.pod_uid, &symptom.container, symptom.kind)
    })
}

/// Adds the remedy that gets pods away from a bad node: cordon it, then recreate the pod.
pub(crate) fn with_move_away(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(node) = &case.symptom.node else {
        return finding;
    };
    let title = format!("keep new pods off `{node}`, and recreate this one on another node");
    let command = if case.symptom.owner.is_some() && !case.symptom.static_pod {
        format!(
            "kubectl cordon {} && kubectl delete pod {} {}",
            quote(node),
            quote(&case.symptom.pod),
            in_namespace(case)
        )
    } else {
        // A bare pod does not come back by itself.
        format!("kubectl cordon {}", quote(node))
    };
    finding.remedy(
        "cordon-and-reschedule",
        Applicability::Consent,
        title,
        Some(command),
    )
}

/// Whether the judged fault is this one, and about a container's own image.
pub(crate) fn is(case: &Case<'_>, fault: &Fault) -> bool {
    case.fault() == fault
}
