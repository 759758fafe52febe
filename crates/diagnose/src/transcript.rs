//! Which cause a transcript points to, by itself. What the pod's keyring, the node's own text or
//! another place say is for the engine to add.

use pulldoctor_model::{
    CauseId,
    registry::{
        CredentialOutcome, ErrorBody, Facts, Identity, ManifestFacts, Problem, Role, Stage,
        StageName, Transcript, is_digest,
    },
};

/// The cause of the first stage that failed. Nothing where none failed, or where the failure says
/// something about this probe (a credential that was held back) and not about the image.
pub fn cause_of(transcript: &Transcript) -> Option<CauseId> {
    let stage = transcript.first_failure()?;
    let problem = stage.problem?;
    if matches!(stage.stage, StageName::Token | StageName::Manifest)
        && let Some(cause) = refusal(transcript, stage, problem)
    {
        return Some(cause);
    }
    if problem == Problem::NotFound {
        return Some(missing(transcript));
    }
    of_problem(problem)
}

/// The cause of a problem where nothing else is known.
pub fn of_problem(problem: Problem) -> Option<CauseId> {
    Some(match problem {
        Problem::DnsNxdomain
        | Problem::DnsNodata
        | Problem::DnsServfail
        | Problem::DnsRefused
        | Problem::DnsTimeout
        | Problem::DnsUnreachable
        | Problem::DnsOther => CauseId::RegistryUnreachableDns,

        Problem::ProxyInvalid
        | Problem::ProxyUnreachable
        | Problem::ProxyRefused
        | Problem::ProxyFailed => CauseId::ProxyFailure,

        Problem::TcpRefused => CauseId::RegistryUnreachableRefused,
        // A handshake without an answer is the classic of a path that loses large packets.
        Problem::TcpTimeout | Problem::TlsTimeout | Problem::HttpTimeout => {
            CauseId::RegistryUnreachableTimeout
        }
        Problem::TcpNoRoute | Problem::TcpNetworkUnreachable | Problem::TcpOther => {
            CauseId::RegistryUnreachableRoute
        }

        Problem::TlsUnknownAuthority => CauseId::TlsUnknownAuthority,
        Problem::TlsIncompleteChain => CauseId::TlsIncompleteChain,
        Problem::TlsExpired => CauseId::TlsExpired,
        Problem::TlsNotYetValid => CauseId::TlsNotYetValid,
        Problem::TlsNameMismatch => CauseId::TlsNameMismatch,
        Problem::TlsLegacyCommonName
        | Problem::TlsCertificate
        | Problem::TlsClientCertificate
        | Problem::TlsCut
        | Problem::TlsHandshake => CauseId::TlsOther,
        Problem::TlsPlainHttp | Problem::TlsNotTls | Problem::HttpsExpected => {
            CauseId::HttpHttpsMismatch
        }

        Problem::HttpCut | Problem::LayerCut => CauseId::ConnectionInterrupted,
        Problem::RateLimited => CauseId::RateLimited,
        Problem::HttpMalformed
        | Problem::HttpTooLarge
        | Problem::RedirectLoop
        | Problem::ServerError
        | Problem::UnexpectedStatus
        | Problem::ChallengeUnusable
        | Problem::TokenUnusable
        | Problem::TokenServerError => CauseId::RegistryServerError,
        Problem::TokenHostUnreachable | Problem::BlobHostUnreachable => {
            CauseId::BlobHostUnreachable
        }
        Problem::BlobRefused => CauseId::BlockedByPolicy,

        Problem::TokenRefused | Problem::Unauthorized => CauseId::AuthMissingCredentials,
        Problem::Forbidden => CauseId::AuthForbidden,
        Problem::NotFound => CauseId::ImageNotFoundTag,

        Problem::ManifestMalformed
        | Problem::ManifestSchema1
        | Problem::NotAnImage
        | Problem::LayerMediaType => CauseId::UnsupportedManifest,
        Problem::NoPlatform => CauseId::PlatformMismatch,
        Problem::ManifestDigest
        | Problem::ManifestMissing
        | Problem::ConfigMissing
        | Problem::ConfigDamaged
        | Problem::LayerMissing
        | Problem::LayerDigest
        | Problem::LayerSize
        | Problem::LayerCompression
        | Problem::LayerArchive
        | Problem::LayerDiffId
        | Problem::LayerTooLarge => CauseId::CorruptedContent,

        Problem::RedirectRefused | Problem::RealmNotAllowed | Problem::CredentialWithheld => {
            return None;
        }
    })
}

/// A refusal, read beside what became of each credential.
fn refusal(transcript: &Transcript, stage: &Stage, problem: Problem) -> Option<CauseId> {
    let manifest = match &stage.facts {
        Facts::Manifest(facts) => Some(facts),
        _ => None,
    };
    if let Some(facts) = manifest
        && is_policy(facts)
    {
        return Some(CauseId::BlockedByPolicy);
    }
    if !matches!(
        problem,
        Problem::TokenRefused | Problem::Unauthorized | Problem::Forbidden
    ) {
        return None;
    }
    let anonymous = transcript
        .credentials
        .iter()
        .find(|record| record.username.is_none());
    // The login that failed first is the one that the kubelet reports, unless one got further.
    let Some(best) = transcript.speaking_login() else {
        return Some(CauseId::AuthMissingCredentials);
    };
    if anonymous.is_some_and(|record| record.outcome == CredentialOutcome::Granted) {
        return Some(CauseId::PublicImageWrongCredential);
    }
    let says_expired = best.detail.to_ascii_lowercase().contains("expired");
    Some(match (best.identity, best.problem) {
        _ if says_expired => CauseId::AuthExpiredCredentials,
        (Identity::Accepted, _) | (Identity::Unknown, Some(Problem::Forbidden)) => {
            CauseId::AuthForbidden
        }
        (Identity::Rejected | Identity::Unknown, _) => CauseId::AuthBadCredentials,
    })
}

/// Harbor's scan policy answers 412, a block for legal reasons 451, an unpaid account 402.
fn is_policy(facts: &ManifestFacts) -> bool {
    matches!(facts.status, Some(402 | 412 | 451))
        || facts
            .error
            .as_ref()
            .is_some_and(|error| error.has("PROJECTPOLICYVIOLATION"))
}

/// Whether the registry itself says that it knows no such repository: by its code, or in the
/// protocol's own form where the tags were asked for. A mere 404 may come from a registry that
/// lists no tags at all.
pub fn names_no_repository(transcript: &Transcript) -> bool {
    let unknown = |error: &ErrorBody| error.has("NAME_UNKNOWN") || error.has("REPOSITORY_UNKNOWN");
    let by_manifest = match transcript
        .stage(StageName::Manifest)
        .map(|stage| &stage.facts)
    {
        Some(Facts::Manifest(facts)) => facts.error.as_ref().is_some_and(unknown),
        _ => false,
    };
    let by_tags = transcript
        .tags
        .as_ref()
        .filter(|list| list.status == Some(404))
        .and_then(|list| list.error.as_ref())
        .is_some_and(|error| unknown(error) || error.has("NOT_FOUND"));
    by_manifest || by_tags
}

fn missing(transcript: &Transcript) -> CauseId {
    if names_no_repository(transcript) {
        CauseId::ImageNotFoundRepo
    } else if is_digest(&transcript.reference) {
        CauseId::ImageNotFoundDigest
    } else {
        CauseId::ImageNotFoundTag
    }
}

/// The stages that failed on the way to another host in this role.
pub fn failed_hosts(transcript: &Transcript, role: Role) -> impl Iterator<Item = (&str, &Stage)> {
    transcript
        .other_hosts
        .iter()
        .filter(move |other| other.role == role)
        .flat_map(|other| {
            other
                .stages
                .iter()
                .filter(|stage| stage.problem.is_some())
                .map(|stage| (other.host.as_str(), stage))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_held_back_is_no_cause() {
        let without: Vec<Problem> = Problem::ALL
            .iter()
            .copied()
            .filter(|problem| of_problem(*problem).is_none())
            .collect();
        assert_eq!(
            without,
            [
                Problem::RedirectRefused,
                Problem::RealmNotAllowed,
                Problem::CredentialWithheld
            ]
        );
    }
}
