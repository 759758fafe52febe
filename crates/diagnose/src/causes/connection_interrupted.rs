//! `connection-interrupted`.

use pulldoctor_messages::{Fault, Layer, Operation};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    corrupted_content,
    network::{Route, ask_others, curl, route, subject, with_places},
    support::{in_namespace, quote},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # connection-interrupted
    ///
    /// ## What it means
    ///
    /// The connection to the registry was cut: by the registry, by a load balancer or proxy on
    /// the way, or by a firewall.
    ///
    /// ## How we know
    ///
    /// `EOF`, `unexpected EOF`, `connection reset by peer`, `GOAWAY` or `stream error`. Inside a
    /// layer's transfer this admits one reading. Before any answer it is *possible* only: a
    /// firewall that forbids the host cuts connections in the same way.
    ///
    /// `pulldoctor diagnose --node-view` looks from the node itself. A cut before any answer that
    /// repeats there is *likely*: who cuts is not told. A probe does not repeat a transfer.
    ///
    /// ## What to do
    ///
    /// - Wait: the kubelet tries again, with growing pauses of up to five minutes.
    /// - If every try is cut at the same place, look for what is between: idle or size limits of a
    ///   proxy or load balancer, an MTU that is too large, a firewall.
    ///
    /// ## What it is not
    ///
    /// - `unexpected EOF` while a layer is unpacked is a broken archive, and a layer of which the
    ///   registry has less than its manifest says ends in the same words (`corrupted-content`).
    /// - `error reading from server: EOF` is the kubelet's connection to the runtime
    ///   (`runtime-broken`).
    ///
    /// ## Sources
    ///
    /// - Go `io`, `net/http` and `golang.org/x/net/http2`.
    /// - containerd `core/remotes/docker/httpreadseeker.go`, `core/content/helpers.go`.
    ConnectionInterrupted
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::Interrupted => ask_others(case),
        _ => Vec::new(),
    }
}

/// Whether the text is about a transfer that had begun.
fn in_transfer(case: &Case<'_>) -> bool {
    let reading = case.reading();
    matches!(reading.operation, Some(Operation::Blob | Operation::Verify))
        && reading
            .layers
            .iter()
            .all(|layer| *layer != Layer::OpenReader)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    // What ends early because there is no more of it was not cut.
    if *case.fault() != Fault::Interrupted || corrupted_content::is_seen(case) {
        return None;
    }
    let host = case.failed_host();
    let transfer = in_transfer(case);
    let mut finding = case.finding(
        CauseId::ConnectionInterrupted,
        if transfer {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        network_object(case),
        if transfer {
            format!(
                "the connection to {} was cut inside a transfer",
                subject(case)
            )
        } else {
            format!(
                "the connection to {} was cut before it answered",
                subject(case)
            )
        },
    );
    if !transfer {
        finding = finding.rival(
            CauseId::BlockedByPolicy,
            "a firewall that forbids the host cuts connections in the same way",
            match case.node_view_question() {
                Some(_) if case.node_view().seen().is_some() => {
                    "a capture of packets on the node: who ends the connection".to_owned()
                }
                Some(question) => question.to_string(),
                None => "a request to the host from the node".to_owned(),
            },
        );
        if route(case) == Route::Blob {
            finding = finding.rival(
                CauseId::BlobHostUnreachable,
                "the host of the layers may be cut off while the registry is not",
                "a request to that host from the node",
            );
        }
    }
    finding = with_places(finding, case);
    if case.symptom.owner.is_some() && !case.symptom.static_pod {
        finding = finding.remedy(
            "retry",
            Applicability::Safe,
            "the kubelet tries again by itself; a new pod tries at once",
            Some(format!(
                "kubectl delete pod {} {}",
                quote(&case.symptom.pod),
                in_namespace(case)
            )),
        );
    }
    Some(
        finding
            .remedy(
                "look-between",
                Applicability::Advice,
                "if every try is cut, look for a proxy, load balancer or firewall between; ask \
                 from the node",
                Some(curl(&host)),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{Facts, Problem, StageName},
    };

    use crate::fixture::{failed_at, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn inside_a_transfer_it_admits_one_reading() {
        for end in [
            "failed to copy: read tcp 10.0.0.3:38070->10.9.0.4:443: read: connection reset by peer",
            "failed to copy: unexpected EOF",
        ] {
            let text = format!("failed to pull and unpack image \"{IMAGE}\": {end}");
            let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
            assert_eq!(finding.cause, CauseId::ConnectionInterrupted, "{end}");
            assert_eq!(finding.confidence, Confidence::Likely, "{end}");
            assert_eq!(
                finding.remedies[0].command.as_deref(),
                Some("kubectl delete pod api-1 -n shop")
            );
        }
    }

    #[test]
    fn before_an_answer_a_firewall_is_a_rival() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": EOF"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::ConnectionInterrupted);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::BlockedByPolicy)
        );
    }

    #[test]
    fn an_archive_that_ends_early_is_no_cut() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to extract layer sha256:aa: unexpected EOF: unknown"
        );
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::ConnectionInterrupted
        );
    }

    #[test]
    fn a_cut_here_too_is_no_more_than_likely() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": EOF"
        );
        let alone = stuck(IMAGE, "ErrImagePull", &text).judge();
        let seen = failed_at(IMAGE, StageName::Http, Problem::HttpCut, Facts::None);
        let finding = stuck(IMAGE, "ErrImagePull", &text).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::ConnectionInterrupted);
        assert_eq!(finding.confidence, alone.confidence);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer == "it fails here in the same way")
        );
    }
}
