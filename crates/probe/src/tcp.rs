//! Connections, to every address at once.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pulldoctor_registry::judge::{
    AddressAttempt, Fault, Problem, TcpFacts, tcp_fault, tcp_problem,
};
use socket2::SockRef;

use crate::deadline::{Deadline, is_timeout};

/// Most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// Once one is connected, the others get this long to say how they fare.
const GRACE: Duration = Duration::from_millis(50);

/// Connects to the first address that answers and records how all of them fared.
pub(crate) fn connect(
    addresses: &[IpAddr],
    port: u16,
    until: Deadline,
) -> (Result<TcpStream, Fault>, TcpFacts) {
    let (sender, receiver) = mpsc::channel();
    let mut waiting = 0_usize;
    for (at, address) in addresses.iter().take(MOST_ADDRESSES).enumerate() {
        let sender = sender.clone();
        let address = SocketAddr::new(*address, port);
        // Not joined: an attempt that is still open when another one won ends with the program.
        thread::spawn(move || sender.send((at, one(address, until))));
        waiting += 1;
    }
    let mut rows: Vec<(usize, AddressAttempt)> = Vec::new();
    let mut best: Option<TcpStream> = None;
    let mut wait_until = until;
    while waiting > 0 {
        // The attempts end by themselves; the margin is for their threads.
        let wait = wait_until.left().unwrap_or_default() + GRACE;
        let Ok((at, (attempt, stream))) = receiver.recv_timeout(wait) else {
            break;
        };
        waiting -= 1;
        rows.push((at, attempt));
        if best.is_none() && stream.is_some() {
            best = stream;
            wait_until = until.step(0);
        }
    }
    rows.sort_by_key(|(at, _)| *at);
    let facts = TcpFacts {
        attempts: rows.into_iter().map(|(_, attempt)| attempt).collect(),
        reused: false,
    };
    let result = best.ok_or_else(|| tcp_fault(&facts.attempts, port));
    (result, facts)
}

fn one(address: SocketAddr, until: Deadline) -> (AddressAttempt, Option<TcpStream>) {
    let start = Instant::now();
    let connected = until
        .left()
        .and_then(|left| TcpStream::connect_timeout(&address, left));
    let (stream, problem) = match connected {
        Ok(stream) => {
            // Small requests must not wait for each other; where it fails they only do.
            let _ = stream.set_nodelay(true);
            (Some(stream), None)
        }
        Err(error) if is_timeout(&error) => (None, Some(Problem::TcpTimeout)),
        Err(error) => (None, Some(tcp_problem(error.kind()))),
    };
    let attempt = AddressAttempt {
        address,
        problem,
        connected: stream.is_some(),
        took_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    (attempt, stream)
}

/// The largest segment that the kernel sends on a connection: what both ends and the path allow.
pub(crate) fn segment_size(stream: &TcpStream) -> Option<u32> {
    SockRef::from(stream).tcp_mss().ok()
}
