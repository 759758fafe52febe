//! `registry-unreachable-dns`.

use pulldoctor_messages::{DnsFault, Fault};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::{Places, network_object},
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
    /// It is not the cluster's DNS (CoreDNS): pods use that, pulls do not.
    ///
    /// ## Sources
    ///
    /// - Go `net/dnsclient_unix.go`, `net/net.go` (`DNSError`).
    RegistryUnreachableDns
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::Dns { .. } => vec![
            case.registry_elsewhere_question(),
            Question::RegistriesInUse,
        ],
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::Dns { failure } = case.fault() else {
        return None;
    };
    let facts = &case.reading().facts;
    let name = facts.dns_name.clone().unwrap_or_else(|| case.failed_host());
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
        format!("`{name}` {how}"),
    );
    if let Some(server) = &facts.dns_server {
        finding = finding.note("name server", server.clone());
    }
    if *failure == DnsFault::NoSuchHost
        && let Some(image) = &case.image
        && image.has_explicit_domain()
    {
        finding = finding.caret(image.spans().registry, "no such host");
    }
    if let Some(places) = Places::of_registry(case)
        && places.only_this_node(case)
    {
        let nodes = places
            .recent
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        finding = finding.seen(
            case.registry_elsewhere().answered(),
            format!("yes, on {nodes}: the fault is this node's"),
        );
    }
    Some(
        finding
            .open(case.node_view_question())
            .remedy(
                "node-resolver",
                Applicability::Advice,
                "resolve the name on the node with the name server that the text names",
                Some(match &facts.dns_server {
                    Some(server) => format!(
                        "nslookup {} {}",
                        super::support::quote(&name),
                        super::support::quote(
                            server
                                .rsplit_once(':')
                                .map_or(server.as_str(), |(host, _)| host)
                        )
                    ),
                    None => format!("nslookup {}", super::support::quote(&name)),
                }),
            )
            .into(),
    )
}
