//! The way to a host, stage by stage: name, TCP, TLS.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pulldoctor_registry::judge::{
    Facts, Fault, NodeLimits, NodePath, Problem, SentChain, Stage, StageName, StageOutcome,
    TlsFacts, allowed_addresses, end_stage, lookup_text,
};

use crate::deadline::Deadline;
use crate::surroundings::Surroundings;
use crate::tls::{self, Timed, TlsStream};
use crate::url::Origin;
use crate::{dns, tcp};

/// How long a small request may wait for its answer, in milliseconds.
const SMALL_ANSWER: u64 = 700;
/// Most hosts whose chains and ways are kept for one target.
const MOST_NOTES: usize = 8;

/// Where and how one target is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) place: &'a Surroundings,
    pub(crate) limits: &'a NodeLimits,
    pub(crate) user_agent: &'a str,
    pub(crate) until: Deadline,
}

/// What goes home beside the stages.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) chains: Vec<SentChain>,
    pub(crate) paths: Vec<NodePath>,
}

impl Notes {
    fn keep(&mut self, path: Option<NodePath>) {
        if self.paths.len() < MOST_NOTES {
            self.paths.extend(path);
        }
    }
}

/// Which addresses may be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guard {
    /// Any: somebody at home named the host.
    Named,
    /// Those that the registry at this address may send its clients to.
    SentBy(Option<IpAddr>),
}

/// A connection that can be asked.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) is_reused: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(Timed),
    Secure(Box<TlsStream>),
}

impl Link {
    pub(crate) fn set_deadline(&mut self, until: Deadline) {
        match &mut self.stream {
            Stream::Plain(socket) => socket.until = until,
            Stream::Secure(stream) => stream.sock.until = until,
        }
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.flush(),
            Stream::Secure(stream) => stream.flush(),
        }
    }
}

/// A stage that was left out.
pub(crate) fn skipped(name: StageName, why: impl Into<String>) -> Stage {
    let mut stage = end_stage(name, std::time::Duration::ZERO, Facts::None, Ok(why.into()));
    stage.outcome = StageOutcome::Skipped;
    stage
}

/// Connects to a host; every stage is pushed as it ends.
pub(crate) fn connect(
    scene: Scene<'_>,
    origin: &Origin,
    guard: Guard,
    notes: &mut Notes,
    stages: &mut Vec<Stage>,
) -> Result<Link, Fault> {
    let (stream, mut path) = dial(scene, origin, guard, stages)?;
    let secured = secure(scene, origin, stream, &mut path, notes, stages);
    let peer = path.as_ref().map(|path| path.address.ip());
    notes.keep(path);
    Ok(Link {
        stream: secured?,
        peer,
        is_reused: false,
    })
}

/// Connects to what is no registry, a proxy for instance, and says nothing to it.
pub(crate) fn knock(scene: Scene<'_>, origin: &Origin, notes: &mut Notes, stages: &mut Vec<Stage>) {
    if let Ok((_, path)) = dial(scene, origin, Guard::Named, stages) {
        notes.keep(path);
    }
}

/// Name and TCP.
fn dial(
    scene: Scene<'_>,
    origin: &Origin,
    guard: Guard,
    stages: &mut Vec<Stage>,
) -> Result<(TcpStream, Option<NodePath>), Fault> {
    let mut addresses = resolve(scene, origin, stages)?;
    stages.push(skipped(
        StageName::Proxy,
        "a pod does not see the proxy of the node's runtime",
    ));
    let start = Instant::now();
    if let Guard::SentBy(registry) = guard {
        addresses =
            allowed_addresses(&addresses, registry, &origin.authority()).inspect_err(|fault| {
                stages.push(end_stage(
                    StageName::Tcp,
                    start.elapsed(),
                    Facts::None,
                    Err(fault),
                ));
            })?;
    }
    let until = scene.until.step(scene.limits.connect);
    let (connected, facts) = tcp::connect(&addresses, origin.port, until);
    let facts = Facts::Tcp(facts);
    let stream = match connected {
        Ok(stream) => stream,
        Err(fault) => {
            let ended = end_stage(StageName::Tcp, start.elapsed(), facts, Err(&fault));
            stages.push(ended);
            return Err(fault);
        }
    };
    let address = stream.peer_addr().ok();
    let text = address.map_or_else(String::new, |address| {
        format!("connected to {} port {}", address.ip(), address.port())
    });
    let ended = end_stage(StageName::Tcp, start.elapsed(), facts, Ok(text));
    stages.push(ended);
    let path = address.map(|address| NodePath {
        address,
        segment: tcp::segment_size(&stream),
        small_answered: None,
    });
    Ok((stream, path))
}

fn resolve(
    scene: Scene<'_>,
    origin: &Origin,
    stages: &mut Vec<Stage>,
) -> Result<Vec<IpAddr>, Fault> {
    let name = &origin.host;
    if let Some(address) = origin.address() {
        stages.push(skipped(StageName::Dns, format!("`{name}` is an address")));
        return Ok(vec![address]);
    }
    let start = Instant::now();
    let found = dns::resolve(scene.place, name, scene.until.step(scene.limits.dns));
    let addresses = found.facts.addresses.clone();
    let outcome = match found.problem {
        None => {
            let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            let by = if found.facts.system.is_some() {
                " by the hosts file"
            } else {
                ""
            };
            Ok(format!("`{name}` is at {}{by}", list.join(", ")))
        }
        Some(problem) => Err(Fault::new(problem, lookup_text(&found.facts, problem))),
    };
    stages.push(end_stage(
        StageName::Dns,
        start.elapsed(),
        Facts::Dns(found.facts),
        outcome.as_ref().cloned(),
    ));
    outcome.map(|_| addresses)
}

fn secure(
    scene: Scene<'_>,
    origin: &Origin,
    stream: TcpStream,
    path: &mut Option<NodePath>,
    notes: &mut Notes,
    stages: &mut Vec<Stage>,
) -> Result<Stream, Fault> {
    let until = scene.until.step(scene.limits.handshake);
    let socket = Timed::new(stream, until);
    if !origin.is_https {
        stages.push(skipped(StageName::Tls, "plain HTTP"));
        return Ok(Stream::Plain(socket));
    }
    let start = Instant::now();
    let mut facts = TlsFacts::default();
    let (shaken, seen) = tls::handshake(socket, origin, &mut facts);
    let took = start.elapsed();
    let host = origin.authority();
    let is_known = notes.chains.iter().any(|chain| chain.host == host);
    if !seen.chain.is_empty() && !is_known && notes.chains.len() < MOST_NOTES {
        notes.chains.push(SentChain {
            host,
            certificates: seen.chain.iter().map(|der| STANDARD.encode(der)).collect(),
            unchecked: seen.unchecked,
        });
    }
    let shaken = shaken.map_err(|fault| stalled(scene, fault, path.as_mut()));
    let outcome = match &shaken {
        // Whose certificate it is, and what it is worth, is said at home.
        Ok(_) => Ok(facts.version.clone().unwrap_or_else(|| "TLS".to_owned())),
        Err(fault) => Err(fault),
    };
    let ended = end_stage(StageName::Tls, took, Facts::Tls(Box::new(facts)), outcome);
    stages.push(ended);
    shaken.map(|stream| Stream::Secure(Box::new(stream)))
}

/// After a handshake that was not answered: does a small request get a small answer? A server's
/// certificates fill whole packets, an error fits into a small one.
fn stalled(scene: Scene<'_>, fault: Fault, path: Option<&mut NodePath>) -> Fault {
    let (Problem::TlsTimeout, Some(path)) = (fault.problem, path) else {
        return fault;
    };
    let answered = small_answer(path.address, scene.until.step(SMALL_ANSWER));
    path.small_answered = answered;
    let size = path
        .segment
        .map_or_else(String::new, |size| format!(" of up to {size} bytes"));
    match answered {
        Some(true) => Fault::new(
            fault.problem,
            format!(
                "{}; a small request was answered, so large packets{size} may be lost on the way",
                fault.detail
            ),
        ),
        _ => fault,
    }
}

fn small_answer(address: SocketAddr, until: Deadline) -> Option<bool> {
    let mut stream = TcpStream::connect_timeout(&address, until.left().ok()?).ok()?;
    stream.set_write_timeout(until.left().ok()).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    stream.set_read_timeout(until.left().ok()).ok()?;
    Some(matches!(stream.read(&mut [0; 16]), Ok(1..)))
}
