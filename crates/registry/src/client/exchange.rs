//! One request and its answer, with a bound on everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, RANGE,
    RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::connect::{ConnectFailure, Guard, Link, Report, connect};
use super::echo;
use super::fault::{Fault, show};
use super::origin::Origin;
use super::shared::Shared;
use super::tls;
use crate::judge::{Problem, may_redirect_to, parse_retry_after};

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) origin: Origin,
    /// Path and query.
    pub(super) target: String,
    pub(super) guard: Guard,
    pub(super) accept: Option<&'static str>,
    /// Marked as sensitive by whoever makes it.
    pub(super) authorization: Option<HeaderValue>,
    /// A form, for POST.
    pub(super) form: Option<Bytes>,
    pub(super) range: Option<String>,
    /// Most bytes of a good answer's body.
    pub(super) most: usize,
}

impl Ask {
    pub(super) fn new(method: Method, origin: &Origin, target: impl Into<String>) -> Self {
        Self {
            method,
            origin: origin.clone(),
            target: target.into(),
            guard: Guard::Registry,
            accept: None,
            authorization: None,
            form: None,
            range: None,
            most: 0,
        }
    }

    fn is_secret(&self) -> bool {
        self.authorization.is_some() || self.form.is_some()
    }

    fn request(&self, user_agent: &str, link: &Link) -> Result<Request<Full<Bytes>>, Fault> {
        let target = match &link.info.forwarder {
            Some(_) => format!("{}{}", self.origin, self.target),
            None => self.target.clone(),
        };
        let mut builder = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(HOST, self.origin.authority())
            .header(USER_AGENT, user_agent);
        if let Some(accept) = self.accept {
            builder = builder.header(ACCEPT, accept);
        }
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(forwarder) = &link.info.forwarder
            && let Some(login) = &forwarder.login
        {
            builder = builder.header(PROXY_AUTHORIZATION, login.clone());
        }
        if let Some(range) = &self.range {
            builder = builder.header(RANGE, range);
        }
        if self.form.is_some() {
            builder = builder.header(
                CONTENT_TYPE,
                "application/x-www-form-urlencoded; charset=utf-8",
            );
        }
        builder
            .body(Full::new(self.form.clone().unwrap_or_default()))
            .map_err(|_| {
                Fault::new(
                    Problem::HttpMalformed,
                    format!("`{}` cannot be asked for", show(&self.target)),
                )
            })
    }
}

/// An answer whose body has been read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body went on beyond its bound.
    pub(super) is_cut_short: bool,
    pub(super) first_byte: Duration,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection.
    Connect(Arc<ConnectFailure>),
    /// The connection is there; the request or its answer failed.
    Exchange(Fault),
}

impl Failure {
    pub(super) fn fault(&self) -> &Fault {
        match self {
            Self::Connect(failure) => &failure.fault,
            Self::Exchange(fault) => fault,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Exchange(fault)
    }
}

/// An answer whose body is still to be read, with what keeps its connection.
pub(super) struct Open {
    pub(super) response: Response<Incoming>,
    pub(super) first_byte: Duration,
    /// Kept for as long as the body is read.
    link: Link,
    _permit: OwnedSemaphorePermit,
}

/// Sends a request and reads the whole answer. A connection that was idle and turns out to be dead
/// is replaced once.
pub(super) async fn exchange(
    shared: &Shared,
    ask: &Ask,
    report: Report<'_>,
) -> Result<Answer, Failure> {
    let open = send(shared, ask, report).await?;
    let Open {
        response,
        first_byte,
        link,
        _permit,
    } = open;
    let (mut parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let most = if parts.status.is_success() {
        ask.most
    } else {
        shared.config.limits.error_bytes
    };
    let read = timeout(shared.config.limits.body, read_body(body, most)).await;
    let (body, is_whole) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(fault)) => return Err(fault.into()),
        Err(_) => {
            return Err(Fault::new(
                Problem::HttpTimeout,
                "the answer's body did not end in time",
            )
            .into());
        }
    };
    if is_whole {
        shared.put_idle(&ask.origin, link);
    }
    // A good answer is not shown, and has to keep its digest.
    let body = if parts.status.is_success() {
        body
    } else {
        echo::mask(ask, &mut parts.headers, body)
    };
    let answer = Answer {
        status,
        headers: parts.headers,
        body,
        is_cut_short: !is_whole,
        first_byte,
    };
    if matches!(status, 429 | 503)
        && let Some(seconds) = answer
            .header(RETRY_AFTER.as_str())
            .and_then(|text| parse_retry_after(text, tls::now()))
    {
        shared.be_quiet(&ask.origin, Duration::from_secs(seconds));
    }
    Ok(answer)
}

/// Reads a body up to its bound; says whether that was all of it.
async fn read_body(mut body: Incoming, most: usize) -> Result<(Bytes, bool), Fault> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| fault_of(&error))?;
        if let Ok(data) = frame.into_data() {
            let room = most - all.len();
            if data.len() > room {
                all.extend_from_slice(&data[..room]);
                return Ok((all.freeze(), false));
            }
            all.extend_from_slice(&data);
        }
    }
    Ok((all.freeze(), true))
}

/// Sends a request and waits for the head of the answer.
pub(super) async fn send(shared: &Shared, ask: &Ask, report: Report<'_>) -> Result<Open, Failure> {
    let limits = &shared.config.limits;
    if let Some(wait) = shared.quiet_for(&ask.origin) {
        if wait > limits.retry_after {
            return Err(Fault::new(
                Problem::RateLimited,
                format!(
                    "`{}` asked for {} s without requests (Retry-After), so it was not asked",
                    ask.origin.authority(),
                    wait.as_secs() + 1
                ),
            )
            .into());
        }
        tokio::time::sleep(wait).await;
    }
    let permit = shared
        .gate(&ask.origin)
        .acquire_owned()
        .await
        .map_err(|_| Fault::new(Problem::HttpCut, "the client is shutting down"))?;
    let mut idle = shared.take_idle(&ask.origin);
    loop {
        let mut link = match idle.take() {
            Some(link) => link,
            None => connect(shared, &ask.origin, ask.guard, &mut *report)
                .await
                .map_err(Failure::Connect)?,
        };
        // A connection that another question opened is under the same rule as a new one.
        if let Guard::SentBy(registry) = ask.guard
            && let Some(peer) = link.info.peer
            && may_redirect_to(peer, registry).is_err()
        {
            shared.put_idle(&ask.origin, link);
            return Err(Fault::new(
                Problem::RedirectRefused,
                format!(
                    "the registry sends its clients to `{}` at {peer}",
                    ask.origin.authority()
                ),
            )
            .into());
        }
        // The one place where a secret leaves this process.
        if ask.is_secret() && !link.info.is_safe {
            shared.put_idle(&ask.origin, link);
            return Err(Fault::new(
                Problem::CredentialWithheld,
                format!(
                    "the way to `{}` is not safe for a credential",
                    ask.origin.authority()
                ),
            )
            .into());
        }
        let request = ask.request(&shared.config.user_agent, &link)?;
        let was_idle = link.is_reused;
        let start = Instant::now();
        let sent = timeout(limits.answer, async {
            link.sender.ready().await?;
            link.sender.send_request(request).await
        });
        match sent.await {
            Ok(Ok(response)) => {
                link.is_reused = true;
                return Ok(Open {
                    response,
                    first_byte: start.elapsed(),
                    link,
                    _permit: permit,
                });
            }
            // It was closed while it lay idle: nobody's fault.
            Ok(Err(error)) if was_idle && !error.is_parse() => {}
            Ok(Err(error)) => return Err(fault_of(&error).into()),
            Err(_) => {
                return Err(Fault::new(
                    Problem::HttpTimeout,
                    "net/http: timeout awaiting response headers",
                )
                .into());
            }
        }
    }
}

/// What an error of the HTTP library means.
pub(super) fn fault_of(error: &hyper::Error) -> Fault {
    if let Some(fault) = tls::late_alert(error) {
        return fault;
    }
    if error.is_parse_too_large() {
        return Fault::new(Problem::HttpTooLarge, "the head of the answer is too large");
    }
    if error.is_parse() {
        return Fault::new(Problem::HttpMalformed, "malformed HTTP response");
    }
    let io = super::fault::find::<std::io::Error>(error);
    let text = match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionReset) => "read: connection reset by peer".to_owned(),
        Some(std::io::ErrorKind::UnexpectedEof) => "unexpected EOF".to_owned(),
        _ if error.is_incomplete_message() => "EOF".to_owned(),
        _ => error.to_string(),
    };
    Fault::new(Problem::HttpCut, text)
}
