//! `pulldoctor probe IMAGE --from node/N|namespace/NS`: the same image asked for from another
//! place, and from here beside it.

use std::{pin::pin, time::Duration};

use anyhow::anyhow;
use pulldoctor_cluster::{Cluster, Look, NodeProbeError, Place, SecretNames};
use pulldoctor_diagnose::probe::{
    ProbeVerdict, Seat, alone, compare, judge_probe, judge_probe_from, kubelet_question,
    kubelet_worth, learn, weigh,
};
use pulldoctor_model::registry::{CredentialOutcome, Facts, StageName};
use pulldoctor_model::{ExitCode, NodeRole, Question, clean_line};
use pulldoctor_reference::Reference;
use pulldoctor_registry::judge::{NodeImage, NodeTarget, Platform, begin_transcript};
use pulldoctor_registry::{Probe, ProbeDepth, ProbeRequest, Transcript};
use pulldoctor_report::{
    ProbeBeside, ProbeDocument, ProbeJudgement, ProbeView, UntestedCredential,
};

use super::kubelet::{self, Tried};
use super::{architecture, config, document, exit, human, prober, stages};
use crate::{
    args::{self, DocumentFormat},
    collect,
    failure::Failure,
    logins::{self, Logins, Whose},
    node_probe, node_view,
    progress::Progress,
    signals,
    terminal::{self, Terminal},
};

/// How long this computer's own look may last once the other one is there.
const BESIDE: Duration = Duration::from_secs(2);

/// What is asked.
pub(super) struct Asked<'a> {
    options: &'a args::Probe,
    place: &'a Place,
    pub(super) image: Reference,
    target: NodeTarget,
    /// What is looked for where the image has several platforms and nobody knows the node's.
    platform: Platform,
}

/// What both places saw.
struct Seen {
    there: Result<Look, NodeProbeError>,
    /// Nothing where it was not done in time.
    here: Option<Transcript>,
}

/// Asks from there.
pub(super) async fn ask(
    options: &args::Probe,
    place: &Place,
    image: Reference,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    if options.verify_layers {
        return Err(
            Failure::request(anyhow!("`--verify-layers` reads layers from here only"))
                .help(format!("leave out one of it and `--from {place}`")),
        );
    }
    let registry = config(&options.registry);
    let access = node_view::access(&registry, options.place.probe_namespace.as_ref())?;
    if access.program.is_none() {
        return Err(no_program());
    }
    let platform = access
        .program
        .map_or_else(architecture, |program| program.architecture);
    let probe = prober(registry)?;
    let progress = Progress::start(terminal.watched);
    progress.say("reaching the cluster");
    let connecting = collect::connect_options(&options.cluster, None, Some(access));
    let cluster = Cluster::connect(&connecting)
        .await
        .map_err(collect::unconnected)?;
    if options.place.explain_access {
        let plan = cluster.probe_plan(place).await.map_err(node_view::unseen)?;
        let names = logins::names(options, &cluster).await?;
        let pull = names.and_then(|names| try_question(place, &image, &names));
        let format = options.output.format;
        terminal::print(&node_view::plan_text(&plan, pull.as_slice(), format)?)?;
        return Ok(ExitCode::Fine);
    }
    let logins = logins::find(options, &image).await?;
    let platform = options
        .platform
        .clone()
        .or_else(|| logins.platform.as_ref()?.parse().ok())
        .unwrap_or_else(|| Platform::linux(platform));
    let asked = Asked {
        options,
        place,
        target: target(&image, options.platform.as_ref()),
        image,
        platform,
    };
    progress.say(format!("looking from {}", clean_line(&place.to_string())));
    let looking = async {
        let seen = look(&cluster, &asked, here(&probe, &asked, &logins)).await;
        let question = logins.names.as_ref();
        let question = question.and_then(|names| try_question(place, &asked.image, names));
        let tried = match (&seen.there, question) {
            (Ok(look), Some(question)) => kubelet::ask(&cluster, &asked, look, question).await,
            _ => None,
        };
        (seen, tried)
    };
    let (seen, tried) = signals::guarded(Box::pin(looking), cluster.clean_up(), &progress).await;
    drop(progress);
    show(&asked, seen, tried, logins, terminal)
}

/// What is asked there. The node's own platform is filled in by whoever knows the node.
fn target(image: &Reference, platform: Option<&Platform>) -> NodeTarget {
    NodeTarget {
        role: NodeRole::Registry,
        host: image.registry_api_host().to_owned(),
        plain_http: false,
        image: Some(NodeImage {
            platform: platform.map(ToString::to_string),
            ..NodeImage::new(image)
        }),
    }
}

/// The same from this computer, with the logins, which never go anywhere else.
async fn here(probe: &Probe, asked: &Asked<'_>, logins: &Logins) -> Transcript {
    let request = ProbeRequest {
        logins: logins.tried.clone(),
        platform: Some(asked.platform.clone()),
        depth: ProbeDepth::Layers,
        ..ProbeRequest::new(asked.image.clone())
    };
    let mut transcript = probe.run(&request, &mut |_| {}).await;
    for (record, shown) in transcript.credentials.iter_mut().zip(&logins.shown) {
        record.username = Some(shown.clone());
    }
    transcript
}

/// What the kubelet of that place would be made to try with these pull secrets; nothing where the
/// place is no node.
fn try_question(place: &Place, image: &Reference, names: &SecretNames) -> Option<Question> {
    let Place::Node(node) = place else {
        return None;
    };
    let SecretNames {
        namespace,
        names,
        service_account,
        ..
    } = names.clone();
    let question = kubelet_question(node, &namespace, names, service_account, image);
    Some(question)
}

/// Looks from both places at once. The other place is what was asked for: this one is not waited
/// for much longer.
async fn look(
    cluster: &Cluster,
    asked: &Asked<'_>,
    here: impl Future<Output = Transcript>,
) -> Seen {
    let mut here = pin!(here);
    let targets = std::slice::from_ref(&asked.target);
    let mut there = pin!(cluster.look_from(asked.place, targets));
    tokio::select! {
        there = &mut there => {
            let here = tokio::time::timeout(BESIDE, here).await.ok();
            Seen { there, here }
        }
        here = &mut here => Seen {
            there: there.await,
            here: Some(here),
        },
    }
}

fn no_program() -> Failure {
    Failure::unable(anyhow!(NodeProbeError::NoProgram)).help(node_probe::ADVICE)
}

/// Judges and shows what both places saw.
fn show(
    asked: &Asked<'_>,
    seen: Seen,
    tried: Option<Tried>,
    logins: Logins,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let from_here = seen.here.as_ref().map(|here| {
        let verdict = judge_probe(here, &asked.image, logins.facts.as_ref());
        (here, verdict)
    });
    let (document, exit) = match seen.there {
        Ok(look) => seen_there(asked, &look, from_here, tried, logins),
        Err(error) if node_view::exit(&error) != ExitCode::Partial => {
            return Err(node_view::unseen(error));
        }
        Err(error) => {
            let document = unseen(&asked.target, &error, logins)
                .seen_from(asked.place.to_string(), None)
                .beside(from_here.map(|(here, verdict)| beside(here, &verdict, vec![alone(here)])));
            (document, ExitCode::Partial)
        }
    };
    let output = &asked.options.output;
    let text = match output.format {
        DocumentFormat::Human => {
            let mut text = stages(&document, &format!("from {}", asked.place), terminal);
            text.push_str(&human(&document, output.verbose, terminal));
            text
        }
        DocumentFormat::Json => pulldoctor_report::json(&document).map_err(Failure::bug)?,
        DocumentFormat::Yaml => pulldoctor_report::yaml(&document).map_err(Failure::bug)?,
    };
    terminal::print(&text)?;
    Ok(exit)
}

/// What the other place saw, with what only this one can ask, and how they differ.
fn seen_there(
    asked: &Asked<'_>,
    look: &Look,
    from_here: Option<(&Transcript, ProbeVerdict)>,
    tried: Option<Tried>,
    mut logins: Logins,
) -> (ProbeDocument, ExitCode) {
    let (name, seat) = (asked.place.to_string(), seat(asked.place));
    let has_logins = asked.options.credentials != Whose::Anonymous;
    let here = from_here.as_ref().map(|(here, _)| *here);
    let mut there = look.view.registry().map_or_else(
        || begin_transcript(&asked.target),
        |sight| sight.transcript.clone(),
    );
    let platform = looked_for(&there).unwrap_or_else(|| asked.platform.clone());
    let is_login_here = here.is_some_and(|here| learn(&mut there, here, has_logins));
    // After that: a node that holds no login does not differ by that.
    let differences = match here {
        Some(here) => compare(seat, &there, here),
        None => vec![format!(
            "no answer here within {} s after that of {}",
            BESIDE.as_secs(),
            clean_line(&name)
        )],
    };
    let facts = logins.facts.as_ref().filter(|_| is_login_here);
    let mut verdict = judge_probe_from(seat, &there, &asked.image, facts);
    let mut failed = None;
    if let Some(Tried::Answered { node, pull, .. }) = &tried {
        let was_good = verdict.cause.is_none();
        verdict = weigh(verdict, node, kubelet_worth(pull));
        failed = (was_good && verdict.cause.is_some()).then(|| verdict.summary.clone());
    }
    if has_logins && !is_login_here {
        keep_logins(&mut logins, here);
    }
    let exit = exit(&there, &verdict, &logins);
    let beside = match from_here {
        Some((here, verdict)) => beside(here, &verdict, differences),
        None => ProbeBeside::missing(differences),
    };
    let document = document(&there, verdict, &platform, logins)
        .seen_from(name, Some(view(look)))
        .beside(Some(beside));
    let mut document = match tried {
        Some(tried) => tried.told(document),
        None => document,
    };
    if let Some(summary) = failed {
        document.fail_stage(StageName::Token, summary);
    }
    (document, exit)
}

fn seat(place: &Place) -> Seat<'_> {
    match place {
        Place::Node(name) => Seat::Node(name),
        Place::Namespace(name) => Seat::Namespace(name),
    }
}

/// The platform that the probe looked for there.
fn looked_for(there: &Transcript) -> Option<Platform> {
    match &there.stage(StageName::Platform)?.facts {
        Facts::Platform(facts) => facts.wanted.parse().ok(),
        _ => None,
    }
}

/// What became of the logins, where the other place did not come to the point at which one
/// matters. From there none is sent.
fn keep_logins(logins: &mut Logins, here: Option<&Transcript>) {
    let Some(here) = here else {
        let because = "no answer here in time, and no login is sent from elsewhere";
        logins.unread.extend(
            logins
                .tried
                .iter()
                .zip(&logins.shown)
                .map(|(login, shown)| UntestedCredential {
                    source: login.source.clone(),
                    username: Some(shown.clone()),
                    because: because.to_owned(),
                }),
        );
        return;
    };
    for record in here.credentials.iter().filter(|record| record.is_login()) {
        if record.outcome == CredentialOutcome::Untested {
            logins.unread.push(UntestedCredential {
                source: record.source.clone(),
                username: record.username.clone(),
                because: record.detail.clone(),
            });
        } else {
            let mut record = record.clone();
            record.detail.push_str(" (asked from here)");
            logins.others.push(record);
        }
    }
}

/// What was seen from here, in short.
fn beside(here: &Transcript, verdict: &ProbeVerdict, differences: Vec<String>) -> ProbeBeside {
    ProbeBeside::new(here, verdict.cause.zip(verdict.confidence), differences)
}

fn view(look: &Look) -> ProbeView {
    let took = u64::try_from(look.took.as_millis()).unwrap_or(u64::MAX);
    ProbeView::new(&look.node, &look.namespace, &look.image, &look.view, took)
}

/// The document where nobody could look: nothing is known, and what would let them.
fn unseen(target: &NodeTarget, error: &NodeProbeError, logins: Logins) -> ProbeDocument {
    let transcript = begin_transcript(target);
    let judgement = ProbeJudgement {
        summary: format!(
            "whether `{}` can be pulled there is not known: nobody could look",
            transcript.image
        ),
        is_partial: true,
        ..ProbeJudgement::default()
    };
    let remedy = error.grant().map(str::to_owned).or_else(|| error.help());
    ProbeDocument::new(&transcript, judgement, None, &logins.others, logins.unread)
        .not_seen(format!("{:#}", anyhow::Error::new(error.clone())), remedy)
}
