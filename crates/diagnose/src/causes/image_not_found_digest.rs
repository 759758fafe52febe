//! `image-not-found-digest`.

use pulldoctor_messages::{Fault, MissingBy};
use pulldoctor_model::{CauseId, Confidence, Question};

use super::support::{says_manifest_unknown, with_missing_rivals};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
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

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let by_digest = match case.fault() {
        Fault::ManifestMissing {
            by: MissingBy::Digest,
        } => true,
        Fault::ManifestMissing { .. } => case
            .image
            .as_ref()
            .is_some_and(|image| image.digest().is_some()),
        _ => false,
    };
    if !by_digest {
        return None;
    }
    let confidence = if says_manifest_unknown(case) {
        Confidence::Likely
    } else {
        Confidence::Possible
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
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().digest, "the registry answers: not found");
        if image.tag().is_some() {
            finding = finding.note("tag", "beside a digest the runtime ignores it");
        }
    }
    Some(finding.into())
}
