//! `pull-qps-exceeded`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::node_view::{is, neighbours, on_node};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # pull-qps-exceeded
    ///
    /// ## What it means
    ///
    /// The kubelet of the node starts at most 5 pulls a second, with a burst of 10. One more fails
    /// at once, and is tried again after the usual back-off. It is harmless and heals by itself; it
    /// shows when many pods start on a node at the same time.
    ///
    /// ## How we know
    ///
    /// The whole text is `pull QPS exceeded`. Only the kubelet's own limiter says that.
    ///
    /// ## What to do
    ///
    /// - Nothing: the next try comes within seconds, later ones within five minutes.
    /// - If it comes often: raise `registryPullQPS` and `registryBurst` in the kubelet's
    ///   configuration, or let fewer pods start at once.
    ///
    /// ## What it is not
    ///
    /// It is no limit of a registry (`rate-limited`): none was asked.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/images/helpers.go` 1.22 to 1.36 (`throttledImageService`).
    PullQpsExceeded
    generals: [RateLimited],
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is(case, &Fault::QpsExceeded) {
        return None;
    }
    let mut finding = case.finding(
        CauseId::PullQpsExceeded,
        Confidence::Proven,
        case.node_object(),
        format!(
            "the kubelet of {} allowed no further pull at that moment; it tries again by itself",
            on_node(case)
        ),
    );
    let others = neighbours(case).count();
    if others > 0 {
        finding = finding.note("same node", format!("{others} more containers wait there"));
    }
    Some(
        finding
            .rules_out(CauseId::RateLimited, "the kubelet refused before it asked the registry")
            .remedy(
                "raise-pull-qps",
                Applicability::Advice,
                "if it comes often: raise registryPullQPS and registryBurst in the kubelet's configuration",
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
    fn only_the_kubelet_says_so() {
        let finding = stuck(IMAGE, "ErrImagePull", "pull QPS exceeded").judge();
        assert_eq!(finding.cause, CauseId::PullQpsExceeded);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.name, "n1");
        let pasted = crate::read_text("Failed to pull image \"a/b:1\": pull QPS exceeded");
        assert_eq!(pasted.finding.cause, CauseId::PullQpsExceeded);
        assert_eq!(pasted.finding.confidence, Confidence::Likely);
    }

    #[test]
    fn the_limit_of_a_registry_is_another_one() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://registry.example.com/v2/shop/api/manifests/1: 429 Too Many Requests\ntoomanyrequests: slow down";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::PullQpsExceeded
        );
    }
}
