//! Which kubelet reads the reference.

/// The reader whose rules apply.
///
/// The kubelet moved from `github.com/docker/distribution` 2.8 to
/// `github.com/distribution/reference` 0.5 with 1.29 (`go.mod` of Kubernetes 1.28 and 1.29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Kubelet 1.28 and older: an upper-case first component is part of the repository and so a
    /// fault, IPv6 hosts are refused, and the limit of 255 bytes includes the host.
    Until128,
    /// Kubelet 1.29 and newer: an upper-case first component is a registry host (`MyOrg/app`
    /// parses, and fails later because no host `MyOrg` resolves), IPv6 hosts in brackets are
    /// accepted, and the limit of 255 bytes is on the repository alone.
    #[default]
    Since129,
}

impl Dialect {
    /// Returns the dialect of kubelet 1.`minor`.
    pub fn of_minor(minor: u32) -> Self {
        if minor <= 28 {
            Self::Until128
        } else {
            Self::Since129
        }
    }

    /// Returns the dialect for a node's `status.nodeInfo.kubeletVersion`, such as `v1.28.3+k3s1`;
    /// `None` if that is not a version.
    pub fn of_kubelet_version(version: &str) -> Option<Self> {
        let (major, rest) = version
            .strip_prefix('v')
            .unwrap_or(version)
            .split_once('.')?;
        let major: u32 = major.parse().ok()?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let minor: u32 = rest[..digits].parse().ok()?;
        Some(if major > 1 {
            Self::Since129
        } else {
            Self::of_minor(minor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn dialect_follows_the_kubelet_version() {
        for (version, dialect) in [
            ("v1.28.15", Some(Dialect::Until128)),
            ("v1.29.0", Some(Dialect::Since129)),
            ("v1.27.3+k3s1", Some(Dialect::Until128)),
            ("1.37.2-gke.100", Some(Dialect::Since129)),
            ("v1.26+", Some(Dialect::Until128)),
            ("v2.0.0", Some(Dialect::Since129)),
            ("", None),
            ("v1", None),
            ("v1.x", None),
            ("v1.99999999999", None),
        ] {
            assert_eq!(Dialect::of_kubelet_version(version), dialect, "{version}");
        }
    }
}
