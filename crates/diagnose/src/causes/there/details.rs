//! What a node's resolvers, hosts file, certificates and ways are, where it is news.

use std::net::IpAddr;

use pulldoctor_model::{
    CauseId, Finding, clean_line,
    registry::{DnsAnswer, DnsFacts, Problem},
    shorten,
};

use crate::{
    case::Case,
    causes::here,
    finding::FindingExt,
    node_sight::{FromNode, answer_word, other_nodes},
};

/// Name servers that are shown.
const SERVERS: usize = 4;
/// Addresses that are shown.
const ADDRESSES: usize = 4;
/// Nodes that are shown.
const NODES: usize = 6;

/// What the node's resolvers, hosts file and path say, where it is news.
pub(super) fn with_details(finding: Finding, case: &Case<'_>, look: &FromNode<'_>) -> Finding {
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
pub(super) fn with_other_nodes(finding: Finding, case: &Case<'_>) -> Finding {
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

pub(super) fn addresses(found: &[IpAddr]) -> String {
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
