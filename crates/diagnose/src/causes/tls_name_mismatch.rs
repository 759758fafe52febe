//! `tls-name-mismatch`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Question, clean_line};

use super::{
    here,
    network::{ask_others, bare, show_chain, subject, with_places},
    support::{quote, with_set_image},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::from_node,
    places::network_object,
};

cause! {
    /// # tls-name-mismatch
    ///
    /// ## What it means
    ///
    /// The host shows a certificate that is good for other names, not for the one it was asked
    /// by. Either the registry has another name, or someone else answers at its address.
    ///
    /// ## How we know
    ///
    /// - `x509: certificate is valid for A, B, not HOST` lists the names that it has.
    /// - `cannot validate certificate for IP because it doesn't contain any IP SANs`: the host is
    ///   asked by its address, and the certificate names none.
    /// - `certificate is not valid for any names`: it has no subject alternative names at all.
    ///
    /// `pulldoctor diagnose --node-view` shows the handshake from the node itself: the same fault
    /// there is *proven*.
    ///
    /// ## What to do
    ///
    /// - Name the registry in the image as the certificate does, if that name is the same server.
    /// - Or issue the certificate for the name (or the address) that images use.
    /// - A default certificate (`ingress.local`) says that an ingress controller answers which
    ///   does not know the host.
    ///
    /// ## What it is not
    ///
    /// - `certificate relies on legacy Common Name field` is `tls-other`.
    ///
    /// ## Sources
    ///
    /// - Go `crypto/x509/verify.go` (`HostnameError`).
    TlsNameMismatch
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.pull_fault() {
        Fault::NameMismatch => {
            let mut asked = ask_others(case);
            asked.push(Question::RegistriesInUse);
            asked
        }
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::NameMismatch {
        return None;
    }
    let facts = &case.reading().facts;
    // Where the text names none, the certificate that is sent to the node does, or the one here.
    let mut names = facts.valid_for.clone();
    if names.is_empty()
        && let Some(leaf) = from_node(case)
            .and_then(|look| look.handshake(case))
            .or_else(|| here::handshake(case))
            .and_then(|seen| seen.chain.first())
    {
        names.extend(leaf.names.iter().map(|name| clean_line(name).into_owned()));
    }
    let host = case.failed_host();
    let wanted = facts
        .wanted_name
        .clone()
        .unwrap_or_else(|| bare(&host).to_owned());
    let is_address = wanted.parse::<std::net::IpAddr>().is_ok();
    let subject = subject(case);
    let summary = if !names.is_empty() {
        let shown: Vec<String> = names
            .iter()
            .take(3)
            .map(|name| format!("`{name}`"))
            .collect();
        let more = names.len().saturating_sub(shown.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!(
            "the certificate of {subject} is for {}{more}, not for `{wanted}`",
            shown.join(", ")
        )
    } else if is_address {
        format!("the certificate of {subject} does not name the address `{wanted}`")
    } else {
        format!("the certificate of {subject} does not name `{wanted}`")
    };
    let mut finding = case.finding(
        CauseId::TlsNameMismatch,
        Confidence::Likely,
        network_object(case),
        summary,
    );
    if names
        .iter()
        .any(|name| name == "ingress.local" || name.ends_with(".traefik.default"))
    {
        finding = finding.note(
            "who answers",
            "an ingress controller, with the default certificate that it shows for hosts it does \
             not know",
        );
    }
    finding = with_other_name(finding, case, &names);
    // Here the host shows a certificate that names it: the node is led to another server.
    let (id, title, command) = if here::answers(case) {
        (
            "node-names",
            format!(
                "on the node: see where `{}` leads (its hosts file, its resolver, the runtime's settings); here a server answers whose certificate names it",
                bare(&host)
            ),
            Some(format!("getent ahosts {}", quote(bare(&host)))),
        )
    } else {
        (
            "issue-for-name",
            format!("on the server: issue the certificate for `{wanted}`"),
            None,
        )
    };
    Some(
        with_places(finding, case)
            .next(
                "which names does the certificate have that the host sends?",
                Some(format!(
                    "{} | openssl x509 -noout -ext subjectAltName",
                    show_chain(&host)
                )),
            )
            .remedy(id, Applicability::Advice, title, command)
            .into(),
    )
}

/// Offers a name of the certificate under which other pods pull already.
fn with_other_name(finding: Finding, case: &Case<'_>, names: &[String]) -> Finding {
    let (Some(image), None) = (&case.image, &case.reading().foreign_host) else {
        return finding;
    };
    let (Some(span), Some(registries)) = (image.spans().registry, case.registries_in_use().seen())
    else {
        return finding;
    };
    let Some(other) = registries.iter().find(|registry| {
        registry.usage.pulled > 0 && names.iter().any(|name| name == bare(&registry.host))
    }) else {
        return finding.caret(span, "not a name of the certificate");
    };
    let right = format!("{}{}", other.host, &image.as_written()[span.end..]);
    let finding = finding
        .caret(span, format!("the certificate says `{}`", other.host))
        .seen(
            case.registries_in_use().answered(),
            format!(
                "other pods pull from `{}`, which the certificate names",
                other.host
            ),
        );
    with_set_image(
        finding,
        case,
        "set-host",
        format!("use `{right}`, if it is the same registry"),
        &right,
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, Question, RegistryUse, Usage, registry::Problem,
    };

    use crate::{causes::here::samples, fixture::stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn text(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: {end}"
        )
    }

    #[test]
    fn both_names_are_told() {
        let end = "certificate is valid for hub.example.com, *.apps.example.com, not registry.example.com";
        let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
        assert_eq!(finding.cause, CauseId::TlsNameMismatch);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("`hub.example.com`"));
        assert!(finding.summary.contains("not for `registry.example.com`"));
        assert!(
            finding
                .remedies
                .iter()
                .all(|remedy| remedy.id != "set-host")
        );
    }

    #[test]
    fn a_name_that_others_pull_from_is_offered() {
        let end = "certificate is valid for hub.example.com, not registry.example.com";
        let used = |host: &str| RegistryUse {
            host: host.to_owned(),
            usage: Usage {
                pulled: 2,
                waiting: 0,
            },
        };
        let finding = stuck(IMAGE, "ErrImagePull", &text(end))
            .answer(
                Question::RegistriesInUse,
                Answer::Registries(vec![used("quay.io"), used("hub.example.com")]),
            )
            .judge();
        let remedy = finding
            .remedies
            .iter()
            .find(|remedy| remedy.id == "set-host")
            .unwrap();
        assert_eq!(
            remedy.command.as_deref(),
            Some("kubectl set image deployment/api api=hub.example.com/shop/api:1 -n shop")
        );
    }

    #[test]
    fn a_server_that_is_right_here_needs_no_other_certificate() {
        let end = "certificate is valid for hub.example.com, not registry.example.com";
        let seen = samples::good_tls(IMAGE, &samples::handshake(&["registry.example.com"]));
        let finding = stuck(IMAGE, "ErrImagePull", &text(end))
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::TlsNameMismatch);
        assert!(
            finding
                .remedies
                .iter()
                .all(|remedy| remedy.id != "issue-for-name")
        );
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some("getent ahosts registry.example.com")
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text(end)).judge();
        assert_eq!(finding.remedies[0].id, "issue-for-name");
    }

    #[test]
    fn an_address_without_ip_sans() {
        let image = "10.9.0.4:5000/shop/api:1";
        let text = "failed to pull and unpack image \"10.9.0.4:5000/shop/api:1\": failed to resolve image: failed to do request: Head \"https://10.9.0.4:5000/v2/shop/api/manifests/1\": tls: failed to verify certificate: x509: cannot validate certificate for 10.9.0.4 because it doesn't contain any IP SANs";
        let finding = stuck(image, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::TlsNameMismatch);
        assert!(finding.summary.contains("the address `10.9.0.4`"));
    }

    #[test]
    fn a_legacy_common_name_is_another_fault() {
        let end = "certificate relies on legacy Common Name field, use SANs instead";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text(end)).cause(),
            CauseId::TlsOther
        );
    }

    #[test]
    fn the_names_of_the_certificate_here_are_told_where_the_text_has_none() {
        let image = "10.9.0.4:5000/shop/api:1";
        let text =
            text("cannot validate certificate for 10.9.0.4 because it doesn't contain any IP SANs")
                .replace("registry.example.com", "10.9.0.4:5000");
        let seen = samples::bad_tls(
            image,
            Problem::TlsNameMismatch,
            samples::handshake(&["hub.example.com"]),
        );
        let finding = stuck(image, "ErrImagePull", &text).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::TlsNameMismatch);
        assert!(
            finding
                .summary
                .contains("is for `hub.example.com`, not for"),
            "{}",
            finding.summary
        );
    }
}
