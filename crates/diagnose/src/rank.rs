//! Of all causes that the evidence raises: the one to mend first, and what becomes of the rest.

use std::cmp::Reverse;

use pulldoctor_model::{Also, CauseId, Confidence, Finding, Rival};

use crate::{
    case::Case,
    cause::{Cause, Role},
    causes, ruled_out,
};

/// Judges one symptom by every cause.
///
/// The surest finding is first; of equally sure ones the one that stands earlier in
/// [`causes::ALL`], which is the order from the specific to the general. What else competes
/// becomes a rival unless it is only a more general form of the first; what contributes becomes
/// `also`.
pub(crate) fn first(case: &Case<'_>) -> Finding {
    let mut competing: Vec<(&Cause, Finding)> = Vec::new();
    let mut contributing: Vec<(&Cause, Finding)> = Vec::new();
    for cause in causes::ALL {
        if let Some(raised) = (cause.judge)(case) {
            match raised.role {
                Role::Cause => competing.push((cause, raised.finding)),
                Role::Contributes => contributing.push((cause, raised.finding)),
            }
        }
    }
    // The sort is stable: equally sure findings keep the order of the table.
    competing.sort_by_key(|(_, finding)| Reverse(finding.confidence));
    let nothing_wrong = competing
        .first()
        .is_none_or(|(_, finding)| finding.confidence == Confidence::Unknown);
    if nothing_wrong && !contributing.is_empty() {
        competing = contributing;
        contributing = Vec::new();
        competing.sort_by_key(|(_, finding)| Reverse(finding.confidence));
    }
    let mut rest = competing.into_iter();
    let Some((cause, mut finding)) = rest.next() else {
        return causes::unknown::finding(case);
    };
    for (other, lesser) in rest {
        place(cause, &mut finding, other, lesser);
    }
    for (_, behind) in contributing {
        push_also(&mut finding, behind.cause, behind.summary);
    }
    finish(case, &mut finding);
    finding
}

/// Gives a finding that is not the first its place in the first one.
fn place(cause: &Cause, finding: &mut Finding, other: &Cause, lesser: Finding) {
    if lesser.confidence == Confidence::Unknown || cause.generals.contains(&other.id) {
        return;
    }
    match finding.confidence {
        Confidence::Proven => {
            if lesser.confidence == Confidence::Proven {
                push_also(finding, lesser.cause, lesser.summary);
            }
        }
        Confidence::Likely if lesser.confidence < Confidence::Likely => {}
        _ => {
            if finding
                .rivals
                .iter()
                .any(|rival| rival.cause == lesser.cause)
            {
                return;
            }
            let decided_by = lesser
                .open
                .first()
                .map(ToString::to_string)
                .or_else(|| lesser.next.first().map(|next| next.question.clone()))
                .unwrap_or_else(|| "the registry, asked from the node".to_owned());
            finding.rivals.push(Rival {
                cause: lesser.cause,
                because: lesser.summary,
                decided_by,
            });
            for question in lesser.open {
                if !finding.open.contains(&question) {
                    finding.open.push(question);
                }
            }
        }
    }
}

fn push_also(finding: &mut Finding, cause: CauseId, because: String) {
    if finding.also.iter().all(|also| also.cause != cause) && finding.cause != cause {
        finding.also.push(Also { cause, because });
    }
}

/// Keeps the promises of the document: an excluded cause is no rival, what is possible has a
/// rival, what is unknown has a next question.
fn finish(case: &Case<'_>, finding: &mut Finding) {
    let excluded = ruled_out::by_stage(case)
        .into_iter()
        .chain(ruled_out::by_node(case))
        .chain(ruled_out::by_registry(case));
    for ruled in excluded {
        if finding
            .ruled_out
            .iter()
            .all(|known| known.cause != ruled.cause)
        {
            finding.ruled_out.push(ruled);
        }
    }
    let cause = finding.cause;
    let also: Vec<CauseId> = finding.also.iter().map(|also| also.cause).collect();
    let rivals: Vec<CauseId> = finding.rivals.iter().map(|rival| rival.cause).collect();
    finding.ruled_out.retain(|ruled| {
        ruled.cause != cause && !also.contains(&ruled.cause) && !rivals.contains(&ruled.cause)
    });
    finding
        .rivals
        .retain(|rival| rival.cause != cause && !also.contains(&rival.cause));
    if finding.confidence == Confidence::Possible && finding.rivals.is_empty() {
        finding.rivals.push(Rival {
            cause: CauseId::Unknown,
            because: "the text does not exclude another cause".to_owned(),
            decided_by: case.registry_question().to_string(),
        });
    }
    if finding.confidence == Confidence::Unknown && finding.next.is_empty() {
        let question = case.registry_question();
        finding.next.push(pulldoctor_model::NextQuestion {
            question: question.to_string(),
            command: None,
        });
        finding.open.push(question);
    }
}
