//! Every case is well formed, down to the virtual hosts that only the fault daemon reads.

use std::path::Path;

use pulldoctor_lab::canary;
use pulldoctor_lab::case::{Case, Origin, Step};
use pulldoctor_testkit::spec::HostSpec;

#[test]
fn every_case_reads_and_its_hosts_are_specifications() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let cases = Case::load_all(&root).expect("readable cases");
    assert!(!cases.is_empty());
    for case in cases {
        // A fixture is only replayed: it has nothing to apply.
        if case.origin == Origin::Lab {
            case.manifests().expect("manifests, inline or beside");
        }
        let steps = case.steps.iter().filter_map(|step| match step {
            Step::Hosts(hosts) => Some(hosts),
            _ => None,
        });
        for (name, spec) in std::iter::once(&case.hosts).chain(steps).flatten() {
            if let Err(error) = serde_json::from_value::<HostSpec>(spec.clone()) {
                panic!("{}: host {name}: {error}", case.name);
            }
        }
    }
}

/// Or the tests that look for leaked passwords would pass for nothing.
#[test]
fn every_password_of_a_case_is_a_canary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    let mut found = 0;
    for case in Case::load_all(&root).expect("readable cases") {
        if case.origin != Origin::Lab {
            continue;
        }
        let mut texts = vec![case.manifests().expect("manifests")];
        texts.push(serde_json::to_string(&case.hosts).expect("hosts"));
        for step in &case.steps {
            match step {
                Step::Apply(text) => texts.push(text.clone()),
                Step::Hosts(hosts) => texts.push(serde_json::to_string(hosts).expect("hosts")),
                _ => {}
            }
        }
        for text in texts {
            for after in text.split("\"password\":").skip(1) {
                let password = after.trim_start().split('"').nth(1).unwrap_or_default();
                let is_canary = !canary::leaks(password).is_empty();
                assert!(is_canary, "{}: password `{password}`", case.name);
                found += 1;
            }
        }
    }
    assert!(found > 40, "only {found} passwords");
}
