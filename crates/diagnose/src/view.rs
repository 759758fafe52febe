//! The registry as it was seen from here, beside what the node's own text tells.
//!
//! A probe from elsewhere that fails at an earlier stage than the node's own text reached says
//! something about that place: it is a gap, never a cause. Every cause looks through [`look`], so
//! none can rest on such a probe.

use pulldoctor_messages::{Fault, HostRole, Operation};
use pulldoctor_model::{
    Answered, GapReason,
    registry::{Facts, Problem, Stage, StageName, Transcript},
};

use crate::{case::Case, causes::network::is_loopback, transcript::of_problem};

/// How far a request had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// Nothing is known, or nothing was sent.
    Nothing,
    /// The name resolved.
    Resolved,
    /// The port answered.
    Connected,
    /// The registry spoke HTTP.
    Answered,
    /// The registry said whether it has the manifest.
    Asked,
    /// The manifest was served.
    Manifest,
    /// A layer was read.
    Content,
}

impl Reached {
    /// How far the request had come whose failure this is.
    pub(crate) fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Refused | Fault::DialTimeout | Fault::NoRoute => Self::Resolved,
            Fault::HeaderTimeout
            | Fault::TlsHandshakeTimeout
            | Fault::UnknownAuthority
            | Fault::CertificateExpired
            | Fault::CertificateNotYetValid
            | Fault::NameMismatch
            | Fault::TlsOther
            | Fault::PlainHttp
            | Fault::TlsExpected
            | Fault::NotTls => Self::Connected,
            Fault::AccessDenied
            | Fault::NoCredentials
            | Fault::TokenRefused { .. }
            | Fault::Unauthorized
            | Fault::Forbidden
            | Fault::PermissionMissing
            | Fault::Expired
            | Fault::BadLogin
            | Fault::RateLimited
            | Fault::ServerError { .. }
            | Fault::HttpStatus { .. } => Self::Answered,
            Fault::ManifestMissing { .. } | Fault::NameUnknown => Self::Asked,
            // A layer that is missing was asked for and not read.
            Fault::PlatformMissing
            | Fault::NoSpace
            | Fault::NoInodes
            | Fault::UnsupportedManifest
            | Fault::BlobMissing => Self::Manifest,
            Fault::DigestMismatch
            | Fault::SizeMismatch
            | Fault::BrokenArchive
            | Fault::DiffIdMismatch => Self::Content,
            _ => Self::Nothing,
        }
    }

    /// How far the pull had come by the judged text. What a mirror or a proxy said tells nothing
    /// about the registry behind it.
    pub(crate) fn of_text(case: &Case<'_>) -> Self {
        let reading = case.reading();
        let foreign = reading.foreign_host.as_ref().map(|host| host.role);
        if matches!(foreign, Some(HostRole::Mirror | HostRole::Proxy)) {
            return Self::Nothing;
        }
        let mut reached = Self::of_fault(case.pull_fault());
        if foreign.is_some() {
            // A token, blob or redirect host is only known from an answer of the registry.
            reached = reached.max(Self::Answered);
        }
        let is_blob = match &reading.url {
            Some(url) if url.is_blob || url.is_manifest => url.is_blob,
            _ => reading.operation == Some(Operation::Blob),
        };
        if is_blob || foreign == Some(HostRole::Blob) {
            reached = reached.max(Self::Manifest);
        }
        reached
    }

    /// How far a probe came.
    pub(crate) fn of_transcript(transcript: &Transcript) -> Self {
        transcript
            .first_failure()
            .map_or(Self::Content, Self::of_failure)
    }

    /// How far a request came that ended at this stage without a failure.
    pub(crate) fn past(stage: &Stage) -> Self {
        match stage.stage {
            StageName::Dns | StageName::Proxy => Self::Resolved,
            StageName::Tcp | StageName::Tls => Self::Connected,
            StageName::Http | StageName::Token => Self::Answered,
            StageName::Manifest | StageName::Platform | StageName::Config => Self::Manifest,
            StageName::Layers => Self::Content,
        }
    }

    /// How far a probe came that failed at this stage.
    pub(crate) fn of_failure(stage: &Stage) -> Self {
        match stage.stage {
            StageName::Dns | StageName::Proxy => Self::Nothing,
            StageName::Tcp => Self::Resolved,
            StageName::Tls => Self::Connected,
            StageName::Http => match &stage.facts {
                Facts::Http(facts) if facts.status.is_some() => Self::Answered,
                _ => Self::Connected,
            },
            StageName::Token => Self::Answered,
            StageName::Manifest => match stage.problem {
                Some(Problem::NotFound) => Self::Asked,
                Some(
                    Problem::NotAnImage
                    | Problem::ManifestSchema1
                    | Problem::ManifestMalformed
                    | Problem::ManifestDigest,
                ) => Self::Manifest,
                _ => Self::Answered,
            },
            StageName::Layers if stage.problem.is_some_and(is_about_content) => Self::Content,
            StageName::Platform | StageName::Config | StageName::Layers => Self::Manifest,
        }
    }
}

/// Whether a problem of a layer is the layer's own and not one of the way to it.
fn is_about_content(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::LayerMissing
            | Problem::LayerDigest
            | Problem::LayerSize
            | Problem::LayerCompression
            | Problem::LayerArchive
            | Problem::LayerDiffId
            | Problem::LayerMediaType
            | Problem::LayerTooLarge
    )
}

/// A probe, and the record of its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// What it saw.
    pub(crate) transcript: &'a Transcript,
    /// The record of the answer.
    pub(crate) answered: &'a Answered,
}

impl<'a> Sight<'a> {
    /// The problem of the first stage that failed.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.transcript.first_failure()?.problem
    }

    /// What a stage saw.
    pub(crate) fn facts(&self, name: StageName) -> Option<&'a Facts> {
        Some(&self.transcript.stage(name)?.facts)
    }

    /// Whether every layer was read and is whole.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.facts(StageName::Layers), Some(Facts::Layers(facts)) if facts.verified)
            && self.transcript.is_good()
    }
}

/// What the registry looks like from here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    /// It was not asked, or there is no answer.
    None,
    /// The probe did not come as far as the node: it says something about this place.
    Behind(Sight<'a>),
    /// It came as far as the node did, or farther.
    Open(Sight<'a>),
}

impl<'a> View<'a> {
    /// What may be judged by.
    pub(crate) fn open(self) -> Option<Sight<'a>> {
        match self {
            Self::Open(sight) => Some(sight),
            Self::None | Self::Behind(_) => None,
        }
    }
}

/// Looks at the registry's answer, the one with every byte of the content if there is one.
pub(crate) fn look<'a>(case: &Case<'a>) -> View<'a> {
    // `localhost` is another machine here than on the node.
    if is_loopback(&case.registry()) {
        return View::None;
    }
    let sight = [case.content(), case.registry_answer()]
        .into_iter()
        .find_map(|known| {
            let answered = known.answered()?;
            let transcript = known.seen()?;
            Some(Sight {
                transcript,
                answered,
            })
        });
    let Some(sight) = sight else {
        return View::None;
    };
    // What was held back for safety's sake is about this probe alone.
    let held_back = sight
        .problem()
        .is_some_and(|problem| of_problem(problem).is_none());
    if held_back || Reached::of_transcript(sight.transcript) < Reached::of_text(case) {
        View::Behind(sight)
    } else {
        View::Open(sight)
    }
}

/// The answer that may be judged by.
pub(crate) fn from_here<'a>(case: &Case<'a>) -> Option<Sight<'a>> {
    look(case).open()
}

/// Why a probe could not look, as a gap says it.
pub(crate) fn reason(stage: &Stage) -> GapReason {
    match stage.problem {
        Some(
            Problem::DnsTimeout | Problem::TcpTimeout | Problem::TlsTimeout | Problem::HttpTimeout,
        ) => GapReason::Timeout,
        Some(Problem::RedirectRefused | Problem::RealmNotAllowed | Problem::CredentialWithheld) => {
            GapReason::NotAsked
        }
        Some(Problem::TokenRefused | Problem::Unauthorized | Problem::Forbidden) => {
            GapReason::Forbidden
        }
        _ => GapReason::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        CauseId, Confidence, Finding, GapReason, Question, Report, registry::Facts,
    };

    use super::*;
    use crate::{
        causes::support::missing::samples,
        fixture::{Fixture, challenged, failed_at, held_back, refused, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";

    fn pull(error: &str) -> Fixture {
        stuck(
            IMAGE,
            "ErrImagePull",
            &format!("failed to pull and unpack image \"{IMAGE}\": {error}"),
        )
    }

    fn not_found() -> Fixture {
        pull(&format!(
            "failed to resolve reference \"{IMAGE}\": {IMAGE}: not found"
        ))
    }

    fn report(fixture: &Fixture) -> Report {
        crate::report(&fixture.evidence)
    }

    /// The finding without what it leaves to the node's own view, since this place does not tell.
    fn left_to_the_node(mut finding: Finding) -> Finding {
        let view = finding.open.pop();
        assert!(matches!(view, Some(Question::NodeView { .. })), "{view:?}");
        finding.next.pop();
        finding
    }

    #[test]
    fn an_earlier_failure_here_is_a_gap_and_never_a_cause() {
        let alone = not_found().judge();
        for (name, problem, why) in [
            (StageName::Dns, Problem::DnsNxdomain, GapReason::Unreachable),
            (StageName::Dns, Problem::DnsTimeout, GapReason::Timeout),
            (
                StageName::Proxy,
                Problem::ProxyRefused,
                GapReason::Unreachable,
            ),
            (StageName::Tcp, Problem::TcpTimeout, GapReason::Timeout),
            (
                StageName::Tls,
                Problem::TlsUnknownAuthority,
                GapReason::Unreachable,
            ),
            (StageName::Http, Problem::HttpCut, GapReason::Unreachable),
            (
                StageName::Token,
                Problem::TokenHostUnreachable,
                GapReason::Unreachable,
            ),
            (
                StageName::Token,
                Problem::TokenRefused,
                GapReason::Forbidden,
            ),
            (
                StageName::Manifest,
                Problem::ServerError,
                GapReason::Unreachable,
            ),
            (
                StageName::Manifest,
                Problem::RateLimited,
                GapReason::Unreachable,
            ),
            (
                StageName::Manifest,
                Problem::Unauthorized,
                GapReason::Forbidden,
            ),
        ] {
            let fixture = not_found().registry(failed_at(IMAGE, name, problem, Facts::None));
            let finding = fixture.judge();
            assert_eq!(left_to_the_node(finding), alone, "{problem:?}");
            let gaps = report(&fixture).gaps;
            assert_eq!(gaps.len(), 1, "{problem:?}");
            assert_eq!(gaps[0].why, why, "{problem:?}");
            assert!(gaps[0].counts, "{problem:?}");
            assert!(
                gaps[0]
                    .what
                    .starts_with("look at `registry.example.com` from here (")
            );
        }
    }

    #[test]
    fn a_failure_at_the_same_stage_is_no_gap() {
        let refused = pull(
            "failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp 10.9.0.4:443: connect: connection refused",
        );
        let same = failed_at(IMAGE, StageName::Tcp, Problem::TcpRefused, Facts::None);
        let fixture = refused.clone().registry(same);
        assert!(report(&fixture).gaps.is_empty());
        let finding = fixture.judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableRefused);
        assert_eq!(finding.confidence, Confidence::Likely);
        // Here the name does not even resolve: nothing is known about the port.
        let earlier = failed_at(IMAGE, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let fixture = refused.clone().registry(earlier);
        assert_eq!(fixture.judge(), refused.judge());
        let gaps = report(&fixture).gaps;
        // What it would say could not change the cause.
        assert!(!gaps[0].counts);
    }

    #[test]
    fn a_login_that_was_held_back_decides_nothing() {
        let seen = challenged(
            IMAGE,
            &[("regcred", "registry.example.com", held_back())],
            refused(pulldoctor_model::registry::Identity::Unknown, 401),
        );
        let fixture = not_found().registry(seen);
        assert_eq!(left_to_the_node(fixture.judge()), not_found().judge());
        // Whoever held it back has said so, with what consents to it.
        assert!(report(&fixture).gaps.is_empty());
    }

    #[test]
    fn five_hundred_pods_with_one_probe_are_one_gap() {
        let seen = failed_at(IMAGE, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let mut fixture = not_found().registry(seen);
        let mut other = fixture.evidence.symptoms[0].clone();
        other.pod = "api-2".to_owned();
        fixture.evidence.symptoms.push(other);
        assert_eq!(report(&fixture).gaps.len(), 1);
    }

    #[test]
    fn a_layer_that_the_node_read_needs_more_than_a_manifest_here() {
        let text = "failed commit on ref \"layer-sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950\": unexpected commit digest sha256:a8f2c3f33adf8b40a3f21558f2a7e48fa1fefa482729e4e9f8db1dbb5f654e9a, expected sha256:1860da6d8902305631883be7a65a6a60d5f24be9048bf82c8c454ac2748d3950: failed precondition";
        let seen = failed_at(
            IMAGE,
            StageName::Layers,
            Problem::BlobHostUnreachable,
            Facts::None,
        );
        let fixture = pull(text).content(seen);
        assert_eq!(fixture.judge(), pull(text).judge());
        assert!(report(&fixture).gaps[0].counts);
    }

    #[test]
    fn what_the_registry_serves_to_a_login_excludes_the_credentials() {
        let text = "failed to resolve image: failed to do request: Head \"https://registry.example.com/v2/shop/api/manifests/1\": dial tcp: lookup registry.example.com on 10.0.0.2:53: no such host";
        let finding = pull(text).registry(samples::there(IMAGE)).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        let excluded: Vec<_> = finding.ruled_out.iter().map(|out| out.cause).collect();
        assert!(excluded.contains(&CauseId::AuthBadCredentials));
        assert!(excluded.contains(&CauseId::ImageNotFoundTag));
        // That it answers here says nothing about the node's network.
        assert!(!excluded.contains(&CauseId::RegistryUnreachableTimeout));
        assert!(!excluded.contains(&CauseId::TlsUnknownAuthority));
    }
}
