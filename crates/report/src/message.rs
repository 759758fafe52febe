//! The part of a long error message that decides.

use std::borrow::Cow;

/// How many characters of a message are shown where its whole is not asked for: two lines.
const WANTED: usize = 132;
/// How many are shown at most where its last part alone is longer.
const MOST: usize = 396;

/// The innermost part of a wrapped error message, in one line: Go programs put what went wrong
/// last (`outer: inner: innermost`), so it is cut at the earliest `: ` whose rest fits two lines,
/// and `…` stands for what was left out.
pub fn decisive(message: &str) -> Cow<'_, str> {
    let message = message.trim();
    if message.chars().count() <= WANTED {
        return Cow::Borrowed(message);
    }
    let mut inner = message;
    while inner.chars().count() > WANTED {
        match inner.split_once(": ") {
            // What stands after the last colon may say nothing by itself: `REF: not found`.
            Some((_, rest)) if says_something(rest) => inner = rest,
            _ => break,
        }
    }
    let length = inner.chars().count();
    if length > MOST {
        let head: String = inner.chars().take(MOST / 2).collect();
        let tail: String = inner.chars().skip(length - MOST / 2).collect();
        return Cow::Owned(format!("…{} … {}", head.trim_end(), tail.trim_start()));
    }
    if inner.len() == message.len() {
        Cow::Borrowed(message)
    } else {
        Cow::Owned(format!("…{inner}"))
    }
}

/// Whether a text is more than a closing word such as `not found` or `EOF`.
fn says_something(text: &str) -> bool {
    text.split_whitespace().count() > 2 || text.contains(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_messages_stay_whole() {
        assert_eq!(decisive(" pull QPS exceeded\n"), "pull QPS exceeded");
    }

    #[test]
    fn the_innermost_error_is_kept() {
        let message = "Back-off pulling image \"registry.example.com/shop/api:v1.4.2\": ErrImagePull: \
            rpc error: code = NotFound desc = failed to pull and unpack image \
            \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \
            \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found";
        assert_eq!(
            decisive(message),
            "…failed to resolve reference \"registry.example.com/shop/api:v1.4.2\": \
             registry.example.com/shop/api:v1.4.2: not found"
        );
    }

    #[test]
    fn a_long_last_part_keeps_both_its_ends() {
        let message = format!("failed: {}", "word ".repeat(400));
        let shown = decisive(&message);
        assert!(shown.chars().count() <= MOST + 4, "{shown}");
        assert!(shown.starts_with("…word"));
        assert!(shown.ends_with("word"));
    }
}
