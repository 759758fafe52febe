//! `tls-incomplete-chain`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::network::{show_chain, subject};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # tls-incomplete-chain
    ///
    /// ## What it means
    ///
    /// The registry sends its own certificate and leaves out the intermediate one that leads to
    /// a trusted authority. Browsers often fetch or remember the missing one; container runtimes
    /// do not.
    ///
    /// ## How we know
    ///
    /// Only the certificates that the server sends tell: one certificate, whose issuer is not
    /// itself a root. Go's text is that of an unknown authority. OpenSSL's `unable to verify the
    /// first certificate` says that a single certificate was sent; an authority of one's own that
    /// signs without intermediates looks the same.
    ///
    /// ## What to do
    ///
    /// - On the server: send the full chain (`fullchain.pem` instead of `cert.pem`).
    ///
    /// ## What it is not
    ///
    /// - A complete chain to an authority that the node lacks is `tls-unknown-authority`.
    ///
    /// ## Sources
    ///
    /// - RFC 8446, 4.4.2: the server has to send the chain; the root may be left out.
    /// - OpenSSL `X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE`, openssl-verification-options(1).
    TlsIncompleteChain
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

/// Whether the text says that the chain is one certificate which is not self-signed. The grammar
/// gives the fault alone, and OpenSSL's wording is the only one that says more.
pub(crate) fn stops_short(case: &Case<'_>) -> bool {
    *case.fault() == Fault::UnknownAuthority
        && case
            .text()
            .to_ascii_lowercase()
            .contains("unable to verify the first certificate")
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !stops_short(case) {
        return None;
    }
    Some(
        case.finding(
            CauseId::TlsIncompleteChain,
            Confidence::Possible,
            network_object(case),
            format!(
                "{} sends a single certificate, without the one that issued it",
                subject(case).trim_end_matches(',')
            ),
        )
        .rival(
            CauseId::TlsUnknownAuthority,
            "an authority that signs without intermediates and is not trusted looks the same",
            "the certificates that the host sends",
        )
        .next(
            "which certificates does the host send to the node?",
            Some(show_chain(&case.failed_host())),
        )
        .remedy(
            "send-chain",
            Applicability::Advice,
            "on the server: send the full chain (`fullchain.pem` instead of `cert.pem`)",
            None,
        )
        .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::fixture::stuck;

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn a_single_certificate_leaves_both_open() {
        let text = "error sending request for url (https://registry.example.com/v2/): error:0A000086:SSL routines::certificate verify failed (unable to verify the first certificate)";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        // The more specific of the two is named first.
        assert_eq!(finding.cause, CauseId::TlsIncompleteChain);
        let rivals: Vec<CauseId> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(rivals, [CauseId::TlsUnknownAuthority]);
    }

    #[test]
    fn gos_text_does_not_tell_and_stays_general() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::TlsUnknownAuthority
        );
    }
}
