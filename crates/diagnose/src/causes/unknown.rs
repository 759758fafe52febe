//! `unknown`: the honest answer.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, ContainerKind, Finding, Object, Question,
    registry::{CredentialRecord, Problem, Stage, StageName},
};

use super::{
    image_not_found_tag::with_nearest,
    logs::open_logs,
    node_view::on_node,
    support::{
        ask_registry,
        checked::with_checked,
        credentials::{changed, login_object, open_kubelet},
        in_namespace, tag_of,
    },
    there::{open_node_view, with_seen},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::from_node,
    texts::is_free_text,
    transcript::{cause_of, of_problem},
    view::{Reached, Sight, View, from_here, look},
};

cause! {
    /// # unknown
    ///
    /// ## What it means
    ///
    /// The evidence does not tell why the image cannot be pulled. Nothing is guessed to fill the
    /// gap: what was ruled out is listed, and the next question to ask is named.
    ///
    /// ## How we know
    ///
    /// No text of the container carries a cause. Kubelets up to 1.31 write only `Back-off pulling
    /// image "…"` into the status; the reason then stands in the events, which are kept for one
    /// hour and are rate-limited, so on a pod that has failed for longer it is often gone.
    ///
    /// Or the evidence contradicts itself: the registry refused the node, and serves the image to
    /// the pod's own login when it is asked now. Then something has changed since the node's last
    /// try, or the node goes another way: a login of its own, a mirror. Where the secret is known
    /// to have been written after that try, the last failure is told by its own cause, as
    /// *possible*.
    ///
    /// The registry is then asked from here with the pod's credentials. What any place is told (a
    /// missing tag, a refused login) is named as *likely*; that a name does not resolve here, or
    /// that the registry is in trouble just now, as *possible* at most.
    ///
    /// With `pulldoctor diagnose --node-view` the logs of the node's kubelet and runtime are read
    /// for the image, and the registry is looked at from the node: what the log says is judged like
    /// any text.
    ///
    /// ## What to do
    ///
    /// - Ask again right after the kubelet's next try: the text is fresh then.
    /// - Delete the pod if a controller recreates it: the new pod starts without back-off and its
    ///   first failure carries the text.
    /// - Read the runtime's log on the node: `journalctl -u containerd` or `journalctl -u crio`.
    ///
    /// ## What it is not
    ///
    /// It is not a cause of its own, and not a sign that the pull works.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/images/image_manager.go` 1.31 and 1.32: the message of
    ///   `ImagePullBackOff` carries the cause from 1.32 on.
    /// - client-go `tools/record/events_cache.go`: how events are dropped and merged.
    Unknown
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_silent(case) {
        ask_registry(case)
    } else {
        Vec::new()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature of every cause's judge"
)]
fn judge(case: &Case<'_>) -> Option<Raised> {
    let told = is_silent(case)
        .then(|| {
            let told = [by_registry(case), by_node(case)];
            told.into_iter()
                .flatten()
                .max_by_key(|finding| finding.confidence)
        })
        .flatten();
    Some(told.unwrap_or_else(|| finding(case)).into())
}

/// Whether a pull failed and no text says why.
fn is_silent(case: &Case<'_>) -> bool {
    let symptom = case.symptom;
    !case.pasted
        && !case.text_has_cause()
        && *case.fault() != Fault::NotAPullProblem
        && symptom.kind != ContainerKind::Sandbox
        && matches!(
            symptom.reason.as_str(),
            "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable"
        )
}

/// What the node itself meets on its way to the registry, where its text says nothing. Its runtime
/// may go another way (a mirror, a proxy), so it is possible only.
fn by_node(case: &Case<'_>) -> Option<Finding> {
    let look = from_node(case)?;
    let transcript = look.registry()?;
    let stage = transcript.first_failure()?;
    // It has no login, and only this computer's authorities: what hangs on them tells nothing.
    if stage.stage > StageName::Http
        || matches!(
            stage.problem,
            Some(Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain)
        )
    {
        return None;
    }
    let cause = of_problem(stage.problem?)?;
    let mut finding = case.finding(
        cause,
        Confidence::Possible,
        object_of(case, cause, stage),
        format!(
            "asked from {}, `{}` fails: {}",
            on_node(case),
            case.registry(),
            stage.problem.map_or("", Problem::as_text)
        ),
    );
    finding = finding.rival(
        CauseId::Unknown,
        if look.is_nodes_own() {
            "the node's runtime says nothing, and may go through a proxy or to a mirror"
        } else {
            "what pods meet on the node may not be what its runtime meets"
        },
        "the next try's text, or the runtime's log",
    );
    Some(open_logs(with_seen(finding, case, &look), case))
}

/// What the registry says to the pod's credentials, where the node says nothing. There is no text
/// that it could agree with, so it is never proven; what depends on the place is only possible.
fn by_registry(case: &Case<'_>) -> Option<Finding> {
    let sight = from_here(case)?;
    let stage = sight.transcript.first_failure()?;
    let cause = cause_of(sight.transcript)?;
    let is_sure = is_the_same_everywhere(&sight, stage);
    let mut finding = case.finding(
        cause,
        if is_sure {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        object_of(case, cause, stage),
        summary_of(case, cause, stage),
    );
    if !is_sure {
        finding = finding.rival(
            CauseId::Unknown,
            "the node says nothing, and may see it otherwise than this place",
            case.node_view_question().map_or_else(
                || "the next try's text".to_owned(),
                |question| question.to_string(),
            ),
        );
    }
    finding = with_checked(finding, &sight);
    if let Some(look) = from_node(case) {
        finding = with_seen(finding, case, &look);
    }
    finding = open_node_view(finding, case);
    if cause == CauseId::ImageNotFoundTag {
        finding = with_nearest(finding, case, &sight);
    }
    Some(finding)
}

/// Whether a failure is one that any place meets that comes with the pod's credentials. A node may
/// have a login of its own where the pod has none.
fn is_the_same_everywhere(sight: &Sight<'_>, stage: &Stage) -> bool {
    let with_login = sight
        .transcript
        .credentials
        .iter()
        .any(CredentialRecord::is_login);
    match stage.problem {
        Some(Problem::TokenRefused | Problem::Unauthorized | Problem::Forbidden) => with_login,
        _ => match Reached::of_transcript(sight.transcript) {
            Reached::Asked | Reached::Content => true,
            Reached::Manifest => stage.stage != StageName::Layers,
            _ => false,
        },
    }
}

fn object_of(case: &Case<'_>, cause: CauseId, stage: &Stage) -> Object {
    match cause {
        CauseId::AuthBadCredentials
        | CauseId::AuthExpiredCredentials
        | CauseId::PublicImageWrongCredential => login_object(case),
        _ if stage.stage <= StageName::Http => Object::registry(case.registry()),
        CauseId::RateLimited | CauseId::RegistryServerError | CauseId::BlobHostUnreachable => {
            Object::registry(case.registry())
        }
        _ => case.image_object(),
    }
}

fn summary_of(case: &Case<'_>, cause: CauseId, stage: &Stage) -> String {
    match (cause, &case.image) {
        (CauseId::ImageNotFoundTag, Some(image)) => {
            format!("`{}` has no tag `{}`", image.repo(), tag_of(image))
        }
        (CauseId::ImageNotFoundRepo, Some(image)) => format!("`{}` does not exist", image.repo()),
        (CauseId::ImageNotFoundDigest, Some(image)) => format!(
            "`{}` has no manifest of the digest that the image names",
            image.repo()
        ),
        _ => {
            let problem = stage.problem.map_or("it fails", Problem::as_text);
            format!(
                "asked from here, `{}` does not serve `{}`: {problem}",
                case.registry(),
                case.image_name()
            )
        }
    }
}

/// The finding where no cause is raised.
pub(crate) fn finding(case: &Case<'_>) -> Finding {
    let changed = changed(case);
    let summary = if let Some(changed) = &changed {
        changed.summary(case)
    } else if case.pasted {
        match case.fault() {
            Fault::NotAPullProblem => "the text is about something else than a pull".to_owned(),
            Fault::BackOffOnly => "the text says that a pull failed, but not why".to_owned(),
            _ => "the text does not say why the pull failed".to_owned(),
        }
    } else {
        format!(
            "nothing says yet why `{}` cannot be pulled",
            case.image_name()
        )
    };
    let mut finding = case.finding(
        CauseId::Unknown,
        Confidence::Unknown,
        case.pod_object(),
        summary,
    );
    if case.pasted {
        return finding.next(
            "what does the container's status say after the next try?",
            Some("kubectl get pod POD -o jsonpath='{.status.containerStatuses[*].state.waiting.message}'".to_owned()),
        );
    }
    if let Some(changed) = &changed {
        return with_next_try(
            open_kubelet(changed.with_details(finding, case), case),
            case,
        );
    }
    let events = case.events();
    if let Some(answered) = events.answered() {
        let gone = events.seen().is_some_and(<[_]>::is_empty);
        finding = finding.seen(
            Some(answered),
            if gone {
                "none is left (events are kept for an hour)"
            } else {
                "none that says why"
            },
        );
    } else {
        finding = finding.open(Some(case.events_question()));
    }
    if let Some(sight) = from_here(case).filter(|_| is_silent(case)) {
        finding = with_checked(finding, &sight);
    } else if matches!(look(case), View::Behind(_)) {
        finding = finding.open(Some(case.registry_question()));
    }
    if is_silent(case) {
        finding = match from_node(case) {
            Some(look) => with_seen(finding, case, &look),
            None => open_node_view(finding, case),
        };
        finding = open_logs(finding, case);
    }
    if is_free_text(&case.symptom.reason) {
        finding = finding.note("reason", case.symptom.reason.clone());
    }
    with_next_try(finding, case)
}

/// Adds what to do where nothing is left to mend.
pub(crate) fn with_nothing_to_mend(finding: Finding, case: &Case<'_>) -> Finding {
    with_next_try(finding, case).remedy(
        "wait",
        Applicability::Safe,
        "wait for the kubelet's next try, at most 5 minutes; a pod that is made anew tries at once",
        None,
    )
}

/// Adds the question that the next try answers.
pub(crate) fn with_next_try(finding: Finding, case: &Case<'_>) -> Finding {
    finding.next(
        "what does the next try say?",
        Some(format!(
            "kubectl get events {} --watch --field-selector involvedObject.name={}",
            in_namespace(case),
            super::support::quote(&case.symptom.pod)
        )),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, Event, ObjectKind, Question,
        registry::{Facts, Identity, Problem, StageName},
    };

    use crate::{
        causes::support::{
            credentials::samples::{FORBIDDEN, HOST, IMAGE, WRONG_LOGIN, account},
            missing::samples,
        },
        fixture::{
            Fixture, at, challenged, failed_at, granted, login_secret, node, refused, stuck,
            written,
        },
    };

    fn mended(tried: i64) -> Fixture {
        let fixture = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[written(login_secret("regcred", &[HOST]), -100)])
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, granted(200))],
                refused(Identity::Unknown, 401),
            ));
        assert!(
            fixture
                .questions()
                .iter()
                .any(|question| matches!(question, Question::PodEvents { .. }))
        );
        fixture.events(vec![Event {
            kind: "Normal".to_owned(),
            reason: "Pulling".to_owned(),
            message: format!("Pulling image \"{IMAGE}\""),
            field_path: Some("spec.containers{api}".to_owned()),
            first: Some(at(-900)),
            last: Some(at(tried)),
            count: 4,
        }])
    }

    #[test]
    fn a_secret_that_was_written_after_the_last_try_is_named() {
        let finding = mended(-200).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.object.name, "regcred");
        assert!(
            finding.summary.contains("`regcred` was written after"),
            "{}",
            finding.summary
        );
        assert!(!finding.next.is_empty());
        let later = mended(-10).judge();
        assert_eq!(later.cause, CauseId::Unknown);
        assert!(
            later.summary.contains("refused the node"),
            "{}",
            later.summary
        );
    }

    #[test]
    fn a_secret_that_was_created_after_the_last_try_was_missing() {
        let text = FORBIDDEN.replace("403 Forbidden", "401 Unauthorized");
        let secret = |seconds| {
            written(login_secret("regcred", &[HOST]), seconds)
                .change(|secret| secret.created = Some(at(seconds)))
        };
        let event = |reason: &str, message: &str, field: Option<&str>| Event {
            kind: "Warning".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            field_path: field.map(str::to_owned),
            first: Some(at(-900)),
            last: Some(at(-200)),
            count: 4,
        };
        let pulling = event("Pulling", "Pulling image", Some("spec.containers{api}"));
        let lost = event(
            "FailedToRetrieveImagePullSecret",
            "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
            None,
        );
        let judge = |text: &str, created: i64, events: Vec<Event>| {
            account(stuck(IMAGE, "ErrImagePull", text), &[])
                .keyring(&[secret(created)])
                .registry(challenged(
                    IMAGE,
                    &[("regcred", HOST, granted(200))],
                    refused(Identity::Unknown, 401),
                ))
                .events(events)
                .judge()
        };
        // In the second of the try itself only the kubelet's own event tells.
        for (created, events, rival) in [
            (-100, vec![pulling.clone()], CauseId::AuthBadCredentials),
            (-200, vec![pulling.clone(), lost], CauseId::Unknown),
        ] {
            let finding = judge(&text, created, events);
            assert_eq!(finding.cause, CauseId::SecretMissing);
            assert_eq!(finding.confidence, Confidence::Possible);
            assert_eq!(finding.object.name, "regcred");
            assert!(
                finding.summary.contains("was not there at"),
                "{}",
                finding.summary
            );
            let rivals: Vec<CauseId> = finding.rivals.iter().map(|one| one.cause).collect();
            assert_eq!(rivals, [rival]);
            assert!(!finding.next.is_empty());
        }
        // A login was sent: then the secret of that name was there before.
        let finding = judge(WRONG_LOGIN, -100, vec![pulling.clone()]);
        assert_ne!(finding.cause, CauseId::SecretMissing);
        let finding = judge(&text, -200, vec![pulling]);
        assert_ne!(finding.cause, CauseId::SecretMissing);
    }

    /// An old kubelet's status, and events that are gone.
    fn silent() -> Fixture {
        let text = format!("Back-off pulling image \"{IMAGE}\"");
        let events = Question::PodEvents {
            namespace: "shop".to_owned(),
            pod: "api-1".to_owned(),
            uid: "uid-1".to_owned(),
        };
        stuck(IMAGE, "ImagePullBackOff", &text)
            .node(node())
            .answer(events, Answer::Events(Vec::new()))
    }

    #[test]
    fn nothing_is_guessed_without_the_registry() {
        let finding = silent().judge();
        assert_eq!(finding.cause, CauseId::Unknown);
        assert!(
            silent()
                .questions()
                .iter()
                .any(|question| { matches!(question, Question::Registry { content: false, .. }) })
        );
    }

    #[test]
    fn what_any_place_is_told_is_likely() {
        let finding = silent().registry(samples::lists(IMAGE, &["2"])).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Image);
    }

    #[test]
    fn what_depends_on_the_place_is_only_possible() {
        for (name, problem, cause) in [
            (
                StageName::Dns,
                Problem::DnsNxdomain,
                CauseId::RegistryUnreachableDns,
            ),
            (
                StageName::Tls,
                Problem::TlsUnknownAuthority,
                CauseId::TlsUnknownAuthority,
            ),
            (StageName::Http, Problem::RateLimited, CauseId::RateLimited),
            (
                StageName::Manifest,
                Problem::ServerError,
                CauseId::RegistryServerError,
            ),
        ] {
            let seen = failed_at(IMAGE, name, problem, Facts::None);
            let finding = silent().registry(seen).judge();
            assert_eq!(finding.cause, cause);
            assert_eq!(finding.confidence, Confidence::Possible, "{problem:?}");
            assert_eq!(finding.rivals[0].cause, CauseId::Unknown);
            assert_eq!(finding.object.kind, ObjectKind::Registry);
        }
    }

    #[test]
    fn what_is_served_here_stays_unknown_and_excludes_much() {
        let finding = silent().registry(samples::there(IMAGE)).judge();
        assert_eq!(finding.cause, CauseId::Unknown);
        assert_eq!(finding.confidence, Confidence::Unknown);
        let excluded: Vec<_> = finding.ruled_out.iter().map(|out| out.cause).collect();
        assert!(excluded.contains(&CauseId::ImageNotFoundTag));
        assert!(excluded.contains(&CauseId::AuthBadCredentials));
        assert!(!excluded.contains(&CauseId::RegistryUnreachableDns));
        assert!(!finding.next.is_empty());
    }
}
