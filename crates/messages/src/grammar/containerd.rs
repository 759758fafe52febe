//! containerd's envelopes and errors, 1.2 to 2.4 (client pull and transfer service).

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{CredentialUse, Fault, GrpcCode, Layer, Method, Operation, Runtime};

fn at(d: &mut Draft<'_>, layer: Layer, operation: Operation) {
    d.layer(layer);
    d.runtime(Runtime::Containerd);
    d.operation(operation);
}

pub(super) const RULES: &[Rule] = &[
    rule("rpc error: code = {w} desc = ", |d, c| {
        d.layer(Layer::Rpc);
        let code = grpc(c.get(0));
        d.code = d.code.or(code);
        match code {
            Some(GrpcCode::Canceled) => d.fault(Weight::Hint, Fault::Cancelled),
            Some(GrpcCode::DeadlineExceeded) => d.fault(Weight::Hint, Fault::DeadlineExceeded),
            _ => {}
        }
    }),
    rule("failed to pull and unpack image< {img}><: >", |d, c| {
        at(d, Layer::PullAndUnpack, Operation::Resolve);
        d.operation = None;
        d.image(c.get(0));
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("failed to resolve (reference|image) {img}<: >", |d, c| {
        at(d, Layer::ResolveReference, Operation::Resolve);
        d.image(c.get(0));
        d.fault(Weight::Nothing, Fault::BackOffOnly);
    }),
    rule("failed to resolve image: ", |d, _| {
        at(d, Layer::ResolveImage, Operation::Resolve);
    }),
    rule("unable to resolve image {img}", |d, c| {
        d.image(c.get(0));
        d.operation(Operation::Resolve);
    }),
    rule("failed to do request: ", |d, _| d.layer(Layer::DoRequest)),
    rule("failed to authorize: ", |d, _| {
        at(d, Layer::Authorize, Operation::Authorize);
    }),
    rule("failed to fetch anonymous token<: >", |d, _| {
        at(d, Layer::AnonymousToken, Operation::Authorize);
        d.credential = Some(CredentialUse::Anonymous);
        d.fault(
            Weight::Access,
            Fault::TokenRefused {
                status: None,
                anonymous: Some(true),
            },
        );
    }),
    rule("failed to fetch oauth token<: >", |d, _| {
        at(d, Layer::OauthToken, Operation::Authorize);
        d.credential = Some(CredentialUse::WithCredentials);
        d.fault(
            Weight::Access,
            Fault::TokenRefused {
                status: None,
                anonymous: Some(false),
            },
        );
    }),
    rule("failed to copy: ", |d, _| {
        at(d, Layer::Copy, Operation::Blob);
    }),
    rule(
        "(httpreadseeker|httpreaderseeker|http readseeker): failed open: ",
        |d, _| at(d, Layer::OpenReader, Operation::Blob),
    ),
    rule(
        "failed to (unpack image on snapshotter|unpack image to snapshotter|prepare extraction snapshot|unpack image) {q}",
        |d, c| {
            at(d, Layer::ExtractLayer, Operation::Unpack);
            if d.phrase().contains("snapshotter") {
                d.facts.snapshotter = Some(keep(c.get(0), 100));
            } else if d.phrase().contains("prepare") {
                // What follows is the snapshotter's word (`Prepare` in `core/unpack/unpacker.go`).
                d.fault(Weight::Hint, Fault::Snapshotter);
            }
        },
    ),
    // The same up to 1.0 (`rootfs/apply.go`), and where the key was left out.
    rule("failed to prepare extraction (layer|snapshot)", |d, _| {
        at(d, Layer::ExtractLayer, Operation::Unpack);
        d.fault(Weight::Hint, Fault::Snapshotter);
    }),
    rule("failed to extract layer<s>< \\({)}\\)>< {w}>", |d, c| {
        at(d, Layer::ExtractLayer, Operation::Unpack);
        let digest = c
            .slots
            .iter()
            .flat_map(|slot| slot.split(' '))
            .find(|word| word.starts_with("sha256:"));
        d.facts.blob = digest.map(|word| keep(word, 80));
        d.fault(Weight::Hint, Fault::Unpack);
    }),
    rule("failed commit on ref {q}: ", |d, c| {
        at(d, Layer::CommitRef, Operation::Verify);
        d.facts.blob = Some(keep(c.get(0), 120));
    }),
    // `core/mount/temp.go`, around what writes a layer into its snapshot.
    rule("mount callback failed on {w}", |d, _| {
        at(d, Layer::ExtractLayer, Operation::Unpack);
        d.fault(Weight::Hint, Fault::Unpack);
    }),
    // What one of several hosts said, from 2.3 on (`core/remotes/docker/resolver.go`).
    rule(
        "(trying next host|fetch failed) after status: {n}{..}url={url}",
        |d, c| {
            d.request(Some(Method::Head), c.get(1));
            host_said(d, c.get(0));
        },
    ),
    // Up to 2.2 without the URL.
    rule(
        "(trying next host|fetch failed) after status: {n}",
        |d, c| host_said(d, c.get(0)),
    ),
    rule(
        "trying next host - response was http.statusnotfound",
        |d, _| {
            host_said(d, "404");
        },
    ),
    rule("trying next host - response was {n}", |d, c| {
        host_said(d, c.get(0));
    }),
    rule("trying next host", |d, _| {
        d.layer(Layer::LogLine);
        d.runtime(Runtime::Containerd);
    }),
    rule("^(ctr|nerdctl): ", |d, _| d.runtime(Runtime::Containerd)),
    // --- resolve ---
    rule(
        "pull access denied, repository does not exist or may require authorization",
        |d, _| {
            d.runtime(Runtime::Containerd);
            d.fault(Weight::Access, Fault::AccessDenied);
        },
    ),
    rule("authorization failed: no basic auth credentials", |d, _| {
        no_basic(d);
    }),
    rule("no basic auth credentials", |d, _| no_basic(d)),
    // nginx, in front of a registry that has no logins of its own.
    rule(
        "no user/password was provided for basic authentication",
        |d, _| no_basic(d),
    ),
    rule(
        "server message: insufficient_scope: authorization failed",
        |d, _| {
            d.server(Fault::AccessDenied);
        },
    ),
    rule("insufficient_scope: authorization failed", |d, _| {
        d.server(Fault::AccessDenied);
    }),
    rule("server message: invalid_token", |d, _| {
        d.server(Fault::BadLogin);
    }),
    rule("^not found", |d, _| {
        if d.after()
            .trim_start_matches([':', ' '])
            .starts_with("does not exist")
        {
            return;
        }
        if matches!(d.operation, Some(Operation::Unpack | Operation::Store)) {
            // Nothing that a registry could lack is asked for at this stage.
            d.fault(Weight::Access, Fault::SnapshotRace);
            return;
        }
        // Without a name before it the text does not say what is not there.
        let Some(name) = named_before(d) else {
            return;
        };
        let resolving = d.has(Layer::ResolveReference)
            || d.has(Layer::ResolveImage)
            || d.code == Some(GrpcCode::NotFound);
        d.image(&name);
        let by = d.missing_by();
        let weight = if resolving {
            Weight::Access
        } else {
            Weight::Hint
        };
        d.fault(weight, Fault::ManifestMissing { by });
    }),
    rule("no available registry endpoint: ", |d, _| {
        d.runtime(Runtime::Containerd);
    }),
    rule(
        "(no resolve hosts|no pull hosts|no available hosts|no fetch hosts)",
        |d, _| {
            d.runtime(Runtime::Containerd);
            d.exact(Fault::NoEndpoint);
        },
    ),
    rule(
        "pulling from host {addr} failed with status code ",
        |d, c| host_failed(d, c.get(0)),
    ),
    rule(
        "pulling from host {addr} failed with unexpected status code ",
        |d, c| host_failed(d, c.get(0)),
    ),
    // Spegel, a mirror that the nodes keep for each other.
    rule(
        "(mirror resolve retries exhausted|mirror with image component {img} could not be found)",
        |d, _| d.fault(Weight::Server, Fault::NoEndpoint),
    ),
    // Of the certificates that `hosts.toml` names (`core/remotes/docker/config/hosts.go`, 1.5 to
    // 2.4), and the client certificates of a folder in `certs.d`.
    rule(
        "unable to (read ca cert|load ca cert|read cert file) {q}",
        |d, c| {
            d.runtime(Runtime::Containerd);
            d.facts.config_file = Some(keep(c.get(0), 255));
            d.exact(Fault::RegistryFile);
        },
    ),
    rule("failed to load x509 key pair", |d, _| {
        d.exact(Fault::RegistryFile);
    }),
    rule("failed to create oci registry", |d, _| {
        d.exact(Fault::RuntimeConfig);
    }),
    rule("failed to parse image reference {q}<: >", |d, c| {
        d.image(c.get(0));
        d.operation(Operation::Parse);
        d.exact(Fault::InvalidReference);
    }),
    rule("rejecting {n} byte manifest for {img}", |d, c| {
        d.image(c.get(1));
        d.exact(Fault::UnsupportedManifest);
    }),
    rule("image verifier {w} blocked pull of", |d, _| verifier(d)),
    rule("blocking pull of {..}image verifier", |d, _| verifier(d)),
    // --- fetch ---
    rule("content at {url} not found", |d, c| {
        d.request(None, c.get(0));
        d.runtime(Runtime::Containerd);
        let manifest = d.url.as_ref().is_some_and(|u| u.is_manifest);
        d.operation(if manifest {
            Operation::Manifest
        } else {
            Operation::Blob
        });
        d.exact(if manifest {
            Fault::ManifestMissing { by: d.missing_by() }
        } else {
            Fault::BlobMissing
        });
    }),
    rule(
        "could not fetch content descriptor {w}< \\({)}\\)> from remote",
        |d, c| {
            d.runtime(Runtime::Containerd);
            d.operation(Operation::Blob);
            d.facts.blob = Some(keep(c.get(0), 80));
            let media = c.get(1);
            let manifest = media.contains("manifest") || media.contains("index");
            d.exact(if manifest {
                Fault::ManifestMissing { by: d.missing_by() }
            } else {
                Fault::BlobMissing
            });
        },
    ),
    rule(
        "failed to get image< {q}> from containerd image store",
        |d, c| {
            d.image(c.get(0));
            d.runtime(Runtime::Containerd);
            d.operation(Operation::Store);
        },
    ),
    rule("could not fetch content descriptor", |d, _| {
        d.operation(Operation::Blob);
        d.fault(Weight::Server, Fault::BlobMissing);
    }),
    rule("could not resolve digest for", |d, _| {
        d.operation(Operation::Resolve);
        d.fault(Weight::Server, Fault::UnexpectedAnswer { status: None });
    }),
    rule("object required", |d, _| {
        if d.has(Layer::ResolveReference) {
            d.operation(Operation::Parse);
            d.exact(Fault::InvalidReference);
        }
    }),
    rule(
        "cancel pulling image {img} because of no progress in {w}",
        |d, c| {
            d.image(c.get(0));
            d.runtime(Runtime::Containerd);
            d.facts.waited = Some(keep(c.get(1), 40));
            d.operation(Operation::Blob);
            d.exact(Fault::NoProgress);
        },
    ),
    rule("^context canceled", |d, _| {
        // Another fault that stands before it is the cause, this the effect.
        d.fault(Weight::Hint, Fault::Cancelled);
    }),
    rule("context deadline exceeded \\(client.timeout", |d, _| {
        d.net(Fault::HeaderTimeout);
    }),
    rule("^context deadline exceeded", |d, _| {
        if d.url.is_some() {
            d.net(Fault::DialTimeout);
        } else {
            d.fault(Weight::Hint, Fault::DeadlineExceeded);
        }
    }),
];

/// The reference that stands right before the phrase, as in `r.io/a:1: not found`.
fn named_before(d: &Draft<'_>) -> Option<String> {
    let before = d
        .preceding()
        .strip_suffix(": ")
        .or_else(|| d.preceding().strip_suffix(":\n"))?;
    let from = before
        .rfind([' ', '\n', '=', '[', '('])
        .map_or(0, |at| at + 1);
    let word = d
        .text
        .get(from..before.len())?
        .trim_matches(['"', '\'', '`']);
    let reference = word.contains('/') || word.contains('@') || word.contains(':');
    let path = word.starts_with('/') || word.starts_with("sha256:") || word.contains("://");
    (reference && !path && word.len() < 512).then(|| word.to_owned())
}

fn host_failed(d: &mut Draft<'_>, host: &str) {
    d.runtime(Runtime::Containerd);
    d.operation(Operation::Resolve);
    if d.url.is_none() {
        d.url = crate::url::parse(&format!("https://{host}/v2/")).map(|p| p.facts);
    }
}

/// What one of several hosts answered to a question for a manifest.
fn host_said(d: &mut Draft<'_>, status: &str) {
    d.layer(Layer::LogLine);
    d.runtime(Runtime::Containerd);
    if let Ok(status @ 300..=599) = status.parse() {
        d.status(status);
    }
}

fn no_basic(d: &mut Draft<'_>) {
    d.credential = Some(CredentialUse::NoBasicCredentials);
    d.server(Fault::NoCredentials);
}

fn verifier(d: &mut Draft<'_>) {
    d.runtime(Runtime::Containerd);
    d.operation(Operation::Verify);
    d.exact(Fault::Signature);
}

fn grpc(word: &str) -> Option<GrpcCode> {
    Some(match word.to_ascii_lowercase().as_str() {
        "canceled" | "cancelled" | "1" => GrpcCode::Canceled,
        "unknown" | "2" => GrpcCode::Unknown,
        "invalidargument" | "3" => GrpcCode::InvalidArgument,
        "deadlineexceeded" | "4" => GrpcCode::DeadlineExceeded,
        "notfound" | "5" => GrpcCode::NotFound,
        "alreadyexists" => GrpcCode::AlreadyExists,
        "permissiondenied" => GrpcCode::PermissionDenied,
        "resourceexhausted" => GrpcCode::ResourceExhausted,
        "failedprecondition" => GrpcCode::FailedPrecondition,
        "aborted" => GrpcCode::Aborted,
        "outofrange" => GrpcCode::OutOfRange,
        "unimplemented" => GrpcCode::Unimplemented,
        "internal" => GrpcCode::Internal,
        "unavailable" | "14" => GrpcCode::Unavailable,
        "dataloss" => GrpcCode::DataLoss,
        "unauthenticated" => GrpcCode::Unauthenticated,
        _ => return None,
    })
}
