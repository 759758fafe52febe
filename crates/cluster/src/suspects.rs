//! What only events can show to be stuck: the pause image, and a pull that hangs while another
//! pull of the node is open as well. Pure.

use jiff::Timestamp;
use pulldoctor_model::{Event, Symptom};

use crate::{
    events::PodRef,
    symptoms::{Draft, PATIENCE, capped},
    timing::{Step, concerns, step},
};

/// A pod that may be stuck.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    /// The symptom that it has if its pause image cannot be pulled.
    pub(crate) sandbox: Option<Draft>,
    /// The symptoms that it has if a pull hangs; empty for young pods.
    pub(crate) slow: Vec<Draft>,
}

/// A pull that has begun and has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenPull {
    pub(crate) node: String,
    pub(crate) image: String,
}

impl Suspect {
    fn any(&self) -> Option<&Symptom> {
        self.sandbox
            .iter()
            .chain(&self.slow)
            .map(|draft| &draft.symptom)
            .next()
    }

    /// The pod whose events decide.
    pub(crate) fn pod(&self) -> Option<PodRef> {
        self.any().map(|symptom| PodRef {
            namespace: symptom.namespace.clone(),
            pod: symptom.pod.clone(),
            uid: symptom.pod_uid.clone(),
        })
    }

    /// The pulls of this pod that are open.
    pub(crate) fn open_pulls(&self, events: &[Event]) -> Vec<OpenPull> {
        let drafts: Vec<&Draft> = if self.slow.is_empty() {
            self.sandbox.iter().collect()
        } else {
            self.slow.iter().collect()
        };
        drafts
            .into_iter()
            .filter(|draft| open_since(&draft.symptom, events).is_some())
            .map(|draft| OpenPull {
                node: draft.symptom.node.clone().unwrap_or_default(),
                image: draft.symptom.image.clone(),
            })
            .collect()
    }

    /// The drafts of pulls that have been open for long enough to count.
    pub(crate) fn hanging(&self, events: &[Event], observed: Timestamp) -> Vec<Draft> {
        self.slow
            .iter()
            .filter_map(|draft| {
                let since = open_since(&draft.symptom, events)?;
                if observed.duration_since(since) < PATIENCE {
                    return None;
                }
                let mut draft = draft.clone();
                draft.symptom.since = Some(since);
                Some(draft)
            })
            .collect()
    }

    /// The symptom of a pause image that cannot be pulled.
    pub(crate) fn without_sandbox(&self, events: &[Event]) -> Option<Draft> {
        let mut draft = self.sandbox.clone()?;
        let newest = events
            .iter()
            .filter(|event| event.reason == "FailedCreatePodSandBox")
            .max_by_key(|event| event.last)?;
        // A later failure of another kind says that the pause image is there by now.
        let image = pause_image(&newest.message)?;
        let succeeded = events.iter().any(|event| {
            matches!(
                event.reason.as_str(),
                "Pulling" | "Pulled" | "Created" | "Started"
            ) && event.last >= newest.last
        });
        if succeeded {
            return None;
        }
        draft.symptom.image = image;
        draft.symptom.reason.clone_from(&newest.reason);
        draft.symptom.message = capped(&newest.message);
        let first = events
            .iter()
            .filter(|event| {
                event.reason == "FailedCreatePodSandBox" && pause_image(&event.message).is_some()
            })
            .filter_map(|event| event.first)
            .min();
        draft.symptom.since = first.or(draft.symptom.since);
        Some(draft)
    }
}

/// What the events of suspects show.
#[derive(Debug, Default)]
pub(crate) struct Weighed {
    /// Pods that are stuck, with the pod whose events say so.
    pub(crate) stuck: Vec<(PodRef, Draft)>,
    /// Pulls that hang; they count where another pull of the node is open.
    pub(crate) hanging: Vec<(PodRef, Draft)>,
    /// All pulls that are open.
    pub(crate) open: Vec<OpenPull>,
}

impl Weighed {
    /// The pods that are stuck, those with a hanging pull in company included.
    pub(crate) fn into_stuck(self) -> Vec<(PodRef, Draft)> {
        let open = self.open;
        let mut stuck = self.stuck;
        stuck.extend(
            self.hanging
                .into_iter()
                .filter(|(_, draft)| has_company(draft, &open)),
        );
        stuck
    }
}

/// Weighs suspects by their events; those whose events are not known are passed over.
pub(crate) fn weigh<'e>(
    suspects: &[Suspect],
    events_of: impl Fn(&PodRef) -> Option<&'e [Event]>,
    observed: Timestamp,
) -> Weighed {
    let mut weighed = Weighed::default();
    for suspect in suspects {
        let Some(pod) = suspect.pod() else { continue };
        let Some(events) = events_of(&pod) else {
            continue;
        };
        weighed.open.extend(suspect.open_pulls(events));
        match suspect.without_sandbox(events) {
            Some(draft) => weighed.stuck.push((pod, draft)),
            None => {
                let hanging = suspect.hanging(events, observed);
                weighed
                    .hanging
                    .extend(hanging.into_iter().map(|draft| (pod.clone(), draft)));
            }
        }
    }
    weighed
}

/// Whether a pull of another image is open on the same node.
pub(crate) fn has_company(draft: &Draft, open: &[OpenPull]) -> bool {
    open.iter().any(|pull| {
        Some(&pull.node) == draft.symptom.node.as_ref() && pull.image != draft.symptom.image
    })
}

/// Since when the newest pull of the symptom's image has been without a result.
fn open_since(symptom: &Symptom, events: &[Event]) -> Option<Timestamp> {
    let mine = || events.iter().filter(|event| concerns(event, symptom));
    let begun = mine()
        .filter(|event| step(event, &symptom.image) == Some(Step::Begins))
        .filter_map(|event| event.last)
        .max()?;
    let has_result = mine().any(|event| {
        let is_result = matches!(event.reason.as_str(), "Failed" | "Created" | "Started")
            || step(event, &symptom.image).is_some_and(|step| step != Step::Begins);
        is_result && event.last.is_some_and(|last| last >= begun)
    });
    (!has_result).then_some(begun)
}

/// The pause image that a sandbox failure names.
///
/// containerd: `failed to get sandbox image "R": failed to pull image "R": …`
/// (`internal/cri/server/podsandbox/sandbox_run.go`). dockershim and cri-dockerd: `failed pulling
/// image "R": …`, where R is a `pause`. CRI-O: `… initializing source docker://R: …`.
pub(crate) fn pause_image(message: &str) -> Option<String> {
    // Texts that went through `%q` once more have their quotes escaped.
    let plain = message.replace("\\\"", "\"");
    if let Some((_, rest)) = plain.split_once("sandbox image \"") {
        return rest
            .split('"')
            .next()
            .filter(|image| !image.is_empty())
            .map(capped);
    }
    let quoted = plain
        .split("image \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let source = plain
        .split("docker://")
        .skip(1)
        .filter_map(|rest| rest.split([' ', '"', ',']).next())
        .map(|image| image.trim_end_matches(':'));
    quoted
        .chain(source)
        .find(|image| is_pause(image))
        .map(capped)
}

fn is_pause(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split(['@', ':']).next().unwrap_or(name);
    name == "pause" || name.ends_with("-pause") || name.starts_with("pause-")
}

#[cfg(test)]
pub(crate) mod fixture {
    use jiff::Timestamp;
    use pulldoctor_model::{ContainerKind, Event, Symptom};

    /// A symptom of container `api` with this image.
    pub(crate) fn symptom(image: &str) -> Symptom {
        Symptom {
            namespace: "shop".to_owned(),
            pod: "api-1".to_owned(),
            pod_uid: "u1".to_owned(),
            container: Some("api".to_owned()),
            kind: ContainerKind::Container,
            node: Some("n1".to_owned()),
            owner: None,
            field: None,
            image: image.to_owned(),
            pull_policy: None,
            reason: "ContainerCreating".to_owned(),
            message: String::new(),
            since: None,
            created: None,
            next_retry: None,
            pull_secrets: Vec::new(),
            service_account: None,
            static_pod: false,
            ran_before: false,
            wanted_arch: None,
        }
    }

    /// An event.
    pub(crate) fn event(
        reason: &str,
        message: &str,
        path: Option<&str>,
        first: Timestamp,
        last: Timestamp,
        count: u32,
    ) -> Event {
        Event {
            kind: "Warning".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            field_path: path.map(str::to_owned),
            first: Some(first),
            last: Some(last),
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::ContainerKind;

    use super::{fixture::*, *};

    const PAUSE: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to \
        get sandbox image \"registry.k8s.io/pause:3.8\": failed to pull image \
        \"registry.k8s.io/pause:3.8\": failed to pull and unpack image: i/o timeout";
    const CNI: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to \
        setup network for sandbox \"ab\": plugin type=\"bridge\" failed";

    fn at(minute: u32) -> Timestamp {
        format!("2026-01-01T10:{minute:02}:00Z").parse().unwrap()
    }

    fn draft(image: &str) -> Draft {
        Draft {
            symptom: symptom(image),
            controller: None,
            tail: None,
        }
    }

    fn suspect() -> Suspect {
        let mut sandbox = draft("app:1");
        sandbox.symptom.kind = ContainerKind::Sandbox;
        sandbox.symptom.container = None;
        Suspect {
            sandbox: Some(sandbox),
            slow: vec![draft("app:1")],
        }
    }

    #[test]
    fn the_pause_image_is_found_in_every_runtimes_text() {
        let found = |text: &str| pause_image(text);
        assert_eq!(found(PAUSE).as_deref(), Some("registry.k8s.io/pause:3.8"));
        assert_eq!(
            found("desc = failed to start sandbox \\\"ab\\\": failed to get sandbox image \\\"r.io/infra:1\\\": x")
                .as_deref(),
            Some("r.io/infra:1")
        );
        assert_eq!(
            found("failed pulling image \"k8s.gcr.io/pause:3.6\": Error response from daemon: x")
                .as_deref(),
            Some("k8s.gcr.io/pause:3.6")
        );
        assert_eq!(
            found(
                "error creating pod sandbox with name \"k8s_x\": initializing source \
                   docker://registry.k8s.io/pause:3.10: pinging container registry x"
            )
            .as_deref(),
            Some("registry.k8s.io/pause:3.10")
        );
        assert_eq!(found(CNI), None);
        assert_eq!(found("failed pulling image \"shop/api:1\": x"), None);
    }

    #[test]
    fn a_pause_image_that_fails_is_a_symptom_until_it_succeeds() {
        let failed = event("FailedCreatePodSandBox", PAUSE, None, at(0), at(5), 6);
        let found = suspect()
            .without_sandbox(std::slice::from_ref(&failed))
            .unwrap()
            .symptom;
        assert_eq!(found.reason, "FailedCreatePodSandBox");
        assert_eq!(found.image, "registry.k8s.io/pause:3.8");
        assert_eq!((found.container, found.since), (None, Some(at(0))));

        let pulling = event(
            "Pulling",
            "Pulling image \"app:1\"",
            Some("spec.containers{api}"),
            at(6),
            at(6),
            1,
        );
        assert!(
            suspect()
                .without_sandbox(&[failed.clone(), pulling])
                .is_none()
        );
        let later = event("FailedCreatePodSandBox", CNI, None, at(6), at(6), 1);
        assert!(suspect().without_sandbox(&[failed, later]).is_none());
        assert!(suspect().without_sandbox(&[]).is_none());
    }

    #[test]
    fn a_pull_hangs_only_after_five_minutes_without_result() {
        let path = Some("spec.containers{api}");
        let pulling = event("Pulling", "Pulling image \"app:1\"", path, at(0), at(0), 1);
        let events = std::slice::from_ref(&pulling);
        assert!(suspect().hanging(events, at(4)).is_empty());
        let hanging = suspect().hanging(events, at(5));
        assert_eq!(hanging.len(), 1);
        assert_eq!(hanging[0].symptom.since, Some(at(0)));
        for result in [
            event(
                "Failed",
                "Failed to pull image \"app:1\": x",
                path,
                at(1),
                at(1),
                1,
            ),
            event(
                "Pulled",
                "Successfully pulled image \"app:1\" in 1s",
                path,
                at(1),
                at(1),
                1,
            ),
            event(
                "BackOff",
                "Back-off pulling image \"app:1\"",
                path,
                at(1),
                at(1),
                1,
            ),
        ] {
            assert!(
                suspect()
                    .hanging(&[pulling.clone(), result], at(9))
                    .is_empty()
            );
        }
        // A result of another container says nothing.
        let other = event(
            "Pulled",
            "x \"app:1\"",
            Some("spec.containers{b}"),
            at(1),
            at(1),
            1,
        );
        assert_eq!(suspect().hanging(&[pulling, other], at(9)).len(), 1);
    }

    #[test]
    fn company_is_another_image_on_the_same_node() {
        let pull = |node: &str, image: &str| OpenPull {
            node: node.to_owned(),
            image: image.to_owned(),
        };
        let draft = draft("app:1");
        assert!(has_company(&draft, &[pull("n1", "other:1")]));
        assert!(!has_company(&draft, &[pull("n2", "other:1")]));
        assert!(
            !has_company(&draft, &[pull("n1", "app:1")]),
            "one image is one pull"
        );
    }
}
