//! Connections through a kubeconfig, over real sockets.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{fs, net::SocketAddr, time::Duration};

use common::{put, stuck};
use pulldoctor_cluster::{Cluster, ConnectError, ConnectOptions, Scope};
use pulldoctor_testkit::{
    api::{FakeCluster, kubeconfig},
    spec::FaultSpec,
};
use tempfile::NamedTempFile;

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn options(kubeconfig: &str) -> (NamedTempFile, ConnectOptions) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), kubeconfig).unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(file.path().to_owned()),
        ..ConnectOptions::default()
    };
    (file, options)
}

#[tokio::test]
async fn a_token_and_an_impersonated_user_reach_the_server() {
    let fake = FakeCluster::new();
    fake.require_token("t0p-secret");
    put(&fake, [stuck("shop", "a")]);
    let served = fake.serve(loopback()).await.unwrap();
    let (_file, mut options) = options(&served.kubeconfig(Some("t0p-secret")));
    options.impersonate = Some("jane".to_owned());
    let cluster = Cluster::connect(&options).await.unwrap();
    assert_eq!(
        (cluster.context(), cluster.default_namespace()),
        ("fake", "default")
    );
    assert_eq!(cluster.address(), served.url());
    let evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 1);
    assert_eq!(evidence.cluster, served.url());
    assert!(
        fake.log()
            .iter()
            .all(|it| it.impersonated.as_deref() == Some("jane"))
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_unreachable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind(loopback())
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (_file, options) = options(&kubeconfig(&format!("http://127.0.0.1:{port}"), None));
    let cluster = Cluster::connect(&options).await.unwrap();
    let error = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap_err();
    assert_eq!(error.exit().code(), 4);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("cannot be reached") && source.contains("refused"),
        "{source}"
    );
}

#[tokio::test]
async fn a_silent_server_ends_with_the_request_timeout_and_the_deadline() {
    let fake = FakeCluster::new();
    fake.latency(Duration::from_secs(20));
    let served = fake.serve(loopback()).await.unwrap();
    for limit in ["request", "deadline"] {
        let (_file, mut options) = options(&served.kubeconfig(None));
        let short = Some(Duration::from_millis(300));
        match limit {
            "request" => options.request_timeout = short,
            _ => options.deadline = short,
        }
        let cluster = Cluster::connect(&options).await.unwrap();
        let start = std::time::Instant::now();
        let error = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap_err();
        assert_eq!(error.exit().code(), 4, "{limit}");
        assert!(start.elapsed() < Duration::from_secs(5), "{limit}");
    }
}

#[tokio::test]
async fn a_page_that_stops_half_way_is_asked_for_again() {
    let fake = FakeCluster::new();
    put(&fake, [stuck("shop", "a")]);
    fake.faults(&[FaultSpec {
        path: Some("/api/v1/pods".to_owned()),
        times: Some(1),
        cut_after: Some(100),
        ..FaultSpec::default()
    }]);
    let served = fake.serve(loopback()).await.unwrap();
    let (_file, options) = options(&served.kubeconfig(None));
    let cluster = Cluster::connect(&options).await.unwrap();
    let evidence = cluster.scan(&Scope::all(), &mut |_| ()).await.unwrap();
    assert_eq!(evidence.scanned.stuck, 1);
}

fn with_plugin(script: &str) -> (NamedTempFile, ConnectOptions, NamedTempFile) {
    let plugin = NamedTempFile::new().unwrap();
    fs::write(plugin.path(), script).unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n\
         clusters: [{{name: x, cluster: {{server: 'http://127.0.0.1:9'}}}}]\n\
         contexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
         users: [{{name: x, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, \
         command: sh, args: ['{}'], interactiveMode: Never}}}}}}]\n",
        plugin.path().display()
    );
    let (file, options) = options(&text);
    (file, options, plugin)
}

#[tokio::test]
async fn a_login_plugin_that_fails_is_named_and_its_output_is_not() {
    for script in [
        "echo '{\"token\":\"c4n4ry\"}'; echo 'session expired' >&2; exit 3",
        "echo 'c4n4ry: [not an ExecCredential'",
        "echo '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"c4n4ry\",\"expirationTimestamp\":\"c4n4ry\"}}'",
    ] {
        let (_file, options, _plugin) = with_plugin(script);
        let error = Cluster::connect(&options).await.unwrap_err();
        let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(matches!(error, ConnectError::Login { .. }), "{shown}");
        assert_eq!(error.exit().code(), 4);
        assert!(!shown.contains("c4n4ry"), "{shown}");
        if script.contains("expired") {
            assert!(shown.contains("session expired"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_login_plugin_that_hangs_does_not_hang_us() {
    let (_file, mut options, _plugin) = with_plugin("exec sleep 3");
    options.deadline = Some(Duration::from_millis(200));
    let start = std::time::Instant::now();
    let error = Cluster::connect(&options).await.unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }));
    assert!(start.elapsed() < Duration::from_secs(2));
}
