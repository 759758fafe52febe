//! Measures the client against a registry in a process of its own (docs/performance.md).
//!
//! - `measure serve KIND` serves `shop/api:1` of a kind such as `big:8*256M`, and `shop/many:v0` to
//!   `v999`, at an address that it prints. A real registry does as well.
//! - `measure exists REPOSITORY COUNT` asks for the tags `v0` and so on.
//! - `measure verify IMAGE` reads and checks all layers.
//! - `measure floor FILE...` hashes gzip files, inflates them and hashes what comes out, from
//!   memory and on all cores: what no check of these layers can do without.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;
use pulldoctor_reference::Reference;
use pulldoctor_registry::{Probe, ProbeConfig, ProbeDepth, ProbeRequest};
use pulldoctor_testkit::registry::FakeRegistry;
use pulldoctor_testkit::spec::{HostSpec, TlsMode};
use ring::digest;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", kind] => serve(kind).await,
        ["exists", repository, count] => exists(repository, count.parse()?).await,
        ["verify", image] => verify(image).await,
        ["floor", files @ ..] => floor(files),
        _ => Err("serve KIND | exists REPOSITORY COUNT | verify IMAGE | floor FILE...".into()),
    }
}

async fn serve(kind: &str) -> Result<(), Failure> {
    let tags: Vec<Value> = (0..1000).map(|n| json!({"tag": format!("v{n}")})).collect();
    let mut spec: HostSpec = serde_json::from_value(json!({"repositories": [
        {"name": "shop/api", "tags": [{"tag": "1", "image": kind}]},
        {"name": "shop/many", "tags": tags}]}))?;
    spec.tls = TlsMode::PlainHttp;
    let registry = FakeRegistry::start(spec).await?;
    writeln!(std::io::stdout(), "{}", registry.authority())?;
    std::future::pending().await
}

async fn verify(image: &str) -> Result<(), Failure> {
    let probe = Probe::new(ProbeConfig::default())?;
    let mut request = ProbeRequest::new(Reference::parse(image)?);
    request.depth = ProbeDepth::Verify;
    let start = Instant::now();
    let transcript = probe.run(&request, &mut |_| {}).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    let detail = transcript
        .stages
        .last()
        .map_or("", |stage| stage.detail.as_str());
    writeln!(std::io::stdout(), "{:?} {peak} {detail}", start.elapsed())?;
    Ok(())
}

async fn exists(repository: &str, count: usize) -> Result<(), Failure> {
    let probe = Probe::new(ProbeConfig::default())?;
    let start = Instant::now();
    let (mut found, mut requests) = (0, 0);
    let mut answers = futures::stream::iter((0..count).map(|n| {
        let probe = probe.clone();
        let image = format!("{repository}:v{n}");
        async move {
            let mut request = ProbeRequest::new(Reference::parse(&image).ok()?);
            request.depth = ProbeDepth::Exists;
            Some(probe.run(&request, &mut |_| {}).await)
        }
    }))
    .buffer_unordered(16);
    while let Some(Some(transcript)) = answers.next().await {
        found += usize::from(transcript.is_good());
        requests += transcript.requests;
    }
    writeln!(
        std::io::stdout(),
        "{:?} {found} found with {requests} requests",
        start.elapsed()
    )?;
    Ok(())
}

fn floor(files: &[&str]) -> Result<(), Failure> {
    let mut stored = files
        .iter()
        .map(std::fs::read)
        .collect::<Result<Vec<_>, _>>()?;
    // The large ones first, so that the cores end together.
    stored.sort_by_key(|bytes| std::cmp::Reverse(bytes.len()));
    let (next, unpacked) = (AtomicUsize::new(0), AtomicU64::new(0));
    let start = Instant::now();
    let work = || -> std::io::Result<()> {
        let mut buffer = vec![0; 128 * 1024];
        while let Some(bytes) = stored.get(next.fetch_add(1, Ordering::Relaxed)) {
            black_box(digest::digest(&digest::SHA256, bytes));
            let mut hash = digest::Context::new(&digest::SHA256);
            let mut decoder = MultiGzDecoder::new(bytes.as_slice());
            loop {
                let length = decoder.read(&mut buffer)?;
                if length == 0 {
                    break;
                }
                hash.update(&buffer[..length]);
                unpacked.fetch_add(length as u64, Ordering::Relaxed);
            }
            black_box(hash.finish());
        }
        Ok(())
    };
    let cores = std::thread::available_parallelism()?.get();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .map_err(|_| "a thread failed")?
                .map_err(Failure::from)
        })
    })?;
    writeln!(
        std::io::stdout(),
        "{:?} {} bytes, {} unpacked, {cores} cores",
        start.elapsed(),
        stored.iter().map(Vec::len).sum::<usize>(),
        unpacked.load(Ordering::Relaxed)
    )?;
    Ok(())
}
