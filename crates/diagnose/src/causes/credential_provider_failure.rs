//! `credential-provider-failure`.

use pulldoctor_messages::{Fault, Reading};
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    logs::{open_logs, with_fault, with_line},
    support::credentials::{
        Keys, Word, cloud_of, keys, list, login_questions, mirror, node_is_in, with_login, word,
    },
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
    /// The node's logs tell what the kubelet's message swallows (`pulldoctor diagnose
    /// --node-view`): a line about this image is *proven*. The kubelet's counters raise it to
    /// *likely* where a provider failed since it started, and exclude it where none did.
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
        let plugin = plugin_name(case.reading());
        let finding = case.finding(
            CauseId::CredentialProviderFailure,
            Confidence::Likely,
            case.image_object(),
            format!("the kubelet's credential provider{plugin} failed"),
        );
        return Some(with_remedy(finding).into());
    }
    let host = case.registry();
    let word = word(case)?;
    // The kubelet swallows the error and says it in its log alone.
    if word.may_lack_login()
        && keys(case) != Keys::Usable
        && let Some(said) = with_fault(case, |fault| *fault == Fault::CredentialProvider)
    {
        let plugin = plugin_name(&said.reading);
        let finding = case.finding(
            CauseId::CredentialProviderFailure,
            case.cap(Confidence::Proven),
            case.image_object(),
            format!(
                "the kubelet's credential provider{plugin} failed, so the node sent no login for \
                 `{host}`"
            ),
        );
        return Some(with_remedy(with_login(with_line(finding, case, &said), case, word)).into());
    }
    let cloud = cloud_of(&host)?;
    if word != Word::NothingSent || keys(case) != Keys::None || mirror(case).is_some() {
        return None;
    }
    let node = case.node();
    if !node_is_in(case, node.seen()?, cloud) {
        return None;
    }
    let counted = counted(case);
    if matches!(counted, Some((0, _))) {
        // It has pulled, and none of its providers ever failed.
        return None;
    }
    let mut finding = case.finding(
        CauseId::CredentialProviderFailure,
        if counted.is_some() {
            Confidence::Likely
        } else {
            Confidence::Possible
        },
        case.image_object(),
        format!("the node sent no login for `{host}`, although its cloud provides one"),
    );
    finding = match &counted {
        Some((failures, names)) => finding.seen(
            case.node_metrics().answered(),
            format!("{failures} failures of credential provider {names} since the kubelet started"),
        ),
        None => finding.rival(
            CauseId::AuthMissingCredentials,
            "the node may have no credential provider at all",
            "the kubelet's log on the node, and what it counts",
        ),
    };
    let metrics = case
        .node_metrics_question()
        .and_then(|question| case.unanswered(question));
    let finding = open_logs(finding, case)
        .open(metrics)
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

/// The provider that a text names.
fn plugin_name(reading: &Reading) -> String {
    reading
        .facts
        .plugin
        .as_deref()
        .map_or_else(String::new, |name| format!(" `{name}`"))
}

/// How often which credential providers failed, where the kubelet's counters were read.
fn counted(case: &Case<'_>) -> Option<(u64, String)> {
    let metrics = case.node_metrics().seen()?;
    let failing: Vec<&(String, u64)> = metrics
        .credential_provider_errors
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    let names = list(failing.iter().map(|(name, _)| name.as_str()));
    let all = failing
        .iter()
        .fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    // Counters that tell nothing of pulls either are those of another kubelet.
    let tells = all > 0 || metrics.pulls.is_some() || metrics.pull_errors.is_some();
    tells.then_some((all, names))
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
    use pulldoctor_model::{Answer, CauseId, Confidence, NodeFacts, NodeMetrics, Question};

    use crate::{
        causes::{
            logs::samples::logged,
            support::credentials::samples::{NO_BASIC, about, account},
        },
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
    fn the_kubelets_log_proves_what_its_message_swallows() {
        let line = format!(
            "Failed getting credential from external registry credential provider: error execing credential provider plugin ecr-credential-provider for image {HOST}/shop/api: context deadline exceeded"
        );
        let finding = logged(on("v1.34.1-eks-113cf36"), &[("kubelet", &line)]).judge();
        assert_eq!(finding.cause, CauseId::CredentialProviderFailure);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(
            finding.summary.contains("`ecr-credential-provider`"),
            "{}",
            finding.summary
        );
        // Of another image it tells nothing about this pull.
        let other = line.replace("shop/api", "shop/cart");
        let finding = logged(on("v1.34.1-eks-113cf36"), &[("kubelet", &other)]).judge();
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn the_kubelets_counters_raise_or_exclude_it() {
        let counts = |failures: u64| {
            let metrics = NodeMetrics {
                pulls: Some(12),
                credential_provider_errors: vec![("ecr-credential-provider".to_owned(), failures)],
                ..NodeMetrics::default()
            };
            let fixture = on("v1.34.1-eks-113cf36");
            let question = Question::NodeMetrics {
                name: "n1".to_owned(),
            };
            assert!(crate::node_questions(&fixture.evidence).contains(&question));
            fixture
                .by_node(question, Answer::NodeMetrics(metrics))
                .judge()
        };
        let failing = counts(7);
        assert_eq!(failing.cause, CauseId::CredentialProviderFailure);
        assert_eq!(failing.confidence, Confidence::Likely);
        assert_eq!(counts(0).cause, CauseId::AuthMissingCredentials);
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
