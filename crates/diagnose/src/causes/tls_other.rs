//! `tls-other`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question, registry::Problem};

use super::{
    here,
    network::{ask_others, show_chain, subject, with_places},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::{FromNode, from_node},
    places::network_object,
};

cause! {
    /// # tls-other
    ///
    /// ## What it means
    ///
    /// The TLS handshake with the registry fails for another reason than an unknown issuer, a
    /// date or a name: the server wants a certificate of the node, no common version or cipher, a
    /// server that does not know the host, a certificate of an outdated or forbidden kind.
    ///
    /// ## How we know
    ///
    /// - `remote error: tls: …` is what the server says. `certificate required` and `bad
    ///   certificate` mean that it wants a client certificate; `handshake failure`, `protocol
    ///   version not supported` that nothing is common; `unrecognized name`, `internal error`
    ///   that it serves no such host.
    /// - `certificate relies on legacy Common Name field`: no subject alternative names.
    ///
    /// `pulldoctor diagnose --node-view` shows the handshake from the node itself: the same fault
    /// there is *proven*. A bare failure of the handshake is not: a probe knows fewer ciphers than
    /// Go.
    ///
    /// ## What to do
    ///
    /// - See the handshake from the node: `openssl s_client -connect HOST:443 -servername HOST`.
    /// - Check that the address is the registry's: another server at the address fails like this.
    ///
    /// ## What it is not
    ///
    /// - An unknown issuer, a date or a name have causes of their own.
    /// - A handshake that never ends is `registry-unreachable-timeout`.
    ///
    /// ## Sources
    ///
    /// - Go `crypto/tls/alert.go`, `crypto/x509/verify.go`; RFC 8446, 6.2.
    TlsOther
}

/// What the words of an alert mean; they only choose the sentence, the fault is the grammar's.
const MEANINGS: &[(&str, &str)] = &[
    (
        "certificate required",
        "wants a client certificate, which the node does not send",
    ),
    (
        "bad certificate",
        "refuses the client certificate of the node, or wants one",
    ),
    (
        "unknown certificate authority",
        "does not trust the client certificate of the node",
    ),
    (
        "expired certificate",
        "says that the client certificate of the node has expired",
    ),
    (
        "legacy common name",
        "has a certificate without subject alternative names, which Go does not accept",
    ),
    (
        "protocol version",
        "has no TLS version in common with the node",
    ),
    (
        "unsupported protocol",
        "has no TLS version in common with the node",
    ),
    ("unrecognized name", "does not serve a host of that name"),
    (
        "not authorized to sign",
        "has a certificate that is signed by one which may not sign",
    ),
    (
        "handshake failure",
        "breaks off the TLS handshake: nothing in common, or it serves no such host",
    ),
    (
        "internal error",
        "breaks off the TLS handshake: it serves no such host, or fails itself",
    ),
];

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::TlsOther => ask_others(case),
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::TlsOther {
        return None;
    }
    let text = case.text().to_ascii_lowercase();
    let meaning = MEANINGS
        .iter()
        .find(|(words, _)| text.contains(words))
        .map_or("and the node do not come to a TLS connection", |row| row.1);
    // The server's wish is told by its own message, where the text tells an alert only.
    let seen = from_node(case)
        .filter(FromNode::is_nodes_own)
        .and_then(|look| look.tls_problem(case))
        .or_else(|| here::problem(case));
    let meaning = match seen {
        Some(Problem::TlsClientCertificate) => {
            "wants a client certificate, and the node has none for it"
        }
        Some(Problem::TlsLegacyCommonName) => {
            "has a certificate that names it in its common name only"
        }
        _ => meaning,
    };
    let host = case.failed_host();
    let finding = case.finding(
        CauseId::TlsOther,
        Confidence::Likely,
        network_object(case),
        format!("{} {meaning}", subject(case)),
    );
    Some(
        with_places(finding, case)
            .next(
                "how does the handshake go from the node?",
                Some(show_chain(&host)),
            )
            .remedy(
                "look-at-server",
                Applicability::Advice,
                format!(
                    "look at the TLS settings of `{host}`, and whether its name leads the node to \
                     the right server"
                ),
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Problem};

    use crate::{causes::here::samples, fixture::stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
        )
    }

    #[test]
    fn alerts_are_told_apart() {
        for (end, words) in [
            (
                "remote error: tls: certificate required",
                "wants a client certificate",
            ),
            ("remote error: tls: handshake failure", "breaks off"),
            (
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                "without subject alternative names",
            ),
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
            assert_eq!(finding.cause, CauseId::TlsOther, "{end}");
            assert_eq!(finding.confidence, Confidence::Likely);
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
    }

    #[test]
    fn a_handshake_that_never_ends_is_a_timeout() {
        assert_eq!(
            stuck(
                IMAGE,
                "ErrImagePull",
                &text("net/http: TLS handshake timeout")
            )
            .cause(),
            CauseId::RegistryUnreachableTimeout
        );
    }

    #[test]
    fn a_client_certificate_that_is_wanted_here_explains_an_alert() {
        let seen = samples::bad_tls(
            IMAGE,
            Problem::TlsClientCertificate,
            samples::handshake(&["registry.example.com"]),
        );
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text("remote error: tls: handshake failure"),
        )
        .registry(seen)
        .judge();
        assert_eq!(finding.cause, CauseId::TlsOther);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("wants a client certificate"));
    }
}
