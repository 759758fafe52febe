//! Texts of the kubelet, the runtimes and Go's standard library, as their sources word them, and
//! what each is read as. The section numbers are those of the project's notes on image pulls.

use pulldoctor_messages::{Fault, read};

/// A fault as one short word: its kind, with what it holds behind a slash.
fn word(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).expect("a fault serialises");
    let mut parts = Vec::new();
    flatten(&value, &mut parts);
    parts.join("/")
}

fn flatten(value: &serde_json::Value, parts: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        if !value.is_null() {
            parts.push(value.to_string().trim_matches('"').to_owned());
        }
        return;
    };
    for key in [
        "kind",
        "how",
        "by",
        "failure",
        "policy",
        "status",
        "anonymous",
        "inner",
    ] {
        if let Some(value) = object.get(key) {
            flatten(value, parts);
        }
    }
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, expected)| {
            let reading = read(text);
            let found = word(&reading.fault);
            (found != *expected).then(|| format!("{text:?}\n    is {found}, wanted {expected}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Puts an error where containerd's resolver would.
fn resolving(error: &str) -> String {
    format!(
        "failed to pull and unpack image \"reg.example.com/a/b:1\": failed to resolve reference \"reg.example.com/a/b:1\": {error}"
    )
}

fn fetching(error: &str) -> String {
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image \"reg.example.com/a/b:1\": {error}"
    )
}

fn check_in(wrap: fn(&str) -> String, table: &[(&str, &str)]) {
    let texts: Vec<(String, &str)> = table
        .iter()
        .map(|(text, expected)| (wrap(text), *expected))
        .collect();
    let borrowed: Vec<(&str, &str)> = texts
        .iter()
        .map(|(text, expected)| (text.as_str(), *expected))
        .collect();
    check(&borrowed);
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
fn containerd_resolve_4_2() {
    check_in(
        resolving,
        &[
            ("reg.example.com/a/b:1: not found", "manifest-missing/tag"),
            (
                "reg.example.com/a/b@sha256:1234567890123456789012345678901234567890123456789012345678901234: not found",
                "manifest-missing/digest",
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                "access-denied",
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: invalid_token: authorization failed",
                "bad-login",
            ),
            (
                "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials",
                "no-credentials",
            ),
            (
                "unexpected status from HEAD request to https://reg.example.com/v2/a/b/manifests/1: 401 Unauthorized",
                "unauthorized",
            ),
            (
                "unexpected status from HEAD request to https://reg.example.com/v2/a/b/manifests/1: 403 Forbidden",
                "forbidden",
            ),
            (
                "unexpected status from HEAD request to https://reg.example.com/v2/a/b/manifests/1: 500 Internal Server Error",
                "server-error/500",
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://reg.example.com/token?scope=repository%3Aa%2Fb%3Apull&service=S: 401 Unauthorized",
                "token-refused/401/true",
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://reg.example.com/token?scope=repository%3Aa%2Fb%3Apull&service=S: 503 Service Unavailable",
                "server-error/503",
            ),
            (
                r#"failed to authorize: failed to fetch anonymous token: Get "https://reg.example.com/token?scope=x": dial tcp 10.0.0.1:443: i/o timeout"#,
                "dial-timeout",
            ),
            (
                "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://reg.example.com/token?scope=x: 401 Unauthorized",
                "token-refused/401/false",
            ),
            (
                "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://reg.example.com/token: 403 Forbidden",
                "token-refused/403/false",
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unable to decode token response: invalid character '<' looking for beginning of value",
                "unexpected-answer",
            ),
            (
                "failed to authorize: authorization server did not include a token in the response",
                "unexpected-answer",
            ),
            (
                "failed to authorize: no realm specified for token auth challenge",
                "unexpected-answer",
            ),
            (
                "rejecting 5000000 byte manifest for reg.example.com/a/b:1: not found",
                "unsupported-manifest",
            ),
            (
                r#"not implemented: media type "application/vnd.docker.distribution.manifest.v1+prettyjws" is no longer supported since containerd v2.1, please rebuild the image as "application/vnd.docker.distribution.manifest.v2+json""#,
                "unsupported-manifest",
            ),
            ("no resolve hosts: not found", "no-endpoint"),
            ("no pull hosts: not found", "no-endpoint"),
            (
                "image verifier cosign blocked pull of reg.example.com/a/b:1 with digest sha256:12 for reason: unsigned",
                "signature",
            ),
            (
                "pulling from host reg.example.com failed with status code [manifests 1]: 403 Forbidden",
                "forbidden",
            ),
            (
                "pulling from host reg.example.com failed with status code [manifests v1]: 401 Unauthorized",
                "unauthorized",
            ),
            (
                "pulling from host reg.example.com failed with unexpected status code [manifests 1]: 500 Internal Server Error",
                "server-error/500",
            ),
            (
                "unexpected status code [manifests 1]: 401 Unauthorized",
                "unauthorized",
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden",
                "token-refused/403/true",
            ),
            (
                "failed to authorize redirect: failed to fetch anonymous token: unexpected status: 403 Forbidden",
                "token-refused/403/true",
            ),
            (
                r#"failed to do request: Head "https://reg.example.com/v2/a/b/manifests/1": stopped after 10 redirects"#,
                "redirect-loop",
            ),
            (
                "unexpected status from GET request to https://reg.example.com/v2/a/b/manifests/1: 429 Too Many Requests\ntoomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
                "rate-limited",
            ),
            (
                "unexpected status from GET request to https://reg.example.com/v2/a/b/manifests/1: 403 Forbidden\ndenied: Your authorization token has expired. Reauthenticate and try again.",
                "expired",
            ),
            (
                "unexpected status from GET request to https://reg.example.com/v2/a/b/manifests/1: 403 Forbidden\ndenied",
                "forbidden",
            ),
        ],
    );
}

#[test]
fn containerd_fetch_verify_unpack_4_3() {
    check_in(
        fetching,
        &[
            (
                "failed to copy: httpReadSeeker: failed open: content at https://reg.example.com/v2/a/b/manifests/sha256:12 not found: not found",
                "manifest-missing/tag",
            ),
            (
                "failed to copy: httpReadSeeker: failed open: content at https://reg.example.com/v2/a/b/blobs/sha256:12 not found: not found",
                "blob-missing",
            ),
            (
                "failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:12 (application/vnd.oci.image.layer.v1.tar+gzip) from remote: not found",
                "blob-missing",
            ),
            (
                "failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/o/x/manifests/sha256:12: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
                "rate-limited",
            ),
            (
                "failed to copy: httpReadSeeker: failed open: unexpected status code https://reg.example.com/v2/a/b/blobs/sha256:12: 502 Bad Gateway",
                "server-error/502",
            ),
            (
                r#"failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://cdn.example.com/x?sig=%5BREDACTED%5D": dial tcp 10.1.2.3:443: i/o timeout"#,
                "dial-timeout",
            ),
            (
                "failed to copy: read tcp 10.0.0.1:1234->10.0.0.2:443: read: connection reset by peer",
                "interrupted",
            ),
            ("failed to copy: unexpected EOF", "interrupted"),
            (
                "failed to copy: short read: expected 100 bytes but got 50: unexpected EOF",
                "interrupted",
            ),
            (
                "failed to copy: failed to read expected number of bytes: unexpected EOF",
                "interrupted",
            ),
            (
                r#"failed commit on ref "layer-sha256:aa": unexpected commit digest sha256:bb, expected sha256:aa: failed precondition"#,
                "digest-mismatch",
            ),
            (
                r#"failed commit on ref "config-sha256:aa": unexpected commit size 10, expected 20: failed precondition"#,
                "size-mismatch",
            ),
            (
                "unable to fetch descriptor (sha256:aa) which reports content size of zero: invalid argument",
                "size-mismatch",
            ),
            (
                "ref layer-sha256:aa locked for 1m2s (since 2026-01-01 00:00:00 +0000 UTC): unavailable",
                "queue-blocked",
            ),
            (
                "failed to copy: write /var/lib/containerd/io.containerd.content.v1.content/ingest/ab/data: no space left on device",
                "no-space",
            ),
            (
                "failed to extract layer sha256:aa: write /var/lib/containerd/tmpmounts/containerd-mount1/bin/x: no space left on device: unknown",
                "no-space",
            ),
            (
                r#"failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip sha256:aa) to overlayfs as "extract-1 sha256:bb": write /x: no space left on device"#,
                "no-space",
            ),
            (
                "failed to extract layer sha256:aa: archive/tar: invalid tar header: unknown",
                "broken-archive",
            ),
            (
                "failed to extract layer sha256:aa: gzip: invalid header: unknown",
                "broken-archive",
            ),
            (
                "failed to extract layer sha256:aa: unexpected EOF: unknown",
                "broken-archive",
            ),
            (
                "failed to extract layer sha256:aa: failed to get stream processor for application/vnd.dev.cosign.simplesigning.v1+json: no processor for media-type: unknown",
                "unsupported-manifest",
            ),
            (
                r#"failed to extract layer sha256:aa: failed to Lchown "/x" for UID 1, GID 2: lchown /x: operation not permitted (Hint: try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid): unknown"#,
                "unpack",
            ),
            (
                r#"wrong diff id calculated on extraction "sha256:aa""#,
                "diff-id-mismatch",
            ),
            (
                r#"wrong diff id "sha256:aa" calculated on extraction "sha256:bb", desc "sha256:cc""#,
                "diff-id-mismatch",
            ),
            (
                "number of layers and diffIDs don't match: 3 != 2",
                "diff-id-mismatch",
            ),
            (
                "failed to extract layer sha256:aa: failed to get reader from content store: blob sha256:bb expected at /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/bb: blob not found: not found",
                "local-store-damaged",
            ),
            (
                r#"failed to prepare extraction snapshot "extract-1 sha256:aa": parent snapshot sha256:bb does not exist: not found"#,
                "snapshot-race",
            ),
            (
                "failed to stat snapshot sha256:aa: not found",
                "snapshot-race",
            ),
            ("lease does not exist: not found", "snapshot-race"),
            (r#"lease "L": not found"#, "snapshot-race"),
            (
                "no match for platform in manifest: not found",
                "platform-missing",
            ),
            (
                "no match for platform in manifest sha256:aa: not found",
                "platform-missing",
            ),
            (
                "unexpected media type application/vnd.cncf.helm.config.v1+json for sha256:aa: not found",
                "unsupported-manifest",
            ),
            ("failed to copy: context canceled", "cancelled"),
            (
                "unable to initialize unpacker: snapshotter not loaded: stargz: invalid argument",
                "snapshotter",
            ),
            (
                r#"unable to initialize unpacker: snapshotter "nydus" not found: not found"#,
                "snapshotter",
            ),
            (
                "schema 1 image manifests are no longer supported: invalid argument",
                "unsupported-manifest",
            ),
        ],
    );
    check(&[
        (
            "get image config descriptor: no match for platform in manifest sha256:aa: not found",
            "platform-missing",
        ),
        (
            "rpc error: code = Unavailable desc = error reading from server: EOF",
            "runtime-unavailable",
        ),
        (
            "cancel pulling image reg/x:1 because of no progress in 5m0s",
            "no-progress",
        ),
        (
            r#"rpc error: code = Canceled desc = failed to pull and unpack image "R": context canceled"#,
            "cancelled",
        ),
    ]);
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
fn containers_image_5_2() {
    let source = "initializing source docker://quay.io/o/x:1: ";
    let manifest =
        "initializing source docker://quay.io/o/x:1: reading manifest 1 in quay.io/o/x: ";
    for (prefix, suffix) in [
        ("", ""),
        (
            "unable to pull image or OCI artifact: pull image err: ",
            "; artifact err: get manifest: build image source: reading manifest 1 in quay.io/o/x: manifest unknown",
        ),
        ("rpc error: code = Unknown desc = ", ""),
        ("unable to pull image: ", ""),
    ] {
        let table: Vec<(String, &str)> = [
            (source, "pinging container registry quay.io: Get \"https://quay.io/v2/\": dial tcp: lookup quay.io on 10.0.0.2:53: no such host", "dns/no-such-host"),
            (source, "pinging container registry quay.io: StatusCode: 404, \"<!DOCTYPE html><html>\"", "unexpected-answer/404"),
            (source, "pinging container registry quay.io: received unexpected HTTP status: 502 Bad Gateway", "server-error/502"),
            (manifest, "manifest unknown", "manifest-missing/tag"),
            (manifest, "manifest unknown: manifest unknown", "manifest-missing/tag"),
            (manifest, "name unknown: repository not found", "name-unknown"),
            (manifest, "requested access to the resource is denied", "access-denied"),
            (manifest, "unauthorized: access to the requested resource is not authorized", "access-denied"),
            (manifest, "authentication required", "unauthorized"),
            (manifest, "denied: requested access to the resource is denied", "access-denied"),
            (source, "unable to retrieve auth token: invalid username/password: unauthorized: authentication required", "token-refused/401"),
            (source, "Requesting bearer token: received unexpected HTTP status: 403 Forbidden", "forbidden"),
            (source, "requesting bearer token: invalid status code from registry 403 (Forbidden)", "forbidden"),
            (source, "decoding bearer token (last URL \"https://quay.io/v2/auth\", body start \"<html>\"): invalid character '<' looking for beginning of value", "unexpected-answer"),
            (source, "too many requests to registry", "rate-limited"),
            (manifest, "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit", "rate-limited"),
            (source, "registry quay.io is blocked in /etc/containers/registries.conf", "blocked-by-policy/node-config"),
            ("", "choosing an image from manifest list docker://quay.io/o/x:1: no image found in image index for architecture \"arm64\", variant \"v8\", OS \"linux\"", "platform-missing"),
            ("", "choosing image from manifest list docker://quay.io/o/x:1: no image found in manifest list for architecture arm64, variant \"v8\", OS linux", "platform-missing"),
            ("", "Source image rejected: A signature was required, but no signature exists", "signature"),
            ("", "Source image rejected: Running image docker://quay.io/o/x:1 is rejected by policy.", "signature"),
            ("", "short-name \"nginx\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\"", "short-name"),
            ("", "short name mode is enforcing, but image name nginx returns ambiguous list", "short-name"),
            ("", "copying system image from manifest list: writing blob: storing blob to file \"/var/tmp/storage1/1\": write /var/tmp/storage1/1: no space left on device", "no-space"),
            ("", "copying system image from manifest list: writing blob: storing blob to file \"/var/tmp/storage1/1\": happened during read: Digest did not match, expected sha256:aa, got sha256:bb", "digest-mismatch"),
            ("", "copying system image from manifest list: writing blob: storing blob to file \"/var/tmp/storage1/1\": happened during read: unexpected EOF", "interrupted"),
            ("", "copying system image from manifest list: reading blob sha256:aa: fetching blob: received unexpected HTTP status: 500 Internal Server Error", "server-error/500"),
            ("", "committing the finished image: adding layer with blob \"sha256:aa\"/\"\"/\"sha256:bb\": unpacking failed (error: exit status 1; output: write /x: no space left on device)", "no-space"),
            ("", "creating a temporary directory: mkdir /var/tmp/x: no space left on device", "no-space"),
            ("", "(Mirrors also failed: [m1.example.com/o/x:1: reading manifest 1 in m1.example.com/o/x: manifest unknown]\n[m2.example.com/o/x:1: pinging container registry m2.example.com: Get \"https://m2.example.com/v2/\": dial tcp 10.0.0.1:443: connect: connection refused]): quay.io/o/x:1: reading manifest 1 in quay.io/o/x: unauthorized: access to the requested resource is not authorized", "access-denied"),
        ]
        .iter()
        .map(|(stage, error, expected)| (format!("{prefix}{stage}{error}{suffix}"), *expected))
        .collect();
        let borrowed: Vec<(&str, &str)> = table
            .iter()
            .map(|(text, expected)| (text.as_str(), *expected))
            .collect();
        check(&borrowed);
    }
}

#[test]
fn docker_5_3() {
    check_in(
        |error| {
            format!(
                "Failed to pull image \"o/x:1\": rpc error: code = Unknown desc = Error response from daemon: {error}"
            )
        },
        &[
            (
                "manifest for nginx:nope not found: manifest unknown: manifest unknown",
                "manifest-missing/tag",
            ),
            (
                "pull access denied for foo/bar, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
                "access-denied",
            ),
            (
                "repository foo/bar not found: name unknown: The repository with name 'bar' does not exist in the registry",
                "name-unknown",
            ),
            (
                r#"Head "https://reg.example.com/v2/o/x/manifests/1": unauthorized: authentication required"#,
                "unauthorized",
            ),
            (
                r#"Head "https://reg.example.com/v2/o/x/manifests/1": denied: access forbidden"#,
                "forbidden",
            ),
            (
                r#"Head "https://reg.example.com/v2/o/x/manifests/1": no basic auth credentials"#,
                "no-credentials",
            ),
            (
                r#"Get "https://reg.example.com/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"#,
                "header-timeout",
            ),
            (
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
                "rate-limited",
            ),
            (
                "no matching manifest for linux/arm64/v8 in the manifest list entries",
                "platform-missing",
            ),
            (
                "no matching manifest for linux/arm64/v8 in the manifest list entries: no match for platform in manifest: not found",
                "platform-missing",
            ),
            (
                "failed to register layer: write /x: no space left on device",
                "no-space",
            ),
            (
                "failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
                "broken-archive",
            ),
            (
                "filesystem layer verification failed for digest sha256:aa",
                "digest-mismatch",
            ),
            (
                r"error pulling image configuration: download failed after attempts=6: dial tcp 10.0.0.1:443: i/o timeout",
                "dial-timeout",
            ),
            ("context canceled", "cancelled"),
            (
                "unsupported media type application/vnd.cncf.helm.config.v1+json",
                "unsupported-manifest",
            ),
            (
                "received unexpected HTTP status: 503 Service Unavailable",
                "server-error/503",
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
