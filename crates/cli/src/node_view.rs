//! The view of nodes: whether it is wanted, with what, and what is asked.

use std::{
    fmt,
    io::{self, BufRead as _, IsTerminal as _},
    str::FromStr,
    time::{Duration, Instant},
};

use pulldoctor_cluster::{
    ApiError, Cluster, NodeAccess, NodeProbeError, Place, Plan, pull_object, pull_rules,
};
use pulldoctor_model::{Evidence, ExitCode, Question, clean_line};
use pulldoctor_registry::ProbeConfig;
use pulldoctor_report::count;
use serde::Serialize;

use crate::{
    args::{self, DocumentFormat, Format},
    failure::Failure,
    node_probe,
    progress::Progress,
    terminal::{self, Terminal},
};

/// How long nodes are asked in all.
const BUDGET: Duration = Duration::from_secs(90);
/// How often what a node answers may raise further questions to nodes.
const ROUNDS: usize = 4;

/// From where a registry is asked: the value of `--from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whence {
    /// From this computer.
    Here,
    /// From a node, or from the pods of a namespace.
    There(Place),
}

impl FromStr for Whence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = text.split_once('/').filter(|(_, name)| {
            let is_name =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !name.is_empty() && name.chars().all(is_name)
        });
        match (text, named) {
            ("here", _) => Ok(Self::Here),
            (_, Some(("node" | "nodes" | "no", name))) => {
                Ok(Self::There(Place::Node(name.to_owned())))
            }
            (_, Some(("namespace" | "namespaces" | "ns", name))) => {
                Ok(Self::There(Place::Namespace(name.to_owned())))
            }
            _ => Err("give here, node/NAME or namespace/NAME".to_owned()),
        }
    }
}

/// What lets nodes be looked from. `config` says whom registries are trusted by.
pub(crate) fn access(
    config: &ProbeConfig,
    namespace: Option<&String>,
) -> Result<NodeAccess, Failure> {
    let mut access = NodeAccess::new(node_probe::program()?, config).map_err(Failure::unable)?;
    access.probe_namespace = namespace.cloned();
    Ok(access)
}

/// What a person decides about the nodes' view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nobody asked for it, and nobody can be asked.
    No,
    /// A person watches, and can be asked.
    Ask,
    /// `--node-view`.
    Yes,
}

/// Whether nodes are looked from. A person is asked only where one sees the question and can
/// answer it, and where the build carries a probe.
pub(crate) fn wish(options: &args::Diagnose) -> Wish {
    if options.node_view.node_view {
        return Wish::Yes;
    }
    let is_watched = io::stdin().is_terminal() && io::stderr().is_terminal();
    if is_watched && options.output.format == Format::Human && node_probe::is_there() {
        Wish::Ask
    } else {
        Wish::No
    }
}

/// Asks the nodes what would decide, and then whatever that raises elsewhere.
pub(crate) async fn ask(
    cluster: &Cluster,
    evidence: &mut Evidence,
    progress: &Progress,
    further: impl AsyncFn(&mut Evidence),
) {
    let started = Instant::now();
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let questions = pulldoctor_diagnose::node_questions(evidence);
        if questions.is_empty() || questions == before {
            return;
        }
        let left = BUDGET.saturating_sub(started.elapsed());
        progress.say(asking(&questions));
        let answering = cluster.answer(&questions, evidence);
        if tokio::time::timeout(left, answering).await.is_err() {
            let questions = pulldoctor_diagnose::node_questions(evidence);
            evidence
                .gaps
                .push(crate::collect::unasked(questions, BUDGET));
            return;
        }
        further(evidence).await;
        before = questions;
    }
}

/// What is being asked of whom, for a person who waits.
fn asking(questions: &[Question]) -> String {
    let nodes = nodes(questions);
    match nodes.as_slice() {
        [one] => format!("asking node {}", clean_line(one)),
        several => format!("asking {}", count(several.len(), "node")),
    }
}

/// The nodes that questions are about, sorted.
fn nodes(questions: &[Question]) -> Vec<&str> {
    let mut nodes: Vec<&str> = questions
        .iter()
        .filter_map(|question| match question {
            Question::NodeView { node, .. }
            | Question::KubeletPull { node, .. }
            | Question::NodeLogs { node, .. } => Some(node.as_str()),
            Question::NodeConfig { name } | Question::NodeMetrics { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// The first node on which something would be created; nothing where no pod is needed.
pub(crate) fn first_place(questions: &[Question]) -> Option<Place> {
    let needs_pod = |question: &Question| {
        matches!(
            question,
            Question::NodeView { .. } | Question::KubeletPull { .. }
        )
    };
    let wanted: Vec<Question> = questions
        .iter()
        .filter(|question| needs_pod(question))
        .cloned()
        .collect();
    let node = nodes(&wanted).first().map(|name| (*name).to_owned());
    node.map(Place::Node)
}

/// Asks the person who watches; no answer is no. Nothing else happens meanwhile.
pub(crate) fn is_agreed(questions: &[Question], plan: &Plan, terminal: &Terminal) -> bool {
    terminal::print_error(&prompt(questions, plan, terminal.program));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && is_yes(&line)
}

/// What nodes would be asked and what would be created for it, for `--explain-access`.
pub(crate) fn explained(
    questions: &[Question],
    plan: Option<&Plan>,
    format: Format,
) -> Result<String, Failure> {
    if format != Format::Human {
        let access = plan.map(Access::from);
        return match format {
            Format::Yaml => pulldoctor_report::yaml(&access).map_err(Failure::bug),
            _ => pulldoctor_report::json(&access).map_err(Failure::bug),
        };
    }
    if questions.is_empty() {
        return Ok("No node would be asked: what decides is known without.\n".to_owned());
    }
    let mut out = String::from("# Nodes would be asked:\n");
    for question in questions {
        out.push_str("# - ");
        out.push_str(&clean_line(&question.to_string()));
        out.push('\n');
    }
    match plan {
        Some(plan) => out.push_str(&access_text(plan)?),
        None => out.push_str("# Nothing would be created for that.\n"),
    }
    Ok(out)
}

fn is_yes(line: &str) -> bool {
    let line = line.trim();
    line.eq_ignore_ascii_case("y") || line.eq_ignore_ascii_case("yes")
}

/// What would be created and where.
fn prompt(questions: &[Question], plan: &Plan, program: &str) -> String {
    const SHOWN: usize = 3;
    let nodes = nodes(questions);
    let mut names: Vec<String> = nodes
        .iter()
        .take(SHOWN)
        .map(|name| clean_line(name).into_owned())
        .collect();
    if nodes.len() > SHOWN {
        names.push(format!("{} more", nodes.len() - SHOWN));
    }
    let namespace = plan.namespaces.first().map_or("default", String::as_str);
    format!(
        "The view of {} may decide ({}).\n\
         For it a ConfigMap and a pod for each registry, of about two seconds, would be created\n\
         in namespace {}, or in the next one that admits them, and removed.\n\
         `{program} diagnose --node-view --explain-access` shows them.\n\
         Look from there? [y/N] ",
        count(nodes.len(), "node"),
        names.join(", "),
        clean_line(namespace),
    )
}

/// The exit code where nobody could look: partial, unless the request or the cluster is at fault.
pub(crate) fn exit(error: &NodeProbeError) -> ExitCode {
    match error {
        NodeProbeError::NoProgram
        | NodeProbeError::NoAccess
        | NodeProbeError::NoNode { .. }
        | NodeProbeError::NoNamespace { .. } => ExitCode::Request,
        NodeProbeError::ReadNode { source, .. }
        | NodeProbeError::ListPods { source, .. }
        | NodeProbeError::Create { source, .. }
        | NodeProbeError::Watch(source)
        | NodeProbeError::ReadLog(source) => match source {
            ApiError::NotFound { .. } => ExitCode::Request,
            ApiError::Unauthorized
            | ApiError::Unreachable { .. }
            | ApiError::Tls { .. }
            | ApiError::Plugin { .. } => ExitCode::Unreachable,
            _ => ExitCode::Partial,
        },
        _ => ExitCode::Partial,
    }
}

/// What would be created, as a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Access<'a> {
    schema: &'static str,
    from: String,
    /// Where it is tried, in order.
    namespaces: &'a [String],
    /// As they would be created, in the first of them.
    objects: &'a [serde_json::Value],
    /// For a Role there, as YAML.
    rules: &'a str,
    /// For a ClusterRole, as YAML.
    cluster_rules: &'a str,
}

impl<'a> std::convert::From<&'a Plan> for Access<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            schema: "pulldoctor.dev/access/v1",
            from: plan.place.to_string(),
            namespaces: &plan.namespaces,
            objects: &plan.objects,
            rules: &plan.rules,
            cluster_rules: &plan.cluster_rules,
        }
    }
}

/// The same for people: YAML that can be read and pasted.
fn access_text(plan: &Plan) -> Result<String, Failure> {
    let place = plan.place.to_string();
    let mut out = format!(
        "# To look from {}, these objects are created in namespace {},\n\
         # and removed after about two seconds. Nothing has been created now.\n",
        clean_line(&place),
        plan.namespaces
            .iter()
            .map(|name| clean_line(name).into_owned())
            .collect::<Vec<_>>()
            .join(" or "),
    );
    for object in &plan.objects {
        out.push_str("---\n");
        out.push_str(&pulldoctor_report::yaml(object).map_err(Failure::bug)?);
    }
    out.push_str("---\n# The rights for that, in a Role of that namespace:\nrules:\n");
    out.push_str(plan.rules.trim_end());
    out.push_str(
        "\n---\n# In a ClusterRole, to choose an image that is on the node, and to find what a run \
         that was killed\n# has left:\nrules:\n",
    );
    out.push_str(plan.cluster_rules.trim_end());
    out.push('\n');
    Ok(out)
}

/// The pods that would pull, beside what a look creates.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pulls<'a> {
    #[serde(flatten)]
    look: Access<'a>,
    /// The pods by which kubelets are made to pull.
    pods: &'a [serde_json::Value],
    /// For a Role in their namespaces, as YAML; empty where there is no such pod.
    pull_rules: &'a str,
}

/// What would be created for a look and for pulls by kubelets, and the rights that it needs.
pub(crate) fn plan_text(
    plan: &Plan,
    pulls: &[Question],
    format: DocumentFormat,
) -> Result<String, Failure> {
    let pods: Vec<serde_json::Value> = pulls.iter().filter_map(pull_object).collect();
    let rules = if pods.is_empty() {
        String::new()
    } else {
        pull_rules()
    };
    let whole = Pulls {
        look: Access::from(plan),
        pods: &pods,
        pull_rules: &rules,
    };
    match format {
        DocumentFormat::Json => return pulldoctor_report::json(&whole).map_err(Failure::bug),
        DocumentFormat::Yaml => return pulldoctor_report::yaml(&whole).map_err(Failure::bug),
        DocumentFormat::Human => {}
    }
    let mut out = access_text(plan)?;
    if pods.is_empty() {
        return Ok(out);
    }
    out.push_str("---\n# By these pods kubelets are made to pull; what they pull does not run:\n");
    for pod in &pods {
        out.push_str("---\n");
        out.push_str(&pulldoctor_report::yaml(pod).map_err(Failure::bug)?);
    }
    out.push_str("---\n# The rights for that, in a Role of their namespaces:\nrules:\n");
    out.push_str(&rules);
    out.push('\n');
    Ok(out)
}

/// Why there was no look, and with which exit code the command ends.
pub(crate) fn unseen(error: NodeProbeError) -> Failure {
    let exit = exit(&error);
    let help = match &error {
        NodeProbeError::NoProgram => Some(node_probe::ADVICE.to_owned()),
        other => other.help(),
    };
    Failure::cannot(exit, error).maybe_help(help)
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("here"),
            Self::There(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_as_kubectl_names_things() {
        assert_eq!("here".parse(), Ok(Whence::Here));
        let node = Whence::There(Place::Node("n1.example.com".to_owned()));
        for text in [
            "node/n1.example.com",
            "nodes/n1.example.com",
            "no/n1.example.com",
        ] {
            assert_eq!(text.parse(), Ok(node.clone()));
        }
        let namespace = Whence::There(Place::Namespace("shop".to_owned()));
        assert_eq!("ns/shop".parse(), Ok(namespace.clone()));
        assert_eq!(namespace.to_string(), "namespace/shop");
        for wrong in [
            "",
            "n1",
            "node",
            "node/",
            "pod/a",
            "node/A",
            "node/../x",
            "node/a b",
        ] {
            assert!(wrong.parse::<Whence>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_person_is_told_what_would_be_created_and_where() {
        let question = |node: &str| Question::NodeView {
            node: node.to_owned(),
            registry: "registry.lab".to_owned(),
            image: "registry.lab/a:1".to_owned(),
            hosts: Vec::new(),
        };
        let questions: Vec<Question> = ["n3", "n1", "n2", "n1", "n4"]
            .into_iter()
            .map(question)
            .collect();
        let plan = Plan {
            place: Place::Node("n1".to_owned()),
            namespaces: vec!["shop".to_owned(), "kube-system".to_owned()],
            objects: Vec::new(),
            rules: String::new(),
            cluster_rules: String::new(),
        };
        assert_eq!(first_place(&questions), Some(plan.place.clone()));
        insta::assert_snapshot!(prompt(&questions, &plan, "pulldoctor"), @r"
        The view of 4 nodes may decide (n1, n2, n3, 1 more).
        For it a ConfigMap and a pod for each registry, of about two seconds, would be created
        in namespace shop, or in the next one that admits them, and removed.
        `pulldoctor diagnose --node-view --explain-access` shows them.
        Look from there? [y/N] 
        ");
        let logs = Question::NodeConfig {
            name: "n1".to_owned(),
        };
        assert_eq!(first_place(&[logs]), None, "nothing is created for it");
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\r\n", " yes ", "YES\n"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "ye\n", "yeah", "yy"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
