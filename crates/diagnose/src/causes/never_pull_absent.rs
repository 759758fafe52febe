//! `never-pull-absent`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, NodeFacts, Question};

use super::support::in_namespace;
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
    let on_node = case.symptom.node.as_deref().unwrap_or("the node");
    let mut finding = case.finding(
        CauseId::NeverPullAbsent,
        Confidence::Likely,
        case.image_object(),
        format!(
            "`{}` is not on {on_node}, and the pull policy is Never",
            case.image_name()
        ),
    );
    match node.seen() {
        Some(facts) => {
            let listed = has_image(facts, case);
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

/// Whether the node lists the image, under any of its names.
fn has_image(facts: &NodeFacts, case: &Case<'_>) -> bool {
    let Some(image) = &case.image else {
        return false;
    };
    let normal = image.normal();
    facts.images.iter().flat_map(|one| &one.names).any(|name| {
        *name == normal
            || pulldoctor_reference::Reference::parse(name)
                .is_ok_and(|other| other.normal() == normal)
    })
}

fn policy_command(case: &Case<'_>) -> Option<String> {
    let (kind, name) = case.symptom.owner.as_deref()?.split_once('/')?;
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        return None;
    }
    let container = case.symptom.container.as_deref()?;
    Some(format!(
        "kubectl patch {} {} --patch '{{\"spec\":{{\"template\":{{\"spec\":{{\"containers\":[{{\"name\":\"{container}\",\"imagePullPolicy\":\"IfNotPresent\"}}]}}}}}}}}'",
        super::support::quote(&format!("{}/{name}", kind.to_lowercase())),
        in_namespace(case),
    ))
}
