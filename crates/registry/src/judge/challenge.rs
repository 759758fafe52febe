//! `WWW-Authenticate`: what a registry wants to see before it answers.

use serde::{Deserialize, Serialize};

/// Most challenges that are kept of one answer.
const MOST_CHALLENGES: usize = 16;
/// Most parameters of one challenge.
const MOST_PARAMETERS: usize = 32;
/// Most bytes that are read of one header.
const MOST_BYTES: usize = 16 * 1024;

/// An authentication scheme, in ascending order of containerd's preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// One that containerd does not know (Negotiate, NTLM …).
    Other,
    /// HTTP Basic.
    Basic,
    /// HTTP Digest, which containerd recognises and cannot do.
    Digest,
    /// A token of a token service.
    Bearer,
}

/// One challenge. Names are lower case; of a name that comes twice the last value holds, as in
/// containerd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// The scheme.
    pub scheme: Scheme,
    /// The scheme as it was written, in lower case.
    pub scheme_text: String,
    /// `name=value` pairs in the order in which they came.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A parameter by its lower-case name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Reads the values of all `WWW-Authenticate` headers of an answer, best scheme first.
///
/// containerd reads one challenge a header (`core/remotes/docker/auth/parse.go` of 2.4.2) and
/// takes what follows a second scheme for noise; here several in one header are told apart, since
/// RFC 9110 allows them and a proxy may fold headers. Nothing makes this fail: what cannot be
/// read is left out.
pub fn parse_challenges<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let mut all = Vec::new();
    for header in headers {
        read_header(cut(header), &mut all);
    }
    // Stable: equal schemes stay in the order of the answer.
    all.sort_by_key(|challenge| std::cmp::Reverse(challenge.scheme));
    all
}

fn cut(text: &str) -> &str {
    if text.len() <= MOST_BYTES {
        return text;
    }
    let mut end = MOST_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn read_header(mut rest: &str, all: &mut Vec<Challenge>) {
    let mut current: Option<Challenge> = None;
    while all.len() < MOST_CHALLENGES {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            break;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        let is_parameter = current.is_some() && spaced.starts_with('=');
        if is_parameter {
            let (value, after) = value(spaced[1..].trim_start_matches([' ', '\t']));
            let Some(value) = value else { break };
            if let Some(challenge) = &mut current {
                set(challenge, name.to_ascii_lowercase(), value);
            }
            rest = after;
        } else {
            all.extend(current.take());
            current = Some(begin(name));
            // A token68 (`Negotiate abc==`) is no parameter list: skip it.
            let (word, after_word) = token68(spaced);
            rest = if !word.is_empty() && ends_element(after_word) {
                after_word
            } else {
                spaced
            };
        }
    }
    if all.len() < MOST_CHALLENGES {
        all.extend(current);
    }
}

fn begin(name: &str) -> Challenge {
    let scheme_text = name.to_ascii_lowercase();
    let scheme = match scheme_text.as_str() {
        "bearer" => Scheme::Bearer,
        "basic" => Scheme::Basic,
        "digest" => Scheme::Digest,
        _ => Scheme::Other,
    };
    Challenge {
        scheme,
        scheme_text,
        parameters: Vec::new(),
    }
}

fn set(challenge: &mut Challenge, name: String, value: String) {
    if let Some(existing) = challenge
        .parameters
        .iter_mut()
        .find(|(key, _)| *key == name)
    {
        existing.1 = value;
    } else if challenge.parameters.len() < MOST_PARAMETERS {
        challenge.parameters.push((name, value));
    }
}

fn ends_element(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with(',')
}

fn token(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !is_token(byte))
        .unwrap_or(text.len());
    text.split_at(end)
}

fn token68(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte)))
        .unwrap_or(text.len());
    let padded = text[end..]
        .bytes()
        .position(|byte| byte != b'=')
        .unwrap_or(text.len() - end);
    text.split_at(end + padded)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[]\\{}".contains(&byte)
}

/// A token or a quoted string; nothing where a quoted string does not end.
fn value(text: &str) -> (Option<String>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        // Unquoted URLs are seen in the wild: take everything up to a comma or a blank.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (Some(text[..end].to_owned()), &text[end..]);
    };
    let mut out = String::new();
    let mut escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            _ if escaped => {
                out.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (Some(out), &quoted[at + 1..]),
            _ => out.push(character),
        }
    }
    (None, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(header: &str) -> Challenge {
        let mut all = parse_challenges([header]);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn a_bearer_challenge_with_commas_in_quotes() {
        let got = one(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push",error="insufficient_scope""#,
        );
        assert_eq!(got.scheme, Scheme::Bearer);
        assert_eq!(got.parameter("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(got.parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(got.parameter("error"), Some("insufficient_scope"));
    }

    #[test]
    fn several_challenges_best_first() {
        let all = parse_challenges([
            r#"Negotiate, NTLM TlRMTVNTUAAB==, Basic realm="a", Bearer realm="https://x/t" , service = s"#,
        ]);
        let schemes: Vec<&str> = all.iter().map(|c| c.scheme_text.as_str()).collect();
        assert_eq!(schemes, ["bearer", "basic", "negotiate", "ntlm"]);
        assert_eq!(all[0].parameter("service"), Some("s"));
        assert_eq!(all[1].parameter("realm"), Some("a"));
    }

    #[test]
    fn headers_are_joined_and_names_are_lower_case() {
        let all = parse_challenges(["BASIC Realm=\"x\"", "bearer REALM=\"https://y\""]);
        assert_eq!(all[0].parameter("realm"), Some("https://y"));
        assert_eq!(all[1].scheme, Scheme::Basic);
    }

    #[test]
    fn escapes_unquoted_urls_and_repeated_names() {
        assert_eq!(
            one(r#"Bearer realm="a\"b\\c""#).parameter("realm"),
            Some(r#"a"b\c"#)
        );
        assert_eq!(
            one("Bearer realm=https://a/b?c=d,service=x").parameter("realm"),
            Some("https://a/b?c=d")
        );
        assert_eq!(
            one("Bearer a=\"1\",a=\"2\"").parameters,
            [("a".to_owned(), "2".to_owned())]
        );
    }

    #[test]
    fn broken_ones_keep_what_could_be_read() {
        assert_eq!(one("Bearer realm=\"never ends").parameters, []);
        assert_eq!(one("Basic").scheme, Scheme::Basic);
        assert!(parse_challenges(["", " , ,", "=\"x\"", "\u{1b}[31m"]).is_empty());
    }

    #[test]
    fn there_is_a_bound() {
        let many = "Basic realm=\"x\", ".repeat(10_000);
        assert_eq!(parse_challenges([many.as_str()]).len(), MOST_CHALLENGES);
        let parameters: Vec<String> = (0..1000).map(|n| format!("p{n}=v")).collect();
        let one = one(&format!("Bearer {}", parameters.join(", ")));
        assert_eq!(one.parameters.len(), MOST_PARAMETERS);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_quoted_values_come_back(text in ".{0,200}", value in "[a-z\\\\\" ,=]{0,40}") {
            parse_challenges([text.as_str()]);
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let got = parse_challenges([format!("Bearer realm=\"{escaped}\", service=\"s\"").as_str()]);
            proptest::prop_assert_eq!(got[0].parameter("realm"), Some(value.as_str()));
            proptest::prop_assert_eq!(got[0].parameter("service"), Some("s"));
        }
    }
}
