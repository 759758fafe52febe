//! A TCP server that plays a script: for servers so hostile that no HTTP library would send what
//! they send.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Most bytes of a request's head that are read.
const MOST_HEAD: usize = 64 * 1024;

/// One thing that the server does on a connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Reads until the empty line that ends a request's head.
    ReadHead,
    /// Sends bytes.
    Send(Bytes),
    /// Sends the bytes one at a time, with a pause after each.
    Drip(Bytes, Duration),
    /// Sends the bytes again and again, with a pause between, until the client goes away.
    Forever(Bytes, Duration),
    /// Waits.
    Pause(Duration),
    /// Keeps the connection open in silence until the client goes away.
    Stall,
    /// Ends the connection by RST. Without it, it is closed after the last step.
    Reset,
}

impl Step {
    /// Sends text.
    pub fn text(text: &str) -> Self {
        Self::Send(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// A running server on a free loopback port. It ends when dropped.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    /// Plays the same script on every connection.
    pub async fn start(script: Vec<Step>) -> io::Result<Self> {
        Self::start_each(vec![script]).await
    }

    /// Plays one script a connection, the last one again and again.
    pub async fn start_each(scripts: Vec<Vec<Step>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        let number = counter.fetch_add(1, Ordering::Relaxed);
                        let last = scripts.len().saturating_sub(1);
                        let script = scripts.get(number.min(last)).cloned().unwrap_or_default();
                        running.spawn(play(stream, script));
                    },
                    Some(_) = running.join_next() => {}
                }
            }
        });
        Ok(Self {
            address,
            connections,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(mut stream: TcpStream, script: Vec<Step>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    for step in script {
        match step {
            Step::ReadHead => read_head(&mut stream).await?,
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
            Step::Forever(bytes, pause) => loop {
                stream.write_all(&bytes).await?;
                tokio::time::sleep(pause).await;
            },
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Stall => {
                let mut sink = [0; 1024];
                while stream.read(&mut sink).await? > 0 {}
            }
            Step::Reset => {
                stream.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    stream.shutdown().await
}

async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_HEAD {
        head.push(stream.read_u8().await?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(server: &ScriptedServer) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(server.address()).await?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await?;
        Ok(got)
    }

    #[tokio::test]
    async fn a_script_is_played_on_each_connection_and_the_last_one_repeats() {
        let answer = |text: &str| vec![Step::ReadHead, Step::text(text)];
        let server =
            ScriptedServer::start_each(vec![answer("HTTP/1.0 200 OK\r\n\r\n"), answer("no")])
                .await
                .unwrap();
        assert_eq!(ask(&server).await.unwrap(), b"HTTP/1.0 200 OK\r\n\r\n");
        assert_eq!(ask(&server).await.unwrap(), b"no");
        assert_eq!(ask(&server).await.unwrap(), b"no");
        assert_eq!(server.connections(), 3);
    }

    #[tokio::test]
    async fn a_reset_is_a_reset_and_an_endless_answer_does_not_end() {
        let server = ScriptedServer::start_each(vec![
            vec![Step::ReadHead, Step::Reset],
            vec![
                Step::ReadHead,
                Step::Forever("x: y\r\n".into(), Duration::ZERO),
            ],
            vec![
                Step::Drip("abc".into(), Duration::from_millis(20)),
                Step::Stall,
            ],
        ])
        .await
        .unwrap();
        let reset = ask(&server).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        for _ in 0..2 {
            let endless = tokio::time::timeout(Duration::from_millis(200), ask(&server));
            assert!(endless.await.is_err());
        }
    }
}
