//! Why a credential is not tried, in words.

use pulldoctor_model::{Fit, MalformedSecret, Mismatch, NoEntries, SecretStanding};

/// What is wrong with a whole secret or file; nothing where it is used.
pub(super) fn standing(standing: &SecretStanding) -> String {
    match standing {
        SecretStanding::NoEntries { because } => no_entries(because),
        SecretStanding::WrongType { kind, .. } => {
            format!("the kubelet ignores secrets of type `{kind}`")
        }
        SecretStanding::MissingKey { wanted, .. } => format!("it has no key `{wanted}`"),
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

/// Why an entry is not for the image.
pub(super) fn fit(fit: &Fit) -> String {
    match fit {
        Fit::Matches => String::new(),
        Fit::Shadowed { by } => format!("passed over: `{by}` matches this image more closely"),
        Fit::Mismatch { reasons, corrected } => {
            let reasons: Vec<String> = reasons.iter().map(mismatch).collect();
            let corrected = corrected
                .as_ref()
                .map_or_else(String::new, |key| format!("; `{key}` would match"));
            format!("{}{corrected}", reasons.join(", "))
        }
    }
}

fn mismatch(reason: &Mismatch) -> String {
    match reason {
        Mismatch::NotAUrl { because } => format!("the key is no URL: {because}"),
        Mismatch::WhiteSpace => "white space around the key".to_owned(),
        Mismatch::Scheme { scheme } => format!("`{scheme}://` is taken for the host"),
        Mismatch::DockerHubAlias => "Docker Hub's key is `https://index.docker.io/v1/`".to_owned(),
        Mismatch::ApiPathWithoutSlash => "the path wants a slash at its end".to_owned(),
        Mismatch::Port { key, image } => {
            let port = |port: &Option<String>| {
                port.as_ref()
                    .map_or_else(|| "no port".to_owned(), |port| format!("port {port}"))
            };
            format!("it is for {}, the image has {}", port(key), port(image))
        }
        Mismatch::Path { key, image } => format!("it is for `{key}`, the image is `{image}`"),
        Mismatch::TrailingSlash => "the key ends with a slash too many".to_owned(),
        Mismatch::TagInKey => "the key names a tag or digest".to_owned(),
        Mismatch::LabelCount { key, image } => {
            format!("each `*` stands for one label: the key has {key}, the image's host {image}")
        }
        Mismatch::Case => "the hosts differ in upper and lower case".to_owned(),
        Mismatch::Typo { .. } => "the host is misspelled".to_owned(),
        Mismatch::Subdomain => "it is for a neighbouring host".to_owned(),
        Mismatch::OtherRegistry => "it is for another registry".to_owned(),
    }
}
