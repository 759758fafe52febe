//! The daemon's state and what a control request does to it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::dns::{DnsServer, Record, Zone};
use crate::image::{Base, Content};
use crate::registry::{Directory, HostError, VirtualHost, fill, key_set, serve_listener};
use crate::spec::{DnsAddress, HostSpec, Listen, TlsMode};
use crate::tls::{Authority, TlsError};

use super::options::Options;

/// The name in the authority's subject.
const COMPANY: &str = "Lab company";

/// Why the daemon could not start.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A file of the state folder.
    #[error("write `{path}`", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The busybox.
    #[error("read `{path}`", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The company authority.
    #[error("make the company authority")]
    Authority(#[from] TlsError),
    /// The DNS server.
    #[error("serve DNS on `{address}`")]
    Dns {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The control socket.
    #[error("listen on `{path}`", path = .path.display())]
    Control {
        /// The socket.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Why a control request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A name that no certificate and no DNS question can hold.
    #[error("`{0}` is no host name")]
    Name(String),
    /// `address: refuse` and no such address given.
    #[error("the daemon was started without `--refuse-ip`")]
    NoRefuseAddress,
    /// `address: drop` and no such address given.
    #[error("the daemon was started without `--drop-ip`")]
    NoDropAddress,
    /// `content_of` names nobody.
    #[error("`content_of` names `{0}`, which is not declared")]
    NoSuchContent(String),
    /// Certificate or images.
    #[error("make the host")]
    Host(#[from] HostError),
    /// The making of images was interrupted.
    #[error("make the images")]
    Interrupted(#[source] tokio::task::JoinError),
    /// The port is taken or not allowed.
    #[error("listen on `{address}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No host of this name.
    #[error("no host `{0}` is declared")]
    Unknown(String),
}

/// A running daemon. Listeners and the DNS server end when it is dropped.
#[derive(Debug)]
pub struct Daemon {
    options: Options,
    authority: Authority,
    base: Base,
    directory: Directory,
    zone: Zone,
    dns: DnsServer,
    stranger: Arc<ServerConfig>,
    /// One listener a port. The lock also makes changes one at a time.
    listeners: Mutex<BTreeMap<u16, Listener>>,
}

#[derive(Debug)]
struct Listener(AbortHandle);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Daemon {
    /// Writes the certificates and starts the DNS server. A key of an earlier run is used again,
    /// so that nodes that trust the authority go on trusting it.
    pub async fn start(options: Options) -> Result<Self, DaemonError> {
        let key_path = options.state.join("ca.key");
        let authority = match std::fs::read_to_string(&key_path) {
            Ok(key) => Authority::from_key_pem(COMPANY, &key)?,
            Err(_) => Authority::new(COMPANY)?,
        };
        let client = authority.client("lab-client")?;
        write(&key_path, &authority.key_pem())?;
        write(&options.state.join("ca.pem"), &authority.pem())?;
        write(&options.state.join("client.pem"), client.chain_pem())?;
        write(&options.state.join("client.key"), &client.key_pem())?;
        if let Some(keys) = key_set() {
            write(&options.state.join("jwks.json"), &keys.to_string())?;
        }
        let base = match &options.busybox {
            None => Base::empty(),
            Some(path) => Base {
                busybox: std::fs::read(path)
                    .map_err(|source| DaemonError::Read {
                        path: path.clone(),
                        source,
                    })?
                    .into(),
            },
        };
        let zone = Zone::without(options.outsider.iter().copied());
        let address = SocketAddr::from((options.listen_ip, options.dns_port));
        let dns = DnsServer::start(address, zone.clone())
            .await
            .map_err(|source| DaemonError::Dns { address, source })?;
        let stranger =
            authority.server_config(TlsMode::WrongName, &["stranger.example.com"], false)?;
        Ok(Self {
            options,
            authority,
            base,
            directory: Directory::new(),
            zone,
            dns,
            stranger,
            listeners: Mutex::new(BTreeMap::new()),
        })
    }

    /// The socket on which control requests are expected.
    pub fn control_path(&self) -> PathBuf {
        self.options.state.join("control.sock")
    }

    /// Where the DNS server listens.
    pub fn dns_address(&self) -> SocketAddr {
        self.dns.address()
    }

    /// The declared hosts.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Declares a host, or declares it anew: its log and fault counters begin again.
    pub async fn put(&self, name: &str, spec: HostSpec) -> Result<Arc<VirtualHost>, ControlError> {
        let name = host_name(name)?;
        let address = self.address(&spec)?;
        let mut listeners = self.listeners.lock().await;
        let content = self.content(&name, &spec).await?;
        let port = spec.port;
        let listens = !matches!(spec.listen, Listen::Refuse | Listen::Drop);
        let record = Record {
            answer: spec.dns.answer,
            address,
            clients: spec.dns.clients.clone(),
        };
        let host = Arc::new(VirtualHost::new(
            &[&name],
            port,
            spec,
            content,
            &self.authority,
        )?);
        if listens && !listeners.contains_key(&port) {
            listeners.insert(port, self.listen(port).await?);
        }
        self.directory.remove(&name);
        self.directory.insert(Arc::clone(&host));
        self.zone.set(&name, record);
        self.close_unused(&mut listeners);
        Ok(host)
    }

    /// Forgets a host: its name does not exist any more.
    pub async fn delete(&self, name: &str) -> Result<(), ControlError> {
        let name = host_name(name)?;
        let mut listeners = self.listeners.lock().await;
        if !self.directory.remove(&name) {
            return Err(ControlError::Unknown(name));
        }
        self.zone.remove(&name);
        self.close_unused(&mut listeners);
        Ok(())
    }

    /// A declared host.
    pub fn host(&self, name: &str) -> Result<Arc<VirtualHost>, ControlError> {
        let name = host_name(name)?;
        self.directory
            .named(&name)
            .ok_or(ControlError::Unknown(name))
    }

    fn address(&self, spec: &HostSpec) -> Result<Ipv4Addr, ControlError> {
        let wanted = spec.dns.address.or(match spec.listen {
            Listen::Refuse => Some(DnsAddress::Refuse),
            Listen::Drop => Some(DnsAddress::Drop),
            Listen::Accept | Listen::Silent | Listen::Close => None,
        });
        match wanted {
            None => Ok(self.options.listen_ip),
            Some(DnsAddress::Literal(address)) => Ok(address),
            Some(DnsAddress::Refuse) => self.options.refuse_ip.ok_or(ControlError::NoRefuseAddress),
            Some(DnsAddress::Drop) => self.options.drop_ip.ok_or(ControlError::NoDropAddress),
        }
    }

    async fn content(&self, name: &str, spec: &HostSpec) -> Result<Arc<Content>, ControlError> {
        if let Some(other) = &spec.content_of {
            return match self.directory.named(&other.to_ascii_lowercase()) {
                Some(host) => Ok(Arc::clone(host.content())),
                None => Err(ControlError::NoSuchContent(other.clone())),
            };
        }
        // Declared anew with the same content, it need not be made again.
        if let Some(before) = self.directory.named(name)
            && before.spec().repositories == spec.repositories
            && before.spec().salt == spec.salt
            && before.spec().content_of.is_none()
        {
            return Ok(Arc::clone(before.content()));
        }
        let (spec, name, base) = (spec.clone(), name.to_owned(), self.base.clone());
        let made = tokio::task::spawn_blocking(move || fill(&spec, &name, &base)).await;
        Ok(Arc::new(made.map_err(ControlError::Interrupted)??))
    }

    async fn listen(&self, port: u16) -> Result<Listener, ControlError> {
        let address = SocketAddr::from((self.options.listen_ip, port));
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ControlError::Listen { address, source })?;
        let serving = serve_listener(listener, self.directory.clone(), Arc::clone(&self.stranger));
        Ok(Listener(tokio::spawn(serving).abort_handle()))
    }

    /// Closes the ports on which no host is left that listens.
    fn close_unused(&self, listeners: &mut BTreeMap<u16, Listener>) {
        let hosts = self.directory.all();
        listeners.retain(|port, _| {
            hosts.iter().any(|host| {
                host.port() == *port && !matches!(host.spec().listen, Listen::Refuse | Listen::Drop)
            })
        });
    }
}

fn write(path: &Path, text: &str) -> Result<(), DaemonError> {
    std::fs::write(path, text).map_err(|source| DaemonError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A host name in lower case.
fn host_name(name: &str) -> Result<String, ControlError> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() <= 253 && name.split('.').all(is_label) {
        Ok(name.to_ascii_lowercase())
    } else {
        Err(ControlError::Name(name.to_owned()))
    }
}
