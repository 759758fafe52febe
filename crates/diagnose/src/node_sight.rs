//! The registry as the failing node sees it, beside what the node's own text tells.
//!
//! Only this view can reproduce a fault where it happened. What it does not see are the runtime's
//! own mirrors, proxy and authorities: a way that is good to a probe on the node and bad to its
//! runtime points there, or the fault is over. A probe in the network of pods sees less still (no
//! hosts file, source address, loopback or MTU of the node), so what it meets is never proof.

mod agreement;
mod others;

use pulldoctor_model::{
    Answered, NodeNetwork, NodePath, NodeRole, NodeView,
    registry::{
        DnsAnswer, DnsFacts, Facts, Problem, Stage, StageName, StageOutcome, TlsFacts, Transcript,
    },
};

pub(crate) use agreement::{
    Agreement, agreement, is_bad_plain_request, is_proof, may_tell, reproduced,
};
pub(crate) use others::{only_this_node, other_nodes};

use crate::{case::Case, view::Reached};

/// A node's view, and the record of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromNode<'a> {
    /// What was seen.
    pub(crate) view: &'a NodeView,
    /// The record of the answer.
    pub(crate) answered: &'a Answered,
}

/// The view of the symptom's node, if it was asked for and could be had.
pub(crate) fn from_node<'a>(case: &Case<'a>) -> Option<FromNode<'a>> {
    let known = case.node_view();
    Some(FromNode {
        answered: known.answered()?,
        view: known.seen()?,
    })
}

impl<'a> FromNode<'a> {
    /// Whether it is the network that the runtime uses.
    pub(crate) fn is_nodes_own(&self) -> bool {
        self.view.network == NodeNetwork::Host
    }

    /// What was seen of the registry itself.
    pub(crate) fn registry(&self) -> Option<&'a Transcript> {
        Some(&self.view.registry()?.transcript)
    }

    /// The stages towards the host of the failed request.
    pub(crate) fn way(&self, case: &Case<'_>) -> Option<&'a [Stage]> {
        match &case.reading().foreign_host {
            None => Some(self.registry()?.stages.as_slice()),
            Some(foreign) => self.way_to(&foreign.host),
        }
        .filter(|way| !way.is_empty())
    }

    fn way_to(&self, host: &str) -> Option<&'a [Stage]> {
        let asked = self
            .view
            .sights
            .iter()
            .map(|sight| &sight.transcript)
            .find(|seen| same_host(&seen.host, host))
            .map(|seen| seen.stages.as_slice());
        asked.or_else(|| {
            self.view
                .sights
                .iter()
                .flat_map(|sight| &sight.transcript.other_hosts)
                .find(|other| same_host(&other.host, host))
                .map(|other| other.stages.as_slice())
        })
    }

    /// How far the registry itself was reached. A certificate that only this computer does not
    /// trust ends no way on which the probe went on.
    pub(crate) fn reached(&self) -> Reached {
        let Some(transcript) = self.registry().filter(|seen| !seen.stages.is_empty()) else {
            return Reached::Nothing;
        };
        let last = transcript
            .stages
            .iter()
            .rfind(|stage| stage.outcome != StageOutcome::Skipped);
        match end_of(&transcript.stages, StageName::Layers) {
            Some(stage) => Reached::of_failure(stage),
            None => last.map_or(Reached::Nothing, Reached::past),
        }
    }

    /// Whether the registry served the manifest to a request without any login.
    pub(crate) fn serves_manifest(&self) -> bool {
        self.registry()
            .and_then(|seen| seen.stage(StageName::Manifest))
            .is_some_and(|stage| stage.outcome == StageOutcome::Ok)
    }

    /// Where the name of the failed request's host leads there.
    pub(crate) fn dns(&self, case: &Case<'_>) -> Option<&'a DnsFacts> {
        self.way(case)?.iter().find_map(|stage| match &stage.facts {
            Facts::Dns(facts) => Some(facts),
            _ => None,
        })
    }

    /// The handshake with the failed request's host, where its certificates came home.
    pub(crate) fn handshake(&self, case: &Case<'_>) -> Option<&'a TlsFacts> {
        handshake_of(self.way(case)?)
    }

    /// The problem of the handshake with the failed request's host, judged by this computer's
    /// authorities. Nothing also where there was none, or nothing came home to judge.
    pub(crate) fn tls_problem(&self, case: &Case<'_>) -> Option<Problem> {
        self.way(case)?
            .iter()
            .find(|stage| stage.stage == StageName::Tls)?
            .problem
    }

    /// What is known of the way to an address of the failed request's host: whether small packets
    /// get through, and the size of segments.
    pub(crate) fn path(&self, case: &Case<'_>) -> Option<&'a NodePath> {
        let host = case.failed_host();
        let is_foreign = case.reading().foreign_host.is_some();
        self.view
            .sights
            .iter()
            .find(|sight| {
                if is_foreign {
                    same_host(&sight.transcript.host, &host)
                } else {
                    sight.role == NodeRole::Registry
                }
            })?
            .paths
            .first()
    }
}

/// The handshake of a way, where its certificates are known.
pub(crate) fn handshake_of(way: &[Stage]) -> Option<&TlsFacts> {
    way.iter()
        .filter(|stage| stage.stage == StageName::Tls)
        .find_map(|stage| match &stage.facts {
            Facts::Tls(facts) if !facts.chain.is_empty() => Some(&**facts),
            _ => None,
        })
}

/// Whether two hosts are one, with or without the port of HTTPS.
fn same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
    plain(one).eq_ignore_ascii_case(&plain(other))
}

/// The stage at which a way ends. A certificate that is refused at home ends it only where the
/// probe stopped there, or where certificates are what the text is about.
fn end_of(way: &[Stage], expected: StageName) -> Option<&Stage> {
    let mut failed = way
        .iter()
        .filter(|stage| stage.outcome == StageOutcome::Failed);
    let first = failed.next()?;
    let goes_on = first.stage == StageName::Tls
        && expected > StageName::Tls
        && way
            .iter()
            .any(|stage| stage.stage > StageName::Tls && stage.outcome != StageOutcome::Skipped);
    if goes_on { failed.next() } else { Some(first) }
}

/// What a server said of a name, in the protocol's words.
pub(crate) fn answer_word(answer: DnsAnswer) -> &'static str {
    match answer {
        DnsAnswer::Addresses => "addresses",
        DnsAnswer::Nxdomain => "NXDOMAIN",
        DnsAnswer::Nodata => "no address",
        DnsAnswer::Servfail => "SERVFAIL",
        DnsAnswer::Refused => "REFUSED",
        DnsAnswer::Timeout => "no answer",
        DnsAnswer::Unreachable => "unreachable",
        DnsAnswer::Other => "an answer that cannot be read",
    }
}

#[cfg(test)]
mod tests;
