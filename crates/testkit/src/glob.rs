//! Globs over slash-separated names.

/// Whether a text matches a pattern: `*` is any text without a slash, `**` any text, `?` one
/// character that is no slash.
pub fn matches(pattern: &str, text: &str) -> bool {
    matches_bytes(pattern.as_bytes(), text.as_bytes())
}

fn matches_bytes(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => {
            (0..=text.len()).any(|skipped| matches_bytes(rest, &text[skipped..]))
        }
        [b'*', rest @ ..] => {
            let segment = text
                .iter()
                .position(|byte| *byte == b'/')
                .unwrap_or(text.len());
            (0..=segment).any(|skipped| matches_bytes(rest, &text[skipped..]))
        }
        [b'?', rest @ ..] => {
            text.first().is_some_and(|byte| *byte != b'/') && matches_bytes(rest, &text[1..])
        }
        [literal, rest @ ..] => text.first() == Some(literal) && matches_bytes(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_star_stays_in_a_segment_and_two_do_not() {
        for (pattern, text, expected) in [
            ("/v2/*/manifests/*", "/v2/a/manifests/1", true),
            ("/v2/*/manifests/*", "/v2/a/b/manifests/1", false),
            ("/v2/**/manifests/*", "/v2/a/b/manifests/1", true),
            ("/v2/**", "/v2/", true),
            ("shop/*", "shop/api", true),
            ("shop/*", "shop", false),
            ("**", "", true),
            ("v?", "v1", true),
            ("v?", "v/", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
