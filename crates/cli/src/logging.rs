//! Logs, where `RUST_LOG` asks for them: to standard error.

use std::io;

use tracing_subscriber::EnvFilter;

/// Starts logging if `RUST_LOG` is set. Without it nothing is set up: that keeps a start short.
pub(crate) fn install() {
    let Some(filter) = std::env::var_os("RUST_LOG") else {
        return;
    };
    let filter = EnvFilter::builder().parse_lossy(filter.to_string_lossy());
    // A second subscriber, as in tests, is refused; the first one goes on.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never)
        .try_init();
}
