//! What the network and TLS causes read from the node's own view: a fault that it reproduces is
//! proven, one that it does not is over or lies in what a pod cannot see.

use std::net::IpAddr;

use pulldoctor_model::{
    CauseId, Confidence, Finding, NodeNetwork, Timestamp, clean_line,
    registry::{DnsAnswer, DnsFacts, Facts, Problem, StageName},
    shorten,
};

use super::{
    here,
    network::{Route, bare, route},
    support::{checked::checked, in_namespace, quote},
    tls_unknown_authority::is_public,
};
use crate::{
    case::Case,
    finding::FindingExt,
    node_sight::{Agreement, FromNode, agreement, answer_word, from_node, is_proof, other_nodes},
};

/// Name servers that are shown.
const SERVERS: usize = 4;
/// Addresses that are shown.
const ADDRESSES: usize = 4;
/// Nodes that are shown.
const NODES: usize = 6;

/// Adds what the host of the failed request looks like from the node, and weighs it.
pub(crate) fn with_node(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(look) = from_node(case) else {
        return finding;
    };
    let finding = with_details(with_seen(finding, case, &look), case, &look);
    let where_from = place(&look);
    let told = match agreement(case) {
        Agreement::Unseen => return finding,
        Agreement::Same if is_proof(case, &look) => {
            return proven(with_other_nodes(finding, case), case, &look);
        }
        Agreement::Same => format!(
            "it fails {where_from} in the same way; there the node's hosts file, address and MTU \
             do not count, and network policies do"
        ),
        Agreement::Trusted if trust_is_lacking(case, &look) => {
            let finding = finding.seen(
                Some(look.answered),
                "this computer trusts the chain that the node is sent, and the node's runtime does \
                 not",
            );
            return Finding {
                confidence: case.cap(Confidence::Proven),
                ..with_other_nodes(finding, case)
            };
        }
        Agreement::Trusted => format!(
            "this computer trusts what is sent {where_from}: the runtime may see another chain \
             through its proxy, or the server has been mended"
        ),
        Agreement::Beyond if look.is_nodes_own() => {
            return over(with_other_nodes(finding, case), case, &look);
        }
        Agreement::Beyond => format!(
            "it answers {where_from}: the fault is in what the node alone has (its hosts file, its \
             address to a firewall, its MTU, its runtime's settings), or over"
        ),
        Agreement::Otherwise(problem) => {
            format!("it fails {where_from} otherwise by now: {problem}")
        }
        Agreement::Behind(problem) => format!(
            "the look {where_from} did not come as far as the pull ({problem}): that is another \
             fault, or one of the probe's own place"
        ),
    };
    finding.seen(Some(look.answered), told)
}

/// Adds the line of what was seen on the way to the host of the failed request.
pub(crate) fn with_seen(finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    let line = line(case, look);
    if line.is_empty() || finding.evidence.iter().any(|item| item.answer == line) {
        return finding;
    }
    finding.seen(Some(look.answered), line)
}

/// The stages towards the host of the failed request, in one line.
fn line(case: &Case<'_>, look: &FromNode<'_>) -> String {
    let Some(registry) = look.registry() else {
        return String::new();
    };
    let Some(way) = look.way(case) else {
        return checked(registry);
    };
    let mut transcript = registry.clone();
    let is_foreign = case.reading().foreign_host.is_some();
    if is_foreign {
        transcript.tags = None;
        transcript.stages = way.to_vec();
        return format!("`{}`: {}", case.failed_host(), checked(&transcript));
    }
    checked(&transcript)
}

/// `from the node`, or which network else.
fn place(look: &FromNode<'_>) -> String {
    match &look.view.network {
        NodeNetwork::Host => "from the node".to_owned(),
        NodeNetwork::Pod { namespace } => format!(
            "from the pod network of `{}` on the node",
            clean_line(namespace)
        ),
    }
}

/// The node's own network fails as the runtime says. What still competes by name stays likely.
fn proven(mut finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    finding.confidence = if finding.rivals.is_empty() {
        case.cap(Confidence::Proven)
    } else {
        finding.confidence.max(Confidence::Likely)
    };
    finding = finding.seen(
        Some(look.answered),
        format!("it fails {} in the same way", place(look)),
    );
    if look.is_nodes_own() && route(case) == Route::Registry {
        let by = "the node itself, without its runtime's mirrors and proxy, fails in the same way";
        for cause in [CauseId::MirrorMisconfigured, CauseId::ProxyFailure] {
            if finding.cause != cause {
                finding = finding.rules_out(cause, by);
            }
        }
    }
    finding
}

/// The node's own network comes farther than its runtime did: the fault is over, or in what the
/// runtime alone has. The text stays the last word of the node, and is no more than possible.
fn over(mut finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    let host = case.failed_host();
    finding.confidence = finding.confidence.min(Confidence::Possible);
    finding = finding.seen(
        Some(look.answered),
        format!(
            "`{host}` answers from the node: the fault is over, or in what its runtime alone has \
             (mirrors, proxy, authorities)"
        ),
    );
    if finding.cause != CauseId::MirrorMisconfigured
        && route(case) == Route::Registry
        && let Some(dialled) = dialled(case)
        && let Some(dns) = look.dns(case)
        && !dns.addresses.is_empty()
        && !dns.addresses.contains(&dialled)
    {
        finding = finding.rival(
            CauseId::MirrorMisconfigured,
            format!(
                "the runtime asked {dialled}, and the name leads the node to {}: its configuration \
                 may name another server",
                addresses(&dns.addresses)
            ),
            "the runtime's configuration on the node",
        );
    }
    with_over(finding, case)
}

/// Adds that the fault may be over, which the next try tells.
pub(crate) fn with_over(finding: Finding, case: &Case<'_>) -> Finding {
    finding
        .rival(
            CauseId::Unknown,
            "the fault may be over, since the text is of the node's last try",
            "the kubelet's next try",
        )
        .next(
            "does the next try still fail?",
            Some(format!(
                "kubectl get events {} --watch --field-selector involvedObject.name={}",
                in_namespace(case),
                quote(&case.symptom.pod)
            )),
        )
}

/// Whether the chain that this computer trusts is the one that the runtime refused: the node's own
/// network is sent it, and it was issued before the pull failed. An authority of a public registry
/// is in every store, so there the runtime saw another chain.
fn trust_is_lacking(case: &Case<'_>, look: &FromNode<'_>) -> bool {
    let issued: Option<Timestamp> = look
        .handshake(case)
        .and_then(|seen| seen.chain.first()?.not_before.parse().ok());
    let began = case.symptom.since.or(case.symptom.created);
    look.is_nodes_own()
        && finding_is_own(case)
        && issued
            .zip(began)
            .is_some_and(|(issued, began)| issued < began)
}

/// Whether the chain is the registry's own, and the registry is no public one.
fn finding_is_own(case: &Case<'_>) -> bool {
    !is_public(case) && matches!(route(case), Route::Registry)
}

/// The address that the text says was dialled.
fn dialled(case: &Case<'_>) -> Option<IpAddr> {
    let address = case.reading().facts.dial_address.as_deref()?;
    bare(address).parse().ok()
}

/// What the node's resolvers, hosts file and path say, where it is news.
fn with_details(finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    let mut finding = finding;
    if let Some(dns) = look.dns(case) {
        let is_about_names = finding.cause == CauseId::RegistryUnreachableDns || dns.disagree;
        if is_about_names && !dns.questions.is_empty() {
            finding = finding.seen(Some(look.answered), servers(dns));
        }
        if let Some(hosts) = dns.system.as_ref().filter(|_| look.is_nodes_own())
            && hosts.answer == DnsAnswer::Addresses
        {
            finding = finding.note(
                "hosts file",
                format!(
                    "`/etc/hosts` of the node gives {} for `{}`",
                    addresses(&hosts.addresses),
                    short(&dns.name)
                ),
            );
        }
        finding = with_split(finding, case, look, dns);
    }
    with_path(with_chains(finding, case, look), case, look)
}

/// The certificates that the node is sent, and whether this place is sent the same.
fn with_chains(finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    let Some(node) = look.handshake(case).filter(|_| here::is_tls(finding.cause)) else {
        return finding;
    };
    let Some(leaf) = node.chain.first() else {
        return finding;
    };
    let finding = finding.seen(
        Some(look.answered),
        here::describe("the node is sent", leaf, node),
    );
    let Some(own) = here::handshake(case).and_then(|facts| facts.chain.first()) else {
        return finding;
    };
    if own.sha256 == leaf.sha256 {
        return finding.seen(
            Some(look.answered),
            "it is the certificate that is sent here too",
        );
    }
    finding.note(
        "two certificates",
        format!(
            "the node is sent another one than this computer: issued by `{}`, and here by `{}`; \
             something on the way opens TLS, or another server answers",
            short(&leaf.issuer),
            short(&own.issuer)
        ),
    )
}

/// What each server says of the name.
fn servers(dns: &DnsFacts) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    for question in &dns.questions {
        if seen.contains(&question.server) {
            continue;
        }
        seen.push(question.server);
        let own = || dns.questions.iter().filter(|q| q.server == question.server);
        let found: Vec<IpAddr> = own().flat_map(|q| q.result.addresses.clone()).collect();
        let said = if found.is_empty() {
            let failed = own().find(|q| {
                !matches!(
                    q.result.answer,
                    DnsAnswer::Nxdomain | DnsAnswer::Nodata | DnsAnswer::Addresses
                )
            });
            let empty = own().find(|q| q.result.answer == DnsAnswer::Nodata);
            answer_word(failed.or(empty).unwrap_or(question).result.answer).to_owned()
        } else {
            addresses(&found)
        };
        told.push(format!("{}: {said}", question.server));
    }
    let more = told.len().saturating_sub(SERVERS);
    told.truncate(SERVERS);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    format!("name servers: {}", told.join(", "))
}

/// The name leads the node elsewhere than this place.
fn with_split(finding: Finding, case: &Case<'_>, look: &FromNode<'_>, dns: &DnsFacts) -> Finding {
    let Some(here) = here::dns(case) else {
        return finding;
    };
    let is_split = !here.addresses.is_empty()
        && !dns.addresses.is_empty()
        && !here.addresses.iter().any(|one| dns.addresses.contains(one));
    if !is_split {
        return finding;
    }
    finding.note(
        "two answers",
        format!(
            "the name leads the node to {} and this computer to {}{}",
            addresses(&dns.addresses),
            addresses(&here.addresses),
            if look.is_nodes_own() {
                ""
            } else {
                " (the node as its pods see it)"
            }
        ),
    )
}

/// Large packets that get lost on the way.
fn with_path(finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
    let stalls = look.way(case).is_some_and(|way| {
        way.iter()
            .any(|stage| stage.problem == Some(Problem::TlsTimeout))
    });
    let Some(path) = look.path(case).filter(|_| stalls) else {
        return finding;
    };
    let Some(small) = path.small_answered else {
        return finding;
    };
    let segment = path.segment.map_or_else(String::new, |bytes| {
        format!(" (segments of up to {bytes} bytes)")
    });
    finding.note(
        "packets",
        if small {
            format!(
                "a small request to {} is answered and the handshake's large packets are not\
                 {segment}: an MTU that is too large, most often",
                path.address
            )
        } else {
            format!("a small request to {} is not answered either", path.address)
        },
    )
}

/// How other nodes fare that were asked.
fn with_other_nodes(finding: Finding, case: &Case<'_>) -> Finding {
    let others = other_nodes(case);
    let list = |nodes: &std::collections::BTreeSet<&str>| {
        let mut shown: Vec<String> = nodes
            .iter()
            .take(NODES)
            .map(|node| (*node).to_owned())
            .collect();
        if nodes.len() > NODES {
            shown.push(format!("{} more", nodes.len() - NODES));
        }
        shown.join(", ")
    };
    let mut finding = finding;
    if !others.reaching.is_empty() {
        finding = finding.note("reached from", list(&others.reaching));
    }
    if !others.failing.is_empty() {
        finding = finding.note("fails alike on", list(&others.failing));
    }
    finding
}

/// Whether the registry itself was reached from the node's own network, up to an answer.
pub(crate) fn registry_answers(case: &Case<'_>) -> bool {
    from_node(case)
        .is_some_and(|look| look.is_nodes_own() && look.reached() >= crate::view::Reached::Answered)
}

/// Whether the registry sent the node's own request for the manifest to this host.
pub(crate) fn sends_to(look: &FromNode<'_>, host: &str) -> bool {
    let Some(registry) = look.registry() else {
        return false;
    };
    let redirected = registry
        .stages
        .iter()
        .any(|stage| match (&stage.stage, &stage.facts) {
            (StageName::Http, Facts::Http(facts)) => {
                facts.redirects.iter().any(|to| bare(to) == bare(host))
            }
            _ => false,
        });
    redirected
        || registry
            .other_hosts
            .iter()
            .any(|other| bare(&other.host) == bare(host))
}

/// Leaves the node's view open, unless it was asked or would change nothing.
pub(crate) fn open_node_view(finding: Finding, case: &Case<'_>) -> Finding {
    if finding.confidence == Confidence::Proven {
        return finding;
    }
    let question = case
        .node_view_question()
        .and_then(|question| case.unanswered(question));
    finding.open(question)
}

fn addresses(found: &[IpAddr]) -> String {
    let mut found = found.to_vec();
    found.sort_unstable();
    found.dedup();
    let mut shown: Vec<String> = found
        .iter()
        .take(ADDRESSES)
        .map(ToString::to_string)
        .collect();
    if found.len() > ADDRESSES {
        shown.push(format!("{} more", found.len() - ADDRESSES));
    }
    shown.join(", ")
}

fn short(text: &str) -> String {
    shorten(&clean_line(text), 160).into_owned()
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, NodePath, NodeView,
        registry::{CertificateFacts, Problem, TlsFacts},
    };

    use crate::{
        causes::here::samples::{bad_tls, good_tls, handshake},
        fixture::{Fixture, and_path, at, failed_at, own_network, pod_network, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn refuses(words: &str) -> Fixture {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {words}"
        );
        stuck(IMAGE, "ErrImagePull", &text)
    }

    fn untrusted() -> Fixture {
        refuses("tls: failed to verify certificate: x509: certificate signed by unknown authority")
    }

    fn chain(names: &[&str]) -> TlsFacts {
        handshake(&["registry.example.com"]).with(names)
    }

    trait With {
        fn with(self, issuers: &[&str]) -> Self;
    }

    impl With for TlsFacts {
        /// Adds the certificates of these authorities behind the leaf.
        fn with(mut self, issuers: &[&str]) -> Self {
            let leaf = self.chain[0].clone();
            self.chain
                .extend(issuers.iter().map(|name| CertificateFacts {
                    subject: format!("CN={name}"),
                    issuer: format!("CN={name}"),
                    is_authority: true,
                    ..leaf.clone()
                }));
            self
        }
    }

    #[test]
    fn a_chain_that_is_trusted_here_and_refused_there_is_a_lack_of_the_node() {
        let view = || own_network(good_tls(IMAGE, &chain(&["Company CA"])));
        let finding = untrusted()
            .registry(good_tls(IMAGE, &chain(&["Company CA"])))
            .node_view(view())
            .judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.confidence, Confidence::Proven);
        let told = format!("{:?}", finding.evidence);
        assert!(told.contains("that is sent here too"), "{told}");
        assert!(told.contains("the node is sent 2 certificates"), "{told}");
        // Issued after the pull began to fail: the server was mended.
        let late = || {
            let mut facts = chain(&["Company CA"]);
            facts.chain[0].not_before = at(-5).to_string();
            own_network(good_tls(IMAGE, &facts))
        };
        assert_eq!(
            untrusted().node_view(late()).judge().confidence,
            Confidence::Likely
        );
        // Pods are not the node.
        let pods = pod_network(good_tls(IMAGE, &chain(&["Company CA"])));
        assert_eq!(
            untrusted().node_view(pods).judge().confidence,
            Confidence::Likely
        );
    }

    #[test]
    fn a_chain_that_nobody_trusts_is_proven_where_it_is_whole() {
        let seen = |facts: TlsFacts| bad_tls(IMAGE, Problem::TlsUnknownAuthority, facts);
        let whole = untrusted()
            .node_view(own_network(seen(chain(&["Company CA"]))))
            .judge();
        assert_eq!(whole.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(whole.confidence, Confidence::Proven);
        // One certificate alone does not tell who has to send the next.
        let alone = untrusted().node_view(own_network(seen(chain(&[])))).judge();
        assert_eq!(alone.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(alone.confidence, Confidence::Likely);
        assert_eq!(alone.rivals[0].cause, CauseId::TlsIncompleteChain);
        // Another node that trusts it does.
        let other = untrusted()
            .node_view(own_network(seen(chain(&[]))))
            .answer(
                pulldoctor_model::Question::RegistryElsewhere {
                    registry: "registry.example.com".to_owned(),
                },
                crate::fixture::runs_elsewhere(IMAGE).1,
            )
            .judge();
        assert_eq!(other.confidence, Confidence::Proven);
    }

    #[test]
    fn another_chain_than_here_is_told() {
        let mut other = chain(&["Inspecting Proxy"]);
        other.chain[0].sha256 = "ff:00".to_owned();
        other.chain[0].issuer = "CN=Inspecting Proxy".to_owned();
        let finding = untrusted()
            .registry(good_tls(IMAGE, &chain(&["Company CA"])))
            .node_view(own_network(bad_tls(
                IMAGE,
                Problem::TlsUnknownAuthority,
                other,
            )))
            .judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        let told = finding
            .notes
            .iter()
            .find(|(word, _)| word == "two certificates")
            .map(|(_, text)| text.as_str())
            .unwrap_or_default();
        assert!(
            told.contains("`CN=Inspecting Proxy`, and here by `CN=Company CA`"),
            "{told}"
        );
    }

    #[test]
    fn a_chain_that_stops_short_for_the_node() {
        let seen = |url: Option<&str>| {
            let mut facts = chain(&[]);
            facts.issuer_url = url.map(str::to_owned);
            own_network(bad_tls(IMAGE, Problem::TlsIncompleteChain, facts))
        };
        let known = untrusted()
            .node_view(seen(Some("http://ca.example.com/sub.crt")))
            .judge();
        assert_eq!(known.cause, CauseId::TlsIncompleteChain);
        assert_eq!(known.confidence, Confidence::Proven);
        let guessed = untrusted().node_view(seen(None)).judge();
        assert_eq!(guessed.cause, CauseId::TlsIncompleteChain);
        assert_eq!(guessed.confidence, Confidence::Likely);
        assert_eq!(guessed.rivals[0].cause, CauseId::TlsUnknownAuthority);
        // What the node is sent counts, not what is sent here.
        let finding = untrusted()
            .registry(bad_tls(IMAGE, Problem::TlsIncompleteChain, chain(&[])))
            .node_view(own_network(bad_tls(
                IMAGE,
                Problem::TlsUnknownAuthority,
                chain(&["Company CA"]),
            )))
            .judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn a_chain_that_did_not_come_home_tells_nothing() {
        let mut cut = own_network(crate::causes::support::missing::samples::there(IMAGE));
        cut.is_cut = true;
        let finding = untrusted().node_view(cut).judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.rivals.is_empty());
    }

    fn expired(now: i64, end: i64) -> Fixture {
        refuses(&format!(
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time {} is after {}",
            at(now),
            at(end)
        ))
    }

    fn ends(end: i64, clock_ahead: i64) -> NodeView {
        let mut facts = chain(&["Company CA"]);
        facts.chain[0].not_after = at(end).to_string();
        let mut view = own_network(bad_tls(IMAGE, Problem::TlsExpired, facts));
        view.clock_ahead_s = Some(clock_ahead);
        view
    }

    #[test]
    fn an_old_certificate_is_told_from_a_wrong_clock() {
        let finding = expired(-20, -40_000).node_view(ends(-40_000, 0)).judge();
        assert_eq!(finding.cause, CauseId::TlsExpired);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::ClockSkew)
        );
        let skewed = expired(90_000, 80_000)
            .node_view(ends(80_000, 90_020))
            .judge();
        assert_eq!(skewed.cause, CauseId::ClockSkew);
        assert_eq!(skewed.confidence, Confidence::Proven);
        assert!(skewed.summary.contains("25 h"), "{}", skewed.summary);
        let mended = expired(90_000, 80_000)
            .node_view(own_network(good_tls(IMAGE, &chain(&["Company CA"]))))
            .judge();
        assert_eq!(mended.cause, CauseId::ClockSkew);
        assert_eq!(mended.confidence, Confidence::Possible);
    }

    #[test]
    fn a_probe_overrules_a_late_heartbeat() {
        let mut facts = crate::fixture::node();
        facts.heartbeat = Some(at(90_020));
        let finding = expired(90_000, 80_000)
            .node(facts)
            .node_view(ends(80_000, 0))
            .judge();
        assert_ne!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn large_packets_that_get_lost_are_told() {
        let seen = failed_at(
            IMAGE,
            pulldoctor_model::registry::StageName::Tls,
            Problem::TlsTimeout,
            pulldoctor_model::registry::Facts::None,
        );
        let path = NodePath {
            address: "10.9.0.4:443".parse().unwrap(),
            segment: Some(1_448),
            small_answered: Some(true),
        };
        let finding = refuses("net/http: TLS handshake timeout")
            .node_view(and_path(own_network(seen), path))
            .judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding
                .notes
                .iter()
                .any(|(word, text)| word == "packets" && text.contains("1448 bytes"))
        );
    }
}
