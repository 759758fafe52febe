//! What a probe of a registry saw, stage by stage: the [`Transcript`]. Hosts and usernames, never
//! a password or a token; every text is safe to show.

mod facts;
mod problem;
mod said;
mod transcript;

pub use facts::{
    AddressAttempt, CertificateFacts, ConfigFacts, DnsAnswer, DnsFacts, DnsQuestion, DnsRecordKind,
    DnsResult, Facts, HttpFacts, Identity, LayerFacts, LayersFacts, ManifestFacts, PlatformFacts,
    ProxyFacts, TcpFacts, TlsFacts, TokenFacts, TokensFacts,
};
pub use problem::Problem;
pub use said::{ArtifactKind, ErrorBody, NearTag, RateLimit, RegistryError, is_digest};
pub use transcript::{
    CredentialOutcome, CredentialRecord, Gap, OtherHost, Role, Stage, StageName, StageOutcome,
    TagList, Transcript,
};
