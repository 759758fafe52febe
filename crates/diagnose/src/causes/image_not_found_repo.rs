//! `image-not-found-repo`.

use pulldoctor_messages::Fault;
use pulldoctor_model::{CauseId, Confidence, Finding, Question, clean_line};
use pulldoctor_reference::Reference;
use strsim::damerau_levenshtein;

use super::support::{
    answers_alike, ask_registry,
    missing::{Missing, missing, says_missing, there_now, with_sight},
    open_registry, with_private_rival, with_set_image,
};
use crate::{
    case::Case,
    cause::{Raised, cause},
    finding::FindingExt,
    view::Sight,
};

cause! {
    /// # image-not-found-repo
    ///
    /// ## What it means
    ///
    /// The registry knows no repository of this name: a typo in the path, a repository that was
    /// never pushed, moved or deleted, or an image that exists in another registry.
    ///
    /// ## How we know
    ///
    /// The registry answers `NAME_UNKNOWN`, or `404` to a request that carried a granted token.
    /// Registries that hide private repositories answer the same for those, so without such a
    /// token it stays `not-found-or-private`.
    ///
    /// ## What to do
    ///
    /// - Compare the path, part by part, with the registry's own page or catalogue.
    /// - An image that you built yourself has to be pushed, and named with its registry: a name
    ///   without a host is looked up on Docker Hub.
    ///
    /// ## What it is not
    ///
    /// It is not a missing tag: there the repository answers `tags/list`.
    ///
    /// ## Sources
    ///
    /// - distribution `registry/api/errcode/register.go`: `NAME_UNKNOWN` is 404.
    /// - distribution-spec 1.1.
    ImageNotFoundRepo
}

/// Edits that a slip of the fingers explains.
const SLIP: usize = 2;

/// Near names that are shown.
const NEAR: usize = 3;

fn questions(case: &Case<'_>) -> Vec<Question> {
    // A missing tag or digest asks for itself.
    match case.fault() {
        Fault::NameUnknown | Fault::ImageMissing => {
            let mut asked = vec![case.registry_elsewhere_question()];
            asked.extend(ask_registry(case));
            asked
        }
        Fault::ManifestMissing { .. } if !case.pasted => vec![case.registry_elsewhere_question()],
        _ => Vec::new(),
    }
}

fn judge(case: &Case<'_>) -> Option<Raised> {
    if !says_missing(case) {
        return None;
    }
    let by_name = *case.fault() == Fault::NameUnknown;
    match missing(case) {
        Missing::Repository { sight, sure } => Some(seen(case, &sight, sure).into()),
        Missing::There(sight) if by_name => {
            Some(there_now(case, CauseId::ImageNotFoundRepo, &sight).into())
        }
        Missing::Unasked | Missing::Unclear(_) if by_name => Some(by_text(case).into()),
        // The repository has come meanwhile, and the tag is what is missing; or the text does not
        // speak of the repository.
        _ => None,
    }
}

/// The registry says so, to whom it lets read.
fn seen(case: &Case<'_>, sight: &Sight<'_>, sure: bool) -> Finding {
    let mut finding = case.finding(
        CauseId::ImageNotFoundRepo,
        if sure {
            Confidence::Proven
        } else {
            Confidence::Likely
        },
        case.image_object(),
        format!("`{}` does not exist", case.repository()),
    );
    if sure {
        finding = finding.rules_out(
            CauseId::NotFoundOrPrivate,
            "the registry lets this reader in, and knows no such repository",
        );
    }
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "the registry knows no such name");
    }
    with_near(with_sight(finding, case, sight), case, sight)
}

/// Repositories with a name like it: those that other pods pull from, else those of the catalogue.
fn with_near(finding: Finding, case: &Case<'_>, sight: &Sight<'_>) -> Finding {
    let Some(image) = &case.image else {
        return finding;
    };
    let in_use = near_in_use(case, image);
    let listed = sight
        .transcript
        .near_repositories
        .iter()
        .take(NEAR)
        .cloned();
    let mut near = in_use.clone();
    near.extend(listed.filter(|name| !in_use.contains(name)));
    let Some(first) = near.first() else {
        return finding;
    };
    let finding = finding.note("nearest", clean_line(&near.join(", ")));
    let Some(right) = renamed(image, first) else {
        return finding;
    };
    let why = if in_use.contains(first) {
        "which other pods pull from"
    } else {
        "which the registry has"
    };
    with_set_image(
        finding,
        case,
        "set-repository",
        format!("use `{}`, {why}, if it is meant", clean_line(first)),
        &right,
    )
}

/// Repositories of the same registry that other pods pulled from, a slip of the fingers away.
fn near_in_use(case: &Case<'_>, image: &Reference) -> Vec<String> {
    let Some(places) = case.registry_elsewhere().seen() else {
        return Vec::new();
    };
    let wanted = image.repository();
    let mut near: Vec<(usize, String)> = places
        .iter()
        .filter(|place| place.usage.pulled > 0)
        .filter_map(|place| Reference::parse(&place.image).ok())
        .map(|other| other.repository().to_owned())
        .filter(|name| name != wanted)
        .map(|name| (damerau_levenshtein(wanted, &name), name))
        .filter(|(distance, _)| *distance <= SLIP)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(NEAR).collect()
}

/// The image in another repository of the same registry.
fn renamed(image: &Reference, repository: &str) -> Option<String> {
    let end = match (image.digest(), image.effective_tag()) {
        (Some(digest), _) => format!("@{digest}"),
        (None, Some(tag)) => format!(":{tag}"),
        (None, None) => String::new(),
    };
    let right = format!("{}/{repository}{end}", image.registry());
    // A name from a registry is hostile text until it is one.
    Reference::parse(&right).is_ok().then_some(right)
}

/// Without the registry's word.
fn by_text(case: &Case<'_>) -> Finding {
    let alike = answers_alike(&case.registry());
    let confidence = if alike {
        Confidence::Possible
    } else {
        Confidence::Likely
    };
    let mut finding = case.finding(
        CauseId::ImageNotFoundRepo,
        confidence,
        case.image_object(),
        format!("`{}` does not exist", case.repository()),
    );
    if let Some(image) = &case.image {
        finding = finding.caret(image.spans().repository, "the registry knows no such name");
    }
    if alike {
        finding = open_registry(with_private_rival(finding, case), case);
    }
    finding
}

#[cfg(test)]
mod tests {
    use pulldoctor_model::{
        Answer, CauseId, Confidence, ImagePlace, Question, Usage, registry::StageName,
    };

    use crate::{
        causes::support::missing::samples,
        fixture::{good_before, granted, stuck},
    };

    const IMAGE: &str = "registry.example.com/shop/api:1";
    const TEXT: &str = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example.com/shop/api:1\": failed to resolve reference \"registry.example.com/shop/api:1\": registry.example.com/shop/api:1: not found";

    #[test]
    fn an_unknown_name_told_to_a_login_proves_it() {
        for code in ["NAME_UNKNOWN", "NOT_FOUND"] {
            let mut seen = samples::refuses(IMAGE, 404, Some(code));
            seen.near_repositories = vec!["shop/api-server".to_owned()];
            let finding = stuck(IMAGE, "ErrImagePull", TEXT).registry(seen).judge();
            assert_eq!(finding.cause, CauseId::ImageNotFoundRepo);
            assert_eq!(finding.confidence, Confidence::Proven);
            assert!(finding.rivals.is_empty());
            assert!(
                finding.remedies[0]
                    .command
                    .as_deref()
                    .is_some_and(|command| {
                        command.contains("registry.example.com/shop/api-server:1")
                    })
            );
        }
    }

    #[test]
    fn a_near_repository_that_other_pods_use_comes_first() {
        let mut seen = samples::refuses(IMAGE, 404, Some("NAME_UNKNOWN"));
        seen.near_repositories = vec!["shop/apis".to_owned()];
        let place = |image: &str, pulled| ImagePlace {
            image: image.to_owned(),
            node: Some("n2".to_owned()),
            usage: Usage { pulled, waiting: 0 },
            latest: None,
        };
        let question = Question::RegistryElsewhere {
            registry: "registry.example.com".to_owned(),
        };
        let places = vec![
            place("registry.example.com/shop/apt:3", 0),
            place("registry.example.com/shop/pai:2", 4),
            place("registry.example.com/shop/database:2", 4),
        ];
        let finding = stuck(IMAGE, "ErrImagePull", TEXT)
            .answer(question, Answer::Elsewhere(places))
            .registry(seen)
            .judge();
        assert!(
            finding
                .notes
                .contains(&("nearest".to_owned(), "shop/pai, shop/apis".to_owned()))
        );
        assert!(
            finding.remedies[0]
                .command
                .as_deref()
                .is_some_and(|command| { command.contains("registry.example.com/shop/pai:1") })
        );
    }

    #[test]
    fn nobody_on_a_registry_that_hides_is_no_proof() {
        let image = "ghcr.io/shop/api:1";
        let text = TEXT.replace("registry.example.com", "ghcr.io");
        let mut seen = samples::refuses(image, 404, Some("NAME_UNKNOWN"));
        seen.credentials = vec![granted(404)];
        let finding = stuck(image, "ErrImagePull", &text).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundRepo);
        assert_eq!(finding.confidence, Confidence::Likely);
    }

    #[test]
    fn a_repository_that_came_meanwhile_lacks_the_tag() {
        let text = "repository registry.example.com/shop/api not found: name unknown: repository name not known to registry";
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .registry(samples::lists(IMAGE, &["2"]))
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Likely);
        let there = stuck(IMAGE, "ErrImagePull", text)
            .registry(samples::there(IMAGE))
            .judge();
        assert_eq!(there.cause, CauseId::ImageNotFoundRepo);
        assert_eq!(there.confidence, Confidence::Possible);
    }

    #[test]
    fn a_refusal_here_says_nothing_about_a_repository_that_the_node_did_not_find() {
        let mut seen = samples::refuses(IMAGE, 404, Some("NAME_UNKNOWN"));
        seen.stages = good_before(IMAGE, StageName::Http).stages;
        seen.stages.push(crate::fixture::stage(
            StageName::Http,
            Some(pulldoctor_model::registry::Problem::ServerError),
        ));
        let finding = stuck(IMAGE, "ErrImagePull", TEXT).registry(seen).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Possible);
    }

    #[test]
    fn the_oldest_text_is_decided_by_the_registry() {
        let text = "Error: image registry.example.com/shop/api:1 not found";
        let alone = stuck(IMAGE, "ErrImagePull", text).judge();
        assert_eq!(alone.cause, CauseId::NotFoundOrPrivate);
        let no_name = samples::refuses(IMAGE, 404, Some("NAME_UNKNOWN"));
        let finding = stuck(IMAGE, "ErrImagePull", text).registry(no_name).judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundRepo);
        let finding = stuck(IMAGE, "ErrImagePull", text)
            .registry(samples::lists(IMAGE, &["2"]))
            .judge();
        assert_eq!(finding.cause, CauseId::ImageNotFoundTag);
        assert_eq!(finding.confidence, Confidence::Proven);
    }
}
