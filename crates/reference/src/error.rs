//! Why a reference is refused: the fault itself, where it stands, and the kubelet's own words.

use crate::digest::Algorithm;
use crate::span::Span;

/// A reference that the kubelet refuses.
///
/// Displays the fault in our words; [`ParseError::kubelet_text`] has the kubelet's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    pub(crate) fault: Fault,
    pub(crate) span: Span,
    pub(crate) refusal: Refusal,
}

impl ParseError {
    /// Returns what is wrong: the first fault, as a person would name it.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns the faulty characters in the input; empty only where the input is.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the text of the error as the kubelet has it after
    /// `couldn't parse image name "…": `.
    ///
    /// As long as the input at most, and as hostile: some texts quote the name.
    pub fn kubelet_text(&self) -> String {
        match &self.refusal {
            Refusal::Format => "invalid reference format".to_owned(),
            Refusal::UppercaseName(Some(name)) => {
                format!("invalid reference format: repository name ({name}) must be lowercase")
            }
            Refusal::UppercaseName(None) => {
                "invalid reference format: repository name must be lowercase".to_owned()
            }
            Refusal::Uppercase => "repository name must be lowercase".to_owned(),
            Refusal::HexName(name) => format!(
                "invalid repository name ({name}), cannot specify 64-byte hexadecimal strings"
            ),
            Refusal::TooLong => "repository name must not be more than 255 characters".to_owned(),
            Refusal::DigestLength => "invalid checksum digest length".to_owned(),
            Refusal::DigestFormat => "invalid checksum digest format".to_owned(),
            Refusal::DigestUnsupported => "unsupported digest algorithm".to_owned(),
        }
    }
}

/// The kubelet's error, which is coarser than [`Fault`] and at times about something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `ErrReferenceInvalidFormat`.
    Format,
    /// The check before the grammar, with the name that it quotes since 1.29.
    UppercaseName(Option<String>),
    /// `ErrNameContainsUppercase`: the grammar would accept the lower-cased whole.
    Uppercase,
    /// The name could be an image identifier.
    HexName(String),
    /// `ErrNameTooLong`.
    TooLong,
    /// go-digest's `ErrDigestInvalidLength`.
    DigestLength,
    /// go-digest's `ErrDigestInvalidFormat`.
    DigestFormat,
    /// go-digest's `ErrDigestUnsupported`.
    DigestUnsupported,
}

/// What is wrong with a reference.
///
/// Where several things are, an unfilled template, a URL scheme and blanks come first, since they
/// explain the rest; then the leftmost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing at all.
    #[error("the image reference is empty")]
    Empty,
    /// A template was not filled in: `${VAR}`, `$(VAR)`, `{{ .Values.tag }}`, `<no value>`.
    #[error("a template placeholder was not filled in")]
    Template,
    /// A URL scheme such as `https://` stands before the reference.
    #[error("an image reference has no URL scheme")]
    Scheme,
    /// Blanks, tabs or line breaks.
    #[error("an image reference has no white space")]
    Whitespace,
    /// A control character, or one that shows nothing, such as a zero-width space.
    #[error("invisible character U+{:04X}", u32::from(*.character))]
    InvisibleCharacter {
        /// The character.
        character: char,
    },
    /// The whole is 64 hexadecimal digits, which could be an image identifier.
    #[error("64 hexadecimal digits are an image identifier, not a repository")]
    HexName,
    /// The registry host has a character that no host has.
    #[error("`{}` cannot stand in a registry host", .character.escape_debug())]
    HostCharacter {
        /// The character.
        character: char,
    },
    /// A label of the registry host is empty, or begins or ends with a dash.
    #[error("a part of the registry host is empty or begins or ends with a dash")]
    HostLabel,
    /// An IPv6 host is malformed or stands without brackets, or the kubelet is too old for it.
    #[error("the registry host is no IPv6 address in brackets that this kubelet accepts")]
    Ipv6Host,
    /// The port of the registry is empty or no number.
    #[error("the registry port is not a number")]
    Port,
    /// A host, a tag or a digest without a repository.
    #[error("the repository is missing")]
    MissingRepository,
    /// Two slashes in a row, or one at either end.
    #[error("a component of the repository is empty")]
    EmptyComponent,
    /// The repository has upper-case letters.
    #[error("the repository has upper-case letters")]
    UppercaseRepository,
    /// The repository has a character that no repository has.
    #[error("`{}` cannot stand in a repository", .character.escape_debug())]
    RepositoryCharacter {
        /// The character.
        character: char,
    },
    /// Separators at either end of a component, or in a row that is not allowed (`..`, `___`, `_.`).
    #[error("separators must stand singly between letters or digits (`__` and dashes may repeat)")]
    Separator,
    /// The name is longer than 255 bytes.
    #[error("the repository is {length} bytes long, 255 are allowed")]
    RepositoryTooLong {
        /// The length that the kubelet counts, in bytes.
        length: usize,
    },
    /// A colon with no tag behind it.
    #[error("the tag is empty")]
    EmptyTag,
    /// The tag begins with a dot or a dash.
    #[error("a tag cannot begin with `{character}`")]
    TagStart {
        /// The character.
        character: char,
    },
    /// The tag has a character that no tag has.
    #[error("`{}` cannot stand in a tag", .character.escape_debug())]
    TagCharacter {
        /// The character.
        character: char,
    },
    /// A second tag follows the first.
    #[error("there is a second tag")]
    SecondTag,
    /// The tag is longer than 128 characters.
    #[error("the tag is {length} characters long, 128 are allowed")]
    TagTooLong {
        /// The length in characters.
        length: usize,
    },
    /// An `@` with no digest behind it.
    #[error("the digest is empty")]
    EmptyDigest,
    /// The digest does not begin with an algorithm and a colon.
    #[error("the digest has no algorithm, such as `sha256:`")]
    DigestWithoutAlgorithm,
    /// The algorithm is not one of `sha256`, `sha384` and `sha512`, in lower case.
    #[error("the digest algorithm is none of `sha256`, `sha384`, `sha512`")]
    DigestAlgorithm,
    /// The digest has a character other than lower-case hexadecimal digits.
    #[error("`{}` is no lower-case hexadecimal digit", .character.escape_debug())]
    DigestHex {
        /// The character.
        character: char,
    },
    /// The digest has too few or too many digits.
    #[error(
        "the digest has {found} hexadecimal digits, {algorithm} has {}",
        .algorithm.hex_length()
    )]
    DigestLength {
        /// The algorithm as written.
        algorithm: Algorithm,
        /// How many digits there are.
        found: usize,
    },
    /// A tag follows the digest; it must stand before it.
    #[error("the tag must stand before the digest")]
    TagAfterDigest,
}
