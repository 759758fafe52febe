//! `not-found-or-private`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::answers_alike;
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # not-found-or-private
    ///
    /// ## What it means
    ///
    /// The registry refuses, and it answers alike for a repository that does not exist and for
    /// one that this pod may not see. Which of the two it is cannot be told from the outside.
    ///
    /// ## How we know
    ///
    /// `pull access denied, repository does not exist or may require authorization`,
    /// `insufficient_scope`, or a refused anonymous token, from a registry that is known to hide
    /// private repositories (Docker Hub, GHCR, Quay, GitLab, Artifact Registry, ACR, ECR, Harbor).
    ///
    /// ## What to do
    ///
    /// In this order:
    ///
    /// - Check the name, letter by letter. A name without a host is looked up on Docker Hub,
    ///   also if you built the image on your own machine.
    /// - If it is private, create a pull secret in the pod's namespace and name it in
    ///   `imagePullSecrets` or in the pod's service account.
    ///
    /// ## What it is not
    ///
    /// Not a missing tag: a readable repository answers `404` for that.
    ///
    /// ## Sources
    ///
    /// - Docker Hub: the token endpoint answers 200, the manifest 401 `insufficient_scope`, for
    ///   both.
    /// - containerd `core/remotes/docker/resolver.go`: the text.
    NotFoundOrPrivate
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let host = case.registry();
    let refused_alike = match case.fault() {
        Fault::AccessDenied | Fault::ImageMissing => true,
        Fault::Unauthorized
        | Fault::Forbidden
        | Fault::TokenRefused {
            anonymous: Some(true),
            ..
        } => answers_alike(&host),
        _ => false,
    };
    if !refused_alike {
        return None;
    }
    let mut finding = case
        .finding(
            CauseId::NotFoundOrPrivate,
            Confidence::Possible,
            case.image_object(),
            format!(
                "`{}` does not exist, or is private and the pod's credentials do not open it",
                case.repository()
            ),
        )
        .rival(
            CauseId::ImageNotFoundRepo,
            "the registry answers the same where the repository does not exist",
            case.registry_question().to_string(),
        )
        .rival(
            CauseId::AuthMissingCredentials,
            "the registry answers the same where a login is missing",
            case.keyring_question().to_string(),
        )
        .open(Some(case.registry_question()));
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "missing, or not for this pod");
        if !image.has_explicit_domain() {
            finding = finding.note(
                "name",
                format!(
                    "no registry is written, so this is Docker Hub's `{}`",
                    image.repo()
                ),
            );
        }
    }
    Some(
        finding
            .remedy(
                "check-name",
                Applicability::Advice,
                "compare the name with the registry's own page",
                None,
            )
            .into(),
    )
}
