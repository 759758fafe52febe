//! `probe` with the pull secrets of a cluster.

mod common;

use std::fs;

use common::{Done, Run};
use pulldoctor_testkit::api::{FakeCluster, Served};
use pulldoctor_testkit::registry::{Directory, FakeRegistry};
use pulldoctor_testkit::spec::HostSpec;
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Planted where the password is: it must be nowhere else.
const CANARY: &str = "canary-51d0e8";

/// A private registry, and a cluster with secrets for it.
struct Lab {
    runtime: Runtime,
    registry: FakeRegistry,
    fake: FakeCluster,
    _served: Served,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new("Company").expect("an authority");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        let spec: HostSpec = serde_json::from_value(json!({
            "auth": {"kind": "basic", "users": [{"name": "ci", "password": CANARY}]},
            "repositories": [{"name": "shop/api", "tags": [
                {"tag": "1", "image": "index:amd64+arm64"}]}]}))
        .expect("a specification");
        let directory = Directory::new();
        let starting = FakeRegistry::start_filled(spec, &authority, &directory);
        let registry = runtime.block_on(starting).expect("a registry");
        let fake = FakeCluster::new();
        let address = "127.0.0.1:0".parse().expect("an address");
        let served = runtime.block_on(fake.serve(address)).expect("a port");
        fs::write(
            folder.path().join("config"),
            served.kubeconfig(Some("good")),
        )
        .expect("written");
        let lab = Self {
            runtime,
            registry,
            fake,
            _served: served,
            folder,
        };
        for name in ["default", "shop", "other"] {
            lab.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        lab
    }

    fn put(&self, object: Value) {
        self.fake.put(object).expect("a good object");
    }

    fn secret(&self, namespace: &str, name: &str, kind: &str, config: &str) {
        let key = match kind {
            "kubernetes.io/dockercfg" => ".dockercfg",
            _ => ".dockerconfigjson",
        };
        self.put(json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"namespace": namespace, "name": name},
            "data": {key: base64(config.as_bytes())}}));
    }

    fn auths(&self, password: &str) -> String {
        json!({"auths": {
            self.registry.authority(): {"username": "ci", "password": password},
            "elsewhere.example.com": {"username": "ci", "password": CANARY}}})
        .to_string()
    }

    fn run(&self, credentials: &str, format: &str) -> Done {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        let config = self.folder.path().join("config").display().to_string();
        let image = format!("{}/shop/api:1", self.registry.authority());
        let _inside = self.runtime.enter();
        let done = Run::new(&[
            "probe",
            &image,
            "--credentials",
            credentials,
            "-n",
            "shop",
            "--ca-file",
            &ca,
            "-v",
            "-o",
            format,
        ])
        .env("KUBECONFIG", &config)
        .env("RUST_LOG", "pulldoctor=trace")
        .done();
        let said = done.out() + &done.err();
        assert!(!said.contains(CANARY), "{said}");
        assert!(!said.contains(&base64(CANARY.as_bytes())[..12]), "{said}");
        done
    }

    fn json(&self, credentials: &str) -> (Value, i32) {
        let done = self.run(credentials, "json");
        let value = serde_json::from_str(&done.out());
        (value.expect("one JSON document"), done.code())
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

const JSON: &str = "kubernetes.io/dockerconfigjson";

fn verdict(document: &Value) -> (&str, &str) {
    let text = |key: &str| document[key].as_str().unwrap_or("-");
    (text("cause"), text("confidence"))
}

#[test]
fn a_secret_that_opens_it() {
    let lab = Lab::new();
    lab.secret("shop", "regcred", JSON, &lab.auths(CANARY));
    let (document, code) = lab.json("secret/regcred");
    assert_eq!(code, 0, "{document:#}");
    let rows = document["credentials"].as_array().expect("credentials");
    let outcomes: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap_or("-");
            (text("username"), text("outcome"))
        })
        .collect();
    assert_eq!(
        outcomes,
        [("ci", "granted"), ("ci", "not-matching"), ("-", "refused")]
    );
    assert_eq!(
        rows[0]["source"],
        format!("secret shop/regcred auths[{}]", lab.registry.authority())
    );
}

#[test]
fn what_can_be_wrong_with_a_secret() {
    let lab = Lab::new();
    lab.secret("shop", "stale", JSON, &lab.auths("old-password"));
    let (document, code) = lab.json("secret/stale");
    assert_eq!(code, 1);
    assert_eq!(verdict(&document), ("auth-bad-credentials", "proven"));

    lab.secret("shop", "opaque", "Opaque", &lab.auths(CANARY));
    let (document, _) = lab.json("secret/opaque");
    assert_eq!(verdict(&document), ("secret-wrong-type", "proven"));
    assert_eq!(document["credentials"][0]["outcome"], "not-matching");

    lab.secret(
        "shop",
        "elsewhere",
        JSON,
        r#"{"auths":{"elsewhere.example.com":{"username":"ci","password":"x"}}}"#,
    );
    let (document, _) = lab.json("secret/elsewhere");
    assert_eq!(verdict(&document), ("secret-wrong-host", "proven"));

    lab.secret(
        "shop",
        "broken",
        JSON,
        &format!("{{\"auths\":{{\"a.io\":{{\"auth\":\"{CANARY}!!\"}}}}}}"),
    );
    let (document, code) = lab.json("secret/broken");
    assert_eq!(code, 1);
    assert_eq!(verdict(&document), ("secret-malformed", "proven"));
    assert_eq!(document["credentials"][0]["outcome"], "malformed");
    assert_eq!(document["stages"][5]["outcome"], "failed");
    let said = lab.run("secret/broken", "human").out();
    assert!(said.contains("FAILED"), "{said}");
}

#[test]
fn the_secrets_of_a_pod_and_of_a_service_account() {
    let lab = Lab::new();
    lab.secret("shop", "regcred", JSON, &lab.auths(CANARY));
    lab.put(
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
        "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "arm64"}}}),
    );
    let pod = |name: &str, secrets: Value| {
        lab.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": name},
            "spec": {"nodeName": "n1", "imagePullSecrets": secrets,
                "containers": [{"name": "api", "image": "x"}]}}));
    };
    pod("api", json!([{"name": "regcred"}]));
    let (document, code) = lab.json("pod/api");
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["platform"], "linux/arm64");

    pod("bare", json!([]));
    let (document, _) = lab.json("pod/bare");
    assert_eq!(verdict(&document), ("auth-missing-credentials", "proven"));

    pod("lost", json!([{"name": "gone"}]));
    let (document, code) = lab.json("pod/lost");
    assert_eq!(code, 1, "{document:#}");
    assert_eq!(verdict(&document), ("secret-missing", "proven"));
    assert_eq!(document["untested"][0]["source"], "secret shop/gone");

    lab.put(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "shop"},
        "imagePullSecrets": [{"name": "regcred"}]}));
    let (_, code) = lab.json("sa/default");
    assert_eq!(code, 0);
}

#[test]
fn what_is_not_there() {
    let lab = Lab::new();
    lab.secret("other", "regcred", JSON, &lab.auths(CANARY));
    for (credentials, expected) in [
        (
            "secret/regcred",
            "error: cannot find secret `regcred` in namespace `shop`\nhelp: there is one in other: choose it with `-n`\n",
        ),
        (
            "pod/api",
            "error: cannot find pod `api` in namespace `shop`\n",
        ),
        (
            "sa/ci",
            "error: cannot find service account `ci` in namespace `shop`\n",
        ),
    ] {
        let said = lab.run(credentials, "human").refused();
        let said: Vec<&str> = said
            .lines()
            .filter(|line| !line.contains("DEBUG"))
            .collect();
        assert_eq!(said.join("\n") + "\n", expected);
    }
}
