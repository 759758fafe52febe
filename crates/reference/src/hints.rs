//! Faults that a person would name before the grammar does: what follows from them is noise.

use crate::error::Fault;
use crate::grammar::Problem;
use crate::span::Span;

/// Finds what explains a refused reference best, whatever the grammar stumbled over.
pub(crate) fn explanation(input: &str) -> Option<Problem> {
    if let Some(span) = template(input) {
        return Some((Fault::Template, span));
    }
    if let Some(span) = scheme(input) {
        return Some((Fault::Scheme, span));
    }
    if let Some(start) = input.find(char::is_whitespace) {
        let blank = &input[start..];
        let length = blank
            .find(|c: char| !c.is_whitespace())
            .unwrap_or(blank.len());
        return Some((Fault::Whitespace, Span::new(start, start + length)));
    }
    let (start, character) = input.char_indices().find(|(_, c)| is_invisible(*c))?;
    Some((
        Fault::InvisibleCharacter { character },
        Span::of_char(start, character),
    ))
}

/// Finds a template placeholder: `${…}`, `$(…)`, `$NAME`, `{{…}}`, `{…}`, `<…>`, `%NAME%`, and Go's
/// `%!s(…)`.
///
/// One that is not closed reaches to the end of the input.
pub(crate) fn template(input: &str) -> Option<Span> {
    let start = input.find(['$', '{', '}', '<', '>', '%'])?;
    let text = &input[start..];
    let until = |close: &str| text.find(close).map_or(text.len(), |at| at + close.len());
    let length = if text.starts_with("{{") || text.starts_with("${{") {
        until("}}")
    } else if text.starts_with("${") || text.starts_with('{') {
        until("}")
    } else if text.starts_with("$(") || text.starts_with("%!") {
        until(")")
    } else if text.starts_with('<') {
        until(">")
    } else if let Some(name) = text.strip_prefix('$') {
        1 + name_length(name)
    } else if let Some(name) = text.strip_prefix('%') {
        let length = name_length(name);
        // A percent sign alone is a URL's escape or an IPv6 zone.
        if length == 0 || !name[length..].starts_with('%') {
            return None;
        }
        length + 2
    } else {
        1
    };
    Some(Span::new(start, start + length))
}

fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        .count()
}

/// Finds a URL scheme at the start, with its `://`.
pub(crate) fn scheme(input: &str) -> Option<Span> {
    let start = input.len() - input.trim_start().len();
    let (name, _) = input[start..].split_once("://")?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    named.then(|| Span::new(start, start + name.len() + "://".len()))
}

/// Tells whether a character shows nothing: control characters, zero-width characters, the
/// byte-order mark, marks of text direction, the soft hyphen.
pub(crate) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{AD}'
                | '\u{61C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{2069}'
                | '\u{FEFF}'
        )
}
