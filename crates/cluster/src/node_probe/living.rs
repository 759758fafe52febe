//! What this process has created in the cluster and not removed yet. An object is noted before it
//! is created, so that nothing can slip through between.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    api::{Answer, Api},
    error::ApiError,
    path::ApiPath,
};

use super::manifest::NAME;

/// Pauses before an object is deleted: at once, and again where that failed or where it may have
/// been created only after it was deleted.
const PAUSES: [u64; 4] = [0, 300, 1_000, 2_000];

/// How long the end of the process waits for the removal of everything.
const AT_END: Duration = Duration::from_secs(5);

/// A kind of object that is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    // Owners first: with them the cluster itself removes the rest.
    ConfigMap,
    Pod,
}

impl Kind {
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Pod => "pods",
        }
    }
}

/// An object's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    /// An object with a name that nobody has.
    pub(super) fn new(kind: Kind, namespace: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: unique_name(),
        }
    }

    /// The collection that it is created in.
    pub(super) fn collection(&self) -> ApiPath {
        ApiPath::core()
            .namespace(Some(&self.namespace))
            .segment(self.kind.plural())
    }

    pub(super) fn path(&self) -> ApiPath {
        self.collection().segment(&self.name)
    }
}

/// A name that nobody has: the standard library seeds each of its hash tables by chance.
pub(super) fn unique_name() -> String {
    let chance = RandomState::new().build_hasher().finish();
    format!("{NAME}-{chance:016x}")
}

/// A text of the server or the kubelet without the names that are new each time: the same state of
/// a cluster is to give the same text.
pub(super) fn nameless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NAME) {
        let (before, found) = rest.split_at(at + NAME.len());
        out.push_str(before);
        let chance = found.strip_prefix('-').and_then(|tail| tail.get(..16));
        let is_ours = chance.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        rest = if is_ours { &found[17..] } else { found };
    }
    out.push_str(rest);
    out
}

/// Whether an object is known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was sent; whether it arrived is not known.
    Sent,
    Created,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Living {
    objects: Mutex<BTreeMap<Key, State>>,
    is_ending: AtomicBool,
}

/// An object that was created: removed by [`Living::remove`], or when this is dropped.
pub(super) struct Created {
    pub(super) key: Key,
    pub(super) uid: String,
    pub(super) version: String,
    guard: Guard,
}

/// What is read of the answer to a creation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Made {
    metadata: MadeMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MadeMetadata {
    uid: String,
    resource_version: String,
}

/// Why nothing was created.
#[derive(Debug)]
pub(super) enum CreateError {
    /// The process is about to end.
    Ending,
    Api(ApiError),
}

impl Living {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<Key, State>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an object under its key. Whatever becomes of the future, the object does not stay.
    pub(super) async fn create(
        self: &Arc<Self>,
        api: &Api,
        key: Key,
        object: &Value,
    ) -> Result<Created, CreateError> {
        let guard = Guard {
            living: Arc::clone(self),
            api: api.clone(),
            key: Some(key.clone()),
        };
        {
            // Under the lock: the end either sees it, or is seen.
            let mut objects = self.locked();
            if self.is_ending.load(Ordering::SeqCst) {
                guard.disarm();
                return Err(CreateError::Ending);
            }
            objects.insert(key.clone(), State::Sent);
        }
        let made = match api.create(&key.collection(), object, false).await {
            Ok(answer) => made(&answer),
            Err(error) => {
                if is_refusal(&error) {
                    self.locked().remove(&key);
                    guard.disarm();
                }
                return Err(CreateError::Api(error));
            }
        };
        // One that the end has removed from the list meanwhile stays there as merely sent.
        if let Some(state) = self.locked().get_mut(&key) {
            *state = State::Created;
        }
        Ok(Created {
            key,
            uid: made.metadata.uid,
            version: made.metadata.resource_version,
            guard,
        })
    }

    /// Deletes an object, with patience. Says whether it is gone.
    async fn delete(&self, api: &Api, key: &Key) -> bool {
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let Some(state) = self.locked().get(key).copied() else {
                return true;
            };
            match api.delete(&key.path()).await {
                Ok(_) => {
                    self.locked().remove(key);
                    return true;
                }
                Err(ApiError::NotFound { .. }) if state == State::Created => {
                    self.locked().remove(key);
                    return true;
                }
                // It may be created yet, by a request that is still on its way.
                Err(ApiError::NotFound { .. }) => {}
                Err(error) => {
                    tracing::debug!(%error, name = %key.name, "an object of the probe stays");
                    if matches!(error, ApiError::Forbidden { .. } | ApiError::Unauthorized) {
                        return false;
                    }
                }
            }
        }
        // Its lifetime is over soon; the next run removes it.
        self.locked().remove(key).is_none()
    }

    /// Removes an object that was created.
    pub(super) async fn remove(&self, api: &Api, created: Created) {
        let gone = self.delete(api, &created.key).await;
        if gone {
            created.guard.disarm();
        }
    }

    /// Removes everything, and lets nothing be created any more.
    pub(super) async fn end(&self, api: &Api) {
        let keys: Vec<Key> = {
            let objects = self.locked();
            self.is_ending.store(true, Ordering::SeqCst);
            objects.keys().cloned().collect()
        };
        let removing = join_all(keys.iter().map(|key| self.delete(api, key)));
        let _ = tokio::time::timeout(AT_END, removing).await;
    }
}

/// Whether the server says that it has not created anything.
fn is_refusal(error: &ApiError) -> bool {
    match error {
        ApiError::Unauthorized | ApiError::Forbidden { .. } | ApiError::NotFound { .. } => true,
        ApiError::Status { code, .. } => (400..500).contains(code),
        _ => false,
    }
}

fn made(answer: &Answer) -> Made {
    // An answer that cannot be read is no reason to leave the object there.
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Removes the object by a task of its own where whoever created it is gone.
struct Guard {
    living: Arc<Living>,
    api: Api,
    key: Option<Key>,
}

impl Guard {
    fn disarm(mut self) {
        self.key = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        let (living, api) = (Arc::clone(&self.living), self.api.clone());
        // Without a runtime the process is at its end, and the lifetime takes care of it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { living.delete(&api, &key).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_and_never_the_same() {
        let one = unique_name();
        assert_ne!(one, unique_name());
        assert!(one.len() <= 63, "{one}");
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }

    #[test]
    fn a_text_does_not_hold_a_name_of_chance() {
        let text = format!("pods \"{}\" is forbidden", unique_name());
        assert_eq!(nameless(&text), "pods \"pulldoctor-probe\" is forbidden");
        for same in [
            "",
            "pulldoctor-probe",
            "pulldoctor-probe-é1234567890123456",
            "other",
        ] {
            assert_eq!(nameless(same), same);
        }
    }

    #[test]
    fn only_a_refusal_says_that_nothing_was_created() {
        let status = |code| ApiError::Status {
            code,
            message: String::new(),
            retry_after: None,
        };
        assert!(is_refusal(&status(422)));
        assert!(!is_refusal(&status(504)));
        assert!(!is_refusal(&ApiError::Timeout {
            after: Duration::from_secs(1)
        }));
    }
}
