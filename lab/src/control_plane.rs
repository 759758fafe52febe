//! etcd, API server, controller-manager, scheduler, and a door to the API for the lab's own use.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cgroup;
use crate::cluster;
use crate::exec;
use crate::http_unix;
use crate::net::{self, Namespace};
use crate::node::NODES;
use crate::paths;
use crate::pki::{self, Authority};
use crate::state::State;

/// A kubeconfig with a client certificate.
#[derive(Debug, Clone, Copy)]
pub struct Kubeconfig<'a> {
    /// Name of the user in the file.
    pub user: &'a str,
    /// The cluster's authority.
    pub authority: &'a Path,
    /// The client certificate.
    pub certificate: &'a Path,
    /// Its key.
    pub key: &'a Path,
}

impl Kubeconfig<'_> {
    /// Writes the file; its context is named `lab`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "clusters": [{"name": "lab", "cluster": {
                "server": format!("https://{}:6443", net::GATEWAY), "certificate-authority": self.authority}}],
            "users": [{"name": self.user, "user": {
                "client-certificate": self.certificate, "client-key": self.key}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": self.user}}],
        });
        fs::write(file, serde_json::to_vec_pretty(&config)?)
            .with_context(|| format!("failed to write {}", file.display()))
    }
}

/// Makes all certificates and kubeconfigs of the cluster, and the company authority.
///
/// # Errors
/// When one cannot be made.
pub fn create_pki() -> Result<Authority> {
    let dir = paths::data("pki");
    let ca = Authority::create(&dir, "ca", "pulldoctor lab cluster CA")?;
    ca.issue(
        "apiserver",
        "kube-apiserver",
        None,
        &[
            net::GATEWAY,
            "127.0.0.1",
            "10.96.0.1",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "localhost",
        ],
    )?;
    ca.issue("admin", "admin", Some("system:masters"), &[])?;
    // Also what the API server shows to kubelets.
    ca.issue(
        "apiserver-kubelet-client",
        "kube-apiserver-kubelet-client",
        Some("system:masters"),
        &[],
    )?;
    ca.issue(
        "controller-manager",
        "system:kube-controller-manager",
        None,
        &[],
    )?;
    ca.issue("scheduler", "system:kube-scheduler", None, &[])?;
    for node in &NODES {
        let name = format!("kubelet-{}", node.name);
        let user = format!("system:node:{}", node.name);
        ca.issue(
            &name,
            &user,
            Some("system:nodes"),
            &[node.address, node.name, "127.0.0.1"],
        )?;
    }
    pki::key_pair(&dir, "service-accounts")?;
    for (file, user) in [
        (paths::kubeconfig(), "admin"),
        (
            paths::data("controller-manager.kubeconfig"),
            "controller-manager",
        ),
        (paths::data("scheduler.kubeconfig"), "scheduler"),
    ] {
        Kubeconfig {
            user,
            authority: &dir.join("ca.crt"),
            certificate: &dir.join(format!("{user}.crt")),
            key: &dir.join(format!("{user}.key")),
        }
        .write(&file)?;
    }
    Authority::create(&dir, "company", "Example Company Root CA")
}

/// Starts etcd and the API server and waits until it is ready; then the others.
///
/// # Errors
/// When one does not start.
pub fn start(state: &mut State, outer: &Namespace) -> Result<()> {
    let pki = |file: &str| paths::data("pki").join(file).display().to_string();
    let etcd = paths::data("etcd").display().to_string();
    daemon(
        state,
        outer,
        "etcd",
        "etcd",
        &[
            format!("--data-dir={etcd}"),
            "--unsafe-no-fsync".into(),
            "--listen-client-urls=http://127.0.0.1:2379".into(),
            "--advertise-client-urls=http://127.0.0.1:2379".into(),
            "--listen-peer-urls=http://127.0.0.1:2380".into(),
            "--initial-advertise-peer-urls=http://127.0.0.1:2380".into(),
            "--initial-cluster=default=http://127.0.0.1:2380".into(),
            "--log-level=warn".into(),
        ],
    )?;
    daemon(
        state,
        outer,
        "apiserver",
        "kube-apiserver",
        &[
            "--etcd-servers=http://127.0.0.1:2379".into(),
            format!("--advertise-address={}", net::GATEWAY),
            "--secure-port=6443".into(),
            format!("--service-cluster-ip-range={}", net::SERVICES),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            format!("--service-account-key-file={}", pki("service-accounts.pub")),
            format!(
                "--service-account-signing-key-file={}",
                pki("service-accounts.key")
            ),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            format!(
                "--kubelet-client-certificate={}",
                pki("apiserver-kubelet-client.crt")
            ),
            format!(
                "--kubelet-client-key={}",
                pki("apiserver-kubelet-client.key")
            ),
            format!("--kubelet-certificate-authority={}", pki("ca.crt")),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--allow-privileged=true".into(),
            "--profiling=false".into(),
        ],
    )?;
    // `kubectl proxy` turns certificates into a Unix socket that only root can open.
    daemon(
        state,
        outer,
        "api-door",
        "kubectl",
        &[
            format!("--kubeconfig={}", paths::kubeconfig().display()),
            "proxy".into(),
            format!("--unix-socket={}", door().display()),
        ],
    )?;
    if !exec::wait_until(
        Duration::from_secs(60),
        Duration::from_millis(200),
        is_ready,
    ) {
        let log = fs::read_to_string(paths::data("logs/apiserver.log")).unwrap_or_default();
        bail!(
            "the API server is not ready after 60 s: {}",
            exec::last_lines(&log, 5)
        );
    }
    daemon(
        state,
        outer,
        "controller-manager",
        "kube-controller-manager",
        &[
            format!(
                "--kubeconfig={}",
                paths::data("controller-manager.kubeconfig").display()
            ),
            "--use-service-account-credentials=true".into(),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!(
                "--service-account-private-key-file={}",
                pki("service-accounts.key")
            ),
            "--leader-elect=false".into(),
            "--controllers=*,-nodeipam".into(),
            "--bind-address=127.0.0.1".into(),
        ],
    )?;
    daemon(
        state,
        outer,
        "scheduler",
        "kube-scheduler",
        &[
            format!(
                "--kubeconfig={}",
                paths::data("scheduler.kubeconfig").display()
            ),
            "--leader-elect=false".into(),
            "--bind-address=127.0.0.1".into(),
        ],
    )
}

fn daemon(
    state: &mut State,
    outer: &Namespace,
    role: &str,
    program: &str,
    args: &[String],
) -> Result<()> {
    let log = paths::data("logs").join(format!("{role}.log"));
    let mut argv = outer.enter();
    argv.push(paths::bin().join(program).display().to_string());
    argv.extend_from_slice(args);
    let pid = exec::daemon(&argv, &[], &log, &cgroup::procs_file())?;
    state.add_process(role, pid, &log)
}

/// The socket of `kubectl proxy`: the API with the administrator's rights.
pub fn door() -> PathBuf {
    paths::data("api.sock")
}

/// True when the API server says that it is ready.
pub fn is_ready() -> bool {
    matches!(
        http_unix::request(&door(), "GET", "/readyz", None),
        Ok((200, _))
    )
}

/// Reads an object or list of the API.
///
/// # Errors
/// When the API server does not answer 200 with JSON.
pub fn get(path: &str) -> Result<Value> {
    cluster::ask(&door(), "GET", path, None)
}
