//! TLS errors: Go (crypto/x509, crypto/tls), OpenSSL, BoringSSL, rustls, curl, Schannel.

use super::{Rule, rule};
use crate::Fault;
use crate::draft::Draft;
use crate::text::keep;

pub(super) const RULES: &[Rule] = &[
    rule("x509: certificate signed by unknown authority", |d, _| {
        d.net(Fault::UnknownAuthority);
    }),
    rule("certificate signed by unknown authority", |d, _| {
        d.net(Fault::UnknownAuthority);
    }),
    rule(
        "\\(possibly because of {q} while trying to verify candidate authority certificate {q}",
        |d, c| {
            d.facts.candidate_authority = Some(keep(c.get(1), 200));
        },
    ),
    rule(
        "possibly because of {q} while trying to verify candidate authority certificate {q}",
        |d, c| {
            d.facts.candidate_authority = Some(keep(c.get(1), 200));
        },
    ),
    rule(
        "(unable to get local issuer certificate|unable to get issuer certificate|self signed certificate|self-signed certificate|unable to verify the first certificate|unknownissuer|unknown issuer|certificate is not trusted|is not trusted|certificate verify failed)",
        |d, _| {
            // OpenSSL says "certificate verify failed" of expired certificates too, and then why.
            if d.phrase().contains("verify failed") {
                d.fault(crate::draft::Weight::Server, Fault::UnknownAuthority);
            } else {
                d.net(Fault::UnknownAuthority);
            }
        },
    ),
    rule(
        "certificate has expired or is not yet valid< or the current system time is wrong>",
        |d, _| {
            // The words that follow tell which, if there are any.
            let fault = if d.after().contains("is before ") {
                Fault::CertificateNotYetValid
            } else {
                Fault::CertificateExpired
            };
            d.net(fault);
        },
    ),
    rule("current time {w} is after {w}", |d, c| {
        d.facts.node_time = Some(keep(c.get(0), 40));
        d.facts.not_after = Some(keep(c.get(1), 40));
        d.net(Fault::CertificateExpired);
    }),
    rule("current time {w} is before {w}", |d, c| {
        d.facts.node_time = Some(keep(c.get(0), 40));
        d.facts.not_before = Some(keep(c.get(1), 40));
        d.net(Fault::CertificateNotYetValid);
    }),
    rule(
        "(certificate has expired|certificate expired|certificate is expired)",
        |d, _| d.net(Fault::CertificateExpired),
    ),
    rule("certificate is not yet valid", |d, _| {
        d.net(Fault::CertificateNotYetValid);
    }),
    rule("<x509: >certificate is valid for {..}, not {w}", |d, c| {
        let phrase = d.phrase_text();
        let names = phrase
            .split_once(" for ")
            .map_or(phrase, |(_, names)| names);
        let names = names
            .rsplit_once(", not ")
            .map_or(names, |(names, _)| names);
        d.facts.valid_for = names.split(", ").take(64).map(|n| keep(n, 255)).collect();
        mismatch(d, c.get(0));
    }),
    rule(
        "certificate is not valid for any names, but wanted to match {w}",
        |d, c| mismatch(d, c.get(0)),
    ),
    rule(
        "cannot validate certificate for {w} because it doesn't contain any ip sans",
        |d, c| mismatch(d, c.get(0)),
    ),
    rule(
        "(hostname mismatch|notvalidforname|certificate not valid for name|no alternative certificate subject name matches|certificate subject name|does not match target host name)",
        |d, _| {
            d.net(Fault::NameMismatch);
        },
    ),
    rule("certificate relies on legacy common name field", |d, _| {
        d.net(Fault::TlsOther);
    }),
    rule(
        "certificate is not authorized to sign other certificates",
        |d, _| d.net(Fault::TlsOther),
    ),
    rule(
        "x509: (certificate specifies an incompatible key usage|invalid signature|unhandled critical extension|too many intermediates|negative serial|malformed|cannot verify signature|issuer name does not match|failed to load system roots)",
        |d, _| {
            d.net(Fault::TlsOther);
        },
    ),
    rule(
        "x509: failed to load system roots and no roots provided",
        |d, _| d.net(Fault::UnknownAuthority),
    ),
    rule(
        "(remote error: tls|remote error): <error decrypting message|handshake failure|bad certificate|certificate required|unknown certificate authority|unrecognized name|internal error|protocol version not supported|access denied|certificate unknown|expired certificate>",
        |d, _| {
            d.net(Fault::TlsOther);
        },
    ),
    rule(
        "(sslv3 alert|tlsv1 alert|tlsv1.3 alert|wrong version number|unsupported protocol|no protocols available|handshake failure)",
        |d, _| {
            let fault = if d.phrase().starts_with("wrong version") {
                Fault::PlainHttp
            } else {
                Fault::TlsOther
            };
            d.net(fault);
        },
    ),
    rule(
        "tls: (no renegotiation|server selected unsupported protocol|oversized record|unsupported certificate|protocol version not supported|bad record mac|failed to parse certificate|unexpected message|received unexpected handshake message)",
        |d, _| {
            d.net(Fault::TlsOther);
        },
    ),
    rule(
        "tls: first record does not look like a tls handshake",
        |d, _| d.net(Fault::NotTls),
    ),
    rule("first record does not look like a tls handshake", |d, _| {
        d.net(Fault::NotTls);
    }),
    // What else these libraries say; the rules above are longer and win.
    rule("x509: ", |d, _| other(d)),
    rule(
        "(tls: failed to verify certificate: <x509: >|invalid peer certificate: <badsignature|badencoding|revoked>|ssl certificate problem: |ssl routines:)",
        |d, _| other(d),
    ),
    rule("invalid peer certificate: expired", |d, _| {
        d.net(Fault::CertificateExpired);
    }),
    rule("invalid peer certificate: notvalidyet", |d, _| {
        d.net(Fault::CertificateNotYetValid);
    }),
    rule("http response to https client", |d, _| {
        d.net(Fault::PlainHttp);
    }),
    rule("server gave http response to https client", |d, _| {
        d.net(Fault::PlainHttp);
    }),
    rule("client sent an http request to an https server", |d, _| {
        d.net(Fault::TlsExpected);
    }),
    rule("the plain http request was sent to https port", |d, _| {
        d.net(Fault::TlsExpected);
    }),
    rule(
        "malformed http (response|status code|version) {..}\\\\x1",
        |d, _| {
            // 15 03 01 is how a TLS alert begins.
            d.net(Fault::TlsExpected);
        },
    ),
    rule("malformed http (response|status code|version)", |d, _| {
        d.net(Fault::NotTls);
    }),
    rule(
        "(invalidcontenttype|received corrupt message of type invalidcontenttype)",
        |d, _| d.net(Fault::PlainHttp),
    ),
];

/// How the errors that have a meaning of their own begin.
const TOLD_APART: [&str; 6] = [
    "certificate signed by unknown authority",
    "certificate has expired or is not yet valid",
    "certificate is valid for",
    "certificate is not valid for any names",
    "certificate relies on legacy common name field",
    "cannot validate certificate for",
];

/// A fault of TLS that no phrase names, unless the text breaks off before it says which.
fn other(d: &mut Draft<'_>) {
    let line = d.after().lines().next().unwrap_or_default();
    let said = line.trim_matches(['.', '…', ' ', '"', '\'', '`']);
    let said = said.strip_prefix("x509: ").unwrap_or(said);
    if said != "x509:" && !TOLD_APART.iter().any(|whole| whole.starts_with(said)) {
        d.fault(crate::draft::Weight::Server, Fault::TlsOther);
    }
}

fn mismatch(d: &mut Draft<'_>, wanted: &str) {
    d.facts.wanted_name = Some(keep(wanted, 255));
    d.net(Fault::NameMismatch);
}
