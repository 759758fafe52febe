//! Addresses of the lab, its outer network namespace with the bridge, and namespaces hung on it.
//!
//! Everything lives inside one network namespace without a default route: no packet of the lab
//! can leave the machine, and any address but the lab's own answers "network is unreachable".

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cgroup;
use crate::exec::{self, Exec};
use crate::paths;
use crate::state::State;

/// The bridge's own address: API server, and gateway of the nodes.
pub const GATEWAY: &str = "10.77.0.1";
/// The address of the fault daemon: DNS on port 53, registries on any port.
pub const LABD: &str = "10.78.0.2";
/// An address on which nothing listens (connections are refused).
pub const REFUSE: &str = "10.78.0.250";
/// An address whose packets are dropped.
pub const DROP: &str = "10.78.0.251";
/// Addresses of virtual hosts that need one of their own; all lead to the fault daemon.
pub const OWN_ADDRESSES: &str = "10.78.16.0/20";
/// The operator's workstation.
pub const WORKSTATION: &str = "10.77.0.9";
/// A workstation that has neither the company's resolver nor its trust.
pub const OUTSIDE: &str = "10.77.0.8";
/// Service addresses of the cluster; nothing routes there, but certificates name the first.
pub const SERVICES: &str = "10.96.0.0/12";

/// A namespace (network and mount) that a sleeping process keeps alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name, also the holder's role in the state file.
    pub name: String,
    /// The holder's process id.
    pub pid: u32,
}

impl Namespace {
    /// The namespace of a running lab.
    ///
    /// # Errors
    /// When its holder does not run.
    pub fn of(state: &State, name: &str) -> Result<Self> {
        match state.pid(name) {
            Some(pid) => Ok(Self {
                name: name.to_owned(),
                pid,
            }),
            None => bail!("`{name}` is not up (`cargo xtask lab up`)"),
        }
    }

    /// The words that enter both the network and the mount namespace.
    pub fn enter(&self) -> Vec<String> {
        // Not `ip netns exec`: that mounts a new /sys and hides the cgroups from the kubelet.
        ["nsenter", "-t", &self.pid.to_string(), "-m", "-n", "--"]
            .map(str::to_owned)
            .to_vec()
    }

    /// A command to run inside.
    pub fn exec<S: Into<String>>(&self, argv: impl IntoIterator<Item = S>) -> Exec {
        Exec::new(self.enter()).args(argv)
    }

    /// Runs a command inside and returns its output.
    ///
    /// # Errors
    /// As [`Exec::run`].
    pub fn run<S: Into<String>>(&self, argv: impl IntoIterator<Item = S>) -> Result<String> {
        self.exec(argv)
            .run()
            .with_context(|| format!("inside `{}`", self.name))
    }

    /// A file inside, as seen from here.
    pub fn path(&self, inside: &str) -> std::path::PathBuf {
        Path::new(&format!("/proc/{}/root", self.pid)).join(inside.trim_start_matches('/'))
    }
}

/// How a mount namespace is furnished.
#[derive(Debug, Clone, Default)]
pub struct Furnishing<'a> {
    /// Text of `/etc/resolv.conf`.
    pub resolv_conf: &'a str,
    /// Text of `/etc/hosts`.
    pub hosts: &'a str,
    /// Certificate that is the whole trust store.
    pub trust: Option<&'a Path>,
    /// Gives it a `/var/lib`, `/var/log` and `/run` of its own, as a node needs.
    pub own_var: bool,
    /// An ext4 image to mount as `/var/lib/containerd`.
    pub disk: Option<&'a Path>,
}

/// Makes the outer namespace: bridge, service addresses, the address that drops.
///
/// # Errors
/// When a step fails.
pub fn create_outer(state: &mut State) -> Result<Namespace> {
    let furnishing = Furnishing {
        resolv_conf: "nameserver 10.78.0.2\n",
        hosts: "127.0.0.1 localhost\n",
        ..Furnishing::default()
    };
    let outer = hold(state, None, "outer", &furnishing)?;
    let script = format!(
        "set -eu
         ip link add lab0 type bridge
         ip addr add {GATEWAY}/24 dev lab0
         ip link set lab0 up
         # An address with a prefix on lo makes the whole prefix local: every host can have its own.
         ip addr add {LABD}/16 dev lo
         echo 1 > /proc/sys/net/ipv4/ip_forward
         # … and all of them are the daemon's, which listens on one.
         iptables -t nat -A PREROUTING -d {OWN_ADDRESSES} -j DNAT --to-destination {LABD}
         iptables -I INPUT -d {DROP} -j DROP
         iptables -I INPUT -d {REFUSE} -p tcp -j REJECT --reject-with tcp-reset"
    );
    outer
        .run(["sh", "-c", &script])
        .context("failed to furnish the outer namespace")?;
    Ok(outer)
}

/// Makes a namespace inside `outer`, connected to the bridge under `address`.
///
/// # Errors
/// When a step fails.
pub fn create_inner(
    state: &mut State,
    outer: &Namespace,
    name: &str,
    address: &str,
    furnishing: &Furnishing<'_>,
) -> Result<Namespace> {
    let inner = hold(state, Some(outer), name, furnishing)?;
    let pid = inner.pid.to_string();
    let link = format!("veth-{name}");
    outer.run([
        "ip", "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &pid,
    ])?;
    outer.run(["ip", "link", "set", &link, "master", "lab0", "up"])?;
    let script = format!(
        "set -eu
         ip addr add {address}/24 dev eth0
         ip link set eth0 up
         ip route add 10.78.0.0/16 via {GATEWAY}
         ip route add 10.79.0.0/16 via {GATEWAY}"
    );
    inner
        .run(["sh", "-c", &script])
        .with_context(|| format!("failed to connect `{name}`"))?;
    Ok(inner)
}

/// Starts the process that holds a new namespace, and waits until it is furnished.
fn hold(
    state: &mut State,
    outer: Option<&Namespace>,
    name: &str,
    furnishing: &Furnishing<'_>,
) -> Result<Namespace> {
    let dir = paths::data("namespaces").join(name);
    for sub in ["etc", "etc.work", "var-lib/containerd", "var-log"] {
        fs::create_dir_all(dir.join(sub))?;
    }
    // The machine's own may be links or odd files: those of the namespace replace them.
    fs::write(dir.join("etc/resolv.conf"), furnishing.resolv_conf)?;
    fs::write(dir.join("etc/hosts"), furnishing.hosts)?;
    let mut script = String::from(
        "set -eu
         mount --make-rshared /
         ip link set lo up
         echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || true
         mount -t overlay overlay -o lowerdir=/etc,upperdir=$0/etc,workdir=$0/etc.work /etc
         mount -t tmpfs -o mode=755 tmpfs /etc/ssl
         [ ! -d /etc/pki ] || mount -t tmpfs -o mode=755 tmpfs /etc/pki
         mkdir -p /etc/ssl/certs
        ",
    );
    if let Some(trust) = furnishing.trust {
        let _ = writeln!(
            script,
            "cp {} /etc/ssl/certs/ca-certificates.crt",
            trust.display()
        );
    }
    if let Some(disk) = furnishing.disk {
        // Its file will be out of sight under the node's own /var/lib.
        let _ = writeln!(script, "disk=$(losetup -f --show {})", disk.display());
    }
    script += "touch $0/furnished\n";
    if furnishing.own_var {
        script += "mount -t tmpfs -o mode=755 tmpfs /run
            mkdir -p /run/lock
            mount --bind $0/var-log /var/log
            mount --bind $0/var-lib /var/lib\n";
    }
    if furnishing.disk.is_some() {
        // Mounted in one place only: cAdvisor takes a device's first mount point, and has no
        // statistics when that one is hidden. Detached while in use, the device goes with the
        // last mount.
        script += "mount $disk /var/lib/containerd
            losetup -d $disk\n";
    }
    script += "exec sleep infinity\n";
    let mut argv: Vec<String> = Vec::new();
    if let Some(outer) = outer {
        argv.extend(["nsenter", &format!("--net=/proc/{}/ns/net", outer.pid)].map(str::to_owned));
    }
    argv.extend(
        [
            "unshare",
            "--net",
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
        ]
        .map(str::to_owned),
    );
    argv.extend([script, dir.display().to_string()]);
    let log = paths::data("logs").join(format!("{name}.holder.log"));
    let pid = exec::daemon(&argv, &[], &log, &cgroup::procs_file())?;
    state.add_process(name, pid, &log)?;
    // The last exec turns the shell into `sleep`: then all mounts are in place.
    let comm = format!("/proc/{pid}/comm");
    let ready = exec::wait_until(Duration::from_secs(10), Duration::from_millis(10), || {
        fs::read_to_string(&comm).map_or(true, |text| text.trim() == "sleep")
    });
    if !ready || !Path::new(&comm).exists() || !dir.join("furnished").exists() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        bail!(
            "failed to make namespace `{name}`: {}",
            exec::last_lines(&said, 5)
        );
    }
    // The process may be a zombie's number only until here: note its true start time.
    state.add_process(name, pid, &log)?;
    Ok(Namespace {
        name: name.to_owned(),
        pid,
    })
}
