//! The cluster that a test builds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fault::Faults;
use crate::spec::FaultSpec;

use super::admission::{Admission, PodSecurity};
use super::handle;
use super::pods::PodGenerator;
use super::resources::Target;
use super::store::{ObjectError, Store};

/// Requests kept in the log.
const MOST_LOGGED: usize = 100_000;

/// A request that must not be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbid {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, or `*`.
    pub verb: String,
    /// `pods`, `nodes/proxy`, or `*`.
    pub resource: String,
    /// Where.
    pub scope: ForbidScope,
}

/// Where something is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForbidScope {
    /// At cluster scope and in every namespace.
    Everywhere,
    /// Across namespaces and for objects of the cluster, but allowed inside of a namespace.
    Cluster,
    /// In one namespace, and so across all.
    Namespace(String),
}

impl Forbid {
    /// Not allowed anywhere.
    pub fn everywhere(verb: &str, resource: &str) -> Self {
        Self::scoped(verb, resource, ForbidScope::Everywhere)
    }

    /// Not allowed across namespaces.
    pub fn cluster_wide(verb: &str, resource: &str) -> Self {
        Self::scoped(verb, resource, ForbidScope::Cluster)
    }

    /// Not allowed in a namespace.
    pub fn namespace(verb: &str, resource: &str, namespace: &str) -> Self {
        Self::scoped(verb, resource, ForbidScope::Namespace(namespace.to_owned()))
    }

    fn scoped(verb: &str, resource: &str, scope: ForbidScope) -> Self {
        Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            scope,
        }
    }

    fn applies(&self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        (self.verb == "*" || self.verb == verb)
            && (self.resource == "*" || self.resource == resource)
            && match &self.scope {
                ForbidScope::Everywhere => true,
                ForbidScope::Cluster => namespace.is_none(),
                ForbidScope::Namespace(own) => namespace.is_none_or(|namespace| namespace == own),
            }
    }
}

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query without its question mark.
    pub query: String,
    /// The Accept header.
    pub accept: String,
    /// Whether an Authorization header came along.
    pub authenticated: bool,
    /// The user that was impersonated.
    pub impersonated: Option<String>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) settings: RwLock<Settings>,
    pub(super) expire_left: AtomicU64,
    log: Mutex<Vec<Logged>>,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) pods: Option<Arc<PodGenerator>>,
    pub(super) forbidden: Vec<Forbid>,
    pub(super) faults: Arc<Faults>,
    pub(super) latency: Duration,
    pub(super) raw: Vec<(String, Value)>,
    pub(super) git_version: String,
    pub(super) token: Option<String>,
    pub(super) compress: bool,
    pub(super) admission: Admission,
    /// How far the server's clock is ahead of this machine's.
    ahead: Duration,
    /// When it was stopped.
    stopped: Option<Timestamp>,
}

/// A cluster in memory. Clones share it, so a test can change it while clients read.
#[derive(Debug, Clone)]
pub struct FakeCluster {
    pub(super) inner: Arc<Inner>,
}

impl Default for FakeCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeCluster {
    /// A cluster of version 1.37.2 without objects, where everything is allowed.
    pub fn new() -> Self {
        let settings = Settings {
            pods: None,
            forbidden: Vec::new(),
            faults: Arc::new(Faults::new(&[])),
            latency: Duration::ZERO,
            raw: Vec::new(),
            git_version: "v1.37.2".to_owned(),
            token: None,
            compress: false,
            admission: Admission::default(),
            ahead: Duration::ZERO,
            stopped: None,
        };
        Self {
            inner: Arc::new(Inner {
                store: Store::new(),
                settings: RwLock::new(settings),
                expire_left: AtomicU64::new(0),
                log: Mutex::new(Vec::new()),
            }),
        }
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(
            &mut self
                .inner
                .settings
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    pub(super) fn settings(&self) -> Settings {
        self.inner
            .settings
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Adds or replaces an object: a whole one with `apiVersion`, `kind` and `metadata.name`.
    /// Without a namespace it is in `default`. Watchers are told.
    pub fn put(&self, object: Value) -> Result<(), ObjectError> {
        self.inner.store.put(object).map(drop)
    }

    /// Removes an object; says whether it was there. `namespace` is empty for objects of the
    /// cluster.
    pub fn remove(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> bool {
        super::resources::of_kind(api_version, kind)
            .and_then(|resource| self.inner.store.remove(resource, namespace, name))
            .is_some()
    }

    /// Adds generated pods with their namespaces and nodes, and the Deployments and ReplicaSets
    /// of the stuck ones. They come after the pods that were put in, cannot be changed, and
    /// watches do not show them.
    pub fn generate(&self, pods: PodGenerator) -> Result<(), ObjectError> {
        for object in pods.companions() {
            self.put(object)?;
        }
        self.set(|settings| settings.pods = Some(Arc::new(pods)));
        Ok(())
    }

    /// Answers 403 to these requests.
    pub fn forbid(&self, rule: Forbid) {
        self.set(|settings| settings.forbidden.push(rule));
    }

    /// Allows everything again.
    pub fn allow_all(&self) {
        self.set(|settings| settings.forbidden.clear());
    }

    /// Waits before every answer.
    pub fn latency(&self, time: Duration) {
        self.set(|settings| settings.latency = time);
    }

    /// Replaces the faults on routes. Of [`FaultSpec`] these act here: `method`, `path`,
    /// `authenticated`, `skip`, `times`, `status` (a Status object, or `body`), `headers`,
    /// `delay_ms`, `stall_after`, `cut_after`, and `hang_up` (without a socket between, an answer
    /// whose body fails at once).
    pub fn faults(&self, faults: &[FaultSpec]) {
        self.set(|settings| settings.faults = Arc::new(Faults::new(faults)));
    }

    /// Answers the next `times` continued lists with 410.
    pub fn expire_continue(&self, times: u64) {
        self.inner.expire_left.store(times, Ordering::Relaxed);
    }

    /// Makes every watch that begins at an earlier version too old (410).
    pub fn compact(&self) {
        self.inner.store.compact();
    }

    /// Answers a path with this JSON, `/api/v1/nodes/n1/proxy/configz` for instance.
    pub fn raw(&self, path: &str, answer: Value) {
        self.set(|settings| {
            settings.raw.retain(|(own, _)| own != path);
            settings.raw.push((path.to_owned(), answer));
        });
    }

    /// What `/version` says, `v1.31.4` for instance.
    pub fn git_version(&self, version: &str) {
        self.set(|settings| version.clone_into(&mut settings.git_version));
    }

    /// Answers 401 to requests without this bearer token.
    pub fn require_token(&self, token: &str) {
        self.set(|settings| settings.token = Some(token.to_owned()));
    }

    /// Compresses lists for clients that accept gzip, as a real API server does (level 1).
    pub fn compress(&self, on: bool) {
        self.set(|settings| settings.compress = on);
    }

    /// Lets a namespace enforce a level of pod security.
    pub fn pod_security(&self, namespace: &str, level: PodSecurity) {
        self.set(|settings| {
            let rules = &mut settings.admission.security;
            rules.push((namespace.to_owned(), level));
        });
    }

    /// Lets admission set `imagePullPolicy: Always` on every container.
    pub fn always_pull_images(&self) {
        self.set(|settings| settings.admission.always_pull = true);
    }

    /// Lets admission add a container of this name to every pod.
    pub fn inject(&self, container: &str) {
        self.set(|settings| settings.admission.inject = Some(container.to_owned()));
    }

    /// Stops the server's clock: only [`FakeCluster::advance`] moves it from now on.
    pub fn stop_clock(&self) {
        self.set(|settings| settings.stopped = Some(Timestamp::now()));
    }

    /// Moves the server's clock forward.
    pub fn advance(&self, time: Duration) {
        self.set(|settings| settings.ahead += time);
    }

    /// The objects of a kind of the core group, in all namespaces.
    pub fn objects(&self, kind: &str) -> Vec<Arc<Value>> {
        super::resources::of_kind("v1", kind)
            .map(|resource| self.inner.store.list(resource, None))
            .unwrap_or_default()
    }

    /// The requests so far, oldest first.
    pub fn log(&self) -> Vec<Logged> {
        self.inner
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.inner
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    pub(super) fn record(&self, request: Logged) {
        let mut log = self
            .inner
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if log.len() < MOST_LOGGED {
            log.push(request);
        }
    }

    /// The server as a service: `kube::Client::new(cluster.router(), "default")`.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(handle::handle)
            .with_state(self.clone())
    }
}

impl Settings {
    /// The server's clock.
    pub(super) fn now(&self) -> Timestamp {
        let ahead = SignedDuration::try_from(self.ahead).unwrap_or_default();
        let now = self.stopped.unwrap_or_else(Timestamp::now);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn is_forbidden(&self, verb: &str, target: &Target<'_>) -> bool {
        let resource = target.rule_resource();
        // RBAC asks for a namespace itself inside of that namespace.
        let namespace = if target.resource.plural == "namespaces" {
            target.name
        } else {
            target.namespace
        };
        self.forbidden
            .iter()
            .any(|rule| rule.applies(verb, &resource, namespace))
    }
}

/// A kubelet's `stats/summary` of one file system for images and all else, for
/// [`FakeCluster::raw`]. Sizes are in bytes.
pub fn summary(node: &str, capacity: u64, available: u64, inodes: u64, inodes_free: u64) -> Value {
    let file_system = json!({
        "time": "2026-01-01T00:00:00Z", "availableBytes": available, "capacityBytes": capacity,
        "usedBytes": capacity.saturating_sub(available), "inodesFree": inodes_free,
        "inodes": inodes, "inodesUsed": inodes.saturating_sub(inodes_free),
    });
    json!({
        "node": {"nodeName": node, "fs": file_system,
                 "runtime": {"imageFs": file_system, "containerFs": file_system}},
        "pods": [],
    })
}
