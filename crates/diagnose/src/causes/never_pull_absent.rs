//! `never-pull-absent`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, ContainerKind, Question};

use super::{
    node_view::{lists_image, on_node},
    support::{in_namespace, quote},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # never-pull-absent
    ///
    /// ## What it means
    ///
    /// The container's pull policy is `Never`, and the image is not on the node. No registry is
    /// asked.
    ///
    /// ## How we know
    ///
    /// The waiting reason is `ErrImageNeverPull`. Kubelets from 1.33 on say the same where the
    /// image is there and this pod may not use it (`image-not-entitled`), so it is proven where
    /// the kubelet is older, or the node's list of images is complete and lacks it.
    ///
    /// ## What to do
    ///
    /// - Set `imagePullPolicy: IfNotPresent`, if a registry serves the image.
    /// - Or load it onto every node that may run the pod: `ctr -n k8s.io images import FILE`.
    ///   With minikube, kind or k3d an image that was built on your machine is not on the node
    ///   before it is loaded there.
    ///
    /// ## What it is not
    ///
    /// It is no fault of a registry or of credentials.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/kubelet/images/image_manager.go` 1.36 (`imagePullPrecheck`).
    NeverPullAbsent
}

fn is_raised(case: &Case<'_>) -> bool {
    case.symptom.reason == "ErrImageNeverPull" || *case.fault() == Fault::NeverPull
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
    let node = case.node();
    let name = case.image_name();
    let shown = if name == "the image" {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let mut finding = case.finding(
        CauseId::NeverPullAbsent,
        Confidence::Likely,
        case.image_object(),
        format!(
            "{shown} is not on {}, and the pull policy is Never",
            on_node(case)
        ),
    );
    match node.seen() {
        Some(facts) => {
            let listed = case
                .image
                .as_ref()
                .is_some_and(|image| lists_image(facts, image));
            let older = facts.kubelet_minor().is_some_and(|minor| minor < 33);
            if listed && !older {
                // The kubelet's text is the same where the pod may not use the image.
                finding.confidence = case.cap(Confidence::Possible);
                finding = finding.rival(
                    CauseId::ImageNotEntitled,
                    "the node lists the image, and its kubelet hides images that a pod may not use",
                    "a pull of the image with the pod's credentials on that node",
                );
            } else if older || facts.images_are_complete() {
                finding.confidence = case.cap(Confidence::Proven);
            }
            finding = finding.seen(
                node.answered(),
                format!(
                    "kubelet {}, {} images listed{}, {}",
                    facts.kubelet,
                    facts.images.len(),
                    if facts.images_are_complete() {
                        " (all of them)"
                    } else {
                        ""
                    },
                    if listed {
                        "this one among them"
                    } else {
                        "this one is not among them"
                    }
                ),
            );
        }
        None => finding = finding.open(case.node_question()),
    }
    Some(
        finding
            .remedy(
                "policy-if-not-present",
                Applicability::Consent,
                "set imagePullPolicy: IfNotPresent, so that the node pulls it",
                policy_command(case),
            )
            .remedy(
                "preload",
                Applicability::Advice,
                "load the image onto the node",
                Some("ctr -n k8s.io images import IMAGE.tar".to_owned()),
            )
            .into(),
    )
}

/// The command that sets the pull policy `IfNotPresent`; none where the owner's template cannot be
/// changed by it.
pub(crate) fn policy_command(case: &Case<'_>) -> Option<String> {
    let (kind, name) = case.symptom.owner.as_deref()?.split_once('/')?;
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        return None;
    }
    let list = match case.symptom.kind {
        ContainerKind::Container => "containers",
        ContainerKind::Init => "initContainers",
        // An image volume has a policy of its own, ephemeral containers are no part of a template.
        _ => return None,
    };
    let container = case.symptom.container.as_deref()?;
    let patch = format!(
        "{{\"spec\":{{\"template\":{{\"spec\":{{\"{list}\":[{{\"name\":\"{container}\",\"imagePullPolicy\":\"IfNotPresent\"}}]}}}}}}}}"
    );
    Some(format!(
        "kubectl patch {} {} --patch {}",
        quote(&format!("{}/{name}", kind.to_lowercase())),
        in_namespace(case),
        quote(&patch),
    ))
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ContainerKind, NodeFacts, NodeImage, ObjectKind};

    use crate::fixture::{Fixture, node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const TEXT: &str = "Container image \"registry.example.com/shop/api:1\" is not present with pull policy of Never";

    fn never(facts: NodeFacts) -> Fixture {
        stuck(IMAGE, "ErrImageNeverPull", TEXT).node(facts)
    }

    fn with_image(mut facts: NodeFacts, name: &str) -> NodeFacts {
        facts.images.push(NodeImage {
            names: vec![name.to_owned()],
            size: 1_000,
        });
        facts
    }

    #[test]
    fn a_complete_list_without_it_proves_it() {
        let finding = never(node()).judge();
        assert_eq!(finding.cause, CauseId::NeverPullAbsent);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some(
                "kubectl patch deployment/api -n shop --patch '{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"api\",\"imagePullPolicy\":\"IfNotPresent\"}]}}}}'"
            )
        );
    }

    #[test]
    fn a_cut_list_proves_nothing() {
        let mut facts = node();
        facts.images = vec![facts.images[0].clone(); 50];
        assert_eq!(never(facts).judge().confidence, Confidence::Likely);
    }

    #[test]
    fn a_newer_kubelet_may_hide_an_image_that_is_there() {
        // 1.33 and 1.34 verify only where that was switched on; from 1.35 on they do so by default.
        let mut facts = with_image(node(), IMAGE);
        facts.kubelet = "v1.34.1".to_owned();
        let finding = never(facts).judge();
        assert_eq!(finding.cause, CauseId::NeverPullAbsent);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ImageNotEntitled);
    }

    #[test]
    fn an_older_kubelet_hides_nothing() {
        let mut facts = with_image(node(), IMAGE);
        facts.kubelet = "v1.32.4".to_owned();
        assert_eq!(never(facts).judge().confidence, Confidence::Proven);
    }

    #[test]
    fn the_text_alone_is_likely_and_the_node_is_asked() {
        let fixture = stuck(IMAGE, "ErrImageNeverPull", TEXT);
        assert_eq!(fixture.judge().confidence, Confidence::Likely);
        assert!(
            fixture
                .questions()
                .iter()
                .any(|question| question.to_string().contains("`n1`"))
        );
        assert_eq!(
            crate::read_text(
                "container \"api\" in pod \"api-1\" is waiting to start: ErrImageNeverPull"
            )
            .finding
            .cause,
            CauseId::NeverPullAbsent
        );
    }

    #[test]
    fn an_init_container_is_patched_as_one() {
        let finding = never(node())
            .symptom(|symptom| symptom.kind = ContainerKind::Init)
            .judge();
        let command = finding.remedies[0].command.as_deref().unwrap();
        assert!(command.contains("\"initContainers\""));
    }

    #[test]
    fn another_policy_that_asks_the_registry_is_another_cause() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        );
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::NeverPullAbsent
        );
    }
}
