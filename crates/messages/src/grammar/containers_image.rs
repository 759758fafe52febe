//! CRI-O, Podman, Skopeo, Buildah: the texts of containers/image and containers/storage.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, Layer, Operation, PolicyKind, Runtime};

fn at(d: &mut Draft<'_>, layer: Layer, operation: Operation) {
    d.layer(layer);
    d.runtime(Runtime::CriO);
    d.operation(operation);
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "unable to pull image or oci artifact: <pull image err: >",
        |d, _| {
            d.layer(Layer::ImageOrArtifact);
            d.runtime(Runtime::CriO);
        },
    ),
    rule("unable to pull {img}: ", |d, c| {
        d.runtime(Runtime::CriO);
        d.image(c.get(0));
    }),
    rule(
        "error pulling image {img}: unable to pull {img}: <unable to pull image: >",
        |d, c| {
            d.runtime(Runtime::CriO);
            d.image(c.get(1));
        },
    ),
    rule(
        "(error initializing|initializing|error creating) source {w}: ",
        |d, c| {
            at(d, Layer::InitializingSource, Operation::Resolve);
            d.image(c.get(0));
        },
    ),
    rule(
        "(error pinging|pinging) (container|docker) registry {addr}< returned>: ",
        |d, c| {
            at(d, Layer::Ping, Operation::Ping);
            let _ = c;
        },
    ),
    rule(
        "(error pinging|pinging) (container|docker) registry",
        |d, _| at(d, Layer::Ping, Operation::Ping),
    ),
    rule(
        "(error reading|reading|fetching) manifest {w} in {w}: ",
        |d, c| {
            at(d, Layer::ReadingManifest, Operation::Manifest);
            let (reference, repository) = (c.get(0), c.get(1));
            let separator = if reference.contains(':') { '@' } else { ':' };
            d.image(&format!("{repository}{separator}{reference}"));
        },
    ),
    rule("(error reading|reading) manifest", |d, _| {
        at(d, Layer::ReadingManifest, Operation::Manifest);
    }),
    rule(
        "(error writing|writing|error reading|reading|error copying|fetching|error fetching) blob< {w}>: ",
        |d, c| {
            at(d, Layer::WritingBlob, Operation::Blob);
            if c.get(0).starts_with("sha256:") {
                d.facts.blob = Some(keep(c.get(0), 80));
            }
        },
    ),
    rule("(storing blob|error storing blob) to file {q}: ", |d, c| {
        at(d, Layer::WritingBlob, Operation::Blob);
        d.facts.path = Some(keep(c.get(0), 255));
    }),
    rule("happened during read: ", |d, _| {
        d.operation(Operation::Blob);
    }),
    rule(
        "(copying system image from manifest list|error copying image|copying image)",
        |d, _| {
            at(d, Layer::WritingBlob, Operation::Manifest);
        },
    ),
    rule(
        "(committing the finished image|error committing the finished image)",
        |d, _| at(d, Layer::CommitImage, Operation::Unpack),
    ),
    rule("adding layer with blob {q}", |d, c| {
        at(d, Layer::CommitImage, Operation::Unpack);
        d.facts.blob = Some(keep(c.get(0), 80));
    }),
    rule("(unpacking failed|error processing tar file)", |d, _| {
        d.operation(Operation::Unpack);
        d.fault(Weight::Hint, Fault::Unpack);
    }),
    rule("trying to reuse blob", |d, _| d.runtime(Runtime::CriO)),
    rule("creating a temporary directory", |d, _| {
        at(d, Layer::WritingBlob, Operation::Store);
    }),
    // --- credentials ---
    rule(
        "unable to retrieve auth token: invalid username/password",
        |d, _| {
            // containers/image says so of any 401 of the token endpoint, also of an anonymous try.
            d.runtime(Runtime::CriO);
            d.operation(Operation::Authorize);
            d.status = d.status.or(Some(401));
            d.server(Fault::TokenRefused {
                status: Some(401),
                anonymous: None,
            });
        },
    ),
    rule("requesting bearer token: ", |d, _| {
        d.runtime(Runtime::CriO);
        d.operation(Operation::Authorize);
        d.fault(
            Weight::Access,
            Fault::TokenRefused {
                status: None,
                anonymous: None,
            },
        );
    }),
    rule(
        "invalid status code (from|returned when fetching) {..}{n}",
        |d, c| {
            let status = c.slots.last().and_then(|s| s.parse().ok());
            if let Some(status @ 300..=599) = status {
                d.status(status);
            }
        },
    ),
    rule("decoding bearer token", |d, _| {
        d.operation(Operation::Authorize);
        d.fault(Weight::Server, Fault::UnexpectedAnswer { status: None });
    }),
    rule("error getting username and password", |d, _| {
        d.fault(Weight::Server, Fault::CredentialProvider);
    }),
    rule("too many requests to registry", |d, _| {
        d.server(Fault::RateLimited);
    }),
    // --- names ---
    rule("short-name {q} did not resolve to an alias", |d, c| {
        short(d, c.get(0));
    }),
    rule(
        "short-name resolution enforced but cannot prompt",
        |d, _| short(d, ""),
    ),
    rule(
        "short name mode is enforcing<, but image name {q} returns ambiguous list>",
        |d, c| short(d, c.get(0)),
    ),
    rule(
        "no registries configured while trying to pull an unqualified image",
        |d, _| short(d, ""),
    ),
    rule(
        "(no containers-registries.conf|no unqualified-search registries)",
        |d, _| short(d, ""),
    ),
    rule(
        "image name provided is a short name and no search registries are defined",
        |d, _| short(d, ""),
    ),
    rule("could not find image in registries", |d, _| short(d, "")),
    // --- mirrors and blocks ---
    rule("mirrors also failed", |d, _| d.layer(Layer::MirrorsFailed)),
    rule("registry {w} is blocked in {w}", |d, c| {
        d.runtime(Runtime::CriO);
        d.facts.config_file = Some(keep(c.get(1), 255));
        d.exact(Fault::BlockedByPolicy {
            policy: PolicyKind::NodeConfig,
        });
    }),
    // CRI-O up to 1.18, of `registries.conf` (`server/image_status.go`, `internal/storage`).
    rule("cannot use {img} because it's blocked", |d, c| {
        d.runtime(Runtime::CriO);
        d.image(c.get(0));
        d.exact(Fault::BlockedByPolicy {
            policy: PolicyKind::NodeConfig,
        });
    }),
    // --- platform ---
    rule("choosing <an >image from manifest list", |d, _| {
        d.runtime(Runtime::CriO);
        d.operation(Operation::Manifest);
    }),
    rule(
        "no image found in (manifest list|image index) for architecture {w}<, variant {q}><, os {q}>",
        |d, c| {
            d.runtime(Runtime::CriO);
            let architecture = c.get(0).trim_matches('"');
            let os = c
                .slots
                .last()
                .filter(|_| c.slots.len() > 1)
                .map_or("linux", |s| s);
            let variant = if c.slots.len() > 2 { c.get(1) } else { "" };
            let platform = if variant.is_empty() {
                format!("{os}/{architecture}")
            } else {
                format!("{os}/{architecture}/{variant}")
            };
            d.facts.platform = Some(keep(&platform, 60));
            d.exact(Fault::PlatformMissing);
        },
    ),
    rule("no image found in (manifest list|image index)", |d, _| {
        d.exact(Fault::PlatformMissing);
    }),
    // --- signatures ---
    rule("source image rejected: ", |d, _| signature(d)),
    rule(
        "a signature was required, but no signature exists",
        |d, _| signature(d),
    ),
    rule("signature for identity {q} is not accepted", |d, _| {
        signature(d);
    }),
    rule("is rejected by policy", |d, _| signature(d)),
    rule("none of the signatures were accepted", |d, _| signature(d)),
    rule("no signature verification policy found", |d, _| {
        signature(d);
    }),
    rule(
        "(verifying signatures|checking signature of {q}|invalid crypto engine)<: >",
        |d, _| {
            d.operation(Operation::Verify);
            d.fault(Weight::Server, Fault::Signature);
            if d.phrase().contains("crypto engine") {
                d.exact(Fault::RuntimeConfig);
            }
        },
    ),
    rule("cryptographic signature verification failed", |d, _| {
        signature(d);
    }),
    rule("invalid gpg signature", |d, _| signature(d)),
    // image-rs, which pulls inside a confidential guest.
    rule(
        "(security validate failed|signatures do not satis(fied|fy)|image policy rejected)",
        |d, _| signature(d),
    ),
    // What the lookaside server holds is no signature (`internal/signature/signature.go`).
    rule(
        "(unrecognized signature format|parsing signature {w}: )",
        |d, _| {
            d.operation(Operation::Verify);
            d.fault(Weight::Server, Fault::Signature);
        },
    ),
    rule("image {q} is not signed", |d, _| signature(d)),
];

fn short(d: &mut Draft<'_>, name: &str) {
    d.runtime(Runtime::CriO);
    d.operation(Operation::Parse);
    d.image(name);
    d.exact(Fault::ShortName);
}

fn signature(d: &mut Draft<'_>) {
    d.operation(Operation::Verify);
    d.exact(Fault::Signature);
}
