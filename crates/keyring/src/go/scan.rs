//! `encoding/json`'s check for well-formedness (`scanner.go`, Go 1.26), with its own texts: what
//! it says of a broken secret becomes the waiting reason of the pod.

use std::fmt::{self, Write as _};

/// `maxNestingDepth`.
const MOST_NESTED: usize = 10_000;

/// A `SyntaxError`. Its `Debug` leaves the byte out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The byte that does not fit; none where the input ends too early.
    pub(crate) found: Option<u8>,
    /// What the scanner was about: `looking for beginning of value`.
    pub(crate) context: &'static str,
    /// How many bytes were read, that one included.
    pub(crate) offset: usize,
}

impl fmt::Debug for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyntaxError")
            .field("context", &self.context)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl SyntaxError {
    /// Go's text. The byte in it may be part of a password.
    pub(crate) fn text(&self) -> String {
        match self.found {
            None => "unexpected end of JSON input".to_owned(),
            Some(byte) => format!("invalid character {} {}", quote(byte), self.context),
        }
    }
}

/// `quoteChar`: the byte as Latin-1, as a Go literal between single quotes.
fn quote(byte: u8) -> String {
    let mut out = String::from("'");
    match byte {
        b'\'' => out.push_str("\\'"),
        b'\\' => out.push_str("\\\\"),
        0x07 => out.push_str("\\a"),
        0x08 => out.push_str("\\b"),
        0x09 => out.push_str("\\t"),
        0x0a => out.push_str("\\n"),
        0x0b => out.push_str("\\v"),
        0x0c => out.push_str("\\f"),
        0x0d => out.push_str("\\r"),
        0..=0x1f | 0x7f => {
            let _ = write!(out, "\\x{byte:02x}");
        }
        0x80..=0xa0 | 0xad => {
            let _ = write!(out, "\\u{byte:04x}");
        }
        _ => out.push(char::from(byte)),
    }
    out.push('\'');
    out
}

/// What the scanner waits for: its `step` function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    BeginValueOrEmpty,
    BeginValue,
    BeginStringOrEmpty,
    BeginString,
    EndValue,
    EndTop,
    InString,
    InStringEscape,
    /// Hexadecimal digits still to come.
    InStringUnicode(u8),
    Negative,
    Digits,
    Zero,
    Dot,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// The letters still to come of `true`, `false` or `null`.
    Word(&'static [(u8, &'static str)]),
}

const TRUE: &[(u8, &str)] = &[
    (b'r', "in literal true (expecting 'r')"),
    (b'u', "in literal true (expecting 'u')"),
    (b'e', "in literal true (expecting 'e')"),
];
const FALSE: &[(u8, &str)] = &[
    (b'a', "in literal false (expecting 'a')"),
    (b'l', "in literal false (expecting 'l')"),
    (b's', "in literal false (expecting 's')"),
    (b'e', "in literal false (expecting 'e')"),
];
const NULL: &[(u8, &str)] = &[
    (b'u', "in literal null (expecting 'u')"),
    (b'l', "in literal null (expecting 'l')"),
    (b'l', "in literal null (expecting 'l')"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    ObjectKey,
    ObjectValue,
    Array,
}

struct Scanner {
    step: Step,
    inside: Vec<Inside>,
}

/// `checkValid`.
pub(crate) fn check(data: &[u8]) -> Result<(), SyntaxError> {
    let mut scanner = Scanner {
        step: Step::BeginValue,
        inside: Vec::new(),
    };
    let fault = |context, found, offset| SyntaxError {
        found: Some(found),
        context,
        offset,
    };
    for (at, byte) in data.iter().enumerate() {
        scanner
            .feed(*byte)
            .map_err(|context| fault(context, *byte, at + 1))?;
    }
    // As `eof` does: a space ends a number, and a word that is cut off says so of the space.
    let end = data.len();
    scanner
        .feed(b' ')
        .map_err(|context| fault(context, b' ', end))?;
    if scanner.step == Step::EndTop {
        Ok(())
    } else {
        Err(SyntaxError {
            found: None,
            context: "",
            offset: end,
        })
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl Scanner {
    /// One byte; an error is what the scanner was about.
    fn feed(&mut self, byte: u8) -> Result<(), &'static str> {
        let passes_space = matches!(
            self.step,
            Step::BeginValueOrEmpty
                | Step::BeginValue
                | Step::BeginStringOrEmpty
                | Step::BeginString
                | Step::EndTop
        );
        if passes_space && is_space(byte) {
            return Ok(());
        }
        match self.step {
            Step::BeginValueOrEmpty if byte == b']' => return self.end_value(byte),
            Step::BeginStringOrEmpty if byte == b'}' => {
                if let Some(inside) = self.inside.last_mut() {
                    *inside = Inside::ObjectValue;
                }
                return self.end_value(byte);
            }
            Step::BeginValueOrEmpty | Step::BeginValue => return self.begin_value(byte),
            Step::BeginStringOrEmpty | Step::BeginString if byte == b'"' => {
                self.step = Step::InString;
            }
            Step::BeginStringOrEmpty | Step::BeginString => {
                return Err("looking for beginning of object key string");
            }
            Step::EndValue => return self.end_value(byte),
            Step::EndTop => return Err("after top-level value"),
            Step::InString => match byte {
                b'"' => self.step = Step::EndValue,
                b'\\' => self.step = Step::InStringEscape,
                0..=0x1f => return Err("in string literal"),
                _ => {}
            },
            Step::InStringEscape => match byte {
                b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {
                    self.step = Step::InString;
                }
                b'u' => self.step = Step::InStringUnicode(4),
                _ => return Err("in string escape code"),
            },
            Step::InStringUnicode(left) => {
                if !byte.is_ascii_hexdigit() {
                    return Err("in \\u hexadecimal character escape");
                }
                self.step = match left {
                    0 | 1 => Step::InString,
                    _ => Step::InStringUnicode(left - 1),
                };
            }
            Step::Word(letters) => match letters {
                [(expected, _), rest @ ..] if *expected == byte => {
                    self.step = match rest {
                        [] => Step::EndValue,
                        _ => Step::Word(rest),
                    };
                }
                [(_, context), ..] => return Err(context),
                [] => return self.end_value(byte),
            },
            Step::Negative
            | Step::Digits
            | Step::Zero
            | Step::Dot
            | Step::Fraction
            | Step::Exponent
            | Step::ExponentSign
            | Step::ExponentDigits => return self.number(byte),
        }
        Ok(())
    }

    fn number(&mut self, byte: u8) -> Result<(), &'static str> {
        self.step = match (self.step, byte) {
            (Step::Negative, b'0') => Step::Zero,
            (Step::Negative, b'1'..=b'9') | (Step::Digits, b'0'..=b'9') => Step::Digits,
            (Step::Negative, _) => return Err("in numeric literal"),
            (Step::Digits | Step::Zero, b'.') => Step::Dot,
            (Step::Digits | Step::Zero | Step::Fraction, b'e' | b'E') => Step::Exponent,
            (Step::Dot | Step::Fraction, b'0'..=b'9') => Step::Fraction,
            (Step::Dot, _) => return Err("after decimal point in numeric literal"),
            (Step::Exponent, b'+' | b'-') => Step::ExponentSign,
            (Step::Exponent | Step::ExponentSign | Step::ExponentDigits, b'0'..=b'9') => {
                Step::ExponentDigits
            }
            (Step::Exponent | Step::ExponentSign, _) => {
                return Err("in exponent of numeric literal");
            }
            _ => return self.end_value(byte),
        };
        Ok(())
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), &'static str> {
        self.step = match byte {
            b'{' => {
                self.push(Inside::ObjectKey)?;
                Step::BeginStringOrEmpty
            }
            b'[' => {
                self.push(Inside::Array)?;
                Step::BeginValueOrEmpty
            }
            b'"' => Step::InString,
            b'-' => Step::Negative,
            b'0' => Step::Zero,
            b'1'..=b'9' => Step::Digits,
            b't' => Step::Word(TRUE),
            b'f' => Step::Word(FALSE),
            b'n' => Step::Word(NULL),
            _ => return Err("looking for beginning of value"),
        };
        Ok(())
    }

    fn push(&mut self, inside: Inside) -> Result<(), &'static str> {
        self.inside.push(inside);
        if self.inside.len() > MOST_NESTED {
            return Err("exceeded max depth");
        }
        Ok(())
    }

    fn end_value(&mut self, byte: u8) -> Result<(), &'static str> {
        let Some(inside) = self.inside.last_mut() else {
            self.step = Step::EndTop;
            return self.feed(byte);
        };
        if is_space(byte) {
            self.step = Step::EndValue;
            return Ok(());
        }
        match (*inside, byte) {
            (Inside::ObjectKey, b':') => {
                *inside = Inside::ObjectValue;
                self.step = Step::BeginValue;
            }
            (Inside::ObjectKey, _) => return Err("after object key"),
            (Inside::ObjectValue, b',') => {
                *inside = Inside::ObjectKey;
                self.step = Step::BeginString;
            }
            (Inside::Array, b',') => self.step = Step::BeginValue,
            (Inside::ObjectValue, b'}') | (Inside::Array, b']') => {
                self.inside.pop();
                self.step = match self.inside.last() {
                    None => Step::EndTop,
                    Some(_) => Step::EndValue,
                };
            }
            (Inside::ObjectValue, _) => return Err("after object key:value pair"),
            (Inside::Array, _) => return Err("after array element"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_go() {
        for (json, expected) in [
            ("", "unexpected end of JSON input"),
            ("{\"a\":1", "unexpected end of JSON input"),
            (
                "tr",
                "invalid character ' ' in literal true (expecting 'u')",
            ),
            ("-", "invalid character ' ' in numeric literal"),
            (
                "{a}",
                "invalid character 'a' looking for beginning of object key string",
            ),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            (
                "\u{feff}{}",
                "invalid character 'ï' looking for beginning of value",
            ),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            (
                "'",
                "invalid character '\\'' looking for beginning of value",
            ),
        ] {
            assert_eq!(check(json.as_bytes()).unwrap_err().text(), expected);
        }
        let deep = "[".repeat(MOST_NESTED + 1);
        let error = check(deep.as_bytes()).unwrap_err();
        assert_eq!(error.text(), "invalid character '[' exceeded max depth");
        assert_eq!(error.offset, MOST_NESTED + 1);
    }

    #[test]
    fn good_documents_pass() {
        for json in [
            "{}",
            " null\n",
            "1",
            "-0.5e+3 ",
            "[[],{\"a\":[true,false]}]",
        ] {
            assert_eq!(check(json.as_bytes()), Ok(()), "{json}");
        }
    }
}
