//! Places in the input.

use std::ops::Range;

/// A range of bytes of the input, on character boundaries.
///
/// Empty only where the input itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Spans the character that starts at byte `start`.
    pub(crate) fn of_char(start: usize, character: char) -> Self {
        Self::new(start, start + character.len_utf8())
    }

    pub(crate) fn shifted(self, by: usize) -> Self {
        Self::new(self.start + by, self.end + by)
    }

    /// Returns the length in bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Tells whether the span covers nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the span as a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Cuts the spanned text out of `input`; `None` if `input` is not the text it was made for.
    pub fn of(self, input: &str) -> Option<&str> {
        input.get(self.range())
    }
}

/// Where the parts of a reference stand in the input, as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Spans {
    /// The registry host with its port; `None` where the input names none.
    pub registry: Option<Span>,
    /// The repository, without the `library/` that Docker Hub names get.
    pub repository: Span,
    /// The tag without its colon.
    pub tag: Option<Span>,
    /// The digest without its `@`: algorithm, colon and hexadecimal digits.
    pub digest: Option<Span>,
}
