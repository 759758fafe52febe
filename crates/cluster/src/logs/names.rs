//! How logs name an image and its registry.

use aho_corasick::{AhoCorasick, BuildError};
use pulldoctor_reference::Reference;

/// How many images are looked for at a time.
const IMAGES_MOST: usize = 2_000;

/// Hosts of Docker Hub, besides that of its API.
const HUB: [&str; 3] = ["docker.io", "auth.docker.io", "index.docker.io"];

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// The image's registry, or another image of it.
    Registry,
    /// The image.
    Image,
}

#[derive(Debug, Clone, Copy)]
enum Needle {
    /// The image as it is written in the pod, tag included.
    Written,
    /// The repository with its host.
    Repository,
    /// `/v2/PATH/`, of its registry or of a mirror of it.
    Path,
    /// The hexadecimal digits of its digest.
    Digest,
    /// The host of its registry.
    Host,
}

/// What is looked for of one image.
#[derive(Debug)]
struct Wanted {
    tag: Option<String>,
    digest: Option<String>,
    /// Under which names its registry is spoken to, its own first.
    hosts: Vec<String>,
}

/// The names of images, all looked for at once.
#[derive(Debug)]
pub(super) struct Names {
    automaton: AhoCorasick,
    /// What each pattern is, and of which images.
    needles: Vec<(Needle, Vec<usize>)>,
    wanted: Vec<Wanted>,
}

impl Names {
    /// Of images as pods write them. One that is no reference is looked for as it is.
    pub(super) fn new(images: &[String]) -> Result<Self, BuildError> {
        let mut patterns: Vec<String> = Vec::new();
        let mut needles: Vec<(Needle, Vec<usize>)> = Vec::new();
        let mut wanted = Vec::new();
        for (at, image) in images.iter().take(IMAGES_MOST).enumerate() {
            let mut add = |needle: Needle, pattern: String| {
                if pattern.is_empty() {
                    return;
                }
                let is_host = matches!(needle, Needle::Host);
                let known = patterns
                    .iter()
                    .zip(&mut needles)
                    .find(|(other, (kind, _))| {
                        is_host && matches!(kind, Needle::Host) && **other == pattern
                    });
                match known {
                    Some((_, (_, images))) => images.push(at),
                    None => {
                        patterns.push(pattern);
                        needles.push((needle, vec![at]));
                    }
                }
            };
            let Ok(reference) = Reference::parse(image) else {
                add(Needle::Written, image.clone());
                wanted.push(Wanted {
                    tag: None,
                    digest: None,
                    hosts: Vec::new(),
                });
                continue;
            };
            add(Needle::Written, reference.kubelet_name());
            add(Needle::Repository, reference.repo());
            add(Needle::Path, format!("/v2/{}/", reference.repository()));
            if let Some(digest) = reference.digest() {
                add(Needle::Digest, digest.hex().to_owned());
            }
            let hosts = hosts(&reference);
            for host in &hosts {
                add(Needle::Host, host.clone());
            }
            wanted.push(Wanted {
                tag: reference.effective_tag().map(str::to_owned),
                digest: reference.digest().map(|digest| digest.hex().to_owned()),
                hosts,
            });
        }
        Ok(Self {
            automaton: AhoCorasick::builder()
                .ascii_case_insensitive(false)
                .build(&patterns)?,
            needles,
            wanted,
        })
    }

    /// Whether a line can be about any of the images.
    pub(super) fn may_be(&self, line: &[u8]) -> bool {
        self.automaton.is_match(line)
    }

    /// The images that a line is about, each once, by its place.
    pub(super) fn of(&self, line: &[u8]) -> Vec<(usize, About)> {
        let mut found: Vec<(usize, About)> = Vec::new();
        for hit in self.automaton.find_overlapping_iter(line) {
            let (needle, images) = &self.needles[hit.pattern().as_usize()];
            let (before, after) = (&line[..hit.start()], &line[hit.end()..]);
            for image in images {
                let Some(about) = about(*needle, before, after, &self.wanted[*image]) else {
                    continue;
                };
                match found.iter_mut().find(|(known, _)| known == image) {
                    Some((_, known)) => *known = about.max(*known),
                    None => found.push((*image, about)),
                }
            }
        }
        found.sort_unstable();
        found
    }
}

/// Under which names a registry is spoken to.
fn hosts(reference: &Reference) -> Vec<String> {
    let registry = reference.registry();
    let mut hosts = vec![registry.to_owned()];
    let api = reference.registry_api_host();
    if api != registry {
        hosts.push(api.to_owned());
        hosts.extend(
            HUB.iter()
                .filter(|host| **host != registry)
                .map(|host| (*host).to_owned()),
        );
    }
    // `lookup reg.example.com on …` says no port.
    if let Some((name, port)) = registry.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && !name.ends_with(']')
    {
        hosts.push(name.to_owned());
    }
    hosts
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// What a hit is about; none where it is a part of a longer name.
fn about(needle: Needle, text: &[u8], after: &[u8], wanted: &Wanted) -> Option<About> {
    let (before, next) = (text.last().copied(), after.first().copied());
    match needle {
        Needle::Written => {
            let is_whole =
                !before.is_some_and(|byte| in_name(byte) || byte == b'/') && !is_longer(after);
            is_whole.then_some(About::Image)
        }
        Needle::Repository => {
            if before.is_some_and(in_name) {
                return None;
            }
            match next {
                Some(b':') => {
                    let tag = word(&after[1..]);
                    if tag.is_empty() {
                        // `reg.example.com/shop/api: not found`
                        return Some(About::Image);
                    }
                    let is_ours = wanted
                        .tag
                        .as_deref()
                        .is_some_and(|own| own.as_bytes() == tag);
                    Some(if is_ours {
                        About::Image
                    } else {
                        About::Registry
                    })
                }
                Some(b'@') => Some(match (&wanted.digest, wanted.tag.is_some()) {
                    (Some(own), _) => {
                        let is_ours = after
                            .split(|byte| *byte == b':')
                            .nth(1)
                            .is_some_and(|rest| rest.starts_with(own.as_bytes()));
                        if is_ours {
                            About::Image
                        } else {
                            About::Registry
                        }
                    }
                    // What the tag stands for is not known here.
                    (None, _) => About::Image,
                }),
                Some(b'/') => None,
                _ if is_longer(after) => None,
                _ => Some(About::Image),
            }
        }
        Needle::Path => {
            if !is_of_registry(text, after, &wanted.hosts) {
                return None;
            }
            let Some(rest) = after.strip_prefix(b"manifests/") else {
                return Some(About::Image);
            };
            let asked = word(rest);
            let is_tag = wanted
                .tag
                .as_deref()
                .is_some_and(|tag| tag.as_bytes() == asked);
            let is_digest = asked == b"sha256" || asked == b"sha512";
            Some(if is_tag || is_digest {
                About::Image
            } else {
                About::Registry
            })
        }
        Needle::Digest => Some(About::Image),
        Needle::Host => {
            let is_part = before.is_some_and(in_name) || is_longer(after);
            // Another port is another registry.
            let port = after.strip_prefix(b":").map(word).unwrap_or_default();
            let is_other = !port.is_empty()
                && port.iter().all(u8::is_ascii_digit)
                && !matches!(port, b"443" | b"80" | b"53");
            (!is_part && !is_other).then_some(About::Registry)
        }
    }
}

/// Whether the URL around `/v2/PATH/` is of one of these hosts, or of a mirror of the first
/// (`?ns=`, as containerd asks). Another registry may have the same path.
fn is_of_registry(before: &[u8], after: &[u8], hosts: &[String]) -> bool {
    let in_url = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\\' | b'\'');
    let start = before
        .iter()
        .rposition(|byte| !in_url(*byte))
        .map_or(0, |at| at + 1);
    let end = after
        .iter()
        .position(|byte| !in_url(*byte))
        .unwrap_or(after.len());
    let head = String::from_utf8_lossy(&before[start..]);
    let Some((_, authority)) = head.rsplit_once("://") else {
        return true;
    };
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split('/').next().unwrap_or(host);
    let host = host
        .strip_suffix(":443")
        .or_else(|| host.strip_suffix(":80"))
        .unwrap_or(host);
    if hosts.iter().any(|own| own == host) {
        return true;
    }
    let tail = String::from_utf8_lossy(&after[..end]);
    tail.split(['?', '&'])
        .filter_map(|pair| pair.strip_prefix("ns="))
        .any(|registry| {
            let registry = registry.replace("%3A", ":").replace("%3a", ":");
            let registry = registry.trim_end_matches([':', ',', ')']);
            hosts.first().is_some_and(|own| own == registry)
        })
}

/// Whether a name goes on. A dot at its end ends a sentence.
fn is_longer(after: &[u8]) -> bool {
    match after {
        [b'.', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => *next != b'.' && in_name(*next),
        [] => false,
    }
}

/// The letters, digits, `_`, `-` and `.` that a text begins with.
fn word(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !in_name(*byte))
        .unwrap_or(text.len());
    let word = &text[..end];
    word.strip_suffix(b".").unwrap_or(word)
}

/// A regular expression, for PCRE2 and Go alike, of what names an image and its registry; none
/// for what is no reference.
pub(crate) fn pattern(image: &str) -> Option<String> {
    let reference = Reference::parse(image).ok()?;
    let mut words = hosts(&reference);
    words.push(format!("/v2/{}/", reference.repository()));
    words.push(reference.kubelet_name());
    words.extend(reference.digest().map(|digest| digest.hex().to_owned()));
    // `docker.io` is in `auth.docker.io` too.
    let all = words.clone();
    words.retain(|word| {
        !all.iter()
            .any(|other| other != word && word.contains(other.as_str()))
    });
    words.dedup();
    let escaped: Vec<String> = words.iter().map(|word| escaped(word)).collect();
    Some(escaped.join("|"))
}

fn escaped(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 8);
    for character in word.chars() {
        if character.is_ascii_punctuation() && !matches!(character, '-' | '_' | '/' | ':' | '@') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(image: &str, line: &str) -> Option<About> {
        let names = Names::new(&[image.to_owned()]).unwrap();
        let found = names.of(line.as_bytes());
        assert!(found.is_empty() || names.may_be(line.as_bytes()));
        found.first().map(|(_, about)| *about)
    }

    #[test]
    fn lines_about_the_image() {
        for (image, line) in [
            (
                "reg.lab/shop/api:1",
                r#"PullImage \"reg.lab/shop/api:1\" failed"#,
            ),
            ("reg.lab/shop/api:1", "docker://reg.lab/shop/api:1: EOF"),
            (
                "reg.lab/shop/api:1",
                "repository reg.lab/shop/api not found",
            ),
            (
                "reg.lab/shop/api:1",
                "reading manifest 1 in reg.lab/shop/api: manifest unknown",
            ),
            (
                "reg.lab/shop/api:1",
                "Head \"https://mirror:5000/v2/shop/api/manifests/1?ns=reg.lab\": EOF",
            ),
            (
                "reg.lab/shop/api:1",
                "Get \"https://reg.lab/v2/shop/api/blobs/sha256:00\"",
            ),
            (
                "reg.lab/shop/api:1",
                "resolved reg.lab/shop/api@sha256:00ab",
            ),
            ("reg.lab/shop/api", "image=\"reg.lab/shop/api:latest\""),
            ("nginx", "image=\"nginx:latest\""),
            ("nginx", "docker.io/library/nginx:latest: not found"),
            (
                "nginx:1.27",
                "Head https://registry-1.docker.io/v2/library/nginx/manifests/1.27",
            ),
            ("Foo/Bar", "couldn't parse image name \"Foo/Bar\""),
        ] {
            assert_eq!(told(image, line), Some(About::Image), "{image}: {line}");
        }
    }

    #[test]
    fn lines_about_its_registry() {
        for (image, line) in [
            (
                "reg.lab/shop/api:1",
                "dial tcp: lookup reg.lab on 10.0.0.1:53: no such host",
            ),
            ("reg.lab/shop/api:1", "https://reg.lab:443/v2/: EOF"),
            ("reg.lab/shop/api:1", "reg.lab/shop/api:2: not found"),
            ("reg.lab/shop/api:1", "reg.lab/shop/web:1: not found"),
            ("reg.lab:5000/shop/api:1", "lookup reg.lab: no such host"),
            ("nginx", "lookup registry-1.docker.io: no such host."),
            ("nginx", "Get https://auth.docker.io/token: EOF"),
        ] {
            assert_eq!(told(image, line), Some(About::Registry), "{image}: {line}");
        }
    }

    #[test]
    fn lines_about_others() {
        for (image, line) in [
            ("reg.lab/shop/api:1", "myreg.lab/shop/api:1"),
            ("reg.lab/shop/api:1", "reg.lab.example.com is fine"),
            ("reg.lab/shop/api:1", "https://reg.lab:5000/v2/"),
            ("nginx:1", "myregistry/nginx:10"),
            ("nginx:1", "quay.io/nginx:1"),
            (
                "reg.lab/shop/api:1",
                "Head \"https://other.lab/v2/shop/api/manifests/1\": EOF",
            ),
            (
                "reg.lab/shop/api:1",
                "Head \"http://m/v2/shop/api/manifests/1?ns=other.lab\": EOF",
            ),
            ("reg.lab/shop/api:1", "nothing of it"),
        ] {
            assert_eq!(told(image, line), None, "{image}: {line}");
        }
    }

    #[test]
    fn images_of_one_registry_share_its_host() {
        let images = ["reg.lab/a:1", "reg.lab/b:1"].map(str::to_owned);
        let names = Names::new(&images).unwrap();
        assert_eq!(
            names.of(b"lookup reg.lab: no such host"),
            [(0, About::Registry), (1, About::Registry)]
        );
        assert_eq!(
            names.of(b"reg.lab/b:1: not found"),
            [(0, About::Registry), (1, About::Image)]
        );
    }

    #[test]
    fn the_pattern_of_an_image() {
        assert_eq!(
            pattern("reg.lab:5000/shop/api:1.0").as_deref(),
            Some("reg\\.lab|/v2/shop/api/")
        );
        assert_eq!(
            pattern("nginx").as_deref(),
            Some("docker\\.io|/v2/library/nginx/|nginx:latest")
        );
        assert_eq!(pattern("Foo/Bar:x y"), None);
    }
}
