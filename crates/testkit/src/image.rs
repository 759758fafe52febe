//! Real OCI content, made in memory: layers, images, indexes and the artifacts that people pull
//! by mistake.

mod build;
mod content;
mod kind;
mod kinds;

pub use build::{Artifact, Blob, Descriptor, Flavour, Image, ImageError, Layer, sha256};
pub use content::{Content, Manifest, Repository};
pub use kind::ImageKind;
pub use kinds::{Base, host_architecture, make};
