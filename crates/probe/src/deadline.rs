//! When a wait ends.

use std::io;
use std::time::{Duration, Instant};

/// The end of everything, and of steps within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The end of a step that may take so many milliseconds.
    pub(crate) fn step(self, limit_ms: u64) -> Self {
        let own = Instant::now() + Duration::from_millis(limit_ms);
        Self(own.min(self.0))
    }

    /// What is left; an error where nothing is. Never zero, which sockets read as "for ever".
    pub(crate) fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left.max(Duration::from_millis(1)))
    }
}

/// Whether a socket gave up waiting.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}
