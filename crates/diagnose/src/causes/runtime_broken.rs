//! `runtime-broken`.

use pulldoctor_messages::{Fault, Operation};
use pulldoctor_model::{
    Applicability, CauseId, Confidence, NodeFacts, Question, clean_line, shorten,
};

use super::logs::open_logs;
use super::node_view::{condition, neighbours, on_node, outlasts_retries, with_move_away};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # runtime-broken
    ///
    /// ## What it means
    ///
    /// The container runtime of the node does not work: its socket does not answer, its
    /// snapshotter fails, its configuration is at fault, or it loses what it needs while it
    /// unpacks. Every image is concerned, whatever registry it comes from.
    ///
    /// ## How we know
    ///
    /// The text is the runtime's or the kubelet's own: `dial unix /run/containerd/containerd.sock`,
    /// `server is not initialized yet`, `snapshotter not loaded`, an `ImageInspectError` whose
    /// question ran into the deadline. It is proven where the kubelet's own `Ready` condition says
    /// that the runtime is down.
    ///
    /// `parent snapshot … does not exist` soon after a pod started is a race with the runtime's
    /// garbage collection. It is *possible* only: where it stays, the store is damaged
    /// (`node-store-damaged`). A layer that cannot be unpacked (`operation not permitted`, `directory
    /// not empty`) may also be the layer's fault.
    ///
    /// ## What to do
    ///
    /// - Look on the node: `systemctl status containerd` (or `crio`), `journalctl -u containerd -n
    ///   100`, `crictl info`.
    /// - Restart the runtime: running containers stay.
    /// - Meanwhile keep pods away: `kubectl cordon NODE`.
    ///
    /// ## What it is not
    ///
    /// It is no fault of the registry or of the image: another node pulls it.
    ///
    /// ## Sources
    ///
    /// - Kubernetes cri-client `remote_image.go` 1.36; containerd `core/unpack`,
    ///   `plugins/snapshots` 1.6 to 2.4.
    RuntimeBroken
}

fn is_raised(case: &Case<'_>) -> bool {
    match case.fault() {
        Fault::RuntimeUnavailable | Fault::Snapshotter | Fault::SnapshotRace | Fault::Unpack => {
            true
        }
        Fault::RuntimeConfig => !is_about_mirrors(case),
        Fault::DeadlineExceeded => is_inspection(case),
        // The runtime could not look into its own store, and nothing says why.
        Fault::BackOffOnly | Fault::Unknown => {
            !case.pasted && case.symptom.reason == "ImageInspectError"
        }
        _ => false,
    }
}

/// Whether the kubelet asked the runtime for an image that it may already have.
fn is_inspection(case: &Case<'_>) -> bool {
    case.symptom.reason == "ImageInspectError"
        || case.reading().operation == Some(Operation::Inspect)
}

/// Mirrors and `hosts.toml` have a cause of their own.
fn is_about_mirrors(case: &Case<'_>) -> bool {
    let text = case.text().to_ascii_lowercase();
    [
        "hosts.toml",
        "registries.conf",
        "mirror",
        "registries configuration",
    ]
    .iter()
    .any(|word| text.contains(word))
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if is_raised(case) {
        case.node_question().into_iter().collect()
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is_raised(case) {
        return None;
    }
    let fault = case.fault();
    // The store's cause is raised then, and names this one as its rival.
    if *fault == Fault::SnapshotRace && outlasts_retries(case) {
        return None;
    }
    let node = on_node(case);
    let facts = &case.reading().facts;
    let known = case.node();
    let is_down = known.seen().and_then(says_runtime_is_down);
    let summary = match fault {
        // It may be back: only the node itself says that it is not.
        Fault::RuntimeUnavailable => {
            let answers = if is_down.is_some() {
                "does not answer"
            } else {
                "did not answer"
            };
            let socket = facts.socket.as_ref();
            let on = socket.map_or_else(String::new, |socket| format!(" on `{socket}`"));
            format!("the container runtime of {node} {answers}{on}")
        }
        Fault::Snapshotter => match &facts.snapshotter {
            Some(name) => format!("the snapshotter `{name}` of {node} does not work"),
            None => format!("the snapshotter of {node} does not work"),
        },
        Fault::SnapshotRace => {
            format!("the runtime of {node} lost a snapshot or lease that the pull needed")
        }
        Fault::Unpack => format!("the runtime of {node} cannot unpack a layer"),
        Fault::RuntimeConfig => format!("the runtime of {node} is configured wrongly"),
        Fault::DeadlineExceeded => {
            format!("the container runtime of {node} did not answer within the kubelet's deadline")
        }
        _ => format!("the container runtime of {node} cannot look into its own image store"),
    };
    let confidence = match fault {
        Fault::RuntimeUnavailable | Fault::Snapshotter | Fault::DeadlineExceeded => {
            Confidence::Likely
        }
        _ => Confidence::Possible,
    };
    let mut finding = case.finding(
        CauseId::RuntimeBroken,
        confidence,
        case.node_object(),
        summary,
    );
    if let Some(said) = is_down {
        finding = finding.seen(known.answered(), said);
        if *fault == Fault::RuntimeUnavailable || *fault == Fault::DeadlineExceeded {
            finding.confidence = case.cap(Confidence::Proven);
        }
    }
    let others = neighbours(case)
        .filter(|other| other.image != case.symptom.image)
        .count();
    if others > 0 {
        finding = finding.note(
            "same node",
            format!("{others} more containers wait there for other images"),
        );
    }
    if finding.confidence == Confidence::Possible {
        let (rival, because, decides) = match fault {
            Fault::SnapshotRace => (
                CauseId::NodeStoreDamaged,
                "a store that lost a snapshot for good says the same",
                "whether the next tries fail alike",
            ),
            Fault::Unpack => (
                CauseId::CorruptedContent,
                "a layer that is damaged cannot be unpacked either",
                "the same image on another node",
            ),
            Fault::RuntimeConfig => (
                CauseId::SignatureRejected,
                "the runtime fails while it checks the image against its policy",
                "the runtime's log on the node",
            ),
            _ => (
                CauseId::NodeStoreDamaged,
                "a damaged image store makes the same question fail",
                "the runtime's log on the node",
            ),
        };
        // A configuration fault outside of verification has no policy to compete with.
        finding = if *fault == Fault::RuntimeConfig
            && case.reading().operation != Some(Operation::Verify)
        {
            finding.rival(
                CauseId::MirrorMisconfigured,
                "the part of the configuration that is wrong may be that of a registry",
                "the runtime's log on the node",
            )
        } else {
            finding.rival(rival, because, decides)
        };
    }
    if finding.confidence == Confidence::Possible {
        finding = open_logs(finding, case);
    }
    finding = finding.next(
        format!("what does the runtime of {node} say?"),
        Some("journalctl -u containerd -u crio -u docker --since -15min".to_owned()),
    );
    if *fault != Fault::SnapshotRace {
        finding = with_move_away(finding, case);
    }
    let runtime = known
        .seen()
        .and_then(|facts| facts.runtime.split("://").next())
        .map_or(
            "containerd",
            |name| if name == "cri-o" { "crio" } else { name },
        );
    let runtime = if runtime
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        runtime
    } else {
        "containerd"
    };
    Some(
        finding
            .remedy(
                "restart-runtime",
                Applicability::Advice,
                "restart the runtime on the node; running containers stay",
                Some(format!("systemctl restart {runtime}")),
            )
            .into(),
    )
}

/// What the kubelet's own `Ready` condition says of the runtime, if it is down
/// (`pkg/kubelet/nodestatus/setters.go`, `ReadyCondition`: `container runtime is down`,
/// `container runtime not ready`, `PLEG is not healthy`).
fn says_runtime_is_down(facts: &NodeFacts) -> Option<String> {
    let ready = condition(facts, "Ready")?;
    let message = ready.message.to_ascii_lowercase();
    let down = ready.status != "True"
        && ["container runtime", "runtimeready=false", "pleg is not healthy"]
            .iter()
            .any(|words| message.contains(words))
        // A missing network plugin is reported in the same place.
        && !message.contains("networkready=false");
    down.then(|| {
        let message = shorten(&clean_line(&ready.message), 300).into_owned();
        format!("Ready is {}: {message}", ready.status)
    })
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Condition, Confidence, ObjectKind};

    use crate::fixture::{node, stuck};

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const SOCKET: &str = "Failed to inspect image \"\": rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory\"";

    fn ready(status: &str, message: &str) -> Condition {
        Condition {
            kind: "Ready".to_owned(),
            status: status.to_owned(),
            reason: "KubeletNotReady".to_owned(),
            message: message.to_owned(),
            since: None,
        }
    }

    #[test]
    fn a_socket_that_is_gone_is_the_runtime() {
        let finding = stuck(IMAGE, "ImageInspectError", SOCKET)
            .node(node())
            .judge();
        assert_eq!(finding.cause, CauseId::RuntimeBroken);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Node);
        // The node says nothing of it now: the runtime may be back.
        assert_eq!(
            finding.summary,
            "the container runtime of node `n1` did not answer on `/run/containerd/containerd.sock`"
        );
    }

    #[test]
    fn the_kubelets_own_condition_proves_it() {
        let mut facts = node();
        facts.conditions.push(ready(
            "False",
            "[container runtime is down, PLEG is not healthy]",
        ));
        let finding = stuck(IMAGE, "ImageInspectError", SOCKET)
            .node(facts)
            .judge();
        assert_eq!(finding.confidence, Confidence::Proven);
        assert!(finding.summary.contains("does not answer"), "{finding:?}");
    }

    #[test]
    fn a_missing_network_plugin_proves_nothing() {
        let mut facts = node();
        facts.conditions.push(ready(
            "False",
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady",
        ));
        let finding = stuck(IMAGE, "ImageInspectError", SOCKET)
            .node(facts)
            .judge();
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn an_inspection_past_its_deadline_is_the_runtime() {
        let text = "Failed to inspect image \"\": rpc error: code = DeadlineExceeded desc = context deadline exceeded";
        let finding = stuck(IMAGE, "ImageInspectError", text).judge();
        assert_eq!(finding.cause, CauseId::RuntimeBroken);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_vanished_snapshot_is_a_race_at_first() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to prepare extraction snapshot \"extract-1 sha256:9281\": parent snapshot sha256:0b16 does not exist: not found";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RuntimeBroken);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::NodeStoreDamaged);
    }

    #[test]
    fn a_refused_registry_is_no_broken_runtime() {
        let text = "failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve reference \"registry.example.com/shop/api:1\": failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp 10.0.0.9:443: connect: connection refused";
        assert_ne!(
            stuck(IMAGE, "ErrImagePull", text).cause(),
            CauseId::RuntimeBroken
        );
    }
}
