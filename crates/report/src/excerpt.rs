//! The line that shows the image, with carets under the fault.

use pulldoctor_model::{Caret, clean_line};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    Label,
    page::Page,
    wrap::{Text, chunks},
};

/// The caret's part of the image, if it lies inside it and has a length.
fn parts<'a>(image: &'a str, caret: &Caret) -> Option<(&'a str, &'a str)> {
    let (start, end) = (caret.start, caret.end.min(image.len()));
    (start < end).then_some(())?;
    Some((image.get(..start)?, image.get(start..end)?))
}

/// A text and, in a second line, carets under a part of it, for an error message.
pub fn pointed(text: &str, start: usize, end: usize) -> String {
    let (before, fault) = match (text.get(..start), text.get(start..end)) {
        (Some(before), Some(fault)) => (before, fault),
        _ => (text, ""),
    };
    let indent = clean_line(before).width();
    let carets = clean_line(fault).width().max(1);
    format!("{}\n{:indent$}{}", clean_line(text), "", "^".repeat(carets))
}

/// Draws the image and, under the part that is at fault, carets with what is wrong there.
/// An image wider than the page goes on in the next line; nothing of it is left out.
pub(crate) fn excerpt(page: &mut Page, key: &str, image: &str, more: usize, caret: Option<&Caret>) {
    let bar = Text::of(Label::Frame, "   |");
    let first = bar.clone().with(Label::Plain, format!("  {key}: "));
    let indent = first.width();
    let shown = clean_line(image);
    let caret = caret.and_then(|caret| {
        let (before, fault) = parts(image, caret)?;
        let start = clean_line(before).width();
        Some((start, start + clean_line(fault).width().max(1), caret))
    });

    page.line(&bar);
    let room = page.width().saturating_sub(indent);
    let mut column = 0;
    let pieces = chunks(&shown, room);
    for (at, piece) in pieces.iter().enumerate() {
        let mut line = if at == 0 {
            first.clone()
        } else {
            bar.clone().with(Label::Plain, " ".repeat(indent - 4))
        };
        line.push(Label::Plain, *piece);
        if at + 1 == pieces.len() && more > 0 {
            line.push(Label::Faint, format!("  and {more} more"));
        }
        page.line(&line);
        let end = column + piece.width();
        if let Some((from, to, caret)) = &caret
            && *from < end
            && *to > column
        {
            let (left, right) = ((*from).max(column) - column, (*to).min(end) - column);
            let label = (*to <= end).then_some(caret.label.as_str());
            underline(page, &bar, indent - 4 + left, right - left, label);
        }
        column = end;
    }
    page.line(&bar);
}

/// One line of carets. What is said about them stands beside them where there is room for it,
/// else below.
fn underline(page: &mut Page, bar: &Text, indent: usize, length: usize, label: Option<&str>) {
    let carets = bar
        .clone()
        .with(Label::Plain, " ".repeat(indent))
        .with(Label::Caret, "^".repeat(length));
    let Some(label) = label.map(clean_line).filter(|label| !label.is_empty()) else {
        page.line(&carets);
        return;
    };
    let label = Text::of(Label::Caret, label);
    let beside = carets.clone().with(Label::Plain, " ");
    let room = page.width().saturating_sub(beside.width());
    if label.width() <= room || room >= 40 {
        let rest = bar
            .clone()
            .with(Label::Plain, " ".repeat(beside.width() - bar.width()));
        page.paragraph(&beside, &rest, &label);
        return;
    }
    page.line(&carets);
    // Below, as near to the carets as the label's width allows.
    let most = page.width().saturating_sub(bar.width() + label.width());
    let left = indent.min(most.max(2));
    let lead = bar.clone().with(Label::Plain, " ".repeat(left));
    page.paragraph(&lead, &lead, &label);
}
