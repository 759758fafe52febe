//! How long it takes to look from nodes, one or many at once: an API server that takes 5 ms for
//! every answer, and pods that take half a second to start, as in `docs/performance.md`.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot start stops")]

use std::{sync::Arc, time::Duration};

use divan::Bencher;
use pulldoctor_cluster::{Cluster, ConnectOptions, NodeAccess, ProbeProgram, Scope};
use pulldoctor_model::Question;
use pulldoctor_probe::{Surroundings, run};
use pulldoctor_testkit::api::{FakeCluster, Kubelet, Run};
use serde_json::{Value, json};

const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// As large as the real one.
static PACKED: [u8; 1_026_744] = [0x5a; 1_026_744];

const PROGRAM: ProbeProgram = ProbeProgram {
    architecture: "amd64",
    stub: &[0; 6_384],
    parts: &[&PACKED],
};

fn main() {
    divan::main();
}

/// The real probe; nothing listens where it looks.
fn play(pod: &Value) -> Run {
    let ask = &pod["spec"]["containers"][0]["env"][0]["value"];
    let ask = serde_json::from_str(ask.as_str().unwrap()).unwrap();
    let answer = run(&ask, &Surroundings::default());
    Run::Ends {
        log: answer.line(),
        message: answer.summary(),
    }
}

fn cluster(nodes: usize) -> (FakeCluster, Kubelet) {
    let fake = FakeCluster::new();
    let mut kubelet = Kubelet::new(play).starts_in(Duration::from_millis(500));
    for at in 1..=nodes {
        let name = format!("n{at}");
        let info = json!({"operatingSystem": "linux", "architecture": "amd64"});
        fake.put(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"nodeInfo": info, "images": [{"names": [PAUSE], "sizeBytes": 1}]}}),
        )
        .unwrap();
        kubelet = kubelet.node(&name, &[PAUSE]);
    }
    fake.latency(Duration::from_millis(5));
    (fake, kubelet)
}

/// From the questions to the answers, the removal of everything included.
#[divan::bench(args = [1, 20], sample_count = 10)]
fn nodes_at_once(bencher: Bencher<'_, '_>, nodes: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (fake, kubelet) = cluster(nodes);
    let _running = kubelet.run(&fake);
    let questions: Vec<Question> = (1..=nodes)
        .map(|at| Question::NodeView {
            node: format!("n{at}"),
            registry: "127.0.0.1:1".to_owned(),
            image: "127.0.0.1:1/shop/api:1".to_owned(),
            hosts: Vec::new(),
        })
        .collect();
    bencher.bench_local(|| {
        let options = ConnectOptions {
            nodes: Some(NodeAccess {
                program: Some(PROGRAM),
                probe_namespace: None,
                anchors: Arc::new([]),
                user_agent: "pulldoctor/bench".to_owned(),
                most_probes: 100,
                most_at_once: 20,
            }),
            ..ConnectOptions::default()
        };
        let client = kube::Client::new(fake.router(), "default");
        let cluster = Cluster::from_client(client, "fake", "https://fake", "default", &options);
        let evidence = runtime.block_on(async {
            let mut evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
            cluster.answer(&questions, &mut evidence).await;
            evidence
        });
        assert_eq!(evidence.answers.len(), nodes, "{:?}", evidence.gaps);
    });
}
