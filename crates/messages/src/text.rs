//! Undoes what transport did to a message: escapes, wraps, mark-up.

use std::borrow::Cow;

/// How much of a text is read. Longer texts keep their head and their tail: the innermost cause
/// stands last in Go's error chains, the names stand first.
pub(crate) const CAP: usize = 64 * 1024;
const HEAD: usize = CAP / 4 * 3;

/// A cleaned message: `text` for what is shown, `lower` for matching; both have the same length.
#[derive(Debug)]
pub(crate) struct Clean {
    pub(crate) text: String,
    pub(crate) lower: String,
    pub(crate) truncated: bool,
}

/// Cuts a text to [`CAP`] bytes at character borders: head and tail.
fn capped(input: &str) -> (String, bool) {
    if input.len() <= CAP {
        return (input.to_owned(), false);
    }
    let head = floor(input, HEAD);
    let tail = floor(input, input.len() - (CAP - HEAD));
    (format!("{}\n{}", &input[..head], &input[tail..]), true)
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Cleans a message. Linear in the capped length.
pub(crate) fn clean(input: &str) -> Clean {
    let (input, truncated) = capped(input);
    let text = collapse(&unwrap(&joined(&input)));
    let lower = text.to_ascii_lowercase();
    Clean {
        text,
        lower,
        truncated,
    }
}

/// A window at least this wide breaks lines that are worth joining.
pub(crate) const WINDOW: usize = 60;

/// Joins lines that a window broke at its edge, inside of words: three lines of one width and more,
/// and the rest. Lines that begin alike are rows, and stay.
pub(crate) fn joined(input: &str) -> Cow<'_, str> {
    let lines: Vec<(&str, usize)> = input
        .lines()
        .map(|line| (line, line.chars().count()))
        .collect();
    let mut goes_on = vec![false; lines.len()];
    let mut from = 0;
    while from < lines.len() {
        let width = lines[from].1;
        let run = lines[from..].iter().take_while(|line| line.1 == width);
        let to = from + run.count();
        let broken = width >= WINDOW
            && to - from >= 3
            && lines[from..lines.len().min(to + 1)]
                .windows(2)
                .all(|pair| !alike(pair[0].0, pair[1].0));
        if broken && lines.get(to).is_some_and(|rest| rest.1 <= width) {
            goes_on[from..to].fill(true);
        }
        from = to;
    }
    if !goes_on.contains(&true) {
        return Cow::Borrowed(input);
    }
    let mut out = String::with_capacity(input.len());
    for ((line, _), goes_on) in lines.iter().zip(goes_on) {
        out.push_str(line);
        if !goes_on {
            out.push('\n');
        }
    }
    Cow::Owned(out)
}

/// Whether two lines begin as rows of a list do: with the same word, or indented.
fn alike(line: &str, next: &str) -> bool {
    next.is_empty()
        || next.starts_with("  ")
        || line.get(..3) == next.get(..3)
        || line.split_whitespace().next() == next.split_whitespace().next()
}

/// Undoes escapes of any depth, entities, terminal colours, Markdown links and `fmt` artefacts.
fn unwrap(input: &str) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    // Where the last `[` stands in `out`, for `[text](http…)`.
    let mut bracket: Option<usize> = None;
    let mut dropped: Vec<usize> = Vec::new();
    while let Some(c) = rest.chars().next() {
        match c {
            '\\' => {
                let run = rest.bytes().take_while(|b| *b == b'\\').count();
                let after = &rest[run..];
                let windows = in_windows_path(&out);
                match after.chars().next() {
                    Some(quote @ ('"' | '\'' | '`' | '/')) => {
                        out.push(quote);
                        rest = &after[1..];
                    }
                    Some('n' | 'r' | 't') if !windows => {
                        out.push('\n');
                        rest = &after[1..];
                    }
                    Some('u') if hex4(&after[1..]).is_some() => {
                        out.push(hex4(&after[1..]).unwrap_or(' '));
                        rest = &after[5..];
                    }
                    Some('\n') => rest = after,
                    _ => {
                        out.push('\\');
                        rest = after;
                    }
                }
                continue;
            }
            '\u{1b}' => {
                rest = skip_terminal_escape(rest);
                continue;
            }
            '&' => {
                if let Some((decoded, length)) = entity(rest) {
                    out.push(decoded);
                    rest = &rest[length..];
                    continue;
                }
            }
            '%' => {
                if let Some((high, low, length)) = missing(rest) {
                    out.push('%');
                    out.push(high);
                    out.push(low);
                    rest = &rest[length..];
                    continue;
                }
            }
            '[' => bracket = Some(out.len()),
            ']' => {
                let after = &rest[1..];
                if bracket.is_some()
                    && after.starts_with("(http")
                    && let Some(end) = after.bytes().take(2048).position(|b| b == b')')
                    && let Some(open) = bracket.take()
                {
                    dropped.push(open);
                    rest = &after[end + 1..];
                    continue;
                }
            }
            '“' | '”' | '„' => {
                out.push('"');
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '‘' | '’' => {
                out.push('\'');
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            _ => {}
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    without(&out, &dropped)
}

/// Leaves out the one-byte characters at `dropped`, which ascends.
fn without(text: &str, dropped: &[usize]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for at in dropped {
        kept.push_str(&text[from..*at]);
        from = at + 1;
    }
    kept.push_str(&text[from..]);
    kept
}

/// Whether the word that is being written began as `C:\`, so that `\n` in it is no line end.
fn in_windows_path(out: &str) -> bool {
    let tail = &out.as_bytes()[out.len().saturating_sub(300)..];
    let word = tail
        .rsplit(|b| matches!(b, b' ' | b'\n' | b'"' | b'\''))
        .next()
        .unwrap_or(tail);
    let drive = word.len() >= 2 && word[0].is_ascii_alphabetic() && word[1] == b':';
    drive || word.starts_with(b"\\") || word.ends_with(b"//./pipe")
}

fn hex4(text: &str) -> Option<char> {
    let digits = text.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

fn skip_terminal_escape(rest: &str) -> &str {
    let after = &rest[1..];
    let Some(body) = after.strip_prefix('[') else {
        return after;
    };
    match body
        .bytes()
        .take(32)
        .position(|b| (0x40..=0x7e).contains(&b))
    {
        Some(end) => &body[end + 1..],
        None => body,
    }
}

fn entity(rest: &str) -> Option<(char, usize)> {
    const ENTITIES: [(&str, char); 8] = [
        ("&quot;", '"'),
        ("&#34;", '"'),
        ("&#39;", '\''),
        ("&apos;", '\''),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&nbsp;", ' '),
        ("&amp;", '&'),
    ];
    ENTITIES
        .iter()
        .find(|(name, _)| rest.starts_with(name))
        .map(|(name, c)| (*c, name.len()))
}

/// `%2F` that went through Go's `Printf` as a format reads `%!F(MISSING)`.
fn missing(rest: &str) -> Option<(char, char, usize)> {
    let tail = rest.strip_prefix("%!")?;
    let letter = tail.chars().next().filter(char::is_ascii_uppercase)?;
    tail[1..].strip_prefix("(MISSING)")?;
    let high = match letter {
        'A' | 'D' => '3',
        'B' => '5',
        _ => '2',
    };
    Some((high, letter, "%!F(MISSING)".len()))
}

/// Makes every run of blanks one blank: a line end if it holds one, else a space. Other control
/// characters vanish.
fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank: Option<char> = None;
    for c in text.chars() {
        if c == '\n' || c == '\r' {
            blank = Some('\n');
        } else if c.is_whitespace() {
            blank = blank.or(Some(' '));
        } else if !c.is_control() {
            if let Some(b) = blank.take()
                && !out.is_empty()
            {
                out.push(b);
            }
            out.push(c);
        }
    }
    out
}

/// Cuts a piece of text to `limit` bytes at a character border, for what is kept in a reading.
pub(crate) fn keep(text: &str, limit: usize) -> String {
    let text = text.trim();
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut kept = text[..floor(text, limit)].to_owned();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_any_depth_are_undone() {
        let plain = r#"failed to resolve reference "docker.io/x:1": not found"#;
        for depth in 0..5 {
            let escaped = plain.replace('"', &format!("{}\"", "\\".repeat(depth)));
            assert_eq!(clean(&escaped).text, plain, "depth {depth}");
        }
    }

    #[test]
    fn mark_up_and_artefacts_are_undone() {
        let table = [
            ("\u{1b}[31mError\u{1b}[0m: x", "Error: x"),
            ("image &quot;a&quot;", "image \"a\""),
            ("%!A(MISSING)library%!F(MISSING)redis", "%3Alibrary%2Fredis"),
            ("\"[r.io/x:1](http://r.io/x:1)\"", "\"r.io/x:1\""),
            ("a  b\n   c\t d", "a b\nc d"),
            (r"\u003cnil\u003e", "<nil>"),
            (r"open C:\new\tmp: x", r"open C:\new\tmp: x"),
            ("429 Too Many\\nx", "429 Too Many\nx"),
        ];
        for (input, expected) in table {
            assert_eq!(clean(input).text, expected);
        }
    }

    #[test]
    fn what_a_window_broke_inside_of_words_is_joined() {
        let plain = "failed to resolve reference \"127.0.0.1:5000/explorecalifornia.com:latest\": failed to do request: Head \"http://127.0.0.1:5000/v2/explorecalifornia.com/manifests/latest\": dial tcp 127.0.0.1:5000: connect: connection refused";
        for width in 60..70 {
            let letters: Vec<char> = plain.chars().collect();
            let lines: Vec<String> = letters.chunks(width).map(String::from_iter).collect();
            assert_eq!(clean(&lines.join("\n")).text, plain, "{width}");
            assert_eq!(clean(&lines.join("\r\n")).text, plain, "{width}");
        }
    }

    #[test]
    fn rows_of_one_width_stay_apart() {
        let row = |name: &str| format!("layer-{name}: {}\n", "d".repeat(60));
        let rows = format!("{}{}{}ctr: x", row("a"), row("b"), row("c"));
        assert_eq!(clean(&rows).text, rows);
        let indented = format!(
            "{}\n  {}\n{}\nx",
            "d".repeat(70),
            "e".repeat(68),
            "f".repeat(70)
        );
        assert_eq!(joined(&indented), indented);
    }

    #[test]
    fn long_texts_keep_head_and_tail() {
        let long = format!("head {} tail", "ü".repeat(CAP));
        let clean = clean(&long);
        assert!(clean.truncated);
        assert!(clean.text.len() <= CAP + 8);
        assert!(clean.text.starts_with("head") && clean.text.ends_with("tail"));
    }
}
