//! The report for people, in the manner of rustc: the cause in one line, what is at fault under
//! it with carets, the facts, and a command that can be pasted.

mod gaps;
mod incident;

pub(crate) use gaps::render as gaps;

use pulldoctor_model::{CauseId, Confidence, Report, Timestamp, clean_line};

use crate::{Label, Stylesheet, count, page::Page, wrap::Text};

/// How a report is shown.
#[derive(Debug, Clone)]
pub struct HumanOptions {
    /// Columns of the page.
    pub width: usize,
    /// Colours.
    pub style: Stylesheet,
    /// Whether whole messages, every pod and every workload are shown.
    pub verbose: bool,
    /// What time it is: now, or when a recording was made.
    pub now: Timestamp,
    /// How the program was called: `pulldoctor` or `kubectl pulldoctor`.
    pub program: String,
}

/// Incidents that are shown in full where not everything is asked for. Those with most pods come
/// first; of the others the cause and the place are shown.
const FULL: usize = 10;

/// The whole report.
pub fn human(report: &Report, options: &HumanOptions) -> String {
    let mut page = Page::new(options.width, options.style);
    let one_namespace = match report.scanned.namespaces.as_slice() {
        [only] if only != "*" => Some(only.as_str()),
        _ => None,
    };
    let full = if options.verbose { usize::MAX } else { FULL };
    for (at, incident) in report.incidents.iter().enumerate() {
        if at < full {
            incident::render(&mut page, incident, one_namespace, options);
        } else {
            incident::brief(&mut page, incident, one_namespace, options);
        }
        page.blank();
    }
    let brief = report.incidents.len().saturating_sub(full);
    if brief > 0 {
        let text = format!("`-v` shows the last {brief} in full, too.");
        page.line(&Text::plain(text));
    }
    gaps::render(&mut page, &report.gaps);
    summary(&mut page, report, options);
    page.finish()
}

/// The cause and how sure it is.
pub(crate) fn title(page: &mut Page, cause: CauseId, confidence: Confidence, summary: &str) {
    let sure = match confidence {
        Confidence::Proven => Label::Proven,
        Confidence::Likely => Label::Likely,
        Confidence::Possible | Confidence::Unknown => Label::Unsure,
    };
    let body = Text::of(Label::Error, format!("error[{cause}]"))
        .with(Label::Summary, format!(": {}", clean_line(summary)));
    page.heading(
        &Text::new(),
        &Text::plain("  "),
        &body,
        &Text::of(sure, confidence.as_str()),
    );
}

/// In the place of a word: a line of its own that belongs to the fact above.
pub(crate) const SAME: &str = "";

/// Facts, each after its word, the words in a column of their own.
pub(crate) fn notes(page: &mut Page, notes: &[(&str, Text)]) {
    let column = notes
        .iter()
        .map(|(word, _)| word.chars().count())
        .max()
        .unwrap_or(0);
    let rest = Text::plain(" ".repeat(5 + column + 2));
    for (word, text) in notes {
        let first = if *word == SAME {
            rest.clone()
        } else {
            let gap = column + 2 - word.chars().count();
            Text::of(Label::Frame, "   = ")
                .with(Label::Key, *word)
                .with(Label::Plain, " ".repeat(gap))
        };
        page.paragraph(&first, &rest, text);
    }
}

/// What was looked through.
fn place(namespaces: &[String]) -> String {
    match namespaces {
        [] => "no namespace".to_owned(),
        [all] if all == "*" => "all namespaces".to_owned(),
        [one] => format!("namespace {}", clean_line(one)),
        several => {
            let names: Vec<_> = several.iter().map(|name| clean_line(name)).collect();
            format!("namespaces {}", names.join(", "))
        }
    }
}

/// The last line: the counts, and where to read more.
fn summary(page: &mut Page, report: &Report, options: &HumanOptions) {
    let scanned = &report.scanned;
    let none = Text::new();
    let Some(first) = report.incidents.first() else {
        let hidden = report.gaps.iter().any(|gap| gap.counts);
        let whom = if hidden {
            "pod that could be seen"
        } else {
            "pod"
        };
        let text = format!(
            "No {whom} waits for an image: {} in {}.",
            count(scanned.pods, "pod"),
            place(&scanned.namespaces)
        );
        page.paragraph(&none, &none, &Text::plain(text));
        return;
    };
    let mut counts = format!(
        "{}, {}",
        count(report.incidents.len(), "incident"),
        count(scanned.stuck, "pod")
    );
    let healthy = scanned.pods.saturating_sub(scanned.stuck);
    if healthy > 0 {
        counts = format!("{counts}; {} healthy", count(healthy, "pod"));
    }
    counts.push('.');
    let more = format!("`{} explain {}` for more.", options.program, first.cause);
    let counts = Text::plain(counts);
    if counts.width() + 1 + more.len() <= page.width() {
        page.line(&counts.with(Label::Plain, format!(" {more}")));
    } else {
        page.line(&counts);
        page.paragraph(&none, &none, &Text::plain(more));
    }
}
