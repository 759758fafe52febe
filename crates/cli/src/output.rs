//! A report in the format that was asked for.

use pulldoctor_model::{Report, Timestamp};
use pulldoctor_report as report;

use crate::{
    args::{Format, Output},
    failure::Failure,
    terminal::Terminal,
};

/// Renders a report; `now` is when it was made.
pub(crate) fn render(
    found: &Report,
    output: &Output,
    now: Timestamp,
    terminal: &Terminal,
) -> Result<String, Failure> {
    Ok(match output.format {
        Format::Human => report::human(
            found,
            &report::HumanOptions {
                width: terminal.width,
                style: terminal.style,
                verbose: output.verbose,
                now,
                program: terminal.program.to_owned(),
            },
        ),
        Format::Json => report::json(found).map_err(Failure::bug)?,
        Format::Yaml => report::yaml(found).map_err(Failure::bug)?,
        Format::Ndjson => lines(found).map_err(Failure::bug)?,
    })
}

/// One JSON object a line.
fn lines(found: &Report) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for incident in &found.incidents {
        text.push_str(&report::ndjson_incident(incident)?);
    }
    for gap in &found.gaps {
        text.push_str(&report::ndjson_gap(gap)?);
    }
    text.push_str(&report::ndjson_end(found)?);
    Ok(text)
}
