//! One incident.

use std::collections::BTreeSet;

use pulldoctor_model::{
    Applicability, ContainerKind, EvidenceItem, Incident, NextQuestion, ReportSymptom, RuledOut,
    Vantage, clean_line,
};

use super::HumanOptions;
use crate::{
    Label, command, count, decisive, duration,
    excerpt::excerpt,
    page::Page,
    words::{milliseconds, seconds_until},
    wrap::Text,
};

/// Workloads that are listed where not all are asked for.
const WORKLOADS: usize = 4;

/// Columns before a fact: the frame, the longest word (`ruled out`) and the space after it.
const MARGIN: usize = 16;

/// Reasons for what is ruled out that are told without `-v`.
const REASONS: usize = 2;

/// Draws an incident.
pub(super) fn render(
    page: &mut Page,
    incident: &Incident,
    one_namespace: Option<&str>,
    options: &HumanOptions,
) {
    brief(page, incident, one_namespace, options);
    if let Some(first) = incident.symptoms.first() {
        let images: BTreeSet<&str> = incident
            .symptoms
            .iter()
            .map(|symptom| symptom.image.as_str())
            .collect();
        excerpt(
            page,
            "image",
            &first.image,
            images.len() - 1,
            incident.caret.as_ref(),
        );
    }
    super::notes(page, &facts(incident, options));
    if options.verbose {
        every_pod(page, incident);
    }
    help(page, incident, options);
    next_retry(page, incident, options);
}

/// The cause and the place only.
pub(super) fn brief(
    page: &mut Page,
    incident: &Incident,
    one_namespace: Option<&str>,
    options: &HumanOptions,
) {
    super::title(page, incident.cause, incident.confidence, &incident.summary);
    workloads(page, incident, one_namespace, options);
}

/// What an arrow points at: a workload and the field in it.
#[derive(PartialEq, Eq)]
struct Place<'a> {
    namespace: &'a str,
    owner: String,
    field: &'a str,
    kind: ContainerKind,
}

impl<'a> Place<'a> {
    fn of(symptom: &'a ReportSymptom) -> Self {
        let owner = symptom.owner.as_ref().map_or_else(
            || format!("pod/{}", symptom.pod),
            |owner| match owner.split_once('/') {
                Some((kind, name)) => format!("{}/{name}", kind.to_ascii_lowercase()),
                None => owner.clone(),
            },
        );
        Self {
            namespace: &symptom.namespace,
            owner,
            field: symptom.field.as_deref().unwrap_or_default(),
            kind: symptom.kind,
        }
    }

    fn text(&self, one_namespace: Option<&str>) -> Text {
        let mut text = Text::plain(clean_line(&self.owner));
        if one_namespace != Some(self.namespace) {
            text.push(Label::Plain, format!(" in {}", clean_line(self.namespace)));
        }
        match self.kind {
            ContainerKind::Sandbox => text.push(Label::Plain, "  its sandbox"),
            _ => text.push(Label::Plain, format!("  {}", clean_line(self.field))),
        }
        text
    }
}

/// The arrows, with how many pods wait and since when.
fn workloads(
    page: &mut Page,
    incident: &Incident,
    one_namespace: Option<&str>,
    options: &HumanOptions,
) {
    let mut places: Vec<Place<'_>> = Vec::new();
    for symptom in &incident.symptoms {
        let place = Place::of(symptom);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let shown = if options.verbose || places.len() <= WORKLOADS {
        places.len()
    } else {
        WORKLOADS - 1
    };
    let arrow = Text::of(Label::Frame, "  --> ");
    let indent = Text::plain("      ");
    let extent = extent(incident, options);
    for (at, place) in places.iter().take(shown).enumerate() {
        let text = place.text(one_namespace);
        if at > 0 {
            page.paragraph(&arrow, &indent, &text);
        } else if arrow.width() + text.width() + 2 + extent.width() <= page.width() {
            page.heading(&arrow, &indent, &text, &extent);
        } else {
            page.paragraph(&arrow, &indent, &text);
            page.paragraph(&indent, &indent, &extent);
        }
    }
    if shown < places.len() {
        let more = format!("and {} more", count(places.len() - shown, "workload"));
        page.line(&indent.with(Label::Faint, more));
    }
}

/// How far it reaches: pods, nodes, time.
fn extent(incident: &Incident, options: &HumanOptions) -> Text {
    let pods: BTreeSet<_> = incident
        .symptoms
        .iter()
        .map(|symptom| (&symptom.namespace, &symptom.pod))
        .collect();
    let nodes: BTreeSet<_> = incident
        .symptoms
        .iter()
        .filter_map(|symptom| symptom.node.as_ref())
        .collect();
    let mut parts = vec![count(pods.len(), "pod")];
    match nodes.first() {
        Some(only) if nodes.len() == 1 => parts.push(format!("node {}", clean_line(only))),
        Some(_) => parts.push(count(nodes.len(), "node")),
        None => {}
    }
    let waiting = incident
        .symptoms
        .iter()
        .filter_map(|symptom| symptom.since)
        .min()
        .and_then(|since| seconds_until(since, options.now));
    if let Some(seconds) = waiting {
        parts.push(format!("waiting {}", duration(seconds.max(1))));
    }
    Text::of(Label::Faint, parts.join(", "))
}

/// The lines after `=`.
fn facts<'a>(incident: &'a Incident, options: &HumanOptions) -> Vec<(&'a str, Text)> {
    let mut lines: Vec<(&str, Text)> = Vec::new();
    if let Some(first) = incident.symptoms.first()
        && !first.message.trim().is_empty()
    {
        let message = clean_line(&first.message);
        let shown = if options.verbose {
            message.into_owned()
        } else {
            decisive(&message).into_owned()
        };
        lines.push(("text", Text::plain(shown)));
    }
    for (word, text) in &incident.notes {
        lines.push((word, Text::plain(clean_line(text))));
    }
    for (at, item) in incident.evidence.iter().enumerate() {
        // The message stands above already.
        match item.from {
            Vantage::Text if !lines.is_empty() => {}
            // What was asked is in the answer: stage by stage, with the credential.
            Vantage::Here if !options.verbose => {
                lines.push(("checked", Text::plain(clean_line(&item.answer))));
            }
            _ => {
                let is_same = |other: &&EvidenceItem| {
                    other.question == item.question && other.from == item.from
                };
                // The question is said once, with all that was seen.
                if !incident.evidence[..at].iter().any(|other| is_same(&other)) {
                    let answers = incident.evidence[at..].iter().filter(is_same);
                    lines.push(("seen", evidence(item, answers)));
                }
            }
        }
    }
    for rival in &incident.rivals {
        let mut text = Text::of(Label::Unsure, rival.cause.as_str())
            .with(Label::Plain, format!(": {}", clean_line(&rival.because)));
        // What is asked below need not be said here.
        let asked = |next: &NextQuestion| next.question == rival.decided_by;
        if !incident.next.iter().any(asked) {
            text.push(
                Label::Plain,
                format!("; what decides: {}", clean_line(&rival.decided_by)),
            );
        }
        lines.push(("or", text));
    }
    for also in &incident.also {
        let text = Text::of(Label::Key, also.cause.as_str())
            .with(Label::Plain, format!(": {}", clean_line(&also.because)));
        lines.push(("also", text));
    }
    lines.extend(ruled_out(&incident.ruled_out, options.verbose).map(|text| ("ruled out", text)));
    for next in &incident.next {
        lines.push(("ask", Text::plain(clean_line(&next.question))));
        if let Some(command) = &next.command {
            let command = as_called(command, options);
            for line in command::lines(&command, options.width.saturating_sub(MARGIN)) {
                lines.push((super::SAME, Text::of(Label::Command, line)));
            }
        }
    }
    lines
}

/// What is excluded. Where it is much, by what is said with `-v` only.
fn ruled_out(excluded: &[RuledOut], verbose: bool) -> Option<Text> {
    if excluded.is_empty() {
        return None;
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for ruled in excluded {
        let id = ruled.cause.as_str();
        match reasons.iter_mut().find(|(by, _)| *by == ruled.by) {
            Some((_, ids)) => ids.push(id),
            None => reasons.push((&ruled.by, vec![id])),
        }
    }
    if verbose || reasons.len() <= REASONS {
        let parts: Vec<String> = reasons
            .iter()
            .map(|(by, ids)| format!("{} ({})", together(ids), clean_line(by)))
            .collect();
        return Some(Text::plain(parts.join(", ")));
    }
    let ids: Vec<&str> = reasons.into_iter().flat_map(|(_, ids)| ids).collect();
    Some(Text::plain(together(&ids)).with(Label::Faint, " (`-v` says by what)"))
}

/// Ids in a row, what neighbours begin with said once: `tls-expired/-name-mismatch`.
fn together(ids: &[&str]) -> String {
    let mut out = String::new();
    let mut before = "";
    for id in ids {
        let stem = [
            "registry-unreachable",
            "image-not-found",
            "auth",
            "secret",
            "tls",
        ]
        .into_iter()
        .find(|stem| {
            id.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with('-'))
        });
        match stem {
            Some(stem) if stem == before => {
                out.push('/');
                out.push_str(&id[stem.len()..]);
            }
            _ => {
                if !out.is_empty() {
                    out.push_str(", ");
                }
                out.push_str(id);
            }
        }
        before = stem.unwrap_or_default();
    }
    out
}

/// What was seen to a question, with its place and time.
fn evidence<'a>(item: &EvidenceItem, answers: impl Iterator<Item = &'a EvidenceItem>) -> Text {
    let answers: Vec<&str> = answers.map(|one| one.answer.as_str()).collect();
    let took = item
        .took_ms
        .map_or_else(String::new, |ms| format!(", {}", milliseconds(ms)));
    Text::of(Label::Faint, format!("{} ", clean_line(&item.question)))
        .with(
            Label::Plain,
            format!("{} ", clean_line(&answers.join("; "))),
        )
        .with(
            Label::Faint,
            format!("({}{took})", clean_line(&item.from.to_string())),
        )
}

/// Every pod with its node and its own words.
fn every_pod(page: &mut Page, incident: &Incident) {
    for symptom in &incident.symptoms {
        let mut text = format!(
            "{}/{}",
            clean_line(&symptom.namespace),
            clean_line(&symptom.pod)
        );
        for part in [&symptom.container, &symptom.node].into_iter().flatten() {
            text.push_str("  ");
            text.push_str(&clean_line(part));
        }
        text.push_str("  ");
        text.push_str(&clean_line(&symptom.reason));
        page.paragraph(
            &Text::of(Label::Frame, "   : "),
            &Text::plain("     "),
            &Text::plain(text),
        );
    }
}

/// A command under the name by which the program was called.
fn as_called(command: &str, options: &HumanOptions) -> String {
    let command = clean_line(command);
    command.strip_prefix("pulldoctor ").map_or_else(
        || command.clone().into_owned(),
        |rest| format!("{} {rest}", options.program),
    )
}

/// What to do.
fn help(page: &mut Page, incident: &Incident, options: &HumanOptions) {
    for remedy in &incident.remedies {
        let word = Text::of(Label::Help, "help").with(Label::Plain, ": ");
        let indent = Text::plain("      ");
        let mut title = clean_line(&remedy.title).into_owned();
        if options.verbose {
            title.push_str(match remedy.applicability {
                Applicability::Safe => " (safe to do unattended)",
                Applicability::Consent => " (look at the change first)",
                Applicability::Advice => " (outside the cluster)",
            });
        }
        page.paragraph(&word, &indent, &Text::plain(title));
        if let Some(command) = &remedy.command {
            let command = as_called(command, options);
            for line in command::lines(&command, page.width().saturating_sub(6)) {
                page.line(&indent.clone().with(Label::Command, line));
            }
        }
    }
}

/// When the kubelet tries again by itself.
fn next_retry(page: &mut Page, incident: &Incident, options: &HumanOptions) {
    let next = incident
        .symptoms
        .iter()
        .filter_map(|symptom| symptom.next_retry)
        .filter_map(|retry| seconds_until(options.now, retry))
        .min();
    if let Some(seconds) = next {
        let text = format!("next kubelet retry in {}", duration(seconds));
        page.line(&Text::of(Label::Faint, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_said_once_with_all_that_was_seen() {
        let item = |answer: &str| EvidenceItem {
            question: "does node `n2` reach it?".to_owned(),
            answer: answer.to_owned(),
            from: Vantage::Node("n2".to_owned()),
            took_ms: None,
        };
        let (one, other) = (item("dns failed"), item("the same here"));
        let text = evidence(&one, [&one, &other].into_iter());
        let expected = "does node `n2` reach it? dns failed; the same here (node/n2)";
        let told: String = text.0.into_iter().map(|span| span.text).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn ids_of_one_kind_are_said_together() {
        assert_eq!(
            together(&[
                "tls-expired",
                "tls-name-mismatch",
                "host-typo",
                "auth-forbidden"
            ]),
            "tls-expired/-name-mismatch, host-typo, auth-forbidden"
        );
    }
}
