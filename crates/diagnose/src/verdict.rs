//! What a pasted text tells, judged by the same causes as a cluster.

use pulldoctor_messages::{Fault, Reading};
use pulldoctor_model::{
    CauseId, Confidence, ContainerKind, Evidence, Finding, Rival, Symptom, Timestamp,
};

use crate::{
    case::{Case, Index},
    rank,
};

/// What a text tells. At most likely: a pasted text proves nothing.
#[derive(Debug, Clone)]
pub struct TextVerdict {
    /// The finding; its cause is `unknown` where the text carries none.
    pub finding: Finding,
    /// The facts that the text carries.
    pub reading: Reading,
}

impl TextVerdict {
    /// The causes that may be the truth instead.
    pub fn rivals(&self) -> Vec<CauseId> {
        self.finding
            .rivals
            .iter()
            .map(|rival| rival.cause)
            .collect()
    }
}

/// Judges one message.
pub fn read_text(text: &str) -> TextVerdict {
    let reading =
        pulldoctor_messages::read_rows(text).unwrap_or_else(|| pulldoctor_messages::read(text));
    verdict(text, reading)
}

/// Judges a pasted blob (`kubectl describe pod`, events, log lines): every distinct error in it,
/// the most informative first. At least one verdict.
pub fn read_paste(text: &str) -> Vec<TextVerdict> {
    let paste = pulldoctor_messages::read_paste(text);
    if paste.readings.is_empty() {
        return vec![read_text(text)];
    }
    paste
        .readings
        .into_iter()
        .map(|reading| verdict(text, reading))
        .collect()
}

fn verdict(text: &str, reading: Reading) -> TextVerdict {
    let symptom = symptom_of(text, &reading);
    let evidence = Evidence::new("", "", Timestamp::UNIX_EPOCH);
    let index = Index::new(&evidence);
    let case = Case::pasted(&evidence, &index, &symptom, reading.clone());
    let mut finding = rank::first(&case);
    if finding.confidence > Confidence::Possible && may_be_of_anything(text, &reading) {
        finding.confidence = Confidence::Possible;
        finding.rivals.insert(
            0,
            Rival {
                cause: CauseId::Unknown,
                because: "nothing in the text says that an image was being pulled".to_owned(),
                decided_by: "the whole message, as `kubectl describe pod` shows it".to_owned(),
            },
        );
    }
    TextVerdict { finding, reading }
}

/// Words of which one stands in most texts about images, whoever says them.
const ABOUT_IMAGES: [&str; 8] = [
    "docker",
    "registry",
    "image",
    "manifest",
    "repository",
    "pull",
    ".ecr.",
    "containerd",
];

/// Whether any program may have said this: a pod's own, `kubectl`, a probe.
fn may_be_of_anything(text: &str, reading: &Reading) -> bool {
    let lower = text.to_ascii_lowercase();
    let about_images = ABOUT_IMAGES.iter().any(|word| lower.contains(word));
    let only_of_pulls = match &reading.fault {
        // Every program that uses a cloud's library may fail to find its credentials.
        Fault::CredentialProvider => {
            return !about_images && reading.image.is_none() && reading.facts.plugin.is_none();
        }
        Fault::RuntimeUnavailable => reading.facts.socket.as_deref().is_none_or(|socket| {
            ["containerd", "crio", "cri-", "docker", "podman"]
                .iter()
                .any(|name| socket.contains(name))
        }),
        // JSON errors have many authors; the other words are the kubelet's of a pull secret.
        Fault::SecretMalformed => {
            return !about_images
                && reading.layers.is_empty()
                && reading.reason.is_none()
                && !["base64", "auth field", "dockerconfig"]
                    .iter()
                    .any(|word| lower.contains(word));
        }
        fault => matches!(
            fault,
            Fault::InvalidReference
                | Fault::ShortName
                | Fault::ManifestMissing { .. }
                | Fault::NameUnknown
                | Fault::ImageMissing
                | Fault::NoCredentials
                | Fault::TokenRefused { .. }
                | Fault::BlobMissing
                | Fault::DiffIdMismatch
                | Fault::BrokenManifest
                | Fault::PlatformMissing
                | Fault::UnsupportedManifest
                | Fault::NoCommand
                | Fault::LocalStoreDamaged
                | Fault::SnapshotRace
                | Fault::Snapshotter
                | Fault::NoEndpoint
                | Fault::RegistryFile
                | Fault::RuntimeConfig
                | Fault::QpsExceeded
                | Fault::QueueBlocked
                | Fault::NoProgress
                | Fault::SecretMissing
                | Fault::StaticPodSecret
                | Fault::NeverPull
                | Fault::SandboxImage { .. }
        ),
    };
    !only_of_pulls && !about_images && !reading.tells_of_a_pull()
}

fn symptom_of(text: &str, reading: &Reading) -> Symptom {
    Symptom {
        namespace: String::new(),
        pod: String::new(),
        pod_uid: String::new(),
        container: None,
        kind: ContainerKind::Container,
        node: None,
        owner: None,
        field: None,
        image: reading.image.clone().unwrap_or_default(),
        pull_policy: None,
        reason: reading.reason.clone().unwrap_or_default(),
        message: text.to_owned(),
        since: None,
        created: None,
        next_retry: None,
        pull_secrets: Vec::new(),
        service_account: None,
        static_pod: false,
        ran_before: false,
        wanted_arch: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_any_program_may_say_is_no_more_than_possible() {
        for text in [
            "dial tcp 10.0.0.12:5432: connect: connection refused",
            "Get \"https://api.example.com/v3/users\": x509: certificate signed by unknown authority",
            "write /data/journal: read-only file system",
            "dial unix /run/app/agent.sock: connect: no such file or directory",
            "invalid character 'x' looking for beginning of value",
            "FATAL: password authentication failed for user \"app\"",
            "AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b",
            "error: jwt expired",
            "NoCredentialProviders: no valid providers in chain. Deprecated.",
            "429 Too Many Requests",
        ] {
            let TextVerdict { finding, .. } = read_text(text);
            assert_eq!(finding.confidence, Confidence::Possible, "{text}");
            assert_eq!(finding.rivals[0].cause, CauseId::Unknown, "{text}");
        }
    }

    #[test]
    fn what_tells_of_a_pull_is_likely() {
        for text in [
            "Get \"https://r.example.com/v2/\": dial tcp 10.0.0.12:443: connect: connection refused",
            "Failed to pull image \"r.example.com/x:1\": write /data/journal: read-only file system",
            "dial unix /run/containerd/containerd.sock: connect: no such file or directory",
            "Failed to pull image \"r.example.com/x:1\": invalid character 'x' looking for beginning of value",
            "illegal base64 data at input byte 4",
            "toomanyrequests: You have reached your pull rate limit.",
        ] {
            let confidence = read_text(text).finding.confidence;
            assert_eq!(confidence, Confidence::Likely, "{text}");
        }
    }

    #[test]
    fn a_probe_beside_a_failed_pull_is_passed_over() {
        let text = "Readiness probe failed: Get \"http://10.244.1.7:8080/\": dial tcp 10.244.1.7:8080: connect: connection refused";
        assert_eq!(read_text(text).finding.cause, CauseId::Unknown);
        let text = format!(
            "{text}\nFailed to pull image \"nginx\": rpc error: code = Unknown desc = Error response from daemon: toomanyrequests: You have reached your pull rate limit."
        );
        assert_eq!(read_text(&text).finding.cause, CauseId::RateLimited);
    }
}
