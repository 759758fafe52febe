//! How long one page of pods takes: 500 pods of about 6.5 kB, as kubectl pages them. A scan of
//! 100,000 pods reads 200 such pages.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start stops")]

use divan::{Bencher, counter::BytesCount};
use pulldoctor_cluster::{Cluster, ConnectOptions, Scope, read_page};
use pulldoctor_testkit::api::{FakeCluster, PodGenerator};

fn main() {
    divan::main();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn client(pods: usize) -> kube::Client {
    let fake = FakeCluster::new();
    fake.generate(PodGenerator::new(pods)).unwrap();
    kube::Client::new(fake.router(), "default")
}

/// From the text of a page to its symptoms and the tally of its images.
#[divan::bench]
fn page_of_500(bencher: Bencher<'_, '_>) {
    let page = runtime().block_on(async {
        let request = http::Request::get("/api/v1/pods?limit=500")
            .body(Vec::new())
            .unwrap();
        client(1_000).request_text(request).await.unwrap()
    });
    let observed = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(
        read_page(page.as_bytes(), observed).map(|(pods, _)| pods),
        Some(500)
    );
    bencher
        .counter(BytesCount::of_str(&page))
        .bench(|| read_page(divan::black_box(page.as_bytes()), observed));
}

/// A whole scan in one process, the making of the pods included.
#[divan::bench(args = [1_000, 10_000], sample_count = 10)]
fn scan(bencher: Bencher<'_, '_>, pods: usize) {
    let runtime = runtime();
    let client = {
        let _guard = runtime.enter();
        client(pods)
    };
    bencher.bench_local(|| {
        let cluster = {
            let _guard = runtime.enter();
            let options = ConnectOptions::default();
            Cluster::from_client(client.clone(), "fake", "https://fake", "default", &options)
        };
        let evidence = runtime.block_on(cluster.scan(&Scope::all(), &mut |_| ()));
        assert_eq!(evidence.unwrap().scanned.pods, pods);
    });
}
