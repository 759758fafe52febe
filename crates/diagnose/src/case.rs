//! One symptom in its evidence, as the causes see it.

use std::{collections::HashMap, rc::Rc};

use pulldoctor_messages::{Fault, HostRole, Reading};
use pulldoctor_model::{
    Answer, Answered, CauseId, Confidence, ContainerKind, Event, Evidence, EvidenceItem,
    Filesystem, Finding, Gap, ImagePlace, KeyringFacts, KubeletConfig, KubeletPull, NodeFacts,
    NodeFilesystems, NodeHost, NodeLogs, NodeMetrics, NodeRole, NodeView, Object, OwnerFacts,
    Question, RegistryCredentials, RegistryUse, SecretFacts, ServiceAccountFacts, Symptom, Vantage,
    clean_line, registry::Transcript, shorten,
};
use pulldoctor_reference::Reference;

use crate::{
    causes::logs::lines,
    known::Known,
    probe::kubelet_question,
    texts::{Readings, Told, collect},
};

/// Answers and gaps by question, and what the texts say.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    answers: HashMap<&'a Question, &'a Answered>,
    gaps: HashMap<&'a Question, &'a Gap>,
    readings: Readings,
}

impl<'a> Index<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Self {
        Self {
            answers: evidence
                .answers
                .iter()
                .map(|answered| (&answered.question, answered))
                .collect(),
            gaps: evidence
                .gaps
                .iter()
                .flat_map(|gap| gap.questions.iter().map(move |question| (question, gap)))
                .collect(),
            readings: Readings::default(),
        }
    }

    pub(crate) fn is_settled(&self, question: &Question) -> bool {
        self.answers.contains_key(question) || self.gaps.contains_key(question)
    }

    /// Whether the symptom's events were asked for and none is left.
    pub(crate) fn has_no_events(&self, symptom: &Symptom) -> bool {
        self.answers.get(&events_question(symptom)).is_some_and(
            |answered| matches!(&answered.answer, Answer::Events(events) if events.is_empty()),
        )
    }

    fn look<T>(
        &self,
        question: &Question,
        read: impl FnOnce(&'a Answer) -> Option<T>,
    ) -> Known<'a, T> {
        if let Some(answered) = self.answers.get(question)
            && let Some(value) = read(&answered.answer)
        {
            return Known::Seen(value, answered);
        }
        match self.gaps.get(question) {
            Some(gap) => Known::Gap(gap),
            None => Known::NotAsked,
        }
    }
}

/// One symptom in its evidence: its texts read, its image parsed, its answers at hand.
#[derive(Debug)]
pub struct Case<'a> {
    /// All that was seen.
    pub evidence: &'a Evidence,
    /// The symptom that is judged.
    pub symptom: &'a Symptom,
    /// The image as the kubelet reads it; none if it does not parse.
    pub image: Option<Reference>,
    /// Whether all there is is a pasted text: then nothing is proven.
    pub pasted: bool,
    index: &'a Index<'a>,
    told: Vec<Told>,
    silence: Reading,
}

macro_rules! answers {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*) -> $value:ty
        = $question:expr, $pattern:pat => $read:expr;)*) => {
        $(
            $(#[$meta])*
            pub fn $name(&self $(, $arg: $type)*) -> Known<'a, $value> {
                let Some(question) = ($question)(self) else { return Known::NotAsked };
                self.index.look(&question, |answer| match answer {
                    $pattern => $read,
                    _ => None,
                })
            }
        )*
    };
}

impl<'a> Case<'a> {
    pub(crate) fn new(evidence: &'a Evidence, index: &'a Index<'a>, symptom: &'a Symptom) -> Self {
        let events = index
            .look(&events_question(symptom), |answer| match answer {
                Answer::Events(events) => Some(events.as_slice()),
                _ => None,
            })
            .seen()
            .unwrap_or_default();
        let mut case = Self {
            evidence,
            symptom,
            image: Reference::parse(&symptom.image).ok(),
            pasted: false,
            index,
            told: collect(symptom, events, &index.readings),
            silence: Reading::default(),
        };
        if !case.text_has_cause() && symptom.kind != ContainerKind::Sandbox {
            // The runtime's log tells what the kubelet's message has lost.
            let logged: Vec<Told> = lines(&case)
                .map(|said| Told::of_log(&said.line.text, said.reading, said.line.time))
                .filter(Told::has_cause)
                .collect();
            case.told.splice(0..0, logged);
        }
        case
    }

    /// A pasted text, already read: nothing else is known.
    pub(crate) fn pasted(
        evidence: &'a Evidence,
        index: &'a Index<'a>,
        symptom: &'a Symptom,
        reading: Reading,
    ) -> Self {
        Self {
            evidence,
            symptom,
            image: Reference::parse(&symptom.image).ok(),
            pasted: true,
            index,
            told: vec![Told::of(&symptom.message, reading)],
            silence: Reading::default(),
        }
    }

    /// What the judged text says.
    pub fn reading(&self) -> &Reading {
        self.told
            .first()
            .map_or(&self.silence, |told| &told.reading)
    }

    /// What another text says, read once.
    pub(crate) fn read(&self, text: &str) -> Rc<Reading> {
        self.index.readings.of(text)
    }

    /// What went wrong according to the judged text.
    pub fn fault(&self) -> &Fault {
        &self.reading().fault
    }

    /// The fault of the pull itself: that of the pause image where the sandbox waits for it.
    pub fn pull_fault(&self) -> &Fault {
        match self.fault() {
            Fault::SandboxImage { inner } => inner,
            fault => fault,
        }
    }

    /// The judged reading, then the others of a bracketed list (one per credential).
    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        std::iter::once(self.reading()).chain(self.reading().attempts.iter())
    }

    /// The judged text; empty if there is none.
    pub fn text(&self) -> &str {
        self.told.first().map_or("", |told| &told.text)
    }

    /// Whether any text carries a cause.
    pub fn text_has_cause(&self) -> bool {
        self.told.first().is_some_and(Told::has_cause)
    }

    /// The image's registry, `host[:port]`, normalised.
    pub fn registry(&self) -> String {
        if let Some(registry) = &self.reading().registry
            && (self.pasted || self.image.is_none())
        {
            return registry.clone();
        }
        self.image.as_ref().map_or_else(
            || "the registry".to_owned(),
            |image| image.registry().to_owned(),
        )
    }

    /// The host that the failed request went to: a mirror, token or blob host where the text
    /// names one, otherwise the registry.
    pub fn failed_host(&self) -> String {
        let reading = self.reading();
        if let Some(foreign) = &reading.foreign_host {
            return foreign.host.clone();
        }
        self.registry()
    }

    /// Whether the host that failed is the node's proxy, which stands before the registry.
    pub(crate) fn fails_at_proxy(&self) -> bool {
        let foreign = self.reading().foreign_host.as_ref();
        foreign.is_some_and(|foreign| foreign.role == HostRole::Proxy)
    }

    /// `repository` with its registry, as a person would write it.
    pub fn repository(&self) -> String {
        self.image
            .as_ref()
            .map_or_else(|| self.symptom.image.clone(), Reference::repo)
    }

    /// The image as the summary names it.
    pub fn image_name(&self) -> &str {
        if self.symptom.image.is_empty() {
            "the image"
        } else {
            &self.symptom.image
        }
    }

    answers! {
        /// The pod's events.
        events() -> &'a [Event]
            = |case: &Self| Some(events_question(case.symptom)),
            Answer::Events(events) => Some(events.as_slice());
        /// A secret of the pod's namespace, by name.
        secret(name: &str) -> &'a SecretFacts
            = |case: &Self| Some(case.secret_question(name)),
            Answer::Secret(facts) => Some(facts);
        /// The pod's service account.
        service_account() -> &'a ServiceAccountFacts
            = |case: &Self| case.service_account_question(),
            Answer::ServiceAccount(facts) => Some(facts);
        /// The symptom's node.
        node() -> &'a NodeFacts
            = |case: &Self| case.node_question(),
            Answer::Node(facts) => Some(&**facts);
        /// The file systems of the symptom's node.
        filesystems() -> &'a NodeFilesystems
            = |case: &Self| case.filesystems_question(),
            Answer::NodeFilesystems(facts) => Some(facts);
        /// The events of the symptom's node.
        node_events() -> &'a [Event]
            = |case: &Self| case.symptom.node.clone().map(|name| Question::NodeEvents { name }),
            Answer::Events(events) => Some(events.as_slice());
        /// The owner's template and history.
        owner() -> &'a OwnerFacts
            = |case: &Self| case.owner_question(),
            Answer::Owner(facts) => Some(facts);
        /// How this image fares on the nodes.
        image_elsewhere() -> &'a [ImagePlace]
            = |case: &Self| Some(case.image_elsewhere_question()),
            Answer::Elsewhere(places) => Some(places.as_slice());
        /// How the images of this registry fare on the nodes.
        registry_elsewhere() -> &'a [ImagePlace]
            = |case: &Self| Some(case.registry_elsewhere_question()),
            Answer::Elsewhere(places) => Some(places.as_slice());
        /// Which credentials the kubelet tries for this image, and a verdict on each secret.
        keyring() -> &'a KeyringFacts
            = |case: &Self| Some(case.keyring_question()),
            Answer::Keyring(facts) => Some(facts);
        /// The same for the secrets of the pod's service account.
        account_keyring() -> &'a KeyringFacts
            = |case: &Self| case.account_keyring_question(),
            Answer::Keyring(facts) => Some(facts);
        /// What the registry said to the pod's credentials, seen from here.
        registry_answer() -> &'a Transcript
            = |case: &Self| Some(case.registry_question()),
            Answer::Registry(transcript) => Some(&**transcript);
        /// What the registry's copy of the content is like, seen from here.
        content() -> &'a Transcript
            = |case: &Self| Some(case.content_question()),
            Answer::Registry(transcript) => Some(&**transcript);
        /// Which registries the scanned pods use.
        registries_in_use() -> &'a [RegistryUse]
            = |_: &Self| Some(Question::RegistriesInUse),
            Answer::Registries(registries) => Some(registries.as_slice());
        /// What became of a pull of nothing that the kubelet was made to try with the pod's
        /// credentials and its own.
        kubelet_pull() -> &'a KubeletPull
            = |case: &Self| case.kubelet_pull_question(),
            Answer::KubeletPull(pull) => Some(pull);
        /// What the logs of the symptom's node say about the image.
        node_logs() -> &'a NodeLogs
            = |case: &Self| case.node_logs_question(),
            Answer::NodeLogs(logs) => Some(logs);
        /// How the kubelet of the symptom's node is set up.
        node_config() -> &'a KubeletConfig
            = |case: &Self| case.node_config_question(),
            Answer::NodeConfig(config) => Some(&**config);
        /// What the kubelet of the symptom's node has counted.
        node_metrics() -> &'a NodeMetrics
            = |case: &Self| case.node_metrics_question(),
            Answer::NodeMetrics(metrics) => Some(metrics);
    }

    /// What was seen from the symptom's node. A look that was asked for before a text named further
    /// hosts tells of the registry all the same.
    pub fn node_view(&self) -> Known<'a, &'a NodeView> {
        let Some(question) = self.node_view_question() else {
            return Known::NotAsked;
        };
        let look = |question: &Question| {
            self.index.look(question, |answer| match answer {
                Answer::NodeView(view) => Some(&**view),
                _ => None,
            })
        };
        let known = look(&question);
        let mut plain = question;
        if let Question::NodeView { hosts, .. } = &mut plain {
            hosts.clear();
        }
        match (known, look(&plain)) {
            (Known::Gap(_) | Known::NotAsked, seen @ Known::Seen(..)) => seen,
            _ => known,
        }
    }

    /// Asks for the pod's events.
    pub fn events_question(&self) -> Question {
        events_question(self.symptom)
    }

    /// Asks for a secret of the pod's namespace.
    pub fn secret_question(&self, name: &str) -> Question {
        Question::Secret {
            namespace: self.symptom.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// Asks for the pod's service account.
    pub fn service_account_question(&self) -> Option<Question> {
        self.symptom
            .service_account
            .clone()
            .map(|name| Question::ServiceAccount {
                namespace: self.symptom.namespace.clone(),
                name,
            })
    }

    /// Asks for the symptom's node.
    pub fn node_question(&self) -> Option<Question> {
        self.symptom
            .node
            .clone()
            .map(|name| Question::Node { name })
    }

    /// Asks for the file systems of the symptom's node.
    pub fn filesystems_question(&self) -> Option<Question> {
        self.symptom
            .node
            .clone()
            .map(|name| Question::NodeFilesystems { name })
    }

    /// Asks for the owner's template and history.
    pub fn owner_question(&self) -> Option<Question> {
        Some(Question::Owner {
            namespace: self.symptom.namespace.clone(),
            owner: self.symptom.owner.clone()?,
            container: self.symptom.container.clone()?,
        })
    }

    /// Asks how this image fares on the nodes.
    pub fn image_elsewhere_question(&self) -> Question {
        Question::ImageElsewhere {
            image: self.symptom.image.clone(),
        }
    }

    /// Asks how this registry's images fare on the nodes.
    pub fn registry_elsewhere_question(&self) -> Question {
        Question::RegistryElsewhere {
            registry: self.registry(),
        }
    }

    /// Asks which credentials the kubelet tries for this image.
    pub fn keyring_question(&self) -> Question {
        self.keyring_question_of(self.pull_secrets())
    }

    /// Asks which credentials the kubelet would try for this image if the pod had the pull secrets of
    /// its service account.
    pub fn account_keyring_question(&self) -> Option<Question> {
        let account = self.service_account().seen()?;
        let secrets = named_once(&account.pull_secrets);
        (!secrets.is_empty()).then(|| self.keyring_question_of(secrets))
    }

    fn keyring_question_of(&self, secrets: Vec<String>) -> Question {
        Question::Keyring {
            namespace: self.symptom.namespace.clone(),
            secrets,
            image: self.symptom.image.clone(),
        }
    }

    /// The pull secrets that the pod names.
    fn pull_secrets(&self) -> Vec<String> {
        named_once(&self.symptom.pull_secrets)
    }

    /// Asks the registry for this image with the pod's credentials; without any where the pod
    /// names no pull secret. Where it has some, the answer tells what it is without a login too.
    pub fn registry_question(&self) -> Question {
        self.ask_registry(false)
    }

    /// The same, and every layer is read and verified.
    pub fn content_question(&self) -> Question {
        self.ask_registry(true)
    }

    fn ask_registry(&self, content: bool) -> Question {
        let names = self.pull_secrets();
        let credentials = if names.is_empty() {
            RegistryCredentials::Anonymous
        } else {
            RegistryCredentials::Secrets {
                namespace: self.symptom.namespace.clone(),
                names,
            }
        };
        Question::Registry {
            image: self.symptom.image.clone(),
            platform: self.node().seen().map(NodeFacts::platform),
            credentials,
            content,
        }
    }

    /// Whether a question was answered, or is known to have no answer.
    pub(crate) fn is_settled(&self, question: &Question) -> bool {
        self.index.is_settled(question)
    }

    /// The question, unless it was answered: what is still worth asking.
    pub(crate) fn unanswered(&self, question: Question) -> Option<Question> {
        (!self.index.answers.contains_key(&question)).then_some(question)
    }

    /// Asks what the registry looks like from the node.
    pub fn node_view_question(&self) -> Option<Question> {
        Some(Question::NodeView {
            node: self.symptom.node.clone()?,
            registry: self.registry(),
            image: self.symptom.image.clone(),
            hosts: self.other_hosts(),
        })
    }

    /// Asks the kubelet of the node to pull a manifest that no repository has: what it answers
    /// tells what its credentials are worth, and nothing is fetched.
    pub fn kubelet_pull_question(&self) -> Option<Question> {
        Some(kubelet_question(
            self.symptom.node.as_ref()?,
            &self.symptom.namespace,
            self.pull_secrets(),
            self.symptom.service_account.clone(),
            self.image.as_ref()?,
        ))
    }

    /// Asks for the logs of the symptom's node.
    pub fn node_logs_question(&self) -> Option<Question> {
        Some(Question::NodeLogs {
            node: self.symptom.node.clone()?,
            image: self.symptom.image.clone(),
        })
    }

    /// Asks for the settings of the kubelet of the symptom's node.
    pub fn node_config_question(&self) -> Option<Question> {
        let name = self.symptom.node.clone()?;
        Some(Question::NodeConfig { name })
    }

    /// Asks for what the kubelet of the symptom's node has counted.
    pub fn node_metrics_question(&self) -> Option<Question> {
        let name = self.symptom.node.clone()?;
        Some(Question::NodeMetrics { name })
    }

    /// The hosts that the judged text names besides the registry.
    fn other_hosts(&self) -> Vec<NodeHost> {
        let foreign = self.reading().foreign_host.as_ref();
        foreign
            .map(|foreign| {
                let role = match foreign.role {
                    HostRole::Mirror => NodeRole::Mirror,
                    HostRole::Token => NodeRole::Token,
                    HostRole::Blob | HostRole::Redirect => NodeRole::Blob,
                    HostRole::Proxy => NodeRole::Proxy,
                };
                let host = foreign.host.clone();
                NodeHost { role, host }
            })
            .into_iter()
            .collect()
    }

    /// Lowers a confidence to what a pasted text allows: nothing is proven by it.
    pub fn cap(&self, confidence: Confidence) -> Confidence {
        if self.pasted {
            confidence.min(Confidence::Likely)
        } else {
            confidence
        }
    }

    /// A finding about this symptom that rests on its text.
    pub fn finding(
        &self,
        cause: CauseId,
        confidence: Confidence,
        object: Object,
        summary: impl Into<String>,
    ) -> Finding {
        let mut finding = Finding::new(cause, self.cap(confidence), object, summary);
        if let Some(item) = self.text_item() {
            finding.evidence.push(item);
        }
        finding
    }

    /// The judged text as a piece of evidence.
    pub fn text_item(&self) -> Option<EvidenceItem> {
        let text = self.text();
        let log = self
            .told
            .first()
            .filter(|told| told.is_log)
            .and_then(|_| self.node_logs().answered());
        (!text.is_empty()).then(|| EvidenceItem {
            question: log.map_or_else(
                || "why did the pull fail?".to_owned(),
                |answered| answered.question.to_string(),
            ),
            answer: shorten(&clean_line(text), 1_000).into_owned(),
            from: log.map_or(Vantage::Text, |answered| answered.from.clone()),
            took_ms: None,
        })
    }

    /// The object of causes about the image.
    pub fn image_object(&self) -> Object {
        Object::image(self.symptom.image.clone())
    }

    /// The object of causes about the node; the pod where it is not scheduled.
    pub fn node_object(&self) -> Object {
        match &self.symptom.node {
            Some(node) => Object::node(node.clone()),
            None => self.pod_object(),
        }
    }

    /// The object where no cause is known.
    pub fn pod_object(&self) -> Object {
        Object::pod(self.symptom.namespace.clone(), self.symptom.pod.clone())
    }
}

/// Whether a file system has so little left that a write of an image fails: under 1 % or 16 MiB.
pub(crate) fn is_full(filesystem: &Filesystem) -> bool {
    match (filesystem.available, filesystem.capacity) {
        (Some(available), Some(capacity)) => {
            available < 16 * 1024 * 1024 || available.saturating_mul(100) < capacity
        }
        _ => false,
    }
}

/// The names of pull secrets, in their order, each once; empty ones are skipped as the kubelet does.
fn named_once(secrets: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in secrets {
        if !name.is_empty() && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn events_question(symptom: &Symptom) -> Question {
    Question::PodEvents {
        namespace: symptom.namespace.clone(),
        pod: symptom.pod.clone(),
        uid: symptom.pod_uid.clone(),
    }
}
