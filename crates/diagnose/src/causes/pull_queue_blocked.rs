//! `pull-queue-blocked`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, ContainerKind, Event, Question, Symptom, Timestamp,
};

use super::{
    logs::open_logs,
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
    /// for those that wait behind an older pull. The kubelet's settings (`pulldoctor diagnose
    /// --node-view`) tell: *proven* where it pulls one image at a time, *possible* where it has
    /// room for more.
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
    let lanes = lanes(case);
    let confidence = match (&older, lanes) {
        (Some(_), Some(Lanes::One)) => Confidence::Proven,
        // There is room for more than wait: nobody is held up.
        (_, Some(Lanes::Many(most))) if most.is_none_or(|most| waiting.len() < most) => {
            Confidence::Possible
        }
        (Some(_), _) => Confidence::Likely,
        (None, _) => Confidence::Possible,
    };
    let mut finding = case.finding(
        CauseId::PullQueueBlocked,
        confidence,
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
    if let Some(lanes) = lanes {
        finding = finding.seen(
            case.node_config().answered(),
            match lanes {
                Lanes::One => "the kubelet pulls one image at a time".to_owned(),
                Lanes::Many(Some(most)) => {
                    format!("the kubelet pulls up to {most} images at a time")
                }
                Lanes::Many(None) => "the kubelet pulls any number of images at a time".to_owned(),
            },
        );
    }
    if finding.confidence == Confidence::Possible {
        finding = finding.rival(
            CauseId::PullTimeout,
            match lanes {
                Some(Lanes::Many(_)) => {
                    "the kubelet has room for more pulls: this one may be slow or stalled itself"
                }
                _ => "this is the oldest pull of the node: it may be slow or stalled itself",
            },
            "the runtime's log on the node, and whether bytes arrive",
        );
        finding = open_logs(finding, case);
    }
    if finding.confidence < Confidence::Proven {
        let config = case.node_config_question();
        finding = finding.open(config.and_then(|question| case.unanswered(question)));
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

/// How many images the kubelet pulls at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lanes {
    One,
    /// As many as this, or any number.
    Many(Option<usize>),
}

/// What the kubelet's settings say, where they were read.
fn lanes(case: &Case<'_>) -> Option<Lanes> {
    let config = case.node_config().seen()?;
    let most = config
        .max_parallel_image_pulls
        .and_then(|most| usize::try_from(most).ok());
    match (config.serialize_image_pulls, most) {
        (Some(true), _) | (_, Some(1)) => Some(Lanes::One),
        (Some(false), most) | (None, most @ Some(_)) => Some(Lanes::Many(most)),
        (None, None) => None,
    }
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
    use pulldoctor_model::{Answer, CauseId, Confidence, Event, KubeletConfig, Question};

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
    fn the_kubelets_settings_tell_whether_there_is_a_queue() {
        let pulling = || event("Pulling", &format!("Pulling image \"{IMAGE}\""), -400);
        let question = Question::NodeConfig {
            name: "n1".to_owned(),
        };
        let open = neighbour(silent(vec![pulling()]), -900);
        assert!(crate::node_questions(&open.evidence).contains(&question));
        let with = |serial: bool, most: Option<u32>| {
            let config = KubeletConfig {
                serialize_image_pulls: Some(serial),
                max_parallel_image_pulls: most,
                ..KubeletConfig::default()
            };
            neighbour(silent(vec![pulling()]), -900)
                .by_node(question.clone(), Answer::NodeConfig(Box::new(config)))
                .judge()
        };
        assert_eq!(with(true, None).confidence, Confidence::Proven);
        let parallel = with(false, Some(5));
        assert_eq!(parallel.cause, CauseId::PullQueueBlocked);
        assert_eq!(parallel.confidence, Confidence::Possible);
        assert_eq!(parallel.rivals[0].cause, CauseId::PullTimeout);
        assert_eq!(with(false, None).confidence, Confidence::Possible);
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
