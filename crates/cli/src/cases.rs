//! The recorded cases that are built in.

use std::{io::Read as _, sync::LazyLock};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use pulldoctor_model::{CauseId, Evidence};
use serde::Deserialize;

/// A case as it stands in `cases/`.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Its folder's name.
    pub(crate) name: String,
    yaml: String,
    evidence: String,
}

/// What `build.rs` packed.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cases.json.gz"));

/// Every case that has recorded evidence, by name.
pub(crate) static ALL: LazyLock<Vec<Recorded>> = LazyLock::new(|| unpack().unwrap_or_default());

fn unpack() -> Result<Vec<Recorded>> {
    let mut text = String::new();
    GzDecoder::new(PACKED)
        .read_to_string(&mut text)
        .context("unpack the recorded cases")?;
    let cases: Vec<(String, String, String)> =
        serde_json::from_str(&text).context("read the recorded cases")?;
    let recorded = |(name, yaml, evidence)| Recorded {
        name,
        yaml,
        evidence,
    };
    Ok(cases.into_iter().map(recorded).collect())
}

/// What is read of `case.yaml`. The lab reads the rest.
#[derive(Debug, Deserialize)]
pub(crate) struct Story {
    /// What happened, in about three lines.
    #[serde(rename = "story")]
    pub(crate) text: String,
    /// `lab` or `fixture`.
    pub(crate) origin: String,
    expect: Expected,
}

#[derive(Debug, Deserialize)]
struct Expected {
    #[serde(default)]
    incidents: Vec<ExpectedIncident>,
}

#[derive(Debug, Deserialize)]
struct ExpectedIncident {
    cause: CauseId,
}

impl Story {
    /// The causes that it shows; none for a healthy case.
    pub(crate) fn causes(&self) -> Vec<CauseId> {
        self.expect
            .incidents
            .iter()
            .map(|incident| incident.cause)
            .collect()
    }
}

impl Recorded {
    /// What happened.
    pub(crate) fn story(&self) -> Result<Story> {
        serde_saphyr::from_str(&self.yaml)
            .with_context(|| format!("read the story of case `{}`", self.name))
    }

    /// What was seen.
    pub(crate) fn evidence(&self) -> Result<Evidence> {
        serde_json::from_str(&self.evidence)
            .with_context(|| format!("read the evidence of case `{}`", self.name))
    }
}

/// The case with a name.
pub(crate) fn find(name: &str) -> Option<&'static Recorded> {
    ALL.iter().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_can_be_replayed() {
        let cases = unpack().unwrap();
        assert!(!cases.is_empty());
        for case in &cases {
            let story = case.story().unwrap();
            assert!(!story.text.trim().is_empty(), "{}", case.name);
            let report = pulldoctor_diagnose::report(&case.evidence().unwrap());
            assert_eq!(
                report.incidents.is_empty(),
                story.causes().is_empty(),
                "{}",
                case.name
            );
        }
    }
}
