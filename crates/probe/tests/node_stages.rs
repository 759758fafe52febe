//! Every stage in good and in bad, against registries and resolvers on loopback.

mod common;

use std::net::Ipv4Addr;

use common::{
    Company, ask_in, ask_of, failure, one_repository, outline, place, plain, see, spec, target,
};
use pulldoctor_probe::Surroundings;
use pulldoctor_registry::judge::{
    CredentialOutcome, DnsAnswer as Said, Facts, MOST_NODE_NAMES, NodeRole, NodeTarget, Problem,
    Role, StageName, is_digest,
};
use pulldoctor_testkit::dns::{DnsServer, Record, Zone};
use pulldoctor_testkit::registry::{Authorization, FakeRegistry};
use pulldoctor_testkit::scripted::{ScriptedServer, Step};
use pulldoctor_testkit::spec::DnsAnswer;
use serde_json::{Value, json};

const WHOLE: &str = "dns:skipped proxy:skipped tcp:ok tls:ok http:ok token:skipped manifest:ok \
                     platform:skipped config:ok layers:ok";

#[tokio::test(flavor = "multi_thread")]
async fn a_good_registry_is_good_down_to_a_layer() {
    let company = Company::new();
    let registry = company
        .registry(spec(json!({"repositories": one_repository()})))
        .await;
    let got = see(target(&registry.authority(), "1.4.1"), &company.anchors()).await;
    assert_eq!(outline(&got), WHOLE, "{got:#?}");
    let Facts::Tls(tls) = &got.stage(StageName::Tls).unwrap().facts else {
        panic!("{got:#?}");
    };
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(tls.chain.len(), 2);
    let Facts::Http(http) = &got.stage(StageName::Http).unwrap().facts else {
        panic!("{got:#?}");
    };
    assert!(
        http.clock_ahead_s.is_none_or(|ahead| ahead.abs() < 5),
        "{http:?}"
    );
    assert_eq!(got.credentials[0].outcome, CredentialOutcome::Granted);
    // One connection does for all requests of a registry that keeps it.
    assert!(registry.log().len() >= 4, "{:?}", registry.log());
    assert!(
        registry
            .log()
            .iter()
            .all(|entry| entry.authorization == Authorization::None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_followed_to_the_nodes_platform() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let mut asked = target(&registry.authority(), "multi");
    let got = see(asked.clone(), &[]).await;
    let Facts::Platform(facts) = &got.stage(StageName::Platform).unwrap().facts else {
        panic!("{got:#?}");
    };
    assert_eq!(facts.available, ["linux/amd64", "linux/arm64"]);
    assert!(got.is_good(), "{got:#?}");
    asked.image.as_mut().unwrap().platform = Some("linux/s390x".to_owned());
    let got = see(asked, &[]).await;
    assert_eq!(failure(&got), (StageName::Platform, Problem::NoPlatform));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_token_is_asked_for_and_nothing_else() {
    for (anonymous, refusal, expected) in [
        (vec!["**"], "empty-scope", None),
        (
            vec![],
            "empty-scope",
            Some((StageName::Manifest, Problem::Unauthorized)),
        ),
        (
            vec![],
            "unauthorized",
            Some((StageName::Token, Problem::TokenRefused)),
        ),
        (
            vec![],
            "forbidden",
            Some((StageName::Token, Problem::TokenRefused)),
        ),
    ] {
        let company = Company::new();
        let registry = company
            .registry(spec(json!({"repositories": one_repository(),
                "auth": {"kind": "bearer", "anonymous_pull": anonymous,
                         "anonymous_refusal": refusal}})))
            .await;
        let got = see(target(&registry.authority(), "1.4.1"), &company.anchors()).await;
        match expected {
            None => {
                assert!(got.is_good(), "{got:#?}");
                assert_eq!(got.credentials[0].outcome, CredentialOutcome::Granted);
            }
            Some(expected) => {
                assert_eq!(failure(&got), expected, "{refusal}: {got:#?}");
                assert_eq!(got.credentials[0].outcome, CredentialOutcome::Refused);
            }
        }
        let text = serde_json::to_string(&got).unwrap();
        assert!(!text.contains("Bearer ey"), "a token in a transcript");
        assert!(
            registry
                .log()
                .iter()
                .all(|entry| !matches!(entry.authorization, Authorization::Basic)),
            "{:?}",
            registry.log()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_reached_and_not_judged_as_a_registry() {
    // It would answer nothing that a registry answers, and is asked nothing.
    let proxy = ScriptedServer::start(vec![Step::ReadHead, Step::text("HTTP/1.1 407 X\r\n\r\n")])
        .await
        .unwrap();
    let mut asked = target(&proxy.address().to_string(), "1");
    asked.role = NodeRole::Proxy;
    let got = see(asked.clone(), &[]).await;
    assert_eq!(outline(&got), "dns:skipped proxy:skipped tcp:ok");
    assert_eq!(got.requests, 0);
    asked.host = "127.0.0.1:1".to_owned();
    let got = see(asked, &[]).await;
    assert_eq!(failure(&got), (StageName::Tcp, Problem::TcpRefused));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_and_what_is_refused() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository(),
        "auth": {"kind": "basic", "anonymous_pull": ["open/*"]}})))
    .await
    .unwrap();
    let got = see(target(&registry.authority(), "1.4.1"), &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Token, Problem::Unauthorized),
        "{got:#?}"
    );

    let open = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let got = see(target(&open.authority(), "gone"), &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::NotFound),
        "{got:#?}"
    );
    for (status, stage, problem) in [
        (429, StageName::Http, Problem::RateLimited),
        (503, StageName::Http, Problem::ServerError),
        (403, StageName::Manifest, Problem::Forbidden),
    ] {
        let fault = serde_json::from_value(json!({"status": status})).unwrap();
        open.set_faults(&[fault]);
        let got = see(target(&open.authority(), "1.4.1"), &[]).await;
        assert_eq!(failure(&got), (stage, problem), "{status}: {got:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_tag_and_a_missing_repository_are_told_apart() {
    let mut tags: Vec<Value> = (0..700)
        .map(|n| json!({"tag": format!("0.{n}.0")}))
        .collect();
    tags.extend([json!({"tag": "1.4.1"}), json!({"tag": "v1.4.2"})]);
    let registry = FakeRegistry::start(plain(json!({"tags_page": 100, "repositories": [
        {"name": "shop/api", "tags": tags}, {"name": "shop/apt", "tags": [{"tag": "1"}]}]})))
    .await
    .unwrap();
    let got = see(target(&registry.authority(), "1.4.2"), &[]).await;
    assert_eq!(failure(&got), (StageName::Manifest, Problem::NotFound));
    let list = got.tags.unwrap();
    // Five pages of 100 are read, and as many tags go home as one answer may hold.
    assert_eq!((list.status, list.tags.len()), (Some(200), MOST_NODE_NAMES));
    assert!(list.truncated);
    assert!(got.near_repositories.is_empty());

    let registry = FakeRegistry::start(plain(json!({"repositories": [
        {"name": "shop/api", "tags": [{"tag": "1.4.1"}, {"tag": "v1.4.2"}]},
        {"name": "shop/apt", "tags": [{"tag": "1"}]}]})))
    .await
    .unwrap();
    let mut asked = target(&registry.authority(), "1.4.2");
    let got = see(asked.clone(), &[]).await;
    let list = got.tags.unwrap();
    assert_eq!((list.tags.len(), list.truncated), (2, false));

    // A digest that is gone, and what its tag is today.
    let image = asked.image.as_mut().unwrap();
    image.reference = format!("sha256:{}", "0".repeat(64));
    image.tag = Some("1.4.1".to_owned());
    let got = see(asked.clone(), &[]).await;
    assert!(got.tag_digest.is_some_and(|digest| is_digest(&digest)));

    let image = asked.image.as_mut().unwrap();
    "shop/apx".clone_into(&mut image.repository);
    let got = see(asked.clone(), &[]).await;
    let list = got.tags.unwrap();
    assert_eq!(list.status, Some(404));
    assert!(list.error.is_some_and(|error| error.has("NAME_UNKNOWN")));
    assert_eq!(got.near_repositories, ["shop/api", "shop/apt"]);

    // Of a mirror nothing but its answer matters.
    asked.role = NodeRole::Mirror;
    assert_eq!(see(asked, &[]).await.tags, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_serves_blobs_is_asked_too() {
    let store = FakeRegistry::start(plain(json!({}))).await.unwrap();
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let away =
        json!({"path": "/v2/**/blobs/*", "redirect": format!("http://{}", store.authority())});
    registry.set_faults(&[serde_json::from_value(away).unwrap()]);
    let got = see(target(&registry.authority(), "1.4.1"), &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Config, Problem::ConfigMissing),
        "{got:#?}"
    );
    assert_eq!(got.other_hosts[0].role, Role::Blob);
    assert_eq!(got.other_hosts[0].host, store.authority());

    store.set_faults(&[serde_json::from_value(json!({"path": "/**", "status": 403})).unwrap()]);
    let got = see(target(&registry.authority(), "1.4.1"), &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Config, Problem::BlobRefused),
        "{got:#?}"
    );

    // Port 1 refuses.
    let away = json!({"path": "/v2/**/blobs/*", "redirect": "http://127.0.0.1:1"});
    registry.set_faults(&[serde_json::from_value(away).unwrap()]);
    let got = see(target(&registry.authority(), "1.4.1"), &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Config, Problem::BlobHostUnreachable),
        "{got:#?}"
    );
    let stages = &got.other_hosts[0].stages;
    assert_eq!(stages.last().unwrap().problem, Some(Problem::TcpRefused));
    let Facts::Layers(layers) = &got.stage(StageName::Layers).unwrap().facts else {
        panic!("{got:#?}");
    };
    assert_eq!(layers.layers[0].problem, Some(Problem::BlobHostUnreachable));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_home_and_are_judged_there() {
    for (mode, trusts, problem, text) in [
        ("expired", true, Problem::TlsExpired, "has expired"),
        (
            "not-yet-valid",
            true,
            Problem::TlsNotYetValid,
            " is before ",
        ),
        ("wrong-name", true, Problem::TlsNameMismatch, "IP SANs"),
        (
            "unknown-ca",
            true,
            Problem::TlsUnknownAuthority,
            "the node's own were not read",
        ),
        (
            "self-signed",
            true,
            Problem::TlsUnknownAuthority,
            "unknown authority",
        ),
        (
            "no-intermediate",
            true,
            Problem::TlsIncompleteChain,
            "unknown authority",
        ),
        (
            "common-name-only",
            true,
            Problem::TlsLegacyCommonName,
            "legacy Common Name",
        ),
        (
            "ok",
            false,
            Problem::TlsUnknownAuthority,
            "the node's own were not read",
        ),
        (
            "mtls",
            true,
            Problem::TlsClientCertificate,
            "certificate required",
        ),
        (
            "off",
            true,
            Problem::TlsNotTls,
            "does not look like a TLS handshake",
        ),
    ] {
        let company = Company::new();
        let registry = company
            .registry(spec(json!({"tls": mode, "repositories": one_repository()})))
            .await;
        let anchors = if trusts {
            company.anchors()
        } else {
            Vec::new()
        };
        let got = see(target(&registry.authority(), "1.4.1"), &anchors).await;
        assert_eq!(failure(&got), (StageName::Tls, problem), "{mode}: {got:#?}");
        let detail = &got.first_failure().unwrap().detail;
        assert!(detail.contains(text), "{mode}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_on_loopback_is_taken_and_elsewhere_is_a_fault() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let got = see(target(&registry.authority(), "1.4.1"), &[]).await;
    assert_eq!(
        outline(&got),
        WHOLE.replace("tls:ok", "tls:skipped"),
        "{got:#?}"
    );

    let hosts = "127.0.0.1 registry.lab";
    let host = format!("registry.lab:{}", registry.address().port());
    let mut asked = target(&host, "1.4.1");
    let answer = ask_in(place(Vec::new(), hosts), ask_of(vec![asked.clone()])).await;
    let got = &answer.sights[0].transcript;
    assert_eq!(
        failure(got),
        (StageName::Tls, Problem::TlsPlainHttp),
        "{got:#?}"
    );
    // Where the node is configured so, it is asked in plain HTTP.
    asked.plain_http = true;
    let answer = ask_in(place(Vec::new(), hosts), ask_of(vec![asked])).await;
    let got = &answer.sights[0].transcript;
    assert!(got.is_good(), "{got:#?}");
    let Facts::Dns(names) = &got.stages[0].facts else {
        panic!("{got:#?}");
    };
    assert_eq!(
        names.system.as_ref().unwrap().note.as_deref(),
        Some("/etc/hosts")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn resolvers_are_told_apart() {
    let zone = Zone::new();
    zone.set("good.lab", Record::address(Ipv4Addr::LOCALHOST));
    for (name, answer) in [
        ("servfail.lab", DnsAnswer::ServFail),
        ("refused.lab", DnsAnswer::Refused),
        ("silent.lab", DnsAnswer::Silent),
        ("nodata.lab", DnsAnswer::NoData),
    ] {
        zone.set(name, Record::failing(answer));
    }
    let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone)
        .await
        .unwrap();
    let here = place(vec![server.address()], "");
    let cases = [
        ("missing.lab", Problem::DnsNxdomain),
        ("servfail.lab", Problem::DnsServfail),
        ("refused.lab", Problem::DnsRefused),
        ("silent.lab", Problem::DnsTimeout),
        ("nodata.lab", Problem::DnsNodata),
    ];
    // All at once: they do not wait for each other.
    let start = std::time::Instant::now();
    let targets = cases
        .iter()
        .map(|(name, _)| target(&format!("{name}:1"), "1"))
        .collect();
    let answer = ask_in(here.clone(), ask_of(targets)).await;
    assert!(start.elapsed().as_millis() < 2500, "{:?}", start.elapsed());
    for (sight, (name, problem)) in answer.sights.iter().zip(cases) {
        let got = &sight.transcript;
        assert_eq!(failure(got), (StageName::Dns, problem), "{name}: {got:#?}");
        let detail = &got.first_failure().unwrap().detail;
        assert!(detail.contains(&server.address().to_string()), "{detail}");
    }
    assert_eq!(answer.resolvers.servers, [server.address()]);

    // Nobody listens there.
    let nobody = place(vec!["127.0.0.1:1".parse().unwrap()], "");
    let answer = ask_in(nobody, ask_of(vec![target("good.lab:1", "1")])).await;
    let got = &answer.sights[0].transcript;
    assert_eq!(
        failure(got),
        (StageName::Dns, Problem::DnsUnreachable),
        "{got:#?}"
    );

    // The hosts file wins over the server, and that they disagree is evidence.
    let other = place(vec![server.address()], "127.0.0.9 good.lab");
    let answer = ask_in(other, ask_of(vec![target("good.lab:1", "1")])).await;
    let got = &answer.sights[0].transcript;
    let Facts::Dns(names) = &got.stages[0].facts else {
        panic!("{got:#?}");
    };
    assert!(names.disagree, "{names:#?}");
    assert_eq!(names.addresses[0].to_string(), "127.0.0.9");
    assert_eq!(names.questions[0].result.answer, Said::Addresses);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_registry_gave_leads_to_no_forbidden_address() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let port = registry.address().port();
    let zone = Zone::new();
    for (name, address) in [
        ("loopback.lab", [127, 0, 0, 1]),
        ("link.lab", [169, 254, 7, 7]),
        ("metadata.lab", [169, 254, 169, 254]),
        ("alibaba.lab", [100, 100, 100, 200]),
    ] {
        zone.set(name, Record::address(Ipv4Addr::from(address)));
    }
    let server = DnsServer::start(([127, 0, 0, 1], 0).into(), zone)
        .await
        .unwrap();
    let mut targets = Vec::new();
    for name in ["loopback.lab", "link.lab", "metadata.lab", "alibaba.lab"] {
        for role in [NodeRole::Token, NodeRole::Blob] {
            targets.push(NodeTarget {
                role,
                host: format!("{name}:{port}"),
                plain_http: true,
                image: None,
            });
        }
    }
    // The hosts file leads astray as well as a name server does.
    targets.push(NodeTarget {
        host: format!("listed.lab:{port}"),
        ..targets[0].clone()
    });
    // An administrator's mirror may be on the node itself.
    targets.push(NodeTarget {
        role: NodeRole::Mirror,
        ..targets[0].clone()
    });
    let place = place(vec![server.address()], "127.0.0.1 listed.lab\n");
    let mut sights = ask_in(place, ask_of(targets)).await.sights;
    let mirror = sights.pop().unwrap().transcript;
    assert_eq!(mirror.first_failure(), None, "{mirror:#?}");
    for sight in sights {
        let got = sight.transcript;
        let expected = (StageName::Tcp, Problem::RedirectRefused);
        assert_eq!(failure(&got), expected, "{got:#?}");
        assert_eq!(got.requests, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_path_is_walked_and_shown() {
    let zone = Zone::new();
    zone.set("registry.shop.lab", Record::address(Ipv4Addr::LOCALHOST));
    let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone)
        .await
        .unwrap();
    let mut here = place(vec![server.address()], "");
    here.resolvers.search = vec!["other.lab".to_owned(), "shop.lab".to_owned()];
    here.resolvers.ndots = 2;
    let answer = ask_in(here, ask_of(vec![target("registry:1", "1")])).await;
    let got = &answer.sights[0].transcript;
    assert_eq!(
        failure(got),
        (StageName::Tcp, Problem::TcpRefused),
        "{got:#?}"
    );
    let Facts::Dns(names) = &got.stages[0].facts else {
        panic!("{got:#?}");
    };
    let mut asked: Vec<&str> = names.questions.iter().map(|q| q.name.as_str()).collect();
    asked.dedup();
    assert_eq!(asked, ["registry.other.lab.", "registry.shop.lab."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_an_image_is_only_reached() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let mut asked = target(&registry.authority(), "1");
    asked.role = NodeRole::Mirror;
    asked.image = None;
    let got = see(asked, &[]).await;
    assert_eq!(
        outline(&got),
        "dns:skipped proxy:skipped tcp:ok tls:skipped http:ok",
        "{got:#?}"
    );
    let mut dead = target("127.0.0.1:1", "1");
    dead.image = None;
    let got = see(dead, &[]).await;
    assert_eq!(
        failure(&got),
        (StageName::Tcp, Problem::TcpRefused),
        "{got:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_cannot_be_asked_are_refused() {
    let good = ask_of(vec![target("127.0.0.1:1", "1")]);
    let refused = |ask| pulldoctor_probe::run(&ask, &Surroundings::default()).error;
    let mut old = good.clone();
    old.protocol += 1;
    assert!(refused(old).unwrap().contains("version"));
    let mut many = good.clone();
    many.targets = vec![target("127.0.0.1:1", "1"); 17];
    assert!(refused(many).unwrap().contains("16"));
    let mut split = good.clone();
    split.targets[0].image.as_mut().unwrap().reference = "1 HTTP/1.1\r\nX: y".to_owned();
    assert!(refused(split).unwrap().contains("request"));
    let mut agent = good;
    agent.user_agent = "a\r\nAuthorization: b".to_owned();
    assert!(refused(agent).unwrap().contains("request"));
}
