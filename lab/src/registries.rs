//! The real registries: Debian's distribution 2.8 and the built 3.1, plain and TLS, open, with
//! htpasswd and with tokens, each on an address of its own so that standard ports can be used by
//! all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cgroup;
use crate::exec;
use crate::images::{self, Recipe};
use crate::labd;
use crate::net::Namespace;
use crate::paths;
use crate::pki::Authority;
use crate::state::State;

/// The user of the registries with a login.
pub const USER: &str = "ci-bot";
/// Its password; it protects nothing outside the lab.
pub const PASSWORD: &str = "lab-only-password";

/// A real registry of the lab.
#[derive(Debug, Clone, Copy)]
pub struct Registry {
    /// Host name in the lab's DNS.
    pub host: &'static str,
    /// Its address.
    pub address: &'static str,
    /// Its port.
    pub port: u16,
    /// Distribution 3.1 instead of 2.8.
    pub three: bool,
    /// TLS with a certificate of the company authority.
    pub tls: bool,
    /// Who may read.
    pub login: Login,
}

/// Who may read from a registry, and how it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Everybody.
    None,
    /// [`USER`], by HTTP Basic.
    Htpasswd,
    /// Whoever brings a token of this host, one of [`TOKEN_SERVICES`].
    Token(&'static str),
}

/// A token service that real registries trust. The fault daemon plays it, with real signatures.
#[derive(Debug, Clone, Copy)]
pub struct TokenService {
    /// Host name in the lab's DNS.
    pub host: &'static str,
    /// Its address, one of the fault daemon's, so that the way to it alone can be cut.
    pub address: &'static str,
    /// The registry that it issues tokens for.
    pub registry: &'static str,
}

/// All of them: one beside its registry under the company's domain, one on a domain of its own,
/// as single sign-on services are.
pub const TOKEN_SERVICES: [TokenService; 2] = [
    TokenService {
        host: "auth.acme.lab",
        address: "10.78.31.254",
        registry: "hub.acme.lab",
    },
    TokenService {
        host: "sso.lab",
        address: "10.78.31.253",
        registry: "images.lab",
    },
];

impl TokenService {
    /// Its virtual host: [`USER`] may read everything, `web-bot` one repository, `old-bot` is an
    /// account that has expired, and the tools are for everybody.
    pub fn spec(&self) -> Value {
        json!({
            "dns": {"address": self.address},
            "auth": {
                "kind": "bearer", "realm": format!("https://{}/token", self.host), "service": self.registry,
                "users": [
                    {"name": USER, "password": PASSWORD},
                    {"name": "web-bot", "password": "lab-only-web-password", "pull": ["shop/web"]},
                    {"name": "old-bot", "password": "lab-only-old-password", "expired": true},
                ],
                "anonymous_pull": ["tools/**"],
            },
        })
    }
}

/// All of them.
pub const REGISTRIES: [Registry; 6] = [
    Registry {
        host: "registry.lab",
        address: "10.78.0.11",
        port: 443,
        three: true,
        tls: true,
        login: Login::None,
    },
    Registry {
        host: "plain.lab",
        address: "10.78.0.12",
        port: 5000,
        three: false,
        tls: false,
        login: Login::None,
    },
    Registry {
        host: "private.lab",
        address: "10.78.0.13",
        port: 443,
        three: false,
        tls: true,
        login: Login::Htpasswd,
    },
    Registry {
        host: "private3.lab",
        address: "10.78.0.14",
        port: 443,
        three: true,
        tls: true,
        login: Login::Htpasswd,
    },
    Registry {
        host: "hub.acme.lab",
        address: "10.78.0.15",
        port: 443,
        three: true,
        tls: true,
        login: Login::Token("auth.acme.lab"),
    },
    Registry {
        host: "images.lab",
        address: "10.78.0.16",
        port: 443,
        three: true,
        tls: true,
        login: Login::Token("sso.lab"),
    },
];

/// The registry whose storage those with tokens serve: nobody may push through a token service
/// that grants reading only.
const SHARED: &str = "registry.lab";

/// Repositories and tags that every real registry holds.
pub const CONTENT: [(&str, &[&str]); 4] = [
    ("shop/api", &["v1.4.0", "v1.4.1"]),
    ("shop/web", &["v2.0.0", "latest"]),
    // For pods whose pull succeeds: what a node once pulled it does not ask for again.
    ("shop/worker", &["v0.9.0"]),
    ("tools/busybox", &["1.36"]),
];

/// Images of `archive/reports` in [`SHARED`], with a layer that its disk has lost.
const ROTTEN: [(&str, Rot); 3] = [
    ("v5.1.0", Rot::Flipped),
    ("v5.2.0", Rot::Halved),
    ("v5.3.0", Rot::Gone),
];
/// The smallest layer of [`ROTTEN`].
const ROTTEN_LAYER: usize = 96 * 1024;

/// What a disk did to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rot {
    /// One byte is another.
    Flipped,
    /// The second half is missing.
    Halved,
    /// The file is not there.
    Gone,
}

impl Registry {
    /// `host` or `host:port` as image references name it.
    pub fn name(&self) -> String {
        if self.port == 443 {
            self.host.to_owned()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn storage(&self) -> PathBuf {
        let owner = match self.login {
            Login::Token(_) => SHARED,
            Login::None | Login::Htpasswd => self.host,
        };
        paths::data("registries").join(owner).join("storage")
    }

    fn start(&self, state: &mut State, outer: &Namespace, company: &Authority) -> Result<()> {
        let dir = paths::data("registries").join(self.host);
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(self.storage())?;
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": self.storage()}, "delete": {"enabled": true}},
            "http": {"addr": format!("{}:{}", self.address, self.port)},
        });
        if self.tls {
            company.issue(self.host, self.host, None, &[self.host])?;
            let pki = paths::data("pki");
            config["http"]["tls"] = json!({
                "certificate": pki.join(format!("{}.crt", self.host)), "key": pki.join(format!("{}.key", self.host)),
            });
        }
        match self.login {
            Login::None => {}
            Login::Htpasswd => {
                let file = dir.join("htpasswd");
                // The lowest bcrypt cost: the registry checks it at every request.
                let line = exec::run(["htpasswd", "-nbB", "-C", "4", USER, PASSWORD])?;
                fs::write(&file, line)?;
                config["auth"] = json!({"htpasswd": {"realm": "Registry Realm", "path": file}});
            }
            Login::Token(host) => {
                config["auth"] = json!({"token": {
                    "realm": format!("https://{host}/token"), "service": self.host,
                    "issuer": labd::ISSUER, "jwks": labd::key_set(),
                }});
            }
        }
        let file = dir.join("config.yml");
        fs::write(&file, serde_json::to_vec_pretty(&config)?)?;
        let program = if self.three {
            paths::bin().join("registry")
        } else {
            Path::new("/usr/bin/docker-registry").to_path_buf()
        };
        let mut argv = outer.enter();
        argv.extend([
            program.display().to_string(),
            "serve".into(),
            file.display().to_string(),
        ]);
        let role = format!("registry/{}", self.host);
        let log = paths::data("logs").join(format!("{}.log", self.host));
        // Traces have nowhere to go here.
        let env = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
        let pid = exec::daemon(&argv, &env, &log, &cgroup::procs_file())?;
        state.add_process(&role, pid, &log)
    }
}

/// Starts all registries.
///
/// # Errors
/// When one cannot be configured or started.
pub fn start(state: &mut State, outer: &Namespace, company: &Authority) -> Result<()> {
    for registry in &REGISTRIES {
        registry.start(state, outer, company)?;
    }
    Ok(())
}

/// Pushes [`CONTENT`] into every registry, from the workstation.
///
/// # Errors
/// When a registry does not answer or refuses.
pub fn fill(workstation: &Namespace) -> Result<()> {
    for (repository, tags) in CONTENT {
        for tag in tags {
            let recipe = Recipe::sleeping(&format!("{repository}:{tag}"));
            images::write_layout(&layout(repository, tag), &recipe)?;
        }
    }
    for (number, (tag, _)) in ROTTEN.iter().enumerate() {
        // Sizes of their own, so that none shares its layer with another one.
        let recipe = Recipe::sleeping(&format!("archive/reports:{tag}"));
        let recipe = recipe.with_noise(ROTTEN_LAYER + number);
        images::write_layout(&layout("archive/reports", tag), &recipe)?;
    }
    std::thread::scope(|scope| {
        let pushes: Vec<_> = REGISTRIES
            .iter()
            .filter(|registry| !matches!(registry.login, Login::Token(_)))
            .map(|registry| scope.spawn(|| fill_one(workstation, registry)))
            .collect();
        for push in pushes {
            match push.join() {
                Ok(result) => result?,
                Err(_) => bail!("a push to a registry ended in a panic"),
            }
        }
        Ok(())
    })
}

fn layout(repository: &str, tag: &str) -> PathBuf {
    paths::data("images").join(format!("{}-{tag}", repository.replace('/', "-")))
}

fn fill_one(workstation: &Namespace, registry: &Registry) -> Result<()> {
    let rotten: Vec<&str> = ROTTEN.iter().map(|(tag, _)| *tag).collect();
    let shared = registry.host == SHARED;
    let extra = shared.then_some(("archive/reports", rotten.as_slice()));
    for (repository, tags) in CONTENT.into_iter().chain(extra) {
        for tag in tags {
            let source = format!("oci:{}:{tag}", layout(repository, tag).display());
            let target = format!("docker://{}/{repository}:{tag}", registry.name());
            let mut push = workstation.exec(["skopeo", "copy", "-q", "--insecure-policy"]);
            if !registry.tls {
                push = push.args(["--dest-tls-verify=false"]);
            }
            if registry.login == Login::Htpasswd {
                push = push.args([format!("--dest-creds={USER}:{PASSWORD}")]);
            }
            let push = push.args([source.as_str(), target.as_str()]);
            // The registry may not listen yet.
            let mut result = push.run();
            for _ in 0..20 {
                if result.is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(300));
                result = push.run();
            }
            result.with_context(|| format!("failed to push to {target}"))?;
        }
    }
    if shared {
        for (tag, rot) in ROTTEN {
            spoil(registry, tag, rot)
                .with_context(|| format!("failed to spoil archive/reports:{tag}"))?;
        }
    }
    Ok(())
}

/// Does to the last layer of an image what a bad disk does, behind the registry's back.
fn spoil(registry: &Registry, tag: &str, rot: Rot) -> Result<()> {
    let digest = images::last_layer(&layout("archive/reports", tag))?;
    let hex = digest.trim_start_matches("sha256:");
    let file = registry
        .storage()
        .join("docker/registry/v2/blobs/sha256")
        .join(hex.get(..2).unwrap_or_default())
        .join(hex)
        .join("data");
    let mut bytes = fs::read(&file)?;
    let middle = bytes.len() / 2;
    match rot {
        Rot::Flipped => bytes[middle] ^= 0xff,
        Rot::Halved => bytes.truncate(middle),
        Rot::Gone => return Ok(fs::remove_file(&file)?),
    }
    Ok(fs::write(&file, bytes)?)
}
