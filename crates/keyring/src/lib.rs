//! Which credentials the kubelet would try for an image, from decoded secrets. No I/O, no clock.

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
