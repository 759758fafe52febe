//! `host-typo`.

use pulldoctor_messages::{DnsFault, Fault};
use pulldoctor_model::{CauseId, Confidence, Question};
use strsim::damerau_levenshtein;

use super::support::with_set_image;
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # host-typo
    ///
    /// ## What it means
    ///
    /// The first part of the image's name was read as the host of a registry, and there is no
    /// such host: a typo in the host (`regsitry.example.com`), a stray dot (`ghcr.io.`), or an
    /// upper-case namespace (`MyOrg/app`), which newer runtimes read as a host.
    ///
    /// ## How we know
    ///
    /// The node's name server answers that the name does not exist, and a host that is one or two
    /// letters away is one that other pods of this cluster pull from.
    ///
    /// ## What to do
    ///
    /// Set the image to the right host.
    ///
    /// ## What it is not
    ///
    /// A host that only this node cannot resolve, or that no near host explains, is
    /// `registry-unreachable-dns`.
    ///
    /// ## Sources
    ///
    /// - distribution/reference `normalize.go`: what makes a first part a host; since 0.5
    ///   (kubelet 1.29) an upper-case letter does.
    HostTypo
    generals: [RegistryUnreachableDns],
}

/// Public registries that a typo may have meant.
const PUBLIC: &[&str] = &[
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "quay.io",
    "registry.gitlab.com",
    "registry.k8s.io",
    "registry.redhat.io",
    "registry.access.redhat.com",
    "nvcr.io",
];

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::Dns {
        failure: DnsFault::NoSuchHost,
    } = case.fault()
    else {
        return None;
    };
    // Another host than the one that the image names is a mirror's or a blob host's fault.
    if case.reading().foreign_host.is_some() {
        return None;
    }
    let image = case.image.as_ref()?;
    let span = image.spans().registry?;
    let written = span.of(image.as_written())?;
    if let Some(near) = near_in_use(case, written) {
        let right = format!("{near}{}", &image.as_written()[span.end..]);
        let finding = case
            .finding(
                CauseId::HostTypo,
                Confidence::Proven,
                case.image_object(),
                format!("`{written}` does not exist; other pods pull from `{near}`"),
            )
            .seen(
                case.registries_in_use().answered(),
                format!("`{near}` serves other pods of this cluster"),
            )
            .caret(Some(span), format!("no such host; `{near}`?"));
        return Some(
            with_set_image(finding, case, "set-host", format!("use `{right}`"), &right).into(),
        );
    }
    let guess = near_public(written)
        .map(str::to_owned)
        .or_else(|| upper_case_owner(written))?;
    let finding = case
        .finding(
            CauseId::HostTypo,
            Confidence::Possible,
            case.image_object(),
            format!("`{written}` does not exist; perhaps `{guess}` is meant"),
        )
        .rival(
            CauseId::RegistryUnreachableDns,
            "the name may be right and only unknown to the node's name server",
            case.node_view_question().map_or_else(
                || "a lookup on the node".to_owned(),
                |question| question.to_string(),
            ),
        )
        .caret(Some(span), format!("no such host; `{guess}`?"));
    Some(finding.into())
}

/// A registry that works for other pods and whose name is one or two edits away.
fn near_in_use(case: &Case<'_>, written: &str) -> Option<String> {
    let registries = case.registries_in_use().seen()?;
    registries
        .iter()
        .filter(|registry| registry.usage.pulled > 0)
        .filter(|registry| is_near(written, &registry.host))
        .min_by_key(|registry| damerau_levenshtein(written, &registry.host))
        .map(|registry| registry.host.clone())
}

fn near_public(written: &str) -> Option<&'static str> {
    PUBLIC
        .iter()
        .filter(|host| is_near(written, host))
        .min_by_key(|host| damerau_levenshtein(written, host))
        .copied()
}

/// `MyOrg` in `MyOrg/app:1` is a namespace of Docker Hub whose name is lower-case.
fn upper_case_owner(written: &str) -> Option<String> {
    let is_plain = !written.contains(['.', ':']) && written.chars().any(char::is_uppercase);
    is_plain.then(|| format!("docker.io/{}", written.to_lowercase()))
}

/// Near enough to be a slip of the fingers: one edit, two for names of at least ten letters; the
/// port has to agree.
fn is_near(written: &str, host: &str) -> bool {
    let distance = damerau_levenshtein(written, host);
    let allowed = if host.len() >= 10 { 2 } else { 1 };
    distance > 0 && distance <= allowed && port(written) == port(host)
}

fn port(host: &str) -> Option<&str> {
    host.rsplit_once(':').map(|(_, port)| port)
}
