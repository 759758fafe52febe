//! One file per cause. The table is the order of precedence: where the evidence makes two causes
//! equally sure, the one that stands earlier is named first, so the specific stand before the
//! general.

use crate::cause::Cause;

mod support;

mod host_typo;
mod image_not_found_digest;
mod image_not_found_repo;
mod image_not_found_tag;
mod invalid_image_name;
mod never_pull_absent;
mod not_found_or_private;
mod registry_unreachable_dns;
pub(crate) mod unknown;

/// Every cause, the specific before the general.
pub static ALL: &[&Cause] = &[
    // The reference.
    &invalid_image_name::CAUSE,
    // Policy.
    &never_pull_absent::CAUSE,
    // Network.
    &host_typo::CAUSE,
    &registry_unreachable_dns::CAUSE,
    // Not found.
    &image_not_found_digest::CAUSE,
    &image_not_found_tag::CAUSE,
    &image_not_found_repo::CAUSE,
    &not_found_or_private::CAUSE,
    &unknown::CAUSE,
];
