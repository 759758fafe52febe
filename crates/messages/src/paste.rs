//! Reads what people paste: several lines, events, log lines.

use serde::{Deserialize, Serialize};

use crate::Reading;

/// What a pasted text tells.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Paste {
    /// The distinct errors, most informative first.
    pub readings: Vec<Reading>,
}

/// Reads a pasted text.
pub fn read_paste(text: &str) -> Paste {
    Paste {
        readings: vec![crate::read(text)],
    }
}
