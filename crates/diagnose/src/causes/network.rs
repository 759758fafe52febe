//! What the network and TLS causes share: whose host failed, in which words, and who else sees it.

use pulldoctor_messages::{Fault, HostRole, Runtime};
use pulldoctor_model::{CauseId, Finding, Question};

use super::{
    here::{fails_here_alike, with_here},
    runtime_files::runtime,
    support::{ask_registry, missing::says_missing},
    there::{open_node_view, with_node},
};
use crate::{case::Case, finding::FindingExt, node_sight::may_tell, places::Places};

/// What the host of the failed request is to the image's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The registry itself (known pairs such as `docker.io` and `registry-1.docker.io` included).
    Registry,
    /// The registry sent the node there for the manifest.
    Redirect,
    /// It issues the registry's tokens.
    Token,
    /// The registry names Docker Hub's token service as its own: it passes the Hub's challenge on.
    BorrowedToken,
    /// It serves the registry's layers.
    Blob,
    /// The node's configuration names it in the registry's place (containerd's `?ns=`).
    Mirror,
    /// Probably a mirror: only Docker and CRI-O do not mark requests to one.
    StandIn,
}

/// Registries that answer a request for a manifest by sending the client elsewhere
/// (pull-facts 6.5).
const REDIRECTING: &[&str] = &["registry.k8s.io", "k8s.gcr.io", "mcr.microsoft.com"];

/// What the host of the failed request is to the image's registry.
pub(crate) fn route(case: &Case<'_>) -> Route {
    let Some(foreign) = &case.reading().foreign_host else {
        return Route::Registry;
    };
    let registry = case.registry();
    match foreign.role {
        HostRole::Mirror => Route::Mirror,
        HostRole::Token if foreign.host == "auth.docker.io" && registry != "docker.io" => {
            Route::BorrowedToken
        }
        HostRole::Token => Route::Token,
        HostRole::Blob => Route::Blob,
        HostRole::Redirect
            if !REDIRECTING.contains(&registry.as_str())
                && matches!(runtime(case), Some(Runtime::Docker | Runtime::CriO)) =>
        {
            Route::StandIn
        }
        HostRole::Redirect => Route::Redirect,
        HostRole::Proxy => Route::Registry,
    }
}

/// Whether a network fault on this way is the registry's own: no mirror's, no token or blob
/// host's, which are causes of their own.
pub(crate) fn is_own(route: Route) -> bool {
    matches!(route, Route::Registry | Route::Redirect)
}

/// What a host does that cannot be reached, and the plain cause of it. None where the fault is
/// not about reaching a host.
pub(crate) fn unreachable(fault: &Fault) -> Option<(&'static str, CauseId)> {
    Some(match fault {
        Fault::Dns { .. } => ("does not resolve", CauseId::RegistryUnreachableDns),
        Fault::Refused => ("refuses connections", CauseId::RegistryUnreachableRefused),
        Fault::DialTimeout => (
            "does not answer the node's attempt to connect",
            CauseId::RegistryUnreachableTimeout,
        ),
        Fault::HeaderTimeout => (
            "takes the node's connection and then does not answer in time",
            CauseId::RegistryUnreachableTimeout,
        ),
        Fault::TlsHandshakeTimeout => (
            "takes the node's connection and then does not answer the TLS handshake",
            CauseId::RegistryUnreachableTimeout,
        ),
        Fault::NoRoute => (
            "cannot be reached from the node: no route to it, or a firewall forbids it",
            CauseId::RegistryUnreachableRoute,
        ),
        Fault::NetworkUnreachable => (
            "cannot be reached from the node: it has no network that leads there",
            CauseId::RegistryUnreachableRoute,
        ),
        _ => return None,
    })
}

/// The host that failed, with the address that was dialled, as the subject of a sentence.
pub(crate) fn subject(case: &Case<'_>) -> String {
    let host = case.failed_host();
    let registry = case.registry();
    let address = case
        .reading()
        .facts
        .dial_address
        .as_deref()
        .filter(|address| !address.contains(&host) && !host.contains(*address))
        .map(|address| format!(" ({address})"))
        .unwrap_or_default();
    match route(case) {
        Route::Registry => format!("`{host}`{address}"),
        Route::Redirect => format!("`{host}`{address}, where `{registry}` sends the node,"),
        Route::Token | Route::BorrowedToken => {
            format!("`{host}`{address}, which issues the tokens of `{registry}`,")
        }
        Route::Blob => format!("`{host}`{address}, which serves the layers of `{registry}`,"),
        Route::Mirror => format!("`{host}`{address}, the node's mirror of `{registry}`,"),
        Route::StandIn => {
            format!("`{host}`{address}, which the node asks in place of `{registry}`,")
        }
    }
}

/// Asks who else reaches the registry: other nodes, and this place. The pause image is left to the
/// nodes: no credential of the pod opens it.
pub(crate) fn ask_others(case: &Case<'_>) -> Vec<Question> {
    let mut asked = vec![case.registry_elsewhere_question()];
    if !matches!(case.fault(), Fault::SandboxImage { .. }) {
        asked.extend(ask_registry(case));
    }
    asked
}

/// Adds who else reaches, or fails to reach, the registry: other nodes, this node's own network
/// apart from its runtime, and this place. What reproduces the fault on the node proves it.
pub(crate) fn with_places(finding: Finding, case: &Case<'_>) -> Finding {
    let finding = with_here(with_node(with_nodes(finding, case), case), case);
    // What a proxy answers is not seen from the node, but whether the registry needs one is.
    let is_proxy = matches!(case.fault(), Fault::Proxy { .. });
    if is_proxy || may_tell(case) || says_missing(case) {
        open_node_view(finding, case)
    } else {
        finding
    }
}

fn with_nodes(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(places) = Places::of_registry(case) else {
        return finding;
    };
    let list = |nodes: &std::collections::BTreeSet<String>| {
        nodes
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let here = case.symptom.node.as_deref().unwrap_or_default();
    let answer = if places.only_this_node(case) && fails_here_alike(case) {
        format!(
            "on {} a container started with one at about that time; it fails here too, so this \
             does not make it the node's fault",
            list(&places.recent)
        )
    } else if places.only_this_node(case) {
        format!("yes, on {}: the fault is this node's", list(&places.recent))
    } else if places.failing.len() > 1 && places.recent.is_empty() {
        format!(
            "none started since; containers wait on {}",
            list(&places.failing)
        )
    } else if places.pulled.contains(here) && places.recent.is_empty() {
        format!("on {here} too, but none started since")
    } else {
        return finding;
    };
    finding.seen(case.registry_elsewhere().answered(), answer)
}

/// The port that a host is asked on.
pub(crate) fn port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => port,
        _ => "443",
    }
}

/// The host without its port and without the brackets of an IPv6 address.
pub(crate) fn bare(host: &str) -> &str {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => bare,
        _ => host,
    };
    bare.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a host is the machine that asks: on a node the node, here this computer.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The command that asks a host from the node: it shows each step and the answer.
pub(crate) fn curl(host: &str) -> String {
    let host = if host == "docker.io" {
        "registry-1.docker.io"
    } else {
        host
    };
    format!(
        "curl -v --max-time 15 {}",
        super::support::quote(&format!("https://{host}/v2/"))
    )
}

/// The command that shows the certificates that a host sends.
pub(crate) fn show_chain(host: &str) -> String {
    let host = if host == "docker.io" {
        "registry-1.docker.io"
    } else {
        host
    };
    format!(
        "openssl s_client -connect {} -servername {} -showcerts </dev/null",
        super::support::quote(&format!("{}:{}", bare(host), port(host))),
        super::support::quote(bare(host)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        assert_eq!(port("r.example:5000"), "5000");
        assert_eq!(port("r.example"), "443");
        assert_eq!(bare("r.example:5000"), "r.example");
        assert_eq!(bare("[fd00::1]:5000"), "fd00::1");
        for host in [
            "localhost:5000",
            "localhost",
            "127.0.0.53:5000",
            "[::1]:5000",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        assert!(!is_loopback("localhost.example.com"));
        assert!(!is_loopback("127.example.com:5000"));
        assert_eq!(
            show_chain("r.example:5000"),
            "openssl s_client -connect r.example:5000 -servername r.example -showcerts </dev/null"
        );
    }
}
