//! Looks through the pods page by page; the next page is under way while one is read.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use pulldoctor_model::{Answer, Answered, Evidence, Gap, GapReason, Question, Vantage};
use tokio::task::JoinHandle;

use crate::{
    api::{Api, Form},
    connect::Cluster,
    error::{ApiError, ScanError},
    events::{self, PodRef},
    gaps::{add_gap, count_stuck, sorted},
    pace,
    path::ApiPath,
    rbac,
    resolve::{self, Filter, Listing},
    scope::{Namespaces, Scope},
    slim::{self, Pod},
    suspects::{OpenPull, Suspect, has_company, weigh},
    symptoms::{self, Draft},
};

/// How many bytes a page may have; a larger one is asked for again in smaller pages.
const PAGE_MOST: usize = 64 << 20;

/// How many pods are looked at more closely for what only events tell.
const SUSPECTS_MOST: usize = 5_000;

/// How far a scan has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanProgress {
    /// Pods seen.
    pub pods: usize,
    /// Pods among them that are stuck.
    pub stuck: usize,
    /// Pods that are still to come in this list, where the server tells.
    pub remaining: Option<u64>,
}

/// A page has been read: its symptoms stand in [`Scan::evidence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where the symptoms of this page begin in the evidence.
    pub first_new: usize,
    /// How far the scan has come.
    pub progress: ScanProgress,
}

/// A scan under way. Dropping it ends it.
pub struct Scan {
    cluster: Cluster,
    scope: Scope,
    queue: VecDeque<Listing>,
    current: Option<Current>,
    evidence: Evidence,
    seen: HashSet<String>,
    remaining: Option<u64>,
    suspects: Vec<Suspect>,
    forbidden: Vec<String>,
    listed: usize,
    observed: Option<Timestamp>,
    /// The form in which the next page is wanted.
    form: Form,
    has_checked_suspects: bool,
}

/// A list that is being read.
struct Current {
    listing: Listing,
    page: JoinHandle<Result<crate::api::Answer, ApiError>>,
    size: u32,
    resume: Option<String>,
    /// The last pod seen, by which a list that has to start again finds its place.
    last: Option<String>,
    /// Pods up to here were seen before the list was started again.
    skip_to: Option<String>,
    restarted: bool,
    pods: usize,
}

impl Current {
    /// Asks for the page at `resume`, or for the first one.
    fn ask(&mut self, api: &Api, form: Form) {
        self.page = fetch(api, &self.listing, self.size, form, self.resume.as_deref());
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        self.page.abort();
    }
}

impl Cluster {
    /// Starts to look through the pods of a scope: resolves its targets and asks for the first
    /// page.
    pub async fn start(&self, scope: &Scope) -> Result<Scan, ScanError> {
        self.forget();
        let mut evidence =
            Evidence::new(self.context(), self.address(), jiff::Timestamp::UNIX_EPOCH);
        evidence.scanned.namespaces = match &scope.namespaces {
            Namespaces::All => vec!["*".to_owned()],
            Namespaces::Named(names) => {
                let mut names = names.clone();
                names.sort();
                names.dedup();
                names
            }
        };
        let mut scan = Scan {
            cluster: self.clone(),
            scope: scope.clone(),
            queue: VecDeque::new(),
            current: None,
            evidence,
            seen: HashSet::new(),
            remaining: None,
            suspects: Vec::new(),
            forbidden: Vec::new(),
            listed: 0,
            observed: None,
            form: Form::Full,
            has_checked_suspects: false,
        };
        scan.plan().await?;
        Ok(scan)
    }

    /// Looks through the pods of a scope to the end.
    pub async fn scan(
        &self,
        scope: &Scope,
        progress: &mut (dyn FnMut(ScanProgress) + Send),
    ) -> Result<Evidence, ScanError> {
        let mut scan = self.start(scope).await?;
        while let Some(page) = scan.next().await? {
            progress(page.progress);
        }
        Ok(scan.finish())
    }
}

impl Scan {
    /// What was seen so far. Symptoms stand in the order in which they were met.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Reads the next page. None at the end.
    ///
    /// Cancel safe between pages only: a page that was being read is lost with the future.
    pub async fn next(&mut self) -> Result<Option<Page>, ScanError> {
        loop {
            if self.current.is_none() {
                match self.queue.pop_front() {
                    Some(listing) => self.open(listing),
                    None if !self.has_checked_suspects => {
                        self.end_of_lists()?;
                        if !self.queue.is_empty() {
                            continue;
                        }
                        self.has_checked_suspects = true;
                        let first_new = self.evidence.symptoms.len();
                        self.check_suspects().await;
                        if self.evidence.symptoms.len() > first_new {
                            count_stuck(&mut self.evidence);
                            return Ok(Some(self.page(first_new)));
                        }
                    }
                    None => return Ok(None),
                }
                continue;
            }
            if let Some(page) = self.advance().await? {
                return Ok(Some(page));
            }
        }
    }

    /// The evidence, in its final order.
    pub fn finish(mut self) -> Evidence {
        count_stuck(&mut self.evidence);
        if self.observed.is_none() {
            self.evidence.observed = Cluster::clock(None);
        }
        sorted(self.evidence)
    }

    async fn plan(&mut self) -> Result<(), ScanError> {
        let selector = self.scope.selector.clone();
        let namespaces = match &self.scope.namespaces {
            Namespaces::All if self.scope.targets.is_empty() => {
                self.queue.push_back(Listing {
                    selector,
                    ..Listing::default()
                });
                return Ok(());
            }
            Namespaces::All => return Err(ScanError::NamesAcrossNamespaces),
            Namespaces::Named(_) => self.evidence.scanned.namespaces.clone(),
        };
        for namespace in &namespaces {
            if self.scope.targets.is_empty() {
                self.queue.push_back(Listing {
                    namespace: Some(namespace.clone()),
                    selector: selector.clone(),
                    ..Listing::default()
                });
            }
            for target in &self.scope.targets {
                let (listing, gap) = resolve::target(
                    self.cluster.api(),
                    self.cluster.context(),
                    namespace,
                    target,
                    selector.as_deref(),
                )
                .await?;
                if let Some(gap) = gap {
                    add_gap(&mut self.evidence, gap);
                }
                self.queue.push_back(listing);
            }
        }
        Ok(())
    }

    fn open(&mut self, listing: Listing) {
        let size = pace::FIRST;
        let page = fetch(self.cluster.api(), &listing, size, self.form, None);
        self.current = Some(Current {
            listing,
            page,
            size,
            resume: None,
            last: None,
            skip_to: None,
            restarted: false,
            pods: 0,
        });
    }

    fn page(&self, first_new: usize) -> Page {
        Page {
            first_new,
            progress: ScanProgress {
                pods: self.evidence.scanned.pods,
                stuck: self.evidence.scanned.stuck,
                remaining: self.remaining,
            },
        }
    }

    /// Waits for the page under way and reads it. None where it was no page.
    async fn advance(&mut self) -> Result<Option<Page>, ScanError> {
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let answer = (&mut current.page).await.unwrap_or_else(|_| {
            Err(ApiError::Unreachable {
                reason: "the request was broken off".to_owned(),
            })
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.failed(error).await.map(|()| None),
        };
        if self.observed.is_none() {
            let observed = Cluster::clock(answer.date);
            self.observed = Some(observed);
            self.evidence.observed = observed;
        }
        current.size = pace::next_size(current.size, answer.body.len());
        self.form = pace::next_form(self.form, answer.body.len(), answer.took);
        // The next page is asked for before this one is read.
        let head = slim::peek_meta(&answer.body);
        let mut is_under_way = false;
        if let Some(resume) = head
            .map(|meta| meta.resume)
            .filter(|resume| !resume.is_empty())
        {
            current.resume = Some(resume);
            current.ask(self.cluster.api(), self.form);
            is_under_way = true;
        }
        let read = self.read(&answer.body);
        let Some(current) = &mut self.current else {
            return Ok(None);
        };
        let (drafts, meta) = match read {
            Ok(read) => read,
            Err(error) => {
                current.page.abort();
                return self.failed(error).await.map(|()| None);
            }
        };
        self.listed += 1;
        self.remaining = meta.remaining_item_count;
        if meta.resume.is_empty() {
            let done = self.current.take();
            if let Some(done) = done {
                self.check_listing(&done).await?;
            }
        } else if !is_under_way {
            current.resume = Some(meta.resume);
            current.ask(self.cluster.api(), self.form);
        }
        let first_new = self.evidence.symptoms.len();
        self.adopt(drafts).await;
        count_stuck(&mut self.evidence);
        Ok(Some(self.page(first_new)))
    }

    /// Reads the pods of a page.
    fn read(&mut self, body: &[u8]) -> Result<(Vec<Draft>, slim::ListMeta), ApiError> {
        let Some(current) = &mut self.current else {
            return Ok(Default::default());
        };
        let observed = Cluster::clock(self.observed);
        let several = !self.scope.targets.is_empty();
        let mut drafts = Vec::new();
        let mut index = self.cluster.index();
        let mut each = |pod: Pod<'_>| {
            let place = format!(
                "{}/{}",
                pod.metadata.namespace.as_str(),
                pod.metadata.name.as_str()
            );
            if current.skip_to.as_ref().is_some_and(|seen| place <= *seen) {
                return;
            }
            current.last = Some(place);
            if !current.listing.filter.matches(&pod.metadata)
                || (several && !self.seen.insert(pod.metadata.uid.as_str().to_owned()))
            {
                return;
            }
            current.pods += 1;
            self.evidence.scanned.pods += 1;
            let reading = symptoms::read(&pod, observed);
            symptoms::tally(&pod, &reading.drafts, &mut index);
            drafts.extend(reading.drafts);
            if let Some(suspect) = reading.suspect
                && self.suspects.len() < SUSPECTS_MOST
            {
                self.suspects.push(suspect);
            }
        };
        if current.listing.pod.is_some() {
            let pod: Pod<'_> = serde_json::from_slice(body)
                .map_err(|error| ApiError::malformed("a pod", &error))?;
            each(pod);
            return Ok((drafts, slim::ListMeta::default()));
        }
        let walked = slim::walk(body, each).map_err(|error| ApiError::malformed("pods", &error))?;
        drop(index);
        if walked.skipped > 0 {
            add_gap(
                &mut self.evidence,
                Gap {
                    what: format!(
                        "read {} pods that are not what the API promises",
                        walked.skipped
                    ),
                    why: GapReason::Unreachable,
                    grant: None,
                    questions: Vec::new(),
                    hides_pods: true,
                },
            );
        }
        Ok((drafts, walked.meta))
    }

    async fn adopt(&mut self, drafts: Vec<Draft>) {
        let (symptoms, gaps) = self.cluster.inner.owners.resolve(drafts).await;
        self.evidence.symptoms.extend(symptoms);
        for gap in gaps {
            add_gap(&mut self.evidence, gap);
        }
    }

    /// A list without a pod: is there such an object, and such a namespace?
    async fn check_listing(&mut self, done: &Current) -> Result<(), ScanError> {
        let Some(namespace) = done.listing.namespace.as_deref().filter(|_| done.pods == 0) else {
            return Ok(());
        };
        let (api, context) = (self.cluster.api(), self.cluster.context());
        match (&done.listing.target, &done.listing.filter) {
            (Some(target), Filter::Named(_)) => Err(ScanError::TargetForbidden {
                target: target.to_string(),
                namespace: namespace.to_owned(),
                grant: rbac::rule(target.kind.group(), target.kind.resource(), &["get"]),
            }),
            (Some(_), _) => Ok(()),
            (None, _) => resolve::check_namespace(api, context, namespace).await,
        }
    }

    /// A page that did not come.
    async fn failed(&mut self, error: ApiError) -> Result<(), ScanError> {
        let Some(mut current) = self.current.take() else {
            return Ok(());
        };
        let context = self.cluster.context().to_owned();
        match error {
            ApiError::TooLarge { .. } if current.size > 1 => {
                current.size = (current.size / 8).max(1);
                current.ask(self.cluster.api(), self.form);
                self.current = Some(current);
                Ok(())
            }
            ApiError::Expired {
                resume: Some(resume),
            } => {
                current.resume = Some(resume);
                current.ask(self.cluster.api(), self.form);
                self.current = Some(current);
                Ok(())
            }
            ApiError::Expired { resume: None } if !current.restarted => {
                current.restarted = true;
                current.resume = None;
                current.skip_to = current.last.clone();
                current.ask(self.cluster.api(), self.form);
                self.current = Some(current);
                Ok(())
            }
            ApiError::NotFound { .. } if current.listing.pod.is_some() => {
                let namespace = current.listing.namespace.clone().unwrap_or_default();
                match &current.listing.target {
                    Some(target) => {
                        Err(resolve::absent(self.cluster.api(), &context, &namespace, target).await)
                    }
                    None => Ok(()),
                }
            }
            ApiError::Forbidden { .. } => self.forbidden(&current).await,
            ApiError::Status {
                code: 400, message, ..
            } if self.scope.selector.is_some() => Err(ScanError::BadSelector {
                selector: self.scope.selector.clone().unwrap_or_default(),
                message,
            }),
            error if self.listed == 0 => Err(ScanError::Cluster {
                context,
                source: error,
            }),
            error => {
                // Part of the pods were seen: the rest is a gap.
                let is_total = error.is_total();
                self.hide(current.listing.namespace.as_deref(), error.gap());
                if is_total {
                    for listing in std::mem::take(&mut self.queue) {
                        self.hide(listing.namespace.as_deref(), error.gap());
                    }
                }
                Ok(())
            }
        }
    }

    fn hide(&mut self, namespace: Option<&str>, why: GapReason) {
        let place = namespace.unwrap_or("all namespaces");
        add_gap(
            &mut self.evidence,
            Gap {
                what: format!("list pods in {place}"),
                why,
                grant: (why == GapReason::Forbidden)
                    .then(|| rbac::rule("", "pods", &["get", "list"])),
                questions: Vec::new(),
                hides_pods: true,
            },
        );
    }

    /// Listing is forbidden here. For all namespaces they are tried one by one; a single pod
    /// that may not be read by name may still be listed.
    async fn forbidden(&mut self, current: &Current) -> Result<(), ScanError> {
        let listing = &current.listing;
        if let Some(pod) = &listing.pod {
            self.queue.push_front(Listing {
                pod: None,
                fields: Some(format!("metadata.name={pod}")),
                ..listing.clone()
            });
            return Ok(());
        }
        if let Some(namespace) = &listing.namespace {
            self.forbidden.push(namespace.clone());
            self.hide(Some(namespace), GapReason::Forbidden);
            return Ok(());
        }
        match resolve::namespaces(self.cluster.api()).await {
            Ok(names) => {
                for namespace in names {
                    self.queue.push_back(Listing {
                        namespace: Some(namespace),
                        selector: listing.selector.clone(),
                        ..Listing::default()
                    });
                }
            }
            Err(_) => {
                self.hide(None, GapReason::Forbidden);
                self.forbidden.push("all namespaces".to_owned());
                self.queue.push_back(Listing {
                    namespace: Some(self.cluster.default_namespace().to_owned()),
                    selector: listing.selector.clone(),
                    ..Listing::default()
                });
            }
        }
        Ok(())
    }

    /// After the last list: one that found no pod by name, or nothing but refusals.
    fn end_of_lists(&mut self) -> Result<(), ScanError> {
        if self.listed == 0 && !self.forbidden.is_empty() {
            let mut places = std::mem::take(&mut self.forbidden);
            places.truncate(5);
            return Err(ScanError::Forbidden {
                place: places.join(", "),
                grant: rbac::rule("", "pods", &["get", "list"]),
            });
        }
        Ok(())
    }

    /// Reads the events of pods that may be stuck without saying so.
    async fn check_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let pods: Vec<PodRef> = suspects.iter().filter_map(Suspect::pod).collect();
        if pods.is_empty() {
            return;
        }
        let observed = Cluster::clock(self.observed);
        let found = events::of_pods(self.cluster.api(), &pods).await;
        let mut failed: Vec<_> = found.failed.iter().collect();
        failed.sort_by(|a, b| a.0.cmp(b.0));
        for (namespace, error) in failed {
            add_gap(
                &mut self.evidence,
                Gap {
                    what: format!("list events in {namespace}"),
                    why: error.gap(),
                    grant: (error.gap() == GapReason::Forbidden)
                        .then(|| rbac::rule("", "events", &["get", "list"])),
                    questions: Vec::new(),
                    hides_pods: true,
                },
            );
        }
        let events_of = |pod: &PodRef| found.events.get(&pod.uid).map(Vec::as_slice);
        let mut weighed = weigh(&suspects, events_of, observed);
        self.neighbours(&weighed.hanging, &mut weighed.open, observed)
            .await;
        let decided = weighed.into_stuck();
        for (pod, _) in &decided {
            let question = Question::PodEvents {
                namespace: pod.namespace.clone(),
                pod: pod.pod.clone(),
                uid: pod.uid.clone(),
            };
            if self.evidence.answer(&question).is_none()
                && let Some(events) = events_of(pod)
            {
                self.evidence.answers.push(Answered {
                    question,
                    from: Vantage::Api,
                    took_ms: None,
                    answer: Answer::Events(events.to_vec()),
                });
            }
        }
        self.adopt(decided.into_iter().map(|(_, draft)| draft).collect())
            .await;
    }

    /// A pull that hangs counts only where another one of its node is open. That one may belong
    /// to a pod outside the scope, or to one too young to have been looked at.
    async fn neighbours(
        &mut self,
        hanging: &[(PodRef, Draft)],
        open: &mut Vec<OpenPull>,
        observed: Timestamp,
    ) {
        let mut nodes: Vec<String> = hanging
            .iter()
            .filter(|(_, draft)| !has_company(draft, open))
            .filter_map(|(_, draft)| draft.symptom.node.clone())
            .collect();
        nodes.sort();
        nodes.dedup();
        for node in nodes {
            let listing = Listing {
                fields: Some(format!("spec.nodeName={node}")),
                ..Listing::default()
            };
            let api = self.cluster.api();
            let answer = api
                .get(&path(&listing, pace::FIRST, None), Form::Full, PAGE_MOST)
                .await;
            let mut waiting: Vec<Suspect> = Vec::new();
            let read = answer.and_then(|answer| {
                slim::walk(&answer.body, |pod: Pod<'_>| {
                    let stuck = symptoms::read(&pod, observed).drafts;
                    if stuck.is_empty() && pod.metadata.deletion_timestamp.is_none() {
                        waiting.extend(symptoms::not_yet(&pod));
                    }
                })
                .map_err(|error| ApiError::malformed("pods", &error))
            });
            if let Err(error) = read {
                add_gap(
                    &mut self.evidence,
                    Gap {
                        what: format!("list pods of node {node} in all namespaces"),
                        why: error.gap(),
                        grant: (error.gap() == GapReason::Forbidden)
                            .then(|| rbac::rule("", "pods", &["list"])),
                        questions: Vec::new(),
                        hides_pods: true,
                    },
                );
                continue;
            }
            let pods: Vec<PodRef> = waiting.iter().filter_map(Suspect::pod).collect();
            let found = events::of_pods(self.cluster.api(), &pods).await;
            for suspect in &waiting {
                let events = suspect.pod().and_then(|pod| found.events.get(&pod.uid));
                if let Some(events) = events {
                    open.extend(suspect.open_pulls(events));
                }
            }
        }
    }
}

fn path(listing: &Listing, size: u32, resume: Option<&str>) -> ApiPath {
    let path = ApiPath::core()
        .namespace(listing.namespace.as_deref())
        .segment("pods");
    if let Some(pod) = &listing.pod {
        return path.segment(pod);
    }
    path.query("limit", &size.to_string())
        .query_opt("labelSelector", listing.selector.as_deref())
        .query_opt("fieldSelector", listing.fields.as_deref())
        .query_opt("continue", resume)
}

fn fetch(
    api: &Api,
    listing: &Listing,
    size: u32,
    form: Form,
    resume: Option<&str>,
) -> JoinHandle<Result<crate::api::Answer, ApiError>> {
    let (api, path) = (api.clone(), path(listing, size, resume));
    tokio::spawn(async move { api.get(&path, form, PAGE_MOST).await })
}
