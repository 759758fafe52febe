//! Every recorded case, replayed through the pure engine: no cluster, no network.

use std::{fs, path::Path};

use pulldoctor_lab::{
    canary,
    case::{Case, Origin},
    check,
};
use pulldoctor_model::{Confidence, Evidence, Report};

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let mut folders: Vec<_> = fs::read_dir(root)
        .expect("the folder of cases")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("case.yaml").is_file())
        .collect();
    folders.sort();
    folders
        .iter()
        .map(|folder| Case::load(folder).expect("a readable case"))
        .collect()
}

/// What contracts promise of every report, whatever the case.
fn broken_promises(report: &Report) -> Vec<String> {
    let mut broken = Vec::new();
    for incident in &report.incidents {
        let unknown = incident.cause == pulldoctor_model::CauseId::Unknown;
        if unknown != (incident.confidence == Confidence::Unknown) {
            broken.push(format!(
                "{}: unknown in one of cause and confidence only",
                incident.cause
            ));
        }
        if unknown && incident.next.is_empty() {
            broken.push("unknown without a next question".to_owned());
        }
        if incident.confidence == Confidence::Possible && incident.rivals.is_empty() {
            broken.push(format!("{}: possible without a rival", incident.cause));
        }
        if incident.confidence == Confidence::Proven && !incident.rivals.is_empty() {
            broken.push(format!("{}: proven with a rival", incident.cause));
        }
        if incident.symptoms.is_empty() || incident.summary.is_empty() {
            broken.push(format!("{}: no symptom or no summary", incident.cause));
        }
    }
    broken
}

#[test]
fn every_recording_is_judged_as_its_case_says() {
    let (mut lab, mut fixtures, mut failures) = (0, 0, Vec::new());
    for case in cases() {
        let file = case.dir.join("evidence.json");
        let text = fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}: record it", file.display()));
        let evidence: Evidence = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let report = pulldoctor_diagnose::report(&evidence);
        let mut wrong = broken_promises(&report);
        let document = serde_json::to_value(&report).expect("a report serialises");
        wrong.extend(check::report(
            &case.expect,
            i32::from(report.exit().code()),
            &document,
        ));
        if !wrong.is_empty() {
            failures.push(format!("{}: {}", case.name, wrong.join("; ")));
        }
        match case.origin {
            Origin::Lab => lab += 1,
            Origin::Fixture => fixtures += 1,
        }
    }
    println!("replayed {lab} recordings of the lab and {fixtures} fixtures");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(lab > 0, "no recording was found");
}

#[test]
fn no_recording_holds_a_secret() {
    for case in cases() {
        let text = fs::read_to_string(case.dir.join("evidence.json")).expect("a recording");
        let evidence: Evidence = serde_json::from_str(&text).expect("evidence");
        let report = serde_json::to_string(&pulldoctor_diagnose::report(&evidence));
        for (what, text) in [("evidence", &text), ("report", &report.expect("a report"))] {
            let leaks = canary::leaks(text);
            assert!(leaks.is_empty(), "{}: {leaks:?} in its {what}", case.name);
        }
        for word in [
            "\"auth\": \"",
            "\"password\": \"",
            "\".dockerconfigjson\":",
            "Bearer ey",
        ] {
            assert!(
                !text.contains(word),
                "{}: {word} in its evidence",
                case.name
            );
        }
    }
}
