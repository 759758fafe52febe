//! What to look through: namespaces, a selector, named objects.

use std::{fmt, str::FromStr};

use pulldoctor_model::ExitCode;
use thiserror::Error;

/// The namespaces to look through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them (`-A`).
    All,
    /// These.
    Named(Vec<String>),
}

/// What to look through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// A label selector, as kubectl's `-l`.
    pub selector: Option<String>,
    /// Named objects; without any, every pod. They are looked up in each namespace.
    pub targets: Vec<Target>,
}

impl Scope {
    /// Every pod of all namespaces.
    pub fn all() -> Self {
        Self {
            namespaces: Namespaces::All,
            selector: None,
            targets: Vec::new(),
        }
    }

    /// Every pod of one namespace.
    pub fn namespace(name: impl Into<String>) -> Self {
        Self {
            namespaces: Namespaces::Named(vec![name.into()]),
            selector: None,
            targets: Vec::new(),
        }
    }
}

/// The kinds that a target may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A pod.
    Pod,
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A ReplicaSet.
    ReplicaSet,
    /// A ReplicationController.
    ReplicationController,
    /// A Job.
    Job,
    /// A CronJob.
    CronJob,
}

impl TargetKind {
    const ALL: [Self; 8] = [
        Self::Pod,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Job,
        Self::CronJob,
    ];

    /// The kind as objects write it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The resource as paths and rules write it.
    pub(crate) const fn resource(self) -> &'static str {
        match self {
            Self::Pod => "pods",
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::ReplicaSet => "replicasets",
            Self::ReplicationController => "replicationcontrollers",
            Self::Job => "jobs",
            Self::CronJob => "cronjobs",
        }
    }

    /// The API group.
    pub(crate) const fn group(self) -> &'static str {
        match self {
            Self::Pod | Self::ReplicationController => "",
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet => "apps",
            Self::Job | Self::CronJob => "batch",
        }
    }

    /// kubectl's short name, which is also what a person types most.
    const fn short(self) -> &'static str {
        match self {
            Self::Pod => "po",
            Self::Deployment => "deploy",
            Self::StatefulSet => "sts",
            Self::DaemonSet => "ds",
            Self::ReplicaSet => "rs",
            Self::ReplicationController => "rc",
            Self::Job => "job",
            Self::CronJob => "cj",
        }
    }

    /// The kind that an object's `kind` names.
    pub(crate) fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.kind() == kind)
    }

    /// Reads singular, plural and short names in any case, with or without version and group
    /// (`deployments.v1.apps`).
    fn read(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (name, group) = lower.split_once('.').unwrap_or((&lower, ""));
        let kind = Self::ALL.into_iter().find(|kind| {
            name == kind.short()
                || name == kind.resource()
                || kind.resource().strip_suffix('s') == Some(name)
        })?;
        let group = group.strip_prefix("v1.").unwrap_or(group);
        let fits = group.is_empty() || group == "v1" || group == kind.group();
        fits.then_some(kind)
    }
}

/// A named object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.kind().to_ascii_lowercase(), self.name)
    }
}

/// Why a text names no object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The kind is none that makes pods.
    #[error("read target `{target}`: `{kind}` is no kind of object that has pods")]
    UnknownKind {
        /// The text.
        target: String,
        /// The kind in it.
        kind: String,
    },
    /// The name cannot be one of an object.
    #[error("read target `{target}`: `{name}` cannot be the name of an object")]
    BadName {
        /// The text.
        target: String,
        /// The name in it.
        name: String,
    },
}

impl TargetError {
    /// The exit code of the command.
    pub fn exit(&self) -> ExitCode {
        ExitCode::Request
    }

    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownKind { kind, .. } => {
                let words: Vec<String> = TargetKind::ALL
                    .iter()
                    .flat_map(|kind| [kind.short(), kind.resource()])
                    .map(str::to_owned)
                    .collect();
                let near = nearest(&kind.to_ascii_lowercase(), &words)
                    .and_then(TargetKind::read)
                    .map(|kind| format!("did you mean `{}/…`? ", kind.kind().to_lowercase()))
                    .unwrap_or_default();
                Some(format!(
                    "{near}one of pod/x, deploy/x, sts/x, ds/x, rs/x, rc/x, job/x, cronjob/x"
                ))
            }
            Self::BadName { .. } => Some(
                "names are lower-case letters, digits, `-` and `.`; an image is looked at by \
                 `pulldoctor probe`"
                    .to_owned(),
            ),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, name) = match text.split_once('/') {
            None => (TargetKind::Pod, text),
            Some((kind, name)) => {
                let known = TargetKind::read(kind).ok_or_else(|| TargetError::UnknownKind {
                    target: text.to_owned(),
                    kind: kind.to_owned(),
                })?;
                (known, name)
            }
        };
        if !is_object_name(name) {
            return Err(TargetError::BadName {
                target: text.to_owned(),
                name: name.to_owned(),
            });
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

/// A DNS subdomain (RFC 1123), as the names of pods and their controllers are.
fn is_object_name(name: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= 253
        && bytes.first().is_some_and(plain)
        && bytes.last().is_some_and(plain)
        && bytes
            .iter()
            .all(|byte| plain(byte) || matches!(byte, b'-' | b'.'))
}

/// The known name that is nearest to the wanted one, if any is near.
pub(crate) fn nearest<'n>(wanted: &str, known: &'n [String]) -> Option<&'n str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(distance, name)| {
            *distance <= wanted.len().max(3) / 3 || (wanted.len() > 2 && name.starts_with(wanted))
        })
        .min()
        .map(|(_, name)| name.as_str())
}

/// Up to three known names that are near the wanted one, nearest first.
pub(crate) fn nearest_few(wanted: &str, known: Vec<String>) -> Vec<String> {
    let mut left = known;
    let mut found = Vec::new();
    while found.len() < 3 {
        let Some(name) = nearest(wanted, &left).map(str::to_owned) else {
            break;
        };
        left.retain(|other| *other != name);
        found.push(name);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (TargetKind, String) {
        let target: Target = text.parse().unwrap();
        (target.kind, target.name)
    }

    #[test]
    fn kubectl_forms_are_understood() {
        for (text, kind) in [
            ("api", TargetKind::Pod),
            ("pod/api", TargetKind::Pod),
            ("pods/api", TargetKind::Pod),
            ("po/api", TargetKind::Pod),
            ("deploy/api", TargetKind::Deployment),
            ("Deployment/api", TargetKind::Deployment),
            ("deployments.apps/api", TargetKind::Deployment),
            ("deployments.v1.apps/api", TargetKind::Deployment),
            ("sts/api", TargetKind::StatefulSet),
            ("statefulset/api", TargetKind::StatefulSet),
            ("ds/api", TargetKind::DaemonSet),
            ("daemonsets/api", TargetKind::DaemonSet),
            ("rs/api", TargetKind::ReplicaSet),
            ("rc/api", TargetKind::ReplicationController),
            ("job/api", TargetKind::Job),
            ("jobs.batch/api", TargetKind::Job),
            ("cj/api", TargetKind::CronJob),
            ("cronjob/api", TargetKind::CronJob),
        ] {
            assert_eq!(read(text), (kind, "api".to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_help() {
        let error = "deplyo/api".parse::<Target>().unwrap_err();
        assert!(
            error
                .help()
                .unwrap()
                .starts_with("did you mean `deployment/…`?"),
            "{error}"
        );
        for text in [
            "svc/api",
            "deployments.extensions.example.com/api",
            "a/b/c",
            "registry/x:1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for text in [
            "",
            "pod/",
            "pod/../x",
            "nginx:1.2",
            "Upper",
            "-x",
            "pod/a b",
        ] {
            assert!(
                matches!(text.parse::<Target>(), Err(TargetError::BadName { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn near_names_are_few_and_near() {
        let known = ["shop", "shop-staging", "kube-system", "default"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(nearest_few("shpo", known.clone()), ["shop"]);
        assert_eq!(nearest_few("shop", known.clone()), ["shop", "shop-staging"]);
        assert!(nearest_few("zzz", known).is_empty());
    }
}
