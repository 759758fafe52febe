//! The cluster that cases run on, as seen from where the tool runs: the lab's own from its
//! workstation, or any other through a kubeconfig context.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::control_plane;
use crate::exec::{self, Exec};
use crate::http_unix;
use crate::net::Namespace;
use crate::paths;
use crate::tool;

/// Label of the namespaces of cases; its value tells the lab's own from those elsewhere.
const LABEL: &str = "lab.pulldoctor.dev/case";

/// Label that says when a namespace was made, in Unix seconds of the machine that made it.
const MADE: &str = "lab.pulldoctor.dev/made";

/// A namespace elsewhere that is older than so many seconds belongs to a run that was killed.
const ABANDONED_AFTER: u64 = 60 * 60;
/// Finds whatever the tool creates to look from a node.
const PROBES: &str = "app.kubernetes.io/managed-by=pulldoctor";

/// A cluster to run cases on.
#[derive(Debug)]
pub struct Cluster {
    /// `kubectl proxy` listens here.
    socket: PathBuf,
    kubectl: Vec<String>,
    /// The words before the tool's own arguments, and the arguments that choose the cluster.
    tool: (Vec<String>, Vec<String>),
    /// Where the tool writes its recordings.
    records: PathBuf,
    label: &'static str,
    door: Option<Door>,
}

/// `kubectl proxy` of another cluster and the folder of its socket; both go with this value.
#[derive(Debug)]
struct Door {
    proxy: Child,
    dir: PathBuf,
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Cluster {
    /// The lab's cluster, from its workstation.
    pub fn of_lab(workstation: &Namespace) -> Self {
        let kubeconfig = paths::kubeconfig().display().to_string();
        let mut kubectl = workstation.enter();
        kubectl.extend([
            paths::bin().join("kubectl").display().to_string(),
            format!("--kubeconfig={kubeconfig}"),
        ]);
        let mut before = [
            "env",
            "-i",
            "PATH=/usr/bin:/bin",
            "HOME=/nonexistent",
            "NO_COLOR=1",
            "RUST_BACKTRACE=1",
        ]
        .map(str::to_owned)
        .to_vec();
        before.push(format!("KUBECONFIG={kubeconfig}"));
        Self {
            socket: control_plane::door(),
            kubectl,
            tool: (before, Vec::new()),
            records: paths::data("records"),
            label: "true",
            door: None,
        }
    }

    /// Any other cluster: a context of the kubeconfig that `kubectl` finds as well.
    ///
    /// # Errors
    /// When there is no `kubectl`, or the cluster does not answer within 20 s.
    pub fn elsewhere(context: &str) -> Result<Self> {
        let program = kubectl()?;
        let dir = std::env::temp_dir().join(format!("pulldoctor-lab-{}", random_word(10)?));
        // The proxy acts with all rights of the kubeconfig: nobody else may reach its socket.
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .with_context(|| format!("failed to make {}", dir.display()))?;
        let socket = dir.join("api.sock");
        let log = fs::File::create(dir.join("proxy.log"))?;
        let proxy = Command::new(&program)
            .arg(format!("--context={context}"))
            .arg("proxy")
            .arg(format!("--unix-socket={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("failed to start `{program} proxy`"));
        let mut door = match proxy {
            Ok(proxy) => Door {
                proxy,
                dir: dir.clone(),
            },
            Err(error) => {
                let _ = fs::remove_dir_all(&dir);
                return Err(error);
            }
        };
        let mut last = None;
        let ended = |door: &mut Door| door.proxy.try_wait().is_ok_and(|status| status.is_some());
        let answered = exec::wait_until(
            Duration::from_secs(20),
            Duration::from_millis(100),
            || match ask(&socket, "GET", "/version", None) {
                Ok(_) => true,
                Err(error) => {
                    last = Some(error);
                    ended(&mut door)
                }
            },
        );
        if !answered || ended(&mut door) {
            let said = fs::read_to_string(dir.join("proxy.log")).unwrap_or_default();
            bail!(
                "the cluster of context `{context}` does not answer: {} {}",
                exec::last_lines(&said, 2),
                last.map_or_else(String::new, |error| format!("({error:#})"))
            );
        }
        Ok(Self {
            socket,
            kubectl: vec![program, format!("--context={context}")],
            tool: (
                ["env", "NO_COLOR=1", "RUST_BACKTRACE=1"]
                    .map(str::to_owned)
                    .to_vec(),
                vec![format!("--context={context}")],
            ),
            records: dir,
            label: "elsewhere",
            door: Some(door),
        })
    }

    /// True when it is the lab's own, with its logs and its hosts at hand.
    pub fn is_lab(&self) -> bool {
        self.door.is_none()
    }

    /// Reads an object or list of the API.
    ///
    /// # Errors
    /// When the API server does not answer 200 with JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        ask(&self.socket, "GET", path, None)
    }

    /// `kubectl` for this cluster.
    pub fn kubectl<S: Into<String>>(&self, words: impl IntoIterator<Item = S>) -> Exec {
        Exec::new(self.kubectl.clone()).args(words)
    }

    /// The tool under test for this cluster, up to the flags that choose the cluster, in a
    /// namespace if one is given.
    pub fn tool<S: Into<String>>(
        &self,
        place: Option<&Namespace>,
        words: impl IntoIterator<Item = S>,
    ) -> Exec {
        let (before, after) = &self.tool;
        Exec::new(place.map(Namespace::enter).unwrap_or_default())
            .args(before.clone())
            .args([tool::binary().display().to_string()])
            .args(words)
            .args(after.clone())
    }

    /// What the tool has created to look from nodes, and what is there now: a line for each object.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn of_probes(&self) -> Result<Vec<String>> {
        const COLUMNS: &str = "custom-columns=K:.kind,S:.metadata.namespace,M:.metadata.name";
        let list = self
            .kubectl(["get", "pods,configmaps", "-A", "-l", PROBES])
            .args(["-o", COLUMNS, "--no-headers"])
            .run()?;
        let words = |row: &str| row.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(list
            .lines()
            .map(words)
            .filter(|row| !row.is_empty())
            .collect())
    }

    /// What a case has left of its probes: a sentence for each object that was not there `before`.
    /// Cases that run beside this one have probes of their own, which are gone in a moment.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn left_of_probes(&self, before: &[String]) -> Result<Vec<String>> {
        let mut left = self.of_probes()?;
        left.retain(|row| !before.contains(row));
        exec::wait_until(Duration::from_secs(20), Duration::from_millis(500), || {
            if let (false, Ok(now)) = (left.is_empty(), self.of_probes()) {
                left.retain(|row| now.contains(row));
            }
            left.is_empty()
        });
        Ok(left
            .into_iter()
            .map(|row| format!("left of a probe: {row}"))
            .collect())
    }

    /// A file for the tool's recording of a namespace.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn record_file(&self, namespace: &str) -> Result<PathBuf> {
        fs::create_dir_all(&self.records)?;
        Ok(self.records.join(format!("{namespace}.json")))
    }

    /// Makes a namespace for a case and waits until pods can be made in it.
    ///
    /// # Errors
    /// When the API server refuses, or gives it no service account within 15 s.
    pub fn create_namespace(&self, name: &str) -> Result<()> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": name, "labels": {LABEL: self.label, MADE: now().to_string()}}});
        ask(&self.socket, "POST", "/api/v1/namespaces", Some(&object))?;
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        let pause = Duration::from_millis(100);
        if !exec::wait_until(Duration::from_secs(15), pause, || {
            self.get(&account).is_ok()
        }) {
            bail!("namespace {name} got no service account within 15 s");
        }
        Ok(())
    }

    /// Removes a namespace. Ends its pods at once; the rest goes in its own time and disturbs
    /// nobody.
    pub fn remove_namespace(&self, name: &str) {
        let pods = format!("/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0");
        let _ = ask(&self.socket, "DELETE", &pods, None);
        let _ = ask(
            &self.socket,
            "DELETE",
            &format!("/api/v1/namespaces/{name}"),
            None,
        );
    }

    /// Waits until none of the namespaces is there any more.
    ///
    /// # Errors
    /// When some are left after 90 s; they are named.
    pub fn wait_until_gone(&self, names: &[String]) -> Result<()> {
        let mut left: Vec<&String> = names.iter().collect();
        let gone = exec::wait_until(Duration::from_secs(90), Duration::from_millis(500), || {
            left.retain(|name| self.exists(name));
            left.is_empty()
        });
        if !gone {
            bail!("namespaces that are not gone after 90 s: {left:?}");
        }
        Ok(())
    }

    fn exists(&self, name: &str) -> bool {
        let path = format!("/api/v1/namespaces/{name}");
        !matches!(
            http_unix::request(&self.socket, "GET", &path, None),
            Ok((404, _))
        )
    }

    /// Removes the namespaces of runs that were killed. Elsewhere another person's run may be
    /// under way: only old ones are taken for abandoned there.
    ///
    /// # Errors
    /// When namespaces cannot be listed.
    pub fn remove_leftover_namespaces(&self) -> Result<()> {
        let label = LABEL.replace('/', "%2F");
        let list = self.get(&format!(
            "/api/v1/namespaces?labelSelector={label}%3D{}",
            self.label
        ))?;
        for object in list["items"].as_array().into_iter().flatten() {
            let made = object["metadata"]["labels"][MADE].as_str();
            let made: u64 = made.and_then(|made| made.parse().ok()).unwrap_or(0);
            let abandoned = self.is_lab() || made + ABANDONED_AFTER < now();
            if object["status"]["phase"] == "Active" && abandoned {
                self.remove_namespace(object["metadata"]["name"].as_str().unwrap_or_default());
            }
        }
        Ok(())
    }
}

/// Sends a request to the API behind a socket and returns the JSON of its answer.
///
/// # Errors
/// When the API server answers another status than 2xx, with what it said.
pub fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let bytes = body.map(serde_json::to_vec).transpose()?;
    let (status, answer) = http_unix::request(socket, method, path, bytes.as_deref())?;
    if !(200..300).contains(&status) {
        let text = String::from_utf8_lossy(&answer);
        bail!(
            "{method} {path} answered {status}: {}",
            exec::last_lines(&text, 3)
        );
    }
    serde_json::from_slice(&answer).with_context(|| format!("{method} {path} answered no JSON"))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The `kubectl` of the search path, else the lab's own.
fn kubectl() -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("kubectl").is_file()) {
        return Ok("kubectl".to_owned());
    }
    let own = paths::bin().join("kubectl");
    if own.exists() {
        return Ok(own.display().to_string());
    }
    bail!("no `kubectl` on the search path (cases on another cluster need it)");
}

/// So many random hexadecimal digits.
///
/// # Errors
/// When the system gives no random bytes.
pub fn random_word(digits: usize) -> Result<String> {
    let mut bytes = vec![0; digits.div_ceil(2)];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| anyhow::anyhow!("failed to get random bytes"))?;
    let mut word = crate::binaries::hex(&bytes);
    word.truncate(digits);
    Ok(word)
}
