//! What would decide between causes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NodeHost;

/// With which credentials a registry is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryCredentials {
    /// With none.
    Anonymous,
    /// With those of these pull secrets that match the image, in the kubelet's order. Not the
    /// pod's name: five hundred pods with the same secrets ask once.
    Secrets {
        /// The namespace of the secrets.
        namespace: String,
        /// Their names, as the pod lists them.
        names: Vec<String>,
    },
}

/// A question, as a value: five hundred pods that raise the same one ask it once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Question {
    /// Which events does the pod have?
    PodEvents {
        /// The pod's namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The pod's UID.
        uid: String,
    },
    /// Is the secret there, and of which type? Never its content.
    Secret {
        /// The namespace.
        namespace: String,
        /// The secret's name.
        name: String,
    },
    /// Which pull secrets does the service account name today?
    ServiceAccount {
        /// The namespace.
        namespace: String,
        /// The service account's name.
        name: String,
    },
    /// What does the node object say: platform, versions, conditions, images?
    Node {
        /// The node's name.
        name: String,
    },
    /// How full are the node's file systems (`stats/summary`)?
    NodeFilesystems {
        /// The node's name.
        name: String,
    },
    /// Which events does the node have?
    NodeEvents {
        /// The node's name.
        name: String,
    },
    /// What does the owner's template say, and what ran before?
    Owner {
        /// The namespace.
        namespace: String,
        /// `Kind/name` of the topmost controller.
        owner: String,
        /// The container whose image is asked about.
        container: String,
    },
    /// Where else in the scanned pods is this image, and how does it fare there?
    ImageElsewhere {
        /// The image as written in the pod.
        image: String,
    },
    /// How do other images of this registry fare, node by node, in the scanned pods?
    RegistryElsewhere {
        /// The registry's host, normalised.
        registry: String,
    },
    /// Which registries do the scanned pods use, and do their pulls work?
    RegistriesInUse,
    /// Which credentials of these pull secrets does the kubelet try for this image?
    Keyring {
        /// The pod's namespace.
        namespace: String,
        /// The names of its pull secrets, as the pod lists them.
        secrets: Vec<String>,
        /// The image as written in the pod.
        image: String,
    },
    /// Does the registry serve this image, stage by stage, with these credentials?
    Registry {
        /// The image as written in the pod.
        image: String,
        /// The node's platform, as `os/arch`, where it matters.
        platform: Option<String>,
        /// The credentials to ask with.
        credentials: RegistryCredentials,
        /// Whether the layers are read and verified too.
        content: bool,
    },
    /// What does the registry look like from the failing node? All that is asked of one registry
    /// from one node is one probe, whatever the images.
    NodeView {
        /// The node's name.
        node: String,
        /// The registry's host, normalised.
        registry: String,
        /// The image as written in the pod.
        image: String,
        /// Further hosts that the node's text names, sorted.
        hosts: Vec<NodeHost>,
    },
    /// What does the kubelet of the node say when it is made to pull this, with these credentials
    /// and all that it has of its own?
    KubeletPull {
        /// The node's name.
        node: String,
        /// The namespace whose secrets are used.
        namespace: String,
        /// The names of the pull secrets, as the pod lists them.
        secrets: Vec<String>,
        /// The service account, where credential providers look at it.
        service_account: Option<String>,
        /// The reference that is tried.
        image: String,
    },
    /// What do the logs of the node's kubelet and runtime say about the image?
    NodeLogs {
        /// The node's name.
        node: String,
        /// The image as written in the pod.
        image: String,
    },
    /// How is the node's kubelet set up to pull (`configz`)?
    NodeConfig {
        /// The node's name.
        name: String,
    },
    /// What has the node's kubelet counted of pulls (`/metrics`)?
    NodeMetrics {
        /// The node's name.
        name: String,
    },
}

/// Names with a word before them: pull secrets `a`, `b`.
struct Listed<'a>(&'static str, &'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(word, names) = self;
        let (no, many) = match names.len() {
            0 => ("no ", "s"),
            1 => ("", ""),
            _ => ("", "s"),
        };
        write!(f, "{no}{word}{many}")?;
        for (at, name) in names.iter().enumerate() {
            write!(f, "{} `{name}`", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl Question {
    /// Whether the answer comes from the node itself: such questions are asked only where the
    /// person asked for the node's view.
    pub fn is_of_node_view(&self) -> bool {
        matches!(
            self,
            Self::NodeView { .. }
                | Self::KubeletPull { .. }
                | Self::NodeLogs { .. }
                | Self::NodeConfig { .. }
                | Self::NodeMetrics { .. }
        )
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PodEvents { namespace, pod, .. } => {
                write!(f, "which events does pod `{namespace}/{pod}` have?")
            }
            Self::Secret { namespace, name } => {
                write!(
                    f,
                    "is secret `{namespace}/{name}` there, and of which type?"
                )
            }
            Self::ServiceAccount { namespace, name } => write!(
                f,
                "which pull secrets does service account `{namespace}/{name}` name?"
            ),
            Self::Node { name } => write!(f, "what does node `{name}` say of itself?"),
            Self::NodeFilesystems { name } => {
                write!(f, "how full are the file systems of node `{name}`?")
            }
            Self::NodeEvents { name } => write!(f, "which events does node `{name}` have?"),
            Self::Owner {
                namespace, owner, ..
            } => write!(
                f,
                "which images did `{owner}` in `{namespace}` have before?"
            ),
            Self::ImageElsewhere { image } => {
                write!(f, "does `{image}` run elsewhere in the cluster?")
            }
            Self::RegistryElsewhere { registry } => {
                write!(f, "do other images of `{registry}` run, and where?")
            }
            Self::RegistriesInUse => f.write_str("which registries do other pods use?"),
            Self::Keyring {
                namespace,
                secrets,
                image,
            } => {
                let secrets = Listed("pull secret", secrets);
                write!(
                    f,
                    "which credentials of {secrets} in `{namespace}` match `{image}`?"
                )
            }
            Self::Registry {
                image,
                credentials,
                content,
                ..
            } => {
                let what = if *content { "every byte of " } else { "" };
                write!(f, "does the registry serve {what}`{image}` ")?;
                match credentials {
                    RegistryCredentials::Anonymous => f.write_str("without a login?"),
                    RegistryCredentials::Secrets { namespace, names } => {
                        let names = Listed("pull secret", names);
                        write!(f, "to {names} in `{namespace}`?")
                    }
                }
            }
            Self::NodeView { node, registry, .. } => {
                write!(f, "does node `{node}` reach `{registry}`?")
            }
            Self::KubeletPull { node, image, .. } => {
                write!(f, "can the kubelet of node `{node}` pull `{image}`?")
            }
            Self::NodeLogs { node, image } => {
                write!(f, "what do the logs of node `{node}` say about `{image}`?")
            }
            Self::NodeConfig { name } => {
                write!(f, "how is the kubelet of node `{name}` set up to pull?")
            }
            Self::NodeMetrics { name } => {
                write!(f, "what has the kubelet of node `{name}` counted of pulls?")
            }
        }
    }
}
