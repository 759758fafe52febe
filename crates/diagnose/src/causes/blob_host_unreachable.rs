//! `blob-host-unreachable`.

use pulldoctor_model::{Applicability, CauseId, Confidence, Question};

use super::{
    network::{Route, curl, route, subject, unreachable, with_places},
    there::registry_answers,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    places::network_object,
};

cause! {
    /// # blob-host-unreachable
    ///
    /// ## What it means
    ///
    /// The registry answers, but it does not do everything itself: its layers lie with a CDN or
    /// an object store, its tokens come from another host. The node cannot reach that host.
    /// Allow-lists often name the registry alone.
    ///
    /// ## How we know
    ///
    /// The failed request went to another host than the image's registry, for a layer or a token.
    /// Only an answer of the registry names such a host, so the registry itself was reached.
    ///
    /// `pulldoctor diagnose --node-view` asks that host and the registry from the node itself:
    /// *proven* where the one fails in the same way while the other answers.
    ///
    /// ## What to do
    ///
    /// - Let the node's network out to that host, as well as to the registry. Docker Hub needs
    ///   `auth.docker.io`, `registry-1.docker.io` and `production.cloudflare.docker.com`;
    ///   `registry.k8s.io` needs `*.pkg.dev` and object stores of several regions; ECR needs its
    ///   region's S3.
    /// - Or put a mirror in between that serves the layers itself.
    ///
    /// ## What it is not
    ///
    /// - A dead host that the node's own configuration names is `mirror-misconfigured`.
    /// - A token host that answers with a refusal is about credentials.
    ///
    /// ## Sources
    ///
    /// - distribution-spec 1.1 (redirects of blobs), the token specification of distribution.
    /// - containerd `core/remotes/docker/fetcher.go`: the URL in the text is the last one asked.
    BlobHostUnreachable
    generals: [
        RegistryUnreachableDns,
        RegistryUnreachableRefused,
        RegistryUnreachableTimeout,
        RegistryUnreachableRoute,
    ],
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    // The plain network causes ask who else reaches the registry.
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let (how, plain) = unreachable(case.fault())?;
    let way = route(case);
    let (confidence, what) = match way {
        Route::Blob => (Confidence::Likely, "layers"),
        Route::Token => (Confidence::Possible, "tokens"),
        _ => return None,
    };
    let host = case.failed_host();
    let registry = case.registry();
    let mut finding = case.finding(
        CauseId::BlobHostUnreachable,
        confidence,
        network_object(case),
        format!("`{registry}` answers, but {} {how}", subject(case)),
    );
    let registry_is_there = registry_answers(case);
    if registry_is_there {
        finding = finding.rules_out(plain, format!("`{registry}` itself answers the node"));
    } else if way == Route::Token {
        // A token host often is the registry under another name, and then all of it is away.
        finding = finding.rival(
            plain,
            format!("`{registry}` itself may be out of reach by now in the same way"),
            case.node_view_question().map_or_else(
                || "a request to the registry from the node".to_owned(),
                |question| question.to_string(),
            ),
        );
    }
    Some(
        with_places(finding, case)
            .remedy(
                "allow-host",
                Applicability::Advice,
                format!(
                    "let the node reach `{host}`, which serves the {what} of `{registry}`; ask \
                     it on the node"
                ),
                Some(curl(&host)),
            )
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence,
        registry::{Facts, Problem, Role, StageName},
    };

    use crate::{
        causes::here::samples,
        fixture::{failed_at, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn a_dead_layer_host_is_named_beside_the_registry() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://cdn.example.net/blobs/sha256/aa/data?sig=REDACTED\": dial tcp 10.9.0.4:443: i/o timeout"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.name, "cdn.example.net");
        assert!(
            finding
                .summary
                .starts_with("`registry.example.com` answers")
        );
        assert!(finding.rivals.is_empty(), "the plain cause is no rival");
    }

    #[test]
    fn a_dead_token_host_leaves_the_plain_cause_open() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to authorize: failed to fetch anonymous token: Get \"https://login.example.net/token?scope=repository%3Ashop%2Fapi%3Apull&service=r\": dial tcp: lookup login.example.net on 10.0.0.2:53: no such host"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::RegistryUnreachableDns);
    }

    #[test]
    fn the_registrys_own_host_is_plain() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://registry.example.com/v2/shop/api/blobs/sha256:aa\": dial tcp 10.9.0.4:443: i/o timeout"
        );
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::RegistryUnreachableTimeout
        );
        // Docker Hub's token service is Docker Hub.
        let text = "failed to pull and unpack image \"docker.io/library/redis:7\": failed to resolve image: failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=repository%3Alibrary%2Fredis%3Apull&service=registry.docker.io\": dial tcp 10.9.0.4:443: i/o timeout";
        assert_eq!(
            stuck("redis:7", "ErrImagePull", text).cause(),
            CauseId::RegistryUnreachableTimeout
        );
    }

    #[test]
    fn a_layer_host_that_answers_here_is_the_nodes_way() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://cdn.example.net/blobs/sha256/aa/data\": dial tcp 10.9.0.4:443: i/o timeout"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .registry(samples::through(IMAGE, "cdn.example.net", Role::Blob))
            .judge();
        assert_eq!(finding.cause, CauseId::BlobHostUnreachable);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.evidence.iter().any(|item| {
            item.answer == "`cdn.example.net` answers here: the fault is the node's, or on its way"
        }));
        assert!(finding.notes.contains(&(
            "goes on to".to_owned(),
            "`cdn.example.net` for layers".to_owned()
        )));
        // A probe that does not come to the layers says nothing about their host.
        let seen = failed_at(IMAGE, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let behind = stuck(IMAGE, "ErrImagePull", &text).registry(seen).judge();
        assert_eq!(behind, stuck(IMAGE, "ErrImagePull", &text).judge());
    }
}
