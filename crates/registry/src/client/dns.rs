//! Name resolution: what the system says, and what each server says.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use futures::{FutureExt as _, future::join_all};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use pulldoctor_model::clean_line;

use super::config::Resolvers;
use crate::judge::{DnsAnswer, DnsQuestion, DnsRecordKind, DnsResult, ResolveConf, judge_lookup};

/// Most addresses of one name that are kept.
const MOST_ADDRESSES: usize = 16;
/// Once the system has answered, the servers get this long: they are evidence, nothing waits.
const GRACE: Duration = Duration::from_millis(250);

pub(super) use crate::judge::Lookup as Resolved;

/// Resolves a name, or says how it failed, within the time.
pub(super) async fn resolve(resolvers: &Resolvers, name: &str, limit: Duration) -> Resolved {
    match resolvers {
        Resolvers::Servers {
            servers,
            search,
            ndots,
        } => {
            let conf = ResolveConf {
                servers: servers.clone(),
                search: search.clone(),
                ndots: *ndots,
            };
            let questions = ask_all(&conf, name, limit).await;
            judge_lookup(name, &conf, None, questions)
        }
        Resolvers::System => {
            let conf = system_conf().await;
            let servers = async {
                if name == "localhost" {
                    return Vec::new();
                }
                ask_all(&conf, name, limit).await
            };
            tokio::pin!(servers);
            let system = ask_system(name, limit);
            tokio::pin!(system);
            // Cancel-safe: both futures live on across the branches.
            let (system, questions) = tokio::select! {
                answer = &mut system => {
                    let wait = if answer.answer == DnsAnswer::Addresses { GRACE } else { limit };
                    (answer, timeout(wait, servers).await.unwrap_or_default())
                }
                questions = &mut servers => (system.await, questions),
            };
            judge_lookup(name, &conf, Some(system), questions)
        }
    }
}

/// `/etc/resolv.conf`; without it there are no servers.
async fn system_conf() -> ResolveConf {
    match tokio::fs::read("/etc/resolv.conf").await {
        Ok(text) => ResolveConf::parse(&text),
        Err(_) => ResolveConf::default(),
    }
}

async fn ask_system(name: &str, limit: Duration) -> DnsResult {
    // The port is of no consequence.
    match timeout(limit, tokio::net::lookup_host((name, 443))).await {
        Err(_) => result(DnsAnswer::Timeout, Vec::new(), None),
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|address| address.ip()) {
                if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
                    addresses.push(address);
                }
            }
            let kind = if addresses.is_empty() {
                DnsAnswer::Nodata
            } else {
                DnsAnswer::Addresses
            };
            result(kind, addresses, None)
        }
        Ok(Err(error)) => {
            // getaddrinfo's codes come as text only. EAI_NONAME stands for NXDOMAIN and for an
            // empty answer alike, EAI_AGAIN for every failure of a server.
            let text = error.to_string();
            let kind = if text.contains("Name or service not known")
                || text.contains("nodename nor servname")
            {
                DnsAnswer::Nxdomain
            } else if text.contains("No address associated") {
                DnsAnswer::Nodata
            } else {
                DnsAnswer::Other
            };
            result(kind, Vec::new(), Some(clean_line(&text).into_owned()))
        }
    }
}

fn result(answer: DnsAnswer, addresses: Vec<IpAddr>, note: Option<String>) -> DnsResult {
    DnsResult {
        answer,
        addresses,
        note,
    }
}

/// Asks every server, all at once, name after name of the search path.
async fn ask_all(conf: &ResolveConf, name: &str, limit: Duration) -> Vec<DnsQuestion> {
    let names = conf.names(name);
    // Boxed one by one, so that the whole can be seen to be `Send`.
    let each = conf
        .servers
        .iter()
        .map(|server| ask_server(*server, &names, limit).boxed());
    join_all(each).await.into_iter().flatten().collect()
}

async fn ask_server(server: SocketAddr, names: &[String], limit: Duration) -> Vec<DnsQuestion> {
    let until = Instant::now() + limit;
    let mut all = Vec::new();
    for name in names {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let (four, six) = tokio::join!(
            ask(server, name, DnsRecordKind::A, left),
            ask(server, name, DnsRecordKind::Aaaa, left)
        );
        let goes_on = [&four, &six].iter().all(|question| {
            matches!(
                question.result.answer,
                DnsAnswer::Nxdomain | DnsAnswer::Nodata
            )
        });
        all.extend([four, six]);
        if !goes_on {
            break;
        }
    }
    all
}

async fn ask(
    server: SocketAddr,
    name: &str,
    record: DnsRecordKind,
    limit: Duration,
) -> DnsQuestion {
    let start = Instant::now();
    let answer = match exchange(server, name, record, limit).await {
        Ok(answer) => answer,
        Err(error) => {
            let kind = match error.kind() {
                io::ErrorKind::TimedOut => DnsAnswer::Timeout,
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => DnsAnswer::Unreachable,
                _ => DnsAnswer::Other,
            };
            let note =
                (kind != DnsAnswer::Timeout).then(|| clean_line(&error.to_string()).into_owned());
            result(kind, Vec::new(), note)
        }
    };
    DnsQuestion {
        server,
        name: name.to_owned(),
        record,
        result: answer,
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

async fn exchange(
    server: SocketAddr,
    name: &str,
    record: DnsRecordKind,
    limit: Duration,
) -> io::Result<DnsResult> {
    let kind = match record {
        DnsRecordKind::A => RecordType::A,
        DnsRecordKind::Aaaa => RecordType::AAAA,
    };
    let name = Name::from_ascii(name).map_err(io::Error::other)?;
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.queries.push(Query::query(name, kind));
    let bytes = question.to_vec().map_err(io::Error::other)?;
    // One packet may be lost: a second one goes out after half the time.
    let half = limit / 2;
    let socket = bind(server).await?;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..2 {
        socket.send(&bytes).await?;
        match timeout(half, receive(&socket, &question)).await {
            Ok(Ok(answer)) if answer.metadata.truncation => {
                let long = timeout(half, over_tcp(server, &bytes, &question));
                return Ok(read(&long.await.map_err(|_| io::ErrorKind::TimedOut)??));
            }
            Ok(Ok(answer)) => return Ok(read(&answer)),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn bind(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    // Connected: strangers' packets are dropped, and an unreachable port is an error, not silence.
    socket.connect(server).await?;
    Ok(socket)
}

async fn receive(socket: &UdpSocket, question: &Message) -> io::Result<Message> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Ok(answer) = Message::from_vec(&buffer[..length])
            && belongs(&answer, question)
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, bytes: &[u8], question: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_u16(length).await?;
    stream.write_all(bytes).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    match Message::from_vec(&buffer) {
        Ok(answer) if belongs(&answer, question) => Ok(answer),
        _ => Err(io::Error::other("the answer is to another question")),
    }
}

fn belongs(answer: &Message, question: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && (answer.queries.is_empty() || answer.queries == question.queries)
}

pub(super) fn read(answer: &Message) -> DnsResult {
    let code = answer.metadata.response_code;
    let addresses: Vec<IpAddr> = answer
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        })
        .take(MOST_ADDRESSES)
        .collect();
    match code {
        ResponseCode::NoError if addresses.is_empty() => result(DnsAnswer::Nodata, addresses, None),
        ResponseCode::NoError => result(DnsAnswer::Addresses, addresses, None),
        ResponseCode::NXDomain => result(DnsAnswer::Nxdomain, Vec::new(), None),
        ResponseCode::ServFail => result(DnsAnswer::Servfail, Vec::new(), None),
        ResponseCode::Refused => result(DnsAnswer::Refused, Vec::new(), None),
        other => result(DnsAnswer::Other, Vec::new(), Some(other.to_string())),
    }
}
