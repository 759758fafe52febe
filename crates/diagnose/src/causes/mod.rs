//! One file per cause. The table is the order of precedence: where the evidence makes two causes
//! equally sure, the one that stands earlier is named first, so the specific stand before the
//! general.

use crate::cause::Cause;

pub(crate) mod support;

mod always_needs_registry;
mod auth_bad_credentials;
mod auth_expired_credentials;
mod auth_forbidden;
mod auth_missing_credentials;
mod blob_host_unreachable;
mod blocked_by_policy;
mod clock;
mod clock_skew;
mod connection_interrupted;
mod corrupted_content;
mod credential_provider_failure;
mod deprecated_registry;
mod disk;
mod disk_full;
mod disk_io_error;
mod disk_needs;
pub(crate) mod here;
mod host_typo;
mod http_https_mismatch;
mod image_not_entitled;
mod image_not_found_digest;
mod image_not_found_repo;
mod image_not_found_tag;
mod image_rewritten_by_admission;
mod inodes_exhausted;
mod invalid_image_name;
pub(crate) mod logs;
mod mirror_misconfigured;
pub(crate) mod network;
mod never_pull_absent;
mod node_store_damaged;
mod node_view;
mod not_found_or_private;
mod plain;
mod platform_mismatch;
mod pod_older_than_service_account;
mod proxy_failure;
mod public_image_wrong_credential;
mod pull_cancelled;
mod pull_qps_exceeded;
mod pull_queue_blocked;
mod pull_timeout;
mod rate_limited;
mod registry_server_error;
mod registry_unreachable_dns;
mod registry_unreachable_refused;
mod registry_unreachable_route;
mod registry_unreachable_timeout;
mod runtime_broken;
mod runtime_files;
mod sandbox_image_unavailable;
mod secret_malformed;
mod secret_missing;
mod secret_wrong_host;
mod secret_wrong_type;
mod short_name_unresolved;
mod signature_rejected;
mod static_pod_secret;
mod there;
mod tls_expired;
mod tls_incomplete_chain;
mod tls_name_mismatch;
mod tls_not_yet_valid;
mod tls_other;
mod tls_unknown_authority;
pub(crate) mod unknown;
mod unsupported_manifest;

/// Every cause, the specific before the general.
pub static ALL: &[&Cause] = &[
    // The pause image is not the pod's.
    &sandbox_image_unavailable::CAUSE,
    // The reference.
    &short_name_unresolved::CAUSE,
    &invalid_image_name::CAUSE,
    // Policy.
    &never_pull_absent::CAUSE,
    &always_needs_registry::CAUSE,
    &image_rewritten_by_admission::CAUSE,
    // The node.
    &pull_qps_exceeded::CAUSE,
    &inodes_exhausted::CAUSE,
    &disk_full::CAUSE,
    &disk_io_error::CAUSE,
    &node_store_damaged::CAUSE,
    &runtime_broken::CAUSE,
    &pull_queue_blocked::CAUSE,
    &pull_cancelled::CAUSE,
    &pull_timeout::CAUSE,
    // The content.
    &platform_mismatch::CAUSE,
    &signature_rejected::CAUSE,
    &corrupted_content::CAUSE,
    &unsupported_manifest::CAUSE,
    // The registry.
    &rate_limited::CAUSE,
    &blocked_by_policy::CAUSE,
    &registry_server_error::CAUSE,
    // Network.
    &host_typo::CAUSE,
    &proxy_failure::CAUSE,
    &mirror_misconfigured::CAUSE,
    &blob_host_unreachable::CAUSE,
    &registry_unreachable_dns::CAUSE,
    &registry_unreachable_refused::CAUSE,
    &registry_unreachable_route::CAUSE,
    &registry_unreachable_timeout::CAUSE,
    &connection_interrupted::CAUSE,
    // TLS.
    &clock_skew::CAUSE,
    &tls_not_yet_valid::CAUSE,
    &tls_expired::CAUSE,
    &tls_name_mismatch::CAUSE,
    &tls_incomplete_chain::CAUSE,
    &tls_unknown_authority::CAUSE,
    &http_https_mismatch::CAUSE,
    &tls_other::CAUSE,
    // Credentials: what the API shows, before what only the text tells.
    &secret_malformed::CAUSE,
    &secret_missing::CAUSE,
    &secret_wrong_type::CAUSE,
    &static_pod_secret::CAUSE,
    &pod_older_than_service_account::CAUSE,
    &image_not_entitled::CAUSE,
    &public_image_wrong_credential::CAUSE,
    &credential_provider_failure::CAUSE,
    &secret_wrong_host::CAUSE,
    &auth_expired_credentials::CAUSE,
    &auth_bad_credentials::CAUSE,
    &auth_forbidden::CAUSE,
    &auth_missing_credentials::CAUSE,
    // Not found.
    &deprecated_registry::CAUSE,
    &image_not_found_digest::CAUSE,
    &image_not_found_tag::CAUSE,
    &image_not_found_repo::CAUSE,
    &not_found_or_private::CAUSE,
    &unknown::CAUSE,
];
