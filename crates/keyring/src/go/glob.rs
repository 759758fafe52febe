//! `filepath.Match` on Unix, over bytes, and the one rune that it reads from them.

/// `filepath.Match`; false for a pattern that is malformed, as the keyring takes its error.
pub(crate) fn matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = scan_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return !name.contains(&b'/');
        }
        match match_chunk(chunk, name) {
            Err(BadPattern) => return false,
            Ok(Some(left)) if left.is_empty() || !pattern.is_empty() => {
                name = left;
                continue;
            }
            Ok(_) => {}
        }
        if star {
            let mut skip = 0;
            while skip < name.len() && name[skip] != b'/' {
                match match_chunk(chunk, &name[skip + 1..]) {
                    Err(BadPattern) => return false,
                    Ok(Some(left)) if !pattern.is_empty() || left.is_empty() => {
                        name = left;
                        continue 'pattern;
                    }
                    Ok(_) => {}
                }
                skip += 1;
            }
        }
        return false;
    }
    name.is_empty()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BadPattern;

/// The next run without a star, whether a star stands before it, and what follows.
fn scan_chunk(mut pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let mut star = false;
    while let [b'*', rest @ ..] = pattern {
        pattern = rest;
        star = true;
    }
    let (mut in_class, mut at) = (false, 0);
    while let Some(byte) = pattern.get(at) {
        match byte {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => return (star, &pattern[..at], &pattern[at..]),
            _ => {}
        }
        at += 1;
    }
    (star, pattern, &[])
}

/// What is left of `text` behind `chunk`; none where it does not begin with it.
fn match_chunk<'t>(mut chunk: &[u8], mut text: &'t [u8]) -> Result<Option<&'t [u8]>, BadPattern> {
    let mut failed = false;
    while let Some(&operator) = chunk.first() {
        failed = failed || text.is_empty();
        match operator {
            b'[' => {
                let mut rune = 0;
                if !failed {
                    let (read, size) = decode_rune(text);
                    rune = read;
                    text = &text[size..];
                }
                let (inside, rest) = match_class(&chunk[1..], rune)?;
                chunk = rest;
                failed = failed || !inside;
            }
            b'?' => {
                if !failed {
                    failed = text[0] == b'/';
                    text = &text[decode_rune(text).1..];
                }
                chunk = &chunk[1..];
            }
            _ => {
                if operator == b'\\' {
                    chunk = &chunk[1..];
                }
                let literal = *chunk.first().ok_or(BadPattern)?;
                if !failed {
                    failed = literal != text[0];
                    text = &text[1..];
                }
                chunk = &chunk[1..];
            }
        }
    }
    Ok((!failed).then_some(text))
}

/// Whether `rune` is in the class whose `[` was just read, and the pattern behind the class.
fn match_class(mut chunk: &[u8], rune: u32) -> Result<(bool, &[u8]), BadPattern> {
    let negated = chunk.first() == Some(&b'^');
    if negated {
        chunk = &chunk[1..];
    }
    let (mut inside, mut ranges) = (false, 0);
    loop {
        if ranges > 0
            && let [b']', rest @ ..] = chunk
        {
            return Ok((inside != negated, rest));
        }
        let (low, rest) = escaped_rune(chunk)?;
        chunk = rest;
        let mut high = low;
        if let [b'-', rest @ ..] = chunk {
            (high, chunk) = escaped_rune(rest)?;
        }
        inside = inside || (low <= rune && rune <= high);
        ranges += 1;
    }
}

/// `getEsc`.
fn escaped_rune(mut chunk: &[u8]) -> Result<(u32, &[u8]), BadPattern> {
    if matches!(chunk.first(), None | Some(b'-' | b']')) {
        return Err(BadPattern);
    }
    if let [b'\\', rest @ ..] = chunk {
        chunk = rest;
    }
    let (rune, size) = decode_rune(chunk);
    if size == 0 || (rune == REPLACEMENT && size == 1) || size == chunk.len() {
        return Err(BadPattern);
    }
    Ok((rune, &chunk[size..]))
}

const REPLACEMENT: u32 = 0xfffd;

/// `utf8.DecodeRune`: a byte that begins no rune is U+FFFD, one byte long.
pub(crate) fn decode_rune(bytes: &[u8]) -> (u32, usize) {
    let Some(&first) = bytes.first() else {
        return (REPLACEMENT, 0);
    };
    let size = match first {
        0..=0x7f => return (u32::from(first), 1),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return (REPLACEMENT, 1),
    };
    bytes
        .get(..size)
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next())
        .map_or((REPLACEMENT, 1), |rune| (u32::from(rune), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_table_of_go() {
        // From path/filepath/match_test.go.
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a?b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("[\\]a]", "]", true),
            ("[x\\-]", "-", true),
            ("[]a]", "]", false),
            ("[-]", "-", false),
            ("[x-]", "x", false),
            ("[a-b-c]", "a", false),
            ("[", "a", false),
            ("[^bc", "a", false),
            ("a[", "ab", false),
            ("a\\", "a", false),
            ("*x", "xxx", true),
            ("[::1]", "[::1]", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
