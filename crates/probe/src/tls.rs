//! The handshake, with the chain written down. Who is to be trusted is judged at home.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use pulldoctor_registry::judge::{
    Fault, Problem, TlsFacts, cut_text, not_tls, plain_http, tls_alert,
};
use pulldoctor_registry::recorder::{MostChain, Recorded, Recorder, version_text};
use rustls::StreamOwned;
use rustls::client::ClientConnection;
use rustls_pki_types::ServerName;

use crate::deadline::{Deadline, is_timeout};
use crate::url::Origin;

/// How many first bytes of a peer are kept, to tell what it speaks.
const SNIFFED: usize = 16;
/// After a handshake in which a client certificate was asked for, TLS 1.3 servers refuse with the
/// first bytes that they send.
const CLIENT_CERTIFICATE_REFUSAL: u64 = 500;
/// Most of a chain that goes home.
const MOST_CHAIN: MostChain = MostChain {
    certificates: 10,
    bytes: 32 * 1024,
};

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

/// Shakes hands. Whatever happens, `facts` and what is returned beside say what was seen.
pub(crate) fn handshake(
    socket: Timed,
    origin: &Origin,
    facts: &mut TlsFacts,
) -> (Result<TlsStream, Fault>, Recorded) {
    facts.server_name.clone_from(&origin.host);
    // Nothing secret is ever sent and nothing that comes is trusted, so every signature may pass: home
    // knows by the certificate's key which this library cannot check and Go can.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let recorder = Arc::new(Recorder::new(provider, MOST_CHAIN, |_| true));
    let prepared = ServerName::try_from(origin.host.clone())
        .map_err(|_| format!("`{}` is no name for TLS", origin.host))
        .and_then(|name| {
            recorder
                .client_config()
                .and_then(|config| ClientConnection::new(Arc::new(config), name))
                .map_err(|error| format!("set up TLS: {error}"))
        });
    let connection = match prepared {
        Ok(connection) => connection,
        Err(text) => {
            return (
                Err(Fault::new(Problem::TlsHandshake, text)),
                Recorded::default(),
            );
        }
    };
    let mut stream = StreamOwned::new(connection, socket);
    let shaken = shake(&mut stream);
    let seen = recorder.seen();
    facts.wants_client_certificate = seen.wants_client_certificate;
    facts.unchecked_handshake = seen.unchecked.is_some();
    if let Err(error) = shaken {
        return (Err(failure(&error, &stream.sock, facts)), seen);
    }
    facts.version = stream.conn.protocol_version().map(version_text);
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
