//! The loop's two halves: what to ask, and what the answers mean.

use std::collections::HashSet;

use pulldoctor_model::{CauseId, Diagnosis, Evidence, Question, Report};

use crate::{
    case::{Case, Index},
    causes::{self, network::is_loopback},
    group, rank,
};

/// What would still decide, over all symptoms: each question once, neither answered nor known to
/// be unanswerable, those of the first symptoms first.
///
/// Where no text of a symptom carries a cause, its events are asked for before anything else.
pub fn questions(evidence: &Evidence) -> Vec<Question> {
    let index = Index::new(evidence);
    let mut seen = HashSet::new();
    let mut asked = Vec::new();
    for symptom in &evidence.symptoms {
        let case = Case::new(evidence, &index, symptom);
        for question in questions_of(&case, &index) {
            if !question.is_of_node_view()
                && !index.is_settled(&question)
                && seen.insert(question.clone())
            {
                asked.push(question);
            }
        }
    }
    asked
}

/// What only the nodes themselves could say, and would still decide: each question once, those of
/// the first symptoms first. To answer them something is created on nodes, so they are asked only
/// where the person wants it. Meant for evidence of which [`questions`] has nothing left to ask.
pub fn node_questions(evidence: &Evidence) -> Vec<Question> {
    let index = Index::new(evidence);
    let mut seen = HashSet::new();
    judge(evidence)
        .into_iter()
        .flat_map(|diagnosis| {
            let node = evidence.symptoms[diagnosis.symptom].node.clone();
            let told = told_by_config(diagnosis.first.cause)
                .then_some(node)
                .flatten()
                .map(|name| Question::NodeConfig { name });
            diagnosis.first.open.into_iter().chain(told)
        })
        .filter(|question| question.is_of_node_view() && !index.is_settled(question))
        .filter(|question| seen.insert(question.clone()))
        .collect()
}

/// Whether a finding says more where the kubelet's settings are known, however sure it is.
fn told_by_config(cause: CauseId) -> bool {
    matches!(
        cause,
        CauseId::PullQpsExceeded | CauseId::DiskFull | CauseId::InodesExhausted
    )
}

fn questions_of(case: &Case<'_>, index: &Index<'_>) -> Vec<Question> {
    if !case.text_has_cause() {
        let events = case.events_question();
        if !index.is_settled(&events) {
            return vec![events];
        }
    }
    let mut asked: Vec<Question> = causes::ALL
        .iter()
        .flat_map(|cause| (cause.questions)(case))
        .collect();
    // `localhost` is another machine here than on the node: nothing is asked there, and no login sent.
    if is_loopback(&case.registry()) {
        asked.retain(|question| !is_about_platform(question));
    }
    // The registry is asked for the node's platform, so what the node says of itself comes first.
    if let Some(node) = case.node_question().filter(|node| !index.is_settled(node))
        && asked.iter().any(is_about_platform)
    {
        asked.retain(|question| !is_about_platform(question));
        asked.push(node);
    }
    asked
}

fn is_about_platform(question: &Question) -> bool {
    matches!(question, Question::Registry { .. })
}

/// One diagnosis for every symptom, in the order of the symptoms.
pub fn judge(evidence: &Evidence) -> Vec<Diagnosis> {
    judged(evidence).0
}

/// The diagnoses, and the text that each was judged by.
fn judged(evidence: &Evidence) -> (Vec<Diagnosis>, Vec<String>) {
    let index = Index::new(evidence);
    evidence
        .symptoms
        .iter()
        .enumerate()
        .map(|(at, symptom)| {
            let case = Case::new(evidence, &index, symptom);
            let first = rank::first(&case);
            (Diagnosis { symptom: at, first }, case.text().to_owned())
        })
        .unzip()
}

/// The whole report: diagnoses grouped into incidents, and the gaps with their weight.
pub fn report(evidence: &Evidence) -> Report {
    let (diagnoses, texts) = judged(evidence);
    let gaps = group::gaps(evidence, &diagnoses);
    Report {
        schema: Report::SCHEMA.to_owned(),
        context: evidence.context.clone(),
        scanned: evidence.scanned.clone(),
        incidents: group::incidents(evidence, diagnoses, &texts),
        gaps,
    }
}
