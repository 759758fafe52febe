//! Verdicts on pull secrets: what the kubelet makes of them, and why. Hosts and usernames, never
//! a password, nor how long one is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which credentials the kubelet tries for an image of a pod, and what the pod's secrets hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyringFacts {
    /// What is looked up: the image without tag and digest, `docker.io/library/nginx` for
    /// instance.
    pub repository: String,
    /// The secret that leaves the kubelet without any credential, for all images of the pod.
    pub failure: Option<KeyringFailure>,
    /// What the kubelet tries, in its order. With none it asks without a login; with some it
    /// never does (kuberuntime_image.go). Empty where it fails. The first hundred.
    pub matching: Vec<MatchingCredential>,
    /// One for each secret that the pod names, in its order.
    pub secrets: Vec<SecretVerdict>,
}

/// A secret that breaks the whole keyring (pkg/credentialprovider/secrets, all versions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyringFailure {
    /// The secret's name.
    pub secret: String,
    /// The kubelet's text, with `…` for the character of the secret that it may quote.
    pub text: String,
}

impl KeyringFailure {
    /// Whether a waiting message of the kubelet's is about this fault.
    pub fn explains(&self, message: &str) -> bool {
        without_quoted_character(message).contains(&self.text)
    }
}

/// Go's `invalid character 'x' looking for…` without the character, which may be of a password.
pub fn without_quoted_character(text: &str) -> String {
    const BEFORE: &str = "invalid character '";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEFORE) {
        let (before, quoted) = rest.split_at(at + BEFORE.len());
        // The quoted character may be an apostrophe itself, escaped.
        let end = quoted
            .char_indices()
            .skip(1)
            .find(|(at, c)| *c == '\'' && !(*at == 1 && quoted.starts_with('\\')))
            .map(|(at, _)| at);
        let Some(end) = end else { break };
        out.push_str(&before[..before.len() - 1]);
        out.push('…');
        rest = &quoted[end + 1..];
    }
    out.push_str(rest);
    out
}

/// A credential that the kubelet sends for the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatchingCredential {
    /// The secret's name.
    pub secret: String,
    /// The key as written; see [`EntryVerdict::key`].
    pub key: String,
    /// The username; see [`EntryVerdict::username`].
    pub username: String,
    /// What its password is.
    pub kind: CredentialKind,
    /// Until when it is good.
    pub expiry: Option<Expiry>,
    /// What is odd about it, most telling first.
    pub faults: Vec<EntryFault>,
}

/// What one secret is to the kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVerdict {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the kubelet makes of it.
    pub standing: SecretStanding,
    /// Its entries, in the order of the secret; also those of a secret that the kubelet ignores.
    /// Of very many, those that match and the first hundred.
    pub entries: Vec<EntryVerdict>,
    /// How many entries were left out.
    pub omitted: usize,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When its data was last written, where managedFields tell.
    pub written: Option<Timestamp>,
}

impl SecretVerdict {
    /// The verdict on a secret that is not there.
    pub fn missing(
        namespace: impl Into<String>,
        name: impl Into<String>,
        elsewhere: Vec<String>,
    ) -> Self {
        Self::without_entries(namespace, name, SecretStanding::Missing { elsewhere })
    }

    /// The verdict on a secret that could not be read.
    pub fn unreadable(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::without_entries(namespace, name, SecretStanding::Unreadable)
    }

    fn without_entries(
        namespace: impl Into<String>,
        name: impl Into<String>,
        standing: SecretStanding,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            standing,
            entries: Vec::new(),
            omitted: 0,
            created: None,
            written: None,
        }
    }

    /// Whether an entry of it is tried for the image.
    pub fn matches(&self) -> bool {
        self.standing == SecretStanding::Used
            && self
                .entries
                .iter()
                .any(|entry| matches!(entry.fit, Fit::Matches))
    }

    /// How long ago its data was written, in seconds, as far as that is known.
    pub fn age(&self, now: Timestamp) -> Option<i64> {
        let since = self.written.or(self.created)?;
        Some(now.as_second() - since.as_second())
    }
}

/// What the kubelet makes of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum SecretStanding {
    /// Its entries are in the keyring.
    Used,
    /// It is read, and holds no entry at all.
    NoEntries {
        /// Why not.
        because: NoEntries,
    },
    /// It is of a type that the kubelet passes over, silently.
    WrongType {
        /// The type.
        kind: String,
        /// The type that its content is for, where it holds a Docker config.
        holds: Option<String>,
        /// The key that holds the config.
        key: Option<String>,
    },
    /// It lacks the key that belongs to its type, or that key is empty: passed over, silently.
    MissingKey {
        /// The key that belongs to the type.
        wanted: String,
        /// The keys that it has, sorted.
        found: Vec<String>,
    },
    /// It does not parse, and breaks the keyring for all images of the pod.
    Malformed {
        /// What is wrong.
        fault: MalformedSecret,
        /// The kubelet's text, with `…` for the character of the secret that it may quote.
        text: String,
        /// The line of the config, from 1.
        line: usize,
        /// The column, in characters, from 1.
        column: usize,
    },
    /// It is not there.
    Missing {
        /// Namespaces that hold a secret of this name, sorted.
        elsewhere: Vec<String>,
    },
    /// It could not be read: what is in it is not known.
    Unreadable,
}

/// Why a secret that parses holds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum NoEntries {
    /// `auths` is there and empty.
    EmptyAuths {
        /// Credential helpers that hold the passwords on the machine that it was copied from
        /// (`credsStore`, `credHelpers`).
        helpers: Vec<String>,
    },
    /// There is no `auths`, but credential helpers.
    OnlyHelpers {
        /// Their names.
        helpers: Vec<String>,
    },
    /// The hosts stand at the top, not under `auths`.
    HostsAtTop {
        /// The hosts.
        hosts: Vec<String>,
    },
    /// It is of the old type and in the new form: `auths` is taken for a host.
    HostsUnderAuths {
        /// The hosts.
        hosts: Vec<String>,
    },
    /// There is no `auths`, but a member with nearly that name.
    MisspelledAuths {
        /// The member.
        found: String,
    },
    /// There is no `auths`.
    NoAuths {
        /// The members that there are, at most ten.
        found: Vec<String>,
    },
}

/// Why a secret does not parse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum MalformedSecret {
    /// It is no JSON.
    Json {
        /// What it looks like instead.
        looks: Option<JsonLooks>,
    },
    /// A value is of another type than the kubelet reads there.
    Type {
        /// The key of its entry, if it is within one.
        key: Option<String>,
        /// Go's path of the field, `DockerConfigJSON.auths.username`; empty for the whole.
        field: String,
        /// Its type, `number` for instance.
        found: String,
        /// What the whole looks like instead.
        looks: Option<JsonLooks>,
    },
    /// An `auth` is no base64.
    AuthBase64 {
        /// The key of its entry.
        key: String,
        /// The byte of `auth` that does not fit, from 0, as the kubelet counts.
        byte: usize,
        /// What it looks like instead.
        looks: Option<AuthLooks>,
    },
    /// An `auth` holds no colon between username and password.
    AuthWithoutColon {
        /// The key of its entry.
        key: String,
        /// What it looks like instead.
        looks: Option<AuthLooks>,
    },
}

/// What a config that is no JSON looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonLooks {
    /// Nothing but white space.
    Blank,
    /// A byte-order mark stands before it.
    ByteOrderMark,
    /// It is in UTF-16.
    Utf16,
    /// It is base64 of a good config: encoded once too often.
    Base64,
    /// It is a JSON string that holds a good config: quoted once too often.
    QuotedJson,
    /// A placeholder was not filled in (`{{ … }}`, `${…}`, `$(…)`).
    Placeholder,
    /// It uses single quotes.
    SingleQuotes,
    /// A comma stands before a closing bracket.
    TrailingComma,
    /// It is cut off.
    CutOff,
    /// More follows behind a good config.
    TrailingData,
    /// `username:password`, or `username=password`, without any JSON.
    PlainCredentials,
}

/// What an `auth` that the kubelet cannot read looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthLooks {
    /// `username:password` as it is, not encoded.
    NotEncoded,
    /// Encoded twice.
    EncodedTwice,
    /// The alphabet for URLs, `-` and `_`.
    UrlAlphabet,
    /// Padding is missing, or there is too much.
    Padding,
    /// White space within or around it.
    WhiteSpace,
    /// Quotes around it.
    Quotes,
    /// A placeholder was not filled in.
    Placeholder,
    /// The password alone, or the username alone.
    OneHalf,
}

/// What one entry of a secret is to the kubelet, for one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryVerdict {
    /// The key as written, with `…` for user information and for a query.
    pub key: String,
    /// The username that the kubelet sends. `…` where it is the password once more; where a
    /// token stands in its place, what tells the token's kind and `…`.
    pub username: String,
    /// What its password is.
    pub kind: CredentialKind,
    /// Until when it is good.
    pub expiry: Option<Expiry>,
    /// What is odd about it, most telling first.
    pub faults: Vec<EntryFault>,
    /// Whether its key matches the image.
    pub fit: Fit,
}

/// What a password is, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// There is none.
    Empty,
    /// Nothing that is known.
    Password,
    /// Amazon ECR, from `get-login-password`: 12 hours.
    EcrToken,
    /// Google, `ya29.…`: about an hour.
    GoogleAccessToken,
    /// A key of a Google service account (user `_json_key` or `_json_key_base64`): no expiry
    /// of its own.
    GoogleServiceAccountKey,
    /// Azure, from `az acr login --expose-token`: 3 hours.
    AzureToken,
    /// GitLab, `glpat-…`: expires on a day that the token does not tell.
    GitlabPersonalToken,
    /// GitLab, `gldt-…`.
    GitlabDeployToken,
    /// GitLab, `glcbt-…` or user `gitlab-ci-token`: dies with its CI job.
    GitlabJobToken,
    /// GitHub, `ghp_…`: a classic personal access token, needs `read:packages`.
    GithubPersonalToken,
    /// GitHub, `github_pat_…`: fine-grained; the packages registry refuses them.
    GithubFineGrainedToken,
    /// GitHub, `ghs_…`: of an app (an hour) or of Actions (`GITHUB_TOKEN`: dies with its job,
    /// 24 hours at most).
    GithubAppToken,
    /// GitHub, `gho_…`.
    GithubOauthToken,
    /// Docker Hub, `dckr_pat_…` or `dckr_oat_…`.
    DockerHubToken,
    /// Any other JSON Web Token.
    Jwt,
}

impl CredentialKind {
    /// A phrase for a sentence: `an Amazon ECR token, good for 12 hours`.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Empty => "no password",
            Self::Password => "a password",
            Self::EcrToken => "an Amazon ECR token, good for 12 hours",
            Self::GoogleAccessToken => "a Google access token, good for about an hour",
            Self::GoogleServiceAccountKey => "a Google service account key",
            Self::AzureToken => "an Azure registry token, good for 3 hours",
            Self::GitlabPersonalToken => "a GitLab personal access token",
            Self::GitlabDeployToken => "a GitLab deploy token",
            Self::GitlabJobToken => "a GitLab job token, which dies with its job",
            Self::GithubPersonalToken => "a GitHub personal access token",
            Self::GithubFineGrainedToken => {
                "a fine-grained GitHub token, which the packages registry refuses"
            }
            Self::GithubAppToken => {
                "a GitHub app or Actions token, good for its job and 24 hours at most"
            }
            Self::GithubOauthToken => "a GitHub OAuth token",
            Self::DockerHubToken => "a Docker Hub access token",
            Self::Jwt => "a JSON Web Token",
        }
    }
}

/// Until when a credential is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expiry {
    /// The point in time.
    pub at: Timestamp,
    /// Where it is known from.
    pub known: ExpiryKnown,
}

/// Where the end of a credential is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryKnown {
    /// It says so itself (its signature was not verified).
    Stated,
    /// The longest life of its kind, counted from when the secret was last written.
    LongestLife,
}

/// What is odd about an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum EntryFault {
    /// It holds neither username nor password. It matches all the same: the runtime then asks
    /// without a login.
    Empty {
        /// Fields that are filled in and that the kubelet does not read (`identitytoken`).
        unread: Vec<String>,
    },
    /// It holds a password, and no username.
    NoUsername,
    /// It holds a username, and no password.
    NoPassword {
        /// Fields that are filled in and that the kubelet does not read (`identitytoken`).
        unread: Vec<String>,
    },
    /// The username is not what was meant.
    Username {
        /// What is wrong.
        blemish: Blemish,
    },
    /// The password is not what was meant.
    Password {
        /// What is wrong.
        blemish: Blemish,
    },
    /// `auth` says something else than `username` and `password`, and wins.
    Contradiction {
        /// The username differs.
        username: bool,
        /// The password differs.
        password: bool,
        /// The username that loses.
        overridden: String,
    },
    /// A token stands in the place of the username.
    TokenAsUsername,
    /// The same key is there more than once; this one, the last, wins.
    Repeated,
    /// Another key of this secret means the same; the kubelet tries both in any order.
    SameAs {
        /// The other key.
        key: String,
    },
    /// The kubelet cannot read it, and drops the whole keyring.
    Malformed,
}

/// What a username or a password has that was not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blemish {
    /// A line feed at its end, as `echo` leaves it.
    TrailingNewline,
    /// Other white space at its start or end.
    SurroundingSpace,
    /// Quotes around it.
    Quotes,
    /// A control character within.
    ControlCharacter,
    /// A byte-order mark before it.
    ByteOrderMark,
    /// It is no UTF-8: the call to the runtime fails.
    NotUtf8,
    /// A placeholder was not filled in (`${TOKEN}`, `{{ … }}`, `<password>`).
    Placeholder,
    /// It looks encoded in base64 once more.
    Base64,
    /// It is stars or dots, copied from where it was masked.
    Masked,
}

/// Whether a key matches the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum Fit {
    /// It does: the kubelet tries it.
    Matches,
    /// It is Docker Hub's `index.docker.io`, which the kubelet tries only where nothing else
    /// matches, and something does.
    Shadowed {
        /// The key that comes before it.
        by: String,
    },
    /// It does not.
    Mismatch {
        /// Why, most telling first. Never empty.
        reasons: Vec<Mismatch>,
        /// The key that would match, where this one seems to be meant for the image's registry.
        corrected: Option<String>,
    },
}

/// Why a key does not match an image (`URLsMatch`, pkg/credentialprovider/keyring.go).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "is")]
pub enum Mismatch {
    /// It is no URL, and is passed over: the kubelet only logs that.
    NotAUrl {
        /// Why, as a fragment: `a space in the host`.
        because: String,
    },
    /// White space around it.
    WhiteSpace,
    /// It begins with something else than `https://` or `http://`, which is taken for the host.
    Scheme {
        /// The scheme, `oci` for instance.
        scheme: String,
    },
    /// It names Docker Hub in a way that the kubelet does not know.
    DockerHubAlias,
    /// A path `/v1` or `/v2` without a slash behind it is taken as it is.
    ApiPathWithoutSlash,
    /// The ports differ; none is not 443.
    Port {
        /// The key's.
        key: Option<String>,
        /// The image's.
        image: Option<String>,
    },
    /// The image's path does not start with the key's.
    Path {
        /// The key's.
        key: String,
        /// The image's.
        image: String,
    },
    /// The key's path ends with a slash that the image's path does not have there.
    TrailingSlash,
    /// The key names a tag or a digest.
    TagInKey,
    /// A host with `*` has another number of labels: each star stands for one.
    LabelCount {
        /// The key's.
        key: usize,
        /// The image's.
        image: usize,
    },
    /// The hosts differ in upper and lower case.
    Case,
    /// The host is nearly the image's.
    Typo {
        /// How many edits lie between them: 1 or 2.
        distance: usize,
    },
    /// The image's host is below the key's, or the other way round.
    Subdomain,
    /// It is for another registry.
    OtherRegistry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_characters_are_masked() {
        for (text, expected) in [
            (
                "invalid character 'x' after object key",
                "invalid character … after object key",
            ),
            (
                "ErrImagePull: invalid character '\\'' looking for beginning of value",
                "ErrImagePull: invalid character … looking for beginning of value",
            ),
            (
                "invalid character '\\n' in string literal",
                "invalid character … in string literal",
            ),
            (
                "invalid character '\\\\' in string literal",
                "invalid character … in string literal",
            ),
            ("invalid character '\\u0080' x", "invalid character … x"),
            (
                "invalid character ' ' in literal true (expecting 'r')",
                "invalid character … in literal true (expecting 'r')",
            ),
            ("invalid character 'x", "invalid character 'x"),
            (
                "illegal base64 data at input byte 4",
                "illegal base64 data at input byte 4",
            ),
        ] {
            assert_eq!(without_quoted_character(text), expected);
        }
    }

    #[test]
    fn failure_explains_the_text_of_the_node() {
        let failure = KeyringFailure {
            secret: "regcred".to_owned(),
            text: "invalid character … after object key:value pair".to_owned(),
        };
        assert!(failure.explains(
            "Back-off pulling image \"x\": ErrImagePull: invalid character 'p' after object key:value pair"
        ));
        assert!(!failure.explains("illegal base64 data at input byte 4"));
    }

    #[test]
    fn standings_read_back() {
        let verdict = SecretVerdict::missing("shop", "regcred", vec!["base".to_owned()]);
        let json = serde_json::to_string(&verdict).unwrap();
        assert!(
            json.contains(r#""standing":{"is":"missing","elsewhere":["base"]}"#),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<SecretVerdict>(&json).unwrap(),
            verdict
        );
    }
}
