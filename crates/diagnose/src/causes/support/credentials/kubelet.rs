//! The kubelet's own answer: what its credentials are worth, those of the node and of its
//! providers among them. It is asked for a manifest that no repository has, so nothing is fetched.

use pulldoctor_model::{CauseId, Confidence, Finding, clean_line, shorten};

use super::{Keys, Word, keys};
use crate::{
    case::Case,
    causes::there::{open_node_view, with_over, with_seen},
    finding::FindingExt,
    node_sight::from_node,
    probe::{KubeletWorth as Worth, kubelet_worth_of},
    view::Reached,
};

/// The kubelet's answer, where it was asked for and tells something about credentials. What a
/// mirror said is not the registry's word.
pub(crate) fn worth(case: &Case<'_>) -> Option<Worth> {
    let pull = case.kubelet_pull().seen()?;
    kubelet_worth_of(&case.read(&pull.message), pull)
}

/// Adds what the kubelet's credentials are worth, and weighs it.
pub(crate) fn with_kubelet(finding: Finding, case: &Case<'_>, word: Word) -> Finding {
    let known = case.kubelet_pull();
    let finding = match from_node(case) {
        Some(look) => with_seen(finding, case, &look),
        None => finding,
    };
    let Some(pull) = known.seen() else {
        // Where no login was sent and the pod has none, the text has said it all.
        let may_tell = keys(case) != Keys::None || word != Word::NothingSent;
        return if may_tell {
            open_kubelet(finding, case)
        } else {
            finding
        };
    };
    let mut finding = finding.seen(
        known.answered(),
        shorten(&clean_line(&pull.message), 400).into_owned(),
    );
    let told = match worth(case) {
        Some(Worth::Good) => {
            if finding.confidence > Confidence::Unknown {
                finding.confidence = finding.confidence.min(Confidence::Possible);
                finding = with_over(finding, case);
            }
            "the kubelet's credentials open the repository now, and the node was refused before"
        }
        Some(Worth::Refused) => {
            if finding.cause == CauseId::AuthBadCredentials && finding.rivals.is_empty() {
                finding.confidence = case.cap(Confidence::Proven);
            }
            "the login that the kubelet sends is refused"
        }
        Some(Worth::Nothing) => "the kubelet has no login for this registry",
        Some(Worth::Unclear) | None => return finding,
    };
    finding.seen(known.answered(), told)
}

/// Leaves the kubelet's answer open. The node's view is asked first: a pull that hangs would hold
/// up those of other pods, so the kubelet is asked only where the registry is known to answer.
pub(crate) fn open_kubelet(finding: Finding, case: &Case<'_>) -> Finding {
    if finding.confidence == Confidence::Proven || case.pasted || case.symptom.static_pod {
        return finding;
    }
    match from_node(case) {
        None => open_node_view(finding, case),
        Some(look) if look.is_nodes_own() && look.reached() >= Reached::Answered => {
            let question = case
                .kubelet_pull_question()
                .and_then(|question| case.unanswered(question));
            finding.open(question)
        }
        Some(_) => finding,
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, KubeletPull, Question,
        registry::{ErrorBody, Facts, Identity, ManifestFacts, Problem, RegistryError, StageName},
    };

    use crate::{
        causes::support::credentials::samples::{
            FORBIDDEN, HOST, IMAGE, NO_BASIC, WRONG_LOGIN, account,
        },
        fixture::{
            Fixture, challenged, failed_at, login_secret, no_token, own_network, pod_network,
            refused, stuck,
        },
    };

    /// A login of the node's own was refused: no secret of the pod matches.
    fn of_node() -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[login_secret("regcred", &["ghcr.io"])])
    }

    fn reaching() -> pulldoctor_model::NodeView {
        own_network(challenged(IMAGE, &[], no_token(Identity::Unknown)))
    }

    fn pulled(fixture: Fixture, message: &str) -> Fixture {
        fixture.kubelet_pull(KubeletPull {
            got: false,
            was_there: false,
            reason: "ErrImagePull".to_owned(),
            message: message.to_owned(),
        })
    }

    fn asks_kubelet(fixture: &Fixture) -> bool {
        crate::node_questions(&fixture.evidence)
            .iter()
            .any(|question| matches!(question, Question::KubeletPull { .. }))
    }

    #[test]
    fn the_kubelet_is_asked_only_behind_a_probe_that_came_through() {
        let first = crate::node_questions(&of_node().evidence);
        assert!(
            matches!(&first[..], [Question::NodeView { .. }]),
            "{first:?}"
        );
        let through = of_node().node_view(reaching());
        assert!(asks_kubelet(&through));
        let Some(Question::KubeletPull { image, .. }) =
            crate::node_questions(&through.evidence).pop()
        else {
            panic!("the kubelet is asked")
        };
        assert!(
            image.ends_with(&format!("@sha256:{}", "0".repeat(64))),
            "{image}"
        );
        let stalled = failed_at(IMAGE, StageName::Tls, Problem::TlsTimeout, Facts::None);
        assert!(!asks_kubelet(&of_node().node_view(own_network(stalled))));
        assert!(!asks_kubelet(&of_node().node_view(pod_network(
            challenged(IMAGE, &[], no_token(Identity::Unknown))
        ))));
    }

    #[test]
    fn what_is_proven_asks_no_node() {
        let missing = account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[]).secret(
            "regcred",
            crate::causes::support::credentials::samples::missing_secret(),
        );
        assert_eq!(missing.cause(), CauseId::SecretMissing);
        assert!(crate::node_questions(&missing.evidence).is_empty());
    }

    #[test]
    fn a_login_of_the_nodes_own_that_is_refused_again_is_proven() {
        let finding = of_node().judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Likely);
        let finding = pulled(of_node().node_view(reaching()), WRONG_LOGIN).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.from.to_string() == "kubelet/n1")
        );
    }

    #[test]
    fn credentials_that_are_good_now_make_the_refusal_an_old_one() {
        let good = format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{HOST}/shop/api@sha256:{0}\": failed to resolve image: {HOST}/shop/api@sha256:{0}: not found",
            "0".repeat(64)
        );
        let finding = pulled(of_node().node_view(reaching()), &good).judge();
        assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::Unknown)
        );
        // A failure on the way says nothing about credentials.
        let away = "failed to pull and unpack image \"x\": failed to do request: Head \"https://registry.example.com/v2/\": dial tcp 10.9.0.4:443: i/o timeout";
        let finding = pulled(of_node().node_view(reaching()), away).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn an_address_that_turns_the_node_away_is_a_filter() {
        let blocked = || account(stuck(IMAGE, "ErrImagePull", FORBIDDEN), &[]);
        assert_ne!(blocked().cause(), CauseId::BlockedByPolicy);
        let mut unasked = challenged(IMAGE, &[], refused(Identity::Unknown, 403));
        for stage in &mut unasked.stages {
            if stage.stage == StageName::Token {
                stage.outcome = pulldoctor_model::registry::StageOutcome::Skipped;
            }
        }
        let finding = blocked().node_view(own_network(unasked.clone())).judge();
        assert_eq!(finding.cause, CauseId::BlockedByPolicy);
        assert_eq!(finding.confidence, Confidence::Likely);
        // What turns pods away may be a policy of their network.
        let unasked_here = unasked.clone();
        let pods = blocked().node_view(pod_network(unasked)).judge();
        assert_ne!(pods.cause, CauseId::BlockedByPolicy);
        // A registry that denies in its own words may want a login that it does not ask for.
        let mut denied = unasked_here.clone();
        for stage in &mut denied.stages {
            if stage.stage == StageName::Manifest {
                stage.facts = Facts::Manifest(ManifestFacts {
                    error: Some(ErrorBody {
                        errors: vec![RegistryError {
                            code: "DENIED".to_owned(),
                            message: "requested access to the resource is denied".to_owned(),
                        }],
                        text: None,
                    }),
                    ..ManifestFacts::default()
                });
            }
        }
        let finding = blocked().registry(unasked_here).judge();
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("before it asks for any login"));
        let finding = blocked().registry(denied).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::AuthMissingCredentials);
        // After a challenge it is the registry's own word.
        let asked = challenged(IMAGE, &[], refused(Identity::Unknown, 403));
        let finding = blocked().node_view(own_network(asked)).judge();
        assert_ne!(finding.cause, CauseId::BlockedByPolicy);
    }

    #[test]
    fn a_registry_that_contradicts_the_node_is_asked_by_its_kubelet() {
        let fixture = account(stuck(IMAGE, "ErrImagePull", WRONG_LOGIN), &[])
            .keyring(&[login_secret("regcred", &[HOST])])
            .registry(challenged(
                IMAGE,
                &[("regcred", HOST, crate::fixture::granted(200))],
                refused(Identity::Unknown, 401),
            ));
        assert_eq!(fixture.cause(), CauseId::Unknown);
        assert!(asks_kubelet(&fixture.node_view(reaching())));
    }
}
