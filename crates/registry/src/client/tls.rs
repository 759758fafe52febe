//! The handshake, with the chain recorded before it is judged.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::AlertDescription;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::{ProbeConfig, SetupError};
use super::fault::{Fault, find, show};
use super::origin::Origin;
use crate::judge::trust::{Anchor, Certificate, judge_chain};
use crate::judge::{Problem, TlsFacts, cut_text, not_tls, plain_http, tls_alert};
use crate::recorder::{MostChain, Recorder, version_text};

/// After a handshake in which a client certificate was asked for, TLS 1.3 servers refuse with the
/// first bytes that they send.
const CLIENT_CERTIFICATE_REFUSAL: Duration = Duration::from_millis(500);
/// How many first bytes of a peer are kept, to tell what it speaks.
const SNIFFED: usize = 16;
/// Most of a chain that is judged. rustls takes no longer handshake.
const MOST_CHAIN: MostChain = MostChain {
    certificates: 100,
    bytes: 64 * 1024,
};

/// Whom this program trusts.
#[derive(Debug)]
pub(super) struct Trust {
    anchors: Vec<Anchor>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    pub(super) fn gather(config: &ProbeConfig) -> Result<Self, SetupError> {
        Ok(Self {
            anchors: authorities(config)?,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }
}

/// Gathers the authorities that a configuration trusts: the system's (Mozilla's where it has none)
/// and those of files.
pub fn authorities(config: &ProbeConfig) -> Result<Vec<Anchor>, SetupError> {
    let mut anchors = Vec::new();
    if config.system_authorities {
        // SSL_CERT_FILE and SSL_CERT_DIR are read by this, in place of the system's.
        let native = rustls_native_certs::load_native_certs();
        anchors.extend(
            native
                .certs
                .iter()
                .filter_map(|certificate| Anchor::from_certificate(certificate)),
        );
        if anchors.is_empty() {
            anchors.extend(
                webpki_roots::TLS_SERVER_ROOTS
                    .iter()
                    .map(|root| Anchor::from_parts(&root.subject, &root.subject_public_key_info)),
            );
        }
    }
    for path in &config.authority_files {
        let before = anchors.len();
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| SetupError::ReadAuthorities {
                path: path.clone(),
                source,
            })?;
        anchors.extend(
            certificates
                .iter()
                .filter_map(|certificate| Anchor::from_certificate(certificate)),
        );
        if anchors.len() == before {
            return Err(SetupError::NoAuthority { path: path.clone() });
        }
    }
    Ok(anchors)
}

/// A handshake that came to its end, with a good certificate or a bad one.
pub(super) struct Secured<S> {
    pub(super) stream: TlsStream<Sniffing<S>>,
    /// Nothing where Go would trust the chain.
    pub(super) fault: Option<Fault>,
    /// A credential may pass: the chain is good and the handshake was checked.
    pub(super) is_safe: bool,
}

/// Shakes hands with a host. Whatever happens, `facts` says what was seen.
pub(super) async fn handshake<S>(
    trust: &Trust,
    stream: S,
    origin: &Origin,
    limit: Duration,
    facts: &mut TlsFacts,
) -> Result<Secured<S>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    facts.server_name.clone_from(&origin.host);
    facts.trusted_authorities = trust.anchors.len();
    let recorder = Recorder::new(Arc::clone(&trust.provider), MOST_CHAIN, is_unusual);
    let recorder = Arc::new(recorder);
    let config = recorder
        .client_config()
        .map_err(|error| Fault::new(Problem::TlsHandshake, format!("set up TLS: {error}")))?;
    let name = ServerName::try_from(origin.host.clone()).map_err(|_| {
        Fault::new(
            Problem::TlsHandshake,
            format!("`{}` is no name for TLS", origin.host),
        )
    })?;
    let sniffed = Arc::new(Mutex::new(Vec::new()));
    let stream = Sniffing {
        inner: stream,
        seen: Arc::clone(&sniffed),
    };
    let connector = TlsConnector::from(Arc::new(config));
    let shaken = timeout(limit, connector.connect(name, stream)).await;
    let seen = recorder.seen();
    facts.wants_client_certificate = seen.wants_client_certificate;
    let now = now();
    let ders: Vec<&[u8]> = seen.chain.iter().map(AsRef::as_ref).collect();
    let parsed: Vec<Certificate> = ders
        .iter()
        .filter_map(|der| Certificate::parse(der))
        .collect();
    facts.chain = parsed.iter().map(Certificate::facts).collect();
    let judgement =
        (!ders.is_empty()).then(|| judge_chain(&ders, &origin.host, now, &trust.anchors));
    let chain_fault = judgement
        .as_ref()
        .and_then(|judgement| judgement.fault.clone());
    if let Some(judgement) = &judgement {
        facts.issuer_url.clone_from(&judgement.issuer_url);
    }
    facts.go_text = chain_fault.as_ref().map(|fault| fault.go_text.clone());
    let chain_fault = chain_fault.map(|fault| Fault::new(fault.problem, fault.go_text));
    let sniffed = sniffed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let mut stream = match shaken {
        Err(_) => {
            let fault = Fault::new(
                Problem::TlsTimeout,
                format!(
                    "net/http: TLS handshake timeout ({} bytes came)",
                    sniffed.len()
                ),
            );
            return Err(chain_fault.unwrap_or(fault));
        }
        Ok(Err(error)) => {
            let fault = failure(&error, &sniffed, facts);
            return Err(chain_fault.unwrap_or(fault));
        }
        Ok(Ok(stream)) => stream,
    };
    facts.version = stream.get_ref().1.protocol_version().map(version_text);
    facts.unchecked_handshake = seen.unchecked.is_some();
    if seen.wants_client_certificate
        && let Some(fault) = client_certificate_refusal(&mut stream, facts).await
    {
        return Err(chain_fault.unwrap_or(fault));
    }
    Ok(Secured {
        is_safe: chain_fault.is_none() && seen.unchecked.is_none(),
        fault: chain_fault,
        stream,
    })
}

/// Waits a moment for the refusal that may follow a TLS 1.3 handshake. An HTTP/1.1 server says
/// nothing before it is asked, so no byte is lost.
async fn client_certificate_refusal<S>(
    stream: &mut TlsStream<Sniffing<S>>,
    facts: &mut TlsFacts,
) -> Option<Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut byte = [0];
    match timeout(CLIENT_CERTIFICATE_REFUSAL, stream.read(&mut byte)).await {
        Ok(Err(error)) => Some(failure(&error, &[0x15], facts)),
        Ok(Ok(0)) => Some(Fault::new(
            Problem::TlsClientCertificate,
            "the server asked for a client certificate and closed the connection",
        )),
        _ => None,
    }
}

/// What a failed handshake means.
fn failure(error: &io::Error, sniffed: &[u8], facts: &mut TlsFacts) -> Fault {
    if let Some(fault) = plain_http(sniffed) {
        return fault;
    }
    if let Some(rustls::Error::AlertReceived(alert)) = find::<rustls::Error>(error) {
        return alerted(*alert, facts);
    }
    if let Some(fault) = not_tls(sniffed) {
        return fault;
    }
    if find::<rustls::Error>(error).is_none() {
        return Fault::new(Problem::TlsCut, cut_text(error));
    }
    Fault::new(Problem::TlsHandshake, error.to_string())
}

fn alerted(alert: AlertDescription, facts: &mut TlsFacts) -> Fault {
    tls_alert(alert.into(), &format!("{alert:?}"), facts)
}

/// Reads an error that came after the handshake.
pub(super) fn late_alert(error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
    match find::<rustls::Error>(error)? {
        rustls::Error::AlertReceived(alert) => {
            let mut facts = TlsFacts {
                wants_client_certificate: true,
                ..TlsFacts::default()
            };
            Some(alerted(*alert, &mut facts))
        }
        other => Some(Fault::new(Problem::TlsHandshake, show(&other.to_string()))),
    }
}

/// Unix seconds.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A failed check is forgiven where this library cannot do it and Go can: a small RSA key, or a curve
/// beside P-256 and P-384. Nothing secret passes then.
fn is_unusual(leaf: &CertificateDer<'_>) -> bool {
    Certificate::parse(leaf).is_some_and(|certificate| certificate.has_unusual_key())
}

/// A stream whose first bytes are remembered.
#[derive(Debug)]
pub(super) struct Sniffing<S> {
    inner: S,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniffing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let room = SNIFFED.saturating_sub(seen.len());
        if room > 0 {
            let new = &buffer.filled()[before..];
            seen.extend_from_slice(&new[..new.len().min(room)]);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniffing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
