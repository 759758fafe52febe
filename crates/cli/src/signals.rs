//! SIGINT and SIGTERM while something of this process is in a cluster: it is removed first.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Mutex, Once, PoisonError},
    thread,
};

use tokio::sync::oneshot;

use crate::progress::Progress;

/// 128 and the number of the signal, as shells have it.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

/// Whoever has something to tidy up before the process ends: told once, by the code to end with.
static TOLD: Mutex<Option<oneshot::Sender<i32>>> = Mutex::new(None);

/// Works until the end, or until a signal comes: then `tidy` runs and the process ends. A second
/// signal ends it at once.
pub(crate) async fn guarded<T>(
    work: impl Future<Output = T>,
    tidy: impl Future<Output = ()>,
    progress: &Progress,
) -> T {
    static WATCH: Once = Once::new();
    // Where signals cannot be watched, the lifetime of what was created takes care of it.
    WATCH.call_once(|| {
        if let Err(error) = watch() {
            tracing::debug!(%error, "signals are not watched");
        }
    });
    let (tell, told) = oneshot::channel();
    set(Some(tell));
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => {
            set(None);
            done
        }
        Ok(code) = told => {
            progress.say("removing what was created in the cluster; once more to end at once");
            tidy.await;
            progress.clear();
            end(code)
        }
    }
}

fn set(tell: Option<oneshot::Sender<i32>>) {
    *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = tell;
}

/// Watches for as long as the process lives, by a thread of its own: the caller's runtime may end
/// before. Returns when the signals are watched.
fn watch() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    let code = signals.next().await;
                    let tell = TOLD.lock().unwrap_or_else(PoisonError::into_inner).take();
                    // Nobody has anything to tidy up, or has been told before.
                    if tell.is_none_or(|tell| tell.send(code).is_err()) {
                        end(code);
                    }
                }
            });
        })?;
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The code that the next signal ends with.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            Some(()) = self.interrupt.recv() => INTERRUPTED,
            Some(()) = self.terminate.recv() => TERMINATED,
            else => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        match tokio::signal::ctrl_c().await {
            Ok(()) => INTERRUPTED,
            Err(_) => std::future::pending().await,
        }
    }
}

fn end(code: i32) -> ! {
    #[expect(
        clippy::exit,
        reason = "a signal has no caller that could return the code"
    )]
    std::process::exit(code)
}
