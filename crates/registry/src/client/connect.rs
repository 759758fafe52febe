//! The way to a host, stage by stage: name, proxy, TCP, TLS, HTTP/1.1.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::origin::Origin;
use super::shared::Shared;
use super::token::secret_header;
use super::{dns, tcp, tls, tunnel};
use crate::judge::{
    Facts, Problem, ProxyDecision, ProxyFacts, ProxyScheme, ProxyUrl, Stage, StageName,
    StageOutcome, TlsFacts, allowed_addresses, end_stage, lookup_text,
};

/// Receives stages as they end.
pub(super) type Report<'a> = &'a mut (dyn FnMut(Stage) + Send);

/// Which addresses may be asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Guard {
    /// Any: it is the image's own registry.
    Registry,
    /// Those that the registry at this address may send its clients to. Without an address (it is
    /// behind a proxy) none that is special.
    SentBy(Option<IpAddr>),
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct LinkInfo {
    /// `dns` to `tls`.
    pub(super) stages: Vec<Stage>,
    /// A credential may pass.
    pub(super) is_safe: bool,
    /// The host's address; nothing where a proxy stands between.
    pub(super) peer: Option<IpAddr>,
    /// A proxy that reads the requests itself (plain HTTP), with its login.
    pub(super) forwarder: Option<Forwarder>,
}

/// A proxy that reads requests itself.
#[derive(Debug)]
pub(super) struct Forwarder {
    pub(super) login: Option<HeaderValue>,
}

/// A connection that can be asked.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) info: Arc<LinkInfo>,
    /// It served a request before.
    pub(super) is_reused: bool,
    task: AbortOnDrop,
}

/// Ends the connection's task with the connection, whatever the peer does.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.task.0.is_finished()
    }
}

/// Why there is no connection, with the stages that led there.
#[derive(Debug, Clone)]
pub(super) struct ConnectFailure {
    pub(super) stages: Vec<Stage>,
    pub(super) fault: Fault,
}

/// One connection attempt and what it has reported.
struct Attempt<'a, 'r> {
    shared: &'a Shared,
    origin: &'a Origin,
    report: Report<'r>,
    stages: Vec<Stage>,
    forwarder: Option<Forwarder>,
}

/// Connects to a host. Every stage goes to `report` as it ends; a failure to reach the host holds
/// for a few seconds, so that five hundred questions about a dead host cost one attempt.
pub(super) async fn connect(
    shared: &Shared,
    origin: &Origin,
    guard: Guard,
    report: Report<'_>,
) -> Result<Link, Arc<ConnectFailure>> {
    if let Some(failure) = shared.failure(origin) {
        failure.stages.iter().cloned().for_each(report);
        return Err(failure);
    }
    let mut attempt = Attempt {
        shared,
        origin,
        report,
        stages: Vec::new(),
        forwarder: None,
    };
    match attempt.run(guard).await {
        Ok(link) => Ok(link),
        Err(fault) => {
            let failure = Arc::new(ConnectFailure {
                stages: attempt.stages,
                fault,
            });
            // A refusal depends on who sent us here.
            if failure.fault.problem != Problem::RedirectRefused {
                shared.remember_failure(origin, &failure);
            }
            Err(failure)
        }
    }
}

impl Attempt<'_, '_> {
    fn push(&mut self, stage: Stage) {
        (self.report)(stage.clone());
        self.stages.push(stage);
    }

    fn end(
        &mut self,
        name: StageName,
        since: Instant,
        facts: Facts,
        outcome: Result<String, &Fault>,
    ) {
        self.push(stage(name, since, facts, outcome));
    }

    async fn run(&mut self, guard: Guard) -> Result<Link, Fault> {
        let origin = self.origin;
        let decision =
            self.shared
                .config
                .proxies
                .decide(origin.is_https, &origin.host, origin.port);
        let proxy = match &decision {
            ProxyDecision::Through(_, proxy) => Some(proxy.clone()),
            _ => None,
        };
        let (name, port) = match &proxy {
            Some(proxy) => (proxy.host.clone(), proxy.port),
            None => (origin.host.clone(), origin.port),
        };
        let addresses = self.resolve(&name, proxy.is_some()).await?;
        let addresses = match (&proxy, guard) {
            (None, Guard::SentBy(registry)) => {
                allowed_addresses(&addresses, registry, &origin.authority())
                    .map_err(|fault| self.refuse(fault))?
            }
            (Some(_), Guard::SentBy(registry)) => {
                // The proxy resolves the name: only what is written can be judged.
                let literal = match origin.host.as_str() {
                    "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
                    _ => origin.address(),
                };
                allowed_addresses(literal.as_slice(), registry, &origin.authority())
                    .map_err(|fault| self.refuse(fault))?;
                addresses
            }
            (_, Guard::Registry) => addresses,
        };
        let peer_is_known = proxy.is_none();
        let decided = Instant::now();
        if proxy.is_none() {
            self.without_proxy(&decision, decided);
        }
        let tcp_start = Instant::now();
        let limit = self.shared.config.limits.connect;
        let (connected, facts) = tcp::connect(&addresses, port, limit).await;
        let mut stream = match connected {
            Ok(stream) => stream,
            Err(fault) if proxy.is_some() => {
                let fault = Fault::new(
                    Problem::ProxyUnreachable,
                    format!("proxyconnect tcp: {}", fault.detail),
                );
                self.end(
                    StageName::Proxy,
                    tcp_start,
                    proxy_facts(&decision),
                    Err(&fault),
                );
                return Err(fault);
            }
            Err(fault) => {
                self.end(StageName::Tcp, tcp_start, Facts::Tcp(facts), Err(&fault));
                return Err(fault);
            }
        };
        let peer = stream.peer_addr().ok().map(|address| address.ip());
        let connected_to = peer.map_or_else(String::new, |peer| {
            format!("connected to {peer} port {port}")
        });
        let tcp_facts = Facts::Tcp(facts);
        let Some(proxy) = proxy else {
            self.end(StageName::Tcp, tcp_start, tcp_facts, Ok(connected_to));
            return self.secure(stream, peer.filter(|_| peer_is_known)).await;
        };
        self.end(
            StageName::Tcp,
            tcp_start,
            tcp_facts,
            Ok(format!("{connected_to}, the proxy")),
        );
        let start = Instant::now();
        let mut facts = proxy_facts(&decision);
        if !self.origin.is_https && proxy.scheme == ProxyScheme::Http {
            // For plain HTTP there is no CONNECT: the proxy gets the whole URL, as in Go.
            let text = format!("`{proxy}` is asked for {}", self.origin);
            self.end(StageName::Proxy, start, facts, Ok(text));
            let login = tunnel::login_header(&proxy).and_then(|text| secret_header(&text));
            self.forwarder = Some(Forwarder { login });
            return self.secure(stream, None).await;
        }
        if proxy.scheme == ProxyScheme::Https {
            let inside = self.through_tls_proxy(stream, &proxy, &mut facts).await;
            let stream = self.end_proxy(start, facts, &proxy, inside)?;
            return self.secure(stream, None).await;
        }
        let asked = self.ask_proxy(&mut stream, &proxy, &mut facts).await;
        self.end_proxy(start, facts, &proxy, asked)?;
        self.secure(stream, None).await
    }

    fn refuse(&mut self, fault: Fault) -> Fault {
        self.end(StageName::Tcp, Instant::now(), Facts::None, Err(&fault));
        fault
    }

    fn without_proxy(&mut self, decision: &ProxyDecision, since: Instant) {
        let (outcome, detail) = match decision {
            ProxyDecision::Excepted(why) => (StageOutcome::Ok, format!("none: {why}")),
            ProxyDecision::Invalid(name) => (
                StageOutcome::Ok,
                format!("none: `{name}` cannot be read, as in Go"),
            ),
            _ => (StageOutcome::Skipped, "none is set".to_owned()),
        };
        let mut stage = stage(StageName::Proxy, since, proxy_facts(decision), Ok(detail));
        stage.outcome = outcome;
        self.push(stage);
    }

    fn end_proxy<T>(
        &mut self,
        start: Instant,
        facts: Facts,
        proxy: &ProxyUrl,
        result: Result<T, Fault>,
    ) -> Result<T, Fault> {
        let outcome = match &result {
            Ok(_) => Ok(format!(
                "`{proxy}` connected to {}",
                self.origin.host_and_port()
            )),
            Err(fault) => Err(fault),
        };
        self.end(StageName::Proxy, start, facts, outcome);
        result
    }

    async fn through_tls_proxy(
        &mut self,
        stream: TcpStream,
        proxy: &ProxyUrl,
        facts: &mut Facts,
    ) -> Result<tokio_rustls::client::TlsStream<tls::Sniffing<TcpStream>>, Fault> {
        let front = Origin {
            is_https: true,
            host: proxy.host.clone(),
            port: proxy.port,
        };
        let limit = self.shared.config.limits.handshake;
        let mut seen = TlsFacts::default();
        let failed = |fault: Fault| {
            Fault::new(
                Problem::ProxyFailed,
                format!("proxyconnect tcp: {}", fault.detail),
            )
        };
        let secured = tls::handshake(&self.shared.trust, stream, &front, limit, &mut seen)
            .await
            .map_err(failed)?;
        // A login of the proxy may be sent next.
        if let Some(fault) = secured.fault {
            return Err(failed(fault));
        }
        let mut stream = secured.stream;
        self.ask_proxy(&mut stream, proxy, facts).await?;
        Ok(stream)
    }

    async fn ask_proxy<S>(
        &mut self,
        stream: &mut S,
        proxy: &ProxyUrl,
        facts: &mut Facts,
    ) -> Result<(), Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = &self.shared.config;
        let limit = config.limits.handshake;
        if proxy.scheme == ProxyScheme::Socks5 {
            return tunnel::socks(stream, proxy, self.origin, limit).await;
        }
        let mut seen = match facts {
            Facts::Proxy(seen) => std::mem::take(seen),
            _ => ProxyFacts::default(),
        };
        let result = tunnel::connect(
            stream,
            proxy,
            self.origin,
            &config.user_agent,
            limit,
            &mut seen,
        )
        .await;
        *facts = Facts::Proxy(seen);
        result
    }

    async fn resolve(&mut self, name: &str, is_proxy: bool) -> Result<Vec<IpAddr>, Fault> {
        let start = Instant::now();
        if let Ok(address) = name.parse::<IpAddr>() {
            let mut stage = stage(
                StageName::Dns,
                start,
                Facts::None,
                Ok(format!("`{name}` is an address")),
            );
            stage.outcome = StageOutcome::Skipped;
            self.push(stage);
            return Ok(vec![address]);
        }
        let resolved = match self.shared.name(name) {
            Some(resolved) => resolved,
            None => {
                let config = &self.shared.config;
                let found = dns::resolve(&config.resolvers, name, config.limits.dns).await;
                self.shared.remember_name(name, &found);
                found
            }
        };
        let whose = if is_proxy { ", the proxy," } else { "" };
        let addresses = resolved.facts.addresses.clone();
        match resolved.problem {
            None => {
                let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                let text = format!("`{name}`{whose} is at {}", list.join(", "));
                self.end(StageName::Dns, start, Facts::Dns(resolved.facts), Ok(text));
                Ok(addresses)
            }
            Some(problem) => {
                let fault = Fault::new(problem, lookup_text(&resolved.facts, problem));
                self.end(
                    StageName::Dns,
                    start,
                    Facts::Dns(resolved.facts),
                    Err(&fault),
                );
                if is_proxy {
                    let text = format!("proxyconnect tcp: dial tcp: {}", fault.detail);
                    return Err(Fault::new(Problem::ProxyUnreachable, text));
                }
                Err(fault)
            }
        }
    }

    async fn secure<S>(&mut self, stream: S, peer: Option<IpAddr>) -> Result<Link, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let start = Instant::now();
        if !self.origin.is_https {
            let told = self.is_told_plain();
            let detail = if told {
                "plain HTTP, as told"
            } else {
                "plain HTTP"
            };
            let mut stage = stage(StageName::Tls, start, Facts::None, Ok(detail.to_owned()));
            stage.outcome = StageOutcome::Skipped;
            self.push(stage);
            let is_safe =
                told || (self.origin.is_loopback() && peer.is_none_or(|peer| peer.is_loopback()));
            return self.speak(stream, peer, is_safe).await;
        }
        let mut facts = TlsFacts::default();
        let limit = self.shared.config.limits.handshake;
        let shaken =
            tls::handshake(&self.shared.trust, stream, self.origin, limit, &mut facts).await;
        let outcome = match &shaken {
            Ok(secured) => match &secured.fault {
                None => Ok(format!(
                    "{}, certificate of {}",
                    facts.version.as_deref().unwrap_or("TLS"),
                    facts.chain.first().map_or("", |leaf| leaf.issuer.as_str())
                )),
                Some(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        };
        let facts = Facts::Tls(Box::new(facts));
        let stage = stage(StageName::Tls, start, facts, outcome);
        self.push(stage);
        let secured = shaken?;
        self.speak(secured.stream, peer, secured.is_safe).await
    }

    fn is_told_plain(&self) -> bool {
        let told = &self.shared.config.realms.plain_http;
        told.iter().any(|entry| {
            Origin::of_registry(entry, false).is_some_and(|entry| entry.host == self.origin.host)
        })
    }

    async fn speak<S>(
        &mut self,
        stream: S,
        peer: Option<IpAddr>,
        is_safe: bool,
    ) -> Result<Link, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // hyper wants a buffer of 8 KiB at least.
        let head = self.shared.config.limits.head_bytes.max(8192);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(head)
            .max_header_size(head)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::new(Problem::HttpCut, error.to_string()))?;
        let task = tokio::spawn(async move {
            // How it ends is seen by the request that it serves.
            let _ = connection.await;
        });
        Ok(Link {
            sender,
            info: Arc::new(LinkInfo {
                stages: self.stages.clone(),
                is_safe,
                peer,
                forwarder: self.forwarder.take(),
            }),
            is_reused: false,
            task: AbortOnDrop(task),
        })
    }
}

/// Makes a stage out of what came.
pub(super) fn stage(
    name: StageName,
    since: Instant,
    facts: Facts,
    outcome: Result<String, &Fault>,
) -> Stage {
    end_stage(name, since.elapsed(), facts, outcome)
}

fn proxy_facts(decision: &ProxyDecision) -> Facts {
    Facts::Proxy(match decision {
        ProxyDecision::Through(name, proxy) => ProxyFacts {
            proxy: Some(super::fault::show(&proxy.to_string())),
            decided_by: Some((*name).to_owned()),
            ..ProxyFacts::default()
        },
        ProxyDecision::Excepted(why) => ProxyFacts {
            decided_by: Some(why.clone()),
            ..ProxyFacts::default()
        },
        ProxyDecision::Invalid(name) => ProxyFacts {
            decided_by: Some((*name).to_owned()),
            ..ProxyFacts::default()
        },
        ProxyDecision::Unset => ProxyFacts::default(),
    })
}
