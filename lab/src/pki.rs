//! Certificates of the lab: one authority for the cluster, one "company authority" that nodes
//! and the workstation trust for registries.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

/// A certificate authority that issues into a folder.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority and writes `NAME.crt` and `NAME.key` into `dir`.
    ///
    /// # Errors
    /// When a key cannot be made or a file not be written.
    pub fn create(dir: &Path, name: &str, common_name: &str) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params
            .distinguished_name
            .push(DnType::OrganizationName, "pulldoctor lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        write(dir, name, &certificate.pem(), &key)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Issues a certificate good as server and as client, and writes `NAME.crt` and `NAME.key`.
    ///
    /// # Errors
    /// As [`Authority::create`].
    pub fn issue(
        &self,
        name: &str,
        common_name: &str,
        organization: Option<&str>,
        alternative_names: &[&str],
    ) -> Result<()> {
        let names: Vec<String> = alternative_names
            .iter()
            .map(|&name| name.to_owned())
            .collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        if let Some(organization) = organization {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("failed to issue certificate `{name}`"))?;
        write(&self.dir, name, &certificate.pem(), &key)
    }
}

/// Makes a bare key pair: `NAME.key` (PKCS 8) and `NAME.pub`, for service account tokens.
///
/// # Errors
/// When the key cannot be made or a file not be written.
pub fn key_pair(dir: &Path, name: &str) -> Result<()> {
    let key = KeyPair::generate()?;
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    // The API server does not take the public half out of a PKCS 8 elliptic key by itself.
    fs::write(dir.join(format!("{name}.pub")), key.public_key_pem())?;
    Ok(())
}

fn write(dir: &Path, name: &str, certificate: &str, key: &KeyPair) -> Result<()> {
    fs::write(dir.join(format!("{name}.crt")), certificate)?;
    fs::write(dir.join(format!("{name}.key")), key.serialize_pem())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_into_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "ca", "Lab CA").unwrap();
        authority
            .issue("admin", "admin", Some("system:masters"), &["127.0.0.1"])
            .unwrap();
        key_pair(dir.path(), "sa").unwrap();
        let certificate = fs::read_to_string(dir.path().join("admin.crt")).unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        let public = fs::read_to_string(dir.path().join("sa.pub")).unwrap();
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"));
    }
}
