//! Scheme, host and port.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Whom a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) is_https: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Origin {
    /// Of `host[:port]` as an image has it.
    pub(super) fn of_registry(authority: &str, is_https: bool) -> Option<Self> {
        let scheme = if is_https { "https" } else { "http" };
        Self::of(&Url::parse(&format!("{scheme}://{authority}/")).ok()?)
    }

    /// Of an http or https URL.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        Some(Self {
            is_https,
            host,
            port: url.port_or_known_default()?,
        })
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// `host[:port]`, the port only where it is not the scheme's own, as in a Host header.
    pub(super) fn authority(&self) -> String {
        let usual = if self.is_https { 443 } else { 80 };
        if self.port == usual {
            self.bracketed()
        } else {
            self.host_and_port()
        }
    }

    /// `host:port`.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    pub(super) fn with_http(&self) -> Self {
        Self {
            is_https: false,
            ..self.clone()
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}", self.authority())
    }
}
