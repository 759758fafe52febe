//! Where the outcomes of questions go that are asked side by side.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pulldoctor_model::{Evidence, Question};

use super::{Outcome, settle};

/// The evidence while it is filled from several sides.
pub(super) struct Sink<'e> {
    filling: Mutex<Filling<'e>>,
}

struct Filling<'e> {
    evidence: &'e mut Evidence,
    /// How many answers and gaps there were before.
    answers: usize,
    gaps: usize,
    /// The place of each question.
    places: HashMap<Question, usize>,
}

impl<'e> Sink<'e> {
    pub(super) fn new(evidence: &'e mut Evidence) -> Self {
        Self {
            filling: Mutex::new(Filling {
                answers: evidence.answers.len(),
                gaps: evidence.gaps.len(),
                evidence,
                places: HashMap::new(),
            }),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Filling<'e>> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what came of the question at a place into the evidence.
    pub(super) fn settle(&self, at: usize, question: &Question, outcome: Outcome) {
        let mut filling = self.locked();
        filling.places.insert(question.clone(), at);
        settle(filling.evidence, question, outcome);
    }

    /// Looks at what is known by now.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Evidence) -> T) -> T {
        look(self.locked().evidence)
    }

    /// Puts what was added into an order that does not depend on what came first.
    pub(super) fn finish(self) {
        let filling = self
            .filling
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let Filling {
            evidence,
            answers,
            gaps,
            places,
        } = filling;
        let place = |question: &Question| places.get(question).copied().unwrap_or(usize::MAX);
        evidence.answers[answers..].sort_by_key(|answered| place(&answered.question));
        for gap in &mut evidence.gaps {
            // Those of earlier rounds stay before.
            let first = gap
                .questions
                .iter()
                .position(|question| places.contains_key(question))
                .unwrap_or(gap.questions.len());
            gap.questions[first..].sort_by_key(place);
        }
        evidence.gaps[gaps..].sort_by(|a, b| {
            let first = |gap: &pulldoctor_model::Gap| {
                gap.questions.iter().map(place).min().unwrap_or(usize::MAX)
            };
            (first(a), &a.what).cmp(&(first(b), &b.what))
        });
    }
}
