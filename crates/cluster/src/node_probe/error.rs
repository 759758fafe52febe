//! Why there is no view from there, one variant for each step.

use std::time::Duration;

use pulldoctor_model::GapReason;
use pulldoctor_registry::judge::NodeAnswerError;
use thiserror::Error;

use super::living::nameless;
use crate::error::ApiError;

/// Why a probe did not look.
#[derive(Debug, Clone, Error)]
pub enum NodeProbeError {
    /// This program does not hold one.
    #[error("look from there: this build carries no probe")]
    NoProgram,
    /// Nobody said that pods may be created.
    #[error("look from there: not asked for")]
    NoAccess,
    /// There were as many as allowed already.
    #[error("look from there: beyond the {most} probes of one run")]
    TooMany {
        /// How many.
        most: usize,
    },
    /// The node cannot be read.
    #[error("read node `{node}`")]
    ReadNode {
        /// The node.
        node: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
    /// The program was not built for such a node.
    #[error("run on node `{node}`: it is {platform}, and the probe is built for linux/{built}")]
    OtherPlatform {
        /// The node.
        node: String,
        /// What it is.
        platform: String,
        /// What the probe is for.
        built: &'static str,
    },
    /// The pods of the namespace cannot be listed.
    #[error("list pods in namespace `{namespace}`")]
    ListPods {
        /// The namespace.
        namespace: String,
        /// Why not.
        #[source]
        source: ApiError,
    },
    /// No node is known to run it on.
    #[error(
        "find a node to look from: namespace `{namespace}` has no pod on any, and no other is known"
    )]
    NoNode {
        /// The namespace.
        namespace: String,
    },
    /// The node starts no pod, whatever its image is.
    #[error("start a pod on node `{node}`: none can start there: {why}")]
    NoPodStarts {
        /// The node.
        node: String,
        /// Why not: a condition of the node, or the events' text.
        why: String,
    },
    /// Nothing on the node is known that a pod could be started from.
    #[error("find an image on node `{node}` to start from")]
    NoImage {
        /// The node.
        node: String,
        /// The RBAC rules, as YAML, without which no list of images could be read; empty where all
        /// were read and name none.
        grant: String,
    },
    /// There is no such namespace.
    #[error("find namespace `{namespace}`")]
    NoNamespace {
        /// Its name.
        namespace: String,
    },
    /// It is not allowed.
    #[error("{what}: forbidden")]
    Forbidden {
        /// `create pods in kube-system`.
        what: String,
        /// The RBAC rules to add, as YAML.
        grant: String,
    },
    /// Pod security, a quota or a policy refuses it.
    #[error("create the pod in {namespaces}: {message}")]
    NotAdmitted {
        /// Where it was tried.
        namespaces: String,
        /// The server's words, of the last of them.
        message: String,
    },
    /// An admission plugin wants every image to be pulled.
    #[error("start without a pull: the cluster sets `imagePullPolicy: Always` on every pod")]
    PullForced,
    /// An object cannot be created.
    #[error("create {what}")]
    Create {
        /// What.
        what: &'static str,
        /// Why not.
        #[source]
        source: ApiError,
    },
    /// The kubelet does not start it.
    #[error("start on node `{node}`: {reason}: {message}")]
    Start {
        /// The node.
        node: String,
        /// The reason as the API has it.
        reason: String,
        /// Its text.
        message: String,
    },
    /// There was no answer in time.
    #[error("wait for the answer from node `{node}`: none within {} s", .after.as_secs())]
    Patience {
        /// The node.
        node: String,
        /// How long was waited.
        after: Duration,
    },
    /// Somebody else removed the pod.
    #[error("wait for the answer from node `{node}`: the pod was removed")]
    Removed {
        /// The node.
        node: String,
    },
    /// The pod cannot be watched.
    #[error("watch the pod")]
    Watch(#[source] ApiError),
    /// The pod's log cannot be read, and its termination message holds no summary.
    #[error("read the pod's log")]
    ReadLog(#[source] ApiError),
    /// The process is about to end.
    #[error("look from there: broken off")]
    BrokenOff,
    /// What came back is no answer.
    #[error("read the answer")]
    Answer(#[source] NodeAnswerError),
}

impl NodeProbeError {
    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::Forbidden { grant, .. } => {
                return Some(format!("these rules allow it:\n{grant}"));
            }
            Self::NoImage { grant, .. } if !grant.is_empty() => {
                return Some(format!("these rules let its images be listed:\n{grant}"));
            }
            Self::ReadNode { source, .. }
            | Self::ListPods { source, .. }
            | Self::Create { source, .. }
            | Self::Watch(source)
            | Self::ReadLog(source) => return source.help(),
            Self::NotAdmitted { .. } => {
                "choose a namespace that admits such a pod with `--probe-namespace`; \
                 `--explain-access` shows what would be created"
            }
            Self::PullForced => {
                "the admission plugin `AlwaysPullImages` does it; a node that cannot pull runs no \
                 pod of such a cluster"
            }
            Self::NoImage { .. } => "look from another place with `--from`",
            Self::NoNamespace { .. } => "name one that is there",
            Self::NoNode { .. } => "look from a node with `--from node/NAME`",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The RBAC rules that are missing, as YAML.
    pub fn grant(&self) -> Option<&str> {
        match self {
            Self::Forbidden { grant, .. } => Some(grant),
            Self::NoImage { grant, .. } => Some(grant.as_str()).filter(|grant| !grant.is_empty()),
            _ => None,
        }
    }

    /// The reason of the gap that stands in the place of the view.
    pub fn gap(&self) -> GapReason {
        match self {
            Self::Forbidden { .. } | Self::NotAdmitted { .. } | Self::PullForced => {
                GapReason::Forbidden
            }
            Self::NoImage { grant, .. } if !grant.is_empty() => GapReason::Forbidden,
            Self::Patience { .. } => GapReason::Timeout,
            Self::NoProgram | Self::NoAccess | Self::TooMany { .. } | Self::BrokenOff => {
                GapReason::NotAsked
            }
            Self::ReadNode { source, .. }
            | Self::ListPods { source, .. }
            | Self::Create { source, .. }
            | Self::Watch(source)
            | Self::ReadLog(source) => source.gap(),
            _ => GapReason::Unreachable,
        }
    }

    /// The text with what lies beneath it, for a gap.
    pub(crate) fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        nameless(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_whose_images_may_not_be_listed_is_a_right_that_is_missing() {
        let found = |grant: &str| NodeProbeError::NoImage {
            node: "n1".to_owned(),
            grant: grant.to_owned(),
        };
        assert_eq!(found("").gap(), GapReason::Unreachable);
        assert_eq!(found("").grant(), None);
        let denied = found("- apiGroups");
        assert_eq!(denied.gap(), GapReason::Forbidden);
        assert_eq!(denied.grant(), Some("- apiGroups"));
        assert!(denied.help().unwrap().ends_with("- apiGroups"));
    }

    #[test]
    fn a_missing_right_says_what_would_allow_it() {
        let error = NodeProbeError::Forbidden {
            what: "create pods in shop".to_owned(),
            grant: "- apiGroups".to_owned(),
        };
        assert_eq!(error.to_string(), "create pods in shop: forbidden");
        assert_eq!(error.gap(), GapReason::Forbidden);
        assert!(error.help().unwrap().ends_with("- apiGroups"));

        let watched = NodeProbeError::Watch(ApiError::Timeout {
            after: Duration::from_secs(3),
        });
        assert_eq!(watched.gap(), GapReason::Timeout);
        assert_eq!(
            watched.whole(),
            "watch the pod: the API server did not answer within 3 s"
        );
    }
}
