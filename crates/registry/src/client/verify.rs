//! Layers read and checked, several at a time, taken up again after a cut.

use std::time::Instant;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use http::{HeaderValue, Method};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;

use super::check::{Checked, PIECE, check};
use super::connect::Guard;
use super::exchange::{Ask, fault_of};
use super::fault::Fault;
use super::origin::Origin;

use super::redirects::open;
use super::shared::Shared;
use crate::judge::{Descriptor, LayerFacts, Problem, problem_of_blob_status};

/// Pieces between the network and the check: memory is bounded by them.
const PIECES: usize = 16;

/// Where the layers are.
pub(super) struct Source<'a> {
    pub(super) shared: &'a Shared,
    pub(super) origin: &'a Origin,
    pub(super) repository: &'a str,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) guard: Guard,
}

/// How a reading ended on the network's side.
struct Reading {
    status: Option<u16>,
    resumed: u32,
    /// Why it did not come to its end.
    fault: Option<Fault>,
    host: Option<String>,
}

impl Source<'_> {
    /// Reads and checks all layers; `diff_ids` are in the same order.
    pub(super) async fn verify(
        &self,
        layers: &[Descriptor],
        diff_ids: &[String],
    ) -> (Vec<LayerFacts>, Option<String>) {
        let most = self.shared.config.limits.parallel_layers.max(1);
        // Boxed one by one, so that the whole can be seen to be `Send`.
        let readings: Vec<_> = layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let diff_id = diff_ids.get(index).map_or("", String::as_str);
                self.layer(index, layer, diff_id).boxed()
            })
            .collect();
        let mut work = futures::stream::iter(readings).buffer_unordered(most);
        let mut rows = Vec::new();
        let mut host = None;
        while let Some((facts, redirected)) = work.next().await {
            host = host.or(redirected);
            rows.push(facts);
        }
        rows.sort_by_key(|facts| facts.index);
        (rows, host)
    }

    async fn layer(
        &self,
        index: usize,
        layer: &Descriptor,
        diff_id: &str,
    ) -> (LayerFacts, Option<String>) {
        let start = Instant::now();
        let (reading, checked) = self.read(layer, diff_id).await;
        let mut facts = LayerFacts {
            index,
            digest: layer.digest.clone(),
            size: layer.size,
            status: reading.status,
            read_bytes: checked.read,
            unpacked_bytes: checked.unpacked,
            resumed: reading.resumed,
            ..LayerFacts::default()
        };
        // What the network says comes first: a layer that could not be read is not a bad one.
        let fault = reading.fault.clone().or_else(|| checked.fault.clone());
        if let Some(fault) = fault {
            facts.problem = Some(fault.problem);
            facts.detail = Some(fault.detail);
            facts.bad_at = match fault.problem {
                Problem::LayerCut => Some(checked.read),
                _ => checked.bad_at,
            };
            if matches!(fault.problem, Problem::LayerDigest | Problem::LayerSize) {
                self.compare(layer, diff_id, &checked, &mut facts).await;
            }
        }
        facts.took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        (facts, reading.host)
    }

    /// Reads a bad layer once more: other bytes mean that the way is bad, the same bytes that the
    /// stored copy is.
    async fn compare(
        &self,
        layer: &Descriptor,
        diff_id: &str,
        first: &Checked,
        facts: &mut LayerFacts,
    ) {
        let (reading, second) = self.read(layer, diff_id).await;
        if reading.fault.is_some() && second.read < first.read {
            return;
        }
        let differs = second.digest != first.digest;
        facts.second_read_differs = Some(differs);
        if differs {
            let pairs = first.prints.iter().zip(&second.prints);
            let same = pairs.take_while(|(one, other)| one == other).count() as u64;
            facts.bad_at = Some((same * PIECE).min(first.read.min(second.read)));
        }
    }

    async fn read(&self, layer: &Descriptor, diff_id: &str) -> (Reading, Checked) {
        let (sender, receiver) = channel(PIECES);
        let most = self.shared.config.limits.unpacked_bytes;
        let (own, id) = (layer.clone(), diff_id.to_owned());
        let checking = tokio::task::spawn_blocking(move || check(receiver, &own, &id, most));
        let feeding = timeout(self.shared.config.limits.layer, self.feed(layer, sender));
        let reading = feeding.await.unwrap_or_else(|_| Reading {
            status: None,
            resumed: 0,
            fault: Some(Fault::new(Problem::LayerCut, "the layer took too long")),
            host: None,
        });
        let checked = checking.await.unwrap_or_else(|_| Checked {
            fault: Some(Fault::new(Problem::LayerCut, "the check was cut off")),
            ..Checked::default()
        });
        (reading, checked)
    }

    /// Reads from the network into the channel, and closes it at the end.
    async fn feed(&self, layer: &Descriptor, sender: Sender<Bytes>) -> Reading {
        let mut reading = Reading {
            status: None,
            resumed: 0,
            fault: None,
            host: None,
        };
        let mut done: u64 = 0;
        loop {
            let before = done;
            match self.part(layer, &mut done, &sender, &mut reading).await {
                Ok(()) => break,
                Err((fault, is_cut)) => {
                    let most = self.shared.config.limits.layer_resumes;
                    // A reading that gets on may be taken up more often than one that does not.
                    let gets_on = done > before;
                    if is_cut && reading.resumed < most && (gets_on || reading.resumed < 2) {
                        reading.resumed += 1;
                        continue;
                    }
                    reading.fault = Some(fault);
                    break;
                }
            }
        }
        reading
    }

    /// One request for what is left of a layer. The flag says that it was cut and may be resumed.
    async fn part(
        &self,
        layer: &Descriptor,
        done: &mut u64,
        sender: &Sender<Bytes>,
        reading: &mut Reading,
    ) -> Result<(), (Fault, bool)> {
        let target = format!("/v2/{}/blobs/{}", self.repository, layer.digest);
        let mut ask = Ask::new(Method::GET, self.origin, target);
        ask.authorization = self.authorization.clone();
        if *done > 0 {
            ask.range = Some(format!("bytes={done}-"));
        }
        let (opened, host) = open(self.shared, &ask, self.guard).await;
        reading.host = host.or(reading.host.take());
        let opened = opened.map_err(|failure| {
            let fault = failure.fault();
            let problem = match (&reading.host, fault.problem) {
                (_, Problem::RedirectRefused | Problem::RedirectLoop | Problem::RateLimited) => {
                    fault.problem
                }
                (Some(_), _) => Problem::BlobHostUnreachable,
                (None, _) => Problem::LayerCut,
            };
            (Fault::new(problem, &fault.detail), *done > 0)
        })?;
        let status = opened.response.status().as_u16();
        reading.status = Some(status);
        let mut skip = match status {
            206 => {
                let start = opened
                    .response
                    .headers()
                    .get("content-range")
                    .and_then(|value| value.to_str().ok())
                    .and_then(range_start);
                if start != Some(*done) {
                    let fault = Fault::new(Problem::LayerCut, "the answer is to another range");
                    return Err((fault, false));
                }
                0
            }
            // Ranges are not served: what is known already is read again and dropped.
            200 => *done,
            404 => {
                let at = reading
                    .host
                    .as_ref()
                    .map_or_else(String::new, |host| format!(" at `{host}`"));
                let fault = Fault::new(
                    Problem::LayerMissing,
                    format!("content at URL not found: {}{at}", layer.digest),
                );
                return Err((fault, false));
            }
            416 if *done >= layer.size => return Ok(()),
            status => {
                let is_elsewhere = reading.host.is_some();
                let problem = problem_of_blob_status(status, is_elsewhere, Problem::LayerMissing);
                let fault = Fault::new(problem, format!("the layer answers {status}"));
                return Err((fault, false));
            }
        };
        let mut body = opened.response.into_body();
        let idle = self.shared.config.limits.idle;
        loop {
            let frame = match timeout(idle, body.frame()).await {
                Err(_) => return Err((Fault::new(Problem::LayerCut, "no more bytes came"), true)),
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    return Err((Fault::new(Problem::LayerCut, fault_of(&error).detail), true));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(mut data) = frame.into_data() else {
                continue;
            };
            let dropped = skip.min(data.len() as u64);
            skip -= dropped;
            let _ = data.split_to(usize::try_from(dropped).unwrap_or(data.len()));
            if data.is_empty() {
                continue;
            }
            // One byte too many proves that it is too long; an endless body is not read further.
            let room = (layer.size + 1).saturating_sub(*done);
            let is_too_long = data.len() as u64 > room;
            data.truncate(usize::try_from(room).unwrap_or(data.len()));
            *done += data.len() as u64;
            if !data.is_empty() && sender.send(data).await.is_err() {
                break;
            }
            if is_too_long || *done > layer.size {
                break;
            }
        }
        Ok(())
    }
}

/// `bytes 100-199/200`
pub(super) fn range_start(text: &str) -> Option<u64> {
    text.trim()
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .trim()
        .parse()
        .ok()
}
