//! What registries say of images: each question as one probe, or none where another was the same.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream};
use pulldoctor_model::{
    Answer, Evidence, Gap, GapReason, Question, RegistryCredentials, clean_line,
    registry::{CredentialRecord, Facts, Problem, Stage, Transcript},
    shorten,
};
use pulldoctor_reference::Reference;
use pulldoctor_registry::{ProbeDepth, ProbeRequest, judge::rank_tags};
use tokio::sync::OnceCell;

use super::{Health, Outcome, Sink, wanted};
use crate::{
    connect::Cluster,
    credentials::Credentials,
    registries::{ProbeKey, Probed, Registries},
};

/// How many registries are asked side by side.
const REGISTRIES: usize = 16;

/// How many images of one registry are asked for side by side; the prober bounds the requests.
const IMAGES: usize = 4;

/// How many questions' secrets are read side by side.
const READING: usize = 16;

/// How many tags an answer keeps beside the near ones.
const TAGS: usize = 1_000;

/// How many near tags are told, as a probe does.
const NEAR: usize = 10;

/// A question with the credentials that it comes to.
struct Planned {
    at: usize,
    question: Question,
    image: Reference,
    key: ProbeKey,
    credentials: Credentials,
}

/// A probe, and all whose question it answers.
struct Job {
    cell: Arc<OnceCell<Probed>>,
    request: ProbeRequest,
    content: bool,
    askers: Vec<Planned>,
}

impl Cluster {
    /// Answers questions about images. Registries are asked side by side, and while the API is.
    pub(super) async fn ask_registries(
        &self,
        questions: Vec<(usize, Question)>,
        history: &History,
        health: &Health,
        sink: &Sink<'_>,
    ) {
        let Some(registries) = &self.inner.registries else {
            for (at, question) in questions {
                sink.settle(at, &question, offline(&question));
            }
            return;
        };
        let planning: Vec<_> = questions
            .iter()
            .map(|(at, question)| self.plan(*at, question, health).boxed())
            .collect();
        let planned: Vec<_> = stream::iter(planning).buffered(READING).collect().await;
        let mut open = Vec::new();
        for ((at, question), planned) in questions.iter().zip(planned) {
            match planned {
                Ok(planned) => open.push(planned),
                Err(outcome) => sink.settle(*at, question, outcome),
            }
        }
        let jobs = self.jobs(open, registries, history, sink);
        let of_registries: Vec<_> = jobs
            .into_iter()
            .map(|jobs| {
                let runs: Vec<_> = jobs
                    .into_iter()
                    .map(|job| run(registries, job, sink).boxed())
                    .collect();
                stream::iter(runs)
                    .buffer_unordered(IMAGES)
                    .collect::<Vec<()>>()
            })
            .collect();
        stream::iter(of_registries)
            .buffer_unordered(REGISTRIES)
            .collect::<Vec<_>>()
            .await;
    }

    /// Reads what a question needs before a registry is asked, or says why none is.
    async fn plan(
        &self,
        at: usize,
        question: &Question,
        health: &Health,
    ) -> Result<Planned, Outcome> {
        let Question::Registry {
            image,
            platform,
            credentials,
            content,
        } = question
        else {
            return Err(Outcome::leave());
        };
        let Ok(reference) = Reference::parse(image) else {
            return Err(Outcome::gap(super::no_reference(question, image)));
        };
        let credentials = match credentials {
            RegistryCredentials::Anonymous => Credentials::default(),
            RegistryCredentials::Secrets { namespace, names } => {
                let read = self.pull_secrets(namespace, names, health).await;
                // With other credentials than the pod's the answer would not be the pod's.
                let mut gaps = read.gaps(namespace, question).into_iter();
                if let Some(gap) = gaps.next() {
                    return Err(Outcome {
                        settled: Some(Err(gap)),
                        besides: gaps.collect(),
                    });
                }
                Credentials::of(&read.secrets, &reference)
            }
        };
        let logins = credentials
            .logins
            .iter()
            .map(|login| (login.username.clone(), login.password.clone()))
            .collect();
        Ok(Planned {
            at,
            question: question.clone(),
            key: ProbeKey {
                image: image.clone(),
                platform: platform.clone(),
                content: *content,
                logins,
            },
            image: reference,
            credentials,
        })
    }

    /// Puts equal questions together, and the probes by registry. What is beyond the number of
    /// probes is a gap; the first questions have precedence.
    fn jobs(
        &self,
        planned: Vec<Planned>,
        registries: &Registries,
        history: &History,
        sink: &Sink<'_>,
    ) -> Vec<Vec<Job>> {
        let mut by_registry: Vec<Vec<Job>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut known: HashMap<ProbeKey, (usize, usize)> = HashMap::new();
        for planned in planned {
            if let Some((registry, job)) = known.get(&planned.key) {
                by_registry[*registry][*job].askers.push(planned);
                continue;
            }
            let most = registries.most();
            let Some(cell) = self.inner.probes.place(&planned.key, most) else {
                let text = format!("beyond the {most} of `--max-probes`");
                let gap = gap(&planned.question, &text, GapReason::NotAsked);
                sink.settle(planned.at, &planned.question, Outcome::gap(gap));
                continue;
            };
            let host = planned.image.registry().to_owned();
            let place = *places.entry(host).or_insert_with(|| {
                by_registry.push(Vec::new());
                by_registry.len() - 1
            });
            known.insert(planned.key.clone(), (place, by_registry[place].len()));
            by_registry[place].push(Job {
                cell,
                request: request(&planned, history),
                content: planned.key.content,
                askers: vec![planned],
            });
        }
        by_registry
    }
}

fn request(planned: &Planned, history: &History) -> ProbeRequest {
    let mut logins = planned.credentials.logins.clone();
    // Others may have the same login from elsewhere: the source is filled in for each.
    for (at, login) in logins.iter_mut().enumerate() {
        login.source = neutral(at);
    }
    ProbeRequest {
        logins,
        try_anonymous: true,
        platform: planned
            .key
            .platform
            .as_ref()
            .and_then(|platform| platform.parse().ok()),
        depth: if planned.key.content {
            ProbeDepth::Verify
        } else {
            ProbeDepth::Layers
        },
        list_tags: true,
        history: history.of(&planned.image),
        ..ProbeRequest::new(planned.image.clone())
    }
}

/// What stands for the source of a login while its probe may be for many.
fn neutral(at: usize) -> String {
    format!("login {}", at + 1)
}

/// Runs a probe, unless it has been, and settles all its questions.
async fn run(registries: &Registries, job: Job, sink: &Sink<'_>) {
    let patience = registries.patience(job.content);
    let probe = registries.probe();
    let probed = job
        .cell
        .get_or_init(|| async {
            let mut unseen = |_: &Stage| {};
            let run = probe.run(&job.request, &mut unseen).boxed();
            let transcript = tokio::time::timeout(patience, run).await.ok()?;
            Some(Arc::new(bounded(transcript)))
        })
        .await;
    for asker in &job.askers {
        let outcome = match probed {
            None => {
                let text = format!("within {} s (`--probe-timeout`)", seconds(patience));
                Outcome::gap(gap(&asker.question, &text, GapReason::Timeout))
            }
            Some(transcript) => told(asker, transcript),
        };
        sink.settle(asker.at, &asker.question, outcome);
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// A transcript with no more tags than are worth keeping: every question has its own copy.
fn bounded(mut transcript: Transcript) -> Transcript {
    if let Some(list) = transcript.tags.as_mut()
        && list.tags.len() > TAGS
    {
        let near: Vec<&String> = transcript.near_tags.iter().map(|near| &near.tag).collect();
        let mut left = TAGS;
        list.tags.retain(|tag| {
            let is_kept = left > 0 || near.contains(&tag);
            left = left.saturating_sub(1);
            is_kept
        });
        list.truncated = true;
    }
    transcript
}

/// A transcript as the answer to one question: with the sources of its own credentials, and with
/// those that no registry gets.
fn told(asker: &Planned, transcript: &Transcript) -> Outcome {
    let mut transcript = transcript.clone();
    let credentials = &asker.credentials;
    for (at, login) in credentials.logins.iter().enumerate() {
        let shown = credentials.shown_usernames.get(at);
        name(&mut transcript, &neutral(at), &login.source, shown);
    }
    add(&mut transcript, &credentials.others);
    let besides = withheld(&asker.question, &transcript);
    Outcome::with(Answer::Registry(Box::new(transcript)), besides)
}

/// Puts a source in the place of a neutral one.
fn name(transcript: &mut Transcript, neutral: &str, source: &str, username: Option<&String>) {
    for record in &mut transcript.credentials {
        if record.source == neutral {
            source.clone_into(&mut record.source);
            record.username = username.cloned();
        }
    }
    for stage in &mut transcript.stages {
        if let Facts::Token(facts) = &mut stage.facts {
            for attempt in &mut facts.attempts {
                if attempt.source == neutral {
                    source.clone_into(&mut attempt.source);
                }
            }
        }
    }
    let before = format!("credential of {neutral}: ");
    for gap in &mut transcript.gaps {
        if let Some(rest) = gap.what.strip_prefix(&before) {
            gap.what = format!("credential of {source}: {rest}");
        }
    }
}

/// Adds the credentials that were not tried, before `anonymous`, which stands last.
fn add(transcript: &mut Transcript, others: &[CredentialRecord]) {
    let place = transcript
        .credentials
        .iter()
        .position(|record| record.source == "anonymous")
        .unwrap_or(transcript.credentials.len());
    for stage in &mut transcript.stages {
        if let Facts::Manifest(facts) = &mut stage.facts
            && let Some(credential) = &mut facts.credential
            && *credential >= place
        {
            *credential += others.len();
        }
    }
    let others = others.iter().cloned();
    transcript.credentials.splice(place..place, others);
}

/// The gaps of a probe: credentials that were held back. Each host once.
fn withheld(question: &Question, transcript: &Transcript) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for held in &transcript.gaps {
        let host = shorten(&clean_line(&held.host), 200).into_owned();
        let what = match held.problem {
            Problem::RealmNotAllowed => format!(
                "log in at `{host}`, the token service that `{}` names: `--allow-realm {host}` \
                 consents",
                transcript.host
            ),
            Problem::RedirectRefused => format!(
                "log in at `{}`: it leads to `{host}`, where no credential may go",
                transcript.host
            ),
            _ => format!(
                "log in at `{}`: the way to `{host}` is not safe for a credential",
                transcript.host
            ),
        };
        if gaps.iter().all(|gap| gap.what != what) {
            gaps.push(Gap {
                what,
                why: GapReason::NotAsked,
                grant: None,
                questions: vec![question.clone()],
                hides_pods: false,
            });
        }
    }
    gaps
}

/// The gap where no registry is asked at all.
fn offline(question: &Question) -> Outcome {
    match wanted(question) {
        Some(wanted) => Outcome::gap(wanted.gap(GapReason::NotAsked, vec![question.clone()])),
        None => Outcome::leave(),
    }
}

fn gap(question: &Question, more: &str, why: GapReason) -> Gap {
    let what = wanted(question).map_or_else(|| "ask a registry".to_owned(), |wanted| wanted.what);
    Gap {
        what: format!("{what} {more}"),
        why,
        grant: None,
        questions: vec![question.clone()],
        hides_pods: false,
    }
}

/// Which tags of a repository ran here before, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<String, Vec<String>>);

impl History {
    /// Gathers the tags of the repositories that questions are about.
    pub(super) fn of_questions(
        cluster: &Cluster,
        evidence: &Evidence,
        questions: impl Iterator<Item = impl AsRef<str>>,
    ) -> Self {
        let mut history = Self::default();
        for image in questions {
            if let Ok(image) = Reference::parse(image.as_ref()) {
                history.0.entry(image.repo()).or_default();
            }
        }
        if history.0.is_empty() {
            return history;
        }
        cluster.index().pulled(|image| history.add(image));
        for answered in &evidence.answers {
            if let Answer::Owner(owner) = &answered.answer {
                for revision in &owner.history {
                    history.add(&revision.image);
                }
            }
        }
        for tags in history.0.values_mut() {
            tags.sort();
            tags.dedup();
        }
        history
    }

    fn add(&mut self, image: &str) {
        if let Ok(image) = Reference::parse(image)
            && let Some(tags) = self.0.get_mut(&image.repo())
            && let Some(tag) = image.tag()
        {
            tags.push(tag.to_owned());
        }
    }

    fn of(&self, image: &Reference) -> Vec<String> {
        self.0.get(&image.repo()).cloned().unwrap_or_default()
    }
}

/// What registries said of images whose tags they list, from here and from nodes.
fn with_tags(evidence: &mut Evidence) -> impl Iterator<Item = &mut Transcript> {
    let said = evidence.answers.iter_mut();
    let transcripts = said.flat_map(|answered| match &mut answered.answer {
        Answer::Registry(transcript) => vec![&mut **transcript],
        Answer::NodeView(view) => view
            .sights
            .iter_mut()
            .map(|sight| &mut sight.transcript)
            .collect(),
        _ => Vec::new(),
    });
    transcripts.filter(|seen| seen.tags.as_ref().is_some_and(|list| !list.tags.is_empty()))
}

/// Ranks near tags again, now that the owners have told what ran before.
pub(super) fn rank_again(cluster: &Cluster, evidence: &mut Evidence) {
    let images: Vec<String> = with_tags(evidence)
        .map(|transcript| transcript.image.clone())
        .collect();
    let history = History::of_questions(cluster, evidence, images.iter());
    for transcript in with_tags(evidence) {
        if let Ok(image) = Reference::parse(&transcript.image)
            && let Some(tag) = image.effective_tag()
            && let Some(list) = &transcript.tags
        {
            transcript.near_tags = rank_tags(tag, &list.tags, &history.of(&image), NEAR);
        }
    }
}
