//! `unknown`: the honest answer.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Finding, Question};

use super::support::in_namespace;
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
    let summary = if case.pasted {
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
    finding.next(
        "what does the next try say?",
        Some(format!(
            "kubectl get events {} --watch --field-selector involvedObject.name={}",
            in_namespace(case),
            super::support::quote(&case.symptom.pod)
        )),
    )
}
