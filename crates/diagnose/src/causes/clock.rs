//! The node's clock against the API server's, as far as texts and objects tell.

use pulldoctor_messages::Fault;
use pulldoctor_model::Timestamp;

use crate::{case::Case, node_sight::from_node};

/// From here on a difference is a fault of a clock, in seconds. Below it, rounding and the time
/// between a text and its reading explain it.
const LEAST: i64 = 60;
/// A heartbeat that is this far ahead cannot come from a right clock, in seconds.
const HEARTBEAT_AHEAD: i64 = 300;
/// A heartbeat of a ready node may be old by the interval of its status, 5 minutes.
const HEARTBEAT_BEHIND: i64 = 600;
/// The lease of a ready node may be this old, in seconds: without a renewal for 50 s the node
/// controller, which goes by its own clock, takes the node for lost (`nodeMonitorGracePeriod`).
const LEASE_BEHIND: i64 = 100;
/// Kubernetes 1.0, 2015-07-21: no node ran earlier.
const FIRST_RELEASE: i64 = 1_437_436_800;
/// Certificates are rarely issued for later than this, in seconds.
pub(crate) const LONG_AHEAD: i64 = 86_400;

/// What a text says about the moment at which a certificate was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The node's clock.
    pub(crate) node: Timestamp,
    /// The end of the validity, or its start.
    pub(crate) edge: Timestamp,
    /// Whether the edge is the end.
    pub(crate) is_end: bool,
}

/// How the node's clock differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skew {
    /// By how many seconds at least; positive where the node is ahead.
    pub(crate) seconds: i64,
    /// Who measured it beside the text.
    pub(crate) by: Measured,
}

/// Who measured a node's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// Nobody: the text alone tells it.
    Text,
    /// The kubelet, which writes its heartbeat by that clock.
    Heartbeat,
    /// A probe on the node.
    Probe,
}

/// The moment that the judged text tells.
pub(crate) fn moment(case: &Case<'_>) -> Option<Moment> {
    let facts = &case.reading().facts;
    let node = facts.node_time.as_deref()?.parse().ok()?;
    let (edge, is_end) = match case.fault() {
        Fault::CertificateExpired => (facts.not_after.as_deref()?, true),
        Fault::CertificateNotYetValid => (facts.not_before.as_deref()?, false),
        _ => return None,
    };
    Some(Moment {
        node,
        edge: edge.parse().ok()?,
        is_end,
    })
}

/// How far the node's heartbeat is from the API server's clock, where that is no mere delay.
pub(crate) fn heartbeat(case: &Case<'_>) -> Option<i64> {
    let node = case.node().seen()?;
    // A node that no longer reports has an old heartbeat and a right clock.
    let is_ready = node
        .conditions
        .iter()
        .any(|condition| condition.kind == "Ready" && condition.status == "True");
    let is_off = |seconds: i64, ahead: i64, behind: i64| {
        seconds >= ahead || (seconds <= -behind && is_ready)
    };
    if let Some(seconds) = node.lease_ahead_s {
        return is_off(seconds, LEAST, LEASE_BEHIND).then_some(seconds);
    }
    let seconds = node.heartbeat?.as_second() - case.evidence.observed.as_second();
    is_off(seconds, HEARTBEAT_AHEAD, HEARTBEAT_BEHIND).then_some(seconds)
}

/// Seconds by which a probe on the node found its clock ahead of the API server's.
fn probed(case: &Case<'_>) -> Option<i64> {
    from_node(case)?.view.clock_ahead_s
}

/// Whether a probe on the node finds its clock right, now.
pub(crate) fn is_right_now(case: &Case<'_>) -> bool {
    probed(case).is_some_and(|seconds| seconds.abs() < LEAST)
}

/// What was measured beside the text, where it is a fault of the clock.
fn measured(case: &Case<'_>) -> Option<(i64, Measured)> {
    match probed(case) {
        Some(seconds) if seconds.abs() >= LEAST => Some((seconds, Measured::Probe)),
        Some(_) => None,
        None => heartbeat(case).map(|seconds| (seconds, Measured::Heartbeat)),
    }
}

/// The difference that alone explains the text: by the real time the certificate is valid.
///
/// The text was written after the pod was created and before it was read, both by the API
/// server's clock; the node's time in it has to lie between.
pub(crate) fn explains(case: &Case<'_>) -> Option<Skew> {
    let moment = moment(case)?;
    let node = moment.node.as_second();
    let edge = moment.edge.as_second();
    if !moment.is_end && node < FIRST_RELEASE {
        return Some(Skew {
            seconds: node - edge,
            by: measured(case)
                .filter(|(seconds, _)| *seconds < 0)
                .map_or(Measured::Text, |(_, by)| by),
        });
    }
    if case.pasted {
        return None;
    }
    let observed = case.evidence.observed.as_second();
    if let Some((seconds, by)) = measured(case) {
        let real = node - seconds;
        let explains = if moment.is_end {
            real <= edge
        } else {
            real >= edge
        };
        if explains {
            return Some(Skew { seconds, by });
        }
    }
    let seconds = if moment.is_end {
        (observed <= edge).then_some(node - observed)?
    } else {
        let created = case.symptom.created?.as_second();
        (observed >= edge).then_some(node - created)?
    };
    let is_skew = if moment.is_end {
        seconds >= LEAST
    } else {
        seconds <= -LEAST
    };
    is_skew.then_some(Skew {
        seconds,
        by: Measured::Text,
    })
}

/// Whether the API server's clock agrees with what the node says of the certificate.
pub(crate) fn agrees(case: &Case<'_>) -> bool {
    let observed = case.evidence.observed;
    !case.pasted
        && moment(case).is_some_and(|moment| {
            if moment.is_end {
                observed > moment.edge
            } else {
                observed < moment.edge
            }
        })
}

/// A length of time in its two largest units.
pub(crate) fn length(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1, _, _) => format!("{} h", hours + 24),
        _ => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn lengths_read_well() {
        assert_eq!(length(-42), "42 s");
        assert_eq!(length(600), "10 min");
        assert_eq!(length(7_260), "2 h 1 min");
        assert_eq!(length(100_000), "27 h");
        assert_eq!(length(900_000), "10 days");
    }
}
