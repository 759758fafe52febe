//! What a cause is made of.

use pulldoctor_model::{CauseId, Finding, Question};

use crate::Case;

/// Whether a raised cause can be the truth on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It competes with the other causes that are raised.
    Cause,
    /// It explains why a fault bites; it comes first only where nothing else is wrong.
    Contributes,
}

/// A cause that the evidence raises.
#[derive(Debug, Clone)]
pub struct Raised {
    /// The finding.
    pub finding: Finding,
    /// Its part.
    pub role: Role,
}

impl From<Finding> for Raised {
    fn from(finding: Finding) -> Self {
        Self {
            finding,
            role: Role::Cause,
        }
    }
}

/// A root cause: its knowledge, its questions and its judgement.
#[derive(Debug)]
pub struct Cause {
    /// The stable id.
    pub id: CauseId,
    /// The page that `explain` shows, as Markdown.
    pub doc: &'static str,
    /// More general causes that describe the same fault: no rivals of this one.
    pub generals: &'static [CauseId],
    /// What would decide, for this symptom.
    pub questions: fn(&Case<'_>) -> Vec<Question>,
    /// What the evidence of this symptom raises.
    pub judge: fn(&Case<'_>) -> Option<Raised>,
}

impl Cause {
    /// The page as Markdown, without the space that a doc comment puts before every line.
    pub fn page(&self) -> String {
        let mut page = String::with_capacity(self.doc.len());
        for line in self.doc.lines() {
            page.push_str(line.strip_prefix(' ').unwrap_or(line));
            page.push('\n');
        }
        page
    }
}

/// Declares a cause. The doc comment above it is the page that `explain` shows.
macro_rules! cause {
    (
        $(#[doc = $doc:expr])*
        $id:ident
        $(generals: [$($general:ident),* $(,)?],)?
    ) => {
        $(#[doc = $doc])*
        pub(crate) static CAUSE: $crate::Cause = $crate::Cause {
            id: pulldoctor_model::CauseId::$id,
            doc: concat!($($doc, "\n"),*),
            generals: &[$($(pulldoctor_model::CauseId::$general),*)?],
            questions,
            judge,
        };
    };
}
pub(crate) use cause;
