//! Manifests, layers, digests, platforms, references.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, Operation};

fn digests(d: &mut Draft<'_>, actual: &str, expected: &str) {
    d.facts.digest_actual = Some(keep(actual, 80));
    d.facts.digest_expected = Some(keep(expected, 80));
}

fn archive(d: &mut Draft<'_>) {
    d.operation(Operation::Unpack);
    d.exact(Fault::BrokenArchive);
}

fn unsupported(d: &mut Draft<'_>) {
    d.operation(Operation::Manifest);
    d.exact(Fault::UnsupportedManifest);
}

fn reference(d: &mut Draft<'_>) {
    d.operation(Operation::Parse);
    d.facts.parse_error = Some(keep(d.phrase(), 255));
    d.exact(Fault::InvalidReference);
}

pub(super) const RULES: &[Rule] = &[
    // --- reference ---
    rule(
        "invalid reference format: repository name \\({)}\\) must be lowercase",
        |d, _| reference(d),
    ),
    rule(
        "invalid reference format: repository name must be lowercase",
        |d, _| reference(d),
    ),
    rule("invalid reference format", |d, _| reference(d)),
    rule("repository name must be lowercase", |d, _| reference(d)),
    rule(
        "invalid repository name \\({)}\\), cannot specify 64-byte hexadecimal strings",
        |d, _| reference(d),
    ),
    rule(
        "(invalid checksum digest length|invalid checksum digest format|unsupported digest algorithm|repository name must not be more than 255 characters|repository name must have at least one component)",
        |d, _| reference(d),
    ),
    rule(
        "(could not parse reference|invalid image reference|invalid image name|failed to parse reference|normalizing image {q}|parsing reference)<: >",
        |d, _| {
            d.operation(Operation::Parse);
            d.fault(Weight::Server, Fault::InvalidReference);
        },
    ),
    rule(
        "(invalid tag format|invalid tag {q}|invalid namespace name|invalid registry host)",
        |d, _| reference(d),
    ),
    // --- digest and size ---
    rule("unexpected commit digest {w}, expected {w}", |d, c| {
        digests(d, c.get(0), c.get(1));
        d.operation(Operation::Verify);
        d.exact(Fault::DigestMismatch);
    }),
    rule("unexpected commit size {n}, expected {n}", |d, _| {
        d.operation(Operation::Verify);
        d.exact(Fault::SizeMismatch);
    }),
    rule(
        "(digest did not match|digest mismatch), expected {w}, got {w}",
        |d, c| {
            digests(d, c.get(1), c.get(0));
            d.operation(Operation::Verify);
            d.exact(Fault::DigestMismatch);
        },
    ),
    rule(
        "(digest did not match|digest mismatch|does not match digest|manifest does not match provided manifest digest|manifest verification failed for digest|downloaded layer digest mismatch|fails to match digest|digest of manifest {..}does not match|config verification failed for digest|image config verification failed for digest|image verification failed for digest)",
        |d, _| {
            d.operation(Operation::Verify);
            d.exact(Fault::DigestMismatch);
        },
    ),
    rule(
        "(reports content size of zero|size validation failed|failed size validation|size mismatch|unexpected size)",
        |d, _| {
            d.operation(Operation::Verify);
            d.exact(Fault::SizeMismatch);
        },
    ),
    rule("wrong diff id {q} calculated on extraction {q}", |d, c| {
        digests(d, c.get(0), c.get(1));
        d.exact(Fault::DiffIdMismatch);
    }),
    rule("wrong diff id", |d, _| d.exact(Fault::DiffIdMismatch)),
    rule(
        "(number of layers and diffids don't match|mismatched image rootfs and manifest layers|mismatched rootfs|layer diffid mismatch)",
        |d, _| {
            d.exact(Fault::DiffIdMismatch);
        },
    ),
    // --- archive ---
    rule("archive/tar: ", |d, _| archive(d)),
    rule("gzip: invalid (header|checksum)", |d, _| archive(d)),
    rule(
        "(invalid tar header|crc32 mismatch|gzip: stdin: |unpigz: |invalid compressed data|decompression failed|zstd: |unexpected end of archive|flate: corrupt input|zlib: invalid|zstd: invalid|magic number mismatch|corrupt input|not in gzip format|unhandled tar header type|invalid magic)",
        |d, _| archive(d),
    ),
    rule("unsupported compression format", |d, _| unsupported(d)),
    rule("(exit status 1: output|exit status 1; output): ", |_, _| {}),
    // --- platform ---
    rule("no match for platform in manifest", |d, _| {
        d.operation(Operation::Manifest);
        d.exact(Fault::PlatformMissing);
    }),
    rule(
        "no matching manifest for {w} in the manifest list entries",
        |d, c| platform(d, c.get(0)),
    ),
    rule("no matching manifest for {w}", |d, c| platform(d, c.get(0))),
    rule(
        "a windows version {w} image is incompatible with a {w} host",
        |d, _| d.exact(Fault::PlatformMissing),
    ),
    rule("could not find the platform {w}", |d, c| {
        platform(d, c.get(0));
    }),
    rule("no such manifest", |d, _| {
        d.operation(Operation::Manifest);
        let by = d.missing_by();
        d.fault(Weight::Server, Fault::ManifestMissing { by });
    }),
    rule("no child with platform {w}", |d, c| platform(d, c.get(0))),
    rule(
        "does not match the (specified|detected host) platform",
        |d, _| d.exact(Fault::PlatformMissing),
    ),
    rule(
        "(image operating system {q} cannot be used on this platform|operating system is not supported|cannot be used on this platform|no manifest found for platform|platform is not supported|no image found for platform|the operating system of this container is not supported)",
        |d, _| {
            d.exact(Fault::PlatformMissing);
        },
    ),
    rule("no matching {..}in the manifest list", |d, _| {
        d.exact(Fault::PlatformMissing);
    }),
    // --- media types ---
    rule("media type {q} is no longer supported", |d, c| {
        d.facts.media_type = Some(keep(c.get(0), 120));
        unsupported(d);
    }),
    rule(
        "schema 1 image manifests are no longer supported",
        |d, _| unsupported(d),
    ),
    rule(
        "(schema 1|schema1|schema v1|schemaversion 1|docker image format v1|image manifest version 2, schema 1) {..}(deprecated|not supported|unsupported|no longer|removed|disabled)",
        |d, _| unsupported(d),
    ),
    rule(
        "(unsupported media type|unsupported docker v2s2 media type|unsupported mime type|invalid mixed oci image|missing signature key|invalid mediatype|invalid media type|mediatype in manifest should be|encountered unknown type|media type {q} is not allowed|invalid rootfs in image configuration|unsupported manifest media type|unsupported schema version|unknown manifest schema|unsupported manifest format|manifest type {..}not supported|unsupported image-specific operation|unsupported config type|unimplemented <manifest >mime type|unknown media type|unknown mediatype|unknown manifest mediatype|unhandled (media type|mediatype)|bad/unhandled mediatype|unexpected media type|mediatype {..}not supported)",
        |d, _| unsupported(d),
    ),
    rule("unexpected media type text/html", |d, _| {
        d.operation(Operation::Manifest);
        d.exact(Fault::UnexpectedAnswer { status: None });
    }),
    rule("no processor for media-type", |d, _| unsupported(d)),
    // containerd's and kata's image-rs, of a layer that they have no reader for.
    rule("application/{w} not supported", |d, c| {
        d.facts.media_type = Some(keep(&format!("application/{}", c.get(0)), 120));
        unsupported(d);
    }),
    rule("failed to get stream processor for {w}", |d, c| {
        d.facts.media_type = Some(keep(c.get(0), 120));
        unsupported(d);
    }),
    rule(
        "(encountered remote {..} when fetching|target is plugin|ai models are not yet supported|is not a runnable image|expected an image, got|missing private key needed for decryption|no decryption keys|no signatures)",
        |d, _| unsupported(d),
    ),
    rule("parsing manifest blob", |d, _| {
        d.runtime(crate::Runtime::CriO);
        d.operation(Operation::Manifest);
        d.fault(Weight::Server, Fault::BrokenManifest);
    }),
    rule("manifest: invalid desc", |d, _| unsupported(d)),
    rule(
        "(unmarshal image config|<error >parsing image configuration|invalid image config|failed to unmarshal image config)<: >",
        |d, _| {
            d.operation(Operation::Manifest);
            // containers/image fetches the config here as well: an answer's status or a broken
            // connection behind these words says more.
            d.fault(Weight::Access, Fault::BrokenManifest);
        },
    ),
    // --- runs, but not as a container ---
    rule("no command specified", |d, _| {
        d.operation(Operation::Create);
        d.exact(Fault::NoCommand);
    }),
];

fn platform(d: &mut Draft<'_>, wanted: &str) {
    d.operation(Operation::Manifest);
    d.facts.platform = Some(keep(wanted, 60));
    d.exact(Fault::PlatformMissing);
}
