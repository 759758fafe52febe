//! `image-rewritten-by-admission`.

use pulldoctor_model::{Applicability, CauseId, Confidence, ContainerKind, Family, Question};
use pulldoctor_reference::Reference;

use super::plain::plain_cause;
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
};

cause! {
    /// # image-rewritten-by-admission
    ///
    /// ## What it means
    ///
    /// The pod's image is not the one in its owner's template. A mutating webhook (a registry
    /// rewriter, a digest pinner, a policy engine) changed it when the pod was created, so the image
    /// that fails is not the one that you wrote.
    ///
    /// ## How we know
    ///
    /// The owner's template and all its earlier revisions name other images for this container. An
    /// image that only spells out what is implied (`docker.io/library/nginx:latest` for `nginx`)
    /// counts as the same. A pod's image can also be changed by hand after it was created; the API
    /// does not tell the two apart.
    ///
    /// ## What to do
    ///
    /// - See what may have done it: `kubectl get mutatingwebhookconfigurations`.
    /// - Mend the rule there, or make the place that it points to hold the image. A change of the
    ///   template is rewritten again.
    ///
    /// ## What it is not
    ///
    /// A pod of an earlier revision during a rollout has that revision's image.
    ///
    /// ## Sources
    ///
    /// - Kubernetes admission `MutatingAdmissionWebhook`; `pkg/apis/core/validation/validation.go`
    ///   1.36 (a pod's image may be changed).
    ImageRewrittenByAdmission
}

/// Whether the image has a part in the fault, and the owner has a template with a history.
fn may_matter(case: &Case<'_>) -> bool {
    let about_image = plain_cause(case.fault())
        .is_some_and(|cause| !matches!(cause.family(), Family::Node | Family::Unknown));
    let templated = case
        .symptom
        .owner
        .as_deref()
        .and_then(|owner| owner.split_once('/'))
        .is_some_and(|(kind, _)| matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet"));
    about_image
        && templated
        && matches!(
            case.symptom.kind,
            ContainerKind::Container | ContainerKind::Init
        )
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if may_matter(case) {
        case.owner_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !may_matter(case) {
        return None;
    }
    let owner = case.owner();
    let facts = owner.seen()?;
    let template = facts.template_image.as_deref()?;
    let image = case.symptom.image.as_str();
    let of_a_revision = std::iter::once(template)
        .chain(facts.history.iter().map(|revision| revision.image.as_str()))
        .any(|other| is_same(other, image));
    if of_a_revision {
        return None;
    }
    let name = case.symptom.owner.as_deref().unwrap_or("the owner");
    let finding = case
        .finding(
            CauseId::ImageRewrittenByAdmission,
            Confidence::Likely,
            case.image_object(),
            format!("the template of `{name}` says `{template}`, the pod has `{image}`: admission changed it"),
        )
        .seen(owner.answered(), format!("the template says `{template}`"))
        .next(
            "which webhooks may change pods?",
            Some("kubectl get mutatingwebhookconfigurations".to_owned()),
        )
        .remedy(
            "mend-webhook",
            Applicability::Advice,
            "mend the rule that rewrites the image, or provide the image where it points to",
            Some("kubectl get mutatingwebhookconfigurations".to_owned()),
        );
    Some(Raised {
        finding,
        role: Role::Contributes,
    })
}

/// Whether two spellings stand for the same image.
fn is_same(one: &str, other: &str) -> bool {
    one == other
        || matches!(
            (Reference::parse(one), Reference::parse(other)),
            (Ok(one), Ok(other)) if one.normal() == other.normal()
        )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, OwnerFacts, Question, Revision};

    use crate::fixture::{at, stuck};

    const IMAGE: &str = "docker.io/library/nginx:latest";
    const TEXT: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nginx:latest\": failed to resolve reference \"docker.io/library/nginx:latest\": docker.io/library/nginx:latest: not found";

    fn is_named(template: &str, before: &str) -> bool {
        let fixture = stuck(IMAGE, "ErrImagePull", TEXT);
        let question = Question::Owner {
            namespace: "shop".to_owned(),
            owner: "Deployment/api".to_owned(),
            container: "api".to_owned(),
        };
        assert!(fixture.questions().contains(&question));
        let finding = fixture
            .answer(
                question,
                Answer::Owner(OwnerFacts {
                    template_image: Some(template.to_owned()),
                    history: vec![Revision {
                        name: "api-1".to_owned(),
                        image: before.to_owned(),
                        created: Some(at(-900)),
                        ready: 0,
                    }],
                    ..OwnerFacts::default()
                }),
            )
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        finding
            .also
            .iter()
            .any(|also| also.cause == CauseId::ImageRewrittenByAdmission)
    }

    #[test]
    fn another_image_than_any_revision_was_rewritten() {
        assert!(is_named(
            "mirror.example.com/nginx:1",
            "mirror.example.com/nginx:0"
        ));
    }

    #[test]
    fn what_is_only_spelled_out_was_not() {
        assert!(!is_named("nginx", "nginx:0"));
    }

    #[test]
    fn a_pod_of_an_earlier_revision_was_not() {
        assert!(!is_named("nginx:2", IMAGE));
    }
}
