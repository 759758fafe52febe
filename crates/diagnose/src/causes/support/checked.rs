//! What a probe from here saw, in one line: the evidence of every cause that rests on it.

use pulldoctor_model::{
    Finding, clean_line,
    registry::{
        ArtifactKind, CredentialOutcome, CredentialRecord, ErrorBody, Facts, LayersFacts,
        ManifestFacts, NearTag, Stage, StageName, StageOutcome, Transcript, is_digest,
    },
    shorten,
};

use crate::{finding::FindingExt, view::Sight};

/// Most characters of what a stage says.
const DETAIL: usize = 240;
/// Near names that are shown.
const NEAR: usize = 3;

/// Adds what the probe saw. It is said once: several parts of a cause may rest on it.
pub(crate) fn with_checked(finding: Finding, sight: &Sight<'_>) -> Finding {
    let line = checked(sight.transcript);
    if finding.evidence.iter().any(|item| item.answer == line) {
        return finding;
    }
    finding.seen(Some(sight.answered), line)
}

/// `dns ok  tcp ok  tls ok  credential 1 of 1 (secret regcred, user ci-bot) granted  HEAD
/// manifests/v1.4.2 -> 404 MANIFEST_UNKNOWN  tags/list 212 tags`. No times: the same answer has to
/// give the same words.
pub(crate) fn checked(transcript: &Transcript) -> String {
    let mut parts: Vec<String> = Vec::new();
    for stage in &transcript.stages {
        parts.extend(part(transcript, stage));
        if stage.outcome == StageOutcome::Failed {
            break;
        }
    }
    parts.extend(tags(transcript));
    parts.join("  ")
}

fn part(transcript: &Transcript, stage: &Stage) -> Option<String> {
    let name = stage.stage.as_str();
    let failed = stage.outcome == StageOutcome::Failed;
    match (&stage.facts, stage.stage) {
        // The manifest's own line says more than that it failed.
        (Facts::Manifest(facts), _) => {
            let mut told: Vec<String> = credential(transcript, facts.credential)
                .into_iter()
                .collect();
            let request = request(transcript, facts);
            told.push(if failed && !says_all(facts) {
                format!("{request}: {}", said(stage))
            } else {
                request
            });
            Some(told.join("  "))
        }
        (Facts::Token(_), _) if failed => {
            let refused = credential(transcript, None);
            Some(match refused {
                Some(text) => text,
                None => format!("token failed: {}", said(stage)),
            })
        }
        // What is not worth a word: a token that was given or not wanted, a choice of no proxy.
        (_, StageName::Token | StageName::Http | StageName::Proxy) if !failed => None,
        _ if stage.outcome == StageOutcome::Skipped => None,
        (Facts::Platform(facts), _) if !failed => Some(format!("platform {} ok", facts.wanted)),
        (Facts::Layers(facts), _) if !failed => Some(format!(
            "{} {} {}",
            facts.layers.len(),
            if facts.layers.len() == 1 {
                "layer"
            } else {
                "layers"
            },
            if facts.verified { "whole" } else { "there" }
        )),
        _ if failed => Some(format!("{name} failed: {}", said(stage))),
        _ => Some(format!("{name} ok")),
    }
}

/// Whether the status alone says what went wrong.
fn says_all(facts: &ManifestFacts) -> bool {
    facts.status == Some(404)
}

/// What a stage says, safe to show and short.
pub(crate) fn said(stage: &Stage) -> String {
    shorten(&clean_line(&stage.detail), DETAIL).into_owned()
}

/// `HEAD manifests/v1.4.2 -> 404 MANIFEST_UNKNOWN`.
pub(crate) fn request(transcript: &Transcript, facts: &ManifestFacts) -> String {
    let status = facts
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let code = facts.error.as_ref().and_then(code).unwrap_or_default();
    let text = format!(
        "{} manifests/{} -> {status} {code}",
        facts.method,
        short_digest(&transcript.reference)
    );
    text.trim_end().to_owned()
}

/// The first code of an error document.
fn code(error: &ErrorBody) -> Option<String> {
    let code = &error.errors.first()?.code;
    (!code.is_empty()).then(|| shorten(&clean_line(code), 40).into_owned())
}

/// A digest without most of its digits.
pub(crate) fn short_digest(reference: &str) -> String {
    match reference.split_once(':') {
        Some((algorithm, hex)) if is_digest(reference) => format!("{algorithm}:{}…", &hex[..12]),
        _ => clean_line(reference).into_owned(),
    }
}

/// `credential 1 of 2 (secret regcred, user ci-bot) granted`, or that none is wanted.
fn credential(transcript: &Transcript, place: Option<usize>) -> Option<String> {
    let records = &transcript.credentials;
    let logins = records.iter().filter(|record| record.is_login()).count();
    let at = place.or_else(|| {
        records
            .iter()
            .position(|record| record.outcome == CredentialOutcome::Refused)
    })?;
    let record = records.get(at)?;
    let outcome = match record.outcome {
        CredentialOutcome::Granted => "granted",
        CredentialOutcome::Refused => "refused",
        CredentialOutcome::NotMatching
        | CredentialOutcome::Malformed
        | CredentialOutcome::Untested => return None,
    };
    Some(match &record.username {
        Some(user) => format!(
            "credential {} of {logins} ({}, user {}) {outcome}",
            at + 1,
            clean_line(&short_source(&record.source)),
            shorten(&clean_line(user), 60)
        ),
        None if record.outcome == CredentialOutcome::Granted => "anonymous granted".to_owned(),
        None => "anonymous refused".to_owned(),
    })
}

/// `secret shop/regcred auths[registry.example.com]` without what the incident says already: the
/// namespace, and the key that matches its image.
fn short_source(source: &str) -> String {
    let Some(place) = source.strip_prefix("secret ") else {
        return source.to_owned();
    };
    let place = place.split_once(' ').map_or(place, |(place, _)| place);
    let name = place.rsplit_once('/').map_or(place, |(_, name)| name);
    format!("secret {name}")
}

/// `tags/list 212 tags`.
fn tags(transcript: &Transcript) -> Option<String> {
    let list = transcript.tags.as_ref()?;
    let count = list.tags.len();
    Some(match (list.status, list.truncated) {
        (Some(200), true) => format!("tags/list more than {count} tags"),
        (Some(200), false) if count == 1 => "tags/list 1 tag".to_owned(),
        (Some(200), false) => format!("tags/list {count} tags"),
        (Some(status), _) => {
            let code = list.error.as_ref().and_then(code).unwrap_or_default();
            format!("tags/list -> {status} {code}")
                .trim_end()
                .to_owned()
        }
        (None, _) => "tags/list -> no answer".to_owned(),
    })
}

/// The manifest's facts.
pub(crate) fn manifest<'a>(sight: &Sight<'a>) -> Option<&'a ManifestFacts> {
    match sight.facts(StageName::Manifest)? {
        Facts::Manifest(facts) => Some(facts),
        _ => None,
    }
}

/// The layers' facts.
pub(crate) fn layers<'a>(sight: &Sight<'a>) -> Option<&'a LayersFacts> {
    match sight.facts(StageName::Layers)? {
        Facts::Layers(facts) => Some(facts),
        _ => None,
    }
}

/// The credential that the manifest was asked for with, where the registry granted it.
pub(crate) fn granted<'a>(sight: &Sight<'a>) -> Option<&'a CredentialRecord> {
    let record = sight
        .transcript
        .credentials
        .get(manifest(sight)?.credential?)?;
    (record.outcome == CredentialOutcome::Granted).then_some(record)
}

/// What a manifest is, in words.
pub(crate) fn artifact(kind: &ArtifactKind) -> String {
    match kind {
        ArtifactKind::Image => "a container image".to_owned(),
        ArtifactKind::Index => "an index of images".to_owned(),
        ArtifactKind::Schema1 => "an old schema 1 manifest".to_owned(),
        ArtifactKind::HelmChart => "a Helm chart".to_owned(),
        ArtifactKind::Signature => "a signature or attestation".to_owned(),
        ArtifactKind::DockerPlugin => "a Docker plugin".to_owned(),
        ArtifactKind::Other(kind) => {
            format!("an artefact of type `{}`", shorten(&clean_line(kind), 120))
        }
    }
}

/// The nearest tags, as a line of their own: `v1.4.1 (another patch; ran here), v1.4.0`.
pub(crate) fn nearest(tags: &[NearTag]) -> Option<String> {
    let shown: Vec<String> = tags
        .iter()
        .take(NEAR)
        .map(|near| {
            let mut why = clean_line(&near.because).into_owned();
            if near.ran_before && !why.contains("ran here") {
                why.push_str(if why.is_empty() {
                    "ran here"
                } else {
                    "; ran here"
                });
            }
            let tag = clean_line(&near.tag);
            if why.is_empty() {
                tag.into_owned()
            } else {
                format!("{tag} ({why})")
            }
        })
        .collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}
