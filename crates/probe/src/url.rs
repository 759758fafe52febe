//! Scheme, host, port and path, as much of URLs as registries send their clients to.

use std::fmt;
use std::net::IpAddr;

/// Most bytes of a URL.
const MOST_URL: usize = 8 * 1024;

/// Whom a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) is_https: bool,
    /// Name in lower case or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// Of `host[:port]`.
    pub(crate) fn of_authority(authority: &str, is_https: bool) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (
                    host,
                    after.strip_prefix(':').or(after.is_empty().then_some(""))?,
                )
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        let is_name = !host.is_empty()
            && host.len() <= 253
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !is_address && !is_name {
            return None;
        }
        let port = match port {
            "" => usual_port(is_https),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            _ => return None,
        };
        Some(Self {
            is_https,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// `host[:port]`, the port only where it is not the scheme's own, as in a Host header.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == usual_port(self.is_https) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub(crate) fn with_http(&self) -> Self {
        Self {
            is_https: false,
            ..self.clone()
        }
    }
}

fn usual_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.authority())
    }
}

/// A URL without user and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// Begins with a slash.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Url {
    /// Reads an absolute http or https URL; nothing where it could not stand in a request as it
    /// is, or names a user.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() <= MOST_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_plain {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Some(Self {
            origin: Origin::of_authority(authority, is_https)?,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query,
        })
    }

    /// Where a Location header leads from here: a whole URL, one without scheme, or a path.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.origin.is_https {
                "https"
            } else {
                "http"
            };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let has_scheme = location
            .split(['/', '?', '#'])
            .next()
            .is_some_and(|first| first.contains(':'));
        if has_scheme {
            return Self::parse(location);
        }
        let path = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{}{location}", self.path),
            _ => {
                let folder = self.path.rfind('/').map_or("", |end| &self.path[..end]);
                format!("{folder}/{location}")
            }
        };
        Self::parse(&format!("{}{path}", self.origin))
    }

    /// Path and query, as in a request.
    pub(crate) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Without its query, which may hold a signature.
    pub(crate) fn without_query(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> String {
        Url::parse(text).map_or_else(
            || "none".to_owned(),
            |url| format!("{} {}", url.origin, url.target()),
        )
    }

    #[test]
    fn urls_are_read() {
        for (text, expected) in [
            (
                "https://Auth.Lab/token?a=b#c",
                "https://auth.lab /token?a=b",
            ),
            ("https://a.lab:443", "https://a.lab /"),
            ("http://a.lab:443?x", "http://a.lab:443 /?x"),
            ("https://[::1]:5000/v2/", "https://[::1]:5000 /v2/"),
            ("https://[::1/v2/", "none"),
            ("https://[::1]x/v2/", "none"),
            ("https://[a.lab]/v2/", "none"),
            ("https://user@a.lab/", "none"),
            ("https://a.lab:99999/", "none"),
            ("https://a.lab:+5/", "none"),
            ("https://a lab/", "none"),
            ("https:///x", "none"),
            ("ftp://a.lab/", "none"),
            ("https://a.lab/\r\nX: y", "none"),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn locations_are_followed_from_where_they_stand() {
        let base = Url::parse("https://a.lab/v2/x/blobs/sha256:0?z").unwrap();
        let join = |location: &str| {
            base.join(location).map_or_else(
                || "none".to_owned(),
                |url| format!("{}{}", url.origin, url.target()),
            )
        };
        assert_eq!(join("https://b.lab/y"), "https://b.lab/y");
        assert_eq!(join("//b.lab/y"), "https://b.lab/y");
        assert_eq!(join("/y?q"), "https://a.lab/y?q");
        assert_eq!(join("other"), "https://a.lab/v2/x/blobs/other");
        assert_eq!(join("?q=1"), "https://a.lab/v2/x/blobs/sha256:0?q=1");
        assert_eq!(join("gopher://b.lab/"), "none");
        assert_eq!(join("javascript:alert"), "none");
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_can_stand_in_a_request(text in ".{0,60}", location in ".{0,60}") {
            for url in [Url::parse(&text), Url::parse(&format!("https://a.lab/{text}"))].into_iter().flatten() {
                let joined = url.join(&location);
                for url in [Some(url), joined].into_iter().flatten() {
                    proptest::prop_assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()));
                    proptest::prop_assert!(url.target().starts_with('/'));
                    proptest::prop_assert!(!url.origin.authority().contains(['/', '@', '?', '#']));
                }
            }
        }
    }
}
