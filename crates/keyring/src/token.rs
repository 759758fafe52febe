//! What a password is, by its shape, and until when it is good.

use jiff::{SignedDuration, Timestamp};
use pulldoctor_model::{CredentialKind, Expiry, ExpiryKnown};
use serde_json::Value;

use crate::go::base64::{Encoding, decode};

/// Prefixes that the vendors document for their tokens.
const PREFIXES: &[(&str, CredentialKind)] = &[
    ("github_pat_", CredentialKind::GithubFineGrainedToken),
    ("ghp_", CredentialKind::GithubPersonalToken),
    ("ghs_", CredentialKind::GithubAppToken),
    ("gho_", CredentialKind::GithubOauthToken),
    ("ghu_", CredentialKind::GithubAppToken),
    ("glpat-", CredentialKind::GitlabPersonalToken),
    ("gldt-", CredentialKind::GitlabDeployToken),
    ("glcbt-", CredentialKind::GitlabJobToken),
    ("dckr_pat_", CredentialKind::DockerHubToken),
    ("dckr_oat_", CredentialKind::DockerHubToken),
    ("ya29.", CredentialKind::GoogleAccessToken),
];

/// The username of ACR's refresh tokens.
const NOBODY: &[u8] = b"00000000-0000-0000-0000-000000000000";

/// No token that says when it ends is longer.
const LONGEST: usize = 64 * 1024;

/// The prefix that makes a text a token.
pub(crate) fn prefix(text: &str) -> Option<&'static str> {
    let known = PREFIXES.iter().map(|(prefix, _)| *prefix);
    known
        .chain(["eyJ"])
        .find(|prefix| text.starts_with(prefix))
        .filter(|prefix| *prefix != "eyJ" || text.contains('.'))
}

/// What a credential is.
pub(crate) fn recognise(username: &[u8], password: &[u8]) -> CredentialKind {
    let by_prefix = |text: &[u8]| {
        PREFIXES
            .iter()
            .find(|(prefix, _)| text.starts_with(prefix.as_bytes()))
            .map(|(_, kind)| *kind)
    };
    if let Some(kind) = by_prefix(password).or_else(|| by_prefix(username)) {
        return kind;
    }
    if password.is_empty() {
        return CredentialKind::Empty;
    }
    match username {
        b"_json_key" | b"_json_key_base64" => return CredentialKind::GoogleServiceAccountKey,
        b"gitlab-ci-token" => return CredentialKind::GitlabJobToken,
        b"AWS" => return CredentialKind::EcrToken,
        _ => {}
    }
    if ecr_expiration(password).is_some() {
        return CredentialKind::EcrToken;
    }
    match claims(password) {
        Some(claims) if username == NOBODY || is_azure(&claims) => CredentialKind::AzureToken,
        Some(_) => CredentialKind::Jwt,
        None => CredentialKind::Password,
    }
}

/// Until when a credential is good; `written` is when it was put where it was found.
pub(crate) fn expiry(
    kind: CredentialKind,
    password: &[u8],
    written: Option<Timestamp>,
) -> Option<Expiry> {
    let stated = match kind {
        CredentialKind::EcrToken => ecr_expiration(password),
        _ => claims(password).and_then(|claims| seconds(claims.get("exp")?)),
    };
    if let Some(at) = stated {
        return Some(Expiry {
            at,
            known: ExpiryKnown::Stated,
        });
    }
    let hours = match kind {
        CredentialKind::EcrToken => 12,
        CredentialKind::AzureToken => 3,
        CredentialKind::GoogleAccessToken => 1,
        CredentialKind::GithubAppToken => 24,
        _ => return None,
    };
    let at = written?
        .checked_add(SignedDuration::from_hours(hours))
        .ok()?;
    Some(Expiry {
        at,
        known: ExpiryKnown::LongestLife,
    })
}

/// The claims of a JSON Web Token. Its signature is not looked at.
fn claims(token: &[u8]) -> Option<Value> {
    if !token.starts_with(b"eyJ") || token.len() > LONGEST {
        return None;
    }
    let mut parts = token.trim_ascii().split(|byte| *byte == b'.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = decode(Encoding::RawUrl, payload).ok()?;
    serde_json::from_slice(&payload)
        .ok()
        .filter(Value::is_object)
}

fn is_azure(claims: &Value) -> bool {
    claims
        .get("iss")
        .and_then(Value::as_str)
        .is_some_and(|issuer| issuer == "Azure Container Registry" || issuer.contains("azurecr.io"))
}

/// What `aws ecr get-login-password` prints is base64 of
/// `{"payload": …, "datakey": …, "version": "2", "type": "DATA_KEY", "expiration": 1700000000}`.
fn ecr_expiration(password: &[u8]) -> Option<Timestamp> {
    if !password.starts_with(b"eyJ") || password.len() > LONGEST {
        return None;
    }
    let text = password.trim_ascii();
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|byte| *byte != b'=')? + 1;
    let decoded = decode(Encoding::RawStd, &text[..end]).ok()?;
    let token: Value = serde_json::from_slice(&decoded).ok()?;
    token.get("payload")?;
    seconds(token.get("expiration")?)
}

fn seconds(value: &Value) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what does not fit is no point in time either: the cast saturates"
    )]
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}
