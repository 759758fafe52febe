//! `blocked-by-policy`.

use pulldoctor_messages::{Fault, Operation, PolicyKind, ProxyFault, Runtime};
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Object, Question,
    registry::{Problem, Role, StageName, StageOutcome},
};

use super::support::{
    ask_registry,
    checked::{manifest, said, with_checked},
    credentials::{is_public, led, login_questions, with_rivals},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    view::{Sight, from_here},
};

cause! {
    /// # blocked-by-policy
    ///
    /// ## What it means
    ///
    /// A rule refuses the pull, not a missing login: of the registry (country, address, quota,
    /// scan result, terms), of a firewall or filter on the way, or of the node's or cluster's own
    /// configuration.
    ///
    /// ## How we know
    ///
    /// The answer names the rule: `we now block all IP addresses that are located in …`, `client
    /// with IP "…" is not allowed access`, `not in the allowlist`, `PROJECTPOLICYVIOLATION`,
    /// `Payment Required`, a filter's own page. A bare 403 in the middle of a layer, or on an
    /// image that everyone may pull, is *possible*. Where the registry serves the layers here and
    /// not to the node, or to nobody that was tried, that makes it *likely*.
    ///
    /// `pulldoctor diagnose --node-view` asks from the node's own address: 403 before any login is
    /// asked for is a filter's answer.
    ///
    /// ## What to do
    ///
    /// It depends on the rule, which the evidence names: allow the node's address, pull from
    /// another registry or a mirror, accept the terms, mend what the scan found, pay the bill, or
    /// ask those who run the filter.
    ///
    /// ## What it is not
    ///
    /// A login without the right to pull is `auth-forbidden`.
    ///
    /// ## Sources
    ///
    /// - Docker Hub's export control page; Azure, `IP access rules`; Harbor
    ///   `src/server/middleware/vulnerable`; registry.k8s.io `docs/debugging.md`.
    BlockedByPolicy
    generals: [AuthForbidden, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    match case.fault() {
        // Only the body of the registry's answer names the rule.
        Fault::BlockedByPolicy {
            policy: PolicyKind::Scan | PolicyKind::Other,
        }
        | Fault::HttpStatus { status: 412 } => ask_registry(case),
        // Whether the layers are refused to everybody, or to this node alone.
        _ if is_forbidden_layer(case) => ask_registry(case),
        _ => login_questions(case),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let fault = case.fault();
    if let Some(sight) = refused_by_rule(case) {
        let finding = by_words(case, PolicyKind::Scan, Confidence::Likely);
        return Some(with_checked(finding, &sight).into());
    }
    if let Fault::BlockedByPolicy { policy } = *fault {
        let confidence = if policy == PolicyKind::Other {
            Confidence::Possible
        } else {
            Confidence::Likely
        };
        return Some(by_words(case, policy, confidence).into());
    }
    if let Fault::HttpStatus { status } = *fault {
        let (policy, confidence) = match status {
            402 => (PolicyKind::Quota, Confidence::Likely),
            451 => (PolicyKind::Legal, Confidence::Likely),
            // Harbor's answer where a project's rule about scans or signatures is not met.
            412 => (PolicyKind::Scan, Confidence::Possible),
            _ => return None,
        };
        return Some(by_words(case, policy, confidence).into());
    }
    if let Some(lead) = led(case, CauseId::BlockedByPolicy) {
        let finding = case.finding(
            CauseId::BlockedByPolicy,
            lead.confidence,
            Object::registry(case.failed_host()),
            if is_public(case) {
                format!(
                    "everyone may pull `{}`, but `{}` answers 403 to this node",
                    case.image_name(),
                    case.failed_host()
                )
            } else {
                format!(
                    "`{}` refuses `{}` with 403 before it asks for any login",
                    case.failed_host(),
                    case.image_name()
                )
            },
        );
        return Some(with_remedy(with_rivals(finding, case, &lead), PolicyKind::Other).into());
    }
    if is_forbidden_layer(case) {
        return Some(forbidden_layer(case).into());
    }
    // Docker prints a bare status text for a registry's refusal as for a proxy's. Google's front
    // end is known to refuse addresses for registry.k8s.io.
    let bare = matches!(
        fault,
        Fault::Proxy {
            failure: ProxyFault::Refused { status: 403 }
        }
    );
    if bare && case.reading().runtime == Some(Runtime::Docker) && is_public(case) {
        let finding = case
            .finding(
                CauseId::BlockedByPolicy,
                Confidence::Possible,
                Object::registry(case.failed_host()),
                format!("`{}` answers 403 to this node", case.failed_host()),
            )
            .rival(
                CauseId::ProxyFailure,
                "a proxy's refusal has the same text",
                "the proxy settings of the runtime on the node",
            );
        return Some(with_remedy(finding, PolicyKind::ClientAddress).into());
    }
    None
}

/// A refusal whose rule the registry names here, where the runtime's text gives a bare status:
/// Harbor's `PROJECTPOLICYVIOLATION`.
fn refused_by_rule<'a>(case: &Case<'a>) -> Option<Sight<'a>> {
    let refused = matches!(
        case.fault(),
        Fault::Forbidden
            | Fault::AccessDenied
            | Fault::HttpStatus { status: 412 }
            | Fault::BlockedByPolicy {
                policy: PolicyKind::Scan | PolicyKind::Other
            }
    );
    let sight = from_here(case).filter(|_| refused)?;
    manifest(&sight)?
        .error
        .as_ref()
        .is_some_and(|error| error.has("PROJECTPOLICYVIOLATION"))
        .then_some(sight)
}

/// 403 after the manifest was served.
fn is_forbidden_layer(case: &Case<'_>) -> bool {
    let reading = case.reading();
    *case.fault() == Fault::Forbidden
        && (reading.operation == Some(Operation::Blob)
            || reading.url.as_ref().is_some_and(|url| url.is_blob)
            || case.text().contains("image layer"))
}

/// A layer that is refused, beside what became of it here.
fn forbidden_layer(case: &Case<'_>) -> Finding {
    let registry = case.registry();
    let sight = from_here(case);
    let host = refusing_host(case, sight.as_ref());
    let object = Object::registry(host.clone());
    let raise = |confidence, summary| {
        case.finding(
            CauseId::BlockedByPolicy,
            confidence,
            object.clone(),
            summary,
        )
    };
    let stage = sight.and_then(|sight| sight.transcript.first_failure());
    match (sight, stage) {
        (Some(sight), None) if serves_layers(&sight) => {
            let summary = format!(
                "`{host}` refuses the layers of `{}` to the node with 403, and serves them here",
                case.image_name()
            );
            let finding = with_checked(raise(Confidence::Likely, summary), &sight);
            with_remedy(finding, PolicyKind::ClientAddress)
        }
        (Some(sight), Some(stage))
            if matches!(
                (stage.stage, stage.problem),
                (
                    StageName::Config | StageName::Layers,
                    Some(Problem::BlobRefused)
                )
            ) =>
        {
            let summary = format!(
                "`{registry}` serves the manifest, but `{host}` refuses the layers to everybody who was tried"
            );
            with_checked(raise(Confidence::Likely, summary), &sight)
                .note("refusal", said(stage))
                .remedy(
                    "open-blob-store",
                    Applicability::Advice,
                    format!(
                        "ask those who run `{registry}`: the store behind it (`{host}`) does not take \
                         the addresses that it signs, for want of a right, by an address rule, or \
                         since its clock is off"
                    ),
                    None,
                )
        }
        _ => {
            let finding = raise(
                Confidence::Possible,
                format!("`{registry}` serves the manifest, but `{host}` refuses a layer with 403"),
            )
            .rival(
                CauseId::AuthForbidden,
                "the login may open the manifest and not the layer",
                case.registry_question().to_string(),
            );
            // A registry that refuses them itself goes by the login, or by a rule of its own.
            let finding = match sight {
                Some(sight) => with_checked(finding, &sight),
                None => finding.open(Some(case.registry_question())),
            };
            with_remedy(finding, PolicyKind::Firewall)
        }
    }
}

/// The host that refuses a layer. containerd 1.x names the registry also where it was redirected;
/// here the store behind it is seen to refuse.
fn refusing_host(case: &Case<'_>, sight: Option<&Sight<'_>>) -> String {
    let host = case.failed_host();
    if host != case.registry() {
        return host;
    }
    let is_of_store = |sight: &&Sight<'_>| {
        let stage = sight.transcript.first_failure();
        stage.and_then(|stage| stage.problem) == Some(Problem::BlobRefused)
    };
    sight
        .filter(is_of_store)
        .and_then(|sight| {
            let mut others = sight.transcript.other_hosts.iter().rev();
            others.find(|other| other.role == Role::Blob)
        })
        .map_or(host, |store| store.host.clone())
}

fn serves_layers(sight: &Sight<'_>) -> bool {
    let stage = sight.transcript.stage(StageName::Layers);
    stage.is_some_and(|stage| stage.outcome == StageOutcome::Ok)
}

fn by_words(case: &Case<'_>, policy: PolicyKind, confidence: Confidence) -> Finding {
    let reading = case.reading();
    let known = !case.pasted || reading.registry.is_some() || reading.foreign_host.is_some();
    let host = if known {
        format!("`{}`", case.failed_host())
    } else {
        "the registry".to_owned()
    };
    let summary = match policy {
        PolicyKind::Geography => format!("{host} refuses the country of the node's address"),
        PolicyKind::ClientAddress => format!("{host} refuses the node's address"),
        PolicyKind::AllowList => format!("{host} serves only what its allow-list names"),
        PolicyKind::Scan => format!("{host} refuses the image by a rule about scans"),
        PolicyKind::Quota => format!("{host} refuses because of a quota or a bill"),
        PolicyKind::Legal => {
            format!("{host} refuses for legal reasons, or until terms are accepted")
        }
        PolicyKind::Firewall => format!("a filter on the way to {host} refuses"),
        PolicyKind::NodeConfig => format!("the node's own configuration blocks {host}"),
        PolicyKind::Admission => "an admission rule of the cluster refuses the image".to_owned(),
        PolicyKind::Other => format!("a policy of {host}, or before it, refuses"),
    };
    let mut finding = case.finding(
        CauseId::BlockedByPolicy,
        confidence,
        Object::registry(case.failed_host()),
        summary,
    );
    if confidence == Confidence::Possible {
        let (rival, because) = if reading.status == Some(412) {
            (
                CauseId::RegistryServerError,
                "the answer does not say which rule is not met",
            )
        } else {
            (CauseId::AuthForbidden, "the answer does not name the rule")
        };
        finding = finding.rival(rival, because, case.registry_question().to_string());
    }
    if is_public(case) {
        finding = finding.rules_out(CauseId::AuthForbidden, "everyone may pull the image");
    }
    with_remedy(finding, policy)
}

fn with_remedy(finding: Finding, policy: PolicyKind) -> Finding {
    let title = match policy {
        PolicyKind::Geography => "pull from a mirror that serves the node's country",
        PolicyKind::ClientAddress => "allow the address under which the nodes reach the registry",
        PolicyKind::AllowList => "have the image put on the list, or pull it from its own registry",
        PolicyKind::Scan => "mend what the scan found, or relax the project's rule",
        PolicyKind::Quota => "look at the account's quota and bill",
        PolicyKind::Legal => "accept the terms with the account whose login is used",
        PolicyKind::Firewall => {
            "ask those who run the filter to allow the registry and its layer hosts"
        }
        PolicyKind::NodeConfig => "change `blocked` in registries.conf on the node",
        PolicyKind::Admission => "read the rule that the text names",
        PolicyKind::Other => "ask those who run the registry or the filter before it",
    };
    finding.remedy("lift-policy", Applicability::Advice, title, None)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{
            ErrorBody, Facts, ManifestFacts, OtherHost, Problem, RegistryError, Role, StageName,
        },
    };

    use crate::{
        causes::support::{
            credentials::samples::{FORBIDDEN, IMAGE, about, account},
            missing::samples::there,
        },
        fixture::{failed_at, pull_secret, stage, stuck},
    };

    #[test]
    fn the_answer_names_the_rule() {
        let text = "Error response from daemon: pull access denied for shop/api, repository does not exist or may require 'docker login': denied: <html><body><h1>403 Forbidden</h1>\nSince Docker is a US company, we must comply with US export control regulations.</body></html>";
        let finding = stuck("shop/api:1", "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("country"));
    }

    #[test]
    fn a_public_image_that_is_forbidden() {
        let text = about(FORBIDDEN, "registry.k8s.io");
        let finding = account(
            stuck("registry.k8s.io/shop/api:1", "ErrImagePull", &text),
            &[],
        )
        .judge();
        assert_eq!(finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn a_layer_that_is_forbidden_after_a_good_manifest() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: unexpected status code https://cdn.example.net/blobs/sha256:aa: 403 Forbidden";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::AuthForbidden);
        let stuck = || stuck(IMAGE, "ErrImagePull", text).secret("regcred", pull_secret());
        let refused = failed_at(IMAGE, StageName::Config, Problem::BlobRefused, Facts::None);
        let everywhere = stuck().registry(refused).judge();
        assert_eq!(everywhere.cause, CauseId::BlockedByPolicy);
        assert_eq!(everywhere.confidence, Confidence::Likely);
        assert!(everywhere.summary.contains("everybody"));
        let by_itself = failed_at(IMAGE, StageName::Layers, Problem::Forbidden, Facts::None);
        let by_itself = stuck().registry(by_itself).judge();
        assert_eq!(by_itself.confidence, Confidence::Possible);
        assert_eq!(by_itself.rivals[0].cause, CauseId::AuthForbidden);
        let mut served = there(IMAGE);
        assert_eq!(
            stuck().registry(served.clone()).judge().confidence,
            Confidence::Possible,
            "the layers were not looked at"
        );
        served.stages.push(stage(StageName::Layers, None));
        let here = stuck().registry(served).judge();
        assert_eq!(here.confidence, Confidence::Likely);
        assert!(here.summary.contains("serves them here"));
        // What fails before the layers says nothing of them.
        let cut = failed_at(IMAGE, StageName::Tcp, Problem::TcpTimeout, Facts::None);
        assert_eq!(
            stuck().registry(cut).judge().confidence,
            Confidence::Possible
        );
    }

    #[test]
    fn the_store_that_refuses_is_named_where_the_runtime_names_the_registry() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry.example.com/v2/shop/api/blobs/sha256:aa: 403 Forbidden";
        let mut refused = failed_at(IMAGE, StageName::Config, Problem::BlobRefused, Facts::None);
        refused.other_hosts.push(OtherHost {
            host: "store.example.net".to_owned(),
            role: Role::Blob,
            stages: Vec::new(),
        });
        let finding = stuck(IMAGE, "ErrImagePull", text).registry(refused).judge();
        assert_eq!(finding.object.name, "store.example.net");
        assert!(
            finding.summary.contains("`store.example.net` refuses"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn a_bare_status_of_docker_on_a_public_image_is_the_registrys() {
        let text = "Error response from daemon: Head \"https://registry.k8s.io/v2/pause/manifests/3.9\": Forbidden";
        let verdict = crate::read_text(text);
        assert_eq!(verdict.finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(verdict.rivals(), [CauseId::ProxyFailure]);
        let private = text.replace("registry.k8s.io", "registry.example.com");
        assert_eq!(
            crate::read_text(&private).finding.cause,
            CauseId::ProxyFailure
        );
    }

    #[test]
    fn a_plain_403_is_a_matter_of_rights_first() {
        let finding = account(stuck(IMAGE, "ErrImagePull", FORBIDDEN), &[])
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::AuthForbidden);
        assert!(
            finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::BlockedByPolicy)
        );
    }

    #[test]
    fn a_rule_that_the_registry_names_here_explains_a_bare_status() {
        let facts = Facts::Manifest(ManifestFacts {
            method: "GET".to_owned(),
            status: Some(403),
            error: Some(ErrorBody {
                errors: vec![RegistryError {
                    code: "PROJECTPOLICYVIOLATION".to_owned(),
                    message: "current image with 3 vulnerabilities cannot be pulled".to_owned(),
                }],
                text: None,
            }),
            ..ManifestFacts::default()
        });
        let seen = failed_at(IMAGE, StageName::Manifest, Problem::Forbidden, facts);
        let finding = stuck(IMAGE, "ErrImagePull", FORBIDDEN)
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("scans"));
        let alone = stuck(IMAGE, "ErrImagePull", FORBIDDEN).judge();
        assert_ne!(alone.cause, CauseId::BlockedByPolicy);
    }
}
