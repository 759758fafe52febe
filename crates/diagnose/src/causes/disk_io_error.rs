//! `disk-io-error`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};

use super::{
    disk::{self, Disks, is_kubelet_record},
    node_view::{on_node, with_move_away},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # disk-io-error
    ///
    /// ## What it means
    ///
    /// The node's disk fails, or its file system is mounted read-only: the kernel remounts a file
    /// system so when it finds it damaged.
    ///
    /// ## How we know
    ///
    /// The text ends in `read-only file system` or `input/output error`. The latter also comes from
    /// a thin or virtual disk whose host has no space left, which the node does not see, so it is
    /// *possible* with `disk-full` as rival. The node's condition `ReadonlyFilesystem`
    /// (node-problem-detector), or the kubelet's own failure to write, prove it.
    ///
    /// ## What to do
    ///
    /// - Keep pods away: `kubectl cordon NODE`, then delete the pod so that it is scheduled
    ///   elsewhere.
    /// - Look on the node: `dmesg --level=err,crit`, `findmnt -o TARGET,OPTIONS`, and the disk's
    ///   own health (`smartctl -a`).
    /// - Replace the disk or the node. A repaired file system may have lost parts of images: clean
    ///   the image store as in `node-store-damaged`.
    ///
    /// ## What it is not
    ///
    /// `permission denied` and `operation not permitted` are no failing disk.
    ///
    /// ## Sources
    ///
    /// - Linux `EROFS`, `EIO`, `EUCLEAN`, `ESTALE`.
    DiskIoError
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if matches!(case.fault(), Fault::ReadOnly | Fault::IoError) {
        disk::questions(case)
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let read_only = match case.fault() {
        Fault::ReadOnly => true,
        Fault::IoError => false,
        _ => return None,
    };
    let disks = Disks::of(case);
    let text = case.text().to_ascii_lowercase();
    // What the kernel says; a record that the kubelet could not write may have other reasons.
    let kernel = read_only
        || [
            "input/output error",
            "structure needs cleaning",
            "stale file handle",
        ]
        .iter()
        .any(|words| text.contains(words));
    // A virtual disk has space left by its own account when the disk that it lies on is full.
    let may_be_a_full_host = text.contains("input/output error");
    let by_kubelet = is_kubelet_record(case);
    let confidence = if kernel && (disks.read_only || by_kubelet && read_only) {
        Confidence::Proven
    } else if read_only
        || (kernel
            && !may_be_a_full_host
            && disks.full.is_empty()
            && (disks.pressure == Some(false) || disks.bytes_are_fine))
    {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let node = on_node(case);
    let at = case
        .reading()
        .facts
        .path
        .as_ref()
        .map(|path| format!(" at `{path}`"))
        .unwrap_or_default();
    let summary = if read_only {
        format!("a file system of {node} is read-only{at}")
    } else if kernel {
        format!("the disk of {node} fails{at}")
    } else {
        format!("the kubelet of {node} cannot write to its own directory{at}")
    };
    let mut finding = case.finding(
        CauseId::DiskIoError,
        confidence,
        case.node_object(),
        summary,
    );
    finding = disks.tell(finding, case);
    if disks.read_only {
        finding = finding.note("condition", "ReadonlyFilesystem is True");
    }
    if confidence == Confidence::Possible {
        finding = finding
            .rival(
                CauseId::DiskFull,
                "a virtual disk whose host has no space left fails with the same words",
                "`df -h` and `dmesg` on the node, and the space on the disk's own host",
            )
            .next(
                format!("what does the kernel of {node} say?"),
                Some("dmesg --level=err,crit | tail -n 20; df -h".to_owned()),
            );
    }
    Some(with_move_away(finding, case).into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Condition, Confidence};

    use crate::fixture::{node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const READ_ONLY: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to open writer: mkdir /var/lib/containerd/io.containerd.content.v1.content/ingest/ab: read-only file system";
    const EIO: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: write /var/lib/containerd/x: input/output error";

    #[test]
    fn a_read_only_file_system_is_told_by_the_kernel() {
        let finding = stuck(IMAGE, "ErrImagePull", READ_ONLY).judge();
        assert_eq!(finding.cause, CauseId::DiskIoError);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("read-only"));
    }

    #[test]
    fn the_nodes_condition_proves_it() {
        let mut facts = node();
        facts.conditions.push(Condition {
            kind: "ReadonlyFilesystem".to_owned(),
            status: "True".to_owned(),
            reason: "FilesystemIsReadOnly".to_owned(),
            message: String::new(),
            since: None,
        });
        let finding = stuck(IMAGE, "ErrImagePull", READ_ONLY).node(facts).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn the_kubelets_own_failure_proves_it() {
        let reason = "failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/x: read-only file system";
        let finding = stuck(IMAGE, reason, "").judge();
        assert_eq!(finding.cause, CauseId::DiskIoError);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn an_input_output_error_may_be_a_full_host() {
        let finding = stuck(IMAGE, "ErrImagePull", EIO).judge();
        assert_eq!(finding.cause, CauseId::DiskIoError);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::DiskFull);
        // That the node sees no pressure says nothing about the disk's own host.
        let finding = stuck(IMAGE, "ErrImagePull", EIO).node(node()).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::DiskFull);
    }

    #[test]
    fn a_damaged_file_system_is_no_full_host() {
        let text = EIO.replace("input/output error", "structure needs cleaning");
        let finding = stuck(IMAGE, "ErrImagePull", &text).node(node()).judge();
        assert_eq!(finding.cause, CauseId::DiskIoError);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn no_space_is_no_failing_disk() {
        let text = EIO.replace("input/output error", "no space left on device");
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::DiskFull
        );
    }
}
