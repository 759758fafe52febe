//! How the family phrases rivals, evidence, notes and commands.

use pulldoctor_messages::CredentialUse;
use pulldoctor_model::{
    Applicability, CauseId, Confidence, Finding, Question,
    registry::{CredentialOutcome, Identity},
};

use super::{
    Defect, Lead, Named, Refusal, Said, State, Word, accused_credential, anonymous, fault_words,
    is_complete, lookup, named, only_usable, refusing_host, said, told, with_kubelet,
    with_new_login,
};
use crate::{
    case::Case,
    causes::support::{in_namespace, quote},
    finding::FindingExt,
    known::Known,
    view::{View, look},
};

/// Adds the lead's rivals, each with why and with what decides.
pub(crate) fn with_rivals(mut finding: Finding, case: &Case<'_>, lead: &Lead) -> Finding {
    for rival in &lead.rivals {
        let (because, decided_by) = rival_words(case, *rival);
        finding = finding.rival(*rival, because, decided_by);
    }
    finding
}

fn rival_words(case: &Case<'_>, rival: CauseId) -> (String, String) {
    let host = refusing_host(case);
    let registry = case.registry_question().to_string();
    let keyring = case.keyring_question().to_string();
    match rival {
        CauseId::ImageNotFoundRepo => (
            "the registry answers the same where the repository does not exist".to_owned(),
            registry,
        ),
        CauseId::NotFoundOrPrivate => (
            format!("`{host}` may answer so for a repository that does not exist, too"),
            registry,
        ),
        CauseId::AuthMissingCredentials => (
            "the registry answers the same where no login was sent".to_owned(),
            keyring,
        ),
        CauseId::SecretWrongHost => (
            "a secret may be there, and no entry of it match this image".to_owned(),
            keyring,
        ),
        CauseId::SecretMalformed => (
            "a secret whose content lacks `auths`, or whose entry is empty, gives no login either"
                .to_owned(),
            keyring,
        ),
        CauseId::SecretMissing => (
            "a secret that the pod names may not exist".to_owned(),
            named(case)
                .iter()
                .find(|one| one.state == State::Unknown)
                .map_or(keyring, |one| case.secret_question(one.name).to_string()),
        ),
        CauseId::PodOlderThanServiceAccount => (
            "the service account may have got a secret after the pod was admitted".to_owned(),
            case.service_account_question()
                .map_or(keyring, |question| question.to_string()),
        ),
        CauseId::CredentialProviderFailure => (
            format!(
                "nodes of a cloud get the login for `{host}` from a credential provider, whose failures the kubelet swallows"
            ),
            "the kubelet's log on the node".to_owned(),
        ),
        CauseId::AuthBadCredentials => {
            ("the login that was sent may be wrong".to_owned(), registry)
        }
        CauseId::AuthExpiredCredentials => (
            "the login that was sent may have expired".to_owned(),
            keyring,
        ),
        CauseId::AuthForbidden => (
            "the login may be good, and lack the right to pull this repository".to_owned(),
            registry,
        ),
        CauseId::BlockedByPolicy => (
            "a firewall or a policy of the registry may answer 403 as well".to_owned(),
            case.node_view_question()
                .map_or(registry, |question| question.to_string()),
        ),
        _ => (
            "the registry may have a fault of its own".to_owned(),
            registry,
        ),
    }
}

/// The registry, in backticks; of a pasted text only a host that the text names.
pub(crate) fn host_name(case: &Case<'_>) -> String {
    let reading = case.reading();
    if case.pasted && reading.registry.is_none() && reading.foreign_host.is_none() {
        "the registry".to_owned()
    } else {
        format!("`{}`", refusing_host(case))
    }
}

/// Adds what the API said about the pod's secrets and its service account.
pub(crate) fn with_login_evidence(mut finding: Finding, case: &Case<'_>) -> Finding {
    if case.pasted {
        return finding;
    }
    let named = named(case);
    for one in &named {
        finding = finding.seen(case.secret(one.name).answered(), describe(one));
        if one.state == State::Unknown {
            finding = finding.open(case.unanswered(case.secret_question(one.name)));
        }
    }
    finding = told::with_lookup(finding, case);
    if named.is_empty() && !case.symptom.static_pod {
        finding = finding.note("pull secrets", "the pod names none");
    }
    match case.service_account() {
        Known::Seen(account, answered) => finding.seen(
            Some(answered),
            if !account.exists {
                "it does not exist any more".to_owned()
            } else if account.pull_secrets.is_empty() {
                "none".to_owned()
            } else {
                list(account.pull_secrets.iter().map(String::as_str))
            },
        ),
        Known::Gap(_) if named.is_empty() => finding.open(case.service_account_question()),
        Known::Gap(_) | Known::NotAsked => finding,
    }
}

/// What there is to say about a secret.
fn describe(one: &Named<'_>) -> String {
    let kind = one
        .facts
        .and_then(|facts| facts.kind.as_deref())
        .unwrap_or("unknown");
    match one.state {
        State::Missing => "it is not there".to_owned(),
        State::Ignored => format!("it is there, but of type `{kind}`, which the kubelet ignores"),
        State::Usable => format!("it is there, of type `{kind}`"),
        State::Unknown => "not readable".to_owned(),
    }
}

/// Names, in backticks, with commas.
pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Adds what each credential was told, where the text lists several attempts.
pub(crate) fn with_attempts(finding: Finding, case: &Case<'_>) -> Finding {
    let attempts = &case.reading().attempts;
    if attempts.len() < 2 {
        return finding;
    }
    let told: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            let who = match attempt.credential {
                Some(CredentialUse::Anonymous | CredentialUse::NoBasicCredentials) => {
                    "without a login"
                }
                Some(CredentialUse::WithCredentials) => "with a login",
                None => "not told with which login",
            };
            match attempt.status {
                Some(status) => format!("{who}: {status}"),
                None => format!("{who}: refused"),
            }
        })
        .collect();
    finding.note(
        "attempts",
        format!("{} credentials were tried; {}", told.len(), told.join("; ")),
    )
}

/// The server's name as `kubectl create secret docker-registry` wants it for this image.
fn docker_server(case: &Case<'_>) -> String {
    let host = case.registry();
    if host == "docker.io" {
        // The only spelling with a path that the kubelet matches (pull-facts 2.1.10).
        "https://index.docker.io/v1/".to_owned()
    } else {
        host
    }
}

/// The command that makes a pull secret; USER and PASSWORD are for the person to fill in.
pub(crate) fn create_secret_command(case: &Case<'_>, name: &str) -> String {
    format!(
        "kubectl create secret docker-registry {} --docker-server={} --docker-username=USER --docker-password=PASSWORD {}",
        quote(name),
        quote(&docker_server(case)),
        in_namespace(case)
    )
}

/// The command that writes a pull secret over one of the same name and type.
pub(crate) fn replace_secret_command(case: &Case<'_>, name: &str) -> String {
    format!(
        "{} --dry-run=client -o yaml | kubectl apply -f -",
        create_secret_command(case, name)
    )
}

/// Adds the remedy of a new login for the only secret that can be meant, or advice where it is
/// not known which.
pub(crate) fn with_replace_secret(finding: Finding, case: &Case<'_>, title: &str) -> Finding {
    match only_usable(case) {
        Some(one) => with_new_login(finding, case, &one, title),
        None => finding.remedy("replace-secret", Applicability::Advice, title, None),
    }
}

/// Points at the registry of the image, or at the repository where none is written.
pub(crate) fn with_registry_caret(finding: Finding, case: &Case<'_>, label: &str) -> Finding {
    let Some(image) = &case.image else {
        return finding;
    };
    let spans = image.spans();
    finding.caret(spans.registry.unwrap_or(spans.repository), label)
}

/// Adds what every finding of the family carries: what was seen, what each credential was told,
/// and what that excludes.
pub(crate) fn with_login(finding: Finding, case: &Case<'_>, word: Word) -> Finding {
    let finding = with_login_evidence(finding, case);
    let finding = with_attempts(told::with_registry(finding, case), case);
    with_ruled_out(with_kubelet(finding, case, word), case, word)
}

/// Leaves open what would make the finding sure, unless it is answered.
pub(crate) fn with_open(finding: Finding, case: &Case<'_>, question: Question) -> Finding {
    if finding.confidence == Confidence::Proven {
        return finding;
    }
    // An answer that did not come as far as the node leaves it open.
    let is_behind = question == case.registry_question() && matches!(look(case), View::Behind(_));
    if is_behind {
        return finding.open(Some(question));
    }
    finding.open(case.unanswered(question))
}

fn with_ruled_out(finding: Finding, case: &Case<'_>, word: Word) -> Finding {
    let mut out: Vec<(CauseId, String)> = Vec::new();
    let mut rule = |cause: CauseId, by: String| {
        if out.iter().all(|(known, _)| *known != cause) {
            out.push((cause, by));
        }
    };
    if word == Word::NothingSent {
        for cause in [
            CauseId::AuthBadCredentials,
            CauseId::AuthExpiredCredentials,
            CauseId::AuthForbidden,
            CauseId::PublicImageWrongCredential,
        ] {
            rule(cause, "the node sent no login".to_owned());
        }
    }
    if word.tells_of_login() {
        rule(
            CauseId::AuthMissingCredentials,
            "the node sent a login".to_owned(),
        );
    }
    if case.text().contains("insufficient_scope") {
        // A wrong login is refused by the token endpoint, before any scope is looked at.
        rule(
            CauseId::AuthBadCredentials,
            "the token endpoint granted a token".to_owned(),
        );
    }
    if let Said::Refuses(Refusal {
        login: Some(login),
        is_public,
    }) = said(case)
    {
        match login.identity {
            Identity::Accepted => {
                for cause in [CauseId::AuthBadCredentials, CauseId::AuthExpiredCredentials] {
                    rule(cause, "the registry accepts the login itself".to_owned());
                }
            }
            Identity::Rejected => rule(
                CauseId::AuthForbidden,
                "the registry refuses the login itself".to_owned(),
            ),
            Identity::Unknown => {}
        }
        let asked_without = case
            .registry_answer()
            .seen()
            .and_then(anonymous)
            .is_some_and(|record| record.outcome == CredentialOutcome::Refused);
        if !is_public && asked_without {
            rule(
                CauseId::PublicImageWrongCredential,
                "the registry refuses without a login, too".to_owned(),
            );
        }
    }
    if let Some(keyring) = lookup(case).filter(|keyring| is_complete(keyring)) {
        if let Some(first) = keyring.matching.first() {
            let by = format!(
                "`{}` of secret `{}` matches the image",
                first.key, first.secret
            );
            rule(CauseId::SecretWrongHost, by.clone());
            rule(CauseId::AuthMissingCredentials, by);
        }
        let is_there = |one: &Named<'_>| one.state != State::Missing;
        if !keyring.secrets.is_empty() && named(case).iter().all(is_there) {
            rule(
                CauseId::SecretMissing,
                "every secret that the pod names is there".to_owned(),
            );
        }
    }
    out.into_iter()
        .fold(finding, |finding, (cause, by)| finding.rules_out(cause, by))
}

/// Adds the other secrets of the pod as a rival of a defect in one of them.
pub(crate) fn with_other_secrets(
    finding: Finding,
    case: &Case<'_>,
    defect: &Defect<'_>,
) -> Finding {
    if defect.others.is_empty() {
        return finding;
    }
    let names = list(defect.others.iter().map(|one| one.name));
    finding
        .rival(
            CauseId::SecretWrongHost,
            format!("the pod also names {names}, which may be the one that is meant"),
            case.keyring_question().to_string(),
        )
        .open(Some(case.keyring_question()))
}

/// Names the other secrets with the same defect.
pub(crate) fn with_more(finding: Finding, defect: &Defect<'_>) -> Finding {
    match defect.secrets.split_first() {
        Some((_, more)) if !more.is_empty() => {
            finding.note("the same", list(more.iter().map(|one| one.name)))
        }
        _ => finding,
    }
}

/// The login that is accused, as a summary names it.
pub(crate) fn login_name(case: &Case<'_>) -> Option<String> {
    match (accused_credential(case), only_usable(case)) {
        (Some(credential), _) => Some(format!(
            "user `{}` of pull secret `{}`",
            credential.username, credential.secret
        )),
        (None, Some(one)) => Some(format!("the login of pull secret `{}`", one.name)),
        (None, None) => None,
    }
}

/// Adds what is known of the accused login: where it stands, what its password is by its shape,
/// and what is odd about it.
pub(crate) fn with_forensics(finding: Finding, case: &Case<'_>) -> Finding {
    let Some(credential) = accused_credential(case) else {
        return finding;
    };
    let mut finding = finding.note(
        "login",
        format!(
            "user `{}` under `{}` in secret `{}`: {}",
            credential.username,
            credential.key,
            credential.secret,
            credential.kind.describe()
        ),
    );
    for words in credential.faults.iter().filter_map(fault_words) {
        finding = finding.note("odd", words);
    }
    finding
}
