//! The JSON in which a virtual host of the lab daemon is described.
//!
//! These types are the contract between the lab and `labd`: `PUT /hosts/{name}` takes a
//! [`HostSpec`]. Everything has a default, so `{}` is an open registry without content, on port
//! 443, with a good certificate of the company authority and a working DNS name. Unknown fields
//! are refused, so that a misspelt fault is an error and not a case that passes for nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use crate::image::ImageKind;

/// One virtual host: how its name resolves, how its port answers and what it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSpec {
    /// How the name resolves.
    pub dns: DnsSpec,
    /// The TCP port, 443 unless told. Hosts on one port are told apart by SNI and Host header.
    pub port: u16,
    /// Which certificate is shown, or what is wrong with the port.
    pub tls: TlsMode,
    /// Whether HTTP/2 is offered beside HTTP/1.1. Faults that cut act on a stream then.
    pub http2: bool,
    /// Who may pull what.
    pub auth: AuthSpec,
    /// The repositories, each with its tags.
    pub repositories: Vec<RepositorySpec>,
    /// Faults, tried in order; the first that matches a request and is not used up is applied.
    pub faults: Vec<FaultSpec>,
    /// What happens to a connection before TLS and HTTP.
    pub listen: Listen,
    /// Most tags on one page of `tags/list`; 0 means no paging unless the client asks for it.
    pub tags_page: usize,
    /// Another virtual host to which blob reads are redirected (307, same path). It must be
    /// declared too, with `content_of` naming this one.
    pub redirect_blobs: Option<String>,
    /// Serves the content of another virtual host, which must be declared before.
    pub content_of: Option<String>,
    /// Goes into every layer, so that two hosts share no blob and a node must fetch both. The
    /// host's name unless told; equal salt, repository, tag and kind give equal digests.
    pub salt: Option<String>,
}

impl Default for HostSpec {
    fn default() -> Self {
        Self {
            dns: DnsSpec::default(),
            port: 443,
            tls: TlsMode::Ok,
            http2: false,
            auth: AuthSpec::None,
            repositories: Vec::new(),
            faults: Vec::new(),
            listen: Listen::Accept,
            tags_page: 0,
            redirect_blobs: None,
            content_of: None,
            salt: None,
        }
    }
}

/// How a name resolves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsSpec {
    /// The answer that everybody gets who is not in `clients`.
    pub answer: DnsAnswer,
    /// The A record: an IPv4 address, or `refuse` or `drop` for the daemon's `--refuse-ip` and
    /// `--drop-ip`. Without it, the daemon's own address, or what `listen` asks for.
    pub address: Option<DnsAddress>,
    /// Other answers by the client's source address, so that one node sees it otherwise.
    pub clients: BTreeMap<IpAddr, DnsAnswer>,
}

/// An address in a DNS answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DnsAddress {
    /// A literal IPv4 address.
    Literal(Ipv4Addr),
    /// The address on which nothing listens.
    Refuse,
    /// The address whose packets the lab drops.
    Drop,
}

impl TryFrom<String> for DnsAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "refuse" => Ok(Self::Refuse),
            "drop" => Ok(Self::Drop),
            literal => literal.parse().map(Self::Literal).map_err(|_| {
                format!("`{literal}` is neither an IPv4 address nor `refuse` nor `drop`")
            }),
        }
    }
}

impl From<DnsAddress> for String {
    fn from(address: DnsAddress) -> Self {
        match address {
            DnsAddress::Literal(literal) => literal.to_string(),
            DnsAddress::Refuse => "refuse".to_owned(),
            DnsAddress::Drop => "drop".to_owned(),
        }
    }
}

/// The kind of answer to a DNS question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAnswer {
    /// The A record; AAAA questions get an empty answer.
    #[default]
    Ok,
    /// The name does not exist.
    #[serde(rename = "nxdomain")]
    NxDomain,
    /// The server failed.
    #[serde(rename = "servfail")]
    ServFail,
    /// The server refuses to answer.
    Refused,
    /// No answer at all.
    Silent,
    /// The name exists and has no address.
    #[serde(rename = "nodata")]
    NoData,
}

/// Which certificate a host shows, or what is wrong with its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Issued by the company's intermediate authority, which is sent along.
    #[default]
    Ok,
    /// Ended two days ago.
    Expired,
    /// Begins in two days.
    NotYetValid,
    /// Valid for other names only.
    WrongName,
    /// Issued by an authority that nobody trusts.
    UnknownCa,
    /// Signed by itself, not an authority.
    SelfSigned,
    /// As `ok`, but the intermediate certificate is not sent.
    NoIntermediate,
    /// As `ok`, and a client certificate of the company authority is required.
    Mtls,
    /// Names the host in its common name only, without subject alternative names.
    CommonNameOnly,
    /// Plain HTTP. A TLS client is answered with a plain HTTP 400, as Go's server does.
    PlainHttp,
    /// Neither TLS nor HTTP: an SSH banner, then the connection is closed.
    Off,
}

/// What happens to a connection before TLS and HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    /// It is served.
    #[default]
    Accept,
    /// The name resolves to `--refuse-ip`, where nothing listens.
    Refuse,
    /// The name resolves to `--drop-ip`, whose packets the lab drops.
    Drop,
    /// Accepted, then never answered (a stalled TLS handshake).
    Silent,
    /// Accepted, then closed at the client's first bytes.
    Close,
}

/// Who may pull what. Passwords here are made up for a test and never secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuthSpec {
    /// Everybody may pull everything.
    #[default]
    None,
    /// HTTP Basic, as ECR, Nexus and htpasswd registries do it.
    Basic {
        /// The accounts.
        #[serde(default)]
        users: Vec<UserSpec>,
        /// Repositories (globs) that need no login.
        #[serde(default)]
        anonymous_pull: Vec<String>,
    },
    /// A Bearer token service.
    Bearer {
        /// The token URL that the challenge names, `https://{host}/token` unless told. On
        /// another host of the daemon it is answered there, if that host is declared too.
        #[serde(default)]
        realm: Option<String>,
        /// The service that the challenge names, the host's name unless told.
        #[serde(default)]
        service: Option<String>,
        /// The accounts.
        #[serde(default)]
        users: Vec<UserSpec>,
        /// Repositories (globs) for which an anonymous token carries the pull scope.
        #[serde(default)]
        anonymous_pull: Vec<String>,
        /// How the token service answers an anonymous request that it cannot grant.
        #[serde(default)]
        anonymous_refusal: TokenRefusal,
        /// How the token service answers a good login that lacks the right.
        #[serde(default)]
        user_refusal: TokenRefusal,
        /// How the registry answers a token without the scope.
        #[serde(default)]
        scope_refusal: ScopeRefusal,
        /// Lifetime of a token in seconds; 0 issues tokens that have already expired.
        #[serde(default = "default_token_seconds")]
        token_seconds: u64,
        /// Refuses the OAuth2 POST form (405), so that clients fall back to GET.
        #[serde(default)]
        no_post: bool,
    },
}

fn default_token_seconds() -> u64 {
    300
}

/// How a token service refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenRefusal {
    /// 200 with a token that lacks the scope (Docker Hub, Quay, Harbor).
    #[default]
    EmptyScope,
    /// 401 (GHCR in 2026, ACR).
    Unauthorized,
    /// 403 `denied` (GHCR in 2025, GitLab, Artifact Registry).
    Forbidden,
}

/// How a registry answers a token that lacks the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeRefusal {
    /// 401 with `error="insufficient_scope"` in the challenge.
    #[default]
    Unauthorized,
    /// 403 `DENIED`.
    Forbidden,
}

/// An account of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The user name.
    pub name: String,
    /// The password.
    pub password: String,
    /// Repositories (globs) that it may pull; everything unless told.
    #[serde(default = "everything")]
    pub pull: Vec<String>,
    /// The login was good once and has expired: Basic answers 403 as ECR does, a token service
    /// 401.
    #[serde(default)]
    pub expired: bool,
}

fn everything() -> Vec<String> {
    vec!["**".to_owned()]
}

/// A repository and its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySpec {
    /// The name, without the host (`shop/api`).
    pub name: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<TagSpec>,
}

/// A tag and the kind of content behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagSpec {
    /// The tag.
    pub tag: String,
    /// What it names.
    #[serde(default)]
    pub image: ImageKind,
}

/// A fault on a route.
///
/// With `status` the answer is replaced; without it the true answer is given and then spoilt
/// (headers set, body delayed, cut, corrupted …).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultSpec {
    /// The method; without it any.
    pub method: Option<String>,
    /// A glob on the path: `*` within a segment, `**` across segments, `?` one character.
    /// Without it any path.
    pub path: Option<String>,
    /// A glob on the Host header without its port; without it any host.
    pub host: Option<String>,
    /// Only requests with (true) or without (false) an Authorization header.
    pub authenticated: Option<bool>,
    /// Lets the first N matching requests pass before the fault begins.
    pub skip: u64,
    /// Applies to N requests, then no more; without it always.
    pub times: Option<u64>,

    /// Replaces the answer by this status.
    pub status: Option<u16>,
    /// Headers to set, over those of the answer.
    pub headers: BTreeMap<String, String>,
    /// The body of a replaced answer. Its content type is guessed from its first character
    /// (`{` or `[` JSON, `<` HTML, else text) unless `headers` names one. Without it a status of
    /// 400 or more gets the registry protocol's own JSON error.
    pub body: Option<String>,
    /// Redirects (307, or `status`) to this URL; one without a path keeps the request's own.
    pub redirect: Option<String>,

    /// Milliseconds to wait before the first byte of the answer.
    pub delay_ms: u64,
    /// Stops for ever after N bytes of the body.
    pub stall_after: Option<u64>,
    /// Ends the connection after N bytes of the body.
    pub cut_after: Option<u64>,
    /// Ends the connection after N bytes of the whole answer, its head included (HTTP/1).
    pub wire_cut_after: Option<u64>,
    /// Ends the connection without any answer.
    pub hang_up: bool,
    /// How the connection ends for the three above.
    pub cut: Cut,
    /// A well-formed answer whose body has only its first N bytes.
    pub truncate_after: Option<u64>,
    /// Flips the bits of the body's byte at this offset (the last one where it is shorter).
    pub corrupt_at: Option<u64>,
    /// Sends the body in small pieces (slow loris).
    pub trickle: Option<Trickle>,
}

/// How a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Closed (FIN): the client reads an end of file.
    #[default]
    Close,
    /// Reset (RST).
    Reset,
}

/// The pace of a slow body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trickle {
    /// Bytes in one piece.
    pub bytes: u64,
    /// Milliseconds between two pieces.
    pub every_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_an_open_registry_on_443() {
        let spec: HostSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, HostSpec::default());
        assert_eq!(spec.port, 443);
    }

    #[test]
    fn the_whole_form_is_read() {
        let spec: HostSpec = serde_json::from_str(
            r#"{
              "dns": {"answer": "ok", "address": "drop", "clients": {"10.77.0.11": "nxdomain"}},
              "port": 5000, "tls": "not-yet-valid", "listen": "accept",
              "auth": {"kind": "bearer", "realm": "https://auth.lab/token",
                       "users": [{"name": "ci", "password": "x", "pull": ["shop/*"]}],
                       "anonymous_refusal": "forbidden"},
              "repositories": [{"name": "shop/api", "tags": [
                  {"tag": "1", "image": "tiny"}, {"tag": "2", "image": "big:3M"},
                  {"tag": "3", "image": "index:amd64+arm64"}]}],
              "faults": [{"method": "GET", "path": "/v2/**/blobs/*", "status": 429,
                          "headers": {"Retry-After": "30"}, "times": 2}]
            }"#,
        )
        .unwrap();
        assert_eq!(spec.dns.address, Some(DnsAddress::Drop));
        assert_eq!(spec.dns.clients.values().next(), Some(&DnsAnswer::NxDomain));
        let again: HostSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
    }

    #[test]
    fn a_misspelt_field_is_refused_at_every_level() {
        for text in [
            r#"{"tsl": "ok"}"#,
            r#"{"dns": {"answers": "ok"}}"#,
            r#"{"auth": {"kind": "basic", "user": []}}"#,
            r#"{"faults": [{"stauts": 500}]}"#,
            r#"{"repositories": [{"name": "a", "tags": [{"tag": "1", "image": "nonsense"}]}]}"#,
        ] {
            assert!(serde_json::from_str::<HostSpec>(text).is_err(), "{text}");
        }
    }
}
