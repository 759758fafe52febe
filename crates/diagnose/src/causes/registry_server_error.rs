//! `registry-server-error`.

use pulldoctor_messages::{Fault, Operation};
use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Object, Question};

use super::{
    network::{Route, route, subject},
    runtime_files::with_mirror_file,
    support::{
        ask_registry,
        checked::with_checked,
        credentials::{refuses_own_token, with_login_evidence},
    },
    there::{open_node_view, registry_answers, with_over, with_seen},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::{Agreement, agreement, from_node, reproduced},
    transcript::of_problem,
    view::from_here,
};

cause! {
    /// # registry-server-error
    ///
    /// ## What it means
    ///
    /// The registry was reached and answered with a fault of its own: an outage, a full disk
    /// behind it, a proxy in front of it that cannot reach it.
    ///
    /// ## How we know
    ///
    /// A status of 500 and above. An answer that no registry gives (HTML where JSON belongs, a
    /// token answer without a token) is only *possible*: a proxy or a login page may have
    /// answered in its place. So is a 401 for a layer whose manifest was served, and a token that the
    /// registry calls invalid though its own service granted it to a good login. The same answer
    /// from here makes it *likely*, since the node's proxy does not stand between.
    ///
    /// `pulldoctor diagnose --node-view` asks from the node itself, past the runtime's proxy and
    /// mirrors: a 5xx there too is *proven*; a good answer makes it *possible* only.
    ///
    /// ## What to do
    ///
    /// - Look at the registry's status page, or at its log if it is yours.
    /// - Nothing is to be changed in the pod: the kubelet tries again by itself, at most every
    ///   five minutes.
    ///
    /// ## What it is not
    ///
    /// - A bare `: Bad Gateway` after a request, without a status, is a proxy's answer.
    /// - 429 is `rate-limited`.
    ///
    /// ## Sources
    ///
    /// - containerd `core/remotes/docker/resolver.go`, `fetcher.go`.
    /// - containers/image `docker/docker_client.go`: `received unexpected HTTP status`.
    RegistryServerError
}

/// What the registry's answer looks like.
fn answered(case: &Case<'_>) -> Option<(Option<u16>, bool)> {
    match *case.fault() {
        Fault::ServerError { status } => Some((status, true)),
        Fault::UnexpectedAnswer { status } => Some((status, false)),
        Fault::HttpStatus { status } if !matches!(status, 402 | 407 | 412 | 451) => {
            Some((Some(status), false))
        }
        _ => None,
    }
}

/// 401 for a layer after the manifest was served: whoever may read the one may read the other.
fn refuses_a_layer(case: &Case<'_>) -> bool {
    matches!(case.fault(), Fault::Unauthorized | Fault::BadLogin)
        && case.reading().operation == Some(Operation::Blob)
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if (answered(case).is_none() && !refuses_a_layer(case)) || case.pasted {
        return Vec::new();
    }
    let mut asked = vec![case.registry_elsewhere_question()];
    asked.extend(ask_registry(case));
    asked
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if refuses_a_layer(case) {
        return Some(refused_layer(case));
    }
    if refuses_own_token(case) {
        return Some(refused_token(case));
    }
    let (status, is_fault) = answered(case)?;
    let foreign = case.reading().foreign_host.as_ref();
    let known = !case.pasted || case.reading().registry.is_some() || foreign.is_some();
    let host = if known {
        subject(case)
    } else {
        "the registry".to_owned()
    };
    // An answer that is no registry's, and comes here too, is not one of the node's proxy.
    let same_here = foreign.is_none() && fails_here(case);
    // A probe on the node asks past the runtime's proxy.
    let on_node = reproduced(case);
    let confidence = match (is_fault, on_node) {
        (true, true) => Confidence::Proven,
        (false, false) if !same_here => Confidence::Possible,
        _ => Confidence::Likely,
    };
    let summary = match (status, is_fault) {
        (Some(status), true) => format!("{host} answers with a fault of its own: {status}"),
        (None, true) => format!("{host} answers with a fault of its own"),
        (Some(status), false) => format!("{host} answers {status}, not as a registry does"),
        (None, false) => format!("{host} does not answer as a registry does"),
    };
    let mut finding = case.finding(
        CauseId::RegistryServerError,
        confidence,
        Object::registry(case.failed_host()),
        summary,
    );
    if confidence == Confidence::Possible {
        let decided_by = case.node_view_question().map_or_else(
            || case.registry_question().to_string(),
            |question| question.to_string(),
        );
        let because = if registry_answers(case) {
            "it answers the node as a registry does where the runtime's proxy is left out"
        } else {
            "a proxy or a login page may have answered in its place"
        };
        finding = finding
            .rival(CauseId::ProxyFailure, because, decided_by.clone())
            .rival(
                CauseId::BlockedByPolicy,
                "a filter between the node and the registry may have answered",
                decided_by,
            );
    }
    finding = with_node_answer(with_others(finding, case), case);
    if matches!(route(case), Route::Mirror | Route::StandIn) {
        finding = with_mirror_file(finding, case);
    }
    Some(with_wait(finding).into())
}

/// The registry's token service grants a token, and the registry calls it invalid: by its clock, its
/// keys, or what the service is set up for.
fn refused_token(case: &Case<'_>) -> Raised {
    let host = case.failed_host();
    let finding = case
        .finding(
            CauseId::RegistryServerError,
            Confidence::Possible,
            Object::registry(host.clone()),
            format!("`{host}` does not take the token that its own token service grants"),
        )
        .rival(
            CauseId::AuthForbidden,
            "a service may grant a useless token to a login that lacks the right",
            "what the registry's log says of the token",
        )
        .remedy(
            "token-service",
            Applicability::Advice,
            "compare the clocks of registry and token service, and the key, issuer and service \
             that the registry is set up to trust",
            None,
        );
    with_wait(with_login_evidence(finding, case)).into()
}

/// What the registry answers on the node, past the runtime's proxy and mirrors.
fn with_node_answer(mut finding: Finding, case: &Case<'_>) -> Finding {
    let Some(look) = from_node(case) else {
        return open_node_view(finding, case);
    };
    finding = with_seen(finding, case, &look);
    match agreement(case) {
        Agreement::Same if look.is_nodes_own() => finding
            .seen(
                Some(look.answered),
                "it fails from the node in the same way",
            )
            .rules_out(
                CauseId::ProxyFailure,
                "the answer comes to the node without its runtime's proxy, too",
            ),
        Agreement::Beyond if look.is_nodes_own() => {
            finding.confidence = finding.confidence.min(Confidence::Possible);
            with_over(
                finding.seen(
                    Some(look.answered),
                    "it answers the node as a registry does: the fault is over, or in what lies \
                     between it and the runtime",
                ),
                case,
            )
        }
        _ => finding,
    }
}

/// Whether the registry has a fault of its own here, too.
fn fails_here(case: &Case<'_>) -> bool {
    from_here(case)
        .and_then(|sight| sight.problem())
        .is_some_and(|problem| of_problem(problem) == Some(CauseId::RegistryServerError))
}

/// What the registry answers here.
fn with_answer(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(sight) = from_here(case) else {
        return finding;
    };
    let finding = with_checked(finding, &sight);
    if matches!(route(case), Route::Mirror | Route::StandIn) {
        // A mirror of the node's was not asked from here, and the registry itself is another server.
        return if sight.transcript.is_good() {
            finding.seen(
                Some(sight.answered),
                format!("`{}` itself serves the image here", case.registry()),
            )
        } else {
            finding
        };
    }
    if fails_here(case) {
        finding.seen(Some(sight.answered), "it fails here, too")
    } else if sight.transcript.is_good() {
        finding.seen(
            Some(sight.answered),
            "it serves the image here: the fault is over, or lies between it and the node",
        )
    } else {
        finding
    }
}

fn refused_layer(case: &Case<'_>) -> Raised {
    let finding = case
        .finding(
            CauseId::RegistryServerError,
            Confidence::Possible,
            Object::registry(case.failed_host()),
            format!(
                "`{}` serves the manifest and refuses a layer of it with 401",
                case.failed_host()
            ),
        )
        .rival(
            CauseId::AuthExpiredCredentials,
            "the token may have expired while the layers came",
            case.registry_question().to_string(),
        )
        .open(Some(case.registry_question()));
    with_wait(with_others(finding, case)).into()
}

fn with_wait(finding: Finding) -> Finding {
    finding.remedy(
        "wait",
        Applicability::Safe,
        "wait for the registry: the kubelet tries again by itself, at most every 5 minutes",
        None,
    )
}

/// Whether other pulls from there fail as well.
fn with_others(finding: Finding, case: &Case<'_>) -> Finding {
    let places = case.registry_elsewhere();
    let Some(rows) = places.seen() else {
        return with_answer(finding, case);
    };
    let images = rows
        .iter()
        .filter(|row| row.usage.waiting > 0 && row.image != case.symptom.image)
        .count();
    let told = match images {
        0 => "no other image of this registry fails to be pulled".to_owned(),
        1 => "another image of this registry fails to be pulled, too".to_owned(),
        more => format!("{more} other images of this registry fail to be pulled, too"),
    };
    with_answer(finding.seen(places.answered(), told), case)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{Facts, Problem, StageName},
    };

    use crate::{
        causes::support::{
            credentials::samples::{FORBIDDEN, IMAGE},
            missing::samples::there,
        },
        fixture::{failed_at, stuck},
    };

    #[test]
    fn a_status_of_five_hundred() {
        let text = FORBIDDEN.replace("403 Forbidden", "503 Service Unavailable");
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.name, "registry.example.com");
        assert!(finding.summary.contains("503"));
    }

    #[test]
    fn a_login_page_is_only_possible() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to authorize: failed to fetch anonymous token: unable to decode token response: invalid character '<' looking for beginning of value";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ProxyFailure);
    }

    #[test]
    fn a_layer_refused_after_its_manifest() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry.example.com/v2/shop/api/blobs/sha256:766c52bc20840538b2aa166e6f4ab30906ccb620ef58d7f49394eec61fbfe144: 401 Unauthorized - Server message: unauthorized: unauthenticated: User cannot be authenticated with the token provided.";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.summary.contains("a layer"), "{}", finding.summary);
    }

    #[test]
    fn a_refusal_is_no_fault_of_the_registry() {
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", FORBIDDEN).cause(),
            CauseId::RegistryServerError
        );
    }

    #[test]
    fn a_fault_here_too_is_likely_and_no_more() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: failed to authorize: failed to fetch anonymous token: unable to decode token response: invalid character '<' looking for beginning of value";
        let seen = failed_at(IMAGE, StageName::Token, Problem::TokenUnusable, Facts::None);
        let finding = stuck(IMAGE, "ErrImagePull", text).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Likely);
        let good = stuck(IMAGE, "ErrImagePull", text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(good.confidence, Confidence::Possible);
    }

    #[test]
    fn what_a_mirror_answers_is_not_seen_from_here() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve image: unexpected status from HEAD request to https://mirror.example.com/v2/shop/api/manifests/1?ns=registry.example.com: 500 Internal Server Error";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(
            finding.summary,
            "`mirror.example.com`, the node's mirror of `registry.example.com`, answers with a fault of its own: 500"
        );
        let answers: Vec<&str> = finding
            .evidence
            .iter()
            .map(|item| item.answer.as_str())
            .collect();
        assert!(answers.contains(&"`registry.example.com` itself serves the image here"));
        assert!(
            !answers.iter().any(|answer| answer.contains("is over")),
            "{answers:?}"
        );
    }

    #[test]
    fn a_fault_that_is_over_here_stays_what_the_node_was_told() {
        let text = FORBIDDEN.replace("403 Forbidden", "503 Service Unavailable");
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::RegistryServerError);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer.contains("the fault is over"))
        );
    }
}
