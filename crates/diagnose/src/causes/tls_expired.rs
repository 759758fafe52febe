//! `tls-expired`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Question, Timestamp, registry::Problem,
};

use super::{
    clock, here,
    network::{ask_others, show_chain, subject, with_places},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::from_node,
    places::network_object,
};

cause! {
    /// # tls-expired
    ///
    /// ## What it means
    ///
    /// The registry's certificate was valid until a moment that has passed.
    ///
    /// ## How we know
    ///
    /// `x509: certificate has expired or is not yet valid: current time T1 is after T2`. T2 is
    /// the end of the certificate's validity, T1 the node's clock. T1 is held against the API
    /// server's clock, so that a wrong clock is not taken for an old certificate. The certificate
    /// that the host sends here, and its dates, stand beside it.
    ///
    /// With `pulldoctor diagnose --node-view` the certificate that the node is sent is held against
    /// the API server's clock: *proven* where it has expired by it.
    ///
    /// ## What to do
    ///
    /// - Renew the certificate on the registry, and let the server load it: a renewed file is of
    ///   no use before a reload.
    ///
    /// ## What it is not
    ///
    /// - If the certificate is still valid by the API server's clock, it is `clock-skew`.
    /// - `is before` is `tls-not-yet-valid`.
    ///
    /// ## Sources
    ///
    /// - Go `crypto/x509/verify.go` (`CertificateInvalidError`, `Expired`); the times stand there
    ///   since Go 1.15.
    TlsExpired
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::CertificateExpired => {
            let mut asked = ask_others(case);
            asked.extend(case.node_question());
            asked
        }
        _ => Vec::new(),
    }
}

/// Whether a certificate that the node is sent has expired by the API server's clock.
fn is_over_for_node(case: &Case<'_>) -> bool {
    from_node(case)
        .and_then(|look| look.handshake(case))
        .is_some_and(|seen| {
            seen.chain.iter().any(|one| {
                let end: Option<Timestamp> = one.not_after.parse().ok();
                end.is_some_and(|end| end < case.evidence.observed)
            })
        })
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::CertificateExpired || clock::explains(case).is_some() {
        return None;
    }
    let moment = clock::moment(case);
    // Before Go 1.15 the text is the same for both ends of the validity.
    let expired_here = here::problem(case) == Some(Problem::TlsExpired);
    let tells_which = moment.is_some()
        || expired_here
        || is_over_for_node(case)
        || !case.text().contains("or is not yet valid");
    let ended = moment.map_or_else(String::new, |moment| {
        let now = if case.pasted {
            moment.node
        } else {
            case.evidence.observed.max(moment.node)
        };
        format!(
            " {} ago, at {}",
            clock::length(now.as_second() - moment.edge.as_second()),
            moment.edge
        )
    });
    let subject = subject(case);
    let mut finding = case.finding(
        CauseId::TlsExpired,
        if tells_which {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        network_object(case),
        if tells_which {
            format!("the certificate of {subject} expired{ended}")
        } else {
            format!(
                "the certificate of {subject} has expired, or is not valid yet by the node's clock"
            )
        },
    );
    if is_over_for_node(case) {
        finding = finding.rules_out(
            CauseId::ClockSkew,
            format!(
                "by the API server's clock ({}) the certificate that the node is sent has expired \
                 too",
                case.evidence.observed
            ),
        );
    } else if expired_here {
        finding = finding
            .rules_out(CauseId::ClockSkew, "by the clock here it has expired too")
            .rules_out(CauseId::TlsNotYetValid, "by the clock here it has expired");
    } else if clock::agrees(case) {
        finding = finding.rules_out(
            CauseId::ClockSkew,
            format!(
                "by the API server's clock ({}) it has expired too",
                case.evidence.observed
            ),
        );
    } else if !tells_which && !clock::is_right_now(case) {
        finding = finding
            .rival(
                CauseId::TlsNotYetValid,
                "the text is the same for a certificate that is not valid yet",
                "the certificate's dates",
            )
            .rival(
                CauseId::ClockSkew,
                "the text does not tell the node's clock",
                "the clock of the node",
            );
    }
    Some(
        with_places(finding, case)
            .next(
                "until when is the certificate valid that the host sends?",
                Some(format!(
                    "{} | openssl x509 -noout -dates",
                    show_chain(&case.failed_host())
                )),
            )
            .remedy(
                "renew-certificate",
                Applicability::Advice,
                "on the server: renew the certificate and reload the server",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::Problem};

    use crate::{
        causes::here::samples,
        fixture::{at, stuck},
        read_text,
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(times: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid{times}"
        )
    }

    #[test]
    fn expired_by_the_api_servers_clock_too() {
        let times = format!(": current time {} is after {}", at(-30), at(-90_000));
        let finding = stuck(IMAGE, "ErrImagePull", &text(&times)).judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding.summary.contains("expired 25 h ago"),
            "{}",
            finding.summary
        );
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::ClockSkew)
        );
    }

    #[test]
    fn still_valid_by_the_api_servers_clock_is_the_nodes_clock() {
        let times = format!(": current time {} is after {}", at(90_000), at(80_000));
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text(&times)).cause(),
            CauseId::ClockSkew
        );
    }

    #[test]
    fn without_times_the_text_does_not_tell() {
        let finding = stuck(IMAGE, "ErrImagePull", &text("")).judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
        assert_eq!(finding.confidence, Confidence::Possible);
        let rivals: Vec<CauseId> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(rivals, [CauseId::TlsNotYetValid, CauseId::ClockSkew]);
    }

    #[test]
    fn a_pasted_text_is_taken_at_its_word() {
        let verdict = read_text(&text(
            ": current time 2026-03-01T10:00:00Z is after 2026-02-01T00:00:00Z",
        ));
        assert_eq!(verdict.finding.cause, CauseId::TlsExpired);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
    }

    #[test]
    fn expired_here_too_leaves_no_doubt_about_the_clock() {
        let doubtful = text("");
        let seen = samples::bad_tls(
            IMAGE,
            Problem::TlsExpired,
            samples::handshake(&["registry.example.com"]),
        );
        let finding = stuck(IMAGE, "ErrImagePull", &doubtful)
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
        assert_eq!(finding.confidence, Confidence::Likely);
        let excluded: Vec<_> = finding.ruled_out.iter().map(|out| out.cause).collect();
        assert!(excluded.contains(&CauseId::ClockSkew), "{excluded:?}");
    }
}
