//! Folds the phrases of a text into a [`Reading`].

use crate::draft::{Draft, Sandbox, Weight};
use crate::text::{Clean, clean, keep};
use crate::{
    CredentialUse, Fault, ForeignHost, HostRole, Layer, Reading, Runtime, image, scan, split,
};

/// Reads one message.
///
/// Never fails: what is not recognised gives [`Fault::Unknown`]. Texts beyond 64 KiB are read at
/// their head and tail only; the time is linear in what is read.
pub fn read(text: &str) -> Reading {
    read_weighed(text).1
}

/// Reads one message; the weight tells how exactly it names its fault.
pub(crate) fn read_weighed(text: &str) -> (Weight, Reading) {
    let mut clean = clean(text);
    split::without_artifact(&mut clean);
    if let Some((primary, mirrors)) = split::mirrors(&clean) {
        let (mut reading, weight) = one(&crate::text::clean(&primary));
        reading.layers.push(crate::Layer::MirrorsFailed);
        reading.attempts = mirrors
            .iter()
            .map(|text| one(&crate::text::clean(text)).0)
            .collect();
        reading.truncated = clean.truncated;
        return (weight, reading);
    }
    let parts = split::attempts(&clean);
    if parts.len() < 2 {
        let (reading, weight) = one(&clean);
        return (weight, reading);
    }
    combine(&clean, &parts)
}

/// Reads a list of attempts: each on its own, and the whole as the one that tells most.
fn combine(clean: &Clean, parts: &[String]) -> (Weight, Reading) {
    let attempts: Vec<(Reading, Weight)> = parts
        .iter()
        .map(|part| one(&crate::text::clean(part)))
        .collect();
    // The kubelet tries each credential in turn; a provider's empty entry makes an anonymous try.
    // What was said to a credential tells more than what was said to nobody, and what was said to
    // one that was let in more than the refusal of another: the pull ended there.
    let best = attempts
        .iter()
        .enumerate()
        .max_by_key(|(index, (reading, weight))| {
            (
                reading.credential != Some(CredentialUse::Anonymous),
                is_told_inside(&reading.fault),
                *weight,
                attempts.len() - index,
            )
        })
        .map_or(0, |(index, _)| index);
    let outer = one(clean).0;
    let (mut whole, weight) = attempts[best].clone();
    whole.reason = outer.reason.or(whole.reason);
    whole.image = outer.image.or(whole.image);
    whole.registry = outer.registry.or(whole.registry);
    whole.runtime = whole.runtime.or(outer.runtime);
    let own = outer
        .layers
        .iter()
        .take_while(|layer| whole.layers.first() != Some(layer))
        .copied();
    whole.layers = own.chain(whole.layers.iter().copied()).collect();
    if matches!(
        whole.fault,
        Fault::AccessDenied
            | Fault::Unauthorized
            | Fault::TokenRefused {
                anonymous: Some(false),
                ..
            }
    ) && whole.credential.is_none()
    {
        whole.credential = Some(CredentialUse::WithCredentials);
    }
    whole.truncated = clean.truncated;
    whole.attempts = attempts.into_iter().map(|(reading, _)| reading).collect();
    (weight, whole)
}

/// Whether a fault is told only to whom the registry lets read.
fn is_told_inside(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::ManifestMissing { .. }
            | Fault::PlatformMissing
            | Fault::UnsupportedManifest
            | Fault::BlobMissing
            | Fault::DigestMismatch
            | Fault::SizeMismatch
            | Fault::BrokenArchive
            | Fault::DiffIdMismatch
            | Fault::NoSpace
            | Fault::NoInodes
    )
}

/// Reads a text that holds one error.
fn one(clean: &Clean) -> (Reading, Weight) {
    let mut draft = Draft::new(clean);
    scan::scan(&mut draft);
    let (weight, mut fault) = draft
        .take_fault()
        .unwrap_or((Weight::Nothing, Fault::Unknown));
    if draft.sandbox != Sandbox::No {
        // Whatever is pulled while a sandbox is made is the pause image.
        let pulled = [
            Layer::FailedToPull,
            Layer::PullAndUnpack,
            Layer::InitializingSource,
            Layer::ReadingManifest,
        ]
        .iter()
        .any(|layer| draft.has(*layer));
        fault = sandbox(
            fault,
            pulled || draft.sandbox == Sandbox::PauseImage,
            weight,
        );
    }
    let image = draft
        .images
        .first()
        .cloned()
        .or_else(|| of_url(&draft).and_then(|(_, image)| image));
    let registry = registry(&draft);
    let foreign_host = foreign(&draft, registry.as_deref());
    if let Fault::TokenRefused {
        status: Some(401),
        anonymous: anonymous @ None,
    } = &mut fault
        && foreign_host.is_none()
        && registry.as_deref().is_some_and(gives_everyone_a_token)
    {
        *anonymous = Some(false);
        draft.credential = Some(CredentialUse::WithCredentials);
    }
    let reading = Reading {
        reason: draft.reason,
        code: draft.code,
        runtime: draft.runtime,
        operation: draft.operation,
        image,
        registry,
        method: draft.method,
        url: draft.url,
        status: draft.status,
        credential: draft.credential,
        server_message: draft.server_message,
        foreign_host,
        fault,
        facts: draft.facts,
        layers: draft.layers,
        attempts: Vec::new(),
        truncated: clean.truncated,
    };
    (reading, weight)
}

/// Whether the registry's token service turns away nobody who comes without a login; what such a
/// token may read is another matter. Its 401 then speaks of the login that was sent.
fn gives_everyone_a_token(registry: &str) -> bool {
    image::same_registry(registry, "docker.io") || registry == "quay.io"
}

/// A sandbox that cannot start is about an image only if the text names the pause image.
fn sandbox(fault: Fault, pause_image: bool, weight: Weight) -> Fault {
    match fault {
        Fault::NotAPullProblem => Fault::NotAPullProblem,
        fault if pause_image => Fault::SandboxImage {
            inner: Box::new(fault),
        },
        fault if weight > Weight::Hint => fault,
        _ => Fault::NotAPullProblem,
    }
}

/// The image's registry: of the first name that has one. Docker and containerd take Docker Hub
/// where there is none.
fn registry(draft: &Draft<'_>) -> Option<String> {
    let explicit = draft
        .images
        .iter()
        .find_map(|name| match image::registry(name) {
            image::Registry::Host(host) => Some(keep(&host, 255)),
            image::Registry::Implied => None,
        });
    if explicit.is_some() {
        return explicit;
    }
    if draft.images.is_empty() {
        return of_url(draft).map(|(registry, _)| registry);
    }
    let implied = draft.runtime.is_some() && draft.runtime != Some(Runtime::CriO);
    implied.then(|| "docker.io".to_owned())
}

/// What a request in the registry's own protocol tells of an image that no other words name:
/// its registry and, if the URL is a manifest's (`/v2/NAME/manifests/REFERENCE`), the image.
fn of_url(draft: &Draft<'_>) -> Option<(String, Option<String>)> {
    let url = draft
        .url
        .as_ref()
        .filter(|url| !url.is_token_endpoint && url.path.starts_with("/v"))?;
    let host = draft
        .facts
        .mirrored_registry
        .as_deref()
        .unwrap_or(&url.host);
    let mut registry = if image::same_registry("docker.io", host) {
        "docker.io"
    } else {
        host
    };
    let mut path = url.path.strip_prefix("/v2/").unwrap_or_default();
    // registry.k8s.io sends its clients on to Artifact Registry (registry.k8s.io docs/debugging.md).
    if registry.ends_with("-docker.pkg.dev")
        && let Some(rest) = path.strip_prefix("k8s-artifacts-prod/images/")
    {
        registry = "registry.k8s.io";
        path = rest;
    }
    let image = path
        .split_once("/manifests/")
        .filter(|(name, reference)| !name.is_empty() && !reference.is_empty())
        .map(|(name, reference)| {
            let separator = if reference.contains(':') { '@' } else { ':' };
            keep(&format!("{registry}/{name}{separator}{reference}"), 512)
        });
    Some((registry.to_owned(), image))
}

/// Which part the host of the failed request plays, if it is not the image's registry.
fn foreign(draft: &Draft<'_>, registry: Option<&str>) -> Option<ForeignHost> {
    if draft.is_proxied() {
        let host = draft
            .facts
            .dial_address
            .clone()
            .or_else(|| draft.facts.dns_name.clone())?;
        return Some(ForeignHost {
            host,
            role: HostRole::Proxy,
        });
    }
    let url = draft.url.as_ref()?;
    let registry = draft.facts.mirrored_registry.as_deref().or(registry)?;
    if image::same_registry(registry, &url.host) {
        return None;
    }
    let role = if draft.facts.mirrored_registry.is_some() {
        HostRole::Mirror
    } else if url.is_token_endpoint {
        HostRole::Token
    } else if url.is_manifest || url.path.ends_with("/v2/") {
        HostRole::Redirect
    } else {
        HostRole::Blob
    };
    Some(ForeignHost {
        host: url.host.clone(),
        role,
    })
}
