//! The real registries: Debian's distribution 2.8 and the built 3.1, plain and TLS, open and
//! with htpasswd, each on an address of its own so that standard ports can be used by all.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cgroup;
use crate::exec;
use crate::images::{self, Recipe};
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
    /// A login is needed, for reading too.
    pub login: bool,
}

/// All of them.
pub const REGISTRIES: [Registry; 4] = [
    Registry {
        host: "registry.lab",
        address: "10.78.0.11",
        port: 443,
        three: true,
        tls: true,
        login: false,
    },
    Registry {
        host: "plain.lab",
        address: "10.78.0.12",
        port: 5000,
        three: false,
        tls: false,
        login: false,
    },
    Registry {
        host: "private.lab",
        address: "10.78.0.13",
        port: 443,
        three: false,
        tls: true,
        login: true,
    },
    Registry {
        host: "private3.lab",
        address: "10.78.0.14",
        port: 443,
        three: true,
        tls: true,
        login: true,
    },
];

/// Repositories and tags that every real registry holds.
pub const CONTENT: [(&str, &[&str]); 3] = [
    ("shop/api", &["v1.4.0", "v1.4.1"]),
    ("shop/web", &["v2.0.0", "latest"]),
    ("tools/busybox", &["1.36"]),
];

impl Registry {
    /// `host` or `host:port` as image references name it.
    pub fn name(&self) -> String {
        if self.port == 443 {
            self.host.to_owned()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn start(&self, state: &mut State, outer: &Namespace, company: &Authority) -> Result<()> {
        let dir = paths::data("registries").join(self.host);
        fs::create_dir_all(dir.join("storage"))?;
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": dir.join("storage")}, "delete": {"enabled": true}},
            "http": {"addr": format!("{}:{}", self.address, self.port)},
        });
        if self.tls {
            company.issue(self.host, self.host, None, &[self.host])?;
            let pki = paths::data("pki");
            config["http"]["tls"] = json!({
                "certificate": pki.join(format!("{}.crt", self.host)), "key": pki.join(format!("{}.key", self.host)),
            });
        }
        if self.login {
            let file = dir.join("htpasswd");
            // The lowest bcrypt cost: the registry checks it at every request.
            let line = exec::run(["htpasswd", "-nbB", "-C", "4", USER, PASSWORD])?;
            fs::write(&file, line)?;
            config["auth"] = json!({"htpasswd": {"realm": "Registry Realm", "path": file}});
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
    std::thread::scope(|scope| {
        let pushes: Vec<_> = REGISTRIES
            .iter()
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
    for (repository, tags) in CONTENT {
        for tag in tags {
            let source = format!("oci:{}:{tag}", layout(repository, tag).display());
            let target = format!("docker://{}/{repository}:{tag}", registry.name());
            let mut push = workstation.exec(["skopeo", "copy", "-q", "--insecure-policy"]);
            if !registry.tls {
                push = push.args(["--dest-tls-verify=false"]);
            }
            if registry.login {
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
    Ok(())
}
