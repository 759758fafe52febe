//! `tls-not-yet-valid`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question, registry::Problem};

use super::{
    clock, here,
    network::{ask_others, show_chain, subject, with_places},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # tls-not-yet-valid
    ///
    /// ## What it means
    ///
    /// By the node's clock the validity of the registry's certificate has not begun.
    ///
    /// ## How we know
    ///
    /// `x509: certificate has expired or is not yet valid: current time T1 is before T2`. T2 is
    /// the start of the validity, T1 the node's clock. Certificates are rarely issued for later,
    /// so a clock that is slow is the nearer explanation unless the API server's clock agrees
    /// with the node's.
    ///
    /// With `pulldoctor diagnose --node-view` the node's clock is measured: *proven* where it is
    /// right and the certificate that the node is sent is not valid yet.
    ///
    /// ## What to do
    ///
    /// - Look at the node's clock first.
    /// - If that is right, look at the clock of the machine that issued the certificate, or wait
    ///   until it is valid.
    ///
    /// ## What it is not
    ///
    /// - If the certificate is valid by the API server's clock, it is `clock-skew`.
    ///
    /// ## Sources
    ///
    /// - Go `crypto/x509/verify.go` (`CertificateInvalidError`, `Expired`).
    TlsNotYetValid
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::CertificateNotYetValid => {
            let mut asked = ask_others(case);
            asked.extend(case.node_question());
            asked
        }
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::CertificateNotYetValid || clock::explains(case).is_some() {
        return None;
    }
    let early_here = here::problem(case) == Some(Problem::TlsNotYetValid);
    let agrees = early_here || clock::agrees(case) || clock::is_right_now(case);
    let begins = clock::moment(case).map_or_else(String::new, |moment| {
        format!(
            " before {}, and the node's clock says {}",
            moment.edge, moment.node
        )
    });
    let mut finding = case.finding(
        CauseId::TlsNotYetValid,
        if agrees {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        network_object(case),
        format!(
            "the certificate of {} is not valid{}",
            subject(case),
            if begins.is_empty() { " yet" } else { &begins }
        ),
    );
    if early_here {
        finding = finding.rules_out(
            CauseId::ClockSkew,
            "by the clock here it is not valid yet either",
        );
    } else if agrees {
        finding = finding.rules_out(
            CauseId::ClockSkew,
            format!(
                "by the API server's clock ({}) it is not valid yet either",
                case.evidence.observed
            ),
        );
    } else if clock::is_right_now(case) {
        finding = finding.rules_out(CauseId::ClockSkew, "a probe finds the node's clock right");
    } else {
        finding = finding.rival(
            CauseId::ClockSkew,
            "the node's clock may be slow",
            "the clock of the node",
        );
    }
    Some(
        with_places(finding, case)
            .next(
                "from when on is the certificate valid that the host sends?",
                Some(format!(
                    "{} | openssl x509 -noout -dates",
                    show_chain(&case.failed_host())
                )),
            )
            .remedy(
                "look-at-clocks",
                Applicability::Advice,
                "look at the node's clock, then at the clock of the machine that issued the \
                 certificate",
                Some("timedatectl status".to_owned()),
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

    fn text(now: impl std::fmt::Display, start: impl std::fmt::Display) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time {now} is before {start}"
        )
    }

    #[test]
    fn not_valid_by_the_api_servers_clock_either() {
        let finding = stuck(IMAGE, "ErrImagePull", &text(at(-20), at(7_000))).judge();
        assert_eq!(finding.cause, CauseId::TlsNotYetValid);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::ClockSkew)
        );
    }

    #[test]
    fn a_pasted_text_leaves_the_clock_open() {
        let verdict = read_text(&text("2026-03-01T10:00:00Z", "2026-03-01T10:20:00Z"));
        assert_eq!(verdict.finding.cause, CauseId::TlsNotYetValid);
        assert_eq!(verdict.finding.confidence, Confidence::Possible);
        assert!(verdict.rivals().contains(&CauseId::ClockSkew));
    }

    #[test]
    fn valid_by_the_api_servers_clock_is_the_nodes_clock() {
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text(at(-9_000), at(-8_000))).cause(),
            CauseId::ClockSkew
        );
    }

    #[test]
    fn not_valid_here_either() {
        let seen = samples::bad_tls(
            IMAGE,
            Problem::TlsNotYetValid,
            samples::handshake(&["registry.example.com"]),
        );
        let text = text(at(-400), at(7_000));
        let alone = stuck(IMAGE, "ErrImagePull", &text).judge();
        let finding = stuck(IMAGE, "ErrImagePull", &text).registry(seen).judge();
        assert_eq!(finding.cause, alone.cause);
        if finding.cause == CauseId::TlsNotYetValid {
            assert_eq!(finding.confidence, Confidence::Likely);
        }
    }
}
