//! Signatures of certificates, checked with ring as Go checks them.

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::public_key::PublicKey;

use super::certificate::{Anchor, Certificate};

/// Why a signature is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureFault {
    /// The parent is no authority or may not sign.
    ParentMayNotSign,
    /// MD5 or SHA-1.
    Insecure,
    /// Key and algorithm do not belong together, or the signature is not this key's.
    Wrong,
    /// An algorithm that cannot be checked here (P-521, say), though Go may.
    Unsupported,
}

const SHA1_AND_OLDER: [&str; 5] = [
    "1.2.840.113549.1.1.2", // MD2 with RSA
    "1.2.840.113549.1.1.4", // MD5 with RSA
    "1.2.840.113549.1.1.5", // SHA-1 with RSA
    "1.2.840.10045.4.1",    // ECDSA with SHA-1
    "1.3.14.3.2.29",        // SHA-1 with RSA, ISO
];
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";

/// `CheckSignatureFrom`.
pub(super) fn check(child: &Certificate, parent: &Anchor) -> Result<(), SignatureFault> {
    if let Some(parent) = &parent.certificate {
        let is_authority = match parent.constraints {
            Some((authority, _)) => authority,
            None => !parent.is_v3,
        };
        if !is_authority || parent.may_sign == Some(false) {
            return Err(SignatureFault::ParentMayNotSign);
        }
    }
    if SHA1_AND_OLDER.contains(&child.signature_algorithm.as_str()) {
        return Err(SignatureFault::Insecure);
    }
    let key = parent_key(&parent.key).ok_or(SignatureFault::Unsupported)?;
    let algorithm = algorithm(child, &key)?;
    UnparsedPublicKey::new(algorithm, &key.bytes)
        .verify(&child.signed, &child.signature)
        .map_err(|_| SignatureFault::Wrong)
}

struct Key {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Kind {
    Rsa { large: bool },
    P256,
    P384,
    Ed25519,
}

fn parent_key(der: &[u8]) -> Option<Key> {
    use x509_parser::prelude::FromDer as _;
    let (_, info) = x509_parser::x509::SubjectPublicKeyInfo::from_der(der).ok()?;
    let bytes = info.subject_public_key.data.to_vec();
    if info.algorithm.algorithm.to_id_string() == "1.3.101.112" {
        return Some(Key {
            kind: Kind::Ed25519,
            bytes,
        });
    }
    let kind = match info.parsed().ok()? {
        PublicKey::RSA(key) => Kind::Rsa {
            large: key.key_size() >= 2048,
        },
        PublicKey::EC(_) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            match curve.to_id_string().as_str() {
                P256 => Kind::P256,
                P384 => Kind::P384,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Key { kind, bytes })
}

fn algorithm(
    child: &Certificate,
    key: &Key,
) -> Result<&'static dyn VerificationAlgorithm, SignatureFault> {
    let is_rsa = matches!(key.kind, Kind::Rsa { .. });
    let small = matches!(key.kind, Kind::Rsa { large: false });
    let expect = |fits: bool, algorithm: &'static dyn VerificationAlgorithm| {
        if fits {
            Ok(algorithm)
        } else {
            Err(SignatureFault::Wrong)
        }
    };
    match child.signature_algorithm.as_str() {
        "1.2.840.113549.1.1.11" if small => {
            Ok(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY)
        }
        "1.2.840.113549.1.1.11" => expect(is_rsa, &signature::RSA_PKCS1_2048_8192_SHA256),
        "1.2.840.113549.1.1.10" | "1.2.840.113549.1.1.12" if small => {
            Err(SignatureFault::Unsupported)
        }
        "1.2.840.113549.1.1.12" => expect(is_rsa, &signature::RSA_PKCS1_2048_8192_SHA384),
        "1.2.840.113549.1.1.13" if small => {
            Ok(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY)
        }
        "1.2.840.113549.1.1.13" => expect(is_rsa, &signature::RSA_PKCS1_2048_8192_SHA512),
        "1.2.840.113549.1.1.10" => match pss_hash(&child.signature_parameters) {
            Some(256) => expect(is_rsa, &signature::RSA_PSS_2048_8192_SHA256),
            Some(384) => expect(is_rsa, &signature::RSA_PSS_2048_8192_SHA384),
            Some(512) => expect(is_rsa, &signature::RSA_PSS_2048_8192_SHA512),
            _ => Err(SignatureFault::Unsupported),
        },
        "1.2.840.10045.4.3.2" => match key.kind {
            Kind::P256 => Ok(&signature::ECDSA_P256_SHA256_ASN1),
            Kind::P384 => Ok(&signature::ECDSA_P384_SHA256_ASN1),
            _ => Err(SignatureFault::Wrong),
        },
        "1.2.840.10045.4.3.3" => match key.kind {
            Kind::P256 => Ok(&signature::ECDSA_P256_SHA384_ASN1),
            Kind::P384 => Ok(&signature::ECDSA_P384_SHA384_ASN1),
            _ => Err(SignatureFault::Wrong),
        },
        "1.3.101.112" => expect(key.kind == Kind::Ed25519, &signature::ED25519),
        _ => Err(SignatureFault::Unsupported),
    }
}

/// The hash of RSA-PSS parameters, by the object identifier that stands in them
/// (2.16.840.1.101.3.4.2.x).
fn pss_hash(parameters: &[u8]) -> Option<u16> {
    const PREFIX: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
    let at = parameters
        .windows(PREFIX.len())
        .position(|window| window == PREFIX)?;
    match parameters.get(at + PREFIX.len())? {
        1 => Some(256),
        2 => Some(384),
        3 => Some(512),
        _ => None,
    }
}
