//! Makes the content of each [`ImageKind`].

use bytes::Bytes;
use flate2::Compression;
use serde_json::json;

use super::build::{Artifact, Blob, Descriptor, Flavour, Image, ImageError, Layer};
use super::kind::ImageKind;

/// What every runnable image starts from.
#[derive(Debug, Clone)]
pub struct Base {
    /// A static busybox, put at `/bin/busybox`. Empty where nothing will be run.
    pub busybox: Bytes,
}

impl Base {
    /// Images that are pulled and never run.
    pub fn empty() -> Self {
        Self {
            busybox: Bytes::new(),
        }
    }
}

/// The machine's architecture as Go and OCI spell it.
pub fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// Makes the content of a kind. `salt` goes into a file of the layer, so that images of
/// different salts share no blob (a node that has one must still fetch the other), and equal
/// salts give equal digests.
pub fn make(kind: &ImageKind, base: &Base, salt: &str) -> Result<Artifact, ImageError> {
    let architecture = host_architecture();
    let layer = || base_layer(base, salt);
    let spoilt = |layer: Layer| runnable(Flavour::Oci, architecture, [layer]);
    match kind {
        ImageKind::Tiny => runnable(Flavour::Oci, architecture, [layer()?]),
        ImageKind::DockerTiny => runnable(Flavour::Docker, architecture, [layer()?]),
        ImageKind::Big { layers, bytes } => {
            let mut all = vec![layer()?];
            for number in 0..*layers {
                all.push(big_layer(*bytes, &format!("{salt}#{number}"))?);
            }
            runnable(Flavour::Oci, architecture, all)
        }
        ImageKind::Index(architectures) => index(architectures, base, salt, true),
        ImageKind::ArmOnly => index(&[foreign(architecture)], base, salt, false),
        ImageKind::ArmSingle => runnable(Flavour::Oci, &foreign(architecture), [layer()?]),
        ImageKind::MissingManifest => {
            let mut artifact = index(&[architecture.to_owned()], base, salt, false)?;
            artifact.manifests.truncate(1);
            Ok(artifact)
        }
        ImageKind::Schema1 => schema1(layer()?, architecture),
        ImageKind::Helm => helm(salt),
        ImageKind::Cosign => cosign(salt),
        ImageKind::Plugin => plugin(layer()?),
        ImageKind::CorruptLayer => {
            let mut layer = layer()?;
            let mut bytes = layer.blob.bytes.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0xff;
            }
            layer.blob.bytes = bytes.into();
            spoilt(layer)
        }
        ImageKind::TruncatedLayer => {
            let mut layer = layer()?;
            let half = layer.blob.bytes.len() / 2;
            layer.blob.bytes.truncate(half);
            spoilt(layer)
        }
        ImageKind::MissingLayer => {
            let layer = layer()?;
            let digest = layer.blob.digest.clone();
            let mut artifact = spoilt(layer)?;
            artifact.blobs.retain(|blob| blob.digest != digest);
            Ok(artifact)
        }
        ImageKind::MissingConfig => {
            // The config is the first blob, see `Image::build`.
            let mut artifact = spoilt(layer()?)?;
            artifact.blobs.remove(0);
            Ok(artifact)
        }
        ImageKind::WrongSize => {
            let mut layer = layer()?;
            layer.stated_size += 7;
            spoilt(layer)
        }
        ImageKind::WrongDiffId => {
            let mut layer = layer()?;
            layer.diff_id = super::sha256(format!("not the content of {salt}").as_bytes());
            spoilt(layer)
        }
        ImageKind::BadGzip => spoilt(Layer::raw(format!("this is no gzip stream: {salt}\n"))),
        ImageKind::BadTar => spoilt(Layer::compress(
            format!("this is no tar archive: {salt}\n")
                .repeat(40)
                .as_bytes(),
            Compression::fast(),
        )?),
    }
}

/// An architecture that the machine does not run.
fn foreign(own: &str) -> String {
    if own == "arm64" { "s390x" } else { "arm64" }.to_owned()
}

fn base_layer(base: &Base, salt: &str) -> Result<Layer, ImageError> {
    let mut files = vec![("etc/testkit-image", 0o644, salt.as_bytes())];
    if !base.busybox.is_empty() {
        files.push(("bin/busybox", 0o755, &base.busybox[..]));
    }
    Layer::gzip(files, Compression::fast())
}

/// Bytes that do not compress, the same for the same salt (xorshift, seeded by the salt).
fn big_layer(bytes: u64, salt: &str) -> Result<Layer, ImageError> {
    let mut state = salt.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let length = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut data = Vec::with_capacity(length + 8);
    while data.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length);
    let name = format!(
        "data/{}",
        super::sha256(salt.as_bytes()).replace("sha256:", "")
    );
    Layer::gzip([(name.as_str(), 0o644, &data[..])], Compression::none())
}

fn runnable(
    flavour: Flavour,
    architecture: &str,
    layers: impl IntoIterator<Item = Layer>,
) -> Result<Artifact, ImageError> {
    layers
        .into_iter()
        .fold(Image::new(flavour, architecture), Image::layer)
        .entrypoint(["/bin/busybox", "sleep", "1000000"])
        .build()
}

fn index(
    architectures: &[String],
    base: &Base,
    salt: &str,
    attestations: bool,
) -> Result<Artifact, ImageError> {
    let mut images = Vec::new();
    for architecture in architectures {
        let layer = base_layer(base, &format!("{salt} {architecture}"))?;
        images.push(runnable(Flavour::Oci, architecture, [layer])?);
    }
    Artifact::index(Flavour::Oci, images, attestations)
}

/// A signed schema 1 manifest. The signature is of the right shape and verifies for nobody;
/// runtimes give up before they look at it (pull-facts 11.4).
fn schema1(layer: Layer, architecture: &str) -> Result<Artifact, ImageError> {
    let compatibility = json!({
        "id": &layer.diff_id["sha256:".len()..], "architecture": architecture, "os": "linux",
        "created": "2015-01-01T00:00:00Z", "config": {"Cmd": ["/bin/busybox", "sleep", "1000000"]},
    });
    Artifact::from_manifest(
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        &json!({
            "schemaVersion": 1, "name": "old/image", "tag": "1", "architecture": architecture,
            "fsLayers": [{"blobSum": layer.blob.digest}],
            "history": [{"v1Compatibility": compatibility.to_string()}],
            "signatures": [{
                "header": {"jwk": {"crv": "P-256", "kid": "TEST", "kty": "EC", "x": "AA", "y": "AA"},
                           "alg": "ES256"},
                "signature": "AAAA",
                "protected": "eyJmb3JtYXRMZW5ndGgiOjAsImZvcm1hdFRhaWwiOiJDbjAiLCJ0aW1lIjoiMjAxNS0wMS0wMVQwMDowMDowMFoifQ",
            }],
        }),
        vec![layer.blob],
    )
}

/// A chart as `helm push` stores it.
fn helm(salt: &str) -> Result<Artifact, ImageError> {
    let description = "apiVersion: v2\nname: shop\nversion: 0.1.0\n";
    let chart = Layer::gzip(
        [
            ("shop/Chart.yaml", 0o644, description.as_bytes()),
            ("shop/templates/NOTES.txt", 0o644, salt.as_bytes()),
        ],
        Compression::fast(),
    )?;
    let config =
        Blob::new(json!({"name": "shop", "version": "0.1.0", "apiVersion": "v2"}).to_string());
    Artifact::from_manifest(
        Flavour::Oci.manifest(),
        &json!({
            "schemaVersion": 2,
            "config": Descriptor::of("application/vnd.cncf.helm.config.v1+json", &config).json(),
            "layers": [Descriptor::of(
                "application/vnd.cncf.helm.chart.content.v1.tar+gzip", &chart.blob).json()],
            "annotations": {"org.opencontainers.image.title": "shop"},
        }),
        vec![config, chart.blob],
    )
}

/// A signature as `cosign sign` stores it under a `sha256-….sig` tag.
fn cosign(salt: &str) -> Result<Artifact, ImageError> {
    let payload = Blob::new(
        json!({"critical": {"identity": {"docker-reference": salt},
               "image": {"docker-manifest-digest": super::sha256(salt.as_bytes())},
               "type": "cosign container image signature"}, "optional": null})
        .to_string(),
    );
    let config = Blob::new(
        json!({"architecture": "", "os": "", "created": "0001-01-01T00:00:00Z", "config": {},
               "rootfs": {"type": "layers", "diff_ids": [payload.digest]}})
        .to_string(),
    );
    let mut layer =
        Descriptor::of("application/vnd.dev.cosign.simplesigning.v1+json", &payload).json();
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "AAAA"});
    Artifact::from_manifest(
        Flavour::Oci.manifest(),
        &json!({
            "schemaVersion": 2, "mediaType": Flavour::Oci.manifest(),
            "config": Descriptor::of(Flavour::Oci.config(), &config).json(), "layers": [layer],
        }),
        vec![config, payload],
    )
}

/// A managed plugin as `docker plugin push` stores it.
fn plugin(layer: Layer) -> Result<Artifact, ImageError> {
    let config = Blob::new(
        json!({"description": "a plugin", "entrypoint": ["/bin/busybox"],
               "interface": {"types": ["docker.volumedriver/1.0"], "socket": "plugin.sock"},
               "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}})
        .to_string(),
    );
    Artifact::from_manifest(
        Flavour::Docker.manifest(),
        &json!({
            "schemaVersion": 2, "mediaType": Flavour::Docker.manifest(),
            "config": Descriptor::of("application/vnd.docker.plugin.v1+json", &config).json(),
            "layers": [Descriptor::of(Flavour::Docker.layer(), &layer.blob).json()],
        }),
        vec![config, layer.blob],
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::image::sha256;

    fn made(kind: &str) -> Artifact {
        make(&kind.parse().unwrap(), &Base::empty(), "salt").unwrap()
    }

    fn top(artifact: &Artifact) -> Value {
        serde_json::from_slice(&artifact.manifests[0].bytes).unwrap()
    }

    fn layer_blob(artifact: &Artifact) -> Option<&Blob> {
        let manifest = top(artifact);
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        artifact.blobs.iter().find(|blob| blob.digest == digest)
    }

    #[test]
    fn equal_salt_gives_equal_digest_and_another_salt_another() {
        let kind = ImageKind::Tiny;
        let one = make(&kind, &Base::empty(), "a").unwrap();
        let same = make(&kind, &Base::empty(), "a").unwrap();
        let other = make(&kind, &Base::empty(), "b").unwrap();
        assert_eq!(one.digest(), same.digest());
        assert_ne!(one.digest(), other.digest());
        assert_ne!(
            layer_blob(&one).unwrap().digest,
            layer_blob(&other).unwrap().digest
        );
    }

    #[test]
    fn each_damage_is_the_one_that_its_name_says() {
        let stated = |artifact: &Artifact| top(artifact)["layers"][0]["size"].as_u64().unwrap();
        let good = made("tiny");
        let blob = layer_blob(&good).unwrap();
        assert_eq!(sha256(&blob.bytes), blob.digest);
        assert_eq!(stated(&good), blob.bytes.len() as u64);

        let corrupt = made("corrupt-layer");
        let blob = layer_blob(&corrupt).unwrap();
        assert_ne!(sha256(&blob.bytes), blob.digest);
        assert_eq!(stated(&corrupt), blob.bytes.len() as u64);

        let truncated = made("truncated-layer");
        assert!(stated(&truncated) > layer_blob(&truncated).unwrap().bytes.len() as u64);

        assert!(layer_blob(&made("missing-layer")).is_none());

        let wrong = made("wrong-size");
        let blob = layer_blob(&wrong).unwrap();
        assert_eq!(sha256(&blob.bytes), blob.digest);
        assert_eq!(stated(&wrong), blob.bytes.len() as u64 + 7);

        let config = made("missing-config");
        let digest = top(&config)["config"]["digest"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(config.blobs.iter().all(|blob| blob.digest != digest));
        assert!(layer_blob(&config).is_some());

        let bad = made("bad-gzip");
        let blob = layer_blob(&bad).unwrap();
        assert_eq!(sha256(&blob.bytes), blob.digest);
        assert_ne!(&blob.bytes[..2], b"\x1f\x8b");
    }

    #[test]
    fn big_layers_have_the_size_and_do_not_compress() {
        let artifact = made("big:2*100K");
        let layers = top(&artifact)["layers"].as_array().unwrap().clone();
        assert_eq!(layers.len(), 3);
        for layer in &layers[1..] {
            let size = layer["size"].as_u64().unwrap();
            assert!((100 << 10..110 << 10).contains(&size), "{size}");
        }
    }

    #[test]
    fn every_kind_can_be_made() {
        for kind in [
            "tiny",
            "docker-tiny",
            "index:amd64+arm64",
            "arm64-only",
            "arm64-single",
            "schema1",
            "helm",
            "cosign",
            "plugin",
            "missing-manifest",
            "wrong-diff-id",
            "bad-tar",
        ] {
            let artifact = made(kind);
            assert_eq!(
                sha256(&artifact.manifests[0].bytes),
                artifact.digest(),
                "{kind}"
            );
        }
        assert_eq!(made("missing-manifest").manifests.len(), 1);
        assert_eq!(top(&made("schema1"))["schemaVersion"].as_u64(), Some(1));
    }
}
