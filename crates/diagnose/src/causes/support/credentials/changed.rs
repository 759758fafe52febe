//! The node was refused, and the registry lets the pod read: something has changed since, or the
//! node goes another way.

use pulldoctor_model::{CauseId, Finding, Timestamp, registry::CredentialRecord};

use super::{Said, lookup, refusing_host, said, verdict_on, with_login, word};
use crate::{case::Case, finding::FindingExt};

/// What contradicts the node's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed<'a> {
    /// Whom the registry lets read.
    with: &'a CredentialRecord,
    /// Whether the image is there.
    found: bool,
    /// The secret that was written after the node's last try.
    mended: Option<&'a str>,
    /// Whether it was not there at that try: the kubelet could not retrieve it, or it was created
    /// later, so that no secret of that name, or another one, was there before.
    appeared: bool,
}

/// The contradiction, if there is one.
pub(crate) fn changed<'a>(case: &Case<'a>) -> Option<Changed<'a>> {
    word(case)?;
    let Said::Opens { with, found } = said(case) else {
        return None;
    };
    let tried = last_try(case);
    let lost = tried.map_or_else(Vec::new, |tried| lost_secrets(case, Some(tried)));
    let mended = tried.and_then(|tried| {
        let keyring = lookup(case)?;
        keyring
            .matching
            .iter()
            .filter(|credential| with.username.as_ref() == Some(&credential.username))
            .filter_map(|credential| verdict_on(keyring, &credential.secret))
            .find(|secret| {
                lost.contains(&secret.name)
                    || secret
                        .written
                        .or(secret.created)
                        .is_some_and(|at| at > tried)
            })
    });
    let was_lost = mended.is_some_and(|secret| lost.contains(&secret.name));
    Some(Changed {
        with,
        found,
        mended: mended.map(|secret| secret.name.as_str()),
        appeared: was_lost
            || mended
                .and_then(|secret| secret.created)
                .zip(tried)
                .is_some_and(|(created, tried)| created > tried),
    })
}

/// The secrets that the kubelet could not retrieve, by its own event, at that time or later; at any
/// time where none is given. It says so before each try.
pub(crate) fn lost_secrets(case: &Case<'_>, since: Option<Timestamp>) -> Vec<String> {
    case.events()
        .seen()
        .unwrap_or_default()
        .iter()
        .filter(|event| event.reason == "FailedToRetrieveImagePullSecret")
        .filter(|event| since.is_none_or(|since| event.last.or(event.first) >= Some(since)))
        .flat_map(|event| pulldoctor_messages::read(&event.message).facts.secrets)
        .collect()
}

/// When the kubelet last asked the runtime to pull, as far as events tell.
fn last_try(case: &Case<'_>) -> Option<Timestamp> {
    let field = case.symptom.event_field_path();
    case.events()
        .seen()?
        .iter()
        .filter(|event| event.field_path == field)
        .filter(|event| {
            event.reason == "Pulling"
                || event.reason == "Failed" && event.message.starts_with("Failed to pull image")
        })
        .filter_map(|event| event.last.or(event.first))
        .max()
}

impl<'a> Changed<'a> {
    /// The secret that was written after the node's last try, and that opens the image now.
    pub(crate) fn mended(&self) -> Option<&'a str> {
        self.mended.filter(|_| self.found)
    }

    /// The same, where it was not there at that try.
    pub(crate) fn appeared(&self) -> Option<&'a str> {
        self.mended().filter(|_| self.appeared)
    }

    /// The contradiction in one sentence.
    pub(crate) fn summary(&self, case: &Case<'_>) -> String {
        let host = refusing_host(case);
        let who = match &self.with.username {
            Some(username) => format!("the pod's user `{username}`"),
            None => "anybody".to_owned(),
        };
        match (self.mended, self.found) {
            (Some(secret), true) if self.appeared => format!(
                "pull secret `{secret}` was not there at the node's last try, and `{host}` accepts it: the next try should work"
            ),
            (Some(secret), true) => format!(
                "pull secret `{secret}` was written after the node's last try, and `{host}` accepts it: the next try should work"
            ),
            (Some(secret), false) => format!(
                "pull secret `{secret}` was written after the node's last try; `{host}` accepts it, and the image is not there"
            ),
            (None, true) => format!(
                "`{host}` serves `{}` to {who}, asked from here, and refused the node",
                case.image_name()
            ),
            (None, false) => format!(
                "`{host}` lets {who} read, asked from here, and has no `{}`; it refused the node",
                case.image_name()
            ),
        }
    }

    /// Adds what was seen, what it excludes, and what may differ on the node.
    pub(crate) fn with_details(&self, finding: Finding, case: &Case<'_>) -> Finding {
        let Some(word) = word(case) else {
            return finding;
        };
        let mut finding = with_login(finding, case, word);
        let by = match &self.with.username {
            Some(username) => format!("the registry lets the pod's user `{username}` read"),
            None => "the registry lets anybody read".to_owned(),
        };
        let mut out = vec![CauseId::AuthForbidden, CauseId::NotFoundOrPrivate];
        if self.with.username.is_some() {
            out.extend([
                CauseId::AuthBadCredentials,
                CauseId::AuthExpiredCredentials,
                CauseId::AuthMissingCredentials,
                CauseId::PublicImageWrongCredential,
            ]);
        }
        if self.found {
            out.extend([CauseId::ImageNotFoundRepo, CauseId::ImageNotFoundTag]);
        }
        for cause in out {
            if finding.ruled_out.iter().all(|ruled| ruled.cause != cause) {
                finding = finding.rules_out(cause, by.clone());
            }
        }
        if self.mended.is_some() {
            return finding;
        }
        finding.note(
            "the node",
            "it may not have seen the secret as it is now, have a login of its own that is tried first, or go through a mirror",
        )
    }
}
