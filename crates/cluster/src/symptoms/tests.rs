use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-01T10:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A scheduled pod of one container, bound a minute ago, to be changed by merge.
fn pod(change: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": "api-1", "namespace": "shop", "uid": "u1",
            "creationTimestamp": "2026-01-01T09:58:00Z"},
        "spec": {"nodeName": "n1", "serviceAccountName": "default",
            "containers": [{"name": "api", "image": "reg.example.com/shop/api:1",
                "imagePullPolicy": "IfNotPresent"}]},
        "status": {"phase": "Pending", "startTime": "2026-01-01T09:59:00Z",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T09:59:00Z"},
                {"type": "PodReadyToStartContainers", "status": "True",
                 "lastTransitionTime": "2026-01-01T09:59:02Z"}]}
    });
    merge(&mut pod, change);
    pod
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

fn waiting(name: &str, reason: &str, message: &str) -> Value {
    json!({"name": name, "restartCount": 0, "image": "", "imageID": "", "ready": false,
        "started": false, "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {}})
}

fn statuses(list: &Value) -> Value {
    json!({"status": {"containerStatuses": list}})
}

fn read_value(pod: &Value) -> Reading {
    let text = serde_json::to_string(pod).unwrap();
    read(&serde_json::from_str::<Pod<'_>>(&text).unwrap(), now())
}

/// What a pod shows, in short: kind, container, reason, image.
fn found(pod: &Value) -> Vec<(ContainerKind, String, String, String)> {
    read_value(pod)
        .drafts
        .into_iter()
        .map(|draft| {
            let symptom = draft.symptom;
            (
                symptom.kind,
                symptom.container.unwrap_or_default(),
                symptom.reason,
                symptom.image,
            )
        })
        .collect()
}

#[test]
fn every_pull_reason_is_a_symptom() {
    for reason in PULL_REASONS {
        let pod = pod(statuses(&json!([waiting("api", reason, "x")])));
        assert_eq!(
            found(&pod),
            [(
                ContainerKind::Container,
                "api".to_owned(),
                reason.to_owned(),
                "reg.example.com/shop/api:1".to_owned()
            )]
        );
    }
}

#[test]
fn the_whole_symptom_is_filled() {
    let mut pod = pod(statuses(&json!([waiting(
        "api",
        "ImagePullBackOff",
        "Back-off: why\nnext"
    )])));
    merge(
        &mut pod,
        json!({
            "metadata": {"ownerReferences": [
                {"apiVersion": "v1", "kind": "Thing", "name": "other", "uid": "x"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-6c9f", "uid": "r1",
                 "controller": true}]},
            "spec": {"imagePullSecrets": [{"name": "regcred"}, {"name": ""}, {}],
                "nodeSelector": {"kubernetes.io/arch": "arm64", "x": "y"}}
        }),
    );
    let reading = read_value(&pod);
    let draft = &reading.drafts[0];
    let symptom = &draft.symptom;
    assert_eq!(symptom.message, "Back-off: why\nnext");
    assert_eq!(symptom.node.as_deref(), Some("n1"));
    assert_eq!(symptom.pull_policy, Some(PullPolicy::IfNotPresent));
    assert_eq!(symptom.pull_secrets, ["regcred"]);
    assert_eq!(symptom.service_account.as_deref(), Some("default"));
    assert_eq!(symptom.wanted_arch.as_deref(), Some("arm64"));
    assert_eq!(symptom.since, "2026-01-01T09:59:02Z".parse().ok());
    assert!(!symptom.static_pod && !symptom.ran_before);
    assert_eq!(draft.controller.as_ref().unwrap().name, "api-6c9f");
    assert_eq!(draft.tail.as_deref(), Some("containers[0].image"));
    assert!(reading.suspect.is_none());
}

#[test]
fn what_is_no_pull_problem_is_not_reported() {
    for (reason, message) in [
        ("ContainerCreating", ""),
        ("PodInitializing", ""),
        (
            "CrashLoopBackOff",
            "back-off 40s restarting failed container=api pod=api-1",
        ),
        (
            "CreateContainerConfigError",
            "configmap \"settings\" not found",
        ),
        ("CreateContainerError", "context deadline exceeded"),
        (
            "RunContainerError",
            "failed to create containerd task: exec: \"x\": not found",
        ),
        ("PostStartHookError", "exit status 1"),
        ("", ""),
    ] {
        let pod = pod(statuses(&json!([waiting("api", reason, message)])));
        assert!(found(&pod).is_empty(), "{reason}");
    }
}

#[test]
fn free_text_counts_only_before_the_first_start() {
    let text = "illegal base64 data at input byte 4";
    let never = pod(statuses(&json!([waiting("api", text, text)])));
    assert_eq!(found(&never).len(), 1);
    let colon = pod(statuses(&json!([waiting("api", "unexpected:EOF", "")])));
    assert_eq!(found(&colon).len(), 1);

    let mut status = waiting("api", text, text);
    merge(
        &mut status,
        json!({"restartCount": 3, "lastState": {"terminated": {"exitCode": 1}}}),
    );
    assert!(found(&pod(statuses(&json!([status])))).is_empty());
}

#[test]
fn a_restart_that_cannot_pull_counts_in_a_running_pod() {
    let mut status = waiting("api", "ErrImagePull", "x");
    merge(
        &mut status,
        json!({"restartCount": 2, "containerID": "containerd://ab", "lastState": {"terminated":
            {"exitCode": 1, "finishedAt": "2026-01-01T09:59:30Z"}}}),
    );
    let mut pod = pod(statuses(&json!([status])));
    merge(&mut pod, json!({"status": {"phase": "Running"}}));
    let reading = read_value(&pod);
    assert!(reading.drafts[0].symptom.ran_before);
    assert_eq!(
        reading.drafts[0].symptom.since,
        "2026-01-01T09:59:30Z".parse().ok()
    );
}

#[test]
fn pods_that_are_over_leaving_or_unscheduled_are_passed_over() {
    for change in [
        json!({"metadata": {"deletionTimestamp": NOW}}),
        json!({"status": {"phase": "Succeeded"}}),
        json!({"status": {"phase": "Failed", "reason": "Evicted"}}),
        json!({"spec": {"nodeName": ""}}),
    ] {
        let mut pod = pod(statuses(&json!([waiting("api", "ImagePullBackOff", "x")])));
        merge(&mut pod, change.clone());
        let reading = read_value(&pod);
        assert!(
            reading.drafts.is_empty() && reading.suspect.is_none(),
            "{change}"
        );
    }
}

#[test]
fn create_errors_count_where_they_lie_in_the_image() {
    let message = "failed to generate container \"ab\" spec: failed to generate spec: no command \
                   specified";
    let pod = pod(statuses(&json!([waiting(
        "api",
        "CreateContainerError",
        message
    )])));
    assert_eq!(found(&pod).len(), 1);
}

#[test]
fn only_the_init_container_that_pulls_is_stuck() {
    let pod = pod(json!({
        "spec": {"initContainers": [
            {"name": "first", "image": "r/first:1"},
            {"name": "side", "image": "r/side:1", "restartPolicy": "Always"},
            {"name": "second", "image": "r/second:1"}]},
        "status": {
            "initContainerStatuses": [
                {"name": "first", "state": {"terminated": {"exitCode": 0,
                    "finishedAt": "2026-01-01T09:59:20Z"}}},
                waiting("side", "ErrImagePull", "x"),
                waiting("second", "ImagePullBackOff", "y")],
            "containerStatuses": [waiting("api", "PodInitializing", "")]}
    }));
    let found = found(&pod);
    let names: Vec<_> = found.iter().map(|it| (it.0, it.1.as_str())).collect();
    assert_eq!(
        names,
        [
            (ContainerKind::Init, "side"),
            (ContainerKind::Init, "second")
        ]
    );
    let reading = read_value(&pod);
    assert_eq!(
        reading.drafts[1].tail.as_deref(),
        Some("initContainers[2].image")
    );
    assert_eq!(
        reading.drafts[1].symptom.since,
        "2026-01-01T09:59:20Z".parse().ok()
    );
}

#[test]
fn ephemeral_containers_of_running_pods_are_seen() {
    let pod = pod(json!({
        "spec": {"ephemeralContainers": [{"name": "debug", "image": "r/debug:1"}]},
        "status": {"phase": "Running",
            "containerStatuses": [{"name": "api", "state": {"running": {"startedAt": NOW}}}],
            "ephemeralContainerStatuses": [waiting("debug", "ImagePullBackOff", "x")]}
    }));
    let found = found(&pod);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0, found[0].1.as_str()),
        (ContainerKind::Ephemeral, "debug")
    );
}

#[test]
fn each_failing_container_is_a_symptom_of_its_own() {
    let pod = pod(json!({
        "spec": {"containers": [{"name": "a", "image": "r/a:1"}, {"name": "b", "image": "r/b:1"},
            {"name": "c", "image": "r/c:1"}]},
        "status": {"containerStatuses": [
            waiting("a", "ErrImagePull", "x"),
            {"name": "b", "state": {"running": {"startedAt": NOW}}},
            waiting("c", "InvalidImageName", "y")]}
    }));
    let found = found(&pod);
    let names: Vec<_> = found.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
}

fn volume_pod(reason: &str, message: &str) -> Value {
    pod(json!({
        "spec": {
            "containers": [
                {"name": "api", "image": "reg.example.com/shop/api:1",
                 "volumeMounts": [{"name": "model", "mountPath": "/m"}]},
                {"name": "other", "image": "reg.example.com/shop/other:1"}],
            "volumes": [{"name": "tmp", "emptyDir": {}},
                {"name": "model", "image": {"reference": "reg.example.com/models/m:1",
                    "pullPolicy": "Always"}}]},
        "status": {"containerStatuses": [
            waiting("api", reason, message),
            waiting("other", "ContainerCreating", "")]}
    }))
}

#[test]
fn an_image_volume_is_told_from_the_container_that_mounts_it() {
    let message = "Back-off pulling image \"reg.example.com/models/m:1\": ErrImagePull: failed to \
                   pull and unpack image \"reg.example.com/models/m:1\": x";
    let pod = volume_pod("ImagePullBackOff", message);
    assert_eq!(
        found(&pod),
        [(
            ContainerKind::ImageVolume,
            "api".to_owned(),
            "ImagePullBackOff".to_owned(),
            "reg.example.com/models/m:1".to_owned()
        )]
    );
    let draft = &read_value(&pod).drafts[0];
    assert_eq!(draft.tail.as_deref(), Some("volumes[1].image.reference"));
    assert_eq!(draft.symptom.pull_policy, Some(PullPolicy::Always));

    let own = "Back-off pulling image \"reg.example.com/shop/api:1\": ErrImagePull: x";
    assert_eq!(
        found(&volume_pod("ImagePullBackOff", own))[0].0,
        ContainerKind::Container
    );
    let longer = "Back-off pulling image \"reg.example.com/models/m:12\"";
    assert_eq!(
        found(&volume_pod("ImagePullBackOff", longer))[0].0,
        ContainerKind::Container
    );
}

#[test]
fn a_volume_that_cannot_be_mounted_is_the_volumes() {
    let pod = volume_pod(
        "CreateContainerError",
        "ImageVolumeMountFailed: failed to mount x",
    );
    assert_eq!(found(&pod)[0].0, ContainerKind::ImageVolume);
    // A broken pull secret fails the first pull of the pod, and volumes come first.
    let text = "illegal base64 data at input byte 4";
    assert_eq!(
        found(&volume_pod(text, text))[0].0,
        ContainerKind::ImageVolume
    );
}

#[test]
fn an_image_is_named_in_every_spelling() {
    assert!(names_image(
        "pull image \"docker.io/library/nginx:1\": x",
        "nginx:1"
    ));
    assert!(names_image(
        "failed to resolve reference \"docker.io/o/x:latest\"",
        "o/x"
    ));
    assert!(names_image("docker.io/o/x:1: not found", "o/x:1"));
    assert!(!names_image("docker.io/o/x:1.2: not found", "o/x:1"));
    assert!(!names_image("docker.io/o/x-y:1", "o/x"));
    assert!(!names_image("anything", ""));
    assert!(
        names_image("reading manifest 1 in R:x, R2/é R:1", "R:1"),
        "broken references too"
    );
}

#[test]
fn static_pods_have_no_owner() {
    let mut pod = pod(statuses(&json!([waiting("api", "ErrImagePull", "x")])));
    merge(
        &mut pod,
        json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "h"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n",
                "controller": true}]}}),
    );
    let draft = &read_value(&pod).drafts[0];
    assert!(draft.symptom.static_pod);
    assert!(draft.controller.is_none());
}

#[test]
fn a_pod_without_sandbox_is_suspected_at_once() {
    let mut pod = pod(statuses(&json!([waiting("api", "ContainerCreating", "")])));
    merge(
        &mut pod,
        json!({"status": {"conditions": [{"type": "PodReadyToStartContainers",
            "status": "False"}]}}),
    );
    let suspect = read_value(&pod).suspect.unwrap();
    let sandbox = suspect.sandbox.unwrap().symptom;
    assert_eq!(
        (sandbox.kind, sandbox.container),
        (ContainerKind::Sandbox, None)
    );
    assert!(
        suspect.slow.is_empty(),
        "it is too young for a pull that hangs"
    );
}

#[test]
fn a_pod_that_waits_for_long_is_suspected_of_a_hanging_pull() {
    let mut pod = pod(statuses(&json!([waiting("api", "ContainerCreating", "")])));
    assert!(read_value(&pod).suspect.is_none());
    merge(
        &mut pod,
        json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "True",
             "lastTransitionTime": "2026-01-01T09:55:00Z"},
            {"type": "PodReadyToStartContainers", "status": "True"}]}}),
    );
    let suspect = read_value(&pod).suspect.unwrap();
    assert!(suspect.sandbox.is_none());
    assert_eq!(suspect.slow.len(), 1);
}

#[test]
fn a_container_that_ran_is_no_suspect() {
    let mut status = waiting("api", "ContainerCreating", "");
    merge(&mut status, json!({"containerID": "containerd://ab"}));
    let mut pod = pod(statuses(&json!([status])));
    merge(
        &mut pod,
        json!({"status": {"conditions": [{"type": "PodScheduled", "status": "True",
            "lastTransitionTime": "2026-01-01T08:00:00Z"}]}}),
    );
    assert!(read_value(&pod).suspect.is_none());
}

#[test]
fn the_tally_counts_each_container_once() {
    let pod = pod(json!({
        "spec": {"containers": [{"name": "a", "image": "r/a:1"}, {"name": "b", "image": "r/b:1"},
            {"name": "c", "image": "r/c:1"}]},
        "status": {"containerStatuses": [
            waiting("a", "ErrImagePull", "x"),
            {"name": "b", "state": {"running": {"startedAt": NOW}}},
            waiting("c", "ContainerCreating", "")]}
    }));
    let text = serde_json::to_string(&pod).unwrap();
    let pod = serde_json::from_str::<Pod<'_>>(&text).unwrap();
    let mut index = ImageIndex::default();
    tally(&pod, &read(&pod, now()).drafts, &mut index);
    let usage = |image: &str| index.image(image).first().map(|place| place.usage);
    assert_eq!(
        usage("r/a:1").map(|it| (it.pulled, it.waiting)),
        Some((0, 1))
    );
    assert_eq!(
        usage("r/b:1").map(|it| (it.pulled, it.waiting)),
        Some((1, 0))
    );
    assert_eq!(usage("r/c:1"), None);
    assert_eq!(index.image("r/b:1")[0].latest, NOW.parse().ok());
}

#[test]
fn endless_messages_are_cut() {
    let long = "é".repeat(100_000);
    let pod = pod(statuses(&json!([waiting("api", "ErrImagePull", &long)])));
    assert!(read_value(&pod).drafts[0].symptom.message.len() <= 16 << 10);
}
