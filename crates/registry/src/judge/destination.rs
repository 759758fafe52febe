//! Where a credential may go.
//!
//! To the image's registry and to the token service that it names, over verified TLS both times
//! (plain HTTP only to loopback, or where the node itself is configured so), and nowhere else.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Token services that are known to belong to a registry on another registrable domain, as of
/// 2026-11. Each is the vendor's own documentation or source; both sides are whole host names.
const KNOWN_PAIRS: [(&str, &str); 3] = [
    // docs.docker.com, "Docker Hub: authentication"; `docker.io` is the name in images.
    ("docker.io", "auth.docker.io"),
    ("registry-1.docker.io", "auth.docker.io"),
    // docs.gitlab.com, container registry: the realm is the application.
    ("registry.gitlab.com", "gitlab.com"),
];

/// Domains that vendors share among their customers and that the public suffix list (2026-11) does
/// not know: the label before them belongs to one customer.
const SHARED_SUFFIXES: [&str; 8] = [
    "azurecr.io",
    "azurecr.cn",
    "azurecr.us",
    "cloudsmith.io",
    "gcr.io",
    "jfrog.io",
    "ocir.io",
    "pkg.dev",
];

/// What a credential's owner has consented to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RealmRule {
    /// Hosts of token services that may get a credential (`--allow-realm`), in lower case,
    /// without port.
    pub allowed_hosts: Vec<String>,
    /// Registries (`host[:port]`) that the node asks in plain HTTP, so that their credentials
    /// travel like that anyway.
    pub plain_http: Vec<String>,
}

/// Whether a credential may go to a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// It may.
    Allowed,
    /// The host is on another domain than the registry: its owner must say so.
    NeedsConsent {
        /// The host.
        host: String,
    },
    /// Plain HTTP beyond loopback.
    Insecure {
        /// The host.
        host: String,
    },
    /// No URL that a token could be asked at.
    Unusable,
}

/// Judges where the credential of `registry` (`host[:port]`, as the image has it) may go.
pub fn judge_destination(registry: &str, target: &Url, rule: &RealmRule) -> Destination {
    let (registry_host, target_host) = match (host_of(registry), target.host()) {
        (Some(registry), Some(host)) => (registry, host.to_owned()),
        _ => return Destination::Unusable,
    };
    let shown = target_host.to_string();
    // A user in the realm would be sent in place of, or beside, the credential.
    if !target.username().is_empty() || target.password().is_some() {
        return Destination::Unusable;
    }
    match target.scheme() {
        "https" => {}
        "http" => {
            let named = |entry: &String| match host_of(entry) {
                Some(host) => host == target_host,
                None => false,
            };
            if !is_loopback(&target_host) && !rule.plain_http.iter().any(named) {
                return Destination::Insecure { host: shown };
            }
        }
        _ => return Destination::Unusable,
    }
    let consented = rule
        .allowed_hosts
        .iter()
        .any(|host| host.eq_ignore_ascii_case(shown.trim_matches(['[', ']'])) || *host == shown);
    if consented || belongs(&registry_host, &target_host) {
        Destination::Allowed
    } else {
        Destination::NeedsConsent { host: shown }
    }
}

fn belongs(registry: &Host<String>, target: &Host<String>) -> bool {
    if registry == target {
        return true;
    }
    let (Host::Domain(registry), Host::Domain(target)) = (registry, target) else {
        return false;
    };
    KNOWN_PAIRS
        .iter()
        .any(|(from, to)| from == registry && to == target)
        || same_registrable_domain(registry, target)
}

/// Tells whether two host names are under the same registrable domain by the public suffix list,
/// its private part included: `a.azurecr.io` and `b.azurecr.io` belong to two owners.
pub fn same_registrable_domain(one: &str, other: &str) -> bool {
    let domain = |name: &str| {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(shared) = SHARED_SUFFIXES.iter().find_map(|suffix| {
            let owner = name.strip_suffix(suffix)?.strip_suffix('.')?;
            Some(format!("{}.{suffix}", owner.rsplit('.').next()?))
        }) {
            return Some(shared);
        }
        let domain = psl::domain(name.as_bytes())?;
        // A suffix that is on no list (`corp`, `lab`) is somebody's own: there the rule is right
        // as well, since the last label but one is the name that was given out.
        std::str::from_utf8(domain.as_bytes())
            .ok()
            .map(str::to_owned)
    };
    match (domain(one), domain(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// The host of `host[:port]`, normalised as in URLs.
fn host_of(authority: &str) -> Option<Host<String>> {
    Url::parse(&format!("https://{authority}/"))
        .ok()?
        .host()
        .map(|host| host.to_owned())
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(registry: &str, realm: &str) -> Destination {
        judge_destination(registry, &Url::parse(realm).unwrap(), &RealmRule::default())
    }

    fn consent(host: &str) -> Destination {
        Destination::NeedsConsent {
            host: host.to_owned(),
        }
    }

    #[test]
    fn the_own_domain_and_known_pairs_need_no_asking() {
        for (registry, realm) in [
            ("registry.example.com", "https://registry.example.com/token"),
            (
                "registry.example.com:5000",
                "https://auth.example.com/token?x=y",
            ),
            ("REGISTRY.Example.com", "https://example.com:8443/token"),
            // A dot at the end makes a name whole.
            ("registry.example.com", "https://example.com./token"),
            ("registry.example.co.uk", "https://auth.example.co.uk/t"),
            ("registry-1.docker.io", "https://auth.docker.io/token"),
            ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/token"),
            ("[::1]:5000", "http://[::1]:5000/token"),
            ("localhost:5000", "http://localhost:5000/token"),
        ] {
            assert_eq!(
                judge(registry, realm),
                Destination::Allowed,
                "{registry} {realm}"
            );
        }
    }

    #[test]
    fn theft_is_not_taken_for_kin() {
        for (registry, realm, host) in [
            ("registry.example.com", "https://evil.net/token", "evil.net"),
            (
                "registry.example.com",
                "https://registry.example.com.evil.net/t",
                "registry.example.com.evil.net",
            ),
            (
                "registry.example.co.uk",
                "https://evil.co.uk/t",
                "evil.co.uk",
            ),
            (
                "mine.azurecr.io",
                "https://evil.azurecr.io/oauth2/token",
                "evil.azurecr.io",
            ),
            ("a.github.io", "https://b.github.io/t", "b.github.io"),
            ("10.0.0.1:5000", "https://10.0.0.2/t", "10.0.0.2"),
            ("registry", "https://auth/t", "auth"),
            (
                "registry-1.docker.io",
                "https://auth.docker.io.evil.net/t",
                "auth.docker.io.evil.net",
            ),
            (
                "xn--e1afmkfd.com",
                "https://xn--e1afmkfe.com/t",
                "xn--e1afmkfe.com",
            ),
        ] {
            assert_eq!(judge(registry, realm), consent(host), "{registry} {realm}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_or_where_told() {
        let insecure = |host: &str| Destination::Insecure {
            host: host.to_owned(),
        };
        assert_eq!(
            judge("r.example.com", "http://r.example.com/t"),
            insecure("r.example.com")
        );
        let rule = RealmRule {
            plain_http: vec!["r.example.com:80".to_owned()],
            ..RealmRule::default()
        };
        let realm = Url::parse("http://r.example.com/t").unwrap();
        assert_eq!(
            judge_destination("r.example.com:80", &realm, &rule),
            Destination::Allowed
        );
    }

    #[test]
    fn consent_is_for_one_host() {
        let rule = RealmRule {
            allowed_hosts: vec!["auth.vendor.net".to_owned()],
            ..RealmRule::default()
        };
        let ask =
            |realm: &str| judge_destination("r.example.com", &Url::parse(realm).unwrap(), &rule);
        assert_eq!(ask("https://auth.vendor.net/t"), Destination::Allowed);
        assert_eq!(ask("https://vendor.net/t"), consent("vendor.net"));
        assert_eq!(
            ask("http://auth.vendor.net/t"),
            Destination::Insecure {
                host: "auth.vendor.net".to_owned()
            }
        );
    }

    #[test]
    fn odd_urls_are_unusable() {
        for realm in [
            "ftp://r.example.com/t",
            "data:text/plain,x",
            "https://user@r.example.com/t",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                judge("r.example.com", realm),
                Destination::Unusable,
                "{realm}"
            );
        }
    }
}
