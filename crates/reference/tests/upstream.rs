//! The inputs of distribution/reference's own tests, with the kubelet's answers.

use pulldoctor_reference::Reference;

#[test]
fn upstream_vectors_read_as_the_kubelet_reads_them() {
    let mut compared = 0;
    for line in include_str!("data/upstream.tsv").lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields.as_slice(), Reference::parse(fields[0])) {
            ([input, "ok", domain, path, normal], Ok(reference)) => {
                assert_eq!(&reference.domain(), domain, "{input}");
                assert_eq!(&reference.path(), path, "{input}");
                assert_eq!(&reference.normal(), normal, "{input}");
            }
            ([input, "error", text], Err(error)) => {
                assert_eq!(&error.kubelet_text(), text, "{input}");
            }
            (_, result) => panic!("{line}: {result:?}"),
        }
        compared += 1;
    }
    assert!(compared > 150, "only {compared} vectors");
}

/// `TestParseRepositoryInfo` (`normalize_test.go`): the familiar name of each.
#[test]
fn familiar_names_read_as_upstream_has_them() {
    for (input, familiar) in [
        ("localhost/fooo/bar", "localhost/fooo/bar"),
        ("LOCALDOMAIN/fooo", "LOCALDOMAIN/fooo"),
        ("index.docker.io/fooo/bar", "fooo/bar"),
        ("docker.io/library/ubuntu", "ubuntu"),
        ("library/ubuntu", "ubuntu"),
        ("docker.io/other/library", "other/library"),
        (
            "127.0.0.1:8000/private/moonbase",
            "127.0.0.1:8000/private/moonbase",
        ),
        (
            "index.docker.io/library/ubuntu-12.04-base",
            "ubuntu-12.04-base",
        ),
        ("docker.io/library/foo/bar", "library/foo/bar"),
        ("docker.io/store/foo/bar", "store/foo/bar"),
        ("Foo/bar", "Foo/bar"),
        ("docker.io/library/busybox:1", "busybox:1"),
    ] {
        assert_eq!(
            Reference::parse(input).unwrap().familiar(),
            familiar,
            "{input}"
        );
    }
}

/// `TestParseDockerRef` (`normalize_test.go`): what containerd resolves.
#[test]
fn containerd_drops_the_tag_next_to_a_digest() {
    let digest = "sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582";
    for (input, name) in [
        (
            "busybox".to_owned(),
            "docker.io/library/busybox:latest".to_owned(),
        ),
        (
            "gcr.io/library/busybox:1".to_owned(),
            "gcr.io/library/busybox:1".to_owned(),
        ),
        (
            format!("busybox@{digest}"),
            format!("docker.io/library/busybox@{digest}"),
        ),
        (
            format!("gcr.io/library/busybox:latest@{digest}"),
            format!("gcr.io/library/busybox@{digest}"),
        ),
    ] {
        let image = Reference::parse(&input).unwrap();
        assert_eq!(image.containerd_name(), name);
        assert!(image.is_written_as(&name) && image.is_written_as(&input));
        for other in [
            format!("{name}0"),
            "quay.io/library/busybox:latest".to_owned(),
            "gcr.io/library/busybox:2".to_owned(),
            format!("docker.io/library/busy@{digest}"),
            String::new(),
        ] {
            let is_same =
                Reference::parse(&other).is_ok_and(|other| other.containerd_name() == name);
            assert!(!is_same && !image.is_written_as(&other), "{other}");
        }
    }
}
