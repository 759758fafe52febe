//! `disk-full`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    disk::{self, Disks, bytes, is_kubelet_record, space_or_inodes},
    disk_needs::{Needs, with_what_fills},
    node_view::{on_node, with_move_away},
    support::ask_registry,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # disk-full
    ///
    /// ## What it means
    ///
    /// The file system on the node that takes images, or the kubelet's own, has no bytes left. An
    /// image needs its compressed size while it is fetched and its unpacked size, often three
    /// times as much, at the same time.
    ///
    /// ## How we know
    ///
    /// The text ends in `no space left on device`. The kernel says the same where inodes ran out
    /// (`inodes-exhausted`), so from the text alone this is *possible*. It is proven by the node:
    ///
    /// - the kubelet's statistics show a file system with no bytes left,
    /// - or its condition `DiskPressure` is true, or its events say that space could not be freed.
    ///
    /// A pull can fail before the pressure shows, and what it wrote is removed after it failed: a
    /// node may have space again by the time you look.
    ///
    /// The waiting reason `failed to record image pull intent` (kubelets from 1.33 on) is the
    /// kubelet's own file system, not the runtime's.
    ///
    /// The image's layers, as its manifest states them, are held against what is left: what does
    /// not fit is *proven*, though the runtime has cleaned up behind the failed pull. What fills
    /// the disk is named from the node's list of images, and with `pulldoctor diagnose --node-view`
    /// also from when on the kubelet removes unused ones.
    ///
    /// ## What to do
    ///
    /// - Look on the node: `df -h /var/lib/containerd /var/lib/kubelet` and `df -i` for inodes.
    /// - Remove images that nothing uses: `crictl rmi --prune`.
    /// - Look for what else fills it: logs, `emptyDir` volumes, dead containers.
    /// - Meanwhile keep pods away: `kubectl cordon NODE`, then delete the pod so that it is
    ///   scheduled elsewhere.
    ///
    /// ## What it is not
    ///
    /// It is no quota of the registry (`blocked-by-policy`), and no `resources.limits` of the pod:
    /// those evict a pod that runs.
    ///
    /// ## Sources
    ///
    /// - containerd `core/content/local/writer.go`, `core/unpack/unpacker.go` 1.6 to 2.4.
    /// - Kubernetes `pkg/kubelet/eviction`, `pkg/kubelet/images/image_gc_manager.go`,
    ///   `pkg/kubelet/images/pullmanager/fs_pullrecords.go` 1.36.
    DiskFull
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if matches!(case.fault(), Fault::NoSpace | Fault::DiskQuota) {
        let mut asked = disk::questions(case);
        if !case.pasted {
            // What the image needs is in its manifest.
            asked.extend(ask_registry(case));
        }
        asked
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !matches!(case.fault(), Fault::NoSpace | Fault::DiskQuota) {
        return None;
    }
    let disks = Disks::of(case);
    let ambiguous = space_or_inodes(case);
    // The node says that it is the inodes.
    if ambiguous && disks.prove_inodes() && disks.full.is_empty() {
        return None;
    }
    let image_disk = case.filesystems().seen().and_then(|all| all.image.as_ref());
    let needs = Needs::of(case);
    // The runtime removes what it wrote of a failed pull, so a disk that is too small may look
    // roomy again.
    let too_small = needs
        .filter(|needs| disks.full.is_empty() && disks.inodes_are_fine && needs.exceed(image_disk));
    let proven = disks.prove_bytes() || too_small.is_some();
    let confidence = if proven {
        Confidence::Proven
    } else if !ambiguous || disks.inodes_are_fine {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let node = on_node(case);
    let place = if is_kubelet_record(case) {
        "the kubelet's own file system"
    } else {
        "the disk"
    };
    let summary = match disks.full.first() {
        Some(line) => format!("{node} has no space left on its {line}"),
        None if let Some(needs) = &too_small => format!(
            "{node} has {} left on its image file system, and the image needs {} and more",
            bytes(image_disk.and_then(|one| one.available).unwrap_or_default()),
            bytes(needs.compressed)
        ),
        None if *case.fault() == Fault::DiskQuota => {
            format!("a disk quota of {node} is used up")
        }
        None if confidence == Confidence::Possible => {
            format!("{place} of {node} has no space left, or no inodes")
        }
        None => format!("{place} of {node} has no space left"),
    };
    let mut finding = case.finding(CauseId::DiskFull, confidence, case.node_object(), summary);
    finding = disks.tell(finding, case);
    if let Some(needs) = &needs {
        finding = needs.tell(finding);
    }
    finding = with_what_fills(finding, case);
    if confidence == Confidence::Possible {
        finding = finding
            .rival(
                CauseId::InodesExhausted,
                "the kernel's text is the same where inodes ran out",
                "`df -i` on the node, or the kubelet's statistics",
            )
            .next(
                format!("has {node} no bytes left, or no inodes?"),
                Some("df -h; df -i".to_owned()),
            );
    } else if disks.inodes_are_fine {
        finding = finding.rules_out(
            CauseId::InodesExhausted,
            "the kubelet's statistics show inodes to spare",
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
        Answer, CauseId, Confidence, Event, Filesystem, GapReason, NodeFilesystems, ObjectKind,
        Question,
    };

    use crate::fixture::{Fixture, at, node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const FULL: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/ab12/data: no space left on device";

    fn statistics(available: u64, inodes_free: u64) -> Answer {
        Answer::NodeFilesystems(NodeFilesystems {
            image: Some(Filesystem {
                available: Some(available),
                capacity: Some(2 << 30),
                inodes_free: Some(inodes_free),
                inodes: Some(131_072),
            }),
            ..NodeFilesystems::default()
        })
    }

    fn filesystems() -> Question {
        Question::NodeFilesystems {
            name: "n1".to_owned(),
        }
    }

    fn full() -> Fixture {
        stuck(IMAGE, "ErrImagePull", FULL)
    }

    #[test]
    fn the_text_alone_does_not_tell_bytes_from_inodes() {
        let finding = full().node(node()).judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::InodesExhausted);
        assert_eq!(finding.object.kind, ObjectKind::Node);
        assert!(
            finding
                .notes
                .iter()
                .any(|(_, text)| text.contains("/ingest/ab12/data"))
        );
    }

    #[test]
    fn statistics_prove_it() {
        let finding = full()
            .node(node())
            .answer(filesystems(), statistics(1 << 20, 100_000))
            .judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("1.0 MiB of 2.0 GiB free"),
            "{}",
            finding.summary
        );
        assert!(finding.rivals.is_empty());
    }

    #[test]
    fn inodes_to_spare_leave_the_bytes() {
        let finding = full()
            .node(node())
            .answer(filesystems(), statistics(200 << 20, 100_000))
            .judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::InodesExhausted)
        );
    }

    #[test]
    fn the_node_is_asked_only_once_the_text_speaks_of_space() {
        assert!(full().questions().contains(&filesystems()));
        let other = stuck(IMAGE, "ErrImagePull", "pull QPS exceeded");
        assert!(!other.questions().contains(&filesystems()));
    }

    #[test]
    fn pressure_proves_it() {
        let mut facts = node();
        facts.conditions[0].status = "True".to_owned();
        facts.conditions[0].reason = "KubeletHasDiskPressure".to_owned();
        let finding = full().node(facts).judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn an_event_of_the_node_proves_it() {
        let events = Answer::Events(vec![Event {
            kind: "Warning".to_owned(),
            reason: "FreeDiskSpaceFailed".to_owned(),
            message:
                "Insufficient free disk space on the node's image filesystem (99% of 2.0 GiB used)."
                    .to_owned(),
            field_path: None,
            first: Some(at(-500)),
            last: Some(at(-20)),
            count: 3,
        }]);
        let finding = full()
            .answer(
                Question::NodeEvents {
                    name: "n1".to_owned(),
                },
                events,
            )
            .judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn statistics_that_nobody_may_read_are_no_gap_that_counts() {
        let fixture = full().node(node()).forbid(filesystems());
        let finding = fixture.judge();
        assert!(!finding.open.contains(&filesystems()));
        let report = crate::report(&fixture.evidence);
        assert_eq!(report.gaps[0].why, GapReason::Forbidden);
        assert!(!report.gaps[0].counts);
    }

    #[test]
    fn the_kubelets_own_disk_is_told_from_the_reason() {
        let reason = "failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/x: no space left on device";
        let finding = stuck(IMAGE, reason, "").judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert!(
            finding.summary.contains("kubelet's own"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn a_quota_of_the_registry_is_no_full_disk() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://registry.example.com/v2/shop/api/manifests/1: 402 Payment Required";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::DiskFull
        );
    }
}
