//! What the keyring tells about this image: which logins the kubelet has for it.

use pulldoctor_model::{
    Blemish, EntryFault, EntryVerdict, ExpiryKnown, Fit, KeyringFacts, MatchingCredential,
    Mismatch, SecretStanding, SecretVerdict,
};

use super::{Said, said};
use crate::case::Case;

/// The keyring, where it was asked for and could be answered.
pub(crate) fn lookup<'a>(case: &Case<'a>) -> Option<&'a KeyringFacts> {
    case.keyring().seen()
}

/// Whether the list of matching credentials is the whole truth: every secret was read, and the
/// kubelet can read them all.
pub(crate) fn is_complete(keyring: &KeyringFacts) -> bool {
    keyring.failure.is_none()
        && keyring
            .secrets
            .iter()
            .all(|secret| secret.standing != SecretStanding::Unreadable)
}

/// Whether the runtime makes no login of it: containerd needs username and password
/// (`core/remotes/docker/authorizer.go`), and asks as anybody without them.
pub(crate) fn is_blank(credential: &MatchingCredential) -> bool {
    credential.faults.iter().any(|fault| {
        matches!(
            fault,
            EntryFault::Empty { .. } | EntryFault::NoUsername | EntryFault::NoPassword { .. }
        )
    })
}

/// What spoils a login for certain, if the registry refuses it.
pub(crate) fn spoiled_by(credential: &MatchingCredential) -> Option<Blemish> {
    credential.faults.iter().find_map(|fault| match fault {
        // A password may be what only looks encoded.
        EntryFault::Password { blemish } | EntryFault::Username { blemish }
            if *blemish != Blemish::Base64 =>
        {
            Some(*blemish)
        }
        _ => None,
    })
}

/// Whether its time was over when the pods were listed, and how that is known.
pub(crate) fn expired_by(case: &Case<'_>, credential: &MatchingCredential) -> Option<ExpiryKnown> {
    credential
        .expiry
        .filter(|expiry| expiry.at <= case.evidence.observed)
        .map(|expiry| expiry.known)
}

/// The credential that a cause in a login lies in: the one that speaks for the registry's refusal,
/// or the only one that matches.
pub(crate) fn accused_credential<'a>(case: &Case<'a>) -> Option<&'a MatchingCredential> {
    let keyring = lookup(case)?;
    if let Said::Refuses(refusal) = said(case)
        && let Some(record) = refusal.login
        && let Some(credential) = keyring
            .matching
            .iter()
            .find(|credential| is_source(credential, &record.source))
    {
        return Some(credential);
    }
    match keyring.matching.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether a record of the registry's answer is of this credential: `secret shop/regcred
/// auths[registry.example.com]`, and without `auths` where the secret is of the old type.
fn is_source(credential: &MatchingCredential, source: &str) -> bool {
    let MatchingCredential { secret, key, .. } = credential;
    source.ends_with(&format!("/{secret} auths[{key}]"))
        || source.ends_with(&format!("/{secret} [{key}]"))
}

/// Whether an entry of the secret seems to be meant for the image's registry, and misses it.
pub(crate) fn has_near_key(secret: &SecretVerdict) -> bool {
    secret.standing == SecretStanding::Used && secret.entries.iter().any(is_near)
}

/// Whether an entry seems to be meant for the image's registry, and misses it.
pub(crate) fn is_near(entry: &EntryVerdict) -> bool {
    match &entry.fit {
        Fit::Mismatch { reasons, corrected } => {
            corrected.is_some()
                || reasons.iter().any(|reason| {
                    !matches!(reason, Mismatch::OtherRegistry | Mismatch::NotAUrl { .. })
                })
        }
        Fit::Matches | Fit::Shadowed { .. } => false,
    }
}
