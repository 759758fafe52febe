//! Names: the hosts file, then every server by itself.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use pulldoctor_registry::judge::{
    DnsAnswer, DnsQuestion, DnsRecordKind, DnsResult, Lookup, judge_lookup, show,
};

use crate::deadline::{Deadline, is_timeout};
use crate::surroundings::Surroundings;
use crate::wire::{self, Reply};

/// Resolves a name. The hosts file comes first, as in Go; the servers are asked beside it, since
/// what they say otherwise is evidence.
pub(crate) fn resolve(place: &Surroundings, name: &str, until: Deadline) -> Lookup {
    let conf = &place.resolvers;
    let known = place.hosts_file(name);
    let system = (!known.is_empty()).then(|| DnsResult {
        answer: DnsAnswer::Addresses,
        addresses: known,
        note: Some("/etc/hosts".to_owned()),
    });
    let names = conf.names(name);
    let questions: Vec<DnsQuestion> = if name == "localhost" {
        Vec::new()
    } else {
        thread::scope(|scope| {
            let asked: Vec<_> = conf
                .servers
                .iter()
                .map(|server| scope.spawn(|| ask_server(*server, &names, until)))
                .collect();
            let joined = asked.into_iter().map(|one| one.join().unwrap_or_default());
            joined.flatten().collect()
        })
    };
    judge_lookup(name, conf, system, questions)
}

fn ask_server(server: SocketAddr, names: &[String], until: Deadline) -> Vec<DnsQuestion> {
    let mut all = Vec::new();
    for name in names {
        if until.left().is_err() && !all.is_empty() {
            break;
        }
        let (four, six) = thread::scope(|scope| {
            let six = scope.spawn(|| ask(server, name, DnsRecordKind::Aaaa, until));
            (ask(server, name, DnsRecordKind::A, until), six.join())
        });
        let mut both = vec![four];
        both.extend(six);
        let goes_on = both.iter().all(|question| {
            matches!(
                question.result.answer,
                DnsAnswer::Nxdomain | DnsAnswer::Nodata
            )
        });
        all.extend(both);
        if !goes_on {
            break;
        }
    }
    all
}

fn ask(server: SocketAddr, name: &str, record: DnsRecordKind, until: Deadline) -> DnsQuestion {
    let start = Instant::now();
    let result = exchange(server, name, record, until).unwrap_or_else(|error| {
        let answer = match error.kind() {
            _ if is_timeout(&error) => DnsAnswer::Timeout,
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => DnsAnswer::Unreachable,
            _ => DnsAnswer::Other,
        };
        DnsResult {
            answer,
            addresses: Vec::new(),
            note: (answer != DnsAnswer::Timeout).then(|| show(&error.to_string())),
        }
    });
    DnsQuestion {
        server,
        name: name.to_owned(),
        record,
        result,
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn exchange(
    server: SocketAddr,
    name: &str,
    record: DnsRecordKind,
    until: Deadline,
) -> io::Result<DnsResult> {
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    // Connected: strangers' packets are dropped, and an unreachable port is an error, not silence.
    socket.connect(server)?;
    // The port is random and the socket lives for one question, so the number may be poor.
    let id = socket.local_addr()?.port().rotate_left(5) ^ 0x5a17;
    let question = wire::question(id, name, record)
        .ok_or_else(|| io::Error::other("the name does not fit into a question"))?;
    // One packet may be lost: a second one goes out after half the time.
    let half = until.left()? / 2;
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for wait in [Deadline::after(half), until] {
        socket.send(&question)?;
        match receive(&socket, &question, wait) {
            Ok(Some(result)) => return Ok(result),
            Ok(None) => return over_tcp(server, &question, until),
            Err(error) => last = error,
        }
        until.left()?;
    }
    Err(last)
}

/// Waits for the answer; nothing where it is too long for a packet.
fn receive(socket: &UdpSocket, question: &[u8], until: Deadline) -> io::Result<Option<DnsResult>> {
    let mut buffer = [0; 4096];
    loop {
        socket.set_read_timeout(Some(until.left()?))?;
        let length = socket.recv(&mut buffer)?;
        match wire::read(&buffer[..length], question) {
            Reply::Foreign => {}
            Reply::Truncated => return Ok(None),
            Reply::Said(result) => return Ok(Some(result)),
        }
    }
}

fn over_tcp(server: SocketAddr, question: &[u8], until: Deadline) -> io::Result<DnsResult> {
    let mut stream = TcpStream::connect_timeout(&server, until.left()?)?;
    stream.set_write_timeout(Some(until.left()?))?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    read_exact(&mut stream, &mut length, until)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    read_exact(&mut stream, &mut message, until)?;
    match wire::read(&message, question) {
        Reply::Said(result) => Ok(result),
        _ => Err(io::Error::other("the answer is to another question")),
    }
}

fn read_exact(stream: &mut TcpStream, buffer: &mut [u8], until: Deadline) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let wait: Duration = until.left()?;
        stream.set_read_timeout(Some(wait))?;
        match stream.read(&mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(())
}
