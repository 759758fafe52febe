//! The pod's own diagnosis beside the trials: it knows objects, logs and the node's view, where the
//! trials know how pulls ended. What a pull refutes is no cause; what it repeats is surer.

use pulldoctor_model::{CauseId, Confidence, Family, Finding, TrialRole};

use super::{Fault, Isolation, Table, Trial, is_after_manifest, is_of_runtime};

impl Isolation {
    /// Weighs the cause by what the engine says of the pod, as far as the trials do not refute it.
    #[must_use]
    pub fn weighed(mut self, trials: &[Trial], finding: &Finding) -> Self {
        let table = Table(trials);
        // Where one text stands for two faults, and where none is left, the pod's cause would be one
        // of them or that of the past. Of two that differ it is the one to mend first.
        if finding.cause == CauseId::Unknown
            || self.fault == Fault::Over
            || (self.fault == Fault::Both && !table.are_two_faults())
        {
            return self;
        }
        if let Some(why) = refuted(finding.cause, &table) {
            self.limits.push(format!(
                "the pod's own diagnosis says `{}`, which the trials refute: {why}",
                finding.cause
            ));
            return self;
        }
        let own = (finding.cause, finding.confidence);
        self.cause = Some(match self.cause {
            // Met by another image on this node, a moment ago.
            Some((told, Confidence::Proven)) if told == own.0 || own.1 != Confidence::Proven => {
                (told, Confidence::Proven)
            }
            // The engine has read the same text, and more.
            _ => own,
        });
        self
    }
}

/// Why a cause cannot be, after how the pulls ended.
fn refuted(cause: CauseId, table: &Table<'_>) -> Option<&'static str> {
    let is_good = |role| table.good(role) == Some(true);
    let family = cause.family();
    let is_of_image = matches!(family, Family::Reference | Family::NotFound)
        || matches!(
            cause,
            CauseId::PlatformMismatch | CauseId::UnsupportedManifest
        );
    if is_of_image && is_good(TrialRole::SuspectElsewhere) {
        return Some("another node of this platform gets the image");
    }
    let is_of_way = matches!(family, Family::Network | Family::Tls) && !is_after_manifest(cause);
    let is_probed = table
        .of(TrialRole::SameRegistryHere)
        .is_some_and(Trial::is_answered);
    let is_unseen = is_probed && is_of_runtime(cause);
    if is_of_way && !is_unseen && is_good(TrialRole::SameRegistryHere) {
        return Some(if is_probed {
            "the registry answers a probe from the node"
        } else {
            "the node gets another image of this registry"
        });
    }
    let stops_all = matches!(
        cause,
        CauseId::RuntimeBroken | CauseId::SandboxImageUnavailable
    );
    let pulls = is_good(TrialRole::SameRegistryHere) || is_good(TrialRole::OtherRegistryHere);
    (stops_all && pulls).then_some("the node gets other images")
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{KubeletPull, Object, ObjectKind};

    use super::super::{TrialResult, isolate};
    use super::*;

    const IMAGE: &str = "reg.example.com/shop/api:2";
    const REFUSED: &str = "failed to pull and unpack image \"reg.example.com/shop/api:2\": failed to resolve image: failed to do request: Head \"https://reg.example.com/v2/shop/api/manifests/2\": dial tcp 10.9.0.4:443: connect: connection refused";
    const MISSING: &str = "failed to pull and unpack image \"reg.example.com/shop/api:2\": failed to resolve image: reg.example.com/shop/api:2: not found";

    fn trial(role: TrialRole, said: &str) -> Trial {
        Trial {
            role,
            image: IMAGE.to_owned(),
            node: "n1".to_owned(),
            result: TrialResult::Tried(KubeletPull {
                got: said.is_empty(),
                was_there: false,
                reason: "ErrImagePull".to_owned(),
                message: said.to_owned(),
            }),
        }
    }

    fn weighed(said: [&str; 4], cause: CauseId, sure: Confidence) -> Isolation {
        let roles = [
            TrialRole::SuspectHere,
            TrialRole::SuspectElsewhere,
            TrialRole::SameRegistryHere,
            TrialRole::OtherRegistryHere,
        ];
        let trials: Vec<Trial> = roles
            .into_iter()
            .zip(said)
            .map(|(role, said)| trial(role, said))
            .collect();
        let object = Object {
            kind: ObjectKind::Image,
            namespace: None,
            name: IMAGE.to_owned(),
        };
        let finding = Finding::new(cause, sure, object, "as the engine says");
        isolate("n1", Some(IMAGE), &trials).weighed(&trials, &finding)
    }

    use CauseId::{
        AuthMissingCredentials as NoLogin, ImageNotFoundRepo as NoRepo, ImageNotFoundTag as NoTag,
        MirrorMisconfigured as Mirror, RegistryUnreachableRefused as Refused,
    };
    use Confidence::{Likely, Possible, Proven};

    #[test]
    fn the_engine_knows_more_than_the_texts_of_an_image() {
        let said = [MISSING, MISSING, "", ""];
        for (cause, sure) in [(NoTag, Proven), (NoRepo, Proven), (NoTag, Possible)] {
            let found = weighed(said, cause, sure);
            assert_eq!(found.fault, Fault::Image);
            assert_eq!(found.cause, Some((cause, sure)));
        }
        // The node gets another image of the registry.
        let found = weighed(said, Refused, Proven);
        assert_eq!(found.cause.map(|(cause, _)| cause), Some(NoTag));
        assert!(found.limits.iter().any(|limit| limit.contains("refute")));
    }

    #[test]
    fn what_another_image_met_too_is_proven() {
        let said = [REFUSED, "", REFUSED, ""];
        for (cause, sure, expected) in [
            (Refused, Likely, (Refused, Proven)),
            (Refused, Possible, (Refused, Proven)),
            (Mirror, Possible, (Refused, Proven)),
            (Mirror, Proven, (Mirror, Proven)),
            // Another node gets the image.
            (NoTag, Proven, (Refused, Proven)),
        ] {
            let found = weighed(said, cause, sure);
            assert_eq!(found.fault, Fault::Path);
            assert_eq!(found.cause, Some(expected), "{cause:?} {sure:?}");
        }
    }

    #[test]
    fn where_trials_do_not_tell_the_diagnosis_stands_as_it_is() {
        let found = weighed([MISSING, REFUSED, "", ""], NoLogin, Likely);
        assert_eq!(found.fault, Fault::Undecided);
        assert_eq!(found.cause, Some((NoLogin, Likely)));
        // Two faults, or none any more.
        let found = weighed([REFUSED, REFUSED, REFUSED, REFUSED], Refused, Proven);
        assert_eq!((found.fault, found.cause), (Fault::Both, None));
        let found = weighed(["", "", "", ""], Refused, Proven);
        assert_eq!((found.fault, found.cause), (Fault::Over, None));
        let unknown = weighed([MISSING, MISSING, "", ""], CauseId::Unknown, Possible);
        assert_eq!(unknown.cause.map(|(cause, _)| cause), Some(NoTag));
    }
}
