//! Facts about the URLs in messages.

use crate::UrlFacts;
use crate::text::keep;

/// A URL's parts; the query only as long as it is asked for `ns`.
pub(crate) struct Parsed {
    pub(crate) facts: UrlFacts,
    /// The value of `?ns=`: the request went to a mirror of that registry (containerd).
    pub(crate) mirrored: Option<String>,
}

/// Splits a URL; `None` if it is not `http(s)://host…`.
pub(crate) fn parse(url: &str) -> Option<Parsed> {
    let url: String = url.split_whitespace().collect();
    let lower = url.to_ascii_lowercase();
    let (scheme, rest) = if lower.starts_with("https://") {
        ("https", &url[8..])
    } else if lower.starts_with("http://") {
        ("http", &url[7..])
    } else {
        return None;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    // User information may hold a password: it is not kept.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    if host.is_empty() || host.contains('%') {
        return None;
    }
    let (path, query) = match rest[end..].split_once('?') {
        Some((path, query)) => (path, query),
        None => (&rest[end..], ""),
    };
    let mirrored = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("ns="))
        .filter(|value| !value.is_empty())
        .map(|value| keep(&value.replace("%3A", ":").replace("%3a", ":"), 255));
    let lower_path = path.to_ascii_lowercase();
    let is_blob = lower_path.contains("/blobs/")
        || (lower_path.ends_with("/data") && lower_path.contains("/sha256/"));
    let is_manifest = lower_path.contains("/manifests/");
    let is_token_endpoint = !is_blob
        && !is_manifest
        && (query.contains("scope=")
            || query.contains("service=")
            || lower_path.ends_with("/token")
            || lower_path.ends_with("/jwt/auth")
            || lower_path.ends_with("/v2/auth")
            || lower_path.ends_with("/proxy_auth"));
    Some(Parsed {
        facts: UrlFacts {
            scheme: scheme.to_owned(),
            host: keep(&host.to_ascii_lowercase(), 255),
            path: keep(path, 512),
            is_token_endpoint,
            is_blob,
            is_manifest,
        },
        mirrored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_token_blob_manifest_and_mirror() {
        let token = parse(
            "https://auth.docker.io/token?scope=repository%3Ax%3Apull&service=registry.docker.io",
        )
        .unwrap();
        assert!(token.facts.is_token_endpoint && token.facts.host == "auth.docker.io");
        let mirror =
            parse("http://kind-registry:5000/v2/a/manifests/1?ns=localhost%3A5000").unwrap();
        assert!(mirror.facts.is_manifest && mirror.mirrored.as_deref() == Some("localhost:5000"));
        let blob = parse(
            "https://cdn.example/registry-v2/docker/registry/v2/blobs/sha256/05/05cb/data?sig=x",
        )
        .unwrap();
        assert!(blob.facts.is_blob && !blob.facts.path.contains("sig"));
        assert_eq!(parse("https://u:p@r.io/v2/").unwrap().facts.host, "r.io");
        assert!(parse("ftp://x").is_none());
        assert!(parse("https:///v2/").is_none());
    }
}
