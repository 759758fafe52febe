//! `pulldoctor diagnose`: every pod that waits for an image, and why.

use std::path::Path;

use anyhow::Context as _;
use pulldoctor_model::{Evidence, ExitCode};

use crate::{
    args, collect,
    failure::Failure,
    output,
    terminal::{self, Terminal},
};

/// Runs `diagnose`.
pub(crate) fn run(options: &args::Diagnose, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let evidence = match &options.bundle {
        Some(path) => collect::recorded(path)?,
        None => collect::live(options, terminal)?,
    };
    let report = pulldoctor_diagnose::report(&evidence);
    if let Some(path) = &options.record {
        record(path, &evidence)?;
    }
    let text = output::render(&report, &options.output, evidence.observed, terminal)?;
    terminal::print(&text)?;
    Ok(report.exit())
}

/// Writes all that was seen, as one JSON document.
fn record(path: &Path, evidence: &Evidence) -> Result<(), Failure> {
    let text = pulldoctor_report::json(evidence).map_err(Failure::bug)?;
    std::fs::write(path, text)
        .with_context(|| format!("write `{}`", path.display()))
        .map_err(Failure::request)
}
