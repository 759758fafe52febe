//! Connections: which host is meant, TLS, HTTP, and the faults laid over the answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use crate::spec::{Cut, FaultSpec, Listen, TlsMode};

use super::answer::Answer;
use super::body::{End, PlannedBody};
use super::directory::Directory;
use super::host::VirtualHost;
use super::log::LogEntry;
use super::routes::Asked;
use super::wire::{Control, Metered, Resettable};
use super::{auth, routes};
use crate::fault;
use crate::query;

/// Time for a client to say hello.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Most bytes of a token request's form.
const FORM: usize = 64 * 1024;
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
/// What Go's HTTP server says to a TLS hello.
const PLAIN_400: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\n400 Bad Request";

/// Serves all hosts of a directory that are on this listener's port, until it is dropped.
/// `stranger` is the certificate for names that nobody declared.
pub async fn serve_listener(
    listener: TcpListener,
    directory: Directory,
    stranger: Arc<ServerConfig>,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    // Dropping the set ends the connections with the listener.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, client)) = accepted {
                let context = Connection {
                    directory: directory.clone(),
                    stranger: Arc::clone(&stranger),
                    port,
                    client: client.ip(),
                };
                connections.spawn(context.serve(stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How a connection began.
#[derive(Clone)]
enum Greeted {
    /// Without TLS.
    Plain,
    /// By a TLS hello that named this host, or none that is known.
    Tls(Option<Arc<VirtualHost>>),
}

#[derive(Clone)]
struct Connection {
    directory: Directory,
    stranger: Arc<ServerConfig>,
    port: u16,
    client: IpAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // On a port of its own a host can misbehave before it hears a name.
        if let Some(host) = self.directory.alone(self.port)
            && self.port != 443
        {
            match (host.spec().listen, host.spec().tls) {
                (Listen::Silent, _) => std::future::pending::<()>().await,
                (Listen::Accept, TlsMode::Off) => return banner(stream).await,
                _ => {}
            }
        }
        let mut first = [0];
        if timeout(HANDSHAKE, stream.peek(&mut first)).await?? == 0 {
            return Ok(());
        }
        let control = Control::new();
        let stream = Resettable::new(stream, control.clone());
        if first[0] == TLS_HANDSHAKE {
            self.serve_tls(stream, control).await
        } else {
            self.serve_http(stream, control, Greeted::Plain, false)
                .await
        }
    }

    async fn serve_tls(self, stream: Resettable, control: Control) -> io::Result<()> {
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let mut start = timeout(HANDSHAKE, hello).await??;
        let host = self
            .directory
            .select(self.port, start.client_hello().server_name());
        let config = match &host {
            None => Arc::clone(&self.stranger),
            Some(host) => match host.spec().listen {
                Listen::Silent => return std::future::pending().await,
                Listen::Close => return Ok(()),
                Listen::Accept | Listen::Refuse | Listen::Drop => match host.tls() {
                    Some(config) => Arc::clone(config),
                    None if host.spec().tls == TlsMode::Off => return banner(start.io).await,
                    None => {
                        start.io.write_all(PLAIN_400).await?;
                        return start.io.shutdown().await;
                    }
                },
            },
        };
        let stream = timeout(HANDSHAKE, start.into_stream(config)).await??;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.serve_http(stream, control, Greeted::Tls(host), http2)
            .await
    }

    async fn serve_http<S>(
        self,
        stream: S,
        control: Control,
        greeted: Greeted,
        http2: bool,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(Metered::new(stream, control.clone()));
        let service = service_fn(move |request| {
            let (context, greeted, control) = (self.clone(), greeted.clone(), control.clone());
            async move { context.respond(request, greeted, control).await }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        let builder = if http2 {
            builder.http2_only()
        } else {
            builder.http1_only()
        };
        builder
            .serve_connection(stream, service)
            .await
            .map_err(io::Error::other)
    }

    async fn respond(
        self,
        request: Request<Incoming>,
        greeted: Greeted,
        control: Control,
    ) -> io::Result<Response<PlannedBody>> {
        let (parts, body) = request.into_parts();
        let authority = parts
            .uri
            .authority()
            .map(http::uri::Authority::as_str)
            .or_else(|| parts.headers.get(HOST).and_then(|host| host.to_str().ok()))
            .unwrap_or_default()
            .to_owned();
        let name = without_port(&authority);
        let (is_tls, greeted) = match greeted {
            Greeted::Plain => (false, None),
            Greeted::Tls(host) => (true, host),
        };
        let host = self.directory.select(self.port, Some(name)).or(greeted);
        let Some(host) = host else {
            return Ok(plain(StatusCode::NOT_FOUND, "no such host\n"));
        };
        if host.tls().is_some() != is_tls {
            // As Go's server words it.
            return Ok(plain(
                StatusCode::BAD_REQUEST,
                "Client sent an HTTP request to an HTTPS server.\n",
            ));
        }
        match host.spec().listen {
            Listen::Silent => return std::future::pending().await,
            Listen::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
            Listen::Accept | Listen::Refuse | Listen::Drop => {}
        }
        let asked = Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
        };
        let faults = host.faults();
        let picked = faults.pick(fault::Asked {
            method: parts.method.as_str(),
            path: asked.path,
            host: name,
            authenticated: asked.authorization().is_some(),
        });
        let replaced = picked.and_then(|(_, fault)| replacement(fault, asked));
        let answer = match replaced {
            Some(answer) => answer,
            None => self.true_answer(&host, asked, &authority, body).await,
        };
        let hangs_up = picked.is_some_and(|(_, fault)| fault.hang_up);
        host.log.push(LogEntry {
            client: self.client,
            method: parts.method.to_string(),
            host: authority.clone(),
            path: asked.path.to_owned(),
            query: asked.query.to_owned(),
            authorization: auth::scheme(asked.authorization()),
            user_agent: parts
                .headers
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            status: (!hangs_up).then(|| answer.status.as_u16()),
            fault: picked.map(|(index, _)| index),
        });
        match picked {
            Some((_, fault)) => spoil(answer, fault, &host, &control).await,
            None => Ok(finish(
                answer.status,
                answer.headers,
                PlannedBody::whole(answer.body),
            )),
        }
    }

    /// What the host answers when nothing is wrong: a token, or a registry route.
    async fn true_answer(
        &self,
        host: &VirtualHost,
        asked: Asked<'_>,
        authority: &str,
        body: Incoming,
    ) -> Answer {
        let pairs = query::pairs(asked.query);
        let service = query::first(&pairs, "service");
        let form = if asked.method == http::Method::POST {
            let collected = Limited::new(body, FORM).collect().await;
            collected
                .map(http_body_util::Collected::to_bytes)
                .unwrap_or_default()
        } else {
            Bytes::new()
        };
        let form_pairs = query::pairs(&String::from_utf8_lossy(&form));
        let service = service.or_else(|| query::first(&form_pairs, "service"));
        let issue = |owner: &VirtualHost| {
            auth::token(
                &owner.spec().auth,
                owner.service(),
                asked.method,
                asked.authorization(),
                asked.query,
                &form,
            )
        };
        if let Some(owner) = self.directory.token_service(authority, asked.path, service) {
            return issue(&owner);
        }
        // Reached under another name or address, a host still knows its own token path.
        let own = host
            .realm()
            .and_then(|realm| realm.parse::<http::Uri>().ok());
        if own.is_some_and(|realm| realm.path() == asked.path) {
            return issue(host);
        }
        routes::answer(host, asked)
    }
}

/// The answer that a fault puts in place of the true one, if it does.
fn replacement(fault: &FaultSpec, asked: Asked<'_>) -> Option<Answer> {
    let status = match (fault.status, &fault.redirect) {
        (None, None) => return None,
        (None, Some(_)) => StatusCode::TEMPORARY_REDIRECT,
        (Some(status), _) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut answer = match &fault.body {
        Some(body) => {
            let kind = match body.trim_start().as_bytes().first() {
                Some(b'{' | b'[') => "application/json",
                Some(b'<') => "text/html; charset=utf-8",
                _ => "text/plain; charset=utf-8",
            };
            Answer::new(status, kind, body.clone().into())
        }
        None if status.as_u16() >= 400 => Answer::error_for_status(status),
        None => Answer::new(status, "text/plain; charset=utf-8", Bytes::new()),
    };
    if let Some(target) = &fault.redirect {
        let has_path = target
            .split_once("://")
            .map_or(target.as_str(), |(_, rest)| rest);
        let target = if has_path.contains('/') {
            target.clone()
        } else {
            format!("{target}{}", asked.path)
        };
        answer.set(LOCATION, &target);
    }
    if asked.method == http::Method::HEAD {
        answer = answer.without_body();
    }
    Some(answer)
}

/// Lays a fault over an answer. Headers come last, so that a fault may lie about any of them.
async fn spoil(
    mut answer: Answer,
    fault: &FaultSpec,
    host: &VirtualHost,
    control: &Control,
) -> io::Result<Response<PlannedBody>> {
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    let ends = fault.hang_up || fault.cut_after.is_some() || fault.wire_cut_after.is_some();
    if ends && fault.cut == Cut::Reset {
        control.reset_at_end();
    }
    if fault.hang_up {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    if let Some(bytes) = fault.wire_cut_after {
        control.cut_after(bytes);
    }
    if let Some(at) = fault.corrupt_at {
        let mut bytes = answer.body.to_vec();
        let last = bytes.len().saturating_sub(1);
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(last);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0xff;
        }
        answer.body = bytes.into();
    }
    if let Some(length) = fault.truncate_after {
        answer
            .body
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        answer.headers.remove(CONTENT_LENGTH);
    }
    let mut body = PlannedBody::whole(answer.body)
        .trickling(fault.trickle)
        .until(host.forgotten());
    if let Some(limit) = fault.stall_after {
        body = body.ending(limit, End::Stall);
    } else if let Some(limit) = fault.cut_after {
        body = body.ending(limit, End::Cut);
    }
    for (name, value) in &fault.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = http::HeaderValue::from_str(value)
        {
            answer.headers.insert(name, value);
        }
    }
    Ok(finish(answer.status, answer.headers, body))
}

fn finish(
    status: StatusCode,
    headers: http::HeaderMap,
    body: PlannedBody,
) -> Response<PlannedBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<PlannedBody> {
    let mut response = Response::new(PlannedBody::whole(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

async fn banner<S: AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.write_all(BANNER).await?;
    stream.shutdown().await
}

/// The host of an authority, without port and brackets.
fn without_port(authority: &str) -> &str {
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return match address {
            SocketAddr::V4(_) => authority.split(':').next().unwrap_or(authority),
            SocketAddr::V6(_) => authority
                .split(']')
                .next()
                .unwrap_or(authority)
                .trim_start_matches('['),
        };
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(name, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) {
                name
            } else {
                authority
            }
        })
}
