//! `proxy-failure`.

use pulldoctor_messages::{Fault, ProxyFault, Runtime};
use pulldoctor_model::{CauseId, Confidence, Question};

use super::{
    network::{ask_others, unreachable, with_places},
    runtime_files::{runtime, with_proxy_file},
    there::registry_answers,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # proxy-failure
    ///
    /// ## What it means
    ///
    /// The node's runtime asks through a proxy, and the proxy is what failed: it cannot be
    /// reached, wants a login, or refuses to connect to the registry. The registry was not asked.
    ///
    /// ## How we know
    ///
    /// - `proxyconnect tcp: …`: the way from the node to the proxy failed; the address behind it
    ///   is the proxy's.
    /// - A bare status text right behind the request, `Head "https://…": Forbidden`: the proxy's
    ///   answer to `CONNECT`. From containerd this admits one reading, since a registry's own
    ///   refusal reads `unexpected status … 403 Forbidden`. Docker prints a registry's refusal
    ///   without a body in the same way, so there it is *possible* only.
    /// - `Proxy Authentication Required`, 407.
    ///
    /// `pulldoctor diagnose --node-view` asks the proxy's address from the node: *proven* where the
    /// way to it fails alike. A probe does not ask through the proxy, so what the proxy answers
    /// stays *likely*; whether the node reaches the registry without it is told.
    ///
    /// ## What to do
    ///
    /// - If the registry is inside your network, add its host to `NO_PROXY` of the runtime (a
    ///   drop-in of its systemd unit) and restart the runtime.
    /// - Otherwise let the proxy pass the registry's hosts, or mend the proxy's address or login.
    ///
    /// ## What it is not
    ///
    /// - A certificate of the proxy's own authority is `tls-unknown-authority`.
    /// - A refusal with a registry's answer behind it is the registry's.
    ///
    /// ## Sources
    ///
    /// - Go `net/http/transport.go`: `proxyconnect`, and the status text of a refused `CONNECT`.
    ProxyFailure
    generals: [
        RegistryUnreachableDns,
        RegistryUnreachableRefused,
        RegistryUnreachableTimeout,
        RegistryUnreachableRoute,
    ],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::Proxy { .. } => {
            let mut asked = ask_others(case);
            asked.extend(case.node_question());
            asked
        }
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::Proxy { failure } = case.fault() else {
        return None;
    };
    let host = case.failed_host();
    let facts = &case.reading().facts;
    let proxy = facts
        .dial_address
        .as_deref()
        .or(facts.dns_name.as_deref())
        .map(|address| format!(" (`{address}`)"))
        .unwrap_or_default();
    let summary = match failure {
        ProxyFault::Connect { inner } => match (&**inner, unreachable(inner)) {
            (_, Some((how, _))) => format!("the proxy of the node{proxy} {how}"),
            (Fault::UnknownAuthority, _) => {
                format!("the node does not trust the certificate of its proxy{proxy}")
            }
            (Fault::NotTls | Fault::PlainHttp, _) => format!(
                "the proxy of the node{proxy} speaks plain HTTP, and is configured as `https://`"
            ),
            _ => format!("the node's connection to its proxy{proxy} fails"),
        },
        ProxyFault::LoginRequired => format!("the proxy of the node wants a login for `{host}`"),
        ProxyFault::Refused { status: 403 } => {
            format!("the proxy of the node forbids connections to `{host}` (403)")
        }
        ProxyFault::Refused {
            status: status @ 502..=504,
        } => format!("the proxy of the node cannot connect to `{host}` ({status})"),
        ProxyFault::Refused { status } => {
            format!("the proxy of the node refuses to connect to `{host}` ({status})")
        }
        ProxyFault::Misconfigured => {
            "the proxy setting of the node's runtime does not parse".to_owned()
        }
    };
    // containerd names the status of a registry's answer, so a bare text is a proxy's. Docker
    // prints the bare text for a registry's answer without a body too.
    // That the registry answers the node well without the proxy leaves the proxy.
    let is_direct = registry_answers(case);
    let rival = match failure {
        ProxyFault::Refused { status }
            if runtime(case) != Some(Runtime::Containerd) && !is_direct =>
        {
            Some(if *status >= 500 {
                CauseId::RegistryServerError
            } else {
                CauseId::BlockedByPolicy
            })
        }
        _ => None,
    };
    let mut finding = case.finding(
        CauseId::ProxyFailure,
        if rival.is_some() {
            Confidence::Possible
        } else {
            Confidence::Likely
        },
        network_object(case),
        summary,
    );
    if let Some(rival) = rival {
        finding = finding.rival(
            rival,
            "this runtime prints a registry's answer without a body in the same way",
            "whether the runtime on the node has a proxy set",
        );
    } else {
        if let ProxyFault::Refused { status: 403 } = failure {
            // Not a rival: that the proxy refuses by its rules is how it fails.
            finding = finding.also(
                CauseId::BlockedByPolicy,
                "a proxy that answers 403 refuses by its own rules",
            );
        }
        finding = finding.rules_out(
            CauseId::RegistryServerError,
            "the proxy answered or failed before the registry was asked",
        );
    }
    if is_direct {
        finding = finding.note(
            "without proxy",
            format!(
                "the node reaches `{registry}` itself",
                registry = case.registry()
            ),
        );
    }
    // What is to be reached directly is the registry, never the proxy itself.
    let direct = if case.fails_at_proxy() {
        case.registry()
    } else {
        host
    };
    Some(
        with_proxy_file(
            with_places(finding, case),
            case,
            super::network::bare(&direct),
        )
        .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{Facts, ProxyFacts, StageName},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{node, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
        )
    }

    #[test]
    fn a_dead_proxy_is_named_by_its_address() {
        let end = "proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end))
            .node(node())
            .judge();
        assert_eq!(finding.cause, CauseId::ProxyFailure);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(
            finding.summary,
            "the proxy of the node (`10.0.0.8:3128`) refuses connections"
        );
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some("systemctl show containerd --property=Environment")
        );
        // The registry is to be reached directly, not the proxy.
        assert!(
            finding.remedies[0]
                .title
                .contains("add `registry.example.com` to `NO_PROXY`")
        );
    }

    #[test]
    fn a_bare_status_is_the_proxys_answer() {
        for (end, words) in [
            ("Forbidden", "forbids"),
            ("Proxy Authentication Required", "wants a login"),
            ("Bad Gateway", "cannot connect"),
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
            assert_eq!(finding.cause, CauseId::ProxyFailure, "{end}");
            assert!(finding.summary.contains(words), "{}", finding.summary);
        }
        let forbidden = stuck(IMAGE, "ErrImagePull", &text("Forbidden")).judge();
        assert!(
            forbidden
                .also
                .iter()
                .any(|also| also.cause == CauseId::BlockedByPolicy)
        );
    }

    #[test]
    fn dockers_bare_status_may_be_the_registrys() {
        let text = "Error response from daemon: Head \"https://registry.example.com/v2/shop/api/manifests/1\": Forbidden";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        let mut both = vec![finding.cause];
        both.extend(finding.rivals.iter().map(|rival| rival.cause));
        assert!(both.contains(&CauseId::ProxyFailure));
        assert!(both.contains(&CauseId::BlockedByPolicy));
    }

    #[test]
    fn the_registrys_own_refusal_is_no_proxy() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 403 Forbidden"
        );
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::ProxyFailure
        );
    }

    #[test]
    fn the_way_from_here_is_told_beside_it() {
        let mut seen = there(IMAGE);
        for stage in &mut seen.stages {
            if stage.stage == StageName::Proxy {
                stage.facts = Facts::Proxy(ProxyFacts {
                    decided_by: Some("NO_PROXY: .example.com".to_owned()),
                    ..ProxyFacts::default()
                });
            }
        }
        let end = "proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end))
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::ProxyFailure);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.evidence.iter().any(|item| {
            item.answer == "here it is asked without a proxy (`NO_PROXY: .example.com`)"
        }));
        // The proxy itself was not asked from here.
        let answers: Vec<&str> = finding
            .evidence
            .iter()
            .skip(1)
            .map(|item| item.answer.as_str())
            .collect();
        assert!(answers.contains(
            &"`registry.example.com` answers here: the fault is the node's, or on its way"
        ));
        assert!(
            !answers.iter().any(|answer| answer.contains("10.0.0.8")),
            "{answers:?}"
        );
    }
}
