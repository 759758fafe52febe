//! What the network and TLS causes read from a probe from here. It is never more than evidence from
//! another place: the node may see it otherwise.

use std::net::IpAddr;

use pulldoctor_model::{
    CauseId, Finding, clean_line,
    registry::{
        CertificateFacts, DnsFacts, Facts, Problem, Role, Stage, StageName, StageOutcome, TlsFacts,
    },
    shorten,
};

use super::{
    network::{Route, bare, route, unreachable},
    support::checked::with_checked,
};
use crate::{
    case::Case,
    finding::FindingExt,
    transcript::{cause_of, of_problem},
    view::{Reached, Sight, from_here},
};

/// Names of a certificate that are shown.
const NAMES: usize = 4;
/// Other hosts that are shown.
const HOSTS: usize = 6;
/// Addresses that are shown.
const ADDRESSES: usize = 4;

/// Adds what the host of the failed request looks like from here.
pub(crate) fn with_here(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(sight) = from_here(case) else {
        return finding;
    };
    let finding = with_checked(finding, &sight);
    let Some(way) = way_to(&sight, case) else {
        return with_behind(finding, case, &sight);
    };
    let finding = with_comparison(finding, case, &sight, way);
    let finding = with_addresses(finding, case, &sight, way);
    let finding = with_hosts(with_proxy(finding, &sight, way), &sight);
    let finding = with_behind(finding, case, &sight);
    if is_tls(finding.cause) {
        with_chain(finding, &sight, way)
    } else {
        finding
    }
}

/// What the registry says of the image or of the pod's login here: a fault that shows once the way
/// is mended, and that nobody should have to find one after the other.
fn with_behind(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let Some(behind) = cause_of(sight.transcript).filter(|behind| *behind != finding.cause) else {
        return finding;
    };
    let registry = case.registry();
    let told = match behind {
        CauseId::ImageNotFoundTag | CauseId::ImageNotFoundRepo | CauseId::ImageNotFoundDigest => {
            format!("`{registry}` has no `{}`", case.image_name())
        }
        CauseId::AuthBadCredentials | CauseId::AuthExpiredCredentials => {
            format!("`{registry}` refuses the pod's login")
        }
        CauseId::AuthForbidden if !case.symptom.pull_secrets.is_empty() => {
            format!("`{registry}` does not let the pod's login pull it")
        }
        CauseId::PlatformMismatch => {
            format!("`{registry}` has no variant of it for the node's platform")
        }
        _ => return finding,
    };
    finding.also(
        behind,
        format!("asked from here, {told}: that is to be mended as well"),
    )
}

/// By which way it is asked from here, where the node's proxy is in question.
fn with_proxy(finding: Finding, sight: &Sight<'_>, way: &[Stage]) -> Finding {
    if finding.cause != CauseId::ProxyFailure {
        return finding;
    }
    let facts = way.iter().find_map(|stage| match &stage.facts {
        Facts::Proxy(facts) => Some(facts),
        _ => None,
    });
    let Some(facts) = facts else {
        return finding;
    };
    let by = facts
        .decided_by
        .as_deref()
        .map_or_else(String::new, |by| format!(" (`{}`)", short(by)));
    let told = match &facts.proxy {
        Some(proxy) => format!("here it is asked through `{}`{by}", short(proxy)),
        None => format!("here it is asked without a proxy{by}"),
    };
    finding.seen(Some(sight.answered), told)
}

/// The other hosts of a pull, which have to be reached as well: a firewall that is opened for the
/// registry alone only moves the fault.
fn with_hosts(finding: Finding, sight: &Sight<'_>) -> Finding {
    if is_tls(finding.cause) {
        return finding;
    }
    let mut hosts: Vec<String> = sight
        .transcript
        .other_hosts
        .iter()
        .take(HOSTS)
        .map(|other| {
            let what = match other.role {
                Role::Token => "tokens",
                Role::Manifest => "manifests",
                Role::Blob => "layers",
            };
            format!("`{}` for {what}", short(&other.host))
        })
        .collect();
    hosts.dedup();
    if hosts.is_empty() {
        finding
    } else {
        finding.note("goes on to", hosts.join(", "))
    }
}

/// The stages towards the host of the failed request, as far as it was asked from here. A mirror
/// of the node's was not.
fn way_to<'a>(sight: &Sight<'a>, case: &Case<'_>) -> Option<&'a [Stage]> {
    match route(case) {
        Route::Registry => Some(&sight.transcript.stages),
        Route::Mirror | Route::StandIn => None,
        Route::Redirect | Route::Token | Route::BorrowedToken | Route::Blob => {
            let host = case.failed_host();
            sight
                .transcript
                .other_hosts
                .iter()
                .find(|other| bare(&other.host) == bare(&host))
                .map(|other| other.stages.as_slice())
        }
    }
}

/// The problem of the first stage up to TLS that failed.
fn fault_of(way: &[Stage]) -> Option<Problem> {
    way.iter()
        .find(|stage| stage.outcome == StageOutcome::Failed)?
        .problem
}

/// Whether the host of the failed request answers here, up to HTTP.
pub(crate) fn answers(case: &Case<'_>) -> bool {
    let Some(sight) = from_here(case) else {
        return false;
    };
    match route(case) {
        Route::Registry => Reached::of_transcript(sight.transcript) >= Reached::Answered,
        _ => way_to(&sight, case).is_some_and(|way| !way.is_empty() && fault_of(way).is_none()),
    }
}

/// The problem that the host of the failed request has here.
pub(crate) fn problem(case: &Case<'_>) -> Option<Problem> {
    fault_of(way_to(&from_here(case)?, case)?)
}

/// Whether the host of the failed request fails here as the node's text says: then it is no fault of
/// the node alone. That a container started elsewhere says less, since its image may have been there.
pub(crate) fn fails_here_alike(case: &Case<'_>) -> bool {
    let Some(problem) = problem(case).and_then(of_problem) else {
        return false;
    };
    unreachable(case.pull_fault()).map(|(_, cause)| cause) == Some(problem)
}

/// The same fault here, or none at all.
fn with_comparison(finding: Finding, case: &Case<'_>, sight: &Sight<'_>, way: &[Stage]) -> Finding {
    let host = case.failed_host();
    if answers(case) {
        let registry = case.registry();
        // What answers past the node's proxy is the registry, and not the proxy.
        let host = if case.fails_at_proxy() {
            &registry
        } else {
            &host
        };
        let told = format!("`{host}` answers here: the fault is the node's, or on its way");
        let finding = finding.seen(Some(sight.answered), told);
        if sight.transcript.is_good() && finding.cause != CauseId::RegistryServerError {
            return finding.rules_out(
                CauseId::RegistryServerError,
                format!("`{registry}` serves the image here"),
            );
        }
        return finding;
    }
    match fault_of(way) {
        Some(problem) if of_problem(problem) == Some(finding.cause) => {
            finding.seen(Some(sight.answered), "it fails here in the same way")
        }
        _ => finding,
    }
}

/// Where the name leads here, if that is news.
fn with_addresses(finding: Finding, case: &Case<'_>, sight: &Sight<'_>, way: &[Stage]) -> Finding {
    // The proxy is not asked from here.
    if case.fails_at_proxy() {
        return finding;
    }
    let Some(dns) = dns_of(way) else {
        return finding;
    };
    let mut addresses = dns.addresses.clone();
    addresses.sort_unstable();
    addresses.dedup();
    let shown: Vec<String> = addresses
        .iter()
        .take(ADDRESSES)
        .map(ToString::to_string)
        .collect();
    if shown.is_empty() {
        return finding;
    }
    let facts = &case.reading().facts;
    let dialled: Option<IpAddr> = facts
        .dial_address
        .as_deref()
        .and_then(|address| bare(address).parse().ok());
    let told = match dialled {
        Some(node) if !addresses.contains(&node) => format!(
            "here the name leads to {}, and the node asked {node}",
            shown.join(", ")
        ),
        None if finding.cause == CauseId::RegistryUnreachableDns => {
            format!("here the name leads to {}", shown.join(", "))
        }
        _ => return finding,
    };
    finding.seen(Some(sight.answered), told)
}

fn dns_of(way: &[Stage]) -> Option<&DnsFacts> {
    way.iter().find_map(|stage| match &stage.facts {
        Facts::Dns(facts) => Some(facts),
        _ => None,
    })
}

/// Whether a cause lies in TLS.
pub(crate) fn is_tls(cause: CauseId) -> bool {
    matches!(
        cause,
        CauseId::TlsUnknownAuthority
            | CauseId::TlsIncompleteChain
            | CauseId::TlsExpired
            | CauseId::TlsNotYetValid
            | CauseId::TlsNameMismatch
            | CauseId::TlsOther
            | CauseId::ClockSkew
    )
}

/// Where the name of the failed request's host leads here.
pub(crate) fn dns<'a>(case: &Case<'a>) -> Option<&'a DnsFacts> {
    let sight = from_here(case)?;
    dns_of(way_to(&sight, case)?)
}

/// What the handshake with the host of the failed request showed here.
pub(crate) fn handshake<'a>(case: &Case<'a>) -> Option<&'a TlsFacts> {
    let sight = from_here(case)?;
    tls_of(way_to(&sight, case)?)
}

fn tls_of(way: &[Stage]) -> Option<&TlsFacts> {
    way.iter()
        .filter(|stage| stage.stage == StageName::Tls)
        .find_map(|stage| match &stage.facts {
            Facts::Tls(facts) => Some(&**facts),
            _ => None,
        })
}

/// The certificates that the host sends here, for comparison with those that the node gets.
fn with_chain(finding: Finding, sight: &Sight<'_>, way: &[Stage]) -> Finding {
    let Some(facts) = tls_of(way) else {
        return finding;
    };
    let Some(leaf) = facts.chain.first() else {
        return match &facts.alert {
            Some(alert) => finding.seen(
                Some(sight.answered),
                format!("here the server answers with the alert `{}`", short(alert)),
            ),
            None => finding,
        };
    };
    let finding = finding.seen(Some(sight.answered), describe("here it sends", leaf, facts));
    match &facts.issuer_url {
        Some(url) => finding.note(
            "missing",
            format!("the issuer's certificate is at {}", short(url)),
        ),
        None => finding,
    }
}

/// What a chain is, after whoever is sent it.
pub(crate) fn describe(who: &str, leaf: &CertificateFacts, facts: &TlsFacts) -> String {
    let mut names: Vec<String> = leaf
        .names
        .iter()
        .take(NAMES)
        .map(|name| short(name))
        .collect();
    let more = leaf.names.len().saturating_sub(names.len());
    if more > 0 {
        names.push(format!("{more} more"));
    }
    let names = if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(", ")
    };
    let count = facts.chain.len();
    let mut text = format!(
        "{who} {count} {}: for {names}, issued by `{}`, valid from {} to {}, SHA-256 {}",
        if count == 1 {
            "certificate"
        } else {
            "certificates"
        },
        short(&leaf.issuer),
        short(&leaf.not_before),
        short(&leaf.not_after),
        short(&leaf.sha256)
    );
    if let Some(last) = facts.chain.last().filter(|_| count > 1) {
        text.push_str("; the last is of ");
        text.push_str(&short(&last.subject));
    }
    if facts.wants_client_certificate {
        text.push_str("; it asks for a client certificate");
    }
    text
}

fn short(text: &str) -> String {
    shorten(&clean_line(text), 160).into_owned()
}

/// What probes saw of a way, for tests.
#[cfg(test)]
pub(crate) mod samples {
    use pulldoctor_model::registry::{
        AddressAttempt, CertificateFacts, DnsFacts, Facts, OtherHost, Problem, Role, Stage,
        StageName, TcpFacts, TlsFacts, Transcript,
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{failed_at, stage},
    };

    /// A handshake with one certificate for these names.
    pub(crate) fn handshake(names: &[&str]) -> TlsFacts {
        TlsFacts {
            server_name: "registry.example.com".to_owned(),
            chain: vec![CertificateFacts {
                subject: "CN=registry".to_owned(),
                issuer: "CN=Company CA".to_owned(),
                not_before: "2026-01-01T00:00:00Z".to_owned(),
                not_after: "2027-01-01T00:00:00Z".to_owned(),
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                is_authority: false,
                sha256: "ab:cd".to_owned(),
            }],
            ..TlsFacts::default()
        }
    }

    /// The handshake fails here.
    pub(crate) fn bad_tls(image: &str, problem: Problem, facts: TlsFacts) -> Transcript {
        failed_at(image, StageName::Tls, problem, Facts::Tls(Box::new(facts)))
    }

    /// All is well here, with this handshake.
    pub(crate) fn good_tls(image: &str, facts: &TlsFacts) -> Transcript {
        let mut seen = there(image);
        for stage in &mut seen.stages {
            if stage.stage == StageName::Tls {
                stage.facts = Facts::Tls(Box::new(facts.clone()));
            }
        }
        seen
    }

    /// All is well here, also at this host, to which the registry sends its clients.
    pub(crate) fn through(image: &str, host: &str, role: Role) -> Transcript {
        let mut seen = there(image);
        seen.other_hosts.push(OtherHost {
            host: host.to_owned(),
            role,
            stages: vec![stage(StageName::Dns, None), stage(StageName::Tcp, None)],
        });
        seen
    }

    /// All is well here, and the name leads to this address.
    pub(crate) fn at_address(image: &str, address: &str) -> Transcript {
        let mut seen = there(image);
        for one in &mut seen.stages {
            let facts = match one.stage {
                StageName::Dns => Facts::Dns(DnsFacts {
                    addresses: vec![address.parse().expect("an address")],
                    ..DnsFacts::default()
                }),
                StageName::Tcp => Facts::Tcp(TcpFacts {
                    attempts: vec![AddressAttempt {
                        address: format!("{address}:443").parse().expect("an address"),
                        problem: None,
                        connected: true,
                        took_ms: 3,
                    }],
                    reused: false,
                }),
                _ => continue,
            };
            *one = Stage {
                facts,
                ..stage(one.stage, None)
            };
        }
        seen
    }
}
