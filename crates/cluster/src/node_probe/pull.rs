//! The kubelet as the prober: a pod whose image it is made to pull, and what it says of that.

use std::time::Duration;

use pulldoctor_model::KubeletPull;
use pulldoctor_reference::Reference;
use tokio::time::{Instant, timeout};

use crate::error::ApiError;

use super::{
    error::NodeProbeError,
    ground::Ground,
    living::{Key, Kind, nameless},
    manifest::PullPod,
    plan,
    session::{Reserved, Session, not_created},
    status::Standing,
    wait::{Fate, wait},
};

/// How long a pull may take. It is asked only what the network answers soon.
const PULL: Duration = Duration::from_secs(25);

/// How long it may take in all.
const ALL: Duration = Duration::from_secs(45);

/// What the kubelet is made to pull.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PullOrder<'a> {
    pub(crate) node: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) secrets: &'a [String],
    pub(crate) service_account: Option<&'a str>,
    pub(crate) image: &'a str,
}

impl Session<'_> {
    /// Makes the kubelet pull. What it got is not run. Whoever calls this sees to it that no two
    /// are at work on one node, and that nothing can hang: a stalled pull blocks others.
    pub(crate) async fn pull(
        &self,
        order: PullOrder<'_>,
        reserved: Reserved,
    ) -> Result<KubeletPull, NodeProbeError> {
        let _turn = self.turn(reserved).await?;
        match timeout(ALL, self.pull_now(order)).await {
            Ok(pulled) => pulled,
            Err(_) => Err(NodeProbeError::Patience {
                node: order.node.to_owned(),
                after: ALL,
            }),
        }
    }

    async fn pull_now(&self, order: PullOrder<'_>) -> Result<KubeletPull, NodeProbeError> {
        let node = || order.node.to_owned();
        let namespaces = [order.namespace.to_owned()];
        let ground = Ground::read(self.api(), order.node, &namespaces).await?;
        if let Some(why) = ground.is_closed() {
            return Err(NodeProbeError::NoPodStarts { node: node(), why });
        }
        let key = Key::new(Kind::Pod, order.namespace);
        let manifest = PullPod {
            name: &key.name,
            namespace: order.namespace,
            node: order.node,
            image: order.image,
            secrets: order.secrets,
            service_account: order.service_account,
        }
        .manifest();
        let living = &self.nodes().living;
        let pod =
            living
                .create(self.api(), key, &manifest)
                .await
                .map_err(
                    |error| match not_created(error, "the pod", order.namespace) {
                        NodeProbeError::Forbidden { what, .. } => NodeProbeError::Forbidden {
                            what,
                            grant: plan::pull_rules(),
                        },
                        other => other,
                    },
                )?;
        let has_result = |standing: &Standing| *standing != Standing::Waiting;
        let fate = wait(self.api(), &pod, Instant::now() + PULL, has_result).await;
        living.remove(self.api(), pod).await;
        let (got, reason, message) = match fate {
            Ok(Fate::Stands(standing)) => outcome(standing),
            Ok(Fate::NoSandbox(text)) => (false, "FailedCreatePodSandBox".to_owned(), text),
            Ok(Fate::Removed) => return Err(NodeProbeError::Removed { node: node() }),
            Ok(Fate::Late) => {
                return Err(NodeProbeError::Patience {
                    node: node(),
                    after: PULL,
                });
            }
            Err(ApiError::Forbidden { .. }) => {
                return Err(NodeProbeError::Forbidden {
                    what: format!("watch pods in {}", order.namespace),
                    grant: plan::pull_rules(),
                });
            }
            Err(error) => return Err(NodeProbeError::Watch(error)),
        };
        Ok(KubeletPull {
            got,
            was_there: was_there(&ground, order.image),
            reason,
            message: nameless(&message),
        })
    }
}

fn outcome(standing: Standing) -> (bool, String, String) {
    match standing {
        Standing::Held { reason, message } | Standing::Rejected { reason, message } => {
            (false, reason, message)
        }
        // Its command is in no image: that it could not be started is how a pull that went well
        // ends.
        _ => (true, String::new(), String::new()),
    }
}

/// Whether the image was on the node before: a container of it runs there, or the node lists it. The
/// list is written every few minutes and may be cut, so that `false` says little.
fn was_there(ground: &Ground, image: &str) -> bool {
    let Ok(image) = Reference::parse(image) else {
        return false;
    };
    let listed = ground.facts.iter().flat_map(|facts| &facts.images);
    listed
        .flat_map(|image| &image.names)
        .chain(&ground.running)
        .any(|known| image.is_written_as(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_cannot_be_started_was_pulled() {
        let start = Standing::NotStarted {
            reason: "RunContainerError".to_owned(),
            message: "no such file".to_owned(),
        };
        assert!(outcome(start).0);
        let held = Standing::Held {
            reason: "ErrImagePull".to_owned(),
            message: "401".to_owned(),
        };
        assert_eq!(
            outcome(held),
            (false, "ErrImagePull".to_owned(), "401".to_owned())
        );
    }
}
