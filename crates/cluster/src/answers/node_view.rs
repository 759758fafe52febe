//! What is seen from nodes: all questions of one node and one registry are one probe, and a kubelet
//! is made to pull only where the probe has shown that nothing hangs.

use std::collections::{BTreeMap, HashMap};

use futures::{FutureExt as _, future::join_all};
use pulldoctor_model::{
    Answer, Evidence, Gap, GapReason, NodeHost, NodeNetwork, NodeRole, NodeSight, NodeView,
    Question, Symptom, clean_line,
    registry::{Problem, StageName, Transcript},
    shorten,
};
use pulldoctor_reference::Reference;
use pulldoctor_registry::judge::{
    AddressClass, MOST_NODE_TARGETS, NodeImage, NodeTarget, begin_transcript, classify,
};

use super::{Outcome, Sink};
use crate::{
    connect::Cluster,
    node_probe::{Look, NodeProbeError, Place, PullOrder, Session},
};

/// One probe, and all whose question it answers.
struct Job {
    node: String,
    registry: String,
    targets: Vec<NodeTarget>,
    askers: Vec<Asker>,
}

/// A question, and what it wants to see.
struct Asker {
    at: usize,
    question: Question,
    wanted: Vec<NodeTarget>,
}

/// A pull that a kubelet is to try.
struct Pull {
    at: usize,
    question: Question,
}

impl Cluster {
    /// Answers the questions that only nodes can answer, where pods may be created.
    pub(super) async fn ask_nodes(&self, questions: Vec<(usize, Question)>, sink: &Sink<'_>) {
        if questions.is_empty() {
            return;
        }
        let workloads = sink.read(|evidence| workloads(evidence, &questions));
        let Ok(session) = Session::open(self, &workloads) else {
            return;
        };
        let (views, pulls): (Vec<_>, Vec<_>) = questions
            .into_iter()
            .partition(|(_, question)| matches!(question, Question::NodeView { .. }));
        let working = async {
            ask_views(&session, views, sink).await;
            ask_kubelets(&session, pulls, sink).await;
            session.close().await;
        };
        futures::future::join(working, self.sweep_once()).await;
    }
}

/// The namespaces of the pods that wait on these nodes.
fn workloads(evidence: &Evidence, questions: &[(usize, Question)]) -> Vec<String> {
    let is_asked = |symptom: &Symptom| {
        questions
            .iter()
            .any(|(_, question)| node_of(question) == symptom.node.as_deref())
    };
    let waiting = evidence.symptoms.iter().filter(|it| is_asked(it));
    waiting.map(|symptom| symptom.namespace.clone()).collect()
}

fn node_of(question: &Question) -> Option<&str> {
    match question {
        Question::NodeView { node, .. } | Question::KubeletPull { node, .. } => Some(node),
        _ => None,
    }
}

async fn ask_views(session: &Session<'_>, questions: Vec<(usize, Question)>, sink: &Sink<'_>) {
    let mut looks = Vec::new();
    for job in jobs(questions, sink) {
        // In order, so that it is always the same ones that are beyond the number of probes.
        match session.reserve() {
            Err(error) => job.settle(Err(&error), sink),
            Ok(reserved) => looks.push(
                async move {
                    let place = Place::Node(job.node.clone());
                    let looked = session.look(&place, job.targets.clone(), reserved).await;
                    job.settle(looked.as_ref(), sink);
                }
                .boxed(),
            ),
        }
    }
    join_all(looks).await;
}

/// Puts questions of the same node and registry together.
fn jobs(questions: Vec<(usize, Question)>, sink: &Sink<'_>) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for (at, question) in questions {
        let Question::NodeView {
            node,
            registry,
            image,
            hosts,
        } = &question
        else {
            continue;
        };
        let Ok(reference) = Reference::parse(image) else {
            let gap = super::no_reference(&question, image);
            sink.settle(at, &question, Outcome::gap(gap));
            continue;
        };
        let wanted = wanted(&reference, registry, hosts);
        let place = *places
            .entry((node.clone(), registry.clone()))
            .or_insert_with(|| {
                jobs.push(Job {
                    node: node.clone(),
                    registry: registry.clone(),
                    targets: Vec::new(),
                    askers: Vec::new(),
                });
                jobs.len() - 1
            });
        let job = &mut jobs[place];
        for target in &wanted {
            if job.targets.len() < MOST_NODE_TARGETS && !job.targets.contains(target) {
                job.targets.push(target.clone());
            }
        }
        job.askers.push(Asker {
            at,
            question,
            wanted,
        });
    }
    jobs
}

/// The targets of one question: the registry first, then the other hosts in its order.
fn wanted(image: &Reference, registry: &str, hosts: &[NodeHost]) -> Vec<NodeTarget> {
    let own = if image.registry() == registry {
        image.registry_api_host()
    } else {
        registry
    };
    let asked = NodeImage::new(image);
    let registry = NodeTarget {
        role: NodeRole::Registry,
        host: own.to_owned(),
        plain_http: false,
        image: Some(asked.clone()),
    };
    let others = hosts.iter().filter(|host| may_be_asked(host));
    let others = others.map(|host| NodeTarget {
        role: host.role,
        host: host.host.clone(),
        // Proxies are spoken to in plain HTTP.
        plain_http: host.role == NodeRole::Proxy,
        image: (host.role == NodeRole::Mirror).then(|| asked.clone()),
    });
    std::iter::once(registry).chain(others).collect()
}

/// A registry names token services and hosts of blobs, and may name what no registry has any
/// business with. What the node's administrator named may be anywhere.
fn may_be_asked(host: &NodeHost) -> bool {
    if !matches!(host.role, NodeRole::Token | NodeRole::Blob) {
        return true;
    }
    let name = match host.host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.host.split(':').next(),
    };
    name.and_then(|name| name.parse().ok())
        .is_none_or(|address| classify(address) == AddressClass::Other)
}

impl Job {
    fn settle(&self, looked: Result<&Look, &NodeProbeError>, sink: &Sink<'_>) {
        for asker in &self.askers {
            let outcome = match looked {
                Ok(look) => {
                    let view = self.view(look, asker);
                    Outcome::answer(Answer::NodeView(Box::new(view)))
                }
                Err(error) => Outcome::gap(self.gap(asker, error)),
            };
            sink.settle(asker.at, &asker.question, outcome);
        }
    }

    /// What was seen of the hosts of one question.
    fn view(&self, look: &Look, asker: &Asker) -> NodeView {
        let mut view = NodeView {
            sights: Vec::new(),
            ..look.view.clone()
        };
        for target in &asker.wanted {
            let exact = self.targets.iter().position(|own| own == target);
            let sight = exact.and_then(|at| look.view.sights.get(at)).cloned();
            view.is_cut |= sight.is_none();
            // What is beyond the number of hosts has the same way to the same host.
            let near = || self.way(look, target);
            view.sights.extend(sight.or_else(near));
        }
        view
    }

    /// The way to the host of a target, as it was seen for another image.
    fn way(&self, look: &Look, target: &NodeTarget) -> Option<NodeSight> {
        let at = self
            .targets
            .iter()
            .position(|own| own.role == target.role && own.host == target.host)?;
        let sight = look.view.sights.get(at)?;
        let seen = &sight.transcript;
        // The first answer is the network's last stage; its status is of the other image.
        let way = seen
            .stages
            .iter()
            .filter(|stage| stage.stage <= StageName::Tls);
        Some(NodeSight {
            role: sight.role,
            transcript: Transcript {
                stages: way.cloned().collect(),
                requests: seen.requests,
                took_ms: seen.took_ms,
                ..begin_transcript(target)
            },
            paths: sight.paths.clone(),
        })
    }

    fn gap(&self, asker: &Asker, error: &NodeProbeError) -> Gap {
        let what = format!("look at {} from node {}", self.registry, self.node);
        gap(&what, error, &asker.question)
    }
}

/// The gap where a look or a pull came to nothing.
fn gap(what: &str, error: &NodeProbeError, question: &Question) -> Gap {
    Gap {
        what: format!("{}: {}", clean_line(what), error.whole()),
        why: error.gap(),
        grant: error.grant().map(str::to_owned),
        questions: vec![question.clone()],
        hides_pods: false,
    }
}

/// Makes kubelets pull: those of different nodes side by side, each one thing at a time.
async fn ask_kubelets(session: &Session<'_>, questions: Vec<(usize, Question)>, sink: &Sink<'_>) {
    let mut by_node: BTreeMap<String, Vec<Pull>> = BTreeMap::new();
    for (at, question) in questions {
        if let Some(node) = node_of(&question) {
            let pulls = by_node.entry(node.to_owned()).or_default();
            pulls.push(Pull { at, question });
        }
    }
    let nodes = by_node.into_values().map(|pulls| {
        async move {
            for pull in pulls {
                let outcome = pull.run(session, sink).await;
                sink.settle(pull.at, &pull.question, outcome);
            }
        }
        .boxed()
    });
    join_all(nodes).await;
}

impl Pull {
    async fn run(&self, session: &Session<'_>, sink: &Sink<'_>) -> Outcome {
        let Question::KubeletPull {
            node,
            namespace,
            secrets,
            service_account,
            image,
        } = &self.question
        else {
            return Outcome::leave();
        };
        let what = format!(
            "let the kubelet of node {node} pull {}",
            shorten(&clean_line(image), 200)
        );
        let not_asked = |why: &str| {
            Outcome::gap(Gap {
                what: format!("{what}: {why}"),
                why: GapReason::NotAsked,
                grant: None,
                questions: vec![self.question.clone()],
                hides_pods: false,
            })
        };
        let Ok(reference) = Reference::parse(image) else {
            return Outcome::gap(super::no_reference(&self.question, image));
        };
        let danger = sink.read(|evidence| may_hang(evidence, node, reference.registry()));
        if let Some(why) = danger {
            return not_asked(why);
        }
        let reserved = match session.reserve() {
            Ok(reserved) => reserved,
            Err(error) => return Outcome::gap(gap(&what, &error, &self.question)),
        };
        let order = PullOrder {
            node,
            namespace,
            secrets,
            service_account: service_account.as_deref(),
            image,
        };
        match session.pull(order, reserved).await {
            Ok(pulled) => Outcome::answer(Answer::KubeletPull(pulled)),
            Err(error) => Outcome::gap(gap(&what, &error, &self.question)),
        }
    }
}

/// Why a pull from this registry may hang on this node, so that it must not be tried: pulls are
/// serial by default, and one that stalls blocks those of other pods.
fn may_hang(evidence: &Evidence, node: &str, registry: &str) -> Option<&'static str> {
    const ABSENT: &str = "not tried, since the way from there has not been looked at first";
    const STALLS: &str = "not tried, since a connection stalls there, and a pull that stalls blocks other pods' pulls";
    let mut views = evidence.answers.iter().filter_map(|answered| {
        match (&answered.question, &answered.answer) {
            (
                Question::NodeView {
                    node: of,
                    registry: at,
                    ..
                },
                Answer::NodeView(view),
            ) if of == node && at == registry => Some(view),
            _ => None,
        }
    });
    let Some(first) = views.next() else {
        return Some(ABSENT);
    };
    let is_seen = |view: &NodeView| {
        view.registry()
            .is_some_and(|sight| !sight.transcript.stages.is_empty())
    };
    if !is_seen(first) {
        return Some(ABSENT);
    }
    let views: Vec<&NodeView> = std::iter::once(&**first)
        .chain(views.map(|view| &**view))
        .collect();
    if views.iter().any(|view| stalls(view)) {
        return Some(STALLS);
    }
    // Mirrors and proxies that the probe does not know may stall where the registry does not.
    let mut said = evidence.symptoms.iter().filter(|symptom| {
        symptom.node.as_deref() == Some(node)
            && Reference::parse(&symptom.image).is_ok_and(|image| image.registry() == registry)
    });
    if said
        .clone()
        .any(|symptom| speaks_of_a_stall(&symptom.message))
    {
        return Some(STALLS);
    }
    // From the network of pods the node's own way is not seen; then its own text has to say that it
    // got an answer.
    let is_own = views.iter().any(|view| view.network == NodeNetwork::Host);
    let is_known = is_own || said.any(|symptom| tells_an_outcome(&symptom.message));
    (!is_known).then_some(ABSENT)
}

/// Whether a text says how a pull ended: older kubelets only say that they wait.
fn tells_an_outcome(message: &str) -> bool {
    let only_waits = message.starts_with("Back-off ") && !message.contains("ErrImagePull");
    !message.is_empty() && !only_waits
}

/// Whether anything that was asked from there did not answer in time.
fn stalls(view: &NodeView) -> bool {
    let is_stall = |problem: Option<Problem>| {
        matches!(
            problem,
            Some(
                Problem::DnsTimeout
                    | Problem::TcpTimeout
                    | Problem::TlsTimeout
                    | Problem::HttpTimeout
            )
        )
    };
    view.sights.iter().any(|sight| {
        let transcript = &sight.transcript;
        let others = transcript
            .other_hosts
            .iter()
            .flat_map(|other| &other.stages);
        let mut stages = transcript.stages.iter().chain(others);
        stages.any(|stage| is_stall(stage.problem))
    })
}

fn speaks_of_a_stall(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["timeout", "timed out", "deadline exceeded"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, role: NodeRole) -> NodeHost {
        NodeHost {
            role,
            host: host.to_owned(),
        }
    }

    #[test]
    fn no_registry_sends_the_probe_to_a_metadata_service() {
        for (host, role, expected) in [
            ("169.254.169.254", NodeRole::Blob, false),
            ("169.254.169.254:80", NodeRole::Token, false),
            ("[fe80::1]:443", NodeRole::Blob, false),
            ("127.0.0.1:8080", NodeRole::Token, false),
            ("10.0.0.7:5000", NodeRole::Blob, true),
            ("127.0.0.1:5000", NodeRole::Mirror, true),
            ("blobs.example.com", NodeRole::Blob, true),
        ] {
            assert_eq!(may_be_asked(&target(host, role)), expected, "{host}");
        }
    }

    #[test]
    fn a_question_wants_its_registry_first() {
        let image = Reference::parse("nginx:1").unwrap();
        let hosts = [
            target("mirror.lab", NodeRole::Mirror),
            target("proxy.lab:3128", NodeRole::Proxy),
        ];
        let wanted = wanted(&image, "docker.io", &hosts);
        assert_eq!(wanted[0].host, "registry-1.docker.io");
        assert_eq!(wanted[1].image, wanted[0].image);
        assert!(wanted[2].plain_http && wanted[2].image.is_none());
        assert_eq!(
            wanted[0].image.as_ref().map(|it| it.repository.as_str()),
            Some("library/nginx")
        );
    }
}
