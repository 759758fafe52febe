//! What both probes know: readers and judgements without I/O, clock or environment.

mod challenge;
mod destination;
mod document;
mod error_body;
mod link;
mod manifest;
mod near;
mod platform;
mod problem;
mod proxy;
mod rate_limit;
mod redirect;
mod stage;
mod token;
#[cfg(feature = "trust")]
pub mod trust;
mod verdict;

pub use challenge::{Challenge, Scheme, parse_challenges};
pub use destination::{Destination, RealmRule, judge_destination, same_registrable_domain};
pub use document::{ImageConfig, parse_config};
pub use error_body::{ErrorBody, RegistryError, parse_error_body};
pub use link::next_link;
pub use manifest::{
    ArtifactKind, Descriptor, Document, Index, IndexEntry, Manifest, ManifestError, is_digest,
    parse_manifest,
};
pub use near::{NearTag, rank_names, rank_tags};
pub use platform::{Platform, PlatformError, choose};
pub use problem::Problem;
pub use proxy::{ProxyDecision, ProxyRules, ProxyScheme, ProxyUrl};
pub use rate_limit::{RateLimit, parse_rate_limit, parse_retry_after};
pub use redirect::{AddressClass, RedirectRefusal, classify, may_redirect_to};
pub use stage::{
    AddressAttempt, CertificateFacts, ConfigFacts, CredentialOutcome, CredentialRecord, DnsAnswer,
    DnsFacts, DnsQuestion, DnsRecordKind, DnsResult, Facts, Gap, HttpFacts, Identity, LayerFacts,
    LayersFacts, ManifestFacts, OtherHost, PlatformFacts, ProxyFacts, Role, Stage, StageName,
    StageOutcome, TagList, TcpFacts, TlsFacts, TokenFacts, TokensFacts, Transcript,
};
pub use token::{TokenAnswer, TokenError, parse_token, read_claims};
pub use verdict::{cause_of, failed_hosts, of_problem};
