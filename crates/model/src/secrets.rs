//! Taking out of a foreign text what may be a secret: logs and proxies repeat what they were given.

use std::{borrow::Cow, ops::Range};

/// What stands in the place of a secret.
const MASK: &str = "…";

/// What a key ends with whose value is a secret, in lower case, without `-` and `_`.
/// (`secret` alone is one of Kubernetes: its value is a name.)
const KEYS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "clientsecret",
    "sharedsecret",
    "token",
    "auth",
    "authorization",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "secretkey",
    "signature",
    "sig",
    "cookie",
    "authconfig",
];

/// Parameters of a query that are no secrets.
const OPEN_PARAMETERS: [&str; 9] = [
    "ns",
    "scope",
    "service",
    "account",
    "client_id",
    "n",
    "last",
    "platform",
    "offline_token",
];

/// How tokens begin that tell by themselves what they are.
const TOKENS: [&str; 16] = [
    "eyJ",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "dckr_pat_",
    "dckr_oat_",
    "AKIA",
    "ASIA",
    "xoxb-",
    "ya29.",
    "hvs.",
];

/// Schemes of an authorisation, in lower case.
const SCHEMES: [&str; 5] = ["bearer", "basic", "digest", "negotiate", "ntlm"];

/// Puts `…` in the place of what looks like a secret: passwords in URLs, values of a query,
/// authorisation headers, values whose key says that they are secret, and tokens that tell by
/// themselves what they are. The rest stays as it is.
///
/// It errs on the side of taking out too much. What is secret only to those who know, a password
/// in the middle of a sentence, it cannot tell.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut found = Vec::new();
    urls(text, &mut found);
    words(text, &mut found);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|range| (range.start, range.end));
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        if range.start >= from {
            out.push_str(&text[from..range.start]);
            out.push_str(MASK);
        }
        from = from.max(range.end);
    }
    out.push_str(&text[from..]);
    Cow::Owned(out)
}

/// What ends a URL, or a word that is looked at.
fn ends(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>')
}

fn end_of(text: &str, from: usize, is_end: impl Fn(u8) -> bool) -> usize {
    text.as_bytes()[from..]
        .iter()
        .position(|byte| is_end(*byte))
        .map_or(text.len(), |length| from + length)
}

/// Passwords and queries of URLs.
fn urls(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find("://") {
        let start = from + at + 3;
        let end = end_of(text, start, ends);
        let url = &text[start..end];
        let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
        // A password may hold what should have been escaped: the last `@` of the whole URL ends
        // it, unless what stands before is a path with a digest or a tag.
        let at = url[..authority].rfind('@').or_else(|| {
            let at = url.rfind('@')?;
            (url[..authority].contains(':') && !url[at..].starts_with("@sha")).then_some(at)
        });
        if let Some(at) = at {
            found.push(start..start + at);
        }
        if let Some(question) = url.find('?') {
            parameters(url, question + 1, start, found);
        }
        from = end.max(start);
    }
}

/// The values of a query that begins at `from` in `url`, which begins at `base` in the text.
fn parameters(url: &str, from: usize, base: usize, found: &mut Vec<Range<usize>>) {
    let mut at = from;
    for pair in url[from..].split(['&', ';']) {
        if let Some((name, value)) = pair.split_once('=')
            && !OPEN_PARAMETERS.contains(&name)
            && !value.is_empty()
        {
            let start = base + at + name.len() + 1;
            // What follows a URL in a text: `?x=1": dial tcp`, `?x=1)`, `?x=1,`.
            let value = value.trim_end_matches([':', ',', ')', ']', '}', '.']);
            found.push(start..start + value.len());
        }
        at += pair.len() + 1;
    }
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Values whose key, or whose own beginning, says that they are secret.
fn words(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !in_word(bytes[at]) {
            at += 1;
            continue;
        }
        let end = end_of(text, at, |byte| !in_word(byte));
        let word = &text[at..end];
        if is_token(word) {
            let end = end_of(text, at, |byte| !is_of_token(byte));
            found.push(at..end);
            at = end;
            continue;
        }
        if let Some(range) = value(text, at, end) {
            at = range.end.max(end);
            found.push(range);
            continue;
        }
        at = end;
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

/// Whether a word is a token by its own beginning.
fn is_token(word: &str) -> bool {
    word.len() >= 16 && TOKENS.iter().any(|start| word.starts_with(start))
}

/// The secret that belongs to the word from `start` to `end`.
fn value(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let word = text[start..end].trim_end_matches('.');
    let lower = word.to_ascii_lowercase();
    if SCHEMES.contains(&lower.as_str()) {
        return credential(text, end);
    }
    let key: String = lower.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    if !KEYS.iter().any(|secret| key.ends_with(secret)) {
        return None;
    }
    let bytes = text.as_bytes();
    let mut at = end;
    // `\"password\": \"x\"`, at any depth of escapes.
    let quoted = skip(bytes, &mut at, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    let is_header = ["authorization", "cookie", "auth", "authconfig"]
        .iter()
        .any(|name| key.ends_with(name) && lower.len() > 4);
    match bytes.get(at) {
        Some(b'=') => at += 1,
        Some(b':') => {
            at += 1;
            let spaced = skip(bytes, &mut at, |byte| byte == b' ');
            // `failed to fetch oauth token: unexpected status`, `invalid username/password: x`: in
            // a sentence a colon followed by a space names no value.
            let is_quoted = bytes.get(at) == Some(&b'"');
            if spaced && !quoted && !is_header && !is_quoted {
                return None;
            }
        }
        // `--password x`
        Some(b' ') if !quoted && text[..start].ends_with("--") | word.starts_with("--") => at += 1,
        _ => return None,
    }
    let opened = skip(bytes, &mut at, |byte| {
        matches!(byte, b'"' | b'\'' | b'\\' | b'[' | b' ')
    });
    let stop = |byte: u8| {
        if opened {
            matches!(byte, b'"' | b'\'' | b'\\' | b']' | b'\n')
        } else {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b'"' | b'\'' | b'\\' | b',' | b'&' | b';' | b'}' | b')' | b']'
                )
        }
    };
    let mut stopped = end_of(text, at, stop);
    let first = text[at..stopped].to_ascii_lowercase();
    if SCHEMES.contains(&first.as_str()) {
        // `Authorization: Bearer x`
        let next = (stopped + 1).min(text.len());
        if text.is_char_boundary(next) {
            stopped = end_of(text, next, stop);
        }
    }
    (stopped > at).then_some(at..stopped)
}

/// The credential after a scheme: `Bearer x`, but not the challenge `Bearer realm="x"`, nor the
/// words `basic auth credentials`.
fn credential(text: &str, end: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut start = end;
    skip(bytes, &mut start, |byte| byte == b' ');
    let stop = end_of(text, start, |byte| !is_of_token(byte));
    let word = &text[start..stop];
    let is_challenge = bytes.get(stop) == Some(&b'"');
    let is_coded = word.len() >= 8
        && word
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'=');
    (start > end && is_coded && !is_challenge).then_some(start..stop)
}

/// Skips bytes; tells whether there were any.
fn skip(bytes: &[u8], at: &mut usize, is_skipped: impl Fn(u8) -> bool) -> bool {
    let from = *at;
    while bytes.get(*at).is_some_and(|byte| is_skipped(*byte)) {
        *at += 1;
    }
    *at > from
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "c4n4ryS3cr3tOfTheTests";

    #[test]
    fn secrets_are_taken_out_whatever_writes_them() {
        let table = [
            "Get \"https://ci-bot:§@reg.example.com/v2/\": EOF",
            "proxy http://user:p/§@proxy.corp:3128 refused",
            "Head \"https://cdn.example.net/x?X-Amz-Signature=§&ns=reg\": dial tcp",
            "Get https://cdn.example.net/x?sig=§: EOF",
            "request.header.authorization=\"Bearer §\" x",
            "Authorization: Basic §== next",
            "map[Accept:[*/*] Authorization:[Bearer §]]",
            "sent Bearer § to it",
            "{\"auths\":{\"reg\":{\"username\":\"u\",\"password\":\"§\"}}}",
            "msg=\"{\\\"auth\\\":\\\"§\\\"}\"",
            "{\\\"password\\\": \\\"§ with a blank\\\"}",
            "&AuthConfig{Username:ci-bot,Password:§,Auth:§,IdentityToken:§,}",
            "{Username:ci Password:§ Auth:}",
            "DB_PASSWORD=§ started",
            "--password § --x",
            "docker login --password=§",
            "X-Registry-Auth: §",
            "token=§&x",
            "access_token='§'",
            "x eyJhbGciOi§.abc.def y",
            "pulled with ghp_§ again",
            "set-cookie: session=§",
            "api-key: \"§\"",
        ];
        for row in table {
            let text = row.replace('§', CANARY);
            let safe = without_secrets(&text);
            assert!(!safe.contains(CANARY), "{text}\n-> {safe}");
            assert!(safe.contains('…'), "{safe}");
            assert_eq!(without_secrets(&safe), safe, "twice is once");
        }
    }

    #[test]
    fn what_an_error_says_stays() {
        for text in [
            "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.example.com/token?scope=repository%3Ashop%2Fapi%3Apull&service=reg: 401 Unauthorized",
            "no basic auth credentials",
            "unable to retrieve auth token: invalid username/password: unauthorized: authentication required",
            "www-authenticate: Bearer realm=\"https://auth.example.com/token\",service=\"reg\"",
            "failed to pull and unpack image \"reg.example.com/shop/api@sha256:0a1b\": not found",
            "Get \"http://mirror:5000/v2/shop/api/manifests/1?ns=reg.example.com\": dial tcp: lookup mirror: no such host",
            "Get \"https://reg:5000/v2/shop/api@sha256:00/x\": EOF",
            "failed to decrypt the private key: wrong",
            "\"Unable to retrieve pull secret\" pod=\"shop/api\" secret=\"shop/regcred\" err=\"x\"",
            "Unable to retrieve some image pull secrets (regcred); attempting",
        ] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn what_stands_beside_a_secret_stays() {
        assert_eq!(
            without_secrets(
                "Get \"https://u:p@reg.io/v2/?a=b&ns=x\": dial tcp 10.0.0.1:443: i/o timeout"
            ),
            "Get \"https://…@reg.io/v2/?a=…&ns=x\": dial tcp 10.0.0.1:443: i/o timeout"
        );
        assert_eq!(
            without_secrets("password=é€ ok"),
            "password=… ok",
            "values need not be ASCII"
        );
    }
}
