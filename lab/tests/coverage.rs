//! Every cause has a case: recorded from the lab, or written after a cited source.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pulldoctor_lab::case::{Case, Origin};
use pulldoctor_model::{CauseId, Family};

/// They explain why a fault bites and stand beside the fault that they explain; they come first
/// only where nothing else is wrong. So a case has to name them, in whichever of the two places.
const CONTRIBUTING: [CauseId; 2] = [
    CauseId::AlwaysNeedsRegistry,
    CauseId::ImageRewrittenByAdmission,
];

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    Case::load_all(&root).expect("readable cases")
}

fn names(case: &Case, cause: CauseId) -> bool {
    case.expect.incidents.iter().any(|incident| {
        incident.cause == cause.as_str()
            || (CONTRIBUTING.contains(&cause)
                && incident.also.iter().any(|also| also == cause.as_str()))
    })
}

#[test]
fn every_cause_has_a_case() {
    let cases = cases();
    let missing: Vec<&str> = CauseId::ALL
        .iter()
        .filter(|cause| !cases.iter().any(|case| names(case, **cause)))
        .map(|cause| cause.as_str())
        .collect();
    assert!(missing.is_empty(), "no case for: {}", missing.join(", "));
}

#[test]
fn every_family_has_cases_of_the_lab_and_the_count_is_told_apart() {
    let mut lab: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_fixture: BTreeSet<&str> = BTreeSet::new();
    let cases = cases();
    for cause in CauseId::ALL {
        let of_lab = cases
            .iter()
            .filter(|case| case.origin == Origin::Lab && names(case, *cause))
            .count();
        *lab.entry(cause.family().title()).or_default() += of_lab;
        if of_lab == 0 {
            by_fixture.insert(cause.as_str());
        }
    }
    println!(
        "causes that only fixtures show: {}",
        by_fixture.into_iter().collect::<Vec<_>>().join(", ")
    );
    for family in Family::ALL {
        // What nothing tells cannot be made to happen on kubelets that always tell.
        if family != Family::Unknown {
            assert!(
                lab.get(family.title()).is_some_and(|count| *count > 0),
                "no case of the lab in the family {}",
                family.title()
            );
        }
    }
}

#[test]
fn a_fixture_needs_no_cluster() {
    for case in cases() {
        if case.origin == Origin::Fixture {
            let wanted = case.manifests.is_some()
                || !case.hosts.is_empty()
                || !case.wait.is_empty()
                || !case.steps.is_empty()
                || !case.faults.is_empty();
            assert!(!wanted, "{}: a fixture is only replayed", case.name);
            assert!(case.evidence_file().is_file(), "{}: no evidence", case.name);
        }
    }
}
