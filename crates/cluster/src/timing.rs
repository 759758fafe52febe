//! Since when a container waits and when the kubelet tries again, from its events.

use jiff::{SignedDuration, Timestamp};
use pulldoctor_model::{Event, Symptom};

use crate::symptoms::names_image;

/// The first pause after a failed pull (`imageBackOffPeriod`, `pkg/kubelet/kubelet.go`, 1.36).
const FIRST: SignedDuration = SignedDuration::from_secs(10);

/// The longest pause (`MaxImageBackOff`, same file).
const LONGEST: SignedDuration = SignedDuration::from_secs(300);

/// How long after its time a retry may come: kubelets up to 1.32 look again only every 60 to 90
/// seconds (`syncFrequency` with its jitter).
const LATE: SignedDuration = SignedDuration::from_secs(90);

/// Reasons after which the kubelet backs off. The others are retried at every sync.
const BACKED_OFF: [&str; 4] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// What an event says about a pull of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// `Pulling image "…"`.
    Begins,
    /// `Failed to pull image "…"`.
    Fails,
    /// `Back-off pulling image "…"`.
    BacksOff,
    /// `Successfully pulled image "…"`, or it was on the node.
    Succeeds,
}

/// Reads an event as a step of a pull of this image.
pub(crate) fn step(event: &Event, image: &str) -> Option<Step> {
    let step = match event.reason.as_str() {
        "Pulling" => Step::Begins,
        "Pulled" => Step::Succeeds,
        "BackOff" if event.message.starts_with("Back-off pulling image") => Step::BacksOff,
        "Failed" if event.message.starts_with("Failed to pull image") => Step::Fails,
        _ => return None,
    };
    // The image stands in quotes at the head of the message; what follows is a foreign text.
    let named = event.message.split('"').nth(1)?;
    (named == image || names_image(named, image)).then_some(step)
}

/// Whether an event belongs to this container (or, for image volumes, to the bare pod).
pub(crate) fn concerns(event: &Event, symptom: &Symptom) -> bool {
    match (&event.field_path, symptom.event_field_path()) {
        (Some(path), Some(wanted)) => *path == wanted,
        (path, None) => path.as_deref().unwrap_or_default().is_empty(),
        (None, Some(_)) => false,
    }
}

/// Fills `since` and `nextRetry` from the pod's events, as far as they tell.
pub(crate) fn refine(symptom: &mut Symptom, events: &[Event], observed: Timestamp) {
    let steps: Vec<(Step, &Event)> = events
        .iter()
        .filter(|event| concerns(event, symptom))
        .filter_map(|event| Some((step(event, &symptom.image)?, event)))
        .collect();
    let last_success = steps
        .iter()
        .filter(|(step, _)| *step == Step::Succeeds)
        .filter_map(|(_, it)| it.last)
        .max();
    let is_of_this_streak = |event: &Event| match (event.last, last_success) {
        (Some(last), Some(success)) => last > success,
        _ => true,
    };
    let first = steps
        .iter()
        .filter(|(step, event)| *step != Step::Succeeds && is_of_this_streak(event))
        .filter_map(|(_, event)| event.first)
        // An event that began before the last success goes on counting: it began anew then.
        .map(|first| last_success.map_or(first, |success| first.max(success)))
        .min();
    if let Some(first) = first
        && symptom.since.is_none_or(|since| first > since)
    {
        symptom.since = Some(first);
    }
    if !BACKED_OFF.contains(&symptom.reason.as_str()) {
        return;
    }
    let failures: Vec<&Event> = steps
        .iter()
        .filter(|(step, event)| *step == Step::Fails && is_of_this_streak(event))
        .map(|(_, event)| *event)
        .collect();
    let Some(last) = failures.iter().filter_map(|event| event.last).max() else {
        return;
    };
    let count: u32 = failures.iter().map(|event| event.count.max(1)).sum();
    let next = last + pause(count);
    // Failed events are rate-limited away on old pods: a time long past says nothing.
    if next + LATE >= observed {
        symptom.next_retry = Some(next);
    }
}

/// The pause after so many failures: 10 s, doubled each time, at most 300 s.
fn pause(failures: u32) -> SignedDuration {
    let factor = 1_i32 << failures.saturating_sub(1).min(6);
    (FIRST * factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::ContainerKind;

    use super::*;
    use crate::suspects::fixture::{event, symptom};

    fn at(minute: u32, second: u32) -> Timestamp {
        format!("2026-01-01T10:{minute:02}:{second:02}Z")
            .parse()
            .unwrap()
    }

    #[test]
    fn the_pause_doubles_up_to_five_minutes() {
        let pauses: Vec<i64> = (1..9).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn the_next_try_follows_the_newest_failure() {
        let mut symptom = symptom("reg.example.com/a:1");
        "ImagePullBackOff".clone_into(&mut symptom.reason);
        let path = Some("spec.containers{api}");
        let events = [
            event(
                "Pulling",
                "Pulling image \"reg.example.com/a:1\"",
                path,
                at(0, 0),
                at(1, 10),
                3,
            ),
            event(
                "Failed",
                "Failed to pull image \"reg.example.com/a:1\": x",
                path,
                at(0, 1),
                at(1, 11),
                3,
            ),
            event(
                "Failed",
                "Error: ErrImagePull",
                path,
                at(0, 1),
                at(1, 11),
                3,
            ),
            event(
                "BackOff",
                "Back-off pulling image \"reg.example.com/a:1\"",
                path,
                at(0, 2),
                at(1, 20),
                5,
            ),
            event(
                "Failed",
                "Failed to pull image \"reg.example.com/a:12\": y",
                path,
                at(0, 1),
                at(1, 30),
                9,
            ),
            event(
                "Failed",
                "Failed to pull image \"reg.example.com/a:1\": z",
                Some("spec.containers{b}"),
                at(0, 1),
                at(1, 40),
                9,
            ),
        ];
        refine(&mut symptom, &events, at(1, 25));
        assert_eq!(symptom.since, Some(at(0, 0)));
        assert_eq!(symptom.next_retry, Some(at(1, 51)));
    }

    #[test]
    fn a_time_long_past_is_no_forecast() {
        let mut symptom = symptom("a:1");
        "ErrImagePull".clone_into(&mut symptom.reason);
        let path = Some("spec.containers{api}");
        let events = [event(
            "Failed",
            "Failed to pull image \"a:1\": x",
            path,
            at(0, 1),
            at(0, 1),
            1,
        )];
        refine(&mut symptom, &events, at(30, 0));
        assert_eq!(symptom.next_retry, None);
    }

    #[test]
    fn an_earlier_success_starts_the_count_anew() {
        let mut symptom = symptom("a:1");
        "ErrImagePull".clone_into(&mut symptom.reason);
        let path = Some("spec.containers{api}");
        let events = [
            event(
                "Pulling",
                "Pulling image \"a:1\"",
                path,
                at(0, 0),
                at(20, 0),
                2,
            ),
            event(
                "Pulled",
                "Successfully pulled image \"a:1\" in 1s",
                path,
                at(0, 5),
                at(0, 5),
                1,
            ),
            event(
                "Failed",
                "Failed to pull image \"a:1\": x",
                path,
                at(20, 1),
                at(20, 1),
                1,
            ),
        ];
        refine(&mut symptom, &events, at(20, 2));
        assert_eq!(symptom.since, Some(at(0, 5)));
        assert_eq!(symptom.next_retry, Some(at(20, 11)));
    }

    #[test]
    fn image_volumes_have_bare_pod_events() {
        let mut symptom = symptom("vol:1");
        symptom.kind = ContainerKind::ImageVolume;
        "ImagePullBackOff".clone_into(&mut symptom.reason);
        let events = [event(
            "Failed",
            "Failed to pull image \"vol:1\": x",
            None,
            at(0, 1),
            at(0, 1),
            1,
        )];
        refine(&mut symptom, &events, at(0, 2));
        assert_eq!(symptom.next_retry, Some(at(0, 11)));
    }
}
