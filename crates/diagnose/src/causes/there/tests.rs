use pulldoctor_model::{
    CauseId, Confidence, NodePath, NodeView,
    registry::{CertificateFacts, Facts, Problem, StageName, TlsFacts},
};

use crate::{
    causes::here::samples::{bad_tls, good_tls, handshake},
    fixture::{Fixture, and_path, at, failed_at, own_network, pod_network, stuck},
};

const IMAGE: &str = "registry.example.com/shop/api:1";

fn refuses(words: &str) -> Fixture {
    let text = format!(
        "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": {words}"
    );
    stuck(IMAGE, "ErrImagePull", &text)
}

fn untrusted() -> Fixture {
    refuses("tls: failed to verify certificate: x509: certificate signed by unknown authority")
}

fn chain(names: &[&str]) -> TlsFacts {
    handshake(&["registry.example.com"]).with(names)
}

trait With {
    fn with(self, issuers: &[&str]) -> Self;
}

impl With for TlsFacts {
    /// Adds the certificates of these authorities behind the leaf.
    fn with(mut self, issuers: &[&str]) -> Self {
        let leaf = self.chain[0].clone();
        self.chain
            .extend(issuers.iter().map(|name| CertificateFacts {
                subject: format!("CN={name}"),
                issuer: format!("CN={name}"),
                is_authority: true,
                ..leaf.clone()
            }));
        self
    }
}

#[test]
fn a_chain_that_is_trusted_here_and_refused_there_is_a_lack_of_the_node() {
    let view = || own_network(good_tls(IMAGE, &chain(&["Company CA"])));
    let finding = untrusted()
        .registry(good_tls(IMAGE, &chain(&["Company CA"])))
        .node_view(view())
        .judge();
    assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(finding.confidence, Confidence::Proven);
    let told = format!("{:?}", finding.evidence);
    assert!(told.contains("that is sent here too"), "{told}");
    assert!(told.contains("the node is sent 2 certificates"), "{told}");
    // Issued after the pull began to fail: the server was mended.
    let late = || {
        let mut facts = chain(&["Company CA"]);
        facts.chain[0].not_before = at(-5).to_string();
        own_network(good_tls(IMAGE, &facts))
    };
    assert_eq!(
        untrusted().node_view(late()).judge().confidence,
        Confidence::Likely
    );
    // Pods are not the node.
    let pods = pod_network(good_tls(IMAGE, &chain(&["Company CA"])));
    assert_eq!(
        untrusted().node_view(pods).judge().confidence,
        Confidence::Likely
    );
}

#[test]
fn a_private_registry_behind_a_chain_that_the_node_lacks() {
    // The probe has no login, and is turned away once past TLS.
    let turned_away = |tls: Facts| {
        let mut seen = failed_at(IMAGE, StageName::Token, Problem::TokenRefused, Facts::None);
        for stage in &mut seen.stages {
            if stage.stage == StageName::Tls {
                stage.facts = tls.clone();
            }
        }
        own_network(seen)
    };
    let tls = Facts::Tls(Box::new(chain(&["Company CA"])));
    let finding = untrusted().node_view(turned_away(tls)).judge();
    assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(finding.confidence, Confidence::Proven);
    // Where no handshake was seen, nothing is told.
    let finding = untrusted().node_view(turned_away(Facts::None)).judge();
    assert_eq!(finding.confidence, Confidence::Likely);
}

#[test]
fn what_the_registry_lacks_is_told_beside_a_way_that_is_cut() {
    let missing = || failed_at(IMAGE, StageName::Manifest, Problem::NotFound, Facts::None);
    let finding = refuses("dial tcp 10.9.0.4:443: connect: connection refused")
        .registry(missing())
        .judge();
    assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
    let also: Vec<CauseId> = finding.also.iter().map(|also| also.cause).collect();
    assert_eq!(also, [CauseId::ImageNotFoundTag]);
    assert!(
        finding
            .ruled_out
            .iter()
            .all(|out| out.cause != CauseId::ImageNotFoundTag)
    );
    // What only this computer meets is no fault behind it.
    let unknown = failed_at(IMAGE, StageName::Token, Problem::TokenRefused, Facts::None);
    let finding = refuses("dial tcp 10.9.0.4:443: connect: connection refused")
        .registry(unknown)
        .judge();
    assert!(finding.also.is_empty(), "{:?}", finding.also);
}

#[test]
fn a_chain_that_nobody_trusts_is_proven_where_it_is_whole() {
    let seen = |facts: TlsFacts| bad_tls(IMAGE, Problem::TlsUnknownAuthority, facts);
    let whole = untrusted()
        .node_view(own_network(seen(chain(&["Company CA"]))))
        .judge();
    assert_eq!(whole.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(whole.confidence, Confidence::Proven);
    // One certificate alone does not tell who has to send the next.
    let alone = untrusted().node_view(own_network(seen(chain(&[])))).judge();
    assert_eq!(alone.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(alone.confidence, Confidence::Likely);
    assert_eq!(alone.rivals[0].cause, CauseId::TlsIncompleteChain);
    // Another node that trusts it does.
    let other = untrusted()
        .node_view(own_network(seen(chain(&[]))))
        .answer(
            pulldoctor_model::Question::RegistryElsewhere {
                registry: "registry.example.com".to_owned(),
            },
            crate::fixture::runs_elsewhere(IMAGE).1,
        )
        .judge();
    assert_eq!(other.confidence, Confidence::Proven);
}

#[test]
fn another_chain_than_here_is_told() {
    let mut other = chain(&["Inspecting Proxy"]);
    other.chain[0].sha256 = "ff:00".to_owned();
    other.chain[0].issuer = "CN=Inspecting Proxy".to_owned();
    let finding = untrusted()
        .registry(good_tls(IMAGE, &chain(&["Company CA"])))
        .node_view(own_network(bad_tls(
            IMAGE,
            Problem::TlsUnknownAuthority,
            other,
        )))
        .judge();
    assert_eq!(finding.confidence, Confidence::Proven);
    let told = finding
        .notes
        .iter()
        .find(|(word, _)| word == "two certificates")
        .map(|(_, text)| text.as_str())
        .unwrap_or_default();
    assert!(
        told.contains("`CN=Inspecting Proxy`, and here by `CN=Company CA`"),
        "{told}"
    );
}

#[test]
fn a_chain_that_stops_short_for_the_node() {
    let seen = |url: Option<&str>| {
        let mut facts = chain(&[]);
        facts.issuer_url = url.map(str::to_owned);
        own_network(bad_tls(IMAGE, Problem::TlsIncompleteChain, facts))
    };
    let known = untrusted()
        .node_view(seen(Some("http://ca.example.com/sub.crt")))
        .judge();
    assert_eq!(known.cause, CauseId::TlsIncompleteChain);
    assert_eq!(known.confidence, Confidence::Proven);
    let guessed = untrusted().node_view(seen(None)).judge();
    assert_eq!(guessed.cause, CauseId::TlsIncompleteChain);
    assert_eq!(guessed.confidence, Confidence::Likely);
    assert_eq!(guessed.rivals[0].cause, CauseId::TlsUnknownAuthority);
    // What the node is sent counts, not what is sent here.
    let finding = untrusted()
        .registry(bad_tls(IMAGE, Problem::TlsIncompleteChain, chain(&[])))
        .node_view(own_network(bad_tls(
            IMAGE,
            Problem::TlsUnknownAuthority,
            chain(&["Company CA"]),
        )))
        .judge();
    assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(finding.confidence, Confidence::Proven);
}

#[test]
fn a_chain_that_did_not_come_home_tells_nothing() {
    let mut cut = own_network(crate::causes::support::missing::samples::there(IMAGE));
    cut.is_cut = true;
    let finding = untrusted().node_view(cut).judge();
    assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
    assert_eq!(finding.confidence, Confidence::Likely);
    assert!(finding.rivals.is_empty());
}

fn expired(now: i64, end: i64) -> Fixture {
    refuses(&format!(
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time {} is after {}",
        at(now),
        at(end)
    ))
}

fn ends(end: i64, clock_ahead: i64) -> NodeView {
    let mut facts = chain(&["Company CA"]);
    facts.chain[0].not_after = at(end).to_string();
    let mut view = own_network(bad_tls(IMAGE, Problem::TlsExpired, facts));
    view.clock_ahead_s = Some(clock_ahead);
    view
}

#[test]
fn an_old_certificate_is_told_from_a_wrong_clock() {
    let finding = expired(-20, -40_000).node_view(ends(-40_000, 0)).judge();
    assert_eq!(finding.cause, CauseId::TlsExpired);
    assert_eq!(finding.confidence, Confidence::Proven);
    assert!(
        finding
            .ruled_out
            .iter()
            .any(|out| out.cause == CauseId::ClockSkew)
    );
    let skewed = expired(90_000, 80_000)
        .node_view(ends(80_000, 90_020))
        .judge();
    assert_eq!(skewed.cause, CauseId::ClockSkew);
    assert_eq!(skewed.confidence, Confidence::Proven);
    assert!(skewed.summary.contains("25 h"), "{}", skewed.summary);
    let mended = expired(90_000, 80_000)
        .node_view(own_network(good_tls(IMAGE, &chain(&["Company CA"]))))
        .judge();
    assert_eq!(mended.cause, CauseId::ClockSkew);
    assert_eq!(mended.confidence, Confidence::Possible);
}

#[test]
fn a_probe_overrules_a_late_heartbeat() {
    let mut facts = crate::fixture::node();
    facts.heartbeat = Some(at(90_020));
    let finding = expired(90_000, 80_000)
        .node(facts)
        .node_view(ends(80_000, 0))
        .judge();
    assert_ne!(finding.confidence, Confidence::Proven);
}

#[test]
fn large_packets_that_get_lost_are_told() {
    let seen = failed_at(
        IMAGE,
        pulldoctor_model::registry::StageName::Tls,
        Problem::TlsTimeout,
        pulldoctor_model::registry::Facts::None,
    );
    let path = NodePath {
        address: "10.9.0.4:443".parse().unwrap(),
        segment: Some(1_448),
        small_answered: Some(true),
    };
    let finding = refuses("net/http: TLS handshake timeout")
        .node_view(and_path(own_network(seen), path))
        .judge();
    assert_eq!(finding.confidence, Confidence::Proven);
    assert!(
        finding
            .notes
            .iter()
            .any(|(word, text)| word == "packets" && text.contains("1448 bytes"))
    );
}
