//! `mirror-misconfigured`.

use pulldoctor_messages::{Fault, Layer};
use pulldoctor_model::{CauseId, Confidence, Finding, Question};

use super::{
    logs::{self, with_line},
    network::{Route, route, subject, unreachable, with_places},
    runtime_files::with_mirror_file,
    support::missing::says_missing,
    there::{registry_answers, sends_to},
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
    node_sight::from_node,
    places::Places,
    view::from_here,
};

cause! {
    /// # mirror-misconfigured
    ///
    /// ## What it means
    ///
    /// The node's configuration names another host in the registry's place, and that host fails,
    /// or the configuration names none that can serve, or names a certificate that is not there.
    ///
    /// ## How we know
    ///
    /// - The host in the error is not the image's, and the request carries `?ns=REGISTRY`:
    ///   containerd asked a mirror of `hosts.toml`.
    /// - CRI-O lists what its mirrors said: `(Mirrors also failed: […])`.
    /// - Docker's `registry-mirrors` and CRI-O do not mark the request: *possible* there.
    /// - `no resolve hosts`: no host of `hosts.toml` may resolve.
    /// - `unable to read CA cert`, `missing key … for client certificate`: a file that it names for
    ///   the registry or a mirror is not there or cannot be used. Nothing was asked.
    ///
    /// With several hosts only one error is shown. containerd 1.x shows the first that is no
    /// `404`, so a dead mirror hides what the registry itself answered.
    ///
    /// `pulldoctor diagnose --node-view` asks the mirror and the registry from the node itself,
    /// past the runtime's configuration. It is *proven* where the mirror fails there in the same
    /// way; where the registry serves the manifest to the node and the mirror named by the error,
    /// or by the runtime's log, does not; or where the runtime was told that the image is missing
    /// while the registry serves it to the node and another node started with it meanwhile.
    ///
    /// containerd's log says of each host what it answered at the newest try. A mirror that lacks
    /// there what the registry has is *likely* the cause; where it was the registry itself that
    /// answered `404`, no mirror is.
    ///
    /// ## What to do
    ///
    /// - Look at the file on the node: `/etc/containerd/certs.d/REGISTRY/hosts.toml` (or
    ///   `_default`), `registries.conf`, `daemon.json`, for K3s and RKE2 `registries.yaml`.
    /// - Mend the mirror, or take it out of the file. `hosts.toml` is read anew for each pull.
    ///
    /// ## What it is not
    ///
    /// - A mirror that is reached and refuses is named by what it answers; the mirror then stands
    ///   beside it, unless the registry itself, asked from here, has what the mirror lacks.
    /// - A host that the registry itself sends the node to is `blob-host-unreachable`.
    ///
    /// ## Sources
    ///
    /// - containerd `docs/hosts.md`, `core/remotes/docker/resolver.go` 1.7 and 2.3.
    /// - containers-registries.conf(5); `dockerd` `registry-mirrors`.
    MirrorMisconfigured
    generals: [
        RegistryUnreachableDns,
        RegistryUnreachableRefused,
        RegistryUnreachableTimeout,
        RegistryUnreachableRoute,
    ],
}

fn questions(case: &Case<'_>) -> Vec<Question> {
    let raised = matches!(case.pull_fault(), Fault::NoEndpoint | Fault::RegistryFile)
        || !matches!(
            route(case),
            Route::Registry | Route::Redirect | Route::Token | Route::Blob
        );
    if raised {
        case.node_question().into_iter().collect()
    } else if says_missing(case) && (has_it_now(case) || serves_node(case)) {
        // Where it started elsewhere meanwhile, it was there all along.
        vec![case.image_elsewhere_question()]
    } else {
        Vec::new()
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if *case.fault() == Fault::NoEndpoint {
        let finding = finding(
            case,
            Confidence::Likely,
            format!(
                "the node's configuration names no host that may serve `{}`",
                case.registry()
            ),
        );
        return Some(finding.into());
    }
    if *case.fault() == Fault::RegistryFile {
        let file = match &case.reading().facts.config_file {
            Some(file) => format!("`{file}`"),
            None => "a certificate or key".to_owned(),
        };
        let finding = finding(
            case,
            Confidence::Likely,
            format!(
                "the node's configuration of `{}` names {file}, which is not there or cannot be \
                 used",
                case.registry()
            ),
        );
        return Some(finding.into());
    }
    let registry = case.registry();
    let down = unreachable(case.fault());
    match (route(case), down) {
        (Route::Mirror, Some((how, _))) => {
            let finding = finding(case, Confidence::Likely, format!("{} {how}", subject(case)))
                .note(
                    "behind it",
                    if registry_answers(case) {
                        format!("`{registry}` itself answers the node")
                    } else {
                        format!(
                            "the runtime shows one host's error only: what `{registry}` itself \
                             answered, if it was asked, is not told"
                        )
                    },
                );
            Some(finding.into())
        }
        (Route::StandIn, Some((how, plain))) => {
            let summary = format!("{} {how}", subject(case));
            // Whom the registry sends nowhere else was sent there by the node's configuration.
            if is_served_without(case) {
                return Some(finding(case, Confidence::Likely, summary).into());
            }
            let finding = finding(case, Confidence::Possible, summary).rival(
                plain,
                format!("`{registry}` itself may have sent the node there"),
                "the runtime's configuration on the node",
            );
            Some(finding.into())
        }
        (Route::BorrowedToken, Some((how, plain))) => {
            let host = case.failed_host();
            let finding = finding(
                case,
                Confidence::Possible,
                format!(
                    "`{registry}` sends the node to Docker Hub's `{host}` for tokens, which {how}"
                ),
            )
            .rival(
                CauseId::BlobHostUnreachable,
                format!("`{registry}` may mean to, and the node ought to reach `{host}`"),
                "a request to that host from the node",
            )
            .rival(
                plain,
                "the node's network may be at fault for every host",
                "a request to the registry from the node",
            );
            Some(finding.into())
        }
        (Route::Mirror, None) if registry_differs(case) => {
            let mut finding = finding(
                case,
                Confidence::Likely,
                format!(
                    "`{}`, the node's mirror of `{registry}`, does not serve what `{registry}` has",
                    case.failed_host()
                ),
            );
            if says_missing(case) && serves_node(case) {
                finding.confidence = case.cap(Confidence::Proven);
                finding = finding.seen(
                    case.node_view().answered(),
                    format!("`{registry}` serves the manifest to the node itself"),
                );
            }
            Some(finding.into())
        }
        // Who was told so by the registry itself was told so by no mirror.
        (Route::Registry, None)
            if says_missing(case) && serves_node(case) && logs::own_lacks(case).is_none() =>
        {
            Some(hidden(case).into())
        }
        (Route::Registry, None)
            if says_missing(case)
                && has_it_now(case)
                && let Some(mirror) = logs::mirror(case).filter(|mirror| mirror.lacks)
                && logs::own_lacks(case).is_none() =>
        {
            Some(behind(case, &mirror).into())
        }
        // A mirror that was reached: what it said is the cause, that it is one stands beside it.
        (Route::Mirror | Route::StandIn, None) => Some(beside(finding(
            case,
            Confidence::Possible,
            format!(
                "`{}` is asked in place of `{registry}` by the node's configuration",
                case.failed_host()
            ),
        ))),
        (Route::Registry, _)
            if !case.pasted
                && let Some(mirror) = logs::mirror(case) =>
        {
            let finding = finding(
                case,
                Confidence::Possible,
                format!(
                    "`{}`, which the runtime asks before `{registry}`, {}",
                    mirror.host, mirror.how
                ),
            );
            Some(beside(with_line(finding, case, &mirror.said)))
        }
        _ if case.reading().layers.contains(&Layer::MirrorsFailed) => {
            let mirrors = mirrors(case);
            Some(beside(finding(
                case,
                Confidence::Possible,
                if mirrors.is_empty() {
                    format!("the node's mirrors of `{registry}` failed too")
                } else {
                    format!("the node's mirrors of `{registry}` failed too: {mirrors}")
                },
            )))
        }
        _ => None,
    }
}

/// The registry itself has the image that a mirror lacks, or a whole copy of what arrived broken.
fn registry_differs(case: &Case<'_>) -> bool {
    if says_missing(case) && serves_node(case) {
        return true;
    }
    let Some(sight) = from_here(case).filter(|sight| sight.transcript.is_good()) else {
        return false;
    };
    let is_content = matches!(
        case.fault(),
        Fault::DigestMismatch
            | Fault::SizeMismatch
            | Fault::BrokenArchive
            | Fault::DiffIdMismatch
            | Fault::BlobMissing
    );
    says_missing(case) || (is_content && sight.is_verified())
}

/// Whether the registry has the image, asked from here.
fn has_it_now(case: &Case<'_>) -> bool {
    from_here(case).is_some_and(|sight| sight.transcript.is_good())
}

/// Whether the registry serves the manifest to the node's own request, which no mirror bears on.
fn serves_node(case: &Case<'_>) -> bool {
    from_node(case).is_some_and(|look| look.is_nodes_own() && look.serves_manifest())
}

/// Whether the registry serves the manifest to the node's own request and does not send it to the
/// host of the error for it.
fn is_served_without(case: &Case<'_>) -> bool {
    from_node(case).is_some_and(|look| {
        look.is_nodes_own() && look.serves_manifest() && !sends_to(&look, &case.failed_host())
    })
}

/// The runtime was told that the image is missing, by no host that its text names, and the
/// registry serves it to the node itself. Where another node started with it meanwhile it was
/// there all along, so the runtime asked somebody else.
fn hidden(case: &Case<'_>) -> Finding {
    let registry = case.registry();
    if let Some(mirror) = logs::mirror(case) {
        let finding = finding(
            case,
            case.cap(Confidence::Proven),
            format!(
                "`{}`, which the runtime asks in place of `{registry}`, {}; `{registry}` serves \
                 `{}` to the node itself",
                mirror.host,
                mirror.how,
                case.image_name()
            ),
        );
        return with_line(finding, case, &mirror.said);
    }
    let places = Places::of_image(case);
    let was_there = places
        .as_ref()
        .is_some_and(|places| places.only_this_node(case));
    let finding = finding(
        case,
        if was_there {
            Confidence::Proven
        } else {
            Confidence::Possible
        },
        format!(
            "`{registry}` serves `{}` to the node itself, and its runtime was told that it is \
             missing: it asked a mirror",
            case.image_name()
        ),
    )
    .seen(
        case.node_view().answered(),
        "the manifest is served to a request that goes past the runtime's mirrors",
    );
    if was_there {
        let nodes = places.map(|places| places.recent).unwrap_or_default();
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        return finding
            .seen(
                case.image_elsewhere().answered(),
                format!("yes, on {} meanwhile: the image is there", nodes.join(", ")),
            )
            .rules_out(
                CauseId::ImageNotFoundTag,
                "the registry serves it to the node and to other nodes",
            );
    }
    finding
        .rival(
            match case.image.as_ref().and_then(|image| image.digest()) {
                Some(_) => CauseId::ImageNotFoundDigest,
                None => CauseId::ImageNotFoundTag,
            },
            "it may have been pushed after the node's last try",
            "the kubelet's next try",
        )
        .open(
            case.node_logs_question()
                .and_then(|logs| case.unanswered(logs)),
        )
}

/// The runtime's log names a mirror that lacks what the registry has; of several hosts the message
/// shows that of the mirror.
fn behind(case: &Case<'_>, mirror: &logs::Mirror<'_>) -> Finding {
    let registry = case.registry();
    let finding = finding(
        case,
        Confidence::Likely,
        format!(
            "`{}`, which the runtime asks in place of `{registry}`, {}; `{registry}` has it",
            mirror.host, mirror.how
        ),
    );
    let finding = with_line(finding, case, &mirror.said);
    let Some(own) = logs::own_answer(case) else {
        return finding;
    };
    match unreachable(&own.reading.fault) {
        Some((how, plain)) => with_line(finding, case, &own)
            .note("behind it", format!("`{registry}` itself {how}"))
            .also(
                plain,
                format!("`{registry}` itself, asked behind the mirror, {how}"),
            ),
        None => finding,
    }
}

fn beside(finding: Finding) -> Raised {
    Raised {
        finding,
        role: Role::Contributes,
    }
}

/// The hosts of the mirrors that CRI-O lists.
fn mirrors(case: &Case<'_>) -> String {
    let mut hosts: Vec<String> = Vec::new();
    for attempt in &case.reading().attempts {
        let host = attempt
            .url
            .as_ref()
            .map(|url| url.host.clone())
            .or_else(|| attempt.registry.clone());
        if let Some(host) = host
            && !hosts.contains(&host)
            && hosts.len() < 4
        {
            hosts.push(host);
        }
    }
    hosts
        .iter()
        .map(|host| format!("`{host}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn finding(case: &Case<'_>, confidence: Confidence, summary: String) -> Finding {
    let finding = case.finding(
        CauseId::MirrorMisconfigured,
        confidence,
        case.node_object(),
        summary,
    );
    with_mirror_file(with_places(finding, case), case)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::{
        causes::support::missing::samples::{lists, there},
        fixture::{node, stuck},
    };

    const IMAGE: &str = "docker.io/library/redis:7";

    fn through_mirror(end: &str) -> String {
        format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: failed to do request: Head \"https://mirror.example.com/v2/library/redis/manifests/7?ns=docker.io\": {end}"
        )
    }

    #[test]
    fn a_dead_mirror_is_the_nodes_configuration() {
        let text = through_mirror("dial tcp 10.9.0.4:443: connect: connection refused");
        let finding = stuck(IMAGE, "ErrImagePull", &text).node(node()).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert_eq!(finding.object.kind, ObjectKind::Node);
        assert!(finding.summary.contains("mirror.example.com"));
        assert!(
            finding.notes.iter().any(|(word, text)| word == "file"
                && text == "/etc/containerd/certs.d/docker.io/hosts.toml")
        );
    }

    #[test]
    fn a_certificate_that_is_named_and_not_there() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to resolve image: unable to read CA cert \"/etc/ssl/company.pem\": open /etc/ssl/company.pem: no such file or directory"
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).node(node()).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(finding.summary.contains("/etc/ssl/company.pem"));
        let docker = "Error response from daemon: missing key client.key for client certificate client.cert. CA certificates must use the extension .crt";
        let verdict = crate::read_text(docker);
        assert_eq!(verdict.finding.cause, CauseId::MirrorMisconfigured);
        assert!(verdict.finding.summary.contains("client.key"));
    }

    #[test]
    fn a_mirror_that_is_not_trusted_is_a_matter_of_trust() {
        let text = through_mirror(
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        );
        let finding = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_eq!(finding.cause, CauseId::TlsUnknownAuthority);
        assert_eq!(finding.object.name, "mirror.example.com");
        assert!(
            finding
                .also
                .iter()
                .any(|also| also.cause == CauseId::MirrorMisconfigured)
        );
    }

    #[test]
    fn the_registry_itself_is_no_mirror() {
        let text = through_mirror("dial tcp 10.9.0.4:443: connect: connection refused").replace(
            "https://mirror.example.com/v2/library/redis/manifests/7?ns=docker.io",
            "https://registry-1.docker.io/v2/library/redis/manifests/7",
        );
        assert_eq!(
            stuck(IMAGE, "ErrImagePull", &text).cause(),
            CauseId::RegistryUnreachableRefused
        );
    }

    #[test]
    fn a_borrowed_token_host_is_possible_only() {
        let image = "hub.example.com/redis:7";
        let text = "failed to pull and unpack image \"hub.example.com/redis:7\": failed to resolve reference \"hub.example.com/redis:7\": failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=repository%3Aredis%3Apull&service=registry.docker.io\": dial tcp 10.9.0.4:443: connect: connection refused";
        let finding = stuck(image, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(
            finding
                .rivals
                .iter()
                .any(|rival| rival.cause == CauseId::BlobHostUnreachable)
        );
    }

    #[test]
    fn no_host_that_may_resolve() {
        let text = "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/redis:7\": failed to resolve image: no resolve hosts: not found";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
    }

    #[test]
    fn a_mirror_without_what_the_registry_has_is_the_fault() {
        let text = format!(
            "failed to pull and unpack image \"{IMAGE}\": failed to copy: httpReadSeeker: failed open: content at https://mirror.example.com/v2/library/redis/manifests/sha256:aa?ns=docker.io not found: not found"
        );
        let alone = stuck(IMAGE, "ErrImagePull", &text).judge();
        assert_ne!(alone.cause, CauseId::MirrorMisconfigured);
        let finding = stuck(IMAGE, "ErrImagePull", &text)
            .registry(there(IMAGE))
            .judge();
        assert_eq!(finding.cause, CauseId::MirrorMisconfigured);
        assert_eq!(finding.confidence, Confidence::Likely);
        // Where the registry lacks it too, the mirror only repeats it.
        let missing = stuck(IMAGE, "ErrImagePull", &text)
            .registry(lists(IMAGE, &["6"]))
            .judge();
        assert_ne!(missing.cause, CauseId::MirrorMisconfigured);
    }
}
