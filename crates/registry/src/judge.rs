//! What both probes know: readers and judgements without I/O, clock or environment.

mod challenge;
mod destination;
mod document;
mod error_body;
mod link;
mod manifest;
mod near;
mod platform;
mod proxy;
mod rate_limit;
mod redirect;
mod token;
#[cfg(feature = "trust")]
pub mod trust;

pub use challenge::{Challenge, Scheme, parse_challenges};
pub use destination::{Destination, RealmRule, judge_destination, same_registrable_domain};
pub use document::{ImageConfig, parse_config};
pub use error_body::parse_error_body;
pub use link::next_link;
pub use manifest::{
    Descriptor, Document, Index, IndexEntry, Manifest, ManifestError, parse_manifest,
};
pub use near::{rank_names, rank_tags};
pub use platform::{Platform, PlatformError, choose};
pub use proxy::{ProxyDecision, ProxyRules, ProxyScheme, ProxyUrl};
pub use pulldoctor_model::registry::*;
pub use rate_limit::{parse_rate_limit, parse_retry_after};
pub use redirect::{AddressClass, RedirectRefusal, classify, may_redirect_to};
pub use token::{TokenAnswer, TokenError, parse_token, read_claims};
