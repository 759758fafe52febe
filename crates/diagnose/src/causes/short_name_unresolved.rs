//! `short-name-unresolved`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Question};

use super::{node_view::on_node, support::with_set_image};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # short-name-unresolved
    ///
    /// ## What it means
    ///
    /// The image names no registry, and the node's runtime (CRI-O, Podman) does not guess one.
    /// containerd and Docker take Docker Hub for such a name; CRI-O looks into its list of short
    /// names and of registries to search, and refuses where neither decides.
    ///
    /// ## How we know
    ///
    /// The text says so: `short-name "nginx" did not resolve to an alias and no
    /// unqualified-search registries are defined`, `short name mode is enforcing, but image name
    /// nginx returns ambiguous list`, older ones `no registries configured while trying to pull an
    /// unqualified image`. It is proven where the name in the pod has no host and the node runs
    /// CRI-O. With the policies `IfNotPresent` and `Never` the waiting reason is
    /// `ImageInspectError`, with `Always` it is `ErrImagePull`.
    ///
    /// ## What to do
    ///
    /// - Name the registry: `docker.io/library/nginx:1.27` instead of `nginx:1.27`.
    /// - Or teach the nodes: `unqualified-search-registries = ["docker.io"]` in
    ///   `/etc/containers/registries.conf`. A full name is safer: a search takes the first registry
    ///   that has such a name.
    ///
    /// ## What it is not
    ///
    /// A name with a registry that does not exist is `host-typo` or `registry-unreachable-dns`.
    ///
    /// ## Sources
    ///
    /// - containers/image `pkg/shortnames`; CRI-O `server/image_status.go` 1.20 to 1.36.
    ShortNameUnresolved
    generals: [InvalidImageName],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() == Fault::ShortName {
        case.node_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::ShortName {
        return None;
    }
    let without_host = case
        .image
        .as_ref()
        .is_some_and(|image| !image.has_explicit_domain());
    let runs_crio = case
        .node()
        .seen()
        .is_some_and(|facts| facts.runtime.starts_with("cri-o://"));
    let confidence = if without_host && runs_crio {
        Confidence::Proven
    } else {
        Confidence::Likely
    };
    let mut finding = case.finding(
        CauseId::ShortNameUnresolved,
        confidence,
        case.image_object(),
        format!(
            "`{}` names no registry, and {} does not guess one",
            case.image_name(),
            on_node(case)
        ),
    );
    if let Some(facts) = case.node().seen() {
        finding = finding.seen(case.node().answered(), facts.runtime.clone());
    }
    if let Some(file) = &case.reading().facts.config_file {
        finding = finding.note("searched", format!("`{file}`"));
    }
    if without_host && let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "no registry in front");
        // Where a short name means anything elsewhere, it means Docker Hub.
        let full = image.normal();
        finding = with_set_image(
            finding,
            case,
            "qualify-image",
            format!("name the registry; if Docker Hub is meant: `{full}`"),
            &full,
        );
    }
    Some(finding.into())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence};

    use crate::fixture::{node, stuck};

    const TEXT: &str = "Failed to inspect image \"\": rpc error: code = Unknown desc = short-name \"nginx:1.27\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"";

    #[test]
    fn a_name_without_host_on_crio_is_proven() {
        let mut facts = node();
        facts.runtime = "cri-o://1.33.1".to_owned();
        let finding = stuck("nginx:1.27", "ImageInspectError", TEXT)
            .node(facts)
            .judge();
        assert_eq!(finding.cause, CauseId::ShortNameUnresolved);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.remedies[0]
                .command
                .as_deref()
                .unwrap()
                .contains("api=docker.io/library/nginx:1.27")
        );
    }

    #[test]
    fn the_text_alone_is_likely() {
        assert_eq!(
            stuck("nginx:1.27", "ImageInspectError", TEXT)
                .judge()
                .confidence,
            Confidence::Likely
        );
    }

    #[test]
    fn a_host_that_does_not_resolve_is_no_short_name() {
        let text = "initializing source docker://registry.example.com/nginx:1: pinging container registry registry.example.com: Get \"https://registry.example.com/v2/\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        assert_ne!(
            stuck("registry.example.com/nginx:1", "ErrImagePull", text).cause(),
            CauseId::ShortNameUnresolved
        );
    }
}
