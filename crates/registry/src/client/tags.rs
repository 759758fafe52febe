//! What is near to an image that is not there: tags, and repositories where a catalogue is served.

use std::collections::HashSet;

use http::{HeaderValue, Method};
use serde_json::Value;

use super::exchange::Ask;
use super::manifest::Resolved;
use super::probe::Run;
use super::redirects::at_target;
use crate::judge::{Role, TagList, next_link, parse_error_body, rank_names, rank_tags};

/// Most bytes of one page.
const MOST_PAGE: usize = 4 * 1024 * 1024;
/// Tags that are asked for at a time; registries give fewer where they like.
const PAGE: usize = 1000;
/// Near ones that are kept.
const NEAR: usize = 10;
/// Most characters of a tag or repository.
const MOST_NAME: usize = 255;

impl Run<'_> {
    /// After a 404: the repository's tags, the near ones, and the digest that the tag has where
    /// only the digest is gone.
    pub(super) async fn look_around(&mut self, authorization: Option<HeaderValue>) {
        let target = format!("/v2/{}/tags/list?n={PAGE}", self.repository);
        let (list, requests) = self.list(&target, "tags", authorization.clone()).await;
        self.transcript.requests += requests;
        let image = &self.request.image;
        if let Some(tag) = image.effective_tag() {
            self.transcript.near_tags = rank_tags(tag, &list.tags, &self.request.history, NEAR);
        }
        let has_repository = list.status == Some(200);
        self.transcript.tags = Some(list);
        if image.digest().is_some()
            && let Some(tag) = image.tag().map(str::to_owned)
        {
            let found: Resolved = self
                .ask_manifest(Method::HEAD, &tag, authorization.clone())
                .await;
            self.transcript.tag_digest = found.facts.digest;
        }
        if !has_repository {
            let (list, requests) = self
                .list(
                    &format!("/v2/_catalog?n={PAGE}"),
                    "repositories",
                    authorization,
                )
                .await;
            self.transcript.requests += requests;
            self.transcript.near_repositories = rank_names(&self.repository, &list.tags, NEAR);
        }
    }

    /// Reads a list page by page. `Link` leads on; a page that brings nothing new ends it.
    async fn list(
        &mut self,
        target: &str,
        field: &str,
        authorization: Option<HeaderValue>,
    ) -> (TagList, u32) {
        let limits = &self.shared.config.limits;
        let (most_pages, most) = (limits.tag_pages.max(1), limits.tags);
        let mut ask = Ask::new(Method::GET, &self.origin, target);
        ask.authorization = authorization;
        ask.most = MOST_PAGE;
        let mut list = TagList::default();
        let mut known = HashSet::new();
        let before = self.transcript.requests;
        for page in 0..most_pages {
            let Ok(followed) = self.follow(&ask, Role::Manifest).await else {
                list.truncated = page > 0;
                break;
            };
            let answer = followed.answer;
            if page == 0 {
                list.status = Some(answer.status);
            }
            if !answer.is_success() {
                if page == 0 {
                    list.error = Some(parse_error_body(&answer.body));
                }
                list.truncated = page > 0;
                break;
            }
            let count = known.len();
            for tag in names(&answer.body, field) {
                if known.len() < most && known.insert(tag.clone()) {
                    list.tags.push(tag);
                }
            }
            let next = answer.header("link").and_then(next_link).and_then(|link| {
                let base = url::Url::parse(&format!("{}{}", ask.origin, ask.target)).ok()?;
                at_target(&ask, &base.join(link).ok()?, self.guard())
            });
            let Some(next) = next else {
                list.truncated = answer.is_cut_short;
                break;
            };
            list.truncated = true;
            if known.len() == count || known.len() >= most {
                break;
            }
            ask = next;
        }
        let requests = self.transcript.requests - before;
        self.transcript.requests = before;
        (list, requests)
    }
}

/// The names in a page; what is no name is left out.
pub(super) fn names(body: &[u8], field: &str) -> Vec<String> {
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
