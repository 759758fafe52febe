//! A page that is written from top to bottom.

use std::fmt::Write as _;

use crate::{
    Label, Stylesheet,
    wrap::{Text, wrap},
};

/// Text that grows line by line.
#[derive(Debug)]
pub(crate) struct Page {
    out: String,
    width: usize,
    style: Stylesheet,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(width: usize, style: Stylesheet) -> Self {
        Self {
            out: String::new(),
            // Below this, wrapping makes texts harder to read than a terminal's own folding.
            width: width.max(40),
            style,
        }
    }

    /// Its columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// One line as it is, however long; spaces at its end are dropped.
    pub(crate) fn line(&mut self, text: &Text) {
        let mut spans = text.0.as_slice();
        while let Some((last, before)) = spans.split_last() {
            if !last.text.trim_end().is_empty() {
                break;
            }
            spans = before;
        }
        for (at, span) in spans.iter().enumerate() {
            let text = if at + 1 == spans.len() {
                span.text.trim_end()
            } else {
                &span.text
            };
            let style = self.style.style(span.label);
            // Writing to a string cannot fail.
            let _ = write!(self.out, "{style}{text}{style:#}");
        }
        self.out.push('\n');
    }

    /// An empty line.
    pub(crate) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// A paragraph: `first` stands before its first line, `rest` before the others.
    pub(crate) fn paragraph(&mut self, first: &Text, rest: &Text, body: &Text) {
        let indent = first.width().max(rest.width());
        for (at, line) in wrap(body, self.width.saturating_sub(indent))
            .into_iter()
            .enumerate()
        {
            let mut whole = if at == 0 { first.clone() } else { rest.clone() };
            whole.0.extend(line.0);
            self.line(&whole);
        }
    }

    /// A paragraph with `right` at the right edge of its first line.
    pub(crate) fn heading(&mut self, first: &Text, rest: &Text, body: &Text, right: &Text) {
        let indent = first.width().max(rest.width());
        let room = self.width.saturating_sub(indent + right.width() + 2);
        for (at, line) in wrap(body, room).into_iter().enumerate() {
            let mut whole = if at == 0 { first.clone() } else { rest.clone() };
            whole.0.extend(line.0);
            if at == 0 {
                let gap = self.width.saturating_sub(whole.width() + right.width());
                whole.push(Label::Plain, " ".repeat(gap));
                whole.0.extend(right.0.clone());
            }
            self.line(&whole);
        }
    }

    /// The text of the page.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}
