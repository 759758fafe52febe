//! Commands that change a pull secret in place, and lose nothing of it. What they work on never
//! shows on a screen.

use pulldoctor_model::{
    Applicability, AuthLooks, Blemish, EntryFault, Finding, JsonLooks, MalformedSecret,
    MatchingCredential,
};

use super::{Named, replace_secret_command};
use crate::{
    case::Case,
    causes::support::{in_namespace, quote},
    finding::FindingExt,
};

/// What a repair works on: the whole config, or the entry `$key`.
enum Place<'k> {
    Whole,
    Entry(&'k str),
}

/// Adds a repair of what the kubelet cannot decode, where it loses nothing.
pub(crate) fn with_repair_of_fault(
    finding: Finding,
    case: &Case<'_>,
    secret: &Named<'_>,
    fault: &MalformedSecret,
) -> Finding {
    let (title, place, filter) = match fault {
        MalformedSecret::Json {
            looks: Some(JsonLooks::Base64),
        } => ("decode it once", Place::Whole, "@base64d"),
        MalformedSecret::Type {
            looks: Some(JsonLooks::QuotedJson),
            ..
        } => ("take the quotes off", Place::Whole, "fromjson"),
        MalformedSecret::AuthBase64 { key, looks, .. }
        | MalformedSecret::AuthWithoutColon { key, looks } => {
            let (title, filter) = match looks {
                Some(AuthLooks::EncodedTwice) => ("decode `auth` once", ".auth |= @base64d"),
                Some(AuthLooks::NotEncoded) => ("encode `auth`", ".auth |= @base64"),
                Some(AuthLooks::WhiteSpace) => (
                    "take the white space out of `auth`",
                    r#".auth |= gsub("\\s"; "")"#,
                ),
                Some(AuthLooks::Quotes) => (
                    "take the quotes off `auth`",
                    r#".auth |= gsub("[\"\u0027]"; "")"#,
                ),
                Some(AuthLooks::UrlAlphabet) => (
                    "write `auth` in the standard alphabet",
                    r#".auth |= (gsub("-"; "+") | gsub("_"; "/"))"#,
                ),
                _ => return finding,
            };
            (title, Place::Entry(key), filter)
        }
        _ => return finding,
    };
    let command = edit(case, secret, &place, filter);
    with_repair(finding, secret, title, command)
}

/// Adds a repair of a login that is not what was meant, where it loses nothing.
pub(crate) fn with_repair_of_login(
    finding: Finding,
    case: &Case<'_>,
    secret: &Named<'_>,
    credential: &MatchingCredential,
) -> Finding {
    let has_line_end = credential.faults.iter().any(|fault| {
        matches!(
            fault,
            EntryFault::Password {
                blemish: Blemish::TrailingNewline
            }
        )
    });
    if !has_line_end {
        return finding;
    }
    // `auth` ends with the password.
    let filter = concat!(
        r#"(if .auth then .auth |= (@base64d | sub("[\r\n]+$"; "") | @base64) else . end)"#,
        r#" | (if .password then .password |= sub("[\r\n]+$"; "") else . end)"#,
    );
    let command = edit(case, secret, &Place::Entry(&credential.key), filter);
    with_repair(
        finding,
        secret,
        "take the line end off the password",
        command,
    )
}

/// Adds the repair of a key that misses the image.
pub(crate) fn with_repair_of_key(
    finding: Finding,
    case: &Case<'_>,
    secret: &Named<'_>,
    key: &str,
    corrected: &str,
) -> Finding {
    let rename = format!(
        "with_entries(if .key == $key then .key = {} else . end)",
        jq_string(corrected)
    );
    let filter = if is_old(secret) {
        rename
    } else {
        format!(".auths |= {rename}")
    };
    let command = is_whole(key).then(|| {
        pipe(
            case,
            secret,
            Some(key),
            &format!("@base64d | fromjson | {filter} | tojson"),
        )
    });
    finding.remedy(
        "correct-key",
        Applicability::Consent,
        format!(
            "write `{corrected}` in place of the key `{key}` in secret `{}`",
            secret.name
        ),
        command,
    )
}

fn with_repair(
    finding: Finding,
    secret: &Named<'_>,
    title: &str,
    command: Option<String>,
) -> Finding {
    finding.remedy(
        "repair-secret",
        Applicability::Consent,
        format!("{title} in secret `{}`: nothing is lost", secret.name),
        command,
    )
}

/// A key that was shortened for showing cannot be named in a command.
fn is_whole(key: &str) -> bool {
    !key.contains('…')
}

/// Whether it is of the type of before 2014, with the hosts at its top.
fn is_old(secret: &Named<'_>) -> bool {
    secret
        .facts
        .and_then(|facts| facts.kind.as_deref())
        .is_some_and(|kind| kind == "kubernetes.io/dockercfg")
}

fn edit(case: &Case<'_>, secret: &Named<'_>, place: &Place<'_>, filter: &str) -> Option<String> {
    match place {
        Place::Whole => Some(pipe(case, secret, None, &format!("@base64d | {filter}"))),
        Place::Entry(key) => is_whole(key).then(|| {
            let entry = if is_old(secret) {
                ".[$key]"
            } else {
                ".auths[$key]"
            };
            let filter = format!("@base64d | fromjson | {entry} |= ({filter}) | tojson");
            pipe(case, secret, Some(key), &filter)
        }),
    }
}

/// Reads the secret, changes the config in it, and writes it back.
fn pipe(case: &Case<'_>, secret: &Named<'_>, key: Option<&str>, filter: &str) -> String {
    let data = if is_old(secret) {
        ".dockercfg"
    } else {
        ".dockerconfigjson"
    };
    let argument = key.map_or_else(String::new, |key| format!("--arg key {} ", quote(key)));
    format!(
        "kubectl get secret {} {} -o json | jq {argument}{} | kubectl replace -f -",
        quote(secret.name),
        in_namespace(case),
        quote(&format!(r#".data["{data}"] |= ({filter} | @base64)"#)),
    )
}

/// A text as a string of jq: what `quote` leaves alone may still be a quotation mark or a
/// backslash.
fn jq_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// Adds the remedy of a new login for the secret, by a command where that loses no other login.
pub(crate) fn with_new_login(
    finding: Finding,
    case: &Case<'_>,
    secret: &Named<'_>,
    title: &str,
) -> Finding {
    let others = secret.verdict.map_or(0, |verdict| {
        (verdict.entries.len() + verdict.omitted).saturating_sub(1)
    });
    if others > 0 {
        let logins = if others == 1 { "login" } else { "logins" };
        return finding.remedy(
            "replace-secret",
            Applicability::Consent,
            format!(
                "{title} in secret `{}`, and keep its {others} other {logins}",
                secret.name
            ),
            None,
        );
    }
    finding.remedy(
        "replace-secret",
        Applicability::Consent,
        format!("{title} in secret `{}`", secret.name),
        Some(replace_secret_command(case, secret.name)),
    )
}
