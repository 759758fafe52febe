mod elsewhere;

use pulldoctor_model::{
    CauseId, Confidence, Finding, NodeNetwork, NodeRole, NodeView, ObjectKind, Question,
    registry::{
        DnsAnswer, DnsFacts, DnsQuestion, DnsRecordKind, DnsResult, Facts, NearTag, Problem,
        StageName, StageOutcome, Transcript,
    },
};

use crate::{
    causes::{
        here::samples::{good_tls, handshake},
        support::missing::samples::{lists, refuses, there},
    },
    fixture::{
        Fixture, and_sight, challenged, failed_at, good_before, granted, no_token, other_registry,
        own_network, pod_network, stuck,
    },
};

const IMAGE: &str = "registry.example.com/shop/api:1";

fn request(end: &str) -> Fixture {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
    );
    stuck(IMAGE, "ErrImagePull", &text)
}

/// The node was told that the image is not there.
fn not_found() -> Fixture {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: {IMAGE}: not found"
    );
    stuck(IMAGE, "ErrImagePull", &text)
}

/// A text, the cause that it stands for, and the stage and problem that reproduce it.
const TABLE: &[(&str, CauseId, StageName, Problem)] = &[
    (
        "dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host",
        CauseId::RegistryUnreachableDns,
        StageName::Dns,
        Problem::DnsNxdomain,
    ),
    (
        "dial tcp: lookup registry.example.com on 10.0.0.2:53: server misbehaving",
        CauseId::RegistryUnreachableDns,
        StageName::Dns,
        Problem::DnsServfail,
    ),
    (
        "dial tcp 10.9.0.4:443: connect: connection refused",
        CauseId::RegistryUnreachableRefused,
        StageName::Tcp,
        Problem::TcpRefused,
    ),
    (
        "dial tcp 10.9.0.4:443: i/o timeout",
        CauseId::RegistryUnreachableTimeout,
        StageName::Tcp,
        Problem::TcpTimeout,
    ),
    (
        "net/http: TLS handshake timeout",
        CauseId::RegistryUnreachableTimeout,
        StageName::Tls,
        Problem::TlsTimeout,
    ),
    (
        "net/http: timeout awaiting response headers",
        CauseId::RegistryUnreachableTimeout,
        StageName::Http,
        Problem::HttpTimeout,
    ),
    (
        "dial tcp 10.9.0.4:443: connect: no route to host",
        CauseId::RegistryUnreachableRoute,
        StageName::Tcp,
        Problem::TcpNoRoute,
    ),
    (
        "tls: failed to verify certificate: x509: certificate is valid for hub.example.com, not registry.example.com",
        CauseId::TlsNameMismatch,
        StageName::Tls,
        Problem::TlsNameMismatch,
    ),
    (
        "http: server gave HTTP response to HTTPS client",
        CauseId::HttpHttpsMismatch,
        StageName::Tls,
        Problem::TlsPlainHttp,
    ),
];

fn fails(stage: StageName, problem: Problem) -> Transcript {
    failed_at(IMAGE, stage, problem, Facts::None)
}

fn excludes(finding: &Finding, cause: CauseId) -> bool {
    finding.ruled_out.iter().any(|out| out.cause == cause)
}

#[test]
fn what_the_node_itself_meets_is_proven() {
    for (text, cause, stage, problem) in TABLE {
        let finding = request(text)
            .node_view(own_network(fails(*stage, *problem)))
            .judge();
        assert_eq!(finding.cause, *cause, "{text}");
        assert_eq!(finding.confidence, Confidence::Proven, "{text}");
        assert!(finding.rivals.is_empty(), "{text}");
        assert!(
            finding.open.iter().all(|open| !open.is_of_node_view()),
            "{text}"
        );
        assert!(excludes(&finding, CauseId::MirrorMisconfigured), "{text}");
        assert!(excludes(&finding, CauseId::ProxyFailure), "{text}");
    }
}

#[test]
fn what_only_pods_meet_proves_nothing() {
    for (text, cause, stage, problem) in TABLE {
        let alone = request(text).judge();
        let finding = request(text)
            .node_view(pod_network(fails(*stage, *problem)))
            .judge();
        assert_eq!(finding.cause, *cause, "{text}");
        assert_eq!(finding.confidence, alone.confidence, "{text}");
        let told = format!("{:?}", finding.evidence);
        assert!(told.contains("from the pod network of `shop`"), "{told}");
    }
}

#[test]
fn a_healthy_view_never_makes_it_surer() {
    let healthy = || good_tls(IMAGE, &handshake(&["registry.example.com"]));
    for (text, cause, ..) in TABLE {
        let alone = request(text).judge();
        let own = request(text).node_view(own_network(healthy())).judge();
        assert_eq!(own.cause, *cause, "{text}");
        assert_eq!(own.confidence, Confidence::Possible, "{text}");
        assert!(
            own.rivals
                .iter()
                .any(|rival| rival.cause == CauseId::Unknown),
            "{text}"
        );
        let pods = request(text).node_view(pod_network(healthy())).judge();
        assert_eq!(pods.cause, *cause, "{text}");
        assert_eq!(pods.confidence, alone.confidence, "{text}");
    }
}

#[test]
fn another_fault_or_an_earlier_one_proves_nothing() {
    for (text, cause, stage, problem) in TABLE {
        for (other, what) in [
            (StageName::Dns, Problem::DnsTimeout),
            (StageName::Tcp, Problem::TcpNetworkUnreachable),
            (StageName::Tls, Problem::TlsCut),
        ] {
            if (other, what) == (*stage, *problem)
                || what == Problem::TcpNetworkUnreachable && *problem == Problem::TcpNoRoute
            {
                continue;
            }
            let finding = request(text)
                .node_view(own_network(fails(other, what)))
                .judge();
            assert_eq!(finding.cause, *cause, "{text} {what:?}");
            assert!(finding.confidence <= Confidence::Likely, "{text} {what:?}");
        }
    }
}

#[test]
fn a_look_that_ran_out_of_time_tells_nothing() {
    let text = "dial tcp: lookup registry.example.com on 10.0.0.2:53: read udp 10.0.0.3:4000->10.0.0.2:53: i/o timeout";
    let mut late = fails(StageName::Dns, Problem::DnsTimeout);
    "the probe ran out of time".clone_into(&mut late.stages[0].detail);
    let finding = request(text).node_view(own_network(late)).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
    let real = fails(StageName::Dns, Problem::DnsTimeout);
    let finding = request(text).node_view(own_network(real)).judge();
    assert_eq!(finding.confidence, Confidence::Proven);
}

#[test]
fn where_other_nodes_come_farther_it_is_this_node() {
    let refused = "dial tcp 10.9.0.4:443: connect: connection refused";
    let fails = || own_network(fails(StageName::Tcp, Problem::TcpRefused));
    let alone = request(refused).node_view(fails()).judge();
    assert_eq!(alone.object.kind, ObjectKind::Registry);
    let one = request(refused)
        .node_view(fails())
        .other_node_view("n2", own_network(there(IMAGE)))
        .judge();
    assert_eq!(one.object.kind, ObjectKind::Node);
    assert_eq!(one.confidence, Confidence::Proven);
    let both = request(refused)
        .node_view(fails())
        .other_node_view("n2", own_network(there(IMAGE)))
        .other_node_view("n3", fails())
        .judge();
    assert_eq!(both.object.kind, ObjectKind::Registry);
    // What another node's pods see is not that node.
    let pods = request(refused)
        .node_view(fails())
        .other_node_view("n2", pod_network(there(IMAGE)))
        .judge();
    assert_eq!(pods.object.kind, ObjectKind::Registry);
}

#[test]
fn a_name_server_that_nobody_asked_there_proves_no_failure_of_it() {
    let misbehaves =
        request("dial tcp: lookup registry.example.com on 10.7.7.7:53: server misbehaving");
    let seen = crate::fixture::resolved(
        IMAGE,
        Some(Problem::DnsServfail),
        &[("10.0.0.2:53", DnsAnswer::Servfail)],
    );
    let finding = misbehaves.node_view(own_network(seen.clone())).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
    // The node's own stub asks the others.
    let stub =
        request("dial tcp: lookup registry.example.com on 127.0.0.53:53: server misbehaving");
    let finding = stub.node_view(own_network(seen)).judge();
    assert_eq!(finding.confidence, Confidence::Proven);
}

#[test]
fn the_same_server_says_the_same_to_pods() {
    let text = "dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
    let seen = crate::fixture::resolved(
        IMAGE,
        Some(Problem::DnsNxdomain),
        &[("10.0.0.2:53", DnsAnswer::Nxdomain)],
    );
    let finding = request(text).node_view(pod_network(seen)).judge();
    assert_eq!(finding.confidence, Confidence::Proven);
    let told = format!("{:?}", finding.evidence);
    assert!(
        told.contains("name servers: 10.0.0.2:53: NXDOMAIN"),
        "{told}"
    );
}

#[test]
fn the_question_is_left_open_until_it_is_answered() {
    let fixture = request("dial tcp 10.9.0.4:443: i/o timeout");
    let asked = crate::node_questions(&fixture.evidence);
    assert!(
        matches!(&asked[..], [Question::NodeView { .. }]),
        "{asked:?}"
    );
    assert!(fixture.questions().iter().all(|one| !one.is_of_node_view()));
    let finding = fixture.judge();
    assert!(finding.next.iter().any(|next| next.command.as_deref()
        == Some("pulldoctor probe registry.example.com/shop/api:1 --from node/n1")));
    let answered = fixture.node_view(own_network(there(IMAGE)));
    assert!(crate::node_questions(&answered.evidence).is_empty());
}

#[test]
fn a_gap_counts_where_it_was_asked_for_and_only_there() {
    let fixture = request("dial tcp 10.9.0.4:443: i/o timeout");
    assert!(crate::report(&fixture.evidence).gaps.is_empty());
    let question = crate::node_questions(&fixture.evidence).remove(0);
    let report = crate::report(&fixture.forbid(question).evidence);
    assert!(report.gaps[0].counts);
}

#[test]
fn a_layer_host_is_looked_at_beside_its_registry() {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://cdn.example.net/blobs/sha256/aa/data\": dial tcp 10.9.0.4:443: i/o timeout"
    );
    let blocked = || other_registry("cdn.example.net", StageName::Tcp, Problem::TcpTimeout);
    let stuck = || stuck(IMAGE, "ErrImagePull", &text);
    let view = and_sight(own_network(there(IMAGE)), NodeRole::Blob, blocked());
    let finding = stuck().node_view(view.clone()).judge();
    assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
    assert_eq!(finding.confidence, Confidence::Proven);
    let pods = NodeView {
        network: NodeNetwork::Pod {
            namespace: "shop".to_owned(),
        },
        ..view
    };
    assert_eq!(
        stuck().node_view(pods).judge().confidence,
        Confidence::Likely
    );
    // The registry alone says nothing of the other host.
    let finding = stuck().node_view(own_network(there(IMAGE))).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
}

#[test]
fn a_token_host_needs_a_registry_that_answers() {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to authorize: failed to fetch anonymous token: Get \"https://login.example.net/token?scope=repository%3Ashop%2Fapi%3Apull&service=r\": dial tcp 10.9.0.4:443: i/o timeout"
    );
    let blocked = || other_registry("login.example.net", StageName::Tcp, Problem::TcpTimeout);
    let registry = good_before(IMAGE, StageName::Token);
    let view = and_sight(own_network(registry), NodeRole::Token, blocked());
    let finding = stuck(IMAGE, "ErrImagePull", &text).node_view(view).judge();
    assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
    assert_eq!(finding.confidence, Confidence::Proven);
    let away = and_sight(
        own_network(fails(StageName::Tcp, Problem::TcpTimeout)),
        NodeRole::Token,
        blocked(),
    );
    let finding = stuck(IMAGE, "ErrImagePull", &text).node_view(away).judge();
    assert_ne!(finding.confidence, Confidence::Proven);
    assert!(!finding.rivals.is_empty());
}

#[test]
fn a_dead_proxy_is_reproduced_at_the_proxy() {
    let dead = "proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused";
    let view = and_sight(
        own_network(there(IMAGE)),
        NodeRole::Proxy,
        other_registry("10.0.0.8:3128", StageName::Tcp, Problem::TcpRefused),
    );
    let finding = request(dead).node_view(view).judge();
    assert_eq!(finding.cause, CauseId::ProxyFailure);
    assert_eq!(finding.confidence, Confidence::Proven);
    assert!(
        finding
            .notes
            .iter()
            .any(|(word, _)| word == "without proxy")
    );
    // A probe does not ask through the proxy, so what the proxy answers is not seen.
    let refused = request("Forbidden")
        .node_view(own_network(there(IMAGE)))
        .judge();
    assert_eq!(refused.cause, CauseId::ProxyFailure);
    assert_eq!(refused.confidence, Confidence::Likely);
}

#[test]
fn a_fault_of_the_registry_that_the_node_meets_past_its_proxy() {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 503 Service Unavailable"
    );
    let down = || stuck(IMAGE, "ErrImagePull", &text);
    let same = fails(StageName::Http, Problem::ServerError);
    let finding = down().node_view(own_network(same.clone())).judge();
    assert_eq!(finding.cause, CauseId::RegistryServerError);
    assert_eq!(finding.confidence, Confidence::Proven);
    let finding = down().node_view(pod_network(same)).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
    let finding = down().node_view(own_network(there(IMAGE))).judge();
    assert_eq!(finding.confidence, Confidence::Possible);
    // That the probe has no login says nothing about the pull.
    let turned_away = challenged(
        IMAGE,
        &[],
        no_token(pulldoctor_model::registry::Identity::Unknown),
    );
    let finding = down().node_view(own_network(turned_away)).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
}

#[test]
fn the_registrys_limit_without_a_login_is_proven_by_the_nodes_address() {
    let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://registry-1.docker.io/v2/library/redis/manifests/7: 429 Too Many Requests\ntoomanyrequests: You have reached your unauthenticated pull rate limit.";
    let seen = failed_at(
        "redis:7",
        StageName::Http,
        Problem::RateLimited,
        Facts::None,
    );
    let finding = stuck("redis:7", "ErrImagePull", text)
        .node_view(own_network(seen.clone()))
        .judge();
    assert_eq!(finding.cause, CauseId::RateLimited);
    assert_eq!(finding.confidence, Confidence::Proven);
    let finding = stuck("redis:7", "ErrImagePull", text)
        .node_view(pod_network(seen))
        .judge();
    assert_eq!(finding.confidence, Confidence::Likely);
}

#[test]
fn a_manifest_that_the_node_gets_and_its_runtime_does_not() {
    let open = challenged(IMAGE, &[], granted(200));
    let finding = not_found().node_view(own_network(open.clone())).judge();
    assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
    assert_eq!(finding.confidence, Confidence::Possible);
    assert!(
        finding
            .rivals
            .iter()
            .any(|rival| rival.cause == CauseId::ImageNotFoundTag)
    );
    assert!(
        finding
            .open
            .iter()
            .any(|open| matches!(open, Question::NodeLogs { .. }))
    );
    let elsewhere = crate::fixture::runs_elsewhere(IMAGE);
    let finding = not_found()
        .answer(elsewhere.0, elsewhere.1)
        .node_view(own_network(open.clone()))
        .judge();
    assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
    assert_eq!(finding.confidence, Confidence::Proven);
    // The pod network shows no mirror of the node either, and is no proof.
    let finding = not_found().node_view(pod_network(open)).judge();
    assert_ne!(finding.cause, CauseId::MirrorMisconfigured);
    // Missing for the node's own request, too.
    let gone = not_found()
        .registry(lists(IMAGE, &["2"]))
        .node_view(own_network(challenged(IMAGE, &[], granted(404))))
        .judge();
    assert_eq!(gone.cause, CauseId::ImageNotFoundTag);
    assert_eq!(gone.confidence, Confidence::Proven);
}

/// What a node is told of an image that is missing, without a login.
fn nobody_finds(tags: Transcript) -> Transcript {
    let mut seen = tags;
    seen.credentials = vec![granted(404)];
    seen
}

#[test]
fn what_only_the_node_reaches_tells_a_missing_tag_from_a_missing_repository() {
    let missing = || {
        not_found().registry(failed_at(
            IMAGE,
            StageName::Dns,
            Problem::DnsNxdomain,
            Facts::None,
        ))
    };
    let mut lists = nobody_finds(lists(IMAGE, &["2"]));
    lists.near_tags = vec![NearTag {
        tag: "2".to_owned(),
        because: "another major version".to_owned(),
        distance: 9,
        ran_before: false,
    }];
    for view in [own_network(lists.clone()), pod_network(lists.clone())] {
        let finding = missing().node_view(view).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(excludes(&finding, CauseId::ImageNotFoundRepo));
        let told = format!("{:?}", finding.evidence);
        assert!(told.contains("tags/list 1 tag"), "{told}");
        assert!(finding.remedies.iter().any(|remedy| remedy.id == "set-tag"));
    }
    let unknown = nobody_finds(refuses(IMAGE, 404, Some("NAME_UNKNOWN")));
    let finding = missing().node_view(own_network(unknown.clone())).judge();
    assert_eq!(finding.cause, CauseId::ImageNotFoundRepo);
    assert_eq!(finding.confidence, Confidence::Proven);
    // Nobody may list: whether the repository is there stays open.
    let silent = nobody_finds(refuses(IMAGE, 401, Some("UNAUTHORIZED")));
    let finding = missing().node_view(own_network(silent)).judge();
    assert_eq!(finding.confidence, Confidence::Possible);

    // This computer's trust does not matter, since the runtime got past TLS; another server does.
    for (problem, expected) in [
        (Problem::TlsUnknownAuthority, Confidence::Proven),
        (Problem::TlsNameMismatch, Confidence::Possible),
    ] {
        let mut seen = lists.clone();
        let tls = seen
            .stages
            .iter_mut()
            .find(|one| one.stage == StageName::Tls);
        let tls = tls.unwrap();
        tls.outcome = StageOutcome::Failed;
        tls.problem = Some(problem);
        let finding = missing().node_view(own_network(seen)).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, expected, "{problem:?}");
    }
}

#[test]
fn of_two_registries_with_one_name_the_nodes_counts() {
    let lists = || nobody_finds(lists(IMAGE, &["2"]));
    let unknown = || refuses(IMAGE, 404, Some("NAME_UNKNOWN"));
    let cause_of = |view| {
        let finding = not_found().registry(unknown()).node_view(view).judge();
        (finding.cause, finding.confidence)
    };
    let tag = (CauseId::ImageNotFoundTag, Confidence::Proven);
    assert_eq!(cause_of(own_network(lists())), tag);
    let repository = (CauseId::ImageNotFoundRepo, Confidence::Proven);
    assert_eq!(cause_of(pod_network(lists())), repository);
    // Here it is, and there it is not: nothing is sure.
    let finding = not_found()
        .registry(there(IMAGE))
        .node_view(own_network(lists()))
        .judge();
    assert!(finding.confidence < Confidence::Proven);
    // Here it is not, and the node is served: no old verdict.
    let finding = not_found()
        .registry(unknown())
        .node_view(own_network(challenged(IMAGE, &[], granted(200))))
        .judge();
    assert!(finding.confidence < Confidence::Proven, "{finding:?}");
}

#[test]
fn a_registry_that_speaks_tls_to_the_node_is_asked_in_plain_http() {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"http://registry.example.com/v2/shop/api/manifests/1\": net/http: HTTP/1.x transport connection broken: malformed HTTP response \"\\x15\\x03\\x01\\x00\\x02\\x02\""
    );
    let asked = || stuck(IMAGE, "ErrImagePull", &text);
    let finding = asked().node_view(own_network(there(IMAGE))).judge();
    assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
    assert_eq!(finding.confidence, Confidence::Proven);
    let plain = fails(StageName::Tls, Problem::TlsPlainHttp);
    let finding = asked().node_view(own_network(plain)).judge();
    assert!(finding.confidence <= Confidence::Likely);
}

#[test]
fn where_the_node_says_nothing_its_network_makes_it_possible_only() {
    let text = format!("Back-off pulling image \"{IMAGE}\"");
    let events = Question::PodEvents {
        namespace: "shop".to_owned(),
        pod: "api-1".to_owned(),
        uid: "uid-1".to_owned(),
    };
    let silent = stuck(IMAGE, "ImagePullBackOff", &text)
        .answer(events, pulldoctor_model::Answer::Events(Vec::new()));
    let seen = fails(StageName::Tcp, Problem::TcpTimeout);
    let finding = silent.clone().node_view(own_network(seen)).judge();
    assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout);
    assert_eq!(finding.confidence, Confidence::Possible);
    // What only this computer does not trust says nothing of the node.
    let seen = fails(StageName::Tls, Problem::TlsUnknownAuthority);
    let finding = silent.node_view(own_network(seen)).judge();
    assert_eq!(finding.cause, CauseId::Unknown);
}

#[test]
fn five_hundred_pods_of_a_node_raise_one_question() {
    let mut fixture = request("dial tcp 10.9.0.4:443: i/o timeout");
    for number in 2..=500 {
        let mut other = fixture.evidence.symptoms[0].clone();
        other.pod = format!("api-{number}");
        other.pod_uid = format!("uid-{number}");
        fixture.evidence.symptoms.push(other);
    }
    assert_eq!(crate::node_questions(&fixture.evidence).len(), 1);
}

#[test]
fn a_layer_or_another_hosts_answer_is_not_asked_again_by_a_probe() {
    let blob = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry.example.com/v2/shop/api/blobs/sha256:aa: 503 Service Unavailable"
    );
    let token = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://login.example.net/token?scope=repository%3Ashop%2Fapi%3Apull&service=r: 503 Service Unavailable"
    );
    let cut =
        format!("failed to pull and unpack image \"{IMAGE}\": failed to copy: unexpected EOF");
    for text in [&blob, &token, &cut] {
        let alone = stuck(IMAGE, "ErrImagePull", text).judge();
        let well = and_sight(
            own_network(there(IMAGE)),
            NodeRole::Token,
            good_before("login.example.net/x:1", StageName::Token),
        );
        let mut fixture = stuck(IMAGE, "ErrImagePull", text);
        let finding = fixture.clone().node_view(well).judge();
        assert_eq!(finding.cause, alone.cause, "{text}");
        assert_eq!(finding.confidence, alone.confidence, "{text}");
        // Nor is it asked where it could not tell.
        fixture.evidence.symptoms.truncate(1);
        let is_asked = !crate::node_questions(&fixture.evidence).is_empty();
        assert_eq!(is_asked, *text != cut, "{text}");
    }
}

#[test]
fn what_this_computer_does_not_trust_is_beside_the_point_past_tls() {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 503 Service Unavailable"
    );
    let mut seen = fails(StageName::Http, Problem::ServerError);
    for stage in &mut seen.stages {
        if stage.stage == StageName::Tls {
            *stage = crate::fixture::stage(StageName::Tls, Some(Problem::TlsUnknownAuthority));
        }
    }
    let finding = stuck(IMAGE, "ErrImagePull", &text)
        .node_view(own_network(seen))
        .judge();
    assert_eq!(finding.cause, CauseId::RegistryServerError);
    assert_eq!(finding.confidence, Confidence::Proven);
    let told = format!("{:?}", finding.evidence);
    assert!(!told.contains("tls failed"), "{told}");
}

#[test]
fn whatever_is_seen_the_promises_hold() {
    let mut texts: Vec<&str> = TABLE.iter().map(|(text, ..)| *text).collect();
    texts.extend([
        "EOF",
        "remote error: tls: handshake failure",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "tls: first record does not look like a TLS handshake",
        "proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused",
        "Forbidden",
        "dial tcp: lookup registry.example.com: Temporary failure in name resolution",
    ]);
    let stages = [
        StageName::Dns,
        StageName::Tcp,
        StageName::Tls,
        StageName::Http,
        StageName::Token,
        StageName::Manifest,
        StageName::Layers,
    ];
    let of_stage = |stage: StageName, problem: Problem| match stage {
        StageName::Dns | StageName::Tcp | StageName::Tls => {
            problem.id().starts_with(stage.as_str())
        }
        StageName::Http => matches!(
            problem,
            Problem::HttpTimeout
                | Problem::HttpCut
                | Problem::HttpMalformed
                | Problem::HttpsExpected
                | Problem::ServerError
                | Problem::RateLimited
        ),
        StageName::Token => matches!(
            problem,
            Problem::TokenRefused | Problem::TokenServerError | Problem::TokenHostUnreachable
        ),
        StageName::Manifest => matches!(
            problem,
            Problem::NotFound | Problem::Forbidden | Problem::UnexpectedStatus
        ),
        _ => matches!(problem, Problem::BlobHostUnreachable | Problem::LayerCut),
    };
    for text in texts {
        let alone = request(text).judge();
        for stage in stages {
            for problem in Problem::ALL.iter().filter(|one| of_stage(stage, **one)) {
                let seen = || fails(stage, *problem);
                for (is_own, view) in [(true, own_network(seen())), (false, pod_network(seen()))] {
                    let finding = request(text).node_view(view).judge();
                    let row = format!(
                        "{text}\n{stage:?} {problem:?} own: {is_own}\n{} {:?} {:?}",
                        finding.cause, finding.confidence, finding.rivals
                    );
                    match finding.confidence {
                        Confidence::Proven => assert!(finding.rivals.is_empty(), "{row}"),
                        Confidence::Possible => assert!(!finding.rivals.is_empty(), "{row}"),
                        Confidence::Unknown => assert!(!finding.next.is_empty(), "{row}"),
                        Confidence::Likely => {}
                    }
                    // What is seen raises only what it is itself, and only from the node's own network.
                    if finding.confidence > alone.confidence {
                        assert!(is_own, "{row}");
                        let cause = crate::transcript::of_problem(*problem);
                        let is_proxy = finding.cause == CauseId::ProxyFailure;
                        let is_alike = cause == Some(finding.cause)
                            || finding.cause == CauseId::ConnectionInterrupted
                                && *problem == Problem::TlsCut
                            || finding.cause == CauseId::HttpHttpsMismatch
                                && stage == StageName::Tls;
                        assert!(is_alike && !is_proxy, "{row}");
                    }
                }
            }
        }
    }
}
