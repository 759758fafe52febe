//! Reads every message of the corpus. No cause is asserted line by line: the snapshot shows what
//! was read, and the table below says which causes each fault leaves open; the labelled one has to
//! be among them.

use std::fmt::Write as _;

use pulldoctor_messages::{Fault, HostRole, Reading, read};
use serde_json::Value;

fn corpus() -> Vec<Value> {
    include_str!("corpus/train.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the corpus is JSON"))
        .collect()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The causes that a reading leaves open, most telling first.
fn open(reading: &Reading) -> Vec<&'static str> {
    let mut causes = of_fault(&reading.fault);
    if reading
        .foreign_host
        .as_ref()
        .is_some_and(|h| matches!(h.role, HostRole::Mirror | HostRole::Token))
    {
        causes.push("mirror_misconfigured");
    }
    if reading
        .registry
        .as_deref()
        .is_some_and(|r| r.contains(".dkr.ecr."))
        && causes.contains(&"auth_missing_credentials")
    {
        causes.extend(["auth_expired_credentials", "credential_provider_failure"]);
    }
    causes
}

fn of_fault(fault: &Fault) -> Vec<&'static str> {
    match fault {
        Fault::InvalidReference => vec!["invalid_image_name"],
        Fault::ShortName => vec!["short_name_unresolved"],
        Fault::ManifestMissing { by } => match by {
            pulldoctor_messages::MissingBy::Digest => {
                vec!["image_not_found_digest", "corrupted_content"]
            }
            _ => vec!["image_not_found_tag", "image_not_found_repo"],
        },
        Fault::NameUnknown => vec!["image_not_found_repo"],
        Fault::ImageMissing => vec![
            "image_not_found_tag",
            "image_not_found_repo",
            "auth_missing_credentials",
            "not_found_or_private",
        ],
        Fault::AccessDenied
        | Fault::Unauthorized
        | Fault::Forbidden
        | Fault::NoCredentials
        | Fault::TokenRefused { .. } => vec![
            "auth_missing_credentials",
            "not_found_or_private",
            "auth_bad_credentials",
            "auth_forbidden",
        ],
        Fault::PermissionMissing => vec!["auth_forbidden"],
        Fault::Expired => vec!["auth_expired_credentials"],
        Fault::BadLogin => vec!["auth_bad_credentials"],
        Fault::RateLimited => vec!["rate_limited"],
        Fault::ServerError { .. } => vec!["registry_server_error"],
        Fault::BlockedByPolicy { .. } => vec!["blocked_by_policy"],
        Fault::Dns { .. } => vec!["registry_unreachable_dns"],
        Fault::Refused => vec!["registry_unreachable_refused"],
        Fault::DialTimeout | Fault::HeaderTimeout | Fault::TlsHandshakeTimeout => {
            vec!["registry_unreachable_timeout"]
        }
        Fault::NoRoute | Fault::NetworkUnreachable => vec!["registry_unreachable_route"],
        Fault::Proxy { .. } => vec!["proxy_failure", "blocked_by_policy"],
        Fault::Interrupted => vec!["connection_interrupted"],
        Fault::UnknownAuthority => vec!["tls_unknown_authority"],
        Fault::CertificateExpired => vec!["tls_expired"],
        Fault::CertificateNotYetValid => vec!["tls_not_yet_valid", "clock_skew"],
        Fault::NameMismatch => vec!["tls_name_mismatch"],
        Fault::TlsOther => vec!["tls_other"],
        Fault::PlainHttp | Fault::TlsExpected | Fault::NotTls => vec!["http_https_mismatch"],
        Fault::NoSpace => vec!["disk_full", "inodes_exhausted"],
        Fault::NoInodes => vec!["inodes_exhausted"],
        Fault::ReadOnly | Fault::IoError => vec!["disk_io_error"],
        Fault::DigestMismatch
        | Fault::SizeMismatch
        | Fault::BrokenArchive
        | Fault::DiffIdMismatch
        | Fault::BlobMissing => {
            vec!["corrupted_content", "unsupported_manifest"]
        }
        Fault::PlatformMissing => vec!["platform_mismatch"],
        Fault::UnsupportedManifest | Fault::BrokenManifest | Fault::NoCommand => {
            vec!["unsupported_manifest"]
        }
        Fault::Signature => vec!["signature_rejected"],
        Fault::LocalStoreDamaged => vec!["node_store_damaged"],
        Fault::SnapshotRace => vec!["node_store_damaged", "runtime_broken"],
        Fault::RuntimeUnavailable | Fault::Snapshotter | Fault::Unpack | Fault::RuntimeConfig => {
            vec!["runtime_broken", "disk_io_error"]
        }
        Fault::QpsExceeded => vec!["pull_qps_exceeded"],
        Fault::NoProgress | Fault::Cancelled | Fault::DeadlineExceeded => {
            vec!["pull_timeout", "pull_cancelled"]
        }
        Fault::SecretMalformed => vec!["secret_malformed"],
        Fault::SecretMissing => vec!["secret_missing"],
        Fault::CredentialProvider => vec!["credential_provider_failure"],
        Fault::NeverPull => vec!["never_pull_absent"],
        Fault::SandboxImage { inner } => {
            let mut causes = of_fault(inner);
            causes.push("sandbox_image_unavailable");
            causes
        }
        _ => vec!["unknown"],
    }
}

#[test]
fn what_is_read_of_each_message() {
    let mut shown = String::new();
    for value in corpus() {
        let reading = read(&text(&value, "message"));
        let fault = serde_json::to_string(&reading.fault).unwrap();
        writeln!(
            shown,
            "{} {} {} {} {} {}",
            text(&value, "id"),
            fault,
            reading.runtime.map_or("-".into(), |r| format!("{r:?}")),
            reading.operation.map_or("-".into(), |o| format!("{o:?}")),
            reading.registry.as_deref().unwrap_or("-"),
            reading.status.map_or("-".into(), |s| s.to_string()),
        )
        .unwrap();
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn the_labelled_cause_stays_open() {
    let mut lost = Vec::new();
    let all = corpus();
    for value in &all {
        let reading = read(&text(value, "message"));
        let open = open(&reading);
        let accepted: Vec<String> = std::iter::once(text(value, "cause"))
            .chain(
                value["also_accept"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|v| v.as_str().unwrap().to_owned()),
            )
            .collect();
        if !open.iter().any(|cause| accepted.iter().any(|a| a == cause)) {
            lost.push(format!(
                "{} {:?} wants {accepted:?}: {:?}",
                text(value, "id"),
                text(value, "message"),
                reading.fault
            ));
        }
    }
    assert!(
        lost.len() * 100 <= all.len() * 2,
        "{} of {}:\n{}",
        lost.len(),
        all.len(),
        lost.join("\n")
    );
}
