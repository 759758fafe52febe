//! What the kubelet's verdict hangs on in Go's standard library (1.26, as Kubernetes 1.37 is
//! built with): `encoding/json`, `encoding/base64`, `net/url`, `net` and `path/filepath`, as far
//! as a keyring needs them, byte for byte. `tests/differential.rs` holds them against the
//! originals.

pub(crate) mod base64;
pub(crate) mod glob;
pub(crate) mod json;
pub(crate) mod scan;
pub(crate) mod url;
