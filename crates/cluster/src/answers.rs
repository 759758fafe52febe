//! Answers the engine's questions from the API, or says which gap stands in their place.

mod filesystems;
mod holder;
mod keyring;
mod node;
mod node_config;
mod node_logs;
mod node_metrics;
mod node_view;
mod owner;
mod registry;
mod secret;
mod service_account;
mod sink;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use pulldoctor_model::{
    Answer, Answered, Evidence, Gap, GapReason, Question, Vantage, clean_line, shorten,
};
use pulldoctor_reference::Reference;

pub use holder::{Held, Holder, HolderError, SecretNames};
pub(crate) use node::{NodeObject, read as read_node};
pub(crate) use owner::{OwnerObject, ReplicaSetObject, RevisionObject, facts as owner_facts};
pub(crate) use secret::{SecretObject, Secrets, can_hold_credentials, may_be_config};
pub(crate) use service_account::ServiceAccountObject;
use sink::Sink;

use crate::{
    connect::Cluster,
    error::ApiError,
    events::{self, PodRef, SIDE_BY_SIDE},
    gaps::add_gap,
    rbac, timing,
};

/// How long one answer may take, retries included.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the logs of a node may take: the kubelet itself gives a query half a minute.
const LOG_PATIENCE: Duration = Duration::from_secs(45);

/// From how many nodes logs are read at a time: that may be some megabytes from each.
const LOGS_AT_ONCE: usize = 4;

/// After so many timeouts the server is taken to be lost.
const TIMEOUTS_MOST: usize = 3;

/// Whether the server still answers.
#[derive(Debug, Default)]
struct Health {
    is_lost: AtomicBool,
    timeouts: AtomicUsize,
}

impl Health {
    /// Why nothing more is asked; none while the server answers.
    fn verdict(&self) -> Option<GapReason> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Some(GapReason::Unreachable);
        }
        (self.timeouts.load(Ordering::Relaxed) >= TIMEOUTS_MOST).then_some(GapReason::Timeout)
    }

    /// Notes what an answer says of the server.
    fn note(&self, error: Option<&ApiError>) {
        match error {
            None | Some(ApiError::Timeout { .. }) => {
                self.timeouts.fetch_add(1, Ordering::Relaxed);
            }
            Some(error) if error.is_total() => self.is_lost.store(true, Ordering::Relaxed),
            Some(_) => {}
        }
    }

    /// Asks within the time limit, unless the server is gone: it is not asked again for every
    /// question.
    async fn bounded<T>(
        &self,
        asking: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<Result<T, ApiError>, GapReason> {
        self.within(PATIENCE, asking).await
    }

    /// As [`Health::bounded`], with another limit.
    async fn within<T>(
        &self,
        patience: Duration,
        asking: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<Result<T, ApiError>, GapReason> {
        if let Some(why) = self.verdict() {
            return Err(why);
        }
        match tokio::time::timeout(patience, asking).await {
            Err(_) => {
                self.note(None);
                Err(GapReason::Timeout)
            }
            Ok(result) => {
                if let Err(error) = &result {
                    self.note(Some(error));
                }
                Ok(result)
            }
        }
    }
}

/// What came of a question.
pub(crate) struct Outcome {
    /// The answer, or the gap in its place; none where this side cannot answer such questions.
    settled: Option<Result<Answer, Gap>>,
    /// What is missing besides, and leaves no question open.
    besides: Vec<Gap>,
}

impl Outcome {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self {
            settled: Some(Ok(answer)),
            besides: Vec::new(),
        }
    }

    /// An answer, and what is missing besides.
    pub(crate) fn with(answer: Answer, besides: Vec<Gap>) -> Self {
        Self {
            settled: Some(Ok(answer)),
            besides,
        }
    }

    pub(crate) fn gap(gap: Gap) -> Self {
        Self {
            settled: Some(Err(gap)),
            besides: Vec::new(),
        }
    }

    fn leave() -> Self {
        Self {
            settled: None,
            besides: Vec::new(),
        }
    }
}

/// What is wanted from the API, as the texts and rules of gaps need it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The gap's text.
    pub(crate) what: String,
    /// API group, resource and verbs of the rule that would allow it; none where no rule may
    /// be asked for.
    pub(crate) rule: Option<(&'static str, &'static str, &'static [&'static str])>,
    /// The one object that the rule is narrowed to.
    pub(crate) of: Option<String>,
}

impl Wanted {
    /// What only the kubelet of a node tells. Through the API server that needs `nodes/proxy`:
    /// the finer `nodes/log`, `nodes/metrics` and `nodes/configz` (KEP-2862) count where the
    /// kubelet itself is asked, and it is the API server that asks it.
    fn of_kubelet(what: &str, node: &str) -> Self {
        Self {
            what: format!("read {what} of the kubelet of node {node}"),
            rule: Some(("", "nodes/proxy", &["get"])),
            of: Some(node.to_owned()),
        }
    }

    /// The gap where the API refused or failed.
    pub(crate) fn gap(&self, why: GapReason, questions: Vec<Question>) -> Gap {
        let rule = self.rule.filter(|_| why == GapReason::Forbidden);
        Gap {
            what: self.what.clone(),
            why,
            grant: rule.map(|(group, resource, verbs)| match &self.of {
                Some(name) => rbac::rule_for(group, resource, verbs, name),
                None => rbac::rule(group, resource, verbs),
            }),
            questions,
            hides_pods: false,
        }
    }
}

impl Cluster {
    /// Answers questions, several at a time and each within a time limit, and fills `since`,
    /// `nextRetry` and `field` of the symptoms where an answer tells them better. Registries are
    /// asked beside the API, if [`ConnectOptions::registries`](crate::ConnectOptions) lets them.
    ///
    /// Cancel safe: what is answered stands in the evidence; once all is, in the order of the
    /// questions.
    ///
    /// Questions that are settled already are passed over. Those that need a pod in the cluster are
    /// left as they are unless [`ConnectOptions::nodes`](crate::ConnectOptions) allows it.
    pub async fn answer(&self, questions: &[Question], evidence: &mut Evidence) {
        let questions = unsettled(questions, evidence);
        let images = questions.iter().filter_map(image_of_registry_question);
        let history = registry::History::of_questions(self, evidence, images);
        let (of_nodes, others): (Vec<_>, Vec<_>) = questions
            .into_iter()
            .enumerate()
            .partition(|(_, question)| self.inner.nodes.access.is_some() && needs_a_pod(question));
        let (of_registries, of_api): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|(_, question)| image_of_registry_question(question).is_some());
        let has_probed = !of_registries.is_empty() || !of_nodes.is_empty();

        let health = Health::default();
        let sink = Sink::new(evidence);
        let asking = self.ask_api(of_api, &health, &sink).boxed();
        let probing = self
            .ask_registries(of_registries, &history, &health, &sink)
            .boxed();
        let looking = self.ask_nodes(of_nodes, &sink).boxed();
        futures::future::join3(asking, probing, looking).await;
        sink.finish();
        if has_probed {
            registry::rank_again(self, evidence);
        }
    }

    async fn ask_api(&self, questions: Vec<(usize, Question)>, health: &Health, sink: &Sink<'_>) {
        let (of_logs, questions): (Vec<_>, Vec<_>) = questions
            .into_iter()
            .partition(|(_, question)| matches!(question, Question::NodeLogs { .. }));
        futures::future::join(
            self.ask_logs(of_logs, health, sink).boxed(),
            self.ask_others(questions, health, sink).boxed(),
        )
        .await;
    }

    /// Reads the logs of each node once, whatever the images.
    async fn ask_logs(&self, questions: Vec<(usize, Question)>, health: &Health, sink: &Sink<'_>) {
        let mut nodes: BTreeMap<String, Vec<(usize, Question, String)>> = BTreeMap::new();
        for (at, question) in questions {
            if let Question::NodeLogs { node, image } = &question {
                let (node, image) = (node.clone(), image.clone());
                nodes.entry(node).or_default().push((at, question, image));
            }
        }
        let asking: Vec<_> = nodes
            .into_iter()
            .map(|(node, asked)| async move {
                let images: Vec<String> = asked.iter().map(|(_, _, it)| it.clone()).collect();
                let result = match health.verdict() {
                    Some(why) => Err(why),
                    None => {
                        let reading = node_logs::read(self.api(), &node, &images, Timestamp::now());
                        // Behind `nodes/proxy` it is the node that may be gone, not the server.
                        Health::default().within(LOG_PATIENCE, reading).await
                    }
                };
                for (place, (at, question, _)) in asked.iter().enumerate() {
                    let outcome = match &result {
                        Ok(Ok(logs)) => Outcome::answer(Answer::NodeLogs(logs[place].clone())),
                        Ok(Err(error)) => {
                            tracing::debug!(%error, %question, "no answer");
                            Outcome::gap(logs_gap(question, &node, error.gap(), Some(error)))
                        }
                        Err(why) => Outcome::gap(logs_gap(question, &node, *why, None)),
                    };
                    sink.settle(*at, question, outcome);
                }
            })
            .collect();
        stream::iter(asking)
            .buffer_unordered(LOGS_AT_ONCE)
            .collect::<Vec<()>>()
            .await;
    }

    async fn ask_others(
        &self,
        questions: Vec<(usize, Question)>,
        health: &Health,
        sink: &Sink<'_>,
    ) {
        let pods: Vec<PodRef> = questions
            .iter()
            .filter_map(|(_, question)| pod(question))
            .collect();
        let found = &events::of_pods(self.api(), &pods).await;
        let asking: Vec<_> = questions
            .iter()
            .map(|(at, question)| async move {
                let outcome = match pod(question) {
                    Some(pod) => events_outcome(question, &pod, found),
                    None => self.outcome(question, health).await,
                };
                sink.settle(*at, question, outcome);
            })
            .collect();
        stream::iter(asking)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect::<Vec<()>>()
            .await;
    }

    async fn outcome(&self, question: &Question, health: &Health) -> Outcome {
        match question {
            Question::ImageElsewhere { image } => {
                return Outcome::answer(Answer::Elsewhere(self.index().image(image)));
            }
            Question::RegistryElsewhere { registry } => {
                return Outcome::answer(Answer::Elsewhere(self.index().registry(registry)));
            }
            Question::RegistriesInUse => {
                return Outcome::answer(Answer::Registries(self.index().registries()));
            }
            Question::Keyring {
                namespace,
                secrets,
                image,
            } => {
                return self
                    .keyring(question, namespace, secrets, image, health)
                    .await;
            }
            _ => {}
        }
        let Some(wanted) = wanted(question) else {
            return Outcome::leave();
        };
        let gap = |why| Outcome::gap(wanted.gap(why, vec![question.clone()]));
        // Behind `nodes/proxy` it is the node that may be gone, not the server.
        let own = Health::default();
        let is_of_node = node_behind_proxy(question).is_some();
        if is_of_node && let Some(why) = health.verdict() {
            return gap(why);
        }
        let health = if is_of_node { &own } else { health };
        match health.bounded(self.ask(question)).await {
            Err(why) => gap(why),
            Ok(Ok(outcome)) => outcome,
            // Behind `nodes/proxy` it may be the kubelet that has no such page.
            Ok(Err(ApiError::NotFound { .. })) if !question.is_of_node_view() => {
                Outcome::answer(Answer::Absent)
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, %question, "no answer");
                gap(error.gap())
            }
        }
    }

    async fn ask(&self, question: &Question) -> Result<Outcome, ApiError> {
        let api = self.api();
        Ok(match question {
            Question::Secret { namespace, name } => Outcome::answer(Answer::Secret(
                self.inner.secrets.outside(api, namespace, name).await?,
            )),
            Question::ServiceAccount { namespace, name } => Outcome::answer(
                Answer::ServiceAccount(service_account::read(api, namespace, name).await?),
            ),
            Question::Node { name } => {
                Outcome::answer(Answer::Node(Box::new(node::read(api, name).await?)))
            }
            Question::NodeFilesystems { name } => {
                Outcome::answer(Answer::NodeFilesystems(filesystems::read(api, name).await?))
            }
            Question::NodeConfig { name } => Outcome::answer(Answer::NodeConfig(Box::new(
                node_config::read(api, name).await?,
            ))),
            Question::NodeMetrics { name } => {
                Outcome::answer(Answer::NodeMetrics(node_metrics::read(api, name).await?))
            }
            Question::NodeEvents { name } => {
                Outcome::answer(Answer::Events(events::of_node(api, name).await?))
            }
            Question::Owner {
                namespace,
                owner,
                container,
            } => {
                let (facts, besides) = owner::read(api, namespace, owner, container).await?;
                Outcome::with(Answer::Owner(facts), besides)
            }
            _ => Outcome::leave(),
        })
    }
}

/// Settles questions by what was answered a moment ago, early in the same scan.
///
/// What the scan itself counts is left open: there is more of it by now.
pub fn recall(before: &Evidence, questions: &[Question], evidence: &mut Evidence) {
    let known: HashMap<&Question, &Answered> = before
        .answers
        .iter()
        .map(|answered| (&answered.question, answered))
        .collect();
    let mut recalled: HashSet<Question> = HashSet::new();
    for question in unsettled(questions, evidence) {
        let is_counted = matches!(
            question,
            Question::ImageElsewhere { .. }
                | Question::RegistryElsewhere { .. }
                | Question::RegistriesInUse
        );
        if let Some(answered) = known.get(&question)
            && !is_counted
        {
            let outcome = Outcome::answer(answered.answer.clone());
            settle(evidence, &question, outcome);
            recalled.insert(question);
        }
    }
    if recalled.is_empty() {
        return;
    }
    // What was missing beside the answers: nothing else brings it, since no question is open.
    for gap in &before.gaps {
        let mut gap = gap.clone();
        let is_besides = gap.questions.is_empty();
        gap.questions.retain(|question| recalled.contains(question));
        if is_besides || !gap.questions.is_empty() {
            add_gap(evidence, gap);
        }
    }
}

/// The questions that neither an answer nor a gap settles, each once.
pub(crate) fn unsettled(questions: &[Question], evidence: &Evidence) -> Vec<Question> {
    let mut settled: HashSet<&Question> = evidence
        .answers
        .iter()
        .map(|answered| &answered.question)
        .chain(evidence.gaps.iter().flat_map(|gap| &gap.questions))
        .collect();
    questions
        .iter()
        .filter(|question| settled.insert(*question))
        .cloned()
        .collect()
}

/// Puts what came of a question into the evidence.
pub(crate) fn settle(evidence: &mut Evidence, question: &Question, outcome: Outcome) {
    match outcome.settled {
        Some(Ok(answer)) => {
            refine(evidence, question, &answer);
            let from = match (question, &answer) {
                (_, Answer::Registry(_)) => Vantage::Here,
                (Question::NodeView { node, .. }, _) => Vantage::Node(node.clone()),
                (Question::KubeletPull { node, .. }, _) => Vantage::Kubelet(node.clone()),
                (question, _) if question.is_of_node_view() => node_behind_proxy(question)
                    .map_or(Vantage::Api, |node| Vantage::Node(node.to_owned())),
                _ => Vantage::Api,
            };
            evidence.answers.push(Answered {
                question: question.clone(),
                from,
                // The same state has to give the same bytes, so no time is told.
                took_ms: None,
                answer,
            });
        }
        Some(Err(gap)) => add_gap(evidence, gap),
        None => {}
    }
    for gap in outcome.besides {
        add_gap(evidence, gap);
    }
}

/// The node whose kubelet answers, where the API server only passes the question on.
fn node_behind_proxy(question: &Question) -> Option<&str> {
    match question {
        Question::NodeFilesystems { name }
        | Question::NodeConfig { name }
        | Question::NodeMetrics { name }
        | Question::NodeLogs { node: name, .. } => Some(name),
        _ => None,
    }
}

/// The gap where a node's logs cannot be read.
fn logs_gap(question: &Question, node: &str, why: GapReason, error: Option<&ApiError>) -> Gap {
    let mut wanted = Wanted::of_kubelet("the logs", node);
    // 405: the kubelet is told to show no logs; 404: there is none where it looks.
    let is_hidden = matches!(
        error,
        Some(ApiError::NotFound { .. } | ApiError::Status { code: 405, .. })
    );
    if is_hidden {
        wanted.what = format!(
            "read the logs of node {node}, which its kubelet does not show \
             (`--runtime-log FILE` takes them from a file)"
        );
    }
    wanted.gap(why, vec![question.clone()])
}

/// Whether a pod has to be created for the answer.
fn needs_a_pod(question: &Question) -> bool {
    matches!(
        question,
        Question::NodeView { .. } | Question::KubeletPull { .. }
    )
}

/// The image that a registry is asked for.
fn image_of_registry_question(question: &Question) -> Option<String> {
    match question {
        Question::Registry { image, .. } => Some(image.clone()),
        _ => None,
    }
}

/// The gap where an image is none, so that there is no registry to ask.
fn no_reference(question: &Question, image: &str) -> Gap {
    Gap {
        what: format!(
            "ask a registry for `{}`, which is no image reference",
            shorten(&clean_line(image), 200)
        ),
        why: GapReason::NotAsked,
        grant: None,
        questions: vec![question.clone()],
        hides_pods: false,
    }
}

fn pod(question: &Question) -> Option<PodRef> {
    match question {
        Question::PodEvents {
            namespace,
            pod,
            uid,
        } => Some(PodRef {
            namespace: namespace.clone(),
            pod: pod.clone(),
            uid: uid.clone(),
        }),
        _ => None,
    }
}

fn events_outcome(question: &Question, pod: &PodRef, found: &events::Found) -> Outcome {
    if let Some(events) = found.events.get(&pod.uid) {
        return Outcome::answer(Answer::Events(events.clone()));
    }
    let why = found
        .failed
        .get(&pod.namespace)
        .map_or(GapReason::Unreachable, ApiError::gap);
    match wanted(question) {
        Some(wanted) => Outcome::gap(wanted.gap(why, vec![question.clone()])),
        None => Outcome::leave(),
    }
}

/// What a question wants from the API; none for questions that others answer.
pub(crate) fn wanted(question: &Question) -> Option<Wanted> {
    let wanted = match question {
        Question::PodEvents { namespace, .. } => Wanted {
            what: format!("list events in {namespace}"),
            rule: Some(("", "events", &["get", "list"])),
            of: None,
        },
        Question::Secret { namespace, .. } | Question::Keyring { namespace, .. } => Wanted {
            what: format!("get secrets in {namespace}"),
            rule: Some(("", "secrets", &["get"])),
            of: None,
        },
        Question::ServiceAccount { namespace, .. } => Wanted {
            what: format!("get serviceaccounts in {namespace}"),
            rule: Some(("", "serviceaccounts", &["get"])),
            of: None,
        },
        Question::Node { .. } => Wanted {
            what: "get nodes".to_owned(),
            rule: Some(("", "nodes", &["get"])),
            of: None,
        },
        // `nodes/proxy` reaches far more than statistics: it is never asked for.
        Question::NodeFilesystems { name } => Wanted {
            what: format!("read file system statistics of node {name}"),
            rule: None,
            of: None,
        },
        // Asked for where the person asked for the node's view, and for that node only.
        Question::NodeConfig { name } => Wanted::of_kubelet("the settings", name),
        Question::NodeMetrics { name } => Wanted::of_kubelet("the counters", name),
        Question::NodeLogs { node, .. } => Wanted::of_kubelet("the logs", node),
        Question::NodeEvents { .. } => Wanted {
            what: "list events of nodes in default".to_owned(),
            rule: Some(("", "events", &["get", "list"])),
            of: None,
        },
        Question::Owner {
            namespace, owner, ..
        } => {
            let kind = owner.split('/').next().unwrap_or_default();
            let (group, resource) =
                owner::place(kind).map_or(("", "owners"), |place| (place.group, place.resource));
            Wanted {
                what: format!("get {resource} in {namespace}"),
                rule: owner::place(kind).map(|_| (group, resource, &["get"] as &[_])),
                of: None,
            }
        }
        Question::Registry { image, .. } => {
            let image = Reference::parse(image).ok()?;
            Wanted {
                what: format!("ask registry {}", image.registry()),
                rule: None,
                of: None,
            }
        }
        _ => return None,
    };
    Some(wanted)
}

/// Fills the fields of symptoms that an answer tells better than the pod itself.
pub(crate) fn refine(evidence: &mut Evidence, question: &Question, answer: &Answer) {
    match (question, answer) {
        (
            Question::PodEvents {
                namespace,
                pod,
                uid,
            },
            Answer::Events(events),
        ) => {
            let observed = evidence.observed;
            for symptom in &mut evidence.symptoms {
                if symptom.pod == *pod && symptom.namespace == *namespace && symptom.pod_uid == *uid
                {
                    timing::refine(symptom, events, observed);
                }
            }
        }
        (
            Question::Owner {
                namespace,
                owner,
                container,
            },
            Answer::Owner(facts),
        ) if facts.template_image.is_none() => {
            // An injected container is in no template: then no field of the owner holds it.
            for symptom in &mut evidence.symptoms {
                if symptom.namespace == *namespace
                    && symptom.owner.as_ref() == Some(owner)
                    && symptom.container.as_ref() == Some(container)
                {
                    symptom.field = None;
                }
            }
        }
        _ => {}
    }
}
