//! A node whose runtime, hosts file or name server leads somewhere else.

use super::*;

#[test]
fn a_dead_mirror_is_proven_at_the_mirror() {
    let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to resolve image: failed to do request: Head \"https://mirror.example.com/v2/library/redis/manifests/7?ns=docker.io\": dial tcp 10.9.0.4:443: connect: connection refused";
    let view = and_sight(
        own_network(there("docker.io/library/redis:7")),
        NodeRole::Mirror,
        other_registry("mirror.example.com", StageName::Tcp, Problem::TcpRefused),
    );
    let finding = stuck("redis:7", "ErrImagePull", text)
        .node_view(view)
        .judge();
    assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
    assert_eq!(finding.confidence, Confidence::Proven);
    assert!(
        finding
            .notes
            .iter()
            .any(|(word, text)| word == "behind it" && text.contains("answers the node")),
        "{:?}",
        finding.notes
    );
    let well = and_sight(
        own_network(there("docker.io/library/redis:7")),
        NodeRole::Mirror,
        good_before("mirror.example.com/library/redis:7", StageName::Token),
    );
    let finding = stuck("redis:7", "ErrImagePull", text)
        .node_view(well)
        .judge();
    assert_eq!(finding.confidence, Confidence::Possible);
}

#[test]
fn a_name_that_resolves_on_the_node_by_now_is_no_typo() {
    let image = "regsitry.example.com/shop/api:1";
    let text = format!(
        "failed to pull and unpack image \"{image}\": failed to resolve image: failed to do request: Head \"https://regsitry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup regsitry.example.com on 10.0.0.2:53: no such host"
    );
    let used = pulldoctor_model::RegistryUse {
        host: "registry.example.com".to_owned(),
        usage: pulldoctor_model::Usage {
            pulled: 3,
            waiting: 0,
        },
    };
    let fixture = stuck(image, "ErrImagePull", &text).answer(
        Question::RegistriesInUse,
        pulldoctor_model::Answer::Registries(vec![used]),
    );
    let nowhere = failed_at(image, StageName::Dns, Problem::DnsNxdomain, Facts::None);
    let typo = fixture.clone().node_view(own_network(nowhere)).judge();
    assert_eq!(typo.cause, CauseId::HostTypo);
    assert_eq!(typo.confidence, Confidence::Proven);
    let refused = failed_at(image, StageName::Tcp, Problem::TcpRefused, Facts::None);
    let finding = fixture.node_view(own_network(refused)).judge();
    assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
    assert_eq!(finding.confidence, Confidence::Possible);
}

#[test]
fn a_hosts_file_that_leads_elsewhere_is_told() {
    let mut seen = fails(StageName::Tcp, Problem::TcpRefused);
    seen.stages[0].facts = Facts::Dns(DnsFacts {
        name: "registry.example.com".to_owned(),
        addresses: vec!["10.99.0.1".parse().unwrap()],
        system: Some(DnsResult {
            answer: DnsAnswer::Addresses,
            addresses: vec!["10.99.0.1".parse().unwrap()],
            note: Some("/etc/hosts".to_owned()),
        }),
        questions: vec![DnsQuestion {
            server: "10.0.0.2:53".parse().unwrap(),
            name: "registry.example.com".to_owned(),
            record: DnsRecordKind::A,
            result: DnsResult {
                answer: DnsAnswer::Addresses,
                addresses: vec!["10.9.0.4".parse().unwrap()],
                note: None,
            },
            took_ms: 1,
        }],
        disagree: true,
        ..DnsFacts::default()
    });
    let refused = || request("dial tcp 10.99.0.1:443: connect: connection refused");
    let finding = refused()
        .registry(crate::causes::here::samples::at_address(IMAGE, "10.9.0.4"))
        .node_view(own_network(seen.clone()))
        .judge();
    assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
    assert_eq!(finding.confidence, Confidence::Proven);
    let note = |finding: &Finding, word: &str| {
        finding
            .notes
            .iter()
            .find(|(known, _)| known == word)
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    };
    assert_eq!(
        note(&finding, "hosts file"),
        "`/etc/hosts` of the node gives 10.99.0.1 for `registry.example.com`"
    );
    assert!(note(&finding, "two answers").contains("10.99.0.1 and this computer to 10.9.0.4"));
    let told = format!("{:?}", finding.evidence);
    assert!(
        told.contains("name servers: 10.0.0.2:53: 10.9.0.4"),
        "{told}"
    );
    // Pods have a hosts file of their own.
    let finding = refused().node_view(pod_network(seen)).judge();
    assert!(note(&finding, "hosts file").is_empty());
}

#[test]
fn a_runtime_that_asked_another_address_may_be_told_to() {
    let finding = request("dial tcp 10.77.0.1:443: i/o timeout")
        .node_view(own_network(crate::causes::here::samples::at_address(
            IMAGE, "10.9.0.4",
        )))
        .judge();
    assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout);
    assert_eq!(finding.confidence, Confidence::Possible);
    assert!(
        finding
            .rivals
            .iter()
            .any(|rival| rival.cause == CauseId::MirrorMisconfigured)
    );
}
