//! What can be read from an error message alone: the document `pulldoctor.dev/reading/v1`, and how
//! a person sees it.

use pulldoctor_model::{CauseId, Confidence, clean, clean_line};
use serde::Serialize;

use crate::{Label, Stylesheet, decisive, page::Page, wrap::Text};

/// A cause that a text admits as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RivalCause {
    /// The other cause.
    pub cause: CauseId,
}

/// What a text tells besides its cause. Every key is always present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `containerd`, `cri-o` or `docker`.
    pub runtime: Option<String>,
    /// The stage at which it failed, `resolve` for instance.
    pub operation: Option<String>,
    /// The image's registry.
    pub registry: Option<String>,
    /// The HTTP status.
    pub status: Option<u16>,
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadingDocument {
    schema: &'static str,
    message: String,
    cause: CauseId,
    confidence: Confidence,
    rivals: Vec<RivalCause>,
    facts: Facts,
    #[serde(skip)]
    summary: String,
}

impl ReadingDocument {
    /// The version of the document.
    pub const SCHEMA: &'static str = "pulldoctor.dev/reading/v1";

    /// The document of one message; `summary` is for people only.
    pub fn new(
        message: impl Into<String>,
        cause: CauseId,
        confidence: Confidence,
        rivals: impl IntoIterator<Item = CauseId>,
        facts: Facts,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            schema: Self::SCHEMA,
            message: message.into(),
            cause,
            confidence,
            rivals: rivals
                .into_iter()
                .map(|cause| RivalCause { cause })
                .collect(),
            facts,
            summary: summary.into(),
        }
    }

    /// The cause that was read.
    pub fn cause(&self) -> CauseId {
        self.cause
    }
}

/// A reading for a person: the cause, the words that say so, what else it may be.
pub fn human_reading(
    reading: &ReadingDocument,
    width: usize,
    style: Stylesheet,
    verbose: bool,
) -> String {
    let mut page = Page::new(width, style);
    crate::human::title(
        &mut page,
        reading.cause,
        reading.confidence,
        &reading.summary,
    );
    let bar = Text::of(Label::Frame, "   | ");
    let message = if verbose {
        clean(&reading.message).into_owned()
    } else {
        let line = clean_line(&reading.message);
        decisive(&line).into_owned()
    };
    page.line(&bar);
    for line in message.lines() {
        page.paragraph(&bar, &bar, &Text::plain(line));
    }
    page.line(&bar);
    let facts = &reading.facts;
    let told: Vec<String> = [
        ("runtime", facts.runtime.clone()),
        ("stage", facts.operation.clone()),
        ("registry", facts.registry.clone()),
        ("HTTP status", facts.status.map(|status| status.to_string())),
    ]
    .into_iter()
    .filter_map(|(word, value)| value.map(|value| format!("{word} {}", clean_line(&value))))
    .collect();
    let mut notes = Vec::new();
    if !told.is_empty() {
        notes.push(("read", Text::plain(told.join("  "))));
    }
    for rival in &reading.rivals {
        notes.push((
            "or",
            Text::plain(format!("{} ({})", rival.cause.title(), rival.cause)),
        ));
    }
    crate::human::notes(&mut page, &notes);
    page.finish()
}
