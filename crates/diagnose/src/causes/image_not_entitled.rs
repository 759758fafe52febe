//! `image-not-entitled`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, PullPolicy, Question, clean_line, shorten,
};

use super::{
    node_view::lists_image,
    support::credentials::{
        is_blank, login_questions, lookup, open_kubelet, with_login, word, worth,
    },
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
    probe::KubeletWorth as Worth,
};

cause! {
    /// # image-not-entitled
    ///
    /// ## What it means
    ///
    /// The image is on the node, but another pod's login pulled it there, and this pod has none
    /// that fits. Kubelets from 1.35 on verify that a pod may use an image before they start it,
    /// so they ask the registry again with this pod's own credentials.
    ///
    /// ## How we know
    ///
    /// The kubelet is 1.35 or newer, the node lists the image, the policy is not `Always`, and
    /// the registry refuses a pod that has no login for it. With policy `Never` the kubelet asks no
    /// registry: it says that the image is not present, although the node lists it.
    ///
    /// `pulldoctor diagnose --node-view` reads the kubelet's own policy: with `NeverVerify` it is
    /// not this. For policy `Never` it is *proven* where the kubelet, made to pull a manifest that
    /// does not exist, is refused with the pod's credentials.
    ///
    /// ## What to do
    ///
    /// - Name a pull secret in the pod that opens this image: the same that pulled it, or another
    ///   with the same login.
    /// - The administrator of the node can relax `imagePullCredentialsVerificationPolicy`.
    ///
    /// ## What it is not
    ///
    /// - On kubelets up to 1.34 an image that is there is used, whoever pulled it.
    /// - Images that were pulled without a login, or loaded onto the node, are open to all.
    ///
    /// ## Sources
    ///
    /// - KEP 2535; Kubernetes `pkg/kubelet/images/pullmanager` 1.35 and 1.36
    ///   (`KubeletEnsureSecretPulledImages`, on from 1.35).
    ImageNotEntitled
    generals: [AuthMissingCredentials, NotFoundOrPrivate, ImageNotFoundRepo],
}

/// The first kubelet that verifies by default.
const VERIFIES_FROM: u32 = 35;

fn is_never(case: &Case<'_>) -> bool {
    case.symptom.reason == "ErrImageNeverPull" || *case.fault() == Fault::NeverPull
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_never(case) && !case.pasted {
        case.node_question().into_iter().collect()
    } else {
        login_questions(case)
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let never = is_never(case);
    let refused = word(case).filter(|word| word.may_lack_login());
    if !never && refused.is_none() {
        return None;
    }
    if !never && case.symptom.pull_policy == Some(PullPolicy::Always) {
        return None;
    }
    let node = case.node();
    let facts = node.seen()?;
    let image = case.image.as_ref()?;
    let policy = case
        .node_config()
        .seen()
        .and_then(|config| config.image_pull_credentials_verification_policy.as_deref());
    let verifies = match policy {
        Some(policy) => policy != "NeverVerify",
        None => facts
            .kubelet_minor()
            .is_some_and(|minor| minor >= VERIFIES_FROM),
    };
    if !verifies || !lists_image(facts, image) {
        return None;
    }
    let on_node = case.symptom.node.as_deref().unwrap_or("the node");
    // Its own try with the pod's credentials: they do not open the image's repository.
    let is_shut_out = matches!(worth(case), Some(Worth::Refused | Worth::Nothing));
    let mut finding = case
        .finding(
            CauseId::ImageNotEntitled,
            if never && !is_shut_out {
                Confidence::Likely
            } else {
                Confidence::Proven
            },
            case.image_object(),
            format!(
                "`{}` is on {on_node}, but the pod has no credential that may use it",
                case.image_name()
            ),
        )
        .seen(
            node.answered(),
            format!("kubelet {}, and the image is in its list", facts.kubelet),
        );
    if let Some(policy) = policy {
        finding = finding.seen(
            case.node_config().answered(),
            format!(
                "imagePullCredentialsVerificationPolicy is `{}`",
                clean_line(policy)
            ),
        );
    }
    if let Some(word) = refused {
        finding = with_login(finding, case, word);
    } else {
        if is_shut_out && let Some(pull) = case.kubelet_pull().seen() {
            finding = finding.seen(
                case.kubelet_pull().answered(),
                shorten(&clean_line(&pull.message), 400).into_owned(),
            );
        }
        let config = case
            .node_config_question()
            .and_then(|question| case.unanswered(question))
            .filter(|_| finding.confidence < Confidence::Proven);
        finding = open_kubelet(finding, case).open(config);
    }
    finding = finding.remedy(
        "name-secret",
        Applicability::Consent,
        "name a pull secret in the pod's template that opens this image",
        None,
    );
    // Where the pod has a login for the image, what is wrong with that login comes first.
    let has_login =
        lookup(case).is_some_and(|keyring| keyring.matching.iter().any(|one| !is_blank(one)));
    let role = if has_login {
        Role::Contributes
    } else {
        Role::Cause
    };
    Some(Raised { finding, role })
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, KubeletConfig, NodeFacts, NodeImage, PullPolicy, Question,
    };

    use crate::{
        causes::support::credentials::samples::{
            HOST, IMAGE, NO_BASIC, WRONG_LOGIN, account, missing_secret,
        },
        fixture::{Fixture, login_secret, node, stuck},
    };

    fn holding(kubelet: &str) -> NodeFacts {
        NodeFacts {
            kubelet: kubelet.to_owned(),
            images: vec![NodeImage {
                names: vec![IMAGE.to_owned()],
                size: 1_000,
            }],
            ..node()
        }
    }

    fn refused() -> Fixture {
        account(stuck(IMAGE, "ErrImagePull", NO_BASIC), &[])
    }

    #[test]
    fn the_image_is_there_and_the_registry_refuses() {
        let finding = refused().node(holding("v1.37.2")).judge();
        assert_eq!(finding.cause, CauseId::ImageNotEntitled);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn older_kubelets_and_other_policies_do_not_verify() {
        let older = refused().node(holding("v1.34.1"));
        assert_eq!(older.cause(), CauseId::AuthMissingCredentials);
        let absent = refused().node(node());
        assert_eq!(absent.cause(), CauseId::AuthMissingCredentials);
        let always = refused()
            .symptom(|symptom| symptom.pull_policy = Some(PullPolicy::Always))
            .node(holding("v1.37.2"));
        assert_eq!(always.cause(), CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_missing_secret_is_mended_first() {
        let finding = refused()
            .node(holding("v1.37.2"))
            .secret("regcred", missing_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretMissing);
        assert_eq!(finding.also[0].cause, CauseId::ImageNotEntitled);
    }

    #[test]
    fn policy_never_with_an_image_that_the_node_lists() {
        let text = "Container image \"registry.example.com/shop/api:1\" is not present with pull policy of Never";
        let fixture = stuck(IMAGE, "ErrImageNeverPull", text)
            .symptom(|symptom| symptom.pull_policy = Some(PullPolicy::Never));
        let finding = fixture.clone().node(holding("v1.37.2")).judge();
        assert_eq!(finding.cause, CauseId::ImageNotEntitled);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(fixture.node(node()).cause(), CauseId::NeverPullAbsent);
    }

    #[test]
    fn the_kubelets_own_settings_decide_whether_it_verifies() {
        let text = "Container image \"registry.example.com/shop/api:1\" is not present with pull policy of Never";
        let never = || {
            stuck(IMAGE, "ErrImageNeverPull", text)
                .symptom(|symptom| symptom.pull_policy = Some(PullPolicy::Never))
        };
        let question = Question::NodeConfig {
            name: "n1".to_owned(),
        };
        let with = |kubelet: &str, policy: &str| {
            let config = KubeletConfig {
                image_pull_credentials_verification_policy: Some(policy.to_owned()),
                ..KubeletConfig::default()
            };
            let fixture = never().node(holding(kubelet));
            fixture
                .by_node(question.clone(), Answer::NodeConfig(Box::new(config)))
                .cause()
        };
        let open = never().node(holding("v1.37.2"));
        assert!(crate::node_questions(&open.evidence).contains(&question));
        assert_eq!(with("v1.37.2", "NeverVerify"), CauseId::NeverPullAbsent);
        assert_eq!(with("v1.37.2", "AlwaysVerify"), CauseId::ImageNotEntitled);
        assert_eq!(with("v1.34.1", "AlwaysVerify"), CauseId::ImageNotEntitled);
    }

    #[test]
    fn a_tag_beside_a_digest_is_not_on_the_node_by_its_tag() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let both = format!("{IMAGE}@{digest}");
        let on_node = |name: String| {
            account(stuck(&both, "ErrImagePull", NO_BASIC), &[])
                .node(NodeFacts {
                    images: vec![NodeImage {
                        names: vec![name],
                        size: 1_000,
                    }],
                    ..holding("v1.37.2")
                })
                .cause()
        };
        let by_digest = format!("{HOST}/shop/api@{digest}");
        assert_eq!(on_node(by_digest), CauseId::ImageNotEntitled);
        assert_eq!(on_node(IMAGE.to_owned()), CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_login_that_is_refused_is_mended_first() {
        let scope = "failed to resolve image: unexpected status from HEAD request to https://registry.example.com/v2/shop/api/manifests/1: 401 Unauthorized";
        for text in [WRONG_LOGIN, scope] {
            let finding = account(stuck(IMAGE, "ErrImagePull", text), &[])
                .node(holding("v1.37.2"))
                .keyring(&[login_secret("regcred", &[HOST])])
                .judge();
            assert_eq!(finding.cause, CauseId::AuthBadCredentials);
        }
    }
}
