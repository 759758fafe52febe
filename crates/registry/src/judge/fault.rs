//! A failure on its way to a stage.

use std::time::Duration;

use pulldoctor_model::{clean_line, shorten};

use super::{Facts, Problem, Stage, StageName, StageOutcome};

/// What is wrong, and a sentence about it that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub problem: Problem,
    /// The sentence.
    pub detail: String,
}

impl Fault {
    /// Makes the text safe to show.
    pub fn new(problem: Problem, detail: impl AsRef<str>) -> Self {
        Self {
            problem,
            detail: show(detail.as_ref()),
        }
    }
}

/// Makes a foreign text safe and short.
pub fn show(text: &str) -> String {
    shorten(&clean_line(text), 500).into_owned()
}

/// Makes a stage out of what came.
pub fn end_stage(
    name: StageName,
    took: Duration,
    facts: Facts,
    outcome: Result<String, &Fault>,
) -> Stage {
    let (outcome, detail, problem) = match outcome {
        Ok(detail) => (StageOutcome::Ok, show(&detail), None),
        Err(fault) => (
            StageOutcome::Failed,
            fault.detail.clone(),
            Some(fault.problem),
        ),
    };
    Stage {
        stage: name,
        outcome,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        detail,
        problem,
        facts,
    }
}
