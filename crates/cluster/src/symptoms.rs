//! Which containers of a pod wait for an image. Pure: pods in, symptoms out.
//!
//! A container is stuck if its waiting reason belongs to a pull, if the reason is free text on
//! a container that never started (kubelets from 1.33 return some errors so), or if creating it
//! fails for something that lies in the image. What only the events can tell (the pause image, a
//! pull that hangs) is handed over as a [`Suspect`].

use jiff::{SignedDuration, Timestamp};
use pulldoctor_model::{ContainerKind, PullPolicy, Symptom};
use pulldoctor_reference::Reference;

use crate::{
    index::{Fares, ImageIndex},
    slim::{Container, ContainerStatus, Pod, Text, Volume},
    suspects::Suspect,
};

/// The waiting reasons that belong to a pull (`pkg/kubelet/images/types.go` and
/// `cri-api/pkg/errors`, 1.20 to 1.37).
const PULL_REASONS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// The waiting reasons before a first result: `ContainerCreating`, or `PodInitializing` in pods
/// with init containers (`pkg/kubelet/kubelet_pods.go`, 1.36).
const NOT_YET: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// How long a pull may take before it can count as stuck.
pub(crate) const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// How many bytes of a message are kept.
const MESSAGE_MOST: usize = 16 << 10;

/// The controller of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Controller {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A symptom whose owner is not looked up yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The symptom; `owner` and `field` are still empty.
    pub(crate) symptom: Symptom,
    /// The pod's own controller.
    pub(crate) controller: Option<Controller>,
    /// The field below the pod's spec, `containers[0].image`; none for the sandbox.
    pub(crate) tail: Option<String>,
}

/// What a pod shows.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The containers that wait for an image.
    pub(crate) drafts: Vec<Draft>,
    /// What only the pod's events can tell.
    pub(crate) suspect: Option<Suspect>,
}

/// Reads one pod as it was at `observed`.
pub(crate) fn read(pod: &Pod<'_>, observed: Timestamp) -> Reading {
    let is_over = matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    let is_leaving = pod.metadata.deletion_timestamp.is_some();
    if is_over || is_leaving || pod.spec.node_name.non_empty().is_none() {
        return Reading::default();
    }
    let drafts: Vec<Draft> = places(pod).filter_map(|place| stuck(pod, &place)).collect();
    let suspect = if drafts.is_empty() {
        suspect(pod, observed)
    } else {
        None
    };
    Reading { drafts, suspect }
}

/// Counts a pod's images for later comparison.
pub(crate) fn tally(pod: &Pod<'_>, drafts: &[Draft], index: &mut ImageIndex) {
    let node = pod.spec.node_name.non_empty();
    for place in places(pod) {
        let waits = drafts.iter().any(|draft| {
            draft.symptom.kind == place.kind
                && draft.symptom.container.as_deref() == Some(place.container.name.as_str())
        });
        if waits {
            index.count(place.container.image.as_str(), node, Fares::Waits);
        } else if place.status.is_some_and(ContainerStatus::has_run) {
            let started = place.status.and_then(newest_start);
            index.count(place.container.image.as_str(), node, Fares::Pulled(started));
        }
    }
    let mut volumes: Vec<&str> = drafts
        .iter()
        .filter(|draft| draft.symptom.kind == ContainerKind::ImageVolume)
        .map(|draft| draft.symptom.image.as_str())
        .collect();
    volumes.dedup();
    for image in volumes {
        index.count(image, node, Fares::Waits);
    }
}

fn newest_start(status: &ContainerStatus<'_>) -> Option<Timestamp> {
    let running = status
        .state
        .running
        .as_ref()
        .and_then(|state| state.started_at);
    let ended = |state: &crate::slim::State<'_>| {
        state.terminated.as_ref().and_then(|state| state.started_at)
    };
    running
        .or_else(|| ended(&status.state))
        .or_else(|| ended(&status.last_state))
}

/// One container of a pod, with its status.
struct Place<'p, 'a> {
    kind: ContainerKind,
    list: &'static str,
    at: usize,
    container: &'p Container<'a>,
    status: Option<&'p ContainerStatus<'a>>,
}

fn places<'p, 'a>(pod: &'p Pod<'a>) -> impl Iterator<Item = Place<'p, 'a>> {
    let lists = [
        (
            ContainerKind::Init,
            "initContainers",
            &pod.spec.init_containers,
            &pod.status.init_container_statuses,
        ),
        (
            ContainerKind::Container,
            "containers",
            &pod.spec.containers,
            &pod.status.container_statuses,
        ),
        (
            ContainerKind::Ephemeral,
            "ephemeralContainers",
            &pod.spec.ephemeral_containers,
            &pod.status.ephemeral_container_statuses,
        ),
    ];
    lists
        .into_iter()
        .flat_map(|(kind, list, containers, statuses)| {
            containers
                .iter()
                .enumerate()
                .map(move |(at, container)| Place {
                    kind,
                    list,
                    at,
                    container,
                    status: statuses.iter().find(|status| status.name == container.name),
                })
        })
}

/// What a waiting reason says about the image.
enum Waits {
    /// A pull failed; the text may be about an image volume.
    Pull,
    /// As [`Waits::Pull`], with an error in the place of the reason.
    FreeText,
    /// The container's image volume cannot be mounted.
    Volume,
    /// The container cannot be created from its image.
    Image,
}

fn waits(reason: &str, message: &str, status: &ContainerStatus<'_>) -> Option<Waits> {
    if PULL_REASONS.contains(&reason) {
        return Some(Waits::Pull);
    }
    if reason.contains([' ', ':']) {
        return (!status.has_run()).then_some(Waits::FreeText);
    }
    if reason == "CreateContainerError" {
        if message.starts_with("ImageVolumeMountFailed") {
            return Some(Waits::Volume);
        }
        if message
            .to_ascii_lowercase()
            .contains("no command specified")
        {
            return Some(Waits::Image);
        }
    }
    None
}

fn stuck(pod: &Pod<'_>, place: &Place<'_, '_>) -> Option<Draft> {
    let status = place.status?;
    let waiting = status.state.waiting.as_ref()?;
    let (reason, message) = (waiting.reason.as_str(), waiting.message.as_str());
    let waits = waits(reason, message, status)?;
    let mut draft = draft(pod, place);
    draft.symptom.reason = capped(reason);
    draft.symptom.message = capped(message);
    let mounted = mounted_images(pod, place.container);
    let volume = match waits {
        Waits::Image => None,
        // Image volumes are pulled before any container of the pod, so an error that names no
        // image met the volume first (`SyncPod`, `pkg/kubelet/kuberuntime`, 1.36).
        Waits::Volume | Waits::FreeText => {
            spoken_of(&mounted, message).or_else(|| mounted.first().copied())
        }
        Waits::Pull => spoken_of(&mounted, message),
    };
    if let Some((at, volume)) = volume {
        of_volume(&mut draft, at, volume);
    }
    Some(draft)
}

/// The image volumes that a container mounts, with their place in the pod.
fn mounted_images<'p, 'a>(
    pod: &'p Pod<'a>,
    container: &Container<'_>,
) -> Vec<(usize, &'p Volume<'a>)> {
    pod.spec
        .volumes
        .iter()
        .enumerate()
        .filter(|(_, volume)| {
            volume.image.is_some()
                && container
                    .volume_mounts
                    .iter()
                    .any(|mount| mount.name == volume.name)
        })
        .collect()
}

/// The volume whose image the message names.
fn spoken_of<'p, 'a>(
    mounted: &[(usize, &'p Volume<'a>)],
    message: &str,
) -> Option<(usize, &'p Volume<'a>)> {
    mounted.iter().copied().find(|(_, volume)| {
        volume
            .image
            .as_ref()
            .is_some_and(|image| names_image(message, image.reference.as_str()))
    })
}

/// Whether a message names an image, in one of the spellings that the kubelet and the runtimes
/// use, and not just one that begins alike.
pub(crate) fn names_image(message: &str, image: &str) -> bool {
    let mut spellings = vec![image.to_owned()];
    if let Ok(reference) = Reference::parse(image) {
        spellings.extend([
            reference.kubelet_name(),
            reference.containerd_name(),
            reference.normal(),
        ]);
    }
    spellings
        .iter()
        .filter(|spelling| !spelling.is_empty())
        .any(|spelling| {
            message.match_indices(spelling.as_str()).any(|(at, _)| {
                let before = message[..at].chars().next_back();
                let after = message[at + spelling.len()..].chars();
                !before.is_some_and(continues_name) && !is_continued(after)
            })
        })
}

fn continues_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '/' | '@')
}

/// Whether what follows belongs to the same reference. A colon does only where a tag or digest
/// comes after it: `R: not found` ends a reference, `R:1` does not.
fn is_continued(mut after: std::str::Chars<'_>) -> bool {
    match after.next() {
        Some(':' | '.') => after
            .next()
            .is_some_and(|next| next.is_ascii_alphanumeric()),
        Some(character) => continues_name(character),
        None => false,
    }
}

fn of_volume(draft: &mut Draft, at: usize, volume: &Volume<'_>) {
    let Some(image) = &volume.image else { return };
    draft.symptom.kind = ContainerKind::ImageVolume;
    image
        .reference
        .as_str()
        .clone_into(&mut draft.symptom.image);
    draft.symptom.pull_policy = policy(&image.pull_policy);
    draft.tail = Some(format!("volumes[{at}].image.reference"));
}

/// What the events may show to be stuck: a pod without a sandbox, or one that was bound long ago
/// and has no result yet.
fn suspect(pod: &Pod<'_>, observed: Timestamp) -> Option<Suspect> {
    let mut suspect = not_yet(pod)?;
    let bound = pod
        .status
        .condition("PodScheduled")
        .and_then(|condition| condition.last_transition_time)
        .or(pod.status.start_time)
        .or(pod.metadata.creation_timestamp);
    if bound.is_none_or(|bound| observed.duration_since(bound) < PATIENCE) {
        suspect.slow.clear();
    }
    (suspect.sandbox.is_some() || !suspect.slow.is_empty()).then_some(suspect)
}

/// The containers of a pod that have no result yet, whatever its age, with the image volumes
/// that they mount.
pub(crate) fn not_yet(pod: &Pod<'_>) -> Option<Suspect> {
    let is_waiting = |status: &ContainerStatus<'_>| {
        !status.has_run()
            && status
                .state
                .waiting
                .as_ref()
                .is_some_and(|waiting| NOT_YET.contains(&waiting.reason.as_str()))
    };
    let waiting: Vec<Place<'_, '_>> = places(pod)
        .filter(|place| place.status.is_some_and(is_waiting))
        .collect();
    let template = waiting.first().map(|place| draft(pod, place))?;

    let runs = pod
        .status
        .all()
        .any(|status| status.state.running.is_some());
    let sandbox = (!runs && !has_sandbox(pod)).then(|| {
        let mut draft = template;
        draft.symptom.container = None;
        draft.symptom.kind = ContainerKind::Sandbox;
        draft.symptom.pull_policy = None;
        draft.tail = None;
        draft
    });
    let mut slow = Vec::new();
    for place in &waiting {
        for (at, volume) in mounted_images(pod, place.container) {
            let mut draft = draft(pod, place);
            of_volume(&mut draft, at, volume);
            slow.push(draft);
        }
        slow.push(draft(pod, place));
    }
    Some(Suspect { sandbox, slow })
}

/// Whether the pod's sandbox is there: the condition exists from 1.29 (beta), under the name
/// `PodHasNetwork` before 1.28.
fn has_sandbox(pod: &Pod<'_>) -> bool {
    ["PodReadyToStartContainers", "PodHasNetwork"]
        .iter()
        .any(|kind| {
            pod.status
                .condition(kind)
                .is_some_and(crate::slim::Condition::is_true)
        })
}

/// A symptom of this container, with all but the reason and the owner.
fn draft(pod: &Pod<'_>, place: &Place<'_, '_>) -> Draft {
    let owned = |text: &Text<'_>| text.non_empty().map(str::to_owned);
    let waiting = place
        .status
        .and_then(|status| status.state.waiting.as_ref());
    let symptom = Symptom {
        namespace: pod.metadata.namespace.as_str().to_owned(),
        pod: pod.metadata.name.as_str().to_owned(),
        pod_uid: pod.metadata.uid.as_str().to_owned(),
        container: Some(place.container.name.as_str().to_owned()),
        kind: place.kind,
        node: owned(&pod.spec.node_name),
        owner: None,
        field: None,
        image: place.container.image.as_str().to_owned(),
        pull_policy: policy(&place.container.image_pull_policy),
        reason: waiting.map_or_else(String::new, |waiting| capped(waiting.reason.as_str())),
        message: waiting.map_or_else(String::new, |waiting| capped(waiting.message.as_str())),
        since: since(pod, place),
        created: pod.metadata.creation_timestamp,
        next_retry: None,
        pull_secrets: pod
            .spec
            .image_pull_secrets
            .iter()
            .filter_map(|secret| owned(&secret.name))
            .collect(),
        service_account: owned(&pod.spec.service_account_name),
        static_pod: pod.metadata.is_mirror,
        ran_before: place.status.is_some_and(ContainerStatus::ran_before),
        wanted_arch: pod
            .spec
            .wanted_arch
            .as_ref()
            .and_then(|arch| arch.non_empty())
            .map(str::to_owned),
    };
    // The mirror of a static pod is controlled by its node: nothing that could be changed.
    let controller = pod
        .metadata
        .controller()
        .filter(|owner| owner.kind.as_str() != "Node")
        .map(|owner| Controller {
            api_version: owner.api_version.as_str().to_owned(),
            kind: owner.kind.as_str().to_owned(),
            name: owner.name.as_str().to_owned(),
        });
    Draft {
        symptom,
        controller,
        tail: Some(format!("{}[{}].image", place.list, place.at)),
    }
}

/// Since when the container waits, as far as the pod itself tells.
fn since(pod: &Pod<'_>, place: &Place<'_, '_>) -> Option<Timestamp> {
    let finished = |status: &ContainerStatus<'_>| {
        let ended = status
            .state
            .terminated
            .as_ref()
            .or(status.last_state.terminated.as_ref());
        ended.and_then(|ended| ended.finished_at)
    };
    let became = |kind: &str| {
        pod.status
            .condition(kind)
            .filter(|condition| condition.is_true())
            .and_then(|condition| condition.last_transition_time)
    };
    if let Some(ended) = place.status.and_then(finished) {
        return Some(ended);
    }
    // It was added some time after the pod: only its events tell when.
    if place.kind == ContainerKind::Ephemeral {
        return None;
    }
    let before = match place.kind {
        ContainerKind::Container if !pod.spec.init_containers.is_empty() => became("Initialized"),
        ContainerKind::Init => pod.spec.init_containers[..place.at]
            .iter()
            .filter(|container| !container.is_sidecar())
            .filter_map(|container| {
                let statuses = &pod.status.init_container_statuses;
                statuses
                    .iter()
                    .find(|status| status.name == container.name)
                    .and_then(finished)
            })
            .max(),
        _ => None,
    };
    before
        .or_else(|| became("PodReadyToStartContainers"))
        .or(pod.status.start_time)
        .or_else(|| became("PodScheduled"))
        .or(pod.metadata.creation_timestamp)
}

fn policy(text: &Text<'_>) -> Option<PullPolicy> {
    match text.as_str() {
        "Always" => Some(PullPolicy::Always),
        "IfNotPresent" => Some(PullPolicy::IfNotPresent),
        "Never" => Some(PullPolicy::Never),
        _ => None,
    }
}

/// A copy of at most 16 KiB: messages come from registries and may be of any size.
pub(crate) fn capped(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_MOST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests;
