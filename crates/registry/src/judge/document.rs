//! An image's config.

use serde_json::Value;

use pulldoctor_model::{clean_line, shorten};

use super::{ConfigFacts, Fault, Manifest, Platform, Problem, is_digest};

/// Most layers that a config may name.
const MOST_LAYERS: usize = 1000;

/// What a config says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// The platform that it states; nothing where os or architecture is missing.
    pub platform: Option<Platform>,
    /// Whether there is an entrypoint or a command.
    pub has_command: bool,
    /// When it was made, as written.
    pub created: Option<String>,
    /// The digests of the unpacked layers; one that is no digest is kept empty.
    pub diff_ids: Vec<String>,
}

/// Reads a config; nothing where it is no JSON object.
pub fn parse_config(body: &[u8]) -> Option<ImageConfig> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = value.as_object()?;
    let text = |name: &str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .map(|text| shorten(&clean_line(text), 100).into_owned())
    };
    let platform = match (text("os"), text("architecture")) {
        (Some(os), Some(architecture)) if !os.is_empty() && !architecture.is_empty() => {
            Some(Platform {
                os,
                architecture,
                variant: text("variant").unwrap_or_default(),
                os_version: text("os.version").unwrap_or_default(),
            })
        }
        _ => None,
    };
    let list = |name: &str| {
        object
            .get("config")
            .and_then(|config| config.get(name))
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    let diff_ids = object
        .get("rootfs")
        .and_then(|rootfs| rootfs.get("diff_ids"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST_LAYERS)
        .map(|digest| match digest.as_str() {
            Some(digest) if is_digest(digest) => digest.to_owned(),
            _ => String::new(),
        })
        .collect();
    Some(ImageConfig {
        platform,
        has_command: list("Entrypoint") || list("Cmd"),
        created: text("created"),
        diff_ids,
    })
}

/// Reads the config that a manifest names, and holds it to its digest. `digest_of` computes one by the
/// algorithm of the expected one.
pub fn read_config(
    expected: &str,
    body: &[u8],
    digest_of: impl Fn(&str, &[u8]) -> Option<String>,
) -> Result<ImageConfig, Fault> {
    let actual = digest_of(expected, body).unwrap_or_default();
    if actual != expected {
        let text = format!("the config's bytes have digest {actual}, expected {expected}");
        return Err(Fault::new(Problem::ConfigDamaged, text));
    }
    parse_config(body)
        .ok_or_else(|| Fault::new(Problem::ConfigDamaged, "the config is no JSON object"))
}

/// What an image is by its manifest and its config, where that could be read; and in words.
pub fn config_facts(manifest: &Manifest, config: Option<&ImageConfig>) -> (ConfigFacts, String) {
    let sizes = manifest.layers.iter().map(|layer| layer.size);
    let mut facts = ConfigFacts {
        compressed_bytes: sizes.fold(0, u64::saturating_add),
        layers: manifest.layers.len(),
        ..ConfigFacts::default()
    };
    if let Some(config) = config {
        facts.platform = config.platform.as_ref().map(ToString::to_string);
        facts.has_command = config.has_command;
        facts.created.clone_from(&config.created);
    }
    let text = format!(
        "{}, {} layer{} of {} bytes",
        facts.platform.as_deref().unwrap_or("no platform stated"),
        facts.layers,
        if facts.layers == 1 { "" } else { "s" },
        facts.compressed_bytes
    );
    (facts, text)
}

/// The fault where a manifest names no config.
pub fn no_config() -> Fault {
    Fault::new(Problem::ConfigMissing, "the manifest names no config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_read_and_the_rest_may_be_anything() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!(
            r#"{{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-01-01T00:00:00Z",
            "config":{{"Cmd":["x"],"Entrypoint":null}},"rootfs":{{"diff_ids":["{digest}","no"]}}}}"#
        );
        let config = parse_config(text.as_bytes()).unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm64/v8");
        assert!(config.has_command);
        assert_eq!(config.diff_ids, [digest, String::new()]);
        assert_eq!(
            parse_config(b"{\"config\":3}"),
            Some(ImageConfig::default())
        );
        assert_eq!(parse_config(b"[]"), None);
    }
}
