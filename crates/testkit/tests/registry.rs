//! The fake registry over real sockets: protocol, logins and every kind of fault.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use base64::Engine as _;
use common::{get, request, send};
use pulldoctor_testkit::image::sha256;
use pulldoctor_testkit::registry::{Authorization, Directory, FakeRegistry};
use pulldoctor_testkit::spec::{Cut, FaultSpec, HostSpec, TlsMode, Trickle};
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};

fn spec(value: Value) -> HostSpec {
    let mut spec: HostSpec = serde_json::from_value(value).unwrap();
    spec.tls = TlsMode::PlainHttp;
    spec
}

async fn open() -> FakeRegistry {
    FakeRegistry::start(spec(json!({"repositories": [
        {"name": "shop/api", "tags": [{"tag": "1"}, {"tag": "2", "image": "index:amd64+arm64"}]},
        {"name": "shop/empty"}
    ]})))
    .await
    .unwrap()
}

/// Path of the only layer of `shop/api:1`.
async fn layer(registry: &FakeRegistry) -> (String, u64) {
    let got = send(registry.address(), get("r", "/v2/shop/api/manifests/1"))
        .await
        .unwrap();
    let layer = &got.json()["layers"][0];
    let digest = layer["digest"].as_str().unwrap();
    (
        format!("/v2/shop/api/blobs/{digest}"),
        layer["size"].as_u64().unwrap(),
    )
}

fn basic(name: &str, password: &str) -> String {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Basic {login}")
}

#[tokio::test]
async fn an_image_can_be_pulled_and_every_digest_is_true() {
    let registry = open().await;
    let at = registry.address();
    let head = send(at, request("HEAD", "r", "/v2/shop/api/manifests/2", &[]))
        .await
        .unwrap();
    assert_eq!(head.status, 200);
    let digest = head.header("docker-content-digest").to_owned();
    let index = send(at, get("r", &format!("/v2/shop/api/manifests/{digest}")))
        .await
        .unwrap();
    assert_eq!(sha256(&index.body), digest);
    assert_eq!(head.header("content-length"), index.body.len().to_string());
    assert_eq!(
        index.header("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    for entry in index.json()["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        let manifest = send(at, get("r", &format!("/v2/shop/api/manifests/{digest}")))
            .await
            .unwrap();
        assert_eq!(sha256(&manifest.body), digest);
        let manifest = manifest.json();
        for blob in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&manifest["config"]])
        {
            let digest = blob["digest"].as_str().unwrap();
            let got = send(at, get("r", &format!("/v2/shop/api/blobs/{digest}")))
                .await
                .unwrap();
            assert_eq!(sha256(&got.body), digest);
            assert_eq!(got.body.len() as u64, blob["size"].as_u64().unwrap());
        }
    }
}

#[tokio::test]
async fn what_is_missing_says_what_is_missing() {
    let registry = open().await;
    for (path, code) in [
        ("/v2/shop/none/manifests/1", "NAME_UNKNOWN"),
        ("/v2/shop/api/manifests/none", "MANIFEST_UNKNOWN"),
        ("/v2/shop/empty/manifests/1", "MANIFEST_UNKNOWN"),
        ("/v2/shop/api/blobs/sha256:00", "BLOB_UNKNOWN"),
        ("/v2/shop/none/tags/list", "NAME_UNKNOWN"),
    ] {
        let got = send(registry.address(), get("r", path)).await.unwrap();
        assert_eq!(got.status, 404, "{path}");
        assert_eq!(got.json()["errors"][0]["code"], code, "{path}");
    }
    let referrers = send(
        registry.address(),
        get("r", "/v2/shop/api/referrers/sha256:00"),
    )
    .await
    .unwrap();
    assert_eq!(referrers.status, 404);
}

#[tokio::test]
async fn tags_come_in_pages_with_links() {
    let tags: Vec<Value> = (0..7).map(|n| json!({"tag": format!("v{n}")})).collect();
    let registry = FakeRegistry::start(spec(
        json!({"tags_page": 3, "repositories": [{"name": "a", "tags": tags}]}),
    ))
    .await
    .unwrap();
    let mut path = "/v2/a/tags/list".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let got = send(registry.address(), get("r", &path)).await.unwrap();
        pages += 1;
        for tag in got.json()["tags"].as_array().unwrap() {
            seen.push(tag.as_str().unwrap().to_owned());
        }
        let link = got.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
            break;
        };
        path = next.0.to_owned();
    }
    assert_eq!(pages, 3);
    assert_eq!(seen, ["v0", "v1", "v2", "v3", "v4", "v5", "v6"]);
}

#[tokio::test]
async fn basic_login_tells_wrong_password_missing_right_and_expiry_apart() {
    let registry = FakeRegistry::start(spec(json!({
        "auth": {"kind": "basic", "anonymous_pull": ["public/*"], "users": [
            {"name": "ci", "password": "pw", "pull": ["shop/*"]},
            {"name": "AWS", "password": "old", "expired": true}]},
        "repositories": [{"name": "shop/api", "tags": [{"tag": "1"}]},
                         {"name": "ops/api", "tags": [{"tag": "1"}]},
                         {"name": "public/api", "tags": [{"tag": "1"}]}]
    })))
    .await
    .unwrap();
    let shop = "/v2/shop/api/manifests/1";
    let ops = "/v2/ops/api/manifests/1";
    for (path, login, status) in [
        (shop, None, 401),
        (shop, Some(basic("ci", "wrong")), 401),
        (shop, Some("Basic !!".to_owned()), 401),
        (shop, Some(basic("ci", "pw")), 200),
        (ops, Some(basic("ci", "pw")), 403),
        ("/v2/shop/none/manifests/1", Some(basic("ci", "pw")), 404),
        ("/v2/ops/none/manifests/1", Some(basic("ci", "pw")), 403),
        (shop, Some(basic("AWS", "old")), 403),
        ("/v2/public/api/manifests/1", None, 200),
        ("/v2/", None, 401),
        ("/v2/", Some(basic("ci", "pw")), 200),
    ] {
        let headers: Vec<(&str, &str)> = login
            .as_deref()
            .map(|login| ("authorization", login))
            .into_iter()
            .collect();
        let got = send(registry.address(), request("GET", "r", path, &headers))
            .await
            .unwrap();
        assert_eq!(got.status, status, "{path} {login:?}");
        assert_eq!(
            got.headers.contains_key("www-authenticate"),
            status == 401,
            "{path}"
        );
    }
    let log = registry.log();
    assert_eq!(log[0].authorization, Authorization::None);
    assert_eq!(log[1].authorization, Authorization::Basic);
    assert!(
        !serde_json::to_string(&log).unwrap().contains("cHc"),
        "no credential in the log"
    );
}

/// Follows a challenge: the token service is asked with the login, the manifest with the token.
async fn pull_with_token(
    registry: &FakeRegistry,
    repository: &str,
    login: Option<&str>,
) -> (u16, Option<u16>, String) {
    let path = format!("/v2/{repository}/manifests/1");
    let refused = send(registry.address(), get("r", &path)).await.unwrap();
    let challenge = refused.header("www-authenticate").to_owned();
    let field = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let realm: http::Uri = field("realm").parse().unwrap();
    let token_at = format!("{}:{}", realm.host().unwrap(), realm.port_u16().unwrap());
    let target = format!(
        "{}?service={}&scope={}",
        realm.path(),
        field("service"),
        field("scope")
    );
    let headers: Vec<(&str, &str)> = login
        .map(|login| ("authorization", login))
        .into_iter()
        .collect();
    let token = send(
        token_at.parse().unwrap(),
        request("GET", &token_at, &target, &headers),
    )
    .await
    .unwrap();
    if token.status != 200 {
        return (token.status.as_u16(), None, String::new());
    }
    let bearer = format!("Bearer {}", token.json()["token"].as_str().unwrap());
    let got = send(
        registry.address(),
        request("GET", "r", &path, &[("authorization", bearer.as_str())]),
    )
    .await
    .unwrap();
    (
        200,
        Some(got.status.as_u16()),
        got.header("www-authenticate").to_owned(),
    )
}

fn bearer(more: &Value) -> HostSpec {
    let mut auth = json!({"kind": "bearer", "anonymous_pull": ["public/*"],
        "users": [{"name": "ci", "password": "pw", "pull": ["shop/*"]}]});
    for (key, value) in more.as_object().unwrap() {
        auth[key] = value.clone();
    }
    spec(json!({"auth": auth, "repositories": [
        {"name": "shop/api", "tags": [{"tag": "1"}]},
        {"name": "public/api", "tags": [{"tag": "1"}]}]}))
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_as_insufficient_and_missing_looks_private() {
    let registry = FakeRegistry::start(bearer(&json!({}))).await.unwrap();
    let ci = basic("ci", "pw");
    let (token, manifest, challenge) = pull_with_token(&registry, "shop/api", None).await;
    assert_eq!((token, manifest), (200, Some(401)));
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    let missing = pull_with_token(&registry, "shop/none", None).await;
    assert_eq!(missing.1, Some(401));
    assert_eq!(missing.2, challenge.replace("shop/api", "shop/none"));
    assert_eq!(
        pull_with_token(&registry, "shop/api", Some(&ci)).await.1,
        Some(200)
    );
    assert_eq!(
        pull_with_token(&registry, "shop/none", Some(&ci)).await.1,
        Some(404)
    );
    assert_eq!(
        pull_with_token(&registry, "public/api", None).await.1,
        Some(200)
    );
    let wrong = basic("ci", "no");
    assert_eq!(
        pull_with_token(&registry, "public/api", Some(&wrong))
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_token_is_good_for_its_own_repository_only() {
    let registry = FakeRegistry::start(bearer(&json!({}))).await.unwrap();
    let at = registry.address();
    let ask = "/token?service=127.0.0.1&scope=repository:shop/api:pull,push";
    let ci = basic("ci", "pw");
    let login = request(
        "GET",
        &registry.authority(),
        ask,
        &[("authorization", ci.as_str())],
    );
    let token = send(at, login).await.unwrap().json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    for (path, status) in [
        ("/v2/", 200),
        ("/v2/shop/api/manifests/1", 200),
        ("/v2/shop/api/tags/list", 200),
        ("/v2/public/api/manifests/1", 401),
        ("/v2/_catalog", 401),
    ] {
        let headers = [("authorization", bearer.as_str())];
        let got = send(at, request("GET", "r", path, &headers)).await.unwrap();
        assert_eq!(got.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_token_service_refuses_anonymous_requests_when_told() {
    for (refusal, status) in [("unauthorized", 401), ("forbidden", 403)] {
        let registry = FakeRegistry::start(bearer(&json!({"anonymous_refusal": refusal})))
            .await
            .unwrap();
        assert_eq!(pull_with_token(&registry, "shop/api", None).await.0, status);
        assert_eq!(
            pull_with_token(&registry, "shop/none", None).await.0,
            status
        );
        assert_eq!(
            pull_with_token(&registry, "public/api", None).await.1,
            Some(200)
        );
        let ci = basic("ci", "pw");
        assert_eq!(
            pull_with_token(&registry, "shop/api", Some(&ci)).await.1,
            Some(200)
        );
    }
}

#[tokio::test]
async fn a_dead_token_is_invalid_and_a_403_can_replace_the_scope_error() {
    let registry = FakeRegistry::start(bearer(&json!({"token_seconds": 0})))
        .await
        .unwrap();
    let (_, manifest, challenge) = pull_with_token(&registry, "public/api", None).await;
    assert_eq!(manifest, Some(401));
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    let registry = FakeRegistry::start(bearer(&json!({"scope_refusal": "forbidden"})))
        .await
        .unwrap();
    assert_eq!(
        pull_with_token(&registry, "shop/api", None).await.1,
        Some(403)
    );
}

#[tokio::test]
async fn a_realm_may_live_on_another_host_of_the_directory() {
    let authority = Authority::new("Test").unwrap();
    let directory = Directory::new();
    let empty = pulldoctor_testkit::image::Content::new;
    let tokens = FakeRegistry::start_with(spec(json!({})), empty(), &authority, &directory)
        .await
        .unwrap();
    let realm = format!("{}/auth", tokens.base_url());
    let mut content = empty();
    content.repository("public/api");
    let registry = FakeRegistry::start_with(
        bearer(&json!({"realm": realm, "service": "shop"})),
        content,
        &authority,
        &directory,
    )
    .await
    .unwrap();
    assert_eq!(
        pull_with_token(&registry, "public/api", None).await.1,
        Some(404)
    );
    assert_eq!(tokens.log().len(), 1);
    assert_eq!(tokens.log()[0].path, "/auth");
    assert_eq!(registry.log().len(), 2);
}

#[tokio::test]
async fn the_oauth_form_gives_a_token_for_a_password_and_for_a_refresh_token() {
    use http_body_util::Full;
    let registry = FakeRegistry::start(bearer(&json!({}))).await.unwrap();
    for (form, status) in [
        (
            "grant_type=password&username=ci&password=pw&service=127.0.0.1",
            200,
        ),
        (
            "grant_type=password&username=ci&password=no&service=127.0.0.1",
            401,
        ),
        (
            "grant_type=refresh_token&refresh_token=pw&service=127.0.0.1",
            200,
        ),
        (
            "grant_type=refresh_token&refresh_token=zz&service=127.0.0.1",
            401,
        ),
    ] {
        let mut post = request("POST", &registry.authority(), "/token", &[]);
        *post.body_mut() = Full::from(form);
        assert_eq!(
            send(registry.address(), post).await.unwrap().status,
            status,
            "{form}"
        );
    }
}

fn fault(path: &str) -> FaultSpec {
    FaultSpec {
        path: Some(path.to_owned()),
        ..FaultSpec::default()
    }
}

#[tokio::test]
async fn a_replaced_answer_has_its_headers_and_body_and_ends_after_its_times() {
    let registry = open().await;
    registry.set_faults(&[FaultSpec {
        status: Some(429),
        headers: [("Retry-After", "30"), ("ratelimit-limit", "100;w=21600")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        times: Some(2),
        ..fault("/v2/**/manifests/*")
    }]);
    let path = "/v2/shop/api/manifests/1";
    for status in [429, 429, 200] {
        let got = send(registry.address(), get("r", path)).await.unwrap();
        assert_eq!(got.status, status);
        if status == 429 {
            assert_eq!(got.header("retry-after"), "30");
            assert_eq!(got.json()["errors"][0]["code"], "TOOMANYREQUESTS");
        }
    }
    assert_eq!(registry.log()[0].fault, Some(0));
    assert_eq!(registry.log()[2].fault, None);

    registry.set_faults(&[FaultSpec {
        status: Some(503),
        body: Some("<html>down</html>".to_owned()),
        ..fault("**")
    }]);
    let got = send(registry.address(), get("r", path)).await.unwrap();
    assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(got.body, "<html>down</html>");
}

#[tokio::test]
async fn a_redirect_keeps_the_path() {
    let registry = open().await;
    registry.set_faults(&[FaultSpec {
        redirect: Some("https://cdn.example.com".to_owned()),
        ..fault("/v2/**/blobs/*")
    }]);
    let (path, _) = layer(&registry).await;
    let got = send(registry.address(), get("r", &path)).await.unwrap();
    assert_eq!(got.status, 307);
    assert_eq!(
        got.header("location"),
        format!("https://cdn.example.com{path}")
    );
}

#[tokio::test]
async fn bodies_are_cut_truncated_and_corrupted_where_told() {
    let registry = open().await;
    let (path, size) = layer(&registry).await;
    let whole = send(registry.address(), get("r", &path))
        .await
        .unwrap()
        .body;
    let with = async |fault: FaultSpec| {
        registry.set_faults(&[fault]);
        send(registry.address(), get("r", &path)).await
    };
    for cut in [Cut::Close, Cut::Reset] {
        let got = with(FaultSpec {
            cut_after: Some(50),
            cut,
            ..fault(&path)
        })
        .await
        .unwrap();
        assert_eq!(got.header("content-length"), size.to_string());
        assert_eq!(got.body, whole[..50]);
        let broken = got.broken.unwrap();
        assert_eq!(broken.contains("reset"), cut == Cut::Reset, "{broken}");
    }
    let got = with(FaultSpec {
        truncate_after: Some(50),
        ..fault(&path)
    })
    .await
    .unwrap();
    assert_eq!((got.body.len(), got.broken), (50, None));
    let got = with(FaultSpec {
        corrupt_at: Some(3),
        ..fault(&path)
    })
    .await
    .unwrap();
    assert_eq!(got.body.len() as u64, size);
    assert_eq!(got.body[3], !whole[3]);
    assert_eq!(got.body[4..], whole[4..]);
    let got = with(FaultSpec {
        hang_up: true,
        ..fault(&path)
    })
    .await;
    assert!(got.is_err());
    assert_eq!(registry.log().last().unwrap().status, None);
}

#[tokio::test]
async fn the_wire_can_be_cut_at_every_byte_of_the_head() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let registry = open().await;
    let ask = async || {
        let mut stream = tokio::net::TcpStream::connect(registry.address())
            .await
            .unwrap();
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await.unwrap();
        got
    };
    let whole = ask().await;
    for length in [0, 1, 9, 20, whole.len() - 1] {
        registry.set_faults(&[FaultSpec {
            wire_cut_after: Some(length as u64),
            ..FaultSpec::default()
        }]);
        assert_eq!(ask().await.len(), length);
    }
}

#[tokio::test]
async fn answers_are_delayed_stalled_and_dripped() {
    let registry = open().await;
    let (path, _) = layer(&registry).await;
    registry.set_faults(&[FaultSpec {
        delay_ms: 200,
        ..fault("/v2/")
    }]);
    let start = Instant::now();
    send(registry.address(), get("r", "/v2/")).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(200));

    registry.set_faults(&[FaultSpec {
        stall_after: Some(10),
        ..fault(&path)
    }]);
    let stalled = tokio::time::timeout(
        Duration::from_millis(300),
        send(registry.address(), get("r", &path)),
    );
    assert!(stalled.await.is_err(), "the body does not end");

    let trickle = Some(Trickle {
        bytes: 1,
        every_ms: 50,
    });
    registry.set_faults(&[FaultSpec {
        trickle,
        ..fault("/v2/")
    }]);
    let start = Instant::now();
    let got = send(registry.address(), get("r", "/v2/")).await.unwrap();
    assert_eq!(got.body, "{}");
    assert!(start.elapsed() >= Duration::from_millis(50));
}
