//! Builders for layers, images and indexes.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::content::Manifest;

/// Why content could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The archive of a layer could not be written.
    #[error("write the archive entry `{path}`")]
    Archive {
        /// The entry's path.
        path: String,
        /// What the archive writer said.
        #[source]
        source: io::Error,
    },
    /// The archive could not be compressed.
    #[error("compress the layer")]
    Compress(#[source] io::Error),
    /// A manifest could not be serialised.
    #[error("serialise a manifest")]
    Serialise(#[source] serde_json::Error),
}

/// `sha256:` and the hexadecimal digest of the bytes.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in digest.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Which family of media types an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavour {
    /// OCI image specification 1.1.
    #[default]
    Oci,
    /// Docker image manifest version 2, schema 2.
    Docker,
}

impl Flavour {
    /// The media type of a manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    /// The media type of an index.
    pub fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// The media type of an image config.
    pub fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    /// The media type of a gzip layer.
    pub fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// A blob and the digest under which it is served.
#[derive(Debug, Clone)]
pub struct Blob {
    /// `sha256:…`, of these bytes unless the blob is damaged on purpose.
    pub digest: String,
    /// What is served.
    pub bytes: Bytes,
}

impl Blob {
    /// A blob under its true digest.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: sha256(&bytes),
            bytes,
        }
    }
}

/// What a manifest says of a blob or of another manifest.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

impl Descriptor {
    /// Describes a blob truthfully.
    pub fn of(media_type: &str, blob: &Blob) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: blob.digest.clone(),
            size: blob.bytes.len() as u64,
        }
    }

    /// As manifests have it.
    pub fn json(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.size})
    }
}

/// A layer: the compressed blob, the digest of what is in it, and its description. The fields
/// are open so that a test can spoil one of them.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The compressed archive as served.
    pub blob: Blob,
    /// The digest of the archive before compression.
    pub diff_id: String,
    /// The size that the manifest states.
    pub stated_size: u64,
}

impl Layer {
    /// Makes a gzip layer of regular files. Parent folders are made with mode 755; times and
    /// owners are zero, so equal input gives an equal digest.
    pub fn gzip<'a>(
        files: impl IntoIterator<Item = (&'a str, u32, &'a [u8])>,
        compression: Compression,
    ) -> Result<Self, ImageError> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut folders = std::collections::BTreeSet::new();
        for (path, mode, bytes) in files {
            let path = path.trim_start_matches('/');
            for (index, _) in path.match_indices('/') {
                let folder = &path[..=index];
                if folders.insert(folder.to_owned()) {
                    append(&mut archive, folder, 0o755, tar::EntryType::Directory, &[])?;
                }
            }
            append(&mut archive, path, mode, tar::EntryType::Regular, bytes)?;
        }
        let archive = archive.into_inner().map_err(ImageError::Compress)?;
        Self::compress(&archive, compression)
    }

    /// Compresses any bytes as a layer, also such as are no archive.
    pub fn compress(archive: &[u8], compression: Compression) -> Result<Self, ImageError> {
        let mut encoder = GzEncoder::new(Vec::new(), compression);
        encoder.write_all(archive).map_err(ImageError::Compress)?;
        let blob = Blob::new(encoder.finish().map_err(ImageError::Compress)?);
        Ok(Self {
            diff_id: sha256(archive),
            stated_size: blob.bytes.len() as u64,
            blob,
        })
    }

    /// Takes bytes as they are, also such as are no compressed archive.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        let blob = Blob::new(bytes);
        Self {
            diff_id: blob.digest.clone(),
            stated_size: blob.bytes.len() as u64,
            blob,
        }
    }
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    kind: tar::EntryType,
    bytes: &[u8],
) -> Result<(), ImageError> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive
        .append_data(&mut header, path, bytes)
        .map_err(|source| ImageError::Archive {
            path: path.to_owned(),
            source,
        })
}

/// What is put under a tag: the top manifest, every other manifest and the blobs.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The top manifest first.
    pub manifests: Vec<Manifest>,
    /// Config and layers.
    pub blobs: Vec<Blob>,
    platform: Option<(String, String)>,
}

impl Artifact {
    /// One manifest with its blobs, exactly as given.
    pub fn from_manifest(
        media_type: &str,
        manifest: &Value,
        blobs: Vec<Blob>,
    ) -> Result<Self, ImageError> {
        let bytes = serde_json::to_vec(manifest).map_err(ImageError::Serialise)?;
        Ok(Self {
            manifests: vec![Manifest {
                digest: sha256(&bytes),
                media_type: media_type.to_owned(),
                bytes: bytes.into(),
            }],
            blobs,
            platform: None,
        })
    }

    /// An index over images, each under its platform, and the attestation entries that BuildKit
    /// adds if `attestations`.
    pub fn index(
        flavour: Flavour,
        images: Vec<Self>,
        attestations: bool,
    ) -> Result<Self, ImageError> {
        let mut entries = Vec::new();
        let mut manifests = Vec::new();
        let mut blobs = Vec::new();
        for image in images {
            if let Some(top) = image.manifests.first() {
                let (os, architecture) = image
                    .platform
                    .clone()
                    .unwrap_or_else(|| ("unknown".to_owned(), "unknown".to_owned()));
                entries.push(json!({
                    "mediaType": top.media_type, "digest": top.digest, "size": top.bytes.len(),
                    "platform": {"architecture": architecture, "os": os},
                }));
                if attestations {
                    let statement = attestation(flavour, &top.digest)?;
                    if let Some(manifest) = statement.manifests.first() {
                        entries.push(json!({
                            "mediaType": manifest.media_type, "digest": manifest.digest,
                            "size": manifest.bytes.len(),
                            "annotations": {
                                "vnd.docker.reference.digest": top.digest,
                                "vnd.docker.reference.type": "attestation-manifest",
                            },
                            "platform": {"architecture": "unknown", "os": "unknown"},
                        }));
                    }
                    manifests.extend(statement.manifests);
                    blobs.extend(statement.blobs);
                }
            }
            manifests.extend(image.manifests);
            blobs.extend(image.blobs);
        }
        let mut artifact = Self::from_manifest(
            flavour.index(),
            &json!({"schemaVersion": 2, "mediaType": flavour.index(), "manifests": entries}),
            blobs,
        )?;
        artifact.manifests.extend(manifests);
        Ok(artifact)
    }

    /// The digest of the top manifest; empty where a test removed all manifests.
    pub fn digest(&self) -> &str {
        self.manifests
            .first()
            .map_or("", |manifest| manifest.digest.as_str())
    }
}

/// A provenance statement as BuildKit attaches it.
fn attestation(flavour: Flavour, subject: &str) -> Result<Artifact, ImageError> {
    let layer = Blob::new(
        json!({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"digest": subject}]})
            .to_string(),
    );
    let config = Blob::new(
        json!({"architecture": "unknown", "os": "unknown", "config": {},
               "rootfs": {"type": "layers", "diff_ids": [layer.digest]}})
        .to_string(),
    );
    Artifact::from_manifest(
        flavour.manifest(),
        &json!({
            "schemaVersion": 2, "mediaType": flavour.manifest(),
            "config": Descriptor::of(flavour.config(), &config).json(),
            "layers": [Descriptor::of("application/vnd.in-toto+json", &layer).json()],
        }),
        vec![config, layer],
    )
}

/// A runnable image.
#[derive(Debug, Clone)]
pub struct Image {
    flavour: Flavour,
    architecture: String,
    layers: Vec<Layer>,
    entrypoint: Vec<String>,
}

impl Image {
    /// An image for linux and this architecture in Go's spelling (`amd64`).
    pub fn new(flavour: Flavour, architecture: &str) -> Self {
        Self {
            flavour,
            architecture: architecture.to_owned(),
            layers: Vec::new(),
            entrypoint: Vec::new(),
        }
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets the entrypoint.
    #[must_use]
    pub fn entrypoint<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.entrypoint = words.into_iter().map(str::to_owned).collect();
        self
    }

    /// Makes config and manifest.
    pub fn build(self) -> Result<Artifact, ImageError> {
        let diff_ids: Vec<&str> = self
            .layers
            .iter()
            .map(|layer| layer.diff_id.as_str())
            .collect();
        let history: Vec<Value> = self
            .layers
            .iter()
            .map(|_| json!({"created": "2026-01-01T00:00:00Z", "created_by": "testkit"}))
            .collect();
        let config = Blob::new(
            json!({
                "created": "2026-01-01T00:00:00Z",
                "architecture": self.architecture, "os": "linux",
                "config": {"Env": ["PATH=/bin"], "Entrypoint": self.entrypoint},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": history,
            })
            .to_string(),
        );
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| {
                json!({"mediaType": self.flavour.layer(), "digest": layer.blob.digest,
                       "size": layer.stated_size})
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": self.flavour.manifest(),
            "config": Descriptor::of(self.flavour.config(), &config).json(), "layers": layers,
        });
        let mut blobs = vec![config];
        blobs.extend(self.layers.into_iter().map(|layer| layer.blob));
        let mut artifact = Artifact::from_manifest(self.flavour.manifest(), &manifest, blobs)?;
        artifact.platform = Some(("linux".to_owned(), self.architecture));
        Ok(artifact)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn digest_of_nothing_is_the_well_known_one() {
        assert_eq!(
            sha256(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn a_layer_unpacks_to_the_files_and_its_diff_id() {
        let layer =
            Layer::gzip([("/bin/tool", 0o755, &b"hello"[..])], Compression::fast()).unwrap();
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&layer.blob.bytes[..])
            .read_to_end(&mut archive)
            .unwrap();
        assert_eq!(sha256(&archive), layer.diff_id);
        let mut names = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            names.push(entry.unwrap().path().unwrap().display().to_string());
        }
        assert_eq!(names, ["bin/", "bin/tool"]);
    }

    #[test]
    fn an_index_names_the_platforms_and_the_attestations() {
        let image = |architecture| {
            Image::new(Flavour::Oci, architecture)
                .layer(Layer::raw(architecture.to_owned()))
                .build()
                .unwrap()
        };
        let index =
            Artifact::index(Flavour::Oci, vec![image("amd64"), image("arm64")], true).unwrap();
        let top: Value = serde_json::from_slice(&index.manifests[0].bytes).unwrap();
        let platforms: Vec<&str> = top["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["platform"]["architecture"].as_str().unwrap())
            .collect();
        assert_eq!(platforms, ["amd64", "unknown", "arm64", "unknown"]);
        for entry in top["manifests"].as_array().unwrap() {
            let digest = entry["digest"].as_str().unwrap();
            let found = index
                .manifests
                .iter()
                .find(|manifest| manifest.digest == digest)
                .unwrap();
            assert_eq!(sha256(&found.bytes), digest);
        }
    }
}
