//! `registry-unreachable-timeout`.

use pulldoctor_messages::{Fault, Layer, Operation};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::network::{ask_others, curl, is_own, route, subject, unreachable, with_places};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # registry-unreachable-timeout
    ///
    /// ## What it means
    ///
    /// The registry's address does not answer in time: a firewall or security group drops the
    /// packets, the machine behind the address is gone, or the connection opens and then stalls.
    ///
    /// ## How we know
    ///
    /// The text says how far the request came:
    ///
    /// - `dial tcp ADDRESS: i/o timeout`, `connection timed out`: no answer to the first packet.
    /// - `TLS handshake timeout`: connected, but the handshake's larger packets get lost or are
    ///   held: a wrong MTU (VPN, overlay), a proxy that inspects, a dead backend of a load
    ///   balancer.
    /// - `timeout awaiting response headers`, `Client.Timeout exceeded`: connected, and the
    ///   server does not answer.
    ///
    /// `pulldoctor diagnose --node-view` (or `pulldoctor probe IMAGE --from node/NODE`) looks from
    /// the node itself. What fails there in the same way is *proven*; where it comes farther, the
    /// fault is over or lies in what a pod does not see: the runtime's mirrors, proxy and
    /// authorities. It is then *possible* only. What only the network of pods meets proves nothing
    /// for the node.
    ///
    /// ## What to do
    ///
    /// - Ask the address from the node; another port or host that answers tells a firewall from a
    ///   dead machine.
    /// - Let the node's network out to the address, or set the runtime's proxy if only the proxy
    ///   may go out.
    /// - For a handshake that stalls compare the MTU of the node's interface with the path's.
    ///
    /// ## What it is not
    ///
    /// - `i/o timeout` behind `lookup` is the name server (`registry-unreachable-dns`).
    /// - `context canceled` after minutes is a pull without progress (`pull-timeout`).
    /// - A timeout at the host of the layers is `blob-host-unreachable`.
    ///
    /// ## Sources
    ///
    /// - Go `net/net.go` (`i/o timeout`), `net/http/transport.go` (handshake 10 s, headers).
    /// - containerd `core/remotes/docker/config`: 30 s to connect.
    RegistryUnreachableTimeout
}

fn is_timeout(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::DialTimeout | Fault::HeaderTimeout | Fault::TlsHandshakeTimeout
    )
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_timeout(case.pull_fault()) {
        ask_others(case)
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let fault = case.fault();
    if !is_timeout(fault) || !is_own(route(case)) {
        return None;
    }
    let (how, _) = unreachable(fault)?;
    let host = case.failed_host();
    let reading = case.reading();
    // Past the opening of the request, a read that times out is a transfer that stalls.
    let in_transfer = *fault == Fault::HeaderTimeout
        && reading.operation == Some(Operation::Blob)
        && reading.layers.last() != Some(&Layer::OpenReader);
    let mut finding = case.finding(
        CauseId::RegistryUnreachableTimeout,
        if in_transfer {
            Confidence::Possible
        } else {
            Confidence::Likely
        },
        network_object(case),
        format!("{} {how}", subject(case)),
    );
    if in_transfer {
        finding = finding.rival(
            CauseId::ConnectionInterrupted,
            "the transfer had begun, so it may have been cut rather than never answered",
            "a transfer of the same layer on the node",
        );
    }
    if *fault == Fault::TlsHandshakeTimeout {
        finding = finding.note(
            "often",
            "an MTU that is too large for the way, or a firewall or proxy that inspects TLS",
        );
    }
    Some(
        with_places(finding, case)
            .remedy(
                "open-network",
                Applicability::Advice,
                format!(
                    "let the node reach `{host}` (firewall, security group, proxy); ask it on \
                     the node"
                ),
                Some(curl(&host)),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::{causes::support::missing::samples::there, fixture::stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
        )
    }

    #[test]
    fn three_ways_not_to_answer() {
        let table = [
            ("dial tcp 10.9.0.4:443: i/o timeout", "attempt to connect"),
            ("net/http: TLS handshake timeout", "TLS handshake"),
            (
                "net/http: timeout awaiting response headers",
                "does not answer in time",
            ),
        ];
        for (end, words) in table {
            let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
            assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout, "{end}");
            assert_eq!(finding.confidence, Confidence::Likely, "{end}");
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
    }

    #[test]
    fn a_redirect_names_both_hosts() {
        let image = "registry.k8s.io/pause:3.10";
        let text = "failed to pull and unpack image \"registry.k8s.io/pause:3.10\": failed to resolve image: failed to do request: Head \"https://europe-west1-docker.pkg.dev/v2/k8s-artifacts-prod/images/pause/manifests/3.10\": dial tcp 74.125.0.82:443: i/o timeout";
        let finding = stuck(image, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout);
        assert!(finding.summary.contains("europe-west1-docker.pkg.dev"));
        assert!(finding.summary.contains("registry.k8s.io"));
        assert_eq!(finding.object.name, "europe-west1-docker.pkg.dev");
    }

    #[test]
    fn a_name_server_that_does_not_answer_is_dns() {
        let text = text("dial tcp: lookup registry.example.com: i/o timeout");
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::RegistryUnreachableDns
        );
    }

    #[test]
    fn a_transfer_that_stalls_may_be_cut() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: read tcp 10.0.0.3:4000->10.9.0.4:443: read: connection timed out"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ConnectionInterrupted);
    }

    #[test]
    fn a_registry_that_answers_here_leaves_the_nodes_way() {
        let text = text("dial tcp 10.9.0.4:443: i/o timeout");
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableTimeout);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer.contains("answers here"))
        );
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::RegistryServerError)
        );
        assert!(
            finding
                .next
                .iter()
                .any(|next| next.question.contains("does node `n1` reach"))
        );
    }
}
