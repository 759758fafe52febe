//! The objects of a probe as data: what is created is decided here and nowhere else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::ProbeProgram;

/// The value of `app.kubernetes.io/name`, and the beginning of every name.
pub(super) const NAME: &str = "pulldoctor-probe";
/// Finds everything that a probe ever created.
pub(super) const SELECTOR: &str =
    "app.kubernetes.io/name=pulldoctor-probe,app.kubernetes.io/managed-by=pulldoctor";
/// How many seconds after its creation an object belongs to nobody any more. It stands on the object
/// itself, so that whoever finds it knows; both times are the server's.
pub(super) const LIFETIME: &str = "pulldoctor.dev/lifetime-seconds";
/// Ends a pod that nobody ends, in seconds.
pub(super) const POD_DEADLINE: u64 = 60;
/// The lifetime of a pod.
pub(super) const POD_LIFETIME: u64 = 120;
/// The lifetime of a ConfigMap: pods may come to it for a minute.
pub(super) const CONFIG_MAP_LIFETIME: u64 = 180;
/// The container's name.
pub(super) const CONTAINER: &str = "probe";
/// Where the program lies in the container.
const FOLDER: &str = "/probe";
/// A program that is in no image: a pulled image is not run.
const NOTHING: &str = "/pulldoctor/nothing-is-run";

/// Who owns an object: the name and identity of a ConfigMap.
pub(super) type Owner<'a> = Option<(&'a str, &'a str)>;

fn metadata(name: &str, namespace: &str, lifetime: u64, owner: Owner<'_>) -> Value {
    let mut metadata = json!({
        "name": name,
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/name": NAME,
            "app.kubernetes.io/managed-by": "pulldoctor",
            // A mesh's proxy would have to be pulled, and pulls do not go through it.
            "sidecar.istio.io/inject": "false",
        },
        "annotations": {
            LIFETIME: lifetime.to_string(),
            "linkerd.io/inject": "disabled",
        },
    });
    if let Some((name, uid)) = owner {
        metadata["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid,
        }]);
    }
    metadata
}

/// The ConfigMap with this part of the program; the stub travels with the first.
pub(super) fn config_map(
    name: &str,
    namespace: &str,
    program: ProbeProgram,
    part: usize,
    owner: Owner<'_>,
) -> Value {
    let mut data = json!({});
    for (key, bytes) in contents(program, part) {
        data[key] = json!(STANDARD.encode(bytes));
    }
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace, CONFIG_MAP_LIFETIME, owner),
        "immutable": true,
        "binaryData": data,
    })
}

/// The files of this part of the program.
pub(super) fn contents(program: ProbeProgram, part: usize) -> Vec<(String, &'static [u8])> {
    let stub = (part == 0).then(|| ("run".to_owned(), program.stub));
    let packed = program
        .parts
        .get(part)
        .map(|bytes| (format!("part.{part}"), *bytes));
    stub.into_iter().chain(packed).collect()
}

/// How many ConfigMaps a program takes.
pub(super) fn config_maps(program: ProbeProgram) -> usize {
    program.parts.len().max(1)
}

/// The pod that runs the probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbePod<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) node: &'a str,
    /// Whether it sees the network as the node does.
    pub(super) host_network: bool,
    /// An image that is on the node already: nothing is pulled.
    pub(super) image: &'a str,
    /// The question as JSON. It holds no secret.
    pub(super) ask: &'a str,
    /// The ConfigMaps that hold the program.
    pub(super) config_maps: &'a [String],
    /// The first one; nobody for a dry run.
    pub(super) owner: Owner<'a>,
}

impl ProbePod<'_> {
    /// The pod with the least privilege with which the probe works.
    pub(super) fn manifest(&self) -> Value {
        let sources: Vec<Value> = self
            .config_maps
            .iter()
            .map(|name| json!({"configMap": {"name": name}}))
            .collect();
        let mut spec = spec(self.node, self.image, "Never", &format!("{FOLDER}/run"));
        // A projected volume lies in memory; a configMap volume lies on a disk that hardened
        // nodes mount without the right to execute. 0o555.
        spec["volumes"] =
            json!([{"name": "probe", "projected": {"defaultMode": 365, "sources": sources}}]);
        let container = &mut spec["containers"][0];
        container["volumeMounts"] =
            json!([{"name": "probe", "mountPath": FOLDER, "readOnly": true}]);
        // The kubelet replaces `$(NAME)` in values; `$$` stands for one dollar.
        container["env"] =
            json!([{"name": "PULLDOCTOR_ASK", "value": self.ask.replace('$', "$$")}]);
        if self.host_network {
            spec["hostNetwork"] = json!(true);
            // The kubelet's own resolvers, not the cluster's.
            spec["dnsPolicy"] = json!("Default");
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(self.name, self.namespace, POD_LIFETIME, self.owner),
            "spec": spec,
        })
    }
}

/// What every pod of ours is: on one node, under PodSecurity `restricted`, without a token.
fn spec(node: &str, image: &str, policy: &str, program: &str) -> Value {
    json!({
        "nodeName": node,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": POD_DEADLINE,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": policy,
            "command": [program],
            // An image may name a folder that cannot be made on a read-only root.
            "workingDir": "/",
            "resources": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"memory": "64Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    })
}

/// The pod that makes a kubelet pull. What it pulled does not run: its command is in no image.
#[derive(Debug, Clone, Copy)]
pub(super) struct PullPod<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) node: &'a str,
    pub(super) image: &'a str,
    pub(super) secrets: &'a [String],
    pub(super) service_account: Option<&'a str>,
}

impl PullPod<'_> {
    pub(super) fn manifest(&self) -> Value {
        let mut spec = spec(self.node, self.image, "Always", NOTHING);
        let secrets: Vec<Value> = self
            .secrets
            .iter()
            .map(|name| json!({"name": name}))
            .collect();
        spec["imagePullSecrets"] = json!(secrets);
        if let Some(name) = self.service_account {
            spec["serviceAccountName"] = json!(name);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(self.name, self.namespace, POD_LIFETIME, None),
            "spec": spec,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(host_network: bool) -> Value {
        ProbePod {
            name: "pulldoctor-probe-1a2b",
            namespace: "kube-system",
            node: "n3",
            host_network,
            image: "registry.k8s.io/pause:3.10",
            ask: "{\"a\":\"$(HOME)\"}",
            config_maps: &["one".to_owned(), "two".to_owned()],
            owner: Some(("one", "uid-1")),
        }
        .manifest()
    }

    #[test]
    fn the_pod_may_do_as_little_as_it_can() {
        let whole = pod(true);
        let spec = &whole["spec"];
        assert_eq!(spec["hostNetwork"], true);
        assert_eq!(spec["dnsPolicy"], "Default");
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["restartPolicy"], "Never");
        let container = &spec["containers"][0];
        assert_eq!(container["imagePullPolicy"], "Never");
        assert_eq!(
            container["securityContext"]["capabilities"]["drop"][0],
            "ALL"
        );
        assert_eq!(container["env"][0]["value"], "{\"a\":\"$$(HOME)\"}");
        assert_eq!(
            spec["volumes"][0]["projected"]["sources"],
            json!([{"configMap": {"name": "one"}}, {"configMap": {"name": "two"}}])
        );
        assert_eq!(whole["metadata"]["ownerReferences"][0]["uid"], "uid-1");

        // Without the host's network nothing is left that PodSecurity `restricted` forbids.
        let small = pod(false);
        for host in ["hostNetwork", "hostPID", "hostIPC", "dnsPolicy"] {
            assert!(small["spec"].get(host).is_none(), "{host}");
        }
        let volumes = small["spec"]["volumes"].as_array().unwrap();
        assert!(
            volumes
                .iter()
                .all(|volume| volume.get("hostPath").is_none())
        );
    }

    #[test]
    fn the_program_is_spread_over_config_maps() {
        let program = ProbeProgram {
            architecture: "amd64",
            stub: b"stub",
            parts: &[b"one", b"two"],
        };
        assert_eq!(config_maps(program), 2);
        let first = config_map("one", "shop", program, 0, None);
        let second = config_map("two", "shop", program, 1, Some(("one", "uid-1")));
        assert!(first["metadata"].get("ownerReferences").is_none());
        assert_eq!(second["metadata"]["ownerReferences"][0]["name"], "one");
        assert_eq!(
            first["binaryData"],
            json!({"run": "c3R1Yg==", "part.0": "b25l"})
        );
        assert_eq!(second["binaryData"], json!({"part.1": "dHdv"}));
        for object in [&first, &second, &pod(true)] {
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/managed-by"], "pulldoctor");
            assert!(object["metadata"]["annotations"][LIFETIME].is_string());
        }
    }

    #[test]
    fn what_the_kubelet_pulls_is_not_run() {
        let pod = PullPod {
            name: "p",
            namespace: "shop",
            node: "n1",
            image: "reg.example.com/shop/api:1",
            secrets: &["regcred".to_owned()],
            service_account: Some("api"),
        }
        .manifest();
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["imagePullPolicy"], "Always");
        assert_eq!(container["command"], json!([NOTHING]));
        assert_eq!(
            pod["spec"]["imagePullSecrets"],
            json!([{"name": "regcred"}])
        );
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert!(pod["spec"].get("hostNetwork").is_none());
    }
}
