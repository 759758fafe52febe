//! Reads the question from its environment, writes the answer as one line and its summary as the
//! termination message.
#![expect(clippy::print_stdout, reason = "the log is where the answer goes")]

use std::env;
use std::fs;
use std::process::ExitCode;

use pulldoctor_probe::{Surroundings, refusal, run};

/// Where the question is.
const ASK: &str = "PULLDOCTOR_ASK";
/// Where the summary goes instead of the kubelet's own place.
const SUMMARY: &str = "PULLDOCTOR_SUMMARY_FILE";
/// The kubelet's default `terminationMessagePath`.
const TERMINATION_LOG: &str = "/dev/termination-log";

fn main() -> ExitCode {
    let ask = env::var(ASK).unwrap_or_default();
    let answer = match serde_json::from_str(&ask) {
        Ok(ask) => run(&ask, &Surroundings::read()),
        Err(error) => refusal(&format!("read the question in {ASK}: {error}")),
    };
    println!("{}", answer.line());
    let place = env::var(SUMMARY).unwrap_or_else(|_| TERMINATION_LOG.to_owned());
    // Whoever may read the log does not need it.
    let _ = fs::write(place, answer.summary());
    if answer.error.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
