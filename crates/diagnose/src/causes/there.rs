//! What the network and TLS causes read from the node's own view: a fault that it reproduces is
//! proven, one that it does not is over or lies in what a pod cannot see.

mod details;

use std::net::IpAddr;

use pulldoctor_model::{
    CauseId, Confidence, Finding, NodeNetwork, Timestamp, clean_line,
    registry::{Facts, StageName},
};

use super::{
    network::{Route, bare, route},
    support::{checked::checked, in_namespace, quote},
    tls_unknown_authority::is_public,
};
use crate::{
    case::Case,
    finding::FindingExt,
    node_sight::{Agreement, FromNode, agreement, from_node, is_proof},
    view::Reached,
};
use details::{addresses, with_details, with_other_nodes};

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
    if Reached::of_text(case) >= Reached::Answered {
        // The runtime got past TLS, so what this computer trusts is beside the point.
        transcript
            .stages
            .retain(|stage| stage.stage != StageName::Tls || stage.problem.is_none());
    }
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
        && chain_is_own(case)
        && issued
            .zip(began)
            .is_some_and(|(issued, began)| issued < began)
}

/// Whether the chain is the registry's own, and the registry is no public one.
fn chain_is_own(case: &Case<'_>) -> bool {
    !is_public(case) && matches!(route(case), Route::Registry)
}

/// The address that the text says was dialled.
fn dialled(case: &Case<'_>) -> Option<IpAddr> {
    let address = case.reading().facts.dial_address.as_deref()?;
    bare(address).parse().ok()
}

/// Whether the registry itself was reached from the node's own network, up to an answer.
pub(crate) fn registry_answers(case: &Case<'_>) -> bool {
    from_node(case).is_some_and(|look| look.is_nodes_own() && look.reached() >= Reached::Answered)
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

#[cfg(test)]
mod tests;
