//! Manifests, platforms, configs, layers and tags.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{ask, config, failure, outline, plain, request};
use pulldoctor_diagnose::transcript::cause_of;
use pulldoctor_model::CauseId;
use pulldoctor_registry::judge::{Facts, LayersFacts, PlatformFacts};
use pulldoctor_registry::{ProbeDepth, ProbeRequest, Problem, StageName, Transcript};
use pulldoctor_testkit::registry::FakeRegistry;
use serde_json::{Value, json};

async fn registry(image: &str, faults: Value) -> FakeRegistry {
    FakeRegistry::start(plain(json!({"faults": faults,
        "repositories": [{"name": "shop/api", "tags": [{"tag": "1", "image": image}]}]})))
    .await
    .unwrap()
}

fn question(registry: &FakeRegistry, depth: ProbeDepth) -> ProbeRequest {
    let mut question = request(&format!("{}/shop/api:1", registry.authority()));
    question.platform = Some("linux/amd64".parse().unwrap());
    question.depth = depth;
    question
}

async fn probe(image: &str, depth: ProbeDepth) -> Transcript {
    let registry = registry(image, json!([])).await;
    ask(config(), &question(&registry, depth)).await
}

fn layers(got: &Transcript) -> &LayersFacts {
    match &got.stage(StageName::Layers).unwrap().facts {
        Facts::Layers(facts) => facts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whatever_an_image_can_be() {
    use ProbeDepth::{Layers, Verify};
    use StageName::{Config, Manifest, Platform};
    for (image, depth, expected) in [
        ("tiny", Verify, None),
        ("docker-tiny", Verify, None),
        ("index:amd64+arm64", Verify, None),
        ("big:4*3M", Verify, None),
        ("arm64-single", Layers, None),
        ("arm64-only", Layers, Some((Platform, Problem::NoPlatform))),
        (
            "schema1",
            Layers,
            Some((Manifest, Problem::ManifestSchema1)),
        ),
        ("helm", Layers, Some((Manifest, Problem::NotAnImage))),
        ("cosign", Layers, Some((Manifest, Problem::NotAnImage))),
        ("plugin", Layers, Some((Manifest, Problem::NotAnImage))),
        (
            "missing-manifest",
            Layers,
            Some((Platform, Problem::ManifestMissing)),
        ),
        (
            "missing-config",
            Layers,
            Some((Config, Problem::ConfigMissing)),
        ),
        (
            "missing-layer",
            Layers,
            Some((StageName::Layers, Problem::LayerMissing)),
        ),
        (
            "missing-layer",
            Verify,
            Some((StageName::Layers, Problem::LayerMissing)),
        ),
        (
            "corrupt-layer",
            Verify,
            Some((StageName::Layers, Problem::LayerDigest)),
        ),
        (
            "truncated-layer",
            Verify,
            Some((StageName::Layers, Problem::LayerSize)),
        ),
        (
            "truncated-layer",
            Layers,
            Some((StageName::Layers, Problem::LayerSize)),
        ),
        (
            "wrong-size",
            Verify,
            Some((StageName::Layers, Problem::LayerSize)),
        ),
        (
            "wrong-diff-id",
            Verify,
            Some((StageName::Layers, Problem::LayerDiffId)),
        ),
        (
            "bad-gzip",
            Verify,
            Some((StageName::Layers, Problem::LayerCompression)),
        ),
        (
            "bad-tar",
            Verify,
            Some((StageName::Layers, Problem::LayerArchive)),
        ),
    ] {
        let got = probe(image, depth).await;
        match expected {
            None => assert!(got.is_good(), "{image}: {got:#?}"),
            Some(expected) => assert_eq!(failure(&got), expected, "{image}: {got:#?}"),
        }
    }
}

#[tokio::test]
async fn an_index_names_what_it_has() {
    let got = probe("arm64-only", ProbeDepth::Image).await;
    let Facts::Platform(PlatformFacts {
        available, wanted, ..
    }) = &got.stage(StageName::Platform).unwrap().facts
    else {
        panic!("no platform")
    };
    assert_eq!(
        (wanted.as_str(), available.as_slice()),
        ("linux/amd64", ["linux/arm64".to_owned()].as_slice())
    );
}

#[tokio::test]
async fn a_stored_copy_that_is_bad_is_bad_twice() {
    let got = probe("corrupt-layer", ProbeDepth::Verify).await;
    assert_eq!(
        layers(&got).layers[0].second_read_differs,
        Some(false),
        "{got:#?}"
    );
    assert!(
        got.first_failure()
            .unwrap()
            .detail
            .contains("the stored copy is bad")
    );
}

#[tokio::test]
async fn a_way_that_is_bad_is_told_from_a_copy_that_is() {
    let damage = json!([{"method": "GET", "path": "/v2/**/blobs/*", "skip": 1, "times": 1, "corrupt_at": 700_000}]);
    let registry = registry("big:1M", damage).await;
    let mut question = question(&registry, ProbeDepth::Verify);
    question.platform = None;
    let got = ask(config(), &question).await;
    // The config is read first; of the two layers the larger one may come second.
    let bad = layers(&got)
        .layers
        .iter()
        .find(|layer| layer.problem.is_some());
    let bad = bad.unwrap();
    assert_eq!(bad.problem, Some(Problem::LayerDigest), "{got:#?}");
    assert_eq!(bad.second_read_differs, Some(true));
    assert!(bad.bad_at.is_some_and(|at| at <= 700_000), "{bad:?}");
}

#[tokio::test]
async fn a_cut_layer_is_taken_up_again() {
    for cut in ["close", "reset"] {
        let faults = json!([{"method": "GET", "path": "/v2/**/blobs/*", "skip": 1, "times": 3, "cut_after": 300_000, "cut": cut}]);
        let registry = registry("big:1*2M", faults).await;
        let got = ask(config(), &question(&registry, ProbeDepth::Verify)).await;
        assert!(got.is_good(), "{got:#?}");
        let resumed: u32 = layers(&got).layers.iter().map(|layer| layer.resumed).sum();
        assert!(resumed >= 1, "{got:#?}");
    }
}

#[tokio::test]
async fn a_layer_that_is_always_cut_is_given_up() {
    let faults = json!([{"method": "GET", "path": "/v2/**/blobs/*", "skip": 1, "cut_after": 1000}]);
    let registry = registry("big:1*2M", faults).await;
    let got = ask(config(), &question(&registry, ProbeDepth::Verify)).await;
    assert_eq!(
        failure(&got),
        (StageName::Layers, Problem::LayerCut),
        "{got:#?}"
    );
}

#[tokio::test]
async fn a_layer_that_stalls_is_given_up() {
    let faults = json!([{"method": "GET", "path": "/v2/**/blobs/*", "skip": 1, "stall_after": 10}]);
    let registry = registry("tiny", faults).await;
    let mut settings = config();
    settings.limits.idle = Duration::from_millis(100);
    let got = ask(settings, &question(&registry, ProbeDepth::Verify)).await;
    assert_eq!(
        failure(&got),
        (StageName::Layers, Problem::LayerCut),
        "{got:#?}"
    );
}

#[tokio::test]
async fn blobs_on_another_host() {
    let store = registry("tiny", json!([])).await;
    let redirect = |target: String| json!([{"method": "GET", "path": "/v2/**/blobs/*", "skip": 1, "redirect": target}]);
    for depth in [ProbeDepth::Layers, ProbeDepth::Verify] {
        let front = registry("tiny", redirect(store.base_url().to_owned())).await;
        let got = ask(config(), &question(&front, depth)).await;
        assert!(got.is_good(), "{got:#?}");
        assert_eq!(
            layers(&got).redirect_host,
            Some(store.authority()),
            "{depth:?}"
        );
    }
    let dead = {
        let gone = registry("tiny", json!([])).await;
        gone.base_url().to_owned()
    };
    for depth in [ProbeDepth::Layers, ProbeDepth::Verify] {
        let front = registry("tiny", redirect(dead.clone())).await;
        let got = ask(config(), &question(&front, depth)).await;
        assert_eq!(
            failure(&got),
            (StageName::Layers, Problem::BlobHostUnreachable),
            "{depth:?} {got:#?}"
        );
    }
}

#[tokio::test]
async fn a_config_on_a_dead_host() {
    let gone = registry("tiny", json!([])).await.base_url().to_owned();
    let front = registry(
        "tiny",
        json!([{"path": "/v2/**/blobs/*", "redirect": gone}]),
    )
    .await;
    let got = ask(config(), &question(&front, ProbeDepth::Layers)).await;
    assert_eq!(
        failure(&got),
        (StageName::Config, Problem::BlobHostUnreachable),
        "{got:#?}"
    );
}

#[tokio::test]
async fn a_registry_without_head() {
    let registry = registry("tiny", json!([{"method": "HEAD", "status": 405}])).await;
    let got = ask(config(), &question(&registry, ProbeDepth::Layers)).await;
    assert!(got.is_good(), "{got:#?}");
}

#[tokio::test]
async fn missing_tags_bring_near_ones_page_by_page() {
    let tags: Vec<Value> = (0..25)
        .map(|n| json!({"tag": format!("1.4.{n}")}))
        .chain([json!({"tag": "latest"})])
        .collect();
    let registry = FakeRegistry::start(plain(json!({"tags_page": 7, "repositories": [
        {"name": "shop/api", "tags": tags}, {"name": "shop/apis"}, {"name": "web"}]})))
    .await
    .unwrap();
    let mut question = request(&format!("{}/shop/api:v1.4.3", registry.authority()));
    question.history = vec!["1.4.2".to_owned()];
    let got = ask(config(), &question).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::NotFound),
        "{got:#?}"
    );
    let list = got.tags.as_ref().unwrap();
    assert_eq!((list.tags.len(), list.truncated), (26, false));
    assert_eq!(got.near_tags[0].tag, "1.4.3");
    assert_eq!(cause_of(&got), Some(CauseId::ImageNotFoundTag));
    assert!(got.near_tags.iter().all(|near| near.tag != "latest"));

    let mut bounded = config();
    bounded.limits.tag_pages = 2;
    let got = ask(bounded, &question).await;
    let list = got.tags.unwrap();
    assert_eq!((list.tags.len(), list.truncated), (14, true));

    let got = ask(
        config(),
        &request(&format!("{}/shop/apis2:1", registry.authority())),
    )
    .await;
    assert_eq!(got.tags.as_ref().unwrap().status, Some(404));
    assert_eq!(cause_of(&got), Some(CauseId::ImageNotFoundRepo));
    assert!(
        got.tags
            .as_ref()
            .unwrap()
            .error
            .as_ref()
            .unwrap()
            .has("NAME_UNKNOWN")
    );
    assert_eq!(got.near_repositories, ["shop/apis", "shop/api"], "{got:#?}");
}

#[tokio::test]
async fn a_digest_that_is_gone_while_the_tag_lives() {
    let registry = registry("tiny", json!([])).await;
    let gone = format!("sha256:{}", "0".repeat(64));
    let got = ask(
        config(),
        &request(&format!("{}/shop/api:1@{gone}", registry.authority())),
    )
    .await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::NotFound),
        "{got:#?}"
    );
    assert_eq!(cause_of(&got), Some(CauseId::ImageNotFoundDigest));
    assert!(got.tag_digest.is_some_and(|digest| digest != gone));
}

#[tokio::test]
async fn limits_are_read_and_obeyed() {
    let faults = json!([{"path": "/v2/**", "status": 429, "headers": {"Retry-After": "60",
        "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"},
        "body": "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"slow down\"}]}"}]);
    let registry = registry("tiny", faults).await;
    let probe = pulldoctor_registry::Probe::new(config()).unwrap();
    let got = common::run(&probe, &question(&registry, ProbeDepth::Layers)).await;
    assert_eq!(
        failure(&got),
        (StageName::Http, Problem::RateLimited),
        "{got:#?}"
    );
    let limit = got.rate_limit.unwrap();
    assert_eq!(
        (limit.limit, limit.remaining, limit.retry_after_s),
        (Some(100), Some(0), Some(60))
    );
    let asked = registry.log().len();
    let got = common::run(&probe, &question(&registry, ProbeDepth::Layers)).await;
    assert_eq!(
        failure(&got),
        (StageName::Http, Problem::RateLimited),
        "{got:#?}"
    );
    assert_eq!(registry.log().len(), asked, "asked in spite of Retry-After");
}

#[tokio::test]
async fn a_server_error_and_a_policy() {
    let broken = registry("tiny", json!([{"path": "/v2/**", "status": 503}])).await;
    let got = ask(config(), &question(&broken, ProbeDepth::Layers)).await;
    assert_eq!(failure(&got), (StageName::Http, Problem::ServerError));
    let body =
        "{\"errors\":[{\"code\":\"PROJECTPOLICYVIOLATION\",\"message\":\"too many holes\"}]}";
    let guarded = registry(
        "tiny",
        json!([{"path": "/v2/**/manifests/**", "status": 412, "body": body}]),
    )
    .await;
    let got = ask(config(), &question(&guarded, ProbeDepth::Layers)).await;
    assert_eq!(
        failure(&got),
        (StageName::Manifest, Problem::UnexpectedStatus)
    );
    assert!(
        got.first_failure()
            .unwrap()
            .detail
            .contains("projectpolicyviolation: too many holes"),
        "{got:#?}"
    );
    assert!(outline(&got).ends_with("manifest:failed"));
    assert_eq!(cause_of(&got), Some(CauseId::BlockedByPolicy));
}
