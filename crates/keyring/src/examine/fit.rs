//! Whether a key matches an image, and if not, why not and what would.

use pulldoctor_model::{Fit, Mismatch};
use pulldoctor_reference::Reference;

use crate::config::Entry;
use crate::go::glob;
use crate::go::url::{Url, UrlFault, parse_after_scheme, split_port};
use crate::keyring::{DOCKER_HUB_KEY, is_docker_hub, key_matches, normalise};
use crate::show;

/// The key that Docker itself writes for Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// Hosts of Docker Hub that people put into keys and the kubelet does not know.
const HUB_ALIASES: &[&str] = &[
    "registry-1.docker.io",
    "registry.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
    "hub.docker.io",
    "cloud.docker.com",
    "auth.docker.io",
    "www.docker.com",
    "docker.com",
    "docker",
    "dockerhub",
];

/// Registries whose names are near each other and that are no typing errors of each other.
const KNOWN: &[&str] = &[
    "docker.io",
    "index.docker.io",
    "ghcr.io",
    "gcr.io",
    "nvcr.io",
    "lscr.io",
    "icr.io",
    "us.icr.io",
    "uk.icr.io",
    "de.icr.io",
    "us.gcr.io",
    "eu.gcr.io",
    "asia.gcr.io",
    "k8s.gcr.io",
    "quay.io",
];

/// The image that keys are held against.
#[derive(Debug)]
pub(super) struct Target {
    /// Host and path of the image, as the kubelet takes them.
    url: Option<Url>,
    is_hub: bool,
    /// The key that matches, where one does: Docker Hub's second name is then not tried.
    shadow: Option<String>,
}

impl Target {
    pub(super) fn new(image: &Reference) -> Self {
        let repository = image.repo();
        Self {
            url: parse_after_scheme(repository.as_bytes()).ok(),
            is_hub: is_docker_hub(&repository),
            shadow: None,
        }
    }

    /// The same target, for these entries together.
    pub(super) fn shadowed_by<'e>(mut self, entries: impl Iterator<Item = &'e Entry>) -> Self {
        if self.is_hub {
            self.shadow = entries
                .filter(|entry| entry.fault.is_none())
                .find(|entry| self.matches_directly(&entry.key))
                .map(|entry| show::key(&entry.key));
        }
        self
    }

    fn matches_directly(&self, written: &str) -> bool {
        let Ok(key) = normalise(written) else {
            return false;
        };
        match (parse_after_scheme(&key), &self.url) {
            (Ok(key), Some(image)) => key_matches(&key, image),
            _ => false,
        }
    }

    fn matches_alone(&self, written: &str) -> bool {
        self.matches_directly(written)
            || self.is_hub && normalise(written).is_ok_and(|key| key == DOCKER_HUB_KEY)
    }

    pub(super) fn fit(&self, written: &str) -> Fit {
        if self.matches_directly(written) {
            return Fit::Matches;
        }
        if self.matches_alone(written) {
            return match &self.shadow {
                Some(by) => Fit::Shadowed { by: by.clone() },
                None => Fit::Matches,
            };
        }
        let (reasons, corrected) = self.mismatch(written);
        Fit::Mismatch {
            reasons,
            // Told only where it is true.
            corrected: corrected.filter(|key| self.matches_alone(key)),
        }
    }

    fn mismatch(&self, written: &str) -> (Vec<Mismatch>, Option<String>) {
        let mut reasons = Vec::new();
        let core = written.trim();
        if core != written {
            reasons.push(Mismatch::WhiteSpace);
        }
        if show::hides_user(core) {
            // What the kubelet reads there instead may be of a password.
            reasons.push(Mismatch::NotAUrl {
                because: "a slash before the `@` that needs to be escaped".to_owned(),
            });
            return (reasons, None);
        }
        let bare = match show::split_scheme(core) {
            (Some(scheme), rest) => {
                if !matches!(scheme, "https" | "http") {
                    reasons.push(Mismatch::Scheme {
                        scheme: show::name(scheme),
                    });
                }
                rest
            }
            (None, rest) => rest,
        };
        let key = match parse_after_scheme(bare.as_bytes()) {
            Ok(key) => key,
            Err(fault) => {
                reasons.push(Mismatch::NotAUrl {
                    because: describe(fault).to_owned(),
                });
                return (reasons, None);
            }
        };
        let Some(image) = &self.url else {
            reasons.push(Mismatch::OtherRegistry);
            return (reasons, None);
        };
        let written_right = !reasons.is_empty() && self.matches_alone(bare);
        if written_right {
            return (reasons, Some(show::bare_key(bare).to_owned()));
        }
        let corrected = self.compare(&key, image, &mut reasons);
        (reasons, corrected)
    }

    /// Why the parts differ, and a key in their place.
    fn compare(&self, key: &Url, image: &Url, reasons: &mut Vec<Mismatch>) -> Option<String> {
        let (key_host, key_port) = split_port(&key.host);
        let (image_host, image_port) = split_port(&image.host);
        let key_name = String::from_utf8_lossy(key_host);
        let image_name = String::from_utf8_lossy(image_host);
        let whole = if self.is_hub {
            HUB_KEY.to_owned()
        } else {
            String::from_utf8_lossy(&image.host).into_owned()
        };
        if self.is_hub {
            let lower = key_name.to_ascii_lowercase();
            if HUB_ALIASES.contains(&lower.as_str()) {
                reasons.push(Mismatch::DockerHubAlias);
                return Some(whole);
            }
            if lower == "index.docker.io" && key_port.is_empty() {
                // Beside the host alone, the kubelet knows no path of this name.
                reasons.push(match key.path.as_slice() {
                    b"/v1" | b"/v2" => Mismatch::ApiPathWithoutSlash,
                    _ if lower != key_name => Mismatch::Case,
                    _ => Mismatch::DockerHubAlias,
                });
                return Some(whole);
            }
        }
        let before = reasons.len();
        let labels = |host: &[u8]| host.split(|byte| *byte == b'.').count();
        let same_host = labels(key_host) == labels(image_host)
            && key_host
                .split(|byte| *byte == b'.')
                .zip(image_host.split(|byte| *byte == b'.'))
                .all(|(pattern, label)| glob::matches(pattern, label));
        if !same_host {
            let reason = host_reason(&key_name, &image_name, labels(key_host), labels(image_host));
            let is_near = matches!(
                reason,
                Mismatch::Case | Mismatch::Typo { .. } | Mismatch::LabelCount { .. }
            );
            reasons.push(reason);
            if !is_near {
                return None;
            }
        }
        if key_port != image_port {
            let port = |port: &[u8]| {
                (!port.is_empty()).then(|| show::name(&String::from_utf8_lossy(port)))
            };
            reasons.push(Mismatch::Port {
                key: port(key_port),
                image: port(image_port),
            });
        }
        let path = effective_path(&key.path);
        if image.path.starts_with(path) {
            return (reasons.len() > before).then_some(whole);
        }
        let (reason, kept) = path_reason(path, &image.path);
        let corrected = kept.map(|path| {
            if self.is_hub && path.is_empty() {
                return whole;
            }
            let host = String::from_utf8_lossy(&image.host);
            format!("{host}{}", String::from_utf8_lossy(path))
        });
        reasons.push(reason);
        corrected
    }
}

/// The path without `/v1` or `/v2`, as the kubelet cuts them.
fn effective_path(path: &[u8]) -> &[u8] {
    let path = if path.starts_with(b"/v1/") || path.starts_with(b"/v2/") {
        &path[3..]
    } else {
        path
    };
    if path == b"/" { &[] } else { path }
}

/// Why a path is not the start of the image's, and what of it would be.
fn path_reason<'p>(path: &'p [u8], image: &[u8]) -> (Mismatch, Option<&'p [u8]>) {
    if matches!(path, b"/v1" | b"/v2") {
        return (Mismatch::ApiPathWithoutSlash, Some(&[]));
    }
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    if end < path.len() && image.starts_with(&path[..end]) {
        return (Mismatch::TrailingSlash, Some(&path[..end]));
    }
    let name = path
        .iter()
        .position(|byte| matches!(byte, b':' | b'@'))
        .map_or(path, |mark| &path[..mark]);
    if name.len() < path.len() && image.starts_with(name) {
        return (Mismatch::TagInKey, Some(name));
    }
    let show = |path: &[u8]| show::name(&String::from_utf8_lossy(path));
    let reason = Mismatch::Path {
        key: show(path),
        image: show(image),
    };
    (reason, None)
}

fn host_reason(key: &str, image: &str, key_labels: usize, image_labels: usize) -> Mismatch {
    /// No host name is longer, and the distance of two long texts is dear.
    const LONGEST: usize = 253;
    /// Of shorter names, too many are near each other.
    const SHORTEST: usize = 5;
    if key.eq_ignore_ascii_case(image) {
        return Mismatch::Case;
    }
    if key.contains('*') && key_labels != image_labels {
        // What stands behind the last star is a host's end.
        let end = key.rsplit('*').next().unwrap_or_default();
        if end.contains('.') && image.ends_with(end) || end.trim_start_matches('.') == image {
            return Mismatch::LabelCount {
                key: key_labels,
                image: image_labels,
            };
        }
    }
    let is_below = |lower: &str, upper: &str| {
        upper.contains('.')
            && lower
                .strip_suffix(upper)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    let is_near_length = key.len().abs_diff(image.len()) <= 2
        && (SHORTEST..=LONGEST).contains(&key.len())
        && image.len() <= LONGEST;
    let is_known = KNOWN.contains(&key) && KNOWN.contains(&image);
    if is_near_length && !is_known {
        let distance = strsim::osa_distance(key, image);
        if (1..=2).contains(&distance) {
            return Mismatch::Typo { distance };
        }
    }
    if is_below(image, key) || is_below(key, image) {
        return Mismatch::Subdomain;
    }
    Mismatch::OtherRegistry
}

const fn describe(fault: UrlFault) -> &'static str {
    match fault {
        UrlFault::ControlCharacter => "a control character",
        UrlFault::Escape => {
            "a `%` that no two hexadecimal digits follow, or that is not allowed there"
        }
        UrlFault::HostCharacter(b' ') => "a space in the host",
        UrlFault::HostCharacter(_) => "a character in the host that no host name has",
        UrlFault::Port => "what follows the host's colon is no port number",
        UrlFault::IpLiteral => "square brackets around something that is no IPv6 address",
        UrlFault::UserInfo => "a character before the `@` that needs to be escaped",
    }
}
