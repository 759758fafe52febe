//! The corpus of real error messages, judged by text alone.
//!
//! A label is a cause id with `_` for `-`. An answer is *right* if it is the label or one that
//! the text supports equally well (`also_accept`). Two bars: at least 98 % right, and no wrong
//! answer that claims to be more than possible.

use pulldoctor_diagnose::read_text;
use pulldoctor_model::{CauseId, Confidence};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    id: String,
    message: String,
    cause: String,
    also_accept: Vec<String>,
}

fn label(text: &str) -> CauseId {
    text.replace('_', "-").parse().expect("a known cause")
}

#[test]
fn corpus_is_read_rightly() {
    let text = include_str!("../../messages/tests/corpus/train.jsonl");
    let lines: Vec<Line> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a corpus line"))
        .collect();
    assert!(
        lines.len() >= 138,
        "the corpus has shrunk to {} lines",
        lines.len()
    );
    let mut wrong = Vec::new();
    let mut overclaimed = Vec::new();
    let mut strict = 0;
    for line in &lines {
        let verdict = read_text(&line.message);
        let right = label(&line.cause) == verdict.finding.cause
            || line
                .also_accept
                .iter()
                .any(|other| label(other) == verdict.finding.cause);
        strict += usize::from(label(&line.cause) == verdict.finding.cause);
        if right {
            continue;
        }
        let row = format!(
            "{}: {} ({}), not {}: {}",
            line.id,
            verdict.finding.cause,
            verdict.finding.confidence.as_str(),
            line.cause,
            line.message.chars().take(160).collect::<String>()
        );
        if verdict.finding.confidence > Confidence::Possible {
            overclaimed.push(row.clone());
        }
        wrong.push(row);
    }
    println!(
        "corpus: {} of {} right, {strict} to the letter",
        lines.len() - wrong.len(),
        lines.len()
    );
    assert!(
        overclaimed.is_empty(),
        "claimed too much:\n{}",
        overclaimed.join("\n")
    );
    assert!(
        wrong.len() * 50 <= lines.len(),
        "wrong:\n{}",
        wrong.join("\n")
    );
}
