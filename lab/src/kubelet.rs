//! The nodes' kubelets: their settings, start and end.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cgroup;
use crate::control_plane;
use crate::exec;
use crate::net::Namespace;
use crate::node::{Node, SOCKET};
use crate::paths;
use crate::state::State;

impl Node {
    /// Its settings when nothing is changed in them.
    pub(crate) fn kubelet_config(&self) -> Value {
        let serial = self.disk_mib.is_some();
        let mut config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": self.address,
            "authentication": {
                "anonymous": {"enabled": false}, "webhook": {"enabled": true},
                "x509": {"clientCAFile": "/etc/kubernetes/ca.crt"}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": "/etc/kubernetes/kubelet.crt",
            "tlsPrivateKeyFile": "/etc/kubernetes/kubelet.key",
            "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
            "cgroupDriver": "cgroupfs", "failCgroupV1": false,
            "cgroupRoot": format!("/{}/{}", cgroup::TOP, self.name),
            "oomScoreAdj": 0, "failSwapOn": false,
            "clusterDomain": "cluster.local", "resolvConf": "/etc/resolv.conf",
            "staticPodPath": "/etc/kubernetes/manifests",
            "healthzBindAddress": "127.0.0.1", "healthzPort": 10248,
            // Nothing is evicted for lack of disk: a full disk must show as a failed pull.
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%",
                             "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
            "enableSystemLogHandler": true, "enableSystemLogQuery": true,
            "registryPullQPS": 50, "registryBurst": 100,
            "maxPods": 200, "nodeStatusUpdateFrequency": "5s",
            "cpuManagerPolicy": "none", "shutdownGracePeriod": "0s",
        });
        if serial {
            // n3 pulls one image at a time, as a kubelet does by default.
            config["serializeImagePulls"] = json!(true);
            config["registerWithTaints"] = json!([{"key": "lab.pulldoctor.dev/small-disk", "value": "true", "effect": "NoSchedule"}]);
        } else {
            // Several cases share the node: a stalled pull of one must not hold the others.
            config["serializeImagePulls"] = json!(false);
            config["maxParallelImagePulls"] = json!(20);
        }
        config
    }

    /// Starts the kubelet.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start_kubelet(&self, state: &mut State, namespace: &Namespace) -> Result<()> {
        let log = self.log("kubelet")?;
        let mut argv = namespace.enter();
        argv.extend([
            paths::bin().join("kubelet").display().to_string(),
            format!("--config={}", paths::KUBELET_CONFIG),
            "--kubeconfig=/etc/kubernetes/kubelet.kubeconfig".into(),
            format!("--hostname-override={}", self.name),
            format!("--node-ip={}", self.address),
            "--v=2".into(),
        ]);
        if self.disk_mib.is_some() {
            // How soon `stats/summary` shows a disk that is full.
            argv.push("--housekeeping-interval=2s".into());
        }
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", paths::bin().display());
        let pid = exec::daemon(&argv, &[("PATH", path)], &log, &cgroup::procs_file())?;
        state.add_process(&format!("{}/kubelet", self.name), pid, &log)
    }

    /// Ends the kubelet; containers go on running.
    ///
    /// # Errors
    /// When it does not end within 10 s.
    pub fn stop_kubelet(&self, state: &State) -> Result<()> {
        self.stop("kubelet", state)
    }

    /// Waits until the kubelet says itself that it runs with the settings of its file.
    ///
    /// # Errors
    /// When it does not within 30 s.
    pub fn wait_for_settings(&self, namespace: &Namespace) -> Result<()> {
        let file = namespace.path(paths::KUBELET_CONFIG);
        let wanted: Value = serde_json::from_slice(&fs::read(file)?)?;
        let path = format!("/api/v1/nodes/{}/proxy/configz", self.name);
        let mut other = "does not answer".to_owned();
        let holds = exec::wait_until(Duration::from_secs(30), Duration::from_millis(200), || {
            let Ok(page) = control_plane::get(&path) else {
                return false;
            };
            let differs = first_difference(&wanted, &page["kubeletconfig"]);
            let holds = differs.is_none();
            other = differs.map_or_else(String::new, |field| format!("runs with another {field}"));
            holds
        });
        if !holds {
            bail!("the kubelet of {} {other}", self.name);
        }
        Ok(())
    }
}

/// The first field of `wanted` whose plain value the kubelet tells otherwise.
fn first_difference(wanted: &Value, told: &Value) -> Option<String> {
    wanted
        .as_object()?
        .iter()
        .find(|(field, value)| {
            (value.is_number() || value.is_boolean()) && told[field.as_str()] != **value
        })
        .map(|(field, _)| field.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_did_not_arrive_is_named() {
        let wanted = json!({"kind": "KubeletConfiguration", "registryPullQPS": 1, "maxPods": 200});
        let told = json!({"registryPullQPS": 5, "maxPods": 200, "registryBurst": 10});
        let differs = first_difference(&wanted, &told);
        assert_eq!(differs.as_deref(), Some("registryPullQPS"));
        let told = json!({"registryPullQPS": 1, "maxPods": 200});
        assert_eq!(first_difference(&wanted, &told), None);
    }
}
