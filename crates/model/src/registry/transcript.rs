//! The transcript: what was asked at each stage, what came back, and how long it took.

use serde::{Deserialize, Serialize};

use super::{ErrorBody, Facts, Identity, NearTag, Problem, RateLimit};

/// The stages in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// Name resolution, of the registry or of the proxy that is to be used.
    Dns,
    /// The choice of a proxy, and CONNECT through it.
    Proxy,
    /// Connections to the addresses.
    Tcp,
    /// Handshake and certificates.
    Tls,
    /// The first answer: what the registry wants to see.
    Http,
    /// Tokens, one for each credential.
    Token,
    /// The manifest.
    Manifest,
    /// The choice of the platform in an index.
    Platform,
    /// The image's config.
    Config,
    /// Presence of the layers, or their content.
    Layers,
}

impl StageName {
    /// The name as it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Token => "token",
            Self::Manifest => "manifest",
            Self::Platform => "platform",
            Self::Config => "config",
            Self::Layers => "layers",
        }
    }
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageOutcome {
    /// As it should.
    Ok,
    /// Not as it should.
    Failed,
    /// Not asked, or nothing to ask.
    Skipped,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Which one.
    pub stage: StageName,
    /// How it ended.
    pub outcome: StageOutcome,
    /// Milliseconds.
    pub took_ms: u64,
    /// One sentence, safe to show.
    pub detail: String,
    /// What is wrong, where it failed.
    pub problem: Option<Problem>,
    /// What was seen.
    pub facts: Facts,
}

/// What became of one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialOutcome {
    /// The registry let it read the repository.
    Granted,
    /// The registry or its token service refused it.
    Refused,
    /// The kubelet would not try it for this image. Set by whoever knows the keyring.
    NotMatching,
    /// It cannot be decoded. Set by whoever knows the keyring.
    Malformed,
    /// It was not tried: the registry wants none, the way is not safe, or an earlier stage
    /// failed.
    Untested,
}

/// One credential and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRecord {
    /// Where it comes from; `anonymous` for none.
    pub source: String,
    /// The username; nothing for none.
    pub username: Option<String>,
    /// What became of it.
    pub outcome: CredentialOutcome,
    /// Whether the login itself is good.
    pub identity: Identity,
    /// What is wrong.
    pub problem: Option<Problem>,
    /// The status of the manifest that was asked for with it.
    pub manifest_status: Option<u16>,
    /// One sentence, safe to show.
    pub detail: String,
}

impl CredentialRecord {
    /// Whether it is a login that the kubelet tries for the image: not the lack of one, and none
    /// of a secret's other entries, which are listed beside.
    pub fn is_login(&self) -> bool {
        self.username.is_some()
            && !matches!(
                self.outcome,
                CredentialOutcome::NotMatching | CredentialOutcome::Malformed
            )
    }
}

/// Why another host than the registry's was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It is the token service.
    Token,
    /// A manifest was redirected to it.
    Manifest,
    /// A blob was redirected to it.
    Blob,
}

/// The stages towards another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherHost {
    /// `host[:port]`.
    pub host: String,
    /// Why it was asked.
    pub role: Role,
    /// `dns` to `tls`.
    pub stages: Vec<Stage>,
}

/// The tags of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagList {
    /// The tags in the registry's order.
    pub tags: Vec<String>,
    /// The registry has more than were read.
    pub truncated: bool,
    /// The status of the first page.
    pub status: Option<u16>,
    /// What was said in a refusal.
    pub error: Option<ErrorBody>,
}

/// Something that was not asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// What.
    pub what: String,
    /// Why not.
    pub problem: Problem,
    /// The host that it is about.
    pub host: String,
    /// What would let it be asked.
    pub remedy: Option<String>,
}

/// Everything that one probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// The image as it was written.
    pub image: String,
    /// The host that was asked, with its port if it has one.
    pub host: String,
    /// The repository.
    pub repository: String,
    /// The tag or digest.
    pub reference: String,
    /// The stages in their order.
    pub stages: Vec<Stage>,
    /// The ways to other hosts.
    pub other_hosts: Vec<OtherHost>,
    /// The credentials in the order in which the kubelet would try them, and `anonymous` last.
    pub credentials: Vec<CredentialRecord>,
    /// What the registry says of its limits.
    pub rate_limit: Option<RateLimit>,
    /// The tags, where they were asked for.
    pub tags: Option<TagList>,
    /// The tags that are nearest to a missing one.
    pub near_tags: Vec<NearTag>,
    /// The digest that the tag has now, where the image names a tag and a digest that is gone.
    pub tag_digest: Option<String>,
    /// Repositories of the registry's catalogue with a name like the missing one.
    pub near_repositories: Vec<String>,
    /// What was not asked, and why.
    pub gaps: Vec<Gap>,
    /// Requests that were sent.
    pub requests: u32,
    /// Milliseconds.
    pub took_ms: u64,
}

impl Transcript {
    /// Of a host, before anything was asked. Nothing is said of an image yet.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            image: String::new(),
            host: host.into(),
            repository: String::new(),
            reference: String::new(),
            stages: Vec::new(),
            other_hosts: Vec::new(),
            credentials: Vec::new(),
            rate_limit: None,
            tags: None,
            near_tags: Vec::new(),
            tag_digest: None,
            near_repositories: Vec::new(),
            gaps: Vec::new(),
            requests: 0,
            took_ms: 0,
        }
    }

    /// The first stage that failed.
    pub fn first_failure(&self) -> Option<&Stage> {
        self.stages
            .iter()
            .find(|stage| stage.outcome == StageOutcome::Failed)
    }

    /// A stage by its name.
    pub fn stage(&self, name: StageName) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.stage == name)
    }

    /// The login that speaks for all where all are refused: one that is good in itself, else the
    /// first that the kubelet tries.
    pub fn speaking_login(&self) -> Option<&CredentialRecord> {
        let mut logins = self.credentials.iter().filter(|record| record.is_login());
        logins
            .clone()
            .find(|record| record.identity == Identity::Accepted)
            .or_else(|| logins.next())
    }

    /// Whether nothing stands in the way of a pull, as far as it was asked.
    pub fn is_good(&self) -> bool {
        self.first_failure().is_none()
    }
}
