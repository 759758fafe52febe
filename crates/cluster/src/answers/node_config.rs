//! How a node's kubelet is set up to pull, from its `configz`.

use pulldoctor_model::{KubeletConfig, clean_line, shorten};
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    slim::nullable,
};

/// How many thresholds of eviction are kept: the kubelet knows about eight signals.
const THRESHOLDS_MOST: usize = 32;

/// How many characters of a word of the settings are kept.
const WORD_MOST: usize = 100;

/// Reads `configz` through the API server.
pub(crate) async fn read(api: &Api, name: &str) -> Result<KubeletConfig, ApiError> {
    let path = ApiPath::core()
        .segment("nodes")
        .segment(name)
        .segment("proxy")
        .segment("configz");
    let page: Page = api
        .object(&path, Form::Full, "a kubelet's settings")
        .await?;
    Ok(page.kubeletconfig.facts())
}

/// `configz` holds one entry for each component of the process (`pkg/kubelet/server`, 1.37:
/// `configz.New("kubeletconfig")`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    #[serde(deserialize_with = "nullable")]
    kubeletconfig: Raw,
}

/// The fields of `KubeletConfiguration` v1beta1 that bear on pulls.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw {
    serialize_image_pulls: Option<bool>,
    max_parallel_image_pulls: Option<u32>,
    #[serde(rename = "registryPullQPS")]
    registry_pull_qps: Option<i64>,
    registry_burst: Option<i64>,
    image_pull_credentials_verification_policy: Option<String>,
    #[serde(rename = "imageGCHighThresholdPercent")]
    image_gc_high_threshold_percent: Option<i64>,
    #[serde(rename = "imageGCLowThresholdPercent")]
    image_gc_low_threshold_percent: Option<i64>,
    runtime_request_timeout: Option<String>,
    #[serde(deserialize_with = "nullable")]
    eviction_hard: std::collections::BTreeMap<String, String>,
}

impl Raw {
    fn facts(self) -> KubeletConfig {
        let word = |text: &str| shorten(&clean_line(text), WORD_MOST).into_owned();
        KubeletConfig {
            serialize_image_pulls: self.serialize_image_pulls,
            max_parallel_image_pulls: self.max_parallel_image_pulls,
            registry_pull_qps: self.registry_pull_qps,
            registry_burst: self.registry_burst,
            image_pull_credentials_verification_policy: self
                .image_pull_credentials_verification_policy
                .map(|policy| word(&policy)),
            image_gc_high_threshold_percent: self.image_gc_high_threshold_percent,
            image_gc_low_threshold_percent: self.image_gc_low_threshold_percent,
            runtime_request_timeout_s: self.runtime_request_timeout.as_deref().and_then(seconds),
            eviction_hard: self
                .eviction_hard
                .iter()
                .take(THRESHOLDS_MOST)
                .map(|(signal, threshold)| (word(signal), word(threshold)))
                .collect(),
        }
    }
}

/// Whole seconds of a duration as Go writes it: `2m0s`, `1h0m0s`, `1.5s`.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0.0_f64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().ok()?;
        total += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                "us" | "µs" => 0.000_001,
                "ns" => 0.000_000_001,
                _ => return None,
            };
        rest = tail;
    }
    // More than a century is no setting.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was compared before"
    )]
    (0.0..4e9).contains(&total).then_some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_pulls_are_read() {
        let page: Page = serde_json::from_str(
            r#"{"kubeletconfig":{"enableServer":true,"serializeImagePulls":false,
                "maxParallelImagePulls":5,"registryPullQPS":5,"registryBurst":10,
                "imagePullCredentialsVerificationPolicy":"NeverVerifyPreloadedImages",
                "imageGCHighThresholdPercent":85,"imageGCLowThresholdPercent":80,
                "runtimeRequestTimeout":"2m0s",
                "evictionHard":{"nodefs.available":"10%","imagefs.available":"15%"}},
                "other":{"x":1}}"#,
        )
        .unwrap();
        let facts = page.kubeletconfig.facts();
        assert_eq!(facts.serialize_image_pulls, Some(false));
        assert_eq!(facts.max_parallel_image_pulls, Some(5));
        assert_eq!(facts.registry_pull_qps, Some(5));
        assert_eq!(facts.image_gc_high_threshold_percent, Some(85));
        assert_eq!(facts.runtime_request_timeout_s, Some(120));
        assert_eq!(facts.eviction_hard[0].0, "imagefs.available");
    }

    #[test]
    fn an_old_kubelet_lacks_fields_and_nulls_are_none() {
        let page: Page = serde_json::from_str(
            r#"{"kubeletconfig":{"maxParallelImagePulls":null,"evictionHard":null}}"#,
        )
        .unwrap();
        assert_eq!(page.kubeletconfig.facts(), KubeletConfig::default());
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(seconds("2m0s"), Some(120));
        assert_eq!(seconds("1h0m1.5s"), Some(3601));
        assert_eq!(seconds("0s"), Some(0));
        for wrong in ["5", "x", "1y", "-1s", "99999999999h"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
