//! The arguments of every subcommand.

use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, Parser, ValueEnum};
use pulldoctor_cluster::GivenLog;
use pulldoctor_registry::judge::Platform;

use crate::{logins::Whose, node_view::Whence};

/// What stands below `pulldoctor --help`.
const EXAMPLES: &str = "\
Examples:
  pulldoctor                      every pod of the namespace that waits for an image
  pulldoctor -A                   of all namespaces
  pulldoctor deploy/api -n shop   of one workload
  pulldoctor probe IMAGE          ask the registry for an image, stage by stage
  pulldoctor probe IMAGE --from node/n1
                                  the same as that node sees it, which may pull nothing itself
  pulldoctor isolate pod/api-x    whose fault it is, the image's or the node's
  pulldoctor explain 'TEXT'       read an error message, without a cluster
  pulldoctor demo                 see it at work, without a cluster

Without a command, `diagnose` is meant: `pulldoctor diagnose --help` lists its flags.
Exit codes: 0 nothing wrong, 1 problems found, 2 not everything could be seen, 3 bad request,
4 cluster not reachable, 70 a bug.";

/// The whole command line, as clap knows it.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Tell why Kubernetes pods cannot pull their images
#[derive(Debug, Parser)]
#[command(
    name = "pulldoctor",
    version = env!("PULLDOCTOR_VERSION"),
    after_help = EXAMPLES,
    arg_required_else_help = false,
    infer_subcommands = false,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    /// When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    /// Where the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it the choice of the whole process.
    pub(crate) fn write_global(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    Diagnose(Box<Diagnose>),
    Probe(Box<Probe>),
    Isolate(Box<Isolate>),
    Explain(Explain),
    Demo(Demo),
    Completions(Completions),
    #[command(name = "__complete", hide = true)]
    Complete(Complete),
}

/// Find every pod that waits for an image, and say why
#[derive(Debug, Args)]
#[command(after_help = "\
Targets:
  pod/NAME, deploy/NAME, sts/NAME, ds/NAME, rs/NAME, job/NAME, cronjob/NAME

Only reads, unless you ask for the view of nodes: `--node-view` creates pods that live for about
two seconds. `--record` writes a file that can be replayed with `--bundle`, without secrets.
In a large cluster `-o ndjson` writes an incident when it is met, and again, under the same id,
when it has grown; the line `end` names the incidents that stand.")]
pub(crate) struct Diagnose {
    /// Pods or workloads to look at; all of the namespace where none is named
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// The namespace; the context's own where none is given
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,

    /// Only pods with these labels, `app=api,tier!=test` for instance
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,

    #[command(flatten)]
    pub(crate) cluster: ClusterFlags,

    #[command(flatten)]
    pub(crate) registries: RegistryFlags,

    #[command(flatten)]
    pub(crate) node_view: NodeViewFlags,

    #[command(flatten)]
    pub(crate) output: Output,

    /// Write all that was seen to a file, to be replayed with `--bundle`; it holds no secret
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    pub(crate) record: Option<PathBuf>,

    /// Judge what was recorded instead of a cluster: a file of `--record`, or the output of
    /// `kubectl get … -o yaml|json` as a file, a folder of such files, or `-` for standard input;
    /// no registry is asked
    #[arg(
        long,
        value_name = "FILE|DIR|-",
        help_heading = "Recording",
        conflicts_with_all = [
            "context", "kubeconfig", "impersonate", "impersonate_groups",
            "probe_timeout", "max_probes", "allow_realms", "ca_files",
            "node_view", "explain_access", "probe_namespace"
        ]
    )]
    pub(crate) bundle: Option<PathBuf>,

    /// A log of a node's kubelet or runtime to look for the waiting images in, as journalctl or
    /// the program itself writes it, or `-` for standard input; `NODE=FILE` where its lines do not
    /// name their computer; may be given several times
    #[arg(
        long = "runtime-log",
        value_name = "[NODE=]FILE|-",
        help_heading = "Recording"
    )]
    pub(crate) runtime_logs: Vec<GivenLog>,
}

/// Which cluster, and as whom: as in kubectl.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterFlags {
    /// The kubeconfig context
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// The kubeconfig file; KUBECONFIG where none is given
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// The user to impersonate in the cluster
    #[arg(long = "as", value_name = "USER")]
    pub(crate) impersonate: Option<String>,

    /// A group to impersonate; may be given several times
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    pub(crate) impersonate_groups: Vec<String>,

    /// How long one request to the cluster may take: `30s`, `2m`; 0 for no limit
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) request_timeout: Option<Duration>,
}

/// What may be asked of the nodes themselves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Nodes")]
pub(crate) struct NodeViewFlags {
    /// Ask the nodes themselves what decides: creates pods from images that are there already, for
    /// about two seconds each, and lets the kubelet try pulls
    #[arg(long)]
    pub(crate) node_view: bool,

    /// Show what would be created for it and which rights that needs; create nothing
    #[arg(long, requires = "node_view")]
    pub(crate) explain_access: bool,

    /// The namespace for the pods that look from nodes; the first that admits the host's network
    /// where none is given
    #[arg(long, value_name = "NAMESPACE", requires = "node_view")]
    pub(crate) probe_namespace: Option<String>,
}

/// How registries are asked, from this machine and with the pods' own credentials.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct RegistryFlags {
    /// Ask no registry
    #[arg(long)]
    pub(crate) offline: bool,

    /// How long one question to a registry may take, three times that where layers are read:
    /// `30s`, `2m`
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = some_time)]
    pub(crate) probe_timeout: Duration,

    /// How many images are asked for at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) max_probes: usize,

    #[command(flatten)]
    pub(crate) trust: TrustFlags,
}

/// How to show the result.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// human, json, yaml, or ndjson (one JSON object a line)
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "human",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) format: Format,

    /// Show whole messages, every pod and every workload
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// A format of `diagnose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// The same document as YAML
    Yaml,
    /// One JSON object a line, as it becomes known
    Ndjson,
}

/// Ask the registry for an image, stage by stage, with the credentials of your choice
///
/// The stages are name resolution, proxy, TCP, TLS, HTTP, token, manifest, platform, config and
/// layers. Each says how it went and how long it took; the first that fails is the cause.
///
/// A credential goes to the image's registry and to the token service on the registry's own
/// domain, over verified TLS (plain HTTP on loopback only), and nowhere else.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// The image, as a pod names it
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,

    /// Whose logins are tried: pod/NAME, sa/NAME or secret/NAME (pull secrets of the cluster, as
    /// the kubelet takes them), user (what docker and podman find on this machine), or anonymous
    #[arg(
        long,
        value_name = "WHOSE",
        default_value = "anonymous",
        hide_default_value = true
    )]
    pub(crate) credentials: Whose,

    /// The namespace of the pod, service account or secret; the context's own where none is given
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// The platform to look for; that of the pod's node, or this machine's architecture on Linux,
    /// where none is given
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<Platform>,

    /// Read all layers and verify them: digest, size, compression, archive and diff ID
    #[arg(long)]
    pub(crate) verify_layers: bool,

    #[command(flatten)]
    pub(crate) place: PlaceFlags,

    #[command(flatten)]
    pub(crate) registry: ProbeFlags,

    #[command(flatten)]
    pub(crate) cluster: ClusterFlags,

    #[command(flatten)]
    pub(crate) output: DocumentOutput,
}

/// From where the registry is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Place")]
pub(crate) struct PlaceFlags {
    /// here, node/NAME (as the node sees it, also where it can pull nothing) or namespace/NAME (as
    /// its pods see it, under its network policies); the last two create a pod that lives for about
    /// two seconds, from an image that is on the node, and that holds no credential
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "here",
        hide_default_value = true
    )]
    pub(crate) from: Whence,

    /// Show what would be created for it and which rights that needs; create nothing
    #[arg(long)]
    pub(crate) explain_access: bool,

    /// The namespace for a pod that looks from a node; the first that admits the host's network
    /// where none is given
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) probe_namespace: Option<String>,
}

/// Tell an image's fault from a node's: pull the image elsewhere, and good images where it fails
///
/// The kubelets of the cluster are made to pull, one image at a time on each node, by pods that are
/// removed at once: the image that waits on another node that fits, and images that this cluster
/// runs on the node where it waits, of the same registry and of another. A probe looks first; what
/// might hang is not pulled.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pulldoctor isolate pod/api-6c9f-x2 -n shop
  pulldoctor isolate --node n3 --known-good registry.k8s.io/pause:3.10

Faults: image, node, path (the way from this node to this registry), registry, both,
image-on-node (others come, and others have it), sandbox (no pod starts), over, undecided.")]
pub(crate) struct Isolate {
    /// The pod, or a workload that has it: pod/NAME, deploy/NAME, …
    #[arg(value_name = "POD", required_unless_present = "node")]
    pub(crate) target: Option<String>,

    /// A node to look at, without a pod
    #[arg(long, value_name = "NAME", conflicts_with = "target")]
    pub(crate) node: Option<String>,

    /// An image that is known to be good, to be pulled on the node; chosen from what the cluster
    /// runs where none is given
    #[arg(long, value_name = "IMAGE")]
    pub(crate) known_good: Option<String>,

    /// The namespace; the context's own where none is given
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// Show what would be created for it and which rights that needs; create nothing
    #[arg(long)]
    pub(crate) explain_access: bool,

    /// The namespace for the pods that look from nodes; the first that admits the host's network
    /// where none is given
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) probe_namespace: Option<String>,

    #[command(flatten)]
    pub(crate) trust: TrustFlags,

    #[command(flatten)]
    pub(crate) cluster: ClusterFlags,

    #[command(flatten)]
    pub(crate) output: DocumentOutput,
}

/// How the registry is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub(crate) struct ProbeFlags {
    /// How long it may take: `30s`, `2m`; a minute where nothing is said, and as long as it takes
    /// where layers are read
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) probe_timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) trust: TrustFlags,
}

/// Whom registries are trusted by, and where credentials may go.
#[derive(Debug, Args)]
pub(crate) struct TrustFlags {
    /// A token service on another domain than the registry's that may get credentials; may be
    /// given several times
    #[arg(long = "allow-realm", value_name = "HOST", value_parser = host)]
    pub(crate) allow_realms: Vec<String>,

    /// A file with certificate authorities (PEM) that registries are trusted by, beside those of
    /// the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times
    #[arg(long = "ca-file", value_name = "FILE")]
    pub(crate) ca_files: Vec<PathBuf>,
}

/// How to show a document.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct DocumentOutput {
    /// human, json or yaml
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "human",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) format: DocumentFormat,

    /// Show what became of every credential, and the number of requests
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// A format of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// The same document as YAML
    Yaml,
}

/// Explain a cause, or read a pasted error message
///
/// Without an argument it lists the ids of all causes. Given an id, it shows what the cause means,
/// how it is told from others and what to do. Given anything else, it reads it as an error
/// message. `-` reads a message, or a whole `kubectl describe pod`, from standard input; with
/// `-o json` one message a line, and writes one JSON document a line.
///
/// `explain faq` answers common questions, `explain method` shows the order in which pulldoctor
/// asks.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The id of a cause, `faq`, `method`, an error message, or `-` for standard input
    #[arg(value_name = "ID|MESSAGE|-")]
    pub(crate) text: Vec<String>,

    /// human or json
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "human",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) format: ExplainFormat,

    /// Show whole messages
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// A format of `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For people
    Human,
    /// JSON
    Json,
}

/// Replay recorded cases, and probe registries with a fault, without a cluster
///
/// The recorded cases go through the real engine. The others (`live-…`) start a registry with a
/// fault on a loopback port of this program, and ask it with the real probe.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The case to show; a common one where none is named
    #[arg(value_name = "NAME", conflicts_with_all = ["list", "all"])]
    pub(crate) name: Option<String>,

    /// List the cases
    #[arg(long, conflicts_with = "all")]
    pub(crate) list: bool,

    /// Show all cases
    #[arg(long)]
    pub(crate) all: bool,

    #[command(flatten)]
    pub(crate) output: Output,
}

/// Print the completions of a shell
///
/// bash: `source <(pulldoctor completions bash)`; for `kubectl pulldoctor`, put the output of
/// `pulldoctor completions kubectl` on PATH as the executable `kubectl_complete-pulldoctor`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// bash, zsh, fish, powershell, elvish, or kubectl
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// Where completions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// The executable that kubectl asks for the completions of its plugin
    Kubectl,
}

/// Complete a command line in the way that kubectl asks its plugins
#[derive(Debug, Args)]
pub(crate) struct Complete {
    /// The words so far, the last one being completed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

/// A duration as kubectl's `--request-timeout` takes it: `500ms`, `30s`, `1m30s`, `2h`, or seconds.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number with a unit, `30s` or `2m` for instance".to_owned();
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        total += Duration::from_millis(number.checked_mul(milliseconds).ok_or_else(wrong)?);
        rest = tail;
    }
    if text.is_empty() {
        Err(wrong())
    } else {
        Ok(total)
    }
}

/// As [`time`], but not none at all.
fn some_time(text: &str) -> Result<Duration, String> {
    match time(text) {
        Ok(time) if time.is_zero() => Err("give more than no time".to_owned()),
        read => read,
    }
}

/// A host name without scheme, port and path.
fn host(text: &str) -> Result<String, String> {
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    if host.is_empty() || host.contains(['/', '@', '?', '#']) || host.contains(char::is_whitespace)
    {
        return Err("give a host, `auth.example.com` for instance".to_owned());
    }
    match host.rsplit_once(':') {
        Some((name, _)) if !name.contains(':') => {
            Err(format!("give the host without its port, `{name}`"))
        }
        _ => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_bare() {
        assert_eq!(host("Auth.Example.com."), Ok("auth.example.com".to_owned()));
        assert_eq!(host("::1"), Ok("::1".to_owned()));
        for wrong in [
            "",
            "https://a.io",
            "a.io:443",
            "a.io/token",
            "u@a.io",
            "a b",
        ] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
        assert!(some_time("0").is_err() && some_time("1s").is_ok());
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn times_are_read_as_kubectl_reads_them() {
        assert_eq!(time("30"), Ok(Duration::from_secs(30)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("0"), Ok(Duration::ZERO));
        for wrong in ["", "s", "10x", "-1s", "99999999999999999999h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
