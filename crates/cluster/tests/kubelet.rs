//! What the kubelets of a fake cluster say of themselves, and the gaps where they do not.
#![expect(clippy::panic, reason = "helpers of tests fail the test")]

mod common;

use common::{connect, gap, put};
use pulldoctor_model::{Answer, Evidence, GapReason, Question, Vantage};
use pulldoctor_testkit::{
    api::{FakeCluster, Forbid},
    spec::FaultSpec,
};
use serde_json::json;

async fn ask(fake: &FakeCluster, questions: &[Question]) -> Evidence {
    let mut evidence = Evidence::new("fake", "x", jiff::Timestamp::UNIX_EPOCH);
    connect(fake).answer(questions, &mut evidence).await;
    evidence
}

fn answer<'e>(evidence: &'e Evidence, question: &Question) -> &'e Answer {
    let answered = evidence
        .answer(question)
        .unwrap_or_else(|| panic!("no answer to {question}: {:?}", evidence.gaps));
    assert_eq!(answered.from, Vantage::Node("n1".to_owned()));
    &answered.answer
}

/// Answers a path with a text.
fn text(path: &str, text: &str) -> FaultSpec {
    FaultSpec {
        path: Some(path.to_owned()),
        status: Some(200),
        body: Some(text.to_owned()),
        ..FaultSpec::default()
    }
}

fn config() -> Question {
    Question::NodeConfig { name: "n1".into() }
}

fn metrics() -> Question {
    Question::NodeMetrics { name: "n1".into() }
}

#[tokio::test]
async fn settings_and_counters_come_from_the_kubelet() {
    let fake = FakeCluster::new();
    fake.raw(
        "/api/v1/nodes/n1/proxy/configz",
        json!({"kubeletconfig": {"serializeImagePulls": true, "registryPullQPS": 5}}),
    );
    let noise = "go_gc_duration_seconds{quantile=\"0\"} 1\n".repeat(20_000);
    fake.faults(&[text(
        "/api/v1/nodes/n1/proxy/metrics",
        &format!(
            "{noise}kubelet_runtime_operations_errors_total{{operation_type=\"pull_image\"}} 4\n"
        ),
    )]);
    let evidence = ask(&fake, &[config(), metrics()]).await;
    let Answer::NodeConfig(facts) = answer(&evidence, &config()) else {
        panic!()
    };
    assert_eq!(
        (facts.serialize_image_pulls, facts.registry_pull_qps),
        (Some(true), Some(5))
    );
    let Answer::NodeMetrics(facts) = answer(&evidence, &metrics()) else {
        panic!()
    };
    assert_eq!((facts.pull_errors, facts.pulls), (Some(4), None));
}

#[tokio::test]
async fn a_refusal_is_a_gap_with_the_rule_for_that_node_only() {
    let fake = FakeCluster::new();
    fake.forbid(Forbid::everywhere("get", "nodes/proxy"));
    let evidence = ask(&fake, &[config(), metrics()]).await;
    assert!(evidence.answers.is_empty());
    for what in [
        "read the settings of the kubelet of node n1",
        "read the counters of the kubelet of node n1",
    ] {
        let gap = gap(&evidence, what);
        assert_eq!(gap.why, GapReason::Forbidden);
        assert_eq!(
            gap.grant.as_deref(),
            Some(
                "- apiGroups: [\"\"]\n  resources: [\"nodes/proxy\"]\n  verbs: [\"get\"]\n  resourceNames: [\"n1\"]"
            )
        );
    }
}

#[tokio::test]
async fn a_kubelet_without_the_page_is_no_answer() {
    let evidence = ask(&FakeCluster::new(), &[config(), metrics()]).await;
    assert!(evidence.answers.is_empty());
    let gap = gap(&evidence, "read the settings of the kubelet of node n1");
    assert_eq!((gap.why, &gap.grant), (GapReason::Unreachable, &None));
}

const LOGS: &str = "/api/v1/nodes/n1/proxy/logs/";

fn logs(image: &str) -> Question {
    Question::NodeLogs {
        node: "n1".into(),
        image: image.into(),
    }
}

/// What the logs say, as `unit: text`.
fn said(evidence: &Evidence, image: &str) -> Vec<String> {
    let Answer::NodeLogs(logs) = answer(evidence, &logs(image)) else {
        panic!()
    };
    let lines = logs.lines.iter();
    lines
        .map(|line| format!("{}: {}", line.unit, line.text))
        .collect()
}

fn with_node(runtime: &str) -> FakeCluster {
    let fake = FakeCluster::new();
    put(
        &fake,
        [
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {
            "nodeInfo": {"operatingSystem": "linux", "architecture": "amd64",
                "kubeletVersion": "v1.37.2", "containerRuntimeVersion": runtime}}}),
        ],
    );
    fake
}

fn requests(fake: &FakeCluster) -> Vec<String> {
    let log = fake.log();
    let own = log.iter().filter(|it| it.path.contains("/proxy/logs"));
    own.map(|it| format!("{}?{}", it.path, it.query)).collect()
}

#[tokio::test]
async fn journald_is_searched_once_for_all_images_of_a_node() {
    let fake = with_node("containerd://2.4.2");
    fake.faults(&[text(
        LOGS,
        "Nov 23 12:00:02.000000 n1 kubelet[7]: E1123 12:00:02.000000 7 a.go:1] \"Failed to pull image\" err=\"x: not found\" image=\"reg.lab/a:1\"\n\
         Nov 23 12:00:01.000000 n1 containerd[8]: time=\"2026-11-23T12:00:01Z\" level=error msg=\"PullImage \\\"reg.lab/b:1\\\" failed\" error=\"https://u:c4n4ryS3cr3t@reg.lab: EOF\"\n\
         Nov 23 12:00:00.000000 n1 containerd[8]: time=\"2026-11-23T12:00:00Z\" level=info msg=\"PullImage \\\"reg.lab/a:1\\\"\"\n",
    )]);
    let evidence = ask(&fake, &[logs("reg.lab/a:1"), logs("reg.lab/b:1")]).await;
    // journalctl gives the newest first where it is asked for a number of lines.
    assert_eq!(
        said(&evidence, "reg.lab/a:1"),
        [
            "containerd: PullImage \"reg.lab/a:1\"",
            "containerd: PullImage \"reg.lab/b:1\" failed: https://…@reg.lab: EOF",
            "kubelet: Failed to pull image (image=\"reg.lab/a:1\"): x: not found",
        ]
    );
    assert_eq!(
        said(&evidence, "reg.lab/b:1").len(),
        2,
        "its own, and the fault of another image of its registry"
    );
    let requests = requests(&fake);
    assert_eq!(requests.len(), 1, "{requests:?}");
    let query = &requests[0];
    assert!(
        query.contains("?query=kubelet&query=containerd&tailLines=2000&sinceTime=20"),
        "{query}"
    );
    assert!(query.contains("&pattern=reg%5C.lab"), "{query}");
}

#[tokio::test]
async fn where_a_service_logs_to_a_file_its_end_is_read() {
    let fake = with_node("cri-o://1.33.0");
    let line = |at: u32, text: &str| {
        format!("time=\"2026-11-23T12:00:0{at}Z\" level=error msg=\"{text} reg.lab/a:1\"\n")
    };
    let mut tail = text(
        "/api/v1/nodes/n1/proxy/logs/kubelet.log",
        &format!("sword=c4n4ryS3cr3t reg.lab/a:1\n{}", line(2, "whole")),
    );
    tail.status = Some(206);
    let mut missing = text(
        "/api/v1/nodes/n1/proxy/logs/crio.log",
        "404 page not found\n",
    );
    missing.status = Some(404);
    // Shorter than what is asked for: sent whole, as a part.
    let mut whole = text(
        "/api/v1/nodes/n1/proxy/logs/crio/crio.log",
        &format!("{}{}", line(1, "first"), line(3, "last")),
    );
    whole.status = Some(206);
    whole
        .headers
        .insert("content-range".to_owned(), "bytes 0-99/100".to_owned());
    fake.faults(&[
        text(
            LOGS,
            "\noptions present and query resolved to log files for [kubelet crio]\n\
             try without specifying options\n",
        ),
        tail,
        missing,
        whole,
    ]);
    let evidence = ask(&fake, &[logs("reg.lab/a:1")]).await;
    assert_eq!(
        said(&evidence, "reg.lab/a:1"),
        [
            "crio: first reg.lab/a:1",
            "kubelet: whole reg.lab/a:1",
            "crio: last reg.lab/a:1"
        ],
        "the line that the range cut is left out"
    );
    assert!(!format!("{evidence:?}").contains("c4n4ry"));
}

#[tokio::test]
async fn where_no_queries_are_answered_the_files_of_the_list_are_read() {
    let fake = with_node("containerd://1.7.0");
    let mut list = text(
        LOGS,
        "<!doctype html>\n<pre>\n<a href=\"containerd.log\">containerd.log</a>\n<a href=\"pods/\">pods/</a>\n</pre>\n",
    );
    list.headers.insert(
        "content-type".to_owned(),
        "text/html; charset=utf-8".to_owned(),
    );
    fake.faults(&[
        list,
        text(
            "/api/v1/nodes/n1/proxy/logs/containerd.log",
            "level=error msg=\"reg.lab/a:1 failed\"\n",
        ),
    ]);
    let evidence = ask(&fake, &[logs("reg.lab/a:1"), logs("other.lab/b:1")]).await;
    assert_eq!(
        said(&evidence, "reg.lab/a:1"),
        ["containerd: reg.lab/a:1 failed"]
    );
    assert!(
        said(&evidence, "other.lab/b:1").is_empty(),
        "asked, and nothing said"
    );
    assert!(!requests(&fake).iter().any(|it| it.contains("kubelet.log")));
}

#[tokio::test]
async fn logs_that_are_refused_hidden_or_nowhere_are_gaps() {
    let fake = with_node("containerd://1.7.0");
    fake.forbid(Forbid::everywhere("get", "nodes/proxy"));
    let evidence = ask(&fake, &[logs("reg.lab/a:1"), logs("reg.lab/b:1")]).await;
    let refused = gap(&evidence, "read the logs of the kubelet of node n1");
    assert_eq!(refused.why, GapReason::Forbidden);
    assert!(
        refused
            .grant
            .as_deref()
            .is_some_and(|it| it.contains("nodes/proxy"))
    );
    assert_eq!(refused.questions.len(), 2);

    let hidden = "read the logs of node n1, which its kubelet does not show (`--runtime-log FILE` takes them from a file)";
    for (status, body) in [
        (405, "logs endpoint is disabled.\n"),
        (
            200,
            "\noptions present and query resolved to log files for [kubelet containerd]\n",
        ),
        (200, "\nerror: journal output not available\n"),
    ] {
        let fake = with_node("containerd://1.7.0");
        let mut fault = text(LOGS, body);
        fault.status = Some(status);
        fake.faults(&[fault]);
        let evidence = ask(&fake, &[logs("reg.lab/a:1")]).await;
        assert!(evidence.answers.is_empty());
        assert_eq!(gap(&evidence, hidden).why, GapReason::Unreachable, "{body}");
    }
}
