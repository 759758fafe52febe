//! What a probe comes to, in words.

use pulldoctor_model::{
    CauseId, KeyringFacts, SecretStanding,
    registry::{
        ArtifactKind, CredentialRecord, Facts, Problem, Stage, StageName, Transcript, is_digest,
    },
};

use super::Seat;

/// `host/repository`.
fn repository(transcript: &Transcript) -> String {
    format!("{}/{}", transcript.host, transcript.repository)
}

/// Nothing failed.
pub(super) fn good(seat: Seat<'_>, transcript: &Transcript) -> String {
    let layers = transcript
        .stage(StageName::Layers)
        .map(|stage| &stage.facts);
    let read = match layers {
        Some(Facts::Layers(facts)) if facts.verified => ", and every byte of its layers is good",
        _ => "",
    };
    let from = match seat {
        Seat::Here => String::new(),
        _ => format!(" {}", seat.from()),
    };
    format!("`{}` can be pulled{from}{read}", transcript.image)
}

/// The probe ended since something was not asked.
pub(super) fn unasked(transcript: &Transcript, stage: &Stage) -> String {
    match stage.problem {
        Some(Problem::RedirectRefused) => format!(
            "`{}` sends its clients to a place that this probe does not go to",
            transcript.host
        ),
        _ => format!(
            "whether `{}` can be pulled is not known: a credential was held back",
            transcript.image
        ),
    }
}

/// The login that was tried first.
fn login(transcript: &Transcript) -> Option<&CredentialRecord> {
    transcript
        .credentials
        .iter()
        .find(|record| record.is_login())
}

fn who(transcript: &Transcript) -> String {
    login(transcript).map_or_else(
        || "the login".to_owned(),
        |record| match record.username.as_deref() {
            None | Some("") => format!("the token of {}", record.source),
            Some(name) => format!("user `{name}` of {}", record.source),
        },
    )
}

/// The cause in one sentence.
pub(super) fn summary(
    seat: Seat<'_>,
    transcript: &Transcript,
    stage: &Stage,
    cause: CauseId,
    keyring: Option<&KeyringFacts>,
) -> String {
    let host = &transcript.host;
    let name = repository(transcript);
    let reference = &transcript.reference;
    let listed = transcript
        .tags
        .as_ref()
        .is_some_and(|list| list.tags.contains(reference));
    match cause {
        CauseId::ImageNotFoundTag if listed => {
            format!("`{name}` lists the tag `{reference}` and has no manifest for it")
        }
        CauseId::ImageNotFoundTag => format!("`{name}` has no tag `{reference}`"),
        CauseId::ImageNotFoundDigest => format!("`{name}` has no such digest"),
        CauseId::ImageNotFoundRepo => {
            format!("`{host}` has no repository `{}`", transcript.repository)
        }
        CauseId::NotFoundOrPrivate => {
            format!("`{name}` does not exist, or is private and was asked for without a login")
        }
        CauseId::AuthMissingCredentials if keyring.is_some() => {
            format!("`{host}` wants a login, and there is none for it")
        }
        CauseId::AuthMissingCredentials => format!("`{host}` wants a login for `{name}`"),
        CauseId::SecretMissing
        | CauseId::SecretWrongType
        | CauseId::SecretMalformed
        | CauseId::SecretWrongHost => secret(transcript, cause, keyring),
        CauseId::PublicImageWrongCredential => format!(
            "`{name}` is public, and `{host}` refuses {}",
            who(transcript)
        ),
        CauseId::AuthBadCredentials => format!("`{host}` refuses {}", who(transcript)),
        CauseId::AuthExpiredCredentials => {
            format!(
                "`{host}` says that the login of {} has expired",
                who(transcript)
            )
        }
        CauseId::AuthForbidden => format!("{} may not pull `{name}`", who(transcript)),
        CauseId::PlatformMismatch => platform(stage, transcript),
        CauseId::UnsupportedManifest => format!("`{}` {}", transcript.image, kind(stage)),
        CauseId::RegistryUnreachableDns => {
            format!(
                "`{}` is not resolved {}",
                host_of(stage, transcript),
                seat.at()
            )
        }
        CauseId::RegistryUnreachableRefused => {
            format!("`{host}` refuses connections{}", seat.of())
        }
        CauseId::RegistryUnreachableTimeout => format!("`{host}` does not answer{}", seat.of()),
        CauseId::RegistryUnreachableRoute => {
            format!("`{host}` cannot be reached {}", seat.from())
        }
        CauseId::BlobHostUnreachable => {
            format!("`{host}` answers, and a host that it sends its clients to does not")
        }
        CauseId::RateLimited => {
            let wait = transcript
                .rate_limit
                .as_ref()
                .and_then(|limit| limit.retry_after_s)
                .map_or_else(String::new, |seconds| {
                    format!(", and says to come back in {seconds} s")
                });
            format!("`{host}` limits requests{wait}")
        }
        CauseId::CorruptedContent => format!(
            "`{}`: {}",
            transcript.image,
            stage
                .problem
                .map_or("its content is damaged", Problem::as_text)
        ),
        _ => format!(
            "`{host}`: {}",
            stage.problem.map_or("the probe failed", Problem::as_text)
        ),
    }
}

/// The name that was asked for: the registry's, or the proxy's.
fn host_of(stage: &Stage, transcript: &Transcript) -> String {
    match &stage.facts {
        Facts::Dns(facts) if !facts.name.is_empty() => facts.name.clone(),
        _ => transcript.host.clone(),
    }
}

fn platform(stage: &Stage, transcript: &Transcript) -> String {
    match &stage.facts {
        Facts::Platform(facts) if !facts.available.is_empty() => format!(
            "`{}` is there for {}, not for {}",
            transcript.image,
            facts.available.join(", "),
            facts.wanted
        ),
        _ => format!("`{}` has nothing for this platform", transcript.image),
    }
}

fn kind(stage: &Stage) -> String {
    let artifact = match &stage.facts {
        Facts::Manifest(facts) => facts.artifact.as_ref(),
        _ => None,
    };
    match (stage.problem, artifact) {
        (Some(Problem::ManifestSchema1), _) => {
            "has a schema 1 manifest, which runtimes no longer read".to_owned()
        }
        (_, Some(ArtifactKind::HelmChart)) => "is a Helm chart, not an image".to_owned(),
        (_, Some(ArtifactKind::Signature)) => {
            "is a signature or attestation, not an image".to_owned()
        }
        (_, Some(ArtifactKind::DockerPlugin)) => "is a Docker plugin, not an image".to_owned(),
        (Some(Problem::NotAnImage), _) => "is not an image".to_owned(),
        (problem, _) => format!(
            "cannot be used: {}",
            problem.map_or("its manifest is odd", Problem::as_text)
        ),
    }
}

fn secret(transcript: &Transcript, cause: CauseId, keyring: Option<&KeyringFacts>) -> String {
    let found = keyring
        .into_iter()
        .flat_map(|facts| &facts.secrets)
        .find(|secret| {
            matches!(
                (&secret.standing, cause),
                (SecretStanding::Missing { .. }, CauseId::SecretMissing)
                    | (SecretStanding::WrongType { .. }, CauseId::SecretWrongType)
                    | (SecretStanding::Used, CauseId::SecretWrongHost)
                    | (
                        SecretStanding::MissingKey { .. }
                            | SecretStanding::NoEntries { .. }
                            | SecretStanding::Malformed { .. },
                        CauseId::SecretMalformed
                    )
            )
        });
    let name = found.map_or_else(
        || "the secret".to_owned(),
        |secret| format!("secret `{}/{}`", secret.namespace, secret.name),
    );
    let wants = format!("`{}` wants a login", transcript.host);
    match cause {
        CauseId::SecretMissing => format!("{wants}, and {name} does not exist"),
        CauseId::SecretWrongType => {
            format!("{wants}, and {name} has a type that the kubelet ignores")
        }
        CauseId::SecretWrongHost => format!("{wants}, and {name} has none for this image"),
        _ => format!("{wants}, and {name} cannot be read"),
    }
}

/// What to say under the image.
pub(super) fn caret(transcript: &Transcript, stage: &Stage) -> String {
    match (&stage.facts, stage.problem) {
        (Facts::Manifest(facts), _) => {
            let status = facts
                .status
                .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let reference = if is_digest(&transcript.reference) {
                "DIGEST"
            } else {
                &transcript.reference
            };
            format!("{} manifests/{reference} -> {status}", facts.method)
        }
        (_, Some(problem)) => problem.as_text().to_owned(),
        (_, None) => String::new(),
    }
}
