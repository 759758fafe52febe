//! The engine: from evidence to incidents, without any I/O.
//!
//! A caller collects [`Evidence`](pulldoctor_model::Evidence), asks [`questions`] what would
//! still decide, answers what it can, and repeats until nothing is left to ask or its budget is
//! spent. [`judge`] then gives one diagnosis for each symptom, and [`report`] groups them into
//! incidents.
//!
//! One file per cause in [`causes`]: its doc comment is what `pulldoctor explain <id>` shows, its
//! `questions` say what would decide, its `judge` weighs the evidence of one symptom. What the
//! causes share (the texts of a symptom, answered questions, the ways to phrase a finding) is in
//! [`Case`].
//!
//! ```text
//! Symptom + texts -> Case -> every cause's judge -> rank -> Diagnosis -> group -> Incident
//!                      \-> every cause's questions -> Question
//! ```

mod case;
mod cause;
pub mod causes;
mod engine;
mod finding;
#[cfg(test)]
mod fixture;
mod group;
pub mod isolate;
mod known;
mod node_sight;
mod places;
pub mod probe;
mod rank;
mod ruled_out;
mod texts;
pub mod transcript;
mod verdict;
mod view;

pub use case::Case;
pub use cause::{Cause, Raised, Role};
pub use engine::{judge, node_questions, questions, report};
pub use known::Known;
pub use verdict::{TextVerdict, read_paste, read_text};

/// Every cause in the order of precedence: where two are equally sure, the earlier one is named.
pub fn causes() -> &'static [&'static Cause] {
    causes::ALL
}

/// The cause with this id.
pub fn cause(id: pulldoctor_model::CauseId) -> Option<&'static Cause> {
    causes::ALL.iter().copied().find(|cause| cause.id == id)
}
