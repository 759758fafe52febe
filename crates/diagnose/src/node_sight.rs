//! The registry as the failing node sees it, beside what the node's own text tells.
//!
//! Only this view can reproduce a fault where it happened. What it does not see are the runtime's
//! own mirrors, proxy and authorities: a way that is good to a probe on the node and bad to its
//! runtime points there, or the fault is over. A probe in the network of pods sees less still (no
//! hosts file, source address, loopback or MTU of the node), so what it meets is never proof.

use std::{collections::BTreeSet, net::IpAddr};

use pulldoctor_messages::{DnsFault, Fault, HostRole, Layer, Operation, ProxyFault};
use pulldoctor_model::{
    Answer, Answered, NodeNetwork, NodeView, Question,
    registry::{
        DnsAnswer, DnsFacts, Facts, Problem, Stage, StageName, StageOutcome, TlsFacts, Transcript,
    },
};

use crate::{case::Case, view::Reached};

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

/// A node's view, and the record of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromNode<'a> {
    /// What was seen.
    pub(crate) view: &'a NodeView,
    /// The record of the answer.
    pub(crate) answered: &'a Answered,
}

/// The view of the symptom's node, if it was asked for and could be had.
pub(crate) fn from_node<'a>(case: &Case<'a>) -> Option<FromNode<'a>> {
    let known = case.node_view();
    Some(FromNode {
        answered: known.answered()?,
        view: known.seen()?,
    })
}

impl<'a> FromNode<'a> {
    /// Whether it is the network that the runtime uses.
    pub(crate) fn is_nodes_own(&self) -> bool {
        self.view.network == NodeNetwork::Host
    }

    /// What was seen of the registry itself.
    pub(crate) fn registry(&self) -> Option<&'a Transcript> {
        Some(&self.view.registry()?.transcript)
    }

    /// The stages towards the host of the failed request.
    pub(crate) fn way(&self, case: &Case<'_>) -> Option<&'a [Stage]> {
        match &case.reading().foreign_host {
            None => Some(self.registry()?.stages.as_slice()),
            Some(foreign) => self.way_to(&foreign.host),
        }
        .filter(|way| !way.is_empty())
    }

    fn way_to(&self, host: &str) -> Option<&'a [Stage]> {
        let asked = self
            .view
            .sights
            .iter()
            .map(|sight| &sight.transcript)
            .find(|seen| same_host(&seen.host, host))
            .map(|seen| seen.stages.as_slice());
        asked.or_else(|| {
            self.view
                .sights
                .iter()
                .flat_map(|sight| &sight.transcript.other_hosts)
                .find(|other| same_host(&other.host, host))
                .map(|other| other.stages.as_slice())
        })
    }

    /// How far the registry itself was reached. A certificate that only this computer does not
    /// trust ends no way on which the probe went on.
    pub(crate) fn reached(&self) -> Reached {
        let Some(transcript) = self.registry().filter(|seen| !seen.stages.is_empty()) else {
            return Reached::Nothing;
        };
        let last = transcript
            .stages
            .iter()
            .rfind(|stage| stage.outcome != StageOutcome::Skipped);
        match end_of(&transcript.stages, StageName::Layers) {
            Some(stage) => Reached::of_failure(stage),
            None => last.map_or(Reached::Nothing, Reached::past),
        }
    }

    /// Whether the registry served the manifest to a request without any login.
    pub(crate) fn serves_manifest(&self) -> bool {
        self.registry()
            .and_then(|seen| seen.stage(StageName::Manifest))
            .is_some_and(|stage| stage.outcome == StageOutcome::Ok)
    }

    /// Where the name of the failed request's host leads there.
    pub(crate) fn dns(&self, case: &Case<'_>) -> Option<&'a DnsFacts> {
        self.way(case)?.iter().find_map(|stage| match &stage.facts {
            Facts::Dns(facts) => Some(facts),
            _ => None,
        })
    }

    /// The handshake with the failed request's host, where its certificates came home.
    pub(crate) fn handshake(&self, case: &Case<'_>) -> Option<&'a TlsFacts> {
        handshake_of(self.way(case)?)
    }

    /// The problem of the handshake with the failed request's host, judged by this computer's
    /// authorities. Nothing also where there was none, or nothing came home to judge.
    pub(crate) fn tls_problem(&self, case: &Case<'_>) -> Option<Problem> {
        self.way(case)?
            .iter()
            .find(|stage| stage.stage == StageName::Tls)?
            .problem
    }

    /// What is known of the way to an address of the failed request's host: whether small packets
    /// get through, and the size of segments.
    pub(crate) fn path(&self, case: &Case<'_>) -> Option<&'a pulldoctor_model::NodePath> {
        let host = case.failed_host();
        let is_foreign = case.reading().foreign_host.is_some();
        self.view
            .sights
            .iter()
            .find(|sight| {
                if is_foreign {
                    same_host(&sight.transcript.host, &host)
                } else {
                    sight.role == pulldoctor_model::NodeRole::Registry
                }
            })?
            .paths
            .first()
    }
}

/// The handshake of a way, where its certificates are known.
pub(crate) fn handshake_of(way: &[Stage]) -> Option<&TlsFacts> {
    way.iter()
        .filter(|stage| stage.stage == StageName::Tls)
        .find_map(|stage| match &stage.facts {
            Facts::Tls(facts) if !facts.chain.is_empty() => Some(&**facts),
            _ => None,
        })
}

/// Whether two hosts are one, with or without the port of HTTPS.
fn same_host(one: &str, other: &str) -> bool {
    let plain = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_owned();
    plain(one).eq_ignore_ascii_case(&plain(other))
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
            facts
                .questions
                .iter()
                .any(|question| question.server.ip() == server)
        })
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

/// Compares what was seen with the judged text.
fn compare(case: &Case<'_>, look: &FromNode<'_>) -> Agreement {
    let fault = innermost(case.pull_fault());
    let (Some(expected), Some(way)) = (expected(case, fault), look.way(case)) else {
        return Agreement::Unseen;
    };
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
        return if last.is_none_or(|last| last < expected) || is_unjudged {
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
    if ran_out_of_time(stage) {
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

/// The stage at which a way ends. A certificate that is refused at home ends it only where the
/// probe stopped there, or where certificates are what the text is about.
fn end_of(way: &[Stage], expected: StageName) -> Option<&Stage> {
    let mut failed = way
        .iter()
        .filter(|stage| stage.outcome == StageOutcome::Failed);
    let first = failed.next()?;
    let goes_on = first.stage == StageName::Tls
        && expected > StageName::Tls
        && way
            .iter()
            .any(|stage| stage.stage > StageName::Tls && stage.outcome != StageOutcome::Skipped);
    if goes_on { failed.next() } else { Some(first) }
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

/// How other nodes see the host of the failed request, each from its own network.
#[derive(Debug, Default)]
pub(crate) struct OtherNodes<'a> {
    /// Those that come farther.
    pub(crate) reaching: BTreeSet<&'a str>,
    /// Those that fail alike.
    pub(crate) failing: BTreeSet<&'a str>,
}

/// Looks through the views of other nodes.
pub(crate) fn other_nodes<'a>(case: &Case<'a>) -> OtherNodes<'a> {
    let mut others = OtherNodes::default();
    let wanted = case.registry();
    for answered in &case.evidence.answers {
        let (Question::NodeView { node, registry, .. }, Answer::NodeView(view)) =
            (&answered.question, &answered.answer)
        else {
            continue;
        };
        let is_other = *registry == wanted && case.symptom.node.as_deref() != Some(node);
        let look = FromNode { view, answered };
        if !is_other || !look.is_nodes_own() {
            continue;
        }
        match compare(case, &look) {
            Agreement::Same => others.failing.insert(node),
            Agreement::Beyond | Agreement::Trusted => others.reaching.insert(node),
            _ => false,
        };
    }
    others
}

/// Whether this node's own network fails, and that of every other node that was asked does not.
pub(crate) fn only_this_node(case: &Case<'_>) -> bool {
    if !reproduced(case) {
        return false;
    }
    let others = other_nodes(case);
    !others.reaching.is_empty() && others.failing.is_empty()
}

/// What a server said of a name, in the protocol's words.
pub(crate) fn answer_word(answer: DnsAnswer) -> &'static str {
    match answer {
        DnsAnswer::Addresses => "addresses",
        DnsAnswer::Nxdomain => "NXDOMAIN",
        DnsAnswer::Nodata => "no address",
        DnsAnswer::Servfail => "SERVFAIL",
        DnsAnswer::Refused => "REFUSED",
        DnsAnswer::Timeout => "no answer",
        DnsAnswer::Unreachable => "unreachable",
        DnsAnswer::Other => "an answer that cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, Finding, NodeNetwork, NodeRole, NodeView, ObjectKind, Question,
        registry::{Facts, Problem, StageName, Transcript},
    };

    use crate::{
        causes::{
            here::samples::{good_tls, handshake},
            support::missing::samples::{lists, there},
        },
        fixture::{
            Fixture, and_sight, challenged, failed_at, good_before, granted, no_token,
            other_registry, own_network, pod_network, stuck,
        },
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn request(end: &str) -> Fixture {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {end}"
        );
        stuck(IMAGE, "ErrImagePull", &text)
    }

    /// A text, the cause that it stands for, and the stage and problem that reproduce it.
    const TABLE: &[(&str, CauseId, StageName, Problem)] = &[
        (
            "dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host",
            CauseId::RegistryUnreachableDns,
            StageName::Dns,
            Problem::DnsNxdomain,
        ),
        (
            "dial tcp: lookup registry.example.com on 10.0.0.2:53: server misbehaving",
            CauseId::RegistryUnreachableDns,
            StageName::Dns,
            Problem::DnsServfail,
        ),
        (
            "dial tcp 10.9.0.4:443: connect: connection refused",
            CauseId::RegistryUnreachableRefused,
            StageName::Tcp,
            Problem::TcpRefused,
        ),
        (
            "dial tcp 10.9.0.4:443: i/o timeout",
            CauseId::RegistryUnreachableTimeout,
            StageName::Tcp,
            Problem::TcpTimeout,
        ),
        (
            "net/http: TLS handshake timeout",
            CauseId::RegistryUnreachableTimeout,
            StageName::Tls,
            Problem::TlsTimeout,
        ),
        (
            "net/http: timeout awaiting response headers",
            CauseId::RegistryUnreachableTimeout,
            StageName::Http,
            Problem::HttpTimeout,
        ),
        (
            "dial tcp 10.9.0.4:443: connect: no route to host",
            CauseId::RegistryUnreachableRoute,
            StageName::Tcp,
            Problem::TcpNoRoute,
        ),
        (
            "tls: failed to verify certificate: x509: certificate is valid for hub.example.com, not registry.example.com",
            CauseId::TlsNameMismatch,
            StageName::Tls,
            Problem::TlsNameMismatch,
        ),
        (
            "http: server gave HTTP response to HTTPS client",
            CauseId::HttpHttpsMismatch,
            StageName::Tls,
            Problem::TlsPlainHttp,
        ),
    ];

    fn fails(stage: StageName, problem: Problem) -> Transcript {
        failed_at(IMAGE, stage, problem, Facts::None)
    }

    fn excludes(finding: &Finding, cause: CauseId) -> bool {
        finding.ruled_out.iter().any(|out| out.cause == cause)
    }

    #[test]
    fn what_the_node_itself_meets_is_proven() {
        for (text, cause, stage, problem) in TABLE {
            let finding = request(text)
                .node_view(own_network(fails(*stage, *problem)))
                .judge();
            assert_eq!(finding.cause, *cause, "{text}");
            assert_eq!(finding.confidence, Confidence::Proven, "{text}");
            assert!(finding.rivals.is_empty(), "{text}");
            assert!(
                finding.open.iter().all(|open| !open.is_of_node_view()),
                "{text}"
            );
            assert!(excludes(&finding, CauseId::MirrorMisconfigured), "{text}");
            assert!(excludes(&finding, CauseId::ProxyFailure), "{text}");
        }
    }

    #[test]
    fn what_only_pods_meet_proves_nothing() {
        for (text, cause, stage, problem) in TABLE {
            let alone = request(text).judge();
            let finding = request(text)
                .node_view(pod_network(fails(*stage, *problem)))
                .judge();
            assert_eq!(finding.cause, *cause, "{text}");
            assert_eq!(finding.confidence, alone.confidence, "{text}");
            let told = format!("{:?}", finding.evidence);
            assert!(told.contains("from the pod network of `shop`"), "{told}");
        }
    }

    #[test]
    fn a_healthy_view_never_makes_it_surer() {
        let healthy = || good_tls(IMAGE, &handshake(&["registry.example.com"]));
        for (text, cause, ..) in TABLE {
            let alone = request(text).judge();
            let own = request(text).node_view(own_network(healthy())).judge();
            assert_eq!(own.cause, *cause, "{text}");
            assert_eq!(own.confidence, Confidence::Possible, "{text}");
            assert!(
                own.rivals
                    .iter()
                    .any(|rival| rival.cause == CauseId::Unknown),
                "{text}"
            );
            let pods = request(text).node_view(pod_network(healthy())).judge();
            assert_eq!(pods.cause, *cause, "{text}");
            assert_eq!(pods.confidence, alone.confidence, "{text}");
        }
    }

    #[test]
    fn another_fault_or_an_earlier_one_proves_nothing() {
        for (text, cause, stage, problem) in TABLE {
            for (other, what) in [
                (StageName::Dns, Problem::DnsTimeout),
                (StageName::Tcp, Problem::TcpNetworkUnreachable),
                (StageName::Tls, Problem::TlsCut),
            ] {
                if (other, what) == (*stage, *problem)
                    || what == Problem::TcpNetworkUnreachable && *problem == Problem::TcpNoRoute
                {
                    continue;
                }
                let finding = request(text)
                    .node_view(own_network(fails(other, what)))
                    .judge();
                assert_eq!(finding.cause, *cause, "{text} {what:?}");
                assert!(finding.confidence <= Confidence::Likely, "{text} {what:?}");
            }
        }
    }

    #[test]
    fn a_look_that_ran_out_of_time_tells_nothing() {
        let text = "dial tcp: lookup registry.example.com on 10.0.0.2:53: read udp 10.0.0.3:4000->10.0.0.2:53: i/o timeout";
        let mut late = fails(StageName::Dns, Problem::DnsTimeout);
        "the probe ran out of time".clone_into(&mut late.stages[0].detail);
        let finding = request(text).node_view(own_network(late)).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
        let real = fails(StageName::Dns, Problem::DnsTimeout);
        let finding = request(text).node_view(own_network(real)).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn where_other_nodes_come_farther_it_is_this_node() {
        let refused = "dial tcp 10.9.0.4:443: connect: connection refused";
        let fails = || own_network(fails(StageName::Tcp, Problem::TcpRefused));
        let alone = request(refused).node_view(fails()).judge();
        assert_eq!(alone.object.kind, ObjectKind::Registry);
        let one = request(refused)
            .node_view(fails())
            .other_node_view("n2", own_network(there(IMAGE)))
            .judge();
        assert_eq!(one.object.kind, ObjectKind::Node);
        assert_eq!(one.confidence, Confidence::Proven);
        let both = request(refused)
            .node_view(fails())
            .other_node_view("n2", own_network(there(IMAGE)))
            .other_node_view("n3", fails())
            .judge();
        assert_eq!(both.object.kind, ObjectKind::Registry);
        // What another node's pods see is not that node.
        let pods = request(refused)
            .node_view(fails())
            .other_node_view("n2", pod_network(there(IMAGE)))
            .judge();
        assert_eq!(pods.object.kind, ObjectKind::Registry);
    }

    #[test]
    fn a_name_server_that_nobody_asked_there_proves_no_failure_of_it() {
        let misbehaves =
            request("dial tcp: lookup registry.example.com on 10.7.7.7:53: server misbehaving");
        let seen = crate::fixture::resolved(
            IMAGE,
            Some(Problem::DnsServfail),
            &[(
                "10.0.0.2:53",
                pulldoctor_model::registry::DnsAnswer::Servfail,
            )],
        );
        let finding = misbehaves.node_view(own_network(seen.clone())).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
        // The node's own stub asks the others.
        let stub =
            request("dial tcp: lookup registry.example.com on 127.0.0.53:53: server misbehaving");
        let finding = stub.node_view(own_network(seen)).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn the_same_server_says_the_same_to_pods() {
        let text = "dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        let seen = crate::fixture::resolved(
            IMAGE,
            Some(Problem::DnsNxdomain),
            &[(
                "10.0.0.2:53",
                pulldoctor_model::registry::DnsAnswer::Nxdomain,
            )],
        );
        let finding = request(text).node_view(pod_network(seen)).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        let told = format!("{:?}", finding.evidence);
        assert!(
            told.contains("name servers: 10.0.0.2:53: NXDOMAIN"),
            "{told}"
        );
    }

    #[test]
    fn the_question_is_left_open_until_it_is_answered() {
        let fixture = request("dial tcp 10.9.0.4:443: i/o timeout");
        let asked = crate::node_questions(&fixture.evidence);
        assert!(
            matches!(&asked[..], [Question::NodeView { .. }]),
            "{asked:?}"
        );
        assert!(fixture.questions().iter().all(|one| !one.is_of_node_view()));
        let finding = fixture.judge();
        assert!(finding.next.iter().any(|next| next.command.as_deref()
            == Some("pulldoctor probe registry.example.com/shop/api:1 --from node/n1")));
        let answered = fixture.node_view(own_network(there(IMAGE)));
        assert!(crate::node_questions(&answered.evidence).is_empty());
    }

    #[test]
    fn a_gap_counts_where_it_was_asked_for_and_only_there() {
        let fixture = request("dial tcp 10.9.0.4:443: i/o timeout");
        assert!(crate::report(&fixture.evidence).gaps.is_empty());
        let question = crate::node_questions(&fixture.evidence).remove(0);
        let report = crate::report(&fixture.forbid(question).evidence);
        assert!(report.gaps[0].counts);
    }

    #[test]
    fn a_layer_host_is_looked_at_beside_its_registry() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://cdn.example.net/blobs/sha256/aa/data\": dial tcp 10.9.0.4:443: i/o timeout"
        );
        let blocked = || other_registry("cdn.example.net", StageName::Tcp, Problem::TcpTimeout);
        let stuck = || stuck(IMAGE, "ErrImagePull", &text);
        let view = and_sight(own_network(there(IMAGE)), NodeRole::Blob, blocked());
        let finding = stuck().node_view(view.clone()).judge();
        assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
        assert_eq!(finding.confidence, Confidence::Proven);
        let pods = NodeView {
            network: NodeNetwork::Pod {
                namespace: "shop".to_owned(),
            },
            ..view
        };
        assert_eq!(
            stuck().node_view(pods).judge().confidence,
            Confidence::Likely
        );
        // The registry alone says nothing of the other host.
        let finding = stuck().node_view(own_network(there(IMAGE))).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_token_host_needs_a_registry_that_answers() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to authorize: failed to fetch anonymous token: Get \"https://login.example.net/token?scope=repository%3Ashop%2Fapi%3Apull&service=r\": dial tcp 10.9.0.4:443: i/o timeout"
        );
        let blocked = || other_registry("login.example.net", StageName::Tcp, Problem::TcpTimeout);
        let registry = good_before(IMAGE, StageName::Token);
        let view = and_sight(own_network(registry), NodeRole::Token, blocked());
        let finding = stuck(IMAGE, "ErrImagePull", &text).node_view(view).judge();
        assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
        assert_eq!(finding.confidence, Confidence::Proven);
        let away = and_sight(
            own_network(fails(StageName::Tcp, Problem::TcpTimeout)),
            NodeRole::Token,
            blocked(),
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).node_view(away).judge();
        assert_ne!(finding.confidence, Confidence::Proven);
        assert!(!finding.rivals.is_empty());
    }

    #[test]
    fn a_dead_proxy_is_reproduced_at_the_proxy() {
        let dead = "proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused";
        let view = and_sight(
            own_network(there(IMAGE)),
            NodeRole::Proxy,
            other_registry("10.0.0.8:3128", StageName::Tcp, Problem::TcpRefused),
        );
        let finding = request(dead).node_view(view).judge();
        assert_eq!(finding.cause, CauseId::ProxyFailure);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding
                .notes
                .iter()
                .any(|(word, _)| word == "without proxy")
        );
        // A probe does not ask through the proxy, so what the proxy answers is not seen.
        let refused = request("Forbidden")
            .node_view(own_network(there(IMAGE)))
            .judge();
        assert_eq!(refused.cause, CauseId::ProxyFailure);
        assert_eq!(refused.confidence, Confidence::Likely);
    }

    #[test]
    fn a_fault_of_the_registry_that_the_node_meets_past_its_proxy() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 503 Service Unavailable"
        );
        let down = || stuck(IMAGE, "ErrImagePull", &text);
        let same = fails(StageName::Http, Problem::ServerError);
        let finding = down().node_view(own_network(same.clone())).judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Proven);
        let finding = down().node_view(pod_network(same)).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
        let finding = down().node_view(own_network(there(IMAGE))).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        // That the probe has no login says nothing about the pull.
        let turned_away = challenged(
            IMAGE,
            &[],
            no_token(pulldoctor_model::registry::Identity::Unknown),
        );
        let finding = down().node_view(own_network(turned_away)).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn the_registrys_limit_without_a_login_is_proven_by_the_nodes_address() {
        let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://registry-1.docker.io/v2/library/redis/manifests/7: 429 Too Many Requests\ntoomanyrequests: You have reached your unauthenticated pull rate limit.";
        let seen = failed_at(
            "redis:7",
            StageName::Http,
            Problem::RateLimited,
            Facts::None,
        );
        let finding = stuck("redis:7", "ErrImagePull", text)
            .node_view(own_network(seen.clone()))
            .judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert_eq!(finding.confidence, Confidence::Proven);
        let finding = stuck("redis:7", "ErrImagePull", text)
            .node_view(pod_network(seen))
            .judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_manifest_that_the_node_gets_and_its_runtime_does_not() {
        let missing = || {
            stuck(
                IMAGE,
                "ErrImagePull",
                &format!(
                    "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: {IMAGE}: not found"
                ),
            )
        };
        let open = challenged(IMAGE, &[], granted(200));
        let finding = missing().node_view(own_network(open.clone())).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::ImageNotFoundTag)
        );
        assert!(
            finding
                .open
                .iter()
                .any(|open| matches!(open, Question::NodeLogs { .. }))
        );
        let elsewhere = crate::fixture::runs_elsewhere(IMAGE);
        let finding = missing()
            .answer(elsewhere.0, elsewhere.1)
            .node_view(own_network(open.clone()))
            .judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Proven);
        // The pod network shows no mirror of the node either, and is no proof.
        let finding = missing().node_view(pod_network(open)).judge();
        assert_ne!(finding.cause, CauseId::MirrorMisconfigured);
        // Missing for the node's own request, too.
        let gone = missing()
            .registry(lists(IMAGE, &["2"]))
            .node_view(own_network(challenged(IMAGE, &[], granted(404))))
            .judge();
        assert_eq!(gone.cause, CauseId::ImageNotFoundTag);
        assert_eq!(gone.confidence, Confidence::Proven);
    }

    #[test]
    fn a_dead_mirror_is_proven_at_the_mirror() {
        let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to resolve image: failed to do request: Head \"https://mirror.example.com/v2/library/redis/manifests/7?ns=docker.io\": dial tcp 10.9.0.4:443: connect: connection refused";
        let view = and_sight(
            own_network(there("docker.io/library/redis:7")),
            NodeRole::Mirror,
            other_registry("mirror.example.com", StageName::Tcp, Problem::TcpRefused),
        );
        let finding = stuck("redis:7", "ErrImagePull", text)
            .node_view(view)
            .judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding
                .notes
                .iter()
                .any(|(word, text)| word == "behind it" && text.contains("answers the node")),
            "{:?}",
            finding.notes
        );
        let well = and_sight(
            own_network(there("docker.io/library/redis:7")),
            NodeRole::Mirror,
            good_before("mirror.example.com/library/redis:7", StageName::Token),
        );
        let finding = stuck("redis:7", "ErrImagePull", text)
            .node_view(well)
            .judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn a_name_that_resolves_on_the_node_by_now_is_no_typo() {
        let image = "regsitry.example.com/shop/api:1";
        let text = format!(
            "failed to pull and unpack image \"{image}\": failed to resolve image: failed to do request: Head \"https://regsitry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup regsitry.example.com on 10.0.0.2:53: no such host"
        );
        let used = pulldoctor_model::RegistryUse {
            host: "registry.example.com".to_owned(),
            usage: pulldoctor_model::Usage {
                pulled: 3,
                waiting: 0,
            },
        };
        let fixture = stuck(image, "ErrImagePull", &text).answer(
            Question::RegistriesInUse,
            pulldoctor_model::Answer::Registries(vec![used]),
        );
        let nowhere = failed_at(image, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let typo = fixture.clone().node_view(own_network(nowhere)).judge();
        assert_eq!(typo.cause, CauseId::HostTypo);
        assert_eq!(typo.confidence, Confidence::Proven);
        let refused = failed_at(image, StageName::Tcp, Problem::TcpRefused, Facts::None);
        let finding = fixture.node_view(own_network(refused)).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert_eq!(finding.confidence, Confidence::Possible);
    }
}
