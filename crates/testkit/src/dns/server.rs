//! The server over UDP and TCP, and the zone that it reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::{JoinHandle, JoinSet};

use super::wire::{self, Query, Reply};
use crate::spec::DnsAnswer;

/// How one name is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The answer for everybody else.
    pub answer: DnsAnswer,
    /// The A record behind [`DnsAnswer::Ok`].
    pub address: Ipv4Addr,
    /// Other answers by source address.
    pub clients: BTreeMap<IpAddr, DnsAnswer>,
}

impl Record {
    /// A name that resolves to this address for everybody.
    pub fn address(address: Ipv4Addr) -> Self {
        Self {
            answer: DnsAnswer::Ok,
            address,
            clients: BTreeMap::new(),
        }
    }

    /// A name that fails for everybody.
    pub fn failing(answer: DnsAnswer) -> Self {
        Self {
            answer,
            address: Ipv4Addr::UNSPECIFIED,
            clients: BTreeMap::new(),
        }
    }
}

/// The names that a server knows; others do not exist. Clones share the names, so a test can
/// change them while the server runs.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    names: Arc<RwLock<BTreeMap<String, Record>>>,
    outsiders: Arc<BTreeSet<IpAddr>>,
}

impl Zone {
    /// A zone without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// A zone without names, in which none will ever exist for these clients: they are outside of
    /// the company whose zone this is.
    pub fn without(outsiders: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            names: Arc::default(),
            outsiders: Arc::new(outsiders.into_iter().collect()),
        }
    }

    /// Adds or replaces a name.
    pub fn set(&self, name: &str, record: Record) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(key(name), record);
    }

    /// Removes a name, which does not exist from then on.
    pub fn remove(&self, name: &str) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(&key(name));
    }

    /// The answer for a name and a client; nothing where the server stays silent.
    pub fn reply(&self, name: &str, client: IpAddr) -> Option<Reply> {
        if self.outsiders.contains(&client) {
            return Some(Reply::NoSuchName);
        }
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = names.get(name) else {
            return Some(Reply::NoSuchName);
        };
        match record
            .clients
            .get(&client)
            .copied()
            .unwrap_or(record.answer)
        {
            DnsAnswer::Ok => Some(Reply::Address(record.address)),
            DnsAnswer::NxDomain => Some(Reply::NoSuchName),
            DnsAnswer::ServFail => Some(Reply::ServerFailure),
            DnsAnswer::Refused => Some(Reply::Refused),
            DnsAnswer::NoData => Some(Reply::Empty),
            DnsAnswer::Silent => None,
        }
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl DnsServer {
    /// Listens on UDP and TCP at the same address; port 0 takes a free one.
    pub async fn start(address: SocketAddr, zone: Zone) -> io::Result<Self> {
        let (udp, tcp) = bind(address).await?;
        let address = udp.local_addr()?;
        let task = tokio::spawn(async move {
            tokio::join!(serve_udp(udp, zone.clone()), serve_tcp(tcp, zone));
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// With port 0 the port that UDP gets may be taken for TCP: then another one is tried.
async fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if address.port() != 0 || tries == 20 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn answer(message: &[u8], client: IpAddr, zone: &Zone) -> Option<Vec<u8>> {
    let query: Query = wire::parse(message)?;
    let reply = zone.reply(&query.name, client)?;
    Some(wire::encode(&query, reply))
}

async fn serve_udp(socket: UdpSocket, zone: Zone) {
    let mut buffer = [0; 1500];
    loop {
        // An error here is that of an earlier datagram (ICMP port unreachable), not the socket's.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if let Some(answer) = answer(&buffer[..length], client.ip(), &zone) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Zone) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, client)) = listener.accept().await {
            connections.spawn(serve_stream(stream, client.ip(), zone.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve_stream(mut stream: TcpStream, client: IpAddr, zone: Zone) -> io::Result<()> {
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        match answer(&message, client, &zone) {
            Some(answer) => {
                let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
                stream.write_u16(length).await?;
                stream.write_all(&answer).await?;
            }
            // Silence: the connection stays open and nothing comes.
            None => std::future::pending::<()>().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn question(name: &str) -> Vec<u8> {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        message
    }

    async fn ask(from: &str, server: SocketAddr, name: &str) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind(from).await.unwrap();
        socket.connect(server).await.unwrap();
        socket.send(&question(name)).await.unwrap();
        let mut buffer = [0; 512];
        let received = timeout(Duration::from_millis(300), socket.recv(&mut buffer))
            .await
            .ok()?;
        Some(buffer[..received.unwrap()].to_vec())
    }

    #[tokio::test]
    async fn each_name_is_answered_in_its_own_way() {
        let zone = Zone::new();
        zone.set("good.lab", Record::address(Ipv4Addr::new(10, 0, 0, 9)));
        zone.set("silent.lab", Record::failing(DnsAnswer::Silent));
        zone.set("refused.lab", Record::failing(DnsAnswer::Refused));
        let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone.clone())
            .await
            .unwrap();
        let at = server.address();

        let good = ask("127.0.0.1:0", at, "good.lab").await.unwrap();
        assert_eq!(good[good.len() - 4..], [10, 0, 0, 9]);
        assert_eq!(
            ask("127.0.0.1:0", at, "refused.lab").await.unwrap()[3] & 15,
            5
        );
        assert_eq!(
            ask("127.0.0.1:0", at, "missing.lab").await.unwrap()[3] & 15,
            3
        );
        assert_eq!(ask("127.0.0.1:0", at, "silent.lab").await, None);

        zone.remove("good.lab");
        assert_eq!(ask("127.0.0.1:0", at, "good.lab").await.unwrap()[3] & 15, 3);
    }

    #[tokio::test]
    async fn one_client_may_see_it_otherwise() {
        let zone = Zone::new();
        let mut record = Record::address(Ipv4Addr::new(10, 0, 0, 9));
        record
            .clients
            .insert("127.0.0.2".parse().unwrap(), DnsAnswer::ServFail);
        zone.set("good.lab", record);
        let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone)
            .await
            .unwrap();
        let at = server.address();
        assert_eq!(ask("127.0.0.1:0", at, "good.lab").await.unwrap()[3] & 15, 0);
        assert_eq!(ask("127.0.0.2:0", at, "good.lab").await.unwrap()[3] & 15, 2);
    }

    #[tokio::test]
    async fn no_name_exists_for_an_outsider() {
        let zone = Zone::without(["127.0.0.2".parse().unwrap()]);
        zone.set("good.lab", Record::address(Ipv4Addr::new(10, 0, 0, 9)));
        let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone)
            .await
            .unwrap();
        let at = server.address();
        assert_eq!(ask("127.0.0.1:0", at, "good.lab").await.unwrap()[3] & 15, 0);
        assert_eq!(ask("127.0.0.2:0", at, "good.lab").await.unwrap()[3] & 15, 3);
    }

    #[tokio::test]
    async fn tcp_answers_too() {
        let zone = Zone::new();
        zone.set("good.lab", Record::address(Ipv4Addr::new(10, 0, 0, 9)));
        let server = DnsServer::start("127.0.0.1:0".parse().unwrap(), zone)
            .await
            .unwrap();
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let message = question("good.lab");
        stream
            .write_u16(u16::try_from(message.len()).unwrap())
            .await
            .unwrap();
        stream.write_all(&message).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[answer.len() - 4..], [10, 0, 0, 9]);
    }
}
