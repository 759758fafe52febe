//! Which proxy Go's programs use, from the same settings.
//!
//! A reading of `golang.org/x/net/http/httpproxy` 0.61 (`proxy.go`), which `net/http` carries a
//! copy of and containerd, CRI-O and Docker thereby use.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::secret::SecretText;

/// The settings, read once.
#[derive(Debug, Clone, Default)]
pub struct ProxyRules {
    http: Setting,
    https: Setting,
    matchers: Vec<(String, Matcher)>,
}

#[derive(Debug, Clone, Default)]
enum Setting {
    #[default]
    Unset,
    Proxy(&'static str, ProxyUrl),
    Invalid(&'static str),
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyScheme {
    /// CONNECT in plain HTTP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS 5.
    Socks5,
}

/// A proxy. Its display leaves the login out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    /// How to speak to it.
    pub scheme: ProxyScheme,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Username and password.
    pub login: Option<(String, SecretText)>,
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 => "socks5",
        };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// The choice for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyDecision {
    /// None is set.
    Unset,
    /// One is set and this target is excepted, by this entry of NO_PROXY or by its nature.
    Excepted(String),
    /// Through this one, by this setting.
    Through(&'static str, ProxyUrl),
    /// This setting cannot be read. Go connects directly then.
    Invalid(&'static str),
}

#[derive(Debug, Clone)]
enum Matcher {
    All,
    Network(IpAddr, u8),
    Address(IpAddr, Option<String>),
    Domain {
        /// With a leading dot.
        suffix: String,
        port: Option<String>,
        /// The name itself matches too.
        host_too: bool,
    },
}

impl ProxyRules {
    /// Reads the settings. `get` finds an environment variable; lower-case names win and empty
    /// ones count as unset.
    pub fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        let any = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                get(name)
                    .filter(|value| !value.is_empty())
                    .map(|value| (name, value))
            })
        };
        let setting = |names| match any(names) {
            None => Setting::Unset,
            Some((name, value)) => parse_proxy(&value)
                .map_or(Setting::Invalid(name), |proxy| Setting::Proxy(name, proxy)),
        };
        let no_proxy = any(["no_proxy", "NO_PROXY"]).map(|(_, value)| value);
        Self {
            http: setting(["http_proxy", "HTTP_PROXY"]),
            https: setting(["https_proxy", "HTTPS_PROXY"]),
            matchers: parse_no_proxy(&no_proxy.unwrap_or_default()),
        }
    }

    /// Decides for a target; `host` is without brackets.
    pub fn decide(&self, is_https: bool, host: &str, port: u16) -> ProxyDecision {
        let setting = if is_https { &self.https } else { &self.http };
        let (name, proxy) = match setting {
            Setting::Unset => return ProxyDecision::Unset,
            Setting::Invalid(name) => return ProxyDecision::Invalid(name),
            Setting::Proxy(name, proxy) => (*name, proxy),
        };
        if host == "localhost" {
            return ProxyDecision::Excepted("localhost is never asked through a proxy".to_owned());
        }
        let address = host.parse::<IpAddr>().ok();
        if address.is_some_and(|address| address.is_loopback()) {
            return ProxyDecision::Excepted("loopback is never asked through a proxy".to_owned());
        }
        let host = host.trim().to_lowercase();
        let port = port.to_string();
        match self
            .matchers
            .iter()
            .find(|(_, matcher)| matcher.matches(&host, &port, address))
        {
            Some((entry, _)) => ProxyDecision::Excepted(format!("NO_PROXY entry `{entry}`")),
            None => ProxyDecision::Through(name, proxy.clone()),
        }
    }
}

fn parse_proxy(text: &str) -> Option<ProxyUrl> {
    let text = text.trim();
    let parsed = Url::parse(text)
        .ok()
        .filter(|url| url.has_host() && url.host_str().is_some_and(|host| !host.is_empty()));
    let url = match parsed {
        Some(url) => url,
        // `proxy:3128` reads as a scheme and a path.
        None => Url::parse(&format!("http://{text}")).ok()?,
    };
    let (scheme, usual) = match url.scheme() {
        "http" => (ProxyScheme::Http, 80),
        "https" => (ProxyScheme::Https, 443),
        "socks5" | "socks5h" => (ProxyScheme::Socks5, 1080),
        _ => return None,
    };
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let login = (!url.username().is_empty()).then(|| {
        let password = decode(url.password().unwrap_or_default());
        (decode(url.username()), SecretText::new(password))
    });
    Some(ProxyUrl {
        scheme,
        host,
        port: url.port().unwrap_or(usual),
        login,
    })
}

fn parse_no_proxy(text: &str) -> Vec<(String, Matcher)> {
    let mut matchers = Vec::new();
    for entry in text.split(',') {
        let entry = entry.trim().to_lowercase();
        if entry == "*" {
            return vec![(entry, Matcher::All)];
        }
        if let Some(matcher) = parse_entry(&entry) {
            matchers.push((pulldoctor_model::clean_line(&entry).into_owned(), matcher));
        }
    }
    matchers
}

fn parse_entry(entry: &str) -> Option<Matcher> {
    if let Some((address, bits)) = entry.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
    {
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits <= most {
            return Some(Matcher::Network(address, bits));
        }
    }
    let (host, port) = split_host_port(entry);
    if host.is_empty() {
        return None;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Matcher::Address(address, port));
    }
    let host = match host.strip_prefix('*') {
        Some(rest) if rest.starts_with('.') => rest,
        _ => host,
    };
    Some(if host.starts_with('.') {
        Matcher::Domain {
            suffix: host.to_owned(),
            port,
            host_too: false,
        }
    } else {
        Matcher::Domain {
            suffix: format!(".{host}"),
            port,
            host_too: true,
        }
    })
}

/// `host:port` and `[v6]:port`; a bare IPv6 address has no port.
fn split_host_port(entry: &str) -> (&str, Option<String>) {
    if let Some(rest) = entry.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, port)) if port.starts_with(':') => (host, port_of(&port[1..])),
            Some((host, "")) => (host, None),
            _ => (entry, None),
        };
    }
    match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port_of(port)),
        _ => (entry, None),
    }
}

fn port_of(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl Matcher {
    fn matches(&self, host: &str, port: &str, address: Option<IpAddr>) -> bool {
        let port_fits =
            |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == port);
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network, bits), Some(address)) => contains(*network, *bits, address),
            (Self::Address(own, own_port), Some(address)) => {
                own.to_canonical() == address.to_canonical() && port_fits(own_port)
            }
            (
                Self::Domain {
                    suffix,
                    port,
                    host_too,
                },
                None,
            ) => {
                (host.ends_with(suffix.as_str()) || (*host_too && host == &suffix[1..]))
                    && port_fits(port)
            }
            _ => false,
        }
    }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let wide = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
        IpAddr::V6(address) => (address.to_bits(), false),
    };
    let ((network, network_v4), (address, address_v4)) = (wide(network), wide(address));
    if network_v4 != address_v4 {
        return false;
    }
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    network & mask == address & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(no_proxy: &str) -> ProxyRules {
        ProxyRules::new(|name| match name {
            "HTTPS_PROXY" => Some("proxy.corp:3128".to_owned()),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }

    fn through(no_proxy: &str, host: &str, port: u16) -> bool {
        matches!(
            rules(no_proxy).decide(true, host, port),
            ProxyDecision::Through("HTTPS_PROXY", _)
        )
    }

    #[test]
    fn entries_match_as_in_go() {
        for (no_proxy, host, port, expected) in [
            ("", "r.example.com", 443, true),
            ("example.com", "r.example.com", 443, false),
            ("example.com", "example.com", 443, false),
            ("example.com", "notexample.com", 443, true),
            (".example.com", "example.com", 443, true),
            (".example.com", "r.example.com", 443, false),
            ("*.example.com", "r.example.com", 443, false),
            ("*.example.com", "example.com", 443, true),
            ("example.com:5000", "r.example.com", 443, true),
            ("example.com:5000", "r.example.com", 5000, false),
            ("EXAMPLE.com", "R.example.COM", 443, false),
            (" a , r.example.com ", "r.example.com", 443, false),
            ("*", "r.example.com", 443, false),
            ("a,*,b", "10.0.0.1", 443, false),
            ("10.0.0.0/8", "10.9.9.9", 443, false),
            ("10.0.0.0/8", "11.0.0.1", 443, true),
            ("10.0.0.0/8", "r.example.com", 443, true),
            ("10.0.0.1", "10.0.0.1", 443, false),
            ("10.0.0.1:80", "10.0.0.1", 443, true),
            ("10.0.0.1:443", "10.0.0.1", 443, false),
            ("2001:db8::/32", "2001:db8::9", 443, false),
            ("[2001:db8::1]:443", "2001:db8::1", 443, false),
            ("0.0.0.0/0", "10.0.0.1", 443, false),
            ("0.0.0.0/0", "2001:db8::1", 443, true),
            (":80", "r.example.com", 443, true),
            ("", "localhost", 443, false),
            ("", "127.0.0.1", 443, false),
            ("", "::1", 443, false),
        ] {
            assert_eq!(
                through(no_proxy, host, port),
                expected,
                "{no_proxy} {host}:{port}"
            );
        }
    }

    #[test]
    fn forms_of_a_proxy() {
        for (text, shown) in [
            ("proxy.corp:3128", "http://proxy.corp:3128"),
            ("http://proxy.corp", "http://proxy.corp:80"),
            ("https://user:s3cret@proxy.corp", "https://proxy.corp:443"),
            ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
            ("[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
            ("10.0.0.1:3128", "http://10.0.0.1:3128"),
        ] {
            assert_eq!(parse_proxy(text).unwrap().to_string(), shown, "{text}");
        }
        assert_eq!(parse_proxy("ftp://x"), None);
        let proxy = parse_proxy("http://us%40er:p%3Aw@h").unwrap();
        let (name, password) = proxy.login.clone().unwrap();
        assert_eq!((name.as_str(), password.expose()), ("us@er", "p:w"));
        assert!(!format!("{proxy:?}").contains("p:w"));
    }

    #[test]
    fn lower_case_wins_and_each_scheme_has_its_own() {
        let rules = ProxyRules::new(|name| match name {
            "https_proxy" => Some("low:1".to_owned()),
            "HTTPS_PROXY" => Some("high:1".to_owned()),
            "HTTP_PROXY" => Some("::bad::".to_owned()),
            _ => None,
        });
        match rules.decide(true, "x.y", 443) {
            ProxyDecision::Through("https_proxy", proxy) => assert_eq!(proxy.host, "low"),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            rules.decide(false, "x.y", 80),
            ProxyDecision::Invalid("HTTP_PROXY")
        );
        assert_eq!(
            ProxyRules::default().decide(true, "x.y", 443),
            ProxyDecision::Unset
        );
    }
}
