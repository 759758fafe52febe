//! `corrupted-content`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    node_view::{runs, runtime},
    support::quote,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
};

/// The digest of no bytes at all: what arrived was empty.
const NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

cause! {
    /// # corrupted-content
    ///
    /// ## What it means
    ///
    /// A part of the image is not what its manifest says: a layer or config has another digest or
    /// size, its archive cannot be read, or the registry no longer has it although the manifest is
    /// there. Either the registry's copy is bad, or something on the way (a proxy, a mirror, a
    /// scanner) changes it.
    ///
    /// ## How we know
    ///
    /// The runtime checks every byte: `unexpected commit digest X, expected Y`, `Digest did not
    /// match`, `wrong diff id calculated on extraction`, `archive/tar: invalid tar header`, or
    /// `could not fetch content descriptor … from remote: not found` for a layer. The last ends in
    /// `not found`, but the tag is there: its manifest was served.
    ///
    /// Reading the layer again decides: a second read that differs is the way, the same bad bytes
    /// are the registry's copy. An archive that cannot be read may also be packed in a way that an
    /// old runtime does not know (`unsupported-manifest`), and one that ends early may have been cut
    /// on the way (`connection-interrupted`).
    ///
    /// ## What to do
    ///
    /// - Push the image again, under the same tag. Where the registry believes that it has the
    ///   layer, remove it there first, or build anew without cache.
    /// - If other networks get the right bytes: purge the mirror or proxy in between.
    /// - A broken partial download on the node: `ctr -n k8s.io content active` lists it, a restart of
    ///   containerd gives it up.
    ///
    /// ## What it is not
    ///
    /// `blob … expected at /var/lib/containerd/…: blob not found` is the node's own store
    /// (`node-store-damaged`).
    ///
    /// ## Sources
    ///
    /// - containerd `core/content/local/writer.go`, `core/remotes/docker/fetcher.go`,
    ///   `core/unpack/unpacker.go` 1.6 to 2.4; containers/image `copy/digesting_reader.go`.
    CorruptedContent
    generals: [ImageNotFoundTag, ImageNotFoundRepo, ImageNotFoundDigest],
}

fn is_raised(case: &Case<'_>) -> bool {
    matches!(
        case.fault(),
        Fault::DigestMismatch
            | Fault::SizeMismatch
            | Fault::BrokenArchive
            | Fault::DiffIdMismatch
            | Fault::BlobMissing
    )
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if !is_raised(case) {
        return Vec::new();
    }
    let mut asked = vec![case.image_elsewhere_question()];
    if *case.fault() == Fault::BrokenArchive {
        asked.extend(case.node_question());
    }
    asked
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let facts = &case.reading().facts;
    let text = case.text().to_ascii_lowercase();
    let empty = facts.digest_actual.as_deref() == Some(NOTHING);
    let cut = text.contains("unexpected eof");
    let name = case.image_name();
    let host = case.failed_host();
    let part = facts
        .blob
        .as_ref()
        .or(facts.digest_expected.as_ref())
        .map_or_else(|| "a part".to_owned(), |blob| format!("`{blob}`"));
    let shown = if name == "the image" {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let summary = match case.fault() {
        Fault::DigestMismatch if empty => {
            format!("nothing arrived of {part} of {shown} from `{host}`, so its digest is wrong")
        }
        Fault::DigestMismatch => match &facts.digest_actual {
            Some(actual) => {
                format!("{part} of {shown} arrived from `{host}` with another digest, `{actual}`")
            }
            None => format!("{part} of {shown} arrived from `{host}` with another digest"),
        },
        Fault::SizeMismatch => {
            format!("{part} of {shown} has another size than the manifest says")
        }
        Fault::BrokenArchive => format!("{part} of {shown} is no archive that can be read"),
        Fault::DiffIdMismatch => {
            format!("{part} of {shown} unpacks to something else than its config says")
        }
        _ => format!("`{host}` serves the manifest of {shown}, but not {part} that it names"),
    };
    let knows_archive = case.node().seen().is_some_and(|facts| {
        // zstd layers: containerd from 1.5 on; CRI-O has had them for longer.
        runs(facts, "containerd", 1, 5) || runtime(facts).is_some_and(|(name, ..)| name == "cri-o")
    });
    let mut rivals = Vec::new();
    if empty || cut || (*case.fault() == Fault::SizeMismatch && !text.contains("size of zero")) {
        rivals.push((
            CauseId::ConnectionInterrupted,
            "a transfer that was cut leaves the same trace",
            "a second read of the same layer",
        ));
    }
    if *case.fault() == Fault::BrokenArchive && !knows_archive && !cut {
        rivals.push((
            CauseId::UnsupportedManifest,
            "an old runtime cannot read a newer way of packing layers",
            "the layers' media types, and the runtime's version",
        ));
    }
    let confidence = if rivals.is_empty() {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let mut finding = case.finding(
        CauseId::CorruptedContent,
        confidence,
        case.image_object(),
        summary,
    );
    for (rival, because, decided) in rivals {
        finding = finding.rival(rival, because, decided);
    }
    if let Some(expected) = &facts.digest_expected {
        finding = finding.note("expected", format!("`{expected}`"));
    }
    if let Some(actual) = &facts.digest_actual {
        let comment = if empty {
            " (the digest of nothing)"
        } else {
            ""
        };
        finding = finding.note("arrived", format!("`{actual}`{comment}"));
    }
    if let Some(places) = Places::of_image(case) {
        if places.only_this_node(case) {
            let nodes: Vec<&str> = places.recent.iter().map(String::as_str).collect();
            finding = finding.seen(
                case.image_elsewhere().answered(),
                format!(
                    "yes, on {} meanwhile: this node's way to `{host}` is suspect, not the registry's copy",
                    nodes.join(", ")
                ),
            );
        } else if places.failing.len() > 1 {
            finding = finding.seen(
                case.image_elsewhere().answered(),
                format!("it fails on {} nodes alike", places.failing.len()),
            );
        }
    }
    Some(
        finding
            .open(Some(case.registry_question()))
            .remedy(
                "push-again",
                Applicability::Advice,
                "push the image again",
                case.image
                    .as_ref()
                    .map(|image| format!("docker push {}", quote(image.as_written()))),
            )
            .remedy(
                "purge-mirror",
                Applicability::Consent,
                "if others get the right bytes: purge it from the mirror or proxy in between",
                None,
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::fixture::{node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn pull(error: &str) -> String {
        format!("failed to pull and unpack image \"{IMAGE}\": {error}")
    }

    #[test]
    fn another_digest_is_likely() {
        let text = pull(
            "failed commit on ref \"layer-sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950\": unexpected commit digest sha256:a8f2c3f33adf8b40a3f21558f2a7e48fa1fefa482729e4e9f8db1dbb5f654e9a, expected sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950: failed precondition",
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert!(finding.summary.contains("a8f2c3f3"));
    }

    #[test]
    fn the_digest_of_nothing_may_be_a_cut() {
        let text = pull(
            "failed commit on ref \"layer-sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950\": unexpected commit digest sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, expected sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950: failed precondition",
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ConnectionInterrupted);
    }

    #[test]
    fn a_layer_that_is_gone_is_no_missing_tag() {
        let text = format!(
            "rpc error: code = NotFound desc = {}",
            pull(
                "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:7c3b (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found"
            )
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert!(
            finding.summary.contains("sha256:7c3b"),
            "{}",
            finding.summary
        );
        assert!(
            finding
                .rivals
                .iter()
                .all(|rival| rival.cause != CauseId::ImageNotFoundTag)
        );
    }

    #[test]
    fn an_unreadable_archive_may_be_too_new_for_an_old_runtime() {
        let text =
            pull("failed to extract layer sha256:5dac: archive/tar: invalid tar header: unknown");
        let with = |runtime: &str| {
            let mut facts = node();
            facts.runtime = runtime.to_owned();
            stuck(IMAGE, "ErrImagePull", &text).node(facts).judge()
        };
        assert_eq!(with("containerd://2.4.2").confidence, Confidence::Likely);
        let old = with("containerd://1.4.3");
        assert_eq!(old.confidence, Confidence::Possible);
        assert_eq!(old.rivals[0].cause, CauseId::UnsupportedManifest);
    }

    #[test]
    fn a_missing_tag_is_no_missing_layer() {
        let text = pull(&format!(
            "failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        ));
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::CorruptedContent
        );
    }
}
