//! An HTTP proxy on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What a proxy says that lets a tunnel through.
const LET_THROUGH: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// Most bytes of a request's head.
const HEAD: usize = 64 * 1024;

/// A proxy whose every tunnel leads to one address, whatever name is asked for. It ends when
/// dropped.
#[derive(Debug)]
pub struct FakeProxy {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl FakeProxy {
    /// Starts one that lets everybody through to this `host:port`.
    pub async fn start(target: &str) -> io::Result<Self> {
        Self::answering(LET_THROUGH, target).await
    }

    /// Starts one that answers `CONNECT` like this, and leads on after a 200. A request without a
    /// tunnel is passed on as it is.
    pub async fn answering(answer: &str, target: &str) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, answer, target) = (Arc::clone(&heard), answer.to_owned(), target.to_owned());
        let task = tokio::spawn(async move {
            // Dropping the set ends the tunnels with the listener.
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while tunnels.try_join_next().is_some() {}
                let (log, answer, target) = (Arc::clone(&log), answer.clone(), target.clone());
                tunnels.spawn(async move { lead(client, &log, &answer, &target).await });
            }
        });
        Ok(Self {
            address,
            heard,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of the requests that it got, oldest first.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FakeProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(
    mut client: TcpStream,
    log: &Mutex<Vec<String>>,
    answer: &str,
    target: &str,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_tunnel = head.starts_with("CONNECT");
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head.clone());
    let mut server = TcpStream::connect(target).await?;
    if is_tunnel {
        client.write_all(answer.as_bytes()).await?;
        if !answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
    } else {
        server.write_all(head.as_bytes()).await?;
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
