//! Which file of the node's runtime says how a registry is reached and whom it trusts.
//!
//! Sources: containerd `docs/hosts.md` and `core/remotes/docker/config/hosts.go`;
//! containers-registries.conf(5), containers-certs.d(5); Docker "Verify repository client with
//! certificates" and `dockerd` (`insecure-registries`, `registry-mirrors`); K3s and RKE2 "Private
//! registry configuration", whose file overwrites containerd's own.

use pulldoctor_messages::Runtime;
use pulldoctor_model::{Applicability, Finding, NodeFacts};

use super::support::quote;
use crate::{case::Case, finding::FindingExt};

/// Who reads the configuration on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// containerd, with its major and minor version where known.
    Containerd(Option<(u32, u32)>),
    /// A distribution that writes containerd's files itself: `k3s` or `rke2`.
    Rancher(&'static str),
    CriO,
    Docker,
}

/// The node's runtime: as the node says, or else as the wording of the text tells.
pub(crate) fn runtime(case: &Case<'_>) -> Option<Runtime> {
    let told = case.node().seen().and_then(of_node);
    told.or(case.reading().runtime)
}

fn of_node(node: &NodeFacts) -> Option<Runtime> {
    match node.runtime.split_once("://")?.0 {
        "containerd" => Some(Runtime::Containerd),
        "cri-o" => Some(Runtime::CriO),
        "docker" => Some(Runtime::Docker),
        _ => None,
    }
}

fn flavour(case: &Case<'_>) -> Option<Flavour> {
    let node = case.node().seen();
    if let Some(node) = node {
        if node.kubelet.contains("+k3s") {
            return Some(Flavour::Rancher("k3s"));
        }
        if node.kubelet.contains("+rke2") {
            return Some(Flavour::Rancher("rke2"));
        }
    }
    Some(match runtime(case)? {
        Runtime::Containerd => Flavour::Containerd(node.and_then(version)),
        Runtime::CriO => Flavour::CriO,
        Runtime::Docker => Flavour::Docker,
    })
}

fn version(node: &NodeFacts) -> Option<(u32, u32)> {
    let version = node.runtime.split_once("://")?.1;
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Host names come from texts: only what a host may hold goes into a file or path.
fn is_plain(host: &str) -> bool {
    !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
}

/// The host that serves a registry: Docker Hub's is not the one in its images' names.
fn server_of(registry: &str) -> &str {
    if registry == "docker.io" {
        "registry-1.docker.io"
    } else {
        registry
    }
}

/// Writes a file that is not there yet; one that is there stays as it is.
fn write(directory: &str, file: &str, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| quote(line)).collect();
    format!(
        "mkdir -p {} && (set -C; printf '%s\\n' {} > {})",
        quote(directory),
        lines.join(" "),
        quote(&format!("{directory}/{file}")),
    )
}

fn hosts_toml(registry: &str, server: &str, url: &str, more: Option<String>) -> String {
    let mut lines = vec![
        format!("server = \"{server}\""),
        format!("[host.\"{url}\"]"),
        "  capabilities = [\"pull\", \"resolve\"]".to_owned(),
    ];
    lines.extend(more);
    write(
        &format!("/etc/containerd/certs.d/{registry}"),
        "hosts.toml",
        &lines,
    )
}

/// Adds the file that makes the runtime trust the authority of the host that failed.
///
/// A host that is not the registry's own (a token or layer host) is trusted through the system's
/// store: the runtimes' directories are by registry.
pub(crate) fn with_authority(finding: Finding, case: &Case<'_>) -> Finding {
    let registry = case.registry();
    let flavour = flavour(case);
    if case.reading().foreign_host.is_none() && is_plain(&registry) {
        match flavour {
            Some(Flavour::Containerd(version)) => {
                let directory = format!("/etc/containerd/certs.d/{registry}");
                let url = format!("https://{}", server_of(&registry));
                let finding = finding
                    .note("file", format!("{directory}/hosts.toml"))
                    .remedy(
                        "install-authority",
                        Applicability::Advice,
                        format!(
                            "on the node: put the authority's certificate into \
                             `{directory}/ca.crt` and name it in `hosts.toml`; no restart needed"
                        ),
                        Some(hosts_toml(
                            &registry,
                            &url,
                            &url,
                            Some(format!("  ca = \"{directory}/ca.crt\"")),
                        )),
                    );
                return with_config_path(finding, version);
            }
            Some(Flavour::CriO) => {
                return directory_of_certificates(finding, "/etc/containers/certs.d", &registry);
            }
            Some(Flavour::Docker) => {
                return directory_of_certificates(finding, "/etc/docker/certs.d", &registry);
            }
            Some(Flavour::Rancher(name)) => {
                let file = format!("/etc/rancher/{name}/registries.yaml");
                return finding.note("file", file.clone()).remedy(
                    "install-authority",
                    Applicability::Advice,
                    format!(
                        "on the node: set `configs: {{\"{registry}\": {{tls: {{ca_file: FILE}}}}}}` \
                         in `{file}`, then restart {name}"
                    ),
                    None,
                );
            }
            None => {}
        }
    }
    let service = match flavour {
        Some(Flavour::CriO) => "crio",
        Some(Flavour::Docker) => "docker",
        Some(Flavour::Rancher(name)) => name,
        Some(Flavour::Containerd(_)) => "containerd",
        None => "",
    };
    finding.remedy(
        "install-authority",
        Applicability::Advice,
        "on the node: add the authority's certificate to the system's trust store \
         (`/usr/local/share/ca-certificates/NAME.crt`, on Red Hat \
         `/etc/pki/ca-trust/source/anchors/NAME.crt` and `update-ca-trust`), then restart the \
         runtime, which reads the store once",
        (!service.is_empty())
            .then(|| format!("update-ca-certificates && systemctl restart {service}")),
    )
}

fn directory_of_certificates(finding: Finding, root: &str, registry: &str) -> Finding {
    let directory = format!("{root}/{registry}");
    finding.note("file", format!("{directory}/ca.crt")).remedy(
        "install-authority",
        Applicability::Advice,
        format!(
            "on the node: put the authority's certificate into `{directory}/ca.crt`; no \
                 restart needed"
        ),
        Some(format!(
            "install -D -m 644 ca.crt {}",
            quote(&format!("{directory}/ca.crt"))
        )),
    )
}

/// containerd reads `hosts.toml` only below its `config_path`.
fn with_config_path(finding: Finding, version: Option<(u32, u32)>) -> Finding {
    match version {
        // 2.1 to 2.3 take a list for one name in transfer mode, and since 2.2 a list is the
        // default (containerd issues 12415, 12808).
        Some((2, minor)) if minor >= 2 => finding.note(
            "config_path",
            "name one directory under `plugins.\"io.containerd.cri.v1.images\".registry`: with \
             the default list of two, containerd 2.2 and later may ignore the file without a word",
        ),
        Some((2, _)) => finding.note(
            "config_path",
            "has to be `/etc/containerd/certs.d` under \
             `plugins.\"io.containerd.cri.v1.images\".registry`",
        ),
        Some((1, _)) => finding.note(
            "config_path",
            "has to be `/etc/containerd/certs.d` under \
             `plugins.\"io.containerd.grpc.v1.cri\".registry`",
        ),
        _ => finding,
    }
}

/// Adds the file that makes the runtime speak `scheme` with the host that failed.
pub(crate) fn with_scheme(finding: Finding, case: &Case<'_>, scheme: &str) -> Finding {
    let registry = case.registry();
    let host = case.failed_host();
    if !is_plain(&registry) || !is_plain(&host) {
        return finding;
    }
    let insecure = scheme == "http";
    let host = server_of(&host);
    match flavour(case) {
        Some(Flavour::Containerd(version)) => {
            let file = format!("/etc/containerd/certs.d/{registry}/hosts.toml");
            let url = format!("{scheme}://{host}");
            // A mirror stands beside the registry, which keeps its own scheme.
            let server = if case.reading().foreign_host.is_some() {
                format!("https://{}", server_of(&registry))
            } else {
                url.clone()
            };
            let finding = finding.note("file", file.clone()).remedy(
                "set-scheme",
                Applicability::Advice,
                format!("on the node: name the host as `{url}` in `{file}`; no restart needed"),
                Some(hosts_toml(&registry, &server, &url, None)),
            );
            with_config_path(finding, version)
        }
        Some(Flavour::CriO) => {
            let name = format!("{}.conf", registry.replace([':', '[', ']'], "_"));
            let directory = "/etc/containers/registries.conf.d";
            finding.note("file", format!("{directory}/{name}")).remedy(
                "set-scheme",
                Applicability::Advice,
                format!(
                    "on the node: set `insecure = {insecure}` for `{host}` in \
                         `{directory}/{name}`, then reload CRI-O"
                ),
                Some(format!(
                    "{} && systemctl reload crio",
                    write(
                        directory,
                        &name,
                        &[
                            "[[registry]]".to_owned(),
                            format!("location = \"{host}\""),
                            format!("insecure = {insecure}"),
                        ],
                    )
                )),
            )
        }
        Some(Flavour::Docker) => finding.note("file", "/etc/docker/daemon.json").remedy(
            "set-scheme",
            Applicability::Advice,
            if insecure {
                format!(
                    "on the node: add `{host}` to `\"insecure-registries\": [\"{host}\"]` in \
                     `/etc/docker/daemon.json`, then reload Docker"
                )
            } else {
                format!(
                    "on the node: take `{host}` out of `insecure-registries` in \
                     `/etc/docker/daemon.json`, then reload Docker"
                )
            },
            Some("systemctl reload docker".to_owned()),
        ),
        Some(Flavour::Rancher(name)) => {
            let file = format!("/etc/rancher/{name}/registries.yaml");
            finding.note("file", file.clone()).remedy(
                "set-scheme",
                Applicability::Advice,
                format!(
                    "on the node: set `mirrors: {{\"{registry}\": {{endpoint: \
                     [\"{scheme}://{host}\"]}}}}` in `{file}`, then restart {name}"
                ),
                None,
            )
        }
        None => finding.remedy(
            "set-scheme",
            Applicability::Advice,
            format!("tell the node's runtime that `{host}` speaks {scheme}"),
            None,
        ),
    }
}

/// Adds the file in which the node's mirrors are named.
pub(crate) fn with_mirror_file(finding: Finding, case: &Case<'_>) -> Finding {
    let registry = case.registry();
    if !is_plain(&registry) {
        return finding;
    }
    let file = match flavour(case) {
        Some(Flavour::Containerd(_)) => format!("/etc/containerd/certs.d/{registry}/hosts.toml"),
        Some(Flavour::CriO) => "/etc/containers/registries.conf".to_owned(),
        Some(Flavour::Docker) => "/etc/docker/daemon.json".to_owned(),
        Some(Flavour::Rancher(name)) => format!("/etc/rancher/{name}/registries.yaml"),
        None => return finding,
    };
    let command = match flavour(case) {
        // `_default` applies where the registry has no directory of its own.
        Some(Flavour::Containerd(_)) => {
            format!(
                "cat {} /etc/containerd/certs.d/_default/hosts.toml",
                quote(&file)
            )
        }
        Some(Flavour::CriO) => format!("cat {file} /etc/containers/registries.conf.d/*.conf"),
        _ => format!("cat {file}"),
    };
    finding.note("file", file.clone()).remedy(
        "mirror-file",
        Applicability::Advice,
        format!("on the node: mend or remove the mirror in `{file}`"),
        Some(command),
    )
}

/// Adds the file in which the runtime's proxy is set.
pub(crate) fn with_proxy_file(finding: Finding, case: &Case<'_>, host: &str) -> Finding {
    let service = match flavour(case) {
        Some(Flavour::Containerd(_)) => "containerd",
        Some(Flavour::CriO) => "crio",
        Some(Flavour::Docker) => "docker",
        Some(Flavour::Rancher(name)) => name,
        None => {
            return finding.remedy(
                "no-proxy",
                Applicability::Advice,
                format!(
                    "mend the proxy, or add `{host}` to the `NO_PROXY` of the node's runtime if \
                     it is to be reached directly"
                ),
                None,
            );
        }
    };
    finding
        .note(
            "file",
            format!("the environment of `{service}.service`, see `systemctl cat {service}`"),
        )
        .remedy(
            "no-proxy",
            Applicability::Advice,
            format!(
                "on the node: mend the proxy, or add `{host}` to `NO_PROXY` in a drop-in of \
                 `{service}.service` if it is to be reached directly, then restart it"
            ),
            Some(format!("systemctl show {service} --property=Environment")),
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::node;

    #[test]
    fn versions_and_runtimes_of_nodes() {
        let mut facts = node();
        assert_eq!(version(&facts), Some((2, 4)));
        assert_eq!(of_node(&facts), Some(Runtime::Containerd));
        facts.runtime = "cri-o://1.33.1".to_owned();
        assert_eq!(of_node(&facts), Some(Runtime::CriO));
    }

    #[test]
    fn no_hostile_host_gets_into_a_file() {
        assert!(is_plain("registry.example.com:5000"));
        assert!(!is_plain("r\"]\nserver = \"http://evil"));
        assert!(!is_plain("a/../b"));
    }
}
