//! Where the evidence comes from.

use std::path::Path;

use pulldoctor_model::Evidence;

use crate::{
    args,
    failure::Failure,
    terminal::{self, Terminal},
};

/// Bytes that are read of a recording.
const MOST: u64 = 1 << 30;

/// Evidence that was recorded.
pub(crate) fn recorded(path: &Path) -> Result<Evidence, Failure> {
    let content = terminal::read(path, MOST).map_err(Failure::request)?;
    serde_json::from_slice(&content).map_err(|error| {
        Failure::request(
            anyhow::Error::new(error).context(format!("read the recording `{}`", path.display())),
        )
        .help("`--bundle` reads what `--record` wrote")
    })
}

/// Evidence of a cluster.
pub(crate) fn live(_options: &args::Diagnose, _terminal: &Terminal) -> Result<Evidence, Failure> {
    Err(Failure::bug(anyhow::anyhow!("no cluster yet")))
}
