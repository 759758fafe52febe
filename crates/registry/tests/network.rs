//! Resolvers, search paths, ports and proxies.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::{Company, ask, config, dns, failure, login, one_repository, plain, request};
use pulldoctor_registry::judge::{DnsAnswer as Said, DnsFacts, Facts, ProxyRules};
use pulldoctor_registry::{ProbeConfig, Problem, Resolvers, StageName, Transcript};
use pulldoctor_testkit::dns::Record;
use pulldoctor_testkit::proxy::FakeProxy;
use pulldoctor_testkit::registry::FakeRegistry;
use pulldoctor_testkit::spec::{DnsAnswer, TlsMode};
use serde_json::json;

fn names(transcript: &Transcript) -> &DnsFacts {
    match &transcript.stage(StageName::Dns).unwrap().facts {
        Facts::Dns(facts) => facts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_search_path_is_walked_and_shown() {
    let (_server, resolvers) =
        dns(&[("registry.shop.lab", Record::address(Ipv4Addr::LOCALHOST))]).await;
    let Resolvers::Servers { servers, .. } = resolvers else {
        panic!("no servers")
    };
    let resolvers = Resolvers::Servers {
        servers,
        search: vec!["other.lab".to_owned(), "shop.lab".to_owned()],
        ndots: 2,
    };
    let got = ask(
        ProbeConfig {
            resolvers,
            ..config()
        },
        &request("registry:1/a:1"),
    )
    .await;
    assert_eq!(
        failure(&got),
        (StageName::Tcp, Problem::TcpRefused),
        "{got:#?}"
    );
    let asked: Vec<&str> = names(&got)
        .questions
        .iter()
        .map(|question| question.name.as_str())
        .collect();
    assert_eq!(
        asked,
        [
            "registry.other.lab.",
            "registry.other.lab.",
            "registry.shop.lab.",
            "registry.shop.lab."
        ]
    );
    assert_eq!(names(&got).search, ["other.lab", "shop.lab"]);
}

#[tokio::test]
async fn a_second_server_helps_after_a_failure_and_not_after_a_no() {
    let (_first, one) = dns(&[("registry.lab", Record::failing(DnsAnswer::ServFail))]).await;
    let (_second, two) = dns(&[
        ("registry.lab", Record::address(Ipv4Addr::LOCALHOST)),
        ("only-there.lab", Record::address(Ipv4Addr::LOCALHOST)),
    ])
    .await;
    let servers: Vec<SocketAddr> = [one, two]
        .into_iter()
        .flat_map(|resolvers| match resolvers {
            Resolvers::Servers { servers, .. } => servers,
            Resolvers::System => Vec::new(),
        })
        .collect();
    let resolvers = Resolvers::Servers {
        servers,
        search: Vec::new(),
        ndots: 1,
    };
    let config = ProbeConfig {
        resolvers,
        ..config()
    };
    let got = ask(config.clone(), &request("registry.lab:1/a:1")).await;
    assert_eq!(failure(&got).0, StageName::Tcp, "{got:#?}");
    assert_eq!(names(&got).questions[0].result.answer, Said::Servfail);
    let got = ask(config, &request("only-there.lab:1/a:1")).await;
    assert_eq!(
        failure(&got),
        (StageName::Dns, Problem::DnsNxdomain),
        "{got:#?}"
    );
}

#[tokio::test]
async fn the_system_resolves_localhost() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let config = ProbeConfig {
        resolvers: Resolvers::System,
        ..config()
    };
    let got = ask(
        config,
        &request(&format!(
            "localhost:{}/shop/api:1.4.1",
            registry.address().port()
        )),
    )
    .await;
    assert!(got.is_good(), "{got:#?}");
    assert!(names(&got).system.is_some());
}

#[tokio::test]
async fn a_dead_host_costs_one_attempt_for_many_questions() {
    let probe = pulldoctor_registry::Probe::new(config()).unwrap();
    let silent = FakeRegistry::start(common::spec(json!({"listen": "silent"})))
        .await
        .unwrap();
    let start = std::time::Instant::now();
    for tag in 0..20 {
        let image = format!("{}/a:{tag}", silent.authority());
        let got = common::run(&probe, &request(&image)).await;
        assert_eq!(
            failure(&got),
            (StageName::Tls, Problem::TlsTimeout),
            "{got:#?}"
        );
    }
    // One handshake takes 600 ms here.
    assert!(start.elapsed().as_millis() < 3000, "{:?}", start.elapsed());
}

#[tokio::test]
async fn ports_where_nothing_listens() {
    let got = ask(config(), &request("127.0.0.1:1/a:1")).await;
    assert_eq!(
        failure(&got),
        (StageName::Tcp, Problem::TcpRefused),
        "{got:#?}"
    );
    let got = ask(config(), &request("[::1]:1/a:1")).await;
    assert_eq!(failure(&got).0, StageName::Tcp, "{got:#?}");
}

fn through(config: ProbeConfig, proxy: &str) -> ProbeConfig {
    let proxy = proxy.to_owned();
    ProbeConfig {
        proxies: ProxyRules::new(move |name| {
            (name.ends_with("_PROXY") && name != "NO_PROXY").then(|| proxy.clone())
        }),
        ..config
    }
}

#[tokio::test]
async fn through_a_proxy_with_a_login() {
    let company = Company::new();
    let identity = company
        .authority
        .server(TlsMode::Ok, &["registry.lab"])
        .unwrap();
    let server = common::serve_tls(
        identity.chain().to_vec(),
        identity.key(),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let proxy = FakeProxy::answering("HTTP/1.1 200 OK\r\nX: y\r\n\r\n", &server)
        .await
        .unwrap();
    let address = proxy.address();
    let config = through(
        company.config(),
        &format!("http://me:pr0xy-canary@{address}"),
    );
    let mut question = request("registry.lab/a:1");
    question.logins = vec![login("ci", "pr0xy-canary")];
    // The same word as password, so that the check of every transcript looks for it.
    let got = ask(config, &question).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::NotFound),
        "{got:#?}"
    );
    let heard = proxy.heard();
    assert!(
        heard[0].starts_with("CONNECT registry.lab:443 HTTP/1.1\r\nHost: registry.lab:443\r\n"),
        "{heard:?}"
    );
    assert!(
        heard[0].contains("Proxy-Authorization: Basic bWU6cHIweHktY2FuYXJ5\r\n"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn proxies_that_refuse_or_are_not_there() {
    let good = "127.0.0.1:1";
    let listening = FakeRegistry::start(plain(json!({}))).await.unwrap();
    for (answer, problem, text) in [
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 30\r\n\r\n<title>Blocked by Acme</title>",
            Problem::ProxyRefused,
            "answered 403 to CONNECT: Blocked by Acme",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            Problem::ProxyRefused,
            "407",
        ),
        ("SSH-2.0-x\r\n\r\n", Problem::ProxyFailed, "not HTTP"),
        ("", Problem::ProxyFailed, "ended"),
    ] {
        let proxy = FakeProxy::answering(answer, &listening.authority())
            .await
            .unwrap();
        let got = ask(
            through(config(), &proxy.address().to_string()),
            &request("registry.lab/a:1"),
        )
        .await;
        assert_eq!(failure(&got), (StageName::Proxy, problem), "{got:#?}");
        let detail = &got.first_failure().unwrap().detail;
        assert!(detail.contains(text), "{detail}");
    }
    let got = ask(through(config(), good), &request("registry.lab/a:1")).await;
    assert_eq!(
        failure(&got),
        (StageName::Proxy, Problem::ProxyUnreachable),
        "{got:#?}"
    );
    let got = ask(
        through(config(), "http://proxy.lab:3128"),
        &request("registry.lab/a:1"),
    )
    .await;
    assert_eq!(failure(&got).0, StageName::Dns, "{got:#?}");
}

#[tokio::test]
async fn plain_http_is_asked_of_the_proxy_by_its_whole_url() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let proxy = FakeProxy::start(&registry.authority()).await.unwrap();
    let address = proxy.address();
    let mut config = through(config(), &format!("http://me:pr0xy@{address}"));
    config.realms.plain_http = vec!["registry.lab".to_owned()];
    let got = ask(config, &request("registry.lab/shop/api:1.4.1")).await;
    let heard = proxy.heard();
    assert!(
        heard[0].starts_with("HEAD http://registry.lab/v2/shop/api/manifests/1.4.1 HTTP/1.1\r\n"),
        "{heard:?}"
    );
    assert!(
        heard[0]
            .to_lowercase()
            .contains("proxy-authorization: basic "),
        "{heard:?}"
    );
    assert_eq!(
        got.stage(StageName::Http).unwrap().detail,
        "answered 200",
        "{got:#?}"
    );
}
