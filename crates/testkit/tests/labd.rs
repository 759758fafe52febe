//! The lab daemon over its control socket, its DNS server and a port that hosts share.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{
    Got, client_config, connect_tls, connect_with, exchange, get, request, send, send_tls,
};
use http_body_util::Full;
use pulldoctor_testkit::labd::{Daemon, Options, serve_control};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};

struct Lab {
    folder: tempfile::TempDir,
    dns: SocketAddr,
    root: CertificateDer<'static>,
    port: u16,
}

impl Lab {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(options(folder.path())).await.unwrap();
        let dns = daemon.dns_address();
        tokio::spawn(serve_control(Arc::new(daemon)));
        let socket = folder.path().join("control.sock");
        while UnixStream::connect(&socket).await.is_err() {
            tokio::task::yield_now().await;
        }
        let root = CertificateDer::from_pem_file(folder.path().join("ca.pem")).unwrap();
        Self {
            folder,
            dns,
            root,
            port: free_port().await,
        }
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        let stream = UnixStream::connect(self.folder.path().join("control.sock"))
            .await
            .unwrap();
        let mut request = request(method, "lab", path, &[]);
        *request.body_mut() = Full::from(if body.is_null() {
            String::new()
        } else {
            body.to_string()
        });
        exchange(stream, request).await.unwrap()
    }

    async fn put(&self, name: &str, mut spec: Value) -> Value {
        if spec.get("port").is_none() {
            spec["port"] = json!(self.port);
        }
        let got = self.control("PUT", &format!("/hosts/{name}"), spec).await;
        assert_eq!(got.status, 200, "{:?}", got.body);
        got.json()
    }

    fn at(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    async fn get_tls(&self, name: &str, path: &str) -> Result<Got, String> {
        let authority = format!("{name}:{}", self.port);
        send_tls(self.at(), name, &self.root, get(&authority, path)).await
    }

    /// The response code and the last four bytes, which are the address where there is one.
    async fn lookup(&self, name: &str) -> (u8, [u8; 4]) {
        let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label.as_bytes());
        }
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(&message, self.dns).await.unwrap();
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).await.unwrap();
        (
            buffer[3] & 15,
            buffer[length - 4..length].try_into().unwrap(),
        )
    }
}

fn options(folder: &Path) -> Options {
    Options {
        listen_ip: Ipv4Addr::LOCALHOST,
        state: folder.to_owned(),
        dns_port: 0,
        refuse_ip: Some(Ipv4Addr::new(127, 0, 0, 2)),
        drop_ip: None,
        outsider: Vec::new(),
        busybox: None,
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[tokio::test]
async fn hosts_share_a_port_and_come_and_go() {
    let lab = Lab::start().await;
    let made = lab
        .put(
            "a.lab",
            json!({"repositories": [{"name": "x", "tags": [{"tag": "1"}]}]}),
        )
        .await;
    lab.put(
        "b.lab",
        json!({"repositories": [{"name": "y", "tags": [{"tag": "1"}]}]}),
    )
    .await;
    let got = lab.get_tls("a.lab", "/v2/x/manifests/1").await.unwrap();
    assert_eq!(
        got.header("docker-content-digest"),
        made["images"][0]["digest"].as_str().unwrap()
    );
    assert_eq!(
        lab.get_tls("b.lab", "/v2/x/manifests/1")
            .await
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        lab.get_tls("b.lab", "/v2/y/manifests/1")
            .await
            .unwrap()
            .status,
        200
    );

    assert_eq!(lab.lookup("a.lab").await, (0, [127, 0, 0, 1]));
    assert_eq!(lab.lookup("c.lab").await.0, 3);

    let log = lab
        .control("GET", "/hosts/b.lab/log", Value::Null)
        .await
        .json();
    let statuses: Vec<u64> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [404, 200]);

    let gone = lab.control("DELETE", "/hosts/a.lab", Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(lab.lookup("a.lab").await.0, 3);
    assert_eq!(
        lab.control("DELETE", "/hosts/b.lab", Value::Null)
            .await
            .status,
        204
    );
    // The last host of the port is gone, and the port with it; the task ends soon.
    for _ in 0..100 {
        if TcpStream::connect(lab.at()).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the port is still open");
}

#[tokio::test]
async fn faults_are_replaced_without_touching_the_content() {
    let lab = Lab::start().await;
    lab.put("a.lab", json!({"faults": [{"status": 500}]})).await;
    assert_eq!(lab.get_tls("a.lab", "/v2/").await.unwrap().status, 500);
    assert_eq!(
        lab.control("PUT", "/hosts/a.lab/faults", json!([]))
            .await
            .status,
        204
    );
    assert_eq!(lab.get_tls("a.lab", "/v2/").await.unwrap().status, 200);
}

#[tokio::test]
async fn content_can_be_shared_and_blobs_redirected_to_it() {
    let lab = Lab::start().await;
    let repositories = json!([{"name": "x", "tags": [{"tag": "1"}]}]);
    lab.put(
        "shop.lab",
        json!({"repositories": repositories, "redirect_blobs": format!("https://cdn.lab:{}", lab.port)}),
    )
    .await;
    lab.put("cdn.lab", json!({"content_of": "shop.lab"})).await;
    let manifest = lab
        .get_tls("shop.lab", "/v2/x/manifests/1")
        .await
        .unwrap()
        .json();
    let path = format!(
        "/v2/x/blobs/{}",
        manifest["layers"][0]["digest"].as_str().unwrap()
    );
    let redirect = lab.get_tls("shop.lab", &path).await.unwrap();
    assert_eq!(redirect.status, 307);
    assert_eq!(
        redirect.header("location"),
        format!("https://cdn.lab:{}{path}", lab.port)
    );
    assert_eq!(lab.get_tls("cdn.lab", &path).await.unwrap().status, 200);
}

#[tokio::test]
async fn each_tls_mode_fails_in_its_own_way() {
    let lab = Lab::start().await;
    for (mode, error) in [
        ("ok", ""),
        ("expired", "Expired"),
        ("not-yet-valid", "NotValidYet"),
        ("wrong-name", "certificate not valid for name"),
        ("unknown-ca", "UnknownIssuer"),
        ("self-signed", "UnknownIssuer"),
        ("no-intermediate", "UnknownIssuer"),
        ("common-name-only", "certificate not valid for name"),
        ("plain-http", "corrupt message"),
        ("off", "corrupt message"),
    ] {
        let name = format!("{mode}.lab");
        lab.put(&name, json!({"tls": mode})).await;
        match lab.get_tls(&name, "/v2/").await {
            Ok(got) => assert_eq!((got.status.as_u16(), error), (200, ""), "{mode}"),
            Err(text) => {
                let told = text.contains(error)
                    || error == "Expired" && text.contains("certificate expired")
                    || error == "NotValidYet" && text.contains("not valid yet");
                assert!(!error.is_empty() && told, "{mode}: {text}");
            }
        }
    }
    let stranger = lab.get_tls("nobody.lab", "/v2/").await.unwrap_err();
    assert!(stranger.contains("not valid for name"), "{stranger}");
}

#[tokio::test]
async fn a_client_certificate_is_wanted_and_accepted() {
    let lab = Lab::start().await;
    lab.put("mtls.lab", json!({"tls": "mtls"})).await;
    // In TLS 1.3 the refusal arrives with the first read.
    let refused = lab.get_tls("mtls.lab", "/v2/").await.unwrap_err();
    assert!(refused.contains("CertificateRequired"), "{refused}");

    let folder = lab.folder.path();
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(folder.join("client.pem"))
            .unwrap()
            .flatten()
            .collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("client.key")).unwrap();
    let config = client_config(&lab.root)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let stream = connect_with(lab.at(), "mtls.lab", config).await.unwrap();
    let got = exchange(stream, get("mtls.lab", "/v2/")).await.unwrap();
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn http2_is_offered_when_told_and_a_cut_ends_the_stream() {
    use http_body_util::BodyExt as _;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let lab = Lab::start().await;
    lab.put("one.lab", json!({})).await;
    lab.put(
        "two.lab",
        json!({"http2": true, "faults": [{"cut_after": 1, "skip": 1}]}),
    )
    .await;
    let mut negotiated = Vec::new();
    for name in ["one.lab", "two.lab"] {
        let mut config = client_config(&lab.root).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = connect_with(lab.at(), name, config).await.unwrap();
        let protocol = stream.get_ref().1.alpn_protocol().unwrap().to_vec();
        negotiated.push(String::from_utf8(protocol).unwrap());
        if name == "one.lab" {
            continue;
        }
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let authority = format!("https://two.lab:{}/v2/", lab.port);
        let ask = || {
            http::Request::get(&authority)
                .body(Full::<Bytes>::default())
                .unwrap()
        };
        let whole = sender
            .send_request(ask())
            .await
            .unwrap()
            .into_body()
            .collect()
            .await;
        assert_eq!(whole.unwrap().to_bytes(), "{}");
        let cut = sender
            .send_request(ask())
            .await
            .unwrap()
            .into_body()
            .collect()
            .await;
        assert!(cut.is_err());
    }
    assert_eq!(negotiated, ["http/1.1", "h2"]);
}

#[tokio::test]
async fn plain_http_and_the_wrong_scheme_are_answered_like_go_does() {
    let lab = Lab::start().await;
    lab.put("plain.lab", json!({"tls": "plain-http"})).await;
    lab.put("safe.lab", json!({})).await;
    let authority = |name: &str| format!("{name}:{}", lab.port);
    let got = send(lab.at(), get(&authority("plain.lab"), "/v2/"))
        .await
        .unwrap();
    assert_eq!(got.status, 200);
    let got = send(lab.at(), get(&authority("safe.lab"), "/v2/"))
        .await
        .unwrap();
    assert_eq!(got.status, 400);
    assert_eq!(
        got.body,
        "Client sent an HTTP request to an HTTPS server.\n"
    );
}

#[tokio::test]
async fn ports_that_refuse_stay_silent_or_close() {
    let lab = Lab::start().await;
    lab.put("dead.lab", json!({"listen": "refuse"})).await;
    assert_eq!(lab.lookup("dead.lab").await, (0, [127, 0, 0, 2]));
    assert!(TcpStream::connect(lab.at()).await.is_err());
    let dropped = lab
        .control(
            "PUT",
            "/hosts/x.lab",
            json!({"listen": "drop", "port": lab.port}),
        )
        .await;
    assert_eq!(dropped.status, 400);
    assert!(
        dropped.json()["error"]
            .as_str()
            .unwrap()
            .contains("--drop-ip")
    );

    lab.put("close.lab", json!({"listen": "close"})).await;
    lab.put("silent.lab", json!({"listen": "silent"})).await;
    assert!(connect_tls(lab.at(), "close.lab", &lab.root).await.is_err());
    let silent = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        connect_tls(lab.at(), "silent.lab", &lab.root),
    );
    assert!(silent.await.is_err());
}

#[tokio::test]
async fn a_banner_comes_unasked_where_a_host_has_the_port_alone() {
    let lab = Lab::start().await;
    lab.put("ssh.lab", json!({"tls": "off"})).await;
    let mut stream = TcpStream::connect(lab.at()).await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    assert!(got.starts_with("SSH-2.0-"));
}

#[tokio::test]
async fn bad_requests_say_what_is_bad() {
    let lab = Lab::start().await;
    for (path, body, status, word) in [
        ("/hosts/a.lab", json!({"prot": 1}), 400, "prot"),
        ("/hosts/a_b!.lab", json!({}), 400, "host name"),
        ("/hosts/a.lab", json!({"content_of": "b.lab"}), 400, "b.lab"),
        ("/hosts/a.lab/faults", json!([]), 404, "a.lab"),
    ] {
        let got = lab.control("PUT", path, body).await;
        assert_eq!(got.status, status, "{path}");
        let error = got.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(word), "{error}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let got = lab
        .control("PUT", "/hosts/a.lab", json!({"port": port}))
        .await;
    assert_eq!(got.status, 409);
    assert_eq!(lab.lookup("a.lab").await.0, 3, "nothing was half done");
}

#[tokio::test]
async fn trust_outlasts_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = Daemon::start(options(folder.path())).await.unwrap();
    let root = CertificateDer::from_pem_file(folder.path().join("ca.pem")).unwrap();
    drop(first);
    let second = Daemon::start(options(folder.path())).await.unwrap();
    let port = free_port().await;
    let spec = serde_json::from_value(json!({"port": port})).unwrap();
    second.put("a.lab", spec).await.unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let request: http::Request<Full<Bytes>> = get("a.lab", "/v2/");
    assert_eq!(
        send_tls(at, "a.lab", &root, request).await.unwrap().status,
        200
    );
}

#[tokio::test]
async fn a_host_that_is_forgotten_ends_what_it_still_sends() {
    let lab = Lab::start().await;
    let fault = json!({"path": "/v2/**", "body": "slowly", "status": 200, "stall_after": 2});
    for name in ["slow.lab", "other.lab"] {
        lab.put(name, json!({"faults": [fault]})).await;
    }
    let (forgotten, other) = tokio::join!(
        async {
            let stalled = lab.get_tls("slow.lab", "/v2/x/manifests/1");
            let deletes = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                lab.control("DELETE", "/hosts/slow.lab", Value::Null).await
            };
            tokio::join!(stalled, deletes)
        },
        tokio::time::timeout(
            Duration::from_millis(900),
            lab.get_tls("other.lab", "/v2/x/manifests/1")
        ),
    );
    assert_eq!(forgotten.1.status, 204);
    assert!(forgotten.0.unwrap().broken.is_some(), "the answer is cut");
    assert!(other.is_err(), "another host's goes on");
}
