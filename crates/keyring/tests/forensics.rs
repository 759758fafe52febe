//! One test for every way in which a pull secret does not help.

#![expect(clippy::panic, reason = "a test, also outside of test functions")]

mod common;

use common::encode;
use pulldoctor_keyring::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, PullSecret, examine,
    facts,
};
use pulldoctor_model::{
    AuthLooks, Blemish, CredentialKind, EntryFault, EntryVerdict, ExpiryKnown, Fit, JsonLooks,
    MalformedSecret, Mismatch, NoEntries, SecretStanding, SecretVerdict, Timestamp,
};
use pulldoctor_reference::Reference;

const IMAGE: &str = "registry.example.com:5000/shop/api:1.4.2";

fn image(text: &str) -> Reference {
    Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn secret(config: &str) -> PullSecret {
    PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON)
        .with(DOCKER_CONFIG_JSON_KEY, config.as_bytes())
}

fn judged(config: &str) -> SecretVerdict {
    examine(&secret(config), &image(IMAGE))
}

/// The verdict on the one entry of a config with this key.
fn fit(key: &str, of: &str) -> Fit {
    let config = format!(r#"{{"auths":{{"{key}":{{"username":"ci-bot","password":"canary"}}}}}}"#);
    let mut verdict = examine(&secret(&config), &image(of));
    assert_eq!(verdict.entries.len(), 1, "{key}");
    verdict.entries.remove(0).fit
}

fn entry(fields: &str) -> EntryVerdict {
    let config = format!(r#"{{"auths":{{"registry.example.com:5000":{fields}}}}}"#);
    let mut verdict = judged(&config);
    assert_eq!(verdict.entries.len(), 1, "{fields}: {verdict:?}");
    verdict.entries.remove(0)
}

fn login(username: &str, password: &str) -> EntryVerdict {
    let auth = encode(format!("{username}:{password}").as_bytes());
    entry(&format!(r#"{{"auth":"{auth}"}}"#))
}

fn mismatch(reasons: &[Mismatch], corrected: Option<&str>) -> Fit {
    Fit::Mismatch {
        reasons: reasons.to_vec(),
        corrected: corrected.map(str::to_owned),
    }
}

fn malformed(config: &str) -> (MalformedSecret, String, usize, usize) {
    match judged(config).standing {
        SecretStanding::Malformed {
            fault,
            text,
            line,
            column,
        } => (fault, text, line, column),
        other => panic!("{config}: {other:?}"),
    }
}

#[test]
fn good_secret_matches() {
    let verdict = judged(
        r#"{"auths":{"https://registry.example.com:5000":{"username":"ci-bot","password":"x"}}}"#,
    );
    assert_eq!(verdict.standing, SecretStanding::Used);
    assert!(verdict.matches());
    assert_eq!(verdict.entries[0].username, "ci-bot");
    assert_eq!(verdict.entries[0].kind, CredentialKind::Password);
    assert_eq!(verdict.entries[0].faults, []);
}

#[test]
fn wrong_type_is_ignored() {
    let config = r#"{"auths":{"registry.example.com:5000":{"username":"ci-bot"}}}"#;
    let verdict = examine(
        &PullSecret::new("shop", "regcred", "Opaque").with("config.json", config),
        &image(IMAGE),
    );
    assert_eq!(
        verdict.standing,
        SecretStanding::WrongType {
            kind: "Opaque".to_owned(),
            holds: Some(DOCKER_CONFIG_JSON.to_owned()),
            key: Some("config.json".to_owned()),
        }
    );
    // The fit is told all the same: under the right type it would match.
    assert_eq!(verdict.entries[0].fit, Fit::Matches);
    assert!(!verdict.matches());

    let basic = PullSecret::new("shop", "regcred", "kubernetes.io/basic-auth")
        .with("username", "ci-bot")
        .with("password", "canary");
    let SecretStanding::WrongType { holds: None, .. } = examine(&basic, &image(IMAGE)).standing
    else {
        panic!("a basic-auth secret holds no config");
    };
}

#[test]
fn missing_key_is_ignored() {
    let secret = PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with("config.json", "{}");
    assert_eq!(
        examine(&secret, &image(IMAGE)).standing,
        SecretStanding::MissingKey {
            wanted: DOCKER_CONFIG_JSON_KEY.to_owned(),
            found: vec!["config.json".to_owned()],
        }
    );
}

#[test]
fn bad_json_is_placed() {
    let (fault, text, line, column) = malformed("{\n  \"auths\": {\"ä\": {},}\n}");
    assert_eq!(
        fault,
        MalformedSecret::Json {
            looks: Some(JsonLooks::TrailingComma)
        }
    );
    assert_eq!(
        text,
        "invalid character … looking for beginning of object key string"
    );
    assert_eq!((line, column), (2, 21));
}

#[test]
fn bad_json_is_recognised() {
    let good = r#"{"auths":{"a.io":{"username":"u","password":"canary"}}}"#;
    for (config, looks) in [
        (encode(good.as_bytes()), JsonLooks::Base64),
        (format!("\u{feff}{good}"), JsonLooks::ByteOrderMark),
        ("  \n".to_owned(), JsonLooks::Blank),
        (good.replace('"', "'"), JsonLooks::SingleQuotes),
        (good[..30].to_owned(), JsonLooks::CutOff),
        (format!("{good}{good}"), JsonLooks::TrailingData),
        ("{{ .Values.pull }}".to_owned(), JsonLooks::Placeholder),
        ("u:canary".to_owned(), JsonLooks::PlainCredentials),
        ("u=canary".to_owned(), JsonLooks::PlainCredentials),
    ] {
        let (fault, text, ..) = malformed(&config);
        assert_eq!(
            fault,
            MalformedSecret::Json { looks: Some(looks) },
            "{config}"
        );
        assert!(!text.contains('\''), "{text}");
    }
    let quoted = format!("\"{}\"", good.replace('"', "\\\""));
    let (fault, ..) = malformed(&quoted);
    let MalformedSecret::Type { looks, .. } = fault else {
        panic!("{fault:?}")
    };
    assert_eq!(looks, Some(JsonLooks::QuotedJson));
}

#[test]
fn wrong_types_are_placed() {
    let (fault, text, line, column) =
        malformed("{\"auths\":\n{\"a.io\":{\"username\":\"u\",\"password\":12345}}}");
    assert_eq!(
        fault,
        MalformedSecret::Type {
            key: Some("a.io".to_owned()),
            field: "DockerConfigJSON.auths.password".to_owned(),
            found: "number".to_owned(),
            looks: None,
        }
    );
    assert_eq!(
        text,
        "json: cannot unmarshal number into Go struct field DockerConfigJSON.auths.password of \
         type string"
    );
    assert_eq!((line, column), (2, 36));
}

#[test]
fn bad_base64_is_placed_and_recognised() {
    let good = encode(b"ci-bot:canary!");
    for (auth, byte, looks) in [
        ("ci-bot:canary".to_owned(), 2, Some(AuthLooks::NotEncoded)),
        (format!(" {good}"), 0, Some(AuthLooks::WhiteSpace)),
        (format!("\\\"{good}\\\""), 0, Some(AuthLooks::Quotes)),
        ("${AUTH}".to_owned(), 0, Some(AuthLooks::Placeholder)),
        (
            good.trim_end_matches('=').to_owned() + "=====",
            good.len(),
            Some(AuthLooks::Padding),
        ),
        ("YTp_fn5_".to_owned(), 3, Some(AuthLooks::UrlAlphabet)),
        ("YTpi*".to_owned(), 4, None),
    ] {
        let config = format!(r#"{{"auths":{{"https://a.io":{{"auth":"{auth}"}}}}}}"#);
        let (fault, text, line, column) = malformed(&config);
        assert_eq!(
            fault,
            MalformedSecret::AuthBase64 {
                key: "https://a.io".to_owned(),
                byte,
                looks,
            },
            "{auth}"
        );
        assert_eq!(text, format!("illegal base64 data at input byte {byte}"));
        assert_eq!((line, column), (1, 34));
    }
}

#[test]
fn auth_without_colon_is_recognised() {
    let twice = encode(encode(b"ci-bot:canary").as_bytes());
    for (auth, looks) in [
        (twice, AuthLooks::EncodedTwice),
        (encode(b"canary"), AuthLooks::OneHalf),
    ] {
        let (fault, ..) = malformed(&format!(r#"{{"auths":{{"a.io":{{"auth":"{auth}"}}}}}}"#));
        assert_eq!(
            fault,
            MalformedSecret::AuthWithoutColon {
                key: "a.io".to_owned(),
                looks: Some(looks),
            }
        );
    }
}

#[test]
fn missing_auths_says_what_is_there_instead() {
    let because = |config: &str| match judged(config).standing {
        SecretStanding::NoEntries { because } => because,
        other => panic!("{config}: {other:?}"),
    };
    assert_eq!(
        because(r#"{"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud"}}"#),
        NoEntries::OnlyHelpers {
            helpers: vec!["desktop".to_owned(), "gcloud".to_owned()]
        }
    );
    assert_eq!(
        because(r#"{"auths":{},"credsStore":"desktop"}"#),
        NoEntries::EmptyAuths {
            helpers: vec!["desktop".to_owned()]
        }
    );
    assert_eq!(
        because(r#"{"registry.example.com":{"username":"u","password":"p"}}"#),
        NoEntries::HostsAtTop {
            hosts: vec!["registry.example.com".to_owned()]
        }
    );
    assert_eq!(
        because(r#"{"auth":{"a.io":{"username":"u"}}}"#),
        NoEntries::MisspelledAuths {
            found: "auth".to_owned()
        }
    );
    assert_eq!(
        because(r#"{"registries":{}}"#),
        NoEntries::NoAuths {
            found: vec!["registries".to_owned()]
        }
    );
    // Go takes a name in any case.
    assert!(judged(r#"{"AUTHS":{"registry.example.com:5000":{}}}"#).matches());
}

#[test]
fn new_form_under_the_old_type_is_recognised() {
    let secret = PullSecret::new("shop", "regcred", DOCKER_CFG).with(
        DOCKER_CFG_KEY,
        r#"{"auths":{"registry.example.com:5000":{"username":"u","password":"p"}}}"#,
    );
    assert_eq!(
        examine(&secret, &image(IMAGE)).standing,
        SecretStanding::NoEntries {
            because: NoEntries::HostsUnderAuths {
                hosts: vec!["registry.example.com:5000".to_owned()]
            }
        }
    );
}

#[test]
fn blemishes_of_the_password_are_told() {
    for (password, blemish) in [
        ("canary\n", Blemish::TrailingNewline),
        ("canary\r\n", Blemish::TrailingNewline),
        (" canary", Blemish::SurroundingSpace),
        ("canary ", Blemish::SurroundingSpace),
        ("\"canary\"", Blemish::Quotes),
        ("'canary'", Blemish::Quotes),
        ("can\u{7}ary", Blemish::ControlCharacter),
        ("\u{feff}canary", Blemish::ByteOrderMark),
        ("${REGISTRY_PASSWORD}", Blemish::Placeholder),
        ("$REGISTRY_PASSWORD", Blemish::Placeholder),
        ("{{ .Values.password }}", Blemish::Placeholder),
        ("<password>", Blemish::Placeholder),
        ("null", Blemish::Placeholder),
        ("********", Blemish::Masked),
        ("Y2FuYXJ5LWNhbmFyeQ==", Blemish::Base64),
    ] {
        assert_eq!(
            login("ci-bot", password).faults,
            [EntryFault::Password { blemish }],
            "{password:?}"
        );
    }
    for password in ["canary", "c@n'ary\"", "pa$$word", "abcdEFGH1234", "a b"] {
        assert_eq!(login("ci-bot", password).faults, [], "{password}");
    }
    let auth = encode(b"ci-bot:\xff");
    assert_eq!(
        entry(&format!(r#"{{"auth":"{auth}"}}"#)).faults,
        [EntryFault::Password {
            blemish: Blemish::NotUtf8
        }]
    );
    assert_eq!(
        login(" ci-bot", "canary").faults,
        [EntryFault::Username {
            blemish: Blemish::SurroundingSpace
        }]
    );
}

#[test]
fn contradiction_is_told() {
    let auth = encode(b"robot:canary");
    let verdict = entry(&format!(
        r#"{{"username":"ci-bot","password":"other","auth":"{auth}"}}"#
    ));
    assert_eq!(verdict.username, "robot");
    assert_eq!(
        verdict.faults,
        [EntryFault::Contradiction {
            username: true,
            password: true,
            overridden: "ci-bot".to_owned(),
        }]
    );
    let same = format!(r#"{{"username":"robot","password":"canary","auth":"{auth}"}}"#);
    assert_eq!(entry(&same).faults, []);
}

#[test]
fn empty_entries_are_told() {
    assert_eq!(entry("{}").faults, [EntryFault::Empty { unread: vec![] }]);
    assert_eq!(entry("null").faults, [EntryFault::Empty { unread: vec![] }]);
    assert_eq!(
        entry(r#"{"identitytoken":"canary"}"#).faults,
        [EntryFault::Empty {
            unread: vec!["identitytoken".to_owned()]
        }]
    );
    assert_eq!(
        entry(r#"{"password":"canary"}"#).faults,
        [EntryFault::NoUsername]
    );
    assert_eq!(
        entry(r#"{"username":"ci-bot"}"#).faults,
        [EntryFault::NoPassword { unread: vec![] }]
    );
    assert_eq!(entry("{}").fit, Fit::Matches);
}

#[test]
fn repeated_and_equal_keys_are_told() {
    let verdict = judged(
        r#"{"auths":{"a.io":{"username":"u","password":"1"},"a.io":{"username":"v","password":"2"},
            "https://a.io/v2/":{"username":"w","password":"3"}}}"#,
    );
    assert_eq!(verdict.entries.len(), 2);
    assert_eq!(verdict.entries[0].username, "v");
    assert_eq!(verdict.entries[0].faults, [EntryFault::Repeated]);
    assert_eq!(
        verdict.entries[1].faults,
        [EntryFault::SameAs {
            key: "a.io".to_owned()
        }]
    );
}

#[test]
fn keys_of_docker_hub() {
    for key in [
        "https://index.docker.io/v1/",
        "index.docker.io",
        "docker.io",
        "https://docker.io",
        "docker.io/library",
        "*.io",
    ] {
        assert_eq!(fit(key, "nginx"), Fit::Matches, "{key}");
    }
    let hub = Some("https://index.docker.io/v1/");
    for key in ["https://index.docker.io/v1", "docker.io/v1"] {
        assert_eq!(
            fit(key, "nginx"),
            mismatch(&[Mismatch::ApiPathWithoutSlash], hub),
            "{key}"
        );
    }
    for key in [
        "registry-1.docker.io",
        "https://hub.docker.com",
        "registry.hub.docker.com",
        "index.docker.io/library",
    ] {
        assert_eq!(
            fit(key, "nginx"),
            mismatch(&[Mismatch::DockerHubAlias], hub),
            "{key}"
        );
    }
    assert_eq!(
        fit("dokcer.io", "nginx"),
        mismatch(&[Mismatch::Typo { distance: 1 }], hub)
    );
}

#[test]
fn second_name_of_docker_hub_is_shadowed() {
    let verdict = examine(
        &secret(
            r#"{"auths":{"https://index.docker.io/v1/":{"username":"u"},"docker.io":{"username":"v"}}}"#,
        ),
        &image("nginx"),
    );
    assert_eq!(
        verdict.entries[0].fit,
        Fit::Shadowed {
            by: "docker.io".to_owned()
        }
    );
    assert_eq!(verdict.entries[1].fit, Fit::Matches);
}

#[test]
fn reasons_of_a_mismatch() {
    let whole = "registry.example.com:5000";
    let port = |key: Option<&str>, image: Option<&str>| Mismatch::Port {
        key: key.map(str::to_owned),
        image: image.map(str::to_owned),
    };
    for (key, of, reasons, corrected) in [
        (
            "registry.example.com",
            IMAGE,
            vec![port(None, Some("5000"))],
            Some(whole),
        ),
        (
            "registry.example.com:443",
            "registry.example.com/shop/api",
            vec![port(Some("443"), None)],
            Some("registry.example.com"),
        ),
        (
            "registry.example.com:5000/shop/web",
            IMAGE,
            vec![Mismatch::Path {
                key: "/shop/web".to_owned(),
                image: "/shop/api".to_owned(),
            }],
            None,
        ),
        (
            "registry.example.com:5000/v2",
            IMAGE,
            vec![Mismatch::ApiPathWithoutSlash],
            Some(whole),
        ),
        (
            "registry.example.com:5000/shop/api/",
            IMAGE,
            vec![Mismatch::TrailingSlash],
            Some("registry.example.com:5000/shop/api"),
        ),
        (
            "registry.example.com:5000/shop/api:1.4.2",
            IMAGE,
            vec![Mismatch::TagInKey],
            Some("registry.example.com:5000/shop/api"),
        ),
        (
            "oci://registry.example.com:5000",
            IMAGE,
            vec![Mismatch::Scheme {
                scheme: "oci".to_owned(),
            }],
            Some(whole),
        ),
        (
            "HTTPS://registry.example.com:5000",
            IMAGE,
            vec![Mismatch::Scheme {
                scheme: "HTTPS".to_owned(),
            }],
            Some(whole),
        ),
        (
            " registry.example.com:5000",
            IMAGE,
            vec![Mismatch::WhiteSpace],
            Some(whole),
        ),
        (
            "Registry.Example.com:5000",
            IMAGE,
            vec![Mismatch::Case],
            Some(whole),
        ),
        (
            "registry.exmaple.com:5000",
            IMAGE,
            vec![Mismatch::Typo { distance: 1 }],
            Some(whole),
        ),
        (
            "*.example.com:5000",
            "eu.registry.example.com:5000/shop/api",
            vec![Mismatch::LabelCount { key: 3, image: 4 }],
            Some("eu.registry.example.com:5000"),
        ),
        (
            "*.example.com",
            "example.com/shop/api",
            vec![Mismatch::LabelCount { key: 3, image: 2 }],
            Some("example.com"),
        ),
        ("example.com:5000", IMAGE, vec![Mismatch::Subdomain], None),
        ("quay.io", IMAGE, vec![Mismatch::OtherRegistry], None),
        (
            "ghcr.io",
            "gcr.io/shop/api",
            vec![Mismatch::OtherRegistry],
            None,
        ),
        (
            "gcr.io",
            "eu.gcr.io/shop/api",
            vec![Mismatch::Subdomain],
            None,
        ),
        (
            "registry example.com",
            IMAGE,
            vec![Mismatch::NotAUrl {
                because: "a space in the host".to_owned(),
            }],
            None,
        ),
        (
            "registry.exmaple.com",
            IMAGE,
            vec![Mismatch::Typo { distance: 1 }, port(None, Some("5000"))],
            Some(whole),
        ),
    ] {
        assert_eq!(fit(key, of), mismatch(&reasons, corrected), "{key}");
    }
}

#[test]
fn kinds_and_expiry() {
    let at = |seconds| Timestamp::from_second(seconds).unwrap_or_default();
    let url = |text: &str| {
        encode(text.as_bytes())
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_")
    };
    let jwt = |claims: &str| format!("{}.{}.c2ln", url(r#"{"alg":"RS256"}"#), url(claims));
    let ecr = encode(br#"{"payload":"x","datakey":"y","version":"2","expiration":1800000000}"#);
    let acr = jwt(r#"{"iss":"Azure Container Registry","exp":1800000001}"#);
    for (username, password, kind, expires) in [
        (
            "AWS",
            ecr.as_str(),
            CredentialKind::EcrToken,
            Some(1_800_000_000),
        ),
        (
            "00000000-0000-0000-0000-000000000000",
            &acr,
            CredentialKind::AzureToken,
            Some(1_800_000_001),
        ),
        (
            "x",
            &jwt(r#"{"exp":1.8e9}"#),
            CredentialKind::Jwt,
            Some(1_800_000_000),
        ),
        ("x", &jwt(r#"{"sub":"y"}"#), CredentialKind::Jwt, None),
        ("x", &jwt(r#"{"exp":1e300}"#), CredentialKind::Jwt, None),
        (
            "_json_key",
            "{}",
            CredentialKind::GoogleServiceAccountKey,
            None,
        ),
        (
            "oauth2accesstoken",
            "ya29.canary",
            CredentialKind::GoogleAccessToken,
            None,
        ),
        (
            "gitlab-ci-token",
            "canary",
            CredentialKind::GitlabJobToken,
            None,
        ),
        (
            "x",
            "glpat-canary",
            CredentialKind::GitlabPersonalToken,
            None,
        ),
        ("x", "ghp_canary", CredentialKind::GithubPersonalToken, None),
        ("x", "ghs_canary", CredentialKind::GithubAppToken, None),
        (
            "x",
            "github_pat_canary",
            CredentialKind::GithubFineGrainedToken,
            None,
        ),
        ("x", "dckr_pat_canary", CredentialKind::DockerHubToken, None),
        ("x", "canary", CredentialKind::Password, None),
        ("x", "", CredentialKind::Empty, None),
    ] {
        let verdict = login(username, password);
        assert_eq!(verdict.kind, kind, "{username} {password}");
        assert_eq!(
            verdict.expiry.map(|expiry| (expiry.at, expiry.known)),
            expires.map(|seconds| (at(seconds), ExpiryKnown::Stated)),
            "{username} {password}"
        );
    }
    // A token that does not say when it ends, in a secret that says when it was written.
    let auth = encode(b"oauth2accesstoken:ya29.canary");
    let mut secret = secret(&format!(r#"{{"auths":{{"gcr.io":{{"auth":"{auth}"}}}}}}"#));
    secret.created = Some(at(1_000));
    let verdict = examine(&secret, &image("gcr.io/shop/api"));
    let expiry = verdict.entries[0].expiry;
    assert_eq!(
        expiry.map(|expiry| (expiry.at, expiry.known)),
        Some((at(4_600), ExpiryKnown::LongestLife))
    );
    assert_eq!(verdict.age(at(2_000)), Some(1_000));
}

#[test]
fn token_as_username_is_told_and_not_shown() {
    let verdict = login("ghp_canary", "x-oauth-basic");
    assert_eq!(verdict.username, "ghp_…");
    assert_eq!(verdict.kind, CredentialKind::GithubPersonalToken);
    assert_eq!(verdict.faults, [EntryFault::TokenAsUsername]);
}

#[test]
fn facts_hold_all_secrets_in_order() {
    let login = |user: &str| {
        format!(
            r#"{{"auths":{{"registry.example.com:5000":{{"username":"{user}","password":"x"}}}}}}"#
        )
    };
    let named = |name: &str, config: &str| {
        let mut secret = secret(config);
        name.clone_into(&mut secret.name);
        secret
    };
    let all = facts(
        &[
            Err(SecretVerdict::missing("shop", "gone", vec![])),
            Ok(named("first", &login("one"))),
            Ok(named("other", r#"{"auths":{"quay.io":{"username":"x"}}}"#)),
            Ok(named("second", &login("two"))),
        ],
        &image(IMAGE),
    );
    assert_eq!(all.repository, "registry.example.com:5000/shop/api");
    assert_eq!(all.failure, None);
    let matching: Vec<_> = all
        .matching
        .iter()
        .map(|found| (found.secret.as_str(), found.username.as_str()))
        .collect();
    assert_eq!(matching, [("first", "one"), ("second", "two")]);
    let names: Vec<_> = all.secrets.iter().map(|secret| &secret.name).collect();
    assert_eq!(names, ["gone", "first", "other", "second"]);
}

#[test]
fn one_broken_secret_breaks_all() {
    let good = r#"{"auths":{"registry.example.com:5000":{"username":"u","password":"x"}}}"#;
    let all = facts(
        &[
            Ok(secret(good)),
            Ok(secret(r#"{"auths":{"quay.io":{"auth":"u:canary"}}}"#)),
        ],
        &image(IMAGE),
    );
    let Some(failure) = &all.failure else {
        panic!("no failure")
    };
    assert_eq!(failure.text, "illegal base64 data at input byte 1");
    assert!(failure.explains("Error: illegal base64 data at input byte 1"));
    assert!(all.matching.is_empty());
    assert_eq!(all.secrets[0].entries[0].fit, Fit::Matches);
}

#[test]
fn very_many_entries_are_cut() {
    let mut hosts: Vec<String> = (0..5_000).map(|n| format!(r#""h{n}.io":{{}}"#)).collect();
    hosts.push(r#""registry.example.com:5000":{"username":"u"}"#.to_owned());
    let verdict = judged(&format!(r#"{{"auths":{{{}}}}}"#, hosts.join(",")));
    assert_eq!(verdict.entries.len(), 101);
    assert_eq!(verdict.omitted, 4_900);
    assert!(verdict.matches());
}
