//! `image-not-found-repo`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};

use super::support::{answers_alike, with_private_rival};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # image-not-found-repo
    ///
    /// ## What it means
    ///
    /// The registry knows no repository of this name: a typo in the path, a repository that was
    /// never pushed, moved or deleted, or an image that exists in another registry.
    ///
    /// ## How we know
    ///
    /// The registry answers `NAME_UNKNOWN`, or `404` to a request that carried a granted token.
    /// Registries that hide private repositories answer the same for those, so without such a
    /// token it stays `not-found-or-private`.
    ///
    /// ## What to do
    ///
    /// - Compare the path, part by part, with the registry's own page or catalogue.
    /// - An image that you built yourself has to be pushed, and named with its registry: a name
    ///   without a host is looked up on Docker Hub.
    ///
    /// ## What it is not
    ///
    /// It is not a missing tag: there the repository answers `tags/list`.
    ///
    /// ## Sources
    ///
    /// - distribution `registry/api/errcode/register.go`: `NAME_UNKNOWN` is 404.
    /// - distribution-spec 1.1.
    ImageNotFoundRepo
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::NameUnknown {
        return None;
    }
    let alike = answers_alike(&case.registry());
    let confidence = if alike {
        Confidence::Possible
    } else {
        Confidence::Likely
    };
    let mut finding = case.finding(
        CauseId::ImageNotFoundRepo,
        confidence,
        case.image_object(),
        format!("`{}` does not exist", case.repository()),
    );
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "the registry knows no such name");
    }
    if alike {
        finding = with_private_rival(finding, case).open(Some(case.registry_question()));
    }
    Some(finding.into())
}
