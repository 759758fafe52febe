//! Messages from public threads, each with its source, and what each is read as. Only the wording
//! matters here: which cause was found in the thread is the engine's matter.

use pulldoctor_messages::{Fault, read};

struct Row {
    source: &'static str,
    text: &'static str,
    fault: &'static str,
}

const fn row(source: &'static str, fault: &'static str, text: &'static str) -> Row {
    Row {
        source,
        text,
        fault,
    }
}

fn word(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).expect("a fault serialises");
    let mut word = value["kind"].as_str().unwrap_or_default().to_owned();
    if let Some(inner) = value["inner"]["kind"].as_str() {
        word = format!("{word}/{inner}");
    }
    word
}

const ROWS: &[Row] = &[
    row(
        "containerd/cri#239",
        "sandbox-image/queue-blocked",
        "RunPodSandbox for &PodSandboxMetadata{Name:kube-scheduler} failed, error: failed to get sandbox image \"gcr.io/google_containers/pause:3.0\": failed to pull image \"gcr.io/google_containers/pause:3.0\": failed to pull image \"gcr.io/google_containers/pause:3.0\": locking ref k8s.io/2/layer-sha256:f112334343777b75be77ec1f835e3bbbe7d7bd46e27b6a2ae35c6b3cfea0987c failed: ref k8s.io/2/layer-sha256:f112334343777b75be77ec1f835e3bbbe7d7bd46e27b6a2ae35c6b3cfea0987c locked: unavailable",
    ),
    row(
        "flannel-io/flannel#1782",
        "sandbox-image/dial-timeout",
        "Warning FailedCreatePodSandBox 4s kubelet Failed to create pod sandbox: rpc error: code = Unknown desc = failed pulling image \"registry.k8s.io/pause:3.6\": Error response from daemon: Head \"https://asia-northeast1-docker.pkg.dev/v2/k8s-artifacts-prod/images/pause/manifests/3.6\": dial tcp 142.251.8.82:443: i/o timeout",
    ),
    row(
        "containerd/containerd#2011",
        "access-denied",
        "ctr: failed to resolve reference \"docker.io/library/go:nanoserver\": server message: insufficient_scope: authorization failed",
    ),
    row(
        "router-for-me/CLIProxyAPI#2668",
        "interrupted",
        "Error response from daemon: failed to resolve reference \"docker.io/eceasy/cli-proxy-api-plus:latest\": failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=repository%3Aeceasy%2Fcli-proxy-api-plus%3Apull&service=registry.docker.io\": EOF",
    ),
    row(
        "gpustack/gpustack#4860",
        "manifest-missing",
        "Failed to pull image quay.io/gpustack/runner:cuda12.9-vllm0.17.0-linux-amd64: Docker Client Error: failed to resolve reference \"quay.io/gpustack/runner:cuda12.9-vllm0.17.0-linux-amd64\": quay.io/gpustack/runner:cuda12.9-vllm0.17.0-linux-amd64: not found",
    ),
    row(
        "cri-o/cri-o#3612",
        "dns",
        "FATA[0000] pulling image failed: rpc error: code = Unknown desc = error pinging docker registry k8s.gcr.io: Get \"https://k8s.gcr.io/v2/\": dial tcp: lookup k8s.gcr.io: device or resource busy",
    ),
    row(
        "cri-o/cri-o#3863",
        "server-error",
        "FATA[0001] pulling image failed: rpc error: code = Unknown desc = error pinging docker registry 10.0.0.1:5000: invalid status code from registry 502 (Bad Gateway)",
    ),
    row(
        "cri-o/cri-o#2331",
        "access-denied",
        "FATA[0000] pulling image failed: rpc error: code = Unknown desc = Error reading manifest latest in docker.io/crio/busybox: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required",
    ),
    row(
        "cri-o/cri-o#2331",
        "proxy",
        "pulling image failed: rpc error: code = Unknown desc = error pinging docker registry registry-1.docker.io: Get \"https://registry-1.docker.io/v2/\": proxyconnect tcp: dial tcp: lookup http: Temporary failure in name resolution",
    ),
    row(
        "kubernetes/community#760",
        "unknown-authority",
        "Failed to pull image \"registry.<myip>.nip.io/ms-accounts:0.0.1\": rpc error: code = 2 desc = Error response from daemon: {\"message\":\"Get https://registry.<myip>.nip.io/v1/_ping: x509: certificate signed by unknown authority\"}",
    ),
    row(
        "k3s-io/k3s#2149",
        "tls-other",
        "22m         Warning   Failed                    pod/pod1      Failed to pull image \"my-registry.in.net:443/my_image\": rpc error: code = Unknown desc = failed to pull and unpack image \"my-registry.in.net:443/my_image:latest\": failed to resolve reference \"my-registry.in.net:443/my_image:latest\": failed to do request: Head \"https://my-registry.in.net/v2/my_image/manifests/latest\": x509: certificate relies on legacy Common Name field, use SANs or temporarily enable Common Name matching with GODEBUG=x509ignoreCN=0",
    ),
    row(
        "ansible/creator-ee#84",
        "unpack",
        "Failed to pull image \"quay.io/ansible/creator-ee:v0.5.0\": rpc error: code = Unknown desc = failed to pull and unpack image \"quay.io/ansible/creator-ee:v0.5.0\": failed to extract layer sha256:140b571c235813a8eb5ba7f5f474f8852eef0218d4e5efe99801351d4c76aa6b: operation not permitted: unknown",
    ),
    row(
        "containerd/containerd#4086",
        "unpack",
        "ctr: failed to extract layer sha256:baa90903a66df167bb3f28a20e040afe5c7cde54de5824ccf74032270d200778: chz mount callback failed on /var/lib/containerd/tmpmounts/containerd-mount109587469: chmod /var/lib/containerd/tmpmounts/containerd-mount109587469/sbin: no such file or directory: unknown",
    ),
    row(
        "containerd/containerd#5022",
        "io-error",
        "ctr: failed to extract layer sha256:be4eae0b2583281e2cd171c52a0b283a5e6f84e6b86066a18e205a10cb507fcd: failed to mount /var/lib/containerd/tmpmounts/containerd-mount788433525: input/output error: unknown",
    ),
    row(
        "containerd/containerd#4658",
        "unpack",
        "FATA[0002] pulling image failed: rpc error: code = Unknown desc = failed to pull and unpack image \"docker.io/r0bj/test-image:0.1\": unpack: failed to extract layer sha256:9c859ee9ae8224ac8800320b0e14ebffed2f4c82d4a37c37130e1672f9d6c26b: lstat /data/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/10382/fs/root/.gem/specs/api.rubygems.org%443: not a directory: unknown",
    ),
    row(
        "confidential-containers/cloud-api-adaptor#2254",
        "local-store-damaged",
        "failed to extract layer sha256:<layer-digest>: failed to get reader from content store: content digest sha256:<digest>: not found",
    ),
    row(
        "containerd/nydus-snapshotter#539",
        "local-store-damaged",
        "Warning  FailedCreatePodSandBox  3s    kubelet            Failed to create pod sandbox: rpc error: code = NotFound desc = failed to create containerd container: error unpacking image: failed to extract layer sha256:1021ef88c7974bfff89c5a0ec4fd3160daac6c48a075f74cff721f85dd104e68: failed to get reader from content store: content digest sha256:fbe1a72f5dcd08ba4ca3ce3468c742786c1f6578c1f6bb401be1c4620d6ff705: not found",
    ),
    row(
        "containerd/containerd#3369",
        "local-store-damaged",
        "FATA[0000] pulling image failed: rpc error: code = Unknown desc = failed to pull and unpack image \"*\": failed to unpack image on snapshotter overlayfs: failed to prepare extraction snapshot \"extract-814557379-Dsfj sha256:c6d5b1be87babc93b410ae6b3277222290ca1269dad532524f8d66e6ad6eba87\": failed to stat parent: stat /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/112/fs: no such file or directory",
    ),
    row(
        "containerd/accelerated-container-image#102",
        "local-store-damaged",
        "pulling image failed: rpc error: code = Unknown desc = failed to pull and unpack image \"$dadi_image\": failed to prepare extraction snapshot \"extract-545136048-IAjX sha256:c3b59cdbc3b160347a81159bc96aca9ceed3995c3d3814304e252e7853c4354f\": failed to rename: rename /opt/containerd/io.containerd.snapshotter.v1.overlaybd/snapshots/new-061002457 /opt/containerd/io.containerd.snapshotter.v1.overlaybd/snapshots/3479: file exists: unknown",
    ),
    row(
        "containerd/containerd#1986",
        "snapshotter",
        "ctr: failed to stat snapshot sha256:f999ae22f308fea973e5a25b57699b5daf6b0f1150ac2a5c2ea9d7fecee50fdf: snapshotter not loaded: overlayfs: invalid argument",
    ),
    row(
        "kubernetes/kubernetes#110675",
        "unauthorized",
        "Failed to pull image \"registry.app.xxx.net/XXXXX/partsgo42:GitActionsNew-2e7e78f7bb157128f1853b0dc06bf7ccd13156d7\": rpc error: code = Unknown desc = failed to pull and unpack image \"registry.app.xxx.net/spm2fog/partsgo42:GitActionsNew-2e7e78f7bb157128f1853b0dc06bf7ccd13156d7\": failed to resolve reference \"registry.app.xxx.net/spm2fog/partsgo42:GitActionsNew-2e7e78f7bb157128f1853b0dc06bf7ccd13156d7\": pulling from host registry.app.xxx.net failed with status code [manifests GitActionsNew-2e7e78f7bb157128f1853b0dc06bf7ccd13156d7]: 401 Unauthorized",
    ),
    row(
        "docker-library/tomcat#321",
        "token-refused",
        "amazoncorretto:11-al2-jdk: failed to authorize: failed to fetch anonymous token: unexpected status: 401",
    ),
    row(
        "enix/kube-image-keeper#276",
        "unauthorized",
        "GET https://index.docker.io/v2/<org-name>/foundation-inference/manifests/sha256:a7d92bc294e2fe8ec6eae13e613ed95fa2812ccafd3b888c162798db46641c90: UNAUTHORIZED: authentication required; [map[Action:pull Class: Name:<org-name>/foundation-inference Type:repository]]",
    ),
    row(
        "ogham-mcp/ogham-mcp#5",
        "unauthorized",
        "Error response from daemon: error from registry: unauthorized\nunauthorized",
    ),
    row(
        "dailymotion-oss/osiris#93",
        "bad-login",
        "error pulling image configuration: download failed after attempts=1: unauthorized: unauthenticated: User cannot be authenticated with the token provided.",
    ),
    row(
        "kubernetes/kubernetes#112842",
        "no-credentials",
        "kubelet[4027101]: E1003 20:18:22.385959 4027101 remote_image.go:216] \"PullImage from image service failed\" err=\"rpc error: code = Unknown desc = Error response from daemon: Head \\\"https://861807767978.dkr.ecr.us-east-2.amazonaws.com/v2/ecr-test/manifests/latest\\\": no basic auth credentials\" image=\"861807767978.dkr.ecr.us-east-2.amazonaws.com/ecr-test:latest\"",
    ),
    row(
        "podman-container-tools/podman#8503",
        "interrupted",
        "Error: unable to pull octoprint/octoprint: 1 error occurred:\n\t* Error writing blob: error storing blob to file \"/var/tmp/storage241651785/6\": read tcp 192.168.155.178:46000->104.18.123.25:443: read: connection reset by peer",
    ),
    row(
        "podman-container-tools/podman#24715",
        "interrupted",
        "Error: writing blob: storing blob to file \"/var/tmp/xyz\": happened during read: unexpected EOF",
    ),
    row(
        "UKHomeOffice/kb8or#68",
        "manifest-missing",
        "Failed to pull image \"quay.io/ukhomeofficedigital/s3registry:v2.0.0-bob\":\n    image pull failed for quay.io/ukhomeofficedigital/s3registry:v2.0.0-bob, this\n    may be because there are no credentials on this request.  details: (Tag v2.0.0-bob\n    not found in repository quay.io/ukhomeofficedigital/s3registry)",
    ),
    row(
        "litmuschaos/litmus#5210",
        "manifest-missing",
        "\"**docker.io/bitnami/os-shell:12-debian-12-r47**\": rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/bitnami/os-shell:12-debian-12-r47\": failed to resolve reference \"**docker.io/bitnami/os-shell:12-debian-12-r47**\": **docker.io/bitnami/os-shell:12-debian-12-r47: not found**",
    ),
    row(
        "docker-library/python#1104",
        "interrupted",
        "failed to solve: python:3.12-slim-bookworm: failed to resolve source metadata for docker.io/library/python:3.12-slim-bookworm: short read: expected 5711 bytes but got 4588: unexpected EOF",
    ),
    row(
        "abiosoft/colima#624",
        "unknown-authority",
        "error pulling image configuration: download failed after attempts=6: x509: certificate signed by unknown authority",
    ),
    row(
        "jlesage/docker-crashplan-pro#215",
        "interrupted",
        "error pulling image configuration: Get https://production.cloudflare.docker.com/registry-v2/docker/registry/v2/blobs/sha256/ca/cab95b3760163f8663ca45194a50cd5ed2e88a87220dd799ce359c19119d66f3/data?verify=1577462404-ru4iI1kW407xAGb53Mfv5CIdpDY%3D: EOF",
    ),
    row(
        "jupyterhub/zero-to-jupyterhub-k8s#472",
        "invalid-reference",
        "Failed to apply default image tag \"None:None\": couldn't parse image reference \"None:None\": invalid reference format: repository name must be lowercase",
    ),
    row(
        "Sentinel-One/helm-charts#56",
        "invalid-reference",
        "couldn't parse image reference \"<s1-helper-image>:<s1-helper-tag>\": invalid reference format",
    ),
    row(
        "k3s-io/k3s#12540",
        "runtime-config",
        "Failed to inspect image \"\": rpc error: code = Unknown desc = unable to convert a nil pointer to a runtime API image",
    ),
    row(
        "confluentinc/cp-helm-charts#411",
        "local-store-damaged",
        "Failed to inspect image \"ranchercharts/confluentinc-cp-kafka:5.3.0\": rpc error: code = Unknown desc = Error response from daemon: readlink /var/lib/docker/overlay2/l: invalid argument\nError: ImageInspectError",
    ),
    row(
        "ciiiii/cloudflare-docker-proxy#62",
        "dial-timeout",
        "time=\"2024-09-13T10:44:52.762605809+08:00\" level=info msg=\"trying next host\" error=\"failed to authorize: failed to fetch anonymous token: Get \\\"https://auth.docker.io/token?scope=repository%3Alibrary%2Fredis%3Apull&service=registry.docker.io\\\": dial tcp 199.96.62.75:443: i/o timeout\" host=docker.eastcoal.tech",
    ),
    row(
        "kubernetes/website#40834",
        "runtime-config",
        "[ERROR ImagePull]: failed to pull image registry.k8s.io/kube-apiserver:v1.27.1: output: E0425 03:13:37.830947   15673 remote_image.go:171] \"PullImage from image service failed\" err=\"rpc error: code = Unknown desc = invalid policy in \\\"/etc/containers/policy.json\\\": Unknown key \\\"keyPaths\\\"\" image=\"registry.k8s.io/kube-apiserver:v1.27.1\"",
    ),
    row(
        "clearlinux/distribution#160",
        "runtime-config",
        "open /etc/containers/policy.json: no such file or directory",
    ),
    row(
        "clearlinux/distribution#160",
        "short-name",
        "no registries configured while trying to pull an unqualified image, add at least one in /etc/crio/crio.conf under the \"registries\" key",
    ),
    row(
        "goharbor/harbor#23190",
        "name-unknown",
        "Error response from daemon: unknown: repository proxy/library/nginx not found",
    ),
    row(
        "goharbor/harbor#22415",
        "manifest-missing",
        "Error: unable to copy from source docker://[REDACTED]/docker.io/bitnami/postgresql:15.4.0-debian-11-r45: initializing source docker://[REDACTED]/docker.io/bitnami/postgresql:15.4.0-debian-11-r45: reading manifest 15.4.0-debian-11-r45 in [REDACTED]/docker.io/bitnami/postgresql: unknown: resource not found: repo docker.io/bitnami/postgresql, tag 15.4.0-debian-11-r45 not found",
    ),
    row(
        "goharbor/harbor#13475",
        "manifest-missing",
        "failed to resolve reference \"<harbor-proxy-cache>/<proxy-cache-project>/<target-registry-image>:<tag>\": <harbor-proxy-cache>/<proxy-cache-project>/<target-registry-image>:<tag>: not found",
    ),
    row(
        "Azure/ACS#105",
        "unpack",
        "Failed to pull image \"winpoc.azurecr.io/rolemanager:v1\": rpc error: code = 2 desc = failed to register layer: re-exec error: exit status 1: output: time=\"2018-01-23T05:26:56Z\" level=error msg=\"hcsshim::ImportLayer failed in Win32: The system cannot find the file specified. (0x2) layerId=\\\\\\\\?\\\\C:\\\\ProgramData\\\\docker\\\\windowsfilter\\\\c62c8555ff2d4efca2a9ddbde457a17efc4951fd1bf1dbe4b46c88054e515566 flavour=1 folder=C:\\\\Windows\\\\TEMP\\\\hcs339069859\"",
    ),
    row(
        "microsoft/hcsshim#2226",
        "unpack",
        "hcsshim::ProcessBaseLayer \\\\\\\\?\\\\C:\\\\ProgramData\\\\containerd\\\\root\\\\io.containerd.snapshotter.v1.windows\\\\snapshots\\\\25: The system cannot find the path specified.: unknown",
    ),
    row(
        "kubernetes/minikube#17820",
        "unknown-authority",
        "Failed to pull image \"kicbase/echo-server:1.0\": Error response from daemon: Head \"https://registry-1.docker.io/v2/kicbase/echo-server/manifests/1.0\": Get \"https://auth.docker.io/token?scope=repository%3Akicbase%2Fecho-server%3Apull&service=registry.docker.io\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    row(
        "kubernetes/minikube#16089",
        "tls-other",
        "Error response from daemon: Get \"https://registry.k8s.io/v2/\": remote error: tls: handshake failure",
    ),
    row(
        "kubernetes/minikube#7577",
        "tls-handshake-timeout",
        "  Warning  Failed     9m51s (x4 over 11m)  kubelet, minikube  Failed to pull image \"k8s.gcr.io/kube-proxy:v1.18.0\": rpc error: code = Unknown desc = Error response from daemon: Get https://k8s.gcr.io/v2/: net/http: TLS handshake timeout",
    ),
    row(
        "konstructio/kubefirst#924",
        "interrupted",
        "Failed to pull image \"summerwind/actions-runner-dind\": rpc error: code = Unknown desc = failed to pull and unpack image \"docker.io/summerwind/actions-runner-dind:latest\": failed to read expected number of bytes: unexpected EOF",
    ),
    row(
        "kubernetes/kubernetes#56493",
        "dial-timeout",
        "Failed to pull image \"testgitlab.lendingkart.com:5005/mihir-lkart/actuator-sample\": rpc error: code = Unknown desc = Error response from daemon: Get https://testgitlab.lendingkart.com:5005/v1/_ping: dial tcp 172.31.17.179:5005: i/o timeout\nError syncing pod",
    ),
    row(
        "containers/image#2497",
        "blocked-by-policy",
        "Failed to pull image: registry quay.io/x/y is blocked in /etc/containers/registries.conf or /etc/containers/registries.conf.d",
    ),
    row(
        "spegel-org/spegel#620",
        "server-error",
        "{\"time\":\"2024-10-29T11:27:44.158413062Z\",\"level\":\"ERROR\",\"msg\":\"request to mirror failed\",\"key\":\"sha256:70850b3ec6b2d92e9ccdff63bbd5d1aa0dec25087cb2507165f7538ffc7029df\",\"path\":\"/v2/library/nginx/blobs/sha256:70850b3ec6b2d92e9ccdff63bbd5d1aa0dec25087cb2507165f7538ffc7029df\",\"ip\":\"172.18.0.5\",\"err\":\"expected mirror to respond with 200 OK but received: 500 Internal Server Error\",\"attempt\":1}",
    ),
    row(
        "helm/helm#30890",
        "unsupported-manifest",
        "Error: media type \"application/vnd.cncf.helm.chart.provenance.v1.prov\" is not allowed, found in descriptor with digest: \"sha256:812020c07e5e758fbc5cf2cec2640aed415c08a70b9801451a5607e4c5528ede\"",
    ),
    row(
        "googlecodelabs/monolith-to-microservices#59",
        "forbidden",
        "Failed to pull image \"gcr.io/maloney-scratch/monolith:1.0.0\": rpc error: code = Unknown desc = failed to pull and unpack image \"gcr.io/maloney-scratch/monolith:1.0.0\": failed to resolve reference \"gcr.io/maloney-scratch/monolith:1.0.0\": pulling from host gcr.io failed with status code [manifests 1.0.0]: 403 Forbidden",
    ),
    row(
        "docker/login-action#606",
        "token-refused",
        "europe-west1-docker.pkg.dev/foo/ar/python:3.9-slim: failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden",
    ),
    row(
        "sassoftware/viya4-iac-gcp#109",
        "access-denied",
        "Failed to pull image \"gcr.io/viya4-poc/sas-orchestration:1.41.6\": rpc error: code = Unknown desc = Error response from daemon: pull access denied for gcr.io/viya4-poc/sas-orchestration, repository does not exist or may require 'docker login': denied: Permission denied for \"1.41.6\" from request \"/v2/viya4-poc/sas-orchestration/manifests/1.41.6\".",
    ),
    row(
        "crossplane/crossplane#3023",
        "permission-missing",
        "cannot unpack package: failed to fetch package digest from remote: GET https://europe-docker.pkg.dev/v2/token?scope=repository%!A(MISSING)x%!F(MISSING)docker-gke%!A(MISSING)pull&service=europe-docker.pkg.dev: DENIED: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/irn/locations/europe/repositories/docker-gke\" (or it may not exist)",
    ),
    row(
        "docker-library/docker#253",
        "image-missing",
        "ERROR: Preparation failed: Error: No such image: docker:stable (executor_docker.go:188:0s)",
    ),
];

#[test]
fn messages_of_public_threads() {
    let wrong: Vec<String> = ROWS
        .iter()
        .filter_map(|row| {
            let found = word(&read(row.text).fault);
            (found != row.fault).then(|| {
                format!(
                    "{}: {:?}\n    is {found}, wanted {}",
                    row.source, row.text, row.fault
                )
            })
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        ROWS.len(),
        wrong.join("\n")
    );
}
