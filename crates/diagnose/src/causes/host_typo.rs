//! `host-typo`.

use pulldoctor_messages::{DnsFault, Fault};
use pulldoctor_model::{CauseId, Confidence, Question};
use strsim::damerau_levenshtein;

use super::{
    here::{self, with_here},
    support::{checked::with_checked, with_set_image},
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    node_sight::from_node,
    places::Places,
    view::{Reached, from_here},
};

cause! {
    /// # host-typo
    ///
    /// ## What it means
    ///
    /// The first part of the image's name was read as the host of a registry, and there is no
    /// such host: a typo in the host (`regsitry.example.com`), a stray dot (`ghcr.io.`), or an
    /// upper-case namespace (`MyOrg/app`), which newer runtimes read as a host.
    ///
    /// ## How we know
    ///
    /// The node's name server answers that the name does not exist, and a host that is one or two
    /// letters away is one that other pods of this cluster pull from. A host that answers from here
    /// is no typo: the node alone does not know it.
    ///
    /// ## What to do
    ///
    /// Set the image to the right host.
    ///
    /// ## What it is not
    ///
    /// A host that only this node cannot resolve, or that no near host explains, is
    /// `registry-unreachable-dns`.
    ///
    /// ## Sources
    ///
    /// - distribution/reference `normalize.go`: what makes a first part a host; since 0.5
    ///   (kubelet 1.29) an upper-case letter does.
    HostTypo
    generals: [RegistryUnreachableDns],
}

/// Public registries that a typo may have meant.
const PUBLIC: &[&str] = &[
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "quay.io",
    "registry.gitlab.com",
    "registry.k8s.io",
    "registry.redhat.io",
    "registry.access.redhat.com",
    "nvcr.io",
];

fn questions(_: &Case<'_>) -> Vec<Question> {
    Vec::new()
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    let Fault::Dns {
        failure: DnsFault::NoSuchHost,
    } = case.fault()
    else {
        return None;
    };
    // Another host than the one that the image names is a mirror's or a blob host's fault.
    if case.reading().foreign_host.is_some() {
        return None;
    }
    let image = case.image.as_ref()?;
    let span = image.spans().registry?;
    let written = span.of(image.as_written())?;
    // A host that answers here exists: it is unknown to the node alone.
    if existed(case, written) || here::answers(case) || resolves_for_node(case) {
        return None;
    }
    let sight = from_here(case);
    // The name resolves here, and nothing more is known of it.
    let resolves_here =
        sight.is_some_and(|sight| Reached::of_transcript(sight.transcript) >= Reached::Resolved);
    // `registry1` and `registry2` are near, and both may be meant.
    let near = near_in_use(case, written);
    if let Some(near) = near
        .as_deref()
        .filter(|near| !differ_by_digits(written, near) && !resolves_here)
    {
        let right = format!("{near}{}", &image.as_written()[span.end..]);
        let finding = case
            .finding(
                CauseId::HostTypo,
                Confidence::Proven,
                case.image_object(),
                format!("`{written}` does not exist; other pods pull from `{near}`"),
            )
            .seen(
                case.registries_in_use().answered(),
                format!("`{near}` serves other pods of this cluster"),
            )
            .caret(Some(span), format!("no such host; `{near}`?"));
        let finding = match &sight {
            Some(sight) => with_checked(finding, sight),
            None => finding,
        };
        return Some(
            with_set_image(finding, case, "set-host", format!("use `{right}`"), &right).into(),
        );
    }
    let guess = near
        .or_else(|| near_public(written).map(str::to_owned))
        .or_else(|| upper_case_owner(written))?;
    let finding = case
        .finding(
            CauseId::HostTypo,
            Confidence::Possible,
            case.image_object(),
            format!("`{written}` does not exist; perhaps `{guess}` is meant"),
        )
        .rival(
            CauseId::RegistryUnreachableDns,
            "the name may be right and only unknown to the node's name server",
            case.node_view_question().map_or_else(
                || "a lookup on the node".to_owned(),
                |question| question.to_string(),
            ),
        )
        .caret(Some(span), format!("no such host; `{guess}`?"));
    Some(with_here(finding, case).into())
}

/// Whether the name resolves on the node itself by now, or for its pods.
fn resolves_for_node(case: &Case<'_>) -> bool {
    from_node(case).is_some_and(|look| look.reached() >= Reached::Resolved)
}

/// Whether an image was ever pulled from the host as written: then the name was right once.
fn existed(case: &Case<'_>, written: &str) -> bool {
    let in_use = case.registries_in_use().seen().is_some_and(|registries| {
        registries
            .iter()
            .any(|registry| registry.host == written && registry.usage.pulled > 0)
    });
    in_use || Places::of_registry(case).is_some_and(|places| !places.pulled.is_empty())
}

/// Whether two names are the same but for their digits.
fn differ_by_digits(a: &str, b: &str) -> bool {
    let letters = |name: &str| -> String { name.chars().filter(|c| !c.is_ascii_digit()).collect() };
    letters(a) == letters(b)
}

/// A registry that works for other pods and whose name is one or two edits away.
fn near_in_use(case: &Case<'_>, written: &str) -> Option<String> {
    let registries = case.registries_in_use().seen()?;
    registries
        .iter()
        .filter(|registry| registry.usage.pulled > 0)
        .filter(|registry| is_near(written, &registry.host))
        .min_by_key(|registry| damerau_levenshtein(written, &registry.host))
        .map(|registry| registry.host.clone())
}

fn near_public(written: &str) -> Option<&'static str> {
    PUBLIC
        .iter()
        .filter(|host| is_near(written, host))
        .min_by_key(|host| damerau_levenshtein(written, host))
        .copied()
}

/// `MyOrg` in `MyOrg/app:1` is a namespace of Docker Hub whose name is lower-case.
fn upper_case_owner(written: &str) -> Option<String> {
    let is_plain = !written.contains(['.', ':']) && written.chars().any(char::is_uppercase);
    is_plain.then(|| format!("docker.io/{}", written.to_lowercase()))
}

/// Near enough to be a slip of the fingers: one edit, two for names of at least ten letters; the
/// port has to agree.
fn is_near(written: &str, host: &str) -> bool {
    let distance = damerau_levenshtein(written, host);
    let allowed = if host.len() >= 10 { 2 } else { 1 };
    distance > 0 && distance <= allowed && port(written) == port(host)
}

fn port(host: &str) -> Option<&str> {
    host.rsplit_once(':').map(|(_, port)| port)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, Question, RegistryUse, Usage,
        registry::{Facts, Problem, StageName},
    };

    use crate::{
        causes::support::missing::samples::there,
        fixture::{Fixture, failed_at, stuck},
    };

    fn unresolved(host: &str, failure: &str) -> Fixture {
        let image = format!("{host}/shop/api:1");
        let text = format!(
            "failed to pull and unpack image \"{image}\": failed to resolve image: failed to do request: Head \"https://{host}/v2/shop/api/manifests/1\": dial tcp: lookup {host} on 10.0.0.2:53: {failure}"
        );
        stuck(&image, "ErrImagePull", &text)
    }

    fn in_use(fixture: Fixture, hosts: &[&str]) -> Fixture {
        let registries = hosts
            .iter()
            .map(|host| RegistryUse {
                host: (*host).to_owned(),
                usage: Usage {
                    pulled: 3,
                    waiting: 0,
                },
            })
            .collect();
        fixture.answer(Question::RegistriesInUse, Answer::Registries(registries))
    }

    #[test]
    fn a_near_host_that_others_use_proves_it() {
        let fixture = in_use(
            unresolved("regsitry.example.com", "no such host"),
            &["quay.io", "registry.example.com"],
        );
        let finding = fixture.judge();
        assert_eq!(finding.cause, CauseId::HostTypo);
        assert_eq!(finding.confidence, Confidence::Proven);
        assert_eq!(
            finding.remedies[0].command.as_deref(),
            Some("kubectl set image deployment/api api=registry.example.com/shop/api:1 -n shop")
        );
        assert!(finding.rivals.is_empty(), "the general form is no rival");
    }

    #[test]
    fn without_a_near_host_in_use_it_stays_dns() {
        let far = in_use(
            unresolved("registry.internal.example", "no such host"),
            &["quay.io"],
        );
        assert_eq!(far.cause(), CauseId::RegistryUnreachableDns);
        // A name server that fails says nothing about the name.
        let failing = in_use(
            unresolved("regsitry.example.com", "server misbehaving"),
            &["registry.example.com"],
        );
        assert_eq!(failing.cause(), CauseId::RegistryUnreachableDns);
    }

    #[test]
    fn another_number_is_no_slip() {
        let fixture = in_use(
            unresolved("registry1.example.com", "no such host"),
            &["registry2.example.com"],
        );
        assert_eq!(fixture.cause(), CauseId::RegistryUnreachableDns);
    }

    #[test]
    fn a_host_that_served_before_is_no_typo() {
        let fixture = in_use(
            unresolved("registri.example.com", "no such host"),
            &["registry.example.com", "registri.example.com"],
        );
        assert_eq!(fixture.cause(), CauseId::RegistryUnreachableDns);
    }

    #[test]
    fn a_host_that_answers_here_is_no_typo() {
        let image = "regsitry.example.com/shop/api:1";
        let fixture = || {
            in_use(
                unresolved("regsitry.example.com", "no such host"),
                &["registry.example.com"],
            )
        };
        let finding = fixture().registry(there(image)).judge();
        assert_eq!(finding.cause, CauseId::RegistryUnreachableDns);
        assert_eq!(finding.confidence, Confidence::Likely);
        // The name resolves here, to what does not answer: the node alone may not know it.
        let seen = failed_at(image, StageName::Tcp, Problem::TcpTimeout, Facts::None);
        assert_ne!(
            fixture().registry(seen).judge().confidence,
            Confidence::Proven
        );
        let seen = failed_at(image, StageName::Dns, Problem::DnsNxdomain, Facts::None);
        let finding = fixture().registry(seen).judge();
        assert_eq!(finding.cause, CauseId::HostTypo);
        assert_eq!(finding.confidence, Confidence::Proven);
    }
}
