//! What a pasted text tells, judged by the same causes as a cluster.

use pulldoctor_messages::Reading;
use pulldoctor_model::{CauseId, ContainerKind, Evidence, Finding, Symptom, Timestamp};

use crate::{
    case::{Case, Index},
    rank,
};

/// What a text tells. At most likely: a pasted text proves nothing.
#[derive(Debug, Clone)]
pub struct TextVerdict {
    /// The finding; its cause is `unknown` where the text carries none.
    pub finding: Finding,
    /// The facts that the text carries.
    pub reading: Reading,
}

impl TextVerdict {
    /// The causes that may be the truth instead.
    pub fn rivals(&self) -> Vec<CauseId> {
        self.finding
            .rivals
            .iter()
            .map(|rival| rival.cause)
            .collect()
    }
}

/// Judges one message.
pub fn read_text(text: &str) -> TextVerdict {
    verdict(text, pulldoctor_messages::read(text))
}

/// Judges a pasted blob (`kubectl describe pod`, events, log lines): every distinct error in it,
/// the most informative first. At least one verdict.
pub fn read_paste(text: &str) -> Vec<TextVerdict> {
    let paste = pulldoctor_messages::read_paste(text);
    if paste.readings.is_empty() {
        return vec![read_text(text)];
    }
    paste
        .readings
        .into_iter()
        .map(|reading| verdict(text, reading))
        .collect()
}

fn verdict(text: &str, reading: Reading) -> TextVerdict {
    let symptom = symptom_of(text, &reading);
    let evidence = Evidence::new("", "", Timestamp::UNIX_EPOCH);
    let index = Index::new(&evidence);
    let case = Case::pasted(&evidence, &index, &symptom, reading.clone());
    let finding = rank::first(&case);
    TextVerdict { finding, reading }
}

fn symptom_of(text: &str, reading: &Reading) -> Symptom {
    Symptom {
        namespace: String::new(),
        pod: String::new(),
        pod_uid: String::new(),
        container: None,
        kind: ContainerKind::Container,
        node: None,
        owner: None,
        field: None,
        image: reading.image.clone().unwrap_or_default(),
        pull_policy: None,
        reason: reading.reason.clone().unwrap_or_default(),
        message: text.to_owned(),
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
