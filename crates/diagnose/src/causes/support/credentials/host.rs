//! The host that refuses: how it treats those without a login, and whose it is.

use pulldoctor_messages::HostRole;
use pulldoctor_model::NodeFacts;

use crate::{case::Case, causes::support::answers_alike};

/// How a registry treats those who come without a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// It has open repositories and answers alike for missing and private.
    Hides,
    /// It wants a login for everything (ACR, ECR; pull-facts 6.5).
    AlwaysLogin,
    /// Neither is known.
    Plain,
}

/// How the image's registry treats those who come without a login. Of a pasted text only a host
/// that the text itself names counts.
pub(crate) fn host_of(case: &Case<'_>) -> Host {
    if mirror(case).is_some() {
        return Host::Plain;
    }
    let host = if case.pasted {
        case.reading().registry.clone().unwrap_or_default()
    } else {
        case.registry()
    };
    if is_ecr(&host) || host.ends_with(".azurecr.io") {
        Host::AlwaysLogin
    } else if answers_alike(&host) {
        Host::Hides
    } else {
        Host::Plain
    }
}

/// A private registry of ECR: account and region are in the name.
pub(crate) fn is_ecr(host: &str) -> bool {
    host.contains(".dkr.ecr.") && host.contains(".amazonaws.com")
}

/// The cloud whose registry a host is, as its nodes name themselves.
pub(crate) fn cloud_of(host: &str) -> Option<&'static str> {
    if is_ecr(host) {
        Some("eks")
    } else if host.ends_with(".azurecr.io") {
        Some("aks")
    } else if host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev") {
        Some("gke")
    } else {
        None
    }
}

/// Whether a node belongs to the cloud: by the kubelet's version (`v1.33.4-eks-99bf3`,
/// `v1.33.4-gke.1036000`) or by the name that the cloud gives its nodes.
pub(crate) fn node_is_in(case: &Case<'_>, facts: &NodeFacts, cloud: &str) -> bool {
    let name = case.symptom.node.as_deref().unwrap_or_default();
    let by_version = facts.kubelet.contains(&format!("-{cloud}"));
    let by_name = match cloud {
        "aks" => name.starts_with("aks-"),
        "gke" => name.starts_with("gke-"),
        "eks" => name.ends_with(".compute.internal") || name.ends_with(".ec2.internal"),
        _ => false,
    };
    by_version || by_name
}

/// Whether the image is public whoever asks: Docker's official images, and registries that have
/// no private repositories (pull-facts 6.5).
pub(crate) fn is_public(case: &Case<'_>) -> bool {
    let Some(image) = &case.image else {
        return false;
    };
    if mirror(case).is_some() {
        return false;
    }
    match image.registry() {
        "registry.k8s.io" | "k8s.gcr.io" | "mcr.microsoft.com" | "public.ecr.aws" => true,
        // Where registry.k8s.io sends its clients for manifests.
        host if host.ends_with("-docker.pkg.dev") => {
            image.repository().starts_with("k8s-artifacts-prod/")
        }
        "docker.io" => {
            let explicit = case.pasted && case.reading().registry.as_deref() != Some("docker.io");
            !explicit && image.repo().starts_with("docker.io/library/")
        }
        _ => false,
    }
}

/// The host that refused: the image's registry, or the mirror that stands in for it.
pub(crate) fn refusing_host(case: &Case<'_>) -> String {
    mirror(case).map_or_else(|| case.registry(), str::to_owned)
}

/// The mirror that refused in the registry's place. What it said is the cause; that it is one
/// stands beside (`mirror-misconfigured`).
pub(crate) fn mirror<'c>(case: &'c Case<'_>) -> Option<&'c str> {
    case.reading()
        .foreign_host
        .as_ref()
        .filter(|foreign| foreign.role == HostRole::Mirror)
        .map(|foreign| foreign.host.as_str())
}
