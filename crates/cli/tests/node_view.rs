//! `probe --from` and `diagnose --node-view` on an API server in memory, whose kubelets run the
//! real probe.

mod common;

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Done, Run};
use pulldoctor_probe::Surroundings;
use pulldoctor_registry::judge::{NodeAnswer, NodeAsk};
use pulldoctor_testkit::api::Run as Played;
use pulldoctor_testkit::api::{FakeCluster, Forbid, Kubelet, PodSecurity, Running, Served};
use pulldoctor_testkit::registry::{Directory, FakeRegistry};
use pulldoctor_testkit::spec::HostSpec;
use pulldoctor_testkit::tls::Authority;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Planted where a password is: it must be nowhere else.
const CANARY: &str = "canary-51c07e";
const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// A cluster with node `n1`, and a registry on loopback.
struct Lab {
    runtime: Runtime,
    fake: FakeCluster,
    registry: FakeRegistry,
    folder: tempfile::TempDir,
    _served: Served,
    _kubelets: Running,
}

impl Lab {
    /// Pods on the node come to this; the registry is as specified.
    fn new(spec: Value, play: impl Fn(&Value) -> Played + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let fake = FakeCluster::new();
        let inside = runtime.enter();
        let address = "127.0.0.1:0".parse().expect("an address");
        let served = runtime.block_on(fake.serve(address)).expect("a port");
        let kubelets = Kubelet::new(play).node("n1", &[PAUSE]).run(&fake);
        let mut spec = spec;
        spec["tls"] = json!("plain-http");
        spec["repositories"] = json!([{"name": "shop/api", "tags": [{"tag": "v1.4.1"}]}]);
        let spec: HostSpec = serde_json::from_value(spec).expect("a specification");
        let authority = Authority::new("Company").expect("an authority");
        let directory = Directory::new();
        let starting = FakeRegistry::start_filled(spec, &authority, &directory);
        let registry = runtime.block_on(starting).expect("a registry");
        let folder = tempfile::tempdir().expect("a folder");
        let name = |file: &str| folder.path().join(file);
        fs::write(name("config"), served.kubeconfig(Some("good"))).expect("written");
        for file in ["run", "part.0"] {
            fs::write(name(file), file).expect("written");
        }
        for name in ["default", "kube-system", "shop"] {
            put(
                &fake,
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            );
        }
        put(
            &fake,
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {
                "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64",
                    "kubeletVersion": "v1.37.2", "containerRuntimeVersion": "containerd://2.4.2"},
                "conditions": [{"type": "Ready", "status": "True"}],
                "images": [{"names": [PAUSE], "sizeBytes": 300_000}]}}),
        );
        put(&fake, pod("kube-system", "proxy-n1", PAUSE, &running()));
        drop(inside);
        Self {
            runtime,
            fake,
            registry,
            folder,
            _served: served,
            _kubelets: kubelets,
        }
    }

    fn image(&self) -> String {
        format!("{}/shop/api:v1.4.1", self.registry.authority())
    }

    fn prepared(&self, arguments: &[&str]) -> Run {
        let path = |file: &str| self.folder.path().join(file).display().to_string();
        Run::new(arguments)
            .env("KUBECONFIG", &path("config"))
            .env("PULLDOCTOR_PROBE_DIR", &path(""))
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let run = self.prepared(arguments);
        // The servers live in this process: their runtime has to be free to answer.
        let _inside = self.runtime.enter();
        run.done()
    }

    fn probe(&self, arguments: &[&str]) -> Done {
        let image = self.image();
        self.run(&[&["probe", &image][..], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> (Value, i32) {
        let done = self.probe(&[arguments, &["-o", "json"]].concat());
        assert_eq!(done.err(), "");
        let value = serde_json::from_str(&done.out());
        (value.expect("one JSON document"), done.code())
    }

    /// What is there of what was created.
    fn left(&self) -> usize {
        ["Pod", "ConfigMap"]
            .into_iter()
            .flat_map(|kind| self.fake.objects(kind))
            .filter(|object| object["metadata"]["name"].as_str().is_some_and(is_ours))
            .count()
    }

    /// How many pods were created, dry runs left out.
    fn pods(&self) -> usize {
        let is_creation = |method: &str, path: &str, query: &str| {
            method == "POST" && path.ends_with("/pods") && !query.contains("dryRun")
        };
        self.fake
            .log()
            .iter()
            .filter(|it| is_creation(&it.method, &it.path, &it.query))
            .count()
    }

    /// Nothing was asked for that changes anything, not even in a dry run.
    fn is_untouched(&self) -> bool {
        self.fake.log().iter().all(|it| it.method == "GET")
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("pulldoctor-probe")
}

fn put(fake: &FakeCluster, object: Value) {
    fake.put(object).expect("a good object");
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-01-01T09:00:05Z"}})
}

fn pod(namespace: &str, name: &str, image: &str, state: &Value) -> Value {
    let is_running = state.get("running").is_some();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-01T09:00:00Z", "labels": {"app": name}},
        "spec": {"nodeName": "n1", "serviceAccountName": "default",
            "containers": [{"name": "api", "image": image, "imagePullPolicy": "IfNotPresent"}]},
        "status": {"phase": if is_running { "Running" } else { "Pending" }, "containerStatuses": [
            {"name": "api", "restartCount": 0, "image": image, "state": state}]}
    })
}

/// The real probe with its real answer. Nothing becomes of other pods.
fn probed(pod: &Value) -> Played {
    match asked(pod) {
        Some(ask) => ended(&pulldoctor_probe::run(&ask, &Surroundings::default())),
        None => Played::Silent,
    }
}

fn ended(answer: &NodeAnswer) -> Played {
    Played::Ends {
        log: format!("{}\n", answer.line()),
        message: answer.summary(),
    }
}

fn asked(pod: &Value) -> Option<NodeAsk> {
    let env = &pod["spec"]["containers"][0]["env"][0]["value"];
    serde_json::from_str(env.as_str()?).ok()
}

/// On this node another port answers for the registry, and nobody listens there.
fn cut_off(pod: &Value) -> Played {
    let Some(mut ask) = asked(pod) else {
        return Played::Silent;
    };
    let host = std::mem::replace(&mut ask.targets[0].host, "127.0.0.1:1".to_owned());
    let mut answer = pulldoctor_probe::run(&ask, &Surroundings::default());
    answer.sights[0].transcript.host = host;
    ended(&answer)
}

fn stage<'a>(document: &'a Value, name: &str) -> &'a Value {
    let stages = document["stages"].as_array().expect("stages");
    let found = stages.iter().find(|stage| stage["stage"] == name);
    found.expect("the stage")
}

#[test]
fn a_node_sees_what_is_here() {
    let lab = Lab::new(json!({}), probed);
    let (document, code) = lab.json(&["--from", "node/n1"]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["schema"], "pulldoctor.dev/probe/v1");
    assert_eq!(document["from"], "node/n1");
    assert_eq!(document["cause"], Value::Null);
    assert_eq!(document["stages"].as_array().map(Vec::len), Some(10));
    assert_eq!(stage(&document, "layers")["outcome"], "ok");
    assert_eq!(document["view"]["node"], "n1");
    assert_eq!(document["view"]["network"], "host");
    assert_eq!(document["view"]["image"], PAUSE);
    assert_eq!(document["beside"]["from"], "here");
    assert_eq!(
        document["beside"]["differences"],
        json!(["every stage is good here, too"])
    );
    assert_eq!((lab.pods(), lab.left()), (1, 0));

    let done = lab.probe(&["--from", "node/n1"]);
    let out = done.out();
    assert!(out.contains("for linux/amd64  from node/n1"), "{out}");
    assert!(
        out.contains("= seen from   node n1, its own network"),
        "{out}"
    );
    assert!(out.contains("every stage is good here, too"), "{out}");
    assert_eq!(done.code(), 0);
    // As YAML it is the same document.
    let done = lab.probe(&["--from", "no/n1", "-o", "yaml"]);
    assert!(done.out().contains("from: node/n1"), "{}", done.out());
}

#[test]
fn what_only_the_node_sees_is_said_to_be_that() {
    let lab = Lab::new(json!({}), cut_off);
    let (document, code) = lab.json(&["--from", "node/n1"]);
    assert_eq!(code, 1, "{document:#}");
    assert_eq!(document["cause"], "registry-unreachable-refused");
    assert_eq!(document["confidence"], "likely");
    assert_eq!(stage(&document, "tcp")["outcome"], "failed");
    assert_eq!(stage(&document, "http")["outcome"], "skipped");
    let summary = document["summary"].as_str().expect("a summary");
    assert!(
        summary.ends_with("refuses connections of node `n1`"),
        "{summary}"
    );
    assert_eq!(
        document["beside"]["differences"],
        json!(["every stage is good here: it is what node `n1` has of its own"])
    );
    assert_eq!(document["beside"]["cause"], Value::Null);
    assert_eq!(lab.left(), 0);
}

#[test]
fn a_namespace_is_looked_from_by_a_pod_of_its_own() {
    let lab = Lab::new(json!({}), probed);
    lab.fake.pod_security("shop", PodSecurity::Restricted);
    put(&lab.fake, pod("shop", "web", PAUSE, &running()));
    let (document, code) = lab.json(&["--from", "namespace/shop"]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["from"], "namespace/shop");
    assert_eq!(document["view"]["network"], "pod");
    assert_eq!(document["view"]["namespace"], "shop");
    assert_eq!(lab.left(), 0);
}

#[test]
fn a_login_is_tried_from_here_and_by_the_kubelet_and_never_goes_to_the_node() {
    let spec = json!({"auth": {"kind": "basic", "users": [{"name": "ci", "password": CANARY}]}});
    let refused = "failed to authorize: failed to fetch oauth token: unexpected status from POST \
                   request to https://auth.example.com/token: 401 Unauthorized";
    let none = "pull access denied, repository does not exist or may require authorization: \
                authorization failed: no basic auth credentials";
    for (password, answer, code, cause, outcome) in [
        (CANARY, "", 0, Value::Null, json!("granted")),
        (
            "wrong",
            refused,
            1,
            json!("auth-bad-credentials"),
            json!("refused"),
        ),
        // What is good from here is not what this node's runtime sends.
        (
            CANARY,
            none,
            1,
            json!("auth-missing-credentials"),
            json!("no-login"),
        ),
        // The node has a login of its own: whether the image is there was not asked with it.
        ("wrong", "", 2, Value::Null, json!("granted")),
        (
            CANARY,
            "dial tcp 127.0.0.1:1: i/o timeout",
            0,
            Value::Null,
            Value::Null,
        ),
    ] {
        let lab = Lab::new(spec.clone(), move |pod| {
            let text = pod.to_string();
            assert!(!text.contains(CANARY), "{text}");
            if asked(pod).is_some() {
                assert!(!text.contains("regcred"), "{text}");
                return probed(pod);
            }
            assert_eq!(
                pod["spec"]["imagePullSecrets"],
                json!([{"name": "regcred"}])
            );
            assert_eq!(pod["metadata"]["namespace"], "shop");
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or("");
            let text = match answer {
                "" => not_found(image),
                answer => format!("failed to pull and unpack image \"{image}\": {answer}"),
            };
            Played::Waits("ErrImagePull".to_owned(), text)
        });
        let config = json!({"auths": {lab.registry.authority(): {
            "username": "ci", "password": password}}});
        put(
            &lab.fake,
            json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
                "metadata": {"name": "regcred", "namespace": "shop"},
                "stringData": {".dockerconfigjson": config.to_string()}}),
        );
        let arguments = [
            "--from",
            "node/n1",
            "--credentials",
            "secret/regcred",
            "-n",
            "shop",
        ];
        let (access, _) = lab.json(&[&arguments[..], &["--explain-access"]].concat());
        let secrets = &access["pods"][0]["spec"]["imagePullSecrets"];
        assert_eq!(*secrets, json!([{"name": "regcred"}]), "{access:#}");
        assert!(lab.is_untouched());
        let is_secret = |path: &str| path.contains("/secrets");
        assert!(!lab.fake.log().iter().any(|it| is_secret(&it.path)));

        let (document, got) = lab.json(&arguments);
        assert_eq!((got, &document["cause"]), (code, &cause), "{document:#}");
        assert_eq!(document["kubelet"]["outcome"], outcome, "{document:#}");
        let manifest = stage(&document, "manifest")["detail"].as_str();
        let token = stage(&document, "token")["detail"].as_str();
        let is_from_here = |text: Option<&str>| text.is_some_and(|it| it.contains("from here"));
        assert!(
            is_from_here(manifest) || is_from_here(token),
            "{document:#}"
        );
        let differences = document["beside"]["differences"].to_string();
        assert!(!differences.contains("of its own"), "{differences}");
        assert!(!document.to_string().contains(CANARY));
        assert_eq!(lab.left(), 0);
    }
}

#[test]
fn a_login_that_did_not_matter_is_reported_all_the_same() {
    let spec = json!({"auth": {"kind": "basic", "users": [{"name": "ci", "password": CANARY}]}});
    let lab = Lab::new(spec, cut_off);
    let config = json!({"auths": {lab.registry.authority(): {
        "username": "ci", "password": CANARY}}});
    fs::write(lab.folder.path().join("config.json"), config.to_string()).expect("written");
    let image = lab.image();
    let arguments = [
        "probe",
        &image,
        "--from",
        "node/n1",
        "--credentials",
        "user",
        "-o",
        "json",
    ];
    let run = lab
        .prepared(&arguments)
        .env("DOCKER_CONFIG", &lab.folder.path().display().to_string());
    let done = {
        let _inside = lab.runtime.enter();
        run.done()
    };
    let document: Value = serde_json::from_str(&done.out()).expect("JSON");
    assert_eq!(document["cause"], "registry-unreachable-refused");
    let credential = &document["credentials"][0];
    assert_eq!(credential["outcome"], "granted", "{document:#}");
    assert!(
        credential["detail"]
            .as_str()
            .is_some_and(|it| it.ends_with("(asked from here)"))
    );
}

#[test]
fn where_it_is_forbidden_the_gap_says_what_would_allow_it() {
    let lab = Lab::new(json!({}), probed);
    lab.fake.forbid(Forbid::everywhere("create", "configmaps"));
    let (document, code) = lab.json(&["--from", "node/n1"]);
    assert_eq!(code, 2, "{document:#}");
    assert_eq!(document["cause"], Value::Null);
    assert_eq!(document["view"], Value::Null);
    let gap = &document["gaps"][0];
    assert_eq!(gap["counts"], true);
    assert!(
        gap["what"]
            .as_str()
            .is_some_and(|it| it.contains("forbidden")),
        "{document:#}"
    );
    assert!(
        gap["remedy"]
            .as_str()
            .is_some_and(|it| it.contains("apiGroups")),
        "{document:#}"
    );
    assert!(
        document["beside"]["stages"]
            .as_array()
            .is_some_and(|it| it.len() == 10)
    );
    let out = lab.probe(&["--from", "node/n1"]).out();
    assert!(out.contains("\nunknown: whether `"), "{out}");
    assert!(!out.contains("not reached"), "{out}");
    assert!(
        out.contains("= beside  every stage is good here\n"),
        "{out}"
    );
    assert!(out.contains("resources: [\"configmaps\"]"), "{out}");
    assert_eq!(lab.left(), 0);
}

#[test]
fn a_request_that_names_nothing_is_refused() {
    let lab = Lab::new(json!({}), probed);
    let refused = |arguments: &[&str], words: &str| {
        let said = lab.probe(arguments).refused();
        assert!(said.contains(words), "{said}");
    };
    refused(&["--from", "node/n9"], "`n9`");
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "namespaces \"gone\" not found"});
    let fault = serde_json::from_value(json!({"method": "POST", "status": 404,
        "path": "/api/v1/namespaces/gone/**", "body": gone.to_string()}));
    lab.fake.faults(&[fault.expect("a fault")]);
    refused(&["--from", "namespace/gone"], "find namespace `gone`");
    refused(&["--from", "n1"], "give here, node/NAME or");
    refused(&["--explain-access"], "--from node/NAME");
    refused(&["--probe-namespace", "shop"], "--from node/NAME");
    refused(
        &["--from", "ns/shop", "--probe-namespace", "x"],
        "looking from a node",
    );
    refused(&["--from", "node/n1", "--verify-layers"], "from here only");
    let said = lab.run(&["--explain-access"]).refused();
    assert!(said.contains("--node-view"), "{said}");
    let said = lab.run(&["--node-view", "--bundle", "x"]).refused();
    assert!(said.contains("--bundle"), "{said}");
    assert_eq!(lab.left(), 0);
}

#[test]
fn a_build_without_a_probe_says_so() {
    let lab = Lab::new(json!({}), probed);
    let image = lab.image();
    let without = |arguments: &[&str]| {
        let run = lab.prepared(arguments).env("PULLDOCTOR_PROBE_DIR", "none");
        let _inside = lab.runtime.enter();
        run.done()
    };
    let said = without(&["probe", &image, "--from", "node/n1"]).refused();
    assert!(said.contains("this build carries no probe"), "{said}");
    assert!(said.contains("cargo xtask dist"), "{said}");
    // The kubelets' own words are had without.
    let done = without(&["--node-view", "--offline", "-n", "shop"]);
    assert_eq!(done.code(), 0, "{}", done.err());
    assert!(
        done.err().contains("this build carries no probe"),
        "{}",
        done.err()
    );
    assert!(lab.is_untouched());
    let bad = lab.folder.path().join("nowhere").display().to_string();
    let run = lab
        .prepared(&["probe", &image, "--from", "node/n1"])
        .env("PULLDOCTOR_PROBE_DIR", &bad);
    let said = run.done().refused();
    assert!(said.contains("read the node probe"), "{said}");
}

#[test]
fn what_would_be_created_is_shown_and_nothing_is() {
    let lab = Lab::new(json!({}), probed);
    let arguments = ["--from", "node/n1", "--explain-access"];
    let done = lab.probe(&arguments);
    assert_eq!(done.code(), 0, "{}", done.err());
    let out = done.out();
    for words in [
        "Nothing has been created",
        "kind: ConfigMap",
        "(3 bytes)",
        "kind: Pod",
        "hostNetwork: true",
        "runAsNonRoot: true",
        "resources: [\"pods/log\"]",
        "resources: [\"nodes\"]",
    ] {
        assert!(out.contains(words), "{words} in {out}");
    }
    let (document, code) = lab.json(&arguments);
    assert_eq!(code, 0);
    assert_eq!(document["schema"], "pulldoctor.dev/access/v1");
    assert_eq!(document["from"], "node/n1");
    assert_eq!(document["objects"][1]["kind"], "Pod");
    let (named, _) = lab.json(&[&arguments[..], &["--probe-namespace", "shop"]].concat());
    assert_eq!(named["namespaces"], json!(["shop"]));
    assert!(lab.is_untouched(), "{:?}", lab.fake.log());
}

const TEXT: &str = "Back-off pulling image \"IMAGE\": ErrImagePull: failed to pull and unpack image \
    \"IMAGE\": failed to resolve reference \"IMAGE\": failed to do request: Head \
    \"https://REGISTRY/v2/shop/api/manifests/v1.4.1\": dial tcp REGISTRY: connect: connection refused";

/// A pod that waits, since its registry refuses connections.
fn stuck(lab: &Lab) {
    let text = TEXT
        .replace("IMAGE", &lab.image())
        .replace("REGISTRY", &lab.registry.authority());
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": text}});
    put(&lab.fake, pod("shop", "api", &lab.image(), &state));
}

#[test]
fn diagnose_asks_nodes_only_where_it_is_told_to() {
    let lab = Lab::new(json!({}), cut_off);
    stuck(&lab);
    let record = lab.folder.path().join("evidence.json");
    let name = record.display().to_string();
    let arguments = ["-n", "shop", "--offline", "--record", &name];
    let done = lab.run(&arguments);
    assert!(
        done.out().contains("registry-unreachable-refused"),
        "{}",
        done.out()
    );
    assert!(lab.is_untouched(), "{:?}", lab.fake.log());
    assert!(!done.err().contains("[y/N]"), "no terminal, no prompt");

    let shown = lab.run(&[&arguments[..3], &["--node-view", "--explain-access"]].concat());
    assert_eq!(shown.code(), 0, "{}", shown.err());
    assert!(
        shown.out().contains("# - does node `n1` reach"),
        "{}",
        shown.out()
    );
    assert!(shown.out().contains("kind: Pod"), "{}", shown.out());
    assert!(lab.is_untouched(), "{:?}", lab.fake.log());

    let done = lab.run(&[&arguments[..], &["--node-view"]].concat());
    assert!(done.code() == 1 || done.code() == 2, "{}", done.err());
    assert!(lab.pods() >= 1);
    assert_eq!(lab.left(), 0);
    let evidence = fs::read_to_string(&record).expect("a recording");
    let evidence: Value = serde_json::from_str(&evidence).expect("JSON");
    let text = evidence.to_string();
    assert!(text.contains("\"ask\":\"node-view\""), "{text}");
    assert!(text.contains("tcp-refused"), "{text}");
}

/// A probe of which the pod starts and never ends, under way.
struct Hanging {
    lab: Lab,
    child: Child,
}

impl Hanging {
    fn start() -> Self {
        let lab = Lab::new(json!({}), |_| Played::Stays);
        let path = |file: &str| lab.folder.path().join(file);
        let child = Command::new(env!("CARGO_BIN_EXE_pulldoctor"))
            .args(["probe", &lab.image(), "--from", "node/n1"])
            .env_clear()
            .env("KUBECONFIG", path("config"))
            .env("PULLDOCTOR_PROBE_DIR", path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let start = Instant::now();
        // A ConfigMap and a pod.
        while lab.left() < 2 {
            assert!(start.elapsed() < Duration::from_secs(30), "no pod");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { lab, child }
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(told.expect("kill runs").success());
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn a_signal_removes_what_was_created() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut hanging = Hanging::start();
        hanging.signal(signal);
        assert_eq!(hanging.code(), Some(code));
        assert_eq!(hanging.lab.left(), 0);
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut hanging = Hanging::start();
    let slow = serde_json::from_value(json!({"method": "DELETE", "delay_ms": 20_000}));
    hanging.lab.fake.faults(&[slow.expect("a fault")]);
    hanging.signal("INT");
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        hanging.child.try_wait().expect("asked").is_none(),
        "it tidies up"
    );
    let start = Instant::now();
    hanging.signal("TERM");
    assert_eq!(hanging.code(), Some(143));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

/// On these nodes the shop's image is not found, and others come.
fn pulls(pod: &Value) -> Played {
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or("");
    if asked(pod).is_some() {
        probed(pod)
    } else if image.ends_with("shop/api:v7") {
        Played::Waits("ErrImagePull".to_owned(), not_found(image))
    } else {
        Played::Ends {
            log: String::new(),
            message: String::new(),
        }
    }
}

fn not_found(image: &str) -> String {
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve image: {image}: not found"
    )
}

#[test]
fn an_images_fault_is_told_from_a_nodes() {
    let lab = Lab::new(json!({}), pulls);
    let image = format!("{}/shop/api:v7", lab.registry.authority());
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": not_found(&image)}});
    put(&lab.fake, pod("shop", "api-1", &image, &waiting));
    put(
        &lab.fake,
        pod("shop", "web-1", "docker.io/library/web:1", &running()),
    );
    let good = lab.image();
    let arguments = [
        "isolate",
        "api-1",
        "-n",
        "shop",
        "--known-good",
        &good,
        "-o",
        "json",
    ];

    // Nothing is created to say what would be.
    let done = lab.run(&[&arguments[..], &["--explain-access"]].concat());
    assert_eq!(done.code(), 0, "{}", done.err());
    let access: Value = serde_json::from_str(&done.out()).expect("one JSON document");
    assert_eq!(
        access["pods"][0]["spec"]["containers"][0]["imagePullPolicy"],
        "Always"
    );
    assert!(lab.is_untouched());

    let done = lab.run(&arguments);
    let found: Value = serde_json::from_str(&done.out()).expect("one JSON document");
    let outcomes: Vec<(&str, &str)> = found["trials"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|trial| Some((trial["role"].as_str()?, trial["outcome"].as_str()?)))
        .collect();
    // There is no other node, so that the image cannot be told from this one.
    assert_eq!(found["fault"], "undecided", "{found:#}");
    assert_eq!(done.code(), 2);
    assert_eq!(outcomes[0], ("suspect-here", "failed"));
    assert_eq!(outcomes[1], ("suspect-elsewhere", "untried"));
    assert_eq!(outcomes[2], ("same-registry-here", "pulled"));
    assert_eq!(lab.left(), 0);

    let done = lab.run(&["isolate", "pod/web-1", "-n", "shop"]);
    assert_eq!(
        (done.code(), done.out().as_str()),
        (0, "ok: pod/web-1 waits for no image\n")
    );
    for (wrong, word) in [
        (&["isolate"][..], "<POD>"),
        (&["isolate", "pod/none", "-n", "shop"][..], "pod/none"),
        (&["isolate", "--node", "n7"][..], "n7"),
        (&["isolate", "api-1", "--node", "n1"][..], "--node"),
        (
            &["isolate", "api-1", "--known-good", "shop/API"][..],
            "shop/API",
        ),
    ] {
        let done = lab.run(wrong);
        assert_eq!(done.code(), 3, "{wrong:?}: {}", done.err());
        assert_eq!(done.out(), "");
        assert!(done.err().contains(word), "{}", done.err());
    }
}
