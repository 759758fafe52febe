//! Image names as messages spell them.

use pulldoctor_reference::Reference;

/// What a name in a message tells of its registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Registry {
    /// The name has a registry.
    Host(String),
    /// The name has none: Docker Hub for Docker and containerd, undecided for CRI-O.
    Implied,
}

/// Tidies a name: blanks that a line wrap put into it, transport prefixes.
pub(crate) fn tidy(name: &str) -> String {
    let name: String = name.split_whitespace().collect();
    let name = name.trim_matches(['"', '\'', '`', '*']);
    let name = name.strip_prefix("docker://").unwrap_or(name);
    let name = name.strip_prefix("//").unwrap_or(name);
    crate::text::keep(name, 512)
}

/// The registry of a name, as the runtimes read it. Names in messages are often cut or blacked out
/// (`<id>.dkr.ecr.…`): of one that does not parse, the first component counts.
pub(crate) fn registry(name: &str) -> Registry {
    if let Ok(reference) = Reference::parse(name) {
        return if reference.has_explicit_domain() {
            Registry::Host(reference.registry().to_ascii_lowercase())
        } else {
            Registry::Implied
        };
    }
    let Some((first, _)) = name.split_once('/') else {
        return Registry::Implied;
    };
    let is_host = first.contains(['.', ':'])
        || first == "localhost"
        || first.chars().any(|c| c.is_ascii_uppercase());
    if !is_host {
        return Registry::Implied;
    }
    let host = first.to_ascii_lowercase();
    Registry::Host(match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    })
}

/// Whether the name ends in a digest, a tag, or neither.
pub(crate) fn missing_by(name: &str) -> crate::MissingBy {
    if name.is_empty() {
        crate::MissingBy::Unknown
    } else if name.contains("@sha256:") || name.contains("@sha512:") || name.starts_with("sha256:")
    {
        crate::MissingBy::Digest
    } else {
        crate::MissingBy::Tag
    }
}

/// Whether two hosts serve the same registry by themselves.
pub(crate) fn same_registry(image_host: &str, host: &str) -> bool {
    if image_host == host {
        return true;
    }
    let bare = |h: &str| h.strip_suffix(":443").unwrap_or(h).to_owned();
    if bare(image_host) == bare(host) {
        return true;
    }
    let hub = |h: &str| {
        matches!(
            h,
            "docker.io"
                | "index.docker.io"
                | "registry-1.docker.io"
                | "auth.docker.io"
                | "registry.hub.docker.com"
        )
    };
    hub(image_host) && hub(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        let table = [
            ("nginx", Registry::Implied),
            ("library/nginx:1", Registry::Implied),
            ("localhost/x", Registry::Host("localhost".into())),
            ("reg:5000/x", Registry::Host("reg:5000".into())),
            ("MyOrg/x", Registry::Host("myorg".into())),
            ("index.docker.io/x/y", Registry::Host("docker.io".into())),
            ("nginx:1.2/x", Registry::Host("nginx:1.2".into())),
        ];
        for (name, expected) in table {
            assert_eq!(registry(name), expected, "{name}");
        }
        assert!(same_registry("docker.io", "registry-1.docker.io"));
        assert!(!same_registry(
            "docker.io",
            "production.cloudflare.docker.com"
        ));
    }
}
