//! What the stage that a pull reached excludes: who got an HTTP answer had DNS, TCP and TLS.

use pulldoctor_messages::{Fault, HostRole};
use pulldoctor_model::{CauseId, RuledOut};

use crate::case::Case;

/// How far the request that failed had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing is known, or nothing was sent.
    None,
    /// The name resolved.
    Resolved,
    /// The port answered.
    Connected,
    /// The registry spoke HTTP.
    Answered,
    /// The manifest was served.
    Manifest,
}

/// The causes that the judged text excludes by the stage that it reached.
///
/// A text about a mirror excludes nothing about the registry behind it.
pub(crate) fn by_stage(case: &Case<'_>) -> Vec<RuledOut> {
    let reading = case.reading();
    if reading
        .foreign_host
        .as_ref()
        .is_some_and(|host| matches!(host.role, HostRole::Mirror | HostRole::Proxy))
    {
        return Vec::new();
    }
    let host = case.registry();
    let mut stage = stage_of(case.pull_fault());
    if reading.foreign_host.is_some() && stage > Stage::None {
        // A token, blob or redirect host is only known from an answer of the registry.
        stage = stage.max(Stage::Answered);
    }
    let mut ruled = Vec::new();
    let mut add = |causes: &[CauseId], by: String| {
        ruled.extend(causes.iter().map(|cause| RuledOut {
            cause: *cause,
            by: by.clone(),
        }));
    };
    if stage >= Stage::Resolved {
        add(
            &[CauseId::RegistryUnreachableDns, CauseId::HostTypo],
            format!("the node resolved `{host}`"),
        );
    }
    if stage >= Stage::Connected {
        add(
            &[
                CauseId::RegistryUnreachableRefused,
                CauseId::RegistryUnreachableTimeout,
                CauseId::RegistryUnreachableRoute,
            ],
            format!("the node connected to `{host}`"),
        );
    }
    if stage >= Stage::Answered {
        add(
            &[
                CauseId::TlsUnknownAuthority,
                CauseId::TlsExpired,
                CauseId::TlsNameMismatch,
                CauseId::HttpHttpsMismatch,
            ],
            format!("`{host}` answered the node's request"),
        );
    }
    if stage >= Stage::Manifest {
        add(
            &[
                CauseId::ImageNotFoundRepo,
                CauseId::ImageNotFoundTag,
                CauseId::ImageNotFoundDigest,
                CauseId::NotFoundOrPrivate,
                CauseId::AuthMissingCredentials,
                CauseId::AuthBadCredentials,
            ],
            format!("`{host}` served the manifest"),
        );
    }
    ruled
}

fn stage_of(fault: &Fault) -> Stage {
    match fault {
        Fault::Refused | Fault::DialTimeout | Fault::NoRoute => Stage::Resolved,
        Fault::HeaderTimeout
        | Fault::TlsHandshakeTimeout
        | Fault::UnknownAuthority
        | Fault::CertificateExpired
        | Fault::CertificateNotYetValid
        | Fault::NameMismatch
        | Fault::TlsOther
        | Fault::PlainHttp
        | Fault::TlsExpected
        | Fault::NotTls => Stage::Connected,
        Fault::ManifestMissing { .. }
        | Fault::NameUnknown
        | Fault::AccessDenied
        | Fault::NoCredentials
        | Fault::TokenRefused { .. }
        | Fault::Unauthorized
        | Fault::Forbidden
        | Fault::PermissionMissing
        | Fault::Expired
        | Fault::BadLogin
        | Fault::RateLimited
        | Fault::ServerError { .. }
        | Fault::HttpStatus { .. } => Stage::Answered,
        Fault::PlatformMissing
        | Fault::NoSpace
        | Fault::NoInodes
        | Fault::DigestMismatch
        | Fault::SizeMismatch
        | Fault::BrokenArchive
        | Fault::DiffIdMismatch
        | Fault::BlobMissing
        | Fault::UnsupportedManifest => Stage::Manifest,
        _ => Stage::None,
    }
}
