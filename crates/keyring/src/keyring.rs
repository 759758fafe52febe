//! The kubelet's keyring: which credentials it tries for an image, in which order.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{Config, ConfigFault};
use crate::go::glob;
use crate::go::url::{Url, UrlFault, parse_after_scheme, split_port};
use crate::pull_secret::PullSecret;
use crate::secret::Secret;
use crate::show;

/// The key under which Docker Hub is found where nothing else matches.
pub(crate) const DOCKER_HUB_KEY: &[u8] = b"index.docker.io";

/// A secret that the kubelet cannot read. It then has no keyring at all, for none of the pod's
/// images, also where other secrets are good.
///
/// The text is the kubelet's own, but without the one character of the secret that it may quote:
/// `invalid character … after object key:value pair`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", pulldoctor_model::without_quoted_character(&self.fault.text()))]
pub struct KeyringError {
    secret: usize,
    fault: ConfigFault,
}

impl KeyringError {
    /// The place of the secret in the pod's list.
    pub const fn secret(&self) -> usize {
        self.secret
    }

    /// Exactly what the kubelet writes. From 1.33 on it is the container's waiting reason, before
    /// that the message of `ErrImagePull` (pkg/kubelet/images/image_manager.go). It may quote one
    /// character of the secret: compare with it, never show it.
    pub fn kubelet_text(&self) -> Secret<String> {
        Secret::new(self.fault.text())
    }
}

/// A credential that the kubelet would send. Its `Debug` shows what an output may show.
#[derive(Clone)]
pub struct Credential {
    secret: usize,
    entry: usize,
    key: String,
    username: Vec<u8>,
    shown_username: String,
    password: Secret<Vec<u8>>,
}

impl Credential {
    /// The place of its secret in the pod's list.
    pub const fn secret(&self) -> usize {
        self.secret
    }

    /// The place of its entry in the secret.
    pub(crate) const fn entry(&self) -> usize {
        self.entry
    }

    /// The host as written in the secret. It may hold a password (`https://user:password@host`):
    /// for an output there is [`shown_key`](Self::shown_key).
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The host as an output may show it.
    pub fn shown_key(&self) -> String {
        show::key(&self.key)
    }

    /// The username. It need not be text, may be empty, and may be a token: for an output there
    /// is [`shown_username`](Self::shown_username).
    pub fn username(&self) -> &[u8] {
        &self.username
    }

    /// The username as an output may show it: `…` in the place of a password or token.
    pub fn shown_username(&self) -> &str {
        &self.shown_username
    }

    /// The password. It need not be text, and may be empty.
    pub const fn password(&self) -> &Secret<Vec<u8>> {
        &self.password
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("secret", &self.secret)
            .field("key", &self.shown_key())
            .field("username", &self.shown_username)
            .finish_non_exhaustive()
    }
}

/// Credentials by the key under which the kubelet looks for them.
///
/// Equals `secrets.MakeDockerKeyring` of Kubernetes 1.37 over an empty keyring of the node; the
/// rules are the same since 1.22. `tests/differential.rs` holds the two against each other.
///
/// ```
/// use pulldoctor_keyring::{DOCKER_CONFIG_JSON, Keyring, PullSecret};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = PullSecret::new("shop", "regcred", DOCKER_CONFIG_JSON).with(
///     ".dockerconfigjson",
///     r#"{"auths":{"https://registry.example.com/v1/":{"username":"ci-bot","password":"x"}}}"#,
/// );
/// let keyring = Keyring::new([&secret])?;
/// let found = keyring.lookup("registry.example.com/shop/api");
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].username(), b"ci-bot");
/// assert!(keyring.lookup("registry.example.com:443/shop/api").is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Keyring {
    /// Sorted by bytes; the kubelet goes through them from the last to the first.
    by_key: BTreeMap<Vec<u8>, Held>,
}

#[derive(Clone)]
struct Held {
    /// The key, parsed once more, as every lookup of the kubelet's does; none where it cannot be.
    url: Option<Url>,
    credentials: Vec<Credential>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self
            .by_key
            .values()
            .rev()
            .flat_map(|held| &held.credentials);
        f.debug_list().entries(held).finish()
    }
}

impl Keyring {
    /// Reads the secrets, in the order in which the pod names them.
    ///
    /// # Errors
    /// When the kubelet would have no keyring: one of the secrets that it looks at does not parse.
    pub fn new<'s>(
        secrets: impl IntoIterator<Item = &'s PullSecret>,
    ) -> Result<Self, KeyringError> {
        let mut keyring = Self::default();
        for (place, secret) in secrets.into_iter().enumerate() {
            let Some(config) = secret.read() else {
                continue;
            };
            if let Some(located) = config.fault {
                return Err(KeyringError {
                    secret: place,
                    fault: located.fault,
                });
            }
            keyring.add(place, config);
        }
        Ok(keyring)
    }

    fn add(&mut self, secret: usize, config: Config) {
        for (place, entry) in config.entries.into_iter().enumerate() {
            let Ok(key) = normalise(&entry.key) else {
                continue;
            };
            let held = self.by_key.entry(key).or_insert_with_key(|key| Held {
                url: parse_after_scheme(key).ok(),
                credentials: Vec::new(),
            });
            held.credentials.push(Credential {
                secret,
                entry: place,
                shown_username: entry.shown_username(),
                key: entry.key,
                username: entry.username,
                password: entry.password,
            });
        }
    }

    /// The credentials that the kubelet tries for an image, in its order; with none it asks the
    /// registry without a login, with some it never does.
    ///
    /// `repository` is the image without tag and digest as the kubelet normalises it:
    /// [`Reference::repo`](pulldoctor_reference::Reference::repo), `docker.io/library/nginx` for
    /// instance. Of two keys of one secret that mean the same (`reg.example.com` and
    /// `https://reg.example.com`) the kubelet itself does not know which comes first; here it is
    /// the one that is written first.
    pub fn lookup(&self, repository: &str) -> Vec<&Credential> {
        let mut found = Vec::new();
        if let Ok(image) = parse_after_scheme(repository.as_bytes()) {
            for held in self.by_key.values().rev() {
                if held
                    .url
                    .as_ref()
                    .is_some_and(|key| key_matches(key, &image))
                {
                    found.extend(&held.credentials);
                }
            }
        }
        if found.is_empty()
            && is_docker_hub(repository)
            && let Some(held) = self.by_key.get(DOCKER_HUB_KEY)
        {
            found.extend(&held.credentials);
        }
        found
    }
}

/// The key under which an entry is held: host, port and path without the scheme, and without a
/// leading `/v1` or `/v2` where more follows (`BasicDockerKeyring.Add`).
pub(crate) fn normalise(written: &str) -> Result<Vec<u8>, UrlFault> {
    let rest = written
        .strip_prefix("https://")
        .or_else(|| written.strip_prefix("http://"))
        .unwrap_or(written);
    let Url { mut host, path } = parse_after_scheme(rest.as_bytes())?;
    let path = if path.starts_with(b"/v1/") || path.starts_with(b"/v2/") {
        &path[3..]
    } else {
        &path[..]
    };
    if path != b"/" {
        host.extend_from_slice(path);
    }
    Ok(host)
}

/// The key under which the kubelet holds the entry that is written so; none where that is no URL
/// and the kubelet passes over it. Bytes, since `%ff` in a path is one.
///
/// ```
/// use pulldoctor_keyring::normal_key;
///
/// assert_eq!(normal_key("https://index.docker.io/v1/"), Some(b"index.docker.io".to_vec()));
/// assert_eq!(normal_key("https://index.docker.io/v1"), Some(b"index.docker.io/v1".to_vec()));
/// assert_eq!(normal_key("registry example.com"), None);
/// ```
pub fn normal_key(written: &str) -> Option<Vec<u8>> {
    normalise(written).ok()
}

/// `URLsMatch`.
pub(crate) fn key_matches(key: &Url, image: &Url) -> bool {
    let (key_host, key_port) = split_port(&key.host);
    let (image_host, image_port) = split_port(&image.host);
    let labels = |host: &[u8]| host.split(|byte| *byte == b'.').count();
    key_port == image_port
        && labels(key_host) == labels(image_host)
        && image.path.starts_with(&key.path)
        && key_host
            .split(|byte| *byte == b'.')
            .zip(image_host.split(|byte| *byte == b'.'))
            .all(|(pattern, label)| glob::matches(pattern, label))
}

/// `isDefaultRegistryMatch`.
pub(crate) fn is_docker_hub(repository: &str) -> bool {
    match repository.split_once('/') {
        None => !repository.is_empty(),
        Some(("", _)) => false,
        Some(("docker.io" | "index.docker.io", _)) => true,
        Some((first, _)) => !first.contains(['.', ':']),
    }
}
