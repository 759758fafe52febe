//! Where the evidence comes from: a cluster, or a recording.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use pulldoctor_cluster::{
    Bundle, Cluster, ConnectError, ConnectOptions, GivenLogs, LogError, Namespaces, Registries,
    ScanError, ScanProgress, Scope, Target, recall,
};
use pulldoctor_model::{Evidence, ExitCode, Gap, GapReason, Question};
use pulldoctor_registry::ProbeConfig;
use pulldoctor_report::count;

use crate::{
    args::{self, Format},
    failure::Failure,
    progress::Progress,
    suggest,
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

/// Shows what is there while a large cluster is still being listed.
type Early<'a> = &'a mut dyn FnMut(&Evidence) -> Result<Reader, Failure>;

/// Evidence of a cluster. With `-o ndjson`, `early` sees what is there in the meantime; none where
/// its reader has gone away, and nothing is to be recorded either.
pub(crate) fn live(
    options: &args::Diagnose,
    terminal: &Terminal,
    early: Early<'_>,
) -> Result<Option<Evidence>, Failure> {
    let targets = targets(options, terminal)?;
    let registries = registries(&options.registries)?;
    let logs = given_logs(options)?;
    // Refused where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread receives while this one reads; each further one costs memory and no time is won.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::bug)?;
    let result = runtime.block_on(collect(options, targets, registries, logs, terminal, early));
    // A login plugin may still wait for a person.
    runtime.shutdown_background();
    result
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
    registries: Option<Registries>,
    logs: GivenLogs,
    terminal: &Terminal,
    early: Early<'_>,
) -> Result<Option<Evidence>, Failure> {
    let progress = Progress::start(terminal.watched);
    progress.say("reaching the cluster");
    let cluster = Cluster::connect(&connect_options(&options.cluster, registries))
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
                return Ok(None);
            }
            earlier = Some(evidence);
        } else if terminal.watched {
            causes = causes_so_far(scan.evidence());
        }
    }
    let mut evidence = scan.finish();
    if !options.runtime_logs.is_empty() {
        progress.say("reading logs");
        join(logs, &mut evidence)?;
    }
    ask(&cluster, earlier.as_ref(), &mut evidence, &progress).await;
    Ok(Some(evidence))
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
            evidence.gaps.push(unasked(questions));
            return;
        };
        progress.say(format!("asking {}", count(questions.len(), "question")));
        let answering = cluster.answer(&questions, evidence);
        if tokio::time::timeout(left, answering).await.is_err() {
            evidence
                .gaps
                .push(unasked(pulldoctor_diagnose::questions(evidence)));
            return;
        }
        before = questions;
    }
}

/// The gap where time ran out.
fn unasked(questions: Vec<Question>) -> Gap {
    Gap {
        what: format!(
            "ask {} within {} s",
            count(questions.len(), "more question"),
            BUDGET.as_secs()
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
) -> ConnectOptions {
    ConnectOptions {
        kubeconfig: flags.kubeconfig.clone(),
        context: flags.context.clone(),
        impersonate: flags.impersonate.clone(),
        impersonate_groups: flags.impersonate_groups.clone(),
        request_timeout: flags.request_timeout.filter(|time| !time.is_zero()),
        deadline: None,
        registries,
        nodes: None,
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

fn unscanned(error: ScanError) -> Failure {
    let help = error.help();
    Failure::cannot(error.exit(), error).maybe_help(help)
}
