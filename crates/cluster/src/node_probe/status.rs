//! What the status of a pod of ours says.

use serde::Deserialize;

use crate::{slim::nullable, symptoms::capped};

use super::manifest::CONTAINER;

/// A pod as far as its fate needs it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodState {
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) resource_version: String,
    pub(super) uid: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    reason: String,
    message: String,
    #[serde(deserialize_with = "nullable")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    #[serde(rename = "imageID")]
    image_id: String,
    #[serde(deserialize_with = "nullable")]
    state: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    message: String,
}

/// How a pod stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is known yet.
    Waiting,
    /// The container waits, and the kubelet says why.
    Held { reason: String, message: String },
    /// It runs.
    Running,
    /// It has run.
    Ended {
        /// The termination message.
        message: String,
    },
    /// Its image is there, and it could not be started.
    NotStarted { reason: String, message: String },
    /// The kubelet does not take the pod, or has ended it.
    Rejected { reason: String, message: String },
}

/// Waiting reasons that say nothing yet.
const IN_PROGRESS: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

/// Waiting reasons behind the pull (`pkg/kubelet/kuberuntime/kuberuntime_container.go`, 1.37).
const BEHIND_THE_PULL: [&str; 6] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// Reasons of a container that ended before it ran.
const NEVER_RAN: [&str; 2] = ["StartError", "ContainerCannotRun"];

impl PodState {
    pub(super) fn standing(&self) -> Standing {
        let status = &self.status;
        let container = status
            .container_statuses
            .iter()
            .find(|container| container.name == CONTAINER);
        let state = container.map(|container| &container.state);
        if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
            if NEVER_RAN.contains(&ended.reason.as_str()) {
                return Standing::NotStarted {
                    reason: capped(&ended.reason),
                    message: capped(&ended.message),
                };
            }
            // A pod that never started has such a state too, made up by the kubelet.
            let was_there = container.is_some_and(|container| !container.image_id.is_empty());
            if was_there || status.reason.is_empty() {
                return Standing::Ended {
                    message: ended.message.clone(),
                };
            }
        }
        if status.phase == "Failed" {
            return Standing::Rejected {
                reason: capped(&status.reason),
                message: capped(&status.message),
            };
        }
        if state.is_some_and(|state| state.running.is_some()) {
            return Standing::Running;
        }
        match state.and_then(|state| state.waiting.as_ref()) {
            Some(waiting) if !IN_PROGRESS.contains(&waiting.reason.as_str()) => {
                let reason = capped(&waiting.reason);
                let message = capped(&waiting.message);
                if BEHIND_THE_PULL.contains(&waiting.reason.as_str()) {
                    Standing::NotStarted { reason, message }
                } else {
                    Standing::Held { reason, message }
                }
            }
            _ => Standing::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn standing(status: &Value) -> Standing {
        serde_json::from_value::<PodState>(json!({"status": status}))
            .unwrap()
            .standing()
    }

    fn container(state: &Value) -> Value {
        json!({"phase": "Pending", "containerStatuses": [
            {"name": "probe", "imageID": "sha256:1", "state": state}]})
    }

    #[test]
    fn a_status_says_what_became_of_the_pod() {
        for (status, expected) in [
            (json!({"phase": "Pending"}), Standing::Waiting),
            (json!(null), Standing::Waiting),
            (
                container(&json!({"waiting": {"reason": "ContainerCreating"}})),
                Standing::Waiting,
            ),
            (
                container(
                    &json!({"waiting": {"reason": "ErrImageNeverPull", "message": "not there"}}),
                ),
                Standing::Held {
                    reason: "ErrImageNeverPull".to_owned(),
                    message: "not there".to_owned(),
                },
            ),
            (
                container(&json!({"waiting": {"reason": "CreateContainerError", "message": "m"}})),
                Standing::NotStarted {
                    reason: "CreateContainerError".to_owned(),
                    message: "m".to_owned(),
                },
            ),
            (
                container(&json!({"terminated": {"reason": "StartError", "message": "exec"}})),
                Standing::NotStarted {
                    reason: "StartError".to_owned(),
                    message: "exec".to_owned(),
                },
            ),
            (container(&json!({"running": {}})), Standing::Running),
            (
                container(&json!({"terminated": {"reason": "Completed", "message": "{}"}})),
                Standing::Ended {
                    message: "{}".to_owned(),
                },
            ),
            (
                json!({"phase": "Failed", "reason": "Evicted",
                    "message": "The node had condition: [DiskPressure]. "}),
                Standing::Rejected {
                    reason: "Evicted".to_owned(),
                    message: "The node had condition: [DiskPressure]. ".to_owned(),
                },
            ),
        ] {
            assert_eq!(standing(&status), expected, "{status}");
        }
    }
}
