//! Image references exactly as the kubelet and the runtimes read them, with the place of every
//! part and of every fault. No I/O, no regular expressions, linear time on any input.
//!
//! [`Reference::parse`] accepts and refuses what kubelet 1.37 does: `parsers.ParseImageName`
//! (`k8s.io/kubernetes/pkg/util/parsers`) over `ParseNormalizedNamed` of
//! `github.com/distribution/reference` 0.6.0. `tests/differential.rs` holds the two against each
//! other. [`Reference::parse_as`] reads as an older kubelet does ([`Dialect`]).
//!
//! ```
//! use pulldoctor_reference::{Fault, Reference, suggestion};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let nginx = Reference::parse("nginx")?;
//! assert_eq!(nginx.normal(), "docker.io/library/nginx:latest");
//! assert_eq!(nginx.registry_api_host(), "registry-1.docker.io");
//!
//! let written = "registry.example.com:5000/shop/api:1.4.2";
//! let api = Reference::parse(written)?;
//! assert_eq!(api.registry(), "registry.example.com:5000");
//! assert_eq!(api.repository(), "shop/api");
//! assert_eq!(api.spans().tag.and_then(|span| span.of(written)), Some("1.4.2"));
//!
//! let written = "registry.example.com/Shop/api:1.4.2";
//! let Err(error) = Reference::parse(written) else { return Err("accepted".into()) };
//! assert_eq!(error.fault(), &Fault::UppercaseRepository);
//! assert_eq!(error.span().of(written), Some("S"));
//! assert_eq!(
//!     error.kubelet_text(),
//!     "invalid reference format: repository name (Shop/api) must be lowercase"
//! );
//! assert_eq!(suggestion(written).as_deref(), Some("registry.example.com/shop/api:1.4.2"));
//! # Ok(())
//! # }
//! ```

mod dialect;
mod digest;
mod error;
mod grammar;
mod hints;
mod lowercase;
mod reference;
mod span;
mod suggestion;

pub use dialect::Dialect;
pub use digest::{Algorithm, Digest};
pub use error::{Fault, ParseError};
pub use reference::Reference;
pub use span::{Span, Spans};
pub use suggestion::{suggestion, suggestion_as};
