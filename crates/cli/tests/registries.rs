//! `diagnose` with the pods' own credentials against a registry, over real sockets; and no
//! password in anything that comes out.

mod common;

use std::{cell::RefCell, collections::BTreeMap, fs};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Done, Run};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid, Served},
    proxy::FakeProxy,
    registry::{Directory, FakeRegistry},
    spec::HostSpec,
    tls::Authority,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Planted where passwords and tokens are.
const CANARIES: [&str; 3] = ["zQ7xW9kDvJ4p", "Hj8pL2mNtR6w", "Yb5sF1cGgK3e"];

/// A served cluster and a private registry of a company.
struct Lab {
    runtime: Runtime,
    fake: FakeCluster,
    _served: Served,
    registry: FakeRegistry,
    /// Leads to the registry, whose name no resolver knows.
    proxy: FakeProxy,
    folder: tempfile::TempDir,
    /// What was put into the cluster.
    objects: RefCell<Vec<Value>>,
}

impl Lab {
    fn new(auth: &Value) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let fake = FakeCluster::new();
        let address = "127.0.0.1:0".parse().expect("an address");
        let served = runtime.block_on(fake.serve(address)).expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let config = served.kubeconfig(Some("good"));
        fs::write(folder.path().join("config"), config).expect("written");

        let authority = Authority::new("Company").expect("an authority");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        let spec: HostSpec = serde_json::from_value(json!({"auth": auth,
            "repositories": [{"name": "shop/api", "tags": [{"tag": "v1"}, {"tag": "v2"}]}]}))
        .expect("a specification");
        let directory = Directory::new();
        let name = "registry.company.example";
        let started = FakeRegistry::start_named(name, spec, &authority, &directory);
        let registry = runtime.block_on(started).expect("a registry");
        let leads_to = registry.address().to_string();
        let proxy = runtime.block_on(FakeProxy::start(&leads_to));
        let lab = Self {
            runtime,
            fake,
            _served: served,
            registry,
            proxy: proxy.expect("a proxy"),
            folder,
            objects: RefCell::default(),
        };
        lab.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
        lab
    }

    fn private() -> Self {
        Self::new(&json!({"kind": "bearer", "users": [
            {"name": "ci", "password": CANARIES[0]}]}))
    }

    fn put(&self, object: Value) {
        self.objects.borrow_mut().push(object.clone());
        self.fake.put(object).expect("a good object");
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/shop/api:{tag}", self.registry.authority())
    }

    /// A pod that cannot pull, with these pull secrets.
    fn stuck(&self, name: &str, tag: &str, secrets: &[&str], said: &str) {
        let image = self.image(tag);
        let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": name})).collect();
        let message = format!(
            "Back-off pulling image \"{image}\": ErrImagePull: rpc error: code = Unknown desc = \
             failed to pull and unpack image \"{image}\": failed to resolve reference \
             \"{image}\": {said}"
        );
        self.put(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"),
                "creationTimestamp": "2026-01-01T09:00:00Z"},
            "spec": {"nodeName": "n1", "serviceAccountName": "default",
                "imagePullSecrets": secrets,
                "containers": [{"name": "api", "image": image, "imagePullPolicy": "Always"}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "api",
                "restartCount": 0, "state": {"waiting": {
                    "reason": "ImagePullBackOff", "message": message}}}]}
        }));
    }

    fn secret(&self, name: &str, kind: &str, key: &str, content: &str) {
        self.put(json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": "shop",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": content}},
            "data": {key: STANDARD.encode(content)}}));
    }

    /// A secret of the usual type with these `auths`.
    fn config(&self, name: &str, auths: &Value) {
        self.secret(
            name,
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson",
            &json!({"auths": auths}).to_string(),
        );
    }

    fn login(&self, name: &str, username: &str, password: &str) {
        let auth = STANDARD.encode(format!("{username}:{password}"));
        self.config(name, &json!({self.registry.authority(): {"auth": auth}}));
    }

    fn run_with(&self, arguments: &[&str], environment: &BTreeMap<&str, &str>) -> Done {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let authority = path("ca.pem");
        let arguments = [&["-n", "shop", "--ca-file", &authority][..], arguments].concat();
        let mut run = Run::new(&arguments)
            .env("KUBECONFIG", &path("config"))
            .env("HTTPS_PROXY", &format!("http://{}", self.proxy.address()));
        for (name, value) in environment {
            run = run.env(name, value);
        }
        // The servers live in this process: its runtime has to be free to answer.
        let _inside = self.runtime.enter();
        run.done()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &BTreeMap::new())
    }

    /// The transcripts of a recording.
    fn transcripts(&self, arguments: &[&str]) -> Vec<Value> {
        let file = self.folder.path().join("recording.json");
        let file = file.display().to_string();
        let done = self.run(&[arguments, &["--record", &file]].concat());
        assert!(matches!(done.code(), 1 | 2), "{}", done.err());
        let recording = fs::read_to_string(&file).expect("a recording");
        assert_no_canary(&recording, "the recording");
        let recording: Value = serde_json::from_str(&recording).expect("JSON");
        let answers = recording["answers"].as_array().expect("answers");
        answers
            .iter()
            .filter(|it| it["answer"]["is"] == "registry")
            .map(|it| it["answer"]["value"].clone())
            .collect()
    }
}

/// Neither the canaries nor any of their base64 stand in a text.
fn assert_no_canary(text: &str, place: &str) {
    for canary in CANARIES {
        let mut traces = vec![canary[..6].to_owned(), canary[6..].to_owned()];
        for before in ["", "x", "xx"] {
            let encoded = STANDARD.encode(format!("{before}{canary}"));
            // Without what is not of the canary alone.
            traces.push(encoded[4..encoded.len() - 4].to_owned());
        }
        for trace in traces {
            assert!(!text.contains(&trace), "{trace} in {place}:\n{text}");
        }
    }
}

const REFUSED: &str = "pull access denied, repository does not exist or may require \
    authorization: server message: insufficient_scope: authorization failed";

#[test]
fn the_registry_is_asked_with_the_pods_own_login() {
    let lab = Lab::private();
    lab.login("regcred", "ci", CANARIES[0]);
    lab.stuck("api", "v9", &["regcred"], REFUSED);
    let transcripts = lab.transcripts(&[]);
    assert_eq!(transcripts.len(), 1, "{transcripts:#?}");
    let source = format!("secret shop/regcred auths[{}]", lab.registry.authority());
    let credentials = &transcripts[0]["credentials"];
    assert_eq!(credentials[0]["source"], source);
    assert_eq!(credentials[0]["username"], "ci");
    assert_eq!(credentials[0]["outcome"], "granted");
    let asked = lab.registry.log();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|it| it.user_agent.starts_with("pulldoctor/"))
    );
}

#[test]
fn offline_nobody_is_asked() {
    let lab = Lab::private();
    lab.login("regcred", "ci", CANARIES[0]);
    lab.stuck("api", "v9", &["regcred"], REFUSED);
    let done = lab.run(&["--offline", "-o", "json"]);
    let document: Value = serde_json::from_str(&done.out()).expect("JSON");
    let what = format!("ask registry {}", lab.registry.authority());
    let gaps = document["gaps"].as_array().expect("gaps");
    let gap = gaps.iter().find(|gap| gap["what"] == what);
    assert_eq!(gap.expect("a gap")["why"], "not-asked");
    assert!(lab.registry.log().is_empty());
}

#[test]
fn authorities_that_cannot_be_read_are_refused() {
    let lab = Lab::private();
    let error = lab.run(&["--ca-file", "gone.pem"]).refused();
    assert!(
        error.contains("cannot read the authorities in `gone.pem`"),
        "{error}"
    );
    let config = lab.folder.path().join("config").display().to_string();
    let error = lab.run(&["--ca-file", &config]).refused();
    assert!(error.contains("cannot find a certificate in"), "{error}");
    let error = lab.run(&["--bundle", &config, "--max-probes", "1"]);
    assert!(error.refused().contains("--bundle"));
}

/// Every shape of a secret that people make, with canaries in all places of a password.
fn plant(lab: &Lab) {
    let host = lab.registry.authority();
    let auth = |user: &str, password: &str| STANDARD.encode(format!("{user}:{password}"));
    lab.login("good", "ci", CANARIES[0]);
    lab.login("refused", "ci", CANARIES[1]);
    lab.config(
        "many",
        &json!({
            &host: {"username": CANARIES[2], "password": CANARIES[2]},
            format!("https://ci:{}@{host}/v1/", CANARIES[1]): {"auth": auth("ci", CANARIES[1])},
            "reg.example.com": {"username": format!("ghp_{}", CANARIES[2]), "password": "x"},
            "token.example.com": {"identitytoken": CANARIES[1], "registrytoken": CANARIES[2]},
        }),
    );
    lab.config(
        "no-base64",
        &json!({&host: {"auth": format!("ci:{}", CANARIES[0])}}),
    );
    lab.config(
        "no-colon",
        &json!({&host: {"auth": STANDARD.encode(CANARIES[0])}}),
    );
    lab.secret(
        "no-json",
        "kubernetes.io/dockerconfigjson",
        ".dockerconfigjson",
        &format!(
            "{{\"auths\": {{\"{host}\": {{\"password\": \"{}\" x",
            CANARIES[0]
        ),
    );
    lab.secret("opaque", "Opaque", "password", CANARIES[0]);
    let legacy = json!({&host: {"username": "ci", "password": CANARIES[0]}}).to_string();
    lab.secret("legacy", "kubernetes.io/dockercfg", ".dockercfg", &legacy);
}

#[test]
fn no_password_comes_out_anywhere() {
    let lab = Lab::private();
    plant(&lab);
    for (pod, secrets) in [
        ("good", &["good"][..]),
        ("refused", &["refused", "good"]),
        ("many", &["many"]),
        ("no-base64", &["no-base64"]),
        ("no-colon", &["no-colon"]),
        ("no-json", &["no-json"]),
        ("opaque", &["opaque"]),
        ("legacy", &["legacy"]),
        ("missing", &["gone"]),
    ] {
        lab.stuck(
            pod,
            if pod == "good" { "v9" } else { "v1" },
            secrets,
            REFUSED,
        );
    }
    let record = lab
        .folder
        .path()
        .join("evidence.json")
        .display()
        .to_string();
    let loud = BTreeMap::from([("RUST_LOG", "trace")]);
    for format in ["human", "json", "yaml", "ndjson"] {
        let arguments = ["-v", "-o", format, "--record", &record];
        let done = lab.run_with(&arguments, &loud);
        assert!(matches!(done.code(), 1 | 2), "{}", done.err());
        assert_no_canary(&done.out(), format);
        assert_no_canary(&done.err(), "the log");
        assert!(done.err().contains("stage ended"), "{}", done.err());
        let recording = fs::read_to_string(&record).expect("a recording");
        assert_no_canary(&recording, "the recording");
        assert!(recording.contains("\"ci\""));
        let again = Run::new(&["--bundle", &record, "-v", "-o", format]).done();
        assert_no_canary(&again.out(), "the replay");
    }
}

#[test]
fn no_password_comes_out_where_all_goes_wrong() {
    let loud = BTreeMap::from([("RUST_LOG", "trace")]);
    // An API that serves secrets in a form that nobody promised, or cut off.
    let lab = Lab::private();
    lab.stuck("api", "v1", &["odd", "cut"], REFUSED);
    let odd = json!({"metadata": {"name": "odd"}, "type": [CANARIES[0]],
        "data": {".dockerconfigjson": CANARIES[0]}});
    lab.fake.raw("/api/v1/namespaces/shop/secrets/odd", odd);
    lab.fake.raw(
        "/api/v1/namespaces/shop/secrets/cut",
        json!([STANDARD.encode(CANARIES[1]), CANARIES[1]]),
    );
    for format in ["human", "json"] {
        let done = lab.run_with(&["-v", "-o", format], &loud);
        assert!(matches!(done.code(), 1 | 2), "{}", done.err());
        assert_no_canary(&format!("{}{}", done.out(), done.err()), format);
    }

    // A token service on another domain.
    let lab = Lab::new(
        &json!({"kind": "bearer", "realm": "https://auth.vendor.example/token",
        "users": [{"name": "ci", "password": CANARIES[0]}]}),
    );
    lab.login("regcred", "ci", CANARIES[0]);
    lab.stuck("api", "v1", &["regcred"], REFUSED);
    let done = lab.run_with(&["-v", "-o", "json"], &loud);
    assert_no_canary(&format!("{}{}", done.out(), done.err()), "consent");
    assert!(done.out().contains("--allow-realm auth.vendor.example"));

    // Secrets that may not be read.
    let lab = Lab::private();
    lab.login("regcred", "ci", CANARIES[0]);
    lab.stuck("api", "v1", &["regcred"], REFUSED);
    lab.fake.forbid(Forbid::everywhere("get", "secrets"));
    let done = lab.run_with(&["-o", "json"], &loud);
    let document: Value = serde_json::from_str(&done.out()).expect("JSON");
    let gaps = document["gaps"].as_array().expect("gaps");
    let secrets: Vec<_> = gaps
        .iter()
        .filter(|gap| gap["what"] == "get secrets in shop")
        .collect();
    assert_eq!(secrets.len(), 1, "{gaps:#?}");
    assert!(
        secrets[0]["grant"]
            .as_str()
            .expect("a rule")
            .contains("secrets")
    );
}

#[test]
fn files_with_secrets_give_none_away() {
    let lab = Lab::private();
    plant(&lab);
    lab.stuck("api", "v1", &["many", "no-json"], REFUSED);
    let objects = lab.objects.take();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    for format in ["human", "json", "yaml", "ndjson"] {
        let done = Run::new(&["--bundle", "-", "-v", "-o", format])
            .env("RUST_LOG", "trace")
            .stdin(serde_json::to_vec(&list).expect("JSON"))
            .done();
        assert!(matches!(done.code(), 1 | 2), "{}", done.err());
        assert_no_canary(&format!("{}{}", done.out(), done.err()), format);
    }
    // Broken off in the middle of a secret.
    let text = serde_json::to_string(&list).expect("JSON");
    let done = Run::new(&["--bundle", "-"])
        .stdin(&text.as_bytes()[..text.len() / 2])
        .done();
    assert_no_canary(&done.refused(), "the error");
}
