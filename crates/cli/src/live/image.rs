//! A tiny image, made here, and what can be wrong with it.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};

/// The one repository.
pub(super) const REPOSITORY: &str = "shop/api";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What an image is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it should be.
    Good,
    /// A byte of its layer was changed after it was pushed.
    DamagedLayer,
    /// It is an index that has another platform only.
    OtherPlatform,
    /// It is a Helm chart.
    Chart,
}

/// Something that is served under its digest.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) media_type: &'static str,
    pub(super) bytes: Bytes,
}

impl Blob {
    fn new(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: sha256(&bytes),
            media_type,
            bytes,
        }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image: the manifest that its tag names, and all that hangs on it.
#[derive(Debug)]
pub(super) struct Image {
    /// The first is the tag's.
    pub(super) manifests: Vec<Blob>,
    pub(super) blobs: Vec<Blob>,
}

impl Image {
    pub(super) fn new(kind: Kind) -> Self {
        let mut layer = Blob::new(LAYER, archive("hello.txt", b"hello from the demo\n"));
        let architecture = match kind {
            Kind::OtherPlatform => "arm64",
            _ => "amd64",
        };
        let config = match kind {
            Kind::Chart => Blob::json(
                "application/vnd.cncf.helm.config.v1+json",
                &json!({"name": "api", "version": "1.4.1", "apiVersion": "v2"}),
            ),
            _ => Blob::json(
                CONFIG,
                &json!({"os": "linux", "architecture": architecture,
                    "config": {"Cmd": ["/hello"]},
                    "rootfs": {"type": "layers", "diff_ids": [layer.digest]}}),
            ),
        };
        let manifest = Blob::json(
            MANIFEST,
            &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(),
                "layers": [layer.descriptor()]}),
        );
        let manifests = if kind == Kind::OtherPlatform {
            let mut entry = manifest.descriptor();
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
            vec![Blob::json(INDEX, &index), manifest]
        } else {
            vec![manifest]
        };
        if kind == Kind::DamagedLayer {
            let mut bytes = layer.bytes.to_vec();
            if let Some(byte) = bytes.get_mut(520) {
                *byte ^= 0x20;
            }
            layer.bytes = bytes.into();
        }
        Self {
            manifests,
            blobs: vec![config, layer],
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut text = String::from("sha256:");
    for byte in digest.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A tar archive (ustar) with one small file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    // The sum is taken with spaces in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut out = header.to_vec();
    out.extend_from_slice(content);
    let end = out.len().next_multiple_of(512) + 1024;
    out.resize(end, 0);
    out
}
