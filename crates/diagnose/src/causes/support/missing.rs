//! What the registry says of an image that the node did not find, asked from here or from there.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding,
    registry::{Problem, StageName},
};

use super::{
    answers_alike,
    checked::{granted, with_checked},
    in_namespace, quote,
};
use crate::{
    case::Case,
    causes::{
        logs::{open_logs, own_lacks, with_line},
        there::{open_node_view, with_seen},
    },
    finding::FindingExt,
    node_sight::{FromNode, from_node},
    transcript::{cause_of, names_no_repository},
    view::{Reached, Sight, from_here},
};

/// What the registry says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Missing<'a> {
    /// It was not asked, or what it says does not tell.
    Unasked,
    /// There is no such repository. Sure where a login, or nobody's, was let in.
    Repository {
        /// What was seen.
        sight: Sight<'a>,
        /// The answer would be another one if the repository were only hidden.
        sure: bool,
    },
    /// The repository lists its tags, and has no such manifest.
    Manifest(Sight<'a>),
    /// The repository lists the tag, and has no manifest for it.
    Listed(Sight<'a>),
    /// There is no such manifest; whether the repository is there is not told.
    Unclear(Sight<'a>),
    /// The manifest is there.
    There(Sight<'a>),
}

impl<'a> Missing<'a> {
    /// What was seen, if anything.
    pub(crate) fn sight(self) -> Option<Sight<'a>> {
        match self {
            Self::Unasked => None,
            Self::Repository { sight, .. }
            | Self::Manifest(sight)
            | Self::Listed(sight)
            | Self::Unclear(sight)
            | Self::There(sight) => Some(sight),
        }
    }
}

/// Whether the text says that the registry lacks the image: only then its answer agrees with it.
pub(crate) fn says_missing(case: &Case<'_>) -> bool {
    matches!(
        case.fault(),
        Fault::ManifestMissing { .. } | Fault::NameUnknown | Fault::ImageMissing
    )
}

/// Reads the registry's answer: as it was seen from here, with the pod's own credentials, else as
/// the node sees it, with none.
pub(crate) fn missing<'a>(case: &Case<'a>) -> Missing<'a> {
    let here = from_here(case).map_or(Missing::Unasked, |sight| {
        let is_there = Reached::of_transcript(sight.transcript) >= Reached::Manifest;
        read(case, sight, sight.problem(), is_there)
    });
    let Some(look) = from_node(case) else {
        return here;
    };
    let there = seen_there(case, &look);
    let is_known = !matches!(there, Missing::Unasked | Missing::Unclear(_));
    match here {
        Missing::Unasked | Missing::Unclear(_) if is_known => there,
        // One name, two registries: the node's own is the one that matters.
        Missing::Repository { .. }
            if look.is_nodes_own() && !matches!(there, Missing::Repository { .. }) && is_known =>
        {
            there
        }
        Missing::Manifest(_) | Missing::Listed(_)
            if look.is_nodes_own() && matches!(there, Missing::There(_)) =>
        {
            there
        }
        _ => here,
    }
}

/// What the node's view says. The probe goes on past certificates that only this computer does not
/// trust; with any others it asked somebody else than the runtime, which got an answer.
fn seen_there<'a>(case: &Case<'a>, look: &FromNode<'a>) -> Missing<'a> {
    let Some(transcript) = look.registry() else {
        return Missing::Unasked;
    };
    let is_same = transcript
        .stage(StageName::Tls)
        .and_then(|stage| stage.problem)
        .is_none_or(|problem| {
            matches!(
                problem,
                Problem::TlsUnknownAuthority | Problem::TlsIncompleteChain
            )
        });
    let asked = transcript.stage(StageName::Manifest);
    match asked.filter(|_| is_same) {
        None => Missing::Unasked,
        Some(stage) => {
            let sight = Sight {
                transcript,
                answered: look.answered,
            };
            read(case, sight, stage.problem, look.serves_manifest())
        }
    }
}

/// Reads an answer that ended in this problem.
fn read<'a>(
    case: &Case<'a>,
    sight: Sight<'a>,
    problem: Option<Problem>,
    is_there: bool,
) -> Missing<'a> {
    let transcript = sight.transcript;
    if problem != Some(Problem::NotFound) {
        return if is_there {
            Missing::There(sight)
        } else {
            Missing::Unasked
        };
    }
    // Without the right to read, a 404 tells nothing.
    let Some(record) = granted(&sight) else {
        return Missing::Unclear(sight);
    };
    if names_no_repository(transcript) {
        let sure = record.username.is_some() || !answers_alike(&case.registry());
        return Missing::Repository { sight, sure };
    }
    match &transcript.tags {
        Some(list) if list.status == Some(200) => {
            if list.tags.contains(&transcript.reference) {
                Missing::Listed(sight)
            } else {
                Missing::Manifest(sight)
            }
        }
        _ => Missing::Unclear(sight),
    }
}

/// Adds what was seen, from wherever it was.
pub(crate) fn with_sight(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    match from_node(case).filter(|look| look.answered.question == sight.answered.question) {
        Some(look) => with_seen(finding, case, &look),
        None => with_checked(finding, sight),
    }
}

/// The node was told that it is missing, and here it is: never a confident old verdict, unless the
/// runtime's log says that it was the registry itself that said so.
pub(crate) fn there_now(case: &Case<'_>, cause: CauseId, sight: &Sight<'_>) -> Finding {
    let image = case.image_name();
    let told = own_lacks(case);
    let mut finding = case.finding(
        cause,
        if told.is_some() {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        case.image_object(),
        if told.is_some() {
            format!("the registry has `{image}` now, and had it not at the node's last try")
        } else {
            format!("the registry has `{image}` now, and the node was told that it has not")
        },
    );
    finding = match &told {
        Some(said) => with_line(finding, case, said).rules_out(
            CauseId::MirrorMisconfigured,
            "the runtime's log says that the registry itself answered so",
        ),
        None => finding.rival(
            CauseId::MirrorMisconfigured,
            "a mirror or cache that the node asks may not have it yet",
            case.node_view_question().map_or_else(
                || "the runtime's configuration on the node".to_owned(),
                |question| question.to_string(),
            ),
        ),
    };
    finding = with_sight(finding, case, sight);
    if let Some(look) = from_node(case) {
        finding = with_seen(finding, case, &look);
        if told.is_none() {
            finding = open_logs(finding, case);
        }
    }
    if let Some(behind) = cause_of(sight.transcript)
        && behind != cause
    {
        finding = finding.also(behind, "what the registry serves now cannot be used either");
    }
    with_next_try(finding, case)
}

/// Adds that the next try of the kubelet decides.
pub(crate) fn with_next_try(finding: Finding, case: &Case<'_>) -> Finding {
    open_node_view(finding, case)
        .next(
            "does the next try still fail?",
            Some(format!(
                "kubectl get events {} --watch --field-selector involvedObject.name={}",
                in_namespace(case),
                quote(&case.symptom.pod)
            )),
        )
        .remedy(
            "wait",
            Applicability::Safe,
            "wait: if it was pushed meanwhile, the kubelet's next try pulls it",
            None,
        )
}

/// What probes say of an image that is missing, for tests.
#[cfg(test)]
pub(crate) mod samples {
    use pulldoctor_model::registry::{
        ErrorBody, Identity, RegistryError, StageName, TagList, Transcript,
    };

    use crate::fixture::{challenged, good_before, granted, refused};

    /// A repository that lists these tags to a login of the pod, and has no such manifest.
    pub(crate) fn lists(image: &str, tags: &[&str]) -> Transcript {
        with_tags(
            image,
            TagList {
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
                status: Some(200),
                ..TagList::default()
            },
        )
    }

    /// A repository that the registry refuses to list in these words.
    pub(crate) fn refuses(image: &str, status: u16, code: Option<&str>) -> Transcript {
        let errors = code
            .iter()
            .map(|code| RegistryError {
                code: (*code).to_owned(),
                message: String::new(),
            })
            .collect();
        with_tags(
            image,
            TagList {
                status: Some(status),
                error: Some(ErrorBody { errors, text: None }),
                ..TagList::default()
            },
        )
    }

    fn with_tags(image: &str, tags: TagList) -> Transcript {
        let mut transcript = challenged(
            image,
            &[("regcred", "registry.example.com", granted(404))],
            refused(Identity::Unknown, 401),
        );
        transcript.tags = Some(tags);
        transcript
    }

    /// All of it is there, for a login of the pod.
    pub(crate) fn there(image: &str) -> Transcript {
        let mut transcript = challenged(
            image,
            &[("regcred", "registry.example.com", granted(200))],
            refused(Identity::Unknown, 401),
        );
        let mut stages = good_before(image, StageName::Layers).stages;
        stages.retain(|stage| stage.stage > StageName::Manifest);
        transcript.stages.extend(stages);
        transcript
    }
}
