//! A reference that parsed, and the names under which each reader knows it.

use std::str::FromStr;

use crate::dialect::Dialect;
use crate::digest::{Algorithm, Digest};
use crate::error::{Fault, ParseError, Refusal};
use crate::grammar::{DEFAULT_DOMAIN, LIBRARY, Matched, Problem, Split, match_parts};
use crate::hints;
use crate::lowercase::{has_upper, is_upper, to_lower};
use crate::span::{Span, Spans};

/// The greatest length of a name in bytes (`RepositoryNameTotalLengthMax`).
const NAME_LIMIT: usize = 255;
const DEFAULT_TAG: &str = "latest";

/// An image reference that the kubelet accepts.
///
/// Two are equal if they were written alike; compare [`Reference::normal`] for the same image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    written: String,
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
    spans: Spans,
}

impl Reference {
    /// Parses `input` as the kubelet does from 1.29 on.
    ///
    /// Fails on whatever `ParseNormalizedNamed` refuses.
    pub fn parse(input: &str) -> Result<Self, ParseError> {
        Self::parse_as(input, Dialect::default())
    }

    /// Parses `input` as the kubelet of `dialect` does.
    pub fn parse_as(input: &str, dialect: Dialect) -> Result<Self, ParseError> {
        if input.len() == 64 && input.bytes().all(is_lower_hex) {
            return Err(ParseError {
                fault: Fault::HexName,
                span: Span::new(0, input.len()),
                refusal: Refusal::HexName(input.to_owned()),
            });
        }
        let split = Split::new(input, dialect);
        let uppercase = has_upper(split.remote());
        let matched = match match_parts(split.domain, split.rest, split.rest_start, dialect) {
            Ok(matched) => matched,
            Err(problem) => {
                let refusal = if uppercase {
                    uppercase_name(&split, dialect)
                } else if matches_lowered(&split, dialect) {
                    Refusal::Uppercase
                } else {
                    Refusal::Format
                };
                return Err(error(input, problem, refusal));
            }
        };
        let checked = check_length(&split, &matched, dialect).and_then(|()| {
            matched
                .digest
                .map(|span| check_digest(input, span))
                .transpose()
        });
        let digest = match checked {
            Ok(digest) if !uppercase => digest,
            Ok(_) => {
                let problem = (Fault::UppercaseRepository, first_upper(&split));
                return Err(error(input, problem, uppercase_name(&split, dialect)));
            }
            Err((problem, _)) if uppercase => {
                return Err(error(input, problem, uppercase_name(&split, dialect)));
            }
            Err((problem, refusal)) => return Err(error(input, problem, refusal)),
        };

        let library = if split.library { LIBRARY } else { "" };
        let repository = &input[matched.repository.range()];
        let (domain, path) = if matched.host_is_path {
            (
                String::new(),
                format!("{}/{library}{repository}", split.domain),
            )
        } else {
            (split.domain.to_owned(), format!("{library}{repository}"))
        };
        Ok(Self {
            written: input.to_owned(),
            domain,
            path,
            tag: matched.tag.map(|span| input[span.range()].to_owned()),
            digest,
            spans: Spans {
                registry: split.registry,
                repository: matched.repository,
                tag: matched.tag,
                digest: matched.digest,
            },
        })
    }

    /// Returns the input.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// Returns where the parts stand in the input.
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// Returns the domain as Go's `reference.Domain` has it: `docker.io` where none is written.
    ///
    /// Empty where the host has an underscore (`my_registry.io/app`): Go takes that for a part of
    /// the path. Use [`Reference::registry`] for the host that is asked.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the path as Go's `reference.Path` has it: `library/nginx` for `nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the registry host, with its port, that a runtime asks; `docker.io` for Docker Hub.
    ///
    /// Differs from [`Reference::domain`] only for a host with an underscore, since containerd
    /// cuts at the first slash (`pkg/reference/reference.go`, `Spec.Hostname`).
    pub fn registry(&self) -> &str {
        self.cut_registry().0
    }

    /// Returns the repository as the registry's API wants it, `library/nginx` for `nginx`.
    pub fn repository(&self) -> &str {
        self.cut_registry().1
    }

    fn cut_registry(&self) -> (&str, &str) {
        if self.domain.is_empty() {
            self.path.split_once('/').unwrap_or(("", &self.path))
        } else {
            (&self.domain, &self.path)
        }
    }

    /// Returns the host that serves the registry API: `registry-1.docker.io` for Docker Hub.
    pub fn registry_api_host(&self) -> &str {
        match self.registry() {
            DEFAULT_DOMAIN => "registry-1.docker.io",
            registry => registry,
        }
    }

    /// Tells whether the input names a registry host, to the kubelet's mind.
    pub fn has_explicit_domain(&self) -> bool {
        self.spans.registry.is_some()
    }

    /// Tells whether CRI-O and Podman see a short name, to be completed from `registries.conf`.
    ///
    /// They want a dot or a colon in the host, or `localhost`, and so also look up `MyOrg/app`,
    /// which the kubelet takes for a host (containers/image,
    /// `pkg/shortnames/shortnames.go`, `parseUnnormalizedShortName`).
    pub fn is_short_name(&self) -> bool {
        let written = self.spans.registry.and_then(|span| span.of(&self.written));
        match written {
            None => true,
            // No domain to Go's grammar: a path component to these runtimes as well.
            Some(_) if self.domain.is_empty() => true,
            Some(host) => host != "localhost" && !host.contains(['.', ':']),
        }
    }

    /// Returns the tag as written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest as written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the tag that the kubelet reckons with: `latest` where neither a tag nor a digest is
    /// written, `None` where a digest stands alone.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some(DEFAULT_TAG),
            (None, Some(_)) => None,
        }
    }

    /// Returns what a registry is asked for, behind `manifests/`: the digest, else the tag.
    pub fn manifest_reference(&self) -> String {
        self.digest
            .as_ref()
            .map(Digest::to_string)
            .or_else(|| self.effective_tag().map(str::to_owned))
            .unwrap_or_default()
    }

    /// Returns the name without tag and digest, as Go's `named.Name()`:
    /// `docker.io/library/nginx`.
    pub fn repo(&self) -> String {
        if self.domain.is_empty() {
            self.path.clone()
        } else {
            format!("{}/{}", self.domain, self.path)
        }
    }

    /// Returns the full form, as Go's `TagNameOnly(named).String()`:
    /// `docker.io/library/nginx:latest`.
    pub fn normal(&self) -> String {
        let mut name = self.repo();
        append(&mut name, ':', self.effective_tag());
        append(
            &mut name,
            '@',
            self.digest.as_ref().map(Digest::to_string).as_deref(),
        );
        name
    }

    /// Returns what containerd resolves: the full form, without the tag where there is a digest
    /// (`ParseDockerRef`).
    pub fn containerd_name(&self) -> String {
        let mut name = self.repo();
        match &self.digest {
            Some(digest) => append(&mut name, '@', Some(&digest.to_string())),
            None => append(&mut name, ':', self.effective_tag()),
        }
        name
    }

    /// Whether a name, as a runtime lists it or a person writes it, means this image to containerd:
    /// whether both have one [`containerd_name`](Self::containerd_name).
    pub fn is_written_as(&self, name: &str) -> bool {
        Self::parse(name).is_ok_and(|other| {
            let is_same_version = match (&self.digest, &other.digest) {
                (None, None) => self.effective_tag() == other.effective_tag(),
                (own, others) => own == others,
            };
            is_same_version
                && self.registry() == other.registry()
                && self.repository() == other.repository()
        })
    }

    /// Returns what the kubelet sends to the runtime: the input, and `:latest` where neither a tag
    /// nor a digest is written. A short name stays short (`applyDefaultImageTag`,
    /// `pkg/kubelet/images/image_manager.go`).
    pub fn kubelet_name(&self) -> String {
        let mut name = self.written.clone();
        if self.tag.is_none() && self.digest.is_none() {
            append(&mut name, ':', Some(DEFAULT_TAG));
        }
        name
    }

    /// Returns the short form, as Go's `FamiliarString`: Docker Hub's host and `library/` left
    /// out, tag and digest as written.
    pub fn familiar(&self) -> String {
        let mut name = if self.domain == DEFAULT_DOMAIN {
            match self.path.strip_prefix(LIBRARY) {
                Some(official) if !official.contains('/') => official.to_owned(),
                _ => self.path.clone(),
            }
        } else {
            self.repo()
        };
        append(&mut name, ':', self.tag.as_deref());
        append(
            &mut name,
            '@',
            self.digest.as_ref().map(Digest::to_string).as_deref(),
        );
        name
    }
}

impl FromStr for Reference {
    type Err = ParseError;

    fn from_str(input: &str) -> Result<Self, ParseError> {
        Self::parse(input)
    }
}

fn append(name: &mut String, mark: char, part: Option<&str>) {
    if let Some(part) = part {
        name.push(mark);
        name.push_str(part);
    }
}

fn error(input: &str, problem: Problem, refusal: Refusal) -> ParseError {
    let (fault, span) = if input.is_empty() {
        (Fault::Empty, Span::new(0, 0))
    } else {
        hints::explanation(input).unwrap_or(problem)
    };
    ParseError {
        fault,
        span,
        refusal,
    }
}

fn uppercase_name(split: &Split<'_>, dialect: Dialect) -> Refusal {
    Refusal::UppercaseName(match dialect {
        Dialect::Until128 => None,
        Dialect::Since129 => {
            let library = if split.library { LIBRARY } else { "" };
            Some(format!("{library}{}", split.remote()))
        }
    })
}

/// Returns the first letter that the kubelet's check for upper case meets.
fn first_upper(split: &Split<'_>) -> Span {
    let upper = split
        .remote()
        .char_indices()
        .find(|(_, character)| is_upper(*character));
    let (offset, character) = upper.unwrap_or_default();
    Span::of_char(split.rest_start + offset, character)
}

/// Tells whether the grammar accepts the lower-cased whole, for which Go has its own error.
fn matches_lowered(split: &Split<'_>, dialect: Dialect) -> bool {
    let (domain, rest) = (to_lower(split.domain), to_lower(split.rest));
    match_parts(&domain, &rest, 0, dialect).is_ok()
}

fn check_length(
    split: &Split<'_>,
    matched: &Matched,
    dialect: Dialect,
) -> Result<(), (Problem, Refusal)> {
    let library = if split.library { LIBRARY.len() } else { 0 };
    let repository = matched.repository;
    let mut length = library + repository.len();
    if matched.host_is_path || dialect == Dialect::Until128 {
        length += split.domain.len() + 1;
    }
    if length <= NAME_LIMIT {
        return Ok(());
    }
    let surplus = (length - NAME_LIMIT).min(repository.len());
    let span = Span::new(repository.end - surplus, repository.end);
    Err((
        (Fault::RepositoryTooLong { length }, span),
        Refusal::TooLong,
    ))
}

/// Checks what the grammar leaves open, as go-digest's `Validate` does.
fn check_digest(input: &str, span: Span) -> Result<Digest, (Problem, Refusal)> {
    let text = &input[span.range()];
    let (name, hex) = text.split_once(':').unwrap_or((text, ""));
    let hex_start = span.end - hex.len();
    let Some(algorithm) = Algorithm::by_name(name) else {
        let refusal = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Refusal::DigestFormat
        } else {
            Refusal::DigestUnsupported
        };
        return Err((
            (Fault::DigestAlgorithm, Span::new(span.start, hex_start - 1)),
            refusal,
        ));
    };
    let expected = algorithm.hex_length();
    if hex.len() != expected {
        // Points at the surplus, or at all that there is.
        let start = if hex.len() > expected {
            hex_start + expected
        } else {
            hex_start
        };
        let fault = Fault::DigestLength {
            algorithm,
            found: hex.len(),
        };
        return Err(((fault, Span::new(start, span.end)), Refusal::DigestLength));
    }
    if let Some((offset, character)) = hex.char_indices().find(|(_, c)| c.is_ascii_uppercase()) {
        let fault = Fault::DigestHex { character };
        let here = Span::of_char(hex_start + offset, character);
        return Err(((fault, here), Refusal::DigestFormat));
    }
    Ok(Digest {
        algorithm,
        hex: hex.to_owned(),
    })
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
