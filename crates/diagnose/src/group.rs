//! Symptoms that share a cause and its object are one incident.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use pulldoctor_model::{
    Answer, CauseId, Diagnosis, Evidence, Finding, GapReason, Incident, Object, Question,
    ReportGap, ReportSymptom, clean, clean_line,
};

use crate::{
    case::{Case, Index},
    view::{View, look, reason},
};

/// Groups diagnoses; `texts` holds the judged text of each symptom.
///
/// Order: most symptoms first, then by id; symptoms by namespace, pod, kind, container.
pub(crate) fn incidents(
    evidence: &Evidence,
    diagnoses: Vec<Diagnosis>,
    texts: &[String],
) -> Vec<Incident> {
    let mut groups: BTreeMap<(CauseId, Object), (Finding, Vec<usize>)> = BTreeMap::new();
    for diagnosis in diagnoses {
        let key = (diagnosis.first.cause, diagnosis.first.object.clone());
        match groups.get_mut(&key) {
            None => {
                groups.insert(key, (diagnosis.first, vec![diagnosis.symptom]));
            }
            Some((finding, symptoms)) => {
                symptoms.push(diagnosis.symptom);
                if diagnosis.first.confidence > finding.confidence {
                    *finding = diagnosis.first;
                }
            }
        }
    }
    let mut incidents: Vec<Incident> = groups
        .into_iter()
        .map(|((cause, object), (finding, symptoms))| {
            let mut rows: Vec<ReportSymptom> = symptoms
                .into_iter()
                .map(|at| {
                    let text = texts.get(at).map(|text| clean(text).into_owned());
                    ReportSymptom::new(&evidence.symptoms[at], text.unwrap_or_default())
                })
                .collect();
            rows.sort_by(|a, b| {
                (&a.namespace, &a.pod, a.kind, &a.container).cmp(&(
                    &b.namespace,
                    &b.pod,
                    b.kind,
                    &b.container,
                ))
            });
            Incident {
                id: id(&evidence.cluster, cause, &object),
                cause,
                confidence: finding.confidence,
                object,
                summary: finding.summary,
                symptoms: rows,
                evidence: finding.evidence,
                rivals: finding.rivals,
                ruled_out: finding.ruled_out,
                also: finding.also,
                next: finding.next,
                remedies: finding.remedies,
                caret: finding.caret,
                notes: finding.notes,
            }
        })
        .collect();
    incidents.sort_by(|a, b| {
        b.symptoms
            .len()
            .cmp(&a.symptoms.len())
            .then_with(|| a.id.cmp(&b.id))
    });
    incidents
}

/// A hash (FNV-1a, 64 bits) of cluster, namespace of the object, cause and object. Nothing else
/// goes in, and no hasher whose result may change between compilers, so an incident keeps its id.
fn id(cluster: &str, cause: CauseId, object: &Object) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let kind = format!("{:?}", object.kind);
    let parts = [
        cluster,
        object.namespace.as_deref().unwrap_or_default(),
        cause.as_str(),
        &kind,
        &object.name,
    ];
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash ^= u64::from(byte);
            hash = hash.wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// The gaps of the report. One counts where it may hide pods, or where it leaves a question open
/// that could change the first cause of an incident.
pub(crate) fn gaps(evidence: &Evidence, diagnoses: &[Diagnosis]) -> Vec<ReportGap> {
    let open: HashSet<&Question> = diagnoses
        .iter()
        .flat_map(|diagnosis| &diagnosis.first.open)
        .collect();
    let mut gaps: Vec<ReportGap> = evidence
        .gaps
        .iter()
        .map(|gap| ReportGap {
            what: gap.what.clone(),
            why: gap.why,
            grant: gap.grant.clone(),
            counts: gap.hides_pods || gap.questions.iter().any(|question| open.contains(question)),
        })
        .collect();
    let index = Index::new(evidence);
    gaps.extend(behind(evidence, diagnoses, &index));
    gaps.extend(expired(evidence, diagnoses, &index));
    gaps
}

/// Probes from here that did not come as far as the node: that says something about this place, and
/// no finding rests on it.
fn behind(evidence: &Evidence, diagnoses: &[Diagnosis], index: &Index<'_>) -> Vec<ReportGap> {
    let was_asked = evidence
        .answers
        .iter()
        .any(|answered| matches!(answered.answer, Answer::Registry(_)));
    if !was_asked {
        return Vec::new();
    }
    let mut found: BTreeMap<String, (GapReason, bool)> = BTreeMap::new();
    for diagnosis in diagnoses {
        let case = Case::new(evidence, index, &evidence.symptoms[diagnosis.symptom]);
        let View::Behind(sight) = look(&case) else {
            continue;
        };
        let open = &diagnosis.first.open;
        let counts = open.contains(&sight.answered.question);
        // What was held back is a gap already, with what consents to it.
        let held_back = !sight.transcript.gaps.is_empty();
        let Some(stage) = sight.transcript.first_failure().filter(|_| !held_back) else {
            continue;
        };
        let problem = stage
            .problem
            .map_or_else(String::new, |problem| format!(": {problem}"));
        let what = format!(
            "look at `{}` from here ({} failed{problem})",
            clean_line(&sight.transcript.host),
            stage.stage.as_str()
        );
        let known = found.entry(what).or_insert((reason(stage), false));
        known.1 |= counts;
    }
    found
        .into_iter()
        .map(|(what, (why, counts))| ReportGap {
            what,
            why,
            grant: None,
            counts,
        })
        .collect()
}

/// Events live for an hour. Where the cause is unknown and a pod has none left, that is a gap.
fn expired(evidence: &Evidence, diagnoses: &[Diagnosis], index: &Index<'_>) -> Vec<ReportGap> {
    let mut pods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for diagnosis in diagnoses
        .iter()
        .filter(|one| one.first.cause == CauseId::Unknown)
    {
        let symptom = &evidence.symptoms[diagnosis.symptom];
        if index.has_no_events(symptom) {
            pods.entry(&symptom.namespace)
                .or_default()
                .insert(&symptom.pod);
        }
    }
    pods.into_iter()
        .map(|(namespace, pods)| {
            let mut names: Vec<&str> = pods.iter().copied().take(3).collect();
            let more = pods.len().saturating_sub(names.len());
            let rest = format!("{more} more");
            if more > 0 {
                names.push(&rest);
            }
            ReportGap {
                what: format!(
                    "read the events of pods in {namespace}: {}",
                    names.join(", ")
                ),
                why: GapReason::Expired,
                grant: None,
                counts: true,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_cluster_cause_and_object_alone() {
        let image = Object::image("registry.example.com/shop/api:1");
        let one = id("https://a", CauseId::ImageNotFoundTag, &image);
        assert_eq!(one, id("https://a", CauseId::ImageNotFoundTag, &image));
        assert_ne!(one, id("https://b", CauseId::ImageNotFoundTag, &image));
        assert_ne!(one, id("https://a", CauseId::ImageNotFoundRepo, &image));
        let here = Object::secret("shop", "regcred");
        let there = Object::secret("cart", "regcred");
        assert_ne!(
            id("https://a", CauseId::SecretMissing, &here),
            id("https://a", CauseId::SecretMissing, &there)
        );
    }
}
