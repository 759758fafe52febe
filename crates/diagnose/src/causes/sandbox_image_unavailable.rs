//! `sandbox-image-unavailable`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, ContainerKind, Question, Symptom};

use super::{
    node_view::{on_node, with_move_away},
    plain::plain_cause,
    support::quote,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # sandbox-image-unavailable
    ///
    /// ## What it means
    ///
    /// The node cannot get the pause image. Every pod needs it for its sandbox, so no pod can start
    /// on that node, whatever image its containers have. The containers stay `ContainerCreating`;
    /// it is never `ImagePullBackOff`.
    ///
    /// ## How we know
    ///
    /// The event `FailedCreatePodSandBox` names the pause image: `failed to get sandbox image
    /// "registry.k8s.io/pause:3.10": failed to pull image …`. What is wrong with that image (name
    /// resolution, a proxy, a missing tag) stands in `also`, and is mended like with any image.
    ///
    /// The runtime pulls the pause image by itself. It uses no pull secret of a pod, and which image
    /// it is stands in the runtime's configuration on the node.
    ///
    /// ## What to do
    ///
    /// - Try on the node: `crictl pull IMAGE`.
    /// - Nodes without access to `registry.k8s.io`: name a copy that they reach. containerd 1.x:
    ///   `sandbox_image` under `[plugins."io.containerd.grpc.v1.cri"]`; containerd 2.x: `sandbox`
    ///   under `[plugins.'io.containerd.cri.v1.images'.pinned_images]`; CRI-O: `pause_image`.
    /// - Or load it onto the node: `ctr -n k8s.io images import FILE`.
    ///
    /// ## What it is not
    ///
    /// `failed to setup network for sandbox` is the network plugin, not an image.
    ///
    /// ## Sources
    ///
    /// - containerd `internal/cri/server/podsandbox/sandbox_run.go` 1.6 to 2.4; CRI-O
    ///   `server/sandbox_run_linux.go`; Kubernetes `pkg/kubelet/kuberuntime` 1.36.
    SandboxImageUnavailable
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::SandboxImage { inner } = case.fault() else {
        return None;
    };
    // Of a text alone in which nothing but the name does not parse, that is what has to be mended;
    // `invalid-image-name` says that it is the pause image's.
    if case.pasted && **inner == Fault::InvalidReference {
        return None;
    }
    // A live event of the kubelet that names the pause image explains by itself why no container
    // was started.
    let live = case.symptom.kind == ContainerKind::Sandbox && !case.pasted;
    let image = case
        .reading()
        .image
        .clone()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| case.symptom.image.clone());
    let named = if image.is_empty() {
        "the pause image".to_owned()
    } else {
        format!("the pause image `{image}`")
    };
    let node = on_node(case);
    let mut finding = case.finding(
        CauseId::SandboxImageUnavailable,
        if live {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.node_object(),
        format!("{node} cannot get {named}, so no pod can start there"),
    );
    if let Some(behind) = plain_cause(inner) {
        finding = finding.also(behind, format!("{named}: {}", behind.title()));
    }
    let others = case
        .evidence
        .symptoms
        .iter()
        .filter(|other| is_same_node(other, case.symptom))
        .count();
    if others > 0 {
        finding = finding.note("same node", format!("{others} more pods wait for it"));
    }
    finding = finding.remedy(
        "pull-pause-image",
        Applicability::Advice,
        "see on the node why it cannot be pulled",
        (!image.is_empty()).then(|| format!("crictl pull {}", quote(&image))),
    );
    finding = finding.remedy(
        "set-pause-image",
        Applicability::Advice,
        "name a pause image that the node reaches in the runtime's configuration, or load it onto the node",
        None,
    );
    Some(with_move_away(finding, case).into())
}

fn is_same_node(other: &Symptom, symptom: &Symptom) -> bool {
    other.kind == ContainerKind::Sandbox
        && other.node.is_some()
        && other.node == symptom.node
        && other.pod_uid != symptom.pod_uid
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, ContainerKind, Event, ObjectKind, Question,
    };

    use crate::fixture::{Fixture, at, stuck};

    const PAUSE: &str = "registry.k8s.io/pause:3.10";
    const TEXT: &str = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox \"ab12\": failed to get sandbox image \"registry.k8s.io/pause:3.10\": failed to pull image \"registry.k8s.io/pause:3.10\": failed to pull and unpack image \"registry.k8s.io/pause:3.10\": failed to resolve reference \"registry.k8s.io/pause:3.10\": failed to do request: Head \"https://registry.k8s.io/v2/pause/manifests/3.10\": dial tcp: lookup registry.k8s.io on 10.0.0.2:53: no such host";

    fn sandbox(message: &str) -> Fixture {
        stuck(PAUSE, "FailedCreatePodSandBox", message).symptom(|symptom| {
            symptom.kind = ContainerKind::Sandbox;
            symptom.container = None;
            symptom.field = None;
        })
    }

    #[test]
    fn a_live_event_proves_it_and_what_lies_behind_is_named() {
        let finding = sandbox(TEXT).judge();
        assert_eq!(finding.cause, CauseId::SandboxImageUnavailable);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.kind, ObjectKind::Node);
        assert_eq!(finding.also[0].cause, CauseId::RegistryUnreachableDns);
        assert!(finding.summary.contains(PAUSE));
    }

    #[test]
    fn the_event_is_read_where_the_status_is_empty() {
        let event = Event {
            kind: "Warning".to_owned(),
            reason: "FailedCreatePodSandBox".to_owned(),
            message: TEXT.to_owned(),
            field_path: None,
            first: Some(at(-60)),
            last: Some(at(-5)),
            count: 4,
        };
        let finding = sandbox("")
            .answer(
                Question::PodEvents {
                    namespace: "shop".to_owned(),
                    pod: "api-1".to_owned(),
                    uid: "uid-1".to_owned(),
                },
                Answer::Events(vec![event]),
            )
            .judge();
        assert_eq!(finding.cause, CauseId::SandboxImageUnavailable);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn the_pause_image_comes_before_its_invalid_name() {
        let text = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image \"registry.k8s.io/Pause:3.10\": failed to parse image reference \"registry.k8s.io/Pause:3.10\": invalid reference format: repository name must be lowercase";
        let finding = sandbox(text).judge();
        assert_eq!(finding.cause, CauseId::SandboxImageUnavailable);
        assert_eq!(finding.also[0].cause, CauseId::InvalidImageName);
    }

    #[test]
    fn a_text_alone_about_an_invalid_name_is_about_that_name() {
        let verdict = crate::read_text(
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image \"registry.k8s.io/Pause:3.10\": failed to parse image reference \"registry.k8s.io/Pause:3.10\": invalid reference format: repository name must be lowercase",
        );
        assert_eq!(verdict.finding.cause, CauseId::InvalidImageName);
        assert_eq!(
            verdict.finding.also[0].cause,
            CauseId::SandboxImageUnavailable
        );
    }

    #[test]
    fn a_pasted_text_is_likely() {
        let verdict = crate::read_text(TEXT);
        assert_eq!(verdict.finding.cause, CauseId::SandboxImageUnavailable);
        assert_eq!(verdict.finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_network_plugin_is_no_pause_image() {
        let text = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox \"ab12\": plugin type=\"calico\" failed (add): error getting ClusterInformation: connection is unauthorized";
        assert_eq!(sandbox(text).cause(), CauseId::Unknown);
    }
}
