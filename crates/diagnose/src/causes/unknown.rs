//! `unknown`: the honest answer.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Finding, Question};

use super::support::{credentials::changed, in_namespace};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    texts::is_free_text,
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
    /// try (a secret that was written later is named), or the node goes another way: a login of
    /// its own, a mirror.
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

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature of every cause's judge"
)]
fn judge(case: &Case<'_>) -> Option<Raised> {
    Some(finding(case).into())
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
        return with_next_try(changed.with_details(finding, case), case);
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
    if is_free_text(&case.symptom.reason) {
        finding = finding.note("reason", case.symptom.reason.clone());
    }
    with_next_try(finding, case)
}

fn with_next_try(finding: Finding, case: &Case<'_>) -> Finding {
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
    use pulldoctor_model::{CauseId, Event, Question, registry::Identity};

    use crate::{
        causes::support::credentials::samples::{HOST, IMAGE, WRONG_LOGIN, account},
        fixture::{Fixture, at, challenged, granted, login_secret, refused, stuck, written},
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
        assert_eq!(finding.cause, CauseId::Unknown);
        assert!(
            finding.summary.contains("`regcred` was written after"),
            "{}",
            finding.summary
        );
        assert!(!finding.next.is_empty());
        let later = mended(-10).judge();
        assert!(
            later.summary.contains("refused the node"),
            "{}",
            later.summary
        );
    }
}
