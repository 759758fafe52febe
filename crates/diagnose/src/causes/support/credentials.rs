//! What the causes of the credentials family share: what the text says about the login, what the
//! API says about the pod's secrets, and the table that weighs the two.
//!
//! # The table
//!
//! Rows are what the text says ([`Word`]), columns what the API shows ([`Keys`]). `P` is possible,
//! `L` likely, `!` proven; *hides* is a registry that answers alike for missing and private, and
//! where no repository at all is open (ACR, ECR) a login is *always* wanted.
//!
//! | text | pasted | no secret named | usable secret named | secrets unreadable |
//! | --- | --- | --- | --- | --- |
//! | nothing sent: anonymous token refused, `no basic auth credentials` | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; always: auth-missing P; else auth-missing ! | secret-wrong-host P | as pasted |
//! | sent and wrong: oauth token 401, `incorrect username or password` | auth-bad L | auth-bad L | auth-bad L | auth-bad L |
//! | the same on ACR, whose 401 also means a missing right | auth-bad P | auth-forbidden P | auth-bad P | auth-bad P |
//! | sent and refused: oauth token 403 | auth-forbidden P (GHCR, GitLab: auth-bad P) | same | same | same |
//! | a named right is missing | auth-forbidden L (P where "or it may not exist") | same | same | same |
//! | expired | auth-expired L | same | same | same |
//! | token granted, scope not (`insufficient_scope`), `pull access denied` | not-found-or-private P | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-forbidden P | not-found-or-private P |
//! | the same, told to a login | auth-forbidden P | same | same | same |
//! | 401 and no more | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-missing L | hides: not-found-or-private P; else auth-bad P | not-found-or-private P |
//! | 403 and no more | hides: not-found-or-private P; else auth-forbidden P | hides: not-found-or-private P; else auth-missing P | hides: not-found-or-private P; else auth-forbidden P | not-found-or-private P |
//!
//! Three things soften a row: a service account that is not known (auth-missing is then possible,
//! pod-older-than-service-account its rival), a node that may get its login from a credential
//! provider of the registry's cloud (possible), and a mirror that answered in the registry's place
//! (likely at most; the row is then about the mirror). ECR's 403 is told to a login, since it
//! answers 401 without one: auth-forbidden P, or auth-expired P where the secret is older than 12
//! hours. A 403 on an image that everyone may pull is blocked-by-policy P.
//!
//! Over the table stand the causes that are read from the API and explain the refusal alone:
//! secret-missing, secret-wrong-type, pod-older-than-service-account, static-pod-secret,
//! image-not-entitled. Where every named secret is missing or of a wrong type the column is "no
//! secret named", and those causes are proven.
//!
//! containerd tells the first two rows apart by itself: `failed to fetch anonymous token` and `no
//! basic auth credentials` are said when the kubelet sent nothing, `failed to fetch oauth token`
//! when it sent a login (`core/remotes/docker/auth/fetch.go`). `insufficient_scope` follows a
//! token that was granted, so a login that was sent, if any, was good.

use pulldoctor_messages::{CredentialUse, Fault, HostRole, Operation};
use pulldoctor_model::{Confidence, NodeFacts, Object, PullPolicy, Question, SecretFacts};
use pulldoctor_reference::Reference;

use super::answers_alike;
use crate::{case::Case, known::Known};

mod phrases;
mod table;

pub(crate) use phrases::*;
pub(crate) use table::{Lead, led};

/// What the text says about the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// No login was sent, and the registry wants one.
    NothingSent,
    /// A login was sent and is wrong.
    SentWrong,
    /// A login was sent and refused with 403: wrong, expired or without the right.
    SentRefused,
    /// The identity is known and lacks a named right.
    RightMissing,
    /// A login was good once.
    Expired,
    /// A token was granted without the scope, or access is denied; not told to whom.
    Denied,
    /// The same, told to a login.
    DeniedToLogin,
    /// 401, and no more.
    Status401,
    /// 403, and no more.
    Status403,
}

impl Word {
    /// Whether it may be that the registry saw no login of the pod.
    pub(crate) fn may_lack_login(self) -> bool {
        matches!(
            self,
            Self::NothingSent | Self::Denied | Self::Status401 | Self::Status403
        )
    }

    /// Whether a login was sent for certain.
    pub(crate) fn tells_of_login(self) -> bool {
        matches!(
            self,
            Self::SentWrong
                | Self::SentRefused
                | Self::RightMissing
                | Self::Expired
                | Self::DeniedToLogin
        )
    }
}

/// Reads what the judged text says about the login; none where it is no refusal.
///
/// A refusal in the middle of a layer says nothing about the pod's credentials: the manifest was
/// served.
pub(crate) fn word(case: &Case<'_>) -> Option<Word> {
    let reading = case.reading();
    if reading.operation == Some(Operation::Blob)
        && matches!(
            reading.fault,
            Fault::Unauthorized | Fault::Forbidden | Fault::BadLogin
        )
    {
        return None;
    }
    let anonymous = matches!(
        reading.credential,
        Some(CredentialUse::Anonymous | CredentialUse::NoBasicCredentials)
    );
    let with_login = reading.credential == Some(CredentialUse::WithCredentials);
    if anonymous
        && matches!(
            reading.fault,
            Fault::PermissionMissing
                | Fault::BadLogin
                | Fault::AccessDenied
                | Fault::Unauthorized
                | Fault::Forbidden
        )
    {
        return Some(Word::NothingSent);
    }
    Some(match &reading.fault {
        Fault::NoCredentials
        | Fault::TokenRefused {
            anonymous: Some(true),
            ..
        } => Word::NothingSent,
        Fault::TokenRefused {
            anonymous: Some(false),
            status: Some(401),
        }
        | Fault::BadLogin => Word::SentWrong,
        Fault::TokenRefused {
            anonymous: Some(false),
            ..
        } => Word::SentRefused,
        Fault::PermissionMissing => Word::RightMissing,
        Fault::Expired => Word::Expired,
        Fault::AccessDenied if with_login => Word::DeniedToLogin,
        Fault::AccessDenied => Word::Denied,
        Fault::Unauthorized if with_login => Word::SentWrong,
        Fault::Forbidden if with_login => Word::SentRefused,
        Fault::TokenRefused {
            status: Some(403), ..
        }
        | Fault::Forbidden => Word::Status403,
        Fault::TokenRefused { .. } | Fault::Unauthorized => Word::Status401,
        _ => return None,
    })
}

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
    /// What the API says of it.
    pub(crate) facts: Option<&'a SecretFacts>,
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
    Named {
        name,
        state: facts.map_or(State::Unknown, state_of),
        facts,
    }
}

/// What the API shows about the pod's secrets, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// A pasted text: nothing is known.
    Pasted,
    /// The pod names none that the kubelet could use.
    None,
    /// At least one that the kubelet reads.
    Usable,
    /// Named, and not readable for us.
    Unreadable,
}

/// Sums up the pod's secrets.
pub(crate) fn keys(case: &Case<'_>) -> Keys {
    if case.pasted {
        return Keys::Pasted;
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

/// The only usable secret of the pod: then a cause in a secret lies in that one.
pub(crate) fn only_usable<'a>(case: &Case<'a>) -> Option<Named<'a>> {
    let mut usable = named(case)
        .into_iter()
        .filter(|one| matches!(one.state, State::Usable | State::Unknown));
    let first = usable.next()?;
    usable.next().is_none().then_some(first)
}

/// The object of a cause in a login: the secret if only one can be meant, else the image.
pub(crate) fn login_object(case: &Case<'_>) -> Object {
    match only_usable(case) {
        Some(one) => Object::secret(case.symptom.namespace.clone(), one.name),
        None => case.image_object(),
    }
}

/// How a registry treats those who come without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// It has open repositories and answers alike for missing and private.
    Hides,
    /// It wants a login for everything (ACR, ECR; pull-facts 6.5).
    AlwaysLogin,
    /// Neither is known.
    Plain,
}

/// How the image's registry treats those who come without a login. Of a pasted text only a host
/// that the text itself names counts.
pub(crate) fn host_of(case: &Case<'_>) -> Host {
    if mirror(case).is_some() {
        return Host::Plain;
    }
    let host = if case.pasted {
        case.reading().registry.clone().unwrap_or_default()
    } else {
        case.registry()
    };
    if is_ecr(&host) || host.ends_with(".azurecr.io") {
        Host::AlwaysLogin
    } else if answers_alike(&host) {
        Host::Hides
    } else {
        Host::Plain
    }
}

/// A private registry of ECR: account and region are in the name.
pub(crate) fn is_ecr(host: &str) -> bool {
    host.contains(".dkr.ecr.") && host.contains(".amazonaws.com")
}

/// The cloud whose registry a host is, as its nodes name themselves.
pub(crate) fn cloud_of(host: &str) -> Option<&'static str> {
    if is_ecr(host) {
        Some("eks")
    } else if host.ends_with(".azurecr.io") {
        Some("aks")
    } else if host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev") {
        Some("gke")
    } else {
        None
    }
}

/// Whether a node belongs to the cloud: by the kubelet's version (`v1.33.4-eks-99bf3`,
/// `v1.33.4-gke.1036000`) or by the name that the cloud gives its nodes.
pub(crate) fn node_is_in(case: &Case<'_>, facts: &NodeFacts, cloud: &str) -> bool {
    let name = case.symptom.node.as_deref().unwrap_or_default();
    let by_version = facts.kubelet.contains(&format!("-{cloud}"));
    let by_name = match cloud {
        "aks" => name.starts_with("aks-"),
        "gke" => name.starts_with("gke-"),
        "eks" => name.ends_with(".compute.internal") || name.ends_with(".ec2.internal"),
        _ => false,
    };
    by_version || by_name
}

/// Whether the image is public whoever asks: Docker's official images, and registries that have
/// no private repositories (pull-facts 6.5).
pub(crate) fn is_public(case: &Case<'_>) -> bool {
    let Some(image) = &case.image else {
        return false;
    };
    if mirror(case).is_some() {
        return false;
    }
    match image.registry() {
        "registry.k8s.io" | "k8s.gcr.io" | "mcr.microsoft.com" | "public.ecr.aws" => true,
        // Where registry.k8s.io sends its clients for manifests.
        host if host.ends_with("-docker.pkg.dev") => {
            image.repository().starts_with("k8s-artifacts-prod/")
        }
        "docker.io" => {
            let explicit = case.pasted && case.reading().registry.as_deref() != Some("docker.io");
            !explicit && image.repo().starts_with("docker.io/library/")
        }
        _ => false,
    }
}

/// What would decide, for every cause of the family: the named secrets, the service account and
/// its secrets, the node where its kubelet or cloud matters.
pub(crate) fn login_questions(case: &Case<'_>) -> Vec<Question> {
    if case.pasted {
        return Vec::new();
    }
    let Some(word) = word(case) else {
        return Vec::new();
    };
    let named = named(case);
    let mut asked: Vec<Question> = named
        .iter()
        .map(|one| case.secret_question(one.name))
        .collect();
    if !case.symptom.static_pod {
        asked.extend(case.service_account_question());
    }
    if named.is_empty()
        && let Some(account) = case.service_account().seen()
    {
        asked.extend(
            account
                .pull_secrets
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| case.secret_question(name)),
        );
    }
    let entitled = word.may_lack_login() && case.symptom.pull_policy != Some(PullPolicy::Always);
    if entitled || cloud_of(&refusing_host(case)).is_some() {
        asked.extend(case.node_question());
    }
    // A secret that may not be read may still be named by the kubelet's own event.
    if named
        .iter()
        .any(|one| matches!(case.secret(one.name), Known::Gap(_)))
    {
        asked.push(case.events_question());
    }
    asked
}

/// Whether a node lists the image, under any of its names.
pub(crate) fn node_has_image(facts: &NodeFacts, image: &Reference) -> bool {
    let normal = image.normal();
    facts.images.iter().flat_map(|one| &one.names).any(|name| {
        *name == normal || Reference::parse(name).is_ok_and(|other| other.normal() == normal)
    })
}

/// The host that refused: the image's registry, or the mirror that stands in for it.
pub(crate) fn refusing_host(case: &Case<'_>) -> String {
    mirror(case).map_or_else(|| case.registry(), str::to_owned)
}

/// The mirror that refused in the registry's place. What it said is the cause; that it is one
/// stands beside (`mirror-misconfigured`).
pub(crate) fn mirror<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    case.reading()
        .foreign_host
        .as_ref()
        .filter(|foreign| foreign.role == HostRole::Mirror)
        .map(|foreign| foreign.host.as_str())
}

/// A defect of named secrets that is read from the API.
#[derive(Debug, Clone)]
pub(crate) struct Defect<'a> {
    /// The secrets that have it, in the pod's order; at least one.
    pub(crate) secrets: Vec<Named<'a>>,
    /// The first of them: the one to mend first.
    pub(crate) first: Named<'a>,
    /// Other secrets of the pod that the kubelet can, or may, use.
    pub(crate) others: Vec<Named<'a>>,
    /// How sure it is that the defect explains the refusal.
    pub(crate) confidence: Confidence,
}

/// The named secrets with a defect, weighed against the text.
///
/// Proven where nothing else that the pod names could have matched and the registry may have seen
/// no login; possible beside another secret, which may be the one that was meant.
pub(crate) fn defect<'a>(
    case: &Case<'a>,
    has_it: impl Fn(&Named<'a>) -> bool,
) -> Option<Defect<'a>> {
    let (secrets, rest): (Vec<_>, Vec<_>) = named(case).into_iter().partition(has_it);
    let first = *secrets.first()?;
    let others: Vec<_> = rest
        .into_iter()
        .filter(|one| matches!(one.state, State::Usable | State::Unknown))
        .collect();
    let confidence = if !others.is_empty() {
        Confidence::Possible
    } else if mirror(case).is_some() {
        Confidence::Likely
    } else {
        Confidence::Proven
    };
    Some(Defect {
        secrets,
        first,
        others,
        confidence,
    })
}

#[cfg(test)]
pub(crate) mod samples;
