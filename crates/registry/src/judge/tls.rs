//! What a failed handshake means.

use std::io;

use super::{Fault, Problem, TlsFacts};

/// The peer answered in plain HTTP, going by its first bytes.
pub fn plain_http(sniffed: &[u8]) -> Option<Fault> {
    sniffed.starts_with(b"HTTP/").then(|| {
        Fault::new(
            Problem::TlsPlainHttp,
            "http: server gave HTTP response to HTTPS client",
        )
    })
}

/// The peer speaks neither TLS nor HTTP, going by its first bytes.
pub fn not_tls(sniffed: &[u8]) -> Option<Fault> {
    // Records of a handshake, an alert or a change of cipher.
    let looks_like_tls = matches!(sniffed.first(), None | Some(0x14..=0x17));
    (!looks_like_tls).then(|| {
        Fault::new(
            Problem::TlsNotTls,
            "tls: first record does not look like a TLS handshake",
        )
    })
}

/// Says how a connection ended, as Go does.
pub fn cut_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        io::ErrorKind::ConnectionReset => "read: connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}

/// What an alert of the server means, by its number; `otherwise` is its name where Go's words for
/// it are not known here. Noted in the facts.
pub fn tls_alert(number: u8, otherwise: &str, facts: &mut TlsFacts) -> Fault {
    const HANDSHAKE_FAILURE: u8 = 40;
    const BAD_CERTIFICATE: u8 = 42;
    const CERTIFICATE_REQUIRED: u8 = 116;
    // Go's words (crypto/tls/alert.go).
    let text = match number {
        HANDSHAKE_FAILURE => "handshake failure",
        BAD_CERTIFICATE => "bad certificate",
        CERTIFICATE_REQUIRED => "certificate required",
        112 => "unrecognized name",
        70 => "protocol version not supported",
        80 => "internal error",
        49 => "access denied",
        // The runtimes speak HTTP/2 as well, so they may get further.
        120 => "no application protocol: HTTP/1.1, which is all that is spoken here, is not served",
        _ => otherwise,
    };
    facts.alert = Some(text.to_owned());
    let wants = number == CERTIFICATE_REQUIRED
        || (facts.wants_client_certificate
            && matches!(number, HANDSHAKE_FAILURE | BAD_CERTIFICATE));
    let problem = if wants {
        Problem::TlsClientCertificate
    } else {
        Problem::TlsHandshake
    };
    Fault::new(problem, format!("remote error: tls: {text}"))
}
