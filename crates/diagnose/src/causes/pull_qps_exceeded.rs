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
    /// With `pulldoctor diagnose --node-view` the node's own limit is told.
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
    if let Some(config) = case.node_config().seen()
        && let (Some(qps), Some(burst)) = (config.registry_pull_qps, config.registry_burst)
    {
        finding = finding
            .seen(
                case.node_config().answered(),
                format!("registryPullQPS {qps}, registryBurst {burst}"),
            )
            .note(
                "limit",
                format!(
                    "{qps} {} a second, and up to {burst} at once",
                    if qps == 1 { "pull" } else { "pulls" }
                ),
            );
    }
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
    use pulldoctor_model::{Answer, CauseId, Confidence, KubeletConfig, Question};

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
    fn the_kubelets_own_limit_is_told_where_it_can_be_read() {
        let question = Question::NodeConfig {
            name: "n1".to_owned(),
        };
        let stuck = stuck(IMAGE, "ErrImagePull", "pull QPS exceeded");
        assert!(crate::node_questions(&stuck.evidence).contains(&question));
        // It would change nothing, so that it may not be read does not count.
        let forbidden = stuck.clone().forbid(question.clone());
        assert!(!crate::report(&forbidden.evidence).gaps[0].counts);
        let config = KubeletConfig {
            registry_pull_qps: Some(1),
            registry_burst: Some(2),
            ..KubeletConfig::default()
        };
        let finding = stuck
            .by_node(question, Answer::NodeConfig(Box::new(config)))
            .judge();
        assert!(finding.notes.contains(&(
            "limit".to_owned(),
            "1 pull a second, and up to 2 at once".to_owned()
        )));
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
