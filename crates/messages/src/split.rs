//! Texts that hold several errors: one per credential, per mirror, per try as artifact.

use crate::text::{CAP, Clean};

/// How many attempts are read on their own.
const MOST: usize = 16;

/// Cuts off what repeats the error: CRI-O's try to read the image as an artifact.
pub(crate) fn without_artifact(clean: &mut Clean) {
    if let Some(at) = clean.lower.find("artifact err:") {
        let end = clean.lower[..at].trim_end_matches([';', ' ', '\n']).len();
        clean.text.truncate(end);
        clean.lower.truncate(end);
    }
}

/// How an attempt begins: errors contain commas themselves, so only these places part them.
const BEGINNINGS: [&str; 12] = [
    "rpc error:",
    "failed to pull",
    "failed to resolve",
    "failed to copy",
    "error response from daemon",
    "initializing source",
    "error initializing source",
    "unable to pull",
    "image pull failed",
    "manifest for",
    "get \"http",
    "head \"http",
];

/// The attempts in a bracketed list `[e1, e2]`, if there is one with at least two.
pub(crate) fn attempts(clean: &Clean) -> Vec<String> {
    let lower = clean.lower.as_bytes();
    let Some(open) = clean
        .lower
        .match_indices('[')
        .map(|(at, _)| at)
        .find(|at| begins(&clean.lower[at + 1..]))
    else {
        return Vec::new();
    };
    let mut cuts = vec![open + 1];
    let end = clean
        .lower
        .rfind(']')
        .filter(|end| *end > open)
        .unwrap_or(lower.len());
    for (at, _) in clean.lower[open..end].match_indices(", ") {
        let at = open + at + 2;
        if begins(&clean.lower[at..]) && cuts.len() < MOST {
            cuts.push(at);
        }
    }
    if cuts.len() < 2 {
        return Vec::new();
    }
    let ends = cuts.iter().skip(1).map(|cut| cut - 2).chain([end]);
    cuts.iter()
        .zip(ends)
        .map(|(from, to)| clean.text[*from..to].to_owned())
        .collect()
}

fn begins(lower: &str) -> bool {
    let lower = lower.trim_start_matches('"');
    BEGINNINGS
        .iter()
        .any(|beginning| lower.starts_with(beginning))
}

/// containers/image's `(Mirrors also failed: [M1: err1]\n[M2: err2]): H/x:T: primary`: the primary
/// error, and those of the mirrors.
pub(crate) fn mirrors(clean: &Clean) -> Option<(String, Vec<String>)> {
    let marker = "mirrors also failed: ";
    let at = clean.lower.find(marker)?;
    let list = at + marker.len();
    let close = clean.lower[list..].find("]): ").map(|end| list + end)?;
    let before = clean.text[..at].trim_end_matches(['(', ' ']);
    let primary = format!("{before} {}", &clean.text[close + 4..]);
    debug_assert!(
        primary.len() <= CAP * 2,
        "a piece of the text is never longer than the text"
    );
    let errors = clean.text[list..close]
        .split('[')
        .map(|piece| piece.trim().trim_end_matches(']').to_owned())
        .filter(|piece| !piece.is_empty())
        .take(MOST)
        .collect();
    Some((primary, errors))
}
