//! A company certificate authority and the leaf certificates that go wrong in practice.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::spec::TlsMode;

/// Seconds.
const DAY: i64 = 24 * 60 * 60;

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Key generation or signing failed, or a name cannot stand in a certificate.
    #[error("make the certificate of `{subject}`")]
    Make {
        /// Whose certificate.
        subject: String,
        /// What the generator said.
        #[source]
        source: rcgen::Error,
    },
    /// A stored key could not be read.
    #[error("read the stored key of the authority")]
    Key(#[source] rcgen::Error),
    /// The certificate was made and the TLS stack refuses it.
    #[error("configure TLS")]
    Configure(#[source] rustls::Error),
    /// The verifier of client certificates could not be made.
    #[error("require client certificates")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

fn making(subject: &str) -> impl FnOnce(rcgen::Error) -> TlsError {
    let subject = subject.to_owned();
    move |source| TlsError::Make { subject, source }
}

/// The company authority: a root, and an intermediate that issues the leaves, plus a second root
/// that nobody trusts.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    stranger: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate chain, leaf first, and the leaf's key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    chain_pem: String,
    key: KeyPair,
}

impl Authority {
    /// Makes a new authority with this name in its subject.
    pub fn new(name: &str) -> Result<Self, TlsError> {
        Self::with_key(name, KeyPair::generate().map_err(making(name))?)
    }

    /// Makes the authority again from its stored key: whoever trusts the old root certificate
    /// trusts what this one issues, since name and key are the same.
    pub fn from_key_pem(name: &str, pem: &str) -> Result<Self, TlsError> {
        Self::with_key(name, KeyPair::from_pem(pem).map_err(TlsError::Key)?)
    }

    fn with_key(name: &str, key: KeyPair) -> Result<Self, TlsError> {
        let root = CertifiedIssuer::self_signed(authority(&format!("{name} root")), key)
            .map_err(making(name))?;
        let key = KeyPair::generate().map_err(making(name))?;
        let intermediate =
            CertifiedIssuer::signed_by(authority(&format!("{name} intermediate")), key, &root)
                .map_err(making(name))?;
        let key = KeyPair::generate().map_err(making(name))?;
        let stranger = CertifiedIssuer::self_signed(authority("Stranger root"), key)
            .map_err(making("Stranger root"))?;
        Ok(Self {
            root,
            intermediate,
            stranger,
        })
    }

    /// The root certificate, the one to trust.
    pub fn pem(&self) -> String {
        self.root.pem()
    }

    /// The root certificate in DER.
    pub fn der(&self) -> &CertificateDer<'static> {
        self.root.der()
    }

    /// The root's private key, for [`Authority::from_key_pem`].
    pub fn key_pem(&self) -> String {
        self.root.key().serialize_pem()
    }

    /// The chain and key that a server for these names (DNS names or IP addresses) shows in a
    /// mode. The modes without TLS get a good one.
    pub fn server(&self, mode: TlsMode, names: &[&str]) -> Result<Identity, TlsError> {
        let subject = names.first().copied().unwrap_or("nobody");
        let key = KeyPair::generate().map_err(making(subject))?;
        let mut params = leaf(subject, names)?;
        match mode {
            TlsMode::Expired => validity(&mut params, -30 * DAY, -2 * DAY),
            TlsMode::NotYetValid => validity(&mut params, 2 * DAY, 30 * DAY),
            TlsMode::WrongName => {
                params = leaf(
                    "other.example.com",
                    &["other.example.com", "www.example.com"],
                )?;
            }
            TlsMode::CommonNameOnly => params.subject_alt_names.clear(),
            _ => {}
        }
        match mode {
            TlsMode::SelfSigned => {
                let certificate = params.self_signed(&key).map_err(making(subject))?;
                Ok(Identity::of(&[&certificate.into()], key))
            }
            TlsMode::UnknownCa => issue(&params, key, &self.stranger, &[], subject),
            TlsMode::NoIntermediate => issue(&params, key, &self.intermediate, &[], subject),
            _ => issue(
                &params,
                key,
                &self.intermediate,
                &[self.intermediate.der()],
                subject,
            ),
        }
    }

    /// A client certificate that hosts in mode `mtls` accept.
    pub fn client(&self, name: &str) -> Result<Identity, TlsError> {
        let key = KeyPair::generate().map_err(making(name))?;
        let mut params = leaf(name, &[])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(
            &params,
            key,
            &self.intermediate,
            &[self.intermediate.der()],
            name,
        )
    }

    /// What a server needs to speak TLS in this mode, with ALPN for HTTP/1.1 and, if `http2`,
    /// HTTP/2.
    pub fn server_config(
        &self,
        mode: TlsMode,
        names: &[&str],
        http2: bool,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let identity = self.server(mode, names)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Configure)?;
        let builder = if mode == TlsMode::Mtls {
            let mut roots = RootCertStore::empty();
            roots.add(self.der().clone()).map_err(TlsError::Configure)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(TlsError::Verifier)?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(identity.chain.clone(), identity.key())
            .map_err(TlsError::Configure)?;
        if http2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        config.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(Arc::new(config))
    }
}

impl Identity {
    fn of(chain: &[&CertificateDer<'static>], key: KeyPair) -> Self {
        let chain_pem = chain
            .iter()
            .map(|certificate| armour(certificate))
            .collect();
        let chain = chain
            .iter()
            .map(|certificate| (*certificate).clone())
            .collect();
        Self {
            chain,
            chain_pem,
            key,
        }
    }

    /// The certificates that are sent, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The same in PEM.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The leaf's private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    /// The leaf's private key in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

fn issue(
    params: &CertificateParams,
    key: KeyPair,
    issuer: &Issuer<'static, KeyPair>,
    rest: &[&CertificateDer<'static>],
    subject: &str,
) -> Result<Identity, TlsError> {
    let certificate: CertificateDer<'static> = params
        .signed_by(&key, issuer)
        .map_err(making(subject))?
        .into();
    let mut chain = vec![&certificate];
    chain.extend(rest);
    Ok(Identity::of(&chain, key))
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Testkit");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    params
}

fn leaf(subject: &str, names: &[&str]) -> Result<CertificateParams, TlsError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(making(subject))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, -DAY, 365 * DAY);
    Ok(params)
}

/// Sets the validity, in seconds from now. The generator's time type cannot be named here, but a
/// duration can be added to it.
fn validity(params: &mut CertificateParams, from: i64, until: i64) {
    let epoch = date_time_ymd(1970, 1, 1);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let at = |offset| epoch + Duration::from_secs(now.saturating_add_signed(offset));
    params.not_before = at(from);
    params.not_after = at(until);
}

/// PEM of a certificate.
fn armour(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}
