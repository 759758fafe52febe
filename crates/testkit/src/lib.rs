//! In-process fakes on real sockets, for tests, the demo and the lab: a registry with faults per
//! route, a DNS server, a proxy, certificate makers and a Kubernetes API server. Never part of what
//! people install.

pub mod api;
pub mod dns;
mod fault;
mod glob;
pub mod image;
pub mod labd;
pub mod proxy;
mod query;
pub mod registry;
pub mod scripted;
pub mod spec;
pub mod tls;
