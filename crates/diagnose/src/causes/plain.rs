//! From a fault to the cause that it stands for where nothing else is known.
//!
//! The pause image is pulled by the runtime alone: no secret, no policy and no owner of the pod
//! bears on it. What is wrong with it is therefore told by its fault, without the weighing that a
//! container's own image needs.

use pulldoctor_messages::{Fault, MissingBy};
use pulldoctor_model::CauseId;

/// The cause that a fault stands for on its own; none where it names none.
pub(crate) fn plain_cause(fault: &Fault) -> Option<CauseId> {
    Some(match fault {
        Fault::InvalidReference => CauseId::InvalidImageName,
        Fault::ShortName => CauseId::ShortNameUnresolved,
        Fault::ManifestMissing {
            by: MissingBy::Digest,
        } => CauseId::ImageNotFoundDigest,
        Fault::ManifestMissing { .. } => CauseId::ImageNotFoundTag,
        Fault::NameUnknown => CauseId::ImageNotFoundRepo,
        Fault::ImageMissing => CauseId::NotFoundOrPrivate,
        // The runtime has no login of a pod for it.
        Fault::AccessDenied | Fault::NoCredentials | Fault::Unauthorized => {
            CauseId::AuthMissingCredentials
        }
        Fault::TokenRefused { anonymous, .. } => match anonymous {
            Some(false) => CauseId::AuthBadCredentials,
            _ => CauseId::AuthMissingCredentials,
        },
        Fault::Forbidden | Fault::PermissionMissing => CauseId::AuthForbidden,
        Fault::Expired => CauseId::AuthExpiredCredentials,
        Fault::BadLogin => CauseId::AuthBadCredentials,
        Fault::RateLimited => CauseId::RateLimited,
        Fault::ServerError { .. } | Fault::UnexpectedAnswer { .. } | Fault::HttpStatus { .. } => {
            CauseId::RegistryServerError
        }
        Fault::BlockedByPolicy { .. } => CauseId::BlockedByPolicy,
        Fault::Dns { .. } => CauseId::RegistryUnreachableDns,
        Fault::Refused => CauseId::RegistryUnreachableRefused,
        Fault::DialTimeout | Fault::HeaderTimeout | Fault::TlsHandshakeTimeout => {
            CauseId::RegistryUnreachableTimeout
        }
        Fault::NoRoute | Fault::NetworkUnreachable => CauseId::RegistryUnreachableRoute,
        Fault::Proxy { .. } => CauseId::ProxyFailure,
        Fault::Interrupted => CauseId::ConnectionInterrupted,
        Fault::RedirectLoop => CauseId::RegistryServerError,
        Fault::UnknownAuthority => CauseId::TlsUnknownAuthority,
        Fault::CertificateExpired => CauseId::TlsExpired,
        Fault::CertificateNotYetValid => CauseId::TlsNotYetValid,
        Fault::NameMismatch => CauseId::TlsNameMismatch,
        Fault::TlsOther | Fault::NotTls => CauseId::TlsOther,
        Fault::PlainHttp | Fault::TlsExpected => CauseId::HttpHttpsMismatch,
        Fault::NoSpace | Fault::DiskQuota => CauseId::DiskFull,
        Fault::NoInodes => CauseId::InodesExhausted,
        Fault::ReadOnly | Fault::IoError => CauseId::DiskIoError,
        Fault::DigestMismatch
        | Fault::SizeMismatch
        | Fault::BrokenArchive
        | Fault::DiffIdMismatch
        | Fault::BlobMissing => CauseId::CorruptedContent,
        Fault::PlatformMissing => CauseId::PlatformMismatch,
        Fault::BrokenManifest | Fault::UnsupportedManifest | Fault::NoCommand => {
            CauseId::UnsupportedManifest
        }
        Fault::Signature => CauseId::SignatureRejected,
        Fault::LocalStoreDamaged => CauseId::NodeStoreDamaged,
        Fault::SnapshotRace
        | Fault::RuntimeUnavailable
        | Fault::Snapshotter
        | Fault::Unpack
        | Fault::RuntimeConfig => CauseId::RuntimeBroken,
        Fault::NoEndpoint | Fault::RegistryFile => CauseId::MirrorMisconfigured,
        Fault::QpsExceeded => CauseId::PullQpsExceeded,
        Fault::QueueBlocked => CauseId::PullQueueBlocked,
        Fault::NoProgress | Fault::DeadlineExceeded => CauseId::PullTimeout,
        Fault::Cancelled => CauseId::PullCancelled,
        Fault::NeverPull => CauseId::NeverPullAbsent,
        Fault::SandboxImage { inner } => return plain_cause(inner),
        _ => return None,
    })
}
