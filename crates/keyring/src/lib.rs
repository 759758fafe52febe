//! Which credentials the kubelet would try for an image, from decoded secrets, and what is wrong
//! with the others. No I/O, no clock, no environment.
//!
//! [`Keyring`] reads secrets and looks up images exactly as kubelet 1.37 does
//! (`secrets.MakeDockerKeyring` over `BasicDockerKeyring`, `k8s.io/kubernetes/pkg/credentialprovider`),
//! down to Go's own reading of JSON, base64, URLs and globs (`src/go/`), and to the text of its
//! errors, which becomes the waiting reason of a container. `tests/differential.rs` holds the two
//! against each other. The node's own credentials are not in it: its `config.json` and its
//! credential plugins come behind those of the pod.
//!
//! [`examine`] and [`facts`] turn secrets into verdicts ([`pulldoctor_model::KeyringFacts`]) that
//! may go into evidence and onto a screen: hosts and usernames, never a password, nor how long one
//! is. What holds a password is a [`Secret`]; `tests/canary.rs` looks for planted ones.

mod config;
mod examine;
mod go;
mod keyring;
mod pull_secret;
mod secret;
mod show;
mod token;

pub use examine::{examine, facts};
pub use keyring::{Credential, Keyring, KeyringError, normal_key};
pub use pull_secret::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, PullSecret,
};
pub use secret::{Secret, Wipe};
