//! `registry-unreachable-refused`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::network::{ask_others, curl, is_loopback, is_own, route, subject, with_places};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # registry-unreachable-refused
    ///
    /// ## What it means
    ///
    /// The node asked the registry's address for a connection and was told no. Nothing listens on
    /// that port, or a firewall rejects the connection. The image was never asked for.
    ///
    /// ## How we know
    ///
    /// The runtime's text ends in `connect: connection refused` (on Windows `actively refused
    /// it`) behind `dial tcp ADDRESS`. That is a TCP reset from the address: it was reached. Asked
    /// from here, the registry shows whether it refuses everyone, and whether its name leads the
    /// node to another address.
    ///
    /// `pulldoctor diagnose --node-view` (or `pulldoctor probe IMAGE --from node/NODE`) looks from
    /// the node itself. What fails there in the same way is *proven*; where it comes farther, the
    /// fault is over or lies in what a pod does not see: the runtime's mirrors, proxy and
    /// authorities. It is then *possible* only. What only the network of pods meets proves nothing
    /// for the node.
    ///
    /// ## What to do
    ///
    /// - Look whether the registry runs and listens on that port.
    /// - Compare the address with the registry's: a stale record or hosts entry sends nodes
    ///   elsewhere.
    /// - A registry that only speaks plain HTTP on port 80 refuses port 443: name the port in the
    ///   image, and the scheme in the runtime's configuration.
    /// - Once it answers, the kubelet's next try pulls; nothing else has to be done.
    ///
    /// ## What it is not
    ///
    /// - `connection refused` behind `lookup` is the name server (`registry-unreachable-dns`).
    /// - Behind `proxyconnect` it is the proxy (`proxy-failure`).
    /// - At a mirror's or a layer host's address it is `mirror-misconfigured` or
    ///   `blob-host-unreachable`.
    /// - Behind `dial unix` it is the runtime's own socket (`runtime-broken`).
    ///
    /// ## Sources
    ///
    /// - Go `net/dial.go` and `syscall` (`ECONNREFUSED`), as containerd, CRI-O and Docker print it.
    /// - CRI-O 1.28 `internal/storage/image.go`: the prefix `RegistryUnavailable`.
    RegistryUnreachableRefused
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::Refused => ask_others(case),
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::Refused || !is_own(route(case)) {
        return None;
    }
    let host = case.failed_host();
    let mut finding = case.finding(
        CauseId::RegistryUnreachableRefused,
        Confidence::Likely,
        network_object(case),
        format!("{} refuses connections", subject(case)),
    );
    if is_loopback(&host) {
        finding = finding.note(
            "address",
            format!("`{host}` is the node itself, not your machine and not the cluster"),
        );
    }
    Some(
        with_places(finding, case)
            .remedy(
                "start-registry",
                Applicability::Advice,
                format!("look whether `{host}` runs and listens on that port; ask it on the node"),
                Some(curl(&host)),
            )
            .remedy(
                "wait",
                Applicability::Safe,
                "wait: the kubelet tries again by itself and pulls once it answers",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, ImagePlace, ObjectKind, Question, Usage,
        registry::{Facts, Problem, StageName},
    };

    use crate::{
        causes::here::samples,
        fixture::{at, failed_at, node, stuck},
    };

    const IMAGE: &str = "registry.example.com:5000/shop/api:1";
    const TEXT: &str = "failed to pull and unpack image \"registry.example.com:5000/shop/api:1\": failed to resolve reference \"registry.example.com:5000/shop/api:1\": failed to do request: Head \"https://registry.example.com:5000/v2/shop/api/manifests/1\": dial tcp 10.9.0.4:5000: connect: connection refused";

    fn place(node: &str, pulled: u32, waiting: u32, latest: i64) -> ImagePlace {
        ImagePlace {
            image: IMAGE.to_owned(),
            node: Some(node.to_owned()),
            usage: Usage { pulled, waiting },
            latest: (pulled > 0).then(|| at(latest)),
        }
    }

    fn elsewhere() -> Question {
        Question::RegistryElsewhere {
            registry: "registry.example.com:5000".to_owned(),
        }
    }

    #[test]
    fn the_nodes_own_loopback_is_not_looked_at_from_here() {
        for host in ["localhost:5000", "127.0.0.1:5000"] {
            let image = IMAGE.replace("registry.example.com:5000", host);
            let text = TEXT
                .replace("registry.example.com:5000", host)
                .replace("10.9.0.4", "127.0.0.1");
            let fixture = stuck(&image, "ErrImagePull", &text).node(node());
            let asked = fixture.questions();
            assert!(
                !asked
                    .iter()
                    .any(|one| matches!(one, Question::Registry { .. }))
            );
            // Nor is it believed where an older version has looked.
            let finding = fixture
                .registry(crate::causes::support::missing::samples::there(&image))
                .judge();
            assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
            assert!(
                !finding
                    .evidence
                    .iter()
                    .any(|item| item.answer.contains("here"))
            );
        }
        let asked = stuck(IMAGE, "ErrImagePull", TEXT).node(node()).questions();
        assert!(
            asked
                .iter()
                .any(|one| matches!(one, Question::Registry { .. }))
        );
    }

    #[test]
    fn the_address_and_the_host_are_named() {
        let fixture = stuck(IMAGE, "ErrImagePull", TEXT);
        let finding = fixture.judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(
            finding.summary,
            "`registry.example.com:5000` (10.9.0.4:5000) refuses connections"
        );
        assert_eq!(finding.object.kind, ObjectKind::Registry);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::RegistryUnreachableDns)
        );
        assert!(fixture.questions().contains(&elsewhere()));
    }

    #[test]
    fn one_node_alone_is_the_node() {
        let places = vec![place("n1", 0, 2, 0), place("n2", 1, 0, -10)];
        let finding = stuck(IMAGE, "ErrImagePull", TEXT)
            .answer(elsewhere(), Answer::Elsewhere(places))
            .judge();
        assert_eq!(finding.object.kind, ObjectKind::Node);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer.contains("n2"))
        );
    }

    #[test]
    fn a_registry_that_refuses_here_too_is_no_nodes_fault() {
        let places = || vec![place("n1", 0, 1, 0), place("n2", 1, 0, -10)];
        let judge = |seen| {
            stuck(IMAGE, "ErrImagePull", TEXT)
                .answer(elsewhere(), Answer::Elsewhere(places()))
                .registry(seen)
                .judge()
        };
        let down = judge(failed_at(
            IMAGE,
            StageName::Tcp,
            Problem::TcpRefused,
            Facts::None,
        ));
        assert_eq!(down.object.kind, ObjectKind::Registry);
        assert!(
            !down
                .evidence
                .iter()
                .any(|item| item.answer.ends_with("the fault is this node's"))
        );
        let up = judge(crate::causes::support::missing::samples::there(IMAGE));
        assert_eq!(up.object.kind, ObjectKind::Node);
    }

    #[test]
    fn an_older_start_elsewhere_proves_nothing() {
        let places = vec![place("n1", 0, 1, 0), place("n2", 1, 0, -90_000)];
        let finding = stuck(IMAGE, "ErrImagePull", TEXT)
            .answer(elsewhere(), Answer::Elsewhere(places))
            .judge();
        assert_eq!(finding.object.kind, ObjectKind::Registry);
    }

    #[test]
    fn a_refusing_name_server_or_proxy_is_not_the_registry() {
        let dns = TEXT.replace(
            "dial tcp 10.9.0.4:5000: connect: connection refused",
            "dial tcp: lookup registry.example.com on 10.0.0.2:53: read udp 10.9.0.1:4000->10.0.0.2:53: read: connection refused",
        );
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &dns).cause(),
            CauseId::RegistryUnreachableDns
        );
        let proxy = TEXT.replace("dial tcp 10", "proxyconnect tcp: dial tcp 10");
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &proxy).cause(),
            CauseId::ProxyFailure
        );
    }

    #[test]
    fn a_local_registry_is_the_nodes_own() {
        let text = TEXT
            .replace("registry.example.com", "localhost")
            .replace("10.9.0.4", "127.0.0.1");
        let finding = stuck("localhost:5000/shop/api:1", "ErrImagePull", &text).judge();
        assert!(finding.notes.iter().any(|(word, _)| word == "address"));
    }

    #[test]
    fn another_address_here_is_told() {
        let finding = stuck(IMAGE, "ErrImagePull", TEXT)
            .registry(samples::at_address(IMAGE, "10.9.0.7"))
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.evidence.iter().any(|item| {
            item.answer == "here the name leads to 10.9.0.7, and the node asked 10.9.0.4"
        }));
        let same = stuck(IMAGE, "ErrImagePull", TEXT)
            .registry(samples::at_address(IMAGE, "10.9.0.4"))
            .judge();
        assert!(
            same.evidence
                .iter()
                .all(|item| !item.answer.contains("leads to"))
        );
    }
}
