//! `tls-unknown-authority`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question, registry::Problem};

use super::{
    network::{ask_others, show_chain, subject, with_places},
    runtime_files::with_authority,
    tls_incomplete_chain::{is_seen_to_stop_short, stops_short},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::{from_node, only_this_node},
    places::{Places, network_object},
};

cause! {
    /// # tls-unknown-authority
    ///
    /// ## What it means
    ///
    /// The registry shows a certificate whose issuer the node does not trust: a company's own
    /// authority, a self-signed certificate, or something in between that opens TLS.
    ///
    /// ## How we know
    ///
    /// The text ends in `x509: certificate signed by unknown authority`. The runtime on the node
    /// says it, so the node's trust counts; your workstation or a browser may well trust the
    /// issuer.
    ///
    /// With `(possibly because of … while trying to verify candidate authority certificate "X")`
    /// the node knows an authority of that name with another key: it was renewed, or imitated.
    ///
    /// The certificates that the host sends here are shown with their issuer and fingerprint, to
    /// be held against those that the node gets: a proxy that opens TLS sends others.
    ///
    /// `pulldoctor diagnose --node-view` (or `pulldoctor probe IMAGE --from node/NODE`) brings home
    /// the chain that the node is sent. It is *proven* where nobody trusts that chain and it is
    /// whole, and where this computer trusts it, it was issued before the pull began to fail, and
    /// the registry is no public one. A single certificate leaves open who ought to send its
    /// issuer's. Another certificate than the one that is sent here is told: something on the way
    /// opens TLS, or another server answers the node. The node's own authorities are not read.
    ///
    /// ## What to do
    ///
    /// - Find out who issued what the node sees: `openssl s_client -connect HOST:443 -showcerts`.
    /// - Install that authority's certificate on every node: containerd
    ///   `/etc/containerd/certs.d/HOST/hosts.toml`, CRI-O `/etc/containers/certs.d/HOST/ca.crt`,
    ///   Docker `/etc/docker/certs.d/HOST/ca.crt`, or the system's store and a restart.
    /// - For a public registry do not install what you find without asking who opens TLS there.
    ///
    /// ## What it is not
    ///
    /// - A server that does not send its intermediate certificate gives the same text: see
    ///   `tls-incomplete-chain`. What it sends tells the two apart.
    /// - `unknown certificate authority` as a remote error is the server's doubt about the node's
    ///   certificate (`tls-other`).
    ///
    /// ## Sources
    ///
    /// - Go `crypto/x509/verify.go` (`UnknownAuthorityError`).
    /// - containerd `docs/hosts.md`, containers-certs.d(5), Docker's certificate documentation.
    TlsUnknownAuthority
}

/// Public registries, whose authorities are in every system's store.
const PUBLIC: &[&str] = &[
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.gitlab.com",
    "registry.k8s.io",
];

/// Whether the failed request went to a public registry, whose authorities every store has.
pub(crate) fn is_public(case: &Case<'_>) -> bool {
    case.reading().foreign_host.is_none() && PUBLIC.contains(&case.registry().as_str())
}

/// Whether the chain that the node is sent was seen to lead to an authority: one that this computer
/// trusts, or one that signed itself.
fn is_whole(case: &Case<'_>) -> bool {
    let Some(look) = from_node(case) else {
        return false;
    };
    let Some(seen) = look.handshake(case) else {
        return false;
    };
    match look.tls_problem(case) {
        None => true,
        Some(Problem::TlsUnknownAuthority) => seen
            .chain
            .last()
            .is_some_and(|last| last.subject == last.issuer),
        Some(_) => false,
    }
}

/// Whether the node is sent a single certificate that did not sign itself, no other node trusts
/// it, and nothing tells whether its issuer is an authority or stands below one.
fn is_lonely_leaf(case: &Case<'_>) -> bool {
    let Some(look) = from_node(case) else {
        return false;
    };
    let is_unknown = look.tls_problem(case) == Some(Problem::TlsUnknownAuthority);
    let trusted_elsewhere = case.reading().facts.candidate_authority.is_some()
        || only_this_node(case)
        || Places::of_registry(case).is_some_and(|places| places.only_this_node(case));
    let is_single = look
        .handshake(case)
        .is_none_or(|seen| matches!(&seen.chain[..], [leaf] if leaf.subject != leaf.issuer));
    is_unknown && is_single && !trusted_elsewhere
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::UnknownAuthority => {
            let mut asked = ask_others(case);
            asked.extend(case.node_question());
            asked
        }
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    // A chain that was seen to stop short is the cause, and this is its general form.
    if *case.fault() != Fault::UnknownAuthority || is_seen_to_stop_short(case) {
        return None;
    }
    let host = case.failed_host();
    // A chain that lacks an intermediate ends at an issuer that is unknown too: this is then the
    // general form and still right.
    let mut finding = case.finding(
        CauseId::TlsUnknownAuthority,
        if stops_short(case) {
            Confidence::Possible
        } else {
            Confidence::Likely
        },
        network_object(case),
        format!(
            "the node does not trust the authority that issued the certificate of {}",
            subject(case).trim_end_matches(',')
        ),
    );
    match &case.reading().facts.candidate_authority {
        Some(authority) => {
            finding = finding
                .note(
                    "authority",
                    format!(
                        "the node knows `{authority}` with another key: it was renewed, or \
                         imitated"
                    ),
                )
                .rules_out(
                    CauseId::TlsIncompleteChain,
                    format!("the chain leads to an authority named `{authority}`"),
                );
        }
        None if is_whole(case) => {
            finding = finding.rules_out(
                CauseId::TlsIncompleteChain,
                "the chain that the node is sent leads to its authority",
            );
        }
        None => {
            finding = finding.next(
                "which certificates does the host send to the node: the issuer's too?",
                Some(show_chain(&host)),
            );
        }
    }
    if is_public(case) {
        finding = finding.note(
            "between",
            "the authorities of this public registry are in every trust store: the store is \
             empty, or a proxy or firewall opens TLS on the way",
        );
    }
    if is_lonely_leaf(case) {
        finding = finding.rival(
            CauseId::TlsIncompleteChain,
            "the node is sent one certificate, and its issuer may be one that the server ought to \
             send",
            "the issuer's certificate: whether it signed itself",
        );
    }
    finding = with_authority(with_places(finding, case), case);
    if !is_whole(case) {
        finding = finding.remedy(
            "send-chain",
            Applicability::Advice,
            "on the server: send the whole chain, if only the leaf certificate is sent",
            None,
        );
    }
    Some(finding.into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, ImagePlace, ObjectKind, Question, Usage};

    use crate::{
        causes::here::samples,
        fixture::{at, node, stuck},
    };

    const IMAGE: &str = "registry.example.com:5000/shop/api:1";

    fn text(more: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com:5000/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: certificate signed by unknown authority{more}"
        )
    }

    fn file(runtime: &str, kubelet: &str) -> Option<String> {
        let mut facts = node();
        facts.runtime = runtime.to_owned();
        facts.kubelet = kubelet.to_owned();
        let finding = stuck(IMAGE, "ErrImagePull", &text("")).node(facts).judge();
        finding
            .notes
            .into_iter()
            .find(|(word, _)| word == "file")
            .map(|(_, text)| text)
    }

    #[test]
    fn the_text_admits_one_reading() {
        let fixture = stuck(IMAGE, "ErrImagePull", &text(""));
        let finding = fixture.judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.name, "registry.example.com:5000");
        assert!(fixture.questions().contains(&Question::Node {
            name: "n1".to_owned()
        }));
        assert!(finding.next.iter().any(|next| {
            next.command
                .as_deref()
                .is_some_and(|command| command.contains("-connect registry.example.com:5000"))
        }));
    }

    #[test]
    fn the_file_depends_on_the_runtime() {
        assert_eq!(
            file("containerd://1.6.20", "v1.30.0").as_deref(),
            Some("/etc/containerd/certs.d/registry.example.com:5000/hosts.toml")
        );
        assert_eq!(
            file("cri-o://1.33.1", "v1.33.0").as_deref(),
            Some("/etc/containers/certs.d/registry.example.com:5000/ca.crt")
        );
        assert_eq!(
            file("docker://27.0.1", "v1.33.0").as_deref(),
            Some("/etc/docker/certs.d/registry.example.com:5000/ca.crt")
        );
        assert_eq!(
            file("containerd://2.1.4-k3s1", "v1.33.4+k3s1").as_deref(),
            Some("/etc/rancher/k3s/registries.yaml")
        );
    }

    #[test]
    fn a_known_name_with_another_key_is_no_short_chain() {
        let more = " (possibly because of \"x509: ECDSA verification failure\" while trying to verify candidate authority certificate \"Example CA\")";
        let finding = stuck(IMAGE, "ErrImagePull", &text(more)).judge();
        assert!(
            finding
                .notes
                .iter()
                .any(|(_, text)| text.contains("Example CA"))
        );
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::TlsIncompleteChain)
        );
    }

    #[test]
    fn trust_that_one_node_lacks_is_that_nodes() {
        let place = |node: &str, pulled: u32, waiting: u32| ImagePlace {
            image: IMAGE.to_owned(),
            node: Some(node.to_owned()),
            usage: Usage { pulled, waiting },
            latest: (pulled > 0).then(|| at(-5)),
        };
        let finding = stuck(IMAGE, "ErrImagePull", &text(""))
            .answer(
                Question::RegistryElsewhere {
                    registry: "registry.example.com:5000".to_owned(),
                },
                Answer::Elsewhere(vec![place("n1", 0, 1), place("n2", 1, 0)]),
            )
            .judge();
        assert_eq!(finding.object.kind, ObjectKind::Node);
    }

    #[test]
    fn the_servers_doubt_about_the_node_is_something_else() {
        let text = text("").replace(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "remote error: tls: unknown certificate authority",
        );
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::TlsOther
        );
    }

    #[test]
    fn trusted_here_the_chain_is_shown_for_comparison() {
        let seen = samples::good_tls(IMAGE, &samples::handshake(&["registry.example.com"]));
        let finding = stuck(IMAGE, "ErrImagePull", &text(""))
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.confidence, Confidence::Likely);
        let told: Vec<&str> = finding
            .evidence
            .iter()
            .map(|item| item.answer.as_str())
            .collect();
        assert!(
            told.iter().any(|text| text.contains("answers here")),
            "{told:?}"
        );
        assert!(told.contains(
            &"here it sends 1 certificate: for registry.example.com, issued by `CN=Company CA`, \
              valid from 2026-01-01T00:00:00Z to 2027-01-01T00:00:00Z, SHA-256 ab:cd"
        ), "{told:?}");
    }
}
