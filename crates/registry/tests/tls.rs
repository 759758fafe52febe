//! TLS faults, in the terms of Go, and what is withheld after one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Instant;

use common::{Company, ask, config, failure, login, one_repository, outline, request, spec};
use pulldoctor_registry::judge::{CredentialOutcome, Facts, TlsFacts};
use pulldoctor_registry::{ProbeConfig, Problem, StageName, Transcript};
use pulldoctor_testkit::registry::Authorization;
use serde_json::json;

fn tls(transcript: &Transcript) -> &TlsFacts {
    match &transcript.stage(StageName::Tls).unwrap().facts {
        Facts::Tls(facts) => facts,
        other => panic!("{other:?}"),
    }
}

async fn probe(mode: &str, trusts: bool) -> Transcript {
    let company = Company::new();
    let registry = company
        .registry(spec(json!({"tls": mode, "repositories": one_repository(),
            "auth": {"kind": "basic", "users": [{"name": "ci", "password": "canary-s3cret"}]}})))
        .await;
    let mut question = request(&format!("{}/shop/api:1.4.1", registry.authority()));
    question.logins = vec![login("ci", "canary-s3cret")];
    let config = if trusts { company.config() } else { config() };
    let got = ask(config, &question).await;
    if got.first_failure().is_some() {
        let sent = registry
            .log()
            .iter()
            .any(|entry| entry.authorization != Authorization::None);
        assert!(!sent, "a credential went over an unverified connection");
    }
    got
}

#[tokio::test]
async fn every_fault_of_a_chain_is_named_as_go_names_it() {
    for (mode, trusts, problem, text) in [
        (
            "expired",
            true,
            Problem::TlsExpired,
            "certificate has expired or is not yet valid: current time ",
        ),
        (
            "not-yet-valid",
            true,
            Problem::TlsNotYetValid,
            " is before ",
        ),
        (
            "wrong-name",
            true,
            Problem::TlsNameMismatch,
            "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
        ),
        (
            "unknown-ca",
            true,
            Problem::TlsUnknownAuthority,
            "x509: certificate signed by unknown authority",
        ),
        (
            "self-signed",
            true,
            Problem::TlsUnknownAuthority,
            "x509: certificate signed by unknown authority",
        ),
        (
            "no-intermediate",
            true,
            Problem::TlsIncompleteChain,
            "x509: certificate signed by unknown authority",
        ),
        (
            "common-name-only",
            true,
            Problem::TlsLegacyCommonName,
            "x509: certificate relies on legacy Common Name field, use SANs instead",
        ),
        (
            "ok",
            false,
            Problem::TlsUnknownAuthority,
            "x509: certificate signed by unknown authority",
        ),
    ] {
        let got = probe(mode, trusts).await;
        assert_eq!(failure(&got), (StageName::Tls, problem), "{mode}: {got:#?}");
        let facts = tls(&got);
        let go_text = facts.go_text.as_deref().unwrap();
        assert!(go_text.contains(text), "{mode}: {go_text}");
        assert!(!facts.chain.is_empty(), "{mode}");
        // Evidence is still gathered, without the credential.
        assert!(
            outline(&got).contains("tls:failed http:ok"),
            "{mode}: {}",
            outline(&got)
        );
        let record = &got.credentials[0];
        assert_eq!(record.outcome, CredentialOutcome::Untested, "{mode}");
        assert_eq!(record.problem, Some(Problem::CredentialWithheld), "{mode}");
        assert_eq!(got.gaps[0].problem, Problem::CredentialWithheld, "{mode}");
    }
}

#[tokio::test]
async fn a_good_chain_is_good_and_shows_who_issued_it() {
    let got = probe("ok", true).await;
    assert!(got.is_good(), "{got:#?}");
    let facts = tls(&got);
    assert_eq!(facts.chain.len(), 2);
    assert!(
        facts.chain[0].issuer.contains("Company intermediate"),
        "{facts:#?}"
    );
    assert!(facts.chain[0].names.contains(&"127.0.0.1".to_owned()));
    assert_eq!(facts.version.as_deref(), Some("TLSv1.3"));
    assert_eq!(got.credentials[0].outcome, CredentialOutcome::Granted);
}

#[tokio::test]
async fn a_self_signed_leaf_is_good_where_it_is_trusted_itself() {
    // rustls refuses a CA certificate as leaf; Go takes it.
    for is_authority in [false, true] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        if is_authority {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leaf.pem");
        std::fs::write(&file, certificate.pem()).unwrap();
        let server = common::serve_tls(
            vec![certificate.der().clone()],
            rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        let config = ProbeConfig {
            authority_files: vec![file],
            ..config()
        };
        let got = ask(config, &request(&format!("{server}/a:1"))).await;
        assert_eq!(
            failure(&got),
            (StageName::Manifest, Problem::NotFound),
            "{is_authority}: {got:#?}"
        );
    }
}

#[tokio::test]
async fn a_wanted_client_certificate_is_seen() {
    let got = probe("mtls", true).await;
    assert_eq!(
        failure(&got),
        (StageName::Tls, Problem::TlsClientCertificate),
        "{got:#?}"
    );
    assert!(tls(&got).wants_client_certificate);
}

#[tokio::test]
async fn ports_that_speak_something_else() {
    let got = probe("off", true).await;
    assert_eq!(
        failure(&got),
        (StageName::Tls, Problem::TlsNotTls),
        "{got:#?}"
    );

    // Beyond loopback a plain port is a fault; here a name that the test's resolver puts there.
    let company = Company::new();
    let registry = company
        .registry(spec(
            json!({"tls": "plain-http", "repositories": one_repository()}),
        ))
        .await;
    let (_server, resolvers) = common::dns(&[(
        "registry.lab",
        pulldoctor_testkit::dns::Record::address(std::net::Ipv4Addr::LOCALHOST),
    )])
    .await;
    let config = ProbeConfig {
        resolvers,
        ..company.config()
    };
    let image = format!("registry.lab:{}/shop/api:1.4.1", registry.address().port());
    let got = ask(config.clone(), &request(&image)).await;
    assert_eq!(
        failure(&got),
        (StageName::Tls, Problem::TlsPlainHttp),
        "{got:#?}"
    );
    assert_eq!(
        got.first_failure().unwrap().detail,
        "http: server gave HTTP response to HTTPS client"
    );
    assert!(registry.log().is_empty());

    // Where the node is configured so, it is asked in plain HTTP.
    let mut told = config;
    told.realms.plain_http = vec![format!("registry.lab:{}", registry.address().port())];
    let got = ask(told, &request(&image)).await;
    assert!(got.is_good(), "{got:#?}");
}

#[tokio::test]
async fn silence_and_cuts_in_the_handshake() {
    for (listen, problem) in [("silent", Problem::TlsTimeout), ("close", Problem::TlsCut)] {
        let company = Company::new();
        let registry = company.registry(spec(json!({"listen": listen}))).await;
        let start = Instant::now();
        let got = ask(
            company.config(),
            &request(&format!("{}/a:1", registry.authority())),
        )
        .await;
        assert_eq!(failure(&got), (StageName::Tls, problem), "{got:#?}");
        assert!(start.elapsed().as_secs() < 3);
    }
}
