//! The registries, as far as questions about images reach them.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pulldoctor_model::registry::Transcript;
use pulldoctor_registry::{Probe, ProbeConfig, SecretText, SetupError};
use tokio::sync::OnceCell;

/// How long a question about an image may take, unless the person says otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many images are asked for, unless the person says otherwise.
const MOST: usize = 64;

/// Reading layers takes as long as there are bytes: so many times the time of another question.
const CONTENT: u32 = 3;

/// How registries are asked: with one prober for a whole run, so that connections, tokens and
/// what was learnt of a host are shared.
#[derive(Clone)]
pub struct Registries {
    probe: Probe,
    timeout: Duration,
    most: usize,
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registries")
            .field("timeout", &self.timeout)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl Registries {
    /// Reads the authorities that are trusted; asks nobody yet.
    pub fn new(mut config: ProbeConfig) -> Result<Self, SetupError> {
        // Each question has a time of its own here.
        config.limits.total = Duration::MAX;
        config.limits.total_verify = None;
        Ok(Self {
            probe: Probe::new(config)?,
            timeout: PATIENCE,
            most: MOST,
        })
    }

    /// The same, with another time for one question.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, with another number of questions in one run.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    pub(crate) fn probe(&self) -> &Probe {
        &self.probe
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How long one question may take.
    pub(crate) fn patience(&self, content: bool) -> Duration {
        if content {
            self.timeout.saturating_mul(CONTENT)
        } else {
            self.timeout
        }
    }
}

/// What makes two questions one probe: never the image alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ProbeKey {
    pub(crate) image: String,
    pub(crate) platform: Option<String>,
    pub(crate) content: bool,
    /// Usernames and passwords, in the order in which they are tried.
    pub(crate) logins: Vec<(String, SecretText)>,
}

/// What came of a probe; none where its time ran out.
pub(crate) type Probed = Option<Arc<Transcript>>;

/// The probes of one run.
#[derive(Default)]
pub(crate) struct Probes {
    known: Mutex<HashMap<ProbeKey, Arc<OnceCell<Probed>>>>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

impl Probes {
    /// Forgets everything: a new run begins.
    pub(crate) fn clear(&self) {
        self.locked().clear();
    }

    /// The place of a probe's result; none where it is a new one and there were `most` already.
    pub(crate) fn place(&self, key: &ProbeKey, most: usize) -> Option<Arc<OnceCell<Probed>>> {
        let mut known = self.locked();
        if let Some(cell) = known.get(key) {
            return Some(Arc::clone(cell));
        }
        if known.len() >= most {
            return None;
        }
        let cell = Arc::default();
        known.insert(key.clone(), Arc::clone(&cell));
        Some(cell)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<ProbeKey, Arc<OnceCell<Probed>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
