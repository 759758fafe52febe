//! Where the evidence comes from: a cluster, or a recording.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use pulldoctor_cluster::{
    Bundle, Cluster, ConnectError, ConnectOptions, GivenLogs, LogError, Namespaces, NodeAccess,
    Registries, ScanError, ScanProgress, Scope, Target, recall,
};
use pulldoctor_model::{Evidence, ExitCode, Gap, GapReason, Question};
use pulldoctor_registry::ProbeConfig;
use pulldoctor_report::count;
use tokio::runtime::Runtime;

use crate::{
    args::{self, Format},
    failure::Failure,
    node_probe,
    node_view::{self, Wish},
    progress::Progress,
    signals, suggest,
    terminal::{self, Reader, Terminal},
};

/// How long questions are asked after the pods were listed.
const BUDGET: Duration = Duration::from_secs(60);
/// How often answers may raise further questions. Chains in the engine are two or three long.
const ROUNDS: usize = 8;

/// Evidence of files. Without a namespace all are meant: files have no default one.
pub(crate) fn files(
    path: &Path,
    options: &args::Diagnose,
    terminal: &Terminal,
) -> Result<Evidence, Failure> {
    let targets = targets(options, terminal)?;
    let logs = given_logs(options)?;
    let mut bundle = Bundle::open(path).map_err(|error| {
        let help = error.help();
        Failure::cannot(error.exit(), error).maybe_help(help)
    })?;
    let namespaces = match &options.namespace {
        Some(name) if !options.all_namespaces => Namespaces::Named(vec![name.clone()]),
        _ => Namespaces::All,
    };
    let scope = Scope {
        namespaces,
        selector: options.selector.clone(),
        targets,
    };
    let mut evidence = bundle.scan(&scope).map_err(unscanned)?;
    let found = GivenLogs::open(&bundle.node_logs(&evidence)).map_err(unlogged)?;
    found.join(&mut evidence).map_err(unlogged)?;
    join(logs, &mut evidence)?;
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let questions = pulldoctor_diagnose::questions(&evidence);
        if questions.is_empty() || questions == before {
            break;
        }
        bundle.answer(&questions, &mut evidence);
        before = questions;
    }
    Ok(evidence)
}

/// What came of a cluster.
pub(crate) enum Collected {
    /// All that was seen.
    Evidence(Box<Evidence>),
    /// Whoever read what was written early has gone away.
    ReaderGone,
    /// What would be created, as a text, instead.
    Access(String),
}

/// What there is to answer questions with, beside the cluster itself.
struct Means {
    registries: Option<Registries>,
    nodes: Option<NodeAccess>,
    logs: GivenLogs,
}

/// Shows what is there while a large cluster is still being listed.
type Early<'a> = &'a mut dyn FnMut(&Evidence) -> Result<Reader, Failure>;

/// Evidence of a cluster. With `-o ndjson`, `early` sees what is there in the meantime; where its
/// reader has gone away, and nothing is to be recorded either, it ends.
pub(crate) fn live(
    options: &args::Diagnose,
    terminal: &Terminal,
    early: Early<'_>,
) -> Result<Collected, Failure> {
    let targets = targets(options, terminal)?;
    let registries = registries(&options.registries)?;
    let means = Means {
        registries,
        nodes: nodes(options)?,
        logs: given_logs(options)?,
    };
    let runtime = runtime()?;
    let result = runtime.block_on(collect(options, targets, means, terminal, early));
    // A login plugin may still wait for a person.
    runtime.shutdown_background();
    result
}

/// What requests run on, with the cryptography of TLS installed.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    // Refused where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread receives while this one reads; each further one costs memory and no time is won.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::bug)
}

/// What nodes are looked from with, where that is wished or may be.
fn nodes(options: &args::Diagnose) -> Result<Option<NodeAccess>, Failure> {
    let wish = node_view::wish(options);
    if wish == Wish::No {
        return Ok(None);
    }
    let config = probing(&options.registries.trust);
    let namespace = options.node_view.probe_namespace.as_ref();
    let access = node_view::access(&config, namespace);
    if wish == Wish::Ask {
        // What is wrong with it is for whoever asks for it.
        return Ok(access.ok());
    }
    let access = access?;
    if access.program.is_none() {
        // The kubelets are asked all the same.
        terminal::print_error(&format!(
            "warning: this build carries no probe to look from nodes with\n\
             help: {}\n",
            node_probe::ADVICE
        ));
    }
    Ok(Some(access))
}

/// The targets as typed.
fn targets(options: &args::Diagnose, terminal: &Terminal) -> Result<Vec<Target>, Failure> {
    let read = |text: &String| {
        text.parse::<Target>().map_err(|error| {
            let help = error.help();
            Failure::cannot(error.exit(), error)
                .maybe_help(help)
                .maybe_help(slip(text, terminal))
        })
    };
    options.targets.iter().map(read).collect()
}

/// The logs of `--runtime-log`. Standard input can be read once.
fn given_logs(options: &args::Diagnose) -> Result<GivenLogs, Failure> {
    let of_logs = options.runtime_logs.iter().filter(|log| log.is_stdin());
    let of_bundle = options.bundle.iter().filter(|it| *it == Path::new("-"));
    if of_logs.count() + of_bundle.count() > 1 {
        return Err(Failure::request(anyhow::anyhow!(
            "standard input (`-`) can be read once only"
        )));
    }
    GivenLogs::open(&options.runtime_logs).map_err(unlogged)
}

/// Joins given logs to the evidence; one that says nothing is told.
fn join(logs: GivenLogs, evidence: &mut Evidence) -> Result<(), Failure> {
    for path in logs.join(evidence).map_err(unlogged)? {
        let path = path.display().to_string();
        terminal::print_note(&format!(
            "the log `{}` says nothing of the images that containers wait for",
            pulldoctor_model::clean_line(&path)
        ));
    }
    Ok(())
}

/// A word that is nearly a command.
fn slip(word: &str, terminal: &Terminal) -> Option<String> {
    let command = crate::command();
    let names: Vec<&str> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(clap::Command::get_name)
        .collect();
    let near = suggest::nearest(word, names)?;
    Some(format!(
        "did you mean the command `{} {near}`?",
        terminal.program
    ))
}

async fn collect(
    options: &args::Diagnose,
    targets: Vec<Target>,
    means: Means,
    terminal: &Terminal,
    early: Early<'_>,
) -> Result<Collected, Failure> {
    let progress = Progress::start(terminal.watched);
    progress.say("reaching the cluster");
    let cluster = Cluster::connect(&connect_options(
        &options.cluster,
        means.registries,
        means.nodes,
    ))
    .await
    .map_err(unconnected)?;
    let scope = Scope {
        namespaces: namespaces(options, &cluster),
        selector: options.selector.clone(),
        targets,
    };
    let failed = |error: ScanError| {
        let slips = options.targets.iter().find_map(|word| slip(word, terminal));
        unscanned(error).maybe_help(slips)
    };

    progress.say("listing pods");
    let mut scan = cluster.start(&scope).await.map_err(failed)?;
    let mut shown = 0;
    let mut earlier = None;
    let mut causes = String::new();
    while let Some(page) = scan.next().await.map_err(failed)? {
        progress.say(listed(page.progress, &causes));
        let found = scan.evidence().symptoms.len();
        // Twice as many as last time: what is judged early costs no more than the end does.
        if page.progress.remaining.is_none_or(|left| left == 0) || found == 0 || found < 2 * shown {
            continue;
        }
        shown = found;
        if options.output.format == Format::Ndjson {
            let mut evidence = scan.evidence().clone();
            ask(&cluster, earlier.as_ref(), &mut evidence, &progress).await;
            if early(&evidence)? == Reader::Gone && options.record.is_none() {
                return Ok(Collected::ReaderGone);
            }
            earlier = Some(evidence);
        } else if terminal.watched {
            causes = causes_so_far(scan.evidence());
        }
    }
    let mut evidence = scan.finish();
    if !options.runtime_logs.is_empty() {
        progress.say("reading logs");
        join(means.logs, &mut evidence)?;
    }
    ask(&cluster, earlier.as_ref(), &mut evidence, &progress).await;
    if options.node_view.explain_access {
        let questions = pulldoctor_diagnose::node_questions(&evidence);
        let plan = match node_view::first_place(&questions) {
            Some(place) => Some(
                cluster
                    .probe_plan(&place)
                    .await
                    .map_err(node_view::unseen)?,
            ),
            None => None,
        };
        let text = node_view::explained(&questions, plan.as_ref(), options.output.format)?;
        return Ok(Collected::Access(text));
    }
    let wish = node_view::wish(options);
    if is_wished(wish, &cluster, &evidence, &progress, terminal).await {
        let work = node_view::ask(&cluster, &mut evidence, &progress, async |evidence| {
            ask(&cluster, None, evidence, &progress).await;
        });
        signals::guarded(work, cluster.clean_up(), &progress).await;
    }
    Ok(Collected::Evidence(Box::new(evidence)))
}

/// Whether the nodes themselves are asked. A person who watches is asked only where it may decide
/// and something would be created for it.
async fn is_wished(
    wish: Wish,
    cluster: &Cluster,
    evidence: &Evidence,
    progress: &Progress,
    terminal: &Terminal,
) -> bool {
    match wish {
        Wish::No => false,
        Wish::Yes => true,
        Wish::Ask => {
            let questions = pulldoctor_diagnose::node_questions(evidence);
            let Some(place) = node_view::first_place(&questions) else {
                return false;
            };
            match cluster.probe_plan(&place).await {
                Ok(plan) => progress.beside(|| node_view::is_agreed(&questions, &plan, terminal)),
                Err(_) => false,
            }
        }
    }
}

/// Asks until nothing is left to ask or the budget is spent. What was answered earlier in
/// the same scan is not asked again.
async fn ask(
    cluster: &Cluster,
    earlier: Option<&Evidence>,
    evidence: &mut Evidence,
    progress: &Progress,
) {
    let started = Instant::now();
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let questions = pulldoctor_diagnose::questions(evidence);
        if let Some(earlier) = earlier {
            recall(earlier, &questions, evidence);
        }
        // What the cluster cannot answer comes back as it was.
        if questions.is_empty() || questions == before {
            return;
        }
        let Some(left) = BUDGET.checked_sub(started.elapsed()) else {
            evidence.gaps.push(unasked(questions, BUDGET));
            return;
        };
        progress.say(format!("asking {}", count(questions.len(), "question")));
        let answering = cluster.answer(&questions, evidence);
        if tokio::time::timeout(left, answering).await.is_err() {
            evidence
                .gaps
                .push(unasked(pulldoctor_diagnose::questions(evidence), BUDGET));
            return;
        }
        before = questions;
    }
}

/// The gap where time ran out.
pub(crate) fn unasked(questions: Vec<Question>, within: Duration) -> Gap {
    Gap {
        what: format!(
            "ask {} within {} s",
            count(questions.len(), "more question"),
            within.as_secs()
        ),
        why: GapReason::Timeout,
        grant: None,
        questions,
        hides_pods: false,
    }
}

/// How far the list has come, and what was met in it.
fn listed(progress: ScanProgress, causes: &str) -> String {
    let all = match progress.remaining {
        Some(left) if left > 0 => format!(" of {}", progress.pods as u64 + left),
        _ => String::new(),
    };
    format!(
        "listing pods: {}{all}, {} stuck{causes}",
        progress.pods, progress.stuck
    )
}

/// The causes met so far, as far as the texts tell.
fn causes_so_far(evidence: &Evidence) -> String {
    let incidents = pulldoctor_diagnose::report(evidence).incidents;
    let mut causes: Vec<&str> = incidents
        .iter()
        .map(|incident| incident.cause.as_str())
        .collect();
    causes.sort_unstable();
    causes.dedup();
    let more = if causes.len() > 2 { ", …" } else { "" };
    causes.truncate(2);
    format!(" ({}{more})", causes.join(", "))
}

fn namespaces(options: &args::Diagnose, cluster: &Cluster) -> Namespaces {
    if options.all_namespaces {
        return Namespaces::All;
    }
    let named = options
        .namespace
        .as_deref()
        .unwrap_or_else(|| cluster.default_namespace());
    Namespaces::Named(vec![named.to_owned()])
}

pub(crate) fn connect_options(
    flags: &args::ClusterFlags,
    registries: Option<Registries>,
    nodes: Option<NodeAccess>,
) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: flags.kubeconfig.clone(),
        context: flags.context.clone(),
        impersonate: flags.impersonate.clone(),
        impersonate_groups: flags.impersonate_groups.clone(),
        request_timeout: flags.request_timeout.filter(|time| !time.is_zero()),
        deadline: None,
        registries,
        nodes,
    }
}

/// How registries are asked, as the environment and the flags say.
pub(crate) fn probing(flags: &args::TrustFlags) -> ProbeConfig {
    let mut config = ProbeConfig::from_environment();
    config.authority_files.clone_from(&flags.ca_files);
    config.realms.allowed_hosts.clone_from(&flags.allow_realms);
    config
}

/// The registries; none where none is asked.
fn registries(flags: &args::RegistryFlags) -> Result<Option<Registries>, Failure> {
    // A file that cannot be read is said also where it would not be needed.
    let registries = Registries::new(probing(&flags.trust)).map_err(Failure::unable)?;
    Ok((!flags.offline).then(|| {
        registries
            .within(flags.probe_timeout)
            .at_most(flags.max_probes)
    }))
}

pub(crate) fn unconnected(error: ConnectError) -> Failure {
    let (exit, help) = (error.exit(), error.help());
    let no_cluster = matches!(error, ConnectError::NoConfig { .. });
    let failure = Failure::cannot(exit, error).maybe_help(help);
    if no_cluster && exit == ExitCode::Request {
        failure.help("`pulldoctor demo` needs no cluster, and `pulldoctor explain` reads a message")
    } else {
        failure
    }
}

fn unlogged(error: LogError) -> Failure {
    let help = error.help();
    Failure::cannot(error.exit(), error).maybe_help(help)
}

pub(crate) fn unscanned(error: ScanError) -> Failure {
    let help = error.help();
    Failure::cannot(error.exit(), error).maybe_help(help)
}
