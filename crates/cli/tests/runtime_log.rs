//! Logs of nodes: given by hand, from standard input, and in the folder of a bundle.

mod common;

use std::path::Path;

use common::Run;
use serde_json::{Value, json};

const CANARY: &str = "c4n4ryS3cr3tOfTheTests";

/// A pod that waits for `reg.example.com/shop/NAME:1` on a node.
fn stuck(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name,
            "creationTimestamp": "2026-11-23T11:00:00Z"},
        "spec": {"nodeName": node, "containers": [
            {"name": "app", "image": format!("reg.example.com/shop/{name}:1")}]},
        "status": {"phase": "Pending", "startTime": "2026-11-23T11:00:00Z",
            "containerStatuses": [{"name": "app", "restartCount": 0, "state": {"waiting": {
                "reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]}
    })
}

fn pods() -> String {
    let items = [stuck("api", "n1"), stuck("web", "n2")];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn line(name: &str) -> String {
    format!(
        "time=\"2026-11-23T12:00:00Z\" level=error msg=\"PullImage \\\"reg.example.com/shop/{name}:1\\\" failed\" error=\"Get \\\"https://ci:{CANARY}@reg.example.com/v2/\\\": x509: certificate signed by unknown authority\"\n"
    )
}

/// The answers about logs in a recording, as `node image: number of lines`.
fn told(record: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(record).expect("a recording");
    assert!(!text.contains(CANARY), "{text}");
    let evidence: Value = serde_json::from_str(&text).expect("JSON");
    let answers = evidence["answers"].as_array().expect("answers");
    let logs = answers
        .iter()
        .filter(|answered| answered["question"]["ask"] == "node-logs");
    logs.map(|answered| {
        let question = &answered["question"];
        let lines = answered["answer"]["value"]["lines"].as_array();
        format!(
            "{} {}: {}",
            question["node"].as_str().expect("a node"),
            question["image"].as_str().expect("an image"),
            lines.map_or(0, Vec::len)
        )
    })
    .collect()
}

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Runs with `--record` and gives what was recorded of logs, and standard error.
    fn run(&self, arguments: &[&str], stdin: Option<&str>) -> (Vec<String>, String) {
        let record = self.path("record.out");
        let mut all = vec!["-o", "json", "--record", &record];
        all.extend(arguments);
        let mut run = Run::new(&all);
        if let Some(text) = stdin {
            run = run.stdin(text);
        }
        let done = run.done();
        assert!(matches!(done.code(), 1 | 2), "{}", done.err());
        assert!(!done.out().contains(CANARY) && !done.err().contains(CANARY));
        (told(Path::new(&record)), done.err())
    }
}

#[test]
fn a_given_log_is_joined_to_the_nodes_where_its_images_wait() {
    let files = Files::new(&[
        ("pods.json", &pods()),
        (
            "containerd.log",
            &(line("api") + &line("web") + &line("other")),
        ),
    ]);
    let (pods, log) = (files.path("pods.json"), files.path("containerd.log"));
    let (told, note) = files.run(&["--bundle", &pods, "--runtime-log", &log], None);
    assert_eq!(
        told,
        [
            "n1 reg.example.com/shop/api:1: 3",
            "n2 reg.example.com/shop/web:1: 3"
        ],
        "the faults of other images of the registry are told too"
    );
    assert_eq!(note, "");
    let (told, _) = files.run(
        &["--bundle", &pods, "--runtime-log", &format!("n2={log}")],
        None,
    );
    assert_eq!(told, ["n2 reg.example.com/shop/web:1: 3"]);
}

#[test]
fn a_log_may_come_through_standard_input() {
    let files = Files::new(&[("pods.json", &pods())]);
    let pods = files.path("pods.json");
    let journal = format!("Nov 23 12:00:00 n1 containerd[9]: {}", line("api"));
    let (told, _) = files.run(&["--bundle", &pods, "--runtime-log", "-"], Some(&journal));
    assert_eq!(told, ["n1 reg.example.com/shop/api:1: 1"]);
    for twice in [
        ["--bundle", "-", "--runtime-log", "-"],
        ["--runtime-log", "n1=-", "--runtime-log", "-"],
    ] {
        assert!(common::run(&twice).refused().contains("once"));
    }
}

#[test]
fn a_folder_may_hold_logs_beside_objects() {
    let files = Files::new(&[
        ("all/cluster/pods.json", &pods()),
        ("all/n1/messages.log", &line("api")),
        ("all/nodes/n2/containerd.log", &line("web")),
        ("all/shop/web/app.log", &line("web")),
    ]);
    let (told, note) = files.run(&["--bundle", &files.path("all")], None);
    assert_eq!(
        told,
        [
            "n1 reg.example.com/shop/api:1: 1",
            "n2 reg.example.com/shop/web:1: 1"
        ]
    );
    assert_eq!(note, "");
}

#[test]
fn what_cannot_be_used_is_told() {
    let files = Files::new(&[
        ("pods.json", &pods()),
        ("quiet.log", "nothing of interest\n"),
        ("system.journal", "LPKSHHRH\0"),
    ]);
    let pods = files.path("pods.json");
    let (told, note) = files.run(
        &["--bundle", &pods, "--runtime-log", &files.path("quiet.log")],
        None,
    );
    assert!(told.is_empty());
    assert!(note.starts_with("note: the log"), "{note}");
    for (path, said) in [
        ("missing.log", "missing.log"),
        ("system.journal", "journalctl"),
    ] {
        let path = files.path(path);
        let done = common::run(&["--bundle", &pods, "--runtime-log", &path]);
        assert!(done.refused().contains(said));
    }
    // Told before the cluster is asked.
    let done = common::run(&["--runtime-log", "/nonexistent/x.log"]);
    assert!(done.refused().contains("/nonexistent/x.log"));
}
