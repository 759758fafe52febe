//! The registry: as much of the distribution protocol as a pull needs, on a loopback port.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::image::{Image, Kind, REPOSITORY};
use super::{PASSWORD, TAG, certificate};
use crate::failure::Failure;

/// The one account.
pub(super) const USER: &str = "ci-bot";
/// The tags that are listed.
const TAGS: [&str; 5] = ["latest", "v1.3.9", "v1.4.0", TAG, "v1.4.1-alpine"];

/// Who may pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody, without a token.
    Open,
    /// Everybody with a token, and anybody gets one who sends no wrong login.
    Public,
    /// The account.
    Private,
    /// Nobody, the account neither.
    Forbidden,
    /// Whoever the token service of another host lets in.
    Foreign,
}

/// How the port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// In plain HTTP.
    None,
    /// With a certificate that has ended.
    Expired,
    /// With a certificate of an authority that nobody trusts.
    UnknownAuthority,
}

/// What a registry is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) access: Access,
    pub(super) tls: Tls,
    pub(super) kind: Kind,
    /// The status that every question about a manifest gets.
    pub(super) status: Option<u16>,
}

/// A registry that runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

struct Shop {
    site: Site,
    image: Image,
    authority: String,
}

type Answer = Response<Full<Bytes>>;

impl Server {
    pub(super) async fn start(site: Site) -> Result<Self, Failure> {
        let acceptor = match site.tls {
            Tls::None => None,
            tls => Some(certificate::acceptor(tls == Tls::Expired).map_err(Failure::bug)?),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("open a port on 127.0.0.1 for the registry of the demo")
            .map_err(Failure::unable)?;
        let address = listener.local_addr().map_err(Failure::bug)?;
        let shop = Arc::new(Shop {
            site,
            image: Image::new(site.kind),
            authority: address.to_string(),
        });
        Ok(Self {
            address,
            task: tokio::spawn(serve(listener, acceptor, shop)),
        })
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn authority(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shop: Arc<Shop>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shop) = (acceptor.clone(), Arc::clone(&shop));
        tokio::spawn(connection(stream, acceptor, shop));
    }
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, shop: Arc<Shop>) {
    match acceptor {
        None => talk(stream, shop).await,
        // A client that refuses the certificate is what is shown here.
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(stream, shop).await;
            }
        }
    }
}

async fn talk<S>(stream: S, shop: Arc<Shop>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let answer = shop.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    // The client may leave at any time.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl Shop {
    fn answer(&self, request: &Request<Incoming>) -> Answer {
        let sent = request.headers().get(AUTHORIZATION);
        let path = request.uri().path();
        if path == "/token" {
            return self.token(request.method(), sent);
        }
        if self.site.access != Access::Open {
            let is_granted = sent.is_some_and(|header| header == "Bearer granted");
            if !is_granted {
                return self.challenge(sent.is_some());
            }
        }
        let rest = path
            .strip_prefix("/v2/")
            .and_then(|path| path.strip_prefix(REPOSITORY))
            .unwrap_or_default();
        if let Some(reference) = rest.strip_prefix("/manifests/") {
            return self.manifest(reference);
        }
        if let Some(digest) = rest.strip_prefix("/blobs/") {
            let found = self.image.blobs.iter().find(|blob| blob.digest == digest);
            return found.map_or_else(
                || error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown"),
                |blob| good(blob.media_type, blob.bytes.clone()),
            );
        }
        if rest == "/tags/list" {
            let list = serde_json::json!({"name": REPOSITORY, "tags": TAGS});
            return good("application/json", list.to_string());
        }
        error(
            StatusCode::NOT_FOUND,
            "NAME_UNKNOWN",
            "repository name not known to registry",
        )
    }

    fn manifest(&self, reference: &str) -> Answer {
        if let Some(status) = self.site.status {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
            let mut answer = match status {
                StatusCode::TOO_MANY_REQUESTS => error(
                    status,
                    "TOOMANYREQUESTS",
                    "you have reached your pull rate limit",
                ),
                _ => error(status, "UNAVAILABLE", "the storage cannot be reached"),
            };
            if status == StatusCode::TOO_MANY_REQUESTS {
                answer
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("600"));
            }
            return answer;
        }
        let manifests = &self.image.manifests;
        let found = if reference == TAG {
            manifests.first()
        } else {
            manifests.iter().find(|blob| blob.digest == reference)
        };
        let Some(blob) = found else {
            return error(
                StatusCode::NOT_FOUND,
                "MANIFEST_UNKNOWN",
                "manifest unknown",
            );
        };
        let mut answer = good(blob.media_type, blob.bytes.clone());
        if let Ok(digest) = HeaderValue::from_str(&blob.digest) {
            answer.headers_mut().insert("docker-content-digest", digest);
        }
        answer
    }

    /// 401, with the way to a token.
    fn challenge(&self, had_token: bool) -> Answer {
        let realm = match self.site.access {
            Access::Foreign => "https://tokens.example/token".to_owned(),
            _ => format!("http://{}/token", self.authority),
        };
        let scope = if had_token {
            ",error=\"insufficient_scope\""
        } else {
            ""
        };
        let text = format!(
            "Bearer realm=\"{realm}\",service=\"demo\",scope=\"repository:{REPOSITORY}:pull\"{scope}"
        );
        let mut answer = error(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "authentication required",
        );
        if let Ok(text) = HeaderValue::from_str(&text) {
            answer.headers_mut().insert(WWW_AUTHENTICATE, text);
        }
        answer
    }

    /// The token service: a wrong login is refused, also where nobody's would do.
    fn token(&self, method: &Method, sent: Option<&HeaderValue>) -> Answer {
        if method != Method::GET {
            return error(
                StatusCode::METHOD_NOT_ALLOWED,
                "UNSUPPORTED",
                "tokens are got with GET",
            );
        }
        let known = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let token = match (sent, self.site.access) {
            (Some(header), _) if header.as_bytes() != known.as_bytes() => None,
            (Some(_), Access::Forbidden) => Some("nothing"),
            (Some(_), _) | (None, Access::Public) => Some("granted"),
            (None, _) => None,
        };
        match token {
            Some(token) => good(
                "application/json",
                serde_json::json!({"token": token, "expires_in": 300}).to_string(),
            ),
            None => error(
                StatusCode::UNAUTHORIZED,
                "UNAUTHORIZED",
                "incorrect username or password",
            ),
        }
    }
}

fn good(media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    let mut answer = good("application/json", body.to_string());
    *answer.status_mut() = status;
    answer
}
