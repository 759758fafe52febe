//! Measures the client against a fake registry in a process of its own.
//!
//! `measure serve KIND` serves `shop/api:1` of a kind such as `big:8*256M`, and 1,000 tags, at an
//! address that it prints. `measure verify ADDRESS` reads and checks all layers; `measure exists
//! ADDRESS COUNT` asks for COUNT tags.

use std::io::Write as _;
use std::time::Instant;

use futures::StreamExt as _;
use pulldoctor_reference::Reference;
use pulldoctor_registry::{Probe, ProbeConfig, ProbeDepth, ProbeRequest};
use pulldoctor_testkit::registry::FakeRegistry;
use pulldoctor_testkit::spec::{HostSpec, TlsMode};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", kind] => serve(kind).await,
        ["verify", address] => verify(address).await,
        ["exists", address, count] => exists(address, count.parse()?).await,
        _ => Err("serve KIND | verify ADDRESS | exists ADDRESS COUNT".into()),
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

async fn verify(address: &str) -> Result<(), Failure> {
    let probe = Probe::new(ProbeConfig::default())?;
    let mut request = ProbeRequest::new(Reference::parse(&format!("{address}/shop/api:1"))?);
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

async fn exists(address: &str, count: usize) -> Result<(), Failure> {
    let probe = Probe::new(ProbeConfig::default())?;
    let start = Instant::now();
    let (mut found, mut requests) = (0, 0);
    let mut answers = futures::stream::iter((0..count).map(|n| {
        let probe = probe.clone();
        let image = format!("{address}/shop/many:v{}", n % 1000);
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
