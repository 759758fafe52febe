//! Holds the judgement of certificate chains against Go's own, on chains of every kind that goes
//! wrong. Needs a Go toolchain; without one it is skipped, on CI it fails.

#![expect(clippy::unwrap_used, reason = "a test, also outside of test functions")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pulldoctor_registry::Problem;
use pulldoctor_registry::judge::trust::{Anchor, judge_chain};
use serde::Deserialize;

const CHAINS: &str = "6000";
const SEED: &str = "20260601";

#[derive(Debug, Deserialize)]
struct Answer {
    chain: Vec<String>,
    roots: Vec<String>,
    host: String,
    now: i64,
    error: String,
    kind: String,
}

fn ask() -> Option<Vec<Answer>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/x509check.go");
    let go = ["go", "/usr/local/go/bin/go"]
        .into_iter()
        .find(|go| Command::new(go).arg("version").output().is_ok());
    let Some(go) = go else {
        let notice = "skipped: differential test of certificate chains: no Go toolchain";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{notice}");
        // Not eprintln!, which the test harness swallows when a test passes.
        let mut error = std::io::stderr();
        writeln!(error, "{notice}").unwrap();
        return None;
    };
    let output = Command::new(go)
        .args(["run", source.to_str().unwrap(), SEED, CHAINS])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn decode(list: &[String]) -> Vec<Vec<u8>> {
    list.iter()
        .map(|text| STANDARD.decode(text).unwrap())
        .collect()
}

/// Go words the reason of an unknown authority by the first candidate's fault, down to its crypto
/// packages' own texts; that much is not held against ours.
fn without_hint(text: &str) -> &str {
    text.split(" (possibly because of ").next().unwrap_or(text)
}

fn fits(problem: Problem, answer: &Answer) -> bool {
    match problem {
        Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain => {
            answer.kind == "x509.UnknownAuthorityError"
        }
        Problem::TlsNameMismatch | Problem::TlsLegacyCommonName => {
            answer.kind == "x509.HostnameError"
        }
        Problem::TlsExpired => answer.error.contains(" is after "),
        Problem::TlsNotYetValid => answer.error.contains(" is before "),
        _ => answer.kind == "x509.CertificateInvalidError",
    }
}

#[test]
fn chains_are_judged_as_go_judges_them() {
    let Some(answers) = ask() else {
        return;
    };
    let (mut good, mut uncertain, mut differing, mut report) = (0, 0, 0, String::new());
    let mut kinds = std::collections::BTreeMap::new();
    for (number, answer) in answers.iter().enumerate() {
        let chain = decode(&answer.chain);
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let anchors: Vec<Anchor> = decode(&answer.roots)
            .iter()
            .filter_map(|der| Anchor::from_certificate(der))
            .collect();
        let judgement = judge_chain(&chain, &answer.host, answer.now, &anchors);
        let agrees = match &judgement.fault {
            None => answer.error.is_empty(),
            // What cannot be checked here is said to be uncertain, never to be good.
            Some(_) if judgement.is_uncertain => true,
            Some(fault) => {
                fits(fault.problem, answer)
                    && without_hint(&fault.go_text) == without_hint(&answer.error)
            }
        };
        uncertain += usize::from(judgement.is_uncertain && judgement.fault.is_some());
        good += usize::from(judgement.fault.is_none());
        if let Some(fault) = &judgement.fault {
            *kinds.entry(fault.problem).or_insert(0_u32) += 1;
        }
        if !agrees {
            differing += 1;
            if differing <= 10 {
                writeln!(
                    report,
                    "{number} {}: Go `{}`, ours {judgement:?}",
                    answer.host, answer.error
                )
                .unwrap();
            }
        }
    }
    assert_eq!(differing, 0, "of {}:\n{report}", answers.len());
    assert!(
        good > answers.len() / 5,
        "too few good chains to mean anything: {good}"
    );
    assert!(
        uncertain * 20 < answers.len(),
        "too many were left open: {uncertain}"
    );
    assert!(kinds.len() >= 6, "{kinds:?}");
}
