//! `platform-mismatch`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, NodeFacts, Question};

use super::{
    node_view::on_node,
    support::{in_namespace, quote},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
};

cause! {
    /// # platform-mismatch
    ///
    /// ## What it means
    ///
    /// The image is there, but not for the node's operating system and architecture: an image
    /// built on an arm64 laptop for amd64 nodes, or the other way round.
    ///
    /// ## How we know
    ///
    /// The registry serves an index, and the runtime finds no entry in it for its platform: `no
    /// match for platform in manifest: not found` (containerd), `no image found in image index for
    /// architecture "arm64"` (CRI-O), `no matching manifest for linux/arm64/v8 in the manifest list
    /// entries` (Docker). The text ends in `not found`, but the tag is there. The registry's index
    /// beside the node's platform proves it.
    ///
    /// ## What to do
    ///
    /// - Build for all platforms of the cluster: `docker buildx build --platform
    ///   linux/amd64,linux/arm64 --push …`.
    /// - Or schedule it where it runs: `nodeSelector: kubernetes.io/arch: amd64`. `kubectl get nodes
    ///   -L kubernetes.io/arch` shows what there is.
    ///
    /// ## What it is not
    ///
    /// An image without index, for another architecture, is pulled without a word and then fails
    /// with `exec format error`. That is no failed pull.
    ///
    /// ## Sources
    ///
    /// - containerd `core/images/image.go` 1.6 to 2.4; containers/image `manifest/`; moby
    ///   `distribution/pull_v2.go`.
    PlatformMismatch
    generals: [ImageNotFoundTag, ImageNotFoundRepo, ImageNotFoundDigest],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() != Fault::PlatformMissing {
        return Vec::new();
    }
    let mut asked: Vec<Question> = case.node_question().into_iter().collect();
    asked.push(case.image_elsewhere_question());
    asked
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::PlatformMissing {
        return None;
    }
    let node = case.node();
    let platform = case
        .reading()
        .facts
        .platform
        .clone()
        .or_else(|| node.seen().map(NodeFacts::platform));
    let name = case.image_name();
    let shown = if name == "the image" {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let summary = match &platform {
        Some(platform) => format!(
            "{shown} has no variant for `{platform}`, the platform of {}",
            on_node(case)
        ),
        None => format!(
            "{shown} has no variant for the platform of {}",
            on_node(case)
        ),
    };
    let mut finding = case.finding(
        CauseId::PlatformMismatch,
        Confidence::Likely,
        case.image_object(),
        summary,
    );
    if let Some(facts) = node.seen() {
        finding = finding.seen(node.answered(), facts.platform());
    }
    if let Some(places) = Places::of_image(case)
        && !places.pulled.is_empty()
    {
        let nodes: Vec<&str> = places.pulled.iter().map(String::as_str).collect();
        finding = finding.seen(
            case.image_elsewhere().answered(),
            format!("it was pulled on {}", nodes.join(", ")),
        );
    }
    if let Some(arch) = &case.symptom.wanted_arch {
        finding = finding.note("node selector", format!("kubernetes.io/arch={arch}"));
    }
    finding = finding.open(Some(case.registry_question()));
    finding = finding.remedy(
        "select-architecture",
        Applicability::Consent,
        "schedule it on nodes of a platform that the image has",
        selector_command(case, platform.as_deref()),
    );
    let build = platform.as_deref().filter(|text| is_platform(text));
    Some(
        finding
            .remedy(
                "build-for-platform",
                Applicability::Advice,
                "build and push the image for the node's platform too",
                build.map(|platform| {
                    format!(
                        "docker buildx build --platform {platform} -t {} --push .",
                        case.image
                            .as_ref()
                            .map_or_else(|| "IMAGE".to_owned(), |image| quote(image.as_written()))
                    )
                }),
            )
            .into(),
    )
}

/// The command that keeps the pods on the other common architecture; none where the owner's
/// template cannot be changed or the node's architecture is not one of the two.
fn selector_command(case: &Case<'_>, platform: Option<&str>) -> Option<String> {
    let (kind, name) = case.symptom.owner.as_deref()?.split_once('/')?;
    if !matches!(kind, "Deployment" | "StatefulSet") {
        // A DaemonSet is meant for every node.
        return None;
    }
    let arch = platform?.split('/').nth(1)?;
    // An image lacks one of the two because it was built on the other.
    let other = match arch {
        "amd64" => "arm64",
        "arm64" => "amd64",
        _ => return None,
    };
    Some(format!(
        "kubectl patch {} {} --patch '{{\"spec\":{{\"template\":{{\"spec\":{{\"nodeSelector\":{{\"kubernetes.io/arch\":\"{other}\"}}}}}}}}}}'",
        quote(&format!("{}/{name}", kind.to_lowercase())),
        in_namespace(case),
    ))
}

/// Whether a text of the node can stand in a command.
fn is_platform(text: &str) -> bool {
    text.contains('/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::fixture::{node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const TEXT: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": no match for platform in manifest: not found";

    #[test]
    fn the_nodes_platform_is_named() {
        let mut facts = node();
        facts.arch = "arm64".to_owned();
        let finding = stuck(IMAGE, "ErrImagePull", TEXT).node(facts).judge();
        assert_eq!(finding.cause, CauseId::PlatformMismatch);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert!(finding.summary.contains("`linux/arm64`"));
        assert!(
            finding.remedies[0]
                .command
                .as_deref()
                .unwrap()
                .contains("\"amd64\"")
        );
        assert!(
            finding
                .rivals
                .iter()
                .all(|rival| rival.cause != CauseId::ImageNotFoundTag)
        );
    }

    #[test]
    fn the_transfer_services_words_are_read_too() {
        let text = "rpc error: code = NotFound desc = get image config descriptor: no match for platform in manifest sha256:0b16ab2571f4b3e0d5a96b66a00e5016ddc0d268e8bc45dc612948c4c95b94cd: not found";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::PlatformMismatch
        );
    }

    #[test]
    fn docker_names_the_platform_itself() {
        let text = "no matching manifest for linux/arm/v7 in the manifest list entries";
        let finding = stuck(IMAGE, "ErrImagePull", text).node(node()).judge();
        assert!(finding.summary.contains("`linux/arm/v7`"));
    }

    #[test]
    fn a_missing_tag_is_no_missing_platform() {
        let text = format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{IMAGE}\": failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        );
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::PlatformMismatch
        );
    }
}
