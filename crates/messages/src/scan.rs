//! Walks over the words of a text and applies the phrases of the grammar.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::draft::Draft;
use crate::grammar::{self, Rule};
use crate::pattern::{Captures, Pattern, Subject, key};

/// The grammar, ready for use: compiled patterns, found by their first word.
struct Index {
    rules: Vec<(Pattern, &'static Rule)>,
    by_word: HashMap<String, Vec<usize>>,
}

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let rules: Vec<_> = grammar::tables()
            .iter()
            .flat_map(|table| table.iter())
            .map(|rule| (Pattern::new(rule.pattern), rule))
            .collect();
        let mut by_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, (pattern, _)) in rules.iter().enumerate() {
            for word in pattern.first_words() {
                by_word.entry(word).or_default().push(at);
            }
        }
        Index { rules, by_word }
    })
}

/// Applies the grammar to a text. At each word the longest match wins, and the walk goes on
/// behind it; a text is linear in its length because a phrase costs a bounded time.
pub(crate) fn scan(draft: &mut Draft<'_>) {
    let index = index();
    let subject = Subject {
        text: draft.text,
        lower: draft.lower,
    };
    let bytes = subject.lower.as_bytes();
    let mut at = 0;
    // Where the last match ended: what follows it begins a segment too.
    let mut last_end = 0;
    let mut found = Captures::default();
    let mut best = Captures::default();
    while at < bytes.len() {
        if !starts_word(subject.lower, at) {
            at += 1;
            continue;
        }
        let word = key(&subject.lower[at..]);
        let mut winner: Option<(usize, &'static Rule)> = None;
        if let Some(candidates) = index.by_word.get(word) {
            for candidate in candidates {
                let (pattern, rule) = &index.rules[*candidate];
                if pattern.at_segment && !starts_segment(bytes, at, last_end) {
                    continue;
                }
                let Some(end) = pattern.matches(subject, at, &mut found) else {
                    continue;
                };
                if winner.is_none_or(|(longest, _)| end > longest) {
                    winner = Some((end, rule));
                    std::mem::swap(&mut found, &mut best);
                }
            }
        }
        if let Some((end, rule)) = winner {
            let end = end.max(at + 1);
            draft.enter(at, end, last_end);
            (rule.apply)(draft, &best);
            last_end = end;
            at = draft.resume.take().unwrap_or(end);
        } else {
            at += word.len().max(1);
        }
    }
}

/// Whether a word begins here: the byte before is no part of a name, path or number.
fn starts_word(lower: &str, at: usize) -> bool {
    if !lower.is_char_boundary(at) {
        return false;
    }
    let bytes = lower.as_bytes();
    if bytes[at].is_ascii_whitespace() {
        return false;
    }
    let Some(before) = at.checked_sub(1).and_then(|i| bytes.get(i)) else {
        return true;
    };
    match before {
        // A full stop may end a sentence in front of a word of another script.
        b'.' => bytes[at] >= 0x80,
        // Behind a colon stands a word, or a port.
        b':' => !bytes[at].is_ascii_digit(),
        // `**_read-only file system_**`: emphasis of the thread that the text was copied from.
        b'_' => at >= 2 && bytes[at - 2] == b'*',
        // `tar+zstd` is one name.
        b'-' | b'/' | b'@' | b'%' | b'$' | b'\\' | b'+' => false,
        before => !before.is_ascii_alphanumeric(),
    }
}

/// Whether an error text may begin here.
fn starts_segment(bytes: &[u8], at: usize, last_end: usize) -> bool {
    if at == 0 || at == last_end || (at == last_end + 1 && bytes[last_end].is_ascii_whitespace()) {
        return true;
    }
    match bytes[at - 1] {
        b'\n' | b'"' | b'\'' | b'(' | b'[' | b'{' | b'=' | b'>' | b'`' => true,
        b' ' => {
            at >= 2
                && matches!(
                    bytes[at - 2],
                    b':' | b';' | b'-' | b',' | b'.' | b'"' | b'>' | b'|' | b')'
                )
        }
        _ => false,
    }
}
