//! What is odd about one entry.

use pulldoctor_model::{Blemish, CredentialKind, EntryFault, EntryVerdict};

use crate::config::Entry;
use crate::go::base64::{Encoding, decode};
use crate::pull_secret::PullSecret;
use crate::show;
use crate::token;

use super::fit::Target;

pub(super) fn verdict(entry: &Entry, secret: &PullSecret, target: &Target) -> EntryVerdict {
    let password = entry.password.expose().as_slice();
    let kind = token::recognise(&entry.username, password);
    let written = secret.written.or(secret.created);
    EntryVerdict {
        key: show::key(&entry.key),
        username: entry.shown_username(),
        kind,
        expiry: token::expiry(kind, password, written),
        faults: faults(entry, kind),
        fit: target.fit(&entry.key),
    }
}

fn faults(entry: &Entry, kind: CredentialKind) -> Vec<EntryFault> {
    let mut faults = Vec::new();
    let username = entry.username.as_slice();
    let password = entry.password.expose().as_slice();
    let unread = || {
        entry
            .fields
            .unread
            .iter()
            .map(|name| (*name).to_owned())
            .collect()
    };
    if entry.fault.is_some() {
        faults.push(EntryFault::Malformed);
    } else {
        match (username.is_empty(), password.is_empty()) {
            (true, true) => faults.push(EntryFault::Empty { unread: unread() }),
            (true, false) => faults.push(EntryFault::NoUsername),
            (false, true) => faults.push(EntryFault::NoPassword { unread: unread() }),
            (false, false) => {}
        }
    }
    if let Some(blemish) = blemish(password, kind) {
        faults.push(EntryFault::Password { blemish });
    }
    if let Some(blemish) = blemish(username, kind).filter(|blemish| *blemish != Blemish::Base64) {
        faults.push(EntryFault::Username { blemish });
    }
    if entry.fault.is_none() && !entry.fields.auth.expose().is_empty() {
        let differs =
            |field: &str, effective: &[u8]| !field.is_empty() && field.as_bytes() != effective;
        let username_differs = differs(&entry.fields.username, username);
        let password_differs = differs(entry.fields.password.expose(), password);
        if username_differs || password_differs {
            faults.push(EntryFault::Contradiction {
                username: username_differs,
                password: password_differs,
                overridden: show::username(entry.fields.username.as_bytes(), &entry.passwords()),
            });
        }
    }
    if str::from_utf8(username).is_ok_and(|username| token::prefix(username).is_some()) {
        faults.push(EntryFault::TokenAsUsername);
    }
    if entry.repeated {
        faults.push(EntryFault::Repeated);
    }
    faults
}

/// What a username or password has that was not meant, most telling first.
fn blemish(value: &[u8], kind: CredentialKind) -> Option<Blemish> {
    let Ok(text) = str::from_utf8(value) else {
        return Some(Blemish::NotUtf8);
    };
    if text.starts_with('\u{feff}') {
        return Some(Blemish::ByteOrderMark);
    }
    // A service account's key is JSON, where white space is nothing.
    let is_json = kind == CredentialKind::GoogleServiceAccountKey && text.trim().starts_with('{');
    if is_json || text.is_empty() {
        return None;
    }
    if text.ends_with('\n') {
        return Some(Blemish::TrailingNewline);
    }
    if text.trim() != text {
        return Some(Blemish::SurroundingSpace);
    }
    if text.len() >= 2
        && ['"', '\'']
            .iter()
            .any(|q| text.starts_with(*q) && text.ends_with(*q))
    {
        return Some(Blemish::Quotes);
    }
    if text.chars().any(char::is_control) {
        return Some(Blemish::ControlCharacter);
    }
    if is_placeholder(text) {
        return Some(Blemish::Placeholder);
    }
    if text.chars().count() >= 3 && text.chars().all(|c| matches!(c, '*' | '•' | '●')) {
        return Some(Blemish::Masked);
    }
    (kind == CredentialKind::Password && looks_encoded(text)).then_some(Blemish::Base64)
}

/// A whole value that a template or a shell should have filled in.
fn is_placeholder(text: &str) -> bool {
    let between = |start: &str, end: &str| {
        text.len() > start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
    };
    let is_variable = text.strip_prefix('$').is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    is_variable
        || between("${", "}")
        || between("$(", ")")
        || between("{{", "}}")
        || between("<", ">")
        || between("%", "%")
        || matches!(text, "null" | "undefined" | "None")
}

/// Whether a text is base64 of printable text: hardly so by chance.
fn looks_encoded(text: &str) -> bool {
    const LEAST: usize = 8;
    let digits = text.trim_end_matches('=');
    text.len() >= LEAST
        && text.len().is_multiple_of(4)
        && decode(Encoding::RawStd, digits.as_bytes()).is_ok_and(|decoded| {
            let core = decoded.trim_ascii_end();
            core.len() >= 5 && core.iter().all(|byte| matches!(byte, b' '..=b'~'))
        })
}
