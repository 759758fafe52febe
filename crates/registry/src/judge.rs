//! What both probes know: readers and judgements without I/O, clock or environment.

mod answer;
mod challenge;
mod destination;
mod document;
mod echo;
mod error_body;
mod fault;
mod link;
mod lookup;
mod manifest;
mod names;
mod near;
mod node;
mod platform;
mod proxy;
mod rate_limit;
mod redirect;
mod resolve_conf;
mod tcp;
mod tls;
mod token;
#[cfg(feature = "trust")]
pub mod trust;

pub use answer::{
    MANIFEST_TYPES, ManifestAnswer, first_answer_text, is_redirect, problem_of_blob_status,
    problem_of_status, read_first_answer, read_manifest_answer, wants_get,
};
pub use challenge::{Challenge, Scheme, parse_challenges};
pub use destination::{Destination, RealmRule, judge_destination, same_registrable_domain};
pub use document::{ImageConfig, config_facts, no_config, parse_config, read_config};
pub use echo::{mask, secret_forms};
pub use error_body::parse_error_body;
pub use fault::{Fault, end_stage, show};
pub use link::next_link;
pub use lookup::{Lookup, judge_lookup, lookup_text};
pub use manifest::{
    Descriptor, Document, Index, IndexEntry, Manifest, ManifestError, parse_manifest,
};
pub use names::{NameList, NamePage, names};
pub use near::{rank_names, rank_tags};
pub use node::{
    MOST_ANSWER as MOST_NODE_ANSWER, MOST_NAMES as MOST_NODE_NAMES,
    MOST_SUMMARY as MOST_NODE_SUMMARY, MOST_TARGETS as MOST_NODE_TARGETS, NODE_PROTOCOL,
    NodeAnswer, NodeAnswerError, NodeAsk, NodeImage, NodeLimits, NodeTarget, RawSight, SentChain,
    begin_transcript,
};
pub use platform::{Platform, PlatformError, choose};
pub use proxy::{ProxyDecision, ProxyRules, ProxyScheme, ProxyUrl};
pub use pulldoctor_model::registry::*;
pub use pulldoctor_model::{NodePath, NodeResolvers, NodeRole};
pub use rate_limit::{parse_rate_limit, parse_retry_after};
pub use redirect::{AddressClass, RedirectRefusal, allowed_addresses, classify, may_redirect_to};
pub use resolve_conf::ResolveConf;
pub use tcp::{tcp_fault, tcp_problem};
pub use tls::{cut_text, not_tls, plain_http, tls_alert};
pub use token::{TokenAnswer, TokenError, parse_token, pull_scopes, read_claims, token_refusal};
