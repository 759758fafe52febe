//! Rarer shapes of messages from public threads and vendors' documentation, each with its source,
//! and what each is read as. Only the wording matters here.

mod common;

use common::{check, check_in, word};
use pulldoctor_messages::{CredentialUse, Reading, Runtime, read};

/// A source, a text of it, and its fault as a word.
type Row = (&'static str, &'static str, &'static str);

#[track_caller]
fn check_rows(rows: &[Row]) {
    let table: Vec<(&str, &str)> = rows
        .iter()
        .map(|(_, text, fault)| (*text, *fault))
        .collect();
    check(&table);
}

#[test]
fn owners_that_the_node_cannot_give() {
    check_rows(&[
        (
            "genuinetools/img#40, containerd archive/tar_unix.go",
            "INFO[0001] Apply failure, attempting cleanup             error=\"mount callback failed on /tmp/containerd-mount735446913: lchown /tmp/containerd-mount735446913/etc/shadow: invalid argument\" key=\"extract-337652914-e-vv sha256:cd7100a72410606589a54b932cabd804a17f9ae5b42a1882bd56d263e02b6215\"",
            "unpack",
        ),
        (
            "rancher/rancher#24910, moby pkg/archive/archive.go",
            "docker: failed to register layer: Error processing tar file(exit status 1): lchown /usr/bin/etcd: invalid argument.",
            "unpack",
        ),
        (
            "docs of Azure App Service, moby pkg/idtools/idtools.go",
            "failed to register layer: Error processing tar file(exit status 1): Container ID 1000000 cannot be mapped to a host ID",
            "unpack",
        ),
        (
            "the disk is full while an owner is set: the call's own error counts",
            "failed to extract layer sha256:aa: mount callback failed on /var/lib/containerd/tmpmounts/containerd-mount1: lchown /var/lib/containerd/tmpmounts/containerd-mount1/etc/shadow: no space left on device: unknown",
            "no-space",
        ),
    ]);
}

#[test]
fn what_a_snapshotter_says_for_itself() {
    check_rows(&[
        (
            "dragonflyoss/nydus#48, containerd core/unpack/unpacker.go",
            "FATA[0000] pulling image: rpc error: code = Unknown desc = failed to pull and unpack image \"localhost:5000/ubuntu:16.04-nydus\": failed to prepare extraction snapshot \"extract-262457039-f1jQ sha256:6df557218c153a61f8d1901eb213a80413b18a6f789c9ed0b5bef6d3ec9e3679\": failed to find image ref of snapshot 25, labels map[containerd.io/snapshot.ref:sha256:6df557218c153a61f8d1901eb213a80413b18a6f789c9ed0b5bef6d3ec9e3679 containerd.io/snapshot/nydus-bootstrap:true]: unknown",
            "snapshotter",
        ),
        (
            "containerd/containerd#1818",
            "ctr: failed to prepare extraction layer: failed to create active: missing parent bucket: not found",
            "snapshot-race",
        ),
        (
            "no snapshotter's fault: the disk is full",
            "failed to pull and unpack image \"r.io/x:1\": failed to prepare extraction snapshot \"extract-1 sha256:aa\": write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db: no space left on device",
            "no-space",
        ),
        (
            "kubernetes/kubernetes#3611, moby graph/graph.go 1.4",
            "6cece30db4f9: Error pulling image (20) from fedora, Driver devicemapper failed to get image parent\n782cf93a8f16d3016dae352188cd5cfedb6a15c37d4dbd704399f02d1bb89dab: Unknown device",
            "snapshotter",
        ),
        (
            "cri-o/cri-o#10241, containers/image storage/storage_reference.go",
            "reference \"[overlay@/var/lib/containers/storage+/run/containers/storage]registry.internal/org/app-b@sha256:beb1cfa12815bff42152400c8409206162edcc889b147dfd6656894b41a50712\" does not resolve to an image ID",
            "local-store-damaged",
        ),
    ]);
}

#[test]
fn media_types_in_other_words() {
    check_in(
        |error| format!("Failed to pull image \"r.io/x:1\": {error}"),
        &[
            // containerd/imgcrypt#95, images/encryption/encryption.go
            (
                "unhandled media type application/vnd.oci.image.layer.v1.tar+zstd: invalid argument",
                "unsupported-manifest",
            ),
            (
                "you are not authorized to use this image: bad/unhandled MediaType application/vnd.oci.image.layer.v1.tar+zstd in encryptChildren",
                "unsupported-manifest",
            ),
            // ten-nancy/porto#7
            (
                "Can't pull docker image: Docker:(Unknown manifest mediaType: application/vnd.oci.image.index.v1+json)",
                "unsupported-manifest",
            ),
            // kata-containers/kata-containers#12744
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip+encrypted not supported",
                "unsupported-manifest",
            ),
        ],
    );
}

#[test]
fn policies_and_quotas_of_registries() {
    check_rows(&[
        (
            "goharbor/harbor#13696, src/core/middlewares/vulnerable 1.9",
            "Error response from daemon: unknown: middleware: vulnerable handler: error: 10412(Precondition failed) : no scanner registration configured for project: 34",
            "blocked-by-policy/scan",
        ),
        (
            "goharbor/harbor#8958, Harbor 1.8",
            "failed to extract image: PROJECT_POLICY_VIOLATION: \"Cannot get the image severity.\"",
            "blocked-by-policy/scan",
        ),
        (
            "docs of IBM Cloud Container Registry, troubleshooting",
            "403 Forbidden - Server message: denied: You have exceeded your pull traffic quota for the current month. Review your pull traffic quota and pricing plan.",
            "blocked-by-policy/quota",
        ),
        (
            "docs of IBM Cloud Container Registry, troubleshooting",
            "Your account has exceeded your pull traffic quota for the current month. See https://cloud.ibm.com/docs/Registry?topic=Registry-troubleshoot-quota",
            "blocked-by-policy/quota",
        ),
        (
            "a quota of the cluster is none of a registry",
            "Error creating: pods \"web-7d9c6f5b8-\" is forbidden: exceeded quota: compute-quota, requested: limits.cpu=2, used: limits.cpu=8, limited: limits.cpu=8",
            "unknown",
        ),
        (
            "docs of OpenShift 4.1, CRI-O 1.13 server/image_status.go",
            "Failed to inspect image \"docker.io/veermuchandi/welcome@sha256:db4d49ca6ab825c013cb076a2824947c5378b845206cc29c6fd245744ffd35fb\": rpc error: code = Unknown desc = cannot use \"docker.io/veermuchandi/welcome@sha256:db4d49ca6ab825c013cb076a2824947c5378b845206cc29c6fd245744ffd35fb\" because it's blocked",
            "blocked-by-policy/node-config",
        ),
        (
            "openshift/origin pkg/monitor, containers/image internal/signature/signature.go",
            "rpc error: code = Unknown desc = copying system image from manifest list: reading signatures: parsing signature https://registry.redhat.io/containers/sigstore/openshift4/ose-oauth-proxy@sha256=f968922564c3eea1c69d6bbe529d8970784d6cae8935afaf674d9fa7c0f72ea3/signature-9: unrecognized signature format, starting with binary 0x3c",
            "signature",
        ),
        (
            "docs of kata-containers CCv0, image-rs",
            "PullImage from image service failed\" err=\"rpc error: code = Internal desc = Security validate failed: Validate image failed: The signatures do not satisfied! Reject reason: [Match reference failed.]\" image=\"quay.io/kata-containers/confidential-containers:unsigned\"",
            "signature",
        ),
        (
            "openshift/origin#16349: the server of signatures is ill, none is refused",
            "rpc error: code = 2 desc = Error reading signatures: received unexpected HTTP status: 500 Internal Server Error",
            "server-error/500",
        ),
    ]);
}

#[test]
fn logins_in_other_words() {
    check_rows(&[
        (
            "google/fuzzbench#1981",
            "Unauthenticated requests do not have permission \"artifactregistry.repositories.downloadArtifacts\" on resource \"projects/fuzzbench/locations/us/repositories/gcr.io\"",
            "no-credentials",
        ),
        (
            "Oracle Cloud registry",
            "unable to pull image or OCI artifact: ... denied: Anonymous users are only allowed read access on public repos ...",
            "no-credentials",
        ),
        (
            "kubernetes/kubernetes#49493, nginx ngx_http_auth_basic_module.c",
            "no user/password was provided for basic authentication",
            "no-credentials",
        ),
        (
            "docs of IBM Cloud Container Registry, troubleshooting",
            "You are not authorized to access the specified resource.",
            "access-denied",
        ),
        (
            "cut off",
            "Failed to pull image \"myregistry.io/my-app:v1\": rpc error: code = Unknown desc = Error response from daemon: pull access denied",
            "access-denied",
        ),
        (
            "podman troubleshooting.md: Docker Hub's token service turns nobody away who has no login",
            "Error: unable to pull docker://docker.io/library/alpine:latest: unable to pull image: Error determining manifest MIME type for docker://alpine:latest: unable to retrieve auth token: invalid username/password",
            "token-refused/401/false",
        ),
        (
            "Red Hat's registry does turn away",
            "Error: initializing source docker://registry.redhat.io/ubi9/httpd-24:latest: unable to retrieve auth token: invalid username/password: unauthorized: Please login to the Red Hat Registry using your Customer Portal credentials.",
            "token-refused/401",
        ),
    ]);
}

#[test]
fn requests_and_answers_in_other_words() {
    check_rows(&[
        (
            "ansible-navigator's docs, registry.redhat.io",
            "initializing source docker://registry.redhat.io/ansible-automation-platform/ee-minimal-rhel8:latest: reading manifest latest in registry.redhat.io/ansible-automation-platform/ee-minimal-rhel8: unsupported: This repository does not use the \"latest\" tag to track the most recent image and must be pulled with an explicit version or image reference.",
            "manifest-missing/tag",
        ),
        (
            "kubernetes/registry.k8s.io#333: the config is fetched from the host of the blobs",
            "copying system image from manifest list: parsing image configuration: fetching blob: StatusCode: 400, \"<?xml version=\\\"1.0\\\"?><Error><Cod...\"",
            "http-status/400",
        ),
        (
            "containers/image#1953: the config itself does not parse",
            "parsing image configuration: json: cannot unmarshal array into Go value of type v1.Image: reading manifest 1 in quay.io/o/x",
            "broken-manifest",
        ),
        (
            "moby/moby#26144, Go net/http/transport.go 1.6",
            "Error while pulling image: Get https://index.docker.io/v1/repositories/library/ubuntu/images: http: error connecting to proxy http://%E2%80%9Dhttp://proxy:8080%E2%80%9D: dial tcp: lookup ”http: invalid domain name",
            "proxy/connect/unknown",
        ),
        (
            "kubernetes/kubernetes#24530: dockershim and an engine of another age",
            "Error syncing pod 31157f482aa8557a2a744911683a3972, skipping: failed to \"StartContainer\" for \"POD\" with ImageInspectError: \"Failed to inspect image \\\"gcr.io/google_containers/pause:2.0\\\": json: cannot unmarshal number into Go value of type string\"",
            "runtime-config",
        ),
        (
            "OpenShift on Oracle Cloud: the reason alone",
            "`Error: ImageInspectError - short name mode is enforcing`",
            "short-name",
        ),
        (
            "kamu-data/kamu-cli#47: emphasis of the thread around the words",
            "failed to register layer**_: open /var/lib/docker/image/overlay2/layerdb/tmp/write-set-334267312/diff: **_read-only file system_**",
            "read-only",
        ),
    ]);
}

#[test]
fn a_text_that_breaks_off_says_no_more_than_it_says() {
    check_rows(&[
        (
            "Go crypto/x509",
            "Failed to pull image \"r.io/x:1\": failed to do request: Head \"https://r.io/v2/x/manifests/1\": x509: certificate signed by unkn...",
            "back-off-only",
        ),
        (
            "Go crypto/x509: words that no phrase tells apart",
            "Failed to pull image \"r.io/x:1\": failed to do request: Head \"https://r.io/v2/x/manifests/1\": x509: unsupported elliptic curve",
            "tls-other",
        ),
        (
            "containerd core/mount",
            "failed to pull and unpack image \"r.io/x:1\": failed to extract layer sha256:aa: failed to mount /var/lib/containerd/tmpmounts/containerd-mount7: ...",
            "unpack",
        ),
        (
            "registry.k8s.io#277: a page of Google's",
            "error parsing HTTP 403 response body: invalid character '<' looking for beginning of value: \"<h1>Error: Forbidden</h1>\\n<h2>Your client does not have permission t",
            "blocked-by-policy/client-address",
        ),
    ]);
    let cut = read("error pinging docker registry mirror.example.com:5000: Get http://mirro");
    assert_eq!(cut.url, None);
    assert_eq!(cut.foreign_host, None);
}

#[test]
fn envelopes_that_are_no_error_of_their_own() {
    check_rows(&[
        (
            "docker-archive-public/docker.kitematic#3914, dockerode: the status is the engine's",
            "(HTTP code 500) server error - Get https://registry-1.docker.io/v2/: dial tcp: lookup registry-1.docker.io on 10.0.2.3:53: server misbehaving",
            "dns/server-misbehaving",
        ),
        (
            "dockerode, cut",
            "(HTTP code 500) server error - Get https://registry-1.docker.io/v2/: d",
            "unknown",
        ),
        (
            "skopeo up to 1.0: any error of the source",
            "FATA[0000] Error parsing image name \"docker://r.example.com/x:1\": Error reading manifest 1 in r.example.com/x: unauthorized: authentication required",
            "unauthorized",
        ),
        (
            "moby/moby#30798, distribution registry/client/errors.go 2.5",
            "Error parsing HTTP response: invalid character '<' looking for beginning of value: \"<!DOCTYPE HTML>\\n<html>",
            "unexpected-answer",
        ),
    ]);
}

#[test]
fn errors_of_other_programs_are_no_pulls() {
    check_rows(&[
        (
            "kubelet prober",
            "Warning  Unhealthy  3s (x4 over 33s)  kubelet  Readiness probe failed: Get \"http://10.244.1.7:8080/healthz\": dial tcp 10.244.1.7:8080: connect: connection refused",
            "not-a-pull-problem",
        ),
        (
            "kubectl",
            "Unable to connect to the server: x509: certificate has expired or is not yet valid: current time 2026-03-01T10:00:00Z is after 2026-02-27T09:12:44Z",
            "not-a-pull-problem",
        ),
        (
            "kubectl",
            "Error from server (Forbidden): secrets \"regcred\" is forbidden: User \"dev\" cannot get resource \"secrets\" in API group \"\" in the namespace \"prod\"",
            "not-a-pull-problem",
        ),
        (
            "CRI-O internal/lib/sandbox, multus",
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to create pod network sandbox k8s_x: error adding pod to CNI network \"multus-cni-network\": plugin type=\"multus\" name=\"multus-cni-network\" failed (add): Get \"https://10.96.0.1:443/api/v1/namespaces/x\": dial tcp 10.96.0.1:443: i/o timeout",
            "not-a-pull-problem",
        ),
        (
            "kube-apiserver",
            "Internal error occurred: failed calling webhook \"validate.nginx.ingress.kubernetes.io\": failed to call webhook: Post \"https://ingress-nginx-controller-admission.ingress-nginx.svc:443/networking/v1/ingresses?timeout=10s\": x509: certificate signed by unknown authority",
            "not-a-pull-problem",
        ),
        (
            "a Go program",
            "panic: dial tcp 10.0.0.12:5432: connect: connection refused\n\ngoroutine 1 [running]:",
            "not-a-pull-problem",
        ),
        (
            "a gRPC client of a pod: runtimes answer on a file",
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 10.96.3.4:9090: connect: connection refused\"",
            "not-a-pull-problem",
        ),
        (
            "the runtime's file",
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"",
            "runtime-unavailable",
        ),
        (
            "a pull beside it is a pull",
            "Readiness probe failed: Get \"http://10.244.1.7:8080/healthz\": dial tcp 10.244.1.7:8080: connect: connection refused\nFailed to pull image \"r.io/x:1\": failed to pull and unpack image \"r.io/x:1\": failed to resolve reference \"r.io/x:1\": r.io/x:1: not found",
            "manifest-missing/tag",
        ),
    ]);
}

#[test]
fn what_says_that_an_image_was_pulled() {
    let tells = |text: &str| read(text).tells_of_a_pull();
    assert!(!tells(
        "dial tcp 10.0.0.12:5432: connect: connection refused"
    ));
    assert!(!tells(
        "Get \"https://api.example.com/v3/users\": dial tcp 10.0.0.12:443: i/o timeout"
    ));
    assert!(!tells("write /data/journal: no space left on device"));
    assert!(tells(
        "Get \"https://r.example.com/v2/\": dial tcp 10.0.0.12:443: i/o timeout"
    ));
    assert!(tells(
        "failed to do request: Head \"https://r.example.com/\": EOF"
    ));
    assert!(tells("Error response from daemon: i/o timeout"));
    assert!(tells(
        "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"
    ));
}

#[test]
fn a_refused_login_at_a_registry_that_gives_everyone_a_token_was_sent() {
    let Reading {
        credential,
        runtime,
        fault,
        ..
    } = read(
        "initializing source docker://quay.io/o/x:1: unable to retrieve auth token: invalid username/password: unauthorized: authentication required",
    );
    assert_eq!(credential, Some(CredentialUse::WithCredentials));
    assert_eq!(runtime, Some(Runtime::CriO));
    assert_eq!(word(&fault), "token-refused/401/false");
}
