//! Manifests and indexes, read as tolerantly as a diagnosis needs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::platform::Platform;
use pulldoctor_model::{
    clean_line,
    registry::{ArtifactKind, is_digest},
    shorten,
};

/// Most entries of an index, or layers of a manifest, that are kept.
const MOST_ENTRIES: usize = 1000;

/// Docker's and OCI's media types.
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One manifest.
    Manifest(Manifest),
    /// A list of manifests.
    Index(Index),
    /// Docker schema 1, which no current runtime takes.
    Schema1,
}

/// A pointer to a blob or manifest. Texts are safe to show; whether `digest` may stand in a URL is
/// for [`is_digest`] to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest as it was written.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The media type that it states of itself.
    pub media_type: Option<String>,
    /// The artefact type that it states.
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Option<Descriptor>,
    /// The layers from the bottom.
    pub layers: Vec<Descriptor>,
    /// What it is.
    pub kind: ArtifactKind,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its entries.
    pub entries: Vec<IndexEntry>,
}

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The manifest.
    pub descriptor: Descriptor,
    /// The platform that it is for.
    pub platform: Option<Platform>,
    /// BuildKit's attestations: `unknown/unknown` and an annotation. No image.
    pub is_attestation: bool,
}

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// No JSON, at a line and column.
    NotJson(usize, usize),
    /// JSON without anything of a manifest.
    NotAManifest,
    /// A descriptor whose digest could not stand in a URL.
    BadDigest(String),
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotJson(line, column) => {
                write!(formatter, "it is not JSON at line {line} column {column}")
            }
            Self::NotAManifest => formatter.write_str("it has neither layers nor manifests"),
            Self::BadDigest(digest) => write!(formatter, "`{digest}` is not a digest"),
        }
    }
}

/// Reads a manifest or index.
///
/// `content_type` is the header of the answer; what the document says of itself comes first, as
/// in containerd (`core/images/image.go`, 2.4.2), and its shape decides where neither is known.
pub fn parse_manifest(content_type: Option<&str>, body: &[u8]) -> Result<Document, ManifestError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ManifestError::NotJson(error.line(), error.column()))?;
    let Value::Object(object) = &value else {
        return Err(ManifestError::NotAManifest);
    };
    let stated = text(object.get("mediaType"));
    let header = content_type.map(|text| text.split(';').next().unwrap_or(text).trim());
    let media_type = stated.as_deref().or(header).unwrap_or_default();
    if SCHEMA1.contains(&media_type)
        || object.contains_key("fsLayers")
        || (object.get("schemaVersion").and_then(Value::as_u64) == Some(1)
            && object.contains_key("history"))
    {
        return Ok(Document::Schema1);
    }
    let manifests = object.get("manifests").and_then(Value::as_array);
    if let Some(list) = manifests
        && (INDEXES.contains(&media_type) || !object.contains_key("layers"))
    {
        let entries: Result<Vec<IndexEntry>, ManifestError> =
            list.iter().take(MOST_ENTRIES).map(entry).collect();
        return Ok(Document::Index(Index { entries: entries? }));
    }
    if !object.contains_key("layers") && !object.contains_key("config") {
        return Err(ManifestError::NotAManifest);
    }
    let config = match object.get("config") {
        Some(config @ Value::Object(_)) => Some(descriptor(config)?),
        _ => None,
    };
    let layers: Result<Vec<Descriptor>, ManifestError> = object
        .get("layers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST_ENTRIES)
        .map(descriptor)
        .collect();
    let layers = layers?;
    let artifact_type = text(object.get("artifactType"));
    let kind = kind(config.as_ref(), artifact_type.as_deref(), &layers);
    Ok(Document::Manifest(Manifest {
        media_type: stated,
        artifact_type,
        config,
        layers,
        kind,
    }))
}

fn kind(
    config: Option<&Descriptor>,
    artifact_type: Option<&str>,
    layers: &[Descriptor],
) -> ArtifactKind {
    let config = config.map_or("", |config| config.media_type.as_str());
    let any_layer = |part: &str| layers.iter().any(|layer| layer.media_type.contains(part));
    if config == "application/vnd.cncf.helm.config.v1+json" {
        return ArtifactKind::HelmChart;
    }
    if config.starts_with("application/vnd.docker.plugin") {
        return ArtifactKind::DockerPlugin;
    }
    if any_layer("vnd.dev.cosign")
        || any_layer("vnd.dsse.envelope")
        || any_layer("vnd.dev.sigstore")
        || any_layer("in-toto")
        || config.contains("notary.signature")
    {
        return ArtifactKind::Signature;
    }
    if matches!(
        config,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
    ) && artifact_type.is_none_or(|kind| kind == config)
    {
        return ArtifactKind::Image;
    }
    let named = artifact_type.unwrap_or(config);
    ArtifactKind::Other(if named.is_empty() { "unknown" } else { named }.to_owned())
}

fn entry(value: &Value) -> Result<IndexEntry, ManifestError> {
    let descriptor = descriptor(value)?;
    let part = |name: &str| {
        value
            .get("platform")
            .and_then(|platform| text(platform.get(name)))
            .unwrap_or_default()
    };
    let platform = value
        .get("platform")
        .filter(|platform| platform.is_object())
        .map(|_| Platform {
            os: part("os"),
            architecture: part("architecture"),
            variant: part("variant"),
            os_version: part("os.version"),
        });
    let annotated = value
        .get("annotations")
        .and_then(|annotations| annotations.get("vnd.docker.reference.type"))
        .is_some();
    let unknown = platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    Ok(IndexEntry {
        descriptor,
        platform,
        is_attestation: annotated || unknown,
    })
}

fn descriptor(value: &Value) -> Result<Descriptor, ManifestError> {
    let digest = text(value.get("digest")).unwrap_or_default();
    if !is_digest(&digest) {
        return Err(ManifestError::BadDigest(digest));
    }
    Ok(Descriptor {
        media_type: text(value.get("mediaType")).unwrap_or_default(),
        digest,
        size: value.get("size").and_then(Value::as_u64).unwrap_or(0),
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    Some(shorten(&clean_line(text), 256).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn read(value: &Value) -> Result<Document, ManifestError> {
        parse_manifest(None, value.to_string().as_bytes())
    }

    fn manifest(config: &str, layer: &str) -> Value {
        json!({"schemaVersion": 2,
            "config": {"mediaType": config, "digest": A, "size": 3},
            "layers": [{"mediaType": layer, "digest": A, "size": 9}]})
    }

    fn kind_of(config: &str, layer: &str) -> ArtifactKind {
        match read(&manifest(config, layer)).unwrap() {
            Document::Manifest(manifest) => manifest.kind,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn kinds_are_told_by_their_config_and_layers() {
        let tar = "application/vnd.oci.image.layer.v1.tar+gzip";
        assert_eq!(
            kind_of("application/vnd.oci.image.config.v1+json", tar),
            ArtifactKind::Image
        );
        assert_eq!(
            kind_of("application/vnd.docker.container.image.v1+json", tar),
            ArtifactKind::Image
        );
        assert_eq!(
            kind_of("application/vnd.cncf.helm.config.v1+json", tar),
            ArtifactKind::HelmChart
        );
        assert_eq!(
            kind_of("application/vnd.docker.plugin.v1+json", tar),
            ArtifactKind::DockerPlugin
        );
        assert_eq!(
            kind_of(
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.dev.cosign.simplesigning.v1+json"
            ),
            ArtifactKind::Signature
        );
        assert_eq!(
            kind_of("application/vnd.wasm.config.v0+json", "application/wasm"),
            ArtifactKind::Other("application/vnd.wasm.config.v0+json".to_owned())
        );
    }

    #[test]
    fn an_index_knows_its_attestations() {
        let index = json!({"manifests": [
            {"digest": A, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": A, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": A, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"digest": A}]});
        let Document::Index(index) = read(&index).unwrap() else {
            panic!()
        };
        let flags: Vec<bool> = index
            .entries
            .iter()
            .map(|entry| entry.is_attestation)
            .collect();
        assert_eq!(flags, [false, true, true, false]);
        assert_eq!(
            index.entries[0].platform.as_ref().unwrap().to_string(),
            "linux/arm64/v8"
        );
    }

    #[test]
    fn schema_1_is_told_by_type_or_shape() {
        assert_eq!(
            read(&json!({"schemaVersion": 1, "fsLayers": [], "history": []})),
            Ok(Document::Schema1)
        );
        assert_eq!(
            parse_manifest(
                Some("application/vnd.docker.distribution.manifest.v1+prettyjws; charset=utf-8"),
                b"{}"
            ),
            Ok(Document::Schema1)
        );
    }

    #[test]
    fn digests_that_could_leave_their_path_are_refused() {
        for bad in [
            "sha256:../../../etc",
            "sha256:aa",
            "md5:aa",
            "",
            "sha256:\u{1b}[2J",
            &A.to_uppercase(),
        ] {
            let mut value = manifest("application/vnd.oci.image.config.v1+json", "x");
            value["layers"][0]["digest"] = json!(bad);
            assert!(
                matches!(read(&value), Err(ManifestError::BadDigest(_))),
                "{bad}"
            );
        }
        assert!(is_digest(A));
    }

    #[test]
    fn what_is_no_manifest_says_so() {
        assert_eq!(
            parse_manifest(None, b"<html>"),
            Err(ManifestError::NotJson(1, 1))
        );
        assert_eq!(read(&json!([])), Err(ManifestError::NotAManifest));
        assert_eq!(
            read(&json!({"errors": []})),
            Err(ManifestError::NotAManifest)
        );
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse_manifest(None, deep.as_bytes()),
            Err(ManifestError::NotJson(..))
        ));
    }

    #[test]
    fn lists_are_bounded() {
        let entry = json!({"digest": A});
        let index = json!({"manifests": vec![entry; 5000]});
        let Document::Index(index) = read(&index).unwrap() else {
            panic!()
        };
        assert_eq!(index.entries.len(), MOST_ENTRIES);
    }
}
