//! `credential-provider-failure`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::support::credentials::{
    Keys, Word, cloud_of, keys, login_questions, mirror, node_is_in, with_login, word,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # credential-provider-failure
    ///
    /// ## What it means
    ///
    /// The kubelet gets the login for a cloud registry from a plugin on the node, and the plugin
    /// failed. The kubelet swallows that and pulls without a login, so the registry's refusal is
    /// all that a pod shows.
    ///
    /// ## How we know
    ///
    /// The kubelet's log says it: `error execing credential provider plugin NAME for image …`,
    /// `Failed getting credential from external registry credential provider`. Without the log it
    /// is *possible* where a node of a cloud pulls from that cloud's own registry, sends nothing,
    /// and the pod names no secret.
    ///
    /// ## What to do
    ///
    /// - Read the log on the node: `journalctl -u kubelet | grep -i credential`.
    /// - The plugin has to be in the kubelet's `--image-credential-provider-bin-dir`, be
    ///   executable, and match the image in its configuration (`matchImages`).
    /// - It needs the cloud's identity: the instance's role, and the way to the metadata service.
    ///
    /// ## What it is not
    ///
    /// A plugin that works and whose identity lacks the right to pull is `auth-forbidden`.
    ///
    /// ## Sources
    ///
    /// - Kubernetes `pkg/credentialprovider/plugin/plugin.go` 1.26 to 1.36.
    /// - The in-tree providers are gone: AWS from 1.27, Azure from 1.30, Google from 1.31.
    CredentialProviderFailure
    generals: [AuthMissingCredentials, NotFoundOrPrivate],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    login_questions(case)
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() == Fault::CredentialProvider {
        let plugin = case
            .reading()
            .facts
            .plugin
            .as_deref()
            .map_or_else(String::new, |name| format!(" `{name}`"));
        let finding = case.finding(
            CauseId::CredentialProviderFailure,
            Confidence::Likely,
            case.image_object(),
            format!("the kubelet's credential provider{plugin} failed"),
        );
        return Some(with_remedy(finding).into());
    }
    let host = case.registry();
    let cloud = cloud_of(&host)?;
    let word = word(case)?;
    if word != Word::NothingSent || keys(case) != Keys::None || mirror(case).is_some() {
        return None;
    }
    let node = case.node();
    if !node_is_in(case, node.seen()?, cloud) {
        return None;
    }
    let finding = case
        .finding(
            CauseId::CredentialProviderFailure,
            Confidence::Possible,
            case.image_object(),
            format!("the node sent no login for `{host}`, although its cloud provides one"),
        )
        .rival(
            CauseId::AuthMissingCredentials,
            "the node may have no credential provider at all",
            "the kubelet's flags and log on the node",
        )
        .seen(
            node.answered(),
            format!(
                "node {} of {}, kubelet {}",
                case.symptom.node.as_deref().unwrap_or_default(),
                cloud.to_uppercase(),
                node.seen().map_or("", |facts| facts.kubelet.as_str())
            ),
        )
        .next(
            "what does the kubelet's log on the node say about credentials?",
            Some("journalctl -u kubelet | grep -i credential".to_owned()),
        );
    Some(with_remedy(with_login(finding, case, word)).into())
}

fn with_remedy(finding: pulldoctor_model::Finding) -> pulldoctor_model::Finding {
    finding.remedy(
        "mend-provider",
        Applicability::Advice,
        "mend the kubelet's credential provider on the node: its binary, its configuration, its identity",
        None,
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, NodeFacts};

    use crate::{
        causes::support::credentials::samples::{NO_BASIC, about, account},
        fixture::{Fixture, node, pull_secret, stuck},
    };

    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

    fn on(kubelet: &str) -> Fixture {
        account(
            stuck(
                &format!("{HOST}/shop/api:1"),
                "ErrImagePull",
                &about(NO_BASIC, HOST),
            ),
            &[],
        )
        .node(NodeFacts {
            kubelet: kubelet.to_owned(),
            ..node()
        })
    }

    #[test]
    fn the_kubelets_log_says_so() {
        let verdict = crate::read_text(
            "E0101 plugin.go:235] Failed getting credential from external registry credential provider: error execing credential provider plugin ecr-credential-provider for image 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api: context deadline exceeded",
        );
        assert_eq!(verdict.finding.cause, CauseId::CredentialProviderFailure);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
        assert!(verdict.finding.summary.contains("ecr-credential-provider"));
    }

    #[test]
    fn a_node_of_the_same_cloud_should_have_had_a_login() {
        let finding = on("v1.34.1-eks-113cf36").judge();
        assert_eq!(finding.cause, CauseId::CredentialProviderFailure);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_node_elsewhere_should_not() {
        assert_eq!(on("v1.34.1").cause(), CauseId::AuthMissingCredentials);
    }

    #[test]
    fn a_named_secret_was_meant_to_give_the_login() {
        let finding = on("v1.34.1-eks-113cf36")
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::SecretWrongHost);
    }
}
