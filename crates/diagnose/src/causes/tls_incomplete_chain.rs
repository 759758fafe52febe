//! `tls-incomplete-chain`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question, clean_line,
    registry::{Problem, TlsFacts},
};

use super::{
    here,
    network::{show_chain, subject, with_places},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::from_node,
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
    /// signs without intermediates looks the same. Where the chain that is sent here stops short,
    /// it is *likely*, and the certificate itself tells where the missing one can be had.
    ///
    /// With `pulldoctor diagnose --node-view` the chain that the node is sent decides: *proven*
    /// where it stops short and its last certificate says where its issuer's is.
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

/// Whether the server was seen to send a chain that stops short of an authority: to the node, or
/// else here.
pub(crate) fn is_seen_to_stop_short(case: &Case<'_>) -> bool {
    let problem = match sent_to_node(case) {
        Some((problem, _)) => problem,
        None => here::problem(case),
    };
    *case.fault() == Fault::UnknownAuthority && problem == Some(Problem::TlsIncompleteChain)
}

/// What is wrong with the chain that the node is sent, and the chain, where either is known.
fn sent_to_node<'a>(case: &Case<'a>) -> Option<(Option<Problem>, Option<&'a TlsFacts>)> {
    let look = from_node(case)?;
    let (problem, facts) = (look.tls_problem(case), look.handshake(case));
    (problem.is_some() || facts.is_some()).then_some((problem, facts))
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if is_seen_to_stop_short(case) {
        return Some(seen(case).into());
    }
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
                subject(case)
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

/// The chain that the server sends was looked at, from the node or from here.
fn seen(case: &Case<'_>) -> Finding {
    let host = case.failed_host();
    let to_node = sent_to_node(case);
    let issuer = to_node
        .and_then(|(_, facts)| facts)
        .or_else(|| here::handshake(case))
        .and_then(|facts| facts.issuer_url.as_deref());
    let mut finding = case.finding(
        CauseId::TlsIncompleteChain,
        Confidence::Likely,
        network_object(case),
        format!(
            "{} does not send the certificate that issued its own",
            subject(case)
        ),
    );
    if to_node.is_some() && issuer.is_none() {
        finding = finding.rival(
            CauseId::TlsUnknownAuthority,
            "the certificate does not say where its issuer's is, which may be an authority that the \
             node lacks",
            "the issuer's certificate: whether it signed itself",
        );
    }
    with_places(finding, case)
        .next(
            "which certificates does the host send to the node?",
            Some(show_chain(&host)),
        )
        .remedy(
            "send-chain",
            Applicability::Advice,
            match issuer {
                Some(url) => format!(
                    "on the server: send the full chain (`fullchain.pem` instead of `cert.pem`); \
                     the missing certificate is at {}",
                    clean_line(url)
                ),
                None => "on the server: send the full chain (`fullchain.pem` instead of \
                         `cert.pem`)"
                    .to_owned(),
            },
            None,
        )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Problem};

    use crate::{causes::here::samples, fixture::stuck};

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

    const UNKNOWN: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority";

    #[test]
    fn a_chain_that_stops_short_here_is_the_servers_fault() {
        let mut facts = samples::handshake(&["registry.example.com"]);
        facts.issuer_url = Some("http://ca.example.com/sub.crt".to_owned());
        let seen = samples::bad_tls(IMAGE, Problem::TlsIncompleteChain, facts);
        let finding = stuck(IMAGE, "ErrImagePull", UNKNOWN).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::TlsIncompleteChain);
        // The node may get another chain than this place: never proven from here.
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.rivals.is_empty());
        assert!(
            finding.remedies[0]
                .title
                .contains("http://ca.example.com/sub.crt")
        );
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer.contains("issued by `CN=Company CA`"))
        );
    }

    #[test]
    fn an_authority_that_is_unknown_here_too_is_no_short_chain() {
        let facts = samples::handshake(&["registry.example.com"]);
        let seen = samples::bad_tls(IMAGE, Problem::TlsUnknownAuthority, facts);
        let finding = stuck(IMAGE, "ErrImagePull", UNKNOWN).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
    }
}
