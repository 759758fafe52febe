//! A failure inside the client, on its way to a stage.

use std::error::Error;
use std::io;

pub(super) use crate::judge::{Fault, show};

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
