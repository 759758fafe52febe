//! Pull secrets and credential plugins, in the kubelet's words.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, Layer, Operation};

fn malformed(d: &mut Draft<'_>) {
    d.operation(Operation::Credentials);
    d.exact(Fault::SecretMalformed);
}

/// Whether a runtime speaks: then JSON faults are about manifests and answers, not about secrets.
fn runtime_speaks(d: &Draft<'_>) -> bool {
    d.runtime.is_some()
        || [
            Layer::PullAndUnpack,
            Layer::ResolveReference,
            Layer::ResolveImage,
            Layer::Daemon,
            Layer::Request,
        ]
        .iter()
        .any(|layer| d.has(*layer))
}

pub(super) const RULES: &[Rule] = &[
    rule("illegal base64 data at input byte", |d, _| malformed(d)),
    rule("illegal base64 data", |d, _| malformed(d)),
    rule(
        "unable to parse auth field, must be formatted as base64\\(username:password\\)",
        |d, _| malformed(d),
    ),
    rule("unable to parse auth field", |d, _| malformed(d)),
    rule(
        "json: cannot unmarshal {w} into go {..}(dockerconfig|authconfig|configjson)",
        |d, _| malformed(d),
    ),
    rule("json: cannot unmarshal", |d, _| {
        if d.operation == Some(Operation::Inspect) {
            // dockershim and an engine of another age: no secret is read to look at an image.
            d.fault(Weight::Server, Fault::RuntimeConfig);
        } else if runtime_speaks(d) {
            d.fault(Weight::Server, Fault::BrokenManifest);
        } else {
            d.operation(Operation::Credentials);
            d.fault(Weight::Hint, Fault::SecretMalformed);
        }
    }),
    rule(
        "^invalid character {..}(looking for|after|in string|in literal|in numeric|in exponent)",
        |d, _| {
            if !runtime_speaks(d) && d.status.is_none() {
                d.operation(Operation::Credentials);
                d.fault(Weight::Hint, Fault::SecretMalformed);
            } else {
                d.fault(Weight::Access, Fault::UnexpectedAnswer { status: d.status });
            }
        },
    ),
    rule("unexpected end of json input", |d, _| {
        if d.status.is_some() {
            // An answer without a body; its status tells.
        } else if runtime_speaks(d) {
            // containerd 1.6 says no more than this of a schema 1 manifest.
            d.fault(Weight::Server, Fault::BrokenManifest);
        } else {
            d.operation(Operation::Credentials);
            d.fault(Weight::Hint, Fault::SecretMalformed);
        }
    }),
    rule(
        "unable to retrieve some image pull secrets \\({)}\\)",
        |d, c| {
            d.reason("FailedToRetrieveImagePullSecret");
            d.operation(Operation::Credentials);
            for name in c.get(0).split(',').take(64) {
                let name = keep(name, 253);
                if !name.is_empty() {
                    d.facts.secrets.push(name);
                }
            }
            d.exact(Fault::SecretMissing);
        },
    ),
    rule(
        "(unable to|failed to|couldn't) (retrieve|get|find|fetch) <image >pull secret<s>< {q}>",
        |d, c| {
            d.operation(Operation::Credentials);
            push_secret(d, c.get(0));
            d.exact(Fault::SecretMissing);
        },
    ),
    rule("(secret|secrets) {q} not found", |d, c| {
        named_secret(d, c.get(0));
    }),
    rule("object {q}/{q} not registered", |d, c| {
        named_secret(d, c.get(1));
    }),
    rule("failed to sync secret cache", |d, _| named_secret(d, "")),
    rule("a mirror pod may not reference secrets", |d, _| {
        d.exact(Fault::StaticPodSecret);
    }),
    rule("static pods may not reference secrets", |d, _| {
        d.exact(Fault::StaticPodSecret);
    }),
    // --- credential plugins ---
    rule(
        "error execing credential provider plugin {w}< for image {img}>",
        |d, c| {
            d.facts.plugin = Some(keep(c.get(0), 255));
            d.image(c.get(1));
            provider(d);
        },
    ),
    rule(
        "failed getting credential from external registry credential provider",
        |d, _| provider(d),
    ),
    rule("failed to provide credentials for image", |d, _| {
        provider(d);
    }),
    rule(
        "(credential provider plugin|credential plugin|image credential provider) {..}(failed|error)",
        |d, _| provider(d),
    ),
    rule("error getting credentials - err: ", |d, _| provider(d)),
    rule(
        "exec: {q}: executable file not found in $path, out: ``",
        |d, c| {
            if c.get(0).contains("credential") {
                d.facts.plugin = Some(keep(c.get(0), 255));
                provider(d);
            } else {
                d.fault(Weight::Hint, Fault::NotAPullProblem);
            }
        },
    ),
    rule("(while getting|failed to get) aws credentials", |d, _| {
        provider(d);
    }),
    rule(
        "nocredentialproviders: no valid providers in chain",
        |d, _| provider(d),
    ),
];

fn provider(d: &mut Draft<'_>) {
    d.operation(Operation::Credentials);
    d.exact(Fault::CredentialProvider);
}

fn push_secret(d: &mut Draft<'_>, name: &str) {
    let name = keep(
        name.rsplit('/').next().unwrap_or(name).trim_matches('"'),
        253,
    );
    if !name.is_empty() && d.facts.secrets.len() < 64 {
        d.facts.secrets.push(name);
    }
}

/// A secret that is not there: a pull secret if the text is about pulling, else one that the
/// container mounts or reads.
fn named_secret(d: &mut Draft<'_>, name: &str) {
    let about_pull =
        d.lower.contains("pull") || d.lower.contains("regcred") || d.lower.contains("dockerconfig");
    let mounted = d.lower.contains("createcontainerconfigerror") || d.lower.contains("mountvolume");
    if about_pull && !mounted {
        d.operation(Operation::Credentials);
        push_secret(d, name);
        d.exact(Fault::SecretMissing);
    } else {
        d.fault(Weight::Hint, Fault::NotAPullProblem);
    }
}
