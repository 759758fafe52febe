//! Judges at home the certificates that a node was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use pulldoctor_model::NodeSight;

use super::{RawSight, SentChain};
use crate::judge::trust::{Anchor, Certificate, judge_chain};
use crate::judge::{Facts, Problem, Stage, StageName, StageOutcome, TlsFacts, show};

/// Said where the verdict depends on who is trusted: a pod does not see the node's authorities.
const WHOSE: &str = "by the authorities that this computer trusts; the node's own were not read";

impl RawSight {
    /// Judges the certificates at the node's time, in Unix seconds, by these authorities.
    pub fn judged(self, now: i64, anchors: &[Anchor]) -> NodeSight {
        let Self {
            role,
            mut transcript,
            chains,
            paths,
        } = self;
        let host = transcript.host.clone();
        judge_stages(&host, &mut transcript.stages, &chains, now, anchors);
        for other in &mut transcript.other_hosts {
            judge_stages(&other.host, &mut other.stages, &chains, now, anchors);
        }
        NodeSight {
            role,
            transcript,
            paths,
        }
    }
}

fn judge_stages(
    host: &str,
    stages: &mut [Stage],
    chains: &[SentChain],
    now: i64,
    anchors: &[Anchor],
) {
    let Some(chain) = chains.iter().find(|chain| chain.host == host) else {
        return;
    };
    for stage in stages
        .iter_mut()
        .filter(|stage| stage.stage == StageName::Tls)
    {
        let Facts::Tls(facts) = &mut stage.facts else {
            continue;
        };
        if let Some((problem, detail)) = judge_tls(facts, chain, now, anchors) {
            stage.outcome = StageOutcome::Failed;
            stage.problem = Some(problem);
            stage.detail = detail;
        } else if stage.outcome == StageOutcome::Ok {
            let issuer = facts.chain.first().map_or("", |leaf| leaf.issuer.as_str());
            let version = facts.version.as_deref().unwrap_or("TLS");
            stage.detail = show(&format!("{version}, certificate of {issuer}"));
        }
    }
}

fn judge_tls(
    facts: &mut TlsFacts,
    chain: &SentChain,
    now: i64,
    anchors: &[Anchor],
) -> Option<(Problem, String)> {
    let ders: Vec<Vec<u8>> = chain
        .certificates
        .iter()
        .map(|text| STANDARD.decode(text).unwrap_or_default())
        .collect();
    let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
    let parsed: Vec<Certificate> = ders
        .iter()
        .filter_map(|der| Certificate::parse(der))
        .collect();
    facts.chain = parsed.iter().map(Certificate::facts).collect();
    facts.trusted_authorities = anchors.len();
    facts.unchecked_handshake = chain.unchecked.is_some();
    let judgement = judge_chain(&ders, &facts.server_name, now, anchors);
    facts.issuer_url.clone_from(&judgement.issuer_url);
    if let Some(fault) = judgement.fault {
        facts.go_text = Some(fault.go_text.clone());
        let depends = matches!(
            fault.problem,
            Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain
        );
        let detail = if depends {
            format!("{} ({WHOSE})", fault.go_text)
        } else {
            fault.go_text
        };
        return Some((fault.problem, show(&detail)));
    }
    // Go takes keys that the probe's library cannot check.
    let is_unusual = parsed.first().is_some_and(Certificate::has_unusual_key);
    let why = chain.unchecked.as_ref().filter(|_| !is_unusual)?;
    Some((
        Problem::TlsHandshake,
        show(&format!("the handshake's signature is not good: {why}")),
    ))
}
