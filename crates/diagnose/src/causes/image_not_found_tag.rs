//! `image-not-found-tag`.

use pulldoctor_messages::{Fault, MissingBy};
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question, Revision, clean_line, registry::NearTag,
};
use pulldoctor_reference::Reference;

use super::support::{
    ask_registry,
    checked::{manifest, nearest, request},
    missing::{Missing, missing, there_now, with_sight},
    quote, says_manifest_unknown, tag_of, with_missing_rivals, with_set_image,
};
use super::{corrupted_content, network::curl};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
    view::Sight,
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
    /// is *possible*.
    ///
    /// The registry decides, asked with the pod's own credentials, or without any from the node:
    /// `404` for the manifest while it lists the repository's tags proves it, from wherever it is
    /// asked. If it has the tag now, someone pushed it meanwhile, or a mirror answers the node; the
    /// runtime's log tells which (`pulldoctor diagnose --node-view`).
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
    asked.extend(ask_registry(case));
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
        // The repository may have come meanwhile, without the tag; and the oldest texts do not say
        // which of the two is missing.
        Fault::NameUnknown | Fault::ImageMissing => {
            matches!(missing(case), Missing::Manifest(_) | Missing::Listed(_))
                && case
                    .image
                    .as_ref()
                    .is_some_and(|image| image.digest().is_none())
        }
        _ => false,
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let seen = missing(case);
    let mut finding = match seen {
        // That is a cause of its own.
        Missing::Repository { .. } => return None,
        Missing::There(_) if corrupted_content::is_seen(case) => return None,
        Missing::There(sight) => {
            let finding = there_now(case, CauseId::ImageNotFoundTag, &sight);
            return Some(with_places(finding, case).into());
        }
        Missing::Manifest(sight) => proven(case, &sight),
        Missing::Listed(sight) => listed(case, &sight),
        Missing::Unclear(sight) => with_doubt(by_text(case), case, &sight),
        Missing::Unasked => by_text(case),
    };
    let sight = seen.sight();
    if let Some(image) = &case.image {
        finding = finding.caret(
            image.spans().tag.unwrap_or(image.spans().repository),
            sight
                .and_then(|sight| Some(request(sight.transcript, manifest(&sight)?)))
                .unwrap_or_else(|| "the registry answers: not found".to_owned()),
        );
        if image.tag().is_none() {
            finding = finding.note("tag", "none is written, so the kubelet asks for `latest`");
        }
    }
    if let Some(sight) = sight {
        finding = with_nearest(with_sight(finding, case, &sight), case, &sight);
    }
    finding = with_history(finding, case);
    Some(with_places(finding, case).into())
}

/// A 404 to everything, and never in the words of a registry, may come from something else: a web
/// server, or a registry that lies below a path of its host.
fn with_doubt(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let has_no_words = sight.transcript.tags.as_ref().is_some_and(|list| {
        list.status == Some(404)
            && list
                .error
                .as_ref()
                .is_none_or(|error| error.errors.is_empty())
    });
    if !has_no_words {
        return finding;
    }
    let host = case.failed_host();
    let question = format!("is `{host}` a registry? One answers 200 or 401 at `/v2/`");
    finding
        .rival(
            CauseId::RegistryServerError,
            format!("nothing that `{host}` answers is in a registry's words"),
            question.clone(),
        )
        .next(question, Some(curl(&host)))
}

/// The registry says so, to whom it lets read the repository.
fn proven(case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let agrees = *case.fault() != Fault::NameUnknown;
    case.finding(
        CauseId::ImageNotFoundTag,
        if agrees {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.image_object(),
        format!(
            "`{}` has no tag `{}`",
            case.repository(),
            clean_line(&sight.transcript.reference)
        ),
    )
    .rules_out(
        CauseId::ImageNotFoundRepo,
        "the registry lists the repository's tags",
    )
    .rules_out(
        CauseId::NotFoundOrPrivate,
        "the registry lists the repository's tags",
    )
}

/// The list and the manifests disagree.
fn listed(case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    case.finding(
        CauseId::ImageNotFoundTag,
        Confidence::Possible,
        case.image_object(),
        format!(
            "`{}` lists the tag `{}`, but has no manifest for it",
            case.repository(),
            clean_line(&sight.transcript.reference)
        ),
    )
    .rival(
        CauseId::CorruptedContent,
        "a registry that lost the manifest answers in the same way",
        "the registry's own store, or a push of the tag",
    )
    .remedy(
        "push-again",
        Applicability::Advice,
        "push the image again",
        case.image
            .as_ref()
            .map(|image| format!("docker push {}", quote(image.as_written()))),
    )
}

/// Without the registry's word.
fn by_text(case: &Case<'_>) -> Finding {
    let registry_says_manifest = says_manifest_unknown(case);
    // A piece of a text may leave out what was asked for.
    let unnamed = case.image.is_none()
        && matches!(
            case.fault(),
            Fault::ManifestMissing {
                by: MissingBy::Unknown
            }
        );
    let confidence = if registry_says_manifest && !unnamed {
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
    let finding = case.finding(
        CauseId::ImageNotFoundTag,
        confidence,
        case.image_object(),
        summary,
    );
    if unnamed {
        with_missing_rivals(finding, case).rival(
            CauseId::ImageNotFoundDigest,
            "the text does not say whether a tag or a digest was asked for",
            "the image, as the pod names it",
        )
    } else if confidence == Confidence::Possible {
        with_missing_rivals(finding, case)
    } else {
        finding
    }
}

/// The nearest tags that the registry has, and the change to the first of them. Never `latest` on
/// our own: nobody knows what it is.
pub(crate) fn with_nearest(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let near: Vec<NearTag> = sight
        .transcript
        .near_tags
        .iter()
        .filter(|near| near.tag != "latest")
        .cloned()
        .collect();
    let Some(text) = nearest(&near) else {
        return finding;
    };
    let finding = finding.note("nearest", text);
    let (Some(first), Some(image)) = (near.first(), &case.image) else {
        return finding;
    };
    // A tag from a registry is hostile text until it is one.
    let right = with_tag(image, &first.tag);
    if Reference::parse(&right).is_err() {
        return finding;
    }
    with_set_image(
        finding,
        case,
        "set-tag",
        if first.ran_before {
            format!("use tag `{}`, which ran here before", first.tag)
        } else {
            format!("use tag `{}`, the nearest that the registry has", first.tag)
        },
        &right,
    )
}

/// The image with another tag, otherwise as it is written.
fn with_tag(image: &Reference, tag: &str) -> String {
    let written = image.as_written();
    match image.spans().tag {
        Some(span) => format!("{}{tag}{}", &written[..span.start], &written[span.end..]),
        None => format!("{written}:{tag}"),
    }
}

/// What ran before is what most likely works again.
fn with_history(finding: Finding, case: &Case<'_>) -> Finding {
    let owner = case.owner();
    let Some(before) = owner.seen().and_then(|facts| {
        facts
            .history
            .iter()
            .find(|revision| revision.image != case.symptom.image)
    }) else {
        return finding;
    };
    let offered = finding
        .remedies
        .iter()
        .filter_map(|remedy| remedy.command.as_deref())
        .any(|command| command.contains(&format!("={} ", before.image)));
    let finding = finding
        .seen(
            owner.answered(),
            format!("`{}` before (revision {})", before.image, before.name),
        )
        .note("before", describe(before));
    if offered {
        return finding;
    }
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
fn with_places(finding: Finding, case: &Case<'_>) -> Finding {
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
    use pulldoctor_model::{
        Answer, CauseId, Confidence, OwnerFacts, Question, Revision, Vantage,
        registry::{ErrorBody, NearTag, RegistryError, TagList},
    };

    use crate::{
        causes::support::missing::samples,
        fixture::{at, node, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:v1.4.2";
    const CONTAINERD_1: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:v1.4.2\": failed to resolve reference \"registry.example.com/shop/api:v1.4.2\": registry.example.com/shop/api:v1.4.2: not found";

    #[test]
    fn a_host_that_never_speaks_as_a_registry_may_be_none() {
        let of = |tags: Option<ErrorBody>| {
            let mut seen = samples::refuses(IMAGE, 404, None);
            seen.tags = Some(TagList {
                tags: Vec::new(),
                truncated: false,
                status: Some(404),
                error: tags,
            });
            let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
                .registry(seen)
                .judge();
            let has_rival = finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::RegistryServerError);
            (finding.cause, finding.confidence, has_rival)
        };
        let page = ErrorBody {
            errors: Vec::new(),
            text: Some("<html>404</html>".to_owned()),
        };
        let doubted = (CauseId::ImageNotFoundTag, Confidence::Possible, true);
        assert_eq!(of(Some(page)), doubted);
        assert_eq!(of(None), doubted);
        let spoken = ErrorBody {
            errors: vec![RegistryError {
                code: "UNSUPPORTED".to_owned(),
                message: "no lists here".to_owned(),
            }],
            text: None,
        };
        assert!(!of(Some(spoken)).2);
    }

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

    fn near(tag: &str, ran_before: bool) -> NearTag {
        NearTag {
            tag: tag.to_owned(),
            because: "another patch".to_owned(),
            distance: 1,
            ran_before,
        }
    }

    #[test]
    fn the_registry_proves_it_and_names_the_nearest() {
        let mut seen = samples::lists(IMAGE, &["latest", "v1.4.1", "v1.4.0"]);
        seen.near_tags = vec![
            near("latest", false),
            near("v1.4.1", true),
            near("v1.4.0", false),
        ];
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(
            finding.summary,
            "`registry.example.com/shop/api` has no tag `v1.4.2`"
        );
        assert!(finding.rivals.is_empty() && finding.open.is_empty());
        let caret = finding.caret.unwrap();
        assert_eq!(caret.label, "HEAD manifests/v1.4.2 -> 404");
        let seen = finding.evidence.last().unwrap();
        assert_eq!(seen.from, Vantage::Here);
        assert_eq!(
            seen.answer,
            "dns ok  tcp ok  tls ok  credential 1 of 1 (secret regcred, user ci-bot) granted  \
             HEAD manifests/v1.4.2 -> 404  tags/list 3 tags"
        );
        let excluded: Vec<_> = finding.ruled_out.iter().map(|out| out.cause).collect();
        assert!(
            excluded.contains(&CauseId::ImageNotFoundRepo),
            "{excluded:?}"
        );
        // `latest` is never proposed on our own, near or not.
        assert_eq!(finding.remedies[0].id, "set-tag");
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some(
                "kubectl set image deployment/api api=registry.example.com/shop/api:v1.4.1 -n shop"
            )
        );
        assert!(finding.notes.iter().any(|(word, text)| {
            word == "nearest" && text == "v1.4.1 (another patch; ran here), v1.4.0 (another patch)"
        }));
    }

    #[test]
    fn without_a_list_of_tags_the_repository_stays_a_rival() {
        for seen in [
            samples::refuses(IMAGE, 405, None),
            samples::refuses(IMAGE, 404, None),
            samples::refuses(IMAGE, 403, Some("DENIED")),
        ] {
            let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
                .registry(seen)
                .judge();
            assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
            assert_eq!(finding.confidence, Confidence::Possible);
            assert_eq!(finding.rivals[0].cause, CauseId::ImageNotFoundRepo);
        }
    }

    #[test]
    fn a_tag_that_is_there_now_is_no_confident_old_verdict() {
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
            .registry(samples::there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::MirrorMisconfigured);
        assert!(
            finding
                .summary
                .contains("has `registry.example.com/shop/api:v1.4.2` now")
        );
        assert!(finding.remedies.iter().any(|remedy| remedy.id == "wait"));
    }

    #[test]
    fn a_tag_that_is_listed_without_its_manifest() {
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
            .registry(samples::lists(IMAGE, &["v1.4.1", "v1.4.2"]))
            .judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::CorruptedContent);
    }

    #[test]
    fn a_hostile_tag_makes_no_command() {
        let mut seen = samples::lists(IMAGE, &["v1.4.1"]);
        seen.near_tags = vec![near("v1; rm -rf /", false)];
        let finding = stuck(IMAGE, "ErrImagePull", CONTAINERD_1)
            .registry(seen)
            .judge();
        assert!(finding.remedies.iter().all(|remedy| remedy.id != "set-tag"));
    }

    #[test]
    fn it_is_asked_after_the_node() {
        let fixture = stuck(IMAGE, "ErrImagePull", CONTAINERD_1);
        let is_registry = |question: &Question| matches!(question, Question::Registry { .. });
        assert!(!fixture.questions().iter().any(is_registry));
        assert!(fixture.node(node()).questions().iter().any(is_registry));
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
