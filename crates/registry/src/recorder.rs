//! A verifier of certificates that takes every chain and writes it down: who may be trusted is judged
//! afterwards, by whoever holds authorities. Shared by both probes.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What a handshake showed.
#[derive(Debug, Default, Clone)]
pub struct Recorded {
    /// The certificates as they were sent, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// A client certificate was asked for.
    pub wants_client_certificate: bool,
    /// Why the handshake's signature is not known to be good.
    pub unchecked: Option<String>,
}

/// Most of a chain that is kept.
#[derive(Debug, Clone, Copy)]
pub struct MostChain {
    /// Certificates.
    pub certificates: usize,
    /// Bytes of them together.
    pub bytes: usize,
}

/// Takes every chain and writes it down. A signature of the handshake that is not good ends it,
/// unless it is forgiven for this leaf: then [`Recorded::unchecked`] says so, and nothing secret may
/// pass.
#[derive(Debug)]
pub struct Recorder {
    provider: Arc<CryptoProvider>,
    most: MostChain,
    forgives: fn(&CertificateDer<'_>) -> bool,
    seen: Mutex<Recorded>,
}

impl Recorder {
    /// A recorder for one handshake.
    pub fn new(
        provider: Arc<CryptoProvider>,
        most: MostChain,
        forgives: fn(&CertificateDer<'_>) -> bool,
    ) -> Self {
        Self {
            provider,
            most,
            forgives,
            seen: Mutex::default(),
        }
    }

    /// What was written down.
    pub fn seen(&self) -> Recorded {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How a handshake is made that this records.
    pub fn client_config(self: &Arc<Self>) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(self) as Arc<dyn ServerCertVerifier>)
            .with_client_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesClientCert>);
        // A resumed session shows no chain.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn note(&self, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn forgive(
        &self,
        leaf: &CertificateDer<'_>,
        error: rustls::Error,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if !(self.forgives)(leaf) {
            return Err(error);
        }
        self.note(|seen| seen.unchecked = Some(error.to_string()));
        Ok(HandshakeSignatureValid::assertion())
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.note(|seen| {
            let mut room = self.most.bytes;
            for certificate in std::iter::once(end_entity)
                .chain(intermediates)
                .take(self.most.certificates)
            {
                let Some(left) = room.checked_sub(certificate.len()) else {
                    break;
                };
                room = left;
                seen.chain.push(certificate.clone().into_owned());
            }
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
            .or_else(|error| self.forgive(cert, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
            .or_else(|error| self.forgive(cert, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self
            .provider
            .signature_verification_algorithms
            .supported_schemes();
        // Go offers it: a server with such a key must not be told that nobody likes it.
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}

impl ResolvesClientCert for Recorder {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.note(|seen| seen.wants_client_certificate = true);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// The version of TLS, as people write it.
pub fn version_text(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}
