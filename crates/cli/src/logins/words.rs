//! What is wrong with a whole pull secret, in words.

use pulldoctor_model::{MalformedSecret, NoEntries, SecretStanding};

/// Why a secret holds no login; nothing where it holds some.
pub(super) fn standing(standing: &SecretStanding) -> String {
    match standing {
        SecretStanding::NoEntries { because } => no_entries(because),
        SecretStanding::Malformed {
            fault,
            text,
            line,
            column,
        } => {
            let place = match fault {
                MalformedSecret::Json { .. } | MalformedSecret::Type { .. } => {
                    format!("line {line}, column {column}: ")
                }
                MalformedSecret::AuthBase64 { key, byte, .. } => {
                    format!("auths[{key}].auth, byte {byte}: ")
                }
                MalformedSecret::AuthWithoutColon { key, .. } => format!("auths[{key}].auth: "),
            };
            format!("{place}{text}")
        }
        SecretStanding::WrongType { kind, .. } => {
            format!("the kubelet passes over secrets of type `{kind}`")
        }
        SecretStanding::MissingKey { wanted, .. } => {
            format!("the kubelet reads the key `{wanted}` alone")
        }
        SecretStanding::Missing { elsewhere } if elsewhere.is_empty() => {
            "there is no such secret".to_owned()
        }
        SecretStanding::Missing { elsewhere } => format!(
            "there is no such secret here, but one in {}",
            elsewhere.join(", ")
        ),
        SecretStanding::Unreadable => "it could not be read".to_owned(),
        SecretStanding::Used => String::new(),
    }
}

fn no_entries(because: &NoEntries) -> String {
    match because {
        NoEntries::EmptyAuths { .. } => "`auths` is empty".to_owned(),
        NoEntries::OnlyHelpers { helpers } => format!(
            "it holds no login, only the name of a helper program ({})",
            helpers.join(", ")
        ),
        NoEntries::HostsAtTop { .. } => "its hosts do not stand under `auths`".to_owned(),
        NoEntries::HostsUnderAuths { .. } => {
            "its hosts stand under `auths`, which this type has not".to_owned()
        }
        NoEntries::MisspelledAuths { found } => format!("it has `{found}` in the place of `auths`"),
        NoEntries::NoAuths { .. } => "it has no `auths`".to_owned(),
    }
}
