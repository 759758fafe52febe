//! `node-store-damaged`.

use pulldoctor_messages::{Fault, Runtime};
use pulldoctor_model::{Applicability, CauseId, Confidence, Finding, Question};

use super::{
    node_view::{on_node, outlasts_retries, with_move_away},
    support::{ask_registry, checked::with_checked, quote},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::Places,
    view::from_here,
};

cause! {
    /// # node-store-damaged
    ///
    /// ## What it means
    ///
    /// The runtime's image store on the node is damaged: its database names blobs or snapshots
    /// that are no longer there. It happens after a power loss, a disk that ran full, or a clean-up
    /// by hand. Pulling again does not help, because the runtime believes that it has those parts.
    ///
    /// ## How we know
    ///
    /// The text is about the node's own store: `failed to get reader from content store: blob …
    /// expected at /var/lib/containerd/…: blob not found`, `parent snapshot … does not exist`
    /// (containerd), `layer not known` (CRI-O, Docker). It ends in `not found` all the same, and
    /// has nothing to do with a missing tag. It is proven where a container on another node
    /// started with the same image meanwhile.
    ///
    /// A vanished snapshot may also be a race with the runtime's own garbage collection, which the
    /// next try gets over (`runtime-broken`). Where it outlasts several tries, it is the store.
    ///
    /// ## What to do
    ///
    /// - Remove the image and what it left behind on the node, then let it be pulled again:
    ///   `crictl rmi IMAGE` and `ctr -n k8s.io content prune references`.
    /// - If that fails: drain the node, stop the kubelet and containerd, remove
    ///   `/var/lib/containerd`, start them again. All images are then pulled anew.
    /// - CRI-O, on a drained node with CRI-O stopped: `crio wipe -f`.
    ///
    /// Deleting the pod alone does not help: the next one on this node finds the same store.
    ///
    /// ## What it is not
    ///
    /// - A blob that the *registry* lacks is `corrupted-content`.
    /// - `no match for platform in manifest: not found` is `platform-mismatch`.
    ///
    /// ## Sources
    ///
    /// - containerd `core/unpack/unpacker.go`, `core/content/local/store.go`,
    ///   `core/metadata/snapshot.go` 1.6 to 2.4; containers/storage `layers.go`.
    NodeStoreDamaged
    generals: [ImageNotFoundTag, ImageNotFoundDigest],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if matches!(case.fault(), Fault::LocalStoreDamaged | Fault::SnapshotRace) {
        let mut asked = vec![case.image_elsewhere_question()];
        asked.extend(ask_registry(case));
        asked
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let race = match case.fault() {
        Fault::LocalStoreDamaged => false,
        Fault::SnapshotRace => true,
        _ => return None,
    };
    // Until it has outlasted some tries, a vanished snapshot is the runtime's own race first.
    if race && !outlasts_retries(case) {
        return None;
    }
    let places = Places::of_image(case);
    let here_only = places
        .as_ref()
        .is_some_and(|places| places.only_this_node(case));
    let sight = from_here(case);
    // A registry that serves every part is not what several nodes share.
    let served = sight.is_some_and(|sight| sight.transcript.is_good());
    let everywhere = !served
        && places
            .as_ref()
            .is_some_and(|places| places.failing.len() > 1);
    let confidence = match (race, here_only, everywhere) {
        (false, true, _) => Confidence::Proven,
        (false, false, false) | (true, true, _) => Confidence::Likely,
        (false, false, true) | (true, false, _) => Confidence::Possible,
    };
    let what = if race {
        "a snapshot"
    } else {
        "a part of the image"
    };
    let mut finding = case.finding(
        CauseId::NodeStoreDamaged,
        confidence,
        case.node_object(),
        format!(
            "the image store of {} names {what} that is not there",
            on_node(case)
        ),
    );
    if let Some(blob) = &case.reading().facts.blob {
        finding = finding.note("missing", format!("`{blob}`"));
    }
    if here_only && let Some(places) = &places {
        let nodes: Vec<&str> = places.recent.iter().map(String::as_str).collect();
        finding = finding.seen(
            case.image_elsewhere().answered(),
            format!("yes, on {} meanwhile: the image is fine", nodes.join(", ")),
        );
    }
    if let Some(sight) = &sight {
        finding = with_checked(finding, sight);
        if served {
            finding = finding.rules_out(
                CauseId::CorruptedContent,
                "the registry serves every part of the image",
            );
        }
    }
    if confidence == Confidence::Possible {
        finding = if race {
            finding.rival(
                CauseId::RuntimeBroken,
                "a runtime that collects garbage while it unpacks says the same",
                "whether the pull still fails after the runtime was restarted",
            )
        } else {
            finding.rival(
                CauseId::CorruptedContent,
                "the same image fails on several nodes",
                case.registry_question().to_string(),
            )
        };
        finding = finding.next(
            format!("what does the store of {} hold?", on_node(case)),
            Some("ctr -n k8s.io images check".to_owned()),
        );
    }
    finding = with_clean_up(finding, case);
    Some(with_move_away(finding, case).into())
}

fn with_clean_up(finding: Finding, case: &Case<'_>) -> Finding {
    let crio = case.reading().runtime == Some(Runtime::CriO)
        || case
            .node()
            .seen()
            .is_some_and(|facts| facts.runtime.starts_with("cri-o"));
    let image = case.image.as_ref().map_or_else(
        || "IMAGE".to_owned(),
        |image| quote(&image.containerd_name()),
    );
    let command = if crio {
        format!("crictl rmi {image}")
    } else {
        format!("crictl rmi {image}; ctr -n k8s.io content prune references")
    };
    finding
        .remedy(
            "clean-image-store",
            Applicability::Advice,
            "remove the image and what it left behind, on the node",
            Some(command),
        )
        .remedy(
            "reset-image-store",
            Applicability::Advice,
            "if that fails: drain the node and let the runtime start with an empty image store",
            None,
        )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{Answer, CauseId, Confidence, ImagePlace, ObjectKind, Question, Usage};

    use crate::{
        causes::support::missing::samples::there,
        fixture::{Fixture, at, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const BLOB: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to extract layer sha256:5dac: failed to get reader from content store: blob sha256:7c3b expected at /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/7c3b: blob not found: not found";
    pub(super) const SNAPSHOT: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to prepare extraction snapshot \"extract-1 sha256:9281\": parent snapshot sha256:0b16 does not exist: not found";

    fn places(fixture: Fixture, others: &[(&str, u32, u32)]) -> Fixture {
        let mut all = vec![ImagePlace {
            image: IMAGE.to_owned(),
            node: Some("n1".to_owned()),
            usage: Usage {
                pulled: 0,
                waiting: 1,
            },
            latest: None,
        }];
        all.extend(others.iter().map(|(node, pulled, waiting)| ImagePlace {
            image: IMAGE.to_owned(),
            node: Some((*node).to_owned()),
            usage: Usage {
                pulled: *pulled,
                waiting: *waiting,
            },
            latest: (*pulled > 0).then(|| at(-30)),
        }));
        fixture.answer(
            Question::ImageElsewhere {
                image: IMAGE.to_owned(),
            },
            Answer::Elsewhere(all),
        )
    }

    #[test]
    fn a_blob_that_the_node_lost_is_no_missing_tag() {
        let finding = stuck(IMAGE, "ErrImagePull", BLOB).judge();
        assert_eq!(finding.cause, CauseId::NodeStoreDamaged);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Node);
    }

    #[test]
    fn the_same_image_started_elsewhere_proves_it() {
        let finding = places(stuck(IMAGE, "ErrImagePull", BLOB), &[("n2", 1, 0)]).judge();
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn failing_on_several_nodes_may_be_the_image() {
        let finding = places(stuck(IMAGE, "ErrImagePull", BLOB), &[("n2", 0, 1)]).judge();
        assert_eq!(finding.cause, CauseId::NodeStoreDamaged);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::CorruptedContent);
    }

    #[test]
    fn a_vanished_snapshot_is_the_store_only_once_it_stays() {
        let fresh = stuck(IMAGE, "ErrImagePull", SNAPSHOT);
        assert_eq!(fresh.cause(), CauseId::RuntimeBroken);
        let stays = stuck(IMAGE, "ErrImagePull", SNAPSHOT)
            .symptom(|symptom| symptom.since = Some(at(-900)))
            .judge();
        assert_eq!(stays.cause, CauseId::NodeStoreDamaged);
        assert_eq!(stays.confidence, Confidence::Possible);
        assert_eq!(stays.rivals[0].cause, CauseId::RuntimeBroken);
    }

    #[test]
    fn a_blob_that_the_registry_lacks_is_not_the_store() {
        let text = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:7c3b (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found";
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::CorruptedContent
        );
    }

    #[test]
    fn a_registry_that_serves_every_part_clears_it() {
        let several = || places(stuck(IMAGE, "ErrImagePull", BLOB), &[("n2", 0, 1)]);
        assert_eq!(several().judge().confidence, Confidence::Possible);
        let finding = several().registry(there(IMAGE)).judge();
        assert_eq!(finding.cause, CauseId::NodeStoreDamaged);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.rivals.is_empty());
    }
}
