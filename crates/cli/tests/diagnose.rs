//! `diagnose` against an API server in memory, over real HTTP.

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use common::{Done, Run};
use pulldoctor_testkit::api::{FakeCluster, Forbid, PodGenerator, Served};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The exit code of incidents whose cause a registry, which is not asked, could change.
const OFFLINE: i32 = 2;

/// A served cluster with its kubeconfig.
struct Lab {
    runtime: Runtime,
    fake: FakeCluster,
    _served: Served,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let fake = FakeCluster::new();
        let address = "127.0.0.1:0".parse().expect("an address");
        let served = runtime.block_on(fake.serve(address)).expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(
            folder.path().join("config"),
            served.kubeconfig(Some("good")),
        )
        .expect("written");
        for name in ["default", "shop"] {
            put(
                &fake,
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            );
        }
        Self {
            runtime,
            fake,
            _served: served,
            folder,
        }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let config = self.folder.path().join("config");
        // The server lives in this process: its runtime has to be free to answer.
        // Tests ask no registry but those that they start.
        let arguments = [&["--offline"][..], arguments].concat();
        let run = Run::new(&arguments).env("KUBECONFIG", &config.display().to_string());
        let _inside = self.runtime.enter();
        run.done()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.run(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&done.out()).expect("JSON")
    }
}

fn put(fake: &FakeCluster, object: Value) {
    fake.put(object).expect("a good object");
}

const TEXT: &str = "Back-off pulling image \"registry.example.com/shop/api:v1.4.2\": ErrImagePull: \
    rpc error: code = NotFound desc = failed to pull and unpack image \
    \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \
    \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found";

fn pod(name: &str, state: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-01T09:00:00Z", "labels": {"app": name}},
        "spec": {"nodeName": "n1", "serviceAccountName": "default",
            "containers": [{"name": "api", "image": "registry.example.com/shop/api:v1.4.2",
                "imagePullPolicy": "IfNotPresent"}]},
        "status": {"phase": "Pending", "containerStatuses": [
            {"name": "api", "restartCount": 0, "state": state}]}
    })
}

fn stuck(name: &str) -> Value {
    pod(
        name,
        &json!({"waiting": {"reason": "ImagePullBackOff", "message": TEXT}}),
    )
}

fn healthy(name: &str) -> Value {
    let mut pod = pod(
        name,
        &json!({"running": {"startedAt": "2026-01-01T09:00:05Z"}}),
    );
    pod["spec"]["containers"][0]["image"] = "registry.example.com/shop/web:v2".into();
    pod["status"]["phase"] = "Running".into();
    pod
}

#[test]
fn nothing_stuck() {
    let lab = Lab::new();
    put(&lab.fake, healthy("a"));
    let done = lab.run(&["-n", "shop"]);
    assert_eq!(done.code(), 0, "{}", done.err());
    insta::assert_snapshot!(done.out(), @"No pod waits for an image: 1 pod in namespace shop.");
    assert_eq!(done.err(), "");
}

#[test]
fn one_stuck_pod_is_one_incident() {
    let lab = Lab::new();
    put(&lab.fake, healthy("a"));
    put(&lab.fake, stuck("b"));
    let done = lab.run(&["-n", "shop"]);
    assert_eq!(done.code(), OFFLINE, "{}", done.err());
    assert!(
        done.out().starts_with("error[image-not-found-tag]: "),
        "{}",
        done.out()
    );
    assert!(
        done.out().contains("1 incident, 1 pod; 1 pod healthy."),
        "{}",
        done.out()
    );
    assert_eq!(done.err(), "");
}

#[test]
fn the_document_has_every_key() {
    let lab = Lab::new();
    put(&lab.fake, stuck("b"));
    let document = lab.json(&["-n", "shop"]);
    assert_eq!(document["schema"], "pulldoctor.dev/report/v1");
    assert_eq!(document["context"], "fake");
    assert_eq!(
        document["scanned"],
        json!({"pods": 1, "stuck": 1, "namespaces": ["shop"]})
    );
    let has = |value: &Value, keys: &[&str]| {
        let object = value.as_object().expect("an object");
        let mut own: Vec<&str> = object.keys().map(String::as_str).collect();
        let mut keys = keys.to_vec();
        own.sort_unstable();
        keys.sort_unstable();
        assert_eq!(own, keys);
    };
    has(
        &document,
        &["schema", "context", "scanned", "incidents", "gaps"],
    );
    let incident = &document["incidents"][0];
    has(
        incident,
        &[
            "id",
            "cause",
            "confidence",
            "object",
            "summary",
            "symptoms",
            "evidence",
            "rivals",
            "ruledOut",
            "also",
            "next",
            "remedies",
        ],
    );
    has(&incident["object"], &["kind", "namespace", "name"]);
    has(
        &incident["symptoms"][0],
        &[
            "namespace",
            "pod",
            "container",
            "kind",
            "node",
            "owner",
            "field",
            "image",
            "reason",
            "message",
            "since",
            "nextRetry",
        ],
    );
    has(
        &incident["evidence"][0],
        &["question", "answer", "from", "tookMs"],
    );
    has(&incident["rivals"][0], &["cause", "because", "decidedBy"]);
    has(&incident["next"][0], &["question", "command"]);
    assert_eq!(incident["symptoms"][0]["owner"], Value::Null);
}

#[test]
fn yaml_and_ndjson_say_the_same() {
    let lab = Lab::new();
    put(&lab.fake, stuck("b"));
    let document = lab.json(&["-n", "shop"]);
    // The question's time differs between runs.
    let timeless = |mut document: Value| {
        for incident in document["incidents"].as_array_mut().into_iter().flatten() {
            for item in incident["evidence"].as_array_mut().into_iter().flatten() {
                item["tookMs"] = Value::Null;
            }
        }
        document
    };
    let document = timeless(document);
    let yaml = lab.run(&["-n", "shop", "-o", "yaml"]);
    assert_eq!(yaml.code(), OFFLINE);
    let read: Value = serde_saphyr::from_str(&yaml.out()).expect("YAML");
    assert_eq!(timeless(read), document);

    let lines = lab.run(&["-n", "shop", "-o", "ndjson"]);
    assert_eq!(lines.code(), OFFLINE);
    let lines: Vec<Value> = lines
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(
        of("incident"),
        document["incidents"].as_array().map_or(0, Vec::len)
    );
    assert_eq!(of("gap"), document["gaps"].as_array().map_or(0, Vec::len));
    assert_eq!(lines.last().expect("an end")["type"], "end");
    assert_eq!(
        lines.last().expect("an end")["scanned"],
        document["scanned"]
    );
}

#[test]
fn what_may_not_be_seen_is_a_gap_with_its_rule() {
    let lab = Lab::new();
    let mut pod = stuck("b");
    pod["spec"]["imagePullSecrets"] = json!([{"name": "regcred"}]);
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] =
        "failed to pull and unpack image \"registry.example.com/shop/api:v1.4.2\": failed to \
         resolve reference \"registry.example.com/shop/api:v1.4.2\": pull access denied, \
         repository does not exist or may require authorization: authorization failed: no basic \
         auth credentials"
            .into();
    put(&lab.fake, pod);
    lab.fake.forbid(Forbid::everywhere("get", "secrets"));
    lab.fake.forbid(Forbid::everywhere("list", "secrets"));
    let done = lab.run(&["-n", "shop"]);
    assert_eq!(done.code(), 2, "{}{}", done.out(), done.err());
    assert!(done.out().contains("warning: could not "), "{}", done.out());
    assert!(
        done.out().contains("resources: [\"secrets\"]") || done.out().contains("- secrets"),
        "{}",
        done.out()
    );
}

#[test]
fn a_cluster_that_refuses_us_leaves_standard_output_empty() {
    let lab = Lab::new();
    put(&lab.fake, stuck("b"));
    lab.fake.forbid(Forbid::everywhere("list", "pods"));
    for format in ["human", "json", "yaml", "ndjson"] {
        let done = lab.run(&["-n", "shop", "-o", format]);
        assert_eq!(done.code(), 4, "{}", done.err());
        assert_eq!(done.out(), "");
        assert!(
            done.err().starts_with("error: cannot list pods"),
            "{}",
            done.err()
        );
    }
    lab.fake.allow_all();
    lab.fake.require_token("another");
    let done = lab.run(&["-n", "shop"]);
    assert_eq!((done.code(), done.out().as_str()), (4, ""));
    insta::assert_snapshot!(done.err(), @"
    error: cannot list pods of context `fake`
    caused by: the API server does not accept the login (401 Unauthorized)
    help: log in again, or choose another context with `--context`; `kubectl auth
          whoami` shows who the cluster thinks you are
    ");
}

#[test]
fn objects_that_do_not_exist() {
    let lab = Lab::new();
    put(&lab.fake, healthy("a"));
    insta::assert_snapshot!(lab.run(&["-n", "shp"]).refused(), @"
    error: cannot find namespace `shp`
    help: did you mean `shop`?
    ");
    insta::assert_snapshot!(lab.run(&["pod/aa", "-n", "shop"]).refused(), @"
    error: cannot find `pod/aa` in namespace `shop`
    help: did you mean `pod/a`?
    ");
    insta::assert_snapshot!(lab.run(&["explian", "-n", "shop"]).refused(), @"
    error: cannot find `pod/explian` in namespace `shop`
    help: did you mean the command `pulldoctor explain`?
    ");
    assert!(
        lab.run(&["pod/a", "-A"])
            .refused()
            .starts_with("error: cannot")
    );
}

#[test]
fn a_recording_replays_to_the_same_verdict() {
    let lab = Lab::new();
    put(&lab.fake, stuck("b"));
    let file = lab
        .folder
        .path()
        .join("recorded.json")
        .display()
        .to_string();
    let live = lab.run(&["-n", "shop", "-o", "json", "--record", &file]);
    assert_eq!(live.code(), OFFLINE, "{}", live.err());
    let replayed = common::run(&["--bundle", &file, "-o", "json"]);
    assert_eq!(replayed.code(), OFFLINE, "{}", replayed.err());
    assert_eq!(replayed.out(), live.out());
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    let lab = Lab::new();
    for name in ["c", "a", "b"] {
        put(&lab.fake, stuck(name));
    }
    let run = || {
        let text = lab.run(&["-n", "shop", "-o", "json"]).out();
        text.lines()
            .filter(|line| !line.contains("tookMs"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(run(), run());
}

#[test]
fn in_a_large_cluster_incidents_come_before_the_end_and_are_whole_at_the_end() {
    let lab = Lab::new();
    lab.fake.generate(PodGenerator::new(3_000)).expect("pods");
    let lines = lab.run(&["-A", "-o", "ndjson"]);
    // What no registry was asked for may count.
    assert!(matches!(lines.code(), 1 | 2), "{}", lines.err());
    // What was asked for early is not asked for again.
    let mut asked: Vec<String> = lab
        .fake
        .log()
        .iter()
        // Which namespaces hold a secret is asked once for all that are missing at a time.
        .filter(|it| it.path != "/api/v1/secrets")
        .map(|it| format!("{}?{}", it.path, it.query))
        .collect();
    asked.sort();
    let again = |pair: &[String]| pair[0] == pair[1];
    let again: Vec<_> = asked.windows(2).filter(|pair| again(pair)).collect();
    assert!(again.is_empty(), "{again:?}");
    let mut last = std::collections::BTreeMap::new();
    let mut standing = Vec::new();
    for line in lines.out().lines() {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        if line["type"] == "end" {
            standing = line["incidents"].as_array().expect("ids").clone();
        }
        if line["type"] == "incident" {
            line.as_object_mut().expect("an object").remove("type");
            last.insert(line["id"].as_str().expect("an id").to_owned(), line);
        }
    }
    let document = lab.json(&["-A"]);
    let incidents = document["incidents"].as_array().expect("a list");
    assert!(!incidents.is_empty());
    assert_eq!(standing.len(), incidents.len());
    for incident in incidents {
        let line = &last[incident["id"].as_str().expect("an id")];
        assert_eq!(line["symptoms"], incident["symptoms"]);
        assert_eq!(line["cause"], incident["cause"]);
    }
}

#[test]
fn nothing_more_is_found_out_for_a_reader_that_has_gone() {
    let lab = Lab::new();
    lab.fake.generate(PodGenerator::new(20_000)).expect("pods");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pulldoctor"))
        .env_clear()
        .env("KUBECONFIG", lab.folder.path().join("config"))
        .args(["-A", "-o", "ndjson", "--offline"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut first = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut first).expect("a line");
    let line: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(line["type"], "incident");
    let done = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert_eq!(done.status.code(), Some(1));
    let log = lab.fake.log();
    let pages = log.iter().filter(|it| it.path == "/api/v1/pods").count();
    assert!((1..10).contains(&pages), "{pages} of about 20 pages");
}

#[test]
fn what_kubectl_wrote_is_read_as_well() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [healthy("a"), stuck("b")]});
    let done = Run::new(&["--bundle", "-", "-o", "json"])
        .stdin(serde_json::to_vec(&list).expect("JSON"))
        .done();
    assert!(matches!(done.code(), 1 | 2), "{}", done.err());
    let document: Value = serde_json::from_str(&done.out()).expect("JSON");
    assert_eq!(document["scanned"]["pods"], 2);
    assert_eq!(document["incidents"][0]["cause"], "image-not-found-tag");
    assert_eq!(document["incidents"][0]["symptoms"][0]["pod"], "b");
}
