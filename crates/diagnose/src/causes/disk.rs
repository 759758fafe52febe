//! What the disk causes share: the node's own numbers, conditions and events about its disks.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Filesystem, Finding, Question, clean_line, shorten};

use super::node_view::{condition, is_true};
use crate::{
    case::{Case, is_full},
    finding::FindingExt,
};

/// Below this share of free inodes the kubelet itself speaks of pressure (5 %).
const FEW_INODES: u64 = 20;

/// What the node itself says of its disks.
#[derive(Debug, Default)]
pub(crate) struct Disks {
    /// File systems with no bytes left, as `name: numbers`.
    pub(crate) full: Vec<String>,
    /// File systems with no inodes left, as `name: numbers`.
    pub(crate) without_inodes: Vec<String>,
    /// All numbers, as `name: numbers`.
    pub(crate) numbers: Vec<String>,
    /// Whether every file system was seen to have inodes to spare.
    pub(crate) inodes_are_fine: bool,
    /// Whether every file system was seen to have bytes to spare.
    pub(crate) bytes_are_fine: bool,
    /// The condition `DiskPressure`, where the node has it as true or false.
    pub(crate) pressure: Option<bool>,
    /// The node reports that its root file system is read-only (node-problem-detector).
    pub(crate) read_only: bool,
    /// An event of the node says that bytes ran out.
    pub(crate) event_bytes: Option<String>,
    /// An event of the node says that inodes ran out.
    pub(crate) event_inodes: Option<String>,
}

impl Disks {
    /// Collects what was seen of the symptom's node.
    pub(crate) fn of(case: &Case<'_>) -> Self {
        let mut disks = Self::default();
        if let Some(facts) = case.node().seen() {
            disks.pressure =
                condition(facts, "DiskPressure").and_then(|one| match one.status.as_str() {
                    "True" => Some(true),
                    "False" => Some(false),
                    _ => None,
                });
            disks.read_only = is_true(facts, "ReadonlyFilesystem");
        }
        if let Some(facts) = case.filesystems().seen() {
            let known: Vec<(&str, &Filesystem)> = [
                ("image file system", &facts.image),
                ("kubelet's file system", &facts.node),
                ("container file system", &facts.container),
            ]
            .into_iter()
            .filter_map(|(name, one)| one.as_ref().map(|one| (name, one)))
            .collect();
            disks.inodes_are_fine =
                !known.is_empty() && known.iter().all(|(_, one)| has_inodes(one));
            disks.bytes_are_fine = !known.is_empty() && known.iter().all(|(_, one)| has_bytes(one));
            for (name, one) in known {
                let line = format!("{name}: {}", numbers(one));
                if is_full(one) {
                    disks.full.push(line.clone());
                }
                if has_no_inodes(one) {
                    disks.without_inodes.push(line.clone());
                }
                disks.numbers.push(line);
            }
        }
        for event in case.node_events().seen().unwrap_or_default() {
            match event.reason.as_str() {
                "FreeDiskSpaceFailed" => disks.event_bytes = Some(words(&event.message)),
                "ImageGCFailed" if event.message.contains("wanted to free") => {
                    disks.event_bytes = Some(words(&event.message));
                }
                "EvictionThresholdMet" if event.message.contains("inodes") => {
                    disks.event_inodes = Some(words(&event.message));
                }
                "EvictionThresholdMet" if event.message.contains("ephemeral-storage") => {
                    disks.event_bytes = Some(words(&event.message));
                }
                _ => {}
            }
        }
        disks
    }

    /// Whether the node itself says that bytes ran out: its numbers, an event, or the pressure
    /// that it reports, unless what it says is about inodes.
    pub(crate) fn prove_bytes(&self) -> bool {
        !self.full.is_empty()
            || (!self.prove_inodes() && (self.event_bytes.is_some() || self.pressure == Some(true)))
    }

    /// Whether the node itself says that inodes ran out.
    pub(crate) fn prove_inodes(&self) -> bool {
        !self.without_inodes.is_empty() || (self.event_inodes.is_some() && self.full.is_empty())
    }

    /// Adds what the node says as evidence and notes.
    pub(crate) fn tell(&self, mut finding: Finding, case: &Case<'_>) -> Finding {
        if !self.numbers.is_empty() {
            finding = finding.seen(case.filesystems().answered(), self.numbers.join("; "));
            for line in &self.numbers {
                finding = finding.note("free", line.clone());
            }
        }
        if let Some(facts) = case.node().seen()
            && let Some(pressure) = condition(facts, "DiskPressure")
        {
            finding = finding.seen(
                case.node().answered(),
                format!("DiskPressure is {} ({})", pressure.status, pressure.reason),
            );
        }
        for event in [&self.event_bytes, &self.event_inodes]
            .into_iter()
            .flatten()
        {
            finding = finding.seen(case.node_events().answered(), event.clone());
        }
        if let Some(path) = &case.reading().facts.path {
            finding = finding.note("path", format!("`{path}`"));
        }
        finding
    }
}

/// The questions about the disks of the symptom's node.
pub(crate) fn questions(case: &Case<'_>) -> Vec<Question> {
    let Some(name) = case.symptom.node.clone() else {
        return Vec::new();
    };
    vec![
        Question::Node { name: name.clone() },
        Question::NodeFilesystems { name: name.clone() },
        Question::NodeEvents { name },
    ]
}

/// Whether the text says that no space is left, in words that do not tell bytes from inodes.
pub(crate) fn space_or_inodes(case: &Case<'_>) -> bool {
    match case.fault() {
        Fault::DiskQuota => true,
        Fault::NoSpace => case
            .text()
            .to_ascii_lowercase()
            .contains("no space left on device"),
        _ => false,
    }
}

/// Whether the failed write was the kubelet's own record of a pull, into `/var/lib/kubelet`
/// (`pkg/kubelet/images/pullmanager`, 1.33 on).
pub(crate) fn is_kubelet_record(case: &Case<'_>) -> bool {
    let text = case.text().to_ascii_lowercase();
    text.contains("failed to record image pull intent")
        || case
            .symptom
            .reason
            .to_ascii_lowercase()
            .contains("failed to record image pull intent")
}

/// A message of the node, in one line that can be shown.
fn words(message: &str) -> String {
    shorten(&clean_line(message), 300).into_owned()
}

/// The line that the numbers of a file system make.
fn numbers(filesystem: &Filesystem) -> String {
    let mut parts = Vec::new();
    if let (Some(available), Some(capacity)) = (filesystem.available, filesystem.capacity) {
        parts.push(format!("{} of {} free", bytes(available), bytes(capacity)));
    }
    if let (Some(free), Some(all)) = (filesystem.inodes_free, filesystem.inodes) {
        parts.push(format!("{free} of {all} inodes free"));
    }
    if parts.is_empty() {
        "no numbers".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Bytes for a person: `1.5 GiB`.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// Whether less than one inode in a thousand is left, or fewer than 64. File systems that make
/// inodes as they go (btrfs) say that they have none at all.
fn has_no_inodes(filesystem: &Filesystem) -> bool {
    match (filesystem.inodes_free, filesystem.inodes) {
        (Some(free), Some(all)) if all > 0 => free < 64 || free.saturating_mul(1_000) < all,
        _ => false,
    }
}

fn has_inodes(filesystem: &Filesystem) -> bool {
    match (filesystem.inodes_free, filesystem.inodes) {
        (Some(_), Some(0)) => true,
        (Some(free), Some(all)) => free.saturating_mul(FEW_INODES) >= all,
        _ => false,
    }
}

/// The kubelet speaks of pressure below 15 % on the image file system.
fn has_bytes(filesystem: &Filesystem) -> bool {
    match (filesystem.available, filesystem.capacity) {
        (Some(available), Some(capacity)) if capacity > 0 => {
            available.saturating_mul(100) >= capacity.saturating_mul(15)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1_572_864), "1.5 MiB");
        assert_eq!(bytes(21_474_836_480), "20.0 GiB");
    }

    #[test]
    fn a_file_system_without_a_count_of_inodes_lacks_none() {
        let btrfs = Filesystem {
            inodes_free: Some(0),
            inodes: Some(0),
            ..Filesystem::default()
        };
        assert!(!has_no_inodes(&btrfs));
        assert!(has_inodes(&btrfs));
    }
}
