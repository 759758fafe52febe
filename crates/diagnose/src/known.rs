//! An answer, or why there is none.

use pulldoctor_model::{Answered, Gap};

/// What is known about a question.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a, T> {
    /// It was answered.
    Seen(T, &'a Answered),
    /// It could not be answered.
    Gap(&'a Gap),
    /// It was not asked.
    NotAsked,
}

impl<'a, T> Known<'a, T> {
    /// The answer, if there is one.
    pub fn seen(self) -> Option<T> {
        match self {
            Self::Seen(value, _) => Some(value),
            Self::Gap(_) | Self::NotAsked => None,
        }
    }

    /// The record of the answer, if there is one.
    pub fn answered(&self) -> Option<&'a Answered> {
        match self {
            Self::Seen(_, answered) => Some(answered),
            Self::Gap(_) | Self::NotAsked => None,
        }
    }

    /// Whether the question has no answer, asked or not.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Seen(..))
    }
}
