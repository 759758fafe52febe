//! The handshake, with the chain written down. Who is to be trusted is judged at home.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use pulldoctor_registry::judge::{
    Fault, Problem, TlsFacts, cut_text, not_tls, plain_http, tls_alert,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::deadline::{Deadline, is_timeout};
use crate::url::Origin;

/// How many first bytes of a peer are kept, to tell what it speaks.
const SNIFFED: usize = 16;
/// After a handshake in which a client certificate was asked for, TLS 1.3 servers refuse with the
/// first bytes that they send.
const CLIENT_CERTIFICATE_REFUSAL: u64 = 500;
/// Most certificates of a chain that are kept, and most bytes of them together.
const MOST_CERTIFICATES: usize = 10;
const MOST_CHAIN: usize = 32 * 1024;

/// A socket whose every wait ends at the deadline.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) stream: TcpStream,
    pub(crate) until: Deadline,
    /// The first bytes that came.
    pub(crate) sniffed: Vec<u8>,
    pub(crate) received: u64,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream, until: Deadline) -> Self {
        Self {
            stream,
            until,
            sniffed: Vec::new(),
            received: 0,
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.until.left()?))?;
        let count = self.stream.read(buffer)?;
        self.received += count as u64;
        let room = SNIFFED.saturating_sub(self.sniffed.len());
        self.sniffed.extend_from_slice(&buffer[..count.min(room)]);
        Ok(count)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.until.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A secured connection.
pub(crate) type TlsStream = StreamOwned<ClientConnection, Timed>;

/// What a handshake left.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Why the handshake's signature is not good.
    pub(crate) unchecked: Option<String>,
    wants_client_certificate: bool,
}

/// Shakes hands. Whatever happens, `facts` and what is returned beside say what was seen.
pub(crate) fn handshake(
    socket: Timed,
    origin: &Origin,
    facts: &mut TlsFacts,
) -> (Result<TlsStream, Fault>, Seen) {
    facts.server_name.clone_from(&origin.host);
    let recorder = Arc::new(Recorder::default());
    let prepared = ServerName::try_from(origin.host.clone())
        .map_err(|_| format!("`{}` is no name for TLS", origin.host))
        .and_then(|name| {
            client_config(&recorder)
                .and_then(|config| ClientConnection::new(Arc::new(config), name))
                .map_err(|error| format!("set up TLS: {error}"))
        });
    let connection = match prepared {
        Ok(connection) => connection,
        Err(text) => {
            return (
                Err(Fault::new(Problem::TlsHandshake, text)),
                Seen::default(),
            );
        }
    };
    let mut stream = StreamOwned::new(connection, socket);
    let shaken = shake(&mut stream);
    let seen = recorder
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    facts.wants_client_certificate = seen.wants_client_certificate;
    facts.unchecked_handshake = seen.unchecked.is_some();
    if let Err(error) = shaken {
        return (Err(failure(&error, &stream.sock, facts)), seen);
    }
    facts.version = stream.conn.protocol_version().map(version);
    if seen.wants_client_certificate
        && let Some(fault) = client_certificate_refusal(&mut stream, facts)
    {
        return (Err(fault), seen);
    }
    (Ok(stream), seen)
}

fn shake(stream: &mut TlsStream) -> io::Result<()> {
    while stream.conn.is_handshaking() {
        // Reads at least once or writes, so it cannot spin; the socket knows the deadline.
        stream.conn.complete_io(&mut stream.sock)?;
        stream.sock.until.left()?;
    }
    Ok(())
}

/// Waits a moment for the refusal that may follow a TLS 1.3 handshake. An HTTP/1.1 server says
/// nothing before it is asked, so no byte is lost.
fn client_certificate_refusal(stream: &mut TlsStream, facts: &mut TlsFacts) -> Option<Fault> {
    let until = stream.sock.until;
    stream.sock.until = until.step(CLIENT_CERTIFICATE_REFUSAL);
    let mut byte = [0];
    let read = stream.read(&mut byte);
    stream.sock.until = until;
    match read {
        Ok(0) => Some(Fault::new(
            Problem::TlsClientCertificate,
            "the server asked for a client certificate and closed the connection",
        )),
        Err(error) if !is_timeout(&error) => Some(failure(&error, &stream.sock, facts)),
        _ => None,
    }
}

/// What a failed handshake means.
fn failure(error: &io::Error, socket: &Timed, facts: &mut TlsFacts) -> Fault {
    if let Some(fault) = plain_http(&socket.sniffed) {
        return fault;
    }
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(alert)) = tls {
        return tls_alert((*alert).into(), &format!("{alert:?}"), facts);
    }
    if let Some(fault) = not_tls(&socket.sniffed) {
        return fault;
    }
    if is_timeout(error) {
        return Fault::new(
            Problem::TlsTimeout,
            format!(
                "net/http: TLS handshake timeout ({} bytes came)",
                socket.received
            ),
        );
    }
    match tls {
        Some(error) => Fault::new(Problem::TlsHandshake, error.to_string()),
        None => Fault::new(Problem::TlsCut, cut_text(error)),
    }
}

/// An alert that came after the handshake.
pub(crate) fn late_alert(error: &io::Error) -> Option<Fault> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => {
            let mut facts = TlsFacts {
                wants_client_certificate: true,
                ..TlsFacts::default()
            };
            let name = format!("{alert:?}");
            Some(tls_alert((*alert).into(), &name, &mut facts))
        }
        other => Some(Fault::new(Problem::TlsHandshake, other.to_string())),
    }
}

fn version(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

fn client_config(recorder: &Arc<Recorder>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&recorder.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(recorder) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::clone(recorder) as Arc<dyn ResolvesClientCert>);
    // A resumed session shows no chain.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes every chain and writes it down. That is safe here and only here: nothing secret is ever
/// sent, and nothing that comes is trusted.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            seen: Mutex::default(),
        }
    }
}

impl Recorder {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A signature that is not good, or of a kind that this library cannot check and Go can: home
    /// knows which by the certificate's key.
    fn forgive(&self, error: &rustls::Error) -> HandshakeSignatureValid {
        self.note(|seen| seen.unchecked = Some(error.to_string()));
        HandshakeSignatureValid::assertion()
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
            let mut room = MOST_CHAIN;
            for certificate in std::iter::once(end_entity)
                .chain(intermediates)
                .take(MOST_CERTIFICATES)
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
            .or_else(|error| Ok(self.forgive(&error)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
            .or_else(|error| Ok(self.forgive(&error)))
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
