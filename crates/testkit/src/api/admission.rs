//! What the API server does to a pod before it stores it, as far as a creator of pods meets it:
//! pod security, `AlwaysPullImages`, an injecting webhook.

use serde_json::{Value, json};

/// A level of pod security (KEP-2579) that a namespace enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSecurity {
    /// No host namespaces.
    Baseline,
    /// The same, and least privilege.
    Restricted,
}

/// What admission does.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    pub(super) security: Vec<(String, PodSecurity)>,
    pub(super) always_pull: bool,
    pub(super) inject: Option<String>,
}

impl Admission {
    /// Changes a pod, or says why it is forbidden, in the API server's words.
    pub(super) fn admit(&self, namespace: &str, pod: &mut Value) -> Result<(), String> {
        let mut containers = pod["spec"]["containers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if let Some(name) = &self.inject {
            containers.push(json!({"name": name, "image": "mesh.example/proxy:1",
                "imagePullPolicy": "IfNotPresent"}));
        }
        if self.always_pull {
            for container in &mut containers {
                container["imagePullPolicy"] = json!("Always");
            }
        }
        pod["spec"]["containers"] = json!(containers);
        let level = self.security.iter().find(|(own, _)| own == namespace);
        let Some((_, level)) = level else {
            return Ok(());
        };
        let violations = violations(*level, &pod["spec"]);
        if violations.is_empty() {
            return Ok(());
        }
        let level = match level {
            PodSecurity::Baseline => "baseline",
            PodSecurity::Restricted => "restricted",
        };
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        Err(format!(
            "pods \"{name}\" is forbidden: violates PodSecurity \"{level}:latest\": {}",
            violations.join(", ")
        ))
    }
}

fn violations(level: PodSecurity, spec: &Value) -> Vec<&'static str> {
    let mut found = Vec::new();
    if spec["hostNetwork"] == true {
        found.push("host namespaces (hostNetwork=true)");
    }
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    if volumes
        .into_iter()
        .any(|volume| !volume["hostPath"].is_null())
    {
        found.push("hostPath volumes");
    }
    if level == PodSecurity::Baseline {
        return found;
    }
    let of_pod = &spec["securityContext"];
    for container in spec["containers"].as_array().into_iter().flatten() {
        let own = &container["securityContext"];
        let either = |key: &str| {
            if own[key].is_null() {
                of_pod[key].clone()
            } else {
                own[key].clone()
            }
        };
        if own["allowPrivilegeEscalation"] != false {
            found.push("allowPrivilegeEscalation != false");
        }
        if own["capabilities"]["drop"] != json!(["ALL"]) {
            found.push("unrestricted capabilities");
        }
        if either("runAsNonRoot") != true {
            found.push("runAsNonRoot != true");
        }
        if either("seccompProfile")["type"] != "RuntimeDefault" {
            found.push("seccompProfile");
        }
    }
    found
}
