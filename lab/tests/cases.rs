//! Every case is well formed, down to the virtual hosts that only the fault daemon reads.

use std::path::Path;

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
