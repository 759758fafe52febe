//! Connections that end when a fault says so.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a request may ask of the connection that it came on. Clones act on the same one.
#[derive(Debug, Clone)]
pub(super) struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reset: AtomicBool,
    written: AtomicU64,
    cut_at: AtomicU64,
}

impl Control {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                reset: AtomicBool::new(false),
                written: AtomicU64::new(0),
                cut_at: AtomicU64::new(u64::MAX),
            }),
        }
    }

    /// Ends the connection, when it ends, by a reset.
    pub(super) fn reset_at_end(&self) {
        self.shared.reset.store(true, Ordering::Relaxed);
    }

    /// Ends the connection after this many more bytes.
    pub(super) fn cut_after(&self, bytes: u64) {
        let at = self
            .shared
            .written
            .load(Ordering::Relaxed)
            .saturating_add(bytes);
        self.shared.cut_at.store(at, Ordering::Relaxed);
    }
}

/// A TCP connection that is reset instead of closed if its [`Control`] says so.
#[derive(Debug)]
pub(super) struct Resettable {
    stream: TcpStream,
    control: Control,
}

impl Resettable {
    pub(super) fn new(stream: TcpStream, control: Control) -> Self {
        Self { stream, control }
    }

    fn wants_reset(&self) -> bool {
        self.control.shared.reset.load(Ordering::Relaxed)
    }
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.wants_reset() {
            // With a linger time of zero, closing sends RST and not FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wants_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A stream, above TLS where there is TLS, that counts what is written and fails at the limit.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    control: Control,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, control: Control) -> Self {
        Self { stream, control }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let shared = Arc::clone(&self.control.shared);
        let left = shared
            .cut_at
            .load(Ordering::Relaxed)
            .saturating_sub(shared.written.load(Ordering::Relaxed));
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        if length == 0 && !bytes.is_empty() {
            // What was written before the limit must still arrive.
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..length]))?;
        shared.written.fetch_add(written as u64, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
