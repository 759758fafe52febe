//! `fake-apiserver`: a Kubernetes API server with many generated pods, for benchmarks beside
//! kubectl.
//!
//! ```text
//! fake-apiserver --pods 100000 --listen 127.0.0.1:8001 --kubeconfig /tmp/fake.yaml
//! KUBECONFIG=/tmp/fake.yaml kubectl get pods -A -o json > /dev/null
//! ```
//! It prints one line once it listens, and ends on SIGTERM or SIGINT.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pulldoctor_testkit::api::{FakeCluster, PodGenerator};
use tokio::signal::unix::{SignalKind, signal};

/// Serves a cluster of generated pods, one in a hundred of them stuck.
#[derive(Debug, Parser)]
#[command(name = "fake-apiserver")]
struct Options {
    /// How many pods there are
    #[arg(long, default_value_t = 1_000)]
    pods: usize,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Writes a kubeconfig for it
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Milliseconds to wait before every answer
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,

    /// Compresses lists for clients that accept gzip, as a real API server does
    #[arg(long)]
    gzip: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "fake-apiserver: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let pods = PodGenerator::new(options.pods);
    let stuck = pods.stuck();
    let cluster = FakeCluster::new();
    cluster.generate(pods)?;
    cluster.latency(Duration::from_millis(options.latency_ms));
    cluster.compress(options.gzip);
    let served = cluster.serve(options.listen).await?;
    if let Some(path) = &options.kubeconfig {
        std::fs::write(path, served.kubeconfig(None))?;
    }
    let url = served.url();
    writeln!(
        io::stdout(),
        "{url} serves {} pods, {stuck} of them stuck",
        options.pods
    )?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
