//! kubeadm, crictl, minikube, buildx, helm and log frames.

use super::{Rule, rule};
use crate::draft::Weight;
use crate::{Fault, Layer};

pub(super) const RULES: &[Rule] = &[
    rule(
        "error imagepull]: failed to pull image {img}: <output: >",
        |d, c| {
            d.layer(Layer::Preflight);
            d.image(c.get(0));
            d.fault(Weight::Nothing, Fault::BackOffOnly);
        },
    ),
    rule("(pulling image|pulling image failed): rpc error", |d, _| {
        d.fault(Weight::Nothing, Fault::BackOffOnly);
        let offset = d.phrase().len() - "rpc error".len();
        d.resume_at(offset);
    }),
    rule(
        "(level|lvl)=(error|warning|warn|info|fatal|debug)",
        |d, _| d.layer(Layer::LogLine),
    ),
    rule(
        "failed to (solve|load metadata for|load cache key|fetch {w})",
        |d, _| d.layer(Layer::LogLine),
    ),
    rule("image={img}", |d, c| {
        if d.images.is_empty() {
            d.image(c.get(0));
        }
    }),
];
