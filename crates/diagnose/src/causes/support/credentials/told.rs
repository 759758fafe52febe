//! What the keyring and the registry answered, as pieces of evidence. Hosts, keys and usernames.

use pulldoctor_model::{
    Finding, Fit, KeyringFacts, SecretVerdict,
    registry::{CredentialOutcome, CredentialRecord, Identity, Problem, StageName, Transcript},
    shorten,
};

use super::{lookup, mismatch_words, standing_words};
use crate::{case::Case, finding::FindingExt};

/// How many entries, secrets or credentials are told one by one.
const MOST: usize = 4;
/// How long the words about one credential may be.
const LONGEST: usize = 240;

/// Adds what the lookup of the credentials found.
pub(super) fn with_lookup(finding: Finding, case: &Case<'_>) -> Finding {
    match lookup(case) {
        Some(keyring) => finding.seen(case.keyring().answered(), lookup_words(keyring)),
        None => finding,
    }
}

fn lookup_words(keyring: &KeyringFacts) -> String {
    let entries: usize = keyring
        .secrets
        .iter()
        .map(|secret| secret.entries.len() + secret.omitted)
        .sum();
    let many = |count: usize, one: &str, more: &str| {
        format!("{count} {}", if count == 1 { one } else { more })
    };
    let mut words = vec![format!(
        "{}, {}",
        many(keyring.secrets.len(), "secret", "secrets"),
        many(entries, "entry", "entries")
    )];
    if let Some(failure) = &keyring.failure {
        words.push(format!(
            "the kubelet cannot read `{}`, and then uses none: {}",
            failure.secret, failure.text
        ));
    } else if keyring.matching.is_empty() {
        words.push(format!("none matches `{}`", keyring.repository));
    }
    let matching: Vec<String> = keyring
        .matching
        .iter()
        .map(|one| {
            format!(
                "`{}` of secret `{}` matches (user `{}`, {})",
                one.key,
                one.secret,
                one.username,
                one.kind.describe()
            )
        })
        .collect();
    words.extend(few(matching));
    let rest = keyring.secrets.iter().filter(|secret| !secret.matches());
    words.extend(few(rest.filter_map(misses).collect()));
    words.join("; ")
}

/// Why a secret does not help.
fn misses(secret: &SecretVerdict) -> Option<String> {
    if let Some(words) = standing_words(secret) {
        return Some(format!("`{}` {words}", secret.name));
    }
    let keys: Vec<String> = secret
        .entries
        .iter()
        .filter_map(|entry| match &entry.fit {
            Fit::Mismatch { reasons, .. } => {
                let why = reasons.first().map(mismatch_words).unwrap_or_default();
                Some(format!("`{}` {why}", entry.key))
            }
            Fit::Shadowed { by } => Some(format!("`{}` comes behind `{by}`", entry.key)),
            Fit::Matches => None,
        })
        .collect();
    (!keys.is_empty()).then(|| format!("in `{}` {}", secret.name, few(keys).join(", ")))
}

/// The first few, and how many more there are.
fn few(mut words: Vec<String>) -> Vec<String> {
    let more = words.len().saturating_sub(MOST);
    words.truncate(MOST);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words
}

/// Adds what the registry said to each credential, and what was not asked.
pub(super) fn with_registry(finding: Finding, case: &Case<'_>) -> Finding {
    let answer = case.registry_answer();
    let Some(transcript) = answer.seen() else {
        return finding;
    };
    let mut finding = finding.seen(answer.answered(), registry_words(transcript));
    for gap in &transcript.gaps {
        if let Some(remedy) = &gap.remedy {
            finding = finding.next(
                format!(
                    "what does `{}` say to the login? No credential goes there unasked",
                    gap.host
                ),
                Some(format!("pulldoctor diagnose {remedy}")),
            );
        }
    }
    finding
}

fn registry_words(transcript: &Transcript) -> String {
    let before_any_login = transcript
        .first_failure()
        .filter(|stage| stage.stage < StageName::Token);
    if let Some(stage) = before_any_login {
        return format!(
            "from here it could not be asked: {}",
            stage.problem.map_or("it failed", Problem::as_text)
        );
    }
    // What does not match is told by the lookup.
    let told: Vec<String> = transcript
        .credentials
        .iter()
        .filter_map(record_words)
        .collect();
    if told.is_empty() {
        return "no credential was tried".to_owned();
    }
    few(told).join("; ")
}

/// What became of one credential.
fn record_words(record: &CredentialRecord) -> Option<String> {
    let who = match &record.username {
        Some(username) => format!("user `{username}` of {}", record.source),
        None => "without a login".to_owned(),
    };
    let what = match (record.outcome, record.identity) {
        (CredentialOutcome::Granted, _) if record.manifest_status == Some(404) => {
            "may read, and the image is not there".to_owned()
        }
        (CredentialOutcome::Granted, _) => "may read".to_owned(),
        (CredentialOutcome::Refused, Identity::Accepted) => format!(
            "the login is good, and may not read: {}",
            shorten(&record.detail, LONGEST)
        ),
        (CredentialOutcome::Refused, Identity::Rejected) => {
            format!("the login is refused: {}", shorten(&record.detail, LONGEST))
        }
        (CredentialOutcome::Refused, Identity::Unknown) => {
            format!("refused: {}", shorten(&record.detail, LONGEST))
        }
        (CredentialOutcome::NotMatching | CredentialOutcome::Malformed, _) => return None,
        (CredentialOutcome::Untested, _) => {
            format!("not tried: {}", shorten(&record.detail, LONGEST))
        }
    };
    Some(format!("{who}: {what}"))
}
