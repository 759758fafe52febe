//! `invalid-image-name`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};
use pulldoctor_reference::{Reference, suggestion};

use super::support::with_set_image;
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # invalid-image-name
    ///
    /// ## What it means
    ///
    /// The image reference does not parse, so nothing was ever asked of a registry.
    ///
    /// ## How we know
    ///
    /// The waiting reason is `InvalidImageName`, and our own parser, which accepts and refuses
    /// what the kubelet's does, refuses it at a certain character.
    ///
    /// Frequent slips: upper-case letters in the path, `https://` in front, a trailing colon, two
    /// tags, a template that was not filled in (`${TAG}`, `<no value>`), spaces or quotes, a
    /// digest that is too short.
    ///
    /// ## What to do
    ///
    /// Set the image to a valid reference: `[host[:port]/]path[:tag][@sha256:…]`, lower case in
    /// the path.
    ///
    /// ## What it is not
    ///
    /// A name that parses and does not exist is `image-not-found-repo` or `image-not-found-tag`.
    /// `MyOrg/app` parses since kubelet 1.29: `MyOrg` is then read as a host (`host-typo`).
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/util/parsers/parsers.go` 1.37; distribution/reference 0.6.
    InvalidImageName
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let said =
        case.symptom.reason == "InvalidImageName" || *case.pull_fault() == Fault::InvalidReference;
    if !said || matches!(case.fault(), Fault::SandboxImage { .. }) && !case.pasted {
        return None;
    }
    let image = &case.symptom.image;
    let parsed = Reference::parse(image);
    let (confidence, summary) = match &parsed {
        Err(error) if !image.is_empty() => (
            Confidence::Proven,
            format!("`{image}` is no valid image reference: {error}"),
        ),
        // The kubelet of that node refuses what a newer one accepts.
        _ => (
            Confidence::Likely,
            if image.is_empty() {
                "the image reference does not parse".to_owned()
            } else {
                format!("the node's kubelet or runtime refuses `{image}` as a reference")
            },
        ),
    };
    let mut finding = case.finding(
        CauseId::InvalidImageName,
        confidence,
        case.image_object(),
        summary,
    );
    if let Err(error) = &parsed
        && !image.is_empty()
    {
        finding = finding.caret(Some(error.span()), error.to_string());
    }
    if let Some(right) = suggestion(image) {
        finding = finding.note("perhaps", right.clone());
        finding = with_set_image(finding, case, "set-image", format!("use `{right}`"), &right);
    }
    Some(finding.into())
}
