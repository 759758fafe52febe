//! What of a secret may be shown, and how.

use pulldoctor_model::{clean_line, shorten};

use crate::token;

/// Longer names are no names.
const LONGEST: usize = 128;

/// A name from a secret, safe for an output: in one line, cut, and of a token only its kind.
pub(crate) fn name(text: &str) -> String {
    match token::prefix(text) {
        Some(prefix) => format!("{prefix}…"),
        None => shorten(&clean_line(text), LONGEST).into_owned(),
    }
}

/// A username, unless showing it would show one of the passwords or a token.
pub(crate) fn username(username: &[u8], passwords: &[&[u8]]) -> String {
    /// A shorter password may be part of a name by chance.
    const LEAST: usize = 4;
    let gives_away = |password: &&[u8]| {
        !password.is_empty()
            && (**password == *username
                || (password.len() >= LEAST
                    && username
                        .windows(password.len())
                        .any(|part| part == *password)))
    };
    if username.len() > LONGEST || passwords.iter().any(gives_away) {
        return "…".to_owned();
    }
    name(&String::from_utf8_lossy(username))
}

/// A key, without what may be a password in it: user information, query and fragment.
pub(crate) fn key(written: &str) -> String {
    let (_, rest) = split_scheme(written);
    let before = &written[..written.len() - rest.len()];
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (place, query) = rest.split_at(end);
    let shown = match user_end(place) {
        Some(at) => format!("{before}…{}", &place[at..]),
        None => format!("{before}{place}"),
    };
    // What stands behind the mark is no part of what the kubelet compares.
    match query.len() {
        0 => name(&shown),
        1 => name(&format!("{shown}{query}")),
        _ => name(&format!("{shown}{}…", &query[..1])),
    }
}

/// Host, port and path of a key without its scheme: what the kubelet compares.
pub(crate) fn bare_key(rest: &str) -> &str {
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    user_end(place).map_or(place, |at| &place[at + 1..])
}

/// Whether what seems to be user information holds a slash, so that no parser takes it for that.
pub(crate) fn hides_user(written: &str) -> bool {
    let (_, rest) = split_scheme(written);
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    user_end(place).is_some_and(|at| place[..at].contains('/'))
}

/// The scheme, and what follows its `://`.
pub(crate) fn split_scheme(written: &str) -> (Option<&str>, &str) {
    match written.split_once("://") {
        // Anything else may be a user and the start of a password.
        Some((scheme, rest))
            if scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, written),
    }
}

/// The `@` behind user information, also where that holds slashes; that of a digest is none.
fn user_end(place: &str) -> Option<usize> {
    let at = place.rfind('@')?;
    let is_digest = place[at..].starts_with("@sha256:") && place[..at].contains('/');
    (!is_digest).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lose_what_may_be_a_password() {
        for (written, shown) in [
            ("https://u:canary@a.io/b", "https://…@a.io/b"),
            ("u:ca/nary@a.io", "…@a.io"),
            ("u:can://ary@a.io", "…@a.io"),
            ("a.io/b?token=canary", "a.io/b?…"),
            ("a.io/b@sha256:0", "a.io/b@sha256:0"),
            ("a.io\u{1b}[31m", "a.io\\u{1b}[31m"),
            ("ghp_canary", "ghp_…"),
            ("a.io", "a.io"),
        ] {
            assert_eq!(key(written), shown);
        }
    }

    #[test]
    fn usernames_that_are_passwords_are_not_shown() {
        assert_eq!(username(b"ci-bot", &[b"canary"]), "ci-bot");
        assert_eq!(username(b"canary", &[b"canary"]), "…");
        assert_eq!(username(b"my-canary", &[b"canary"]), "…");
        assert_eq!(username(b"alice", &[b"a"]), "alice");
        assert_eq!(username(b"glpat-canary", &[b"x"]), "glpat-…");
        assert_eq!(username(&[b'x'; 200], &[]), "…");
    }
}
