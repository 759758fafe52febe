//! Reads a JSON text that [`scan::check`](super::scan::check) has passed, as `encoding/json` does:
//! invalid UTF-8 and lone surrogates become U+FFFD, keys may repeat and keep their order.

/// The kind of a value, in Go's word for it (`UnmarshalTypeError.Value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A value within a document that is well-formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'d> {
    document: &'d [u8],
    start: usize,
}

/// The first value of a well-formed document.
pub(crate) fn root(document: &[u8]) -> Value<'_> {
    Value {
        document,
        start: skip_space(document, 0),
    }
}

impl<'d> Value<'d> {
    /// Where it starts, in bytes.
    pub(crate) fn start(self) -> usize {
        self.start
    }

    pub(crate) fn kind(self) -> Kind {
        match self.document.get(self.start) {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The text of a string; none of anything else.
    pub(crate) fn string(self) -> Option<String> {
        (self.kind() == Kind::String)
            .then(|| unquote(&self.document[self.start..skip_value(self.document, self.start)]))
    }

    /// The members of an object, in their order, repeated keys included. Empty for anything else.
    pub(crate) fn members(self) -> Members<'d> {
        Members {
            document: self.document,
            at: match self.kind() {
                Kind::Object => self.start + 1,
                _ => self.document.len(),
            },
        }
    }
}

/// The members of an object.
pub(crate) struct Members<'d> {
    document: &'d [u8],
    at: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (String, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut at = skip_space(self.document, self.at);
        if self.document.get(at) == Some(&b',') {
            at = skip_space(self.document, at + 1);
        }
        if self.document.get(at) != Some(&b'"') {
            self.at = self.document.len();
            return None;
        }
        let key_end = skip_value(self.document, at);
        let key = unquote(&self.document[at..key_end]);
        // Over the colon.
        let start = skip_space(self.document, skip_space(self.document, key_end) + 1);
        self.at = skip_value(self.document, start);
        Some((
            key,
            Value {
                document: self.document,
                start,
            },
        ))
    }
}

fn skip_space(document: &[u8], mut at: usize) -> usize {
    while matches!(document.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// Where the value at `at` ends.
fn skip_value(document: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = document.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(byte) = document.get(at) {
                    match byte {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
                at += 1;
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if depth == 0 => {
                while !matches!(
                    document.get(at),
                    None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
                ) {
                    at += 1;
                }
            }
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            break;
        }
    }
    at.min(document.len())
}

/// `unquoteBytes`, of a literal that is well-formed.
fn unquote(literal: &[u8]) -> String {
    let inside = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        push_lossy(&mut out, &rest[..at]);
        rest = &rest[at + 1..];
        let Some(&code) = rest.first() else { break };
        rest = &rest[1..];
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = four_digits(rest);
                rest = rest.get(4..).unwrap_or_default();
                let pair = match rest {
                    [b'\\', b'u', low @ ..] => decode_pair(unit, four_digits(low)),
                    _ => None,
                };
                if let Some(rune) = pair {
                    rest = &rest[6..];
                    out.push(rune);
                } else {
                    // A lone surrogate is no character.
                    out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
            }
            other => out.push(char::from(other)),
        }
    }
    push_lossy(&mut out, rest);
    out
}

/// The character of a surrogate pair.
fn decode_pair(high: u32, low: u32) -> Option<char> {
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

fn four_digits(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |unit, digit| {
        unit << 4 | char::from(*digit).to_digit(16).unwrap_or_default()
    })
}

/// Appends bytes, each one that begins no rune as U+FFFD: one for every byte, as Go does, where
/// `from_utf8_lossy` makes one of a truncated sequence.
fn push_lossy(out: &mut String, mut bytes: &[u8]) {
    loop {
        match str::from_utf8(bytes) {
            Ok(text) => {
                out.push_str(text);
                return;
            }
            Err(error) => {
                let good = error.valid_up_to();
                out.push_str(str::from_utf8(&bytes[..good]).unwrap_or_default());
                out.push(char::REPLACEMENT_CHARACTER);
                bytes = &bytes[good + 1..];
            }
        }
    }
}

/// Whether a key names a field of a Go struct: `json` folds ASCII case and, of what is in the
/// fields' names here, the long s (`foldName`).
pub(crate) fn is_field(key: &str, name: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_unquoted_as_go_does() {
        let text = |json: &[u8]| root(json).string().unwrap();
        assert_eq!(text(br#""a\"\\\/\b\f\n\r\tb""#), "a\"\\/\u{8}\u{c}\n\r\tb");
        assert_eq!(
            text(br#""\u00e9\ud83d\ude00\ud83dx\udc00""#),
            "é😀\u{fffd}x\u{fffd}"
        );
        assert_eq!(text(br#""\ud83d\ud83d\ude00""#), "\u{fffd}😀");
        assert_eq!(text(b"\"a\xff\xe2\x82b\""), "a\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn members_keep_their_order_and_repeat() {
        let json = br#" { "b" : [1,{"x":"}"}] ,"a":-1.5, "b": {} , "\u0063":null }"#;
        let members: Vec<(String, Kind)> = root(json)
            .members()
            .map(|(key, value)| (key, value.kind()))
            .collect();
        assert_eq!(
            members,
            [
                ("b".to_owned(), Kind::Array),
                ("a".to_owned(), Kind::Number),
                ("b".to_owned(), Kind::Object),
                ("c".to_owned(), Kind::Null),
            ]
        );
        assert_eq!(root(b"[{\"a\":1}]").members().count(), 0);
    }

    #[test]
    fn field_names_fold() {
        assert!(is_field("AUTHS", "auths"));
        assert!(is_field("auth\u{17f}", "auths"));
        assert!(!is_field("auth", "auths"));
    }
}
