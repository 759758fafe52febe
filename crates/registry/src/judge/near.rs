//! The tags that are nearest to one that is not there.

use std::cmp::Ordering;

use pulldoctor_model::registry::NearTag;

/// Most characters of a tag by the distribution's grammar; longer texts are none.
const MOST_TAG: usize = 128;

/// Ranks the tags of a repository by their nearness to a missing one: same but for case, `v` or
/// separators; then the nearest version with the same suffix (`-alpine`); then spelling. What ran
/// here before is put forward among equals. `latest` is never put forward: nobody knows what it
/// will be tomorrow. Returns at most `most`, nearest first; nothing that is farther than half of
/// the wanted tag.
pub fn rank_tags(wanted: &str, tags: &[String], history: &[String], most: usize) -> Vec<NearTag> {
    let target = Parsed::new(wanted);
    let mut near: Vec<(NearTag, Parsed<'_>)> = tags
        .iter()
        .filter(|tag| tag.as_str() != wanted && *tag != "latest" && is_tag(tag))
        .filter_map(|tag| {
            let parsed = Parsed::new(tag);
            let (distance, because) = distance(&target, &parsed)?;
            let near = NearTag {
                tag: tag.clone(),
                because,
                distance,
                ran_before: history.contains(tag),
            };
            Some((near, parsed))
        })
        .collect();
    near.sort_by(|(one, a), (other, b)| {
        one.distance
            .cmp(&other.distance)
            .then(other.ran_before.cmp(&one.ran_before))
            // The newer of two that are equally far.
            .then_with(|| compare_versions(&b.numbers, &a.numbers))
            .then_with(|| one.tag.len().cmp(&other.tag.len()))
            .then_with(|| one.tag.cmp(&other.tag))
    });
    near.dedup_by(|(one, _), (other, _)| one.tag == other.tag);
    near.into_iter().take(most).map(|(near, _)| near).collect()
}

/// Ranks repository names by their nearness to a missing one: the same last part first, then
/// spelling. At most `most`.
pub fn rank_names(wanted: &str, names: &[String], most: usize) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let own = last(wanted);
    let mut near: Vec<(u32, &String)> = names
        .iter()
        .filter(|name| name.as_str() != wanted)
        .filter_map(|name| {
            let edits = edit_distance(wanted, name);
            if last(name) == own {
                return Some((edits.min(3), name));
            }
            let length = wanted.len().max(name.len());
            (edits as usize * 3 <= length).then_some((edits, name))
        })
        .collect();
    near.sort();
    near.into_iter()
        .take(most)
        .map(|(_, name)| name.clone())
        .collect()
}

fn is_tag(text: &str) -> bool {
    text.len() <= MOST_TAG
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !text.starts_with(['.', '-'])
}

/// `v1.4.2-alpine` is `v`, 1.4.2 and `-alpine`.
struct Parsed<'a> {
    text: &'a str,
    numbers: Vec<u64>,
    suffix: &'a str,
    has_v: bool,
}

impl<'a> Parsed<'a> {
    fn new(text: &'a str) -> Self {
        let (has_v, rest) = match text.strip_prefix(['v', 'V']) {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => (true, rest),
            _ => (false, text),
        };
        let end = rest
            .bytes()
            .position(|byte| !(byte.is_ascii_digit() || byte == b'.'))
            .unwrap_or(rest.len());
        let (version, suffix) = rest.split_at(end);
        let numbers: Option<Vec<u64>> = version
            .trim_end_matches('.')
            .split('.')
            .map(|part| part.parse().ok())
            .collect();
        // Hashes such as `4f2a` begin with digits and are no versions.
        let numbers = match numbers {
            Some(numbers)
                if suffix.is_empty()
                    || suffix.starts_with(['-', '_', '.', '+'])
                    || numbers.len() > 1 =>
            {
                numbers
            }
            _ => Vec::new(),
        };
        let suffix = if numbers.is_empty() { text } else { suffix };
        Self {
            text,
            numbers,
            suffix,
            has_v,
        }
    }
}

/// How far two tags are apart, and why they are near; nothing where they are not.
fn distance(wanted: &Parsed<'_>, tag: &Parsed<'_>) -> Option<(u32, String)> {
    if wanted.text.eq_ignore_ascii_case(tag.text) {
        return Some((1, "differs in case only".to_owned()));
    }
    let versioned = !wanted.numbers.is_empty() && !tag.numbers.is_empty();
    if versioned && wanted.suffix.eq_ignore_ascii_case(tag.suffix) {
        if wanted.numbers == tag.numbers && wanted.has_v != tag.has_v {
            let text = if tag.has_v {
                "the same with `v`"
            } else {
                "the same without `v`"
            };
            return Some((2, text.to_owned()));
        }
        if trimmed(&wanted.numbers) == trimmed(&tag.numbers) {
            return Some((3, "the same version, written otherwise".to_owned()));
        }
    }
    if squeezed(wanted.text) == squeezed(tag.text) {
        return Some((4, "differs in separators only".to_owned()));
    }
    let edits = edit_distance(wanted.text, tag.text);
    let variant = if wanted.suffix.eq_ignore_ascii_case(tag.suffix) {
        0
    } else {
        // Another variant is another image: farther than any version of the same variant nearby.
        200 + 10 * edit_distance(wanted.suffix, tag.suffix).min(20)
    };
    if versioned {
        let (steps, because) = version_steps(&wanted.numbers, &tag.numbers);
        let because = if variant == 0 {
            because
        } else {
            "another variant".to_owned()
        };
        // A slip of the finger (1.4.22 or 1.42 for 1.4.2) is as near as a small step. Another
        // digit in place of one is no slip but another version.
        let is_slip = edits == 1 && wanted.text.len() != tag.text.len();
        let near = if is_slip { steps.min(30) } else { steps };
        return Some((10 + near + variant, because));
    }
    let length = u32::try_from(wanted.text.chars().count().max(tag.text.chars().count()))
        .unwrap_or(u32::MAX);
    let is_prefix = tag.text.starts_with(wanted.text) || wanted.text.starts_with(tag.text);
    if is_prefix && wanted.text.len().min(tag.text.len()) >= 3 {
        return Some((30 + edits, "one is the beginning of the other".to_owned()));
    }
    (edits * 2 <= length).then(|| {
        let letters = if edits == 1 {
            "character"
        } else {
            "characters"
        };
        (20 * edits, format!("differs in {edits} {letters}"))
    })
}

fn edit_distance(one: &str, other: &str) -> u32 {
    u32::try_from(strsim::osa_distance(one, other))
        .unwrap_or(u32::MAX)
        .min(1000)
}

fn trimmed(numbers: &[u64]) -> &[u64] {
    let end = numbers
        .iter()
        .rposition(|number| *number != 0)
        .map_or(0, |at| at + 1);
    &numbers[..end]
}

fn squeezed(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn compare_versions(one: &[u64], other: &[u64]) -> Ordering {
    trimmed(one).cmp(trimmed(other))
}

/// Steps between two versions: a patch is near, a minor version farther, a major one far.
fn version_steps(wanted: &[u64], tag: &[u64]) -> (u32, String) {
    let longest = wanted.len().max(tag.len());
    let part = |numbers: &[u64], at: usize| numbers.get(at).copied().unwrap_or(0);
    for at in 0..longest {
        let (a, b) = (part(wanted, at), part(tag, at));
        if a == b {
            continue;
        }
        let (weight, what) = match at {
            0 => (400, "another major version"),
            1 => (100, "another minor version"),
            2 => (20, "another patch version"),
            _ => (10, "another build"),
        };
        let apart = u32::try_from(a.abs_diff(b).min(9)).unwrap_or(9);
        return (weight + apart * weight / 10, what.to_owned());
    }
    (0, "the same version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(wanted: &str, tags: &[&str]) -> Vec<String> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        rank_tags(wanted, &tags, &[], 5)
            .into_iter()
            .map(|near| near.tag)
            .collect()
    }

    #[test]
    fn spelling_of_the_same_comes_first() {
        assert_eq!(nearest("v1.4.2", &["1.4.1", "1.4.2", "1.5.0"])[0], "1.4.2");
        assert_eq!(
            nearest("1.4", &["1.4.1", "v1.4", "1.4.0"])[..2],
            ["v1.4", "1.4.0"]
        );
        assert_eq!(nearest("Stable", &["stable", "stabler"])[0], "stable");
        assert_eq!(nearest("1_4_2", &["1.4.2", "1.4.3"])[0], "1.4.2");
    }

    #[test]
    fn the_nearest_version_of_the_same_variant() {
        assert_eq!(
            nearest(
                "1.4.3-alpine",
                &["1.4.3", "1.4.2-alpine", "1.3.9-alpine", "2.0.0-alpine"]
            ),
            ["1.4.2-alpine", "1.3.9-alpine", "1.4.3", "2.0.0-alpine"]
        );
        assert_eq!(
            nearest("1.4.3", &["1.4.2", "1.4.4", "1.4.3-alpine"])[..2],
            ["1.4.4", "1.4.2"]
        );
        assert_eq!(nearest("1.4.22", &["1.4.2", "1.3.22"])[0], "1.4.2");
    }

    #[test]
    fn typos_in_words() {
        assert_eq!(
            nearest("bookwrom", &["bookworm", "bullseye", "trixie"]),
            ["bookworm"]
        );
        assert_eq!(nearest("main", &["main-4f2a9c1", "dev"]), ["main-4f2a9c1"]);
        assert!(nearest("main", &["1.2.3", "release"]).is_empty());
    }

    #[test]
    fn repositories_by_their_last_part_and_spelling() {
        let names: Vec<String> = ["shop/api", "team/apis", "shop/web", "apis"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(
            rank_names("shop/apis", &names, 5),
            ["shop/api", "apis", "team/apis"]
        );
        assert!(rank_names("zzz", &names, 5).is_empty());
    }

    #[test]
    fn latest_is_never_put_forward_and_history_is() {
        assert!(nearest("lates", &["latest"]).is_empty());
        let tags = ["1.4.1".to_owned(), "1.4.3".to_owned()];
        let near = rank_tags("1.4.2", &tags, &tags[..1], 5);
        assert_eq!(near[0].tag, "1.4.1");
        assert!(near[0].ran_before);
    }

    #[test]
    fn hostile_tags_are_none() {
        let long = "1.4.2".repeat(1000);
        assert!(nearest("1.4.2", &[&long, "1.4.2\u{1b}[2J", "../1.4.2", "1.4.2/x"]).is_empty());
        nearest(&"9".repeat(1000), &["99999999999999999999999999.1"]);
    }
}
