//! What the stage that a pull reached excludes: who got an HTTP answer had DNS, TCP and TLS. And
//! what the registry's own answer excludes, wherever it was asked from.

use pulldoctor_messages::HostRole;
use pulldoctor_model::{
    CauseId, RuledOut,
    registry::{CredentialOutcome, Facts, Problem, StageName, StageOutcome, Transcript},
};

use crate::{
    case::Case,
    node_sight::{FromNode, from_node},
    view::{Reached, from_here},
};

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
    let mut stage = Reached::of_fault(case.pull_fault());
    if reading.foreign_host.is_some() && stage > Reached::Nothing {
        // A token, blob or redirect host is only known from an answer of the registry.
        stage = stage.max(Reached::Answered);
    }
    let mut ruled = Vec::new();
    let mut add = |causes: &[CauseId], by: String| {
        ruled.extend(causes.iter().map(|cause| RuledOut {
            cause: *cause,
            by: by.clone(),
        }));
    };
    if stage >= Reached::Resolved {
        add(
            &[CauseId::RegistryUnreachableDns, CauseId::HostTypo],
            format!("the node resolved `{host}`"),
        );
    }
    if stage >= Reached::Connected {
        add(
            &[
                CauseId::RegistryUnreachableRefused,
                CauseId::RegistryUnreachableTimeout,
                CauseId::RegistryUnreachableRoute,
            ],
            format!("the node connected to `{host}`"),
        );
    }
    if stage >= Reached::Answered {
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
    if stage >= Reached::Manifest {
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

/// The causes that the node's own network excludes, apart from its runtime: how far the registry
/// itself was reached from there. Only where the judged text is about the registry itself.
pub(crate) fn by_node(case: &Case<'_>) -> Vec<RuledOut> {
    let Some(look) = from_node(case).filter(FromNode::is_nodes_own) else {
        return Vec::new();
    };
    if case.reading().foreign_host.is_some() {
        return Vec::new();
    }
    let host = case.registry();
    let reached = look.reached();
    let mut ruled = Vec::new();
    let mut add = |causes: &[CauseId], by: String| {
        ruled.extend(causes.iter().map(|cause| RuledOut {
            cause: *cause,
            by: by.clone(),
        }));
    };
    if reached >= Reached::Resolved {
        add(
            &[CauseId::RegistryUnreachableDns, CauseId::HostTypo],
            format!("`{host}` resolves on the node"),
        );
    }
    if reached >= Reached::Connected {
        add(
            &[
                CauseId::RegistryUnreachableRefused,
                CauseId::RegistryUnreachableTimeout,
                CauseId::RegistryUnreachableRoute,
            ],
            format!("the node connects to `{host}`"),
        );
    }
    if reached >= Reached::Answered {
        add(
            &[CauseId::HttpHttpsMismatch, CauseId::ConnectionInterrupted],
            format!("`{host}` answers the node"),
        );
    }
    let is_good_but_for_trust = matches!(
        look.tls_problem(case),
        None | Some(Problem::TlsUnknownAuthority)
    );
    if look.handshake(case).is_some() && is_good_but_for_trust {
        add(
            &[
                CauseId::TlsExpired,
                CauseId::TlsNotYetValid,
                CauseId::TlsNameMismatch,
            ],
            "the certificate that the node is sent is in its time and names the host".to_owned(),
        );
    }
    if look.serves_manifest() {
        add(
            &[
                CauseId::ImageNotFoundTag,
                CauseId::ImageNotFoundDigest,
                CauseId::ImageNotFoundRepo,
                CauseId::NotFoundOrPrivate,
            ],
            format!("`{host}` serves the manifest to the node without a login"),
        );
    }
    ruled
}

/// The causes that the registry's answer excludes: only those that do not depend on the place. That
/// the name resolves and the port answers here says nothing about the node.
pub(crate) fn by_registry(case: &Case<'_>) -> Vec<RuledOut> {
    let Some(sight) = from_here(case) else {
        return Vec::new();
    };
    let transcript = sight.transcript;
    let mut ruled = Vec::new();
    let mut add = |causes: &[CauseId], by: &str| {
        ruled.extend(causes.iter().map(|cause| RuledOut {
            cause: *cause,
            by: by.to_owned(),
        }));
    };
    if is_ok(transcript, StageName::Manifest) {
        add(
            &[
                CauseId::ImageNotFoundTag,
                CauseId::ImageNotFoundDigest,
                CauseId::ImageNotFoundRepo,
                CauseId::NotFoundOrPrivate,
            ],
            "the registry serves the manifest to the pod's credentials",
        );
        if login_granted(transcript) {
            add(
                &[
                    CauseId::AuthMissingCredentials,
                    CauseId::AuthBadCredentials,
                    CauseId::AuthExpiredCredentials,
                    CauseId::AuthForbidden,
                ],
                "the registry grants it to the pod's credentials",
            );
        }
    }
    if is_ok(transcript, StageName::Platform) {
        add(
            &[CauseId::PlatformMismatch],
            "the image has a variant for the node's platform",
        );
    }
    ruled
}

fn is_ok(transcript: &Transcript, name: StageName) -> bool {
    transcript
        .stage(name)
        .is_some_and(|stage| stage.outcome == StageOutcome::Ok)
}

/// Whether the manifest was served to a login of the pod.
fn login_granted(transcript: &Transcript) -> bool {
    let Some(Facts::Manifest(facts)) = transcript
        .stage(StageName::Manifest)
        .map(|stage| &stage.facts)
    else {
        return false;
    };
    facts
        .credential
        .and_then(|place| transcript.credentials.get(place))
        .is_some_and(|record| {
            record.username.is_some() && record.outcome == CredentialOutcome::Granted
        })
}
