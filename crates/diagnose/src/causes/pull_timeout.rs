//! `pull-timeout`.

use pulldoctor_messages::{Fault, GrpcCode, Operation};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    logs::{open_logs, with_fault, with_line},
    node_view::{on_node, runs, waits_for},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

/// Two waits for progress of containerd's default, in seconds: a pod that still waits has been
/// given up twice.
const GIVEN_UP_TWICE: i64 = 600;

cause! {
    /// # pull-timeout
    ///
    /// ## What it means
    ///
    /// The pull began and then made no progress, so the runtime gave it up: a stalled transfer, a
    /// registry or mirror that is far too slow, or a disk that is too slow to unpack.
    ///
    /// ## How we know
    ///
    /// containerd cancels a pull that fetched nothing for `image_pull_progress_timeout` (5 minutes
    /// by default, from 1.7 on). The pod then only shows `context canceled`; the reason stands in
    /// containerd's log: `cancel pulling image … because of no progress in 5m0s`. cri-dockerd does
    /// the same after one minute. `context canceled` alone is therefore *possible*: whoever cancels
    /// leaves the same words (`pull-cancelled`).
    ///
    /// The node's logs (`pulldoctor diagnose --node-view`) may hold `because of no progress in`:
    /// only the runtime says so, and then it is *proven*.
    ///
    /// ## What to do
    ///
    /// - Read the runtime's log on the node: `journalctl -u containerd | grep 'no progress'`.
    /// - Measure the way to the registry from the node, for instance `curl -o /dev/null` of a blob.
    /// - Large images on slow disks: raise `image_pull_progress_timeout`, or use a faster disk.
    /// - A stalled transfer of less than about 1 MiB of a layer is not given up at all by
    ///   containerd 2.4; it then holds up other pulls (`pull-queue-blocked`).
    ///
    /// ## What it is not
    ///
    /// `i/o timeout` and `Client.Timeout exceeded while awaiting headers` say that the registry
    /// never answered: `registry-unreachable-timeout`.
    ///
    /// ## Sources
    ///
    /// - containerd `internal/cri/server/images/image_pull.go` 1.7 to 2.4; kubernetes/kubernetes
    ///   issue 131521; cri-dockerd `--image-pull-progress-deadline`.
    PullTimeout
}

/// Whether the caller itself gave up: gRPC's client then says so without anything of the runtime
/// (`rpc error: code = Canceled desc = context canceled` is the whole error).
pub(crate) fn is_callers_own(case: &Case<'_>) -> bool {
    let reading = case.reading();
    reading.fault == Fault::Cancelled
        && reading.code == Some(GrpcCode::Canceled)
        && reading.runtime.is_none()
        && case
            .text()
            .trim_end_matches(['"', '\'', ' ', '\n'])
            .ends_with("code = Canceled desc = context canceled")
}

/// Whether the runtime's log says that it gave the pull up for lack of progress.
pub(crate) fn gave_up(case: &Case<'_>) -> bool {
    with_fault(case, |fault| *fault == Fault::NoProgress).is_some()
}

fn is_raised(case: &Case<'_>) -> bool {
    match case.fault() {
        Fault::NoProgress => true,
        Fault::Cancelled => !is_callers_own(case) || gave_up(case),
        Fault::DeadlineExceeded => {
            case.symptom.reason != "ImageInspectError"
                && case.reading().operation != Some(Operation::Inspect)
        }
        _ => false,
    }
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_raised(case) {
        case.node_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let node = on_node(case);
    // The pod is still there and wanted, the kubelet sets no deadline of its own, and the runtime
    // has given up more than once: only its own wait for progress does that.
    let given_up_again = *case.fault() == Fault::Cancelled
        && waits_for(case).is_some_and(|seconds| seconds >= GIVEN_UP_TWICE)
        && case
            .node()
            .seen()
            .is_some_and(|facts| runs(facts, "containerd", 1, 7));
    // Only the runtime itself says so, and only where it gave up for that.
    let logged = with_fault(case, |fault| *fault == Fault::NoProgress);
    let confidence = if logged.is_some() {
        case.cap(Confidence::Proven)
    } else if *case.fault() == Fault::NoProgress || given_up_again {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let told = logged
        .as_ref()
        .map_or_else(|| case.reading(), |said| &*said.reading);
    let summary = match (&told.fault, &told.facts.waited) {
        (Fault::NoProgress, Some(waited)) => {
            format!("the pull on {node} made no progress in {waited}")
        }
        (Fault::DeadlineExceeded, _) => {
            format!("the pull on {node} did not end within its deadline")
        }
        _ => format!("the runtime of {node} gave up the pull, most often for lack of progress"),
    };
    let mut finding = case.finding(
        CauseId::PullTimeout,
        confidence,
        case.node_object(),
        summary,
    );
    if let Some(said) = &logged {
        finding = with_line(finding, case, said).rules_out(
            CauseId::PullCancelled,
            "the runtime's log says that it gave up by itself",
        );
    }
    if given_up_again && let Some(facts) = case.node().seen() {
        finding = finding.seen(
            case.node().answered(),
            format!("{}, which gives up a pull without progress", facts.runtime),
        );
    }
    if confidence == Confidence::Possible {
        finding = match case.fault() {
            Fault::DeadlineExceeded => finding.rival(
                CauseId::RegistryUnreachableTimeout,
                "the text does not say which step ran out of time",
                "the runtime's log on the node",
            ),
            _ => finding.rival(
                CauseId::PullCancelled,
                "whoever cancels a pull leaves the same words",
                "the runtime's log on the node: `because of no progress in` names a timeout",
            ),
        };
    }
    Some(
        open_logs(finding, case)
            .next(
                format!("what does the runtime of {node} say of it?"),
                Some("journalctl -u containerd --since -1h | grep -i 'no progress'".to_owned()),
            )
            .remedy(
                "raise-progress-timeout",
                Applicability::Advice,
                "a slow way or disk: mend it, or raise image_pull_progress_timeout in containerd's configuration",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::fixture::{at, node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const CANCELED: &str = "rpc error: code = Canceled desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": context canceled";

    #[test]
    fn no_progress_in_the_log_is_likely() {
        let verdict = crate::read_text(
            "cancel pulling image registry.example.com/shop/api:1 because of no progress in 5m0s",
        );
        assert_eq!(verdict.finding.cause, CauseId::PullTimeout);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
        assert!(verdict.finding.summary.contains("5m0s"));
    }

    #[test]
    fn canceled_alone_has_a_rival() {
        let finding = stuck(IMAGE, "ErrImagePull", CANCELED).node(node()).judge();
        assert_eq!(finding.cause, CauseId::PullTimeout);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::PullCancelled);
    }

    #[test]
    fn given_up_again_and_again_leaves_one_reading() {
        let long = |runtime: &str| {
            let mut facts = node();
            facts.runtime = runtime.to_owned();
            stuck(IMAGE, "ErrImagePull", CANCELED)
                .symptom(|symptom| symptom.since = Some(at(-1_200)))
                .node(facts)
                .judge()
                .confidence
        };
        assert_eq!(long("containerd://2.4.2"), Confidence::Likely);
        // 1.6 has no such timeout.
        assert_eq!(long("containerd://1.6.20"), Confidence::Possible);
    }

    #[test]
    fn a_deadline_at_no_known_step_may_be_the_registry() {
        let text = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::PullTimeout);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::RegistryUnreachableTimeout);
    }

    #[test]
    fn a_caller_that_gave_up_is_no_timeout() {
        let text = "rpc error: code = Canceled desc = context canceled";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::PullTimeout
        );
    }
}
