//! `platform-mismatch`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, NodeFacts, Question, clean_line,
    registry::{Facts, Problem, StageName},
};

use super::{
    node_view::on_node,
    support::{ask_registry, checked::with_checked, in_namespace, missing::there_now, quote},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
    view::{Reached, Sight, from_here},
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
    /// beside the node's platform proves it, from wherever it is read.
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
    asked.extend(ask_registry(case));
    asked
}

/// What the registry's index says of the node's platform.
enum Index<'a> {
    /// It was not read.
    Unread,
    /// It has others only.
    Lacks(Sight<'a>, &'a [String]),
    /// It has the platform, or there is no index.
    Fits(Sight<'a>),
}

fn index<'a>(case: &Case<'a>, platform: Option<&str>) -> Index<'a> {
    let Some(sight) = from_here(case) else {
        return Index::Unread;
    };
    match sight.facts(StageName::Platform) {
        Some(Facts::Platform(facts)) if sight.problem() == Some(Problem::NoPlatform) => {
            Index::Lacks(sight, &facts.available)
        }
        Some(Facts::Platform(facts)) => match platform {
            // Nothing was asked for: the list says it all the same.
            Some(wanted) if facts.wanted.is_empty() && !offers(&facts.available, wanted) => {
                Index::Lacks(sight, &facts.available)
            }
            Some(_) => Index::Fits(sight),
            None => Index::Unread,
        },
        // One manifest without an index fits every platform.
        Some(_) if Reached::of_transcript(sight.transcript) >= Reached::Manifest => {
            Index::Fits(sight)
        }
        _ => Index::Unread,
    }
}

/// Whether one of the platforms is the wanted one, whatever its variant.
fn offers(available: &[String], wanted: &str) -> bool {
    let short =
        |platform: &str| -> String { platform.split('/').take(2).collect::<Vec<_>>().join("/") };
    available
        .iter()
        .any(|platform| short(platform) == short(wanted))
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
    let seen = index(case, platform.as_deref());
    if let Index::Fits(sight) = &seen {
        return Some(there_now(case, CauseId::PlatformMismatch, sight).into());
    }
    let mut finding = case.finding(
        CauseId::PlatformMismatch,
        if matches!(seen, Index::Lacks(..)) {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.image_object(),
        summary,
    );
    let mut available: &[String] = &[];
    if let Index::Lacks(sight, platforms) = seen {
        available = platforms;
        finding = with_checked(finding, &sight);
        if !available.is_empty() {
            finding = finding.note("platforms", clean_line(&available.join(", ")));
        }
    }
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
    if finding.confidence != Confidence::Proven {
        finding = finding.open(Some(case.registry_question()));
    }
    finding = finding.remedy(
        "select-architecture",
        Applicability::Consent,
        "schedule it on nodes of a platform that the image has",
        selector_command(case, platform.as_deref(), available),
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
fn selector_command(
    case: &Case<'_>,
    platform: Option<&str>,
    available: &[String],
) -> Option<String> {
    let (kind, name) = case.symptom.owner.as_deref()?.split_once('/')?;
    if !matches!(kind, "Deployment" | "StatefulSet") {
        // A DaemonSet is meant for every node.
        return None;
    }
    let (os, arch) = platform?.split_once('/')?;
    let arch = arch.split('/').next()?;
    let other = if available.is_empty() {
        // An image lacks one of the two because it was built on the other.
        match arch {
            "amd64" => "arm64",
            "arm64" => "amd64",
            _ => return None,
        }
    } else {
        // What there is, for nodes of the same system; a text from a registry until it is known.
        let has = |wanted: &str| offers(available, &format!("{os}/{wanted}"));
        ["amd64", "arm64"]
            .into_iter()
            .find(|other| *other != arch && has(other))?
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
    use pulldoctor_model::{
        CauseId, Confidence, Finding, ObjectKind,
        registry::{Facts, PlatformFacts, Problem, StageName, Transcript},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{failed_at, node, stuck},
    };

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

    fn index(available: &[&str], problem: Option<Problem>) -> Transcript {
        let facts = Facts::Platform(PlatformFacts {
            wanted: "linux/arm64".to_owned(),
            available: available.iter().map(|one| (*one).to_owned()).collect(),
            chosen: None,
        });
        match problem {
            Some(problem) => failed_at(IMAGE, StageName::Platform, problem, facts),
            None => {
                let mut seen = there(IMAGE);
                for stage in &mut seen.stages {
                    if stage.stage == StageName::Platform {
                        stage.facts = facts.clone();
                    }
                }
                seen
            }
        }
    }

    fn on_arm(seen: Transcript) -> Finding {
        let mut facts = node();
        facts.arch = "arm64".to_owned();
        stuck(IMAGE, "ErrImagePull", TEXT)
            .node(facts)
            .registry(seen)
            .judge()
    }

    #[test]
    fn an_index_without_the_nodes_platform_proves_it() {
        let finding = on_arm(index(
            &["linux/amd64", "windows/amd64"],
            Some(Problem::NoPlatform),
        ));
        assert_eq!(finding.cause, CauseId::PlatformMismatch);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.open.is_empty());
        assert!(finding.notes.contains(&(
            "platforms".to_owned(),
            "linux/amd64, windows/amd64".to_owned()
        )));
        assert!(
            finding.remedies[0]
                .command
                .as_deref()
                .unwrap()
                .contains("\"amd64\"")
        );
        // Nodes of a platform that the index lacks too are not offered.
        let other = on_arm(index(&["linux/s390x"], Some(Problem::NoPlatform)));
        assert_eq!(other.remedies[0].command, None);
    }

    #[test]
    fn an_index_that_has_it_now_is_no_confident_old_verdict() {
        let finding = on_arm(index(&["linux/amd64", "linux/arm64"], None));
        assert_eq!(finding.cause, CauseId::PlatformMismatch);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::MirrorMisconfigured);
    }
}
