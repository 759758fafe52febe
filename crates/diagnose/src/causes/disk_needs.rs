//! What an image needs of a node's disk beside what the node has, and what fills the disk.

use pulldoctor_model::{
    Answered, Filesystem, Finding, NodeImage, clean_line,
    registry::{Facts, StageName, Transcript},
    shorten,
};

use super::disk::bytes;
use crate::{case::Case, finding::FindingExt, node_sight::from_node, view::from_here};

/// Images that are named.
const IMAGES: usize = 3;

/// The bytes that an image needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs<'a> {
    /// As the registry stores its layers.
    pub(crate) compressed: u64,
    /// As they lie on a disk, where they were read.
    unpacked: Option<u64>,
    /// Who said so.
    answered: &'a Answered,
}

impl<'a> Needs<'a> {
    /// What the registry's manifest says, asked from here or from the node.
    pub(crate) fn of(case: &Case<'a>) -> Option<Self> {
        let here = from_here(case).map(|sight| (sight.transcript, sight.answered));
        let there = from_node(case).and_then(|look| Some((look.registry()?, look.answered)));
        [here, there]
            .into_iter()
            .flatten()
            .find_map(|(transcript, answered)| Self::read(transcript, answered))
    }

    fn read(transcript: &Transcript, answered: &'a Answered) -> Option<Self> {
        let facts = |name| transcript.stage(name).map(|stage| &stage.facts);
        let Some(Facts::Config(config)) = facts(StageName::Config) else {
            return None;
        };
        let unpacked = match facts(StageName::Layers) {
            Some(Facts::Layers(layers)) if layers.verified => Some(
                layers
                    .layers
                    .iter()
                    .fold(0_u64, |sum, layer| sum.saturating_add(layer.unpacked_bytes)),
            ),
            _ => None,
        };
        (config.compressed_bytes > 0).then_some(Self {
            compressed: config.compressed_bytes,
            unpacked: unpacked.filter(|bytes| *bytes > 0),
            answered,
        })
    }

    /// Whether even the layers as they are stored do not fit into what is left. Layers that the
    /// node has already need no room, so it is proof only beside a text that speaks of space.
    pub(crate) fn exceed(&self, filesystem: Option<&Filesystem>) -> bool {
        filesystem
            .and_then(|one| one.available)
            .is_some_and(|available| self.compressed > available)
    }

    /// Adds what the image needs.
    pub(crate) fn tell(&self, finding: Finding) -> Finding {
        let unpacked = match self.unpacked {
            Some(size) => format!("{} unpacked", bytes(size)),
            None => format!(
                "unpacked about {} to {} (an estimate: two to three times as much)",
                bytes(self.compressed.saturating_mul(2)),
                bytes(self.compressed.saturating_mul(3))
            ),
        };
        let text = format!(
            "{} as the registry stores it, {unpacked}; layers that the node has already need no \
             more room",
            bytes(self.compressed)
        );
        finding
            .seen(
                Some(self.answered),
                format!("the image's layers are {} large", bytes(self.compressed)),
            )
            .note("needs", text)
    }
}

/// Adds the largest images of the node, and when its kubelet begins to remove unused ones.
pub(crate) fn with_what_fills(finding: Finding, case: &Case<'_>) -> Finding {
    let mut finding = finding;
    if let Some(facts) = case.node().seen() {
        let mut images: Vec<&NodeImage> = facts.images.iter().collect();
        images.sort_by_key(|image| std::cmp::Reverse(image.size));
        let shown: Vec<String> = images
            .iter()
            .take(IMAGES)
            .map(|image| format!("{} {}", name_of(image), bytes(image.size)))
            .collect();
        if !shown.is_empty() {
            let all = images
                .iter()
                .fold(0_u64, |sum, image| sum.saturating_add(image.size));
            let more = if facts.images_are_complete() {
                match images.len() {
                    1 => format!("1 image, {} in all", bytes(all)),
                    count => format!("{count} images, {} in all", bytes(all)),
                }
            } else {
                format!("of {} images that are listed", images.len())
            };
            finding = finding.note("largest images", format!("{} ({more})", shown.join(", ")));
        }
    }
    let Some(config) = case.node_config().seen() else {
        return finding;
    };
    match (
        config.image_gc_high_threshold_percent,
        config.image_gc_low_threshold_percent,
    ) {
        (Some(high), Some(low)) => finding.note(
            "clean-up",
            format!(
                "the kubelet removes unused images above {high} % of the disk, down to {low} %"
            ),
        ),
        _ => finding,
    }
}

/// A tag of the image if it has one, else its digest.
fn name_of(image: &NodeImage) -> String {
    let name = image
        .names
        .iter()
        .find(|name| !name.contains('@'))
        .or_else(|| image.names.first());
    match name {
        Some(name) => format!("`{}`", shorten(&clean_line(name), 120)),
        None => "one without a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, Filesystem, KubeletConfig, NodeFilesystems, NodeImage,
        Question,
        registry::{ConfigFacts, Facts, StageName, Transcript},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{Fixture, node, own_network, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const FULL: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/ab12/data: no space left on device";

    fn of_size(bytes: u64) -> Transcript {
        let mut seen = there(IMAGE);
        for stage in &mut seen.stages {
            if stage.stage == StageName::Config {
                stage.facts = Facts::Config(ConfigFacts {
                    compressed_bytes: bytes,
                    ..ConfigFacts::default()
                });
            }
        }
        seen
    }

    fn full(available: u64) -> Fixture {
        let mut facts = node();
        facts.images.push(NodeImage {
            names: vec!["registry.example.com/big:1".to_owned()],
            size: 3 << 30,
        });
        stuck(IMAGE, "ErrImagePull", FULL).node(facts).answer(
            Question::NodeFilesystems {
                name: "n1".to_owned(),
            },
            Answer::NodeFilesystems(NodeFilesystems {
                image: Some(Filesystem {
                    available: Some(available),
                    capacity: Some(4 << 30),
                    inodes_free: Some(100_000),
                    inodes: Some(131_072),
                }),
                ..NodeFilesystems::default()
            }),
        )
    }

    #[test]
    fn an_image_that_does_not_fit_is_proof() {
        // The runtime has cleaned up behind the failed pull, so there seems to be room.
        let alone = full(400 << 20).judge();
        assert_eq!(alone.cause, CauseId::DiskFull);
        assert_eq!(alone.confidence, Confidence::Likely);
        let finding = full(400 << 20).registry(of_size(500 << 20)).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("500.0 MiB") && finding.summary.contains("400.0 MiB"),
            "{}",
            finding.summary
        );
        let small = full(400 << 20).registry(of_size(50 << 20)).judge();
        assert_eq!(small.confidence, Confidence::Likely);
        let from_node = full(400 << 20).node_view(own_network(of_size(500 << 20)));
        assert_eq!(from_node.judge().confidence, Confidence::Proven);
    }

    #[test]
    fn what_fills_the_disk_is_named() {
        let config = KubeletConfig {
            image_gc_high_threshold_percent: Some(85),
            image_gc_low_threshold_percent: Some(80),
            ..KubeletConfig::default()
        };
        let question = Question::NodeConfig {
            name: "n1".to_owned(),
        };
        let fixture = full(1 << 20);
        assert!(crate::node_questions(&fixture.evidence).contains(&question));
        let finding = fixture
            .registry(of_size(50 << 20))
            .by_node(question, Answer::NodeConfig(Box::new(config)))
            .judge();
        let note = |word: &str| {
            finding
                .notes
                .iter()
                .find(|(known, _)| known == word)
                .map(|(_, text)| text.as_str())
                .unwrap_or_default()
        };
        assert!(note("largest images").starts_with("`registry.example.com/big:1` 3.0 GiB"));
        assert!(note("needs").contains("an estimate"));
        assert!(note("clean-up").contains("85 %"));
    }
}
