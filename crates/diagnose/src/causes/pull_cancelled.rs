//! `pull-cancelled`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    logs::open_logs,
    node_view::on_node,
    pull_timeout::{gave_up, is_callers_own},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # pull-cancelled
    ///
    /// ## What it means
    ///
    /// Whoever asked for the pull withdrew: the pod was deleted meanwhile, the kubelet was
    /// restarted, or a person ended a `crictl pull`.
    ///
    /// ## How we know
    ///
    /// The whole error is `rpc error: code = Canceled desc = context canceled`: that is what the
    /// caller's own side of the connection says. Where the runtime gives up, its words `failed to
    /// pull and unpack image …` stand before it (`pull-timeout`). It is never more than *possible*:
    /// the text does not name who withdrew.
    ///
    /// Where the node's logs (`pulldoctor diagnose --node-view`) say that the runtime gave up for
    /// lack of progress, it is `pull-timeout`.
    ///
    /// ## What to do
    ///
    /// - Nothing, if the pod is gone. Otherwise the kubelet tries again by itself.
    /// - If it comes again: read the kubelet's log on the node, `journalctl -u kubelet`.
    ///
    /// ## What it is not
    ///
    /// It says nothing about the image or the registry.
    ///
    /// ## Sources
    ///
    /// - gRPC for Go `status.FromContextError`; Kubernetes `pkg/kubelet/pod_workers.go` 1.36.
    PullCancelled
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_callers_own(case) || gave_up(case) {
        return None;
    }
    let node = on_node(case);
    let finding = case
        .finding(
            CauseId::PullCancelled,
            Confidence::Possible,
            case.node_object(),
            format!("the pull on {node} was withdrawn before it ended"),
        )
        .rival(
            CauseId::PullTimeout,
            "a pull that is given up for lack of progress is cancelled too",
            "the runtime's log on the node: `because of no progress in` names a timeout",
        );
    Some(
        open_logs(finding, case)
            .next(
                format!("was the kubelet of {node} restarted, or the pod deleted?"),
                Some("journalctl -u kubelet --since -1h".to_owned()),
            )
            .remedy(
                "wait",
                Applicability::Safe,
                "nothing to mend: the kubelet tries again",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::fixture::stuck;

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn the_callers_own_words_are_a_withdrawal() {
        for text in [
            "rpc error: code = Canceled desc = context canceled",
            "Failed to pull image \"registry.example.com/shop/api:1\": rpc error: code = Canceled desc = context canceled",
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", text).judge();
            assert_eq!(finding.cause, CauseId::PullCancelled);
            assert_eq!(finding.confidence, Confidence::Possible);
            assert_eq!(finding.rivals[0].cause, CauseId::PullTimeout);
        }
    }

    #[test]
    fn a_runtime_that_gives_up_is_no_withdrawal() {
        let text = "rpc error: code = Canceled desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: context canceled";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::PullTimeout
        );
    }
}
