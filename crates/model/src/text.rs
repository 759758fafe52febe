//! Making hostile text safe to show.

use std::borrow::Cow;

/// How many bytes of one foreign text are ever shown or kept.
const MOST: usize = 16 * 1024;

/// Whether a character may change what a terminal shows around it: control characters, and
/// the bidirectional and zero-width marks of Unicode.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}'
        )
}

/// Shows control characters and terminal escapes as visible text, keeps line feeds, and cuts
/// the text at 16 KiB.
pub fn clean(text: &str) -> Cow<'_, str> {
    clean_with(text, true)
}

/// As [`clean`], in one line: line feeds and tabs become spaces.
pub fn clean_line(text: &str) -> Cow<'_, str> {
    clean_with(text, false)
}

fn clean_with(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let text = cut(text, MOST);
    if !text
        .chars()
        .any(|c| is_unsafe(c) && !(keep_lines && c == '\n'))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' if keep_lines => out.push('\n'),
            '\n' | '\t' | '\r' => out.push(' '),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Cuts a text to at most `most` characters, with an ellipsis where something was left out.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible() {
        assert_eq!(clean("a\u{1b}[31mred\u{202e}"), "a\\u{1b}[31mred\\u{202e}");
        assert_eq!(clean_line("one\ntwo"), "one two");
        assert_eq!(clean("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "é".repeat(MOST);
        assert!(clean(&long).len() <= MOST);
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
}
