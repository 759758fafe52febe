//! The parts of a certificate that the judgement reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ring::digest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use pulldoctor_model::{Timestamp, clean_line, shorten};

use crate::judge::CertificateFacts;
use crate::text::hex;

/// Most names that are shown.
const MOST_NAMES: usize = 32;

/// An authority that is trusted: a whole certificate, or the name and key of one.
#[derive(Debug, Clone)]
pub struct Anchor {
    /// The subject in DER, with its outer tag.
    pub(super) subject: Vec<u8>,
    /// The public key information in DER, with its outer tag.
    pub(super) key: Vec<u8>,
    /// The certificate, where it is known.
    pub(super) certificate: Option<Box<Certificate>>,
}

impl Anchor {
    /// An authority by its certificate; nothing where that cannot be read.
    pub fn from_certificate(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::parse(der)?;
        Some(Self {
            subject: certificate.subject.clone(),
            key: certificate.key.clone(),
            certificate: Some(Box::new(certificate)),
        })
    }

    /// An authority by its subject and public key information, both in DER **without** their outer
    /// tag, as `webpki-roots` has them.
    pub fn from_parts(subject: &[u8], key: &[u8]) -> Self {
        Self {
            subject: sequence(subject),
            key: sequence(key),
            certificate: None,
        }
    }
}

/// Puts the tag and length of a SEQUENCE before its content.
fn sequence(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30];
    let length = content.len();
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|byte| **byte == 0).count();
        let count = u8::try_from(bytes.len() - skip).unwrap_or(8);
        out.push(0x80 | count);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(content);
    out
}

/// A certificate with what a judgement needs, copied out of its DER.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(super) der: Vec<u8>,
    /// What is signed.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) signature_algorithm: String,
    /// The parameters of an RSA-PSS signature name its hash; others have none that matter.
    pub(super) signature_parameters: Vec<u8>,
    /// DER with tag.
    pub(super) subject: Vec<u8>,
    /// DER with tag.
    pub(super) issuer: Vec<u8>,
    /// Subject public key information, DER with tag.
    pub(super) key: Vec<u8>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    pub(super) authority_key_id: Option<Vec<u8>>,
    /// Unix seconds.
    pub(super) not_before: i64,
    /// Unix seconds.
    pub(super) not_after: i64,
    pub(super) is_v3: bool,
    /// The basic constraints, if they are there: is it an authority, and how long may the path be?
    pub(super) constraints: Option<(bool, Option<u32>)>,
    /// Whether the key may sign certificates; nothing where the usage is not stated.
    pub(super) may_sign: Option<bool>,
    /// Whether it is good for servers; nothing where the extended usage is not stated.
    pub(super) for_servers: Option<bool>,
    pub(super) common_name: String,
    pub(super) has_alternative_names: bool,
    pub(super) dns_names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    /// Critical extensions that Go's verifier does not know.
    pub(super) unknown_critical: bool,
    /// Where the issuer's certificate can be had (authority information access).
    pub(super) issuer_url: Option<String>,
    subject_text: String,
    issuer_text: String,
}

impl Certificate {
    /// Reads a certificate in DER; nothing where it is none.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let mut out = Self {
            der: der.to_vec(),
            signed: parsed.tbs_certificate.as_ref().to_vec(),
            signature: parsed.signature_value.data.to_vec(),
            signature_algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            signature_parameters: parsed
                .signature_algorithm
                .parameters
                .as_ref()
                .map(|any| any.data.to_vec())
                .unwrap_or_default(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            key: parsed.public_key().raw.to_vec(),
            subject_key_id: None,
            authority_key_id: None,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            is_v3: parsed.version().0 == 2,
            constraints: None,
            may_sign: None,
            for_servers: None,
            common_name: parsed
                .subject()
                .iter_common_name()
                .last()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            has_alternative_names: false,
            dns_names: Vec::new(),
            addresses: Vec::new(),
            unknown_critical: false,
            issuer_url: None,
            subject_text: show(&parsed.subject().to_string()),
            issuer_text: show(&parsed.issuer().to_string()),
        };
        for extension in parsed.extensions() {
            out.read(extension.parsed_extension(), extension.critical);
        }
        Some(out)
    }

    fn read(&mut self, extension: &ParsedExtension<'_>, critical: bool) {
        match extension {
            ParsedExtension::BasicConstraints(basic) => {
                self.constraints = Some((basic.ca, basic.path_len_constraint));
            }
            ParsedExtension::KeyUsage(usage) => self.may_sign = Some(usage.key_cert_sign()),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.for_servers = Some(usage.any || usage.server_auth);
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                self.has_alternative_names = true;
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
                        GeneralName::IPAddress(bytes) => self.addresses.extend(address(bytes)),
                        _ => {}
                    }
                }
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                self.issuer_url = access.accessdescs.iter().find_map(|entry| {
                    let GeneralName::URI(url) = entry.access_location else {
                        return None;
                    };
                    let is_issuer = entry.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2";
                    // Directory services inside a company have `ldap:` here.
                    (is_issuer && url.starts_with("http")).then(|| show(url))
                });
            }
            ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::ParseError { .. } => {
                self.unknown_critical |= critical;
            }
            _ => {}
        }
    }

    pub(super) fn public_key(&self) -> Option<SubjectPublicKeyInfo<'_>> {
        SubjectPublicKeyInfo::from_der(&self.key)
            .ok()
            .map(|(_, key)| key)
    }

    /// Issued by itself, going by the names.
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// The issuer calls itself a root.
    pub(super) fn issuer_is_root_by_name(&self) -> bool {
        self.issuer_text
            .to_ascii_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == "root")
    }

    /// A key that Go takes and ring does not: RSA below 2048 bits, or a curve beside P-256 and
    /// P-384.
    pub fn has_unusual_key(&self) -> bool {
        use x509_parser::public_key::PublicKey;
        let Some(info) = self.public_key() else {
            return false;
        };
        match info.parsed() {
            Ok(PublicKey::RSA(key)) => key.key_size() < 2048,
            Ok(PublicKey::EC(point)) => !matches!(point.key_size(), 256 | 384),
            _ => false,
        }
    }

    /// What is shown of it. Every text is safe to show.
    pub fn facts(&self) -> CertificateFacts {
        let names = self
            .dns_names
            .iter()
            .map(|name| show(name))
            .chain(self.addresses.iter().map(IpAddr::to_string))
            .take(MOST_NAMES)
            .collect();
        let date = |seconds| {
            Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
        };
        let hash = digest::digest(&digest::SHA256, &self.der);
        CertificateFacts {
            subject: self.subject_text.clone(),
            issuer: self.issuer_text.clone(),
            not_before: date(self.not_before),
            not_after: date(self.not_after),
            names,
            is_authority: self.constraints.is_some_and(|(authority, _)| authority),
            sha256: hex(hash.as_ref()),
        }
    }
}

fn show(text: &str) -> String {
    shorten(&clean_line(text), 256).into_owned()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|bytes| Ipv6Addr::from(bytes).into())
}
