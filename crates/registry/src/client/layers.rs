//! Are the layers there, and can the host that serves them be reached?

use std::collections::BTreeSet;
use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderValue, Method};

use super::connect::stage;
use super::exchange::{Ask, exchange};
use super::fault::{Fault, show};
use super::origin::Origin;
use super::probe::Run;
use super::redirects::{Followed, target_of};
use super::verify::Source;
use crate::judge::{
    Facts, ImageConfig, LayerFacts, LayersFacts, Manifest, Problem, Role, StageName, is_redirect,
    problem_of_blob_status, problem_of_status,
};

/// Bytes that are enough to see that a blob is served.
const TASTE: usize = 1024;

impl Run<'_> {
    /// Ends the stage `layers` by asking whether they are there.
    pub(super) async fn see_layers(
        &mut self,
        manifest: &Manifest,
        authorization: Option<HeaderValue>,
    ) {
        let since = Instant::now();
        let (shared, origin) = (self.shared, self.origin.clone());
        let most = shared.config.limits.per_host.max(1);
        let asks: Vec<(usize, Ask)> = manifest
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let target = format!("/v2/{}/blobs/{}", self.repository, layer.digest);
                let mut ask = Ask::new(Method::HEAD, &origin, target);
                ask.authorization.clone_from(&authorization);
                (index, ask)
            })
            .collect();
        self.transcript.requests += u32::try_from(asks.len()).unwrap_or(u32::MAX);
        // Boxed one by one, so that the whole can be seen to be `Send`.
        let asking: Vec<_> = asks
            .into_iter()
            .map(|(index, ask)| {
                let head = async move {
                    let start = Instant::now();
                    let answer = exchange(shared, &ask, &mut |_| {}).await;
                    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                    (index, ask, answer, took)
                };
                head.boxed()
            })
            .collect();
        let mut heads: Vec<_> = futures::stream::iter(asking)
            .buffer_unordered(most)
            .collect()
            .await;
        heads.sort_by_key(|(index, ..)| *index);
        let mut facts = LayersFacts::default();
        let mut hosts: BTreeSet<Option<String>> = BTreeSet::new();
        let mut tastes: Vec<(usize, Ask)> = Vec::new();
        for (index, ask, answer, took_ms) in heads {
            let layer = &manifest.layers[index];
            let mut row = LayerFacts {
                index,
                digest: layer.digest.clone(),
                size: layer.size,
                took_ms,
                ..LayerFacts::default()
            };
            match answer {
                Err(failure) => {
                    row.problem = Some(Problem::LayerCut);
                    row.detail = Some(failure.fault().detail.clone());
                }
                Ok(answer) => {
                    row.status = Some(answer.status);
                    let host = if is_redirect(answer.status) {
                        let target = target_of(&answer, &ask);
                        target
                            .ok()
                            .and_then(|url| Origin::of(&url))
                            .map(|origin| show(&origin.authority()))
                    } else {
                        None
                    };
                    let is_there = answer.is_success() || is_redirect(answer.status);
                    if is_there || answer.status == 405 {
                        // One taste of every host that blobs come from.
                        if hosts.insert(host) && hosts.len() <= 4 {
                            tastes.push((index, ask));
                        }
                    } else {
                        judge_missing(answer.status, &mut row);
                    }
                    let stated = answer
                        .header("content-length")
                        .and_then(|text| text.parse::<u64>().ok());
                    if answer.status == 200
                        && let Some(stated) = stated
                        && stated != layer.size
                    {
                        row.problem = Some(Problem::LayerSize);
                        row.detail =
                            Some(format!("unexpected size {stated}, expected {}", layer.size));
                    }
                }
            }
            facts.layers.push(row);
        }
        for (index, mut ask) in tastes {
            ask.method = Method::GET;
            ask.range = Some("bytes=0-0".to_owned());
            ask.most = TASTE;
            let (row, host) = self.taste(&ask).await;
            facts.redirect_host = facts.redirect_host.or(host);
            if let Some(fault) = row
                && let Some(layer) = facts.layers.get_mut(index)
                && layer.problem.is_none()
            {
                layer.problem = Some(fault.problem);
                layer.detail = Some(fault.detail);
            }
        }
        self.end_layers(since, facts);
    }

    /// Reads one byte of a blob, where the registry sends its clients for it.
    async fn taste(&mut self, ask: &Ask) -> (Option<Fault>, Option<String>) {
        match self.follow(ask, Role::Blob).await {
            Ok(Followed { answer, hosts }) => {
                let host = hosts.last().cloned();
                if answer.is_success() || answer.status == 416 {
                    return (None, host);
                }
                let problem =
                    problem_of_blob_status(answer.status, host.is_some(), Problem::LayerMissing);
                let at = host
                    .as_ref()
                    .map_or_else(String::new, |host| format!(" at `{host}`"));
                (
                    Some(Fault::new(
                        problem,
                        format!("the layer answers {}{at}", answer.status),
                    )),
                    host,
                )
            }
            Err(lost) => (Some(lost.blob_fault(Problem::LayerCut)), lost.host),
        }
    }

    /// Ends the stage `layers` by reading them.
    pub(super) async fn verify_layers(
        &mut self,
        manifest: &Manifest,
        config: &ImageConfig,
        authorization: Option<HeaderValue>,
    ) {
        let since = Instant::now();
        let source = Source {
            shared: self.shared,
            origin: &self.origin,
            repository: &self.repository,
            authorization,
            guard: self.guard(),
        };
        let (mut layers, redirect_host) = source.verify(&manifest.layers, &config.diff_ids).await;
        let requests = layers
            .iter()
            .map(|layer| 1 + layer.resumed + u32::from(layer.second_read_differs.is_some()));
        self.transcript.requests += requests.sum::<u32>();
        if manifest.layers.len() != config.diff_ids.len()
            && let Some(last) = layers.last_mut()
            && last.problem.is_none()
        {
            last.problem = Some(Problem::LayerDiffId);
            last.detail = Some(format!(
                "number of layers and diffIDs don't match: {} != {}",
                manifest.layers.len(),
                config.diff_ids.len()
            ));
        }
        let facts = LayersFacts {
            layers,
            redirect_host,
            verified: true,
        };
        self.end_layers(since, facts);
    }

    fn end_layers(&mut self, since: Instant, facts: LayersFacts) {
        let count = facts.layers.len();
        let bad = facts.layers.iter().find(|layer| layer.problem.is_some());
        let fault = bad.map(|layer| {
            let mut text = format!("layer {} of {count}, {}", layer.index + 1, layer.digest);
            if let Some(detail) = &layer.detail {
                text.push_str(": ");
                text.push_str(detail);
            }
            match layer.second_read_differs {
                Some(true) => {
                    text.push_str("; a second reading gave other bytes, so the way is bad");
                }
                Some(false) => {
                    text.push_str("; a second reading gave the same, so the stored copy is bad");
                }
                None => {}
            }
            Fault::new(layer.problem.unwrap_or(Problem::LayerCut), text)
        });
        let done = if facts.verified { "whole" } else { "there" };
        let at = facts
            .redirect_host
            .as_ref()
            .map_or_else(String::new, |host| format!(", served by `{host}`"));
        let facts = Facts::Layers(facts);
        let ended = match &fault {
            None => stage(
                StageName::Layers,
                since,
                facts,
                Ok(format!("{} {done}{at}", layers_are(count))),
            ),
            Some(fault) => stage(StageName::Layers, since, facts, Err(fault)),
        };
        self.emit(ended);
    }
}

fn layers_are(count: usize) -> String {
    match count {
        1 => "1 layer is".to_owned(),
        _ => format!("{count} layers are"),
    }
}

fn judge_missing(status: u16, row: &mut LayerFacts) {
    row.problem = Some(if status == 404 {
        Problem::LayerMissing
    } else {
        problem_of_status(status)
    });
    row.detail = Some(format!("the registry answers {status}"));
}
