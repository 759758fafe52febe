//! The kubeconfig, read as kubectl reads it.
//!
//! kube's own loader is not used beyond parsing and merging: it compares `NO_PROXY` with the
//! proxy's address instead of the cluster's (kube 5.0.0, `config/file_loader.rs`), and its
//! errors do not tell a missing context from a missing cluster.

use std::{
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::{
    Config,
    config::{Cluster, ExecAuthCluster, Kubeconfig, KubeconfigError},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::{connect::ConnectOptions, error::ConnectError};

/// A configuration, and the name under which the report speaks of it.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// kube's configuration.
    pub(crate) config: Config,
    /// The context's name; `in-cluster` inside a pod without a kubeconfig.
    pub(crate) context: String,
}

/// How long a connection may take.
pub(crate) const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);

/// The name used for the context inside a pod.
const IN_CLUSTER: &str = "in-cluster";

/// Reads the kubeconfig that kubectl would read, or the service account of this pod.
pub(crate) fn load(options: &ConnectOptions) -> Result<Chosen, ConnectError> {
    let mut chosen = match read(options)? {
        Some(kubeconfig) => choose(&kubeconfig, options)?,
        None => Chosen {
            config: Config::incluster().map_err(ConnectError::InCluster)?,
            context: IN_CLUSTER.to_owned(),
        },
    };
    // Our own retries are bounded; kube's go on for minutes.
    chosen.config.default_retry = false;
    chosen.config.connect_timeout = Some(CONNECT);
    if let Some(user) = &options.impersonate {
        chosen.config.auth_info.impersonate = Some(user.clone());
        chosen.config.auth_info.impersonate_groups =
            (!options.impersonate_groups.is_empty()).then(|| options.impersonate_groups.clone());
    }
    let agent = concat!("pulldoctor/", env!("CARGO_PKG_VERSION"));
    chosen.config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(agent),
    ));
    Ok(chosen)
}

/// The merged kubeconfig; none where the service account of this pod is to be used.
fn read(options: &ConnectOptions) -> Result<Option<Kubeconfig>, ConnectError> {
    if let Some(path) = &options.kubeconfig {
        return read_file(path).map(Some);
    }
    let tried = default_paths();
    let mut merged: Option<Kubeconfig> = None;
    for path in &tried {
        // As kubectl does, files of the list that do not exist are passed over.
        if !path.exists() {
            continue;
        }
        let next = read_file(path)?;
        merged = Some(match merged {
            Some(first) => first
                .merge(next)
                .map_err(|error| unreadable(path, &error))?,
            None => next,
        });
    }
    match merged {
        Some(kubeconfig) if !is_empty(&kubeconfig) => Ok(Some(kubeconfig)),
        _ if env::var_os("KUBERNETES_SERVICE_HOST").is_some() => Ok(None),
        Some(_) => Err(ConnectError::NoCurrentContext { known: Vec::new() }),
        None => Err(ConnectError::NoConfig { tried }),
    }
}

fn is_empty(kubeconfig: &Kubeconfig) -> bool {
    kubeconfig.contexts.is_empty() && kubeconfig.clusters.is_empty()
}

fn default_paths() -> Vec<PathBuf> {
    let listed: Vec<PathBuf> = env::var_os("KUBECONFIG")
        .map(|value| {
            env::split_paths(&value)
                .filter(|path| !path.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    if !listed.is_empty() {
        return listed;
    }
    let home = env::home_dir().unwrap_or_else(|| PathBuf::from("~"));
    vec![home.join(".kube").join("config")]
}

fn read_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|error| unreadable(path, &error))
}

/// A parser's error quotes the lines around the fault, and a kubeconfig's lines hold tokens:
/// only the place is told.
fn unreadable(path: &Path, error: &KubeconfigError) -> ConnectError {
    let reason = match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => {
                format!(
                    "no valid kubeconfig at line {}, column {}",
                    place.line(),
                    place.column()
                )
            }
            None => "no valid kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        other => other.to_string(),
    };
    ConnectError::ReadKubeconfig {
        path: path.to_owned(),
        reason,
    }
}

pub(crate) fn choose(
    kubeconfig: &Kubeconfig,
    options: &ConnectOptions,
) -> Result<Chosen, ConnectError> {
    let known = || {
        kubeconfig
            .contexts
            .iter()
            .map(|named| named.name.clone())
            .collect()
    };
    let name = options
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone())
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ConnectError::NoCurrentContext { known: known() })?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.clone())
        .ok_or_else(|| ConnectError::NoSuchContext {
            name: name.clone(),
            known: known(),
        })?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.clone())
        .ok_or_else(|| ConnectError::NoSuchCluster {
            context: name.clone(),
            cluster: context.cluster.clone(),
        })?;
    // As client-go does, a user that is not there is no error here: the server will say so.
    let mut user = context
        .user
        .as_ref()
        .and_then(|user| {
            kubeconfig
                .auth_infos
                .iter()
                .find(|named| &named.name == user)
        })
        .and_then(|named| named.auth_info.clone())
        .unwrap_or_default();
    if let Some(exec) = &mut user.exec
        && exec.provide_cluster_info
    {
        let outline =
            ExecAuthCluster::try_from(&cluster).map_err(|error| ConnectError::BadAuthority {
                context: name.clone(),
                reason: error.to_string(),
            })?;
        exec.cluster = Some(outline);
    }

    let server = cluster.server.clone().unwrap_or_default();
    let url: Uri = server
        .parse::<Uri>()
        .ok()
        .filter(|url| url.host().is_some())
        .ok_or_else(|| ConnectError::BadServer {
            context: name.clone(),
            server,
        })?;
    let mut config = Config::new(url.clone());
    config.root_cert = authority(&cluster).map_err(|reason| ConnectError::BadAuthority {
        context: name.clone(),
        reason,
    })?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    config.proxy_url = proxy(&cluster, &url).map_err(|()| ConnectError::BadProxy {
        context: name.clone(),
    })?;
    config.auth_info = user;
    if let Some(namespace) = context.namespace.filter(|namespace| !namespace.is_empty()) {
        config.default_namespace = namespace;
    }
    Ok(Chosen {
        config,
        context: name,
    })
}

/// The certificates of `certificate-authority-data`, or else of `certificate-authority`.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let pem = match (
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
    ) {
        (Some(data), _) if !data.is_empty() => BASE64_STANDARD
            .decode(data.trim())
            .map_err(|error| error.to_string())?,
        (_, Some(path)) if !path.is_empty() => {
            fs::read(path).map_err(|error| format!("`{path}`: {error}"))?
        }
        _ => return Ok(None),
    };
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|der| der.as_ref().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(Some(certificates))
}

/// The proxy as client-go chooses it: `proxy-url` of the cluster always; else `HTTPS_PROXY` or
/// `HTTP_PROXY` by the server's scheme, not for loopback, and not where `NO_PROXY` matches
/// the server (`golang.org/x/net/http/httpproxy`).
fn proxy(cluster: &Cluster, server: &Uri) -> Result<Option<Uri>, ()> {
    if let Some(proxy) = cluster
        .proxy_url
        .as_deref()
        .filter(|proxy| !proxy.is_empty())
    {
        return with_scheme(proxy).parse().map(Some).map_err(|_| ());
    }
    let variable = if server.scheme_str() == Some("http") {
        "http_proxy"
    } else {
        "https_proxy"
    };
    let Some(proxy) = either_case(variable) else {
        return Ok(None);
    };
    let proxy: Uri = with_scheme(&proxy).parse().map_err(|_| ())?;
    let exceptions = either_case("no_proxy").unwrap_or_default();
    Ok(is_proxied(server, &exceptions).then_some(proxy))
}

fn is_proxied(server: &Uri, exceptions: &str) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    // The proxy given here only makes the matcher say yes; it is never used.
    let matcher = Matcher::builder()
        .all("http://proxy.invalid")
        .no(exceptions)
        .build();
    !is_loopback && matcher.intercept(server).is_some()
}

fn with_scheme(proxy: &str) -> String {
    if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    }
}

fn either_case(lower: &str) -> Option<String> {
    [lower.to_ascii_uppercase(), lower.to_owned()]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r"
apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: one
  cluster: {server: 'https://10.0.0.1:6443', proxy-url: 'proxy.example.com:3128'}
- name: two
  cluster: {server: 'https://cluster.example.com/k8s/x', insecure-skip-tls-verify: true}
contexts:
- name: prod
  context: {cluster: two, user: someone, namespace: shop}
- name: staging
  context: {cluster: one, user: someone}
- name: broken
  context: {cluster: three, user: someone}
users:
- name: someone
  user: {token: t0p-secret}
";

    fn write(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn options(file: &tempfile::NamedTempFile, context: Option<&str>) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: Some(file.path().to_owned()),
            context: context.map(str::to_owned),
            ..ConnectOptions::default()
        }
    }

    #[test]
    fn the_current_context_is_taken() {
        let file = write(TWO);
        let chosen = load(&options(&file, None)).unwrap();
        assert_eq!(chosen.context, "prod");
        assert_eq!(chosen.config.default_namespace, "shop");
        assert_eq!(
            chosen.config.cluster_url,
            "https://cluster.example.com/k8s/x"
        );
        assert!(chosen.config.accept_invalid_certs);
    }

    #[test]
    fn a_named_context_brings_its_cluster_and_proxy() {
        let file = write(TWO);
        let chosen = load(&options(&file, Some("staging"))).unwrap();
        assert_eq!(chosen.config.default_namespace, "default");
        assert_eq!(
            chosen
                .config
                .proxy_url
                .map(|url| url.to_string())
                .as_deref(),
            Some("http://proxy.example.com:3128/")
        );
    }

    #[test]
    fn a_context_that_is_not_there_names_the_nearest() {
        let file = write(TWO);
        let error = load(&options(&file, Some("stagign"))).unwrap_err();
        assert!(matches!(error, ConnectError::NoSuchContext { .. }));
        assert_eq!(
            error.help().as_deref(),
            Some("did you mean `--context staging`?")
        );
        assert_eq!(error.exit().code(), 3);
        let error = load(&options(&file, Some("broken"))).unwrap_err();
        assert!(matches!(error, ConnectError::NoSuchCluster { cluster, .. } if cluster == "three"));
    }

    #[test]
    fn a_broken_file_is_named_without_its_content() {
        let file = write("users:\n- name: x\n  user: {token: t0p-secret\ncontexts: ]");
        let error = load(&options(&file, None)).unwrap_err();
        let shown = format!("{error:?} {error}");
        assert!(matches!(error, ConnectError::ReadKubeconfig { .. }));
        assert!(!shown.contains("t0p"), "{shown}");
        let missing = ConnectOptions {
            kubeconfig: Some("/nowhere/at/all".into()),
            ..ConnectOptions::default()
        };
        assert!(
            load(&missing)
                .unwrap_err()
                .to_string()
                .contains("No such file")
        );
    }

    #[test]
    fn impersonation_goes_into_the_login() {
        let file = write(TWO);
        let mut options = options(&file, None);
        options.impersonate = Some("jane".to_owned());
        options.impersonate_groups = vec!["dev".to_owned()];
        let login = load(&options).unwrap().config.auth_info;
        assert_eq!(login.impersonate.as_deref(), Some("jane"));
        assert_eq!(login.impersonate_groups, Some(vec!["dev".to_owned()]));
    }

    #[test]
    fn no_proxy_speaks_of_the_server() {
        let server = |text: &str| text.parse::<Uri>().unwrap();
        assert!(is_proxied(&server("https://api.example.com:6443"), ""));
        assert!(!is_proxied(
            &server("https://api.example.com:6443"),
            "example.com"
        ));
        assert!(!is_proxied(&server("https://10.1.2.3:6443"), "10.0.0.0/8"));
        assert!(is_proxied(&server("https://11.1.2.3:6443"), "10.0.0.0/8"));
        assert!(!is_proxied(&server("https://127.0.0.1:6443"), ""));
        assert!(!is_proxied(&server("https://[::1]:6443"), ""));
        assert!(!is_proxied(&server("https://localhost:6443"), ""));
    }

    #[test]
    fn an_authority_without_a_certificate_is_refused() {
        let cluster = |data: &str| Cluster {
            certificate_authority_data: Some(data.to_owned()),
            ..Cluster::default()
        };
        assert!(authority(&cluster("!!!")).is_err());
        assert!(authority(&cluster("aGVsbG8=")).is_err());
        assert!(authority(&Cluster::default()).unwrap().is_none());
    }
}
