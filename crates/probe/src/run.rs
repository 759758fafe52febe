//! All targets at once, and an end to it.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pulldoctor_registry::judge::{
    Facts, Fault, MOST_NODE_TARGETS, NODE_PROTOCOL, NodeAnswer, NodeAsk, NodeResolvers, NodeTarget,
    Problem, RawSight, StageName, begin_transcript, end_stage,
};

use crate::deadline::Deadline;
use crate::image::{look, now};
use crate::surroundings::Surroundings;
use crate::way::Scene;

/// Most milliseconds that a whole probe may be told to take.
const MOST_TOTAL: u64 = 60_000;
/// Every wait ends by itself at the deadline; the margin is for threads that are late.
const MARGIN: Duration = Duration::from_millis(500);

/// Asks what it is told to ask, and returns in time whatever happens.
pub fn run(ask: &NodeAsk, place: &Surroundings) -> NodeAnswer {
    if ask.protocol != NODE_PROTOCOL {
        return refusal(&format!(
            "the question is of version {}, this is version {NODE_PROTOCOL}",
            ask.protocol
        ));
    }
    if ask.targets.len() > MOST_NODE_TARGETS {
        return refusal(&format!("more than {MOST_NODE_TARGETS} hosts"));
    }
    let is_header = |text: &str| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let is_path = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_sound = is_header(&ask.user_agent)
        && ask
            .targets
            .iter()
            .filter_map(|target| target.image.as_ref())
            .all(|image| is_path(&image.repository) && is_path(&image.reference));
    if !is_sound {
        return refusal("the question holds what cannot stand in a request");
    }
    let start = Instant::now();
    let total = Duration::from_millis(ask.limits.total.min(MOST_TOTAL));
    let until = Deadline::after(total);
    let (sender, receiver) = mpsc::channel();
    for (at, target) in ask.targets.iter().enumerate() {
        let (sender, ask, place, target) =
            (sender.clone(), ask.clone(), place.clone(), target.clone());
        // Not joined: a thread that hangs in spite of all deadlines must not keep the answer.
        thread::spawn(move || {
            let scene = Scene {
                place: &place,
                limits: &ask.limits,
                user_agent: &ask.user_agent,
                until,
            };
            // Nobody listens any more where time ran out.
            let _ = sender.send((at, look(scene, &target)));
        });
    }
    drop(sender);
    let mut sights: Vec<Option<RawSight>> = vec![None; ask.targets.len()];
    while let Ok((at, sight)) = receiver.recv_timeout(until.left().unwrap_or_default() + MARGIN) {
        sights[at] = Some(sight);
    }
    NodeAnswer {
        protocol: NODE_PROTOCOL,
        sights: sights
            .into_iter()
            .zip(&ask.targets)
            .map(|(sight, target)| sight.unwrap_or_else(|| out_of_time(target, total)))
            .collect(),
        resolvers: place.for_answer(),
        clock: now(),
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: None,
        is_cut: false,
    }
}

fn out_of_time(target: &NodeTarget, total: Duration) -> RawSight {
    let mut transcript = begin_transcript(target);
    let fault = Fault::new(Problem::DnsTimeout, "the probe ran out of time");
    transcript
        .stages
        .push(end_stage(StageName::Dns, total, Facts::None, Err(&fault)));
    RawSight {
        role: target.role,
        transcript,
        chains: Vec::new(),
        paths: Vec::new(),
    }
}

/// An answer that only says why nothing was asked.
pub fn refusal(why: &str) -> NodeAnswer {
    NodeAnswer {
        protocol: NODE_PROTOCOL,
        sights: Vec::new(),
        resolvers: NodeResolvers::default(),
        clock: now(),
        took_ms: 0,
        error: Some(why.to_owned()),
        is_cut: false,
    }
}
