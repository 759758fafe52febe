//! `signature-rejected`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question, clean_line, shorten};

use super::node_view::{is, on_node};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
};

cause! {
    /// # signature-rejected
    ///
    /// ## What it means
    ///
    /// A policy on the node rejects the image: it is not signed, not by a key or identity that the
    /// policy names, or not allowed at all. The image itself is there and may be pulled.
    ///
    /// ## How we know
    ///
    /// The waiting reason is `SignatureValidationFailed` (CRI-O 1.28 and kubelet 1.28 on), or the
    /// text says that the source image was rejected, or that an image verifier of containerd blocked
    /// it. It is proven by the reason: the kubelet sets it only where the runtime says that its
    /// signature policy refused.
    ///
    /// ## What to do
    ///
    /// - Read which rule it was: `/etc/containers/policy.json`, or a policy of the namespace that
    ///   CRI-O reads from `/etc/crio/policies/`; for containerd the programs in
    ///   `/opt/containerd/image-verifier/bin`.
    /// - Sign the image, or use one that is signed. For an index, the image of each platform needs a
    ///   signature too.
    /// - Change the policy only if the image is meant to run there.
    ///
    /// ## What it is not
    ///
    /// - `Invalid crypto engine` is a runtime that cannot check anything (`runtime-broken`).
    /// - A webhook that refuses the pod leaves no pod that could wait.
    ///
    /// ## Sources
    ///
    /// - containers/image `signature/policy_eval.go`; CRI-O `internal/storage/image.go` 1.28 on;
    ///   containerd `plugins/imageverifier` 2.0 on; Kubernetes cri-api `errors.go`.
    SignatureRejected
    generals: [BlockedByPolicy],
}

/// The words of the policies, each with what it asks for.
const RULES: &[(&str, &str)] = &[
    (
        "a signature was required, but no signature exists",
        "it is not signed",
    ),
    (
        "is not accepted",
        "it is signed by an identity that the policy does not name",
    ),
    (
        "none of the signatures were accepted",
        "no signature on it is by a key that the policy names",
    ),
    (
        "is rejected by policy",
        "the policy rejects it, signed or not",
    ),
    (
        "no signature verification policy found",
        "the policy has no rule for it",
    ),
    (
        "image verifier",
        "an image verifier of containerd blocks it",
    ),
    ("is not signed", "it is not signed"),
    (
        "cryptographic signature verification failed",
        "its signature does not verify",
    ),
];

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !is(case, &Fault::Signature) {
        return None;
    }
    let text = case.text().to_ascii_lowercase();
    let why = RULES
        .iter()
        .find(|(words, _)| text.contains(words))
        .map_or("its signature was not accepted", |(_, why)| why);
    let said_by_kubelet = case.symptom.reason == "SignatureValidationFailed"
        || text.contains("because the signature validation failed");
    let name = case.image_name();
    let shown = if name == "the image" {
        name.to_owned()
    } else {
        format!("`{name}`")
    };
    let mut finding = case.finding(
        CauseId::SignatureRejected,
        if said_by_kubelet {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.image_object(),
        format!("a policy of {} rejects {shown}: {why}", on_node(case)),
    );
    if let Some(words) = rule_of(case) {
        finding = finding.note("policy says", words);
    }
    Some(
        finding
            .next(
                "which rule rejects it?",
                Some("cat /etc/containers/policy.json".to_owned()),
            )
            .remedy(
                "sign-image",
                Applicability::Advice,
                "sign the image, for every platform, or use one that the policy accepts",
                None,
            )
            .into(),
    )
}

/// The policy's own words.
fn rule_of(case: &Case<'_>) -> Option<String> {
    let text = case.text();
    let lower = text.to_ascii_lowercase();
    let start = lower.find("source image rejected: ")?;
    let words = text.get(start + "source image rejected: ".len()..)?;
    let words = words.split("; artifact err").next().unwrap_or(words);
    let words = words.trim().trim_end_matches(['"', '\'']);
    (!words.is_empty()).then(|| shorten(&clean_line(words), 300).into_owned())
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, ObjectKind};

    use crate::fixture::stuck;

    const IMAGE: &str = "registry.example.com/shop/api:1";

    #[test]
    fn the_kubelets_reason_proves_it() {
        let text = "image pull failed for registry.example.com/shop/api:1 because the signature validation failed: Source image rejected: A signature was required, but no signature exists";
        let finding = stuck(IMAGE, "SignatureValidationFailed", text).judge();
        assert_eq!(finding.cause, CauseId::SignatureRejected);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.object.kind, ObjectKind::Image);
        assert!(finding.summary.ends_with("it is not signed"));
    }

    #[test]
    fn the_runtimes_text_alone_is_likely() {
        let text = "copying system image from manifest list: Source image rejected: Running image docker://registry.example.com/shop/api:1 is rejected by policy.";
        let finding = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::SignatureRejected);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_runtime_that_cannot_check_is_broken() {
        let text = "checking signature of \"registry.example.com/shop/api:1\": verifying signatures: Invalid crypto engine";
        let finding = stuck(IMAGE, "CreateContainerError", text).judge();
        assert_eq!(finding.cause, CauseId::RuntimeBroken);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::SignatureRejected);
    }
}
