//! Injects faults and takes them back, also those that an earlier run left behind.

mod means;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::case::{Fault, FirewallAction, RouteKind};
use crate::images::{self, Recipe};
use crate::labd;
use crate::net::Namespace;
use crate::node::{self, Node};
use crate::paths;
use crate::registries::{REGISTRIES, TOKEN_SERVICES};
use crate::state::State;
use means::{lose_layers, own_address, own_disk, wait_for_statistics, wait_until_listed};

/// Go's resolver looks at `/etc/resolv.conf` at most every 5 s (net/dnsclient_unix.go).
const RESOLVER_REREAD: Duration = Duration::from_millis(5200);

/// A running lab as several cases share it.
pub struct Lab {
    state: Mutex<State>,
    /// Files of nodes are read, changed and written: one at a time.
    files: Mutex<()>,
}

/// How one fault is taken back. Written to disk before the fault is injected.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Undo {
    RemoveHost {
        name: String,
    },
    RemoveLine {
        node: String,
        file: String,
        line: String,
    },
    WriteFile {
        node: String,
        file: String,
        text: String,
        settle: bool,
    },
    RemoveFile {
        node: String,
        path: String,
    },
    Run {
        node: String,
        argv: Vec<String>,
    },
    RestartContainerd {
        node: String,
    },
    RestartKubelet {
        node: String,
    },
    ImportPause {
        node: String,
    },
    RemoveImage {
        node: String,
        image: String,
    },
}

/// The faults of one case, taken back by [`Injected::heal`].
pub struct Injected<'a> {
    lab: &'a Lab,
    journal: PathBuf,
    undos: Vec<Undo>,
    addresses: Vec<(String, Ipv4Addr)>,
}

impl Lab {
    /// The running lab.
    ///
    /// # Errors
    /// When it is not up.
    pub fn open() -> Result<Self> {
        let state = State::load()?;
        if !state.ready {
            bail!("the lab is not up (`cargo xtask lab up`)");
        }
        Ok(Self {
            state: Mutex::new(state),
            files: Mutex::new(()),
        })
    }

    /// A namespace of the lab: `ws`, `n1`, ….
    ///
    /// # Errors
    /// When it is not up.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        Namespace::of(&self.state(), name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back what earlier runs injected and could not take back themselves.
    ///
    /// # Errors
    /// When a fault cannot be taken back.
    pub fn heal_leftovers(&self) -> Result<()> {
        for entry in fs::read_dir(journals()).into_iter().flatten().flatten() {
            let undos: Vec<Undo> = serde_json::from_slice(&fs::read(entry.path())?)?;
            let addresses = Vec::new();
            println!(
                "lab: taking back faults of {}",
                entry.file_name().to_string_lossy()
            );
            Injected {
                lab: self,
                journal: entry.path(),
                undos,
                addresses,
            }
            .heal()?;
        }
        Ok(())
    }

    fn restart_containerd(&self, node: Node, env: &[(&str, String)]) -> Result<()> {
        let namespace = self.namespace(node.name)?;
        let mut state = self.state();
        node.stop_containerd(&state)?;
        node.start_containerd(&mut state, &namespace, env)
    }

    fn restart_kubelet(&self, node: Node) -> Result<()> {
        let namespace = self.namespace(node.name)?;
        let mut state = self.state();
        node.stop_kubelet(&state)?;
        node.start_kubelet(&mut state, &namespace)?;
        drop(state);
        node.wait_for_settings(&namespace)
    }

    fn undo(&self, undo: &Undo) -> Result<()> {
        match undo {
            Undo::RemoveHost { name } => labd::delete_host(name),
            Undo::RemoveLine { node, file, line } => {
                let path = self.namespace(node)?.path(file);
                let _guard = self.files.lock().unwrap_or_else(PoisonError::into_inner);
                let text = fs::read_to_string(&path)?;
                let kept: Vec<&str> = text.lines().filter(|other| other != line).collect();
                fs::write(&path, kept.join("\n") + "\n").context("failed to restore a file")
            }
            Undo::WriteFile {
                node,
                file,
                text,
                settle,
            } => {
                fs::write(self.namespace(node)?.path(file), text)?;
                if *settle {
                    thread::sleep(RESOLVER_REREAD);
                }
                Ok(())
            }
            Undo::RemoveFile { node, path } => {
                let path = self.namespace(node)?.path(path);
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else if path.exists() {
                    fs::remove_file(path)?;
                }
                Ok(())
            }
            Undo::Run { node, argv } => self.namespace(node)?.run(argv.clone()).map(|_| ()),
            Undo::RestartContainerd { node } => self.restart_containerd(node::by_name(node)?, &[]),
            Undo::RestartKubelet { node } => self.restart_kubelet(node::by_name(node)?),
            Undo::ImportPause { node } => {
                let pause = paths::data("images/pause.tar");
                node::by_name(node)?.import(&self.namespace(node)?, &pause)
            }
            Undo::RemoveImage { node, image } => {
                node::by_name(node)?.remove_images(&self.namespace(node)?, |name| name == image)
            }
        }
    }
}

fn journals() -> PathBuf {
    paths::data("undo")
}

impl<'a> Injected<'a> {
    /// Nothing injected yet, for the run of that name.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn none(lab: &'a Lab, run: &str) -> Result<Self> {
        fs::create_dir_all(journals())?;
        let journal = journals().join(format!("{run}.json"));
        Ok(Self {
            lab,
            journal,
            undos: Vec::new(),
            addresses: Vec::new(),
        })
    }

    /// Declares virtual hosts. Those that a firewall or route fault names get an address of
    /// their own, so that the fault meets them alone.
    ///
    /// # Errors
    /// When the daemon refuses one.
    pub fn hosts<'h>(
        &mut self,
        hosts: impl IntoIterator<Item = (&'h String, &'h Value)>,
        faults: &[&Fault],
    ) -> Result<()> {
        for (name, spec) in hosts {
            let mut spec = spec.clone();
            if spec.is_null() {
                spec = json!({});
            }
            let targeted = faults.iter().any(|fault| {
                matches!(fault,
                Fault::Firewall { host, .. } | Fault::PodFirewall { host, .. } | Fault::Route { host, .. }
                    if host == name)
            });
            if targeted {
                let address = own_address(name);
                spec["dns"]["address"] = json!(address.to_string());
                self.addresses.push((name.clone(), address));
            }
            self.note(Undo::RemoveHost { name: name.clone() })?;
            labd::put_host(name, &spec)?;
        }
        Ok(())
    }

    /// Injects a fault.
    ///
    /// # Errors
    /// When a step fails; what was done is taken back by [`Injected::heal`].
    pub fn inject(&mut self, fault: &Fault) -> Result<()> {
        let node = fault.node().to_owned();
        let namespace = self.lab.namespace(&node)?;
        match fault {
            Fault::HostsEntry { host, address, .. } => {
                let line = format!("{address} {host}");
                let file = "/etc/hosts".to_owned();
                self.note(Undo::RemoveLine { node, file: file.clone(), line: line.clone() })?;
                let _guard = self.lab.files.lock().unwrap_or_else(PoisonError::into_inner);
                let path = namespace.path(&file);
                let text = fs::read_to_string(&path)?;
                fs::write(path, format!("{text}{line}\n"))?;
                // Go keeps what it read of the file for 5 s (net/hosts.go).
                thread::sleep(RESOLVER_REREAD);
                Ok(())
            }
            Fault::Resolver { text, .. } => {
                let file = "/etc/resolv.conf";
                self.replace_file(&namespace, file, text, true)?;
                thread::sleep(RESOLVER_REREAD);
                Ok(())
            }
            Fault::Firewall { host, action, .. } => {
                let address = self.address(host)?.to_string();
                self.firewall(&namespace, &["OUTPUT", "-d", &address], *action)
            }
            Fault::PodFirewall { host, action, .. } => {
                let address = self.address(host)?.to_string();
                let pods = node::by_name(&node)?.pods;
                self.firewall(&namespace, &["FORWARD", "-s", pods, "-d", &address], *action)
            }
            Fault::Route { host, kind, .. } => {
                let address = self.address(host)?.to_string();
                let kind = match kind {
                    RouteKind::Unreachable => "unreachable",
                    // `throw` ends the search as if there were no route at all.
                    RouteKind::Missing => "throw",
                    RouteKind::Prohibit => "prohibit",
                };
                let route = |verb: &str| ["ip", "route", verb, kind, &address].map(str::to_owned).to_vec();
                self.note(Undo::Run { node, argv: route("del") })?;
                namespace.run(route("add")).map(|_| ())
            }
            Fault::HostsToml { host, text, .. } => {
                let dir = format!("/etc/containerd/certs.d/{host}");
                self.note(Undo::RemoveFile { node, path: dir.clone() })?;
                fs::create_dir_all(namespace.path(&dir))?;
                fs::write(namespace.path(&dir).join("hosts.toml"), text)?;
                Ok(())
            }
            Fault::WithoutCa { .. } => {
                // Another authority, not an empty store: Go reads an empty one as a broken one.
                let other = fs::read_to_string(paths::data("pki/ca.crt"))?;
                self.note(Undo::RestartContainerd { node: node.clone() })?;
                self.replace_file(&namespace, "/etc/ssl/certs/ca-certificates.crt", &other, false)?;
                // Go reads the trust store once in a process's life.
                self.lab.restart_containerd(node::by_name(&node)?, &[])
            }
            Fault::Proxy { url, no_proxy, .. } => {
                self.note(Undo::RestartContainerd { node: node.clone() })?;
                let env = [
                    ("HTTPS_PROXY", url.clone()),
                    ("HTTP_PROXY", url.clone()),
                    ("NO_PROXY", no_proxy.clone()),
                ];
                self.lab.restart_containerd(node::by_name(&node)?, &env)
            }
            Fault::FillDisk { leave_kib, .. } => {
                own_disk(&node)?;
                self.note(Undo::RemoveFile { node, path: "/var/lib/containerd/filler".to_owned() })?;
                let script = format!(
                    "free=$(df -k --output=avail /var/lib/containerd | tail -1)
                     [ $free -le {leave_kib} ] || fallocate -l $((free - {leave_kib}))K /var/lib/containerd/filler"
                );
                let node = namespace.name.clone();
                namespace.run(["sh", "-c", &script])?;
                wait_for_statistics(&node, "availableBytes", (leave_kib + 512) * 1024)
            }
            Fault::FillInodes { leave, .. } => {
                own_disk(&node)?;
                self.note(Undo::RemoveFile { node, path: "/var/lib/containerd/filler.d".to_owned() })?;
                let script = format!(
                    "mkdir -p /var/lib/containerd/filler.d && cd /var/lib/containerd/filler.d
                     free=$(df --output=iavail . | tail -1)
                     [ $free -le {leave} ] || seq 1 $((free - {leave})) | xargs touch"
                );
                let node = namespace.name.clone();
                namespace.run(["sh", "-c", &script])?;
                wait_for_statistics(&node, "inodesFree", leave + 50)
            }
            Fault::ReadOnlyStore { .. } => {
                let dir = "/var/lib/containerd/io.containerd.content.v1.content/ingest";
                self.note(Undo::Run {
                    node,
                    argv: vec!["umount".to_owned(), dir.to_owned()],
                })?;
                let script = format!("mount --bind {dir} {dir} && mount -o remount,bind,ro {dir}");
                namespace.run(["sh", "-c", &script]).map(|_| ())
            }
            Fault::StoreLost { image, .. } => {
                self.note(Undo::RemoveImage { node: node.clone(), image: image.clone() })?;
                lose_layers(node::by_name(&node)?, &namespace, image)
            }
            Fault::PauseMissing { .. } => {
                self.note(Undo::ImportPause { node: node.clone() })?;
                node::by_name(&node)?.remove_images(&namespace, |name| name == images::PAUSE)
            }
            Fault::ContainerdStopped { .. } => {
                self.note(Undo::RestartContainerd { node: node.clone() })?;
                node::by_name(&node)?.stop_containerd(&self.lab.state())
            }
            Fault::KubeletConfig { settings, .. } => {
                let file = paths::KUBELET_CONFIG;
                let mut config: Value = serde_json::from_str(&fs::read_to_string(namespace.path(file))?)?;
                for (field, value) in settings {
                    config[field] = value.clone();
                }
                // Taken back in reverse: the file first.
                self.note(Undo::RestartKubelet { node: node.clone() })?;
                self.replace_file(&namespace, file, &config.to_string(), false)?;
                self.lab.restart_kubelet(node::by_name(&node)?)
            }
            Fault::Preloaded { image, listed, .. } => {
                self.note(Undo::RemoveImage { node: node.clone(), image: image.clone() })?;
                let run = self.journal.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let layout = paths::data("images").join(format!("{run}-{}", self.undos.len()));
                images::write_layout(&layout, &Recipe::sleeping(image))?;
                node::by_name(&node)?.import(&namespace, &images::pack(&layout)?)?;
                if *listed { wait_until_listed(&node, image) } else { Ok(()) }
            }
        }
        .with_context(|| format!("failed to inject {fault:?}"))
    }

    /// A rule of the firewall, `chain` with what it matches.
    fn firewall(
        &mut self,
        namespace: &Namespace,
        chain: &[&str],
        action: FirewallAction,
    ) -> Result<()> {
        let verdict: &[&str] = match action {
            FirewallAction::Drop => &["-j", "DROP"],
            FirewallAction::Reset => &["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"],
            FirewallAction::Reject => &["-j", "REJECT", "--reject-with", "icmp-host-unreachable"],
        };
        let rule = |verb: &str| -> Vec<String> {
            ["iptables", "-w", verb]
                .iter()
                .chain(chain)
                .chain(verdict)
                .map(|word| (*word).to_owned())
                .collect()
        };
        self.note(Undo::Run {
            node: namespace.name.clone(),
            argv: rule("-D"),
        })?;
        namespace.run(rule("-I")).map(|_| ())
    }

    /// Takes everything back, the last first. A step that fails does not stop the others.
    ///
    /// # Errors
    /// The first failure; the journal then keeps what is left.
    pub fn heal(&mut self) -> Result<()> {
        let mut first = None;
        let mut left = Vec::new();
        while let Some(undo) = self.undos.pop() {
            if let Err(error) = self.lab.undo(&undo) {
                first.get_or_insert(error.context(format!("failed to take back {undo:?}")));
                left.push(undo);
            }
        }
        left.reverse();
        self.undos = left;
        match first {
            Some(error) => {
                self.save()?;
                Err(error)
            }
            None => {
                let _ = fs::remove_file(&self.journal);
                Ok(())
            }
        }
    }

    fn replace_file(
        &mut self,
        namespace: &Namespace,
        file: &str,
        text: &str,
        settle: bool,
    ) -> Result<()> {
        let path = namespace.path(file);
        let before = fs::read_to_string(&path)?;
        self.note(Undo::WriteFile {
            node: namespace.name.clone(),
            file: file.to_owned(),
            text: before,
            settle,
        })?;
        fs::write(path, text).context("failed to replace a file")
    }

    fn note(&mut self, undo: Undo) -> Result<()> {
        self.undos.push(undo);
        self.save()
    }

    fn save(&self) -> Result<()> {
        fs::write(&self.journal, serde_json::to_vec(&self.undos)?)
            .context("failed to write the journal")
    }

    fn address(&self, host: &str) -> Result<Ipv4Addr> {
        if let Some((_, address)) = self.addresses.iter().find(|(name, _)| name == host) {
            return Ok(*address);
        }
        let registries = REGISTRIES.iter().map(|one| (one.host, one.address));
        let services = TOKEN_SERVICES.iter().map(|one| (one.host, one.address));
        match registries.chain(services).find(|(name, _)| *name == host) {
            Some((_, address)) => address.parse().context("an address of the lab"),
            None => {
                bail!("`{host}` is neither a registry of the lab nor a virtual host of the case")
            }
        }
    }
}

/// Reads what a file of the lab's data folder holds; empty when it is absent.
pub(crate) fn read(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
