//! Whether a node's view agrees with the node's own text: the same stage, and the same kind of
//! problem in the runtime's terms.

use std::net::IpAddr;

use pulldoctor_messages::{DnsFault, Fault, HostRole, Layer, Operation, ProxyFault};
use pulldoctor_model::registry::{DnsAnswer, Facts, Problem, Stage, StageName, StageOutcome};

use super::{FromNode, end_of, from_node, handshake_of};
use crate::case::Case;

/// What a node's view says to the judged text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// It was not asked, or what was seen does not tell.
    Unseen,
    /// It fails there at the same stage in the same way.
    Same,
    /// It fails there at the same stage in another way.
    Otherwise(Problem),
    /// It does not come as far there as the node's text did: another fault by now, or one of the
    /// probe's own place.
    Behind(Problem),
    /// The node is sent a chain that this computer trusts, and its runtime does not.
    Trusted,
    /// It comes farther there.
    Beyond,
}

/// What the view of the symptom's node says to the judged text.
pub(crate) fn agreement(case: &Case<'_>) -> Agreement {
    from_node(case).map_or(Agreement::Unseen, |look| compare(case, &look))
}

/// Whether the node's own network fails as the node's text says.
pub(crate) fn reproduced(case: &Case<'_>) -> bool {
    from_node(case).is_some_and(|look| is_proof(case, &look))
}

/// Whether what a view shows is proof: it agrees with the text, and what pods lack cannot explain
/// it.
pub(crate) fn is_proof(case: &Case<'_>, look: &FromNode<'_>) -> bool {
    compare(case, look) == Agreement::Same
        && (look.is_nodes_own() || does_not_depend_on_network(case, look))
}

/// A failure that no hosts file, source address, MTU or network policy explains: the very server
/// of the node's text gives the same answer, or the very certificate is sent.
fn does_not_depend_on_network(case: &Case<'_>, look: &FromNode<'_>) -> bool {
    let facts = &case.reading().facts;
    match case.pull_fault() {
        Fault::Dns {
            failure: DnsFault::NoSuchHost | DnsFault::ServerMisbehaving,
        } => names_its_server(case, look),
        Fault::CertificateExpired | Fault::CertificateNotYetValid => {
            let edge = facts.not_after.as_ref().or(facts.not_before.as_ref());
            let chain = look.handshake(case).map(|seen| &seen.chain);
            edge.zip(chain).is_some_and(|(edge, chain)| {
                chain
                    .iter()
                    .any(|one| one.not_after == *edge || one.not_before == *edge)
            })
        }
        _ => false,
    }
}

/// Whether the name server of the text is one that was asked there, and no one on loopback.
fn names_its_server(case: &Case<'_>, look: &FromNode<'_>) -> bool {
    let Some(server) = text_server(case) else {
        return false;
    };
    !server.is_loopback()
        && look.dns(case).is_some_and(|facts| {
            let mut own = facts
                .questions
                .iter()
                .filter(|question| question.server.ip() == server)
                .peekable();
            own.peek().is_some()
                && own.all(|question| question.result.answer != DnsAnswer::Addresses)
        })
}

/// Whether a view could agree or disagree with the judged text.
pub(crate) fn may_tell(case: &Case<'_>) -> bool {
    expected(case, innermost(case.pull_fault())).is_some()
}

/// The address of the name server that the text names.
fn text_server(case: &Case<'_>) -> Option<IpAddr> {
    let server = case.reading().facts.dns_server.as_deref()?;
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Whether the node asked by plain HTTP and was told that the request is bad. So answers a port that
/// speaks TLS, and not every server says what is bad about it.
pub(crate) fn is_bad_plain_request(case: &Case<'_>) -> bool {
    let url = case.reading().url.as_ref();
    *case.pull_fault() == (Fault::HttpStatus { status: 400 })
        && url.is_some_and(|url| url.scheme == "http")
}

/// Compares what was seen with the judged text.
pub(super) fn compare(case: &Case<'_>, look: &FromNode<'_>) -> Agreement {
    let fault = innermost(case.pull_fault());
    let (Some(expected), Some(way)) = (expected(case, fault), look.way(case)) else {
        return Agreement::Unseen;
    };
    if is_bad_plain_request(case) {
        return speaks_tls(way);
    }
    if *fault == Fault::TlsExpected {
        return speaks_tls(way);
    }
    let Some(stage) = end_of(way, expected) else {
        let last = way
            .iter()
            .filter(|stage| stage.outcome == StageOutcome::Ok)
            .map(|stage| stage.stage)
            .max();
        let is_unjudged = is_about_certificate(fault) && handshake_of(way).is_none();
        // Another host was not asked what the runtime asked it, and of the layers one byte was read.
        let is_other_request = expected >= StageName::Http
            && (case.reading().foreign_host.is_some() || expected == StageName::Layers);
        return if is_other_request || last.is_none_or(|last| last < expected) || is_unjudged {
            Agreement::Unseen
        } else if *fault == Fault::UnknownAuthority {
            Agreement::Trusted
        } else {
            Agreement::Beyond
        };
    };
    let Some(problem) = stage.problem else {
        return Agreement::Unseen;
    };
    // What the probe may not ask, it did not see.
    if ran_out_of_time(stage) || problem == Problem::RedirectRefused {
        return Agreement::Unseen;
    }
    if matches!(fault, Fault::Dns { .. }) && asks_another_server(case, look, problem) {
        return Agreement::Unseen;
    }
    if fits(fault, problem, stage) {
        return Agreement::Same;
    }
    // The probe has no login: that it is turned away says nothing about a request that had one.
    let lacks_login = matches!(
        problem,
        Problem::TokenRefused | Problem::Unauthorized | Problem::Forbidden
    );
    if expected >= StageName::Http && lacks_login {
        return Agreement::Unseen;
    }
    let is_answer = expected == StageName::Http
        && matches!(
            stage.stage,
            StageName::Http | StageName::Token | StageName::Manifest
        );
    if stage.stage == expected || is_answer {
        Agreement::Otherwise(problem)
    } else if stage.stage < expected {
        Agreement::Behind(problem)
    } else if *fault == Fault::UnknownAuthority {
        // Past TLS it was turned away, as whoever has no login is: the chain was trusted here.
        handshake_of(way).map_or(Agreement::Unseen, |_| Agreement::Trusted)
    } else {
        Agreement::Beyond
    }
}

/// The fault between the node and its proxy, where it is one.
fn innermost(fault: &Fault) -> &Fault {
    match fault {
        Fault::Proxy {
            failure: ProxyFault::Connect { inner },
        } => inner,
        fault => fault,
    }
}

/// The stage at which the text says that it failed; none where a probe cannot tell.
fn expected(case: &Case<'_>, fault: &Fault) -> Option<StageName> {
    let reading = case.reading();
    let is_blob = matches!(reading.operation, Some(Operation::Blob | Operation::Verify))
        || matches!(&reading.foreign_host, Some(host) if host.role == HostRole::Blob);
    // A probe reads one byte of a layer: it tells nothing about a transfer under way.
    let in_transfer = is_blob && !reading.layers.contains(&Layer::OpenReader);
    Some(match fault {
        Fault::Dns { .. } => StageName::Dns,
        Fault::Refused | Fault::DialTimeout | Fault::NoRoute | Fault::NetworkUnreachable => {
            StageName::Tcp
        }
        Fault::TlsHandshakeTimeout | Fault::PlainHttp | Fault::NotTls | Fault::TlsExpected => {
            StageName::Tls
        }
        fault if is_about_certificate(fault) => StageName::Tls,
        Fault::HeaderTimeout | Fault::Interrupted if in_transfer => return None,
        Fault::HeaderTimeout | Fault::Interrupted if is_blob => StageName::Layers,
        Fault::ServerError { .. }
        | Fault::UnexpectedAnswer { .. }
        | Fault::HttpStatus { .. }
        | Fault::RateLimited
            if is_blob =>
        {
            StageName::Layers
        }
        Fault::HeaderTimeout
        | Fault::Interrupted
        | Fault::ServerError { .. }
        | Fault::UnexpectedAnswer { .. }
        | Fault::HttpStatus { .. }
        | Fault::RateLimited => StageName::Http,
        _ => return None,
    })
}

fn is_about_certificate(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::UnknownAuthority
            | Fault::CertificateExpired
            | Fault::CertificateNotYetValid
            | Fault::NameMismatch
            | Fault::TlsOther
    )
}

/// Whether a problem of the probe is what the text says, in the runtime's terms.
fn fits(fault: &Fault, problem: Problem, stage: &Stage) -> bool {
    match fault {
        Fault::Dns { failure } => match failure {
            DnsFault::NoSuchHost => {
                matches!(problem, Problem::DnsNxdomain | Problem::DnsNodata)
            }
            DnsFault::ServerMisbehaving => {
                matches!(problem, Problem::DnsServfail | Problem::DnsRefused)
            }
            DnsFault::Timeout => problem == Problem::DnsTimeout,
            DnsFault::ServerRefused | DnsFault::Unreachable => problem == Problem::DnsUnreachable,
            DnsFault::Temporary => matches!(
                problem,
                Problem::DnsServfail
                    | Problem::DnsRefused
                    | Problem::DnsTimeout
                    | Problem::DnsUnreachable
            ),
            DnsFault::Other => stage.stage == StageName::Dns,
        },
        Fault::Refused => problem == Problem::TcpRefused,
        Fault::DialTimeout => problem == Problem::TcpTimeout,
        // Which of the two is told depends on which address is tried first.
        Fault::NoRoute | Fault::NetworkUnreachable => {
            matches!(
                problem,
                Problem::TcpNoRoute | Problem::TcpNetworkUnreachable
            )
        }
        Fault::TlsHandshakeTimeout => problem == Problem::TlsTimeout,
        // Go has the same words for a chain that lacks a certificate between.
        Fault::UnknownAuthority => matches!(
            problem,
            Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain
        ),
        Fault::CertificateExpired => problem == Problem::TlsExpired,
        Fault::CertificateNotYetValid => problem == Problem::TlsNotYetValid,
        Fault::NameMismatch => problem == Problem::TlsNameMismatch,
        // A bare failure of the handshake may be the probe's own: it knows fewer ciphers than Go.
        Fault::TlsOther => matches!(
            problem,
            Problem::TlsClientCertificate | Problem::TlsLegacyCommonName | Problem::TlsCertificate
        ),
        Fault::PlainHttp => problem == Problem::TlsPlainHttp,
        Fault::NotTls => matches!(problem, Problem::TlsNotTls | Problem::TlsPlainHttp),
        Fault::HeaderTimeout => problem == Problem::HttpTimeout,
        Fault::Interrupted => {
            matches!(
                problem,
                Problem::HttpCut | Problem::TlsCut | Problem::LayerCut
            )
        }
        Fault::ServerError { .. } => {
            matches!(problem, Problem::ServerError | Problem::TokenServerError)
        }
        Fault::UnexpectedAnswer { .. } => matches!(
            problem,
            Problem::HttpMalformed
                | Problem::UnexpectedStatus
                | Problem::ChallengeUnusable
                | Problem::TokenUnusable
        ),
        Fault::HttpStatus { status } => {
            problem == Problem::UnexpectedStatus && status_of(stage) == Some(*status)
        }
        Fault::RateLimited => problem == Problem::RateLimited,
        _ => false,
    }
}

fn status_of(stage: &Stage) -> Option<u16> {
    match &stage.facts {
        Facts::Http(facts) => facts.status,
        Facts::Manifest(facts) => facts.status,
        Facts::Token(facts) => facts.attempts.first()?.status,
        _ => None,
    }
}

/// The host that the runtime asks in plain HTTP speaks TLS there.
fn speaks_tls(way: &[Stage]) -> Agreement {
    let Some(tls) = way.iter().find(|stage| stage.stage == StageName::Tls) else {
        return match way.iter().find_map(|stage| stage.problem) {
            Some(problem) => Agreement::Behind(problem),
            None => Agreement::Unseen,
        };
    };
    let expects = way
        .iter()
        .any(|stage| stage.problem == Some(Problem::HttpsExpected));
    if tls.outcome == StageOutcome::Ok || handshake_of(way).is_some() || expects {
        Agreement::Same
    } else {
        tls.problem.map_or(Agreement::Unseen, Agreement::Otherwise)
    }
}

/// A whole look that did not end in time is written as a lookup that did not.
fn ran_out_of_time(stage: &Stage) -> bool {
    stage.problem == Some(Problem::DnsTimeout)
        && stage.facts == Facts::None
        && (stage.detail.is_empty() || stage.detail.contains("ran out of time"))
}

/// The text names a server that nobody asked there: the runtime has other resolvers than the
/// kubelet hands to pods. Then only a name that does not exist is the same for both, and a server
/// on loopback asks the others.
fn asks_another_server(case: &Case<'_>, look: &FromNode<'_>, problem: Problem) -> bool {
    let (Some(server), Some(facts)) = (text_server(case), look.dns(case)) else {
        return false;
    };
    !server.is_loopback()
        && !matches!(problem, Problem::DnsNxdomain | Problem::DnsNodata)
        && !facts.questions.is_empty()
        && facts
            .questions
            .iter()
            .all(|question| question.server.ip() != server)
}
