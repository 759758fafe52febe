//! What the kubelets of a fake cluster say of themselves, and the gaps where they do not.
#![expect(clippy::panic, reason = "helpers of tests fail the test")]

mod common;

use common::{connect, gap};
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
