//! A small authoritative DNS server whose every name can be made to fail in its own way.

mod server;
mod wire;

pub use server::{DnsServer, Record, Zone};
pub use wire::{Query, Reply, encode, parse};
