//! A client of one request a connection, which shows errors as they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A whole answer, or its head and how the body broke off after how many bytes.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub broken: Option<String>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub fn get(authority: &str, path: &str) -> Request<Full<Bytes>> {
    request("GET", authority, path, &[])
}

pub fn request(
    method: &str,
    authority: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::default()).unwrap()
}

/// Sends over plain HTTP.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Got, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    exchange(stream, request).await
}

/// Sends over TLS to this server name, trusting one root.
pub async fn send_tls(
    address: SocketAddr,
    name: &str,
    root: &CertificateDer<'static>,
    request: Request<Full<Bytes>>,
) -> Result<Got, String> {
    let stream = connect_tls(address, name, root).await?;
    exchange(stream, request).await
}

pub async fn connect_tls(
    address: SocketAddr,
    name: &str,
    root: &CertificateDer<'static>,
) -> Result<TlsStream<TcpStream>, String> {
    connect_with(address, name, client_config(root).with_no_client_auth()).await
}

/// Trusts one root.
pub fn client_config(
    root: &CertificateDer<'static>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

pub async fn connect_with(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(name.to_owned()).unwrap(), stream)
        .await
        .map_err(|error| error.to_string())
}

pub async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Got, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(chain)?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(chain)?;
    let (parts, mut body) = response.into_parts();
    let mut got = Vec::new();
    let mut broken = None;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => got.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(error) => {
                broken = Some(chain(error));
                break;
            }
        }
    }
    connection.abort();
    Ok(Got {
        status: parts.status,
        headers: parts.headers,
        body: got.into(),
        broken,
    })
}

pub fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
