//! Kubelets that play what becomes of pods on their nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::cluster::FakeCluster;
use super::resources;

/// What becomes of a pod's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It runs and ends.
    Ends {
        /// Its log.
        log: String,
        /// Its termination message.
        message: String,
    },
    /// It waits, for a reason and with a message.
    Waits(String, String),
    /// It runs and does not end.
    Stays,
    /// Nothing is ever said of it.
    Silent,
    /// The kubelet does not take the pod, for a reason and with a message.
    Rejected(String, String),
    /// The sandbox does not start; an event has this text.
    NoSandbox(String),
}

type Play = dyn Fn(&Value) -> Run + Send + Sync;

/// The kubelets of some nodes. A pod whose image is not on its node and whose policy is `Never`
/// waits as a real one does; what becomes of others is the play's. A pod that was put there with
/// statuses of its containers keeps them.
#[derive(Clone)]
pub struct Kubelet {
    nodes: BTreeMap<String, Vec<String>>,
    start: Duration,
    play: Arc<Play>,
}

impl fmt::Debug for Kubelet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubelet")
            .field("nodes", &self.nodes)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// Ends with the test.
#[derive(Debug)]
pub struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Kubelet {
    /// Kubelets without nodes, on which pods come to this.
    pub fn new(play: impl Fn(&Value) -> Run + Send + Sync + 'static) -> Self {
        Self {
            nodes: BTreeMap::new(),
            start: Duration::ZERO,
            play: Arc::new(play),
        }
    }

    /// The same with a node that has these images.
    #[must_use]
    pub fn node(mut self, name: &str, images: &[&str]) -> Self {
        let images = images.iter().map(|image| (*image).to_owned()).collect();
        self.nodes.insert(name.to_owned(), images);
        self
    }

    /// The same, with a time that a pod takes to start.
    #[must_use]
    pub fn starts_in(mut self, start: Duration) -> Self {
        self.start = start;
        self
    }

    /// Lets them work on a cluster's pods that are created from now on.
    pub fn run(self, cluster: &FakeCluster) -> Running {
        let cluster = cluster.clone();
        let store = &cluster.inner.store;
        let changes = store.subscribe(store.version());
        let task = async move {
            let Some((_, mut changes)) = changes else {
                return;
            };
            let kubelet = Arc::new(self);
            // Pods under way end with the kubelets.
            let mut pods = tokio::task::JoinSet::new();
            while let Ok(change) = changes.recv().await {
                while pods.try_join_next().is_some() {}
                let node = change.object["spec"]["nodeName"].as_str();
                let is_ours = node.is_some_and(|node| kubelet.nodes.contains_key(node));
                // What a test says of a pod's containers stays: it is not played a second time.
                let is_told = change.object["status"]["containerStatuses"].is_array();
                let is_new = change.kind == "ADDED" && change.resource.kind == "Pod" && !is_told;
                if is_new && is_ours {
                    let kubelet = Arc::clone(&kubelet);
                    let (cluster, pod) = (cluster.clone(), Arc::clone(&change.object));
                    pods.spawn(async move { kubelet.pod(&cluster, &pod).await });
                }
            }
        };
        Running(tokio::spawn(task))
    }

    async fn pod(&self, cluster: &FakeCluster, pod: &Arc<Value>) {
        tokio::time::sleep(self.start).await;
        let container = &pod["spec"]["containers"][0];
        let image = container["image"].as_str().unwrap_or_default();
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        let is_there = self
            .nodes
            .get(node)
            .is_some_and(|images| images.iter().any(|own| own == image));
        let run = if container["imagePullPolicy"] == "Never" && !is_there {
            Run::Waits(
                "ErrImageNeverPull".to_owned(),
                format!("Container image \"{image}\" is not present with pull policy of Never"),
            )
        } else {
            let (play, pod) = (Arc::clone(&self.play), Arc::clone(pod));
            // A play may block as a real program does.
            let playing = tokio::task::spawn_blocking(move || play(&pod)).await;
            playing.unwrap_or(Run::Silent)
        };
        tell(cluster, pod, run);
    }
}

fn tell(cluster: &FakeCluster, pod: &Value, run: Run) {
    let name = pod["spec"]["containers"][0]["name"].clone();
    let container = |state: Value| json!([{"name": name, "imageID": "sha256:0", "state": state}]);
    let status = match run {
        Run::Silent => return,
        Run::NoSandbox(text) => {
            let of = &pod["metadata"];
            // A pod that is gone has no new events.
            let _ = cluster.put(json!({
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": format!("{}.1", of["name"].as_str().unwrap_or_default()),
                    "namespace": of["namespace"]},
                "involvedObject": {"kind": "Pod", "name": of["name"], "uid": of["uid"],
                    "namespace": of["namespace"]},
                "type": "Warning", "reason": "FailedCreatePodSandBox", "message": text,
                "count": 1, "lastTimestamp": "2026-01-01T00:00:00Z",
            }));
            return;
        }
        Run::Ends { log, message } => {
            cluster.inner.store.keep_log(pod, log);
            json!({"phase": "Succeeded", "containerStatuses": container(
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "message": message}}))})
        }
        Run::Waits(reason, message) => json!({"phase": "Pending", "containerStatuses": container(
            json!({"waiting": {"reason": reason, "message": message}}))}),
        Run::Stays => {
            json!({"phase": "Running", "containerStatuses": container(json!({"running": {}}))})
        }
        Run::Rejected(reason, message) => {
            json!({"phase": "Failed", "reason": reason, "message": message})
        }
    };
    if let Some(resource) = resources::of_kind("v1", "Pod") {
        cluster.inner.store.set_status(resource, pod, status);
    }
}
