//! `pulldoctor probe`: an image asked for stage by stage.

mod elsewhere;
mod kubelet;

use anyhow::Context as _;
use pulldoctor_cluster::Place;
use pulldoctor_diagnose::probe::{ProbeVerdict, is_own_network, judge_probe};
use pulldoctor_model::{CauseId, ExitCode};
use pulldoctor_reference::{ParseError, Reference, suggestion};
use pulldoctor_registry::judge::{Platform, Problem};
use pulldoctor_registry::{
    Probe, ProbeConfig, ProbeDepth, ProbeRequest, Stage, StageName, StageOutcome, Transcript,
};
use pulldoctor_report::{
    ProbeDocument, ProbeJudgement, ProbeStage, human_probe_heading, human_probe_result,
    human_probe_stage, human_probe_stages, pointed,
};

use crate::{
    args::{self, DocumentFormat},
    collect,
    failure::Failure,
    logins::{self, Logins},
    node_view::Whence,
    progress::Progress,
    terminal::{self, Terminal},
};

/// Runs `probe`.
pub(crate) fn run(options: &args::Probe, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let image = Reference::parse(&options.image)
        .map_err(|error| no_image(&options.image, &error, terminal))?;
    unplaced(options)?;
    // Refused where a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::bug)?;
    let result = runtime.block_on(async {
        match &options.place.from {
            Whence::Here => ask(options, image, terminal).await,
            Whence::There(place) => Box::pin(elsewhere::ask(options, place, image, terminal)).await,
        }
    });
    // A resolver that does not answer may still hold a thread.
    runtime.shutdown_background();
    result
}

/// How the registry is asked: as the environment and the flags say.
fn config(flags: &args::ProbeFlags) -> ProbeConfig {
    let mut config = collect::probing(&flags.trust);
    if let Some(time) = flags.probe_timeout {
        config.limits.total = time;
        config.limits.total_verify = Some(time);
    }
    config
}

fn prober(config: ProbeConfig) -> Result<Probe, Failure> {
    Probe::new(config).map_err(Failure::unable)
}

/// The image is no reference: nothing can be asked.
pub(super) fn no_image(image: &str, error: &ParseError, terminal: &Terminal) -> Failure {
    let span = error.span();
    let shown = pointed(image, span.start, span.end);
    Failure::request(anyhow::anyhow!("{error}\n{shown}"))
        .maybe_help(suggestion(image).map(|meant| format!("did you mean `{meant}`?")))
        .help(format!(
            "`{} explain {}` for more",
            terminal.program,
            CauseId::InvalidImageName
        ))
}

/// Flags that say how to look from elsewhere mean nothing here.
fn unplaced(options: &args::Probe) -> Result<(), Failure> {
    let place = &options.place;
    let given = |flag: &str| {
        Err(Failure::request(anyhow::anyhow!(
            "`{flag}` is about looking from another place"
        ))
        .help("say from where: `--from node/NAME` or `--from namespace/NAME`"))
    };
    match &place.from {
        Whence::Here if place.explain_access => given("--explain-access"),
        Whence::Here if place.probe_namespace.is_some() => given("--probe-namespace"),
        Whence::There(Place::Namespace(_)) if place.probe_namespace.is_some() => {
            Err(Failure::request(anyhow::anyhow!(
                "`--probe-namespace` is about looking from a node"
            ))
            .help("the view of a namespace is that of a pod in it"))
        }
        _ => Ok(()),
    }
}

async fn ask(
    options: &args::Probe,
    image: Reference,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let probe = prober(config(&options.registry))?;
    let logins = logins::find(options, &image).await?;
    let platform = options
        .platform
        .clone()
        .or_else(|| logins.platform.as_ref()?.parse().ok())
        .unwrap_or_else(|| Platform::linux(architecture()));
    let request = ProbeRequest {
        logins: logins.tried.clone(),
        platform: Some(platform.clone()),
        depth: if options.verify_layers {
            ProbeDepth::Verify
        } else {
            ProbeDepth::Layers
        },
        ..ProbeRequest::new(image)
    };
    let is_human = options.output.format == DocumentFormat::Human;
    let mut live = Live::new(terminal, is_human, request.image.as_written());
    if is_human {
        live.write(&human_probe_heading(
            request.image.as_written(),
            Some(&platform.to_string()),
            &logins.who,
            terminal.width,
            terminal.style,
        ));
    }
    let mut transcript = probe.run(&request, &mut |stage| live.stage(stage)).await;
    for (record, shown) in transcript.credentials.iter_mut().zip(&logins.shown) {
        record.username = Some(shown.clone());
    }
    live.end()?;
    if let Some(stage) = transcript
        .first_failure()
        .filter(|stage| is_own_network(stage))
    {
        return Err(no_network(&transcript, stage));
    }
    let verdict = judge_probe(&transcript, &request.image, logins.facts.as_ref());
    let exit = exit(&transcript, &verdict, &logins);
    let document = document(&transcript, verdict, &platform, logins);
    let text = match options.output.format {
        DocumentFormat::Human => human(&document, options.output.verbose, terminal),
        DocumentFormat::Json => pulldoctor_report::json(&document).map_err(Failure::bug)?,
        DocumentFormat::Yaml => pulldoctor_report::yaml(&document).map_err(Failure::bug)?,
    };
    terminal::print(&text)?;
    Ok(exit)
}

/// This machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// The document of a probe.
pub(crate) fn document(
    transcript: &Transcript,
    verdict: ProbeVerdict,
    platform: &Platform,
    logins: Logins,
) -> ProbeDocument {
    let failure = logins.facts.and_then(|facts| facts.failure);
    let mut document = ProbeDocument::new(
        transcript,
        ProbeJudgement {
            cause: verdict.cause,
            confidence: verdict.confidence,
            summary: verdict.summary,
            rivals: verdict.rivals,
            caret: verdict.caret,
            is_partial: verdict.is_partial,
        },
        Some(platform.to_string()),
        &logins.others,
        logins.unread,
    );
    if let Some(failure) = failure {
        document.fail_stage(
            StageName::Token,
            format!("secret `{}`: {}", failure.secret, failure.text),
        );
    }
    document
}

/// A login that could not be had may be the one that opens it.
fn exit(transcript: &Transcript, verdict: &ProbeVerdict, logins: &Logins) -> ExitCode {
    let wants_login = matches!(
        verdict.cause,
        Some(CauseId::AuthMissingCredentials | CauseId::NotFoundOrPrivate)
    );
    if verdict.is_partial || (wants_login && !logins.unread.is_empty()) {
        ExitCode::Partial
    } else if verdict.cause.is_some() || !transcript.is_good() {
        ExitCode::Problems
    } else {
        ExitCode::Fine
    }
}

/// The heading and the stages that were reached, after the fact.
pub(super) fn stages(document: &ProbeDocument, who: &str, terminal: &Terminal) -> String {
    human_probe_stages(document, who, terminal.width, terminal.style)
}

/// What it comes to, and what to do about it.
pub(super) fn human(document: &ProbeDocument, verbose: bool, terminal: &Terminal) -> String {
    let mut out = human_probe_result(document, verbose, terminal.width, terminal.style);
    if let Some(cause) = document.cause() {
        out.push_str(&super::explain::advice(cause, terminal));
    }
    out
}

/// Nothing left this machine: that says nothing about the registry.
fn no_network(transcript: &Transcript, stage: &Stage) -> Failure {
    let what = match stage.problem {
        Some(Problem::DnsUnreachable) => "no resolver can be reached from here",
        _ => "this machine has no route to it",
    };
    Failure::cannot(
        ExitCode::Unreachable,
        anyhow::anyhow!("{}", stage.detail).context(format!("reach `{}`: {what}", transcript.host)),
    )
    .help("look at this machine's own network first: nothing was learnt about the registry")
}

/// Shows the stages as they happen.
struct Live<'a> {
    terminal: &'a Terminal,
    progress: Progress,
    is_human: bool,
    /// What is not yet written: until something was reached, the whole may be about this machine's
    /// own network only, and then nothing belongs on standard output.
    held: String,
    is_open: bool,
    result: Result<(), Failure>,
}

impl<'a> Live<'a> {
    fn new(terminal: &'a Terminal, is_human: bool, image: &str) -> Self {
        let progress = Progress::start(terminal.watched);
        progress.say(format!(
            "asking for {}",
            pulldoctor_model::clean_line(image)
        ));
        Self {
            terminal,
            progress,
            is_human,
            held: String::new(),
            is_open: false,
            result: Ok(()),
        }
    }

    fn write(&mut self, text: &str) {
        self.held.push_str(text);
        if self.is_open && self.result.is_ok() {
            let text = std::mem::take(&mut self.held);
            self.result = self.progress.beside(|| terminal::print(&text));
        }
    }

    fn stage(&mut self, stage: &Stage) {
        self.progress.say(format!("{} is next", after(stage.stage)));
        let is_past = !matches!(stage.stage, StageName::Dns | StageName::Proxy);
        let has_failed = stage.outcome == StageOutcome::Failed;
        self.is_open |= (is_past || has_failed) && !is_own_network(stage);
        if self.is_human {
            let line = human_probe_stage(
                &ProbeStage::from(stage),
                self.terminal.width,
                self.terminal.style,
            );
            self.write(&line);
        }
    }

    /// Nothing more comes.
    fn end(self) -> Result<(), Failure> {
        self.result
    }
}

/// What comes after a stage, for a person who waits.
fn after(stage: StageName) -> &'static str {
    match stage {
        StageName::Dns => "proxy",
        StageName::Proxy => "tcp",
        StageName::Tcp => "tls",
        StageName::Tls => "http",
        StageName::Http => "token",
        StageName::Token => "manifest",
        StageName::Manifest => "platform",
        StageName::Platform => "config",
        StageName::Config | StageName::Layers => "layers",
    }
}
