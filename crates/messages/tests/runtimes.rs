//! Texts of the runtimes (containerd, containers/image, Docker), as their sources word them, and what each is
//! read as. The section numbers are those of the project's notes on image pulls.

mod common;

use common::{check, check_in, word};
use pulldoctor_messages::{read, read_log_line};

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
            (
                "unable to read CA cert \"/etc/ssl/company.pem\": open /etc/ssl/company.pem: no such file or directory",
                "registry-file",
            ),
            (
                "unable to load CA cert \"/etc/ssl/company.pem\"",
                "registry-file",
            ),
            (
                "unable to read CERT file \"/etc/certs/client.key\": open /etc/certs/client.key: permission denied",
                "registry-file",
            ),
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
fn what_each_host_said_stands_in_containerds_log() {
    let line = |message: &str, status: &str, url: &str| {
        let body = format!(
            "time=\"2026-11-28T04:02:35.561738738Z\" level=info msg=\"{message} after status: {status}\" host=h.example.com method=HEAD url=\"{url}\""
        );
        let near = "2026-11-28T05:00:00Z".parse().expect("a time");
        let reading = read(&read_log_line(&body, near).text);
        let host = reading.url.as_ref().map(|url| url.host.clone());
        (word(&reading.fault), host, reading.facts.mirrored_registry)
    };
    let mirror = "https://mirror.example.com/v2/shop/api/manifests/1?ns=reg.example.com";
    let own = "https://reg.example.com/v2/shop/api/manifests/1";
    let registry = Some("reg.example.com".to_owned());
    assert_eq!(
        line("trying next host", "404 Not Found", mirror),
        (
            "manifest-missing/unknown".to_owned(),
            Some("mirror.example.com".to_owned()),
            registry.clone()
        )
    );
    for older in [
        "trying next host - response was http.StatusNotFound (host=\"mirror.example.com\")",
        "trying next host - response was 404 Not Found (host=\"mirror.example.com\")",
        "fetch failed after status: 404 Not Found (host=\"mirror.example.com\")",
    ] {
        assert_eq!(
            word(&read(older).fault),
            "manifest-missing/unknown",
            "{older}"
        );
    }
    assert_eq!(
        line("fetch failed", "503 Service Unavailable", own),
        ("server-error/503".to_owned(), registry, None)
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
            (source, "unable to retrieve auth token: invalid username/password: unauthorized: authentication required", "token-refused/401/false"),
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
