//! How sure a probe makes its cause.

use pulldoctor_model::{
    CauseId, Confidence,
    registry::{
        CredentialOutcome, ErrorBody, Facts, Identity, LayersFacts, ManifestFacts, Problem, Stage,
        StageName, Transcript,
    },
};

use crate::causes::support::answers_alike;

type Sure = (CauseId, Confidence, Vec<(CauseId, &'static str)>);

/// The cause as it is said, how sure, and what it may be instead.
pub(super) fn sure(
    transcript: &Transcript,
    stage: &Stage,
    cause: CauseId,
    knows_secrets: bool,
) -> Sure {
    match cause {
        CauseId::ImageNotFoundTag | CauseId::ImageNotFoundDigest | CauseId::ImageNotFoundRepo => {
            missing(transcript, cause)
        }
        CauseId::AuthMissingCredentials => anonymous(transcript, stage, knows_secrets),
        CauseId::AuthBadCredentials if identity(transcript) != Some(Identity::Rejected) => (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::AuthForbidden,
                "the registry does not say whether the login is bad or only not allowed here",
            )],
        ),
        CauseId::AuthForbidden if answers_alike(&transcript_registry(transcript)) => (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::ImageNotFoundRepo,
                "this registry answers alike for what is missing and for what is hidden",
            )],
        ),
        CauseId::AuthForbidden if identity(transcript) != Some(Identity::Accepted) => (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::AuthBadCredentials,
                "the registry does not say whether the login itself is good",
            )],
        ),
        CauseId::AuthBadCredentials
        | CauseId::AuthForbidden
        | CauseId::AuthExpiredCredentials
        | CauseId::PublicImageWrongCredential
        | CauseId::PlatformMismatch => (cause, Confidence::Proven, Vec::new()),
        CauseId::UnsupportedManifest => {
            let sure = match stage.problem {
                Some(Problem::ManifestSchema1 | Problem::NotAnImage) => Confidence::Proven,
                _ => Confidence::Likely,
            };
            (cause, sure, Vec::new())
        }
        CauseId::CorruptedContent => (cause, damage(stage), Vec::new()),
        CauseId::BlockedByPolicy => {
            let names_policy = manifest(transcript)
                .and_then(|facts| facts.error.as_ref())
                .is_some_and(|error| error.has("PROJECTPOLICYVIOLATION"));
            let sure = if names_policy {
                Confidence::Proven
            } else {
                Confidence::Likely
            };
            (cause, sure, Vec::new())
        }
        // Names, routes, certificates, limits and faults of the moment: a node may see it otherwise.
        _ => (cause, Confidence::Likely, Vec::new()),
    }
}

fn missing(transcript: &Transcript, cause: CauseId) -> Sure {
    // Without the right to read, a 404 tells nothing.
    let Some(reader) = transcript
        .credentials
        .iter()
        .find(|record| record.outcome == CredentialOutcome::Granted)
    else {
        return (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::NotFoundOrPrivate,
                "nothing was let in, and some registries hide what is private",
            )],
        );
    };
    let tags = transcript.tags.as_ref();
    match cause {
        CauseId::ImageNotFoundRepo if !names_repository(transcript) => (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::ImageNotFoundTag,
                "a registry that lists no tags answers so, too",
            )],
        ),
        CauseId::ImageNotFoundRepo
            if reader.username.is_none() && answers_alike(&transcript_registry(transcript)) =>
        {
            (
                CauseId::NotFoundOrPrivate,
                Confidence::Possible,
                vec![
                    (cause, "a missing repository is answered so"),
                    (
                        CauseId::AuthMissingCredentials,
                        "a private repository is answered so, too",
                    ),
                ],
            )
        }
        CauseId::ImageNotFoundRepo => (cause, Confidence::Proven, Vec::new()),
        _ if tags.is_some_and(|list| list.tags.contains(&transcript.reference)) => {
            (cause, Confidence::Likely, Vec::new())
        }
        _ if tags.is_some_and(|list| list.status == Some(200)) => {
            (cause, Confidence::Proven, Vec::new())
        }
        _ => (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::ImageNotFoundRepo,
                "the registry lists no tags, so the whole repository may be missing",
            )],
        ),
    }
}

/// Whether the registry itself says that the repository is unknown, in the protocol's own form.
fn names_repository(transcript: &Transcript) -> bool {
    let unknown = |error: &ErrorBody| error.has("NAME_UNKNOWN") || error.has("REPOSITORY_UNKNOWN");
    let by_manifest = manifest(transcript)
        .and_then(|facts| facts.error.as_ref())
        .is_some_and(unknown);
    let by_tags = transcript
        .tags
        .as_ref()
        .and_then(|list| list.error.as_ref())
        .is_some_and(|error| unknown(error) || error.has("NOT_FOUND"));
    by_manifest || by_tags
}

fn anonymous(transcript: &Transcript, stage: &Stage, knows_secrets: bool) -> Sure {
    let cause = CauseId::AuthMissingCredentials;
    if answers_alike(&transcript_registry(transcript)) {
        return (
            CauseId::NotFoundOrPrivate,
            Confidence::Possible,
            vec![
                (
                    CauseId::ImageNotFoundRepo,
                    "a missing repository is answered so",
                ),
                (cause, "a private repository is answered so, too"),
            ],
        );
    }
    // Let in as nobody and refused at the repository: registries that hide answer so, too.
    if stage.stage == StageName::Manifest && token_was_given(transcript) {
        return (
            cause,
            Confidence::Possible,
            vec![(
                CauseId::NotFoundOrPrivate,
                "a registry that hides what is private answers so for what is missing",
            )],
        );
    }
    let sure = if knows_secrets {
        Confidence::Proven
    } else {
        Confidence::Likely
    };
    (cause, sure, Vec::new())
}

fn token_was_given(transcript: &Transcript) -> bool {
    match transcript.stage(StageName::Token).map(|stage| &stage.facts) {
        Some(Facts::Token(facts)) => facts
            .attempts
            .iter()
            .any(|attempt| attempt.status.is_some_and(|status| status < 300)),
        _ => false,
    }
}

/// A stored copy is bad where it reads the same twice, is not there at all, or has the bytes that
/// its digest says and is no good all the same.
fn damage(stage: &Stage) -> Confidence {
    match (stage.problem, &stage.facts) {
        (
            Some(
                Problem::ManifestMissing
                | Problem::ConfigMissing
                | Problem::LayerMissing
                | Problem::LayerCompression
                | Problem::LayerArchive
                | Problem::LayerDiffId,
            ),
            _,
        ) => Confidence::Proven,
        (_, Facts::Layers(facts)) if is_bad_copy(facts) => Confidence::Proven,
        _ => Confidence::Likely,
    }
}

fn is_bad_copy(facts: &LayersFacts) -> bool {
    facts
        .layers
        .iter()
        .filter(|layer| layer.problem.is_some())
        .any(|layer| layer.second_read_differs == Some(false))
}

/// What is known of the login that counts.
fn identity(transcript: &Transcript) -> Option<Identity> {
    transcript.speaking_login().map(|record| record.identity)
}

fn manifest(transcript: &Transcript) -> Option<&ManifestFacts> {
    match &transcript.stage(StageName::Manifest)?.facts {
        Facts::Manifest(facts) => Some(facts),
        _ => None,
    }
}

/// The registry's name in images: Docker Hub is asked at another one.
fn transcript_registry(transcript: &Transcript) -> String {
    match transcript.host.as_str() {
        "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    }
}
