//! Holds `Dialect::Until128` against answers of the parser that kubelet 1.28 and older have.
//!
//! `data/until128.jsonl` was recorded from `ParseNormalizedNamed` of
//! `github.com/docker/distribution` 2.8.2 (`go.mod` of Kubernetes 1.28), on inputs of the same
//! generator as the differential test's. A third of the lines reads otherwise since 1.29. (The whole
//! run of 300 000 agreed when it was recorded.)

use pulldoctor_reference::{Dialect, Reference};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    image: String,
    ok: bool,
    repo: String,
    domain: String,
    path: String,
    normal: String,
    error: String,
}

#[test]
fn dialect_until_128_agrees_with_the_old_parser() {
    let mut compared = 0;
    for line in include_str!("data/until128.jsonl").lines() {
        let recorded: Recorded = serde_json::from_str(line).unwrap();
        let image = recorded.image;
        match Reference::parse_as(&image, Dialect::Until128) {
            Ok(reference) => {
                assert!(recorded.ok, "{image:?} is refused: {}", recorded.error);
                assert_eq!(reference.repo(), recorded.repo, "{image:?}");
                assert_eq!(reference.domain(), recorded.domain, "{image:?}");
                assert_eq!(reference.path(), recorded.path, "{image:?}");
                assert_eq!(reference.normal(), recorded.normal, "{image:?}");
            }
            Err(error) => {
                assert!(!recorded.ok, "{image:?} is accepted as {}", recorded.normal);
                assert_eq!(error.kubelet_text(), recorded.error, "{image:?}");
            }
        }
        compared += 1;
    }
    assert!(compared >= 400, "only {compared} recorded answers");
}

#[test]
fn an_upper_case_organisation_is_a_host_only_since_129() {
    let old = Reference::parse_as("MyOrg/app:1", Dialect::Until128).unwrap_err();
    assert_eq!(
        old.kubelet_text(),
        "invalid reference format: repository name must be lowercase"
    );
    assert_eq!(old.span().of("MyOrg/app:1"), Some("M"));

    let new = Reference::parse_as("MyOrg/app:1", Dialect::Since129).unwrap();
    assert_eq!(new.registry(), "MyOrg");
    assert_eq!(new.repository(), "app");
    assert!(new.has_explicit_domain());
    // CRI-O still takes it for a short name.
    assert!(new.is_short_name());
}
