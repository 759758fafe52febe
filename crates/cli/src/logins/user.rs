//! `--credentials user`: the logins that docker and podman would find on this machine.
//!
//! Every file that one of them reads is looked at, and every login for the image is tried for
//! itself. Keys are matched as the kubelet does, which takes what both of them take.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pulldoctor_cluster::Credentials;
use pulldoctor_keyring::{Keyring, PullSecret, facts};
use pulldoctor_model::{SecretStanding, registry::CredentialOutcome};
use pulldoctor_reference::Reference;
use pulldoctor_registry::{Login, SecretText};
use pulldoctor_report::UntestedCredential;
use serde::Deserialize;

use super::{Logins, helper, words};
use crate::failure::Failure;

/// Most bytes of a file.
const MOST: u64 = 4 << 20;

/// What the kubelet does not read of a `config.json`, and docker does.
#[derive(Default, Deserialize)]
#[serde(default)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(rename = "identitytoken")]
    identity_token: String,
}

/// Looks through the files, then asks the helpers that they name.
pub(super) async fn find(image: &Reference) -> Result<Logins, Failure> {
    let mut found = Logins::default();
    let mut helpers: Vec<(String, String)> = Vec::new();
    let mut files = Vec::new();
    for path in paths(|name| env::var_os(name).map(PathBuf::from)) {
        let Some(text) = read(&path)? else { continue };
        let shown = shown(&path);
        let more = look(&text, &shown, image, &mut found);
        helpers.extend(more);
        files.push(shown);
    }
    let mut asked = Vec::new();
    for (name, server) in helpers {
        let pair = (name, server);
        if asked.contains(&pair) {
            continue;
        }
        let (name, server) = &pair;
        let source = format!("docker-credential-{name}");
        match helper::ask(name, server).await {
            Ok(Some((username, password))) => {
                found.shown.push(username.clone());
                found.tried.push(Login {
                    source,
                    username,
                    password,
                });
            }
            Ok(None) => {}
            Err(because) => found.unread.push(UntestedCredential {
                source,
                username: None,
                because,
            }),
        }
        asked.push(pair);
    }
    found.who = match files.as_slice() {
        [] => "without a login: there is no docker or podman config here".to_owned(),
        files => format!("with the logins of {}", files.join(", ")),
    };
    Ok(found)
}

/// Takes what one file holds. Returns the helpers to ask, each with the server to ask it about.
fn look(text: &[u8], shown: &str, image: &Reference, found: &mut Logins) -> Vec<(String, String)> {
    let secret = PullSecret::from_docker_config(shown, text);
    let config: DockerConfig = serde_json::from_slice(text).unwrap_or_default();
    // docker sends an identity token in the place of name and password.
    let mut tokens = Vec::new();
    if let Ok(keyring) = Keyring::new([&secret]) {
        for credential in keyring.lookup(&image.repo()) {
            if let Some(entry) = config.auths.get(credential.key())
                && !entry.identity_token.is_empty()
            {
                tokens.push(Login {
                    source: format!("{shown} auths[{}]", credential.shown_key()),
                    username: String::new(),
                    password: SecretText::new(&entry.identity_token),
                });
            }
        }
    }
    let secrets = [Ok(secret)];
    let mut credentials = Credentials::of(&secrets, image);
    // A file is no secret, and in no namespace.
    let holder = format!("secret /{shown}");
    let named = |source: &str| match source.strip_prefix(&holder) {
        Some(rest) => format!("{shown}{rest}"),
        None => source.to_owned(),
    };
    for (mut login, name) in credentials
        .logins
        .into_iter()
        .zip(credentials.shown_usernames)
    {
        login.source = named(&login.source);
        if !tokens.iter().any(|token| token.source == login.source) {
            found.tried.push(login);
            found.shown.push(name);
        }
    }
    found.shown.extend(tokens.iter().map(|_| String::new()));
    found.tried.append(&mut tokens);
    // An entry without a login is one whose login a helper keeps.
    credentials
        .others
        .retain(|other| other.outcome != CredentialOutcome::Untested);
    for other in &mut credentials.others {
        other.source = named(&other.source);
    }
    for secret in facts(&secrets, image).secrets {
        if matches!(secret.standing, SecretStanding::Malformed { .. })
            && let Some(other) = credentials
                .others
                .iter_mut()
                .find(|other| other.source == shown)
        {
            other.detail = words::standing(&secret.standing);
        }
    }
    found.others.append(&mut credentials.others);
    let servers = servers(image);
    let own = servers
        .iter()
        .find_map(|server| Some((config.helpers.get(server)?, server)));
    let named = own.map(|(name, server)| (name.clone(), server.clone()));
    let stored = (!config.store.is_empty()).then(|| (config.store, servers[0].clone()));
    named.or(stored).into_iter().collect()
}

/// How docker names a registry to its helpers, and the registry's own name.
fn servers(image: &Reference) -> Vec<String> {
    match image.registry() {
        "docker.io" => vec![
            "https://index.docker.io/v1/".to_owned(),
            "docker.io".to_owned(),
        ],
        host => vec![host.to_owned()],
    }
}

/// The files, in the order in which podman reads them (`containers/image`, `pkg/docker/config`),
/// which ends with docker's own. `REGISTRY_AUTH_FILE` stands in the place of podman's, `DOCKER_CONFIG`
/// is docker's folder.
fn paths(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    let home = set("HOME");
    let mut paths = Vec::new();
    match set("REGISTRY_AUTH_FILE") {
        Some(path) => paths.push(path),
        None => {
            paths.extend(set("XDG_RUNTIME_DIR").map(|path| path.join("containers/auth.json")));
            let own = set("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
            paths.extend(own.map(|path| path.join("containers/auth.json")));
        }
    }
    let docker = set("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    paths.extend(docker.map(|path| path.join("config.json")));
    paths.dedup();
    paths
}

/// A file's bytes; nothing where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let failed = |error: io::Error| {
        Failure::unable(anyhow::Error::new(error).context(format!("read `{}`", path.display())))
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(anyhow::anyhow!("it has more than {MOST} bytes"))
            .with_context(|| format!("read `{}`", path.display()))
            .map_err(Failure::unable);
    }
    Ok(Some(bytes))
}

/// A path as people write it.
fn shown(path: &Path) -> String {
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Reference {
        Reference::parse("registry.example.com/shop/api:1").unwrap()
    }

    fn looked(text: &str) -> (Logins, Vec<(String, String)>) {
        let mut found = Logins::default();
        let helpers = look(
            text.as_bytes(),
            "~/.docker/config.json",
            &image(),
            &mut found,
        );
        (found, helpers)
    }

    #[test]
    fn files_are_those_of_docker_and_podman() {
        let of = |set: &[(&str, &str)]| {
            paths(|name| {
                set.iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| PathBuf::from(value))
            })
            .iter()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
        };
        assert_eq!(
            of(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "/run/u")]),
            [
                "/run/u/containers/auth.json",
                "/h/.config/containers/auth.json",
                "/h/.docker/config.json"
            ]
        );
        assert_eq!(
            of(&[
                ("HOME", "/h"),
                ("XDG_RUNTIME_DIR", "/run/u"),
                ("REGISTRY_AUTH_FILE", "/f"),
                ("DOCKER_CONFIG", "/d")
            ]),
            ["/f", "/d/config.json"]
        );
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn logins_identity_tokens_and_other_hosts() {
        let (found, helpers) = looked(
            r#"{"auths":{
                "https://registry.example.com/v2/":{"auth":"Y2k6eA=="},
                "registry.example.com":{"auth":"","identitytoken":"tok"},
                "other.example.com":{"auth":"Y2k6eA=="}}}"#,
        );
        let names: Vec<(&str, &str)> = found
            .tried
            .iter()
            .map(|login| (login.username.as_str(), login.password.expose()))
            .collect();
        assert_eq!(names, [("ci", "x"), ("", "tok")]);
        assert_eq!(found.others.len(), 1);
        assert_eq!(
            found.others[0].source,
            "~/.docker/config.json auths[other.example.com]"
        );
        assert!(helpers.is_empty());
    }

    #[test]
    fn a_helper_is_asked_about_the_host() {
        let text = r#"{"auths":{"registry.example.com":{}},"credsStore":"desktop",
            "credHelpers":{"registry.example.com":"ecr-login"}}"#;
        let (found, helpers) = looked(text);
        assert!(found.tried.is_empty());
        let expected = ("ecr-login".to_owned(), "registry.example.com".to_owned());
        assert_eq!(helpers, [expected]);
        let (_, helpers) = looked(r#"{"credsStore":"desktop"}"#);
        assert_eq!(helpers[0].0, "desktop");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_malformed() {
        let (found, _) = looked("{\"auths\":{\"registry.example.com\":{\"auth\":\"!!\"}}}");
        assert!(found.tried.is_empty());
        assert_eq!(found.others[0].outcome, CredentialOutcome::Malformed);
    }
}
