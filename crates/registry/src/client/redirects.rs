//! Redirects, followed with a bound and never with a credential to another host.

use http::Method;
use url::Url;

use super::connect::{Guard, Report};
use super::exchange::{Answer, Ask, Failure, Open, exchange, send};
use super::fault::{Fault, show};
use super::origin::Origin;
use super::shared::Shared;
use crate::judge::{Problem, Stage, is_redirect};

/// An answer and how it was come by.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) answer: Answer,
    /// The hosts that redirects led to, in order.
    pub(super) hosts: Vec<String>,
}

/// A failure, and the other host at which it happened, if it did.
pub(super) struct Lost {
    pub(super) failure: Failure,
    pub(super) host: Option<String>,
}

impl Lost {
    /// The fault as it is, or the blob host's where the registry sent its client there.
    pub(super) fn blob_fault(&self, otherwise: Problem) -> Fault {
        let fault = self.failure.fault();
        let kept = matches!(
            fault.problem,
            Problem::RedirectLoop | Problem::RedirectRefused | Problem::RateLimited
        );
        match &self.host {
            _ if kept => fault.clone(),
            Some(host) => Fault::new(
                Problem::BlobHostUnreachable,
                format!("`{host}`: {}", fault.detail),
            ),
            None => Fault::new(otherwise, &fault.detail),
        }
    }
}

/// How following ended, with the stages towards other hosts.
pub(super) struct Trail {
    pub(super) result: Result<Followed, Failure>,
    pub(super) requests: u32,
    /// Where it ended, if that is another host than the first.
    pub(super) last_host: Option<String>,
    /// `host` and its stages; the last one is where it ended.
    pub(super) other_hosts: Vec<(String, Vec<Stage>)>,
}

/// Where an answer redirects to.
pub(super) fn target_of(answer: &Answer, ask: &Ask) -> Result<Url, Fault> {
    resolve(answer.header("location"), ask)
}

pub(super) fn resolve(location: Option<&str>, ask: &Ask) -> Result<Url, Fault> {
    let refused = |what: String| Fault::new(Problem::RedirectRefused, what);
    let location =
        location.ok_or_else(|| refused("a redirect without a Location header".to_owned()))?;
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
        last_host: None,
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
                if next.origin != ask.origin {
                    trail.last_host = Some(show(&next.origin.authority()));
                }
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

/// Asks, follows redirects, and leaves the body of the last answer to be read. Also returns the
/// host that it came from, where that is not the first one.
pub(super) async fn open(
    shared: &Shared,
    ask: &Ask,
    guard: Guard,
) -> (Result<Open, Failure>, Option<String>) {
    let mut ask = ask.clone();
    let mut host = None;
    for _ in 0..=shared.config.limits.redirects {
        let open = match send(shared, &ask, &mut |_| {}).await {
            Ok(open) => open,
            Err(failure) => return (Err(failure), host),
        };
        if !is_redirect(open.response.status().as_u16()) {
            return (Ok(open), host);
        }
        let location = open
            .response
            .headers()
            .get("location")
            .and_then(|value| value.to_str().ok());
        let next = resolve(location, &ask).map(|target| at_target(&ask, &target, guard));
        match next {
            Ok(Some(next)) => {
                if next.origin != ask.origin {
                    host = Some(show(&next.origin.authority()));
                }
                ask = next;
            }
            Ok(None) => break,
            Err(fault) => return (Err(fault.into()), host),
        }
    }
    let fault = Fault::new(Problem::RedirectLoop, "stopped after 10 redirects");
    (Err(fault.into()), host)
}
