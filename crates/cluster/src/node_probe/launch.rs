//! One look: the pod is created, watched, read and removed.

use std::time::Duration;

use jiff::Timestamp;
use pulldoctor_registry::judge::{MOST_NODE_ANSWER, NodeAnswer, NodeAnswerError, NodeAsk};
use tokio::time::Instant;

use crate::{api::Form, error::ApiError, path::ApiPath};

use super::{
    admit::Seat,
    answer,
    error::NodeProbeError,
    living::{CreateError, Created, Key, Kind},
    manifest::{CONTAINER, ProbePod},
    plan,
    session::{Carrier, Session, not_created},
    status::Standing,
    wait::{Fate, wait},
};

/// How long a pod may take to start, its sandbox included.
const START: Duration = Duration::from_secs(20);

/// How long the probe may take beyond its own limit, to be unpacked for instance.
const MARGIN: Duration = Duration::from_secs(5);

/// What is looked at, and how.
pub(super) struct Order<'a> {
    pub(super) node: &'a str,
    /// Images to start from, best first.
    pub(super) images: &'a [String],
    pub(super) seat: &'a Seat,
    pub(super) ask: &'a NodeAsk,
    pub(super) carrier: &'a Carrier,
}

/// What came back.
pub(super) struct Heard {
    pub(super) answer: NodeAnswer,
    /// The API server's clock when it did.
    pub(super) date: Option<Timestamp>,
    /// The image that it was started from.
    pub(super) image: String,
}

/// Why an attempt gave no answer.
enum Failure {
    /// The next image may do.
    OfImage(NodeProbeError),
    Final(NodeProbeError),
}

impl From<NodeProbeError> for Failure {
    fn from(error: NodeProbeError) -> Self {
        Self::Final(error)
    }
}

/// Starts it from one image after another.
pub(super) async fn run(session: &Session<'_>, order: &Order<'_>) -> Result<Heard, NodeProbeError> {
    let mut last = NodeProbeError::NoImage {
        node: order.node.to_owned(),
        grant: String::new(),
    };
    for image in order.images {
        match attempt(session, order, image).await {
            Ok(heard) => return Ok(heard),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::OfImage(error)) => {
                tracing::debug!(%error, %image, "the probe is started from the next image");
                last = error;
            }
        }
    }
    Err(last)
}

async fn attempt(session: &Session<'_>, order: &Order<'_>, image: &str) -> Result<Heard, Failure> {
    let key = Key::new(Kind::Pod, &order.seat.namespace);
    let ask = serde_json::to_string(order.ask)
        .map_err(|_| NodeProbeError::Answer(NodeAnswerError::NotAnAnswer))?;
    let manifest = ProbePod {
        name: &key.name,
        namespace: &order.seat.namespace,
        node: order.node,
        host_network: order.seat.host_network,
        image,
        ask: &ask,
        config_maps: &order.carrier.names(),
        owner: order.carrier.owner(),
    }
    .manifest();
    let living = &session.nodes().living;
    let pod = living
        .create(session.api(), key, &manifest)
        .await
        .map_err(|error| of_creation(error, &order.seat.namespace))?;
    let heard = hear(session, order, &pod).await;
    living.remove(session.api(), pod).await;
    let (answer, date) = heard?;
    Ok(Heard {
        answer,
        date,
        image: image.to_owned(),
    })
}

/// A policy may refuse one image and admit the next.
fn of_creation(error: CreateError, namespace: &str) -> Failure {
    match not_created(error, "the pod", namespace) {
        error @ NodeProbeError::NotAdmitted { .. } => Failure::OfImage(error),
        other => Failure::Final(other),
    }
}

/// Waits for the pod's end and reads what it says.
async fn hear(
    session: &Session<'_>,
    order: &Order<'_>,
    pod: &Created,
) -> Result<(NodeAnswer, Option<Timestamp>), Failure> {
    let node = || order.node.to_owned();
    let has_begun = |standing: &Standing| *standing != Standing::Waiting;
    let mut standing = fate(session, order, pod, START, has_begun).await?;
    if standing == Standing::Running {
        let most = Duration::from_millis(order.ask.limits.total) + MARGIN;
        let has_ended =
            |standing: &Standing| !matches!(standing, Standing::Waiting | Standing::Running);
        standing = fate(session, order, pod, most, has_ended).await?;
    }
    match standing {
        Standing::Ended { message } => Ok(read(session, order, pod, &message).await?),
        // Whatever it is, another image may be there, and start.
        Standing::Held { reason, message } | Standing::NotStarted { reason, message } => {
            Err(Failure::OfImage(NodeProbeError::Start {
                node: node(),
                reason,
                message,
            }))
        }
        Standing::Rejected { reason, message } => {
            let error = if reason == "Evicted" {
                NodeProbeError::NoPodStarts {
                    node: node(),
                    why: message,
                }
            } else {
                NodeProbeError::Start {
                    node: node(),
                    reason,
                    message,
                }
            };
            Err(error.into())
        }
        Standing::Waiting | Standing::Running => Err(NodeProbeError::Patience {
            node: node(),
            after: START,
        }
        .into()),
    }
}

/// Waits for a standing of the pod.
async fn fate(
    session: &Session<'_>,
    order: &Order<'_>,
    pod: &Created,
    most: Duration,
    is_enough: impl Fn(&Standing) -> bool,
) -> Result<Standing, NodeProbeError> {
    let node = order.node.to_owned();
    match wait(session.api(), pod, Instant::now() + most, is_enough).await {
        Ok(Fate::Stands(standing)) => Ok(standing),
        Ok(Fate::NoSandbox(why)) => Err(NodeProbeError::NoPodStarts { node, why }),
        Ok(Fate::Removed) => Err(NodeProbeError::Removed { node }),
        Ok(Fate::Late) => Err(NodeProbeError::Patience { node, after: most }),
        Err(ApiError::Forbidden { .. }) => Err(NodeProbeError::Forbidden {
            what: format!("watch pods in {}", order.seat.namespace),
            grant: plan::own_rules(),
        }),
        Err(error) => Err(NodeProbeError::Watch(error)),
    }
}

/// Reads the log; the termination message holds a summary for those who may not.
async fn read(
    session: &Session<'_>,
    order: &Order<'_>,
    pod: &Created,
    message: &str,
) -> Result<(NodeAnswer, Option<Timestamp>), NodeProbeError> {
    let most = MOST_NODE_ANSWER + 1024;
    let path: ApiPath = pod
        .key
        .path()
        .segment("log")
        .query("container", CONTAINER)
        .query("limitBytes", &most.to_string());
    let log = session.api().get(&path, Form::Any, most).await;
    let (of_log, date) = match &log {
        Ok(log) => (
            answer::of_log(&log.body, order.ask).map_err(NodeProbeError::Answer),
            log.date,
        ),
        Err(ApiError::Forbidden { .. }) => (
            Err(NodeProbeError::Forbidden {
                what: format!("get pods/log in {}", order.seat.namespace),
                grant: plan::own_rules(),
            }),
            None,
        ),
        Err(source) => (Err(NodeProbeError::ReadLog(source.clone())), None),
    };
    match of_log {
        Ok(answer) => Ok((answer, date)),
        // The probe's own words on why it asked nothing are the answer.
        Err(error @ NodeProbeError::Answer(NodeAnswerError::Probe(_))) => Err(error),
        Err(error) => match answer::of_summary(message, order.ask) {
            Ok(answer) => {
                tracing::debug!(%error, "only the summary of the probe's answer is read");
                Ok((answer, date))
            }
            Err(_) => Err(error),
        },
    }
}
