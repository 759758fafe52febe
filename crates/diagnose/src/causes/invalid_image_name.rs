//! `invalid-image-name`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};
use pulldoctor_reference::{Dialect, Reference, suggestion_as};

use super::{node_view::on_node, support::with_set_image};
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

/// Whether the text or the reason says that a container's image does not parse.
///
/// The pause image's name stands in the configuration of the node, so on a live pod it is
/// `sandbox-image-unavailable`. Of a text alone nothing is known but that a name does not parse.
fn is_raised(case: &Case<'_>) -> bool {
    let said =
        case.symptom.reason == "InvalidImageName" || *case.pull_fault() == Fault::InvalidReference;
    said && (case.pasted || !matches!(case.fault(), Fault::SandboxImage { .. }))
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    // Only where today's kubelet accepts the name does the version of the node's matter.
    if is_raised(case) && case.image.is_some() {
        case.node_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let image = case.symptom.image.as_str();
    let node = case.node();
    let dialect = node
        .seen()
        .and_then(|facts| Dialect::of_kubelet_version(&facts.kubelet))
        .unwrap_or_default();
    // What today's kubelet refuses, every kubelet refuses.
    let dialect = if case.image.is_none() {
        Dialect::default()
    } else {
        dialect
    };
    let error = if image.is_empty() {
        None
    } else {
        Reference::parse_as(image, dialect).err()
    };
    let (confidence, summary) = match &error {
        Some(error) => (
            Confidence::Proven,
            format!("`{image}` is no valid image reference: {error}"),
        ),
        None if image.is_empty() => (
            Confidence::Likely,
            "the image reference does not parse".to_owned(),
        ),
        None if case.reading().server_message.is_some() => (
            Confidence::Likely,
            format!("the registry refuses `{image}` as a reference"),
        ),
        None => (
            Confidence::Likely,
            format!(
                "the kubelet or runtime of {} refuses `{image}` as a reference",
                on_node(case)
            ),
        ),
    };
    let mut finding = case.finding(
        CauseId::InvalidImageName,
        confidence,
        case.image_object(),
        summary,
    );
    if let Some(error) = &error {
        finding = finding.caret(Some(error.span()), error.to_string());
        if dialect != Dialect::default()
            && let Some(facts) = node.seen()
        {
            finding = finding.seen(
                node.answered(),
                format!(
                    "kubelet {}, which is stricter than later ones",
                    facts.kubelet
                ),
            );
        }
    } else if let Some(words) = &case.reading().facts.parse_error {
        finding = finding.note("parser says", words.clone());
    }
    if matches!(case.fault(), Fault::SandboxImage { .. }) {
        finding = finding.also(
            CauseId::SandboxImageUnavailable,
            "it is the pause image, which the runtime's configuration names",
        );
    }
    // A runtime may refuse what the kubelet accepts: containerd 1.6 reads as older kubelets do.
    let right = suggestion_as(image, dialect).or_else(|| suggestion_as(image, Dialect::Until128));
    if let Some(right) = right.filter(|_| !image.is_empty()) {
        finding = finding.note("perhaps", right.clone());
        finding = with_set_image(finding, case, "set-image", format!("use `{right}`"), &right);
    }
    Some(finding.into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::fixture::{node, stuck};

    fn text(image: &str) -> String {
        format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
        )
    }

    /// The part of the image that the caret is under.
    fn under(image: &str) -> (String, Vec<String>) {
        let finding = stuck(image, "InvalidImageName", &text(image)).judge();
        assert_eq!(finding.cause, CauseId::InvalidImageName, "{image}");
        assert_eq!(finding.confidence, Confidence::Proven, "{image}");
        assert_eq!(finding.object.kind, ObjectKind::Image);
        let caret = finding.caret.expect("a caret");
        let commands = finding
            .remedies
            .into_iter()
            .filter_map(|remedy| remedy.command)
            .collect();
        (image[caret.start..caret.end].to_owned(), commands)
    }

    #[test]
    fn the_caret_stands_under_the_fault_and_the_right_form_is_offered() {
        let (part, commands) = under("registry.example.com/Shop/api:1");
        assert_eq!(part, "S");
        assert_eq!(
            commands,
            ["kubectl set image deployment/api api=registry.example.com/shop/api:1 -n shop"]
        );
        let (part, commands) = under("https://registry.example.com/shop/api:1");
        assert_eq!(part, "https://");
        assert_eq!(commands.len(), 1);
    }

    #[test]
    fn a_template_that_was_not_filled_in_has_no_right_form() {
        let (part, commands) = under("registry.example.com/shop/api:${TAG}");
        assert_eq!(part, "${TAG}");
        assert!(commands.is_empty(), "{commands:?}");
    }

    #[test]
    fn an_older_kubelet_is_held_to_its_own_rules() {
        let words = "Failed to apply default image tag \"MyOrg/app:1\": couldn't parse image reference \"MyOrg/app:1\": invalid reference format: repository name must be lowercase";
        let fixture = stuck("MyOrg/app:1", "InvalidImageName", words);
        assert_eq!(fixture.judge().confidence, Confidence::Likely);
        let mut facts = node();
        facts.kubelet = "v1.28.3".to_owned();
        let finding = fixture.node(facts).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.caret.is_some());
        assert!(
            finding
                .remedies
                .iter()
                .any(|remedy| remedy.title.contains("myorg/app:1"))
        );
    }

    #[test]
    fn a_runtime_that_refuses_what_the_kubelet_accepts_is_believed() {
        let words = "failed to parse image reference \"MyOrg/app:1\": invalid reference format: repository name must be lowercase";
        let finding = stuck("MyOrg/app:1", "ErrImagePull", words)
            .node(node())
            .judge();
        assert_eq!(finding.cause, CauseId::InvalidImageName);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn an_upper_case_host_that_does_not_resolve_parses() {
        let words = "failed to pull and unpack image \"MyOrg/app:1\": failed to resolve reference \"MyOrg/app:1\": failed to do request: Head \"https://MyOrg/v2/app/manifests/1\": dial tcp: lookup MyOrg on 10.0.0.2:53: no such host";
        assert_ne!(
            stuck("MyOrg/app:1", "ErrImagePull", words).cause(),
            CauseId::InvalidImageName
        );
    }
}
