//! `deprecated-registry`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{Applicability, CauseId, Confidence, Question};
use pulldoctor_reference::Reference;
use strsim::damerau_levenshtein;

use super::support::{
    credentials::{mirror, word},
    missing::{Missing, missing, with_sight},
};
use crate::{
    case::Case,
    cause::{Raised, Role, cause},
    finding::FindingExt,
};

cause! {
    /// # deprecated-registry
    ///
    /// ## What it means
    ///
    /// The registry or repository was shut down, moved or frozen, so the image is not there any
    /// more, or never came there.
    ///
    /// ## How we know
    ///
    /// A dated table of hosts and repositories, and a registry that says *not found* or refuses. It
    /// is proven where the registry, asked with the pod's credentials, says that the image is not
    /// there, and has no tag that a slip of the fingers would explain:
    ///
    /// | place | since | what happened | now |
    /// | --- | --- | --- | --- |
    /// | `*.bintray.io` | 2021-05-01 | shut down | ask the publisher |
    /// | `docker.pkg.github.com` | | replaced | `ghcr.io` |
    /// | `docker.io/library/openjdk` | 2022-07 | frozen | `docker.io/library/eclipse-temurin` |
    /// | `k8s.gcr.io` | 2023-04-03 | frozen | `registry.k8s.io` |
    /// | `gcr.io/kubebuilder` | 2025-03-18 | removed | `registry.k8s.io/kubebuilder` |
    /// | `gcr.io` | 2025-03-18 | Container Registry shut down; served by Artifact Registry, what was not copied is gone | the project's owner |
    /// | `mcr.microsoft.com/java` | 2025-06-30 | removed | `mcr.microsoft.com/openjdk` |
    /// | `docker.io/bitnami` | 2025-08-28 | tags with a version moved | `docker.io/bitnamilegacy` |
    ///
    /// ## What to do
    ///
    /// Look whether the new place serves the same image, compare the digest if you have one, and
    /// set the image to it. `bitnamilegacy` gets no updates: a way out for the time being.
    ///
    /// ## What it is not
    ///
    /// A frozen place still serves what it had: a tag that never was there is a missing tag.
    ///
    /// ## Sources
    ///
    /// - kubernetes.io, blog of 2023-02-06 and 2023-03-10; kubernetes/k8s.io issue 2647.
    /// - cloud.google.com, Container Registry deprecation.
    /// - bitnami/containers issue 83267. docs.github.com, Working with the Docker registry.
    /// - jfrog.com, Into the sunset. devblogs.microsoft.com/java, removal on 2025-06-30.
    DeprecatedRegistry
    generals: [
        ImageNotFoundTag,
        ImageNotFoundDigest,
        ImageNotFoundRepo,
        NotFoundOrPrivate,
        AuthMissingCredentials,
    ],
}

/// Edits that a slip of the fingers explains.
const SLIP: usize = 2;

/// What became of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing is served any more.
    Gone,
    /// What was there stands elsewhere.
    Moved,
    /// What was there is still served, and nothing new comes.
    Frozen,
    /// Parts of it are gone.
    Partly,
}

/// A registry or repository that is not what it was.
struct Place {
    /// Host, or `*.` and the rest of it.
    host: &'static str,
    /// The beginning of the path, in whole parts; empty for all.
    path: &'static str,
    fate: Fate,
    /// Since when, as a date.
    since: &'static str,
    /// Where it stands now, in the same form as the old place; empty if that is not one place.
    now: &'static str,
}

/// The special before the general.
const PLACES: &[Place] = &[
    place("*.bintray.io", "", Fate::Gone, "2021-05-01", ""),
    place("docker.pkg.github.com", "", Fate::Moved, "", "ghcr.io"),
    place(
        "docker.io",
        "library/openjdk",
        Fate::Frozen,
        "2022-07",
        "docker.io/library/eclipse-temurin",
    ),
    place(
        "docker.io",
        "bitnami",
        Fate::Moved,
        "2025-08-28",
        "docker.io/bitnamilegacy",
    ),
    place(
        "k8s.gcr.io",
        "",
        Fate::Frozen,
        "2023-04-03",
        "registry.k8s.io",
    ),
    place(
        "gcr.io",
        "kubebuilder",
        Fate::Gone,
        "2025-03-18",
        "registry.k8s.io/kubebuilder",
    ),
    place("gcr.io", "", Fate::Partly, "2025-03-18", ""),
    place("*.gcr.io", "", Fate::Partly, "2025-03-18", ""),
    place(
        "mcr.microsoft.com",
        "java",
        Fate::Gone,
        "2025-06-30",
        "mcr.microsoft.com/openjdk",
    ),
];

const fn place(
    host: &'static str,
    path: &'static str,
    fate: Fate,
    since: &'static str,
    now: &'static str,
) -> Place {
    Place {
        host,
        path,
        fate,
        since,
        now,
    }
}

impl Place {
    fn holds(&self, image: &Reference) -> bool {
        let host = image.registry();
        let host_fits = match self.host.strip_prefix('*') {
            Some(ending) => host.ends_with(ending),
            None => host == self.host,
        };
        let path = path_of(image);
        host_fits
            && (self.path.is_empty()
                || path == self.path
                || path
                    .strip_prefix(self.path)
                    .is_some_and(|rest| rest.starts_with('/')))
    }

    /// The old place as a person would write it.
    fn name(&self) -> String {
        let host = self.host.trim_start_matches("*.");
        if self.path.is_empty() {
            host.to_owned()
        } else {
            format!("{host}/{}", self.path)
        }
    }

    /// The image's name in the new place.
    fn renamed(&self, image: &Reference) -> Option<String> {
        if self.now.is_empty() {
            return None;
        }
        let path = path_of(image);
        let rest = path.strip_prefix(self.path).unwrap_or(&path);
        let rest = rest.trim_start_matches('/');
        let repository = if rest.is_empty() {
            self.now.to_owned()
        } else {
            format!("{}/{rest}", self.now)
        };
        Some(match (image.digest(), image.effective_tag()) {
            (Some(digest), _) => format!("{repository}@{digest}"),
            (None, Some(tag)) => format!("{repository}:{tag}"),
            (None, None) => repository,
        })
    }

    fn what_happened(&self) -> String {
        let place = self.name();
        let since = if self.since.is_empty() {
            String::new()
        } else {
            format!(" since {}", self.since)
        };
        let what = match self.fate {
            Fate::Gone => format!("`{place}` is gone{since}"),
            Fate::Moved => format!("the images of `{place}` have moved{since}"),
            Fate::Frozen => format!("`{place}` gets no new images{since}"),
            Fate::Partly => format!(
                "Container Registry, which `{place}` was, is shut down{since}; what was not copied to Artifact Registry is gone"
            ),
        };
        if self.now.is_empty() {
            what
        } else {
            format!("{what}; the place is now `{}`", self.now)
        }
    }
}

/// The path with `library/`, without the host.
fn path_of(image: &Reference) -> String {
    let repository = image.repo();
    repository
        .strip_prefix(image.registry())
        .map_or(repository.as_str(), |rest| rest.trim_start_matches('/'))
        .to_owned()
}

fn questions(_: &Case<'_>) -> Vec<Question> {
    // What is missing, or refused, asks for itself.
    Vec::new()
}

/// What the registry's answer makes of it.
enum Answer {
    /// It serves the image: then the place is not the fault.
    There,
    /// It says that the image is missing, and nothing near is there.
    Gone,
    /// It says so, and has a tag that a slip of the fingers explains.
    NearTag,
    /// It does not tell.
    Open,
}

fn answer(case: &Case<'_>) -> Answer {
    match missing(case) {
        Missing::There(_) => Answer::There,
        Missing::Manifest(sight) | Missing::Listed(sight) => {
            let wanted = &sight.transcript.reference;
            let slip = sight
                .transcript
                .near_tags
                .iter()
                .any(|near| damerau_levenshtein(&near.tag, wanted) <= SLIP);
            if slip { Answer::NearTag } else { Answer::Gone }
        }
        Missing::Repository { sure: true, .. } => Answer::Gone,
        _ => Answer::Open,
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let image = case.image.as_ref()?;
    if case.pasted && case.reading().registry.as_deref() != Some(image.registry()) {
        return None;
    }
    let place = PLACES.iter().find(|place| place.holds(image))?;
    let not_there = matches!(
        case.fault(),
        Fault::ManifestMissing { .. } | Fault::NameUnknown | Fault::ImageMissing
    ) || word(case).is_some_and(|word| !word.tells_of_login());
    let unreachable = matches!(
        case.fault(),
        Fault::Dns { .. }
            | Fault::Refused
            | Fault::DialTimeout
            | Fault::CertificateExpired
            | Fault::NameMismatch
    );
    let answer = answer(case);
    if matches!(answer, Answer::There) {
        return None;
    }
    // A frozen place still lists what it had, and says itself what is missing there.
    let told = !matches!(answer, Answer::Open);
    let explains = matches!(place.fate, Fate::Gone | Fate::Moved);
    let role = match place.fate {
        // A pasted text tells neither when it was written nor what was asked before.
        Fate::Gone | Fate::Moved | Fate::Frozen
            if not_there
                && !case.pasted
                && mirror(case).is_none()
                && (!told || (explains && matches!(answer, Answer::Gone))) =>
        {
            Role::Cause
        }
        Fate::Gone if unreachable => Role::Contributes,
        _ if not_there => Role::Contributes,
        _ => return None,
    };
    let confidence = match answer {
        // The registry says that it is not there, and the dated table says why.
        Answer::Gone if explains => Confidence::Proven,
        _ if explains => Confidence::Likely,
        _ => Confidence::Possible,
    };
    let mut finding = case.finding(
        CauseId::DeprecatedRegistry,
        confidence,
        case.image_object(),
        place.what_happened(),
    );
    finding = match missing(case).sight() {
        Some(sight) => with_sight(finding, case, &sight),
        None => finding.open(Some(case.registry_question())),
    };
    if confidence == Confidence::Possible {
        let rival = if matches!(case.fault(), Fault::ManifestMissing { .. }) {
            CauseId::ImageNotFoundTag
        } else {
            CauseId::ImageNotFoundRepo
        };
        finding = finding.rival(
            rival,
            "it may never have been there",
            case.registry_question().to_string(),
        );
    }
    let spans = image.spans();
    finding = finding.caret(
        if place.path.is_empty() {
            spans.registry.unwrap_or(spans.repository)
        } else {
            spans.repository
        },
        "not what it was",
    );
    if let Some(renamed) = place.renamed(image) {
        // Without a look there it is a guess: no command to paste.
        finding = finding.remedy(
            "set-new-place",
            Applicability::Advice,
            format!("look whether `{renamed}` is the same image, and set it"),
            None,
        );
    }
    Some(Raised { finding, role })
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{CauseId, Confidence, registry::NearTag};
    use pulldoctor_reference::Reference;

    use super::PLACES;
    use crate::{
        causes::support::missing::samples,
        fixture::{Fixture, stuck},
    };

    fn not_found(image: &str) -> Fixture {
        let name = Reference::parse(image).unwrap().normal();
        stuck(
            image,
            "ErrImagePull",
            &format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"{name}\": failed to resolve image: {name}: not found"
            ),
        )
    }

    #[test]
    fn bitnamis_versioned_tags_have_moved() {
        let finding = not_found("bitnami/postgresql:15.4.0").judge();
        assert_eq!(finding.cause, CauseId::DeprecatedRegistry);
        assert_eq!(finding.confidence, Confidence::Likely);
        assert!(
            finding.remedies[0]
                .title
                .contains("`docker.io/bitnamilegacy/postgresql:15.4.0`"),
            "{}",
            finding.remedies[0].title
        );
        assert_eq!(finding.remedies[0].command, None);
    }

    #[test]
    fn a_frozen_place_keeps_the_missing_tag_as_rival() {
        let finding = not_found("k8s.gcr.io/pause:3.99").judge();
        assert_eq!(finding.cause, CauseId::DeprecatedRegistry);
        assert_eq!(finding.confidence, Confidence::Possible);
        assert_eq!(finding.rivals[0].cause, CauseId::ImageNotFoundTag);
        assert!(
            finding.remedies[0]
                .title
                .contains("`registry.k8s.io/pause:3.99`")
        );
    }

    #[test]
    fn where_only_parts_are_gone_it_contributes() {
        let finding = not_found("gcr.io/shop/api:1").judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.also[0].cause, CauseId::DeprecatedRegistry);
    }

    #[test]
    fn another_repository_of_the_same_beginning_is_not_meant() {
        assert_eq!(
            not_found("bitnamilegacy/postgresql:1").cause(),
            CauseId::ImageNotFoundTag
        );
    }

    #[test]
    fn it_is_nothing_where_the_pull_fails_for_another_reason() {
        let text = "failed to do request: Head \"https://k8s.gcr.io/v2/pause/manifests/3.9\": dial tcp: lookup k8s.gcr.io on 10.0.0.2:53: no such host";
        let finding = stuck("k8s.gcr.io/pause:3.9", "ErrImagePull", text).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert!(finding.also.is_empty());
    }

    #[test]
    fn the_special_places_stand_before_the_general() {
        let image = Reference::parse("gcr.io/kubebuilder/kube-rbac-proxy:v0.8.0").unwrap();
        let place = PLACES.iter().find(|place| place.holds(&image)).unwrap();
        assert_eq!(
            place.renamed(&image).unwrap(),
            "registry.k8s.io/kubebuilder/kube-rbac-proxy:v0.8.0"
        );
    }

    #[test]
    fn what_the_registry_lacks_and_the_table_explains_is_proven() {
        let image = "bitnami/postgresql:15.4.0";
        let finding = not_found(image)
            .registry(samples::lists(image, &["latest"]))
            .judge();
        assert_eq!(finding.cause, CauseId::DeprecatedRegistry);
        assert_eq!(finding.confidence, Confidence::Proven);
    }

    #[test]
    fn a_slip_of_the_fingers_is_a_missing_tag_first() {
        let image = "bitnami/postgresql:latst";
        let mut seen = samples::lists(image, &["latest"]);
        seen.near_tags = vec![NearTag {
            tag: "latest".to_owned(),
            because: String::new(),
            distance: 1,
            ran_before: false,
        }];
        let finding = not_found(image).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(finding.also[0].cause, CauseId::DeprecatedRegistry);
    }

    #[test]
    fn a_frozen_place_that_lists_its_tags_tells_of_a_missing_tag() {
        let image = "k8s.gcr.io/pause:3.99";
        let finding = not_found(image)
            .registry(samples::lists(image, &["3.8"]))
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.also[0].cause, CauseId::DeprecatedRegistry);
    }

    #[test]
    fn a_place_that_serves_the_image_is_not_the_fault() {
        let image = "bitnami/postgresql:15.4.0";
        let finding = not_found(image).registry(samples::there(image)).judge();
        assert_ne!(finding.cause, CauseId::DeprecatedRegistry);
        assert_eq!(finding.confidence, Confidence::Possible);
    }
}
