//! The kubelet of the node as a prober: it alone has the credentials as it finds them, those of the
//! node and of its providers among them.

use pulldoctor_cluster::{Cluster, Look};
use pulldoctor_diagnose::probe::{KubeletWorth, kubelet_worth, wants_login};
use pulldoctor_model::{Answer, Answered, Evidence, KubeletPull, Question, Vantage};
use pulldoctor_report::{ProbeDocument, ProbeKubelet};

use super::elsewhere::Asked;

/// What came of it.
pub(super) enum Tried {
    /// The kubelet said something.
    Answered {
        node: String,
        namespace: String,
        secrets: Vec<String>,
        pull: KubeletPull,
    },
    /// It was not made to try, and why.
    Left { what: String, grant: Option<String> },
}

/// Makes the kubelet try, where the look from its node came to a point at which a login matters and
/// met nothing that stalls: a pull that hangs holds up those of other pods.
pub(super) async fn ask(
    cluster: &Cluster,
    asked: &Asked<'_>,
    look: &Look,
    question: Question,
) -> Option<Tried> {
    let Question::KubeletPull {
        node,
        namespace,
        secrets,
        ..
    } = &question
    else {
        return None;
    };
    if !wants_login(&look.view.registry()?.transcript) {
        return None;
    }
    let (node, namespace, secrets) = (node.clone(), namespace.clone(), secrets.clone());
    let now = jiff::Timestamp::now();
    let mut evidence = Evidence::new(cluster.context(), cluster.address(), now);
    evidence.answers.push(Answered {
        question: Question::NodeView {
            node: node.clone(),
            registry: asked.image.registry().to_owned(),
            image: asked.image.as_written().to_owned(),
            hosts: Vec::new(),
        },
        from: Vantage::Node(node.clone()),
        took_ms: None,
        answer: Answer::NodeView(Box::new(look.view.clone())),
    });
    cluster.answer(&[question], &mut evidence).await;
    let answers = evidence.answers.into_iter();
    let mut pulled = answers.filter_map(|answered| match answered.answer {
        Answer::KubeletPull(pull) => Some(pull),
        _ => None,
    });
    match pulled.next_back() {
        Some(pull) => Some(Tried::Answered {
            node,
            namespace,
            secrets,
            pull,
        }),
        None => evidence.gaps.pop().map(|gap| Tried::Left {
            what: gap.what,
            grant: gap.grant,
        }),
    }
}

impl Tried {
    /// Adds it to the document.
    pub(super) fn told(self, document: ProbeDocument) -> ProbeDocument {
        match self {
            Self::Answered {
                node,
                namespace,
                secrets,
                pull,
            } => {
                let outcome = kubelet_worth(&pull).and_then(|worth| match worth {
                    KubeletWorth::Good => Some("granted"),
                    KubeletWorth::Refused => Some("refused"),
                    KubeletWorth::Nothing => Some("no-login"),
                    KubeletWorth::Unclear => None,
                });
                let said = &pull.message;
                document.tried_by(Some(ProbeKubelet::new(
                    node, namespace, secrets, outcome, said,
                )))
            }
            // What this computer asked with the same logins stands.
            Self::Left { what, grant } => document.not_asked(what, grant, false),
        }
    }
}
