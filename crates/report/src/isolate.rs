//! Whose fault a failing pull is: the document `pulldoctor.dev/isolate/v1`, and how a person sees
//! it.

use pulldoctor_model::{CauseId, Confidence, ReportGap, clean_line, shorten};
use serde::Serialize;

use crate::{Label, Stylesheet, page::Page, wrap::Text};

/// Columns of the longest outcome.
const OUTCOME: usize = 11;
/// Characters of a message that are shown where not all is asked for.
const MESSAGE: usize = 240;

/// The pod that is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IsolatePod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The container that waits.
    pub container: Option<String>,
}

/// One pull by a kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsolateTrial {
    /// What it is for: `suspect-here`, `suspect-elsewhere`, `same-registry-here` or
    /// `other-registry-here`.
    pub role: &'static str,
    /// The same in words.
    #[serde(skip)]
    pub words: &'static str,
    /// The image; empty where none was found.
    pub image: String,
    /// The node; empty where none was found.
    pub node: String,
    /// `pulled`, `resolved` (the image was on the node), `answered` (a probe, and no pull),
    /// `failed`, `not-started` or `untried`.
    pub outcome: &'static str,
    /// The kubelet's reason, where it failed.
    pub reason: Option<String>,
    /// The kubelet's text, or why it was not tried.
    pub message: Option<String>,
    /// What the text alone points to.
    pub cause: Option<CauseId>,
}

/// The whole. Every key is always present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IsolateDocument {
    /// [`IsolateDocument::SCHEMA`].
    pub schema: &'static str,
    /// The node that is looked at; empty where the pod waits for no image.
    pub node: String,
    /// The pod, where one was named.
    pub pod: Option<IsolatePod>,
    /// Its image.
    pub image: Option<String>,
    /// The pulls in their order.
    pub trials: Vec<IsolateTrial>,
    /// `image`, `node`, `path`, `registry`, `both`, `image-on-node`, `sandbox`, `over` or
    /// `undecided`.
    pub fault: &'static str,
    /// The cause that the failed trials agree on.
    pub cause: Option<CauseId>,
    /// How sure it is; none without a cause.
    pub confidence: Option<Confidence>,
    /// One sentence.
    pub summary: String,
    /// What the trials leave open.
    pub limits: Vec<String>,
    /// What was not allowed or did not answer.
    pub gaps: Vec<ReportGap>,
}

impl IsolateDocument {
    /// The version of the document.
    pub const SCHEMA: &'static str = "pulldoctor.dev/isolate/v1";

    /// Whether the fault is found, so that there is something to mend.
    pub fn is_fault(&self) -> bool {
        !matches!(self.fault, "over" | "undecided")
    }
}

/// The document for people: what was looked at, a line a trial, and what it comes to.
pub fn human_isolate(
    document: &IsolateDocument,
    verbose: bool,
    width: usize,
    style: Stylesheet,
) -> String {
    let mut page = Page::new(width, style);
    if !document.trials.is_empty() {
        heading(&mut page, document);
        page.blank();
        for trial in &document.trials {
            line(&mut page, trial, verbose);
        }
        page.blank();
    }
    verdict(&mut page, document);
    for limit in &document.limits {
        page.paragraph(
            &Text::plain("   = "),
            &Text::plain("     "),
            &Text::plain(clean_line(limit).into_owned()),
        );
    }
    crate::human::gaps(&mut page, &document.gaps);
    page.finish()
}

fn heading(page: &mut Page, document: &IsolateDocument) {
    let mut text = Text::new();
    if let Some(image) = &document.image {
        text.push(Label::Summary, clean_line(image).into_owned());
        text.push(Label::Plain, "  ");
    }
    if let Some(pod) = &document.pod {
        text.push(
            Label::Plain,
            format!(
                "pod {}/{}  ",
                clean_line(&pod.namespace),
                clean_line(&pod.name)
            ),
        );
    }
    text.push(Label::Plain, format!("node {}", clean_line(&document.node)));
    page.paragraph(&Text::new(), &Text::plain("  "), &text);
}

fn line(page: &mut Page, trial: &IsolateTrial, verbose: bool) {
    let (label, word) = match trial.outcome {
        "pulled" => (Label::Proven, "PULLED"),
        "resolved" => (Label::Proven, "RESOLVED"),
        "answered" => (Label::Proven, "ANSWERED"),
        "failed" => (Label::Error, "FAILED"),
        "not-started" => (Label::Error, "NOT STARTED"),
        _ => (Label::Faint, "NOT TRIED"),
    };
    let first = Text::plain("  ").with(label, word).with(
        Label::Plain,
        " ".repeat(OUTCOME.saturating_sub(word.len()) + 2),
    );
    let rest = Text::plain(" ".repeat(first.width()));
    page.paragraph(&first, &rest, &Text::plain(trial.words));
    if !trial.image.is_empty() {
        let mut text = Text::of(Label::Literal, clean_line(&trial.image).into_owned());
        if !trial.node.is_empty() {
            text.push(Label::Plain, format!(" on {}", clean_line(&trial.node)));
        }
        page.paragraph(&rest, &rest, &text);
    }
    if let Some(message) = trial.message.as_deref().filter(|text| !text.is_empty()) {
        let message = clean_line(message);
        let most = if verbose { usize::MAX } else { MESSAGE };
        let message = shorten(&message, most).into_owned();
        page.paragraph(&rest, &rest, &Text::of(Label::Faint, message));
    }
}

fn verdict(page: &mut Page, document: &IsolateDocument) {
    if let (Some(cause), Some(confidence)) = (document.cause, document.confidence) {
        crate::human::title(page, cause, confidence, &document.summary);
        return;
    }
    let (label, word) = match document.fault {
        "over" => (Label::Proven, "ok"),
        "undecided" => (Label::Warning, "unknown"),
        _ => (Label::Error, "error"),
    };
    page.paragraph(
        &Text::of(label, word).with(Label::Summary, ": "),
        &Text::plain("  "),
        &Text::of(Label::Summary, clean_line(&document.summary).into_owned()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(
        role: &'static str,
        words: &'static str,
        image: &str,
        outcome: &'static str,
    ) -> IsolateTrial {
        let failed = outcome == "failed";
        IsolateTrial {
            role,
            words,
            image: image.to_owned(),
            node: if role == "suspect-elsewhere" {
                "n2".to_owned()
            } else {
                "n1".to_owned()
            },
            outcome,
            reason: failed.then(|| "ErrImagePull".to_owned()),
            message: failed.then(|| {
                "dial tcp: lookup registry.example.com: no such\u{1b}[31m host".to_owned()
            }),
            cause: failed.then_some(CauseId::RegistryUnreachableDns),
        }
    }

    fn document() -> IsolateDocument {
        IsolateDocument {
            schema: IsolateDocument::SCHEMA,
            node: "n1".to_owned(),
            pod: Some(IsolatePod {
                namespace: "shop".to_owned(),
                name: "api-6c9f-x2".to_owned(),
                container: Some("api".to_owned()),
            }),
            image: Some("registry.example.com/shop/api:v1.4.2".to_owned()),
            trials: vec![
                trial("suspect-elsewhere", "the image, on another node", "registry.example.com/shop/api:v1.4.2", "pulled"),
                trial("same-registry-here", "a good image of this registry, on this node", "registry.example.com/base:1", "failed"),
                trial("other-registry-here", "a good image of another registry, on this node", "", "untried"),
            ],
            fault: "path",
            cause: Some(CauseId::RegistryUnreachableDns),
            confidence: Some(Confidence::Proven),
            summary: "the way from `n1` to this registry: the node pulls from another registry, and `n2` gets `registry.example.com/shop/api:v1.4.2`".to_owned(),
            limits: vec!["a good image of another registry, on this node: not tried: none is known".to_owned()],
            gaps: Vec::new(),
        }
    }

    #[test]
    fn a_person_sees_a_line_a_trial_in_eighty_columns() {
        let text = human_isolate(&document(), false, 80, Stylesheet::PLAIN);
        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn every_key_is_there() {
        let value = serde_json::to_value(document()).unwrap();
        for key in [
            "schema",
            "node",
            "pod",
            "image",
            "trials",
            "fault",
            "cause",
            "confidence",
            "summary",
            "limits",
            "gaps",
        ] {
            assert!(value.get(key).is_some(), "{key}");
        }
        assert_eq!(value["trials"][1]["outcome"], "failed");
    }
}
