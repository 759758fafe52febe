//! `image-not-found-tag`.

use pulldoctor_messages::{Fault, MissingBy};
use pulldoctor_model::{CauseId, Confidence, Question, Revision};

use super::support::{says_manifest_unknown, tag_of, with_missing_rivals, with_set_image};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
};

cause! {
    /// # image-not-found-tag
    ///
    /// ## What it means
    ///
    /// The repository exists, but it has no such tag: a typo, a build that was never pushed, a
    /// tag that was deleted, or a `v` too many or too few.
    ///
    /// ## How we know
    ///
    /// The registry answers `404` for the manifest. The kubelet's text then ends in `not found`
    /// (containerd), `manifest unknown` (CRI-O, Docker). containerd asks by `HEAD`, whose answer
    /// has no body, so its text is the same for a missing repository: from the text alone this
    /// is *possible*, and the registry decides by listing the repository's tags.
    ///
    /// ## What to do
    ///
    /// - Compare the tag with those that the registry lists.
    /// - Set the image to a tag that exists: `kubectl set image deployment/api api=REPO:TAG`.
    /// - If it worked before, go back: `kubectl rollout undo deployment/api`.
    ///
    /// ## What it is not
    ///
    /// - `no match for platform in manifest: not found` is a missing platform.
    /// - `blob not found`, `content descriptor … from remote: not found` is a damaged image.
    /// - `parent snapshot … does not exist: not found` is the node's own store.
    /// - `pull access denied` says nothing about the tag.
    ///
    /// ## Sources
    ///
    /// - containerd `core/remotes/docker/resolver.go` 1.6 to 2.4: `HEAD` and its `not found`.
    /// - Kubernetes `pkg/kubelet/images/image_manager.go` 1.36.
    /// - distribution-spec 1.1: `404` and `MANIFEST_UNKNOWN`.
    ImageNotFoundTag
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if !is_raised(case) {
        return Vec::new();
    }
    let mut asked = vec![case.image_elsewhere_question()];
    asked.extend(case.owner_question());
    asked
}

/// Whether the text says that what the image names by tag is missing.
fn is_raised(case: &Case<'_>) -> bool {
    match case.fault() {
        Fault::ManifestMissing {
            by: MissingBy::Digest,
        } => false,
        Fault::ManifestMissing { .. } => case
            .image
            .as_ref()
            .is_none_or(|image| image.digest().is_none()),
        _ => false,
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let registry_says_manifest = says_manifest_unknown(case);
    let confidence = if registry_says_manifest {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let summary = match &case.image {
        Some(image) if registry_says_manifest => {
            format!("`{}` has no tag `{}`", image.repo(), tag_of(image))
        }
        Some(image) => format!(
            "`{}` has no tag `{}`, or does not exist at all",
            image.repo(),
            tag_of(image)
        ),
        None => "the registry has no such tag".to_owned(),
    };
    let mut finding = case.finding(
        CauseId::ImageNotFoundTag,
        confidence,
        case.image_object(),
        summary,
    );
    if confidence == Confidence::Possible {
        finding = with_missing_rivals(finding, case);
    }
    if let Some(image) = &case.image {
        finding = finding.caret(
            image.spans().tag.unwrap_or(image.spans().repository),
            "the registry answers: not found",
        );
        if image.tag().is_none() {
            finding = finding.note("tag", "none is written, so the kubelet asks for `latest`");
        }
    }
    finding = with_history(finding, case);
    Some(with_places(finding, case).into())
}

/// What ran before is what most likely works again.
fn with_history(finding: pulldoctor_model::Finding, case: &Case<'_>) -> pulldoctor_model::Finding {
    let owner = case.owner();
    let Some(before) = owner.seen().and_then(|facts| {
        facts
            .history
            .iter()
            .find(|revision| revision.image != case.symptom.image)
    }) else {
        return finding;
    };
    let finding = finding
        .seen(
            owner.answered(),
            format!("`{}` before (revision {})", before.image, before.name),
        )
        .note("before", describe(before));
    with_set_image(
        finding,
        case,
        "set-previous-image",
        format!(
            "go back to `{}`, the image of the revision before",
            before.image
        ),
        &before.image,
    )
}

fn describe(revision: &Revision) -> String {
    if revision.ready > 0 {
        format!(
            "{} (still runs: {} ready, {})",
            revision.image, revision.ready, revision.name
        )
    } else {
        format!("{} ({})", revision.image, revision.name)
    }
}

/// The same image running elsewhere says that the tag was there once.
fn with_places(finding: pulldoctor_model::Finding, case: &Case<'_>) -> pulldoctor_model::Finding {
    let Some(places) = Places::of_image(case) else {
        return finding;
    };
    if places.pulled.is_empty() {
        return finding;
    }
    let nodes = places
        .pulled
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    finding.seen(
        case.image_elsewhere().answered(),
        format!("it was pulled on {nodes}, so the tag existed once"),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, OwnerFacts, Question, Revision};

    use crate::fixture::{at, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:v1.4.2";
    const CONTAINERD_1: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found";

    #[test]
    fn not_found_is_possible_until_the_registry_decides() {
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ImageNotFoundRepo);
        assert!(finding.summary.contains("`v1.4.2`"));
        assert!(
            finding
                .ruled_out
                .iter()
                .any(|out| out.cause == CauseId::RegistryUnreachableDns)
        );
        assert!(!finding.next.is_empty());
    }

    #[test]
    fn what_ran_before_is_offered() {
        let question = Question::Owner {
            namespace: "shop".to_owned(),
            owner: "Deployment/api".to_owned(),
            container: "api".to_owned(),
        };
        let history = vec![Revision {
            name: "api-6c9f".to_owned(),
            image: "registry.example.com/shop/api:v1.4.1".to_owned(),
            created: Some(at(-900)),
            ready: 2,
        }];
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
            .answer(
                question,
                Answer::Owner(OwnerFacts {
                    history,
                    ..OwnerFacts::default()
                }),
            )
            .judge();
        let remedy = finding
            .remedies
            .iter()
            .find(|one| one.id == "set-previous-image")
            .unwrap();
        assert_eq!(
            remedy.command.as_deref(),
            Some(
                "kubectl set image deployment/api api=registry.example.com/shop/api:v1.4.1 -n shop"
            )
        );
    }

    #[test]
    fn a_missing_platform_is_no_missing_tag() {
        let text = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:v1.4.2\": no match for platform in manifest: not found";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::ImageNotFoundTag
        );
    }
}
