//! What can go wrong on the way to the cluster, and what to tell the person.

use std::{path::PathBuf, time::Duration};

use pulldoctor_model::{ExitCode, GapReason};
use thiserror::Error;

/// Why the API server gave no usable answer to one request.
#[derive(Debug, Clone, Error)]
pub enum ApiError {
    /// 401: the login is missing, wrong or expired.
    #[error("the API server does not accept the login (401 Unauthorized)")]
    Unauthorized,
    /// 403.
    #[error("the API server forbids it: {message}")]
    Forbidden {
        /// The server's words.
        message: String,
    },
    /// 404.
    #[error("the API server does not know it: {message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// 410: the continue token of a list is too old.
    #[error("the list has expired on the API server (410 Gone)")]
    Expired {
        /// The token with which the rest can be had from a newer state.
        resume: Option<String>,
    },
    /// Any other status.
    #[error("the API server answered {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
        /// How long the server wants us to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, or one that broke.
    #[error("the API server cannot be reached: {reason}")]
    Unreachable {
        /// The innermost cause.
        reason: String,
    },
    /// The server's certificate is not accepted.
    #[error("the API server's certificate is not accepted: {reason}")]
    Tls {
        /// The reason.
        reason: String,
    },
    /// The login plugin of the kubeconfig failed.
    #[error("the kubeconfig's login plugin failed: {reason}")]
    Plugin {
        /// The reason, without the plugin's standard output.
        reason: String,
    },
    /// No answer in time.
    #[error("the API server did not answer within {} s", .after.as_secs())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The answer is larger than the cap.
    #[error("the answer is larger than {} MiB", .most >> 20)]
    TooLarge {
        /// The cap in bytes.
        most: usize,
    },
    /// The answer is not what the API promises. Its content is not repeated: it may be a secret.
    #[error("the API server's answer for {what} cannot be read (line {line}, column {column})")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// Line of the fault.
        line: usize,
        /// Column of the fault.
        column: usize,
    },
}

impl ApiError {
    /// Whether asking again soon may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { code, .. } => matches!(code, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether no other question to this cluster can fare better.
    pub(crate) fn is_total(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized | Self::Unreachable { .. } | Self::Tls { .. } | Self::Plugin { .. }
        )
    }

    /// The reason of the gap that stands in the place of the answer.
    pub(crate) fn gap(&self) -> GapReason {
        match self {
            Self::Forbidden { .. } | Self::Unauthorized => GapReason::Forbidden,
            Self::Timeout { .. } => GapReason::Timeout,
            Self::Expired { .. } => GapReason::Expired,
            _ => GapReason::Unreachable,
        }
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::Unauthorized => {
                "log in again, or choose another context with `--context`; \
                 `kubectl auth whoami` shows who the cluster thinks you are"
            }
            Self::Unreachable { .. } => {
                "check that the cluster is up and that this machine reaches it; \
                 `kubectl cluster-info` asks the same server"
            }
            Self::Tls { .. } => {
                "check `certificate-authority` of the cluster in the kubeconfig, and the clock"
            }
            Self::Plugin { .. } => {
                "run the command under `users[].user.exec` of the kubeconfig by hand"
            }
            Self::Timeout { .. } => {
                "check that this machine reaches the cluster, or give it more time with \
                 `--request-timeout`"
            }
            Self::Forbidden { .. } => {
                "ask for a role that may list pods, or choose a namespace with `-n`"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// A serde error without the content that it may quote.
    pub(crate) fn malformed(what: &'static str, error: &serde_json::Error) -> Self {
        Self::Malformed {
            what,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// Why no connection could be prepared.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The file cannot be read.
    #[error("read kubeconfig `{}`: {reason}", .path.display())]
    ReadKubeconfig {
        /// The file.
        path: PathBuf,
        /// Why, without the file's content.
        reason: String,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error("find a kubeconfig: none of {} exists, and this is not a pod", list(.tried))]
    NoConfig {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The kubeconfig has no current context.
    #[error("choose a context: the kubeconfig has no `current-context`")]
    NoCurrentContext {
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// The kubeconfig has no such context.
    #[error("find context `{name}` in the kubeconfig")]
    NoSuchContext {
        /// What was asked for.
        name: String,
        /// The contexts that it has.
        known: Vec<String>,
    },
    /// The context names a cluster that is not there.
    #[error("find cluster `{cluster}` of context `{context}` in the kubeconfig")]
    NoSuchCluster {
        /// The context.
        context: String,
        /// The cluster that it names.
        cluster: String,
    },
    /// The cluster has no usable address.
    #[error("read the server address `{server}` of context `{context}`")]
    BadServer {
        /// The context.
        context: String,
        /// The address.
        server: String,
    },
    /// A proxy address is malformed.
    #[error("read the proxy address of context `{context}`")]
    BadProxy {
        /// The context.
        context: String,
    },
    /// The certificate authority cannot be read.
    #[error("read the certificate authority of context `{context}`: {reason}")]
    BadAuthority {
        /// The context.
        context: String,
        /// Why.
        reason: String,
    },
    /// The login of the context cannot be used.
    #[error("prepare the login of context `{context}`: {reason}")]
    Login {
        /// The context.
        context: String,
        /// Why, without anything that the login plugin wrote to its standard output.
        reason: String,
    },
    /// The service account's files inside the pod cannot be read.
    #[error("read the service account of this pod")]
    InCluster(#[source] kube::config::InClusterError),
}

impl ConnectError {
    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Login { .. } => ExitCode::Unreachable,
            _ => ExitCode::Request,
        }
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoSuchContext { name, known } => Some(contexts(known, Some(name))),
            Self::NoCurrentContext { known } => Some(contexts(known, None)),
            Self::NoConfig { .. } => {
                Some("name the file with `--kubeconfig` or `KUBECONFIG`".to_owned())
            }
            Self::ReadKubeconfig { .. } => Some("`kubectl config view` reads the same file".into()),
            Self::Login { .. } => {
                Some("run the command under `users[].user.exec` of the kubeconfig by hand".into())
            }
            _ => None,
        }
    }
}

fn contexts(known: &[String], wanted: Option<&str>) -> String {
    if known.is_empty() {
        return "the kubeconfig has no contexts".to_owned();
    }
    if let Some(near) = wanted.and_then(|wanted| crate::scope::nearest(wanted, known)) {
        return format!("did you mean `--context {near}`?");
    }
    let shown: Vec<String> = known
        .iter()
        .take(10)
        .map(|name| format!("`{name}`"))
        .collect();
    format!("choose one of {} with `--context`", shown.join(", "))
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    shown.join(", ")
}

/// Why the pods could not be looked through.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The cluster gave no answer at all.
    #[error("list pods of context `{context}`")]
    Cluster {
        /// The context.
        context: String,
        /// Why.
        #[source]
        source: ApiError,
    },
    /// Listing pods is forbidden wherever it was tried.
    #[error("list pods: forbidden in {place}")]
    Forbidden {
        /// `all namespaces`, or the namespaces that were tried.
        place: String,
        /// The RBAC rule to add, as YAML.
        grant: String,
    },
    /// The object does not exist.
    #[error("find `{target}` in namespace `{namespace}`")]
    NoSuchObject {
        /// The target as typed.
        target: String,
        /// The namespace.
        namespace: String,
        /// Objects of that kind with a name like it.
        near: Vec<String>,
    },
    /// The namespace does not exist.
    #[error("find namespace `{namespace}`")]
    NoSuchNamespace {
        /// The namespace.
        namespace: String,
        /// Namespaces with a name like it.
        near: Vec<String>,
    },
    /// The object that the target names may not be read, so its pods are not known.
    #[error("read `{target}` in namespace `{namespace}`: forbidden")]
    TargetForbidden {
        /// The target as typed.
        target: String,
        /// The namespace.
        namespace: String,
        /// The RBAC rule to add, as YAML.
        grant: String,
    },
    /// The server refuses the request as it stands (a malformed selector).
    #[error("use the selector `{selector}`: {message}")]
    BadSelector {
        /// The selector.
        selector: String,
        /// The server's words.
        message: String,
    },
    /// Names were given together with all namespaces.
    #[error("look up names in all namespaces")]
    NamesAcrossNamespaces,
}

impl ScanError {
    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Cluster { .. } | Self::Forbidden { .. } | Self::TargetForbidden { .. } => {
                ExitCode::Unreachable
            }
            _ => ExitCode::Request,
        }
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Cluster { source, .. } => source.help(),
            Self::Forbidden { grant, .. } | Self::TargetForbidden { grant, .. } => {
                Some(format!("this rule allows it:\n{grant}"))
            }
            Self::NoSuchObject { near, .. } | Self::NoSuchNamespace { near, .. } => {
                near_names(near)
            }
            Self::NamesAcrossNamespaces => {
                Some("choose the namespace with `-n`, or leave the names away".to_owned())
            }
            Self::BadSelector { .. } => None,
        }
    }
}

fn near_names(near: &[String]) -> Option<String> {
    if near.is_empty() {
        return None;
    }
    let shown: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    Some(format!("did you mean {}?", shown.join(" or ")))
}
