//! What several causes need: shapes of summaries and commands.

use pulldoctor_model::{Applicability, CauseId, Finding, Question};
use pulldoctor_reference::Reference;

use super::there::open_node_view;
use crate::{case::Case, finding::FindingExt, view::from_here};

pub(crate) mod checked;
pub(crate) mod credentials;
pub(crate) mod missing;

/// Registries that answer alike for missing and private repositories (pull-facts 6.5).
const ALIKE: &[&str] = &[
    "docker.io",
    "ghcr.io",
    "quay.io",
    "registry.gitlab.com",
    "nvcr.io",
];

/// Endings of hosts that answer alike for missing and private repositories.
const ALIKE_ENDINGS: &[&str] = &[
    ".gcr.io",
    "gcr.io",
    "-docker.pkg.dev",
    ".azurecr.io",
    ".amazonaws.com",
];

/// Whether the host is known to answer alike for a missing and a private repository.
pub(crate) fn answers_alike(host: &str) -> bool {
    ALIKE.contains(&host) || ALIKE_ENDINGS.iter().any(|ending| host.ends_with(ending))
}

/// Whether the registry itself says that it knows no such manifest. Docker and CRI-O repeat its
/// code, and an unknown manifest is not an unknown name.
pub(crate) fn says_manifest_unknown(case: &Case<'_>) -> bool {
    case.reading()
        .server_message
        .as_deref()
        .is_some_and(|message| message.to_ascii_lowercase().contains("manifest unknown"))
}

/// Adds what a `not found` may mean instead of a missing tag or digest, until the registry is
/// asked.
pub(crate) fn with_missing_rivals(finding: Finding, case: &Case<'_>) -> Finding {
    // What the registry has answered already, and did not tell, is not asked again.
    let answered = from_here(case).is_some();
    let decided_by = if answered {
        "the repository's tags, listed to a login that may".to_owned()
    } else {
        case.registry_question().to_string()
    };
    let finding = finding.rival(
        CauseId::ImageNotFoundRepo,
        "the text is the same where the whole repository is missing",
        decided_by,
    );
    let finding = with_private_rival(finding, case);
    if answered {
        finding
    } else {
        open_registry(finding, case)
    }
}

/// Leaves it to the registry, and to the node where this place cannot ask it.
pub(crate) fn open_registry(finding: Finding, case: &Case<'_>) -> Finding {
    let question = case.registry_question();
    let is_asked = case.is_settled(&question);
    let finding = finding.open(Some(question));
    if is_asked {
        open_node_view(finding, case)
    } else {
        finding
    }
}

/// Adds that it may be private, where the host is known to answer alike for that.
pub(crate) fn with_private_rival(finding: Finding, case: &Case<'_>) -> Finding {
    let host = case.registry();
    if !answers_alike(&host) {
        return finding;
    }
    finding.rival(
        CauseId::NotFoundOrPrivate,
        format!("`{host}` may answer alike for missing and private"),
        case.registry_question().to_string(),
    )
}

/// Asks the registry, where the image is one.
pub(crate) fn ask_registry(case: &Case<'_>) -> Vec<Question> {
    case.image
        .iter()
        .map(|_| case.registry_question())
        .collect()
}

/// The same, and every layer is read and verified.
pub(crate) fn ask_content(case: &Case<'_>) -> Vec<Question> {
    case.image.iter().map(|_| case.content_question()).collect()
}

/// The tag that the kubelet asks for.
pub(crate) fn tag_of(image: &Reference) -> &str {
    image.effective_tag().unwrap_or("latest")
}

/// `-n NAMESPACE`, for commands that can be pasted.
pub(crate) fn in_namespace(case: &Case<'_>) -> String {
    format!("-n {}", quote(&case.symptom.namespace))
}

/// The command that sets another image, where the owner has a template that may be edited.
pub(crate) fn set_image_command(case: &Case<'_>, image: &str) -> Option<String> {
    let owner = case.symptom.owner.as_deref();
    let container = case.symptom.container.as_deref()?;
    let target = match owner {
        None => format!("pod/{}", case.symptom.pod),
        Some(owner) => {
            let (kind, name) = owner.split_once('/')?;
            let kind = match kind {
                "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "CronJob" => {
                    kind.to_lowercase()
                }
                // A Job's template cannot be changed, and other owners are not ours to edit.
                _ => return None,
            };
            format!("{kind}/{name}")
        }
    };
    Some(format!(
        "kubectl set image {} {} {}",
        quote(&target),
        quote(&format!("{container}={image}")),
        in_namespace(case)
    ))
}

/// Quotes a word for a POSIX shell where it needs it: names from a cluster are hostile text.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Adds the remedy of another image.
pub(crate) fn with_set_image(
    finding: Finding,
    case: &Case<'_>,
    id: &str,
    title: impl Into<String>,
    image: &str,
) -> Finding {
    finding.remedy(
        id,
        Applicability::Consent,
        title,
        set_image_command(case, image),
    )
}
