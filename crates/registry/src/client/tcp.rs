//! Connections, to every address at once.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use crate::judge::{AddressAttempt, Problem, TcpFacts, tcp_fault, tcp_problem};

/// Most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// Once one is connected, the others get this long to say how they fare.
const GRACE: Duration = Duration::from_millis(50);

/// Connects to the first address that answers and records how all of them fared.
pub(super) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    limit: Duration,
) -> (Result<TcpStream, Fault>, TcpFacts) {
    let mut attempts: FuturesUnordered<_> = addresses
        .iter()
        .take(MOST_ADDRESSES)
        .enumerate()
        .map(|(at, address)| one(at, SocketAddr::new(*address, port), limit))
        .collect();
    let mut facts = TcpFacts::default();
    let mut rows: Vec<(usize, AddressAttempt)> = Vec::new();
    let mut best: Option<TcpStream> = None;
    let grace = sleep(limit + GRACE);
    tokio::pin!(grace);
    loop {
        // Cancel-safe: attempts live on in the set.
        tokio::select! {
            next = attempts.next() => match next {
                None => break,
                Some((at, attempt, stream)) => {
                    rows.push((at, attempt));
                    if best.is_none() && let Some(stream) = stream {
                        best = Some(stream);
                        grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    }
                }
            },
            () = &mut grace => break,
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    facts.attempts = rows.into_iter().map(|(_, attempt)| attempt).collect();
    let result = best.ok_or_else(|| tcp_fault(&facts.attempts, port));
    (result, facts)
}

async fn one(
    at: usize,
    address: SocketAddr,
    limit: Duration,
) -> (usize, AddressAttempt, Option<TcpStream>) {
    let start = Instant::now();
    let (stream, problem) = match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => (None, Some(Problem::TcpTimeout)),
        Ok(Err(error)) => (None, Some(tcp_problem(error.kind()))),
        Ok(Ok(stream)) => {
            // Small requests must not wait for each other; where it fails they only do.
            let _ = stream.set_nodelay(true);
            (Some(stream), None)
        }
    };
    let attempt = AddressAttempt {
        address,
        problem,
        connected: stream.is_some(),
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    (at, attempt, stream)
}
