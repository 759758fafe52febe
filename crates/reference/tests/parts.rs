//! The parts of good references, as written and as each reader has them.

use pulldoctor_reference::{Algorithm, Reference};

const HEX: &str = "e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";

#[test]
fn spans_cut_out_what_was_written() {
    let written = format!("registry.example.com:5000/shop/api:1.4.2@sha256:{HEX}");
    let reference = Reference::parse(&written).unwrap();
    let spans = reference.spans();
    assert_eq!(
        spans.registry.unwrap().of(&written),
        Some("registry.example.com:5000")
    );
    assert_eq!(spans.repository.of(&written), Some("shop/api"));
    assert_eq!(spans.tag.unwrap().of(&written), Some("1.4.2"));
    assert_eq!(
        spans.digest.unwrap().of(&written),
        Some(&*format!("sha256:{HEX}"))
    );
    assert_eq!(reference.tag(), Some("1.4.2"));
    assert_eq!(reference.effective_tag(), Some("1.4.2"));
    let digest = reference.digest().unwrap();
    assert_eq!((digest.algorithm(), digest.hex()), (Algorithm::Sha256, HEX));
    assert_eq!(reference.as_written(), written);
    assert_eq!(reference.kubelet_name(), written);
}

#[test]
fn a_short_name_stays_short_for_the_runtime() {
    let reference = Reference::parse("nginx").unwrap();
    assert_eq!(reference.domain(), "docker.io");
    assert_eq!(reference.registry(), "docker.io");
    assert_eq!(reference.registry_api_host(), "registry-1.docker.io");
    assert_eq!(reference.repository(), "library/nginx");
    assert_eq!(reference.kubelet_name(), "nginx:latest");
    assert_eq!(reference.familiar(), "nginx");
    assert_eq!(reference.spans().registry, None);
    assert!(!reference.has_explicit_domain());
    assert!(reference.is_short_name());
}

#[test]
fn the_old_name_of_docker_hub_is_docker_io() {
    let written = "index.docker.io/nginx:1";
    let reference = Reference::parse(written).unwrap();
    assert_eq!(reference.normal(), "docker.io/library/nginx:1");
    assert_eq!(reference.registry_api_host(), "registry-1.docker.io");
    assert_eq!(
        reference.spans().registry.unwrap().of(written),
        Some("index.docker.io")
    );
    assert_eq!(reference.spans().repository.of(written), Some("nginx"));
    assert!(!reference.is_short_name());
}

#[test]
fn a_digest_alone_has_no_tag() {
    let written = format!("shop/api@sha256:{HEX}");
    let reference = Reference::parse(&written).unwrap();
    assert_eq!(reference.effective_tag(), None);
    assert_eq!(reference.kubelet_name(), written);
    assert_eq!(reference.normal(), format!("docker.io/{written}"));
}

#[test]
fn a_host_with_an_underscore_is_asked_though_go_sees_none() {
    let reference = Reference::parse("my_registry.io/shop/api:1").unwrap();
    assert_eq!(
        (reference.domain(), reference.path()),
        ("", "my_registry.io/shop/api")
    );
    assert_eq!(
        (reference.registry(), reference.repository()),
        ("my_registry.io", "shop/api")
    );
    assert_eq!(reference.repo(), "my_registry.io/shop/api");
    assert!(reference.has_explicit_domain());
    assert!(reference.is_short_name());
}

#[test]
fn a_bare_host_is_a_repository_of_docker_hub() {
    let reference = Reference::parse("registry.example.com:5000").unwrap();
    assert_eq!(
        reference.normal(),
        "docker.io/library/registry.example.com:5000"
    );
    assert!(!reference.has_explicit_domain());
}
