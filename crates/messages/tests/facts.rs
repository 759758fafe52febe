//! Texts of the kubelet and of Go's standard library, as their sources word them, and what each is
//! read as. The section numbers are those of the project's notes on image pulls.

mod common;

use common::{check, check_in, word};
use pulldoctor_messages::read;

/// Puts an error where containerd's resolver would.
fn resolving(error: &str) -> String {
    format!(
        "failed to pull and unpack image \"reg.example.com/a/b:1\": failed to resolve reference \"reg.example.com/a/b:1\": {error}"
    )
}

#[test]
fn kubelet_1() {
    check(&[
        (
            r#"Container image "reg/x:1" is not present with pull policy of Never"#,
            "never-pull",
        ),
        (
            r#"Failed to apply default image tag "reg.io/App:1": couldn't parse image name "reg.io/App:1": invalid reference format: repository name (App) must be lowercase"#,
            "invalid-reference",
        ),
        (
            r#"Failed to apply default image tag "http://x": couldn't parse image reference "http://x": invalid reference format"#,
            "invalid-reference",
        ),
        (
            r#"Failed to inspect image "": rpc error: code = DeadlineExceeded desc = context deadline exceeded"#,
            "deadline-exceeded",
        ),
        (
            r#"image pull failed for r.io/x:1 because the registry is unavailable: pinging container registry r.io: Get "https://r.io/v2/": dial tcp 10.1.1.1:443: connect: connection refused"#,
            "refused",
        ),
        (
            "image pull failed for r/x:1 because the signature validation failed: Source image rejected: A signature was required, but no signature exists",
            "signature",
        ),
        ("illegal base64 data at input byte 8", "secret-malformed"),
        (
            "Error: illegal base64 data at input byte 8",
            "secret-malformed",
        ),
        (
            "unable to parse auth field, must be formatted as base64(username:password)",
            "secret-malformed",
        ),
        (
            "invalid character 'x' looking for beginning of value",
            "secret-malformed",
        ),
        (
            r#"Failed to pull image "x": illegal base64 data at input byte 4"#,
            "secret-malformed",
        ),
        (
            "failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/sha256-1: no space left on device",
            "no-space",
        ),
        (
            r#"Failed to record image pull intent for container image "x": mkdir /var/lib/kubelet/image_manager: read-only file system"#,
            "read-only",
        ),
        (r#"Back-off pulling image "x""#, "back-off-only"),
        (
            r#"Back-off pulling image "x": ErrImagePull: pull QPS exceeded"#,
            "qps-exceeded",
        ),
        ("Error: ImagePullBackOff", "back-off-only"),
        ("Error: ErrImagePull", "back-off-only"),
        ("Error: ErrImageNeverPull", "never-pull"),
        ("Error: InvalidImageName", "invalid-reference"),
        (
            r"Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.",
            "secret-missing",
        ),
        (
            r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "registry.k8s.io/pause:3.9": failed to pull image "registry.k8s.io/pause:3.9": failed to pull and unpack image "registry.k8s.io/pause:3.9": failed to resolve reference "registry.k8s.io/pause:3.9": failed to do request: Head "https://registry.k8s.io/v2/pause/manifests/3.9": dial tcp: lookup registry.k8s.io on 10.0.0.2:53: no such host"#,
            "sandbox-image/dns/no-such-host",
        ),
        (
            r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "ab12": plugin type="flannel" failed (add): open /run/flannel/subnet.env: no such file or directory"#,
            "not-a-pull-problem",
        ),
        (
            r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory""#,
            "runtime-unavailable",
        ),
        (
            r#"rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /var/run/crio/crio.sock: connect: connection refused""#,
            "runtime-unavailable",
        ),
        (
            "rpc error: code = Unavailable desc = server is not initialized yet: unavailable",
            "runtime-unavailable",
        ),
        (
            r#"container "c" in pod "p" is waiting to start: image can't be pulled"#,
            "back-off-only",
        ),
        (
            r#"object "shop"/"regcred" not registered while pulling"#,
            "secret-missing",
        ),
        (
            "a mirror pod may not reference secrets",
            "static-pod-secret",
        ),
        (
            "Failed to provide credentials for image",
            "credential-provider",
        ),
        (
            "Back-off restarting failed container app in pod p_ns(uid)",
            "not-a-pull-problem",
        ),
        (
            "MountVolume.SetUp failed for volume \"x\": secret \"regcred\" not found",
            "not-a-pull-problem",
        ),
        (
            "Failed create pod sandbox: rpc error: code = Unknown desc = failed to create a sandbox for pod \"x\": operation timeout: context deadline exceeded",
            "not-a-pull-problem",
        ),
        (
            "0/3 nodes are available: 3 Insufficient cpu.",
            "not-a-pull-problem",
        ),
    ]);
}

#[test]
fn references_3() {
    check_in(
        |error| {
            format!(
                "Failed to apply default image tag \"X\": couldn't parse image name \"X\": {error}"
            )
        },
        &[
            (
                "invalid reference format: repository name (library/Nginx) must be lowercase",
                "invalid-reference",
            ),
            ("invalid reference format", "invalid-reference"),
            ("repository name must be lowercase", "invalid-reference"),
            ("invalid checksum digest length", "invalid-reference"),
            ("unsupported digest algorithm", "invalid-reference"),
            (
                "repository name must not be more than 255 characters",
                "invalid-reference",
            ),
        ],
    );
}

#[test]
fn go_transport_4_4() {
    check_in(
        |error| {
            resolving(&format!(
                "failed to do request: Head \"https://reg.example.com/v2/a/b/manifests/1\": {error}"
            ))
        },
        &[
            (
                "dial tcp: lookup reg.example.com on 10.0.0.2:53: no such host",
                "dns/no-such-host",
            ),
            (
                "dial tcp: lookup reg.example.com: no such host",
                "dns/no-such-host",
            ),
            (
                "dial tcp: lookup reg.example.com: Temporary failure in name resolution",
                "dns/temporary",
            ),
            (
                "dial tcp: lookup reg.example.com: Name or service not known",
                "dns/no-such-host",
            ),
            (
                "dial tcp: lookup reg.example.com on 10.0.0.2:53: server misbehaving",
                "dns/server-misbehaving",
            ),
            (
                "dial tcp: lookup reg.example.com on 10.0.0.2:53: read udp 10.0.0.5:4321->10.0.0.2:53: i/o timeout",
                "dns/timeout",
            ),
            (
                "dial tcp: lookup reg.example.com on 10.0.0.2:53: read udp 10.0.0.5:4321->10.0.0.2:53: read: connection refused",
                "dns/server-refused",
            ),
            (
                "dial tcp: lookup reg.example.com: i/o timeout",
                "dns/timeout",
            ),
            (
                "dial tcp: lookup reg.example.com on [::1]:53: dial udp [::1]:53: connect: network is unreachable",
                "dns/unreachable",
            ),
            (
                "dial tcp 10.0.0.1:443: connect: connection refused",
                "refused",
            ),
            (
                "dial tcp 10.0.0.1:443: connect: no route to host",
                "no-route",
            ),
            (
                "dial tcp 10.0.0.1:443: connect: network is unreachable",
                "network-unreachable",
            ),
            ("dial tcp 10.0.0.1:443: i/o timeout", "dial-timeout"),
            (
                "dial tcp 10.0.0.1:443: connect: connection timed out",
                "dial-timeout",
            ),
            (
                "net/http: timeout awaiting response headers",
                "header-timeout",
            ),
            (
                "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                "header-timeout",
            ),
            ("net/http: TLS handshake timeout", "tls-handshake-timeout"),
            (
                "http: server gave HTTP response to HTTPS client",
                "plain-http",
            ),
            (
                "tls: first record does not look like a TLS handshake",
                "not-tls",
            ),
            (
                "x509: certificate signed by unknown authority",
                "unknown-authority",
            ),
            (
                r#"tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of "x509: invalid signature" while trying to verify candidate authority certificate "My CA")"#,
                "unknown-authority",
            ),
            (
                "x509: certificate has expired or is not yet valid: current time 2026-11-24T20:00:00Z is after 2026-01-01T00:00:00Z",
                "certificate-expired",
            ),
            (
                "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-01-01T00:00:00Z",
                "certificate-not-yet-valid",
            ),
            (
                "x509: certificate is valid for a.example.com, b.example.com, not reg.example.com",
                "name-mismatch",
            ),
            (
                "x509: certificate is not valid for any names, but wanted to match reg.example.com",
                "name-mismatch",
            ),
            (
                "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
                "name-mismatch",
            ),
            (
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                "tls-other",
            ),
            ("remote error: tls: bad certificate", "tls-other"),
            ("remote error: tls: handshake failure", "tls-other"),
            ("remote error: tls: certificate required", "tls-other"),
            (
                "proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused",
                "proxy/connect/refused",
            ),
            ("proxyconnect tcp: EOF", "proxy/connect/interrupted"),
            (
                "proxyconnect tcp: tls: first record does not look like a TLS handshake",
                "proxy/connect/not-tls",
            ),
            (
                "proxyconnect tcp: dial tcp: lookup proxy.corp on 10.0.0.2:53: no such host",
                "proxy/connect/dns/no-such-host",
            ),
            ("Forbidden", "proxy/refused/403"),
            ("Proxy Authentication Required", "proxy/login-required"),
            ("Bad Gateway", "proxy/refused/502"),
            ("Service Unavailable", "proxy/refused/503"),
            ("EOF", "interrupted"),
            ("unexpected EOF", "interrupted"),
            (
                "read tcp 10.0.0.5:40000->10.0.0.1:443: read: connection reset by peer",
                "interrupted",
            ),
            (
                "http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR, debug=\"\"",
                "interrupted",
            ),
            (
                "stream error: stream ID 1; INTERNAL_ERROR; received from peer",
                "interrupted",
            ),
            (
                "read tcp 10.0.0.5:40000->10.0.0.1:443: i/o timeout",
                "header-timeout",
            ),
        ],
    );
}

#[test]
fn seen_live_11() {
    check(&[
        (
            r#"rpc error: code = Canceled desc = failed to pull and unpack image "R": context canceled"#,
            "cancelled",
        ),
        (
            r#"CreateContainerError: failed to generate container "ab" spec: failed to generate spec: no command specified"#,
            "no-command",
        ),
        (
            r#"ErrImagePull: failed to parse image reference "MyOrg/app:1": invalid reference format: repository name must be lowercase"#,
            "invalid-reference",
        ),
        (
            r#"ErrImagePull: failed to pull and unpack image "r.io/a:1": failed to resolve reference "r.io/a:1": unexpected end of JSON input"#,
            "broken-manifest",
        ),
        (
            r#"failed to pull and unpack image "docker.io/library/x:1": failed to resolve image: unexpected status from HEAD request to https://m.example/v2/library/x/manifests/1?ns=docker.io: 500 Internal Server Error"#,
            "server-error/500",
        ),
        (
            r#"rpc error: code = DeadlineExceeded desc = failed to pull and unpack image "r.io/a:1": failed to resolve image: failed to do request: Head "https://r.io/v2/a/manifests/1": dial tcp 10.0.0.1:443: i/o timeout"#,
            "dial-timeout",
        ),
    ]);
}

#[test]
fn several_credentials_are_read_each_on_its_own() {
    let reading = read(
        "Failed to pull image \"r.azurecr.io/x:1\": [rpc error: code = NotFound desc = failed to pull and unpack image \"r.azurecr.io/x:1\": failed to resolve reference \"r.azurecr.io/x:1\": r.azurecr.io/x:1: not found, failed to pull and unpack image \"r.azurecr.io/x:1\": failed to resolve reference \"r.azurecr.io/x:1\": failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r.azurecr.io/oauth2/token?scope=repository%3Ax%3Apull&service=r.azurecr.io: 401 Unauthorized]",
    );
    assert_eq!(reading.attempts.len(), 2);
    assert_eq!(word(&reading.fault), "manifest-missing/tag");
    assert_eq!(word(&reading.attempts[1].fault), "token-refused/401/true");
}

#[test]
fn what_a_login_was_told_inside_counts_more_than_the_refusal_of_another() {
    let reading = read(
        "[failed to pull and unpack image \"r.example.com/x:1\": failed to resolve image: unexpected status from HEAD request to https://r.example.com/v2/x/manifests/1: 401 Unauthorized, rpc error: code = NotFound desc = failed to pull and unpack image \"r.example.com/x:1\": failed to resolve image: r.example.com/x:1: not found]",
    );
    assert_eq!(word(&reading.fault), "manifest-missing/tag");
    assert_eq!(reading.attempts.len(), 2);
}

#[test]
fn details_are_typed() {
    let reading = read(&resolving(
        "failed to do request: Head \"https://m.example:5000/v2/a/b/manifests/1?ns=reg.example.com\": x509: certificate is valid for Ingress.local, *.x.io, not m.example",
    ));
    assert_eq!(reading.facts.valid_for, ["Ingress.local", "*.x.io"]);
    assert_eq!(reading.facts.wanted_name.as_deref(), Some("m.example"));
    assert_eq!(
        reading.facts.mirrored_registry.as_deref(),
        Some("reg.example.com")
    );
    let foreign = reading.foreign_host.expect("a mirror is a foreign host");
    assert_eq!(foreign.host, "m.example:5000");
    assert_eq!(reading.registry.as_deref(), Some("reg.example.com"));

    let reading = read("dial tcp: lookup regsitry.example.com on 10.0.0.2:53: no such host");
    assert_eq!(
        reading.facts.dns_name.as_deref(),
        Some("regsitry.example.com")
    );
    assert_eq!(reading.facts.dns_server.as_deref(), Some("10.0.0.2:53"));

    let reading = read(
        "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.",
    );
    assert_eq!(reading.facts.secrets, ["a", "b"]);

    let reading = read("write /var/lib/containerd/x/data: no space left on device");
    assert_eq!(
        reading.facts.path.as_deref(),
        Some("/var/lib/containerd/x/data")
    );

    let reading = read("no matching manifest for linux/arm64/v8 in the manifest list entries");
    assert_eq!(reading.facts.platform.as_deref(), Some("linux/arm64/v8"));

    let reading = read(
        "x509: certificate has expired or is not yet valid: current time 2026-11-24T20:00:00Z is after 2026-01-01T00:00:00Z",
    );
    assert_eq!(
        reading.facts.not_after.as_deref(),
        Some("2026-01-01T00:00:00Z")
    );
}

#[test]
fn other_languages() {
    check(&[
        (
            "Get \"https://r.io/v2/\": dial tcp 10.0.0.1:443: connectex: 由于目标计算机积极拒绝，无法连接。",
            "refused",
        ),
        (
            "Get \"https://r.io/v2/\": dial tcp 10.0.0.1:443: connectex: Es konnte keine Verbindung hergestellt werden, da der Zielcomputer die Verbindung verweigerte.",
            "refused",
        ),
        (
            "Get \"https://r.io/v2/\": dial tcp: lookup r.io: getaddrinfow: 不知道这样的主机。",
            "dns/no-such-host",
        ),
        (
            "Get \"https://r.io/v2/\": dial tcp: lookup r.io: getaddrinfow: Этот хост неизвестен.",
            "dns/no-such-host",
        ),
        ("write /var/lib/docker/tmp/x: 设备上没有空间", "no-space"),
        ("denied: 这镜像不在白名单", "blocked-by-policy/allow-list"),
    ]);
}

#[test]
fn a_right_that_nobody_has_is_no_missing_right() {
    check(&[
        (
            "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://europe-docker.pkg.dev/v2/token?scope=x&service=europe-docker.pkg.dev: 403 Forbidden\ndenied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/p\" (or it may not exist)",
            "token-refused/403/true",
        ),
        (
            "Error response from daemon: Head \"https://europe-docker.pkg.dev/v2/p/r/i/manifests/1\": denied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/p\" (or it may not exist)",
            "permission-missing",
        ),
    ]);
}

#[test]
fn a_proxy_is_a_foreign_host() {
    let reading = read(
        "failed to do request: Head \"https://r.io/v2/x/manifests/1\": proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused",
    );
    let foreign = reading.foreign_host.expect("the proxy");
    assert_eq!(
        (foreign.host.as_str(), foreign.role),
        ("10.0.0.9:3128", pulldoctor_messages::HostRole::Proxy)
    );
}

#[test]
fn where_registry_k8s_io_sends_its_clients() {
    let reading = read(
        "Error response from daemon: Head \"https://europe-west3-docker.pkg.dev/v2/k8s-artifacts-prod/images/sig-storage/csi-provisioner/manifests/v4.0.0\": Forbidden",
    );
    assert_eq!(reading.registry.as_deref(), Some("registry.k8s.io"));
    assert_eq!(
        reading.image.as_deref(),
        Some("registry.k8s.io/sig-storage/csi-provisioner:v4.0.0")
    );
    let foreign = reading.foreign_host.expect("the redirect");
    assert_eq!(foreign.role, pulldoctor_messages::HostRole::Redirect);
}

#[test]
fn what_is_no_error_gives_none() {
    check(&[
        ("Pulling image \"reg.example.com/a/b:1\"", "unknown"),
        (
            "Successfully pulled image \"nginx\" in 429ms (502ms including waiting). Image size: 403 bytes.",
            "unknown",
        ),
        (
            "Container image \"nginx\" already present on machine and can be accessed by the pod",
            "unknown",
        ),
        ("Successfully assigned shop/api to n3", "unknown"),
        (
            "Pulling image \"reg.example.com/not-found/unauthorized:forbidden\"",
            "unknown",
        ),
        ("", "unknown"),
    ]);
}
