//! `pulldoctor demo`: recorded cases through the real engine and renderer.

use std::fmt::Write as _;

use pulldoctor_model::{CauseId, ExitCode};
use pulldoctor_report::{Label, count};

use crate::{
    args::{self, Format},
    cases::{self, Recorded},
    failure::Failure,
    output, suggest,
    terminal::{self, Terminal},
};

/// What is shown where no case is named, the first that is there: a fault that everyone has met,
/// with a way back.
const SHOWN: [&str; 2] = ["previous-revision-runs", "image-not-found-tag"];

/// Runs `demo`.
pub(crate) fn run(options: &args::Demo, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if options.list {
        terminal::print(&list(terminal)?)?;
        return Ok(ExitCode::Fine);
    }
    let shown: Vec<&Recorded> = if options.all {
        cases::ALL.iter().collect()
    } else {
        vec![chosen(options.name.as_deref(), terminal)?]
    };
    let mut text = String::new();
    for (at, case) in shown.iter().enumerate() {
        if at > 0 && options.output.format == Format::Yaml {
            text.push_str("---\n");
        }
        text.push_str(&replay(case, options, terminal)?);
    }
    if options.name.is_none() && !options.all && options.output.format == Format::Human {
        let _ = writeln!(
            text,
            "\n`{} demo --list` names {} more.",
            terminal.program,
            count(cases::ALL.len().saturating_sub(1), "recorded case"),
        );
    }
    terminal::print(&text)?;
    Ok(ExitCode::Fine)
}

/// The case that is asked for.
fn chosen(name: Option<&str>, terminal: &Terminal) -> Result<&'static Recorded, Failure> {
    let Some(name) = name else {
        return common();
    };
    cases::find(name).ok_or_else(|| {
        let near = suggest::nearest(name, cases::ALL.iter().map(|case| case.name));
        Failure::unable(anyhow::anyhow!("find a recorded case `{name}`"))
            .maybe_help(near.map(|near| format!("did you mean `{near}`?")))
            .help(format!("`{} demo --list` lists them", terminal.program))
    })
}

/// A common case.
fn common() -> Result<&'static Recorded, Failure> {
    SHOWN
        .into_iter()
        .find_map(cases::find)
        .or_else(|| cases::ALL.first())
        .ok_or_else(|| Failure::bug(anyhow::anyhow!("no recorded case is built in")))
}

/// One case: its story, then what is made of its evidence.
fn replay(case: &Recorded, options: &args::Demo, terminal: &Terminal) -> Result<String, Failure> {
    let evidence = case.evidence().map_err(Failure::bug)?;
    let found = pulldoctor_diagnose::report(&evidence);
    let rendered = output::render(&found, &options.output, evidence.observed, terminal)?;
    if options.output.format != Format::Human {
        return Ok(rendered);
    }
    let story = case.story().map_err(Failure::bug)?;
    let heading = terminal.style.style(Label::Heading);
    let origin = match story.origin.as_str() {
        "lab" => "recorded from a real cluster",
        _ => "written after a public source",
    };
    let told = pulldoctor_report::markdown(&story.text, terminal.width, terminal.style);
    let separator = if options.all { "\n" } else { "" };
    Ok(format!(
        "{heading}{}{heading:#} ({origin})\n{told}\n{rendered}{separator}",
        case.name
    ))
}

/// The names, with what each shows.
fn list(terminal: &Terminal) -> Result<String, Failure> {
    let width = cases::ALL
        .iter()
        .map(|case| case.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for case in cases::ALL {
        let causes: Vec<_> = case
            .story()
            .map_err(Failure::bug)?
            .causes()
            .into_iter()
            .map(CauseId::as_str)
            .collect();
        let shows = if causes.is_empty() {
            "nothing wrong".to_owned()
        } else {
            causes.join(", ")
        };
        let name = terminal.style.style(Label::Command);
        let _ = writeln!(text, "{name}{:width$}{name:#}  {shows}", case.name);
    }
    Ok(text)
}
