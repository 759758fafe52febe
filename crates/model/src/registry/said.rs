//! What registries say, as far as it is kept. Every text is safe to show.

use serde::{Deserialize, Serialize};

/// One error of the registry protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryError {
    /// The code as it was written, `MANIFEST_UNKNOWN`; empty where there is none.
    pub code: String,
    /// The message, safe to show.
    pub message: String,
}

/// What the body of a refusal says. Every text is safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The protocol's own errors.
    pub errors: Vec<RegistryError>,
    /// The beginning of a body that is not of that form.
    pub text: Option<String>,
}

impl ErrorBody {
    /// Tells whether an error of this code is among them.
    pub fn has(&self, code: &str) -> bool {
        self.errors
            .iter()
            .any(|error| error.code.eq_ignore_ascii_case(code))
    }

    /// One line: `code: message`, as containerd renders it.
    pub fn summary(&self) -> Option<String> {
        if let Some(error) = self.errors.first() {
            let code = error.code.to_lowercase().replace('_', " ");
            return Some(match (code.is_empty(), error.message.is_empty()) {
                (false, false) => format!("{code}: {}", error.message),
                (true, _) => error.message.clone(),
                (false, true) => code,
            });
        }
        self.text.clone()
    }
}

/// A limit, as the headers of an answer state it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests in a window.
    pub limit: Option<u64>,
    /// Requests that are left.
    pub remaining: Option<u64>,
    /// Seconds of the window.
    pub window_s: Option<u64>,
    /// Whom the registry counts: an address or a user.
    pub source: Option<String>,
    /// Seconds to wait.
    pub retry_after_s: Option<u64>,
}

/// A tag that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NearTag {
    /// The tag.
    pub tag: String,
    /// Why it is near, in a few words.
    pub because: String,
    /// How far it is; smaller is nearer. Only the order means something.
    pub distance: u32,
    /// It ran here before.
    pub ran_before: bool,
}

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// An image that a runtime can run.
    Image,
    /// An index.
    Index,
    /// Docker schema 1.
    Schema1,
    /// A Helm chart.
    HelmChart,
    /// A signature or attestation.
    Signature,
    /// A Docker plugin.
    DockerPlugin,
    /// Something else, by its media type.
    Other(String),
}

/// Tells whether a text is a digest that may stand in a URL: a known algorithm and exactly as many
/// lower-case hexadecimal digits as it has.
pub fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length
        && hex
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
