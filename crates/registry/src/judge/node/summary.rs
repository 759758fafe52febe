//! The answer in 4,096 bytes, for people who may read pods but not their logs.

use serde::{Deserialize, Serialize};

use pulldoctor_model::shorten;

use super::{
    BriefStage, MOST_SUMMARY, NodeAnswer, NodeAnswerError, NodeAsk, NodeResolvers, RawSight,
    begin_transcript,
};
use crate::judge::{Facts, Stage, show};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    protocol: u32,
    clock: i64,
    took_ms: u64,
    error: Option<String>,
    /// The stages of each target, in their order.
    targets: Vec<Vec<BriefStage>>,
}

impl NodeAnswer {
    /// Outcome and detail of every stage, with details as long as there is room for; where there is
    /// none, only the first failure of each target.
    pub fn summary(&self) -> String {
        let all = [400, 200, 100, 50, 20, 0].map(|most| (most, false));
        for (most, is_failure_only) in all.into_iter().chain([(60, true), (0, true)]) {
            let text = self.summary_with(most, is_failure_only);
            if text.len() <= MOST_SUMMARY {
                return text;
            }
        }
        String::new()
    }

    fn summary_with(&self, most: usize, is_failure_only: bool) -> String {
        let brief = |stage: &Stage| {
            // What went well is said in few words where there is little room.
            let most = if stage.problem.is_none() {
                most / 4
            } else {
                most
            };
            let detail = if most == 0 {
                String::new()
            } else {
                shorten(&stage.detail, most).into_owned()
            };
            BriefStage(stage.stage, stage.outcome, stage.problem, detail)
        };
        let stages = |sight: &RawSight| -> Vec<BriefStage> {
            if is_failure_only {
                return sight
                    .transcript
                    .first_failure()
                    .map(brief)
                    .into_iter()
                    .collect();
            }
            sight.transcript.stages.iter().map(brief).collect()
        };
        let summary = Summary {
            protocol: self.protocol,
            clock: self.clock,
            took_ms: self.took_ms,
            error: self
                .error
                .as_ref()
                .map(|error| shorten(error, 400).into_owned()),
            targets: self.sights.iter().map(stages).collect(),
        };
        serde_json::to_string(&summary).unwrap_or_default()
    }

    /// Reads a summary, of the answer to this question.
    pub fn from_summary(text: &str, ask: &NodeAsk) -> Result<Self, NodeAnswerError> {
        if text.len() > MOST_SUMMARY {
            return Err(NodeAnswerError::TooLong);
        }
        let summary: Summary =
            serde_json::from_str(text.trim()).map_err(|_| NodeAnswerError::NotAnAnswer)?;
        let sights = ask
            .targets
            .iter()
            .zip(summary.targets)
            .map(|(target, stages)| {
                let mut transcript = begin_transcript(target);
                transcript.took_ms = summary.took_ms;
                transcript.stages = stages
                    .into_iter()
                    .map(|BriefStage(stage, outcome, problem, detail)| Stage {
                        stage,
                        outcome,
                        took_ms: 0,
                        detail: show(&detail),
                        problem,
                        facts: Facts::None,
                    })
                    .collect();
                RawSight {
                    role: target.role,
                    transcript,
                    chains: Vec::new(),
                    paths: Vec::new(),
                }
            })
            .collect();
        let answer = Self {
            protocol: summary.protocol,
            sights,
            resolvers: NodeResolvers::default(),
            clock: summary.clock,
            took_ms: summary.took_ms,
            error: summary.error,
            is_cut: true,
        };
        answer.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NODE_PROTOCOL, NodeLimits, NodeRole, NodeTarget};
    use super::*;
    use crate::judge::{MOST_NODE_TARGETS, Problem, StageName, StageOutcome};

    fn ask(count: usize) -> NodeAsk {
        let target = NodeTarget {
            role: NodeRole::Registry,
            host: "registry.lab".to_owned(),
            plain_http: false,
            image: None,
        };
        NodeAsk {
            protocol: NODE_PROTOCOL,
            user_agent: "pulldoctor/1".to_owned(),
            targets: vec![target; count],
            limits: NodeLimits::default(),
        }
    }

    fn answer(ask: &NodeAsk, detail: &str) -> NodeAnswer {
        let names = [
            StageName::Dns,
            StageName::Proxy,
            StageName::Tcp,
            StageName::Tls,
            StageName::Http,
            StageName::Token,
            StageName::Manifest,
            StageName::Platform,
            StageName::Config,
            StageName::Layers,
        ];
        let sights = ask.targets.iter().map(|target| {
            let mut transcript = begin_transcript(target);
            transcript.stages = names
                .iter()
                .map(|name| Stage {
                    stage: *name,
                    outcome: StageOutcome::Failed,
                    took_ms: 0,
                    detail: detail.to_owned(),
                    problem: Some(Problem::TcpNetworkUnreachable),
                    facts: Facts::None,
                })
                .collect();
            RawSight {
                role: target.role,
                transcript,
                chains: Vec::new(),
                paths: Vec::new(),
            }
        });
        NodeAnswer {
            protocol: NODE_PROTOCOL,
            sights: sights.collect(),
            resolvers: NodeResolvers::default(),
            clock: 1_700_000_000,
            took_ms: 5000,
            error: None,
            is_cut: false,
        }
    }

    #[test]
    fn a_summary_reads_back_and_always_fits() {
        let small = ask(1);
        let text = answer(&small, "short").summary();
        let again = NodeAnswer::from_summary(&text, &small).unwrap();
        assert!(again.is_cut);
        assert_eq!(again.sights[0].transcript.stages[3].detail, "short");
        assert_eq!(again.sights[0].transcript.host, "registry.lab");
        let most = ask(MOST_NODE_TARGETS);
        // Escaped quotes are the longest that a safe text becomes in JSON.
        let text = answer(&most, &"\"é".repeat(400)).summary();
        assert!(text.len() <= MOST_SUMMARY, "{}", text.len());
        let again = NodeAnswer::from_summary(&text, &most).unwrap();
        assert_eq!(again.sights.len(), MOST_NODE_TARGETS);
    }

    #[test]
    fn nonsense_is_no_answer() {
        for text in ["", "null", "{}", "[1]"] {
            assert!(NodeAnswer::from_summary(text, &ask(1)).is_err(), "{text}");
            assert!(NodeAnswer::from_log(text).is_err(), "{text}");
        }
        assert_eq!(
            NodeAnswer::from_log(&"{".repeat(1 << 20)),
            Err(NodeAnswerError::TooLong)
        );
        let mut other = answer(&ask(1), "");
        other.protocol = 7;
        let line = serde_json::to_string(&other).unwrap();
        assert_eq!(
            NodeAnswer::from_log(&format!("noise\n{line}\n")),
            Err(NodeAnswerError::Protocol(7))
        );
    }
}
