//! Which entry of an index a node takes.
//!
//! The order is that of `github.com/containerd/platforms` 1.0.0-rc.5 (`compare.go`, `database.go`):
//! the platform itself, then those that it can run as well.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::manifest::{Index, IndexEntry};

/// A platform as an index or config states it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub architecture: String,
    /// `v7`; empty for none.
    pub variant: String,
    /// Windows build; empty for none.
    pub os_version: String,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformError(String);

impl fmt::Display for PlatformError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not `os/architecture[/variant]`", self.0)
    }
}

impl std::error::Error for PlatformError {}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(formatter, "/{}", self.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let good = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        };
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() < 2 && parts.iter().all(good) => {
                Ok(Self {
                    os: (*os).to_owned(),
                    architecture: (*architecture).to_owned(),
                    variant: variant.first().copied().unwrap_or_default().to_owned(),
                    os_version: String::new(),
                })
            }
            _ => Err(PlatformError(
                pulldoctor_model::clean_line(text).into_owned(),
            )),
        }
    }
}

impl Platform {
    /// Linux on an architecture.
    pub fn linux(architecture: &str) -> Self {
        Self {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            ..Self::default()
        }
    }

    /// Folds the spellings of one platform into one, as containerd's `Normalize`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let architecture = self.architecture.to_ascii_lowercase();
        let variant = self.variant.to_ascii_lowercase();
        let (architecture, variant) = match architecture.as_str() {
            "i386" => ("386", String::new()),
            "x86_64" | "x86-64" | "amd64" => (
                "amd64",
                if variant == "v1" {
                    String::new()
                } else {
                    variant
                },
            ),
            "aarch64" | "arm64" => (
                "arm64",
                match variant.as_str() {
                    "8" | "v8" | "v8.0" => String::new(),
                    "9" | "9.0" | "v9.0" => "v9".to_owned(),
                    _ => variant,
                },
            ),
            "armhf" => ("arm", "v7".to_owned()),
            "armel" => ("arm", "v6".to_owned()),
            "arm" => (
                "arm",
                match variant.as_str() {
                    "" | "7" => "v7".to_owned(),
                    "5" | "6" | "8" => format!("v{variant}"),
                    _ => variant,
                },
            ),
            other => (other, variant),
        };
        Self {
            os,
            architecture: architecture.to_owned(),
            variant,
            os_version: self.os_version.clone(),
        }
    }

    /// What this platform can run, best first (`platformVector`).
    fn vector(&self) -> Vec<Self> {
        let with = |architecture: &str, variant: &str| {
            Self {
                os: self.os.clone(),
                architecture: architecture.to_owned(),
                variant: variant.to_owned(),
                os_version: self.os_version.clone(),
            }
            .normalized()
        };
        let number = || self.variant.trim_start_matches('v').parse::<u8>().ok();
        let mut vector = vec![self.clone()];
        match self.architecture.as_str() {
            "amd64" => {
                let below = (1..number().unwrap_or(1)).rev();
                vector.extend(below.map(|version| with("amd64", &format!("v{version}"))));
                vector.push(with("386", ""));
            }
            "arm" => {
                let below = (5..number().unwrap_or(5)).rev();
                vector.extend(below.map(|version| with("arm", &format!("v{version}"))));
            }
            "arm64" => {
                let (major, minor) = match self.variant.trim_start_matches('v').split_once('.') {
                    Some((major, minor)) => (major, minor.parse().unwrap_or(0)),
                    None if self.variant.is_empty() => ("8", 0),
                    None => (self.variant.trim_start_matches('v'), 0_u8),
                };
                let ranges = match major {
                    "8" if minor <= 9 => vec![("v8", minor)],
                    "9" if minor <= 7 => vec![("v9", minor), ("v8", (minor + 5).min(9))],
                    // A variant that containerd does not know has only its 32-bit kin.
                    _ => Vec::new(),
                };
                vector.clear();
                for (major, top) in ranges {
                    for minor in (0..=top).rev() {
                        let variant = if minor == 0 {
                            major.to_owned()
                        } else {
                            format!("{major}.{minor}")
                        };
                        vector.push(with("arm64", &variant));
                    }
                }
                let below = (5..=8).rev();
                vector.extend(below.map(|version| with("arm", &format!("v{version}"))));
            }
            _ => {}
        }
        vector
    }

    fn same(&self, other: &Self) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && self.variant == other.variant
            && (self.os != "windows" || same_windows(&self.os_version, &other.os_version))
    }

    /// How well a node of this platform runs `other`: 0 is best, nothing where it cannot.
    pub fn rank_of(&self, other: &Self) -> Option<usize> {
        let other = other.normalized();
        self.normalized()
            .vector()
            .iter()
            .position(|candidate| candidate.same(&other))
    }
}

/// Windows containers want the host's build; without one on either side there is nothing to tell
/// them apart by.
fn same_windows(host: &str, image: &str) -> bool {
    let build = |version: &str| -> Option<String> { version.split('.').nth(2).map(str::to_owned) };
    match (build(host), build(image)) {
        (Some(host), Some(image)) => host == image,
        _ => true,
    }
}

/// The entry that a node of this platform takes: the best platform, and the first of equal ones.
/// Attestations never; an entry without a platform only where nothing else is there, as it may be
/// anything.
pub fn choose<'a>(index: &'a Index, wanted: &Platform) -> Option<&'a IndexEntry> {
    let images = || index.entries.iter().filter(|entry| !entry.is_attestation);
    let best = images()
        .filter_map(|entry| {
            let platform = entry.platform.as_ref()?;
            Some((wanted.rank_of(platform)?, entry))
        })
        .min_by_key(|(rank, _)| *rank);
    match best {
        Some((_, entry)) => Some(entry),
        None => images().find(|entry| entry.platform.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Descriptor;

    fn index(platforms: &[&str]) -> Index {
        let entries = platforms
            .iter()
            .enumerate()
            .map(|(at, platform)| IndexEntry {
                descriptor: Descriptor {
                    media_type: String::new(),
                    digest: format!("{at}"),
                    size: 1,
                },
                platform: platform.parse().ok(),
                is_attestation: *platform == "unknown/unknown",
            })
            .collect();
        Index { entries }
    }

    fn chosen(wanted: &str, platforms: &[&str]) -> Option<String> {
        let index = index(platforms);
        choose(&index, &wanted.parse().unwrap())
            .map(|entry| platforms[entry.descriptor.digest.parse::<usize>().unwrap()].to_owned())
    }

    #[test]
    fn the_best_variant_wins() {
        let all = [
            "unknown/unknown",
            "linux/386",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/amd64",
        ];
        assert_eq!(chosen("linux/amd64", &all).unwrap(), "linux/amd64");
        assert_eq!(chosen("linux/arm64", &all).unwrap(), "linux/arm64/v8");
        assert_eq!(chosen("linux/arm/v8", &all).unwrap(), "linux/arm/v7");
        assert_eq!(chosen("linux/arm/v6", &all).unwrap(), "linux/arm/v6");
        assert_eq!(chosen("linux/s390x", &all), None);
    }

    #[test]
    fn older_kin_runs_and_newer_does_not() {
        assert_eq!(chosen("linux/amd64", &["linux/386"]).unwrap(), "linux/386");
        assert_eq!(
            chosen("linux/arm64", &["linux/arm/v5", "linux/arm/v7"]).unwrap(),
            "linux/arm/v7"
        );
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3"]), None);
        assert_eq!(
            chosen("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2"]).unwrap(),
            "linux/amd64/v2"
        );
        assert_eq!(chosen("linux/arm64", &["linux/arm64/v9"]), None);
        assert_eq!(
            chosen("linux/arm64/v9", &["linux/arm64", "linux/arm64/v8.5"]).unwrap(),
            "linux/arm64/v8.5"
        );
        assert_eq!(chosen("linux/amd64", &["windows/amd64"]), None);
    }

    #[test]
    fn spellings_are_one() {
        assert_eq!(
            chosen("linux/amd64", &["linux/x86_64"]).unwrap(),
            "linux/x86_64"
        );
        assert_eq!(
            chosen("linux/aarch64", &["linux/arm64/v8"]).unwrap(),
            "linux/arm64/v8"
        );
        assert_eq!(
            chosen("linux/arm", &["linux/armhf"]).unwrap(),
            "linux/armhf"
        );
    }

    #[test]
    fn an_entry_without_platform_is_the_last_resort() {
        assert_eq!(
            chosen("linux/amd64", &["-", "unknown/unknown"]),
            Some("-".to_owned())
        );
        assert_eq!(
            chosen("linux/amd64", &["-", "linux/amd64"]).unwrap(),
            "linux/amd64"
        );
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for bad in [
            "",
            "linux",
            "linux/",
            "a/b/c/d",
            "linux/am d64",
            "linux/\u{1b}",
        ] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
