//! Small real images, written as OCI layouts from the machine's static busybox: they run in pods.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::binaries::hex;
use crate::exec;

/// Name and tag of the pause image on every node.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10.1";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What an image holds and runs.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The reference that the layout's index names.
    pub reference: String,
    /// The entrypoint; the process that keeps the container running.
    pub entrypoint: Vec<String>,
    /// Bytes of noise in a layer of their own: they do not compress.
    pub noise: usize,
    /// Platform (`amd64`, `arm64`); the content is the same whatever it says.
    pub architecture: String,
}

impl Recipe {
    /// An image that sleeps for ever.
    pub fn sleeping(reference: &str) -> Self {
        Self {
            reference: reference.to_owned(),
            entrypoint: vec!["/bin/sleep".to_owned(), "1000000000".to_owned()],
            noise: 0,
            architecture: machine().to_owned(),
        }
    }

    /// Adds a layer of so many bytes that do not compress.
    #[must_use]
    pub fn with_noise(mut self, bytes: usize) -> Self {
        self.noise = bytes;
        self
    }
}

/// The machine's architecture in OCI's words.
pub fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Writes an OCI layout folder with one image.
///
/// # Errors
/// When `tar` or `gzip` fails or a file cannot be written.
pub fn write_layout(dir: &Path, recipe: &Recipe) -> Result<()> {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir.join("blobs/sha256"))?;
    let mut layers = vec![busybox_layer(dir)?];
    if recipe.noise > 0 {
        layers.push(noise_layer(dir, recipe.noise)?);
    }
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", layer.diff_id))
        .collect();
    let config = json!({
        "architecture": recipe.architecture, "os": "linux",
        // The label makes every reference an image of its own: the same content under two names
        // would be one image on the node, and removing one would show the other.
        "config": {"Entrypoint": recipe.entrypoint, "Env": ["PATH=/bin"],
                   "Labels": {"dev.pulldoctor.lab.reference": recipe.reference}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": layers.iter().map(|_| json!({"created_by": "pulldoctor lab"})).collect::<Vec<_>>(),
    });
    let config = blob(dir, CONFIG, &serde_json::to_vec(&config)?)?;
    let layers: Vec<Value> = layers.into_iter().map(|layer| layer.descriptor).collect();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let mut manifest = blob(dir, MANIFEST, &serde_json::to_vec(&manifest)?)?;
    let tag = recipe.reference.rsplit(':').next().unwrap_or("latest");
    manifest["annotations"] = json!({
        "io.containerd.image.name": recipe.reference, "org.opencontainers.image.ref.name": tag,
    });
    manifest["platform"] = json!({"os": "linux", "architecture": recipe.architecture});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(dir.join("index.json"), serde_json::to_vec(&index)?)?;
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// The digest of the last layer of the image in a layout folder.
///
/// # Errors
/// When it cannot be read.
pub fn last_layer(layout: &Path) -> Result<String> {
    let read = |file: &Path| -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(file).with_context(
            || format!("failed to read {}", file.display()),
        )?)?)
    };
    let index = read(&layout.join("index.json"))?;
    let manifest = index["manifests"][0]["digest"].as_str().unwrap_or_default();
    let manifest = manifest.trim_start_matches("sha256:");
    let manifest = read(&layout.join("blobs/sha256").join(manifest))?;
    let layers = manifest["layers"].as_array();
    let last = layers.and_then(|layers| layers.last());
    last.and_then(|layer| layer["digest"].as_str())
        .map(str::to_owned)
        .context("an image without layers")
}

/// Packs a layout folder as one tar file, as `ctr images import` reads it.
///
/// # Errors
/// When `tar` fails.
pub fn pack(layout: &Path) -> Result<PathBuf> {
    let file = layout.with_extension("tar");
    exec::run([
        "tar",
        "-C",
        &layout.display().to_string(),
        "-cf",
        &file.display().to_string(),
        ".",
    ])?;
    Ok(file)
}

struct Layer {
    descriptor: Value,
    diff_id: String,
}

fn busybox_layer(dir: &Path) -> Result<Layer> {
    let root = dir.join("root");
    fs::create_dir_all(root.join("bin"))?;
    for empty in ["etc", "tmp", "proc", "sys", "dev"] {
        fs::create_dir_all(root.join(empty))?;
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("failed to copy /bin/busybox")?;
    for applet in ["sh", "sleep", "cat", "echo", "false", "true", "ls", "wget"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet))?;
    }
    let layer = layer(dir, &root);
    fs::remove_dir_all(&root)?;
    layer
}

fn noise_layer(dir: &Path, bytes: usize) -> Result<Layer> {
    let root = dir.join("root");
    fs::create_dir_all(root.join("data"))?;
    // A fixed start value: the same recipe has the same digest every time.
    let mut word = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        noise.extend_from_slice(&word.to_le_bytes());
    }
    noise.truncate(bytes);
    fs::write(root.join("data/noise"), noise)?;
    let layer = layer(dir, &root);
    fs::remove_dir_all(&root)?;
    layer
}

fn layer(dir: &Path, root: &Path) -> Result<Layer> {
    let tar = dir.join("layer.tar");
    let tar_text = tar.display().to_string();
    exec::run([
        "tar",
        "-C",
        &root.display().to_string(),
        "--sort=name",
        "--mtime=@0",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "-cf",
        &tar_text,
        ".",
    ])?;
    let diff_id = digest(&fs::read(&tar)?);
    exec::run(["gzip", "-n", "-f", "-1", &tar_text])?;
    let packed = dir.join("layer.tar.gz");
    let descriptor = blob(dir, LAYER, &fs::read(&packed)?)?;
    fs::remove_file(packed)?;
    Ok(Layer {
        descriptor,
        diff_id,
    })
}

/// Writes a blob and returns its descriptor.
fn blob(dir: &Path, media_type: &str, bytes: &[u8]) -> Result<Value> {
    let digest = digest(bytes);
    fs::write(dir.join("blobs/sha256").join(&digest), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()}))
}

fn digest(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}
