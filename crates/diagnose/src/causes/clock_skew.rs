//! `clock-skew`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Question};

use super::{
    clock::{self, LONG_AHEAD, Measured, Skew},
    here::{self, with_here},
    there::{open_node_view, with_over},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # clock-skew
    ///
    /// ## What it means
    ///
    /// The registry's certificate is good, and the node's clock is wrong, so the node takes the
    /// certificate for expired or for one of the future.
    ///
    /// ## How we know
    ///
    /// Go prints the node's own time: `current time T1 is after T2`. The text was written after
    /// the pod was created and before it was read, by the API server's clock. If T1 does not lie
    /// between, and the certificate is valid there, the clock alone explains the text. It is
    /// proven where the node's heartbeat, which the kubelet writes by the same clock, shows the
    /// same difference, or a probe on the node does (`pulldoctor diagnose --node-view`). A time before Kubernetes existed is wrong without any comparison. Where the
    /// host sends the same certificate here, and it is valid by the clock here, it is *likely*.
    ///
    /// ## What to do
    ///
    /// - On the node: `timedatectl status`, `chronyc tracking`; start the time service, and let
    ///   its packets (UDP 123) out.
    /// - Tokens and leases of the node suffer too, so mend the clock before anything else.
    ///
    /// ## What it is not
    ///
    /// - If the API server's clock agrees with the node's, it is the certificate: `tls-expired`
    ///   or `tls-not-yet-valid`.
    ///
    /// ## Sources
    ///
    /// - Go `crypto/x509/verify.go`; Kubernetes `pkg/kubelet/nodestatus` and leases: who writes
    ///   the heartbeat.
    ClockSkew
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    // The certificate's causes ask for the node.
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !matches!(
        case.fault(),
        Fault::CertificateExpired | Fault::CertificateNotYetValid
    ) {
        return None;
    }
    match clock::explains(case) {
        Some(skew) => Some(explained(case, skew).into()),
        None => suspected(case).map(Into::into),
    }
}

fn node_of(case: &Case<'_>) -> String {
    case.symptom
        .node
        .as_ref()
        .map_or_else(|| "the node".to_owned(), |node| format!("node `{node}`"))
}

fn explained(case: &Case<'_>, skew: Skew) -> Finding {
    let (how, how_of) = if skew.seconds > 0 {
        ("ahead", "ahead of")
    } else {
        ("behind", "behind")
    };
    let by = clock::length(skew.seconds);
    let is_live = !case.pasted;
    let is_measured = skew.by != Measured::Text;
    let mut finding = case.finding(
        CauseId::ClockSkew,
        if is_measured {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.node_object(),
        format!(
            "the clock of {} is {}{by} {how}, so it rejects the certificate of `{}`",
            node_of(case),
            if is_measured { "" } else { "at least " },
            case.failed_host()
        ),
    );
    if let Some(moment) = clock::moment(case) {
        finding = finding.note("node's time", moment.node.to_string());
        if is_live {
            finding = finding.note("API server's time", case.evidence.observed.to_string());
        }
    }
    finding = match skew.by {
        Measured::Heartbeat => finding.seen(
            case.node().answered(),
            format!("its heartbeat is {by} {how_of} the API server's clock"),
        ),
        Measured::Probe => finding.seen(
            case.node_view().answered(),
            format!("its clock is {by} {how_of} the API server's"),
        ),
        // The clock was wrong at that try, and a probe finds it right.
        Measured::Text if clock::is_right_now(case) => {
            finding.confidence = finding.confidence.min(Confidence::Possible);
            with_over(
                finding.seen(case.node_view().answered(), "the node's clock is right now"),
                case,
            )
        }
        Measured::Text => open_node_view(finding, case),
    };
    let other = if *case.fault() == Fault::CertificateExpired {
        CauseId::TlsExpired
    } else {
        CauseId::TlsNotYetValid
    };
    if is_live {
        finding = finding.rules_out(other, "by the API server's clock the certificate is valid");
    }
    with_remedy(finding)
}

/// Without a second clock: a start of validity far ahead, or a heartbeat that is off.
fn suspected(case: &Case<'_>) -> Option<Finding> {
    if clock::agrees(case) || clock::is_right_now(case) {
        return None;
    }
    let (because, rival) = match clock::moment(case) {
        Some(moment) if !moment.is_end => {
            let ahead = moment.edge.as_second() - moment.node.as_second();
            if ahead < LONG_AHEAD {
                return None;
            }
            (
                format!(
                    "by the clock of {} the certificate of `{}` becomes valid in {}",
                    node_of(case),
                    case.failed_host(),
                    clock::length(ahead)
                ),
                CauseId::TlsNotYetValid,
            )
        }
        Some(_) => return None,
        None => {
            let seconds = clock::heartbeat(case)?;
            (
                format!(
                    "the clock of {} is {} {}",
                    node_of(case),
                    clock::length(seconds),
                    if seconds > 0 { "ahead" } else { "behind" }
                ),
                if *case.fault() == Fault::CertificateExpired {
                    CauseId::TlsExpired
                } else {
                    CauseId::TlsNotYetValid
                },
            )
        }
    };
    let valid_here = is_valid_here(case);
    let mut finding = case.finding(
        CauseId::ClockSkew,
        if valid_here {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        case.node_object(),
        because,
    );
    finding = if valid_here {
        with_here(finding, case).rules_out(rival, "by the clock here the same certificate is valid")
    } else {
        finding.rival(
            rival,
            "the certificate's dates may be wrong, and the clock right",
            "the certificate's dates and the clock of the node",
        )
    };
    Some(with_remedy(open_node_view(finding, case)))
}

/// Whether the certificate that the node refuses is sent here too, and is valid by the clock here.
fn is_valid_here(case: &Case<'_>) -> bool {
    let (Some(moment), Some(facts)) = (clock::moment(case), here::handshake(case)) else {
        return false;
    };
    let same = facts.chain.iter().any(|one| {
        let edge = if moment.is_end {
            &one.not_after
        } else {
            &one.not_before
        };
        edge.parse().ok() == Some(moment.edge)
    });
    same && here::answers(case)
}

fn with_remedy(finding: Finding) -> Finding {
    finding
        .next(
            "what does the node's time service say?",
            Some("timedatectl status; chronyc tracking".to_owned()),
        )
        .remedy(
            "sync-clock",
            Applicability::Advice,
            "on the node: set the clock through its time service",
            Some("timedatectl set-ntp true".to_owned()),
        )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Condition, Confidence, NodeFacts, ObjectKind};

    use crate::{
        causes::here::samples,
        fixture::{Fixture, at, node, stuck},
        read_text,
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(now: impl std::fmt::Display, word: &str, edge: impl std::fmt::Display) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time {now} is {word} {edge}"
        )
    }

    fn node_at(heartbeat: i64, ready: &str) -> NodeFacts {
        let mut facts = node();
        facts.heartbeat = Some(at(heartbeat));
        facts.conditions.push(Condition {
            kind: "Ready".to_owned(),
            status: ready.to_owned(),
            reason: "KubeletReady".to_owned(),
            message: String::new(),
            since: None,
        });
        facts
    }

    #[test]
    fn text_and_heartbeat_prove_a_fast_clock() {
        let text = text(at(36_000), "after", at(30_000));
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .node(node_at(36_020, "True"))
            .judge();
        assert_eq!(finding.cause, CauseId::ClockSkew);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.kind, ObjectKind::Node);
        assert!(finding.summary.contains("10 h"), "{}", finding.summary);
    }

    #[test]
    fn the_text_alone_makes_it_likely() {
        let ahead = text(at(36_000), "after", at(30_000));
        let behind = text(at(-36_000), "before", at(-30_000));
        for text in [ahead, behind] {
            let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
            assert_eq!(finding.cause, CauseId::ClockSkew);
            assert_eq!(finding.confidence, Confidence::Likely);
        }
    }

    #[test]
    fn an_old_pod_on_a_slow_node_needs_the_heartbeat() {
        let text = text(at(-36_000), "before", at(-30_000));
        let old = |facts: NodeFacts| {
            stuck(IMAGE, "ErrImagePull", &text)
                .symptom(|symptom| symptom.created = Some(at(-900_000)))
                .node(facts)
                .judge()
        };
        let finding = old(node_at(-36_000, "True"));
        assert_eq!(finding.cause, CauseId::ClockSkew);
        assert_eq!(finding.confidence, Confidence::Proven);
        // A node that no longer reports says nothing about its clock.
        let gone = old(node_at(-36_000, "Unknown"));
        assert_eq!(gone.cause, CauseId::TlsNotYetValid);
        assert_eq!(gone.confidence, Confidence::Possible);
    }

    #[test]
    fn a_lease_tells_smaller_differences_than_a_status() {
        // Three minutes behind: the certificate is two minutes old.
        let text = text(at(-180), "before", at(-120));
        let leased = |seconds: i64, ready: &str| {
            let mut facts = node_at(-5, ready);
            facts.lease_ahead_s = Some(seconds);
            stuck(IMAGE, "ErrImagePull", &text)
                .symptom(|symptom| symptom.created = Some(at(-200)))
                .node(facts)
                .judge()
        };
        let finding = leased(-180, "True");
        assert_eq!(finding.cause, CauseId::ClockSkew);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.summary.contains("3 min"), "{}", finding.summary);
        // A node that no longer renews it has a right clock, as far as is known.
        assert_ne!(leased(-180, "Unknown").confidence, Confidence::Proven);
        assert_ne!(leased(0, "True").confidence, Confidence::Proven);
    }

    #[test]
    fn a_certificate_that_is_really_old_is_not_the_clocks_fault() {
        let text = text(at(-10), "after", at(-40_000));
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .node(node_at(-5, "True"))
            .judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
    }

    #[test]
    fn a_fast_clock_does_not_renew_an_expired_certificate() {
        let text = text(at(36_000), "after", at(-40_000));
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .node(node_at(36_000, "True"))
            .judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
    }

    #[test]
    fn a_time_before_kubernetes_is_wrong_by_itself() {
        let verdict = read_text(&text(
            "1970-01-01T00:02:11Z",
            "before",
            "2026-02-01T00:00:00Z",
        ));
        assert_eq!(verdict.finding.cause, CauseId::ClockSkew);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_start_far_ahead_makes_the_clock_the_first_suspect() {
        let verdict = read_text(&text(
            "2025-02-01T00:00:00Z",
            "before",
            "2026-02-01T00:00:00Z",
        ));
        assert_eq!(verdict.finding.cause, CauseId::ClockSkew);
        assert_eq!(verdict.finding.confidence, Confidence::Possible);
        assert!(verdict.rivals().contains(&CauseId::TlsNotYetValid));
    }

    #[test]
    fn the_same_certificate_that_is_valid_here_makes_it_the_nodes_clock() {
        // The text is not newer than the pod, so the node's time alone does not tell.
        let text = text("2025-02-01T00:00:00Z", "before", "2026-01-01T00:00:00Z");
        let old = |fixture: Fixture| {
            fixture.symptom(|symptom| {
                symptom.created = Some("2024-01-01T00:00:00Z".parse().unwrap());
                symptom.since = symptom.created;
            })
        };
        let alone = old(stuck(IMAGE, "ErrImagePull", &text)).judge();
        assert_eq!(alone.cause, CauseId::ClockSkew);
        assert_eq!(alone.confidence, Confidence::Possible);
        let seen = samples::good_tls(IMAGE, &samples::handshake(&["registry.example.com"]));
        let finding = old(stuck(IMAGE, "ErrImagePull", &text))
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::ClockSkew);
        assert_eq!(finding.confidence, Confidence::Likely);
        let mut other = samples::handshake(&["registry.example.com"]);
        other.chain[0].not_before = "2026-03-01T00:00:00Z".to_owned();
        let renewed = old(stuck(IMAGE, "ErrImagePull", &text))
            .registry(samples::good_tls(IMAGE, &other))
            .judge();
        assert_eq!(renewed.confidence, Confidence::Possible);
    }
}
