//! The ways to fill a finding.

use pulldoctor_model::{
    Also, Answered, Applicability, Caret, CauseId, EvidenceItem, Finding, NextQuestion, Question,
    RemedyRef, Rival, RuledOut,
};
use pulldoctor_reference::Span;

use crate::causes::support::quote;

/// What cause files add to a finding. Every method takes and gives the finding back.
pub(crate) trait FindingExt: Sized {
    /// Adds what an answered question says, in one sentence.
    fn seen(self, answered: Option<&Answered>, answer: impl Into<String>) -> Self;
    /// Adds a cause that may be the truth instead.
    fn rival(
        self,
        cause: CauseId,
        because: impl Into<String>,
        decided_by: impl Into<String>,
    ) -> Self;
    /// Adds a cause that the evidence excludes.
    fn rules_out(self, cause: CauseId, by: impl Into<String>) -> Self;
    /// Adds what contributes.
    fn also(self, cause: CauseId, because: impl Into<String>) -> Self;
    /// Adds what to ask next, and a command that answers it.
    fn next(self, question: impl Into<String>, command: Option<String>) -> Self;
    /// Adds an open question that may change the verdict; it is named as what to ask next.
    fn open(self, question: Option<Question>) -> Self;
    /// Adds a remedy.
    fn remedy(
        self,
        id: &str,
        applicability: Applicability,
        title: impl Into<String>,
        command: Option<String>,
    ) -> Self;
    /// Points at a part of the image.
    fn caret(self, span: impl Into<Option<Span>>, label: impl Into<String>) -> Self;
    /// Adds a fact worth a line of its own.
    fn note(self, word: &str, text: impl Into<String>) -> Self;
}

/// The command that answers a question which is asked only where the person wants it.
fn command_for(question: &Question) -> Option<String> {
    match question {
        Question::NodeView { node, image, .. } => Some(format!(
            "pulldoctor probe {} --from {}",
            quote(image),
            quote(&format!("node/{node}"))
        )),
        question if question.is_of_node_view() => {
            Some("pulldoctor diagnose --node-view".to_owned())
        }
        _ => None,
    }
}

impl FindingExt for Finding {
    fn seen(mut self, answered: Option<&Answered>, answer: impl Into<String>) -> Self {
        if let Some(answered) = answered {
            self.evidence.push(EvidenceItem {
                question: answered.question.to_string(),
                answer: answer.into(),
                from: answered.from.clone(),
                took_ms: answered.took_ms,
            });
        }
        self
    }

    fn rival(
        mut self,
        cause: CauseId,
        because: impl Into<String>,
        decided_by: impl Into<String>,
    ) -> Self {
        self.rivals.push(Rival {
            cause,
            because: because.into(),
            decided_by: decided_by.into(),
        });
        self
    }

    fn rules_out(mut self, cause: CauseId, by: impl Into<String>) -> Self {
        self.ruled_out.push(RuledOut {
            cause,
            by: by.into(),
        });
        self
    }

    fn also(mut self, cause: CauseId, because: impl Into<String>) -> Self {
        self.also.push(Also {
            cause,
            because: because.into(),
        });
        self
    }

    fn next(mut self, question: impl Into<String>, command: Option<String>) -> Self {
        self.next.push(NextQuestion {
            question: question.into(),
            command,
        });
        self
    }

    fn open(mut self, question: Option<Question>) -> Self {
        if let Some(question) = question {
            let text = question.to_string();
            if self.next.iter().all(|next| next.question != text) {
                self.next.push(NextQuestion {
                    question: text,
                    command: command_for(&question),
                });
            }
            self.open.push(question);
        }
        self
    }

    fn remedy(
        mut self,
        id: &str,
        applicability: Applicability,
        title: impl Into<String>,
        command: Option<String>,
    ) -> Self {
        self.remedies.push(RemedyRef {
            id: id.to_owned(),
            applicability,
            title: title.into(),
            command,
        });
        self
    }

    fn caret(mut self, span: impl Into<Option<Span>>, label: impl Into<String>) -> Self {
        self.caret = span.into().map(|span| Caret {
            start: span.start,
            end: span.end,
            label: label.into(),
        });
        self
    }

    fn note(mut self, word: &str, text: impl Into<String>) -> Self {
        self.notes.push((word.to_owned(), text.into()));
        self
    }
}
