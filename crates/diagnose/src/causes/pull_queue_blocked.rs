//! `pull-queue-blocked`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, ContainerKind, Event, Question, Symptom, Timestamp,
};

use super::{
    node_view::{age, duration, is, neighbours, on_node},
    support::quote,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

/// How long a pull may go on before it counts as held up, in seconds (contracts.md, "Words").
const PATIENCE: i64 = 300;

cause! {
    /// # pull-queue-blocked
    ///
    /// ## What it means
    ///
    /// Another pull on the node holds up this one. By default the kubelet pulls one image at a
    /// time, and sets no deadline: a pull that hangs keeps every later one waiting, whatever
    /// registry it needs. The containers stay `ContainerCreating` with a `Pulling` event and no
    /// further word.
    ///
    /// ## How we know
    ///
    /// Several containers on the node have been `Pulling` for five minutes or more without a
    /// result. The one that began first holds the queue. Or containerd says that a blob is `locked`
    /// by another pull.
    ///
    /// From the API alone it cannot be told whether the kubelet pulls serially, so it is *likely*
    /// for those that wait behind an older pull.
    ///
    /// ## What to do
    ///
    /// - Look at the oldest pull: its registry, its size. On the node: `crictl images`,
    ///   `journalctl -u containerd`.
    /// - End it: delete its pod, or restart the runtime on the node.
    /// - Let several pulls go on at once: `serializeImagePulls: false` and `maxParallelImagePulls`
    ///   in the kubelet's configuration (from 1.27 on).
    ///
    /// ## What it is not
    ///
    /// A single large image that is still being fetched is no fault.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/images/puller.go` 1.36 (`serialImagePuller`), KEP 3673; containerd
    ///   `core/content/local/locks.go`.
    PullQueueBlocked
}

/// Whether the container has been pulling without a word; its reason says nothing then.
fn is_silent(symptom: &Symptom) -> bool {
    symptom.reason == "ContainerCreating" && symptom.kind != ContainerKind::Sandbox
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_silent(case.symptom) {
        vec![case.events_question()]
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if is(case, &Fault::QueueBlocked) {
        return Some(locked(case));
    }
    if case.pasted || !is_silent(case.symptom) {
        return None;
    }
    let since = pulling_since(case)?;
    if age(case, since) < PATIENCE {
        return None;
    }
    // Only those that the scan holds to be stuck are at hand, each with the start of its wait.
    let waiting: Vec<(&Symptom, Timestamp)> = neighbours(case)
        .filter(|other| is_silent(other))
        .filter_map(|other| Some((other, other.since?)))
        .collect();
    if waiting.is_empty() {
        return None;
    }
    let older = waiting
        .iter()
        .filter(|(_, start)| *start < since)
        .min_by_key(|(_, start)| *start);
    let node = on_node(case);
    let (holder, start, behind) = match older {
        Some((holder, start)) => (*holder, *start, waiting.len()),
        None => (case.symptom, since, waiting.len()),
    };
    let mut finding = case.finding(
        CauseId::PullQueueBlocked,
        if older.is_some() {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        case.node_object(),
        format!(
            "the pull of `{}` on {node} has gone on for {} without a result, and {behind} more wait",
            holder.image,
            duration(age(case, start)),
        ),
    );
    finding = finding
        .note(
            "oldest pull",
            format!(
                "`{}` of pod `{}/{}`",
                holder.image, holder.namespace, holder.pod
            ),
        )
        .seen(
            case.events().answered(),
            format!(
                "`Pulling` {} ago, and no result since",
                duration(age(case, since))
            ),
        );
    if finding.confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::PullTimeout,
            "this is the oldest pull of the node: it may be slow or stalled itself",
            "the runtime's log on the node, and whether bytes arrive",
        );
    }
    Some(
        finding
            .next(
                format!("does the oldest pull on {node} go on?"),
                Some("journalctl -u containerd -u crio --since -30min | grep -i pull".to_owned()),
            )
            .remedy(
                "end-oldest-pull",
                Applicability::Consent,
                "delete the pod whose pull holds the queue",
                Some(format!(
                    "kubectl delete pod {} -n {}",
                    quote(&holder.pod),
                    quote(&holder.namespace)
                )),
            )
            .remedy(
                "parallel-pulls",
                Applicability::Advice,
                "let the kubelet pull several images at once: serializeImagePulls: false and maxParallelImagePulls",
                None,
            )
            .into(),
    )
}

/// containerd: another pull writes the same blob.
fn locked(case: &Case<'_>) -> Raised {
    case.finding(
        CauseId::PullQueueBlocked,
        Confidence::Likely,
        case.node_object(),
        format!(
            "another pull on {} holds a blob that this one needs",
            on_node(case)
        ),
    )
    .next(
        "which pull holds it?",
        Some("ctr -n k8s.io content active".to_owned()),
    )
    .remedy(
        "wait",
        Applicability::Advice,
        "wait for the other pull, or restart the runtime on the node if it hangs",
        None,
    )
    .into()
}

/// When the pull that is going on began; none if a result came after it.
fn pulling_since(case: &Case<'_>) -> Option<Timestamp> {
    let events = case.events().seen()?;
    let path = case.symptom.event_field_path();
    let newest = |reasons: &[&str]| {
        events
            .iter()
            .filter(|event| reasons.contains(&event.reason.as_str()))
            .filter(|event| match (&event.field_path, &path) {
                (Some(at), Some(wanted)) => at == wanted,
                _ => event.message.contains(&case.symptom.image),
            })
            .filter_map(|event: &Event| event.last.or(event.first))
            .max()
    };
    let began = newest(&["Pulling"])?;
    let ended = newest(&["Pulled", "Failed", "BackOff"]);
    ended.is_none_or(|ended| ended < began).then_some(began)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, Event, Question};

    use crate::fixture::{Fixture, at, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn event(reason: &str, message: &str, seconds: i64) -> Event {
        Event {
            kind: "Normal".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            field_path: Some("spec.containers{api}".to_owned()),
            first: Some(at(seconds)),
            last: Some(at(seconds)),
            count: 1,
        }
    }

    fn silent(events: Vec<Event>) -> Fixture {
        stuck(IMAGE, "ContainerCreating", "")
            .symptom(|symptom| symptom.since = Some(at(-400)))
            .answer(
                Question::PodEvents {
                    namespace: "shop".to_owned(),
                    pod: "api-1".to_owned(),
                    uid: "uid-1".to_owned(),
                },
                Answer::Events(events),
            )
    }

    fn neighbour(mut fixture: Fixture, seconds: i64) -> Fixture {
        let mut other = fixture.evidence.symptoms[0].clone();
        other.pod = "big-1".to_owned();
        other.pod_uid = "uid-2".to_owned();
        other.image = "registry.example.com/shop/big:1".to_owned();
        other.since = Some(at(seconds));
        fixture.evidence.symptoms.push(other);
        fixture
    }

    #[test]
    fn who_waits_behind_an_older_pull_is_held_up() {
        let pulling = event("Pulling", &format!("Pulling image \"{IMAGE}\""), -400);
        let finding = neighbour(silent(vec![pulling]), -900).judge();
        assert_eq!(finding.cause, CauseId::PullQueueBlocked);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("/big:1"), "{}", finding.summary);
        assert!(finding.summary.contains("15 min"), "{}", finding.summary);
        assert_eq!(finding.object.name, "n1");
    }

    #[test]
    fn the_oldest_may_be_slow_itself() {
        let pulling = event("Pulling", &format!("Pulling image \"{IMAGE}\""), -400);
        let finding = neighbour(silent(vec![pulling]), -310).judge();
        assert_eq!(finding.cause, CauseId::PullQueueBlocked);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::PullTimeout);
    }

    #[test]
    fn a_pull_that_ended_or_is_young_holds_nobody() {
        let pulling = || event("Pulling", &format!("Pulling image \"{IMAGE}\""), -400);
        let pulled = event(
            "Pulled",
            &format!("Successfully pulled image \"{IMAGE}\""),
            -100,
        );
        let ended = neighbour(silent(vec![pulling(), pulled]), -900);
        assert_eq!(ended.cause(), CauseId::Unknown);
        let young = event("Pulling", &format!("Pulling image \"{IMAGE}\""), -100);
        assert_eq!(
            neighbour(silent(vec![young]), -900).cause(),
            CauseId::Unknown
        );
        assert_eq!(silent(vec![pulling()]).cause(), CauseId::Unknown);
    }

    #[test]
    fn a_locked_blob_is_held_by_another_pull() {
        let text = "rpc error: code = Unavailable desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: ref layer-sha256:7c3b locked for 1m2s (since 2026-01-01T00:00:00Z): unavailable";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::PullQueueBlocked
        );
    }
}
