//! Gaps are kept once each, and the evidence in an order that does not depend on the network.

use std::collections::HashSet;

use pulldoctor_model::{Evidence, Gap};

/// Adds a gap, or joins its questions to one that says the same.
pub(crate) fn add_gap(evidence: &mut Evidence, gap: Gap) {
    let known = evidence
        .gaps
        .iter_mut()
        .find(|known| known.what == gap.what && known.why == gap.why);
    match known {
        None => evidence.gaps.push(gap),
        Some(known) => {
            known.hides_pods |= gap.hides_pods;
            known.grant = known.grant.take().or(gap.grant);
            for question in gap.questions {
                if !known.questions.contains(&question) {
                    known.questions.push(question);
                }
            }
        }
    }
}

/// Counts the pods that are stuck.
pub(crate) fn count_stuck(evidence: &mut Evidence) {
    let stuck: HashSet<(&str, &str)> = evidence
        .symptoms
        .iter()
        .map(|symptom| (symptom.namespace.as_str(), symptom.pod.as_str()))
        .collect();
    evidence.scanned.stuck = stuck.len();
}

/// Puts symptoms and gaps into their final order.
pub(crate) fn sorted(mut evidence: Evidence) -> Evidence {
    evidence.symptoms.sort_by(|a, b| {
        (&a.namespace, &a.pod, a.kind, &a.container, &a.image).cmp(&(
            &b.namespace,
            &b.pod,
            b.kind,
            &b.container,
            &b.image,
        ))
    });
    evidence.gaps.sort_by(|a, b| a.what.cmp(&b.what));
    evidence
}
