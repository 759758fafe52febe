//! `pulldoctor diagnose`: every pod that waits for an image, and why.

use std::path::Path;

use anyhow::Context as _;
use pulldoctor_model::{Evidence, ExitCode};

use crate::{
    args::{self, Format},
    collect::{self, Collected},
    failure::Failure,
    output::{self, Lines},
    terminal::{self, Terminal},
};

/// Runs `diagnose`.
pub(crate) fn run(options: &args::Diagnose, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut lines = Lines::default();
    let evidence = match &options.bundle {
        Some(path) => collect::files(path, options, terminal)?,
        None => {
            let live = collect::live(options, terminal, &mut |evidence| {
                let found = pulldoctor_diagnose::report(evidence);
                terminal::print_to_reader(&lines.incidents(&found).map_err(Failure::bug)?)
            })?;
            match live {
                Collected::Evidence(evidence) => *evidence,
                // What was written before were incidents.
                Collected::ReaderGone => return Ok(ExitCode::Problems),
                Collected::Access(text) => {
                    terminal::print(&text)?;
                    return Ok(ExitCode::Fine);
                }
            }
        }
    };
    if let Some(path) = &options.record {
        record(path, &evidence)?;
    }
    let found = pulldoctor_diagnose::report(&evidence);
    let text = match options.output.format {
        Format::Ndjson => lines.rest(&found).map_err(Failure::bug)?,
        _ => output::render(&found, &options.output, evidence.observed, terminal)?,
    };
    terminal::print(&text)?;
    Ok(found.exit())
}

/// Writes all that was seen, as one JSON document.
fn record(path: &Path, evidence: &Evidence) -> Result<(), Failure> {
    let text = pulldoctor_report::json(evidence).map_err(Failure::bug)?;
    std::fs::write(path, text)
        .with_context(|| format!("write `{}`", path.display()))
        .map_err(Failure::unable)
}
