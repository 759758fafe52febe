//! Bodies that are made while they are sent, and bodies that break off.

use std::future::Future as _;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// Bytes that are gathered before they are sent.
const CHUNK: usize = 64 * 1024;
/// Time for what was sent to leave before the connection is ended.
const SETTLE: Duration = Duration::from_millis(30);

/// A source of text: appends some, or says that it has ended.
pub(super) type Writer = Box<dyn FnMut(&mut Vec<u8>) -> bool + Send>;

/// Streams what a writer appends, in chunks, compressed if wanted.
pub(super) fn streamed(writer: Writer, gzip: bool) -> Body {
    let encoder = gzip.then(|| GzEncoder::new(Vec::new(), Compression::new(1)));
    Body::from_stream(stream::unfold(Some((writer, encoder)), async |state| {
        let (mut writer, mut encoder) = state?;
        let mut text = Vec::with_capacity(CHUNK + CHUNK / 4);
        let mut more = true;
        while more && text.len() < CHUNK {
            more = writer(&mut text);
        }
        let chunk = match &mut encoder {
            None => text,
            Some(encoder) => {
                // Writing to memory cannot fail.
                let _ = encoder.write_all(&text);
                std::mem::take(encoder.get_mut())
            }
        };
        if more {
            return Some((
                Ok::<_, io::Error>(Bytes::from(chunk)),
                Some((writer, encoder)),
            ));
        }
        let mut last = chunk;
        if let Some(encoder) = encoder {
            last.extend(encoder.finish().unwrap_or_default());
        }
        Some((Ok(Bytes::from(last)), None))
    }))
}

/// A body that stops after so many bytes: for ever, or with an error that ends the connection.
pub(super) struct Broken {
    inner: Body,
    left: u64,
    stalls: bool,
    settling: Option<Pin<Box<Sleep>>>,
}

impl Broken {
    pub(super) fn body(inner: Body, after: u64, stalls: bool) -> Body {
        Body::new(Self {
            inner,
            left: after,
            stalls,
            settling: None,
        })
    }
}

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.left == 0 {
            if self.stalls {
                return Poll::Pending;
            }
            let sleeping = self.settling.get_or_insert_with(|| Box::pin(sleep(SETTLE)));
            return sleeping.as_mut().poll(context).map(|()| {
                Some(Err(axum::Error::new(io::Error::from(
                    io::ErrorKind::ConnectionAborted,
                ))))
            });
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(mut data) = frame.into_data() else {
                    return Poll::Ready(None);
                };
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            other => other,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
