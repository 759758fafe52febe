//! Host names in certificates, as `VerifyHostname` and `HostnameError.Error` have them.

use std::net::IpAddr;

use super::certificate::Certificate;

/// Most names that Go lists in its text.
const MOST_NAMES: usize = 100;

/// The certificate does not name the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFault {
    /// The host stands in the common name only.
    pub is_legacy_common_name: bool,
    /// Go's words.
    pub go_text: String,
}

pub(super) fn check(certificate: &Certificate, host: &str) -> Result<(), NameFault> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let same = |own: &IpAddr| own.to_canonical() == address.to_canonical();
        return if certificate.addresses.iter().any(same) {
            Ok(())
        } else {
            Err(fault(certificate, bare))
        };
    }
    let name = host.to_ascii_lowercase();
    let is_valid_name = is_valid(&name, false);
    let parts: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let matches = |own: &String| {
        if is_valid_name && is_valid(own, true) {
            matches_pattern(own, &parts)
        } else {
            let own = own.to_ascii_lowercase();
            !own.is_empty() && own != "." && own == name
        }
    };
    if certificate.dns_names.iter().any(matches) {
        Ok(())
    } else {
        Err(fault(certificate, host))
    }
}

fn matches_pattern(pattern: &str, parts: &[&str]) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let own: Vec<&str> = pattern.split('.').collect();
    !pattern.is_empty()
        && own.len() == parts.len()
        && own
            .iter()
            .zip(parts)
            .enumerate()
            .all(|(at, (own, part))| (at == 0 && *own == "*") || own == part)
}

fn is_valid(host: &str, is_pattern: bool) -> bool {
    let host = if is_pattern {
        host
    } else {
        host.strip_suffix('.').unwrap_or(host)
    };
    if host.is_empty() || host == "*" {
        return false;
    }
    host.split('.').enumerate().all(|(at, part)| {
        !part.is_empty()
            && ((is_pattern && at == 0 && part == "*")
                || part.bytes().enumerate().all(|(at, byte)| {
                    byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b'-' && at != 0)
                }))
    })
}

fn fault(certificate: &Certificate, host: &str) -> NameFault {
    let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if !certificate.has_alternative_names && matches_pattern(&certificate.common_name, &parts) {
        return NameFault {
            is_legacy_common_name: true,
            go_text: "x509: certificate relies on legacy Common Name field, use SANs instead"
                .to_owned(),
        };
    }
    let listed = if host.parse::<IpAddr>().is_ok() {
        let own = &certificate.addresses;
        if own.is_empty() {
            return other(&format!(
                "x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"
            ));
        }
        if own.len() >= MOST_NAMES {
            return other(&format!(
                "x509: certificate is valid for {} IP SANs, but none matched {host}",
                own.len()
            ));
        }
        let own: Vec<String> = own.iter().map(IpAddr::to_string).collect();
        own.join(", ")
    } else {
        if certificate.dns_names.len() >= MOST_NAMES {
            return other(&format!(
                "x509: certificate is valid for {} names, but none matched {host}",
                certificate.dns_names.len()
            ));
        }
        certificate.dns_names.join(", ")
    };
    if listed.is_empty() {
        return other(&format!(
            "x509: certificate is not valid for any names, but wanted to match {host}"
        ));
    }
    other(&format!(
        "x509: certificate is valid for {listed}, not {host}"
    ))
}

fn other(go_text: &str) -> NameFault {
    NameFault {
        is_legacy_common_name: false,
        go_text: pulldoctor_model::clean_line(go_text).into_owned(),
    }
}
