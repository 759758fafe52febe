//! `http-https-mismatch`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question, registry::Problem};

use super::{
    here,
    network::{ask_others, curl, subject, with_places},
    runtime_files::with_scheme,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::{FromNode, from_node, is_bad_plain_request},
    places::network_object,
};

cause! {
    /// # http-https-mismatch
    ///
    /// ## What it means
    ///
    /// The node speaks HTTPS and the registry plain HTTP, or the other way round. Runtimes take
    /// HTTPS unless they are told otherwise, host by host; `localhost` is the exception.
    ///
    /// ## How we know
    ///
    /// - `http: server gave HTTP response to HTTPS client`: the registry speaks plain HTTP.
    /// - `client sent an HTTP request to an HTTPS server`, or a malformed answer that begins with
    ///   `\x15\x03`: the registry speaks TLS and the node is configured for plain HTTP.
    /// - `first record does not look like a TLS handshake`: the port speaks neither, as far as the
    ///   text tells; *possible* only.
    ///
    /// `pulldoctor diagnose --node-view` looks at what the port speaks to the node itself: the same
    /// is *proven*.
    ///
    /// ## What to do
    ///
    /// - Give the registry a certificate: that mends it for every node, runtime and tool.
    /// - Or tell the runtime of every node that this host speaks plain HTTP: containerd
    ///   `/etc/containerd/certs.d/HOST/hosts.toml` with `server = "http://HOST"`, CRI-O
    ///   `insecure = true` in `registries.conf.d`, Docker `insecure-registries` in `daemon.json`.
    ///   What is pulled can then be read and changed on the way.
    ///
    /// ## What it is not
    ///
    /// - A certificate that is not trusted is `tls-unknown-authority`; do not turn TLS off for it.
    /// - A refused port 443 may be a registry on port 80: `registry-unreachable-refused`.
    ///
    /// ## Sources
    ///
    /// - Go `net/http/transport.go`, `crypto/tls/conn.go` (`RecordHeaderError`).
    /// - containerd `docs/hosts.md`, containers-registries.conf(5), `dockerd` documentation.
    HttpHttpsMismatch
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::PlainHttp | Fault::TlsExpected | Fault::NotTls => {
            let mut asked = ask_others(case);
            asked.extend(case.node_question());
            asked
        }
        _ => Vec::new(),
    }
}

/// Whether the port was seen to speak plain HTTP: from the node, or else from here.
fn speaks_plain_http(case: &Case<'_>) -> bool {
    from_node(case)
        .filter(FromNode::is_nodes_own)
        .and_then(|look| look.tls_problem(case))
        .or_else(|| here::problem(case))
        == Some(Problem::TlsPlainHttp)
}

/// Whether the node asks by plain HTTP what speaks TLS: by the server's words, or where the request
/// is bad and the port is seen to speak TLS, from the node or from here.
fn is_tls_wanted(case: &Case<'_>) -> bool {
    if *case.fault() == Fault::TlsExpected {
        return true;
    }
    if !is_bad_plain_request(case) {
        return false;
    }
    let node = from_node(case).filter(FromNode::is_nodes_own);
    node.is_some_and(|look| look.handshake(case).is_some()) || here::handshake(case).is_some()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let subject = subject(case);
    let is_tls_wanted = is_tls_wanted(case);
    let (confidence, summary) = match case.fault() {
        Fault::PlainHttp => (
            Confidence::Likely,
            format!("{subject} speaks plain HTTP, and the node asks it by HTTPS"),
        ),
        _ if is_tls_wanted => (
            Confidence::Likely,
            format!("{subject} speaks HTTPS, and the node asks it by plain HTTP"),
        ),
        Fault::NotTls if speaks_plain_http(case) => (
            Confidence::Likely,
            format!("{subject} speaks plain HTTP, and the node asks it by HTTPS"),
        ),
        Fault::NotTls => (
            Confidence::Possible,
            format!("{subject} does not answer with TLS, and the node asks it by HTTPS"),
        ),
        _ => return None,
    };
    let host = case.failed_host();
    let mut finding = case.finding(
        CauseId::HttpHttpsMismatch,
        confidence,
        network_object(case),
        summary,
    );
    if confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::TlsOther,
            "the answer may come from something that is no web server at all",
            "the first bytes that the port answers",
        );
    }
    finding = with_places(finding, case);
    finding = if is_tls_wanted {
        with_scheme(finding, case, "https")
    } else {
        with_scheme(finding, case, "http").remedy(
            "serve-tls",
            Applicability::Advice,
            format!("on the server: serve `{host}` with a certificate; plain HTTP can be read and changed on the way"),
            None,
        )
    };
    Some(
        finding
            .next(
                "what does the port speak, asked from the node?",
                Some(if is_tls_wanted {
                    curl(&host)
                } else {
                    curl(&host).replacen("https://", "http://", 1)
                }),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{Problem, TlsFacts},
    };

    use crate::{
        causes::here::samples,
        fixture::{node, own_network, stuck},
    };

    const IMAGE: &str = "registry.example.com:5000/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com:5000/v2/shop/api/manifests/1\": {end}"
        )
    }

    const PLAIN: &str = "http: server gave HTTP response to HTTPS client";

    fn command(runtime: &str) -> (String, String) {
        let mut facts = node();
        facts.runtime = runtime.to_owned();
        let finding = stuck(IMAGE, "ErrImagePull", &text(PLAIN))
            .node(facts)
            .judge();
        let file = finding
            .notes
            .iter()
            .find(|(word, _)| word == "file")
            .map(|(_, text)| text.clone())
            .unwrap();
        (file, finding.remedies[0].command.clone().unwrap())
    }

    #[test]
    fn a_bad_request_by_plain_http_to_a_port_that_speaks_tls() {
        let text = |scheme: &str| {
            format!(
                "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unexpected status from HEAD request to {scheme}://registry.example.com:5000/v2/shop/api/manifests/1: 400 Bad Request"
            )
        };
        let seen = samples::good_tls(IMAGE, &samples::handshake(&["registry.example.com"]));
        let finding = stuck(IMAGE, "ErrImagePull", &text("http"))
            .registry(seen.clone())
            .judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding.summary.contains("speaks HTTPS"),
            "{}",
            finding.summary
        );
        // Asked from the node's own network, the port is proven to speak TLS.
        let view = own_network(seen.clone());
        let finding = stuck(IMAGE, "ErrImagePull", &text("http"))
            .node_view(view)
            .judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert_eq!(finding.confidence, Confidence::Proven);
        for other in [
            stuck(IMAGE, "ErrImagePull", &text("https")).registry(seen),
            stuck(IMAGE, "ErrImagePull", &text("http")),
        ] {
            assert_ne!(other.judge().cause, CauseId::HttpHttpsMismatch);
        }
    }

    #[test]
    fn a_plain_registry_is_likely() {
        let finding = stuck(IMAGE, "ErrImagePull", &text(PLAIN)).judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("speaks plain HTTP"));
        assert!(finding.next.iter().any(|next| next.command.as_deref()
            == Some("curl -v --max-time 15 http://registry.example.com:5000/v2/")));
    }

    #[test]
    fn each_runtime_has_its_file_and_content() {
        let (file, command_) = command("containerd://2.4.2");
        assert_eq!(
            file,
            "/etc/containerd/certs.d/registry.example.com:5000/hosts.toml"
        );
        assert!(command_.contains("server = \"http://registry.example.com:5000\""));
        assert!(command_.contains("[host.\"http://registry.example.com:5000\"]"));
        let (file, command_) = command("cri-o://1.33.1");
        assert_eq!(
            file,
            "/etc/containers/registries.conf.d/registry.example.com_5000.conf"
        );
        assert!(command_.contains("insecure = true"));
        let (file, _) = command("docker://27.1.0");
        assert_eq!(file, "/etc/docker/daemon.json");
    }

    #[test]
    fn the_other_way_round_goes_back_to_https() {
        let end = "net/http: HTTP/1.x transport connection broken: malformed HTTP response \"\\x15\\x03\\x01\\x00\\x02\\x02\"";
        let finding = stuck(
            IMAGE,
            "ErrImagePull",
            &text(end).replace("https://", "http://"),
        )
        .node(node())
        .judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert!(finding.summary.contains("asks it by plain HTTP"));
        assert!(
            finding.remedies[0]
                .command
                .as_deref()
                .is_some_and(|command| command.contains("https://registry.example.com:5000"))
        );
    }

    #[test]
    fn what_speaks_neither_is_possible_only() {
        let end = "tls: first record does not look like a TLS handshake";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::TlsOther);
    }

    #[test]
    fn an_untrusted_certificate_is_no_reason_to_turn_tls_off() {
        let end =
            "tls: failed to verify certificate: x509: certificate signed by unknown authority";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert!(
            finding
                .remedies
                .iter()
                .all(|remedy| remedy.id != "set-scheme")
        );
    }

    #[test]
    fn plain_http_here_decides_what_the_text_leaves_open() {
        let end = "tls: first record does not look like a TLS handshake";
        let seen = |problem| samples::bad_tls(IMAGE, problem, TlsFacts::default());
        let finding = stuck(IMAGE, "ErrImagePull", &text(end))
            .registry(seen(Problem::TlsPlainHttp))
            .judge();
        assert_eq!(finding.cause, CauseId::HttpHttpsMismatch);
        assert_eq!(finding.confidence, Confidence::Likely);
        let other = stuck(IMAGE, "ErrImagePull", &text(end))
            .registry(seen(Problem::TlsNotTls))
            .judge();
        assert_eq!(other.confidence, Confidence::Possible);
    }
}
