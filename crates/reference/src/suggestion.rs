//! What was probably meant by a reference that does not parse.

use crate::dialect::Dialect;
use crate::hints;
use crate::reference::Reference;

/// Guesses what was meant by a reference that the kubelet refuses; see [`suggestion_as`].
pub fn suggestion(input: &str) -> Option<String> {
    suggestion_as(input, Dialect::default())
}

/// Guesses what was meant by a reference that the kubelet of `dialect` refuses.
///
/// Undoes what goes wrong in copying and typing: white space and invisible characters, quotes, a
/// URL scheme, typographic dashes, doubled slashes, a mark with nothing behind it, upper case in
/// the name or the digest. The result parses. `None` where `input` parses already, where a
/// template would have to be filled in, or where the fault is none of these.
pub fn suggestion_as(input: &str, dialect: Dialect) -> Option<String> {
    if Reference::parse_as(input, dialect).is_ok() || hints::template(input).is_some() {
        return None;
    }
    let visible: String = input
        .chars()
        .filter(|c| c.is_whitespace() || !hints::is_invisible(*c))
        .map(plain)
        .collect();
    let text = close_gaps(visible.trim());
    let text = text.trim_matches(['"', '\'', '`', ',', ';', ' ']);
    let text = hints::scheme(text).map_or(text, |scheme| &text[scheme.end..]);
    let text = text
        .trim_start_matches('/')
        .trim_end_matches(['/', ':', '@', '.', '-']);
    let text = lower_name(&single_slashes(text)).replacen(":@", "@", 1);
    Reference::parse_as(&text, dialect).is_ok().then_some(text)
}

/// Puts a typewriter's dash for the dashes that word processors write.
fn plain(character: char) -> char {
    match character {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' => '-',
        _ => character,
    }
}

/// Removes white space next to a mark; elsewhere it could stand for anything.
fn close_gaps(text: &str) -> String {
    const MARKS: [char; 3] = [':', '/', '@'];
    let mut closed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !closed.is_empty() && !closed.ends_with(MARKS) && !word.starts_with(MARKS) {
            closed.push(' ');
        }
        closed.push_str(word);
    }
    closed
}

fn single_slashes(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    single
}

/// Lower-cases all but the tag.
fn lower_name(text: &str) -> String {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    let name_end = text[last..]
        .find([':', '@'])
        .map_or(text.len(), |mark| last + mark);
    let digest = text[name_end..]
        .find('@')
        .map_or(text.len(), |at| name_end + at);
    let mut lower = text[..name_end].to_ascii_lowercase();
    lower.push_str(&text[name_end..digest]);
    lower.push_str(&text[digest..].to_ascii_lowercase());
    lower
}
