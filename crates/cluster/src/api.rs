//! One request to the API server: timeouts, byte caps, bounded retries, errors by kind.
//!
//! kube's typed calls are not used: on an answer that does not parse they log the whole body,
//! which may be a secret's.

mod write;

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use jiff::Timestamp;
use kube::client::Body;
use pulldoctor_model::clean_line;
use serde::de::DeserializeOwned;

pub(crate) use write::Lines;

use crate::{body, error::ApiError, kubeconfig::CONNECT, path::ApiPath};

/// How long the API server may be silent, unless the person says otherwise.
const SILENCE: Duration = Duration::from_secs(30);

/// How many bytes a single object may have; etcd's own limit is 1.5 MiB, a node with many
/// images or a managed object comes close.
const OBJECT_MOST: usize = 8 << 20;

/// How many bytes of an error's body are read.
const ERROR_MOST: usize = 64 << 10;

/// How long a `Retry-After` is obeyed at most.
const RETRY_AFTER_MOST: Duration = Duration::from_secs(10);

/// The form in which an object is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Full,
    /// As [`Form::Full`], compressed on its way: for lists over a slow network.
    Compressed,
    /// Its metadata only: no content of a secret leaves the server.
    Metadata,
    /// As [`Form::Metadata`], for a list.
    MetadataList,
    /// Whatever it is: a log.
    Any,
}

impl Form {
    fn accept(self) -> &'static str {
        match self {
            Self::Full | Self::Compressed => "application/json",
            Self::Metadata => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Self::MetadataList => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
            Self::Any => "application/json, */*",
        }
    }
}

/// A body, how long it was on its way, and the server's clock.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The body.
    pub(crate) body: Bytes,
    /// The time from the answer's head to its end.
    pub(crate) took: Duration,
    /// The `Date` header.
    pub(crate) date: Option<Timestamp>,
}

/// How a text is wanted that is read while it comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// How many bytes are read at most.
    pub(crate) most: u64,
    /// Only so many bytes of its end, where the server can do that.
    pub(crate) tail: Option<u64>,
}

/// What was read of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Streamed {
    /// It was not cut.
    pub(crate) is_whole: bool,
    /// Only its end was sent, as it was wished: its first line may be a part of one.
    pub(crate) is_tail: bool,
    /// The `Content-Type`, `text/html` for instance.
    pub(crate) kind: String,
}

/// The API server, and how long we are willing to wait for it.
#[derive(Clone)]
pub(crate) struct Api {
    client: kube::Client,
    request_timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Api {
    /// Wraps a client. Without a timeout only silence ends a request; after the deadline
    /// every request fails with a timeout.
    pub(crate) fn new(
        client: kube::Client,
        request_timeout: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            client,
            request_timeout,
            deadline,
        }
    }

    /// Reads one object. `what` names it in errors.
    pub(crate) async fn object<T: DeserializeOwned>(
        &self,
        path: &ApiPath,
        form: Form,
        what: &'static str,
    ) -> Result<T, ApiError> {
        let answer = self.get(path, form, OBJECT_MOST).await?;
        serde_json::from_slice(&answer.body).map_err(|error| ApiError::malformed(what, &error))
    }

    /// Reads a body of at most `most` bytes, with bounded retries.
    pub(crate) async fn get(
        &self,
        path: &ApiPath,
        form: Form,
        most: usize,
    ) -> Result<Answer, ApiError> {
        let attempt = || self.bounded_attempt(path, form, most);
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(200))
                    .with_max_delay(Duration::from_secs(2))
                    .with_max_times(3)
                    .with_jitter(),
            )
            .when(|error| ApiError::is_transient(error) && !self.is_over())
            .adjust(|error, delay| match error {
                // A server that names its time is waited for, within reason.
                ApiError::Status {
                    retry_after: Some(after),
                    ..
                } => delay.map(|_| (*after).min(RETRY_AFTER_MOST)),
                _ => delay,
            })
            .notify(|error, delay| {
                tracing::debug!(%error, ?delay, path = path.as_str(), "asks the API server again");
            })
            .await
    }

    /// Hands a text over while it comes. It is asked for once: a part of it may have been taken.
    pub(crate) async fn stream(
        &self,
        path: &ApiPath,
        wish: &Wish,
        take: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Streamed, ApiError> {
        let streaming = async {
            let mut request = Request::get(path.as_str()).header(header::ACCEPT, "text/plain, */*");
            if let Some(tail) = wish.tail {
                request = request.header(header::RANGE, format!("bytes=-{tail}"));
            }
            let response = self.send(request).await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            // A text that is shorter than the wished end is sent whole, under the same status.
            let begins = response
                .headers()
                .get(header::CONTENT_RANGE)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.strip_prefix("bytes "))
                .and_then(|value| value.split('-').next());
            let is_tail = response.status() == StatusCode::PARTIAL_CONTENT && begins != Some("0");
            let kind = response
                .headers()
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.split(';').next())
                .map(|value| value.trim().to_ascii_lowercase())
                .unwrap_or_default();
            let is_whole = body::each(response, wish.most, SILENCE, take).await?;
            Ok(Streamed {
                is_whole,
                is_tail,
                kind,
            })
        };
        match self.limit() {
            Some(after) => tokio::time::timeout(after, streaming)
                .await
                .unwrap_or(Err(ApiError::Timeout { after })),
            None => streaming.await,
        }
    }

    /// The time until the deadline, where there is one.
    pub(crate) fn left_of_run(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    async fn bounded_attempt(
        &self,
        path: &ApiPath,
        form: Form,
        most: usize,
    ) -> Result<Answer, ApiError> {
        let attempt = self.attempt(path, form, most);
        match self.limit() {
            Some(after) => tokio::time::timeout(after, attempt)
                .await
                .unwrap_or(Err(ApiError::Timeout { after })),
            None => attempt.await,
        }
    }

    /// How long one request may take.
    fn limit(&self) -> Option<Duration> {
        match (self.request_timeout, self.left_of_run()) {
            (Some(timeout), Some(left)) => Some(timeout.min(left)),
            (timeout, left) => timeout.or(left),
        }
    }

    async fn send(&self, request: http::request::Builder) -> Result<Response<Body>, ApiError> {
        let request = request
            .body(Body::empty())
            .map_err(|error| ApiError::Unreachable {
                reason: error.to_string(),
            })?;
        tokio::time::timeout(SILENCE, self.client.send(request))
            .await
            .map_err(|_| ApiError::Timeout { after: SILENCE })?
            .map_err(|error| from_kube(&error))
    }

    async fn attempt(&self, path: &ApiPath, form: Form, most: usize) -> Result<Answer, ApiError> {
        let mut request = Request::get(path.as_str()).header(header::ACCEPT, form.accept());
        if form == Form::Compressed {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        let response = self.send(request).await?;
        let date = date(&response);
        if response.status().is_success() {
            let begun = Instant::now();
            let body = body::read(response, most, SILENCE).await?;
            let took = begun.elapsed();
            return Ok(Answer { body, took, date });
        }
        Err(refusal(response).await)
    }
}

/// The server's clock.
fn date(response: &Response<Body>) -> Option<Timestamp> {
    let text = response.headers().get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

/// Turns an answer that is no success into an error of its kind.
async fn refusal(response: Response<Body>) -> ApiError {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    let body = body::read(response, ERROR_MOST, SILENCE)
        .await
        .unwrap_or_default();
    let said: RefusalBody = serde_json::from_slice(&body).unwrap_or_default();
    let message = said.message.as_deref().map_or_else(
        || {
            status
                .canonical_reason()
                .unwrap_or("no reason given")
                .to_owned()
        },
        |message| clean_line(message).into_owned(),
    );
    match status {
        StatusCode::UNAUTHORIZED => ApiError::Unauthorized,
        StatusCode::FORBIDDEN => ApiError::Forbidden { message },
        StatusCode::NOT_FOUND => ApiError::NotFound { message },
        StatusCode::GONE => ApiError::Expired {
            resume: said
                .metadata
                .and_then(|metadata| metadata.resume)
                .filter(|it| !it.is_empty()),
        },
        _ => ApiError::Status {
            code: status.as_u16(),
            message,
            retry_after,
        },
    }
}

/// What is read of a `Status` object.
#[derive(Debug, Default, serde::Deserialize)]
struct RefusalBody {
    message: Option<String>,
    metadata: Option<RefusalMetadata>,
}

#[derive(Debug, Default, serde::Deserialize)]
struct RefusalMetadata {
    #[serde(rename = "continue")]
    resume: Option<String>,
}

/// Sorts kube's errors. What a login plugin wrote to its standard output is a credential and
/// stays out of every text.
pub(crate) fn from_kube(error: &kube::Error) -> ApiError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(auth) = current.downcast_ref::<kube::client::AuthError>() {
            return ApiError::Plugin {
                reason: login_fault(auth),
            };
        }
        let is_late = current
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut);
        if is_late {
            return ApiError::Timeout { after: CONNECT };
        }
        if let Some(tls) = tls_fault(current) {
            return ApiError::Tls {
                reason: tls.to_string(),
            };
        }
        source = current.source();
    }
    ApiError::Unreachable {
        reason: innermost(error),
    }
}

/// The TLS error in an error, through any number of I/O errors around it: those hide what they
/// hold from `source`.
fn tls_fault<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let mut inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    loop {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        inner = inner.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}

/// What a login error says, without the plugin's output.
pub(crate) fn login_fault(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError;
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            // The command line may carry a token as an argument: only its first word is shown.
            let program = cmd.split_whitespace().next().unwrap_or_default();
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            let said = pulldoctor_model::shorten(last.trim(), 300);
            let mut text = format!("`{}` ended with {}", program.trim_matches('"'), out.status);
            if !said.is_empty() {
                text.push_str(": ");
                text.push_str(&clean_line(&said));
            }
            text
        }
        AuthError::AuthExecStart(error) => format!("it cannot be started: {error}"),
        AuthError::AuthExecParse(_) => "its output is not an ExecCredential".to_owned(),
        AuthError::ParseTokenKey(_) => "its output holds no token".to_owned(),
        AuthError::ReadTokenFile(error, path) => {
            format!(
                "the token file `{}` cannot be read: {error}",
                path.display()
            )
        }
        AuthError::InvalidBasicAuth(_) | AuthError::InvalidBearerToken(_) => {
            "its token holds characters that no header can carry".to_owned()
        }
        AuthError::MalformedTokenExpirationDate(_) => "its expiry is not a date".to_owned(),
        AuthError::ExecPluginFailed => "its output has no `status`".to_owned(),
        AuthError::MissingCommand => "the kubeconfig names no command".to_owned(),
        AuthError::Oidc(_) => "the OIDC login could not be renewed".to_owned(),
        AuthError::AuthExec(text) => clean_line(text).into_owned(),
        _ => "unexpected login error".to_owned(),
    }
}

/// The text of the innermost error, which is the one that tells something.
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    clean_line(&current.to_string()).into_owned()
}
