//! Why no address could be connected to.

use std::io;

use super::{AddressAttempt, Fault, Problem};

/// What a failure to connect means.
pub fn tcp_problem(kind: io::ErrorKind) -> Problem {
    match kind {
        io::ErrorKind::ConnectionRefused => Problem::TcpRefused,
        io::ErrorKind::TimedOut => Problem::TcpTimeout,
        // A route that prohibits, or a policy of the host's kernel: `permission denied` and
        // `operation not permitted`, which the runtimes report from the same stage.
        io::ErrorKind::HostUnreachable | io::ErrorKind::PermissionDenied => Problem::TcpNoRoute,
        io::ErrorKind::NetworkUnreachable => Problem::TcpNetworkUnreachable,
        _ => Problem::TcpOther,
    }
}

/// The failure that says most: an answer before silence, and either before a network that this
/// host does not have (IPv6, most often).
pub fn tcp_fault(attempts: &[AddressAttempt], port: u16) -> Fault {
    let order = [
        Problem::TcpRefused,
        Problem::TcpTimeout,
        Problem::TcpNoRoute,
        Problem::TcpOther,
        Problem::TcpNetworkUnreachable,
    ];
    let problem = order
        .into_iter()
        .find(|problem| {
            attempts
                .iter()
                .any(|attempt| attempt.problem == Some(*problem))
        })
        .unwrap_or(Problem::TcpOther);
    let addresses: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            let how = attempt.problem.map_or("", Problem::as_text);
            format!("{}: {how}", attempt.address)
        })
        .collect();
    if addresses.is_empty() {
        return Fault::new(problem, format!("no address to connect to at port {port}"));
    }
    Fault::new(problem, addresses.join("; "))
}
