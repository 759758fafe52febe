//! `registry-unreachable-dns`.

use pulldoctor_messages::{DnsFault, Fault};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    network::{Route, ask_others, bare, is_own, route, with_places},
    support::quote,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # registry-unreachable-dns
    ///
    /// ## What it means
    ///
    /// The node cannot turn the registry's name into an address. The image was never asked for.
    ///
    /// ## How we know
    ///
    /// Go's resolver, as the runtime on the node uses it, says how the lookup failed:
    ///
    /// - `no such host`: the name server answers that the name does not exist (NXDOMAIN), or
    ///   has no address. A typo, or a name that only another name server knows.
    /// - `server misbehaving`: the name server answers SERVFAIL or REFUSED.
    /// - `i/o timeout`: the name server does not answer.
    /// - `connection refused`: nothing listens on the name server's port.
    ///
    /// The registry is asked from here too. Where the name resolves here, the node's resolver is the
    /// suspect; where it fails here alike, it is still no more than *likely*: nodes may have a name
    /// server of their own.
    ///
    /// `pulldoctor diagnose --node-view` (or `pulldoctor probe IMAGE --from node/NODE`) asks each of
    /// the node's name servers and reads its hosts file. The same failure there is *proven*, also
    /// where a pod asks the very server that the text names. A name that resolves on the node by
    /// now makes it *possible* only.
    ///
    /// The address after `on` is the name server that the node asked. Nodes use their own
    /// `/etc/resolv.conf`, not the cluster's DNS.
    ///
    /// ## What to do
    ///
    /// - Resolve the name on the node with the server that the text names.
    /// - Name the registry as the node's name server knows it, or teach it the name: a record, a
    ///   forwarder, or a line in the node's `/etc/hosts`.
    ///
    /// ## What it is not
    ///
    /// - It is not the cluster's DNS (CoreDNS): pods use that, pulls do not. A registry that is
    ///   named as a service of the cluster (`….svc.cluster.local`) cannot be found by a node.
    /// - A host that is one letter away from one in use is `host-typo`.
    ///
    /// ## Sources
    ///
    /// - Go `net/dnsclient_unix.go`, `net/net.go` (`DNSError`).
    RegistryUnreachableDns
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::Dns { .. } => {
            let mut asked = ask_others(case);
            asked.push(Question::RegistriesInUse);
            asked
        }
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::Dns { failure } = case.fault() else {
        return None;
    };
    // A mirror's, token or layer host's name is a cause of its own.
    let way = route(case);
    if !is_own(way) {
        return None;
    }
    let facts = &case.reading().facts;
    let host = case.failed_host();
    let name = facts
        .dns_name
        .clone()
        .unwrap_or_else(|| bare(&host).to_owned());
    let how = match failure {
        DnsFault::NoSuchHost => "does not exist for the node's name server",
        DnsFault::ServerMisbehaving => {
            "cannot be resolved: the node's name server answers with a failure"
        }
        DnsFault::Timeout => "cannot be resolved: the node's name server does not answer",
        DnsFault::ServerRefused => "cannot be resolved: nothing listens on the name server's port",
        DnsFault::Unreachable => "cannot be resolved: the node cannot reach its name server",
        DnsFault::Temporary | DnsFault::Other => "cannot be resolved on the node",
    };
    let mut finding = case.finding(
        CauseId::RegistryUnreachableDns,
        Confidence::Likely,
        network_object(case),
        if way == Route::Redirect {
            format!(
                "`{name}`, where `{}` sends the node, {how}",
                case.registry()
            )
        } else {
            format!("`{name}` {how}")
        },
    );
    if let Some(server) = &facts.dns_server {
        finding = finding.note("name server", describe_server(server, *failure));
    }
    if is_cluster_name(&name) {
        finding = finding.note(
            "cluster name",
            "only pods resolve it: the node pulls, and does not ask the cluster's DNS",
        );
    }
    if *failure == DnsFault::NoSuchHost
        && way == Route::Registry
        && let Some(image) = &case.image
        && image.has_explicit_domain()
    {
        finding = finding.caret(image.spans().registry, "no such host");
    }
    let server = facts.dns_server.as_deref().map(bare);
    Some(
        with_places(finding, case)
            .remedy(
                "node-resolver",
                Applicability::Advice,
                "resolve the name on the node with the name server that the text names",
                Some(match server {
                    Some(server) => format!("nslookup {} {}", quote(&name), quote(server)),
                    None => format!("nslookup {}", quote(&name)),
                }),
            )
            .into(),
    )
}

/// Whether the name is one of a service of the cluster, which nodes do not know.
fn is_cluster_name(name: &str) -> bool {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    labels.iter().skip(2).any(|label| *label == "svc") || labels.ends_with(&["cluster", "local"])
}

/// The server, and what its address tells: without any server in `/etc/resolv.conf` Go asks the
/// machine itself (`net/dnsconfig.go`, `defaultNS`).
fn describe_server(server: &str, failure: DnsFault) -> String {
    let address = bare(server);
    let is_local = address == "::1" || address.starts_with("127.");
    match failure {
        DnsFault::ServerRefused if is_local => format!(
            "{server}, the node itself: its resolver does not run, or `/etc/resolv.conf` names no \
             server"
        ),
        _ if is_local => format!("{server}, the node's own resolver"),
        _ => server.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, ImagePlace, ObjectKind, Question, Usage,
        registry::{Facts, Problem, StageName},
    };

    use crate::{
        causes::here::samples,
        fixture::{at, failed_at, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com{end}"
        )
    }

    #[test]
    fn ways_not_to_resolve_are_told_apart() {
        for (end, words) in [
            (" on 10.0.0.2:53: no such host", "does not exist"),
            (
                " on 10.0.0.2:53: server misbehaving",
                "answers with a failure",
            ),
            (
                " on 10.0.0.2:53: read udp 10.0.0.3:4000->10.0.0.2:53: i/o timeout",
                "does not answer",
            ),
            (
                " on [::1]:53: read udp [::1]:4000->[::1]:53: read: connection refused",
                "nothing listens",
            ),
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
            assert_eq!(finding.cause, CauseId::RegistryUnreachableDns, "{end}");
            assert_eq!(finding.confidence, Confidence::Likely);
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
    }

    #[test]
    fn the_name_server_is_asked_by_its_address() {
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text(" on 10.0.0.2:53: server misbehaving"),
        )
        .judge();
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some("nslookup registry.example.com 10.0.0.2")
        );
    }

    #[test]
    fn nodes_do_not_know_cluster_names() {
        let image = "registry.tools.svc.cluster.local:5000/api:1";
        let text = "failed to pull and unpack image \"registry.tools.svc.cluster.local:5000/api:1\": failed to resolve image: failed to do request: Head \"https://registry.tools.svc.cluster.local:5000/v2/api/manifests/1\": dial tcp: lookup registry.tools.svc.cluster.local on 10.0.0.2:53: no such host";
        let finding = stuck(image, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert!(finding.notes.iter().any(|(word, _)| word == "cluster name"));
    }

    #[test]
    fn a_name_that_one_node_does_not_know_is_that_nodes() {
        let place = |node: &str, pulled: u32, waiting: u32| ImagePlace {
            image: IMAGE.to_owned(),
            node: Some(node.to_owned()),
            usage: Usage { pulled, waiting },
            latest: (pulled > 0).then(|| at(-5)),
        };
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text(" on 10.0.0.2:53: no such host"),
        )
        .answer(
            Question::RegistryElsewhere {
                registry: "registry.example.com".to_owned(),
            },
            Answer::Elsewhere(vec![place("n1", 0, 2), place("n2", 3, 0)]),
        )
        .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert_eq!(finding.object.kind, ObjectKind::Node);
    }

    #[test]
    fn a_mirrors_name_is_the_mirrors_fault() {
        let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to resolve image: failed to do request: Head \"https://mirror.example.com/v2/library/redis/manifests/7?ns=docker.io\": dial tcp: lookup mirror.example.com on 10.0.0.2:53: no such host";
        assert_eq!(
            stuck("redis:7", "ErrImagePull", text).cause(),
            CauseId::MirrorMisconfigured
        );
    }

    #[test]
    fn what_resolves_here_points_at_the_nodes_resolver() {
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text(" on 10.0.0.2:53: no such host"),
        )
        .registry(samples::at_address(IMAGE, "10.9.0.4"))
        .judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert_eq!(finding.confidence, Confidence::Likely);
        let seen: Vec<&str> = finding
            .evidence
            .iter()
            .map(|item| item.answer.as_str())
            .collect();
        assert!(
            seen.contains(&"here the name leads to 10.9.0.4"),
            "{seen:?}"
        );
        assert!(
            seen.iter()
                .any(|answer| answer.contains("the fault is the node's"))
        );
        assert!(
            finding
                .next
                .iter()
                .any(|next| next.question.contains("does node `n1` reach"))
        );
    }

    #[test]
    fn what_fails_here_alike_is_no_more_than_likely() {
        let seen = failed_at(IMAGE, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text(" on 10.0.0.2:53: no such host"),
        )
        .registry(seen)
        .judge();
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer == "it fails here in the same way")
        );
    }
}
