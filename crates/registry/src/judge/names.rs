//! Lists of names that come page by page: the tags of a repository, the repositories of a
//! catalogue.

use std::collections::HashSet;

use serde_json::Value;

use super::{TagList, next_link, parse_error_body};

/// Most characters of a tag or repository.
const MOST_NAME: usize = 255;

/// A list under way. Hostile: what is no name is left out, and it ends.
#[derive(Debug)]
pub struct NameList {
    field: &'static str,
    /// Pages that may still be read.
    pages: usize,
    most: usize,
    known: HashSet<String>,
    list: TagList,
}

/// One page as it came.
#[derive(Debug, Clone, Copy)]
pub struct NamePage<'a> {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// There was more of the body.
    pub is_cut_short: bool,
    /// The header `Link`.
    pub link: Option<&'a str>,
}

impl NameList {
    /// Of the names in this field, of so many pages and names at most. One page is always read.
    pub fn new(field: &'static str, pages: usize, most: usize) -> Self {
        Self {
            field,
            pages,
            most,
            known: HashSet::new(),
            list: TagList::default(),
        }
    }

    /// Reads a page. Returns where `Link` leads, where that page is to be asked for; one that
    /// brings nothing new ends the list.
    pub fn read<'a>(&mut self, page: &NamePage<'a>) -> Option<&'a str> {
        let is_first = self.list.status.is_none();
        self.list.status.get_or_insert(page.status);
        self.pages = self.pages.saturating_sub(1);
        if !(200..300).contains(&page.status) {
            if is_first {
                self.list.error = Some(parse_error_body(page.body));
            }
            self.list.truncated = !is_first;
            return None;
        }
        let before = self.known.len();
        for name in names(page.body, self.field) {
            if self.known.len() < self.most && self.known.insert(name.clone()) {
                self.list.tags.push(name);
            }
        }
        let Some(next) = page.link.and_then(next_link) else {
            self.list.truncated = page.is_cut_short || self.known.len() >= self.most;
            return None;
        };
        self.list.truncated = true;
        let has_room = self.known.len() < self.most && self.pages > 0;
        (has_room && self.known.len() > before).then_some(next)
    }

    /// What was read. Where no answer came to the next page, there is more.
    pub fn into_list(self) -> TagList {
        self.list
    }
}

/// The names in a page; what is no name is left out.
pub fn names(body: &[u8], field: &str) -> Vec<String> {
    let Ok(Value::Object(mut page)) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    let Some(Value::Array(list)) = page.remove(field) else {
        return Vec::new();
    };
    list.into_iter()
        .filter_map(|name| match name {
            Value::String(name) if is_name(&name) => Some(name),
            _ => None,
        })
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MOST_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<'a>(body: &'a str, link: Option<&'a str>) -> NamePage<'a> {
        NamePage {
            status: 200,
            body: body.as_bytes(),
            is_cut_short: false,
            link,
        }
    }

    const NEXT: Option<&str> = Some("</next>; rel=next");

    #[test]
    fn pages_are_followed_while_they_bring_something_new() {
        let mut list = NameList::new("tags", 9, 100);
        assert_eq!(list.read(&page(r#"{"tags":["a"]}"#, NEXT)), Some("/next"));
        assert_eq!(list.read(&page(r#"{"tags":["a"]}"#, NEXT)), None);
        let list = list.into_list();
        assert_eq!((list.tags, list.truncated), (vec!["a".to_owned()], true));

        let mut list = NameList::new("tags", 9, 100);
        list.read(&page(r#"{"tags":["a"]}"#, NEXT));
        list.read(&page(r#"{"tags":["b"]}"#, None));
        assert!(!list.into_list().truncated);
    }

    #[test]
    fn pages_and_names_are_counted() {
        let mut list = NameList::new("tags", 1, 100);
        assert_eq!(list.read(&page(r#"{"tags":["a"]}"#, NEXT)), None);
        assert!(list.into_list().truncated);

        let mut list = NameList::new("tags", 9, 2);
        assert_eq!(list.read(&page(r#"{"tags":["a","b","c"]}"#, NEXT)), None);
        let list = list.into_list();
        assert_eq!((list.tags.len(), list.truncated), (2, true));
    }

    #[test]
    fn a_refusal_is_kept_and_what_is_no_name_is_not() {
        let mut list = NameList::new("tags", 9, 100);
        let body = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;
        let refused = NamePage {
            status: 404,
            ..page(body, NEXT)
        };
        assert_eq!(list.read(&refused), None);
        let list = list.into_list();
        assert_eq!((list.status, list.truncated), (Some(404), false));
        assert!(list.error.is_some_and(|error| error.has("NAME_UNKNOWN")));

        let hostile = r#"{"tags":["a\u001b[2J","","../x?y","ok",7]}"#;
        assert_eq!(names(hostile.as_bytes(), "tags"), ["ok"]);
        assert!(names(b"[", "tags").is_empty());
    }
}
