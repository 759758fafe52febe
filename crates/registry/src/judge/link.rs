//! The `Link` header of lists that come in pages.

/// The target of the link whose relation is `next` (RFC 8288; distribution specification, "Listing
/// tags").
pub fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>')?;
        let target = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let parameters = &rest[..rest
            .find(",<")
            .or_else(|| rest.find(", <"))
            .unwrap_or(rest.len())];
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else {
                return false;
            };
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .split(' ')
                    .any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_others() {
        let link = r#"</v2/a/tags/list?n=2&last=b>; rel="next""#;
        assert_eq!(next_link(link), Some("/v2/a/tags/list?n=2&last=b"));
        let two = "<https://x/first>; rel=first, <https://x/next?a,b>; REL=next";
        assert_eq!(next_link(two), Some("https://x/next?a,b"));
        for none in ["", "<", "<x>", "<x>; rel=prev", "rel=next"] {
            assert_eq!(next_link(none), None, "{none}");
        }
    }
}
