//! Redirects, followed with a bound and never with a credential to another host.

use http::Method;
use url::Url;

use super::connect::{Guard, Report};
use super::exchange::{Answer, Ask, Failure, exchange};
use super::fault::{Fault, show};
use super::origin::Origin;
use super::shared::Shared;
use crate::judge::{Problem, Stage};

/// An answer and how it was come by.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) answer: Answer,
    /// The hosts that redirects led to, in order.
    pub(super) hosts: Vec<String>,
}

/// How following ended, with the stages towards other hosts.
pub(super) struct Trail {
    pub(super) result: Result<Followed, Failure>,
    pub(super) requests: u32,
    /// `host` and its stages; the last one is where it ended.
    pub(super) other_hosts: Vec<(String, Vec<Stage>)>,
}

/// Tells whether a status redirects a GET or HEAD.
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where an answer redirects to.
pub(super) fn target_of(answer: &Answer, ask: &Ask) -> Result<Url, Fault> {
    let refused = |what: String| Fault::new(Problem::RedirectRefused, what);
    let location = answer
        .header("location")
        .ok_or_else(|| refused(format!("{} without a Location header", answer.status)))?;
    let base = Url::parse(&format!("{}{}", ask.origin, ask.target))
        .map_err(|_| refused("the request has no base for a redirect".to_owned()))?;
    let target = base
        .join(location)
        .map_err(|_| refused(format!("`{}` is no URL", show(location))))?;
    if Origin::of(&target).is_none() {
        return Err(refused(format!(
            "a redirect to `{}:`",
            show(target.scheme())
        )));
    }
    Ok(target)
}

/// The same question at the target of a redirect. The credential stays only where scheme, host and
/// port do.
pub(super) fn at_target(ask: &Ask, target: &Url, guard: Guard) -> Option<Ask> {
    let origin = Origin::of(target)?;
    let path = match target.query() {
        Some(query) => format!("{}?{query}", target.path()),
        None => target.path().to_owned(),
    };
    let mut next = ask.clone();
    if origin != ask.origin {
        next.authorization = None;
        next.guard = guard;
    }
    next.origin = origin;
    next.target = path;
    Some(next)
}

/// Asks and follows redirects. `guard` holds for every host but the first.
pub(super) async fn follow(shared: &Shared, ask: &Ask, guard: Guard, report: Report<'_>) -> Trail {
    let mut trail = Trail {
        result: Err(Fault::new(Problem::RedirectLoop, "stopped after 10 redirects").into()),
        requests: 0,
        other_hosts: Vec::new(),
    };
    let mut hosts = Vec::new();
    let mut ask = ask.clone();
    let first = ask.origin.clone();
    for _ in 0..=shared.config.limits.redirects {
        trail.requests += 1;
        let mut stages = Vec::new();
        let result = if ask.origin == first {
            exchange(shared, &ask, &mut *report).await
        } else {
            exchange(shared, &ask, &mut |stage| stages.push(stage)).await
        };
        if !stages.is_empty() {
            trail.other_hosts.push((ask.origin.authority(), stages));
        }
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => {
                trail.result = Err(failure);
                return trail;
            }
        };
        if !is_redirect(answer.status) || !matches!(ask.method, Method::GET | Method::HEAD) {
            trail.result = Ok(Followed { answer, hosts });
            return trail;
        }
        let next = target_of(&answer, &ask).map(|target| at_target(&ask, &target, guard));
        match next {
            Ok(Some(next)) => {
                if hosts.len() < 32 {
                    hosts.push(show(&next.origin.authority()));
                }
                ask = next;
            }
            Ok(None) => {
                trail.result = Err(Fault::new(Problem::RedirectRefused, "no host to go to").into());
                return trail;
            }
            Err(fault) => {
                trail.result = Err(fault.into());
                return trail;
            }
        }
    }
    trail
}
