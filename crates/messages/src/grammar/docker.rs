//! Docker Engine, from 1.3 on, and what dockershim and cri-dockerd pass on.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, Layer, MissingBy, Operation, Runtime};

fn docker(d: &mut Draft<'_>) {
    d.runtime(Runtime::Docker);
}

pub(super) const RULES: &[Rule] = &[
    rule("error response from daemon: ", |d, _| {
        d.layer(Layer::Daemon);
        docker(d);
    }),
    rule("error response from daemon", |d, _| {
        d.layer(Layer::Daemon);
        docker(d);
    }),
    // Docker up to 1.12 (`registry/client/errors.go` of distribution): no status is told.
    rule("error parsing http response: ", |d, _| {
        docker(d);
        d.fault(Weight::Access, Fault::UnexpectedAnswer { status: None });
    }),
    // dockerode: the status is that of the engine's own API, whatever the registry answered.
    rule(
        "http code {n}\\) (server error|unexpected|bad parameter|conflict|not found) - ",
        |d, _| {
            d.layer(Layer::Daemon);
            docker(d);
        },
    ),
    rule("error from registry: ", |d, _| {
        d.layer(Layer::Daemon);
        docker(d);
    }),
    rule("^docker: ", |d, _| docker(d)),
    rule("api error \\({n}\\): ", |d, _| {
        d.layer(Layer::Daemon);
        docker(d);
    }),
    // Of a registry's folder in `certs.d`: Docker's `registry.go`, and `pkg/tlsclientconfig` of
    // containers/image, which has it from there.
    rule(
        "missing (key {w} for client certificate|client certificate {w} for key) {w}",
        |d, c| {
            d.facts.config_file = Some(keep(c.get(0), 255));
            d.exact(Fault::RegistryFile);
        },
    ),
    rule("not continuing with pull after error: ", |d, _| {
        d.layer(Layer::Daemon);
        docker(d);
    }),
    rule(
        "pull access denied for {img}, repository does not exist or may require",
        |d, c| {
            docker(d);
            d.image(c.get(0));
            d.fault(Weight::Access, Fault::AccessDenied);
        },
    ),
    rule("^pull access denied", |d, _| {
        d.fault(Weight::Access, Fault::AccessDenied);
    }),
    rule("manifest for {img} not found", |d, c| {
        docker(d);
        d.image(c.get(0));
        d.operation(Operation::Manifest);
        let by = d.missing_by();
        d.server(Fault::ManifestMissing { by });
    }),
    rule(
        "repository {img} not found: does not exist or no (pull|read) access",
        |d, c| {
            docker(d);
            d.image(c.get(0));
            d.fault(Weight::Server, Fault::AccessDenied);
        },
    ),
    rule("repository {img} not found", |d, c| {
        docker(d);
        d.image(c.get(0));
        d.fault(Weight::Server, Fault::NameUnknown);
    }),
    rule("tag {w} not found in repository {w}", |d, c| {
        docker(d);
        d.image(&format!("{}:{}", c.get(1), c.get(0)));
        d.server(Fault::ManifestMissing { by: MissingBy::Tag });
    }),
    rule("error: image {img} not found", |d, c| {
        docker(d);
        d.image(c.get(0));
        d.fault(Weight::Server, Fault::ImageMissing);
    }),
    rule(
        "(no such image|could not find image|unable to find image {img} locally)",
        |d, _| {
            docker(d);
            d.fault(Weight::Hint, Fault::ImageMissing);
        },
    ),
    rule("status {n} trying to pull repository", |d, c| {
        docker(d);
        old_status(d, c.get(0));
        d.take_server_message();
    }),
    rule("status {n} while fetching image layer", |d, c| {
        docker(d);
        d.operation(Operation::Blob);
        old_status(d, c.get(0));
    }),
    rule(
        "please verify that it exists and you have permission to access it",
        |d, _| {
            d.fault(Weight::Server, Fault::AccessDenied);
        },
    ),
    rule(
        "(error while pulling image|error pulling image) \\({w}\\) from {img},",
        |d, c| {
            docker(d);
            d.image(&format!("{}:{}", c.get(1), c.get(0)));
        },
    ),
    rule("error pulling image configuration: ", |d, _| {
        d.layer(Layer::ImageConfiguration);
        docker(d);
        d.operation(Operation::Blob);
    }),
    rule("download failed after attempts={n}: ", |d, _| {
        docker(d);
        d.operation(Operation::Blob);
    }),
    rule("failed to register layer: ", |d, _| {
        d.layer(Layer::RegisterLayer);
        docker(d);
        d.operation(Operation::Unpack);
        d.fault(Weight::Hint, Fault::Unpack);
    }),
    rule(
        "(applylayer|untar re-exec error|error processing tar file)",
        |d, _| {
            d.operation(Operation::Unpack);
            d.fault(Weight::Hint, Fault::Unpack);
        },
    ),
    rule(
        "filesystem layer verification failed for digest {w}",
        |d, c| {
            docker(d);
            d.operation(Operation::Verify);
            d.facts.digest_expected = Some(keep(c.get(0), 80));
            d.exact(Fault::DigestMismatch);
        },
    ),
    rule("image verification failed for digest", |d, _| {
        d.exact(Fault::DigestMismatch);
    }),
    rule(
        "layers from manifest don't match image configuration",
        |d, _| d.exact(Fault::DiffIdMismatch),
    ),
    rule(
        "(unable to ping registry endpoint|v1 ping attempt failed with error|v2 ping attempt failed with error|invalid registry endpoint)<: >",
        |d, _| {
            docker(d);
            d.operation(Operation::Ping);
        },
    ),
    rule("http: server gave http response to https client", |d, _| {
        d.net(Fault::PlainHttp);
    }),
    rule(
        "(cannot|can't|failed to) connect to the docker daemon",
        |d, _| {
            docker(d);
            d.exact(Fault::RuntimeUnavailable);
        },
    ),
    rule("(cannot|can't) connect to podman", |d, _| {
        d.exact(Fault::RuntimeUnavailable);
    }),
    rule(
        "(error during connect: |docker daemon is not running)",
        |d, _| {
            docker(d);
            d.exact(Fault::RuntimeUnavailable);
        },
    ),
    rule("is the docker daemon running", |d, _| {
        d.exact(Fault::RuntimeUnavailable);
    }),
];

fn old_status(d: &mut Draft<'_>, number: &str) {
    if let Ok(status @ 300..=599) = number.parse() {
        d.status(status);
    }
}
