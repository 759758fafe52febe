//! What a token service answers.

use serde::{Deserialize, Serialize};

use super::{ErrorBody, Fault, Problem, parse_error_body};
use crate::secret::SecretText;

/// Most scopes that are asked for.
const MOST_SCOPES: usize = 8;

/// A token and how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The token.
    pub token: SecretText,
    /// Seconds from now; 60 where the service does not say, as the token specification has it.
    pub expires_in: u64,
    /// What the token grants, where it is a readable JSON Web Token.
    pub claims: Option<Claims>,
}

/// The part of a token that says what it grants. It is not verified: only the registry can.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// `repository:NAME:actions`, one a line of the token's `access`.
    pub access: Vec<String>,
    /// Unix seconds at which it ends.
    pub expires: Option<i64>,
}

/// Why a successful answer of a token service holds no token. The texts are containerd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// Not JSON: a captive portal, say.
    NotJson(String),
    /// JSON without `token` and `access_token`.
    NoToken,
}

impl std::fmt::Display for TokenError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotJson(what) => write!(formatter, "unable to decode token response: {what}"),
            Self::NoToken => {
                formatter.write_str("authorization server did not include a token in the response")
            }
        }
    }
}

/// Reads a token service's answer; `access_token` wins over `token`, as in containerd.
pub fn parse_token(body: &[u8]) -> Result<TokenAnswer, TokenError> {
    #[derive(Deserialize)]
    struct Raw {
        token: Option<String>,
        access_token: Option<String>,
        // Some services write a string, and one that cannot be read is as good as none.
        expires_in: Option<serde_json::Value>,
    }
    let raw: Raw = serde_json::from_slice(body).map_err(|error| {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        TokenError::NotJson(match first {
            Some(b'<') => "it is a web page".to_owned(),
            None => "it is empty".to_owned(),
            _ => format!("line {} column {}", error.line(), error.column()),
        })
    })?;
    let token = raw
        .access_token
        .filter(|token| !token.is_empty())
        .or(raw.token)
        .filter(|token| is_sendable(token))
        .ok_or(TokenError::NoToken)?;
    let expires_in = match raw.expires_in {
        Some(serde_json::Value::Number(number)) => number.as_u64(),
        Some(serde_json::Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Ok(TokenAnswer {
        claims: read_claims(&token),
        token: SecretText::new(token),
        expires_in: expires_in.unwrap_or(60),
    })
}

/// A token must fit into a header.
fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads what a JSON Web Token says of itself, without verifying it.
pub fn read_claims(token: &str) -> Option<Claims> {
    #[derive(Deserialize)]
    struct Raw {
        exp: Option<serde_json::Number>,
        access: Option<Vec<Access>>,
    }
    #[derive(Deserialize)]
    struct Access {
        #[serde(rename = "type", default)]
        kind: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        actions: Option<Vec<String>>,
    }
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let raw: Raw = serde_json::from_slice(&decode_url_safe(payload)?).ok()?;
    let shown = |access: Access| {
        let actions = access.actions.unwrap_or_default().join(",");
        let text = format!("{}:{}:{actions}", access.kind, access.name);
        pulldoctor_model::clean_line(&text).into_owned()
    };
    Some(Claims {
        access: raw
            .access
            .unwrap_or_default()
            .into_iter()
            .take(16)
            .map(shown)
            .collect(),
        expires: raw.exp.and_then(|number| number.as_i64()),
    })
}

/// Base64 in the URL alphabet, without padding. The encoder crate is not there in every build of
/// these modules, and this is all they need of it.
fn decode_url_safe(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff).try_into().ok()?);
        }
    }
    Some(out)
}

/// The scopes to ask for: the repository's own, as containerd always adds it, and those of the
/// challenge. Whatever the registry says, nothing but `pull` is asked for: the token goes back to
/// it.
pub fn pull_scopes(repository: &str, challenge: Option<&str>) -> Vec<String> {
    let mut all = vec![format!("repository:{repository}:pull")];
    for scope in challenge
        .unwrap_or_default()
        .split(' ')
        .filter(|scope| !scope.is_empty())
    {
        let scope = match scope.strip_prefix("repository:") {
            Some(rest) => match rest.rsplit_once(':') {
                Some((name, _)) => format!("repository:{name}:pull"),
                None => continue,
            },
            // ECR Public wants `aws`.
            None if !scope.contains(':') => scope.to_owned(),
            None => continue,
        };
        if !all.contains(&scope) && all.len() < MOST_SCOPES {
            all.push(scope);
        }
    }
    all
}

/// What a token service's refusal means, and what it said.
pub fn token_refusal(method: &str, realm: &str, status: u16, body: &[u8]) -> (Fault, ErrorBody) {
    let said = parse_error_body(body);
    let text = said
        .summary()
        .map_or_else(String::new, |text| format!(": {text}"));
    let problem = match status {
        429 => Problem::RateLimited,
        500.. => Problem::TokenServerError,
        400..500 => Problem::TokenRefused,
        _ => Problem::TokenUnusable,
    };
    let text = format!("unexpected status from {method} request to {realm}: {status}{text}");
    (Fault::new(problem, text), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_name_is_a_token_and_the_lifetime_has_a_default() {
        let got = parse_token(br#"{"token":"a","expires_in":300}"#).unwrap();
        assert_eq!((got.token.expose(), got.expires_in), ("a", 300));
        let got = parse_token(br#"{"token":"a","access_token":"b"}"#).unwrap();
        assert_eq!((got.token.expose(), got.expires_in), ("b", 60));
        assert_eq!(
            parse_token(br#"{"token":"a","expires_in":"9"}"#)
                .unwrap()
                .expires_in,
            9
        );
    }

    #[test]
    fn what_is_no_token_says_so() {
        assert_eq!(parse_token(b"{}"), Err(TokenError::NoToken));
        assert_eq!(parse_token(br#"{"token":""}"#), Err(TokenError::NoToken));
        assert_eq!(
            parse_token(br#"{"token":"a\r\nX: y"}"#),
            Err(TokenError::NoToken)
        );
        let page = parse_token(b" <html>").unwrap_err();
        assert_eq!(
            page.to_string(),
            "unable to decode token response: it is a web page"
        );
        assert!(parse_token(b"").is_err());
    }

    #[test]
    fn nothing_but_pull_is_asked_for() {
        assert_eq!(pull_scopes("a/b", None), ["repository:a/b:pull"]);
        assert_eq!(
            pull_scopes(
                "a/b",
                Some("repository:a/b:pull,push aws registry:catalog:* repository:c:delete")
            ),
            ["repository:a/b:pull", "aws", "repository:c:pull"]
        );
    }

    #[test]
    fn claims_are_read_without_their_key() {
        // {"exp":1700000000,"access":[{"type":"repository","name":"a/b","actions":["pull"]}]}
        let payload = "eyJleHAiOjE3MDAwMDAwMDAsImFjY2VzcyI6W3sidHlwZSI6InJlcG9zaXRvcnkiLCJuYW1lIjoiYS9iIiwiYWN0aW9ucyI6WyJwdWxsIl19XX0";
        let claims = read_claims(&format!("h.{payload}.s")).unwrap();
        assert_eq!(claims.access, ["repository:a/b:pull"]);
        assert_eq!(claims.expires, Some(1_700_000_000));
        assert_eq!(read_claims("opaque"), None);
        assert_eq!(read_claims("a.!.c"), None);
    }
}
