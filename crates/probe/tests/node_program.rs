//! The program itself: question in the environment, answer on stdout, summary in a file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output};

use common::{ask_of, failure, one_repository, plain, target};
use pulldoctor_probe::NodeAnswer;
use pulldoctor_registry::judge::{NodeAnswerError, Problem, StageName};
use pulldoctor_testkit::registry::FakeRegistry;
use serde_json::json;

fn start(ask: &str, summary: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pulldoctor-probe"))
        .env_clear()
        .env("PULLDOCTOR_ASK", ask)
        .env("PULLDOCTOR_SUMMARY_FILE", summary)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_and_a_summary() {
    let registry = FakeRegistry::start(plain(json!({"repositories": one_repository()})))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("termination-log");
    let ask = ask_of(vec![
        target(&registry.authority(), "1.4.1"),
        target("127.0.0.1:1", "1"),
    ]);
    let text = serde_json::to_string(&ask).unwrap();
    let at = summary.clone();
    let output = tokio::task::spawn_blocking(move || start(&text, &at))
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let line = String::from_utf8(output.stdout).unwrap();
    let answer = NodeAnswer::from_log(&line).unwrap();
    assert!(answer.sights[0].transcript.is_good(), "{answer:#?}");
    let refused = (StageName::Tcp, Problem::TcpRefused);
    assert_eq!(failure(&answer.sights[1].transcript), refused);
    let brief = std::fs::read_to_string(&summary).unwrap();
    assert!(brief.len() <= 4096);
    let brief = NodeAnswer::from_summary(&brief, &ask).unwrap();
    assert_eq!(failure(&brief.sights[1].transcript), refused);
}

#[test]
fn a_question_that_cannot_be_read_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    for ask in ["", "{", "{\"protocol\":1}"] {
        let output = start(ask, &folder.path().join("termination-log"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let line = String::from_utf8(output.stdout).unwrap();
        let error = NodeAnswer::from_log(&line).unwrap_err();
        assert!(matches!(error, NodeAnswerError::Probe(_)), "{error:?}");
    }
}
