//! A process may be killed at any moment: what it created is gone after its lifetime at the latest.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;
#[path = "common/nodes.rs"]
mod nodes;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::{Duration, Instant},
};

use nodes::{PAUSE, access, connect, left, put_node, target};
use pulldoctor_cluster::{NodeProbeError, Place};
use pulldoctor_testkit::api::{FakeCluster, Forbid, Kubelet, Run, Running};
use serde_json::Value;

/// How long an object of a probe lives at most.
const LIFETIME: Duration = Duration::from_secs(181);

/// A cluster where a look takes about 10 ms.
fn cluster() -> (FakeCluster, Running) {
    let fake = FakeCluster::new();
    put_node(&fake, "n1");
    fake.latency(Duration::from_millis(1));
    let kubelet = Kubelet::new(play).starts_in(Duration::from_millis(2));
    let running = kubelet.node("n1", &[PAUSE]).run(&fake);
    (fake, running)
}

/// A probe that ends without an answer: only what it leaves matters here.
fn play(_: &Value) -> Run {
    Run::Ends {
        log: String::new(),
        message: String::new(),
    }
}

fn n1() -> Place {
    Place::Node("n1".to_owned())
}

fn chance(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

/// How long a look takes that nobody kills.
async fn undisturbed(fake: &FakeCluster) -> Duration {
    let begun = Instant::now();
    let cluster = connect(fake, access());
    let _ = cluster.look_from(&n1(), &[target("127.0.0.1:1")]).await;
    begun.elapsed()
}

/// A look in a process of its own that is killed after this time: its runtime goes with all tasks,
/// so that nobody cleans up.
fn kill_after(fake: &FakeCluster, time: Duration) {
    let fake = fake.clone();
    let killed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let cluster = connect(&fake, access());
            let _ = tokio::time::timeout(time, cluster.look_from(&n1(), &[target("127.0.0.1:1")]))
                .await;
        });
        runtime.shutdown_background();
    });
    killed.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_kills_leave_nothing_after_the_lifetime() {
    let (fake, _running) = cluster();
    // However long the test takes, nothing grows old by itself.
    fake.stop_clock();
    let mut counts: BTreeSet<usize> = BTreeSet::new();
    for _ in 0..10 {
        // A little longer than a look takes, as busy as the machine is now.
        let whole = undisturbed(&fake).await.min(undisturbed(&fake).await);
        let most = u64::try_from(whole.as_micros()).unwrap() * 5 / 4;
        for _ in 0..100 {
            let before = left(&fake).len();
            let fake_too = fake.clone();
            let time = Duration::from_micros(chance(most));
            tokio::task::spawn_blocking(move || kill_after(&fake_too, time))
                .await
                .unwrap();
            counts.insert(left(&fake).len() - before);
        }
        let there = left(&fake).len();
        assert!(there > 10, "{there}");

        // The next run comes at once: it touches nothing that may be somebody's.
        let swept = connect(&fake, access()).sweep().await;
        assert_eq!((swept.removed, swept.living), (0, there));
        assert_eq!(left(&fake).len(), there);

        // After the lifetime it is one run that removes all of it, beside its own work.
        fake.advance(LIFETIME);
        undisturbed(&fake).await;
        assert_eq!(left(&fake), Vec::<String>::new());
    }
    // The kills met every stage: before anything, with one ConfigMap, with two, with the pod.
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_look_that_is_dropped_cleans_up_behind_itself() {
    let (fake, _running) = cluster();
    for at in 0..200 {
        let cluster = connect(&fake, access());
        let host = target("127.0.0.1:1");
        let place = n1();
        let looking = cluster.look_from(&place, std::slice::from_ref(&host));
        let _ = tokio::time::timeout(Duration::from_micros(at * 100), looking).await;
    }
    // Its tasks go on for at most as long as a request may be on its way.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if left(&fake).is_empty() {
            return;
        }
    }
    assert_eq!(left(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn at_the_end_of_the_process_everything_is_removed_and_nothing_new_comes() {
    let fake = FakeCluster::new();
    put_node(&fake, "n1");
    let _running = Kubelet::new(|_| Run::Stays).node("n1", &[PAUSE]).run(&fake);
    let cluster = connect(&fake, access());
    let looker = cluster.clone();
    let looking =
        tokio::spawn(async move { looker.look_from(&n1(), &[target("127.0.0.1:1")]).await });
    let all_there = async {
        while left(&fake).len() < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, all_there).await.unwrap();
    cluster.clean_up().await;
    assert_eq!(left(&fake), Vec::<String>::new());
    assert!(matches!(
        looking.await.unwrap(),
        Err(NodeProbeError::Removed { .. })
    ));

    let error = cluster.look_from(&n1(), &[target("127.0.0.1:1")]).await;
    assert!(matches!(error, Err(NodeProbeError::BrokenOff)), "{error:?}");
    assert_eq!(left(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn two_runs_side_by_side_leave_each_other_alone() {
    let (fake, _running) = cluster();
    let fakes = (fake.clone(), fake.clone());
    let many = |fake: FakeCluster| async move {
        for _ in 0..20 {
            let cluster = connect(&fake, access());
            let looked = cluster.look_from(&n1(), &[target("127.0.0.1:1")]).await;
            // The play gives no answer; anything else would be the other run's doing.
            assert!(
                matches!(looked, Err(NodeProbeError::Answer(_))),
                "{looked:?}"
            );
        }
    };
    tokio::join!(many(fakes.0), many(fakes.1));
    assert_eq!(left(&fake), Vec::<String>::new());
}

#[tokio::test]
async fn where_not_all_namespaces_may_be_listed_the_known_ones_are_swept() {
    let (fake, _running) = cluster();
    for time in [6_000, 7_000, 8_000, 9_000] {
        let fake = fake.clone();
        let time = Duration::from_micros(time);
        tokio::task::spawn_blocking(move || kill_after(&fake, time))
            .await
            .unwrap();
    }
    fake.forbid(Forbid::cluster_wide("list", "*"));
    fake.advance(LIFETIME);
    connect(&fake, access()).sweep().await;
    assert_eq!(left(&fake), Vec::<String>::new());
}
