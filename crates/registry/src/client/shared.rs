//! What all probes of one place share: connections, tokens, and who asked to be left in peace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::config::{ProbeConfig, SetupError};
use super::connect::{ConnectFailure, Link};
use super::dns::Resolved;
use super::origin::Origin;
use super::tls::Trust;
use crate::secret::SecretText;

/// An idle connection is not used after this time: registries close theirs after about as long.
const IDLE: Duration = Duration::from_secs(30);
/// How long an answer of a resolver, or a failure to connect, holds for the next probe.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Most idle connections to one host.
const MOST_IDLE: usize = 8;
/// Most entries of a table; beyond it the table starts again.
const MOST_ENTRIES: usize = 10_000;

/// The state. Locks are held for a look-up only, never across an await.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: ProbeConfig,
    pub(super) trust: Trust,
    idle: Mutex<HashMap<Origin, Vec<(Instant, Link)>>>,
    gates: Mutex<HashMap<Origin, Arc<Semaphore>>>,
    quiet_until: Mutex<HashMap<Origin, Instant>>,
    names: Mutex<HashMap<String, (Instant, Resolved)>>,
    failures: Mutex<HashMap<Origin, (Instant, Arc<ConnectFailure>)>>,
    plain: Mutex<HashMap<Origin, Instant>>,
    tokens: Mutex<HashMap<TokenKey, CachedAuthorization>>,
}

/// For whom a token is: never by repository alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TokenKey {
    pub(super) registry: Origin,
    pub(super) repository: String,
    pub(super) login: Option<(String, SecretText)>,
}

/// What worked the last time.
#[derive(Debug, Clone)]
pub(super) enum CachedAuthorization {
    /// A token, until then.
    Bearer(SecretText, Instant),
    /// The login itself.
    Basic,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(config: ProbeConfig) -> Result<Self, SetupError> {
        Ok(Self {
            trust: Trust::gather(&config)?,
            config,
            idle: Mutex::default(),
            gates: Mutex::default(),
            quiet_until: Mutex::default(),
            names: Mutex::default(),
            failures: Mutex::default(),
            plain: Mutex::default(),
            tokens: Mutex::default(),
        })
    }

    /// A connection that is there already.
    pub(super) fn take_idle(&self, origin: &Origin) -> Option<Link> {
        let mut idle = locked(&self.idle);
        let links = idle.get_mut(origin)?;
        while let Some((since, link)) = links.pop() {
            if since.elapsed() < IDLE && link.is_usable() {
                return Some(link);
            }
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put_idle(&self, origin: &Origin, link: Link) {
        if !link.is_usable() {
            return;
        }
        let mut idle = locked(&self.idle);
        let links = idle.entry(origin.clone()).or_default();
        if links.len() < MOST_IDLE {
            links.push((Instant::now(), link));
        }
    }

    /// The gate that bounds how many requests one host gets at a time.
    pub(super) fn gate(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut gates = locked(&self.gates);
        let most = self.config.limits.per_host.max(1);
        let gate = gates
            .entry(origin.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(gate)
    }

    /// How long a host still wants to be left in peace.
    pub(super) fn quiet_for(&self, origin: &Origin) -> Option<Duration> {
        let left = locked(&self.quiet_until)
            .get(origin)?
            .saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// A host asked for peace (Retry-After).
    pub(super) fn be_quiet(&self, origin: &Origin, time: Duration) {
        let mut table = locked(&self.quiet_until);
        bound(&mut table);
        table.insert(origin.clone(), Instant::now() + time);
    }

    pub(super) fn name(&self, name: &str) -> Option<Resolved> {
        let names = locked(&self.names);
        let (since, resolved) = names.get(name)?;
        (since.elapsed() < REMEMBERED).then(|| resolved.clone())
    }

    pub(super) fn remember_name(&self, name: &str, resolved: &Resolved) {
        let mut table = locked(&self.names);
        bound(&mut table);
        table.insert(name.to_owned(), (Instant::now(), resolved.clone()));
    }

    /// A failure to connect that is so fresh that it need not be repeated.
    pub(super) fn failure(&self, origin: &Origin) -> Option<Arc<ConnectFailure>> {
        let failures = locked(&self.failures);
        let (since, failure) = failures.get(origin)?;
        (since.elapsed() < REMEMBERED).then(|| Arc::clone(failure))
    }

    pub(super) fn remember_failure(&self, origin: &Origin, failure: &Arc<ConnectFailure>) {
        let mut table = locked(&self.failures);
        bound(&mut table);
        table.insert(origin.clone(), (Instant::now(), Arc::clone(failure)));
    }

    /// Whether a loopback port is known to speak plain HTTP.
    pub(super) fn is_plain(&self, origin: &Origin) -> bool {
        locked(&self.plain)
            .get(origin)
            .is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    pub(super) fn remember_plain(&self, origin: &Origin) {
        let mut table = locked(&self.plain);
        bound(&mut table);
        table.insert(origin.clone(), Instant::now());
    }

    pub(super) fn authorization(&self, key: &TokenKey) -> Option<CachedAuthorization> {
        let tokens = locked(&self.tokens);
        match tokens.get(key)? {
            CachedAuthorization::Bearer(_, until) if *until <= Instant::now() => None,
            found => Some(found.clone()),
        }
    }

    pub(super) fn remember_authorization(&self, key: TokenKey, found: CachedAuthorization) {
        let mut table = locked(&self.tokens);
        bound(&mut table);
        table.insert(key, found);
    }

    pub(super) fn forget_authorization(&self, key: &TokenKey) {
        locked(&self.tokens).remove(key);
    }
}

/// A table of what was learnt may always be emptied; it must not grow without end.
fn bound<K, V>(table: &mut HashMap<K, V>) {
    if table.len() >= MOST_ENTRIES {
        table.clear();
    }
}
