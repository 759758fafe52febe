//! The grammar of `github.com/distribution/reference` 0.6.0 (`regexp.go`), one function for each
//! part. Each stops at the first fault. All of it is one pass from left to right.

use crate::dialect::Dialect;
use crate::digest::Algorithm;
use crate::error::Fault;
use crate::lowercase::has_upper;
use crate::span::Span;

/// A fault and where it stands.
pub(crate) type Problem = (Fault, Span);

pub(crate) const DEFAULT_DOMAIN: &str = "docker.io";
pub(crate) const LIBRARY: &str = "library/";
const TAG_LIMIT: usize = 128;
/// The least number of digits that the grammar calls a digest; the exact number is checked later.
const DIGEST_MINIMUM: usize = 32;

/// The input cut in two at the registry host, as `splitDockerDomain` (`normalize.go`) does.
pub(crate) struct Split<'a> {
    /// The host, `docker.io` where none is written or its old name is.
    pub(crate) domain: &'a str,
    /// The host as written.
    pub(crate) registry: Option<Span>,
    /// What follows the host.
    pub(crate) rest: &'a str,
    /// Where `rest` begins in the input.
    pub(crate) rest_start: usize,
    /// Whether Docker Hub's `library/` goes before `rest`.
    pub(crate) library: bool,
}

impl<'a> Split<'a> {
    pub(crate) fn new(input: &'a str, dialect: Dialect) -> Self {
        let host = input
            .split_once('/')
            .filter(|(first, _)| is_host(first, dialect));
        let (domain, registry, rest) = match host {
            Some((first, rest)) => {
                let domain = if first == "index.docker.io" {
                    DEFAULT_DOMAIN
                } else {
                    first
                };
                (domain, Some(Span::new(0, first.len())), rest)
            }
            None => (DEFAULT_DOMAIN, None, input),
        };
        Self {
            domain,
            registry,
            rest,
            rest_start: input.len() - rest.len(),
            library: domain == DEFAULT_DOMAIN && !rest.contains('/'),
        }
    }

    /// Returns the text that the kubelet checks for upper case before anything else: all up to the
    /// first colon, so that an upper-case digest algorithm counts where there is no tag.
    pub(crate) fn remote(&self) -> &'a str {
        self.rest.split(':').next().unwrap_or(self.rest)
    }
}

fn is_host(first: &str, dialect: Dialect) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || (dialect == Dialect::Since129 && has_upper(first))
}

/// The parts that the grammar finds, in bytes of the input.
pub(crate) struct Matched {
    /// The "host" has an underscore and is no host to the grammar, yet a good path component: the
    /// reference parses, and Go reports no domain.
    pub(crate) host_is_path: bool,
    pub(crate) repository: Span,
    pub(crate) tag: Option<Span>,
    pub(crate) digest: Option<Span>,
}

/// Matches `domain/rest` against the grammar; `rest` begins at byte `rest_start` of the input.
///
/// The domain has no slash and tags and digests have none either, so the first slash always ends
/// the domain and the two can be matched each for itself.
pub(crate) fn match_parts(
    domain: &str,
    rest: &str,
    rest_start: usize,
    dialect: Dialect,
) -> Result<Matched, Problem> {
    let host_is_path = match check_host(domain, dialect) {
        Ok(()) => false,
        Err(_) if check_component(domain).is_ok() => true,
        Err(problem) => return Err(problem),
    };
    let shift = |(fault, span): Problem| (fault, span.shifted(rest_start));
    if rest.is_empty() {
        // Points at the slash behind the host.
        return Err((
            Fault::MissingRepository,
            Span::new(rest_start.saturating_sub(1), rest_start),
        ));
    }
    let mut matched = match_rest(rest).map_err(shift)?;
    matched.repository = matched.repository.shifted(rest_start);
    matched.tag = matched.tag.map(|span| span.shifted(rest_start));
    matched.digest = matched.digest.map(|span| span.shifted(rest_start));
    matched.host_is_path = host_is_path;
    Ok(matched)
}

fn match_rest(rest: &str) -> Result<Matched, Problem> {
    let repository_end = rest.find([':', '@']).unwrap_or(rest.len());
    let repository = &rest[..repository_end];
    if repository.is_empty() {
        // Points at the colon or at sign in its place.
        return Err((Fault::MissingRepository, Span::new(0, 1)));
    }
    check_repository(repository)?;

    let mut position = repository_end;
    let mut tag = None;
    if rest[position..].starts_with(':') {
        let start = position + 1;
        let end = rest[start..].find('@').map_or(rest.len(), |at| start + at);
        check_tag(rest, start, end)?;
        tag = Some(Span::new(start, end));
        position = end;
    }
    let mut digest = None;
    if rest[position..].starts_with('@') {
        let start = position + 1;
        check_digest(rest, start)?;
        digest = Some(Span::new(start, rest.len()));
    }
    Ok(Matched {
        host_is_path: false,
        repository: Span::new(0, repository_end),
        tag,
        digest,
    })
}

/// `domainAndPort`: labels of letters, digits and inner dashes, or IPv6 in brackets, and a port.
fn check_host(domain: &str, dialect: Dialect) -> Result<(), Problem> {
    let whole = Span::new(0, domain.len());
    if let Some(inner) = domain.strip_prefix('[') {
        let Some((address, port)) = inner.split_once(']') else {
            return Err((Fault::Ipv6Host, whole));
        };
        if address.is_empty() || !address.bytes().all(is_ipv6_byte) || dialect == Dialect::Until128
        {
            return Err((Fault::Ipv6Host, whole));
        }
        let port_start = domain.len() - port.len();
        return if port.is_empty() {
            Ok(())
        } else if port.starts_with(':') {
            check_port(domain, port_start + 1)
        } else {
            Err((Fault::Port, Span::new(port_start, domain.len())))
        };
    }
    let host = domain.split(':').next().unwrap_or(domain);
    if domain.bytes().filter(|byte| *byte == b':').count() > 1 && domain.bytes().all(is_ipv6_byte) {
        return Err((Fault::Ipv6Host, whole));
    }
    let mut start = 0;
    for label in host.split('.') {
        check_label(domain, start, label)?;
        start += label.len() + 1;
    }
    if host.len() < domain.len() {
        check_port(domain, host.len() + 1)
    } else {
        Ok(())
    }
}

fn is_ipv6_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':'
}

fn check_label(domain: &str, start: usize, label: &str) -> Result<(), Problem> {
    for (offset, character) in label.char_indices() {
        if !(character.is_ascii_alphanumeric() || character == '-') {
            return Err((
                Fault::HostCharacter { character },
                Span::of_char(start + offset, character),
            ));
        }
    }
    let end = start + label.len();
    if label.is_empty() {
        // Points at the dot, colon or bracket that should have had a label before it.
        let here = if start < domain.len() {
            start
        } else {
            start.saturating_sub(1)
        };
        Err((Fault::HostLabel, Span::new(here, here + 1)))
    } else if label.starts_with('-') {
        Err((Fault::HostLabel, Span::new(start, start + 1)))
    } else if label.ends_with('-') {
        Err((Fault::HostLabel, Span::new(end - 1, end)))
    } else {
        Ok(())
    }
}

/// Checks the port that begins at byte `start`, behind its colon.
fn check_port(domain: &str, start: usize) -> Result<(), Problem> {
    let port = &domain[start..];
    if port.is_empty() {
        Err((Fault::Port, Span::new(start - 1, start)))
    } else if port.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err((Fault::Port, Span::new(start, domain.len())))
    }
}

/// `remoteName`: components with slashes between.
fn check_repository(repository: &str) -> Result<(), Problem> {
    let mut start = 0;
    for component in repository.split('/') {
        if component.is_empty() {
            // The slash behind the gap, or before it at the end.
            let here = start.min(repository.len() - 1);
            return Err((Fault::EmptyComponent, Span::new(here, here + 1)));
        }
        check_component(component).map_err(|(fault, span)| (fault, span.shifted(start)))?;
        start += component.len() + 1;
    }
    Ok(())
}

/// `pathComponent`: lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn check_component(component: &str) -> Result<(), Problem> {
    let bytes = component.as_bytes();
    if bytes.is_empty() {
        return Err((Fault::EmptyComponent, Span::new(0, 0)));
    }
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => position += 1,
            b'.' | b'_' | b'-' => {
                let run = run_length(&bytes[position..], |byte| {
                    matches!(byte, b'.' | b'_' | b'-')
                });
                let end = position + run;
                let separator = &bytes[position..end];
                let joins = matches!(separator, b"." | b"_" | b"__")
                    || separator.iter().all(|byte| *byte == b'-');
                if position == 0 || end == bytes.len() || !joins {
                    return Err((Fault::Separator, Span::new(position, end)));
                }
                position = end;
            }
            b'A'..=b'Z' => {
                let run = run_length(&bytes[position..], u8::is_ascii_uppercase);
                return Err((
                    Fault::UppercaseRepository,
                    Span::new(position, position + run),
                ));
            }
            _ => {
                let character = component[position..].chars().next().unwrap_or_default();
                return Err((
                    Fault::RepositoryCharacter { character },
                    Span::of_char(position, character),
                ));
            }
        }
    }
    Ok(())
}

fn run_length(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| belongs(byte)).count()
}

/// `[\w][\w.-]{0,127}`, from byte `start` to `end` of `rest`.
fn check_tag(rest: &str, start: usize, end: usize) -> Result<(), Problem> {
    let tag = &rest[start..end];
    if tag.is_empty() {
        return Err((Fault::EmptyTag, Span::new(start - 1, start)));
    }
    for (offset, character) in tag.char_indices() {
        let here = start + offset;
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => {}
            '.' | '-' if offset > 0 => {}
            '.' | '-' => {
                return Err((Fault::TagStart { character }, Span::new(here, here + 1)));
            }
            ':' => return Err((Fault::SecondTag, Span::new(here, end))),
            _ => {
                return Err((
                    Fault::TagCharacter { character },
                    Span::of_char(here, character),
                ));
            }
        }
    }
    if tag.len() > TAG_LIMIT {
        let fault = Fault::TagTooLong { length: tag.len() };
        return Err((fault, Span::new(start + TAG_LIMIT, end)));
    }
    Ok(())
}

/// `digestPat`, from byte `start` to the end of `rest`.
fn check_digest(rest: &str, start: usize) -> Result<(), Problem> {
    let digest = &rest[start..];
    if digest.is_empty() {
        return Err((Fault::EmptyDigest, Span::new(start - 1, start)));
    }
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return Err((Fault::DigestWithoutAlgorithm, Span::new(start, rest.len())));
    };
    let hex_start = rest.len() - hex.len();
    if algorithm.is_empty() {
        return Err((Fault::DigestWithoutAlgorithm, Span::new(start, start + 1)));
    }
    let well_formed = algorithm.split(['-', '_', '+', '.']).all(|part| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if !well_formed {
        return Err((Fault::DigestAlgorithm, Span::new(start, hex_start - 1)));
    }
    for (offset, character) in hex.char_indices() {
        let here = hex_start + offset;
        if character == ':' && offset >= DIGEST_MINIMUM {
            return Err((Fault::TagAfterDigest, Span::new(here, rest.len())));
        }
        if !character.is_ascii_hexdigit() {
            return Err((
                Fault::DigestHex { character },
                Span::of_char(here, character),
            ));
        }
    }
    if hex.len() < DIGEST_MINIMUM {
        // Points at the colon where there are no digits.
        let digits = Span::new(hex_start - usize::from(hex.is_empty()), rest.len());
        return Err(match Algorithm::by_name(algorithm) {
            Some(algorithm) => (
                Fault::DigestLength {
                    algorithm,
                    found: hex.len(),
                },
                digits,
            ),
            None => (Fault::DigestAlgorithm, Span::new(start, hex_start - 1)),
        });
    }
    Ok(())
}
