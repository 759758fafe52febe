//! What is near to an image that is not there: tags, and repositories where a catalogue is served.

use http::{HeaderValue, Method};

use super::exchange::Ask;
use super::manifest::Resolved;
use super::probe::Run;
use super::redirects::at_target;
use crate::judge::{NameList, NamePage, Role, TagList, rank_names, rank_tags};

/// Most bytes of one page.
const MOST_PAGE: usize = 4 * 1024 * 1024;
/// Tags that are asked for at a time; registries give fewer where they like.
const PAGE: usize = 1000;
/// Near ones that are kept.
const NEAR: usize = 10;

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

    /// Reads a list page by page.
    async fn list(
        &mut self,
        target: &str,
        field: &'static str,
        authorization: Option<HeaderValue>,
    ) -> (TagList, u32) {
        let limits = &self.shared.config.limits;
        let mut list = NameList::new(field, limits.tag_pages, limits.tags);
        let mut ask = Ask::new(Method::GET, &self.origin, target);
        ask.authorization = authorization;
        ask.most = MOST_PAGE;
        let before = self.transcript.requests;
        while let Ok(followed) = self.follow(&ask, Role::Manifest).await {
            let answer = followed.answer;
            let next = list.read(&NamePage {
                status: answer.status,
                body: &answer.body,
                is_cut_short: answer.is_cut_short,
                link: answer.header("link"),
            });
            let next = next.and_then(|link| {
                let base = url::Url::parse(&format!("{}{}", ask.origin, ask.target)).ok()?;
                at_target(&ask, &base.join(link).ok()?, self.guard())
            });
            let Some(next) = next else {
                break;
            };
            ask = next;
        }
        let requests = self.transcript.requests - before;
        self.transcript.requests = before;
        (list.into_list(), requests)
    }
}
