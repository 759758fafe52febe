//! The nodes: what each is, and its containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cgroup;
use crate::control_plane::{self, Kubeconfig};
use crate::exec::{self, Exec};
use crate::images;
use crate::net::{self, Furnishing, Namespace};
use crate::paths;
use crate::state::State;

/// Which containerd a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// Debian's containerd 1.6.
    Containerd1,
    /// The built containerd 2.4.
    Containerd2,
}

/// A node of the lab.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// Its name.
    pub name: &'static str,
    /// Its address on the bridge.
    pub address: &'static str,
    /// Its containerd.
    pub runtime: Runtime,
    /// Size of the disk under `/var/lib/containerd` in MiB, when it has one of its own.
    pub disk_mib: Option<u64>,
    /// Subnet of its pods.
    pub pods: &'static str,
}

/// The nodes. n3 has a small disk and a taint, so that only pods that ask for it land there.
pub const NODES: [Node; 3] = [
    Node {
        name: "n1",
        address: "10.77.0.11",
        runtime: Runtime::Containerd1,
        disk_mib: None,
        pods: "10.79.1.0/24",
    },
    Node {
        name: "n2",
        address: "10.77.0.12",
        runtime: Runtime::Containerd2,
        disk_mib: None,
        pods: "10.79.2.0/24",
    },
    Node {
        name: "n3",
        address: "10.77.0.13",
        runtime: Runtime::Containerd2,
        disk_mib: Some(96),
        pods: "10.79.3.0/24",
    },
];

pub(crate) const SOCKET: &str = "/run/containerd/containerd.sock";

/// The node of that name.
///
/// # Errors
/// When there is none.
pub fn by_name(name: &str) -> Result<Node> {
    match NODES.iter().find(|node| node.name == name) {
        Some(node) => Ok(*node),
        None => bail!("no node `{name}` (there are n1, n2, n3)"),
    }
}

impl Node {
    /// Text of its resolver configuration when nothing is wrong with it.
    pub fn resolv_conf(&self) -> String {
        // Two short tries: a resolver that never answers must not hold a case for 20 s.
        format!("nameserver {}\noptions timeout:2 attempts:2\n", net::LABD)
    }

    /// Text of its hosts file when nothing is wrong with it.
    pub fn hosts(&self) -> String {
        format!(
            "127.0.0.1 localhost\n{} {}\n{} kubernetes\n",
            self.address,
            self.name,
            net::GATEWAY
        )
    }

    /// Makes its namespace and starts containerd and kubelet; returns before it is Ready.
    ///
    /// # Errors
    /// When a step fails.
    pub fn start(&self, state: &mut State, outer: &Namespace, pause: &Path) -> Result<()> {
        let disk = self
            .disk_mib
            .map(|mib| self.make_disk(state, mib))
            .transpose()?;
        let trust = paths::data("pki/trust.crt");
        let furnishing = Furnishing {
            resolv_conf: &self.resolv_conf(),
            hosts: &self.hosts(),
            trust: Some(&trust),
            own_var: true,
            disk: disk.as_deref(),
        };
        self.write_etc()?;
        let namespace = net::create_inner(state, outer, self.name, self.address, &furnishing)?;
        outer.run(["ip", "route", "add", self.pods, "via", self.address])?;
        self.start_containerd(state, &namespace, &[])?;
        self.import(&namespace, pause)?;
        self.start_kubelet(state, &namespace)
    }

    fn make_disk(&self, state: &mut State, mib: u64) -> Result<PathBuf> {
        let image = paths::data("disks").join(format!("{}.img", self.name));
        fs::create_dir_all(paths::data("disks"))?;
        state.loop_images.push(image.clone());
        state.save()?;
        let file = fs::File::create(&image)?;
        file.set_len(mib * 1024 * 1024)?;
        let text = image.display().to_string();
        exec::run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", &text])?;
        Ok(image)
    }

    /// Writes its files under `/etc`, into the upper layer that the namespace will mount.
    fn write_etc(&self) -> Result<()> {
        let etc = paths::data("namespaces").join(self.name).join("etc");
        for dir in ["containerd/certs.d", "cni/net.d", "kubernetes/manifests"] {
            fs::create_dir_all(etc.join(dir))?;
        }
        fs::write(etc.join("containerd/config.toml"), self.containerd_config())?;
        let network = json!({
            "cniVersion": "0.4.0", "name": "lab",
            "plugins": [{
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": self.pods}]],
                         "routes": [{"dst": "10.77.0.0/16"}, {"dst": "10.78.0.0/16"}, {"dst": "10.79.0.0/16"}]}
            }]
        });
        fs::write(
            etc.join("cni/net.d/10-lab.conflist"),
            serde_json::to_vec_pretty(&network)?,
        )?;
        let pki = paths::data("pki");
        let own = format!("kubelet-{}", self.name);
        for (from, to) in [
            ("ca.crt".to_owned(), "ca.crt"),
            (format!("{own}.crt"), "kubelet.crt"),
            (format!("{own}.key"), "kubelet.key"),
        ] {
            fs::copy(pki.join(&from), etc.join("kubernetes").join(to))
                .with_context(|| format!("failed to copy {from}"))?;
        }
        fs::write(
            etc.join("kubernetes/kubelet.yaml"),
            serde_json::to_vec_pretty(&self.kubelet_config())?,
        )?;
        Kubeconfig {
            user: &format!("system:node:{}", self.name),
            authority: Path::new("/etc/kubernetes/ca.crt"),
            certificate: Path::new("/etc/kubernetes/kubelet.crt"),
            key: Path::new("/etc/kubernetes/kubelet.key"),
        }
        .write(&etc.join("kubernetes/kubelet.kubeconfig"))
    }

    fn containerd_config(&self) -> String {
        let pause = images::PAUSE;
        match self.runtime {
            Runtime::Containerd1 => format!(
                r#"version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"#
            ),
            Runtime::Containerd2 => format!(
                r#"version = 3
[plugins."io.containerd.nri.v1.nri"]
  disable = true
[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{pause}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "/etc/cni/net.d"
"#
            ),
        }
    }

    /// The log of one of its programs. It is `/var/log/PROGRAM.log` to the node itself too, where
    /// a kubelet without journald looks for it: a hard link, since it follows no symbolic one out
    /// of that folder.
    pub(crate) fn log(&self, program: &str) -> Result<PathBuf> {
        let log = paths::data("logs").join(format!("{}.{program}.log", self.name));
        let own = paths::data("namespaces")
            .join(self.name)
            .join("var-log")
            .join(format!("{program}.log"));
        fs::File::options().create(true).append(true).open(&log)?;
        if !own.exists() {
            fs::hard_link(&log, &own)
                .with_context(|| format!("failed to link {}", own.display()))?;
        }
        Ok(log)
    }

    /// Starts containerd, with `env` beside its search path, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start within 20 s.
    pub fn start_containerd(
        &self,
        state: &mut State,
        namespace: &Namespace,
        env: &[(&str, String)],
    ) -> Result<()> {
        let role = format!("{}/containerd", self.name);
        let log = self.log("containerd")?;
        let (program, path) = self.programs();
        let mut argv = namespace.enter();
        argv.extend([
            format!("{program}/containerd"),
            "--config".into(),
            "/etc/containerd/config.toml".into(),
        ]);
        let mut all = vec![("PATH", path)];
        all.extend_from_slice(env);
        let pid = exec::daemon(&argv, &all, &log, &cgroup::procs_file())?;
        state.add_process(&role, pid, &log)?;
        let up = exec::wait_until(Duration::from_secs(20), Duration::from_millis(100), || {
            self.ctr(namespace, &["version"])
                .timeout(Duration::from_secs(5))
                .run()
                .is_ok()
        });
        if !up {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!(
                "containerd of {} does not answer: {}",
                self.name,
                exec::last_lines(&said, 5)
            );
        }
        Ok(())
    }

    /// Ends containerd; its pods go on running.
    ///
    /// # Errors
    /// When it does not end within 10 s.
    pub fn stop_containerd(&self, state: &State) -> Result<()> {
        self.stop("containerd", state)
    }

    /// Ends one of its programs, where it runs.
    pub(crate) fn stop(&self, program: &str, state: &State) -> Result<()> {
        let role = format!("{}/{program}", self.name);
        let Some(pid) = state.pid(&role) else {
            return Ok(());
        };
        exec::run(["kill", "-TERM", &pid.to_string()])?;
        let pause = Duration::from_millis(50);
        if !exec::wait_until(Duration::from_secs(10), pause, || {
            state.pid(&role).is_none()
        }) {
            bail!("{program} of {} does not end", self.name);
        }
        Ok(())
    }

    /// Removes every image of its containerd whose reference `matches`.
    ///
    /// # Errors
    /// When `ctr` fails.
    pub fn remove_images(
        &self,
        namespace: &Namespace,
        matches: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let list = self.ctr(namespace, &["images", "ls"]).run()?;
        // Columns: reference, type, digest, …; the kubelet knows an image by every name that
        // has its digest, also by the bare `sha256:…` that the CRI plugin adds.
        let rows: Vec<(&str, &str)> = list
            .lines()
            .skip(1)
            .filter_map(|line| {
                let mut columns = line.split_whitespace();
                Some((columns.next()?, columns.nth(1)?))
            })
            .collect();
        let digests: Vec<&str> = rows
            .iter()
            .filter(|(name, _)| matches(name))
            .map(|(_, digest)| *digest)
            .collect();
        let names: Vec<&str> = rows
            .iter()
            .filter(|(_, digest)| digests.contains(digest))
            .map(|(name, _)| *name)
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let mut words = vec!["images", "rm", "--sync"];
        words.extend(names);
        self.ctr(namespace, &words).run()?;
        Ok(())
    }

    /// Folder of its containerd programs, and the search path they need.
    fn programs(&self) -> (String, String) {
        let system = "/usr/sbin:/usr/bin:/sbin:/bin";
        match self.runtime {
            Runtime::Containerd1 => ("/usr/bin".to_owned(), system.to_owned()),
            Runtime::Containerd2 => {
                let bin = paths::bin().display().to_string();
                (bin.clone(), format!("{bin}:{system}"))
            }
        }
    }

    /// `ctr` of its own version, in the kubelet's containerd namespace.
    pub fn ctr(&self, namespace: &Namespace, words: &[&str]) -> Exec {
        let (program, _) = self.programs();
        namespace
            .exec([format!("{program}/ctr"), "-n".into(), "k8s.io".into()])
            .args(words.iter().copied())
    }

    /// Imports an image archive into its containerd.
    ///
    /// # Errors
    /// When `ctr` fails.
    pub fn import(&self, namespace: &Namespace, archive: &Path) -> Result<()> {
        // The node has its own /var/lib: the archive goes in through standard input.
        let bytes = fs::read(archive)?;
        self.ctr(namespace, &["images", "import", "-"])
            .stdin(bytes)
            .run()
            .with_context(|| {
                format!("failed to import {} into {}", archive.display(), self.name)
            })?;
        Ok(())
    }

    /// True when the API server says that the node is Ready.
    pub fn is_ready(&self) -> bool {
        control_plane::get(&format!("/api/v1/nodes/{}", self.name)).is_ok_and(|node| {
            node["status"]["conditions"]
                .as_array()
                .is_some_and(|conditions| {
                    conditions
                        .iter()
                        .any(|c| c["type"] == "Ready" && c["status"] == "True")
                })
        })
    }
}
