use super::*;

const NODE: &str = "n1";
const IMAGE: &str = "registry.example.com/shop/api:1";
const DNS: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
const MISSING: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: registry.example.com/shop/api:1: not found";
const FULL: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/1/data: no space left on device";
const DENIED: &str = "failed to pull and unpack image \"registry.example.com/base:1\": failed to resolve image: pulling from host registry.example.com failed with status code [manifests 1]: 401 Unauthorized";

const LATE: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp 10.9.0.4:443: i/o timeout";

fn tried(role: TrialRole, got: bool, was_there: bool, reason: &str, message: &str) -> Trial {
    Trial {
        role,
        image: IMAGE.to_owned(),
        node: if role == TrialRole::SuspectElsewhere {
            "n2".to_owned()
        } else {
            NODE.to_owned()
        },
        result: TrialResult::Tried(KubeletPull {
            got,
            was_there,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }),
    }
}

fn pulled(role: TrialRole) -> Trial {
    tried(role, true, false, "", "")
}

fn resolved(role: TrialRole) -> Trial {
    tried(role, true, true, "", "")
}

fn failed(role: TrialRole, message: &str) -> Trial {
    tried(role, false, false, "ErrImagePull", message)
}

fn id(found: &Isolation) -> Option<CauseId> {
    found.cause.map(|(cause, _)| cause)
}

fn of(trials: &[Trial]) -> Isolation {
    isolate(NODE, Some(IMAGE), trials)
}

use TrialRole::{OtherRegistryHere, SameRegistryHere, SuspectElsewhere, SuspectHere};

#[test]
fn the_table() {
    for (elsewhere, same, other, fault, cause) in [
        (
            None,
            Some(DNS),
            None,
            Fault::Path,
            Some(CauseId::RegistryUnreachableDns),
        ),
        (
            None,
            Some(DNS),
            Some(DNS),
            Fault::Node,
            Some(CauseId::RegistryUnreachableDns),
        ),
        (
            Some(DNS),
            Some(DNS),
            None,
            Fault::Registry,
            Some(CauseId::RegistryUnreachableDns),
        ),
        (Some(DNS), Some(DNS), Some(DNS), Fault::Both, None),
    ] {
        let end =
            |role, text: Option<&str>| text.map_or_else(|| pulled(role), |text| failed(role, text));
        let found = of(&[
            failed(SuspectHere, DNS),
            end(SuspectElsewhere, elsewhere),
            end(SameRegistryHere, same),
            end(OtherRegistryHere, other),
        ]);
        assert_eq!((found.fault, id(&found)), (fault, cause), "{found:?}");
    }
}

#[test]
fn a_registry_that_two_nodes_do_not_reach() {
    let found = of(&[
        failed(SuspectHere, DNS),
        failed(SuspectElsewhere, DNS),
        failed(SameRegistryHere, DNS),
    ]);
    assert_eq!(found.fault, Fault::Registry);
    assert!(found.summary.ends_with("pulls from it"));
    // For two reasons it is told of neither.
    let found = of(&[
        failed(SuspectHere, DNS),
        failed(SuspectElsewhere, LATE),
        failed(SameRegistryHere, DNS),
    ]);
    assert_eq!(found.fault, Fault::Undecided);
}

#[test]
fn whose_image_it_is() {
    let found = of(&[
        failed(SuspectHere, MISSING),
        failed(SuspectElsewhere, MISSING),
        pulled(SameRegistryHere),
    ]);
    assert_eq!(found.fault, Fault::Image);
    assert_eq!(id(&found), Some(CauseId::ImageNotFoundTag));
    let found = of(&[
        failed(SuspectHere, MISSING),
        pulled(SuspectElsewhere),
        pulled(SameRegistryHere),
    ]);
    assert_eq!(found.fault, Fault::ImageOnNode);
}

#[test]
fn without_an_image_of_the_same_registry_the_text_says_which_it_is() {
    let of_text = |text| {
        of(&[
            failed(SuspectHere, text),
            pulled(SuspectElsewhere),
            pulled(OtherRegistryHere),
        ])
        .fault
    };
    assert_eq!(of_text(DNS), Fault::Path);
    assert_eq!(of_text(FULL), Fault::ImageOnNode);
    assert_eq!(of_text(MISSING), Fault::Undecided);
}

#[test]
fn a_registry_that_is_reached_now_is_not_unreachable() {
    for elsewhere in [pulled(SuspectElsewhere), failed(SuspectElsewhere, DNS)] {
        let found = of(&[
            failed(SuspectHere, DNS),
            elsewhere,
            pulled(SameRegistryHere),
        ]);
        assert_eq!(found.fault, Fault::Undecided);
        assert_eq!(found.cause, None);
        assert!(found.limits.iter().any(|limit| limit.contains("now")));
    }
}

#[test]
fn an_image_that_is_there_already_tests_no_layers() {
    let here = failed(SuspectHere, FULL);
    let shallow = of(&[
        here.clone(),
        pulled(SuspectElsewhere),
        resolved(SameRegistryHere),
    ]);
    assert_eq!(shallow.fault, Fault::Undecided);
    assert!(shallow.limits.iter().any(|limit| limit.contains("already")));
    let deep = of(&[
        here,
        pulled(SuspectElsewhere),
        failed(SameRegistryHere, FULL),
        failed(OtherRegistryHere, FULL),
    ]);
    assert_eq!(deep.fault, Fault::Node);
    assert_eq!(deep.cause, Some((CauseId::DiskFull, Confidence::Possible)));
    // A manifest that is missing is told by the first request.
    let found = of(&[
        failed(SuspectHere, MISSING),
        failed(SuspectElsewhere, MISSING),
        resolved(SameRegistryHere),
    ]);
    assert_eq!(found.fault, Fault::Image);
    assert_eq!(id(&found), Some(CauseId::ImageNotFoundTag));
}

#[test]
fn an_image_that_another_node_has_is_no_reason_not_to_store_it() {
    const LOST: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to extract layer sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae: failed to get reader from content store: blob sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 expected at /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9: blob not found: not found";
    const CUT: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://blobs.example.com/x\": dial tcp 10.9.0.4:443: connect: connection refused";
    let of_text = |text| {
        of(&[
            failed(SuspectHere, text),
            resolved(SuspectElsewhere),
            pulled(OtherRegistryHere),
        ])
    };
    let found = of_text(LOST);
    assert_eq!(found.fault, Fault::ImageOnNode);
    assert_eq!(id(&found), Some(CauseId::NodeStoreDamaged));
    // That layers came once says nothing of whether they come now.
    assert_eq!(of_text(CUT).fault, Fault::Undecided);
}

#[test]
fn a_good_image_that_is_refused_says_nothing_about_the_node() {
    let found = of(&[
        failed(SuspectHere, DNS),
        pulled(SuspectElsewhere),
        failed(SameRegistryHere, DENIED),
        failed(OtherRegistryHere, DENIED),
    ]);
    assert_eq!(found.fault, Fault::Undecided);
    assert!(
        found
            .limits
            .iter()
            .any(|limit| limit.contains("of its own"))
    );
}

#[test]
fn two_faults_are_not_taken_for_one() {
    let found = of(&[
        failed(SuspectHere, FULL),
        failed(SuspectElsewhere, DNS),
        pulled(SameRegistryHere),
    ]);
    assert_eq!(found.fault, Fault::Undecided);
    assert!(
        found
            .limits
            .iter()
            .any(|limit| limit.contains("two faults"))
    );
}

#[test]
fn a_node_on_which_no_pod_starts() {
    let found = of(&[
        failed(SuspectHere, DNS),
        pulled(SuspectElsewhere),
        tried(SameRegistryHere, false, false, "ContainerCreating", ""),
    ]);
    assert_eq!(found.fault, Fault::Sandbox);
}

#[test]
fn a_fault_that_is_over() {
    let found = of(&[pulled(SuspectHere), pulled(SuspectElsewhere)]);
    assert_eq!(found.fault, Fault::Over);
}

#[test]
fn a_node_alone() {
    let alone = |trials: &[Trial]| isolate(NODE, None, trials).fault;
    let (same, other) = (SameRegistryHere, OtherRegistryHere);
    assert_eq!(alone(&[pulled(same), pulled(other)]), Fault::Over);
    assert_eq!(alone(&[failed(same, DNS), pulled(other)]), Fault::Path);
    assert_eq!(alone(&[failed(same, DNS), failed(other, DNS)]), Fault::Node);
    assert_eq!(alone(&[pulled(same)]), Fault::Over);
    assert_eq!(alone(&[pulled(other)]), Fault::Over);
    assert_eq!(alone(&[failed(same, DNS)]), Fault::Undecided);
    assert_eq!(alone(&[]), Fault::Undecided);
}

#[test]
fn a_probe_stands_in_where_a_pull_would_hang() {
    let seen = crate::fixture::failed_at(
        IMAGE,
        pulldoctor_model::registry::StageName::Tcp,
        pulldoctor_model::registry::Problem::TcpTimeout,
        pulldoctor_model::registry::Facts::None,
    );
    let probed = Trial {
        result: TrialResult::Probed(Box::new(seen)),
        ..pulled(SameRegistryHere)
    };
    let found = of(&[
        failed(SuspectHere, LATE),
        pulled(SuspectElsewhere),
        probed,
        pulled(OtherRegistryHere),
    ]);
    assert_eq!(found.fault, Fault::Path);
    assert_eq!(
        found.cause,
        Some((CauseId::RegistryUnreachableTimeout, Confidence::Proven))
    );
    assert!(found.limits.iter().any(|limit| limit.contains("probe")));
}

#[test]
fn a_registry_that_answers_a_probe_is_reached() {
    let probed = |problem| Trial {
        result: TrialResult::Probed(Box::new(crate::fixture::failed_at(
            IMAGE,
            pulldoctor_model::registry::StageName::Manifest,
            problem,
            pulldoctor_model::registry::Facts::None,
        ))),
        ..pulled(SameRegistryHere)
    };
    let missing = || probed(pulldoctor_model::registry::Problem::NotFound);
    assert_eq!(missing().outcome(), TrialOutcome::Answered);
    let both = |here, elsewhere, same| {
        of(&[
            failed(SuspectHere, here),
            failed(SuspectElsewhere, elsewhere),
            same,
        ])
    };
    let found = both(MISSING, MISSING, missing());
    assert_eq!(found.fault, Fault::Image);
    assert_eq!(id(&found), Some(CauseId::ImageNotFoundTag));
    assert!(found.summary.ends_with("its registry answers `n1`"));
    // A registry with a fault of its own has not answered.
    let broken = probed(pulldoctor_model::registry::Problem::ServerError);
    assert_eq!(broken.outcome(), TrialOutcome::Failed);
    assert_eq!(both(MISSING, MISSING, broken).fault, Fault::Undecided);
    // That it is reached says nothing about a full disk.
    assert_eq!(both(FULL, FULL, missing()).fault, Fault::Undecided);
    // The other node has it: this one may be led to another registry.
    let found = of(&[
        failed(SuspectHere, MISSING),
        pulled(SuspectElsewhere),
        missing(),
    ]);
    assert_eq!(found.fault, Fault::Undecided);
}

#[test]
fn a_probe_does_not_see_the_runtimes_own_settings() {
    const UNKNOWN: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority";
    const PROXY: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": proxyconnect tcp: dial tcp 10.9.0.8:3128: connect: connection refused";
    let answered = || Trial {
        result: TrialResult::Probed(Box::new(crate::causes::support::missing::samples::there(
            IMAGE,
        ))),
        ..pulled(SameRegistryHere)
    };
    assert_eq!(answered().outcome(), TrialOutcome::Answered);
    let of_text = |text, other: &[Trial]| {
        let mut trials = vec![
            failed(SuspectHere, text),
            pulled(SuspectElsewhere),
            answered(),
        ];
        trials.extend(other.iter().cloned());
        let cause = read_text(text).finding;
        of(&trials).weighed(&trials, &cause)
    };
    for (text, cause) in [
        (UNKNOWN, CauseId::TlsUnknownAuthority),
        (PROXY, CauseId::ProxyFailure),
    ] {
        let found = of_text(text, &[]);
        assert_eq!(found.fault, Fault::Undecided);
        assert!(found.summary.starts_with("not the image: `n2` gets"));
        assert_eq!(id(&found), Some(cause));
        assert!(
            found
                .limits
                .iter()
                .any(|limit| limit.contains("authorities"))
        );
        assert!(!found.limits.iter().any(|limit| limit.contains("refute")));
        let found = of_text(text, &[pulled(OtherRegistryHere)]);
        assert_eq!((found.fault, id(&found)), (Fault::Path, Some(cause)));
    }
    // What a probe does see is over.
    let found = of_text(DNS, &[]);
    assert_eq!((found.fault, id(&found)), (Fault::Undecided, None));
    assert!(found.limits.iter().any(|limit| {
        limit.ends_with("the trials refute: the registry answers a probe from the node")
    }));
}

#[test]
fn an_image_that_is_missing_behind_a_node_that_does_not_resolve() {
    let trials = [
        failed(SuspectHere, DNS),
        failed(SuspectElsewhere, MISSING),
        failed(SameRegistryHere, DNS),
    ];
    let found = of(&trials).weighed(&trials, &read_text(DNS).finding);
    assert_eq!(found.fault, Fault::Both);
    assert_eq!(id(&found), Some(CauseId::RegistryUnreachableDns));
    assert!(found.summary.contains("`registry-unreachable-dns`"));
    // A tag or a repository: the text does not tell.
    assert!(found.summary.ends_with("(the registry refuses it)"));
    // Nothing but this image was seen to fail on the node.
    let found = of(&trials[..2]);
    assert_eq!(found.fault, Fault::Undecided);
}
