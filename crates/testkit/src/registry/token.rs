//! Tokens: real JSON Web Tokens (HS256) under a key of this process, so that every host of one
//! process can issue and check them and a client can read their expiry.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    /// The user; empty for an anonymous one.
    pub(super) sub: String,
    /// The service that it is for.
    pub(super) aud: String,
    /// Unix seconds.
    pub(super) iat: u64,
    /// Unix seconds.
    pub(super) exp: u64,
    pub(super) access: Vec<Access>,
}

/// One granted scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) actions: Vec<String>,
}

pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

pub(super) fn issue(claims: &Claims) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "typ": "JWT"}).to_string());
    let payload = URL_SAFE_NO_PAD.encode(json!(claims).to_string());
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key(), signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// The claims of a token that this process issued for a service and that has not expired.
pub(super) fn check(token: &str, service: &str) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    hmac::verify(key(), signed.as_bytes(), &signature).ok()?;
    let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.aud == service && claims.exp > now()).then_some(claims)
}

fn key() -> &'static hmac::Key {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    KEY.get_or_init(|| {
        hmac::Key::generate(hmac::HMAC_SHA256, &ring::rand::SystemRandom::new())
            // Without randomness the tokens of a test are merely guessable.
            .unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, b"testkit"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: u64) -> Claims {
        Claims {
            iss: "testkit".to_owned(),
            sub: String::new(),
            aud: "service".to_owned(),
            iat: 0,
            exp,
            access: Vec::new(),
        }
    }

    #[test]
    fn a_token_holds_for_its_service_until_it_expires() {
        let good = issue(&claims(now() + 60));
        assert!(check(&good, "service").is_some());
        assert!(check(&good, "other").is_none());
        assert!(check(&issue(&claims(now())), "service").is_none());
    }

    #[test]
    fn a_changed_token_is_refused() {
        let good = issue(&claims(now() + 60));
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check(&changed, "service").is_none(), "{at}");
        }
    }
}
