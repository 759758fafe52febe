//! What the node probe needs besides reading: objects created and deleted, and a watch.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::{Answer, Api, ApiError, RETRY_AFTER_MOST, date, from_kube, innermost, refusal};
use crate::{body, path::ApiPath};

/// How long a server that admits, stores or deletes an object may be silent.
const WRITE: Duration = Duration::from_secs(15);

/// How many bytes an answer to a write may have: it repeats the object.
const WRITE_MOST: usize = 4 << 20;

/// How often a server that has too much to do is asked again.
const BUSY_MOST: u32 = 2;

/// How many bytes one line of a watch may have.
const LINE_MOST: usize = 2 << 20;

impl Api {
    /// Creates an object, or with `dry_run` only lets the server admit it.
    ///
    /// It is sent again only where the server says that it took nothing (429): whoever gets
    /// another error has to take the object for created.
    pub(crate) async fn create(
        &self,
        path: &ApiPath,
        object: &Value,
        dry_run: bool,
    ) -> Result<Answer, ApiError> {
        let path = path
            .clone()
            .query_opt("dryRun", dry_run.then_some("All"))
            .query("fieldManager", "pulldoctor");
        let body = Bytes::from(object.to_string());
        let mut busy = 0;
        loop {
            let sent = self
                .write(Method::POST, &path, body.clone(), self.left())
                .await;
            match sent {
                Err(ApiError::Status {
                    code: 429,
                    retry_after,
                    ..
                }) if busy < BUSY_MOST && !self.is_over() => {
                    busy += 1;
                    let pause = retry_after.unwrap_or(Duration::from_millis(500));
                    tokio::time::sleep(pause.min(RETRY_AFTER_MOST)).await;
                }
                other => return other,
            }
        }
    }

    /// Deletes an object at once, and lets the server delete what it owns. Not bound by the
    /// deadline of the run: what was created has to go.
    pub(crate) async fn delete(&self, path: &ApiPath) -> Result<Answer, ApiError> {
        let path = path
            .clone()
            .query("gracePeriodSeconds", "0")
            .query("propagationPolicy", "Background");
        self.write(Method::DELETE, &path, Bytes::new(), WRITE).await
    }

    /// How long a write may take.
    fn left(&self) -> Duration {
        let most = self.request_timeout.map_or(WRITE, |own| own.min(WRITE));
        self.left_of_run().map_or(most, |left| left.min(most))
    }

    async fn write(
        &self,
        method: Method,
        path: &ApiPath,
        body: Bytes,
        after: Duration,
    ) -> Result<Answer, ApiError> {
        let request = Request::builder()
            .method(method)
            .uri(path.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| ApiError::Unreachable {
                reason: error.to_string(),
            })?;
        let writing = async {
            let response = self
                .client
                .send(request)
                .await
                .map_err(|error| from_kube(&error))?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            let date = date(&response);
            let body = body::read(response, WRITE_MOST, after).await?;
            Ok(Answer {
                body,
                took: Duration::ZERO,
                date,
            })
        };
        tokio::time::timeout(after, writing)
            .await
            .unwrap_or(Err(ApiError::Timeout { after }))
    }

    /// Opens a stream of lines, a watch.
    pub(crate) async fn lines(&self, path: &ApiPath) -> Result<Lines, ApiError> {
        let request = Request::get(path.as_str())
            .header(header::ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| ApiError::Unreachable {
                reason: error.to_string(),
            })?;
        let response = tokio::time::timeout(WRITE, self.client.send(request))
            .await
            .map_err(|_| ApiError::Timeout { after: WRITE })?
            .map_err(|error| from_kube(&error))?;
        if response.status().is_success() {
            Ok(Lines::new(response))
        } else {
            Err(refusal(response).await)
        }
    }
}

/// The lines of an answer that goes on.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Body,
    read: BytesMut,
}

impl Lines {
    fn new(response: Response<Body>) -> Self {
        Self {
            body: response.into_body(),
            read: BytesMut::new(),
        }
    }

    /// The next line; none at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(end) = memchr(&self.read) {
                let mut line = self.read.split_to(end + 1);
                line.truncate(end);
                return Ok(Some(line.freeze()));
            }
            if self.read.len() > LINE_MOST {
                return Err(ApiError::TooLarge { most: LINE_MOST });
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.read.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => {
                    return Err(ApiError::Unreachable {
                        reason: innermost(&error),
                    });
                }
            }
        }
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_where_they_end_and_have_a_limit() {
        let text = "one\n\ntwo\nhalf";
        let mut lines = Lines::new(Response::new(Body::from(text.as_bytes().to_vec())));
        for expected in ["one", "", "two"] {
            assert_eq!(lines.next().await.unwrap().unwrap(), expected);
        }
        assert!(lines.next().await.unwrap().is_none());

        let mut endless = Lines::new(Response::new(Body::from(vec![b'x'; LINE_MOST + 1])));
        let error = endless.next().await.unwrap_err();
        assert!(matches!(error, ApiError::TooLarge { .. }), "{error:?}");
    }
}
