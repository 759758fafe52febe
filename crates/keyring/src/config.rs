//! Reads a Docker config as the kubelet does (`credentialprovider/config.go` and
//! `secrets/secrets.go` of Kubernetes 1.37), and what the kubelet passes over beside it.

use crate::go::base64::{Encoding, decode};
use crate::go::json::{Kind, Value, is_field, root};
use crate::go::scan::{SyntaxError, check};
use crate::secret::Secret;
use crate::show;

/// Why the kubelet cannot read a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigFault {
    /// It is no JSON.
    Syntax(SyntaxError),
    /// A value has another type than the field it is for.
    Type {
        found: Kind,
        /// Go's path of the field; empty where the value is the whole.
        field: &'static str,
        /// Go's name of the type it is for.
        wanted: &'static str,
    },
    /// `auth` is no base64.
    AuthBase64 {
        /// The byte of `auth` that does not fit.
        byte: usize,
    },
    /// `auth` holds no colon.
    AuthWithoutColon,
}

impl ConfigFault {
    /// The kubelet's text, which may hold one byte of the secret.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Syntax(error) => error.text(),
            Self::Type {
                found,
                field: "",
                wanted,
            } => format!(
                "json: cannot unmarshal {} into Go value of type {wanted}",
                found.as_str()
            ),
            Self::Type {
                found,
                field,
                wanted,
            } => format!(
                "json: cannot unmarshal {} into Go struct field {field} of type {wanted}",
                found.as_str()
            ),
            Self::AuthBase64 { byte } => format!("illegal base64 data at input byte {byte}"),
            Self::AuthWithoutColon => {
                "unable to parse auth field, must be formatted as base64(username:password)"
                    .to_owned()
            }
        }
    }
}

/// A fault and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) fault: ConfigFault,
    /// The byte of the config at which the value begins, or the byte that does not fit.
    pub(crate) at: usize,
}

/// The two forms of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `.dockerconfigjson`: hosts under `auths`.
    Json,
    /// `.dockercfg`: hosts at the top.
    Legacy,
}

/// What the kubelet reads of an entry, and what it passes over. Without `Debug`: a key or a
/// username may hold a password as well.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The key as written.
    pub(crate) key: String,
    /// Username and password, as the kubelet takes them.
    pub(crate) username: Vec<u8>,
    pub(crate) password: Secret<Vec<u8>>,
    /// The fields as written.
    pub(crate) fields: Fields,
    /// Why the kubelet cannot read it.
    pub(crate) fault: Option<Located>,
    /// The same key was there before, and this one took its place.
    pub(crate) repeated: bool,
}

impl Entry {
    /// What it holds that must not be shown: the password that counts, the one that does not, and
    /// `auth`, which may be a password itself where it cannot be decoded.
    pub(crate) fn passwords(&self) -> [&[u8]; 3] {
        [
            self.password.expose(),
            self.fields.password.expose().as_bytes(),
            self.fields.auth.expose().as_bytes(),
        ]
    }

    /// The username as an output may show it.
    pub(crate) fn shown_username(&self) -> String {
        show::username(&self.username, &self.passwords())
    }
}

/// The fields of an entry as written; all but the first two may hold a password.
#[derive(Clone)]
pub(crate) struct Fields {
    pub(crate) username: String,
    pub(crate) password: Secret<String>,
    pub(crate) auth: Secret<String>,
    /// Fields of Docker's that the kubelet does not read, and that are not empty.
    pub(crate) unread: Vec<&'static str>,
}

/// A config that was read, as far as it can be.
#[derive(Clone)]
pub(crate) struct Config {
    /// Entries in the order in which their keys first come.
    pub(crate) entries: Vec<Entry>,
    /// The fault that the kubelet names, which makes it drop all of them.
    pub(crate) fault: Option<Located>,
    /// The names of the members at the top, in their order.
    pub(crate) members: Vec<String>,
    /// Whether there is a member `auths`, in any case.
    pub(crate) has_auths: bool,
}

const CONFIG_JSON: &str = "credentialprovider.DockerConfigJSON";
const CONFIG: &str = "credentialprovider.DockerConfig";
const ENTRY: &str = "credentialprovider.dockerConfigEntryWithAuth";

/// `json.Unmarshal` into `DockerConfigJSON` or `DockerConfig`.
pub(crate) fn read(data: &[u8], form: Form) -> Config {
    let mut config = Config {
        entries: Vec::new(),
        fault: None,
        members: Vec::new(),
        has_auths: false,
    };
    if let Err(error) = check(data) {
        config.fault = Some(Located {
            fault: ConfigFault::Syntax(error),
            at: error
                .offset
                .saturating_sub(usize::from(error.found.is_some())),
        });
        return config;
    }
    let document = root(data);
    // What an entry's own UnmarshalJSON says ends the reading at once; other type errors are
    // kept, and told only when the whole was read.
    let (mut ended, mut kept) = (None, None);
    config.members = document.members().map(|(name, _)| name).collect();
    match (form, document.kind()) {
        (_, Kind::Null) => {}
        (Form::Json, Kind::Object) => {
            for (name, value) in document.members() {
                if is_field(&name, "auths") {
                    config.has_auths = true;
                    read_hosts(value, form, &mut config.entries, &mut ended, &mut kept);
                } else if is_field(&name, "HttpHeaders") {
                    read_headers(value, &mut kept);
                }
            }
        }
        (Form::Legacy, Kind::Object) => {
            read_hosts(document, form, &mut config.entries, &mut ended, &mut kept);
        }
        (form, found) => {
            let wanted = match form {
                Form::Json => CONFIG_JSON,
                Form::Legacy => CONFIG,
            };
            keep(&mut kept, document, found, "", wanted);
        }
    }
    config.fault = ended.or(kept);
    config
}

/// Remembers the first type error.
fn keep(
    kept: &mut Option<Located>,
    value: Value<'_>,
    found: Kind,
    field: &'static str,
    wanted: &'static str,
) {
    kept.get_or_insert(Located {
        fault: ConfigFault::Type {
            found,
            field,
            wanted,
        },
        at: value.start(),
    });
}

/// A map of hosts. A second one under the same name adds to the first; null empties it.
fn read_hosts(
    value: Value<'_>,
    form: Form,
    entries: &mut Vec<Entry>,
    ended: &mut Option<Located>,
    kept: &mut Option<Located>,
) {
    match value.kind() {
        Kind::Null => entries.clear(),
        Kind::Object => {
            // Names are looked up by hash: a hostile config has very many.
            let mut places: std::collections::HashMap<String, usize> = entries
                .iter()
                .enumerate()
                .map(|(place, entry)| (entry.key.clone(), place))
                .collect();
            for (key, value) in value.members() {
                let mut entry = read_entry(key, value, form);
                if let Some(fault) = entry.fault {
                    ended.get_or_insert(fault);
                }
                match places.get(&entry.key) {
                    Some(place) => {
                        entry.repeated = true;
                        entries[*place] = entry;
                    }
                    None => {
                        places.insert(entry.key.clone(), entries.len());
                        entries.push(entry);
                    }
                }
            }
        }
        found => keep(kept, value, found, "DockerConfigJSON.auths", CONFIG),
    }
}

/// `HttpHeaders` is read, and thrown away: its faults count.
fn read_headers(value: Value<'_>, kept: &mut Option<Located>) {
    const FIELD: &str = "DockerConfigJSON.HttpHeaders";
    match value.kind() {
        Kind::Null => {}
        Kind::Object => {
            for (_, value) in value.members() {
                match value.kind() {
                    Kind::Null | Kind::String => {}
                    found => keep(kept, value, found, FIELD, "string"),
                }
            }
        }
        found => keep(kept, value, found, FIELD, "map[string]string"),
    }
}

/// The fields that the kubelet reads of an entry, and how Go calls each in an error: within a
/// `DockerConfigJSON`, and on its own.
const FIELDS: [(&str, &str, &str); 4] = [
    (
        "username",
        "DockerConfigJSON.auths.username",
        "dockerConfigEntryWithAuth.username",
    ),
    (
        "password",
        "DockerConfigJSON.auths.password",
        "dockerConfigEntryWithAuth.password",
    ),
    (
        "email",
        "DockerConfigJSON.auths.email",
        "dockerConfigEntryWithAuth.email",
    ),
    (
        "auth",
        "DockerConfigJSON.auths.auth",
        "dockerConfigEntryWithAuth.auth",
    ),
];

/// Fields of Docker's own `AuthConfig` that the kubelet does not read.
const UNREAD: [&str; 3] = ["identitytoken", "registrytoken", "serveraddress"];

/// `DockerConfigEntry.UnmarshalJSON`.
fn read_entry(key: String, value: Value<'_>, form: Form) -> Entry {
    let mut texts: [String; 4] = std::array::from_fn(|_| String::new());
    let mut auth_at = value.start();
    let mut unread = Vec::new();
    let mut kept = None;
    match value.kind() {
        Kind::Null => {}
        Kind::Object => {
            for (name, value) in value.members() {
                let Some(index) = FIELDS.iter().position(|(field, ..)| is_field(&name, field))
                else {
                    let text = value.string().is_some_and(|text| !text.is_empty());
                    if let Some(field) = UNREAD.iter().find(|field| is_field(&name, field))
                        && text
                        && !unread.contains(field)
                    {
                        unread.push(*field);
                    }
                    continue;
                };
                let (field, nested, alone) = FIELDS[index];
                match value.string() {
                    Some(text) => {
                        texts[index] = text;
                        if field == "auth" {
                            auth_at = value.start();
                        }
                    }
                    None if value.kind() == Kind::Null => {}
                    None => {
                        let path = match form {
                            Form::Json => nested,
                            Form::Legacy => alone,
                        };
                        keep(&mut kept, value, value.kind(), path, "string");
                    }
                }
            }
        }
        found => {
            let path = match form {
                Form::Json => "DockerConfigJSON.auths",
                Form::Legacy => "",
            };
            keep(&mut kept, value, found, path, ENTRY);
        }
    }
    let [username, password, _email, auth] = texts;
    let fields = Fields {
        username,
        password: Secret::new(password),
        auth: Secret::new(auth),
        unread,
    };
    let mut entry = Entry {
        key,
        username: fields.username.clone().into_bytes(),
        password: Secret::new(fields.password.expose().clone().into_bytes()),
        fields,
        fault: kept,
        repeated: false,
    };
    if entry.fault.is_none() && !entry.fields.auth.expose().is_empty() {
        match decode_auth(entry.fields.auth.expose()) {
            Ok((username, password)) => {
                entry.username = username;
                entry.password = password;
            }
            Err(fault) => entry.fault = Some(Located { fault, at: auth_at }),
        }
    }
    entry
}

/// `decodeDockerConfigFieldAuth`.
pub(crate) fn decode_auth(auth: &str) -> Result<(Vec<u8>, Secret<Vec<u8>>), ConfigFault> {
    let encoding = if auth.trim().ends_with('=') {
        Encoding::Std
    } else {
        Encoding::RawStd
    };
    let decoded = decode(encoding, auth.as_bytes())
        .map(Secret::new)
        .map_err(|corrupt| ConfigFault::AuthBase64 { byte: corrupt.0 })?;
    let decoded = decoded.expose();
    let colon = decoded
        .iter()
        .position(|byte| *byte == b':')
        .ok_or(ConfigFault::AuthWithoutColon)?;
    Ok((
        decoded[..colon].to_vec(),
        Secret::new(decoded[colon + 1..].to_vec()),
    ))
}
