//! Every stage against registries that are well and registries that are not.

mod common;

use std::net::Ipv4Addr;

use common::{
    Company, ask, config, dns, failure, login, one_repository, outline, plain, request, run, spec,
};
use pulldoctor_registry::judge::{CredentialOutcome, Identity};
use pulldoctor_registry::{Probe, ProbeConfig, ProbeDepth, Problem, StageName};
use pulldoctor_testkit::dns::Record;
use pulldoctor_testkit::registry::{Authorization, FakeRegistry};
use pulldoctor_testkit::spec::DnsAnswer;
use serde_json::json;

#[tokio::test]
async fn an_open_registry_in_plain_http_on_loopback() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let mut question = request(&format!("{}/shop/api:multi", registry.authority()));
    question.platform = Some("linux/amd64".parse().unwrap());
    question.depth = ProbeDepth::Image;
    let got = ask(config(), &question).await;
    assert_eq!(
        outline(&got),
        "dns:skipped proxy:skipped tcp:ok tls:skipped http:ok token:skipped manifest:ok platform:ok config:ok",
        "{got:#?}"
    );
    assert_eq!(got.credentials[0].outcome, CredentialOutcome::Granted);
    assert!(
        registry
            .log()
            .iter()
            .all(|entry| entry.user_agent.starts_with("pulldoctor/"))
    );
    assert_eq!(registry.log()[0].method, "HEAD");
}

#[tokio::test]
async fn a_bearer_registry_over_tls_with_each_credential() {
    let company = Company::new();
    let registry = company
        .registry(spec(
            json!({"repositories": one_repository(), "auth": {"kind": "bearer", "users": [
            {"name": "good", "password": "s3cret-canary"},
            {"name": "other", "password": "s3cret-canary-2", "pull": ["else/*"]}]}}),
        ))
        .await;
    let mut question = request(&format!("{}/shop/api:1.4.1", registry.authority()));
    question.logins = vec![
        login("good", "wrong-canary"),
        login("other", "s3cret-canary-2"),
        login("good", "s3cret-canary"),
    ];
    question.depth = ProbeDepth::Image;
    let got = ask(company.config(), &question).await;
    assert_eq!(
        outline(&got),
        "dns:skipped proxy:skipped tcp:ok tls:ok http:ok token:ok manifest:ok platform:skipped config:ok",
        "{got:#?}"
    );
    let verdicts: Vec<_> = got
        .credentials
        .iter()
        .map(|record| (record.outcome, record.identity))
        .collect();
    assert_eq!(
        verdicts,
        [
            (CredentialOutcome::Refused, Identity::Rejected),
            (CredentialOutcome::Refused, Identity::Accepted),
            (CredentialOutcome::Granted, Identity::Accepted),
            (CredentialOutcome::Refused, Identity::Unknown),
        ]
    );
}

#[tokio::test]
async fn the_second_question_costs_one_request() {
    let company = Company::new();
    let registry = company
        .registry(spec(
            json!({"repositories": one_repository(), "auth": {"kind": "bearer",
            "users": [{"name": "good", "password": "s3cret-canary"}]}}),
        ))
        .await;
    let probe = Probe::new(company.config()).unwrap();
    let mut question = request(&format!("{}/shop/api:1.4.1", registry.authority()));
    question.logins = vec![login("good", "s3cret-canary")];
    question.depth = ProbeDepth::Exists;
    run(&probe, &question).await;
    registry.clear_log();
    for tag in ["1.4.1", "multi", "1.4.2-alpine"] {
        question.image = request(&format!("{}/shop/api:{tag}", registry.authority())).image;
        let got = run(&probe, &question).await;
        assert!(got.is_good(), "{got:#?}");
        assert_eq!(got.requests, 1);
    }
    let log = registry.log();
    assert_eq!(log.len(), 3);
    assert!(
        log.iter()
            .all(|entry| entry.authorization == Authorization::Bearer)
    );
}

#[tokio::test]
async fn names_that_do_not_resolve_are_told_apart() {
    for (answer, problem) in [
        (DnsAnswer::NxDomain, Problem::DnsNxdomain),
        (DnsAnswer::ServFail, Problem::DnsServfail),
        (DnsAnswer::Refused, Problem::DnsRefused),
        (DnsAnswer::NoData, Problem::DnsNodata),
        (DnsAnswer::Silent, Problem::DnsTimeout),
    ] {
        let (_server, resolvers) = dns(&[("registry.lab", Record::failing(answer))]).await;
        let config = ProbeConfig {
            resolvers,
            ..config()
        };
        let got = ask(config, &request("registry.lab/a:1")).await;
        assert_eq!(failure(&got), (StageName::Dns, problem), "{got:#?}");
    }
    let (server, resolvers) = dns(&[("registry.lab", Record::address(Ipv4Addr::LOCALHOST))]).await;
    drop(server);
    let got = ask(
        ProbeConfig {
            resolvers,
            ..config()
        },
        &request("registry.lab/a:1"),
    )
    .await;
    assert_eq!(failure(&got), (StageName::Dns, Problem::DnsUnreachable));
}
