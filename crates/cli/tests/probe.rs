//! `probe` against a registry with faults, over real sockets.

mod common;

use std::fs;

use common::{Done, Run};
use pulldoctor_testkit::registry::{Directory, FakeRegistry};
use pulldoctor_testkit::spec::HostSpec;
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Planted where a password is: it must be nowhere else.
const CANARY: &str = "canary-7f3a9c";

/// `ci:` and the canary, as it is sent.
const ENCODED: &str = "Y2k6Y2FuYXJ5LTdmM2E5Yw";

/// A registry with the company's certificate, or over plain HTTP.
struct Lab {
    runtime: Runtime,
    registry: FakeRegistry,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new(mut spec: Value) -> Self {
        if spec.get("tls").is_none() {
            spec["tls"] = json!("plain-http");
        }
        if spec.get("repositories").is_none() {
            spec["repositories"] = json!([{"name": "shop/api", "tags": [
                {"tag": "v1.4.1"}, {"tag": "v1.3.9"}, {"tag": "latest"}]}]);
        }
        let spec: HostSpec = serde_json::from_value(spec).expect("a specification");
        let runtime = Runtime::new().expect("a runtime");
        let authority = Authority::new("Company").expect("an authority");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        let directory = Directory::new();
        let registry = runtime
            .block_on(FakeRegistry::start_filled(spec, &authority, &directory))
            .expect("a registry");
        Self {
            runtime,
            registry,
            folder,
        }
    }

    fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.authority())
    }

    /// Runs `probe` with the login of a config file.
    fn run(&self, image: &str, arguments: &[&str]) -> Done {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        let config = self.folder.path().display().to_string();
        let image = self.image(image);
        let whole = [&["probe", &image, "--ca-file", &ca][..], arguments].concat();
        // The registry lives in this process: its runtime has to be free to answer.
        let _inside = self.runtime.enter();
        Run::new(&whole).env("DOCKER_CONFIG", &config).done()
    }

    fn json(&self, image: &str, arguments: &[&str]) -> (Value, i32) {
        let done = self.run(image, &[arguments, &["-o", "json"]].concat());
        let value = serde_json::from_str(&done.out());
        (value.expect("one JSON document"), done.code())
    }

    /// Writes the person's own config.
    fn login(&self, username: &str, password: &str) {
        let auths = json!({"auths": {self.registry.authority(): {
            "username": username, "password": password}}});
        self.config(&auths.to_string());
    }

    fn config(&self, text: &str) {
        fs::write(self.folder.path().join("config.json"), text).expect("written");
    }

    /// Port, times and digests masked.
    fn masked(&self, text: &str) -> String {
        let port = self.registry.address().port().to_string();
        let mut out = String::new();
        for line in text.lines() {
            let line = line.replace(&port, "PORT");
            let words: Vec<&str> = line.split(' ').collect();
            let mut line = line.clone();
            for (at, word) in words.iter().enumerate() {
                if words.get(at + 1) == Some(&"ms") && word.parse::<u64>().is_ok() {
                    let width = word.len();
                    line = line.replacen(
                        &format!("{:>1$}{word} ms", "", 3_usize.saturating_sub(width)),
                        "  N ms",
                        1,
                    );
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

const STAGES: [&str; 10] = [
    "dns", "proxy", "tcp", "tls", "http", "token", "manifest", "platform", "config", "layers",
];

/// What must hold of every document.
fn check(document: &Value) {
    assert_eq!(document["schema"], "pulldoctor.dev/probe/v1");
    assert_eq!(document["from"], "here");
    let stages = document["stages"].as_array().expect("stages");
    let names: Vec<&str> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, STAGES);
    let mut failed = false;
    for stage in stages {
        let outcome = stage["outcome"].as_str().expect("an outcome");
        assert!(["ok", "failed", "skipped"].contains(&outcome), "{outcome}");
        assert!(stage["tookMs"].is_u64() && stage["detail"].is_string());
        failed |= outcome == "failed";
    }
    for credential in document["credentials"].as_array().expect("credentials") {
        let outcome = credential["outcome"].as_str().expect("an outcome");
        assert!(
            ["granted", "refused", "not-matching", "malformed"].contains(&outcome),
            "{outcome}"
        );
        assert!(credential["source"].is_string());
    }
    assert!(document["summary"].is_string());
    if document["cause"].is_null() {
        assert!(document["confidence"].is_null());
    } else {
        assert!(failed, "a cause only where something failed: {document:#}");
        assert!(document["confidence"].is_string());
    }
}

fn verdict(document: &Value) -> (String, String) {
    let text = |key: &str| document[key].as_str().unwrap_or("-").to_owned();
    (text("cause"), text("confidence"))
}

#[test]
fn an_image_that_can_be_pulled() {
    let lab = Lab::new(json!({}));
    for arguments in [&[][..], &["--verify-layers"]] {
        let (document, code) = lab.json("shop/api:v1.4.1", arguments);
        check(&document);
        assert_eq!(code, 0);
        assert_eq!(verdict(&document), ("-".to_owned(), "-".to_owned()));
        assert_eq!(document["credentials"][0]["outcome"], "granted");
        assert_eq!(document["credentials"][0]["username"], Value::Null);
    }
    let done = lab.run("shop/api:v1.4.1", &["--verify-layers", "-o", "yaml"]);
    assert_eq!(done.code(), 0);
    assert!(done.out().starts_with("schema: pulldoctor.dev/probe/v1\n"));
}

#[test]
fn a_missing_tag_as_a_person_sees_it() {
    let lab = Lab::new(json!({}));
    let done = lab.run("shop/api:v1.4.2", &[]);
    assert_eq!(done.code(), 1);
    assert_eq!(done.err(), "");
    insta::assert_snapshot!(lab.masked(&done.out()), @r"
    127.0.0.1:PORT/shop/api:v1.4.2  for linux/amd64  without a login

      dns       SKIPPED          `127.0.0.1` is an address
      proxy     SKIPPED          none is set
      tcp       OK         N ms  connected to 127.0.0.1 port PORT
      tls       SKIPPED          plain HTTP
      http      OK         N ms  answered 404
      token     SKIPPED          the registry wants no login for this
      manifest  FAILED     N ms  HEAD answered 404
      platform  SKIPPED          not reached
      config    SKIPPED          not reached
      layers    SKIPPED          not reached

    error[image-not-found-tag]: `127.0.0.1:PORT/shop/api` has no tag         proven
      `v1.4.2`
       |
       |  image: 127.0.0.1:PORT/shop/api:v1.4.2
       |                                  ^^^^^^ HEAD manifests/v1.4.2 -> 404
       |
       = credential  anonymous: granted
       = nearest     v1.4.1 (another patch version)
                     v1.3.9 (another minor version)
    help:
      - Compare the tag with those that the registry lists.
      - Set the image to a tag that exists: `kubectl set image deployment/api
        api=REPO:TAG`.
      - If it worked before, go back: `kubectl rollout undo deployment/api`.

    pulldoctor explain image-not-found-tag says how it is told from others
    ");
    for line in done.out().lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_missing_tag_is_proven_where_the_tags_are_listed() {
    let lab = Lab::new(json!({}));
    let (document, code) = lab.json("shop/api:v1.4.2", &[]);
    check(&document);
    assert_eq!(code, 1);
    assert_eq!(
        verdict(&document),
        ("image-not-found-tag".to_owned(), "proven".to_owned())
    );
    assert_eq!(document["nearTags"][0]["tag"], "v1.4.1");

    let silent = Lab::new(json!({"faults": [{"path": "/v2/**/tags/list", "status": 403}]}));
    let (document, _) = silent.json("shop/api:v1.4.2", &[]);
    assert_eq!(
        verdict(&document),
        ("image-not-found-tag".to_owned(), "possible".to_owned())
    );
    assert_eq!(document["rivals"][0]["cause"], "image-not-found-repo");

    let (document, _) = lab.json("shop/pai:v1", &[]);
    assert_eq!(
        verdict(&document),
        ("image-not-found-repo".to_owned(), "proven".to_owned())
    );
}

fn basic() -> Value {
    json!({"tls": "ok", "auth": {"kind": "basic", "users": [{"name": "ci", "password": CANARY}]}})
}

#[test]
fn logins_of_the_person() {
    let lab = Lab::new(basic());
    let (document, code) = lab.json("shop/api:v1.4.1", &[]);
    check(&document);
    assert_eq!(code, 1);
    assert_eq!(
        verdict(&document),
        ("auth-missing-credentials".to_owned(), "likely".to_owned())
    );

    lab.login("ci", CANARY);
    let (document, code) = lab.json("shop/api:v1.4.1", &["--credentials", "user"]);
    check(&document);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["credentials"][0]["username"], "ci");
    assert_eq!(document["credentials"][0]["outcome"], "granted");
    assert_eq!(document["credentials"][1]["source"], "anonymous");
    assert_eq!(document["credentials"][1]["outcome"], "refused");

    lab.login("ci", "wrong");
    let (document, code) = lab.json("shop/api:v1.4.1", &["--credentials", "user"]);
    check(&document);
    assert_eq!(code, 1);
    assert_eq!(
        verdict(&document),
        ("auth-bad-credentials".to_owned(), "proven".to_owned())
    );
}

#[test]
fn a_bad_login_for_a_public_image() {
    let lab = Lab::new(json!({"tls": "ok", "auth": {"kind": "bearer",
        "anonymous_pull": ["shop/**"], "users": [{"name": "ci", "password": CANARY}]}}));
    lab.login("ci", "wrong");
    let (document, _) = lab.json("shop/api:v1.4.1", &["--credentials", "user"]);
    check(&document);
    assert_eq!(
        verdict(&document),
        (
            "public-image-wrong-credential".to_owned(),
            "proven".to_owned()
        )
    );
}

#[test]
fn the_password_is_nowhere() {
    let denied = json!({"errors": [{"code": "DENIED", "message": CANARY}]}).to_string();
    for spec in [
        basic(),
        json!({"tls": "ok", "auth": {"kind": "bearer", "users": [
            {"name": "ci", "password": CANARY, "pull": ["other/*"]}]}}),
        json!({"tls": "expired", "auth": {"kind": "basic"}}),
        // A registry that repeats what it was sent.
        json!({"tls": "ok", "auth": {"kind": "basic"}, "faults": [
            {"path": "/v2/**", "authenticated": true, "status": 403,
             "headers": {"Server": format!("Basic {ENCODED}=")},
             "body": format!("you sent Basic {ENCODED}= which is ci:{CANARY}")}]}),
        json!({"tls": "ok", "auth": {"kind": "bearer"}, "faults": [
            {"path": "/token", "method": "POST", "status": 400, "body": denied},
            {"path": "/token", "authenticated": true, "status": 401, "body": denied}]}),
    ] {
        let lab = Lab::new(spec);
        lab.login("ci", CANARY);
        for format in ["human", "json", "yaml"] {
            let ca = lab.folder.path().join("ca.pem").display().to_string();
            let config = lab.folder.path().display().to_string();
            let image = lab.image("shop/api:v1.4.1");
            let _inside = lab.runtime.enter();
            let done = Run::new(&[
                "probe",
                &image,
                "--credentials",
                "user",
                "--ca-file",
                &ca,
                "-v",
                "-o",
                format,
            ])
            .env("DOCKER_CONFIG", &config)
            .env("RUST_LOG", "trace")
            .done();
            let said = done.out() + &done.err();
            assert!(!said.contains(CANARY) && !said.contains(ENCODED), "{said}");
        }
    }
}

#[test]
fn a_token_service_on_another_domain_is_a_gap() {
    let lab = Lab::new(json!({"tls": "ok", "auth": {"kind": "bearer",
        "realm": "https://tokens.example.net/token",
        "users": [{"name": "ci", "password": CANARY}]}}));
    lab.login("ci", CANARY);
    let (document, code) = lab.json("shop/api:v1.4.1", &["--credentials", "user"]);
    check(&document);
    assert_eq!(code, 2, "{document:#}");
    assert_eq!(document["cause"], Value::Null);
    assert_eq!(
        document["gaps"][0]["remedy"],
        "--allow-realm tokens.example.net"
    );
    assert_eq!(document["gaps"][0]["counts"], true);
    assert_eq!(document["untested"][0]["username"], "ci");
}

#[test]
fn layers_are_verified() {
    for (image, expected) in [
        ("corrupt-layer", "corrupted-content"),
        ("truncated-layer", "corrupted-content"),
        ("wrong-diff-id", "corrupted-content"),
        ("missing-layer", "corrupted-content"),
    ] {
        let lab = Lab::new(json!({"repositories": [{"name": "shop/api", "tags": [
            {"tag": "1", "image": image}]}]}));
        let (document, code) = lab.json(
            "shop/api:1",
            &["--verify-layers", "--platform", "linux/amd64"],
        );
        check(&document);
        assert_eq!(code, 1);
        assert_eq!(
            verdict(&document),
            (expected.to_owned(), "proven".to_owned()),
            "{image}: {document:#}"
        );
    }
    let cut = Lab::new(
        json!({"faults": [{"path": "/v2/**/blobs/*", "method": "GET",
        "skip": 1, "cut_after": 10}]}),
    );
    let (document, _) = cut.json(
        "shop/api:v1.4.1",
        &["--verify-layers", "--platform", "linux/amd64"],
    );
    check(&document);
    assert_eq!(
        verdict(&document),
        ("connection-interrupted".to_owned(), "likely".to_owned()),
        "{document:#}"
    );
}

#[test]
fn what_cannot_be_used() {
    let image = |kind: &str| {
        Lab::new(json!({"repositories": [{"name": "shop/api", "tags": [
            {"tag": "1", "image": kind}]}]}))
    };
    for (kind, cause) in [
        ("arm64-only", "platform-mismatch"),
        ("helm", "unsupported-manifest"),
        ("schema1", "unsupported-manifest"),
    ] {
        let (document, code) = image(kind).json("shop/api:1", &["--platform", "linux/amd64"]);
        check(&document);
        assert_eq!(code, 1);
        assert_eq!(
            verdict(&document),
            (cause.to_owned(), "proven".to_owned()),
            "{kind}"
        );
    }
    let (document, code) = image("arm64-only").json("shop/api:1", &["--platform", "linux/arm64"]);
    assert_eq!((&document["cause"], code), (&Value::Null, 0));
}

#[test]
fn the_way_there_is_likely_at_most() {
    for (spec, cause) in [
        (json!({"tls": "expired"}), "tls-expired"),
        (json!({"tls": "unknown-ca"}), "tls-unknown-authority"),
        (json!({"tls": "no-intermediate"}), "tls-incomplete-chain"),
        (json!({"tls": "wrong-name"}), "tls-name-mismatch"),
        (
            json!({"faults": [{"path": "/v2/**/manifests/*", "status": 503}]}),
            "registry-server-error",
        ),
        (
            json!({"faults": [{"path": "/v2/**", "status": 429,
                "headers": {"Retry-After": "600"}}]}),
            "rate-limited",
        ),
    ] {
        let (document, code) = Lab::new(spec).json("shop/api:v1.4.1", &[]);
        check(&document);
        assert_eq!(code, 1);
        assert_eq!(
            verdict(&document),
            (cause.to_owned(), "likely".to_owned()),
            "{document:#}"
        );
    }
}

#[test]
fn hostile_texts_change_no_terminal() {
    let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"a\\u001b[31mb\\u202ec\\r\\nd\"}]}";
    let lab = Lab::new(json!({"faults": [{"path": "/v2/**", "status": 403, "body": body}]}));
    for format in ["human", "json", "yaml"] {
        let done = lab.run("shop/api:v1.4.1", &["-v", "-o", format]);
        let bad = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!done.out().contains(bad), "{:?}", done.out());
        assert_eq!(done.code(), 1);
    }
}

#[test]
fn wrong_requests_say_nothing_on_standard_output() {
    insta::assert_snapshot!(common::run(&["probe", "reg.io/My App:1"]).refused(), @r"
    error: an image reference has no white space
      reg.io/My App:1
               ^
    help: `pulldoctor explain invalid-image-name` for more
    ");
    insta::assert_snapshot!(common::run(&["probe", "reg.io/a:1", "--platform", "linux"]).refused(), @r"
    error: invalid value 'linux' for '--platform <OS/ARCH>': `linux` is not
           `os/architecture[/variant]`
    help: `pulldoctor --help` shows the commands and their flags
    ");
    insta::assert_snapshot!(common::run(&["probe", "reg.io/a:1", "--ca-file", "none.pem"]).refused(), @r"
    error: cannot read the authorities in `none.pem`
    caused by: I/O error: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(common::run(&["probe", "reg.io/a:1", "--allow-realm", "https://a.io/token"]).refused(), @r"
    error: invalid value 'https://a.io/token' for '--allow-realm <HOST>': give a
           host, `auth.example.com` for instance
    help: `pulldoctor --help` shows the commands and their flags
    ");
}

#[cfg(unix)]
#[test]
fn a_helper_program_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    let lab = Lab::new(basic());
    let path = lab.folder.path().join("docker-credential-lab");
    let write = |script: &str| {
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    };
    lab.config("{\"credsStore\":\"lab\"}");
    let probe = || {
        let ca = lab.folder.path().join("ca.pem").display().to_string();
        let folder = lab.folder.path().display().to_string();
        let image = lab.image("shop/api:v1.4.1");
        let _inside = lab.runtime.enter();
        let done = Run::new(&[
            "probe",
            &image,
            "--credentials",
            "user",
            "--ca-file",
            &ca,
            "-o",
            "json",
        ])
        .env("DOCKER_CONFIG", &folder)
        .env("PATH", &format!("{folder}:/usr/bin:/bin"))
        .done();
        assert!(!done.err().contains(CANARY) && !done.out().contains(CANARY));
        let document: Value = serde_json::from_str(&done.out()).expect("JSON");
        check(&document);
        (document, done.code())
    };
    write(&format!(
        "read server; test \"$1 $server\" = \"get {}\" && \
         echo '{{\"ServerURL\":\"\",\"Username\":\"ci\",\"Secret\":\"{CANARY}\"}}'",
        lab.registry.authority()
    ));
    let (document, code) = probe();
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(
        document["credentials"][0]["source"],
        "docker-credential-lab"
    );

    write("echo credentials not found in native keychain; exit 1");
    let (document, code) = probe();
    assert_eq!(code, 1, "{document:#}");
    assert_eq!(document["untested"], json!([]));

    write(&format!("echo {CANARY}; exit 3"));
    let (document, code) = probe();
    assert_eq!(code, 2, "{document:#}");
    assert_eq!(
        document["untested"][0]["because"],
        "it failed with exit code 3"
    );
}
