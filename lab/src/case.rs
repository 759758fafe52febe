//! What a case is: `cases/NAME/case.yaml`, strictly read. lab/README.md explains it to authors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::needs::{self, Need};
use crate::variables::Variables;

/// A documented incident: its story, how to make it, and what must be said about it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// The folder.
    #[serde(skip)]
    pub dir: PathBuf,
    /// What it needs that only the lab has; none of it when it runs on any cluster.
    #[serde(skip)]
    pub needs: Vec<Need>,
    /// The story in about three lines: what happened, what one sees, what it is.
    pub story: String,
    /// Where its evidence comes from.
    pub origin: Origin,
    /// For `origin: fixture`: the public thread, or file and version, that shows the texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Runs only with `--all`.
    #[serde(default)]
    pub slow: bool,
    /// Nodes that the case uses. Without it, the nodes that the manifests name, else n1 and n2.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Names that no two cases may hold at once, beyond nodes under surgery and virtual hosts.
    #[serde(default)]
    pub locks: Vec<String>,
    /// Virtual hosts of the fault daemon by name; the value is testkit's `HostSpec`.
    #[serde(default)]
    pub hosts: BTreeMap<String, serde_json::Value>,
    /// Faults to inject before the manifests are applied.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The objects to create; without it they stand in `manifests.yaml`. `$NAMESPACE` is the
    /// case's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<String>,
    /// What must have come about before the tool is run.
    #[serde(default)]
    pub wait: Vec<Wait>,
    /// What to do after that, before the tool is run.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Where the tool is run.
    #[serde(default)]
    pub from: Place,
    /// Further arguments of `pulldoctor diagnose`; `$NAMESPACE` as in manifests, and `$LOGS` for the
    /// folder of the lab's logs (`$LOGS/n1.containerd.log`).
    #[serde(default)]
    pub args: Vec<String>,
    /// What the tool must say.
    pub expect: Expect,
    /// Further commands of the tool, one after another, once it has diagnosed.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// A further command of the tool, and what it must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Arguments, the command first; `$NAMESPACE` as in manifests. `-o json` is added.
    pub args: Vec<String>,
    /// The exit code.
    pub exit: i32,
    /// Values in its document, by JSON pointer (`/trials/0/outcome`).
    #[serde(default)]
    pub json: BTreeMap<String, serde_json::Value>,
    /// Words that its output must hold, on either stream.
    #[serde(default)]
    pub says: Vec<String>,
}

/// Where a case's evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Recorded from the lab's cluster.
    Lab,
    /// Written after a cited source, for what the lab cannot produce.
    Fixture,
}

/// Where the tool is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The workstation, with the company's resolver and trust.
    #[default]
    Ws,
    /// The one that has neither.
    Outside,
}

impl Place {
    /// The name of its namespace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Outside => "outside",
        }
    }
}

/// A fault on a node, by name. `node` may be `ws` or `outside`, the workstations, where that
/// makes sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A line in the node's hosts file.
    HostsEntry {
        /// The node.
        node: String,
        /// The name.
        host: String,
        /// The address that it gets.
        address: String,
    },
    /// Another resolver configuration on the node (exclusive).
    Resolver {
        /// The node.
        node: String,
        /// Text of `/etc/resolv.conf`.
        text: String,
    },
    /// Packets to a host are dropped or refused on the node.
    Firewall {
        /// The node.
        node: String,
        /// A real registry, or a virtual host of the case.
        host: String,
        /// What happens to the packets.
        action: FirewallAction,
    },
    /// Packets of the node's pods to a host are dropped or refused; those of the node itself
    /// pass, as under a NetworkPolicy.
    PodFirewall {
        /// The node.
        node: String,
        /// A real registry, or a virtual host of the case.
        host: String,
        /// What happens to the packets.
        action: FirewallAction,
    },
    /// There is no way from the node to a host.
    Route {
        /// The node.
        node: String,
        /// A real registry, or a virtual host of the case.
        host: String,
        /// How the kernel refuses.
        kind: RouteKind,
    },
    /// containerd's settings for a registry host (`certs.d/HOST/hosts.toml`).
    HostsToml {
        /// The node.
        node: String,
        /// `host` or `host:port` as image references name it.
        host: String,
        /// Text of the file.
        text: String,
    },
    /// The company authority is missing from the node's trust store; restarts containerd
    /// (exclusive).
    WithoutCa {
        /// The node.
        node: String,
    },
    /// containerd is restarted with a proxy in its environment (exclusive).
    Proxy {
        /// The node.
        node: String,
        /// `HTTPS_PROXY` and `HTTP_PROXY`.
        url: String,
        /// `NO_PROXY`.
        #[serde(default)]
        no_proxy: String,
    },
    /// The disk under containerd is filled (exclusive; only on n3).
    FillDisk {
        /// The node.
        node: String,
        /// KiB that stay free.
        #[serde(default = "default_leave_kib")]
        leave_kib: u64,
    },
    /// The inodes of the disk under containerd are used up (exclusive; only on n3).
    FillInodes {
        /// The node.
        node: String,
        /// Inodes that stay free; a pod's sandbox needs about ten of them.
        #[serde(default = "default_leave_inodes")]
        leave: u64,
    },
    /// containerd cannot write what it downloads: its folder for that is read-only (exclusive).
    ReadOnlyStore {
        /// The node.
        node: String,
    },
    /// The node's image store has lost the layers of an image that its database still names: as
    /// after a power loss. The image is downloaded for that, and not unpacked.
    StoreLost {
        /// The node.
        node: String,
        /// The reference, on a virtual host of the case.
        image: String,
    },
    /// The pause image is gone from the node (exclusive).
    PauseMissing {
        /// The node.
        node: String,
    },
    /// containerd does not run (exclusive).
    ContainerdStopped {
        /// The node.
        node: String,
    },
    /// The kubelet is restarted with other settings (exclusive).
    KubeletConfig {
        /// The node.
        node: String,
        /// Fields of `KubeletConfiguration` v1beta1, and what they are to be.
        settings: BTreeMap<String, serde_json::Value>,
    },
    /// An image is on the node already, under this reference.
    Preloaded {
        /// The node.
        node: String,
        /// The reference.
        image: String,
        /// Wait until the node object lists it; kubelets refresh that list every 30 s
        /// (pkg/kubelet/images/image_gc_manager.go).
        #[serde(default)]
        listed: bool,
    },
}

fn default_leave_kib() -> u64 {
    512
}

fn default_leave_inodes() -> u64 {
    20
}

impl Fault {
    /// The node that it is about.
    pub fn node(&self) -> &str {
        match self {
            Self::HostsEntry { node, .. }
            | Self::Resolver { node, .. }
            | Self::Firewall { node, .. }
            | Self::PodFirewall { node, .. }
            | Self::Route { node, .. }
            | Self::ReadOnlyStore { node }
            | Self::StoreLost { node, .. }
            | Self::HostsToml { node, .. }
            | Self::WithoutCa { node }
            | Self::Proxy { node, .. }
            | Self::FillDisk { node, .. }
            | Self::FillInodes { node, .. }
            | Self::PauseMissing { node }
            | Self::ContainerdStopped { node }
            | Self::KubeletConfig { node, .. }
            | Self::Preloaded { node, .. } => node,
        }
    }

    /// Whether it changes the node for every pod there, so that no other case may use it.
    pub fn is_surgery(&self) -> bool {
        !matches!(
            self,
            Self::HostsEntry { .. }
                | Self::Firewall { .. }
                | Self::PodFirewall { .. }
                | Self::Route { .. }
                | Self::StoreLost { .. }
                | Self::HostsToml { .. }
                | Self::Preloaded { .. }
        )
    }
}

/// What a firewall does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirewallAction {
    /// Nothing comes back: timeouts.
    Drop,
    /// TCP reset: connection refused.
    Reset,
    /// ICMP host unreachable: no route to host.
    Reject,
}

/// How the kernel refuses a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteKind {
    /// `no route to host`.
    Unreachable,
    /// `network is unreachable`: as if the route were not there.
    Missing,
    /// `permission denied`.
    Prohibit,
}

/// A condition to wait for. Every field that is given must hold, for `count` pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wait {
    /// The pod's name; `api-*` for a prefix.
    pub pod: String,
    /// The container's name, of any kind; without it any container of the pod.
    pub container: Option<String>,
    /// One of these waiting reasons.
    pub waiting: Vec<String>,
    /// A part of the waiting message.
    pub message: Option<String>,
    /// An event of the pod with this reason.
    pub event: Option<String>,
    /// The container runs.
    pub running: Option<bool>,
    /// A pod condition, as `PodScheduled=False`.
    pub condition: Option<String>,
    /// At least so many restarts.
    pub restarts: Option<u64>,
    /// How many pods must match.
    pub count: Option<usize>,
    /// Seconds to wait at most; 60 unless given.
    pub within: Option<u64>,
}

/// Something to do after the first wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Wait for a condition.
    Wait(Wait),
    /// Inject another fault.
    Fault(Fault),
    /// Declare or replace virtual hosts.
    Hosts(BTreeMap<String, serde_json::Value>),
    /// Undo every fault and remove every virtual host so far.
    Heal(bool),
    /// Apply more objects.
    Apply(String),
    /// Delete an object, as `pod/api`.
    Delete(String),
    /// Let seconds pass.
    Sleep(u64),
}

/// What the tool must say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// The exit code.
    pub exit: i32,
    /// The incidents, all of them, in any order.
    #[serde(default)]
    pub incidents: Vec<ExpectedIncident>,
    /// Pods that no incident may name (`api-*` for a prefix).
    #[serde(default)]
    pub absent: Vec<String>,
    /// Words of which each must stand in a gap.
    #[serde(default)]
    pub gaps: Vec<String>,
}

/// An incident that must be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectedIncident {
    /// The cause id.
    pub cause: String,
    /// The least confidence: `proven`, `likely`, `possible` or `unknown`.
    pub confidence: String,
    /// The kind of its object, and its name where that is the same in every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ExpectedObject>,
    /// Causes that must be ruled out.
    #[serde(default)]
    pub ruled_out: Vec<String>,
    /// Causes that must stand as rivals.
    #[serde(default)]
    pub rivals: Vec<String>,
    /// Causes that must not stand as rivals, since something decided against them.
    #[serde(default)]
    pub not_rivals: Vec<String>,
    /// Causes that must stand in `also`.
    #[serde(default)]
    pub also: Vec<String>,
    /// Causes that must not stand in `also`.
    #[serde(default)]
    pub not_also: Vec<String>,
    /// Words that the summary must hold.
    #[serde(default)]
    pub summary: Vec<String>,
    /// Places that its evidence must come from, `node/n1` for instance.
    #[serde(default)]
    pub from: Vec<String>,
    /// Exactly the pods that it must be about (`api-*` for a prefix); not checked when empty.
    #[serde(default)]
    pub pods: Vec<String>,
}

/// What an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedObject {
    /// `image`, `secret`, `registry`, `node` or `pod`.
    pub kind: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Case {
    /// Reads `DIR/case.yaml` as it runs in the lab.
    ///
    /// # Errors
    /// When it cannot be read, or says something that this version does not know.
    pub fn load(dir: &Path) -> Result<Self> {
        Self::load_with(dir, &Variables::of_lab())
    }

    /// Reads `DIR/case.yaml` and `DIR/manifests.yaml` and puts the variables in.
    ///
    /// # Errors
    /// As [`Case::load`].
    pub fn load_with(dir: &Path, variables: &Variables) -> Result<Self> {
        let file = dir.join("case.yaml");
        let text = fs::read_to_string(&file)
            .with_context(|| format!("failed to read {}", file.display()))?;
        let parse = |text: &str| {
            serde_saphyr::from_str::<Self>(text)
                .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
        };
        let mut written = parse(&text)?;
        written.dir = dir.to_path_buf();
        let mut case = parse(&variables.fill(&text))?;
        if case.origin == Origin::Lab {
            let of = || format!("failed to read what {} needs", dir.display());
            case.needs = needs::of(&written).with_context(of)?;
            case.manifests = Some(variables.fill(&written.manifests()?));
        }
        case.name = dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        case.dir = dir.to_path_buf();
        case.check()
            .with_context(|| format!("{} is not right", file.display()))?;
        Ok(case)
    }

    /// Reads all cases of a folder, by name. A folder without `case.yaml` is no case.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn load_all(cases: &Path) -> Result<Vec<Self>> {
        Self::load_all_with(cases, &Variables::of_lab())
    }

    /// As [`Case::load_all`], with other values for the variables.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn load_all_with(cases: &Path, variables: &Variables) -> Result<Vec<Self>> {
        let mut dirs: Vec<PathBuf> = fs::read_dir(cases)
            .with_context(|| format!("failed to read {}", cases.display()))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.join("case.yaml").exists())
            .collect();
        dirs.sort();
        dirs.iter()
            .map(|dir| Self::load_with(dir, variables))
            .collect()
    }

    /// What the types alone cannot say.
    fn check(&self) -> Result<()> {
        match (self.origin, &self.source) {
            (Origin::Fixture, None) => bail!("a fixture must cite its source"),
            (Origin::Lab, Some(_)) => bail!("a case of the lab has no other source"),
            _ => {}
        }
        let lines = self.story.trim().lines().count();
        if !(1..=5).contains(&lines) {
            bail!("the story has {lines} lines, not about three");
        }
        for incident in &self.expect.incidents {
            if confidence_rank(&incident.confidence).is_none() {
                bail!("`{}` is no confidence", incident.confidence);
            }
        }
        for fault in self.all_faults() {
            let node = fault.node();
            if !matches!(node, "n1" | "n2" | "n3" | "ws" | "outside") {
                bail!("there is no node `{node}`");
            }
        }
        Ok(())
    }

    /// Faults of the case and of its steps.
    pub fn all_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults
            .iter()
            .chain(self.steps.iter().filter_map(|step| match step {
                Step::Fault(fault) => Some(fault),
                _ => None,
            }))
    }

    /// Names of all virtual hosts of the case and of its steps.
    pub fn all_hosts(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.hosts.keys().map(String::as_str).collect();
        for step in &self.steps {
            if let Step::Hosts(hosts) = step {
                names.extend(hosts.keys().map(String::as_str));
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Text of the manifests.
    ///
    /// # Errors
    /// When `manifests.yaml` cannot be read.
    pub fn manifests(&self) -> Result<String> {
        if let Some(text) = &self.manifests {
            return Ok(text.clone());
        }
        let file = self.dir.join("manifests.yaml");
        fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))
    }

    /// The nodes that the case uses.
    pub fn used_nodes(&self) -> Vec<String> {
        if !self.nodes.is_empty() {
            return self.nodes.clone();
        }
        let text = self.manifests().unwrap_or_default();
        let mut named: Vec<String> = ["n1", "n2", "n3"]
            .into_iter()
            .filter(|node| {
                ["nodeName: ", "kubernetes.io/hostname: "]
                    .iter()
                    .any(|key| text.contains(&format!("{key}{node}")))
            })
            .map(str::to_owned)
            .collect();
        if named.is_empty() {
            named = vec!["n1".to_owned(), "n2".to_owned()];
        }
        for fault in self.all_faults() {
            let node = fault.node().to_owned();
            if !named.contains(&node) {
                named.push(node);
            }
        }
        named
    }

    /// Whether the tool creates something to look from a node.
    pub fn looks_from_nodes(&self) -> bool {
        self.args.iter().any(|arg| arg == "--node-view") || !self.runs.is_empty()
    }

    /// Where the recorded evidence lies.
    pub fn evidence_file(&self) -> PathBuf {
        self.dir.join("evidence.json")
    }
}

/// Rank of a confidence, the surest highest; none for an unknown word.
pub fn confidence_rank(word: &str) -> Option<u8> {
    match word {
        "unknown" => Some(0),
        "possible" => Some(1),
        "likely" => Some(2),
        "proven" => Some(3),
        _ => None,
    }
}

/// Whether a name matches a pattern that may end in `*`.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r"
story: |
  A registry answers 503.
origin: lab
hosts:
  down.example.com:
    faults: [{status: 503}]
faults:
  - firewall: {node: n1, host: registry.lab, action: drop}
  - fill_disk: {node: n3}
manifests: |
  apiVersion: v1
wait:
  - {pod: api, waiting: [ErrImagePull, ImagePullBackOff]}
steps:
  - heal: true
  - wait: {pod: api, running: true}
expect:
  exit: 1
  incidents:
    - {cause: registry-server-error, confidence: likely, ruledOut: [rate-limited], object: {kind: registry}}
";

    fn parse(text: &str) -> Result<Case> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("case.yaml"), text)?;
        Case::load(dir.path())
    }

    #[test]
    fn a_whole_case_is_read() {
        let case = parse(TEXT).unwrap();
        assert_eq!(case.faults.len(), 2);
        assert!(case.faults[1].is_surgery() && !case.faults[0].is_surgery());
        assert_eq!(case.used_nodes(), ["n1", "n2", "n3"]);
        assert_eq!(case.all_hosts(), ["down.example.com"]);
        assert_eq!(case.expect.incidents[0].ruled_out, ["rate-limited"]);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        for (right, wrong) in [
            ("slow: true", "slwo: true"),
            ("action: drop", "action: dorp"),
            ("ruledOut", "ruled_out"),
            ("waiting:", "watiing:"),
            ("confidence: likely", "confidence: sure"),
            ("node: n1", "node: n9"),
        ] {
            let text = TEXT.replacen(right, wrong, 1);
            let text = if text == TEXT {
                format!("{wrong}\n{TEXT}")
            } else {
                text
            };
            assert!(parse(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fixture_cites_its_source() {
        assert!(parse(&TEXT.replace("origin: lab", "origin: fixture")).is_err());
    }

    #[test]
    fn names_match_by_prefix() {
        assert!(name_matches("api-*", "api-6c9f-x2"));
        assert!(name_matches("api", "api"));
        assert!(!name_matches("api", "api-2"));
    }
}
