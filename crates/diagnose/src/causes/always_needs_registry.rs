//! `always-needs-registry`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Family, PullPolicy, Question};

use super::{
    never_pull_absent::policy_command,
    node_view::{lists_image, on_node},
    plain::plain_cause,
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
};

cause! {
    /// # always-needs-registry
    ///
    /// ## What it means
    ///
    /// The image is on the node, but the container's pull policy is `Always`: the kubelet asks the
    /// registry before every start, so a registry that is down, a login that has expired or a tag
    /// that is gone keeps it from starting an image that it has.
    ///
    /// ## How we know
    ///
    /// The policy stands in the pod, and the node's status lists the image. This explains why the
    /// fault bites; the fault itself is the cause, and this stands beside it.
    ///
    /// The policy is set once, when the object is created: to `Always` where the tag was `latest` or
    /// none. Changing the image later does not change it. The admission plugin `AlwaysPullImages`
    /// sets it for all pods.
    ///
    /// ## What to do
    ///
    /// - Set `imagePullPolicy: IfNotPresent`. What is lost: under a tag that is pushed again
    ///   (`latest`), a node keeps the image that it has. With a fixed tag or a digest nothing is
    ///   lost.
    /// - Kubelets from 1.35 on ask for the login all the same where the image was pulled with a
    ///   secret that this pod does not have (`image-not-entitled`).
    ///
    /// ## What it is not
    ///
    /// It is no fault by itself: with the registry back, the pod starts.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/apis/core/v1/defaults.go`, `pkg/kubelet/images/image_manager.go` 1.36
    ///   (`imagePullPrecheck`), `plugin/pkg/admission/alwayspullimages`.
    AlwaysNeedsRegistry
}

/// Whether the policy is `Always` and the fault is one that the registry's part has in it.
fn may_bite(case: &Case<'_>) -> bool {
    case.symptom.pull_policy == Some(PullPolicy::Always)
        && plain_cause(case.fault()).is_some_and(|cause| {
            matches!(
                cause.family(),
                Family::NotFound
                    | Family::Credentials
                    | Family::Registry
                    | Family::Network
                    | Family::Tls
            )
        })
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if may_bite(case) {
        case.node_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !may_bite(case) {
        return None;
    }
    let image = case.image.as_ref()?;
    let node = case.node();
    if !lists_image(node.seen()?, image) {
        return None;
    }
    let moving = image.digest().is_none() && image.effective_tag() == Some("latest");
    let mut finding = case.finding(
        CauseId::AlwaysNeedsRegistry,
        Confidence::Proven,
        case.image_object(),
        format!(
            "`{}` is on {}, but the pull policy Always asks the registry before every start",
            case.image_name(),
            on_node(case)
        ),
    );
    finding = finding
        .seen(node.answered(), "the image is among the node's images")
        .remedy(
            "policy-if-not-present",
            Applicability::Consent,
            if moving {
                "set imagePullPolicy: IfNotPresent; a node then keeps the `latest` that it has"
            } else {
                "set imagePullPolicy: IfNotPresent, so that the node starts the image that it has"
            },
            policy_command(case),
        );
    Some(Raised {
        finding,
        role: Role::Contributes,
    })
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, NodeImage, PullPolicy};

    use crate::fixture::{Fixture, node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const NO_SUCH_HOST: &str = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve reference \"registry.example.com/shop/api:1\": failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: server misbehaving";

    fn always(policy: PullPolicy, names: &[&str]) -> Fixture {
        let mut facts = node();
        facts.images.push(NodeImage {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            size: 1_000,
        });
        stuck(IMAGE, "ErrImagePull", NO_SUCH_HOST)
            .symptom(|symptom| symptom.pull_policy = Some(policy))
            .node(facts)
    }

    fn stands_beside(fixture: &Fixture) -> bool {
        let finding = fixture.judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        finding
            .also
            .iter()
            .any(|also| also.cause == CauseId::AlwaysNeedsRegistry)
    }

    #[test]
    fn it_stands_beside_the_fault_that_bites() {
        assert!(stands_beside(&always(PullPolicy::Always, &[IMAGE])));
    }

    #[test]
    fn it_needs_the_policy_and_the_image() {
        assert!(!stands_beside(&always(PullPolicy::IfNotPresent, &[IMAGE])));
        assert!(!stands_beside(&always(
            PullPolicy::Always,
            &["registry.example.com/shop/api:2"]
        )));
    }

    #[test]
    fn a_full_disk_is_not_the_registrys_part() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: write /x: no space left on device";
        let finding = always(PullPolicy::Always, &[IMAGE])
            .symptom(|symptom| symptom.message = text.to_owned())
            .judge();
        assert_eq!(finding.cause, CauseId::DiskFull);
        assert!(finding.also.is_empty());
    }
}
