//! The resources that are served, and what a path means.

/// One resource type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) singular: &'static str,
    pub(super) kind: &'static str,
    pub(super) short: &'static str,
    pub(super) namespaced: bool,
}

impl Resource {
    /// `v1` or `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods` or `deployments.apps`, as error messages have it.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

macro_rules! resources {
    ($($group:literal $version:literal $plural:literal $singular:literal $kind:literal
       $short:literal $namespaced:literal;)*) => {
        &[$(Resource {
            group: $group, version: $version, plural: $plural, singular: $singular, kind: $kind,
            short: $short, namespaced: $namespaced,
        }),*]
    };
}

pub(super) const RESOURCES: &[Resource] = resources![
    "" "v1" "pods" "pod" "Pod" "po" true;
    "" "v1" "events" "event" "Event" "ev" true;
    "" "v1" "secrets" "secret" "Secret" "" true;
    "" "v1" "serviceaccounts" "serviceaccount" "ServiceAccount" "sa" true;
    "" "v1" "configmaps" "configmap" "ConfigMap" "cm" true;
    "" "v1" "services" "service" "Service" "svc" true;
    "" "v1" "persistentvolumeclaims" "persistentvolumeclaim" "PersistentVolumeClaim" "pvc" true;
    "" "v1" "replicationcontrollers" "replicationcontroller" "ReplicationController" "rc" true;
    "" "v1" "namespaces" "namespace" "Namespace" "ns" false;
    "" "v1" "nodes" "node" "Node" "no" false;
    "apps" "v1" "deployments" "deployment" "Deployment" "deploy" true;
    "apps" "v1" "replicasets" "replicaset" "ReplicaSet" "rs" true;
    "apps" "v1" "statefulsets" "statefulset" "StatefulSet" "sts" true;
    "apps" "v1" "daemonsets" "daemonset" "DaemonSet" "ds" true;
    "apps" "v1" "controllerrevisions" "controllerrevision" "ControllerRevision" "" true;
    "batch" "v1" "jobs" "job" "Job" "" true;
    "batch" "v1" "cronjobs" "cronjob" "CronJob" "cj" true;
    "policy" "v1" "poddisruptionbudgets" "poddisruptionbudget" "PodDisruptionBudget" "pdb" true;
    "coordination.k8s.io" "v1" "leases" "lease" "Lease" "" true;
    "events.k8s.io" "v1" "events" "event" "Event" "ev" true;
    "admissionregistration.k8s.io" "v1" "mutatingwebhookconfigurations"
        "mutatingwebhookconfiguration" "MutatingWebhookConfiguration" "" false;
    "admissionregistration.k8s.io" "v1" "validatingwebhookconfigurations"
        "validatingwebhookconfiguration" "ValidatingWebhookConfiguration" "" false;
];

/// The resource of an object's `apiVersion` and `kind`.
pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    RESOURCES
        .iter()
        .find(|resource| resource.kind == kind && resource.api_version() == api_version)
}

/// What a request path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) resource: &'static Resource,
    /// Nothing at cluster scope, or for all namespaces.
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    /// What follows the name, `proxy/stats/summary` for instance.
    pub(super) rest: Option<&'a str>,
}

impl Target<'_> {
    /// `pods`, or `nodes/proxy`, as RBAC rules have it.
    pub(super) fn rule_resource(&self) -> String {
        match self.rest.and_then(|rest| rest.split('/').next()) {
            Some(subresource) => format!("{}/{subresource}", self.resource.plural),
            None => self.resource.plural.to_owned(),
        }
    }
}

/// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`.
pub(super) fn target(path: &str) -> Option<Target<'_>> {
    let (group, rest) = if let Some(rest) = path.strip_prefix("/api/") {
        ("", rest)
    } else {
        path.strip_prefix("/apis/")?.split_once('/')?
    };
    let (version, rest) = rest.split_once('/')?;
    let find = |plural: &str| {
        RESOURCES.iter().find(|resource| {
            resource.group == group && resource.version == version && resource.plural == plural
        })
    };
    let mut parts = rest.trim_end_matches('/').splitn(3, '/');
    let first = parts.next()?;
    let second = parts.next();
    let third = parts.next();
    // `namespaces/NS/pods/…` is of the pods, `namespaces/NS` and `namespaces/NS/status` are of
    // the namespace.
    if let (true, Some(namespace), Some(inner)) = (first == "namespaces", second, third) {
        let mut inner = inner.splitn(3, '/');
        if let Some(resource) = inner.next().and_then(find) {
            return Some(Target {
                resource,
                namespace: Some(namespace),
                name: inner.next(),
                rest: inner.next(),
            });
        }
    }
    Some(Target {
        resource: find(first)?,
        namespace: None,
        name: second,
        rest: third,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        for (path, expected) in [
            ("/api/v1/pods", Some(("Pod", None, None, None))),
            ("/api/v1/namespaces", Some(("Namespace", None, None, None))),
            (
                "/api/v1/namespaces/a",
                Some(("Namespace", None, Some("a"), None)),
            ),
            (
                "/api/v1/namespaces/a/status",
                Some(("Namespace", None, Some("a"), Some("status"))),
            ),
            (
                "/api/v1/namespaces/a/pods",
                Some(("Pod", Some("a"), None, None)),
            ),
            (
                "/api/v1/namespaces/a/pods/b",
                Some(("Pod", Some("a"), Some("b"), None)),
            ),
            (
                "/api/v1/namespaces/a/pods/b/log",
                Some(("Pod", Some("a"), Some("b"), Some("log"))),
            ),
            (
                "/api/v1/nodes/n/proxy/stats/summary",
                Some(("Node", None, Some("n"), Some("proxy/stats/summary"))),
            ),
            (
                "/apis/apps/v1/namespaces/a/replicasets/r",
                Some(("ReplicaSet", Some("a"), Some("r"), None)),
            ),
            (
                "/apis/batch/v1/cronjobs",
                Some(("CronJob", None, None, None)),
            ),
            ("/apis/apps/v2/replicasets", None),
            ("/api/v1/unknowns", None),
            ("/version", None),
        ] {
            let read = target(path);
            let read = read.as_ref().map(|target| {
                (
                    target.resource.kind,
                    target.namespace,
                    target.name,
                    target.rest,
                )
            });
            assert_eq!(read, expected, "{path}");
        }
    }
}
