//! What is near to an image that is not there: tags, and repositories where a catalogue is served.

use pulldoctor_registry::judge::{MOST_NODE_NAMES, NameList, NamePage, NodeImage, Role, TagList};

use crate::exchange::Ask;
use crate::image::Look;

/// Names that are asked for at a time; registries give fewer where they like.
const PAGE: usize = 1000;
/// Most pages of one list.
const MOST_PAGES: usize = 5;
/// Most bytes of one page.
const MOST_PAGE: usize = 512 * 1024;
/// Most names of one list.
const MOST_NAMES: usize = 5000;

impl Look<'_> {
    /// After a 404: the repository's tags, the digest that the tag has where only the digest is
    /// gone, and other repositories where this one lists none. Which are near is judged at home.
    pub(crate) fn look_around(&mut self, image: &NodeImage) {
        let path = format!("/v2/{}/tags/list", image.repository);
        let mut list = self.list(&path, "tags");
        let has_repository = list.status == Some(200);
        let wanted = image.tag.as_ref().unwrap_or(&image.reference);
        if most_alike(&mut list.tags, wanted) {
            list.truncated = true;
        }
        self.transcript.tags = Some(list);
        if let Some(tag) = image.tag.as_ref().filter(|tag| **tag != image.reference) {
            let found = self.ask_manifest("HEAD", image, tag);
            self.transcript.tag_digest = found.facts.digest;
        }
        if !has_repository {
            let mut names = self.list("/v2/_catalog", "repositories").tags;
            most_alike(&mut names, &image.repository);
            self.transcript.near_repositories = names;
        }
    }

    fn list(&mut self, path: &str, field: &'static str) -> TagList {
        let mut list = NameList::new(field, MOST_PAGES, MOST_NAMES);
        let mut url = self.api(path);
        url.query = Some(format!("n={PAGE}"));
        let mut ask = Ask::new("GET", url);
        ask.authorization.clone_from(&self.token);
        ask.most = MOST_PAGE;
        while let Ok(answer) = self.asker.follow(&ask, Role::Manifest).result {
            let next = list.read(&NamePage {
                status: answer.status,
                body: &answer.body,
                is_cut_short: answer.is_cut_short,
                link: answer.header("link"),
            });
            let Some(url) = next.and_then(|link| ask.url.join(link)) else {
                break;
            };
            if url.origin != ask.url.origin {
                ask.authorization = None;
            }
            ask.url = url;
        }
        list.into_list()
    }
}

/// Keeps as many names as an answer may hold, those that begin most like the wanted one. Returns
/// whether any was left out.
fn most_alike(names: &mut Vec<String>, wanted: &str) -> bool {
    if names.len() <= MOST_NODE_NAMES {
        return false;
    }
    // By hand: a sort weighs several kilobytes.
    let mut kept = Vec::with_capacity(MOST_NODE_NAMES);
    for shared in (0..=wanted.len()).rev() {
        let alike = names
            .iter()
            .filter(|name| beginning(name, wanted) == shared);
        kept.extend(alike.take(MOST_NODE_NAMES - kept.len()).cloned());
    }
    *names = kept;
    true
}

/// How many bytes two names share at the beginning, whatever the case and a `v` before a version.
fn beginning(one: &str, other: &str) -> usize {
    let plain = |name| str::trim_start_matches(name, ['v', 'V']);
    let pairs = plain(one).bytes().zip(plain(other).bytes());
    pairs
        .take_while(|(one, other)| one.eq_ignore_ascii_case(other))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_go_home() {
        let mut few = vec!["b".to_owned(), "a".to_owned()];
        assert!(!most_alike(&mut few, "a"));
        assert_eq!(few, ["b", "a"], "the registry's order");
        let mut many: Vec<String> = (0..900).map(|n| format!("0.{n}")).collect();
        many.extend(["v1.4.1", "1.4", "1.4.2"].map(str::to_owned));
        assert!(most_alike(&mut many, "V1.4.2"));
        assert_eq!(many.len(), MOST_NODE_NAMES);
        assert_eq!(many[..3], ["1.4.2", "v1.4.1", "1.4"]);
    }
}
