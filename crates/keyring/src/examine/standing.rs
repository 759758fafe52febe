//! What the kubelet makes of a secret as a whole.

use pulldoctor_model::{
    AuthLooks, JsonLooks, MalformedSecret, NoEntries, SecretStanding, without_quoted_character,
};

use crate::config::{Config, ConfigFault, Form, Located, decode_auth, read};
use crate::go::base64::{Encoding, decode};
use crate::go::json::{Kind, is_field, root};
use crate::go::scan::{SyntaxError, check};
use crate::pull_secret::{
    DOCKER_CFG, DOCKER_CFG_KEY, DOCKER_CONFIG_JSON, DOCKER_CONFIG_JSON_KEY, PullSecret,
};
use crate::secret::Secret;
use crate::show;

/// How many names of a list are told.
const MOST: usize = 10;

/// What the kubelet makes of the secret, and the config in it, also where it is ignored.
pub(super) fn judge(
    secret: &PullSecret,
    config: Option<Config>,
) -> (SecretStanding, Option<Config>) {
    let Some((form, data)) = secret.config() else {
        return passed_over(secret);
    };
    let Some(config) = config else {
        return passed_over(secret);
    };
    if let Some(located) = config.fault {
        return (malformed(data, &config, located), Some(config));
    }
    let standing = match no_entries(data, form, &config) {
        Some(because) => SecretStanding::NoEntries { because },
        None => SecretStanding::Used,
    };
    (standing, Some(config))
}

/// A secret that the kubelet does not look at.
fn passed_over(secret: &PullSecret) -> (SecretStanding, Option<Config>) {
    let wanted = match secret.kind.as_str() {
        DOCKER_CONFIG_JSON => DOCKER_CONFIG_JSON_KEY,
        DOCKER_CFG => DOCKER_CFG_KEY,
        _ => {
            let held = held_config(secret);
            let standing = SecretStanding::WrongType {
                kind: show::name(&secret.kind),
                holds: held.as_ref().map(|(kind, ..)| (*kind).to_owned()),
                key: held.as_ref().map(|(_, key, _)| show::name(key)),
            };
            return (standing, held.map(|(.., config)| config));
        }
    };
    let standing = SecretStanding::MissingKey {
        wanted: wanted.to_owned(),
        found: secret
            .data
            .iter()
            .filter(|(_, value)| !value.expose().is_empty())
            .map(|(key, _)| show::name(key))
            .take(MOST)
            .collect(),
    };
    (standing, held_config(secret).map(|(.., config)| config))
}

/// A Docker config under any key of a secret: the type that it is for, the key, the config.
fn held_config(secret: &PullSecret) -> Option<(&'static str, &str, Config)> {
    secret.data.iter().find_map(|(key, value)| {
        let data = value.expose();
        let config = read(data, Form::Json);
        if config.has_auths && !config.entries.is_empty() {
            return Some((DOCKER_CONFIG_JSON, key.as_str(), config));
        }
        let config = read(data, Form::Legacy);
        let is_credential = |entry: &crate::config::Entry| {
            !entry.fields.auth.expose().is_empty() || !entry.fields.password.expose().is_empty()
        };
        config
            .entries
            .iter()
            .any(is_credential)
            .then_some((DOCKER_CFG, key.as_str(), config))
    })
}

fn no_entries(data: &[u8], form: Form, config: &Config) -> Option<NoEntries> {
    if form == Form::Legacy {
        let is_docker_config =
            |key: &str| ["auths", "HttpHeaders", "credHelpers", "plugins"].contains(&key);
        let holds_new_form = config.entries.iter().any(|entry| entry.key == "auths")
            && config
                .entries
                .iter()
                .all(|entry| is_docker_config(&entry.key));
        if holds_new_form {
            let hosts = read(data, Form::Json).entries;
            return Some(NoEntries::HostsUnderAuths {
                hosts: names(hosts.iter().map(|entry| show::key(&entry.key))),
            });
        }
    }
    if !config.entries.is_empty() {
        return None;
    }
    let helpers = helpers(data);
    if config.has_auths || form == Form::Legacy {
        return Some(NoEntries::EmptyAuths { helpers });
    }
    if !helpers.is_empty() {
        return Some(NoEntries::OnlyHelpers { helpers });
    }
    let hosts = read(data, Form::Legacy);
    let at_top = hosts.fault.is_none()
        && hosts.entries.iter().any(|entry| {
            entry.key.contains('.')
                && (!entry.username.is_empty() || !entry.password.expose().is_empty())
        });
    if at_top {
        return Some(NoEntries::HostsAtTop {
            hosts: names(hosts.entries.iter().map(|entry| show::key(&entry.key))),
        });
    }
    let misspelled = config.members.iter().find(|member| {
        member.len() <= 16 && strsim::osa_distance(&member.to_lowercase(), "auths") <= 2
    });
    Some(match misspelled {
        Some(found) => NoEntries::MisspelledAuths {
            found: show::name(found),
        },
        None => NoEntries::NoAuths {
            found: names(config.members.iter().map(|member| show::name(member))),
        },
    })
}

fn names(names: impl Iterator<Item = String>) -> Vec<String> {
    names.take(MOST).collect()
}

/// The credential helpers that a user's config names.
fn helpers(data: &[u8]) -> Vec<String> {
    let mut helpers = Vec::new();
    for (name, value) in root(data).members() {
        if is_field(&name, "credsStore") {
            helpers.extend(value.string());
        } else if is_field(&name, "credHelpers") {
            helpers.extend(value.members().filter_map(|(_, helper)| helper.string()));
        }
    }
    helpers.retain(|helper| !helper.is_empty());
    helpers.sort();
    helpers.dedup();
    names(helpers.iter().map(|helper| show::name(helper)))
}

fn malformed(data: &[u8], config: &Config, located: Located) -> SecretStanding {
    // The entry whose own fault it is; more than one may have one, and the first is told.
    let entry = config
        .entries
        .iter()
        .find(|entry| entry.fault == Some(located));
    let key = entry.map(|entry| show::key(&entry.key));
    let no_auth = Secret::new(String::new());
    let auth = entry.map_or(&no_auth, |entry| &entry.fields.auth).expose();
    let fault = match located.fault {
        ConfigFault::Syntax(error) => MalformedSecret::Json {
            looks: json_looks(data, &error),
        },
        ConfigFault::Type { found, field, .. } => MalformedSecret::Type {
            key,
            field: field.to_owned(),
            found: found.as_str().to_owned(),
            looks: (found == Kind::String && field.is_empty())
                .then(|| root(data).string())
                .flatten()
                .filter(|text| is_config(text.as_bytes()))
                .map(|_| JsonLooks::QuotedJson),
        },
        ConfigFault::AuthBase64 { byte } => MalformedSecret::AuthBase64 {
            key: key.unwrap_or_default(),
            byte,
            looks: undecodable(auth),
        },
        ConfigFault::AuthWithoutColon => MalformedSecret::AuthWithoutColon {
            key: key.unwrap_or_default(),
            looks: Some(without_colon(auth)),
        },
    };
    let (line, column) = position(data, located.at);
    SecretStanding::Malformed {
        fault,
        text: without_quoted_character(&located.fault.text()),
        line,
        column,
    }
}

/// Line and column of a byte, both from 1; the column in characters.
fn position(data: &[u8], at: usize) -> (usize, usize) {
    let before = &data[..at.min(data.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    (line, column)
}

fn is_config(data: &[u8]) -> bool {
    check(data).is_ok() && root(data).kind() == Kind::Object
}

fn json_looks(data: &[u8], error: &SyntaxError) -> Option<JsonLooks> {
    let text = data.trim_ascii();
    if text.is_empty() {
        return Some(JsonLooks::Blank);
    }
    if text.starts_with(b"\xef\xbb\xbf") {
        return Some(JsonLooks::ByteOrderMark);
    }
    if matches!(
        data,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, ..] | [0, ..]
    ) {
        return Some(JsonLooks::Utf16);
    }
    if is_base64_of_config(text) {
        return Some(JsonLooks::Base64);
    }
    if is_placeholder_within(text) {
        return Some(JsonLooks::Placeholder);
    }
    if error.context == "after top-level value" && text.starts_with(b"{") {
        return Some(JsonLooks::TrailingData);
    }
    if !text.starts_with(b"{")
        && !text.contains(&b'{')
        && text.iter().any(|byte| b":=".contains(byte))
    {
        return Some(JsonLooks::PlainCredentials);
    }
    match error.found {
        None => Some(JsonLooks::CutOff),
        Some(b'\'') => Some(JsonLooks::SingleQuotes),
        Some(b'}' | b']') if error.context.starts_with("looking for beginning") => {
            let before = &data[..error.offset.saturating_sub(1).min(data.len())];
            before
                .trim_ascii_end()
                .ends_with(b",")
                .then_some(JsonLooks::TrailingComma)
        }
        Some(_) => None,
    }
}

fn is_base64_of_config(text: &[u8]) -> bool {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    decode(Encoding::RawStd, &text[..end]).is_ok_and(|decoded| is_config(&decoded))
}

/// A template's placeholder that was not filled in, anywhere.
fn is_placeholder_within(text: &[u8]) -> bool {
    ["{{", "${", "$("]
        .iter()
        .any(|mark| text.windows(2).any(|two| two == mark.as_bytes()))
}

fn undecodable(auth: &str) -> Option<AuthLooks> {
    let core = auth.trim();
    let text = core.as_bytes();
    if is_placeholder_within(text) {
        return Some(AuthLooks::Placeholder);
    }
    if core.starts_with(['"', '\'']) {
        return Some(AuthLooks::Quotes);
    }
    if core.contains(':') {
        return Some(AuthLooks::NotEncoded);
    }
    if auth
        .chars()
        .any(|c| c.is_whitespace() && c != '\n' && c != '\r')
    {
        return Some(AuthLooks::WhiteSpace);
    }
    let digits = core.trim_end_matches('=');
    if digits.contains(['-', '_']) && decode(Encoding::RawUrl, digits.as_bytes()).is_ok() {
        return Some(AuthLooks::UrlAlphabet);
    }
    decode_auth(digits).is_ok().then_some(AuthLooks::Padding)
}

fn without_colon(auth: &str) -> AuthLooks {
    let digits = auth.trim().trim_end_matches('=');
    let twice = decode(Encoding::RawStd, digits.as_bytes())
        .map(Secret::new)
        .ok()
        .and_then(|once| {
            let once = str::from_utf8(once.expose()).ok()?;
            decode_auth(once.trim()).ok()
        });
    match twice {
        Some(_) => AuthLooks::EncodedTwice,
        None => AuthLooks::OneHalf,
    }
}
