//! A report in the format that was asked for.

use std::collections::HashMap;

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
        Format::Ndjson => Lines::default().rest(found).map_err(Failure::bug)?,
    })
}

/// One JSON object a line. An incident that was written while it was still growing is written
/// again, under the same id, when it is complete.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    written: HashMap<String, String>,
}

impl Lines {
    /// The incidents that are new or have changed.
    pub(crate) fn incidents(&mut self, found: &Report) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for incident in &found.incidents {
            let line = report::ndjson_incident(incident)?;
            if self.written.get(&incident.id) != Some(&line) {
                text.push_str(&line);
                self.written.insert(incident.id.clone(), line);
            }
        }
        Ok(text)
    }

    /// What is left at the end: incidents, gaps, and the end itself.
    pub(crate) fn rest(&mut self, found: &Report) -> Result<String, serde_json::Error> {
        let mut text = self.incidents(found)?;
        for gap in &found.gaps {
            text.push_str(&report::ndjson_gap(gap)?);
        }
        text.push_str(&report::ndjson_end(found)?);
        Ok(text)
    }
}
