//! What can be wrong at a stage, as a value that causes are decided by.

use serde::{Deserialize, Serialize};

macro_rules! problems {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal;)*) => {
        /// What is wrong at a stage. Written in kebab case.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Problem {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Problem {
            /// Every problem.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// A fragment that says it.
            pub const fn as_text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

problems! {
    /// The name does not exist.
    DnsNxdomain = "the name does not exist";
    /// The name exists and has no address.
    DnsNodata = "the name has no address";
    /// The resolver failed (SERVFAIL).
    DnsServfail = "the resolver failed";
    /// The resolver refused to answer.
    DnsRefused = "the resolver refused to answer";
    /// The resolver did not answer.
    DnsTimeout = "the resolver did not answer";
    /// No packet reaches the resolver.
    DnsUnreachable = "the resolver cannot be reached";
    /// The resolver's answer cannot be read, or the system's resolver failed without a reason.
    DnsOther = "the name could not be resolved";

    /// The proxy setting cannot be read.
    ProxyInvalid = "the proxy setting cannot be read";
    /// The proxy cannot be reached.
    ProxyUnreachable = "the proxy cannot be reached";
    /// The proxy refused to connect to the registry.
    ProxyRefused = "the proxy refused the connection";
    /// The proxy broke the connection or said something else than HTTP.
    ProxyFailed = "the proxy failed";

    /// Nothing listens on the port.
    TcpRefused = "the port refuses connections";
    /// No answer to the connection attempt.
    TcpTimeout = "the connection attempt was not answered";
    /// No route to the host.
    TcpNoRoute = "there is no route to the host";
    /// No route to the network.
    TcpNetworkUnreachable = "the network is unreachable";
    /// Any other failure to connect.
    TcpOther = "the connection failed";

    /// The chain ends at an authority that is not trusted.
    TlsUnknownAuthority = "certificate signed by unknown authority";
    /// The chain does not reach an authority, since a certificate between is not sent.
    TlsIncompleteChain = "an intermediate certificate is not sent";
    /// A certificate has ended.
    TlsExpired = "a certificate has expired";
    /// A certificate has not begun.
    TlsNotYetValid = "a certificate is not yet valid";
    /// The certificate is for other names.
    TlsNameMismatch = "the certificate is for another name";
    /// The certificate names the host in its common name only.
    TlsLegacyCommonName = "the certificate relies on the legacy Common Name field";
    /// Any other fault of the chain.
    TlsCertificate = "the certificate is not acceptable";
    /// The server wants a client certificate.
    TlsClientCertificate = "a client certificate is wanted";
    /// The server speaks plain HTTP.
    TlsPlainHttp = "the port speaks plain HTTP";
    /// The server speaks something that is neither TLS nor HTTP.
    TlsNotTls = "the port does not speak TLS";
    /// The handshake was not answered.
    TlsTimeout = "the TLS handshake was not answered";
    /// The connection ended in the handshake.
    TlsCut = "the connection ended in the TLS handshake";
    /// An alert, or a protocol fault.
    TlsHandshake = "the TLS handshake failed";

    /// No answer in time.
    HttpTimeout = "no answer in time";
    /// The connection ended before the answer did.
    HttpCut = "the connection was cut inside the answer";
    /// The answer is not HTTP.
    HttpMalformed = "the answer is not HTTP";
    /// Head or body is larger than anything reasonable.
    HttpTooLarge = "the answer is too large";
    /// Too many redirects.
    RedirectLoop = "too many redirects";
    /// A redirect to where no registry may send its clients.
    RedirectRefused = "a redirect that must not be followed";
    /// A port for TLS was asked in plain HTTP, or the other way round.
    HttpsExpected = "the port expects HTTPS";

    /// The registry limits requests.
    RateLimited = "the registry limits requests";
    /// A fault of the registry's own (5xx).
    ServerError = "the registry has a fault of its own";
    /// A status that the protocol does not foresee here.
    UnexpectedStatus = "an unexpected status";

    /// The registry asks for a login in a way that no client knows.
    ChallengeUnusable = "the challenge cannot be answered";
    /// The token service is on a foreign domain and was not consented to.
    RealmNotAllowed = "the token service is on another domain";
    /// The credential was held back, since the way is not safe.
    CredentialWithheld = "the credential was held back";
    /// The token service's host cannot be reached.
    TokenHostUnreachable = "the token service cannot be reached";
    /// The token service refused.
    TokenRefused = "the token service refused";
    /// The token service's answer holds no token.
    TokenUnusable = "the token service's answer holds no token";
    /// The token service has a fault of its own.
    TokenServerError = "the token service has a fault of its own";

    /// 401 in spite of what was sent, or with nothing to send.
    Unauthorized = "not authorized";
    /// 403.
    Forbidden = "forbidden";
    /// The manifest is not there.
    NotFound = "not found";
    /// The manifest cannot be read.
    ManifestMalformed = "the manifest cannot be read";
    /// The manifest is not what its digest says.
    ManifestDigest = "the manifest does not match its digest";
    /// Docker schema 1.
    ManifestSchema1 = "a schema 1 manifest";
    /// A chart, signature or other artefact.
    NotAnImage = "not an image";
    /// The index has nothing for the platform.
    NoPlatform = "nothing for the platform";
    /// The manifest that an index names is gone.
    ManifestMissing = "a manifest that the index names is gone";
    /// The config is gone.
    ConfigMissing = "the config is gone";
    /// The config is not what its digest says, or cannot be read.
    ConfigDamaged = "the config is damaged";

    /// A layer is gone.
    LayerMissing = "a layer is gone";
    /// The host that blobs are redirected to cannot be reached.
    BlobHostUnreachable = "the host that serves the layers cannot be reached";
    /// The host that blobs are redirected to answers, and refuses.
    BlobRefused = "the host that serves the layers refuses them";
    /// A layer is not what its digest says.
    LayerDigest = "a layer does not match its digest";
    /// A layer has another size than the manifest states.
    LayerSize = "a layer has another size than the manifest states";
    /// A layer is no good gzip or zstd stream.
    LayerCompression = "a layer cannot be unpacked";
    /// A layer is no tar archive.
    LayerArchive = "a layer is not a tar archive";
    /// A layer unpacks to something else than the config states.
    LayerDiffId = "a layer unpacks to something else than the config states";
    /// A layer has a media type that cannot be checked.
    LayerMediaType = "a layer has an unknown media type";
    /// A layer could not be read to its end.
    LayerCut = "a layer could not be read to its end";
    /// A layer unpacks to more than anything reasonable.
    LayerTooLarge = "a layer unpacks to an unreasonable size";
}

impl Problem {
    /// The id as it is written in JSON: the name in kebab case.
    pub fn id(self) -> String {
        let mut id = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_ascii_uppercase() && !id.is_empty() {
                id.push('-');
            }
            id.push(letter.to_ascii_lowercase());
        }
        id
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_case_and_read_back() {
        assert_eq!(Problem::DnsNxdomain.id(), "dns-nxdomain");
        for problem in Problem::ALL {
            let id = format!("\"{}\"", problem.id());
            assert_eq!(serde_json::from_str::<Problem>(&id).unwrap(), *problem);
        }
    }
}
