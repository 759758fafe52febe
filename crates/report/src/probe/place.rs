//! A probe from another place than this computer: what it looked through, and what this computer
//! saw beside it.

use pulldoctor_model::{
    CauseId, Confidence, NodeNetwork, NodeView, clean_line, registry::Transcript, shorten,
};
use serde::Serialize;

use super::{ProbeDocument, ProbeStage, stages};
use crate::{Label, words::milliseconds, wrap::Text};

/// Most characters of a kubelet's words.
const MOST_DETAIL: usize = 400;

/// Through what a probe elsewhere saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeView {
    /// The node on which it ran.
    node: String,
    /// `host`, the node's own network, or `pod`.
    network: &'static str,
    /// The namespace of its pod.
    namespace: String,
    /// The image on the node that its pod was started from.
    image: String,
    /// Who resolves names there.
    resolvers: Vec<String>,
    /// Seconds by which the node's clock is ahead of the API server's.
    clock_ahead_s: Option<i64>,
    /// Something of its answer is missing.
    is_cut: bool,
    /// Milliseconds from the pod's creation to its answer.
    took_ms: u64,
}

impl ProbeView {
    /// What is to be known of a look from a node, or from a pod on it.
    pub fn new(
        node: impl Into<String>,
        namespace: impl Into<String>,
        image: impl Into<String>,
        view: &NodeView,
        took_ms: u64,
    ) -> Self {
        Self {
            node: node.into(),
            network: match view.network {
                NodeNetwork::Host => "host",
                NodeNetwork::Pod { .. } => "pod",
            },
            namespace: namespace.into(),
            image: image.into(),
            resolvers: view.resolvers.servers.iter().map(resolver).collect(),
            clock_ahead_s: view.clock_ahead_s,
            is_cut: view.is_cut,
            took_ms,
        }
    }
}

/// A server, with its port only where that is unusual.
fn resolver(server: &std::net::SocketAddr) -> String {
    match server.port() {
        53 => server.ip().to_string(),
        _ => server.to_string(),
    }
}

/// What the kubelet of the node said when it was made to try the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeKubelet {
    node: String,
    /// Of the pull secrets.
    namespace: String,
    /// The pull secrets, in its order.
    secrets: Vec<String>,
    /// `granted`, `refused` or `no-login`; nothing where its answer does not tell.
    outcome: Option<&'static str>,
    /// Its own words.
    detail: String,
}

impl ProbeKubelet {
    /// What came of the pull secrets of a namespace on a node.
    pub fn new(
        node: impl Into<String>,
        namespace: impl Into<String>,
        secrets: Vec<String>,
        outcome: Option<&'static str>,
        detail: &str,
    ) -> Self {
        Self {
            node: node.into(),
            namespace: namespace.into(),
            secrets,
            outcome,
            detail: shorten(&clean_line(detail), MOST_DETAIL).into_owned(),
        }
    }

    /// A line for people.
    fn told(&self) -> Text {
        let (label, word) = match self.outcome {
            Some("granted") => (Label::Proven, "granted"),
            Some("refused") => (Label::Error, "refused"),
            Some(_) => (Label::Error, "no login was sent"),
            None => (Label::Unsure, "does not tell"),
        };
        let with = match self.secrets.as_slice() {
            [] => "no pull secret".to_owned(),
            names => clean_line(&names.join(", ")).into_owned(),
        };
        let whose = format!("of node {}, with {with}: ", clean_line(&self.node));
        Text::plain(whose).with(label, word)
    }
}

/// What this computer saw of the same image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeBeside {
    from: &'static str,
    stages: Vec<ProbeStage>,
    cause: Option<CauseId>,
    confidence: Option<Confidence>,
    /// How it differs, a sentence each.
    differences: Vec<String>,
}

impl ProbeBeside {
    /// What was seen from here, and how it differs.
    pub fn new(
        transcript: &Transcript,
        verdict: Option<(CauseId, Confidence)>,
        differences: Vec<String>,
    ) -> Self {
        Self {
            from: "here",
            stages: stages(transcript),
            cause: verdict.map(|(cause, _)| cause),
            confidence: verdict.map(|(_, confidence)| confidence),
            differences,
        }
    }

    /// Nothing was seen from here in time.
    pub fn missing(differences: Vec<String>) -> Self {
        Self {
            from: "here",
            stages: Vec::new(),
            cause: None,
            confidence: None,
            differences,
        }
    }
}

/// What a person is told of the place.
pub(super) fn notes(document: &ProbeDocument, verbose: bool) -> Vec<(&'static str, Text)> {
    let mut notes: Vec<(&'static str, Text)> = Vec::new();
    if let Some(view) = &document.view {
        let (node, namespace) = (clean_line(&view.node), clean_line(&view.namespace));
        let text = match view.network {
            "host" => format!(
                "node {node}, its own network; the mirrors, the proxy and the authorities of its \
                 runtime are not seen from a pod"
            ),
            _ => format!(
                "the pod network of namespace {namespace} on node {node}: not the node's own \
                 address, hosts file and routes"
            ),
        };
        notes.push(("seen from", Text::plain(text)));
        let is_off = view.clock_ahead_s.filter(|ahead| ahead.abs() > 5);
        if let Some(ahead) = is_off {
            let word = if ahead > 0 { "ahead of" } else { "behind" };
            let text = format!(
                "that of the node is {} s {word} the API server's",
                ahead.abs()
            );
            notes.push(("clock", Text::plain(text)));
        }
        if verbose {
            notes.push(("resolvers", Text::plain(view.resolvers.join(", "))));
            let text = format!(
                "a pod in {namespace}, started from {} without a pull; {}; it is gone",
                clean_line(&view.image),
                milliseconds(view.took_ms)
            );
            notes.push(("through", Text::plain(text)));
        }
    }
    if let Some(kubelet) = &document.kubelet {
        let mut text = kubelet.told();
        if verbose || kubelet.outcome.is_none() {
            text.push(Label::Plain, format!(": {}", kubelet.detail));
        }
        notes.push(("kubelet", text));
    }
    let mut word = "beside";
    for difference in document
        .beside
        .iter()
        .flat_map(|beside| &beside.differences)
    {
        notes.push((word, Text::plain(clean_line(difference).into_owned())));
        word = crate::human::SAME;
    }
    notes
}
