//! Certificate chains, judged in the terms of Go's `crypto/x509` (1.26, `verify.go`), which is
//! what containerd, CRI-O and Docker judge by. rustls refuses chains that Go takes (an authority's
//! own certificate as leaf, RSA keys below 2048 bits), and says less of those that both refuse.

mod certificate;
mod chain;
mod names;
mod signature;

pub use certificate::{Anchor, Certificate};
pub use chain::{ChainFault, ChainJudgement, judge_chain};
pub use names::NameFault;
