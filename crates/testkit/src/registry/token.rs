//! Tokens: real JSON Web Tokens (ES256) under a key of this process, so that every host of one
//! process can issue and check them, a client can read their expiry, and a real registry that is
//! told [`key_set`] takes them too.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The issuer that every token names.
pub const ISSUER: &str = "testkit";
/// The name of the key in the header of every token and in [`key_set`].
const KEY_ID: &str = "testkit";
/// Bytes of a coordinate of a point on P-256.
const COORDINATE: usize = 32;

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

/// A token that says so. None where the system has no randomness to sign with.
pub(super) fn issue(claims: &Claims) -> Option<String> {
    let header = json!({"alg": "ES256", "typ": "JWT", "kid": KEY_ID}).to_string();
    let header = URL_SAFE_NO_PAD.encode(header);
    let payload = URL_SAFE_NO_PAD.encode(json!(claims).to_string());
    let signed = format!("{header}.{payload}");
    let signature = key()?.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    Some(format!("{signed}.{signature}"))
}

/// The claims of a token that this process issued for a service and that has not expired.
pub(super) fn check(token: &str, service: &str) -> Option<Claims> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key()?.public_key())
        .verify(signed.as_bytes(), &signature)
        .ok()?;
    let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.aud == service && claims.exp > now()).then_some(claims)
}

/// The public key as a JSON Web Key Set (RFC 7517). None as for [`issue`].
pub fn key_set() -> Option<Value> {
    // An uncompressed point: a byte that says so, then x and y.
    let point = key()?.public_key().as_ref();
    let (x, y) = point.get(1..)?.split_at_checked(COORDINATE)?;
    Some(json!({"keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]}))
}

fn key() -> Option<&'static EcdsaKeyPair> {
    static KEY: OnceLock<Option<EcdsaKeyPair>> = OnceLock::new();
    KEY.get_or_init(|| {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).ok()?;
        EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).ok()
    })
    .as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(exp: u64) -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            sub: String::new(),
            aud: "service".to_owned(),
            iat: 0,
            exp,
            access: Vec::new(),
        }
    }

    #[test]
    fn a_token_holds_for_its_service_until_it_expires() {
        let good = issue(&claims(now() + 60)).unwrap();
        assert!(check(&good, "service").is_some());
        assert!(check(&good, "other").is_none());
        let over = issue(&claims(now())).unwrap();
        assert!(check(&over, "service").is_none());
    }

    #[test]
    fn a_changed_token_is_refused() {
        let good = issue(&claims(now() + 60)).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check(&changed, "service").is_none(), "{at}");
        }
    }

    #[test]
    fn the_key_set_checks_what_was_signed() {
        let set = key_set().unwrap();
        let coordinate = |name: &str| {
            let text = set["keys"][0][name].as_str().unwrap();
            URL_SAFE_NO_PAD.decode(text).unwrap()
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let token = issue(&claims(now() + 60)).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(
                signed.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .unwrap();
    }
}
