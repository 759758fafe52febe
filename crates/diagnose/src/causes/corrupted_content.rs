//! `corrupted-content`.

use pulldoctor_messages::{Fault, Operation};
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question,
    registry::{LayerFacts, Problem, Stage},
};

use super::{
    node_view::{runs, runtime},
    support::{
        ask_content,
        checked::{layers, said, with_checked},
        missing::with_next_try,
        quote,
    },
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
    view::{Sight, from_here},
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
    /// `not found`, but the tag is there: its manifest was served. `short read: expected N bytes`
    /// reads like a cut and is this where the registry's own copy is shorter than the manifest says.
    ///
    /// Reading the layer again decides: a second read that differs is the way, the same bad bytes
    /// are the registry's copy, which proves it from wherever it is read. Where the registry's copy
    /// is whole, the node's way, its mirror or its store is suspect. An archive that cannot be read may also be packed in a way that an
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
    ) || is_seen(case)
}

/// Whether the text alone means something else, and what the registry serves explains it: a layer
/// that ends early reads like a cut, and a manifest that the index names and that is gone like a
/// tag that is missing.
pub(super) fn is_seen(case: &Case<'_>) -> bool {
    let problem = || from_here(case).and_then(|sight| sight.problem());
    match (case.fault(), case.reading().operation) {
        (Fault::Interrupted, Some(Operation::Blob | Operation::Verify)) => {
            matches!(problem(), Some(Problem::LayerSize))
        }
        (Fault::ManifestMissing { .. }, Some(Operation::Manifest)) => {
            matches!(problem(), Some(Problem::ManifestMissing))
        }
        _ => false,
    }
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if !is_raised(case) {
        return Vec::new();
    }
    let mut asked = vec![case.image_elsewhere_question()];
    asked.extend(ask_content(case));
    asked
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let finding = match copy(case) {
        Copy::Bad { sight, stage, sure } => bad_copy(case, &sight, stage, sure),
        Copy::Changes { sight, stage } => changes(case, &sight, stage),
        Copy::Whole(sight) => whole_copy(case, &sight),
        Copy::Unknown => with_digests(by_text(case), case).open(Some(case.content_question())),
    };
    Some(with_remedies(with_places(finding, case), case).into())
}

/// What the registry's copy is like, read from here.
enum Copy<'a> {
    /// It was not read, or not to its end.
    Unknown,
    /// Every part of it was looked at, and all are good.
    Whole(Sight<'a>),
    /// A part is bad or gone. Sure where it was read and hashed.
    Bad {
        sight: Sight<'a>,
        stage: &'a Stage,
        sure: bool,
    },
    /// Two readings differ: something on the way changes it.
    Changes { sight: Sight<'a>, stage: &'a Stage },
}

fn copy<'a>(case: &Case<'a>) -> Copy<'a> {
    let Some(sight) = from_here(case) else {
        return Copy::Unknown;
    };
    let Some(stage) = sight.transcript.first_failure() else {
        // A layer that is gone is seen without reading it; what is in one is not.
        let is_enough = sight.is_verified() || *case.fault() == Fault::BlobMissing;
        return if is_enough {
            Copy::Whole(sight)
        } else {
            Copy::Unknown
        };
    };
    let bad: Vec<&LayerFacts> = layers(&sight)
        .map(|facts| {
            facts
                .layers
                .iter()
                .filter(|layer| layer.problem.is_some())
                .collect()
        })
        .unwrap_or_default();
    match stage.problem {
        Some(Problem::LayerDigest | Problem::LayerSize) => {
            if bad
                .iter()
                .any(|layer| layer.second_read_differs == Some(true))
            {
                return Copy::Changes { sight, stage };
            }
            let again = bad
                .iter()
                .any(|layer| layer.second_read_differs == Some(false));
            Copy::Bad {
                sight,
                stage,
                sure: again && agrees(case, &sight),
            }
        }
        // The bytes are those of the digest, so they are what the registry stores.
        Some(
            Problem::LayerCompression
            | Problem::LayerArchive
            | Problem::LayerDiffId
            | Problem::LayerMissing
            | Problem::ConfigMissing
            | Problem::ManifestMissing,
        ) => Copy::Bad {
            sight,
            stage,
            sure: agrees(case, &sight),
        },
        // Read once only.
        Some(Problem::ConfigDamaged | Problem::ManifestDigest) => Copy::Bad {
            sight,
            stage,
            sure: false,
        },
        _ => Copy::Unknown,
    }
}

/// Whether the part that the node names is not one that was found to be good.
fn agrees(case: &Case<'_>, sight: &Sight<'_>) -> bool {
    let facts = &case.reading().facts;
    let Some(layers) = layers(sight) else {
        return true;
    };
    let named = |digest: &str| {
        [&facts.blob, &facts.digest_expected]
            .into_iter()
            .flatten()
            .any(|part| digest == part)
    };
    !layers
        .layers
        .iter()
        .any(|layer| layer.problem.is_none() && named(&layer.digest))
}

/// The image as the sentences name it.
fn shown(case: &Case<'_>) -> String {
    match case.image_name() {
        "the image" => "the image".to_owned(),
        name => format!("`{name}`"),
    }
}

fn bad_copy(case: &Case<'_>, sight: &Sight<'_>, stage: &Stage, sure: bool) -> Finding {
    let problem = stage
        .problem
        .map_or_else(|| "it is damaged".to_owned(), |problem| problem.to_string());
    let finding = case.finding(
        CauseId::CorruptedContent,
        if sure {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.image_object(),
        format!(
            "`{}` holds a bad copy of {}: {problem}",
            case.registry(),
            shown(case)
        ),
    );
    let finding = with_checked(finding, sight)
        .note("damage", said(stage))
        .rules_out(CauseId::NodeStoreDamaged, "the registry's own copy is bad");
    with_digests(finding, case)
}

fn changes(case: &Case<'_>, sight: &Sight<'_>, stage: &Stage) -> Finding {
    let finding = case.finding(
        CauseId::CorruptedContent,
        Confidence::Likely,
        case.image_object(),
        format!(
            "a layer of {} arrives from `{}` with other bytes every time: something on the way \
             changes it",
            shown(case),
            case.registry()
        ),
    );
    with_digests(
        with_checked(finding, sight).note("damage", said(stage)),
        case,
    )
}

/// The registry's copy is good from here, so what the node got was changed, or is not the
/// registry's.
fn whole_copy(case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let gone = *case.fault() == Fault::BlobMissing;
    let mut finding = case.finding(
        CauseId::CorruptedContent,
        Confidence::Possible,
        case.image_object(),
        if gone {
            format!(
                "`{}` serves every layer of {} here, and the node was told that one is gone",
                case.registry(),
                shown(case)
            )
        } else {
            format!(
                "the copy of {} at `{}` is whole, and what arrived on the node was not",
                shown(case),
                case.registry()
            )
        },
    );
    finding = finding.rival(
        CauseId::MirrorMisconfigured,
        "a mirror or proxy that the node asks may hold a bad copy",
        "the same layer, read on the node",
    );
    if !gone {
        finding = finding.rival(
            CauseId::NodeStoreDamaged,
            "the node may have kept a damaged part of an earlier pull",
            "a pull of the same image on another node",
        );
    }
    with_next_try(with_digests(with_checked(finding, sight), case), case)
}

/// Without the registry's word.
fn by_text(case: &Case<'_>) -> Finding {
    let facts = &case.reading().facts;
    let text = case.text().to_ascii_lowercase();
    let empty = facts.digest_actual.as_deref() == Some(NOTHING);
    let cut = text.contains("unexpected eof");
    let host = case.failed_host();
    let part = facts
        .blob
        .as_ref()
        .or(facts.digest_expected.as_ref())
        .map_or_else(|| "a part".to_owned(), |blob| format!("`{blob}`"));
    let shown = shown(case);
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
        // containerd's `unable to fetch descriptor (…) which reports content size of zero`
        // (core/remotes/handlers.go).
        Fault::SizeMismatch if text.contains("content size of zero") => {
            format!("`{host}` served nothing where {part} of {shown} should be")
        }
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
    finding
}

/// The digests that the text names.
fn with_digests(mut finding: Finding, case: &Case<'_>) -> Finding {
    let facts = &case.reading().facts;
    let empty = facts.digest_actual.as_deref() == Some(NOTHING);
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
    finding
}

/// How the image fares on other nodes.
fn with_places(mut finding: Finding, case: &Case<'_>) -> Finding {
    let host = case.failed_host();
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
    finding
}

fn with_remedies(finding: Finding, case: &Case<'_>) -> Finding {
    finding
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
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, ObjectKind, Question,
        registry::{Facts, LayerFacts, LayersFacts, Problem, StageName, Transcript},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{failed_at, node, stuck},
    };

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

    const DIGEST: &str = "sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950";

    fn other_digest() -> String {
        pull(&format!(
            "failed commit on ref \"layer-{DIGEST}\": unexpected commit digest sha256:a8f2c3f33adf8b40a3f21558f2a7e48fa1fefa482729e4e9f8db1dbb5f654e9a, expected {DIGEST}: failed precondition"
        ))
    }

    fn layer(digest: &str, problem: Option<Problem>, differs: Option<bool>) -> LayerFacts {
        LayerFacts {
            digest: digest.to_owned(),
            problem,
            second_read_differs: differs,
            ..LayerFacts::default()
        }
    }

    fn read(layers: Vec<LayerFacts>) -> Transcript {
        let problem = layers.iter().find_map(|layer| layer.problem);
        let facts = Facts::Layers(LayersFacts {
            layers,
            redirect_host: None,
            verified: true,
        });
        match problem {
            Some(problem) => failed_at(IMAGE, StageName::Layers, problem, facts),
            None => {
                let mut seen = there(IMAGE);
                if let Some(last) = seen.stages.last_mut() {
                    last.stage = StageName::Layers;
                    last.facts = facts;
                }
                seen
            }
        }
    }

    #[test]
    fn a_copy_that_ends_early_is_no_cut() {
        let text = pull("short read: expected 98620 bytes but got 49310: unexpected EOF");
        let cut = stuck(IMAGE, "ErrImagePull", &text).registry(there(IMAGE));
        assert_eq!(cut.cause(), CauseId::ConnectionInterrupted);
        let half = stuck(IMAGE, "ErrImagePull", &text)
            .registry(read(vec![layer(DIGEST, Some(Problem::LayerSize), None)]))
            .judge();
        assert_eq!(half.cause, CauseId::CorruptedContent);
        assert!(half.rivals.is_empty());
    }

    #[test]
    fn a_manifest_behind_the_index_is_no_tag() {
        let gone = format!(
            "failed to copy: httpReadSeeker: failed open: content at https://registry.example.com/v2/shop/api/manifests/{DIGEST} not found: not found"
        );
        let seen = || {
            failed_at(
                IMAGE,
                StageName::Platform,
                Problem::ManifestMissing,
                Facts::None,
            )
        };
        let finding = stuck(IMAGE, "ErrImagePull", &pull(&gone))
            .registry(seen())
            .judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert_eq!(finding.confidence, Confidence::Proven);
        // The tag itself was missing when the node asked: the index came later.
        let text = pull(&format!(
            "failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        ));
        let other = stuck(IMAGE, "ErrImagePull", &text).registry(seen());
        assert_eq!(other.cause(), CauseId::ImageNotFoundTag);
    }

    #[test]
    fn a_bad_copy_that_was_read_twice_is_proven() {
        let seen = read(vec![layer(DIGEST, Some(Problem::LayerDigest), Some(false))]);
        let finding = stuck(IMAGE, "ErrImagePull", &other_digest())
            .content(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("holds a bad copy"),
            "{}",
            finding.summary
        );
        assert!(finding.open.is_empty());
    }

    #[test]
    fn a_bad_layer_beside_the_one_that_the_node_names_does_not_agree() {
        let seen = read(vec![
            layer(DIGEST, None, None),
            layer("sha256:bb", Some(Problem::LayerDigest), Some(false)),
        ]);
        let finding = stuck(IMAGE, "ErrImagePull", &other_digest())
            .content(seen)
            .judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn two_readings_that_differ_are_the_way() {
        let seen = read(vec![layer(DIGEST, Some(Problem::LayerDigest), Some(true))]);
        let finding = stuck(IMAGE, "ErrImagePull", &other_digest())
            .content(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding.summary.contains("something on the way"),
            "{}",
            finding.summary
        );
    }

    #[test]
    fn a_whole_copy_leaves_the_nodes_way_and_store() {
        let seen = read(vec![layer(DIGEST, None, None)]);
        let finding = stuck(IMAGE, "ErrImagePull", &other_digest())
            .content(seen)
            .judge();
        assert_eq!(finding.cause, CauseId::CorruptedContent);
        assert_eq!(finding.confidence, Confidence::Possible);
        let rivals: Vec<_> = finding.rivals.iter().map(|rival| rival.cause).collect();
        assert_eq!(
            rivals,
            [CauseId::MirrorMisconfigured, CauseId::NodeStoreDamaged]
        );
    }

    #[test]
    fn a_layer_that_is_gone_here_too_is_proven() {
        let text = pull(
            "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:7c3b (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found",
        );
        let seen = read(vec![layer(
            "sha256:7c3b",
            Some(Problem::LayerMissing),
            None,
        )]);
        let finding = stuck(IMAGE, "ErrImagePull", &text).content(seen).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn every_byte_is_asked_for_where_content_is_in_question_alone() {
        let every_byte = |text: &str| {
            stuck(IMAGE, "ErrImagePull", text)
                .node(node())
                .questions()
                .iter()
                .any(|question| matches!(question, Question::Registry { content: true, .. }))
        };
        assert!(every_byte(&other_digest()));
        assert!(!every_byte(&pull(&format!(
            "failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        ))));
    }
}
