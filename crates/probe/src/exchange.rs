//! Requests, followed to where the registry sends its clients.

use std::net::IpAddr;

use pulldoctor_registry::judge::{
    Fault, OtherHost, Problem, Role, Stage, is_redirect, may_redirect_to, show,
};

use crate::http::{self, Answer, Request};
use crate::url::{Origin, Url};
use crate::way::{Guard, Link, Notes, Scene, connect, knock};

/// Most redirects in a row, as in Go.
const MOST_REDIRECTS: usize = 10;
/// Most other hosts whose stages are kept.
const MOST_OTHER_HOSTS: usize = 8;

/// A request before its host is known to be reachable.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) url: Url,
    pub(crate) accept: Option<&'static str>,
    pub(crate) authorization: Option<String>,
    pub(crate) is_taste: bool,
    pub(crate) most: usize,
}

impl Ask {
    pub(crate) fn new(method: &'static str, url: Url) -> Self {
        Self {
            method,
            url,
            accept: None,
            authorization: None,
            is_taste: false,
            most: 0,
        }
    }
}

/// An answer and how it was come by.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) result: Result<Answer, Lost>,
    /// The hosts that redirects led to, in order.
    pub(crate) hosts: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    pub(crate) fault: Fault,
    /// There was not even a connection.
    pub(crate) is_unreachable: bool,
}

/// Asks one registry and the hosts that it sends its clients to.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) scene: Scene<'a>,
    pub(crate) registry: Origin,
    /// Where the registry itself may be.
    guard: Guard,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) notes: Notes,
    pub(crate) other_hosts: Vec<OtherHost>,
    pub(crate) requests: u32,
    /// Connections that may be asked again.
    links: Vec<(Origin, Link)>,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(scene: Scene<'a>, registry: Origin, guard: Guard) -> Self {
        Self {
            scene,
            registry,
            guard,
            peer: None,
            notes: Notes::default(),
            other_hosts: Vec::new(),
            requests: 0,
            links: Vec::new(),
        }
    }

    /// Connects to the registry itself.
    pub(crate) fn reach(&mut self, stages: &mut Vec<Stage>) -> Result<(), Fault> {
        let registry = self.registry.clone();
        let link = connect(self.scene, &registry, self.guard, &mut self.notes, stages)?;
        self.peer = link.peer;
        self.links.push((registry, link));
        Ok(())
    }

    /// Resolves and connects to the registry's place, and says nothing to whoever listens there.
    pub(crate) fn knock(&mut self, stages: &mut Vec<Stage>) {
        knock(self.scene, &self.registry, &mut self.notes, stages);
    }

    /// Asks and follows redirects of GET and HEAD. An authorization stays only where scheme, host
    /// and port do.
    pub(crate) fn follow(&mut self, ask: &Ask, role: Role) -> Followed {
        let mut ask = ask.clone();
        let mut hosts = Vec::new();
        for _ in 0..=MOST_REDIRECTS {
            let answer = match self.ask(&ask, role) {
                Ok(answer) => answer,
                Err(lost) => {
                    return Followed {
                        result: Err(lost),
                        hosts,
                    };
                }
            };
            if !is_redirect(answer.status) {
                return Followed {
                    result: Ok(answer),
                    hosts,
                };
            }
            let Some(next) = answer
                .header("location")
                .and_then(|location| ask.url.join(location))
            else {
                let fault = Fault::new(Problem::RedirectRefused, "a redirect to no URL");
                return Followed {
                    result: Err(fault.into()),
                    hosts,
                };
            };
            if next.origin != ask.url.origin {
                ask.authorization = None;
                hosts.push(show(&next.origin.authority()));
            }
            ask.url = next;
        }
        let fault = Fault::new(Problem::RedirectLoop, "stopped after 10 redirects");
        Followed {
            result: Err(fault.into()),
            hosts,
        }
    }

    fn ask(&mut self, ask: &Ask, role: Role) -> Result<Answer, Lost> {
        let origin = &ask.url.origin;
        loop {
            let mut link = self.link(origin, role)?;
            let request = Request {
                method: ask.method,
                target: ask.url.target(),
                authority: origin.authority(),
                accept: ask.accept,
                authorization: ask.authorization.clone(),
                is_taste: ask.is_taste,
                most: ask.most,
            };
            link.set_deadline(self.scene.until.step(self.scene.limits.answer));
            self.requests += 1;
            match http::exchange(&mut link, &request, self.scene.user_agent) {
                Ok(mut answer) => {
                    if let Some(sent) = &ask.authorization {
                        answer.forget(sent);
                    }
                    if answer.is_reusable {
                        link.is_reused = true;
                        self.links.push((origin.clone(), link));
                    }
                    return Ok(answer);
                }
                // It was closed while it lay idle, or more came after an answer than belongs to
                // it: what that connection says is about another question.
                Err(fault)
                    if link.is_reused
                        && matches!(fault.problem, Problem::HttpCut | Problem::HttpMalformed) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// A connection that lies idle, or a new one. The stages towards another host are kept.
    fn link(&mut self, origin: &Origin, role: Role) -> Result<Link, Lost> {
        let guard = if *origin == self.registry {
            self.guard
        } else {
            Guard::SentBy(self.peer)
        };
        if let Some(at) = self.links.iter().position(|(known, _)| known == origin) {
            let link = self.links.swap_remove(at).1;
            if let (Guard::SentBy(registry), Some(peer)) = (guard, link.peer)
                && may_redirect_to(peer, registry).is_err()
            {
                let text = format!("a redirect to `{}` at {peer}", origin.authority());
                return Err(Fault::new(Problem::RedirectRefused, text).into());
            }
            return Ok(link);
        }
        let mut stages = Vec::new();
        let connected = connect(self.scene, origin, guard, &mut self.notes, &mut stages);
        let host = origin.authority();
        let is_known = self
            .other_hosts
            .iter()
            .any(|other| other.host == host && other.role == role);
        if *origin != self.registry && !is_known && self.other_hosts.len() < MOST_OTHER_HOSTS {
            self.other_hosts.push(OtherHost { host, role, stages });
        }
        connected.map_err(|fault| Lost {
            fault,
            is_unreachable: true,
        })
    }
}

impl From<Fault> for Lost {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            is_unreachable: false,
        }
    }
}
