//! What registries and the boxes before them say in their answers.

use super::{Rule, rule};
use crate::draft::{Draft, Weight};
use crate::text::keep;
use crate::{Fault, PolicyKind};

fn policy(d: &mut Draft<'_>, policy: PolicyKind) {
    d.exact(Fault::BlockedByPolicy { policy });
}

/// `denied`, `forbidden`, `unauthorized` alone: the class, unless the words say more.
pub(super) fn class(d: &mut Draft<'_>, fault: Fault) {
    d.take_server_message();
    // A token endpoint's refusal is told by its status already, and more exactly.
    let weight = if d.operation == Some(crate::Operation::Authorize) {
        Weight::Access
    } else {
        Weight::Class
    };
    d.fault(weight, fault);
}

pub(super) const RULES: &[Rule] = &[
    // --- codes of the distribution specification ---
    rule("^(toomanyrequests|too many requests)", |d, _| {
        d.server(Fault::RateLimited);
    }),
    rule(
        "you have reached your <unauthenticated >pull rate limit",
        |d, _| d.server(Fault::RateLimited),
    ),
    rule(
        "(pull rate limit|pull limit|rate limit exceeded|rate exceeded|ratelimitexceeded|quota exceeded for quota metric)",
        |d, _| d.server(Fault::RateLimited),
    ),
    rule("manifest unknown", |d, _| manifest_unknown(d)),
    rule("manifest_unknown", |d, _| manifest_unknown(d)),
    rule(
        "(the named manifest is not known to the registry|manifest is unknown|manifest not found)",
        |d, _| manifest_unknown(d),
    ),
    rule("artifact {img} not found", |d, c| {
        d.image(c.get(0));
        manifest_unknown(d);
    }),
    rule("failed to fetch {q} from request {q}", |d, _| {
        manifest_unknown(d);
    }),
    rule(
        "resource not found: repo {w}, (tag|digest) {w} not found",
        |d, c| {
            let separator = if c.get(1).contains(':') { '@' } else { ':' };
            d.image(&format!("{}{separator}{}", c.get(0), c.get(1)));
            manifest_unknown(d);
        },
    ),
    rule("tag {w} was deleted or has expired", |d, _| {
        manifest_unknown(d);
    }),
    rule("tag_expired", |d, _| manifest_unknown(d)),
    // Red Hat's registry, of repositories without a moving tag.
    rule("does not use the {q} tag to track", |d, _| {
        manifest_unknown(d);
    }),
    rule(
        "(name unknown|name_unknown|repository name not known to registry|the repository with name {q} does not exist)",
        |d, _| d.server(Fault::NameUnknown),
    ),
    rule("blob unknown<: blob unknown to registry>", |d, _| {
        d.operation(crate::Operation::Blob);
        d.exact(Fault::BlobMissing);
    }),
    rule(
        "(blob unknown to registry|unknown blob|blob_unknown)",
        |d, _| {
            d.exact(Fault::BlobMissing);
        },
    ),
    rule(
        "(name invalid|invalid repository name|name_invalid)",
        |d, _| d.server(Fault::InvalidReference),
    ),
    rule("(manifest invalid|manifest_invalid)", |d, _| {
        d.server(Fault::BrokenManifest);
    }),
    rule("requested access to the resource is denied", |d, _| {
        denied(d);
    }),
    rule(
        "access to the requested resource is not authorized",
        |d, _| denied(d),
    ),
    rule("unauthorized to access repository: ", |d, _| denied(d)),
    rule("project {w} not found", |d, _| denied(d)),
    rule(
        "(access to the resource is denied|you are not authorized to access the specified resource)",
        |d, _| denied(d),
    ),
    // Oracle's registry, to who sent no login.
    rule("anonymous users are only allowed", |d, _| {
        d.credential = d.credential.or(Some(crate::CredentialUse::Anonymous));
        d.server(Fault::NoCredentials);
    }),
    rule(
        "(authentication required|authentication is required)",
        |d, _| {
            class(d, Fault::Unauthorized);
        },
    ),
    rule("retry-after: {w}", |d, c| {
        d.facts.retry_after = Some(keep(c.get(0), 40));
    }),
    rule("permission denied for {q} from request", |d, _| denied(d)),
    rule("^denied", |d, _| {
        if d.after().starts_with(':') || d.ends_here() {
            class(d, Fault::Forbidden);
        }
    }),
    // --- logins ---
    rule(
        "(incorrect username or password|invalid username or password|wrong username or password|invalid username/password|wrong credentials|invalid credentials|bad credentials|user cannot be authenticated with the token provided|failed authentication|authentication failed|username or password is incorrect|invalid token|invalid_token|could not validate credentials|login failed|account is locked|personal access token is invalid|authentication is invalid)",
        |d, _| {
            d.server(Fault::BadLogin);
        },
    ),
    rule(
        "(authorization token has expired|token has expired|token is expired|expired token|security token included in the request is expired|security token included in the request is invalid|credentials have expired|credential has expired|expiredtoken|token expired|jwt expired|tokenexpired|password has expired|access token expired|token is no longer valid)",
        |d, _| {
            d.server(Fault::Expired);
            d.exact(Fault::Expired);
        },
    ),
    rule(
        "is not authorized to perform: {w}< on resource: {w}>",
        |d, c| {
            d.facts.permission = Some(keep(c.get(0), 120));
            d.facts.resource = (c.slots.len() > 1).then(|| keep(c.get(1), 255));
            permission(d);
        },
    ),
    rule("permission {q} denied on resource {q}", |d, c| {
        d.facts.permission = Some(keep(c.get(0), 120));
        d.facts.resource = Some(keep(c.get(1), 255));
        permission(d);
    }),
    rule(
        "you don't have the needed permissions to perform this operation<, and you may have invalid credentials>",
        |d, _| {
            d.server(Fault::AccessDenied);
        },
    ),
    rule(
        "<unauthenticated request. >unauthenticated requests do not have permission",
        |d, _| {
            d.credential = d.credential.or(Some(crate::CredentialUse::Anonymous));
            d.server(Fault::NoCredentials);
        },
    ),
    rule(
        "(caller does not have permission|does not have <the >permission|insufficient permissions|permission_denied|the token provided does not match expected scopes|installation not allowed to read organization package)",
        |d, _| {
            permission(d);
        },
    ),
    // --- policies ---
    rule(
        "(since docker is a us company|export control|we now block all ip addresses|in accordance with us|us sanctions|sanctioned country|embargo)",
        |d, _| policy(d, PolicyKind::Geography),
    ),
    rule(
        "(has blocked access from your country|not available in your (country|region|location)|block access from your country|configured to block access from your country)",
        |d, _| policy(d, PolicyKind::Geography),
    ),
    rule(
        "your client does not have permission< to get url>",
        |d, _| {
            policy(d, PolicyKind::ClientAddress);
        },
    ),
    rule("client with ip {q} is not allowed access", |d, _| {
        policy(d, PolicyKind::ClientAddress);
    }),
    rule("is not allowed access. refer {w}", |d, _| {
        policy(d, PolicyKind::ClientAddress);
    }),
    rule(
        "(not in the allowlist|not in the whitelist|not in the allow list|not on the allowlist|not in allowlist)",
        |d, _| policy(d, PolicyKind::AllowList),
    ),
    rule(
        // Harbor; with underscores and without the code around 1.8 (`src/core/middlewares`).
        "(projectpolicyviolation|project_policy_violation|vulnerable handler: |no scanner registration configured|cannot get the image severity|current image without vulnerability scanning|vulnerability severity|vulnerabilities, cannot be pulled|prevent vulnerable images)",
        |d, _| policy(d, PolicyKind::Scan),
    ),
    rule(
        "(content trust|current image is not signed|the image is not signed)",
        |d, _| d.exact(Fault::Signature),
    ),
    rule(
        "(payment required|billing|account is suspended|account has been suspended|has been disabled|quota<s> exceeded|exceeded (your|its) (pull traffic|storage|image storage|bandwidth|traffic) quota|bandwidth limit|bandwidth quota|egress quota)",
        |d, _| {
            d.fault(
                Weight::Server,
                Fault::BlockedByPolicy {
                    policy: PolicyKind::Quota,
                },
            );
        },
    ),
    rule(
        "(accept the terms|accept the license|end user license agreement|eula)",
        |d, _| {
            d.fault(
                Weight::Server,
                Fault::BlockedByPolicy {
                    policy: PolicyKind::Legal,
                },
            );
        },
    ),
    rule(
        "(access to this site is blocked|web page blocked|blocked by your organization|fortiguard|zscaler|blocked by <the >(administrator|firewall|proxy|policy|network)|url filtering|blocked url|this website is blocked|blocked category|sorry, you have been blocked|attention required! \\| cloudflare)",
        |d, _| {
            policy(d, PolicyKind::Firewall);
        },
    ),
    rule(
        "(the request could not be satisfied|request blocked|access to the resource is blocked|blocked by policy|unavailable for legal reasons)",
        |d, _| {
            d.fault(
                Weight::Server,
                Fault::BlockedByPolicy {
                    policy: PolicyKind::Other,
                },
            );
        },
    ),
    rule("admission webhook {q} denied the request", |d, _| {
        policy(d, PolicyKind::Admission);
    }),
    // --- the registry is ill ---
    rule(
        "(internal server error|unknown: unknown error|unknown: internal error|service unavailable)",
        |d, _| {
            d.fault(Weight::Access, Fault::ServerError { status: None });
        },
    ),
    rule(
        "(bad gateway|gateway time-out|upstream connect error|no healthy upstream|upstream request timeout|backend fetch failed|origin is unreachable|web server is down)",
        |d, _| {
            d.fault(Weight::Access, Fault::ServerError { status: d.status });
        },
    ),
];

/// A refusal that does not tell missing from private. It outweighs the class word beside it
/// (Docker Hub through containers/image: `errors:`, `denied: …`, `unauthorized: …`).
fn denied(d: &mut Draft<'_>) {
    class(d, Fault::AccessDenied);
    if d.operation != Some(crate::Operation::Authorize) {
        d.fault(Weight::Server, Fault::AccessDenied);
    }
}

/// A right is missing; to nobody that is the same as no credential at all.
fn permission(d: &mut Draft<'_>) {
    if d.credential == Some(crate::CredentialUse::Anonymous) {
        d.take_server_message();
        d.fault(Weight::Access, Fault::AccessDenied);
    } else {
        d.server(Fault::PermissionMissing);
    }
}

fn manifest_unknown(d: &mut Draft<'_>) {
    d.operation(crate::Operation::Manifest);
    let by = d.missing_by();
    d.server(Fault::ManifestMissing { by });
}
