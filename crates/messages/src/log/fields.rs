//! `key="value"` pairs, as Go's loggers write them.

/// How many bytes of a value in JSON are read, so that many broken ones cost little.
const NESTED_MOST: usize = 2048;

/// A pair.
pub(super) struct Pair<'a> {
    pub(super) key: &'a str,
    pub(super) value: String,
}

/// The pair that a text begins with, and what follows it.
pub(super) fn pair(text: &str) -> Option<(Pair<'_>, &str)> {
    let text = text.trim_start();
    let (key, rest) = text.split_once('=')?;
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'));
    if !is_key {
        return None;
    }
    let (value, rest) = quoted(rest)
        .or_else(|| block(rest))
        .or_else(|| nested(rest))
        .unwrap_or_else(|| {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        });
    Some((Pair { key, value }, rest))
}

/// A value over several lines, as klog writes it: each begins with a tab, and ` >` ends them.
fn block(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix("<\n")?;
    let mut value = String::new();
    loop {
        if let Some(after) = rest.strip_prefix(" >") {
            return Some((value, after));
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if !value.is_empty() {
            value.push('\n');
        }
        value.push_str(line.strip_prefix('\t').unwrap_or(line));
        if after.is_empty() {
            // It broke off.
            return Some((value, ""));
        }
        rest = after;
    }
}

/// A value in JSON, as klog writes structures: it ends with its last bracket.
fn nested(text: &str) -> Option<(String, &str)> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate().take(NESTED_MOST) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some((text[..=at].to_owned(), &text[at + 1..]));
                }
            }
            _ => {}
        }
    }
    None
}

/// The string in quotes that a text begins with, as Go's `%q` writes it, and what follows it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let rest = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &rest[at + 1..])),
            '\\' => {
                let (_, escape) = characters.next()?;
                let digits = match escape {
                    'n' => {
                        value.push('\n');
                        continue;
                    }
                    't' => {
                        value.push('\t');
                        continue;
                    }
                    'r' => {
                        value.push('\r');
                        continue;
                    }
                    'a' | 'b' | 'f' | 'v' => {
                        value.push(' ');
                        continue;
                    }
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    other => {
                        value.push(other);
                        continue;
                    }
                };
                let from = at + 2;
                let code = rest
                    .get(from..from + digits)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok())?;
                value.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                characters.nth(digits - 1);
            }
            other => value.push(other),
        }
    }
    None
}
