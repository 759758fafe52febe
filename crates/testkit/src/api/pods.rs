//! Pods of realistic size that exist only while they are sent.

use std::ops::Range;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// Pods of one application, a Deployment each.
const PER_APP: usize = 10;
/// Every so many applications one is stuck as a whole: one pod in a hundred.
const STUCK_EVERY: usize = 100;
/// Which of them; not the first, so that a reader has to read on.
const STUCK_AT: usize = 7;

/// Makes `count` pods, the same ones every time. Pod `i` is replica `i % 10` of application
/// `i / 10`; namespaces hold consecutive pods. The pods of one application in a hundred wait with
/// the texts that containerd 1.6 and 2.4 write; all others run. A pod has about 6.5 kB of JSON
/// with managed fields, probes, two containers and their environment.
#[derive(Debug, Clone)]
pub struct PodGenerator {
    count: usize,
    namespaces: usize,
}

/// What differs between pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Namespace,
    Uid,
    OwnerUid,
    App,
    Hash,
    Node,
    Image,
    Address,
    Version,
    Digest,
    Message,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    Field(Field),
}

static RUNNING: LazyLock<Vec<Piece>> = LazyLock::new(|| pieces(&template(false)));
static STUCK: LazyLock<Vec<Piece>> = LazyLock::new(|| pieces(&template(true)));

impl PodGenerator {
    /// Pods in twenty namespaces (fewer where there are fewer pods).
    pub fn new(count: usize) -> Self {
        Self {
            count,
            namespaces: count.clamp(1, 20),
        }
    }

    /// How many pods there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them are stuck.
    pub fn stuck(&self) -> usize {
        (0..self.count).filter(|index| is_stuck(*index)).count()
    }

    /// The names of the namespaces, in order.
    pub fn namespaces(&self) -> Vec<String> {
        (0..self.namespaces).map(namespace_name).collect()
    }

    /// How many nodes the pods are spread over.
    pub fn nodes(&self) -> usize {
        (self.count / 100).max(3)
    }

    fn per_namespace(&self) -> usize {
        // Whole applications, so that none lies in two namespaces.
        self.count
            .div_ceil(self.namespaces)
            .next_multiple_of(PER_APP)
            .max(PER_APP)
    }

    /// The pods of a namespace, or all.
    pub(super) fn range(&self, namespace: Option<&str>) -> Range<usize> {
        let Some(name) = namespace else {
            return 0..self.count;
        };
        let Some(number) = (0..self.namespaces).find(|number| namespace_name(*number) == name)
        else {
            return 0..0;
        };
        let start = (number * self.per_namespace()).min(self.count);
        start..(start + self.per_namespace()).min(self.count)
    }

    /// The pod of a name.
    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<usize> {
        let app: usize = name.strip_prefix("svc-")?.split('-').next()?.parse().ok()?;
        let candidates = app.checked_mul(PER_APP)?..app.checked_add(1)?.checked_mul(PER_APP)?;
        let range = self.range(Some(namespace));
        candidates
            .into_iter()
            .find(|index| range.contains(index) && pod_name(*index) == name)
    }

    /// Appends the JSON of a pod.
    pub(super) fn write(&self, index: usize, out: &mut Vec<u8>) {
        let pieces = if is_stuck(index) { &*STUCK } else { &*RUNNING };
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(field) => out.extend_from_slice(self.value(index, *field).as_bytes()),
            }
        }
    }

    /// Labels and those fields of a pod that can be selected by, without making all of it.
    pub(super) fn selectable(&self, index: usize) -> Value {
        json!({
            "metadata": {"name": pod_name(index), "namespace": self.value(index, Field::Namespace),
                         "labels": {"app": app_name(index), "pod-template-hash": hash(index)}},
            "spec": {"nodeName": self.value(index, Field::Node), "restartPolicy": "Always",
                     "serviceAccountName": "default", "schedulerName": "default-scheduler"},
            "status": {"phase": if is_stuck(index) { "Pending" } else { "Running" },
                       "podIP": address(index)},
        })
    }

    fn value(&self, index: usize, field: Field) -> String {
        match field {
            Field::Name => pod_name(index),
            Field::Namespace => namespace_name(index / self.per_namespace()),
            Field::Uid => uid(index, 1),
            Field::OwnerUid => uid(index, 2),
            Field::App => app_name(index),
            Field::Hash => hash(index),
            Field::Node => node_name(index % self.nodes()),
            Field::Image => image(index),
            Field::Address => address(index),
            // Below the first version of the store, so that no pod is newer than its list.
            Field::Version => (1 + index % 999).to_string(),
            Field::Digest => digest(index / PER_APP),
            Field::Message => escaped(&message(index)),
        }
    }

    /// The namespaces, nodes, and the Deployments and ReplicaSets of the stuck applications.
    pub(super) fn companions(&self) -> Vec<Value> {
        let mut objects: Vec<Value> = self
            .namespaces()
            .into_iter()
            .map(|name| {
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                       "status": {"phase": "Active"}})
            })
            .collect();
        objects.extend((0..self.nodes()).map(node));
        let apps = self.count.div_ceil(PER_APP);
        for app in (0..apps).filter(|app| is_stuck(app * PER_APP)) {
            let first = app * PER_APP;
            let labels = json!({"app": app_name(first), "pod-template-hash": hash(first)});
            let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "controller": true,
                "blockOwnerDeletion": true, "name": app_name(first), "uid": uid(first, 3)}]);
            let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [
                {"name": "app", "image": image(first)},
                {"name": "proxy", "image": "registry.example.com/mesh/proxy:v2.7.1"}]}});
            let namespace = self.value(first, Field::Namespace);
            objects.push(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": app_name(first), "namespace": namespace,
                             "uid": uid(first, 3)},
                "spec": {"replicas": PER_APP, "selector": {"matchLabels": {"app": app_name(first)}},
                         "template": template},
            }));
            objects.push(json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {"name": format!("{}-{}", app_name(first), hash(first)),
                             "namespace": namespace, "uid": uid(first, 2), "labels": labels,
                             "ownerReferences": owner,
                             "annotations": {"deployment.kubernetes.io/revision": "4"}},
                "spec": {"replicas": PER_APP, "selector": {"matchLabels": labels},
                         "template": template},
            }));
        }
        objects
    }
}

fn is_stuck(index: usize) -> bool {
    (index / PER_APP) % STUCK_EVERY == STUCK_AT
}

fn namespace_name(number: usize) -> String {
    format!("team-{number:02}")
}

fn node_name(number: usize) -> String {
    format!("node-{number:04}")
}

fn app_name(index: usize) -> String {
    format!("svc-{:05}", index / PER_APP)
}

/// Kubernetes' own alphabet for generated names.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

fn letters(mut bits: u64, length: usize) -> String {
    let mut text = String::with_capacity(length);
    for _ in 0..length {
        let at = usize::try_from(bits % 27).unwrap_or_default();
        text.push(char::from(ALPHABET[at]));
        bits /= 27;
    }
    text
}

/// A scrambled number (splitmix64).
fn mix(index: usize, salt: u64) -> u64 {
    let mut state = (index as u64)
        .wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

fn hash(index: usize) -> String {
    letters(mix(index / PER_APP, 11), 10)
}

fn pod_name(index: usize) -> String {
    // The first letter counts the replicas, so names are unique and in order.
    let replica = char::from(b'b' + u8::try_from(index % PER_APP).unwrap_or_default());
    format!(
        "{}-{}-{replica}{}",
        app_name(index),
        hash(index),
        letters(mix(index, 12), 4)
    )
}

/// `kind` 1 is the pod; its ReplicaSet and Deployment are shared by all replicas.
fn uid(index: usize, kind: u64) -> String {
    let of = if kind == 1 { index } else { index / PER_APP };
    let (high, low) = (mix(of, 20 + kind), mix(of, 30 + kind));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

fn digest(app: usize) -> String {
    let (first, second) = (mix(app, 40), mix(app, 41));
    let (third, fourth) = (mix(app, 42), mix(app, 43));
    format!("{first:016x}{second:016x}{third:016x}{fourth:016x}")
}

fn address(index: usize) -> String {
    format!(
        "10.{}.{}.{}",
        64 + ((index >> 16) & 63),
        (index >> 8) & 255,
        index & 255
    )
}

fn image(index: usize) -> String {
    format!(
        "registry.example.com/shop/{}:v1.{}.2",
        app_name(index),
        index / PER_APP % 40
    )
}

/// What the kubelet shows for a stuck pod, by application: pull-facts section 10.
fn message(index: usize) -> String {
    let image = image(index);
    let (host, rest) = image.split_once('/').unwrap_or(("", ""));
    let (repository, tag) = rest.split_once(':').unwrap_or(("", ""));
    let head = format!("failed to pull and unpack image \"{image}\": ");
    let old = format!("{head}failed to resolve reference \"{image}\": ");
    let new = format!("{head}failed to resolve image: ");
    let manifest = format!("https://{host}/v2/{repository}/manifests/{tag}");
    let error = match index / PER_APP / STUCK_EVERY % 8 {
        0 => format!("rpc error: code = NotFound desc = {new}{image}: not found"),
        1 => format!(
            "{old}pull access denied, repository does not exist or may require authorization: \
             server message: insufficient_scope: authorization failed"
        ),
        2 => format!(
            "{new}failed to authorize: failed to fetch oauth token: unexpected status from GET \
             request to https://auth.example.com/token?scope=repository%3A{}%3Apull&service={host}\
             : 401 Unauthorized",
            repository.replace('/', "%2F")
        ),
        3 => format!(
            "{old}failed to do request: Head \"{manifest}\": dial tcp: lookup {host} on \
             10.96.0.10:53: no such host"
        ),
        4 => format!(
            "{new}failed to do request: Head \"{manifest}\": dial tcp 10.0.0.7:443: connect: \
             connection refused"
        ),
        5 => format!(
            "{old}failed to do request: Head \"{manifest}\": tls: failed to verify certificate: \
             x509: certificate signed by unknown authority"
        ),
        6 => format!(
            "{head}failed to copy: httpReadSeeker: failed open: unexpected status from GET \
             request to https://{host}/v2/{repository}/manifests/sha256:{}: 429 Too Many \
             Requests\ntoomanyrequests: You have reached your pull rate limit.",
            digest(index / PER_APP)
        ),
        _ => format!(
            "{head}failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/\
             ingest/{}/data: no space left on device",
            digest(index / PER_APP)
        ),
    };
    format!("Back-off pulling image \"{image}\": ErrImagePull: {error}")
}

/// As the inside of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The marks stand where a field goes; § occurs nowhere else.
fn pieces(template: &str) -> Vec<Piece> {
    template
        .split('§')
        .enumerate()
        .map(|(index, text)| {
            let field = match text {
                "name" => Field::Name,
                "namespace" => Field::Namespace,
                "uid" => Field::Uid,
                "owner" => Field::OwnerUid,
                "app" => Field::App,
                "hash" => Field::Hash,
                "node" => Field::Node,
                "image" => Field::Image,
                "address" => Field::Address,
                "version" => Field::Version,
                "digest" => Field::Digest,
                _ => Field::Message,
            };
            if index % 2 == 1 {
                Piece::Field(field)
            } else {
                Piece::Literal(text.to_owned())
            }
        })
        .collect()
}

fn template(stuck: bool) -> String {
    let name = "§app§-§hash§";
    let labels = json!({"app": "§app§", "pod-template-hash": "§hash§",
        "app.kubernetes.io/part-of": "shop", "app.kubernetes.io/managed-by": "Helm"});
    let mounts = |own: &str| {
        json!([{"name": own, "mountPath": "/etc/app", "readOnly": true},
               {"name": "kube-api-access", "readOnly": true,
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}])
    };
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
        "initialDelaySeconds": 5, "timeoutSeconds": 1, "periodSeconds": 10,
        "successThreshold": 1, "failureThreshold": 3});
    let security = json!({"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false});
    let environment: Vec<Value> = [
        ("LOG_LEVEL", "info"),
        (
            "DATABASE_URL",
            "postgres://orders.databases.svc.cluster.local:5432/orders",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector.observability:4317",
        ),
        ("TZ", "UTC"),
    ]
    .iter()
    .map(|(name, value)| json!({"name": name, "value": value}))
    .chain([json!({"name": "POD_IP", "valueFrom": {"fieldRef":
        {"apiVersion": "v1", "fieldPath": "status.podIP"}}})])
    .collect();
    let container = |name: &str, image: &str, environment: &[Value]| {
        json!({"name": name, "image": image, "env": environment,
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "resources": {"limits": {"memory": "512Mi"},
                          "requests": {"cpu": "100m", "memory": "256Mi"}},
            "volumeMounts": mounts("config"), "readinessProbe": probe,
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
            "securityContext": security})
    };
    let proxy_image = "registry.example.com/mesh/proxy:v2.7.1";
    let running = |name: &str, image: &str| {
        json!({"name": name, "image": image,
            "imageID": "registry.example.com/shop/§app§@sha256:§digest§",
            "containerID": "containerd://§digest§", "ready": true, "started": true,
            "restartCount": 0, "lastState": {},
            "state": {"running": {"startedAt": "2026-01-01T00:00:07Z"}}})
    };
    let app_status = if stuck {
        json!({"name": "app", "image": "§image§", "imageID": "", "ready": false,
            "started": false, "restartCount": 0, "lastState": {},
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "§message§"}}})
    } else {
        running("app", "§image§")
    };
    let ready = if stuck { "False" } else { "True" };
    let condition = |kind: &str, status: &str| {
        let mut condition = json!({"type": kind, "status": status, "lastProbeTime": null,
            "lastTransitionTime": "2026-01-01T00:00:03Z"});
        if status == "False" {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!("containers with unready status: [app]");
        }
        condition
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "§name§", "generateName": format!("{name}-"), "namespace": "§namespace§",
            "uid": "§uid§", "resourceVersion": "§version§", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels,
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080",
                "kubectl.kubernetes.io/restartedAt": "2025-12-31T23:59:59Z"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name,
                "uid": "§owner§", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": managed_fields(),
        },
        "spec": {
            "volumes": [
                {"name": "config", "configMap": {"name": "§app§-config", "defaultMode": 420}},
                {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt",
                                   "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}},
            ],
            "containers": [container("app", "§image§", &environment), container("proxy", proxy_image, &environment[..2])],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
            "serviceAccount": "default", "nodeName": "§node§",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "imagePullSecrets": [{"name": "regcred"}], "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                 "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists",
                 "effect": "NoExecute", "tolerationSeconds": 300}],
            "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {
            "phase": if stuck { "Pending" } else { "Running" },
            "conditions": [condition("PodReadyToStartContainers", "True"),
                condition("Initialized", "True"), condition("Ready", ready),
                condition("ContainersReady", ready), condition("PodScheduled", "True")],
            "hostIP": "10.0.0.9", "podIP": "§address§", "podIPs": [{"ip": "§address§"}],
            "startTime": "2026-01-01T00:00:01Z",
            "containerStatuses": [app_status, running("proxy", proxy_image)],
            "qosClass": "Burstable",
        },
    })
    .to_string()
}

/// What the controller manager and the kubelet leave in a pod's metadata.
fn managed_fields() -> Value {
    let entries = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), json!({})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let container = entries(&[
        ".",
        "f:image",
        "f:imagePullPolicy",
        "f:name",
        "f:readinessProbe",
        "f:resources",
        "f:securityContext",
        "f:volumeMounts",
        "f:env",
        "f:ports",
    ]);
    let condition = entries(&[
        ".",
        "f:lastProbeTime",
        "f:lastTransitionTime",
        "f:status",
        "f:type",
    ]);
    json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
         "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:annotations": entries(&[".", "f:prometheus.io/scrape"]),
                "f:generateName": {}, "f:labels": entries(&[".", "f:app", "f:pod-template-hash"]),
                "f:ownerReferences": entries(&["."])},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": container,
                                        "k:{\"name\":\"proxy\"}": entries(&[".", "f:image", "f:name"])},
                "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:imagePullSecrets": {},
                "f:restartPolicy": {}, "f:schedulerName": {}, "f:volumes": entries(&["."])}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "subresource": "status",
         "time": "2026-01-01T00:00:09Z", "fieldsType": "FieldsV1", "fieldsV1": {
            "f:status": {"f:conditions": {"k:{\"type\":\"ContainersReady\"}": condition,
                    "k:{\"type\":\"Initialized\"}": condition, "k:{\"type\":\"Ready\"}": condition},
                "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {},
                "f:podIPs": {}, "f:startTime": {}}}},
    ])
}

fn node(number: usize) -> Value {
    let name = node_name(number);
    let images: Vec<Value> = (0..5)
        .map(|image| {
            json!({"names": [format!("registry.example.com/base/layer-{image}@sha256:{}",
                                     digest(image)),
                             format!("registry.example.com/base/layer-{image}:v1")],
                   "sizeBytes": 50_000_000 + image})
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name,
                     "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}},
        "spec": {"podCIDR": format!("10.{}.{}.0/24", 64 + (number >> 8), number & 255)},
        "status": {
            "conditions": [
                {"type": "DiskPressure", "status": "False", "reason": "KubeletHasNoDiskPressure",
                 "message": "kubelet has no disk pressure",
                 "lastHeartbeatTime": "2026-01-01T00:05:00Z"},
                {"type": "Ready", "status": "True", "reason": "KubeletReady",
                 "message": "kubelet is posting ready status",
                 "lastHeartbeatTime": "2026-01-01T00:05:00Z"}],
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 12 (bookworm)", "kernelVersion": "6.18.0",
                "containerRuntimeVersion": "containerd://2.4.2", "kubeletVersion": "v1.37.2",
                "kubeProxyVersion": "v1.37.2", "machineID": "", "systemUUID": "", "bootID": ""},
            "images": images,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pod(generator: &PodGenerator, index: usize) -> Value {
        let mut out = Vec::new();
        generator.write(index, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_pod_has_the_size_of_a_real_one() {
        let generator = PodGenerator::new(1_000);
        for index in [0, 75, 999] {
            let mut out = Vec::new();
            generator.write(index, &mut out);
            assert!(
                (6_000..=7_000).contains(&out.len()),
                "{index}: {}",
                out.len()
            );
        }
    }

    #[test]
    fn one_in_a_hundred_is_stuck_with_every_kind_of_text() {
        let generator = PodGenerator::new(10_000);
        assert_eq!(generator.stuck(), 100);
        let mut texts = BTreeSet::new();
        for index in 0..generator.count() {
            if !is_stuck(index) {
                continue;
            }
            let pod = pod(&generator, index);
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
            assert_eq!(waiting["reason"], "ImagePullBackOff");
            let text = waiting["message"].as_str().unwrap();
            texts.insert(text.replace(&app_name(index), "").len());
        }
        assert!(texts.len() >= 8, "{texts:?}");
        assert!(
            pod(&generator, 0)["status"]["containerStatuses"][0]["state"]["running"].is_object()
        );
    }

    #[test]
    fn names_are_unique_in_order_and_can_be_found() {
        let generator = PodGenerator::new(2_000);
        let mut before = (String::new(), String::new());
        for index in 0..generator.count() {
            let at = (generator.value(index, Field::Namespace), pod_name(index));
            assert!(before < at, "{before:?} {at:?}");
            assert_eq!(generator.find(&at.0, &at.1), Some(index));
            before = at;
        }
        assert_eq!(generator.find("team-00", "svc-00000-x-y"), None);
        let of_namespaces: usize = generator
            .namespaces()
            .iter()
            .map(|name| generator.range(Some(name)).len())
            .sum();
        assert_eq!(of_namespaces, 2_000);
    }

    #[test]
    fn what_is_selectable_agrees_with_the_pod() {
        let generator = PodGenerator::new(100);
        for index in [3, 77] {
            let (pod, part) = (pod(&generator, index), generator.selectable(index));
            for path in [
                "/metadata/name",
                "/metadata/namespace",
                "/metadata/labels/app",
                "/metadata/labels/pod-template-hash",
                "/spec/nodeName",
                "/status/phase",
                "/spec/restartPolicy",
                "/spec/schedulerName",
                "/status/podIP",
            ] {
                assert_eq!(
                    pod.pointer(path).unwrap(),
                    part.pointer(path).unwrap(),
                    "{path}"
                );
            }
        }
    }
}
