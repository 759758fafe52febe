//! What resolvers said of a name, taken together.

use std::net::{IpAddr, SocketAddr};

use super::{DnsAnswer, DnsFacts, DnsQuestion, DnsResult, Problem, ResolveConf};

/// What is known of a name.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// What was said.
    pub facts: DnsFacts,
    /// Nothing where there are addresses.
    pub problem: Option<Problem>,
}

/// Judges what the system and the servers said of a name.
pub fn judge_lookup(
    name: &str,
    conf: &ResolveConf,
    system: Option<DnsResult>,
    questions: Vec<DnsQuestion>,
) -> Lookup {
    let (kind, found) = verdict(&conf.servers, &questions);
    let (addresses, problem) = match &system {
        None => (found.clone(), problem_of(kind)),
        Some(system) if system.answer == DnsAnswer::Addresses => (system.addresses.clone(), None),
        // The servers know better why it failed than getaddrinfo says.
        Some(system) => match kind {
            Some(DnsAnswer::Addresses) | None => (Vec::new(), problem_of(Some(system.answer))),
            other => (Vec::new(), problem_of(other)),
        },
    };
    let disagree = system.as_ref().is_some_and(|system| {
        let resolved = system.answer == DnsAnswer::Addresses;
        match kind {
            None => false,
            Some(DnsAnswer::Addresses) => {
                !resolved || !system.addresses.iter().any(|own| found.contains(own))
            }
            Some(_) => resolved,
        }
    });
    Lookup {
        facts: DnsFacts {
            name: name.to_owned(),
            search: conf.search.clone(),
            addresses,
            system,
            questions,
            disagree,
        },
        problem,
    }
}

/// What the servers together say: the first one that knows decides, as resolvers go on to the next
/// server after a failure only.
fn verdict(servers: &[SocketAddr], questions: &[DnsQuestion]) -> (Option<DnsAnswer>, Vec<IpAddr>) {
    let mut failure = None;
    for server in servers {
        let own = || {
            questions
                .iter()
                .filter(|question| question.server == *server)
        };
        let addresses: Vec<IpAddr> = own()
            .flat_map(|question| question.result.addresses.iter().copied())
            .collect();
        if !addresses.is_empty() {
            return (Some(DnsAnswer::Addresses), addresses);
        }
        let has = |kind| own().any(|question| question.result.answer == kind);
        let broken = own().find(|question| {
            !matches!(
                question.result.answer,
                DnsAnswer::Nxdomain | DnsAnswer::Nodata | DnsAnswer::Addresses
            )
        });
        match broken {
            Some(question) => {
                failure.get_or_insert(question.result.answer);
            }
            None if has(DnsAnswer::Nodata) => return (Some(DnsAnswer::Nodata), Vec::new()),
            None if has(DnsAnswer::Nxdomain) => return (Some(DnsAnswer::Nxdomain), Vec::new()),
            None => {}
        }
    }
    (failure, Vec::new())
}

fn problem_of(answer: Option<DnsAnswer>) -> Option<Problem> {
    Some(match answer {
        Some(DnsAnswer::Addresses) => return None,
        Some(DnsAnswer::Nxdomain) => Problem::DnsNxdomain,
        Some(DnsAnswer::Nodata) => Problem::DnsNodata,
        Some(DnsAnswer::Servfail) => Problem::DnsServfail,
        Some(DnsAnswer::Refused) => Problem::DnsRefused,
        Some(DnsAnswer::Timeout) => Problem::DnsTimeout,
        Some(DnsAnswer::Unreachable) => Problem::DnsUnreachable,
        Some(DnsAnswer::Other) | None => Problem::DnsOther,
    })
}

/// Says why a name has no address, as Go does.
pub fn lookup_text(facts: &DnsFacts, problem: Problem) -> String {
    let name = &facts.name;
    let server = facts
        .questions
        .first()
        .map_or_else(String::new, |question| format!(" on {}", question.server));
    match problem {
        Problem::DnsNxdomain => format!("lookup {name}{server}: no such host (NXDOMAIN)"),
        Problem::DnsNodata => format!("lookup {name}{server}: no such host (no address record)"),
        Problem::DnsServfail => format!("lookup {name}{server}: server misbehaving (SERVFAIL)"),
        Problem::DnsRefused => format!("lookup {name}{server}: server misbehaving (REFUSED)"),
        Problem::DnsTimeout => format!("lookup {name}{server}: i/o timeout"),
        Problem::DnsUnreachable => format!("lookup {name}{server}: the resolver cannot be reached"),
        _ => {
            let note = facts.system.as_ref().and_then(|system| system.note.clone());
            format!(
                "lookup {name}: {}",
                note.unwrap_or_else(|| "failed".to_owned())
            )
        }
    }
}
