//! The short names of the kinds of content that a tag may have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a tag names. Written as one string: `tiny`, `big:64M`, `big:8*64M`,
/// `index:amd64+arm64`, `helm` …
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageKind {
    /// `tiny`: one gzip layer with busybox that sleeps; OCI media types; the machine's platform.
    #[default]
    Tiny,
    /// `docker-tiny`: the same with Docker's media types.
    DockerTiny,
    /// `big:SIZE` or `big:N*SIZE`: as `tiny`, and N more layers of SIZE incompressible bytes
    /// (suffixes K, M, G: powers of 1024).
    Big {
        /// How many layers.
        layers: u32,
        /// Bytes in each.
        bytes: u64,
    },
    /// `index:amd64+arm64`: an index with these architectures and an attestation entry of
    /// platform unknown/unknown, as BuildKit writes it.
    Index(Vec<String>),
    /// `arm64-only`: an index with arm64 alone, so that an amd64 node finds no platform.
    ArmOnly,
    /// `arm64-single`: an arm64 image without an index: it pulls and cannot run.
    ArmSingle,
    /// `schema1`: a Docker schema 1 manifest.
    Schema1,
    /// `helm`: a Helm chart.
    Helm,
    /// `cosign`: a cosign signature.
    Cosign,
    /// `plugin`: a Docker plugin.
    Plugin,
    /// `corrupt-layer`: one byte of the layer differs, so its digest does.
    CorruptLayer,
    /// `truncated-layer`: the registry has only the first half of the layer.
    TruncatedLayer,
    /// `missing-layer`: the manifest is there, its layer is 404.
    MissingLayer,
    /// `missing-config`: the manifest is there, its config is 404.
    MissingConfig,
    /// `missing-manifest`: an index whose manifest for the platform is 404.
    MissingManifest,
    /// `wrong-size`: the manifest states seven bytes too many for the layer.
    WrongSize,
    /// `wrong-diff-id`: the config states another diff ID than the layer has.
    WrongDiffId,
    /// `bad-gzip`: the layer has the right digest and is no gzip stream.
    BadGzip,
    /// `bad-tar`: the layer is a good gzip stream of something that is no tar archive.
    BadTar,
}

const PLAIN: [(&str, ImageKind); 17] = [
    ("tiny", ImageKind::Tiny),
    ("docker-tiny", ImageKind::DockerTiny),
    ("arm64-only", ImageKind::ArmOnly),
    ("arm64-single", ImageKind::ArmSingle),
    ("schema1", ImageKind::Schema1),
    ("helm", ImageKind::Helm),
    ("cosign", ImageKind::Cosign),
    ("plugin", ImageKind::Plugin),
    ("corrupt-layer", ImageKind::CorruptLayer),
    ("truncated-layer", ImageKind::TruncatedLayer),
    ("missing-layer", ImageKind::MissingLayer),
    ("missing-config", ImageKind::MissingConfig),
    ("missing-manifest", ImageKind::MissingManifest),
    ("wrong-size", ImageKind::WrongSize),
    ("wrong-diff-id", ImageKind::WrongDiffId),
    ("bad-gzip", ImageKind::BadGzip),
    ("bad-tar", ImageKind::BadTar),
];

/// Most bytes of one made-up image; it is held in memory.
const MOST_BYTES: u64 = 4 << 30;

impl FromStr for ImageKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, kind)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(kind.clone());
        }
        if let Some(size) = text.strip_prefix("big:") {
            let (layers, size) = match size.split_once('*') {
                Some((layers, size)) => (
                    layers
                        .parse()
                        .map_err(|_| format!("`{layers}` is not a number of layers"))?,
                    size,
                ),
                None => (1, size),
            };
            let bytes = parse_size(size)?;
            if layers == 0 || u64::from(layers).saturating_mul(bytes) > MOST_BYTES {
                return Err(format!("`{text}` is empty or larger than 4G"));
            }
            return Ok(Self::Big { layers, bytes });
        }
        if let Some(architectures) = text.strip_prefix("index:") {
            let list: Vec<String> = architectures.split('+').map(str::to_owned).collect();
            if list.iter().all(|name| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            }) {
                return Ok(Self::Index(list));
            }
        }
        let known: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
        Err(format!(
            "unknown image kind `{text}`, known are big:SIZE, big:N*SIZE, index:ARCH+ARCH, {}",
            known.join(", ")
        ))
    }
}

impl fmt::Display for ImageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Big { layers: 1, bytes } => write!(formatter, "big:{bytes}"),
            Self::Big { layers, bytes } => write!(formatter, "big:{layers}*{bytes}"),
            Self::Index(list) => write!(formatter, "index:{}", list.join("+")),
            plain => {
                let name = PLAIN.iter().find(|(_, kind)| kind == plain);
                formatter.write_str(name.map_or("tiny", |(name, _)| name))
            }
        }
    }
}

impl TryFrom<String> for ImageKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ImageKind> for String {
    fn from(kind: ImageKind) -> Self {
        kind.to_string()
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits
        .parse::<u64>()
        .ok()
        .filter(|number| *number > 0)
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| format!("`{text}` is not a size such as 64M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_as_it_is_written() {
        let all = PLAIN.iter().map(|(_, kind)| kind.clone()).chain([
            ImageKind::Big {
                layers: 1,
                bytes: 3 << 20,
            },
            ImageKind::Big {
                layers: 8,
                bytes: 5,
            },
            ImageKind::Index(vec!["amd64".to_owned(), "arm64".to_owned()]),
        ]);
        for kind in all {
            assert_eq!(kind.to_string().parse::<ImageKind>().unwrap(), kind);
        }
    }

    #[test]
    fn sizes_have_binary_suffixes_and_a_bound() {
        assert_eq!(
            "big:8*64M".parse(),
            Ok(ImageKind::Big {
                layers: 8,
                bytes: 64 << 20
            })
        );
        for bad in [
            "big:", "big:0", "big:x", "big:5G", "big:0*1M", "index:", "index:a+", "b",
        ] {
            assert!(bad.parse::<ImageKind>().is_err(), "{bad}");
        }
    }
}
