//! What the kubelet of a node says beside a probe from there: it is made to pull a manifest that no
//! repository has, with the pull secrets that a person chose and all that the node has of its own.

use pulldoctor_messages::{Fault, HostRole, Reading, read};
use pulldoctor_model::{
    CauseId, Confidence, Family, KubeletPull, Question,
    registry::{Problem, Transcript},
};
use pulldoctor_reference::Reference;

use super::{ProbeVerdict, beside::is_login_wanted};
use crate::causes::support::credentials::{Word, word_of};

/// A digest that no manifest has.
const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What the kubelet's credentials are worth for an image's repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// They let it read: the registry says that there is no such manifest.
    Good,
    /// A login was sent and refused.
    Refused,
    /// No login was sent, and the registry wants one.
    Nothing,
    /// Refused, and not told with what.
    Unclear,
}

/// What the kubelet of a node is made to pull, so that its answer tells what credentials are worth
/// and nothing is fetched.
pub fn kubelet_question(
    node: &str,
    namespace: &str,
    secrets: Vec<String>,
    service_account: Option<String>,
    image: &Reference,
) -> Question {
    Question::KubeletPull {
        node: node.to_owned(),
        namespace: namespace.to_owned(),
        secrets,
        service_account,
        image: format!("{}@{NO_DIGEST}", image.repo()),
    }
}

/// Whether a probe from elsewhere came to the point at which a login matters. A missing manifest is
/// such a point only where nothing tells that the reader was let in.
pub fn wants_login(there: &Transcript) -> bool {
    let beyond_trust = there.stages.iter().find(|stage| {
        !matches!(
            stage.problem,
            None | Some(Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain)
        )
    });
    beyond_trust.is_some_and(|stage| is_login_wanted(stage.stage, stage.problem))
        && there.tags.as_ref().and_then(|list| list.status) != Some(200)
}

/// What the kubelet's credentials are worth; nothing where its answer does not tell.
pub fn kubelet_worth(pull: &KubeletPull) -> Option<Worth> {
    kubelet_worth_of(&read(&pull.message), pull)
}

/// The same, by what its text says. What a mirror said is not the registry's word.
pub(crate) fn kubelet_worth_of(reading: &Reading, pull: &KubeletPull) -> Option<Worth> {
    let of_mirror = reading
        .foreign_host
        .as_ref()
        .is_some_and(|host| matches!(host.role, HostRole::Mirror | HostRole::Proxy));
    if pull.got || of_mirror {
        return None;
    }
    if matches!(
        reading.fault,
        Fault::ManifestMissing { .. } | Fault::NameUnknown
    ) {
        return Some(Worth::Good);
    }
    Some(match word_of(reading)? {
        Word::NothingSent => Worth::Nothing,
        word if word.tells_of_login() => Worth::Refused,
        _ => Worth::Unclear,
    })
}

/// Weighs what the kubelet of a node said of its credentials against what the probe came to. Its
/// word is the node's own, so it is never less than that of this computer.
pub fn weigh(mut verdict: ProbeVerdict, node: &str, worth: Option<Worth>) -> ProbeVerdict {
    let is_about_login = verdict.cause.is_some_and(|cause| {
        cause.family() == Family::Credentials && cause != CauseId::NotFoundOrPrivate
    });
    let said = match worth {
        Some(Worth::Refused) => (
            CauseId::AuthBadCredentials,
            format!("the login that the kubelet of node `{node}` sends is refused"),
        ),
        Some(Worth::Nothing) => (
            CauseId::AuthMissingCredentials,
            format!("the kubelet of node `{node}` has no login for this registry"),
        ),
        Some(Worth::Good) if is_about_login => {
            // With which of its credentials is not told, and the image itself was not asked for.
            return ProbeVerdict {
                cause: None,
                confidence: None,
                summary: format!(
                    "the kubelet of node `{node}` is let in with what it has; whether the image is \
                     there was not asked with that"
                ),
                rivals: Vec::new(),
                caret: None,
                is_partial: true,
            };
        }
        Some(Worth::Good | Worth::Unclear) | None => return verdict,
    };
    let (cause, summary) = said;
    match verdict.cause {
        // The same from two sides.
        Some(known) if known == cause => {
            if verdict.rivals.is_empty() {
                verdict.confidence = Some(Confidence::Proven);
            }
            verdict
        }
        // A defect of a secret says why there is no login, and more than that there is none.
        Some(known) if known != CauseId::AuthMissingCredentials && is_about_login => verdict,
        Some(CauseId::AuthMissingCredentials) => ProbeVerdict {
            cause: Some(cause),
            confidence: Some(Confidence::Likely),
            summary,
            rivals: vec![(
                CauseId::AuthForbidden,
                "the login may be good and lack the right",
            )],
            caret: None,
            is_partial: false,
        },
        None if !verdict.is_partial => ProbeVerdict {
            cause: Some(cause),
            confidence: Some(Confidence::Possible),
            summary: format!("{summary}, and every stage is good with the logins from here"),
            rivals: vec![(
                CauseId::MirrorMisconfigured,
                "the runtime may send them to a mirror, which a probe does not see",
            )],
            caret: None,
            is_partial: false,
        },
        _ => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "registry.example.com/shop/api";

    fn pull(end: &str) -> KubeletPull {
        let name = format!("{IMAGE}@{NO_DIGEST}");
        KubeletPull {
            got: false,
            was_there: false,
            reason: "ErrImagePull".to_owned(),
            message: format!(
                "failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {end}"
            ),
        }
    }

    fn verdict(cause: Option<CauseId>) -> ProbeVerdict {
        ProbeVerdict {
            cause,
            confidence: cause.map(|_| Confidence::Likely),
            summary: "as the probe says".to_owned(),
            rivals: Vec::new(),
            caret: None,
            is_partial: false,
        }
    }

    #[test]
    fn what_the_kubelet_says_is_read() {
        let not_found = format!("{IMAGE}@{NO_DIGEST}: not found");
        for (end, worth) in [
            (not_found.as_str(), Some(Worth::Good)),
            (
                "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
                Some(Worth::Nothing),
            ),
            (
                "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://auth.example.com/token: 401 Unauthorized",
                Some(Worth::Refused),
            ),
            ("failed to do request: dial tcp: i/o timeout", None),
        ] {
            assert_eq!(kubelet_worth(&pull(end)), worth, "{end}");
        }
    }

    #[test]
    fn the_nodes_word_is_weighed() {
        use CauseId::{
            AuthBadCredentials as Bad, AuthMissingCredentials as Missing,
            ImageNotFoundTag as NoTag, NotFoundOrPrivate as Hidden, SecretWrongHost as WrongHost,
        };
        use Confidence::{Likely, Possible, Proven};
        for (cause, worth, expected) in [
            (Some(Bad), Worth::Refused, Some((Bad, Proven))),
            (Some(Missing), Worth::Nothing, Some((Missing, Proven))),
            (Some(Missing), Worth::Refused, Some((Bad, Likely))),
            (Some(WrongHost), Worth::Nothing, Some((WrongHost, Likely))),
            (None, Worth::Refused, Some((Bad, Possible))),
            (None, Worth::Nothing, Some((Missing, Possible))),
            (None, Worth::Good, None),
            (Some(Missing), Worth::Good, None),
            (Some(Hidden), Worth::Nothing, Some((Hidden, Likely))),
            (Some(NoTag), Worth::Good, Some((NoTag, Likely))),
            (Some(NoTag), Worth::Refused, Some((NoTag, Likely))),
            (Some(Bad), Worth::Unclear, Some((Bad, Likely))),
        ] {
            let weighed = weigh(verdict(cause), "n1", Some(worth));
            let found = weighed.cause.zip(weighed.confidence);
            assert_eq!(found, expected, "{cause:?} {worth:?}");
            // What turns a refusal around leaves something open, and nothing else does.
            let turned = cause == Some(Missing) && worth == Worth::Good;
            assert_eq!(weighed.is_partial, turned, "{cause:?} {worth:?}");
        }
    }
}
