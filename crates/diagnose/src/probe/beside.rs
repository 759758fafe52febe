//! Two places that looked at the same image: what one adds to the other, and where they differ.

use pulldoctor_model::registry::{Facts, Problem, Stage, StageName, Transcript};

use super::{Seat, is_own_network};

/// Adds to what was seen elsewhere what only this computer can ask: near tags and, where logins
/// were tried from here, how they fared. `has_logins` says that they were wanted. Returns whether
/// stages of here stand in the transcript.
///
/// What is taken is the registry's answer, which is the same everywhere, never the way to it.
pub fn learn(there: &mut Transcript, here: &Transcript, has_logins: bool) -> bool {
    let Some(failed) = there.first_failure() else {
        return false;
    };
    let (name, problem) = (failed.stage, failed.problem);
    let Some(here_at) = here.stages.iter().position(|stage| stage.stage == name) else {
        return false;
    };
    let is_same = here.stages[here_at].problem == problem;
    if has_logins && is_login_wanted(name, problem) {
        // From the token on: the first stage in which a login matters.
        let from = |stage: &Stage| stage.stage >= StageName::Token;
        there.stages.retain(|stage| !from(stage));
        there
            .stages
            .extend(
                here.stages
                    .iter()
                    .filter(|stage| from(stage))
                    .cloned()
                    .map(|mut stage| {
                        stage.detail.push_str(" (asked from here)");
                        stage
                    }),
            );
        take(there, here);
        there.credentials.clone_from(&here.credentials);
        there.gaps.clone_from(&here.gaps);
        return true;
    }
    // What the other place lists is its registry's own.
    let is_listed = there.tags.as_ref().and_then(|list| list.status) == Some(200);
    if is_same && name == StageName::Manifest && !is_listed && !has_other_addresses(there, here) {
        take(there, here);
    }
    false
}

fn take(there: &mut Transcript, here: &Transcript) {
    there.tags.clone_from(&here.tags);
    there.near_tags.clone_from(&here.near_tags);
    there.tag_digest.clone_from(&here.tag_digest);
    there.near_repositories.clone_from(&here.near_repositories);
}

/// Whether the registry answered, and wants somebody to log in.
pub(super) fn is_login_wanted(stage: StageName, problem: Option<Problem>) -> bool {
    matches!(stage, StageName::Token | StageName::Manifest)
        && matches!(
            problem,
            Some(
                Problem::TokenRefused
                    | Problem::Unauthorized
                    | Problem::Forbidden
                    | Problem::NotFound
            )
        )
}

/// How the two differ, a sentence each, for whoever asks whether it is the place.
pub fn compare(seat: Seat<'_>, there: &Transcript, here: &Transcript) -> Vec<String> {
    let mut said = vec![outcome(seat, there, here)];
    if let Some((own, other)) = addresses(there).zip(addresses(here))
        && own != other
    {
        said.push(format!(
            "`{}` is {} here and {} {}",
            here.host,
            other.join(", "),
            own.join(", "),
            seat.at()
        ));
    }
    said
}

/// What was seen from here, where nobody could look from the other place.
pub fn alone(here: &Transcript) -> String {
    match here.first_failure() {
        None => "every stage is good here".to_owned(),
        Some(stage) if is_own_network(stage) => {
            format!("nothing leaves this computer: {}", stage.detail)
        }
        Some(stage) => format!("fails here: {}: {}", stage.stage.as_str(), stage.detail),
    }
}

fn outcome(seat: Seat<'_>, there: &Transcript, here: &Transcript) -> String {
    let own = here.first_failure();
    if let Some(stage) = own.filter(|stage| is_own_network(stage)) {
        return format!("nothing leaves this computer: {}", stage.detail);
    }
    let fault = |stage: &Stage| format!("{}: {}", stage.stage.as_str(), stage.detail);
    match (there.first_failure(), own) {
        (None, None) => "every stage is good here, too".to_owned(),
        (Some(_), None) => format!("every stage is good here: it is {}", only(seat)),
        (None, Some(stage)) => format!("fails here: {}", fault(stage)),
        (Some(one), Some(other)) if one.stage == other.stage && one.problem == other.problem => {
            format!("the same here ({})", fault(other))
        }
        (Some(_), Some(other)) => format!("fails otherwise here: {}", fault(other)),
    }
}

fn only(seat: Seat<'_>) -> String {
    match seat {
        Seat::Here => "nowhere else".to_owned(),
        Seat::Node(name) => format!("what node `{name}` has of its own"),
        Seat::Namespace(name) => format!("what namespace `{name}` or its nodes have of their own"),
    }
}

/// The addresses that the registry's name led to, sorted; none where it is an address itself.
fn addresses(transcript: &Transcript) -> Option<Vec<String>> {
    match &transcript.stage(StageName::Dns)?.facts {
        Facts::Dns(facts) if !facts.addresses.is_empty() => {
            let mut list: Vec<String> = facts.addresses.iter().map(ToString::to_string).collect();
            list.sort();
            Some(list)
        }
        _ => None,
    }
}

fn has_other_addresses(there: &Transcript, here: &Transcript) -> bool {
    addresses(there) != addresses(here)
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::registry::{DnsFacts, TagList};

    use super::super::tests::{stage, transcript};
    use super::*;

    fn resolved(mut transcript: Transcript, address: &str) -> Transcript {
        let facts = DnsFacts {
            name: transcript.host.clone(),
            search: Vec::new(),
            addresses: vec![address.parse().unwrap()],
            system: None,
            questions: Vec::new(),
            disagree: false,
        };
        transcript
            .stages
            .insert(0, stage(StageName::Dns, None, Facts::Dns(facts)));
        transcript
    }

    fn good(stages: &[StageName]) -> Transcript {
        let mut transcript = transcript("registry.lab", StageName::Dns, Problem::DnsOther);
        transcript.stages = stages
            .iter()
            .map(|name| stage(*name, None, Facts::None))
            .collect();
        transcript
    }

    #[test]
    fn what_differs_is_said() {
        let node = Seat::Node("n1");
        let refused = transcript("registry.lab", StageName::Tcp, Problem::TcpRefused);
        let silent = transcript("registry.lab", StageName::Tcp, Problem::TcpTimeout);
        let cut_off = transcript("registry.lab", StageName::Dns, Problem::DnsUnreachable);
        let fine = good(&[StageName::Tcp]);
        for (there, here, expected) in [
            (&fine, &fine, "every stage is good here, too"),
            (
                &refused,
                &fine,
                "every stage is good here: it is what node `n1` has of its own",
            ),
            (&fine, &refused, "fails here: tcp: "),
            (&refused, &refused, "the same here (tcp: )"),
            (&refused, &silent, "fails otherwise here: tcp: "),
            (&refused, &cut_off, "nothing leaves this computer: "),
        ] {
            assert_eq!(compare(node, there, here), [expected]);
        }
        assert_eq!(alone(&fine), "every stage is good here");
        assert_eq!(alone(&refused), "fails here: tcp: ");
        assert_eq!(alone(&cut_off), "nothing leaves this computer: ");
        let split = compare(
            node,
            &resolved(fine.clone(), "10.0.0.1"),
            &resolved(fine.clone(), "10.0.0.2"),
        );
        assert_eq!(
            split[1],
            "`registry.lab` is 10.0.0.2 here and 10.0.0.1 on node `n1`"
        );
    }

    #[test]
    fn tags_are_taken_from_the_same_registry_only() {
        let missing = || transcript("registry.lab", StageName::Manifest, Problem::NotFound);
        let listed = TagList {
            status: Some(200),
            tags: vec!["2".to_owned()],
            ..TagList::default()
        };
        for (address, is_taken) in [("10.0.0.1", true), ("10.0.0.2", false)] {
            let mut there = resolved(missing(), "10.0.0.1");
            let mut here = resolved(missing(), address);
            here.tags = Some(listed.clone());
            assert!(!learn(&mut there, &here, false));
            assert_eq!(there.tags.is_some(), is_taken);
        }
    }

    #[test]
    fn a_login_is_learnt_only_where_both_came_to_it() {
        let wanted = || transcript("registry.lab", StageName::Token, Problem::Unauthorized);
        let mut there = wanted();
        let mut here = good(&[StageName::Http, StageName::Token, StageName::Manifest]);
        here.credentials.clear();
        assert!(
            !learn(&mut there.clone(), &here, false),
            "no login was wanted"
        );
        assert!(learn(&mut there, &here, true));
        assert_eq!(there.stages.len(), 2);
        assert!(there.first_failure().is_none());
        assert!(there.stages[1].detail.ends_with("(asked from here)"));

        let unreached = transcript("registry.lab", StageName::Tcp, Problem::TcpRefused);
        let mut there = wanted();
        assert!(!learn(&mut there, &unreached, true));
        assert_eq!(there, wanted());
    }
}
