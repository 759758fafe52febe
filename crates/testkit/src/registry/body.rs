//! A response body that is sent as a fault wants it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use crate::spec::Trickle;

/// Bytes in one frame of an undisturbed body.
const FRAME: u64 = 64 * 1024;
/// Time for what was handed over to leave the machine before the connection is ended: an error
/// from a body drops what is still buffered.
const SETTLE: Duration = Duration::from_millis(30);

/// What happens at the end of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A good end.
    Good,
    /// Nothing more, for ever.
    Stall,
    /// An error, which ends the connection.
    Cut,
}

/// Comes about when the host of a body is forgotten.
pub(super) struct Forgotten(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl Forgotten {
    /// When a value of `true` arrives, or no further one can.
    pub(super) fn told_by(mut channel: watch::Receiver<bool>) -> Self {
        Self(Box::pin(async move {
            let _ = channel.wait_for(|forgotten| *forgotten).await;
        }))
    }
}

impl fmt::Debug for Forgotten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forgotten")
    }
}

/// A body of known bytes and its way of going wrong.
#[derive(Debug)]
pub(super) struct PlannedBody {
    bytes: Bytes,
    /// The length that the Content-Length header states.
    declared: u64,
    end: End,
    trickle: Option<Trickle>,
    sleeping: Option<Pin<Box<Sleep>>>,
    settled: bool,
    forgotten: Option<Forgotten>,
}

impl PlannedBody {
    /// Sends everything.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            declared: bytes.len() as u64,
            bytes,
            end: End::Good,
            trickle: None,
            sleeping: None,
            settled: false,
            forgotten: None,
        }
    }

    /// Announces the whole, sends at most `limit` bytes, then ends so.
    #[must_use]
    pub(super) fn ending(mut self, limit: u64, end: End) -> Self {
        self.bytes
            .truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        self.end = end;
        self
    }

    /// Sends in small pieces.
    #[must_use]
    pub(super) fn trickling(mut self, trickle: Option<Trickle>) -> Self {
        self.trickle = trickle;
        self
    }
}

impl PlannedBody {
    /// Ends the connection when the host is forgotten: a pull that a case left behind would hold up
    /// those of later ones.
    #[must_use]
    pub(super) fn until(mut self, forgotten: Forgotten) -> Self {
        self.forgotten = Some(forgotten);
        self
    }
}

impl Body for PlannedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(forgotten) = &mut self.forgotten
            && forgotten.0.as_mut().poll(context).is_ready()
        {
            self.forgotten = None;
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        if let Some(sleeping) = &mut self.sleeping {
            if sleeping.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleeping = None;
        }
        if self.bytes.is_empty() {
            return match self.end {
                End::Good => Poll::Ready(None),
                // Only the client's or the host's going away ends this.
                End::Stall => Poll::Pending,
                End::Cut if self.settled => {
                    Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
                }
                End::Cut => {
                    self.settled = true;
                    self.pause(SETTLE, context)
                }
            };
        }
        let piece = self.trickle.map_or(FRAME, |trickle| trickle.bytes.max(1));
        let length = usize::try_from(piece)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let frame = self.bytes.split_to(length);
        if let Some(trickle) = self.trickle {
            self.sleeping = Some(Box::pin(sleep(Duration::from_millis(trickle.every_ms))));
        }
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && self.end == End::Good
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.declared)
    }
}

impl PlannedBody {
    fn pause(
        &mut self,
        time: Duration,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut sleeping = Box::pin(sleep(time));
        // The first poll registers the wake-up.
        let _ = sleeping.as_mut().poll(context);
        self.sleeping = Some(sleeping);
        Poll::Pending
    }
}
