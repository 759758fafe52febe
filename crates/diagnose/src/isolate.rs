//! Whose fault it is: the image's, the node's, or that of the way between node and registry.
//!
//! Three pulls by kubelets decide it: the suspect image on another node, an image that is known to
//! be good from the same registry on the suspect node, and one from another registry there. What
//! each of them said stays as it was said; here it is weighed, without I/O.

mod weigh;

use pulldoctor_model::{
    CauseId, Confidence, Family, KubeletPull, TrialRole,
    registry::{StageName, Transcript},
};
use serde::Serialize;

use crate::{read_text, transcript::cause_of};

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialResult {
    /// The kubelet tried.
    Tried(KubeletPull),
    /// The kubelet was not made to try, since the pull might have hung and held up others, or since
    /// no image was known to pull: what a probe from the node saw of the registry.
    Probed(Box<Transcript>),
    /// It was not tried, and why.
    Untried(String),
}

/// How a trial ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// Manifest and layers came.
    Pulled,
    /// The layers were on the node: only the name was resolved, which asks the registry for the
    /// manifest and for nothing else.
    Resolved,
    /// Nothing was pulled: the registry answered a probe from the node.
    Answered,
    /// It cannot be pulled.
    Failed,
    /// The pod did not come to its pull.
    NotStarted,
    /// It was not tried.
    Untried,
}

impl TrialOutcome {
    /// The word of the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pulled => "pulled",
            Self::Resolved => "resolved",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::NotStarted => "not-started",
            Self::Untried => "untried",
        }
    }
}

/// One pull by a kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What it is for.
    pub role: TrialRole,
    /// The image; empty where none was found.
    pub image: String,
    /// The node; empty where none was found.
    pub node: String,
    /// How it ended.
    pub result: TrialResult,
}

impl Trial {
    /// How it ended, in one word.
    pub fn outcome(&self) -> TrialOutcome {
        match &self.result {
            TrialResult::Untried(_) => TrialOutcome::Untried,
            TrialResult::Tried(pull) if pull.got && pull.was_there => TrialOutcome::Resolved,
            TrialResult::Tried(pull) if pull.got => TrialOutcome::Pulled,
            TrialResult::Tried(pull) if is_before_pull(&pull.reason) => TrialOutcome::NotStarted,
            TrialResult::Probed(seen) if has_answered(seen) => TrialOutcome::Answered,
            TrialResult::Tried(_) | TrialResult::Probed(_) => TrialOutcome::Failed,
        }
    }

    /// What its failure points to by itself, and how sure that is; none where it did not fail, or
    /// where the text tells nothing.
    pub fn points_to(&self) -> Option<(CauseId, Confidence)> {
        let (cause, sure) = match &self.result {
            TrialResult::Tried(pull) if !pull.got && !pull.message.is_empty() => {
                let finding = read_text(&pull.message).finding;
                (finding.cause, finding.confidence)
            }
            TrialResult::Probed(transcript) => (cause_of(transcript)?, Confidence::Likely),
            _ => return None,
        };
        (cause != CauseId::Unknown).then_some((cause, sure))
    }

    fn cause(&self) -> Option<CauseId> {
        self.points_to().map(|(cause, _)| cause)
    }

    /// Whether a registry answered a probe, and nothing was pulled.
    fn is_answered(&self) -> bool {
        self.outcome() == TrialOutcome::Answered
    }

    /// Whether the image was got; none where that says nothing: the trial did not come about, or
    /// a good image was refused for a reason that is its own (a login, its name, a limit).
    fn is_good(&self) -> Option<bool> {
        match self.outcome() {
            TrialOutcome::Pulled | TrialOutcome::Resolved => Some(true),
            // What it answered to the suspect's name says nothing about a good image.
            TrialOutcome::Answered => self.cause().is_none().then_some(true),
            TrialOutcome::Failed if self.role.is_of_good_image() => {
                let is_its_own = self.cause().is_some_and(|cause| {
                    matches!(
                        cause.family(),
                        Family::Reference
                            | Family::NotFound
                            | Family::Credentials
                            | Family::Registry
                            | Family::Policy
                    ) || matches!(
                        cause,
                        CauseId::PlatformMismatch
                            | CauseId::PullQpsExceeded
                            | CauseId::PullQueueBlocked
                            | CauseId::PullCancelled
                    )
                });
                (!is_its_own).then_some(false)
            }
            TrialOutcome::Failed => Some(false),
            TrialOutcome::NotStarted | TrialOutcome::Untried => None,
        }
    }
}

/// Whether the registry answered the probe by its own judgement: it served the manifest, or refused
/// it or a login. A fault of its own is a failure.
fn has_answered(seen: &Transcript) -> bool {
    seen.first_failure().is_none_or(|stage| {
        matches!(
            stage.stage,
            StageName::Token | StageName::Manifest | StageName::Platform
        ) && cause_of(seen).is_some_and(is_registrys_word)
    })
}

/// Whether a cause of this kind lies in what the registry says to the name and the login, wherever
/// it is asked from.
fn is_registrys_word(cause: CauseId) -> bool {
    matches!(cause.family(), Family::NotFound | Family::Credentials)
        || matches!(
            cause,
            CauseId::PlatformMismatch | CauseId::UnsupportedManifest
        )
}

/// Whether a failure of this kind is met while the layers come over the network, after the manifest
/// was served.
fn is_of_transfer(cause: CauseId) -> bool {
    matches!(
        cause,
        CauseId::BlobHostUnreachable
            | CauseId::ConnectionInterrupted
            | CauseId::CorruptedContent
            | CauseId::PullTimeout
    )
}

/// Whether a failure of this kind is met after the manifest was served: on the way of the layers, or
/// when the node stores them.
fn is_after_manifest(cause: CauseId) -> bool {
    is_of_transfer(cause)
        || matches!(
            cause,
            CauseId::DiskFull
                | CauseId::InodesExhausted
                | CauseId::DiskIoError
                | CauseId::NodeStoreDamaged
                | CauseId::RuntimeBroken
        )
}

/// Whether a failure of this kind may lie in what the runtime alone has: its proxy, its authorities,
/// its `hosts.toml`. A probe from the node goes without them.
fn is_of_runtime(cause: CauseId) -> bool {
    matches!(
        cause,
        CauseId::ProxyFailure
            | CauseId::TlsUnknownAuthority
            | CauseId::MirrorMisconfigured
            | CauseId::HttpHttpsMismatch
    )
}

/// Whether a pod with this reason did not come to its pull: the sandbox, a volume or the scheduler
/// was in the way, or the kubelet did not take it up at all.
fn is_before_pull(reason: &str) -> bool {
    matches!(
        reason,
        "" | "ContainerCreating"
            | "PodInitializing"
            | "FailedCreatePodSandBox"
            | "FailedMount"
            | "FailedScheduling"
            | "NodeNotReady"
    )
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The image: it cannot be pulled anywhere, and the node pulls others.
    Image,
    /// The node: it pulls nothing, and another node pulls the image.
    Node,
    /// The way between this node and this registry: the node pulls from others, and other nodes
    /// pull from this registry.
    Path,
    /// The registry, or the way to it from both nodes: neither pulls from it. That this node pulls
    /// from another was not refuted.
    Registry,
    /// Both: the image cannot be pulled elsewhere, and the node pulls nothing, or fails at the
    /// registry for a reason of its own.
    Both,
    /// This image on this node only: others come from the same registry, and other nodes have it.
    ImageOnNode,
    /// No pod starts on the node.
    Sandbox,
    /// All went well: the fault is over.
    Over,
    /// The trials do not tell.
    Undecided,
}

impl Fault {
    /// The word of the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Node => "node",
            Self::Path => "path",
            Self::Registry => "registry",
            Self::Both => "both",
            Self::ImageOnNode => "image-on-node",
            Self::Sandbox => "sandbox",
            Self::Over => "over",
            Self::Undecided => "undecided",
        }
    }
}

/// What the trials come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// Whose fault it is.
    pub fault: Fault,
    /// The cause that the failed trials agree on, or that of the pod's own diagnosis (see
    /// [`Isolation::weighed`]), and how sure it is.
    pub cause: Option<(CauseId, Confidence)>,
    /// One sentence.
    pub summary: String,
    /// What the trials leave open, a sentence each.
    pub limits: Vec<String>,
}

/// Weighs the trials. `image` is the suspect one, none where only a node is looked at.
pub fn isolate(node: &str, image: Option<&str>, trials: &[Trial]) -> Isolation {
    let table = Table(trials);
    let fault = table.fault();
    Isolation {
        fault,
        cause: agreed(fault, trials),
        summary: summary(fault, node, image, trials),
        limits: limits(fault, &table, image.is_some()),
    }
}

/// The trials by their roles.
struct Table<'a>(&'a [Trial]);

impl<'a> Table<'a> {
    fn of(&self, role: TrialRole) -> Option<&'a Trial> {
        self.0.iter().find(|trial| trial.role == role)
    }

    fn cause(&self, role: TrialRole) -> Option<CauseId> {
        self.of(role)?.cause()
    }

    /// Whether an image was got, as far as that says something about the suspect's failure.
    fn good(&self, role: TrialRole) -> Option<bool> {
        let trial = self.of(role)?;
        let good = trial.is_good()?;
        // Another node has the image whole, layers and all: nothing is wrong with it that would
        // keep a node from storing it. Whether its layers can be fetched now is another matter. A
        // good image on this node tests neither.
        let is_untested = if role == TrialRole::SuspectElsewhere {
            is_of_transfer
        } else {
            is_after_manifest
        };
        let is_deep = [TrialRole::SuspectHere, TrialRole::SuspectElsewhere]
            .into_iter()
            .filter_map(|role| self.cause(role))
            .any(is_untested);
        let is_shallow = matches!(
            trial.outcome(),
            TrialOutcome::Resolved | TrialOutcome::Answered
        );
        (!(good && is_deep && is_shallow || self.is_unseen(trial))).then_some(good)
    }

    /// Whether a registry answered a probe which does not see what the image fails for.
    fn is_unseen(&self, trial: &Trial) -> bool {
        trial.is_answered()
            && self
                .cause(TrialRole::SuspectHere)
                .is_some_and(is_of_runtime)
    }

    /// Whether the image fails elsewhere for another reason than on its node: then two faults are
    /// there, and the trial tells nothing about the one that is looked for.
    fn fails_otherwise(&self) -> bool {
        let here = self.cause(TrialRole::SuspectHere);
        let elsewhere = self.cause(TrialRole::SuspectElsewhere);
        here.zip(elsewhere)
            .is_some_and(|(here, there)| here != there)
    }

    /// Whether the image has a fault of its own, by the registry's word on the other node, and this
    /// node has one that it met with more than this image.
    fn are_two_faults(&self) -> bool {
        let is_word = |role| self.cause(role).is_some_and(is_registrys_word);
        self.fails_otherwise()
            && is_word(TrialRole::SuspectElsewhere)
            && !is_word(TrialRole::SuspectHere)
            && self.good(TrialRole::SameRegistryHere) == Some(false)
            && self.cause(TrialRole::SameRegistryHere) == self.cause(TrialRole::SuspectHere)
    }

    /// Whether the image failed on the way to a registry which the node reaches now.
    fn is_reached_again(&self) -> bool {
        let on_the_way = self.cause(TrialRole::SuspectHere).is_some_and(|cause| {
            matches!(cause.family(), Family::Network | Family::Tls) && !is_after_manifest(cause)
        });
        on_the_way && self.good(TrialRole::SameRegistryHere) == Some(true)
    }

    /// Whether the registry gave its word to a probe from the node, and that word is what the image
    /// fails for.
    fn is_registrys_word_here(&self) -> bool {
        self.of(TrialRole::SameRegistryHere)
            .is_some_and(|trial| trial.outcome() == TrialOutcome::Answered)
            && self
                .cause(TrialRole::SuspectHere)
                .is_some_and(is_registrys_word)
    }

    /// Where no image of the same registry could be tried.
    fn by_family(&self) -> Fault {
        match self.cause(TrialRole::SuspectHere).map(CauseId::family) {
            Some(Family::Network | Family::Tls) => Fault::Path,
            _ if self.cause(TrialRole::SuspectHere) == Some(CauseId::MirrorMisconfigured) => {
                Fault::Path
            }
            Some(Family::Node | Family::Content) => Fault::ImageOnNode,
            _ => Fault::Undecided,
        }
    }

    fn starts_nothing(&self) -> bool {
        let mut here = self.0.iter().filter(|trial| trial.role.is_of_good_image());
        here.clone()
            .any(|trial| trial.outcome() == TrialOutcome::NotStarted)
            && here.all(|trial| {
                matches!(
                    trial.outcome(),
                    TrialOutcome::NotStarted | TrialOutcome::Untried
                )
            })
    }

    /// Whose fault it is.
    fn fault(&self) -> Fault {
        if self.starts_nothing() {
            return Fault::Sandbox;
        }
        let has_suspect = self.of(TrialRole::SuspectHere).is_some()
            || self.of(TrialRole::SuspectElsewhere).is_some();
        if self.good(TrialRole::SuspectHere) == Some(true) {
            return Fault::Over;
        }
        let elsewhere = self
            .good(TrialRole::SuspectElsewhere)
            .filter(|good| *good || !self.fails_otherwise());
        let same = self.good(TrialRole::SameRegistryHere);
        if self.is_reached_again() {
            return Fault::Undecided;
        }
        if self.are_two_faults() {
            return Fault::Both;
        }
        let other = self.good(TrialRole::OtherRegistryHere);
        match (elsewhere, same, other) {
            // A good image of the same registry comes: neither the node nor the way is at fault.
            (Some(false), Some(true), _) => Fault::Image,
            // Both nodes have the registry's word against the image, and it is reached.
            (Some(false), None, _) if self.is_registrys_word_here() => Fault::Image,
            (Some(true), Some(true), _) => Fault::ImageOnNode,
            (Some(true), Some(false), Some(true)) => Fault::Path,
            // The image is well and the node pulls others: what failed here says which it is.
            (Some(true), None, Some(true)) => self.by_family(),
            (Some(true), _, Some(false)) | (None, Some(false), Some(false)) => Fault::Node,
            // Two nodes fail in the same way: it is not this node alone, whatever others serve it.
            (Some(false), Some(false), None | Some(true)) => Fault::Registry,
            (Some(false), _, Some(false)) => Fault::Both,
            (None, Some(false), Some(true)) if !has_suspect => Fault::Path,
            (None, Some(true), None | Some(true)) | (None, None, Some(true)) if !has_suspect => {
                Fault::Over
            }
            _ => Fault::Undecided,
        }
    }
}

/// The cause that the texts of the failed trials agree on. Those that are not the fault's own are
/// left out: where the image is at fault, another's failure says nothing.
fn agreed(fault: Fault, trials: &[Trial]) -> Option<(CauseId, Confidence)> {
    let counts = |role| match fault {
        Fault::Image | Fault::ImageOnNode => {
            matches!(role, TrialRole::SuspectHere | TrialRole::SuspectElsewhere)
        }
        Fault::Node | Fault::Path | Fault::Sandbox => role != TrialRole::SuspectElsewhere,
        Fault::Registry => role != TrialRole::OtherRegistryHere,
        Fault::Both | Fault::Over | Fault::Undecided => false,
    };
    let failed: Vec<&Trial> = trials
        .iter()
        .filter(|trial| counts(trial.role) && trial.is_good() == Some(false))
        .filter(|trial| trial.cause().is_some())
        .collect();
    let first = failed.first()?.cause()?;
    if failed.iter().any(|trial| trial.cause() != Some(first)) {
        return None;
    }
    let sure = failed
        .iter()
        .filter_map(|trial| Some(trial.points_to()?.1))
        .min()?;
    // Another image met the same on this node, a moment ago: that reproduces it.
    let is_reproduced = matches!(fault, Fault::Node | Fault::Path)
        && sure == Confidence::Likely
        && failed.iter().any(|trial| trial.role.is_of_good_image());
    let sure = if is_reproduced {
        Confidence::Proven
    } else {
        sure
    };
    Some((first, sure))
}

fn summary(fault: Fault, node: &str, image: Option<&str>, trials: &[Trial]) -> String {
    let of = |role| trials.iter().find(|trial| trial.role == role);
    let elsewhere = of(TrialRole::SuspectElsewhere).map_or("another node", |it| it.node.as_str());
    let image = image.unwrap_or("the image");
    let is_probed = of(TrialRole::SameRegistryHere).is_some_and(Trial::is_answered);
    let causes = |role| of(role).and_then(Trial::cause);
    match fault {
        Fault::Image if is_probed => format!(
            "the image: `{image}` cannot be pulled on `{elsewhere}` either, and its registry answers `{node}`"
        ),
        Fault::Image => format!(
            "the image: `{image}` cannot be pulled on `{elsewhere}` either, and `{node}` pulls another image of its registry"
        ),
        Fault::ImageOnNode if is_probed => format!(
            "this image on this node: `{elsewhere}` gets `{image}`, and its registry answers `{node}`"
        ),
        Fault::Node => match of(TrialRole::SuspectElsewhere) {
            Some(_) => format!(
                "the node: `{node}` pulls none of the images that were tried, and `{elsewhere}` gets `{image}`"
            ),
            None => format!("the node: `{node}` pulls none of the images that were tried"),
        },
        Fault::Path => format!(
            "the way from `{node}` to this registry: the node pulls from another registry{}",
            match of(TrialRole::SuspectElsewhere) {
                Some(_) => format!(", and `{elsewhere}` gets `{image}`"),
                None => String::new(),
            }
        ),
        Fault::Registry => format!(
            "the registry, or the way to it from both nodes: neither `{node}` nor `{elsewhere}` pulls from it{}",
            match of(TrialRole::OtherRegistryHere).and_then(Trial::is_good) {
                Some(true) => format!(", and `{node}` pulls from another"),
                _ => String::new(),
            }
        ),
        Fault::Both
            if let Some((here, there)) =
                causes(TrialRole::SuspectHere).zip(causes(TrialRole::SuspectElsewhere))
                && here != there =>
        {
            // What a text alone leaves open is not named.
            let is_sure = of(TrialRole::SuspectElsewhere)
                .and_then(Trial::points_to)
                .is_some_and(|(_, sure)| sure >= Confidence::Likely);
            let why = if is_sure {
                format!("`{there}`")
            } else {
                "the registry refuses it".to_owned()
            };
            format!(
                "both: `{node}` does not come to the image (`{here}`), and `{image}` cannot be pulled on `{elsewhere}` either ({why})"
            )
        }
        Fault::Both => format!(
            "both: `{node}` pulls none of the images that were tried, and `{image}` cannot be pulled on `{elsewhere}` either"
        ),
        Fault::ImageOnNode => format!(
            "this image on this node: `{elsewhere}` gets `{image}`, and `{node}` pulls other images"
        ),
        Fault::Sandbox => {
            format!("the node: no pod starts on `{node}`, so that nothing is pulled there")
        }
        Fault::Over if image == "the image" => {
            format!("nothing is wrong with `{node}`: it pulls what was tried")
        }
        Fault::Over => format!("the fault is over: `{node}` pulls `{image}` now"),
        Fault::Undecided
            if of(TrialRole::SuspectElsewhere).and_then(Trial::is_good) == Some(true) =>
        {
            format!(
                "not the image: `{elsewhere}` gets `{image}`; whether `{node}` pulls anything else was not told"
            )
        }
        Fault::Undecided => "the trials do not tell whose fault it is".to_owned(),
    }
}

fn limits(fault: Fault, table: &Table<'_>, has_suspect: bool) -> Vec<String> {
    let mut limits = Vec::new();
    for trial in table.0 {
        let words = trial.role.words();
        match (&trial.result, trial.outcome()) {
            (TrialResult::Untried(why), _) => limits.push(format!("{words}: not tried: {why}")),
            (TrialResult::Probed(_), _) if table.is_unseen(trial) => limits.push(format!(
                "{words}: a probe reached the registry, and goes without the runtime's proxy, authorities and `hosts.toml`, where this failure lies"
            )),
            (TrialResult::Probed(_), _) => limits.push(format!(
                "{words}: a probe looked at the registry instead, and nothing was pulled"
            )),
            (_, TrialOutcome::Resolved) => limits.push(format!(
                "`{}` is on `{}` already: only its name was resolved, no layer was read",
                trial.image, trial.node
            )),
            (_, TrialOutcome::Failed) if trial.is_good().is_none() => limits.push(format!(
                "{words}: refused for a reason of its own, which says nothing about the node"
            )),
            _ => {}
        }
    }
    if table.fails_otherwise() {
        limits.push(
            "the image fails on the other node for another reason than here: two faults are there"
                .to_owned(),
        );
    }
    if table.is_reached_again() {
        limits.push(
            "the node reaches the registry now: the fault may be over, and the kubelet's next try tell"
                .to_owned(),
        );
        return limits;
    }
    if fault == Fault::Undecided {
        let tells = |role| table.good(role).is_some();
        if has_suspect && !tells(TrialRole::SuspectElsewhere) {
            limits.push(
                "without the image on another node it cannot be told from this node".to_owned(),
            );
        }
        if !tells(TrialRole::SameRegistryHere) {
            limits.push(
                "`--known-good IMAGE` names an image of the same registry that is known to be good"
                    .to_owned(),
            );
        }
    }
    limits
}

#[cfg(test)]
mod tests;
