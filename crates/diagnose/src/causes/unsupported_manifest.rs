//! `unsupported-manifest`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question, clean_line,
    registry::{ArtifactKind, Problem},
};

use super::support::{
    ask_registry,
    checked::{artifact, manifest, with_checked},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    view::{Sight, from_here},
};

cause! {
    /// # unsupported-manifest
    ///
    /// ## What it means
    ///
    /// What the registry serves under that name is no image that this runtime can run: a manifest
    /// of the old schema 1, a Helm chart, a plugin, a signature or another artifact, an encrypted
    /// image, or layers packed in a way that an old runtime does not know.
    ///
    /// ## How we know
    ///
    /// The runtime names what it cannot use: `schema 1 image manifests are no longer supported`,
    /// `media type "…" is no longer supported`, `no processor for media-type`, `unsupported
    /// compression format`.
    ///
    /// Some artifacts are pulled without a word and then have nothing to run: `CreateContainerError:
    /// … no command specified`. An image without a command says the same, so this is *possible*
    /// until the registry's media types are read, which prove it. A config that does not parse (`unexpected end of
    /// JSON input` from containerd 1.6 is a schema 1 manifest) is *possible* too.
    ///
    /// ## What to do
    ///
    /// - Check what the name stands for: `docker manifest inspect IMAGE`.
    /// - A chart is installed with `helm install NAME oci://…`, not run as a container.
    /// - Schema 1: pull it with an old Docker, or build it anew, and push it.
    /// - An image without a command: set `command:` in the container.
    ///
    /// ## What it is not
    ///
    /// - `platform-mismatch`: the image is one, but not for this node.
    /// - `corrupted-content`: it is one, but damaged.
    ///
    /// ## Sources
    ///
    /// - containerd `core/images/mediatypes.go`, `core/remotes/docker/schema1` (removed in 2.1),
    ///   `pkg/oci/spec_opts.go` 1.6 to 2.4; seen live with containerd 1.6.20 and 2.4.2.
    UnsupportedManifest
}

fn is_raised(case: &Case<'_>) -> bool {
    matches!(
        case.fault(),
        Fault::UnsupportedManifest | Fault::BrokenManifest | Fault::NoCommand
    )
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    // Only the registry's media types say more.
    if is_raised(case) {
        ask_registry(case)
    } else {
        Vec::new()
    }
}

/// What the registry's manifest is, where it is no image that runs.
fn artefact<'a>(sight: &Sight<'a>) -> Option<&'a ArtifactKind> {
    matches!(
        sight.problem(),
        Some(Problem::NotAnImage | Problem::ManifestSchema1)
    )
    .then(|| manifest(sight)?.artifact.as_ref())
    .flatten()
}

/// The manifest's own types say that it is no image.
fn seen(case: &Case<'_>, sight: &Sight<'_>, kind: &ArtifactKind) -> Finding {
    let finding = case.finding(
        CauseId::UnsupportedManifest,
        Confidence::Proven,
        case.image_object(),
        match kind {
            ArtifactKind::Schema1 => format!(
                "`{}` is an old schema 1 manifest, which the node's runtime does not read",
                case.image_name()
            ),
            kind => format!(
                "`{}` is {}, not a container image",
                case.image_name(),
                artifact(kind)
            ),
        },
    );
    let mut finding = with_checked(finding, sight);
    if let Some(kind) = manifest(sight).and_then(|facts| facts.media_type.as_deref()) {
        finding = finding.note("media type", clean_line(kind));
    }
    if let Some(node) = case.node().seen()
        && *kind == ArtifactKind::Schema1
    {
        finding = finding.seen(case.node().answered(), node.runtime.clone());
    }
    with_remedies(finding)
}

/// Whether the runtime names the old format: by its number, or by its media type
/// (`application/vnd.docker.distribution.manifest.v1+prettyjws`).
fn is_schema_1(case: &Case<'_>) -> bool {
    let by_type = case
        .reading()
        .facts
        .media_type
        .as_deref()
        .is_some_and(|kind| kind.contains("distribution.manifest.v1+"));
    by_type || case.text().contains("schema 1 image manifest")
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let sight = from_here(case);
    if let Some(sight) = &sight
        && let Some(kind) = artefact(sight)
    {
        return Some(seen(case, sight, kind).into());
    }
    let facts = &case.reading().facts;
    let name = case.image_name();
    let shown = if name == "the image" {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let (confidence, summary) = match case.fault() {
        Fault::NoCommand => (
            Confidence::Possible,
            format!(
                "{shown} was pulled but names nothing to run: perhaps it is no container image"
            ),
        ),
        Fault::BrokenManifest => (
            Confidence::Possible,
            format!("the manifest or config of {shown} cannot be read as that of an image"),
        ),
        _ if is_schema_1(case) => (
            Confidence::Likely,
            format!(
                "{shown} is an old schema 1 manifest, which the node's runtime no longer reads"
            ),
        ),
        _ => (
            Confidence::Likely,
            match &facts.media_type {
                Some(kind) => format!("{shown} is of a type that the runtime cannot use, `{kind}`"),
                None => format!("{shown} is of a type that the runtime cannot use"),
            },
        ),
    };
    let mut finding = case.finding(
        CauseId::UnsupportedManifest,
        confidence,
        case.image_object(),
        summary,
    );
    match case.fault() {
        Fault::NoCommand => {
            finding = finding
                .rival(
                    CauseId::Unknown,
                    "an image whose author set no command says the same, and is no failed pull",
                    case.registry_question().to_string(),
                )
                .remedy(
                    "set-command",
                    Applicability::Advice,
                    "if it is an image: set `command:` in the container",
                    None,
                );
        }
        Fault::BrokenManifest => {
            finding = finding.rival(
                CauseId::CorruptedContent,
                "a manifest or config that is damaged cannot be read either",
                case.registry_question().to_string(),
            );
        }
        _ => {}
    }
    finding = match &sight {
        Some(sight) => with_checked(finding, sight),
        None => finding.open(Some(case.registry_question())),
    };
    Some(with_remedies(finding).into())
}

fn with_remedies(finding: Finding) -> Finding {
    finding
        .remedy(
            "other-tag",
            Applicability::Consent,
            "use a tag or repository that holds a container image",
            None,
        )
        .remedy(
            "build-anew",
            Applicability::Advice,
            "build it anew with a current tool and push it",
            None,
        )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, Finding,
        registry::{ArtifactKind, Facts, ManifestFacts, Problem, StageName},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{failed_at, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn schema_1_is_named_by_the_runtime() {
        let text = "rpc error: code = InvalidArgument desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": schema 1 image manifests are no longer supported: invalid argument";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::UnsupportedManifest);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn schema_1_on_an_old_containerd_may_be_a_broken_manifest() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": unexpected end of JSON input";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::UnsupportedManifest);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::CorruptedContent);
    }

    #[test]
    fn no_command_is_possible_only() {
        let text = "failed to generate container \"ab12\" spec: failed to generate spec: no command specified";
        let finding = stuck(IMAGE, "CreateContainerError", text).judge();
        assert_eq!(finding.cause, CauseId::UnsupportedManifest);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(!finding.rivals.is_empty());
    }

    #[test]
    fn a_missing_platform_is_another_cause() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": no match for platform in manifest: not found";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::UnsupportedManifest
        );
    }

    fn no_command(kind: ArtifactKind, problem: Problem) -> Finding {
        let text = "failed to generate container \"c\" spec: failed to generate spec: no command specified";
        let facts = Facts::Manifest(ManifestFacts {
            method: "HEAD".to_owned(),
            status: Some(200),
            media_type: Some("application/vnd.oci.image.manifest.v1+json".to_owned()),
            artifact: Some(kind),
            ..ManifestFacts::default()
        });
        let seen = failed_at(IMAGE, StageName::Manifest, problem, facts);
        stuck(IMAGE, "CreateContainerError", text)
            .registry(seen)
            .judge()
    }

    #[test]
    fn a_chart_is_told_by_its_media_types() {
        let finding = no_command(ArtifactKind::HelmChart, Problem::NotAnImage);
        assert_eq!(finding.cause, CauseId::UnsupportedManifest);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("is a Helm chart"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn an_image_without_a_command_is_no_artefact() {
        let text = "failed to generate container \"c\" spec: failed to generate spec: no command specified";
        let finding = stuck(IMAGE, "CreateContainerError", text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }
}
