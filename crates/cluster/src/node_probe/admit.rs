//! Where a pod is admitted: asked by a server-side dry run, which creates nothing.

use serde::Deserialize;
use serde_json::Value;

use crate::{api::Api, error::ApiError, slim::nullable};

use super::{
    error::NodeProbeError,
    living::{Key, Kind, nameless},
    manifest::{CONTAINER, ProbePod},
    plan,
};

/// A namespace that admits the pod, and the network that it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) namespace: String,
    pub(super) host_network: bool,
}

/// Why a pod is not admitted.
#[derive(Debug)]
pub(super) enum Refusal {
    /// RBAC.
    Forbidden,
    /// Pod security, a quota, a policy.
    NotAdmitted(String),
    /// There is no such namespace.
    NoNamespace,
    /// Every image is to be pulled.
    PullForced,
    /// The server failed.
    Api(ApiError),
}

/// What is read of the pod as it would be created.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Admitted {
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    image_pull_policy: String,
}

/// Asks whether a pod would be created as it is wanted.
pub(super) async fn dry_run(api: &Api, key: &Key, pod: &Value) -> Result<(), Refusal> {
    let answer = match api.create(&key.collection(), pod, true).await {
        Ok(answer) => answer,
        Err(error) => return refusal(error),
    };
    let admitted: Admitted = serde_json::from_slice(&answer.body)
        .map_err(|error| Refusal::Api(ApiError::malformed("a pod", &error)))?;
    is_as_wanted(&admitted)
}

/// What an error of a creation says of admission.
pub(super) fn refusal(error: ApiError) -> Result<(), Refusal> {
    match error {
        ApiError::Forbidden { message } if is_missing_right(&message) => Err(Refusal::Forbidden),
        // `namespaces "x" not found`.
        ApiError::NotFound { message } if message.starts_with("namespaces ") => {
            Err(Refusal::NoNamespace)
        }
        // `pods "x" is forbidden: violates PodSecurity …`, quotas, webhooks, a namespace that is
        // going.
        ApiError::Forbidden { message } | ApiError::NotFound { message } => {
            Err(Refusal::NotAdmitted(nameless(&message)))
        }
        // A webhook that keeps out of dry runs: the creation itself will tell.
        ApiError::Status {
            code: 400, message, ..
        } if message.contains("dry run") => Ok(()),
        ApiError::Status {
            code: 400 | 406 | 409 | 422,
            message,
            ..
        } => Err(Refusal::NotAdmitted(nameless(&message))),
        other => Err(Refusal::Api(other)),
    }
}

/// RBAC says `User "x" cannot create resource "pods" in API group ""`; admission says why.
fn is_missing_right(message: &str) -> bool {
    message.contains("cannot create resource")
}

fn is_as_wanted(admitted: &Admitted) -> Result<(), Refusal> {
    let spec = &admitted.spec;
    let added: Vec<&str> = spec
        .init_containers
        .iter()
        .chain(&spec.containers)
        .map(|container| container.name.as_str())
        .filter(|name| *name != CONTAINER)
        .collect();
    if !added.is_empty() {
        // Its image would have to be pulled, on a node that may not be able to.
        let added = pulldoctor_model::clean_line(&added.join("`, `")).into_owned();
        return Err(Refusal::NotAdmitted(format!(
            "an admission webhook adds container `{added}`"
        )));
    }
    let is_pulled = |container: &Container| container.image_pull_policy != "Never";
    if spec.containers.iter().any(is_pulled) {
        return Err(Refusal::PullForced);
    }
    Ok(())
}

/// Finds a seat: the first that is admitted. `seats` in the order of preference.
pub(super) async fn find(
    api: &Api,
    seats: &[Seat],
    node: &str,
    image: &str,
) -> Result<Seat, NodeProbeError> {
    let mut forbidden: Vec<&str> = Vec::new();
    let mut refused: Vec<&str> = Vec::new();
    let mut absent: Vec<&str> = Vec::new();
    let mut words = String::new();
    for seat in seats {
        if forbidden.contains(&seat.namespace.as_str()) {
            continue;
        }
        let key = Key::new(Kind::Pod, &seat.namespace);
        let pod = ProbePod {
            name: &key.name,
            namespace: &seat.namespace,
            node,
            host_network: seat.host_network,
            image,
            ask: "{}",
            config_maps: std::slice::from_ref(&key.name),
            owner: None,
        };
        match dry_run(api, &key, &pod.manifest()).await {
            Ok(()) => return Ok(seat.clone()),
            Err(Refusal::Forbidden) => forbidden.push(&seat.namespace),
            Err(Refusal::PullForced) => return Err(NodeProbeError::PullForced),
            Err(Refusal::NoNamespace) => absent.push(&seat.namespace),
            Err(Refusal::NotAdmitted(message)) => {
                if !refused.contains(&seat.namespace.as_str()) {
                    refused.push(&seat.namespace);
                }
                words = message;
            }
            Err(Refusal::Api(source)) => {
                return Err(NodeProbeError::Create {
                    what: "the pod (a dry run)",
                    source,
                });
            }
        }
    }
    if let ([], [], Some(namespace)) = (refused.as_slice(), forbidden.as_slice(), absent.first()) {
        return Err(NodeProbeError::NoNamespace {
            namespace: (*namespace).to_owned(),
        });
    }
    if refused.is_empty() {
        return Err(NodeProbeError::Forbidden {
            what: format!("create pods in {}", forbidden.join(", ")),
            grant: plan::own_rules(),
        });
    }
    Err(NodeProbeError::NotAdmitted {
        namespaces: quoted(&refused),
        message: words,
    })
}

fn quoted(namespaces: &[&str]) -> String {
    let word = if namespaces.len() == 1 {
        "namespace"
    } else {
        "namespaces"
    };
    format!("{word} `{}`", namespaces.join("`, `"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admitted(spec: &Value) -> Result<(), Refusal> {
        is_as_wanted(&serde_json::from_value(json!({"spec": spec})).unwrap())
    }

    #[test]
    fn what_admission_makes_of_the_pod_is_looked_at() {
        let own = json!({"name": "probe", "imagePullPolicy": "Never"});
        assert!(admitted(&json!({"containers": [own]})).is_ok());
        let forced = admitted(&json!({"containers": [
            {"name": "probe", "imagePullPolicy": "Always"}]}));
        assert!(matches!(forced, Err(Refusal::PullForced)), "{forced:?}");
        let injected = admitted(&json!({"containers": [own],
            "initContainers": [{"name": "istio-init", "imagePullPolicy": "Always"}]}));
        let Err(Refusal::NotAdmitted(words)) = injected else {
            panic!("{injected:?}")
        };
        assert!(words.contains("istio-init"), "{words}");
    }

    #[test]
    fn rbac_and_admission_are_told_apart() {
        let rbac = ApiError::Forbidden {
            message: "pods is forbidden: User \"dev\" cannot create resource \"pods\" in API \
                      group \"\" in the namespace \"shop\""
                .to_owned(),
        };
        assert!(matches!(refusal(rbac), Err(Refusal::Forbidden)));
        let security = ApiError::Forbidden {
            message: "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host \
                      namespaces (hostNetwork=true)"
                .to_owned(),
        };
        assert!(matches!(refusal(security), Err(Refusal::NotAdmitted(_))));
        let webhook = ApiError::Status {
            code: 400,
            message: "admission webhook \"w\" does not support dry run".to_owned(),
            retry_after: None,
        };
        assert!(refusal(webhook).is_ok());
    }
}
