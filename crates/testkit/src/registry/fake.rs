//! One registry on a loopback port, for tests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::image::{Base, Content};
use crate::spec::{FaultSpec, HostSpec, TlsMode};
use crate::tls::{Authority, TlsError};

use super::directory::Directory;
use super::host::{HostError, VirtualHost, fill};
use super::log::LogEntry;
use super::serve::serve_listener;

/// Why a registry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port.
    #[error("listen on loopback")]
    Listen(#[source] io::Error),
    /// The certificate for strangers.
    #[error("make a certificate")]
    Tls(#[from] TlsError),
    /// Certificate or content of the host.
    #[error("make the registry")]
    Host(#[from] HostError),
}

/// A registry at `127.0.0.1` on a free port, which answers to any name. It ends when dropped.
///
/// The port of the specification and its DNS part are not used. A good certificate names
/// `127.0.0.1` and `localhost`, or the name that was given.
#[derive(Debug)]
pub struct FakeRegistry {
    address: SocketAddr,
    host: Arc<VirtualHost>,
    task: JoinHandle<()>,
}

impl FakeRegistry {
    /// Starts an own registry with an authority that nobody else knows: for plain HTTP, or where
    /// the certificate is to be refused.
    pub async fn start(spec: HostSpec) -> Result<Self, StartError> {
        let authority = Authority::new("Testkit")?;
        Self::start_filled(spec, &authority, &Directory::new()).await
    }

    /// Starts a registry that has the repositories of its specification, and for which this authority
    /// vouches.
    pub async fn start_filled(
        spec: HostSpec,
        authority: &Authority,
        directory: &Directory,
    ) -> Result<Self, StartError> {
        let content = fill(&spec, "127.0.0.1", &Base::empty())?;
        Self::start_with(spec, content, authority, directory).await
    }

    /// Starts a registry of this name, which is reached past name resolution: through a
    /// [`FakeProxy`](crate::proxy::FakeProxy) for instance.
    pub async fn start_named(
        name: &str,
        spec: HostSpec,
        authority: &Authority,
        directory: &Directory,
    ) -> Result<Self, StartError> {
        let content = fill(&spec, name, &Base::empty())?;
        Self::listen(&[name], spec, content, authority, directory).await
    }

    /// Starts an open registry over plain HTTP with this content.
    pub async fn plain(content: Content) -> Result<Self, StartError> {
        let spec = HostSpec {
            tls: TlsMode::PlainHttp,
            ..HostSpec::default()
        };
        let authority = Authority::new("Testkit")?;
        Self::start_with(spec, content, &authority, &Directory::new()).await
    }

    /// Starts a registry with this content and a certificate of this authority. Registries of
    /// one directory find each other's token services.
    pub async fn start_with(
        spec: HostSpec,
        content: Content,
        authority: &Authority,
        directory: &Directory,
    ) -> Result<Self, StartError> {
        let names = ["127.0.0.1", "localhost"];
        Self::listen(&names, spec, content, authority, directory).await
    }

    async fn listen(
        names: &[&str],
        spec: HostSpec,
        content: Content,
        authority: &Authority,
        directory: &Directory,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let host = VirtualHost::new(names, address.port(), spec, Arc::new(content), authority)?;
        let host = Arc::new(host);
        directory.insert(Arc::clone(&host));
        let stranger = authority.server_config(TlsMode::WrongName, &["localhost"], false)?;
        let task = tokio::spawn(serve_listener(listener, directory.clone(), stranger));
        Ok(Self {
            address,
            host,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `127.0.0.1:PORT` or `NAME:PORT`, as an image reference has it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host.name(), self.address.port())
    }

    /// `http(s)://` and [`Self::authority`].
    pub fn base_url(&self) -> &str {
        self.host.base_url()
    }

    /// What it serves.
    pub fn content(&self) -> &Content {
        self.host.content()
    }

    /// The requests that it got, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.host.log()
    }

    /// Forgets the requests that it got.
    pub fn clear_log(&self) {
        self.host.clear_log();
    }

    /// Replaces the faults and starts their counters again.
    pub fn set_faults(&self, faults: &[FaultSpec]) {
        self.host.set_faults(faults);
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}
