//! Lines of nodes' logs that are about images: which those are, and what is kept of them.

mod given;
mod names;
mod pulls;
mod sieve;

pub use given::{GivenLog, GivenLogs, LogError};
pub(crate) use names::pattern;
pub(crate) use sieve::{Place, Sieve};

use std::path::Path;

/// The program that wrote a file, as far as its name tells; else the name.
pub(crate) fn unit_of(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let known = [
        ("kubelet", "kubelet"),
        ("containerd", "containerd"),
        ("crio", "crio"),
        ("cri-o", "crio"),
        ("docker", "docker"),
    ];
    known
        .iter()
        .find(|(word, _)| lower.contains(word))
        .map_or(name, |(_, unit)| (*unit).to_owned())
}
