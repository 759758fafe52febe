//! Certificates that are to be refused.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// A server whose certificate was issued by an authority that nobody knows. Its dates are fixed:
/// every run shows the same.
pub(super) fn acceptor(expired: bool) -> Result<TlsAcceptor> {
    let named = |name: &str| {
        let mut names = DistinguishedName::new();
        names.push(DnType::CommonName, name);
        names
    };
    let authority = KeyPair::generate().context("make a key")?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Demo Authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().context("make a key")?;
    let mut params =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).context("name the host")?;
    params.distinguished_name = named("registry of the demo");
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = if expired {
        date_time_ymd(2025, 1, 1)
    } else {
        date_time_ymd(2049, 1, 1)
    };
    let certificate = params
        .signed_by(&key, &issuer)
        .context("make a certificate")?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
        })
        .context("set up TLS")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
