//! The pull secrets that a pod names, and what the API shows of them.

use pulldoctor_model::{KeyringFacts, Object, SecretFacts, SecretStanding, SecretVerdict};

use super::{accused_credential, has_near_key, is_complete, lookup};
use crate::case::Case;

/// What the API says about a named secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not in the pod's namespace.
    Missing,
    /// There, but of a type or with keys that the kubelet ignores.
    Ignored,
    /// There, and of the right type.
    Usable,
    /// Not known.
    Unknown,
}

/// The types that the kubelet reads, and the key in each (`pkg/credentialprovider/secrets`, 1.36).
const READABLE: [(&str, &str); 2] = [
    ("kubernetes.io/dockerconfigjson", ".dockerconfigjson"),
    ("kubernetes.io/dockercfg", ".dockercfg"),
];

/// What the kubelet makes of a secret, as far as its outside tells.
pub(crate) fn state_of(facts: &SecretFacts) -> State {
    if !facts.exists {
        return State::Missing;
    }
    let Some(kind) = facts.kind.as_deref() else {
        return State::Unknown;
    };
    let readable = READABLE
        .iter()
        .any(|(name, key)| *name == kind && facts.keys.iter().any(|held| held == key));
    if readable {
        State::Usable
    } else {
        State::Ignored
    }
}

/// A secret that the pod names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What the kubelet makes of it.
    pub(crate) state: State,
    /// What the API says of its outside.
    pub(crate) facts: Option<&'a SecretFacts>,
    /// What the kubelet makes of its content, where that may be read.
    pub(crate) verdict: Option<&'a SecretVerdict>,
}

impl Named<'_> {
    /// Whether an entry of it is tried for the image.
    pub(crate) fn matches(&self) -> bool {
        self.verdict.is_some_and(SecretVerdict::matches)
    }
}

/// The secrets that the pod names, in its order, each once; empty names are skipped as the
/// kubelet does.
pub(crate) fn named<'a>(case: &Case<'a>) -> Vec<Named<'a>> {
    let mut all: Vec<Named<'a>> = Vec::new();
    for name in &case.symptom.pull_secrets {
        if name.is_empty() || all.iter().any(|known| known.name == name) {
            continue;
        }
        all.push(look(case, name));
    }
    all
}

/// One secret of the pod's namespace.
pub(crate) fn look<'a>(case: &Case<'a>, name: &'a str) -> Named<'a> {
    let facts = case.secret(name).seen();
    let verdict = lookup(case).and_then(|keyring| verdict_on(keyring, name));
    let state = verdict
        .and_then(|verdict| state_by(&verdict.standing))
        .or_else(|| facts.map(state_of))
        .unwrap_or(State::Unknown);
    Named {
        name,
        state,
        facts,
        verdict,
    }
}

/// The keyring's verdict on a secret, by its name.
pub(crate) fn verdict_on<'a>(keyring: &'a KeyringFacts, name: &str) -> Option<&'a SecretVerdict> {
    keyring.secrets.iter().find(|one| one.name == name)
}

/// What the keyring makes of a secret; nothing where it could not read it.
fn state_by(standing: &SecretStanding) -> Option<State> {
    match standing {
        SecretStanding::Missing { .. } => Some(State::Missing),
        SecretStanding::WrongType { .. } | SecretStanding::MissingKey { .. } => {
            Some(State::Ignored)
        }
        SecretStanding::Used
        | SecretStanding::NoEntries { .. }
        | SecretStanding::Malformed { .. } => Some(State::Usable),
        SecretStanding::Unreadable => None,
    }
}

/// What the API shows about the pod's secrets, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A pasted text: nothing is known.
    Pasted,
    /// None that the kubelet could use for this image.
    None,
    /// At least one that matches the image, or that may: its content was not read.
    Usable,
    /// Named, and not readable for us.
    Unreadable,
}

/// Sums up the pod's secrets.
pub(crate) fn keys(case: &Case<'_>) -> Keys {
    if case.pasted {
        return Keys::Pasted;
    }
    if let Some(keyring) = lookup(case) {
        if !keyring.matching.is_empty() {
            return Keys::Usable;
        }
        if is_complete(keyring) {
            return Keys::None;
        }
    }
    let named = named(case);
    if named.iter().any(|one| one.state == State::Usable) {
        Keys::Usable
    } else if named.iter().any(|one| one.state == State::Unknown) {
        Keys::Unreadable
    } else {
        Keys::None
    }
}

/// The secret that the login came from, if only one can be meant: that of the credential that the
/// registry refused, the only one that matches, or the only usable one where their content is not
/// known.
pub(crate) fn only_usable<'a>(case: &Case<'a>) -> Option<Named<'a>> {
    let all = named(case);
    if let Some(credential) = accused_credential(case) {
        return all.into_iter().find(|one| one.name == credential.secret);
    }
    match lookup(case) {
        Some(keyring) if !keyring.matching.is_empty() || is_complete(keyring) => {
            only(all.into_iter().filter(Named::matches))
        }
        _ => only(
            all.into_iter()
                .filter(|one| matches!(one.state, State::Usable | State::Unknown)),
        ),
    }
}

/// The secret that was meant for the image's registry and misses it: the only one with a key that
/// is near, or the only one that the kubelet reads.
pub(crate) fn only_missing_the_host<'a>(case: &Case<'a>) -> Option<Named<'a>> {
    let read: Vec<Named<'a>> = named(case)
        .into_iter()
        .filter(|one| one.state == State::Usable)
        .collect();
    let near = read
        .iter()
        .filter(|one| one.verdict.is_some_and(has_near_key));
    only(near).or_else(|| only(read.iter())).copied()
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// The object of a cause in a login: the secret if only one can be meant, else the image.
pub(crate) fn login_object(case: &Case<'_>) -> Object {
    match only_usable(case) {
        Some(one) => Object::secret(case.symptom.namespace.clone(), one.name),
        None => case.image_object(),
    }
}
