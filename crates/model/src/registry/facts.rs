//! What a probe saw at each stage.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{ArtifactKind, ErrorBody, Problem};

/// What was seen at a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Facts {
    /// Nothing beyond the detail.
    None,
    /// Name resolution.
    Dns(DnsFacts),
    /// Proxy.
    Proxy(ProxyFacts),
    /// TCP.
    Tcp(TcpFacts),
    /// TLS.
    Tls(Box<TlsFacts>),
    /// HTTP.
    Http(HttpFacts),
    /// Token.
    Token(TokensFacts),
    /// Manifest.
    Manifest(ManifestFacts),
    /// Platform.
    Platform(PlatformFacts),
    /// Config.
    Config(ConfigFacts),
    /// Layers.
    Layers(LayersFacts),
}

/// Name resolution.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsFacts {
    /// The name that was asked for.
    pub name: String,
    /// The search path of `resolv.conf`.
    pub search: Vec<String>,
    /// The addresses that are used.
    pub addresses: Vec<IpAddr>,
    /// What the system's own resolver (getaddrinfo, with its hosts file) said; nothing where it
    /// was not asked.
    pub system: Option<DnsResult>,
    /// What each named server said, in the order of `resolv.conf`.
    pub questions: Vec<DnsQuestion>,
    /// The system and the servers disagree: a hosts file, a cache or another name service.
    pub disagree: bool,
}

/// One question to one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsQuestion {
    /// The server.
    pub server: SocketAddr,
    /// The whole name, with what the search path added.
    pub name: String,
    /// A or AAAA.
    pub record: DnsRecordKind,
    /// The answer.
    pub result: DnsResult,
    /// Milliseconds.
    pub took_ms: u64,
}

/// The record types that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsRecordKind {
    /// IPv4.
    A,
    /// IPv6.
    #[serde(rename = "AAAA")]
    Aaaa,
}

/// The kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsAnswer {
    /// Addresses.
    Addresses,
    /// The name does not exist.
    Nxdomain,
    /// The name exists and has no such record.
    Nodata,
    /// The server failed.
    Servfail,
    /// The server refused.
    Refused,
    /// No answer in time.
    Timeout,
    /// The server cannot be reached.
    Unreachable,
    /// Anything else.
    Other,
}

/// An answer with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DnsResult {
    /// Its kind.
    pub answer: DnsAnswer,
    /// The addresses, if any.
    pub addresses: Vec<IpAddr>,
    /// What else was said.
    pub note: Option<String>,
}

/// Proxy choice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyFacts {
    /// The proxy, without its login.
    pub proxy: Option<String>,
    /// The setting that decided: `HTTPS_PROXY`, or the entry of `NO_PROXY` that matched.
    pub decided_by: Option<String>,
    /// The status of its answer to CONNECT.
    pub status: Option<u16>,
    /// What it said beside.
    pub error: Option<ErrorBody>,
}

/// Connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpFacts {
    /// Every address that was tried.
    pub attempts: Vec<AddressAttempt>,
    /// The connection was there already.
    pub reused: bool,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressAttempt {
    /// The address.
    pub address: SocketAddr,
    /// What went wrong; nothing where it connected or was still open when another one won.
    pub problem: Option<Problem>,
    /// Whether it connected.
    pub connected: bool,
    /// Milliseconds.
    pub took_ms: u64,
}

/// A handshake.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsFacts {
    /// The name that the certificate must have.
    pub server_name: String,
    /// `TLSv1.3`.
    pub version: Option<String>,
    /// The certificates as they were sent.
    pub chain: Vec<CertificateFacts>,
    /// Go's words for what is wrong with them.
    pub go_text: Option<String>,
    /// The server asked for a client certificate.
    pub wants_client_certificate: bool,
    /// The alert that the server sent.
    pub alert: Option<String>,
    /// Where the missing intermediate certificate can be had, as the certificate says.
    pub issuer_url: Option<String>,
    /// The chain is good to Go but this program could not check the handshake itself: so no
    /// credential is sent.
    pub unchecked_handshake: bool,
    /// How many authorities are trusted here.
    pub trusted_authorities: usize,
}

/// One certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    /// The subject.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// RFC 3339.
    pub not_before: String,
    /// RFC 3339.
    pub not_after: String,
    /// Names and addresses (at most 32).
    pub names: Vec<String>,
    /// An authority.
    pub is_authority: bool,
    /// SHA-256 over the whole certificate.
    pub sha256: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpFacts {
    /// The status.
    pub status: Option<u16>,
    /// Schemes and realms of the challenges.
    pub challenges: Vec<String>,
    /// The `Server` header.
    pub server: Option<String>,
    /// Seconds by which the server's clock is ahead of ours.
    pub clock_ahead_s: Option<i64>,
    /// Milliseconds until the first byte.
    pub first_byte_ms: Option<u64>,
    /// Hosts that redirects led over.
    pub redirects: Vec<String>,
}

/// The requests for tokens, one for each credential.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokensFacts {
    /// In the order of the credentials.
    pub attempts: Vec<TokenFacts>,
}

/// A request for a token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenFacts {
    /// Where the credential came from.
    pub source: String,
    /// The URL of the token service, without query.
    pub realm: String,
    /// The service that was asked for.
    pub service: Option<String>,
    /// The scope that was asked for.
    pub scope: Option<String>,
    /// GET or POST, the one that decided.
    pub method: String,
    /// The status.
    pub status: Option<u16>,
    /// What was granted, as far as the token says it.
    pub granted: Option<Vec<String>>,
    /// What was said in a refusal.
    pub error: Option<ErrorBody>,
    /// Whether the service accepts the login itself.
    pub identity: Identity,
}

/// Whether a login is good, apart from what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Not known.
    #[default]
    Unknown,
    /// The login is good.
    Accepted,
    /// The login is bad.
    Rejected,
}

/// A manifest request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFacts {
    /// HEAD or GET, the one that decided.
    pub method: String,
    /// The status.
    pub status: Option<u16>,
    /// The digest.
    pub digest: Option<String>,
    /// The media type.
    pub media_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// What it is.
    pub artifact: Option<ArtifactKind>,
    /// What was said in a refusal.
    pub error: Option<ErrorBody>,
    /// The credential that it was read with, by its place in the list.
    pub credential: Option<usize>,
}

/// The choice in an index.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlatformFacts {
    /// What was wanted.
    pub wanted: String,
    /// What there is, without attestations.
    pub available: Vec<String>,
    /// The digest that was chosen.
    pub chosen: Option<String>,
}

/// An image's config.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFacts {
    /// `os/architecture[/variant]` that it states.
    pub platform: Option<String>,
    /// Whether entrypoint or command is there.
    pub has_command: bool,
    /// When it was made.
    pub created: Option<String>,
    /// Bytes of all layers as they are stored.
    pub compressed_bytes: u64,
    /// How many layers.
    pub layers: usize,
}

/// The layers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayersFacts {
    /// One a layer.
    pub layers: Vec<LayerFacts>,
    /// The host that blobs are redirected to.
    pub redirect_host: Option<String>,
    /// Whether the content was read and verified.
    pub verified: bool,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerFacts {
    /// Its place in the manifest, from 0.
    pub index: usize,
    /// The digest of the manifest.
    pub digest: String,
    /// Bytes that the manifest states.
    pub size: u64,
    /// The status of its request.
    pub status: Option<u16>,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// More about it.
    pub detail: Option<String>,
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Bytes that they unpacked to.
    pub unpacked_bytes: u64,
    /// The offset in the stored layer at which it is bad, as far as that can be told.
    pub bad_at: Option<u64>,
    /// Whether a second reading gave other bytes: then the way is bad, not the stored copy.
    pub second_read_differs: Option<bool>,
    /// How often the connection was cut and resumed.
    pub resumed: u32,
    /// Milliseconds.
    pub took_ms: u64,
}
