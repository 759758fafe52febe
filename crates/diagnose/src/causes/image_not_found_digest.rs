//! `image-not-found-digest`.

use pulldoctor_messages::{Fault, MissingBy};
use pulldoctor_model::{CauseId, Confidence, Finding, Question, registry::is_digest};
use pulldoctor_reference::Reference;

use super::support::{
    ask_registry,
    checked::{manifest, request},
    missing::{Missing, missing, there_now, with_sight},
    says_manifest_unknown, with_missing_rivals, with_set_image,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    view::Sight,
};

cause! {
    /// # image-not-found-digest
    ///
    /// ## What it means
    ///
    /// The image is pinned by digest, and the registry has no manifest of that digest: it was
    /// garbage-collected after its tag moved, or the digest belongs to another registry.
    ///
    /// ## How we know
    ///
    /// `404` for the manifest of a reference with `@sha256:…`. Where a tag stands beside the
    /// digest, the runtime ignores the tag, so a wrong tag does not matter and does not help.
    ///
    /// ## What to do
    ///
    /// - Ask which digest the tag has today, and decide whether that image is the one you want:
    ///   it is a different image.
    /// - Where the digest comes from a mirror, take it from the registry that you pull from.
    ///
    /// ## What it is not
    ///
    /// A digest with a typo in its length does not parse at all: that is `invalid-image-name`.
    ///
    /// ## Sources
    ///
    /// - containerd `core/remotes/docker/resolver.go`: with a digest the tag is dropped.
    /// - distribution-spec 1.1.
    ImageNotFoundDigest
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_raised(case) {
        ask_registry(case)
    } else {
        Vec::new()
    }
}

fn is_raised(case: &Case<'_>) -> bool {
    let by_digest = case
        .image
        .as_ref()
        .is_some_and(|image| image.digest().is_some());
    match case.fault() {
        Fault::ManifestMissing {
            by: MissingBy::Digest,
        } => true,
        Fault::ManifestMissing { .. } => by_digest,
        // The repository may have come meanwhile, without the digest.
        Fault::NameUnknown => by_digest && matches!(missing(case), Missing::Manifest(_)),
        _ => false,
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let seen = missing(case);
    let confidence = match seen {
        // That is a cause of its own.
        Missing::Repository { .. } => return None,
        Missing::There(sight) => {
            return Some(there_now(case, CauseId::ImageNotFoundDigest, &sight).into());
        }
        Missing::Manifest(_) if *case.fault() != Fault::NameUnknown => Confidence::Proven,
        Missing::Manifest(_) => Confidence::Likely,
        _ if says_manifest_unknown(case) => Confidence::Likely,
        _ => Confidence::Possible,
    };
    let mut finding = case.finding(
        CauseId::ImageNotFoundDigest,
        confidence,
        case.image_object(),
        format!(
            "`{}` has no manifest of the digest that the image names",
            case.repository()
        ),
    );
    if confidence == Confidence::Possible {
        finding = with_missing_rivals(finding, case);
    }
    let sight = seen.sight();
    if let Some(image) = &case.image {
        finding = finding.caret(
            image.spans().digest,
            sight
                .and_then(|sight| Some(request(sight.transcript, manifest(&sight)?)))
                .unwrap_or_else(|| "the registry answers: not found".to_owned()),
        );
        if image.tag().is_some() {
            finding = finding.note("tag", "beside a digest the runtime ignores it");
        }
    }
    if let Some(sight) = sight {
        finding = with_sight(finding, case, &sight);
        if matches!(seen, Missing::Manifest(_)) {
            finding = finding
                .rules_out(
                    CauseId::ImageNotFoundRepo,
                    "the registry lists the repository's tags",
                )
                .rules_out(
                    CauseId::NotFoundOrPrivate,
                    "the registry lists the repository's tags",
                );
        }
        finding = with_tags_digest(finding, case, &sight);
    }
    Some(finding.into())
}

/// The digest that the tag beside the digest has today: another image, so it is said so.
fn with_tags_digest(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let (Some(digest), Some(image)) = (&sight.transcript.tag_digest, &case.image) else {
        return finding;
    };
    let (Some(tag), Some(span)) = (image.tag(), image.spans().digest) else {
        return finding;
    };
    if !is_digest(digest) {
        return finding;
    }
    let written = image.as_written();
    let right = format!("{}{digest}{}", &written[..span.start], &written[span.end..]);
    if Reference::parse(&right).is_err() {
        return finding;
    }
    with_set_image(
        finding.note("tag now", format!("`{tag}` is `{digest}`")),
        case,
        "set-digest",
        format!("use the digest that `{tag}` has now: a different image"),
        &right,
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::{causes::support::missing::samples, fixture::stuck};

    const DIGEST: &str = "sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950";
    const OTHER: &str = "sha256:a8f2c3f33adf8b40a3f21558f2a7e48fa1fefa482729e4e9f8db1dbb5f654e9a";

    fn image() -> String {
        format!("registry.example.com/shop/api:1@{DIGEST}")
    }

    fn text() -> String {
        let name = format!("registry.example.com/shop/api@{DIGEST}");
        format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {name}: not found"
        )
    }

    #[test]
    fn a_digest_that_is_gone_while_the_tag_lives() {
        let mut seen = samples::lists(&image(), &["1"]);
        seen.tag_digest = Some(OTHER.to_owned());
        let finding = stuck(&image(), "ErrImagePull", &text())
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundDigest);
        assert_eq!(finding.confidence, Confidence::Proven);
        let remedy = &finding.remedies[0];
        assert!(remedy.title.contains("a different image"));
        assert!(remedy.command.as_deref().is_some_and(|command| {
            command.contains(&format!("registry.example.com/shop/api:1@{OTHER}"))
        }));
    }

    #[test]
    fn without_the_registry_it_is_possible() {
        let finding = stuck(&image(), "ErrImagePull", &text()).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundDigest);
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn a_digest_in_no_repository_is_the_repositorys_fault() {
        let seen = samples::refuses(&image(), 404, Some("NAME_UNKNOWN"));
        let finding = stuck(&image(), "ErrImagePull", &text())
            .registry(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundRepo);
    }

    #[test]
    fn a_digest_that_is_there_now() {
        let finding = stuck(&image(), "ErrImagePull", &text())
            .registry(samples::there(&image()))
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundDigest);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::MirrorMisconfigured);
    }
}
