//! What is wrong with the content of a pull secret, in words.

use pulldoctor_model::{
    AuthLooks, Blemish, EntryFault, JsonLooks, MalformedSecret, Mismatch, NoEntries,
    SecretStanding, SecretVerdict,
};

use super::list;

/// What the kubelet cannot read, as a fragment.
pub(crate) fn malformed_words(fault: &MalformedSecret, line: usize, column: usize) -> String {
    match fault {
        MalformedSecret::Json { looks } => format!(
            "its JSON does not parse at line {line}, column {column}{}",
            aside(looks.map(json_looks))
        ),
        MalformedSecret::Type {
            key,
            field,
            found,
            looks,
        } => {
            let place = match key {
                Some(key) => format!("`{field}` of `{key}`"),
                None if field.is_empty() => "the whole".to_owned(),
                None => format!("`{field}`"),
            };
            format!(
                "{place} is of type {found} at line {line}, column {column}{}",
                aside(looks.map(json_looks))
            )
        }
        MalformedSecret::AuthBase64 { key, byte, looks } => format!(
            "`auth` of `{key}` is no base64 at byte {byte}{}",
            aside(looks.map(auth_looks))
        ),
        MalformedSecret::AuthWithoutColon { key, looks } => format!(
            "`auth` of `{key}` holds no `username:password`{}",
            aside(looks.map(auth_looks))
        ),
    }
}

fn aside(words: Option<&str>) -> String {
    words.map_or_else(String::new, |words| format!(" ({words})"))
}

const fn json_looks(looks: JsonLooks) -> &'static str {
    match looks {
        JsonLooks::Blank => "it is blank",
        JsonLooks::ByteOrderMark => "a byte-order mark stands before it",
        JsonLooks::Utf16 => "it is in UTF-16",
        JsonLooks::Base64 => "it is encoded in base64 once too often",
        JsonLooks::QuotedJson => "it is quoted once too often",
        JsonLooks::Placeholder => "a placeholder was not filled in",
        JsonLooks::SingleQuotes => "it uses single quotes",
        JsonLooks::TrailingComma => "a comma stands before a closing bracket",
        JsonLooks::CutOff => "it is cut off",
        JsonLooks::TrailingData => "more follows behind it",
        JsonLooks::PlainCredentials => "it is username and password, and no JSON",
    }
}

const fn auth_looks(looks: AuthLooks) -> &'static str {
    match looks {
        AuthLooks::NotEncoded => "it is not encoded at all",
        AuthLooks::EncodedTwice => "it is encoded twice",
        AuthLooks::UrlAlphabet => "it is in the alphabet for URLs",
        AuthLooks::Padding => "its padding is wrong",
        AuthLooks::WhiteSpace => "white space is in it",
        AuthLooks::Quotes => "quotes are around it",
        AuthLooks::Placeholder => "a placeholder was not filled in",
        AuthLooks::OneHalf => "it is the password or the username alone",
    }
}

/// Why a secret that decodes holds no login, as a fragment.
pub(crate) fn no_entries_words(because: &NoEntries) -> String {
    let helped = |helpers: &[String]| {
        if helpers.is_empty() {
            String::new()
        } else {
            format!(
                ": the passwords are in the credential helper {} of the machine that it was copied from",
                list(helpers.iter().map(String::as_str))
            )
        }
    };
    match because {
        NoEntries::EmptyAuths { helpers } => format!("its `auths` is empty{}", helped(helpers)),
        NoEntries::OnlyHelpers { helpers } => format!("it has no `auths`{}", helped(helpers)),
        NoEntries::HostsAtTop { hosts } => format!(
            "it has no `auths`: {} stand at its top",
            list(hosts.iter().map(String::as_str))
        ),
        NoEntries::HostsUnderAuths { .. } => {
            "its type is the old one and its content the new form, so `auths` is taken for a host"
                .to_owned()
        }
        NoEntries::MisspelledAuths { found } => {
            format!("it has no `auths`, but `{found}`")
        }
        NoEntries::NoAuths { found } if found.is_empty() => "it has no `auths`".to_owned(),
        NoEntries::NoAuths { found } => format!(
            "it has no `auths`, but {}",
            list(found.iter().map(String::as_str))
        ),
    }
}

/// What a username or a password has that was not meant, behind `has`.
pub(crate) const fn blemish_words(blemish: Blemish) -> &'static str {
    match blemish {
        Blemish::TrailingNewline => "a line end at its end, as `echo` leaves it",
        Blemish::SurroundingSpace => "white space around it",
        Blemish::Quotes => "quotes around it",
        Blemish::ControlCharacter => "a control character in it",
        Blemish::ByteOrderMark => "a byte-order mark before it",
        Blemish::NotUtf8 => "bytes that are no UTF-8",
        Blemish::Placeholder => "a placeholder in its place, which was not filled in",
        Blemish::Base64 => "the look of base64: it may be encoded once too often",
        Blemish::Masked => "stars in its place: it was copied from where it is masked",
    }
}

/// What is odd about an entry, as a fragment; nothing where another text tells it.
pub(crate) fn fault_words(fault: &EntryFault) -> Option<String> {
    let unread = |what: &str, unread: &[String]| {
        if unread.is_empty() {
            format!("it has no {what}")
        } else {
            format!(
                "it has no {what}; {} is not read by the kubelet",
                list(unread.iter().map(String::as_str))
            )
        }
    };
    Some(match fault {
        EntryFault::Empty { unread: fields } => unread("username and no password", fields),
        EntryFault::NoUsername => "it has a password and no username".to_owned(),
        EntryFault::NoPassword { unread: fields } => unread("password", fields),
        EntryFault::Username { blemish } => {
            format!("its username has {}", blemish_words(*blemish))
        }
        EntryFault::Password { blemish } => {
            format!("its password has {}", blemish_words(*blemish))
        }
        EntryFault::Contradiction {
            username: true,
            overridden,
            ..
        } => format!("`auth` is for another user than `username` (`{overridden}`), and wins"),
        EntryFault::Contradiction { .. } => {
            "`auth` holds another password than `password`, and wins".to_owned()
        }
        EntryFault::TokenAsUsername => "a token stands in the place of the username".to_owned(),
        EntryFault::Repeated => {
            "its key is there more than once, and the last one counts".to_owned()
        }
        EntryFault::SameAs { key } => {
            format!("`{key}` means the same, and the kubelet tries both in any order")
        }
        EntryFault::Malformed => return None,
    })
}

/// Why a key does not match, behind the key.
pub(crate) fn mismatch_words(mismatch: &Mismatch) -> String {
    let port = |port: &Option<String>| {
        port.as_ref()
            .map_or_else(|| "none".to_owned(), |port| format!("`{port}`"))
    };
    match mismatch {
        Mismatch::NotAUrl { because } => format!("is no URL: {because}"),
        Mismatch::WhiteSpace => "has white space around it".to_owned(),
        Mismatch::Scheme { scheme } => {
            format!("begins with `{scheme}://`, which is taken for the host")
        }
        Mismatch::DockerHubAlias => {
            "is a name of Docker Hub that the kubelet does not know".to_owned()
        }
        Mismatch::ApiPathWithoutSlash => "lacks the slash at its end".to_owned(),
        Mismatch::Port { key, image } => format!(
            "differs in the port (it has {}, the image {})",
            port(key),
            port(image)
        ),
        Mismatch::Path { key, image } => {
            format!("is for the path `{key}`, and the image's is `{image}`")
        }
        Mismatch::TrailingSlash => {
            "ends with a slash that the image does not have there".to_owned()
        }
        Mismatch::TagInKey => "names a tag or a digest".to_owned(),
        Mismatch::LabelCount { key, image } => format!(
            "has {key} labels and the image's host {image}: each `*` stands for exactly one"
        ),
        Mismatch::Case => "differs in upper and lower case".to_owned(),
        Mismatch::Typo { distance: 1 } => "differs in one letter".to_owned(),
        Mismatch::Typo { distance } => format!("differs in {distance} letters"),
        Mismatch::Subdomain => "is for another host of the domain".to_owned(),
        Mismatch::OtherRegistry => "is for another registry".to_owned(),
    }
}

/// What the kubelet makes of a secret, behind its name; nothing where it is used.
pub(crate) fn standing_words(secret: &SecretVerdict) -> Option<String> {
    Some(match &secret.standing {
        SecretStanding::Used => return None,
        SecretStanding::NoEntries { because } => {
            format!("holds no login: {}", no_entries_words(because))
        }
        SecretStanding::WrongType { kind, .. } => format!("is passed over for its type `{kind}`"),
        SecretStanding::MissingKey { wanted, .. } => {
            format!("is passed over: it has nothing under `{wanted}`")
        }
        SecretStanding::Malformed {
            fault,
            line,
            column,
            ..
        } => format!(
            "cannot be decoded: {}",
            malformed_words(fault, *line, *column)
        ),
        SecretStanding::Missing { .. } => "is not there".to_owned(),
        SecretStanding::Unreadable => "may not be read".to_owned(),
    })
}
