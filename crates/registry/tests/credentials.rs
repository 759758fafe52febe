//! Where a credential goes, and what becomes of each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Company, ask, failure, login, one_repository, request, spec};
use pulldoctor_diagnose::transcript::cause_of;
use pulldoctor_model::CauseId;
use pulldoctor_registry::judge::{CredentialOutcome, Identity};
use pulldoctor_registry::{ProbeConfig, ProbeDepth, ProbeRequest, Problem, StageName, Transcript};
use pulldoctor_testkit::registry::{Authorization, FakeRegistry};
use serde_json::{Value, json};

const CANARY: &str = "canary-7f3a";

fn question(registry: &FakeRegistry) -> ProbeRequest {
    let mut question = request(&format!("{}/shop/api:1.4.1", registry.authority()));
    question.logins = vec![login("ci", CANARY)];
    question.depth = ProbeDepth::Image;
    question
}

async fn probe(auth: Value) -> (Transcript, FakeRegistry) {
    let company = Company::new();
    let registry = company
        .registry(spec(
            json!({"repositories": one_repository(), "auth": auth}),
        ))
        .await;
    let got = ask(company.config(), &question(&registry)).await;
    (got, registry)
}

fn verdict(got: &Transcript) -> (CredentialOutcome, Identity, Option<Problem>) {
    let record = &got.credentials[0];
    (record.outcome, record.identity, record.problem)
}

fn anonymous(got: &Transcript) -> CredentialOutcome {
    let record = got.credentials.last().unwrap();
    assert_eq!(record.source, "anonymous");
    record.outcome
}

#[tokio::test]
async fn basic_logins() {
    let good = json!({"kind": "basic", "users": [{"name": "ci", "password": CANARY}]});
    let (got, _) = probe(good).await;
    assert!(got.is_good(), "{got:#?}");
    assert_eq!(
        verdict(&got),
        (CredentialOutcome::Granted, Identity::Accepted, None)
    );
    assert_eq!(anonymous(&got), CredentialOutcome::Refused);

    let bad = json!({"kind": "basic", "users": [{"name": "ci", "password": "other"}]});
    let (got, _) = probe(bad).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::Unauthorized),
        "{got:#?}"
    );
    assert_eq!(
        verdict(&got),
        (
            CredentialOutcome::Refused,
            Identity::Rejected,
            Some(Problem::Unauthorized)
        )
    );

    let expired =
        json!({"kind": "basic", "users": [{"name": "ci", "password": CANARY, "expired": true}]});
    let (got, _) = probe(expired).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::Forbidden),
        "{got:#?}"
    );
    assert_eq!(cause_of(&got), Some(CauseId::AuthExpiredCredentials));
}

#[tokio::test]
async fn a_bad_login_before_a_public_image() {
    let auth = json!({"kind": "bearer", "anonymous_pull": ["**"], "users": [{"name": "ci", "password": "other"}]});
    let (got, _) = probe(auth).await;
    assert_eq!(
        failure(&got),
        (StageName::Token, Problem::TokenRefused),
        "{got:#?}"
    );
    assert_eq!(
        verdict(&got),
        (
            CredentialOutcome::Refused,
            Identity::Rejected,
            Some(Problem::TokenRefused)
        )
    );
    assert_eq!(anonymous(&got), CredentialOutcome::Granted);
    assert_eq!(cause_of(&got), Some(CauseId::PublicImageWrongCredential));
}

#[tokio::test]
async fn a_good_login_without_the_right() {
    for (auth, stage, problem) in [
        (
            json!({"kind": "bearer", "users": [{"name": "ci", "password": CANARY, "pull": ["else/*"]}]}),
            StageName::Manifest,
            Problem::Unauthorized,
        ),
        (
            json!({"kind": "bearer", "scope_refusal": "forbidden", "users": [{"name": "ci", "password": CANARY, "pull": []}]}),
            StageName::Manifest,
            Problem::Forbidden,
        ),
        (
            json!({"kind": "bearer", "user_refusal": "forbidden", "users": [{"name": "ci", "password": CANARY, "pull": []}]}),
            StageName::Token,
            Problem::TokenRefused,
        ),
        (
            json!({"kind": "bearer", "user_refusal": "unauthorized", "no_post": true, "users": [{"name": "ci", "password": CANARY, "pull": []}]}),
            StageName::Token,
            Problem::TokenRefused,
        ),
    ] {
        let (got, _) = probe(auth).await;
        assert_eq!(failure(&got), (stage, problem), "{got:#?}");
        assert_eq!(verdict(&got).1, Identity::Accepted, "{got:#?}");
        assert_eq!(cause_of(&got), Some(CauseId::AuthForbidden));
        assert_eq!(verdict(&got).0, CredentialOutcome::Refused);
    }
}

#[tokio::test]
async fn no_login_where_one_is_wanted() {
    let company = Company::new();
    let registry = company
        .registry(spec(
            json!({"repositories": one_repository(), "auth": {"kind": "basic"}}),
        ))
        .await;
    let mut question = question(&registry);
    question.logins.clear();
    let got = ask(company.config(), &question).await;
    assert_eq!(
        failure(&got),
        (StageName::Token, Problem::Unauthorized),
        "{got:#?}"
    );
    assert!(
        got.first_failure()
            .unwrap()
            .detail
            .contains("no basic auth credentials")
    );
    assert_eq!(cause_of(&got), Some(CauseId::AuthMissingCredentials));
}

#[tokio::test]
async fn a_realm_on_another_host_gets_nothing_unasked() {
    let company = Company::new();
    let thief = company
        .registry(spec(json!({"auth": {"kind": "bearer", "realm": "https://localhost/token", "service": "127.0.0.1"}})))
        .await;
    // Another name for the same loopback: another host to the rule.
    let realm = format!("https://localhost:{}/token", thief.address().port());
    let registry = company
        .registry(spec(json!({"repositories": one_repository(),
            "auth": {"kind": "bearer", "realm": realm, "users": [{"name": "ci", "password": CANARY}]}})))
        .await;
    let (_server, resolvers) = common::dns(&[(
        "localhost",
        pulldoctor_testkit::dns::Record::address(std::net::Ipv4Addr::LOCALHOST),
    )])
    .await;
    let config = ProbeConfig {
        resolvers,
        ..company.config()
    };
    let got = ask(config.clone(), &question(&registry)).await;
    assert_eq!(
        failure(&got),
        (StageName::Token, Problem::RealmNotAllowed),
        "{got:#?}"
    );
    assert_eq!(verdict(&got).0, CredentialOutcome::Untested);
    assert_eq!(got.gaps[0].host, "localhost");
    assert_eq!(
        got.gaps[0].remedy.as_deref(),
        Some("--allow-realm localhost")
    );
    assert!(
        thief
            .log()
            .iter()
            .all(|entry| entry.authorization == Authorization::None && entry.method == "GET")
    );

    let mut consenting = config;
    consenting.realms.allowed_hosts = vec!["localhost".to_owned()];
    thief.clear_log();
    let got = ask(consenting, &question(&registry)).await;
    assert!(got.gaps.is_empty(), "{got:#?}");
    assert!(thief.log().iter().any(|entry| entry.method == "POST"));
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_credential_along() {
    let company = Company::new();
    let other = company
        .registry(spec(json!({"repositories": one_repository()})))
        .await;
    let target = format!("https://{}", other.authority());
    let registry = company
        .registry(spec(json!({"repositories": one_repository(),
            "auth": {"kind": "basic", "users": [{"name": "ci", "password": CANARY}]},
            "faults": [{"path": "/v2/**", "authenticated": true, "redirect": target}]})))
        .await;
    let got = ask(company.config(), &question(&registry)).await;
    assert!(got.is_good(), "{got:#?}");
    assert!(!other.log().is_empty());
    assert!(
        other
            .log()
            .iter()
            .all(|entry| entry.authorization == Authorization::None)
    );
    assert!(
        registry
            .log()
            .iter()
            .any(|entry| entry.authorization == Authorization::Basic)
    );
}

#[tokio::test]
async fn a_token_service_that_redirects_gets_no_login_there() {
    let company = Company::new();
    let other = company.registry(spec(json!({}))).await;
    let target = format!("https://{}/token", other.authority());
    let registry = company
        .registry(spec(json!({"repositories": one_repository(),
            "auth": {"kind": "bearer", "users": [{"name": "ci", "password": CANARY}]},
            "faults": [{"path": "/token", "method": "POST", "redirect": target}]})))
        .await;
    let got = ask(company.config(), &question(&registry)).await;
    assert_eq!(
        failure(&got),
        (StageName::Token, Problem::TokenUnusable),
        "{got:#?}"
    );
    assert!(other.log().is_empty());
}

#[tokio::test]
async fn token_services_that_answer_nonsense() {
    for (fault, problem) in [
        (
            json!({"path": "/token", "status": 200, "body": "<html><title>Log in to WLAN</title>"}),
            Problem::TokenUnusable,
        ),
        (
            json!({"path": "/token", "status": 200, "body": "{}"}),
            Problem::TokenUnusable,
        ),
        (
            json!({"path": "/token", "status": 503}),
            Problem::TokenServerError,
        ),
        (
            json!({"path": "/token", "status": 429}),
            Problem::RateLimited,
        ),
        (
            json!({"path": "/token", "hang_up": true}),
            Problem::TokenHostUnreachable,
        ),
        (
            json!({"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": "Negotiate"}}),
            Problem::ChallengeUnusable,
        ),
        (
            json!({"path": "/v2/**", "status": 401}),
            Problem::ChallengeUnusable,
        ),
        (
            json!({"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": "Bearer service=\"x\""}}),
            Problem::ChallengeUnusable,
        ),
        (
            json!({"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": "Bearer realm=\"/token\""}}),
            Problem::ChallengeUnusable,
        ),
        (
            json!({"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": "Bearer realm=\"http://r.example.com/token\""}}),
            Problem::CredentialWithheld,
        ),
        (
            json!({"path": "/v2/**", "status": 401, "headers": {"WWW-Authenticate": "Bearer realm=\"https://evil.net/token\""}}),
            Problem::RealmNotAllowed,
        ),
    ] {
        let company = Company::new();
        let registry = company
            .registry(spec(
                json!({"repositories": one_repository(), "faults": [fault],
                "auth": {"kind": "bearer", "users": [{"name": "ci", "password": CANARY}]}}),
            ))
            .await;
        let mut question = question(&registry);
        question.try_anonymous = false;
        let got = ask(company.config(), &question).await;
        assert_eq!(
            failure(&got),
            (StageName::Token, problem),
            "{fault} {got:#?}"
        );
    }
}

#[tokio::test]
async fn an_identity_token_is_a_refresh_token() {
    let company = Company::new();
    let registry = company
        .registry(spec(json!({"repositories": one_repository(),
            "auth": {"kind": "bearer", "users": [{"name": "ci", "password": CANARY}]}})))
        .await;
    let mut question = question(&registry);
    question.logins = vec![login("", CANARY)];
    let got = ask(company.config(), &question).await;
    assert!(got.is_good(), "{got:#?}");
}
