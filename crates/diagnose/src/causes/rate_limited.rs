//! `rate-limited`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Object, Question, registry::Problem,
};

use super::{
    node_view::duration,
    support::{
        ask_registry,
        checked::with_checked,
        credentials::{Keys, create_secret_command, keys, list, named},
    },
    there::{open_node_view, with_seen},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::{Agreement, agreement, from_node},
    view::from_here,
};

cause! {
    /// # rate-limited
    ///
    /// ## What it means
    ///
    /// The registry counts pulls, and this client has used up its share. The image and the login
    /// are fine; later the same pull works.
    ///
    /// ## How we know
    ///
    /// `429 Too Many Requests` or `toomanyrequests` in the answer. Docker Hub lets an address
    /// pull 100 times in 6 hours without a login, and a personal account 200 times; all nodes
    /// behind one gateway share one address. Only fetched manifests count, so containerd fails
    /// after it has resolved the tag. A bare 429 without a text is Docker Hub's other limit,
    /// against thousands of requests a minute.
    ///
    /// Asked from here, the registry tells its limit and when to come again. It counts this place
    /// apart from the node, so an answer here excludes nothing.
    ///
    /// `pulldoctor diagnose --node-view` asks from the node's own address without a login: for a
    /// pull without one the same limit there is *proven*.
    ///
    /// ## What to do
    ///
    /// - Wait: the kubelet tries again by itself, at most every five minutes.
    /// - Log in: pulls with a login are counted by user, and paid plans have no limit.
    /// - Pull through a cache of your own, and prefer `IfNotPresent` to `Always`.
    ///
    /// ## What it is not
    ///
    /// `pull QPS exceeded` is the kubelet's own limit: `pull-qps-exceeded`.
    ///
    /// ## Sources
    ///
    /// - docker/docs, `usage/pulls.md`.
    /// - distribution `registry/api/errcode/register.go`: `TOOMANYREQUESTS`.
    RateLimited
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    if *case.fault() != Fault::RateLimited || case.pasted {
        return Vec::new();
    }
    named(case)
        .iter()
        .map(|one| case.secret_question(one.name))
        .chain([case.registry_elsewhere_question()])
        .chain(ask_registry(case))
        .collect()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() != Fault::RateLimited {
        return None;
    }
    let reading = case.reading();
    let known = !case.pasted || reading.registry.is_some();
    let host = if known {
        format!("`{}`", case.failed_host())
    } else {
        "the registry".to_owned()
    };
    let hub = known && case.registry() == "docker.io" && reading.foreign_host.is_none();
    let told_anonymous = case.text().contains("unauthenticated");
    let anonymous = told_anonymous || (keys(case) == Keys::None && hub);
    let summary = if anonymous {
        format!("{host} limits pulls without a login, and the limit is used up")
    } else {
        format!("{host} limits pulls, and the limit is used up")
    };
    let mut finding = case.finding(
        CauseId::RateLimited,
        Confidence::Likely,
        Object::registry(case.failed_host()),
        summary,
    );
    if hub && anonymous {
        finding = finding.note(
            "limit",
            "without a login 100 pulls in 6 hours for each address; all nodes behind one gateway share it",
        );
    }
    if let Some(after) = &reading.facts.retry_after {
        finding = finding.note("retry after", after.clone());
    }
    if let Some(next) = case.symptom.next_retry {
        finding = finding.note("next try", next.to_string());
    }
    if told_anonymous && keys(case) == Keys::Usable {
        finding = finding.also(
            CauseId::SecretWrongHost,
            format!(
                "the pod names {}, and the registry counts the pull as one without a login",
                list(named(case).iter().map(|one| one.name))
            ),
        );
    }
    finding = with_limit(with_others(finding, case), case);
    finding = with_node_limit(finding, case, anonymous);
    Some(with_remedies(finding, case, anonymous).into())
}

/// How many others wait for the same registry.
fn with_others(finding: Finding, case: &Case<'_>) -> Finding {
    let places = case.registry_elsewhere();
    let Some(rows) = places.seen() else {
        return finding;
    };
    let waiting: u32 = rows.iter().map(|row| row.usage.waiting).sum();
    if waiting <= 1 {
        return finding;
    }
    finding.seen(
        places.answered(),
        format!("{waiting} containers wait for images of this registry"),
    )
}

/// What the registry says of its limit to the node's own address. It has no login, so it proves
/// the limit of those without one.
fn with_node_limit(mut finding: Finding, case: &Case<'_>, anonymous: bool) -> Finding {
    let Some(look) = from_node(case) else {
        return if anonymous {
            open_node_view(finding, case)
        } else {
            finding
        };
    };
    finding = with_seen(finding, case, &look);
    match agreement(case) {
        Agreement::Same if look.is_nodes_own() => {
            if anonymous {
                finding.confidence = case.cap(Confidence::Proven);
            }
            finding.seen(
                Some(look.answered),
                "it limits requests of the node without a login, too",
            )
        }
        Agreement::Beyond if look.is_nodes_own() => finding.seen(
            Some(look.answered),
            "it does not limit the node without a login now: the limit is over, or that of the \
             pod's login",
        ),
        _ => finding,
    }
}

/// What the registry says of its limit here, where another address is counted.
fn with_limit(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(sight) = from_here(case) else {
        return finding;
    };
    let mut finding = with_checked(finding, &sight);
    if sight.problem() == Some(Problem::RateLimited) {
        finding = finding.seen(Some(sight.answered), "it limits requests from here, too");
    } else if sight.transcript.is_good() {
        finding = finding.seen(
            Some(sight.answered),
            "it serves the image here: the limit counts the node's address or login",
        );
    }
    let Some(limit) = &sight.transcript.rate_limit else {
        return finding;
    };
    if let Some(most) = limit.limit {
        let window = limit
            .window_s
            .and_then(|seconds| i64::try_from(seconds).ok())
            .map_or_else(String::new, |seconds| format!(" in {}", duration(seconds)));
        let left = match limit.remaining {
            Some(0) => ", none left here",
            _ => "",
        };
        finding = finding.note("registry's limit", format!("{most} requests{window}{left}"));
    }
    match limit.retry_after_s {
        Some(seconds) if case.reading().facts.retry_after.is_none() => finding.note(
            "retry after",
            format!("{seconds} s, as the registry says here"),
        ),
        _ => finding,
    }
}

fn with_remedies(finding: Finding, case: &Case<'_>, anonymous: bool) -> Finding {
    let finding = finding.remedy(
        "wait",
        Applicability::Safe,
        "wait: the kubelet tries again by itself, at most every 5 minutes",
        None,
    );
    let finding = if anonymous && !case.pasted {
        finding.remedy(
            "create-secret",
            Applicability::Consent,
            "log in: create a pull secret, and name it in imagePullSecrets",
            Some(create_secret_command(case, "regcred")),
        )
    } else {
        finding
    };
    finding.remedy(
        "mirror",
        Applicability::Advice,
        "pull through a cache of your own",
        None,
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, ObjectKind,
        registry::{Facts, Problem, RateLimit, StageName},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{failed_at, pull_secret, stuck},
    };

    const HUB: &str = "failed to pull and unpack image \"docker.io/library/nginx:1\": failed to copy: httpReadSeeker: failed open: unexpected status from GET request to https://registry-1.docker.io/v2/library/nginx/manifests/sha256:aa: 429 Too Many Requests\ntoomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit";

    #[test]
    fn hubs_limit_without_a_login() {
        let finding = stuck("nginx:1", "ErrImagePull", HUB).judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Registry);
        assert_eq!(finding.object.name, "docker.io");
        assert!(finding.summary.contains("without a login"));
        assert!(finding.remedies.iter().any(|one| one.id == "create-secret"));
    }

    #[test]
    fn a_secret_that_was_not_used_is_named() {
        let finding = stuck("nginx:1", "ErrImagePull", HUB)
            .secret("regcred", pull_secret())
            .judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert_eq!(finding.also[0].cause, CauseId::SecretWrongHost);
    }

    #[test]
    fn another_registrys_429_says_nothing_about_a_login() {
        let text = "failed to pull and unpack image \"quay.io/shop/api:1\": failed to resolve image: unexpected status from HEAD request to https://quay.io/v2/shop/api/manifests/1: 429 Too Many Requests";
        let finding = stuck("quay.io/shop/api:1", "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert!(!finding.summary.contains("login"));
    }

    #[test]
    fn the_kubelets_own_limit_is_another() {
        assert_ne!(
            stuck("nginx:1", "ErrImagePull", "pull QPS exceeded").cause(),
            CauseId::RateLimited
        );
    }

    #[test]
    fn what_the_registry_says_of_its_limit_is_told() {
        let mut seen = failed_at(
            "nginx:1",
            StageName::Manifest,
            Problem::RateLimited,
            Facts::None,
        );
        seen.rate_limit = Some(RateLimit {
            limit: Some(100),
            remaining: Some(0),
            window_s: Some(21_600),
            source: Some("203.0.113.7".to_owned()),
            retry_after_s: Some(30),
        });
        let finding = stuck("nginx:1", "ErrImagePull", HUB).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert_eq!(finding.confidence, Confidence::Likely);
        let note = |wanted: &str| {
            finding
                .notes
                .iter()
                .find(|(word, _)| word == wanted)
                .map(|(_, text)| text.as_str())
        };
        assert_eq!(
            note("registry's limit"),
            Some("100 requests in 6 h, none left here")
        );
        assert_eq!(note("retry after"), Some("30 s, as the registry says here"));
    }

    #[test]
    fn a_limit_that_is_not_reached_here_is_the_nodes() {
        let finding = stuck("nginx:1", "ErrImagePull", HUB)
            .registry(there("nginx:1"))
            .judge();
        assert_eq!(finding.cause, CauseId::RateLimited);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding
                .evidence
                .iter()
                .any(|item| item.answer.contains("counts the node's"))
        );
    }
}
