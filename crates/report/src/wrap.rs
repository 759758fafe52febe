//! Labelled text and how it is broken into lines.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::Label;

/// A run of text of one label, without line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) label: Label,
    pub(crate) text: String,
}

/// Labelled text of one paragraph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Span>);

impl Text {
    /// Text without anything in it.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Text of one label.
    pub(crate) fn of(label: Label, text: impl Into<String>) -> Self {
        Self::new().with(label, text)
    }

    /// Running text.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self::of(Label::Plain, text)
    }

    /// Appends a run.
    pub(crate) fn with(mut self, label: Label, text: impl Into<String>) -> Self {
        self.push(label, text);
        self
    }

    /// Appends a run.
    pub(crate) fn push(&mut self, label: Label, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Span { label, text });
        }
    }

    /// Appends a word after some spaces, which take the label of both sides where it is the same.
    fn join(&mut self, spaces: usize, parts: Vec<Span>) {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return };
        match self.0.last_mut() {
            Some(last) if last.label == first.label => {
                last.text.push_str(&" ".repeat(spaces));
                last.text.push_str(&first.text);
            }
            _ => {
                self.push(Label::Plain, " ".repeat(spaces));
                self.0.push(first);
            }
        }
        self.0.extend(parts);
    }

    /// Columns that it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.width()).sum()
    }

    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A word with its labels, and the spaces before it.
struct Word {
    spaces: usize,
    parts: Vec<Span>,
}

impl Word {
    fn width(&self) -> usize {
        self.parts.iter().map(|part| part.text.width()).sum()
    }
}

fn words(text: &Text) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut spaces = 0;
    let mut in_word = false;
    for span in &text.0 {
        for character in span.text.chars() {
            if character == ' ' {
                spaces = if in_word { 1 } else { spaces + 1 };
                in_word = false;
                continue;
            }
            if !in_word {
                words.push(Word {
                    spaces,
                    parts: Vec::new(),
                });
                spaces = 0;
                in_word = true;
            }
            if let Some(word) = words.last_mut() {
                match word.parts.last_mut() {
                    Some(part) if part.label == span.label => part.text.push(character),
                    _ => word.parts.push(Span {
                        label: span.label,
                        text: character.to_string(),
                    }),
                }
            }
        }
    }
    words
}

/// Where a word that is too long for a line may be broken: after these characters.
fn breaks_after(character: char) -> bool {
    matches!(
        character,
        '/' | '?' | '&' | '@' | ',' | '=' | ':' | ';' | '|'
    )
}

/// Splits a text into pieces of at most `width` columns, after a separator where one is in the
/// second half of a piece, so that nothing is lost and URLs break where people would break them.
pub(crate) fn chunks(text: &str, width: usize) -> Vec<&str> {
    let width = width.max(8);
    let mut rest = text;
    let mut pieces = Vec::new();
    while rest.width() > width {
        let mut columns = 0;
        let mut hard = 0;
        let mut soft = None;
        for (at, character) in rest.char_indices() {
            columns += character.width().unwrap_or(0);
            if columns > width {
                break;
            }
            hard = at + character.len_utf8();
            if breaks_after(character) && columns * 2 >= width {
                soft = Some(hard);
            }
        }
        let (piece, tail) = rest.split_at(soft.unwrap_or(hard).max(1));
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

/// Breaks text into lines of at most `width` columns, between words where possible.
pub(crate) fn wrap(text: &Text, width: usize) -> Vec<Text> {
    let width = width.max(16);
    let mut lines = Vec::new();
    let mut line = Text::new();
    let mut used = 0;
    for word in words(text) {
        let wanted = word.width();
        let gap = if used == 0 && !lines.is_empty() {
            0
        } else {
            word.spaces
        };
        if used + gap + wanted <= width {
            line.join(gap, word.parts);
            used += gap + wanted;
            continue;
        }
        if wanted <= width && used > 0 {
            lines.push(std::mem::take(&mut line));
            line.0.extend(word.parts);
            used = wanted;
            continue;
        }
        // Longer than a line. It goes on where the line stands if there is room worth using.
        if used > 0 && used + gap + width / 3 > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(Label::Plain, " ".repeat(gap));
            used += gap;
        }
        let label = word.parts.first().map_or(Label::Plain, |part| part.label);
        let whole: String = word.parts.into_iter().map(|part| part.text).collect();
        let mut rest = whole.as_str();
        if used > 0 {
            let head = chunks(rest, width - used)[0];
            line.push(label, head);
            rest = &rest[head.len()..];
            lines.push(std::mem::take(&mut line));
        }
        let pieces = chunks(rest, width);
        for (at, piece) in pieces.iter().enumerate() {
            line = Text::of(label, *piece);
            used = piece.width();
            if at + 1 < pieces.len() {
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, width: usize) -> Vec<String> {
        wrap(&Text::plain(text), width)
            .into_iter()
            .map(|line| line.0.into_iter().map(|span| span.text).collect())
            .collect()
    }

    #[test]
    fn breaks_between_words_and_loses_nothing() {
        assert_eq!(
            wrapped("the quick brown fox jumps over the dog", 16),
            ["the quick brown", "fox jumps over", "the dog"]
        );
        assert_eq!(wrapped("", 20), [""]);
    }

    #[test]
    fn long_words_break_after_separators() {
        let url = "https://registry.example.com/v2/shop/api/manifests/v1.4.2";
        let lines = wrapped(url, 30);
        assert_eq!(lines.concat(), url);
        assert!(lines.iter().all(|line| line.width() <= 30), "{lines:?}");
        assert!(lines[0].ends_with('/'), "{lines:?}");
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        for width in 16..60 {
            for line in wrapped(
                "see 日本語のタグ and `registry.example.com/a-very-long-name@sha256:0123456789abcdef0123456789abcdef` there",
                width,
            ) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }
}
