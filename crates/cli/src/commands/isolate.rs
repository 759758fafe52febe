//! `pulldoctor isolate`: whose fault a failing pull is, the image's or the node's.

use anyhow::anyhow;
use pulldoctor_cluster::{
    Cluster, IsolateError, IsolationPlan, Namespaces, Place, PlannedTrial, Scope, Suspect, Target,
};
use pulldoctor_diagnose::{
    isolate::{Fault, Isolation, Trial, TrialResult, isolate},
    node_questions,
};
use pulldoctor_model::{
    Answer, ContainerKind, Evidence, ExitCode, GapReason, KubeletPull, Question, ReportGap,
    Symptom, TrialRole, clean_line, registry::Transcript,
};
use pulldoctor_reference::Reference;
use pulldoctor_report::{IsolateDocument, IsolatePod, IsolateTrial, human_isolate};

use crate::{
    args::{self, DocumentFormat},
    collect,
    failure::Failure,
    node_view,
    progress::Progress,
    signals,
    terminal::{self, Terminal},
};

/// Runs `isolate`.
pub(crate) fn run(options: &args::Isolate, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let known_good = options
        .known_good
        .as_deref()
        .map(|text| {
            Reference::parse(text).map_err(|error| super::probe::no_image(text, &error, terminal))
        })
        .transpose()?;
    let target = options.target.as_deref().map(target).transpose()?;
    let registry = collect::probing(&options.trust);
    let access = node_view::access(&registry, options.probe_namespace.as_ref())?;
    let runtime = collect::runtime()?;
    let connecting = collect::connect_options(&options.cluster, None, Some(access));
    let result = runtime.block_on(async {
        let progress = Progress::start(terminal.watched);
        progress.say("reaching the cluster");
        let cluster = Cluster::connect(&connecting)
            .await
            .map_err(collect::unconnected)?;
        let work = find(options, target, known_good.as_ref(), &cluster, &progress);
        signals::guarded(work, cluster.clean_up(), &progress).await
    });
    // A login plugin may still wait for a person.
    runtime.shutdown_background();
    let (document, exit) = match result? {
        Found::Document(document, exit) => (document, exit),
        Found::Access(text) => {
            terminal::print(&text)?;
            return Ok(ExitCode::Fine);
        }
    };
    let text = match options.output.format {
        DocumentFormat::Human => {
            let mut text = human_isolate(
                &document,
                options.output.verbose,
                terminal.width,
                terminal.style,
            );
            if let Some(cause) = document.cause {
                text.push_str(&super::explain::advice(cause, terminal));
            }
            text
        }
        DocumentFormat::Json => pulldoctor_report::json(&document).map_err(Failure::bug)?,
        DocumentFormat::Yaml => pulldoctor_report::yaml(&document).map_err(Failure::bug)?,
    };
    terminal::print(&text)?;
    Ok(exit)
}

/// A pod as a person names it, or a workload: with or without `pod/`.
fn target(text: &str) -> Result<Target, Failure> {
    text.parse::<Target>().map_err(|error| {
        let help = error.help();
        Failure::cannot(error.exit(), error).maybe_help(help)
    })
}

/// What came of it.
enum Found {
    /// What the trials say, and the exit code.
    Document(Box<IsolateDocument>, ExitCode),
    /// What would be created.
    Access(String),
}

/// What is looked at.
struct Subject {
    node: String,
    namespace: String,
    pod: Option<IsolatePod>,
    suspect: Option<Suspect>,
    /// What the kubelet says of the image already.
    here: Option<KubeletPull>,
}

impl Subject {
    /// The look at the registry of the suspect image from its node.
    fn view(&self) -> Option<Question> {
        view(&self.node, &self.suspect.as_ref()?.image)
    }
}

async fn find(
    options: &args::Isolate,
    target: Option<Target>,
    known_good: Option<&Reference>,
    cluster: &Cluster,
    progress: &Progress,
) -> Result<Found, Failure> {
    let namespace = options
        .namespace
        .clone()
        .unwrap_or_else(|| cluster.default_namespace().to_owned());
    let (subject, mut evidence) = match (target, &options.node) {
        (Some(target), _) => {
            progress.say("reading the pod");
            let name = target.to_string();
            let mut evidence = read(cluster, target, &namespace).await?;
            let Some(symptom) = stuck(&evidence) else {
                return Ok(Found::Document(
                    Box::new(nothing_waits(&name)),
                    ExitCode::Fine,
                ));
            };
            let text = text(&evidence, symptom);
            let subject = subject(&evidence.symptoms[symptom], text)?;
            // What else waits in the pod is another matter.
            evidence.symptoms.truncate(symptom + 1);
            (subject, evidence)
        }
        (None, Some(node)) => (
            Subject {
                node: node.clone(),
                namespace,
                pod: None,
                suspect: None,
                here: None,
            },
            Evidence::new(cluster.context(), cluster.address(), jiff::Timestamp::now()),
        ),
        (None, None) => {
            return Err(Failure::request(anyhow!(
                "name a pod, or a node with `--node`"
            )));
        }
    };
    progress.say("choosing images and nodes");
    let plan = cluster
        .plan_isolation(
            &subject.node,
            &subject.namespace,
            subject.suspect.as_ref(),
            known_good,
        )
        .await
        .map_err(unplanned)?;
    let questions: Vec<Question> = plan
        .trials
        .iter()
        .filter_map(|trial| trial.ask.clone().ok())
        .collect();
    if options.explain_access {
        let place = Place::Node(subject.node.clone());
        let plan = cluster
            .probe_plan(&place)
            .await
            .map_err(node_view::unseen)?;
        return node_view::plan_text(&plan, &questions, options.output.format).map(Found::Access);
    }
    // A probe first: a pull that hangs would hold up the pulls of others on that node. What the
    // diagnosis of the pod asks is asked beside it.
    let mut views: Vec<Question> = plan.trials.iter().filter_map(view_of).collect();
    views.extend(subject.view());
    let is_view = |question: &Question| matches!(question, Question::NodeView { .. });
    views.extend(node_questions(&evidence).into_iter().filter(is_view));
    views.extend(pulldoctor_diagnose::questions(&evidence));
    progress.say(format!("looking from {}", clean_line(&subject.node)));
    cluster.answer(&views, &mut evidence).await;
    progress.say("pulling");
    let further = node_questions(&evidence);
    let mut all = questions.clone();
    all.extend(further);
    all.extend(pulldoctor_diagnose::questions(&evidence));
    cluster.answer(&all, &mut evidence).await;
    let (document, exit) = document(subject, plan, &evidence);
    Ok(Found::Document(Box::new(document), exit))
}

/// The pod's symptoms, with its events.
async fn read(cluster: &Cluster, target: Target, namespace: &str) -> Result<Evidence, Failure> {
    let scope = Scope {
        namespaces: Namespaces::Named(vec![namespace.to_owned()]),
        selector: None,
        targets: vec![target],
    };
    let mut evidence = cluster
        .scan(&scope, &mut |_| ())
        .await
        .map_err(collect::unscanned)?;
    let events: Vec<Question> = pulldoctor_diagnose::questions(&evidence)
        .into_iter()
        .filter(|question| matches!(question, Question::PodEvents { .. }))
        .collect();
    cluster.answer(&events, &mut evidence).await;
    Ok(evidence)
}

/// The first container that waits for an image; the sandbox where no container came so far.
fn stuck(evidence: &Evidence) -> Option<usize> {
    let is_container = |symptom: &Symptom| symptom.kind != ContainerKind::Sandbox;
    evidence
        .symptoms
        .iter()
        .position(is_container)
        .or_else(|| (!evidence.symptoms.is_empty()).then_some(0))
}

/// The text that the symptom is judged by: its own, or that of its events.
fn text(evidence: &Evidence, symptom: usize) -> String {
    let symptom = &evidence.symptoms[symptom];
    pulldoctor_diagnose::report(evidence)
        .incidents
        .into_iter()
        .flat_map(|incident| incident.symptoms)
        .find(|row| row.pod == symptom.pod && row.container == symptom.container)
        .map_or_else(|| symptom.message.clone(), |row| row.message)
}

fn subject(symptom: &Symptom, text: String) -> Result<Subject, Failure> {
    let Some(node) = symptom.node.clone() else {
        return Err(Failure::request(anyhow!(
            "pod `{}` is on no node yet",
            clean_line(&symptom.pod)
        ))
        .help("name a node with `--node`"));
    };
    let is_sandbox = symptom.kind == ContainerKind::Sandbox;
    let suspect = (!is_sandbox).then(|| Suspect {
        namespace: symptom.namespace.clone(),
        image: symptom.image.clone(),
        secrets: symptom.pull_secrets.clone(),
        service_account: symptom.service_account.clone(),
    });
    Ok(Subject {
        node,
        namespace: symptom.namespace.clone(),
        pod: Some(IsolatePod {
            namespace: symptom.namespace.clone(),
            name: symptom.pod.clone(),
            container: symptom.container.clone(),
        }),
        suspect,
        here: Some(KubeletPull {
            got: false,
            was_there: false,
            reason: symptom.reason.clone(),
            message: text,
        }),
    })
}

/// The look at the registry of a trial, from its node.
fn view_of(trial: &PlannedTrial) -> Option<Question> {
    trial.ask.as_ref().ok()?;
    view(&trial.node, &trial.image)
}

fn view(node: &str, image: &str) -> Option<Question> {
    Some(Question::NodeView {
        node: node.to_owned(),
        registry: Reference::parse(image).ok()?.registry().to_owned(),
        image: image.to_owned(),
        hosts: Vec::new(),
    })
}

fn document(
    subject: Subject,
    plan: IsolationPlan,
    evidence: &Evidence,
) -> (IsolateDocument, ExitCode) {
    let view = subject.view();
    let image = subject.suspect.map(|suspect| suspect.image);
    let mut gaps = plan.gaps;
    let mut trials = Vec::new();
    if let Some(pull) = subject.here {
        trials.push(Trial {
            role: TrialRole::SuspectHere,
            image: image.clone().unwrap_or_default(),
            node: subject.node.clone(),
            result: TrialResult::Tried(pull),
        });
    }
    for planned in plan.trials {
        let result = match (&planned.ask, planned.role) {
            // Without an image to pull, a look at the registry tells about the way to it.
            (Err(why), TrialRole::SameRegistryHere) => view
                .as_ref()
                .and_then(|view| seen(view, evidence))
                .map_or_else(|| TrialResult::Untried(why.clone()), TrialResult::Probed),
            _ => result(&planned, evidence, &mut gaps),
        };
        trials.push(Trial {
            role: planned.role,
            image: planned.image,
            node: planned.node,
            result,
        });
    }
    let mut found = isolate(&subject.node, image.as_deref(), &trials);
    // The pod's symptom is the last one.
    if let Some(diagnosis) = pulldoctor_diagnose::judge(evidence)
        .into_iter()
        .find(|diagnosis| diagnosis.symptom + 1 == evidence.symptoms.len())
    {
        found = found.weighed(&trials, &diagnosis.first);
    }
    let exit = exit(&found, &gaps);
    let document = IsolateDocument {
        schema: IsolateDocument::SCHEMA,
        node: subject.node,
        pod: subject.pod,
        image,
        trials: trials.iter().map(row).collect(),
        fault: found.fault.as_str(),
        cause: found.cause.map(|(cause, _)| cause),
        confidence: found.cause.map(|(_, sure)| sure),
        summary: found.summary,
        limits: found.limits,
        gaps,
    };
    (document, exit)
}

/// Where the trials do not tell, what was not allowed may be why.
fn exit(found: &Isolation, gaps: &[ReportGap]) -> ExitCode {
    match found.fault {
        Fault::Over => ExitCode::Fine,
        Fault::Undecided => ExitCode::Partial,
        _ if found.cause.is_none() && gaps.iter().any(|gap| gap.counts) => ExitCode::Partial,
        _ => ExitCode::Problems,
    }
}

/// What became of a trial. A gap is told once, however many trials it stands in the way of.
fn result(planned: &PlannedTrial, evidence: &Evidence, gaps: &mut Vec<ReportGap>) -> TrialResult {
    let question = match &planned.ask {
        Ok(question) => question,
        Err(why) => return TrialResult::Untried(why.clone()),
    };
    if let Some(Answer::KubeletPull(pull)) = answer(question, evidence) {
        return TrialResult::Tried(pull.clone());
    }
    let gap = evidence
        .gaps
        .iter()
        .find(|gap| gap.questions.contains(question));
    if let (Some(transcript), Some(GapReason::NotAsked)) = (
        view_of(planned).and_then(|view| seen(&view, evidence)),
        gap.map(|gap| gap.why),
    ) && transcript.first_failure().is_some()
    {
        return TrialResult::Probed(transcript);
    }
    let Some(gap) = gap else {
        return TrialResult::Untried("there is no answer".to_owned());
    };
    if !gaps.iter().any(|known| known.what == gap.what) {
        gaps.push(ReportGap {
            what: gap.what.clone(),
            why: gap.why,
            grant: gap.grant.clone(),
            counts: true,
        });
    }
    // The gap itself is told with its reason.
    TrialResult::Untried("the kubelet could not be asked".to_owned())
}

fn answer<'e>(question: &Question, evidence: &'e Evidence) -> Option<&'e Answer> {
    evidence
        .answers
        .iter()
        .find(|answered| answered.question == *question)
        .map(|answered| &answered.answer)
}

/// What a probe saw of a registry.
fn seen(view: &Question, evidence: &Evidence) -> Option<Box<Transcript>> {
    match answer(view, evidence)? {
        Answer::NodeView(view) => Some(Box::new(view.registry()?.transcript.clone())),
        _ => None,
    }
}

fn row(trial: &Trial) -> IsolateTrial {
    let (reason, message) = match &trial.result {
        TrialResult::Tried(pull) if pull.got => (None, None),
        TrialResult::Tried(pull) => (Some(pull.reason.clone()), Some(pull.message.clone())),
        TrialResult::Probed(seen) => (None, seen.first_failure().map(|stage| stage.detail.clone())),
        TrialResult::Untried(_) => (None, None),
    };
    IsolateTrial {
        role: trial.role.as_str(),
        words: trial.role.words(),
        image: trial.image.clone(),
        node: trial.node.clone(),
        outcome: trial.outcome().as_str(),
        reason,
        message: message.filter(|text| !text.is_empty()),
        cause: trial.points_to().map(|(cause, _)| cause),
    }
}

fn nothing_waits(target: &str) -> IsolateDocument {
    IsolateDocument {
        schema: IsolateDocument::SCHEMA,
        node: String::new(),
        pod: None,
        image: None,
        trials: Vec::new(),
        fault: Fault::Over.as_str(),
        cause: None,
        confidence: None,
        summary: format!("{} waits for no image", clean_line(target)),
        limits: Vec::new(),
        gaps: Vec::new(),
    }
}

fn unplanned(error: IsolateError) -> Failure {
    let (exit, help) = (error.exit(), error.help());
    Failure::cannot(exit, error).maybe_help(help)
}
