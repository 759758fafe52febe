//! `inodes-exhausted`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    disk::{self, Disks, space_or_inodes},
    disk_needs::with_what_fills,
    node_view::{on_node, with_move_away},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # inodes-exhausted
    ///
    /// ## What it means
    ///
    /// The file system that takes images has bytes left, but no inode: no further file can be
    /// created. Images with many small files, and many dead containers, use them up.
    ///
    /// ## How we know
    ///
    /// The text is the same as for a full disk, `no space left on device`. It is this cause where
    /// the node says so: the kubelet's statistics show no free inodes, or its events say that it
    /// tries to reclaim inodes.
    ///
    /// ## What to do
    ///
    /// - Look on the node: `df -i`.
    /// - Remove images that nothing uses: `crictl rmi --prune`.
    /// - ext4 fixes the number of inodes when the file system is made; XFS does not run out in
    ///   practice.
    ///
    /// ## What it is not
    ///
    /// It is not `disk-full`: `df -h` shows space.
    ///
    /// ## Sources
    ///
    /// - Linux `ENOSPC`, which stands for both; Kubernetes `pkg/kubelet/eviction` 1.36
    ///   (`imagefs.inodesFree`, 5 %).
    InodesExhausted
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() == Fault::NoInodes {
        disk::questions(case)
    } else {
        // `disk-full` asks the same for the text that does not tell.
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let said = *case.fault() == Fault::NoInodes;
    let disks = Disks::of(case);
    let by_node = space_or_inodes(case) && disks.prove_inodes() && disks.full.is_empty();
    if !said && !by_node {
        return None;
    }
    let confidence = if disks.prove_inodes() {
        Confidence::Proven
    } else {
        Confidence::Likely
    };
    let node = on_node(case);
    let summary = match disks.without_inodes.first() {
        Some(line) => format!("{node} has no inodes left on its {line}"),
        None => format!("{node} has no inodes left"),
    };
    let mut finding = case.finding(
        CauseId::InodesExhausted,
        confidence,
        case.node_object(),
        summary,
    );
    finding = with_what_fills(disks.tell(finding, case), case);
    if disks.bytes_are_fine {
        finding = finding.rules_out(
            CauseId::DiskFull,
            "the kubelet's statistics show bytes to spare",
        );
    }
    finding = with_move_away(finding, case);
    Some(
        finding
            .remedy(
                "prune-images",
                Applicability::Advice,
                "remove images that no container uses, on the node",
                Some("crictl rmi --prune".to_owned()),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, Event, Filesystem, NodeFilesystems, Question,
    };

    use crate::fixture::{at, node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const FULL: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to extract layer sha256:5dac: write /var/lib/containerd/tmpmounts/containerd-mount1/a: no space left on device: unknown";

    #[test]
    fn statistics_tell_inodes_from_bytes() {
        let finding = stuck(IMAGE, "ErrImagePull", FULL)
            .node(node())
            .answer(
                Question::NodeFilesystems {
                    name: "n1".to_owned(),
                },
                Answer::NodeFilesystems(NodeFilesystems {
                    image: Some(Filesystem {
                        available: Some(1 << 30),
                        capacity: Some(2 << 30),
                        inodes_free: Some(0),
                        inodes: Some(131_072),
                    }),
                    ..NodeFilesystems::default()
                }),
            )
            .judge();
        assert_eq!(finding.cause, CauseId::InodesExhausted);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.summary.contains("0 of 131072 inodes free"));
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::DiskFull)
        );
    }

    #[test]
    fn an_event_tells_inodes_although_pressure_stands_for_both() {
        let mut facts = node();
        facts.conditions[0].status = "True".to_owned();
        let finding = stuck(IMAGE, "ErrImagePull", FULL)
            .node(facts)
            .answer(
                Question::NodeEvents {
                    name: "n1".to_owned(),
                },
                Answer::Events(vec![Event {
                    kind: "Warning".to_owned(),
                    reason: "EvictionThresholdMet".to_owned(),
                    message: "Attempting to reclaim inodes".to_owned(),
                    field_path: None,
                    first: Some(at(-60)),
                    last: Some(at(-10)),
                    count: 2,
                }]),
            )
            .judge();
        assert_eq!(finding.cause, CauseId::InodesExhausted);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn the_text_alone_is_a_full_disk_first() {
        let finding = stuck(IMAGE, "ErrImagePull", FULL).judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn a_text_that_says_inodes_is_believed() {
        let text = "failed to register layer: mkdir /a: no free inodes";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::InodesExhausted);
        assert_eq!(finding.confidence, Confidence::Likely);
    }
}
