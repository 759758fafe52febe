//! A failure inside the client, on its way to a stage.

use std::error::Error;
use std::io;

use pulldoctor_model::{clean_line, shorten};

use crate::judge::Problem;

/// What is wrong, and a sentence about it that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) problem: Problem,
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(problem: Problem, detail: impl AsRef<str>) -> Self {
        Self {
            problem,
            detail: show(detail.as_ref()),
        }
    }
}

/// Makes a foreign text safe and short.
pub(super) fn show(text: &str) -> String {
    shorten(&clean_line(text), 500).into_owned()
}

/// The first error of a kind in a chain of sources. `io::Error` hides what it carries from
/// `source`, so that is looked into as well.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
