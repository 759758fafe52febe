//! Every fault that only a node knows has a case that names it, and a healthy counter-case: the
//! same fault is in place, and a pod is well that must not be reported.

use std::path::Path;

use pulldoctor_lab::case::{Case, Origin, Step, Wait, name_matches};

/// A fault, a case that reports it by these causes, and one in which somebody is well beside it.
/// Often that is another pod of the same case.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "resolver of one node does not know the name",
        "name-server-of-one-node-knows-no-such-host",
        "name-server-of-one-node-knows-no-such-host",
    ),
    (
        "resolver of one node fails",
        "name-server-of-one-node-fails",
        "name-server-of-one-node-fails",
    ),
    (
        "resolver of one node refuses",
        "name-server-of-one-node-refuses",
        "name-server-of-one-node-refuses",
    ),
    (
        "resolver of one node is silent",
        "name-server-of-one-node-is-silent",
        "name-server-of-one-node-is-silent",
    ),
    (
        "hosts file of one node",
        "hosts-file-of-one-node-is-old",
        "hosts-file-of-one-node-is-old",
    ),
    (
        "route missing on one node",
        "route-missing-on-one-node",
        "route-missing-on-one-node",
    ),
    (
        "authority missing on one node",
        "node-without-the-company-authority",
        "node-without-the-company-authority",
    ),
    (
        "proxy on one node only",
        "proxy-of-one-node-does-not-listen",
        "proxy-of-one-node-does-not-listen",
    ),
    (
        "mirror of one node is stale",
        "mirror-of-one-node-is-stale",
        "mirror-of-one-node-is-stale",
    ),
    (
        "mirror of one node is broken, and the registry behind it serves",
        "mirror-of-one-node-is-gone",
        "healthy-log-full-of-errors",
    ),
    (
        "host of blobs blocked from one node",
        "layers-blocked-from-one-node",
        "layers-blocked-from-one-node",
    ),
    (
        "firewall of one node drops",
        "firewall-of-one-node-drops",
        "firewall-of-one-node-drops",
    ),
    (
        "firewall of one node refuses",
        "firewall-of-one-node-refuses",
        "firewall-of-one-node-refuses",
    ),
    (
        "egress of pods blocked",
        "healthy-egress-of-pods-is-blocked",
        "healthy-egress-of-pods-is-blocked",
    ),
    (
        "disk full",
        "disk-full-and-what-the-image-needs",
        "disk-full-and-what-the-image-needs",
    ),
    ("no inodes", "node-without-inodes", "node-without-inodes"),
    (
        "store read-only",
        "image-store-is-read-only",
        "image-store-is-read-only",
    ),
    (
        "store lost blobs",
        "store-lost-layers-in-a-power-cut",
        "store-lost-layers-in-a-power-cut",
    ),
    ("pause image gone", "pause-image-gone", "pause-image-gone"),
    (
        "pulls a second of one kubelet",
        "kubelet-allows-one-pull-a-second",
        "kubelet-allows-one-pull-a-second",
    ),
    (
        "pulls a second of one kubelet, as they are usual",
        "kubelet-allows-one-pull-a-second",
        "healthy-many-pods-at-once",
    ),
    (
        "serial queue held by a slow pull",
        "slow-pull-holds-a-serial-kubelet",
        "queue-of-a-serial-kubelet",
    ),
    (
        "runtime stopped in the middle of a pull",
        "runtime-stopped-in-the-middle-of-a-pull",
        "runtime-stopped-in-the-middle-of-a-pull",
    ),
    (
        "mirror that only the log names",
        "mirror-that-only-the-nodes-log-names",
        "tag-pushed-after-the-nodes-try",
    ),
    (
        "mirror in a log that is given",
        "dead-mirror-before-a-missing-tag",
        "log-holds-a-mirror-of-another-image",
    ),
];

/// A clock cannot be set on the lab's nodes: of these the first is an edited recording, and the
/// second the same text from a node whose clock is right.
const CLOCK: (&str, &str) = ("node-three-days-behind", "certificate-not-yet-valid");

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases");
    Case::load_all(&root).expect("readable cases")
}

fn named<'c>(cases: &'c [Case], name: &str) -> &'c Case {
    let found = cases.iter().find(|case| case.name == name);
    assert!(found.is_some(), "no case `{name}`");
    found.expect("it was found")
}

fn waits(case: &Case) -> impl Iterator<Item = &Wait> {
    let later = case.steps.iter().filter_map(|step| match step {
        Step::Wait(wait) => Some(wait),
        _ => None,
    });
    case.wait.iter().chain(later)
}

/// Whether a case has seen a pod run, or pull, that no incident may name.
fn somebody_is_well(case: &Case) -> bool {
    waits(case)
        .filter(|wait| wait.running == Some(true) || wait.event.as_deref() == Some("Pulling"))
        .any(|wait| {
            case.expect.absent.iter().any(|pattern| {
                name_matches(pattern, wait.pod.trim_end_matches('*')) || *pattern == wait.pod
            })
        })
}

/// The names of a case's faults: `firewall`, `hosts_toml`.
fn faults(case: &Case) -> Vec<String> {
    case.all_faults()
        .filter_map(|fault| {
            let value = serde_json::to_value(fault).ok()?;
            value.as_object()?.keys().next().cloned()
        })
        .collect()
}

#[test]
fn every_fault_of_a_node_has_a_healthy_counter_case() {
    let cases = cases();
    let mut wrong = Vec::new();
    for (fault, ill, well) in FAULTS {
        let (ill, well) = (named(&cases, ill), named(&cases, well));
        for case in [ill, well] {
            if case.origin != Origin::Lab {
                wrong.push(format!("{fault}: `{}` is not of the lab", case.name));
            }
        }
        let by_run = ill.runs.iter().any(|run| run.exit == 1);
        if ill.expect.incidents.is_empty() && !by_run {
            wrong.push(format!("{fault}: `{}` reports nothing", ill.name));
        }
        let acquits = |case: &Case| {
            let incidents = &case.expect.incidents;
            incidents
                .iter()
                .any(|incident| !incident.not_also.is_empty() || !incident.ruled_out.is_empty())
        };
        if !somebody_is_well(well)
            || (well.expect.exit != 0 && ill.name != well.name && !acquits(well))
        {
            wrong.push(format!("{fault}: nobody is well in `{}`", well.name));
        }
        let (of_ill, of_well) = (faults(ill), faults(well));
        if !of_ill.is_empty() && !of_ill.iter().any(|fault| of_well.contains(fault)) {
            wrong.push(format!("{fault}: `{}` lacks it", well.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_clock_is_told_from_a_wrong_certificate() {
    let cases = cases();
    let (skewed, right) = (named(&cases, CLOCK.0), named(&cases, CLOCK.1));
    let clock = &skewed.expect.incidents[0];
    assert_eq!(
        (clock.cause.as_str(), clock.confidence.as_str()),
        ("clock-skew", "proven")
    );
    assert!(
        skewed.story.contains("edited"),
        "the story says that it is edited"
    );
    let certificate = &right.expect.incidents[0];
    assert_eq!(certificate.cause, "tls-not-yet-valid");
    assert!(certificate.ruled_out.contains(&"clock-skew".to_owned()));
}
