//! `pulldoctor demo`: recorded cases through the real engine and renderer, and registries with a
//! fault on a loopback port, asked by the real probe.

use std::fmt::Write as _;

use pulldoctor_model::{CauseId, ExitCode};
use pulldoctor_report::{Label, count};

use crate::{
    args::{self, Format},
    cases::{self, Recorded},
    failure::Failure,
    live::{self, Scenario},
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
    let is_human = options.output.format == Format::Human;
    let is_first = options.name.is_none() && !options.all;
    let mut shown = if options.all {
        all()
    } else {
        vec![chosen(options.name.as_deref(), terminal)?]
    };
    if is_first && is_human {
        shown.extend(live::ALL.first().map(Shown::Live));
    }
    let mut text = String::new();
    for (at, shown) in shown.iter().enumerate() {
        match options.output.format {
            Format::Yaml if at > 0 => text.push_str("---\n"),
            Format::Human if at > 0 => text.push('\n'),
            _ => {}
        }
        text.push_str(&match shown {
            Shown::Recorded(case) => replay(case, options, terminal)?,
            Shown::Live(scenario) => probe(scenario, options, terminal)?,
        });
    }
    if is_first && is_human {
        let _ = writeln!(
            text,
            "\n`{} demo --list` names {} more, and {} to be probed live.",
            terminal.program,
            count(cases::ALL.len().saturating_sub(1), "recorded case"),
            count(live::ALL.len().saturating_sub(1), "more fault"),
        );
    }
    terminal::print(&text)?;
    Ok(ExitCode::Fine)
}

/// What is shown.
enum Shown {
    /// A recorded case.
    Recorded(&'static Recorded),
    /// A registry with a fault, here and now.
    Live(&'static Scenario),
}

/// Everything there is.
fn all() -> Vec<Shown> {
    let recorded = cases::ALL.iter().map(Shown::Recorded);
    recorded.chain(live::ALL.iter().map(Shown::Live)).collect()
}

/// The case that is asked for.
fn chosen(name: Option<&str>, terminal: &Terminal) -> Result<Shown, Failure> {
    let Some(name) = name else {
        return common().map(Shown::Recorded);
    };
    let recorded = cases::find(name).map(Shown::Recorded);
    let found = recorded.or_else(|| live::find(name).map(Shown::Live));
    found.ok_or_else(|| {
        let names = cases::ALL.iter().map(|case| case.name.as_str());
        let near = suggest::nearest(name, names.chain(live::ALL.iter().map(|live| live.name)));
        Failure::unable(anyhow::anyhow!("find a case `{name}`"))
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
    Ok(format!(
        "{heading}{}{heading:#} ({origin})\n{told}\n{rendered}",
        case.name
    ))
}

/// One live fault: its story, then the real probe.
fn probe(
    scenario: &Scenario,
    options: &args::Demo,
    terminal: &Terminal,
) -> Result<String, Failure> {
    let shown = live::run(scenario)?;
    let document = &shown.document;
    match options.output.format {
        Format::Json => return pulldoctor_report::json(document).map_err(Failure::bug),
        Format::Ndjson => return pulldoctor_report::ndjson(document).map_err(Failure::bug),
        Format::Yaml => return pulldoctor_report::yaml(document).map_err(Failure::bug),
        Format::Human => {}
    }
    let heading = terminal.style.style(Label::Heading);
    let told = pulldoctor_report::markdown(scenario.story, terminal.width, terminal.style);
    let stages = super::probe::stages(document, shown.who, terminal);
    let rest = super::probe::human(document, options.output.verbose, terminal);
    Ok(format!(
        "{heading}{}{heading:#} (here and now, a registry on a loopback port)\n{told}\n{stages}{rest}",
        scenario.name
    ))
}

/// The names, with what each shows: recorded cases, then what is probed live.
fn list(terminal: &Terminal) -> Result<String, Failure> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for case in cases::ALL.iter() {
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
        lines.push((case.name.as_str(), shows));
    }
    for scenario in live::ALL {
        lines.push((scenario.name, scenario.shows().to_owned()));
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let style = terminal.style.style(Label::Command);
    let mut text = String::new();
    for (name, shows) in lines {
        let _ = writeln!(text, "{style}{name:width$}{style:#}  {shows}");
    }
    Ok(text)
}
