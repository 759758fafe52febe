//! Events of pods and nodes, read with as few requests as will do.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use pulldoctor_model::Event;
use serde::Deserialize;

use crate::{
    api::{Api, Form},
    error::ApiError,
    path::ApiPath,
    slim::{self, Text, nullable, time},
    symptoms::capped,
};

/// Up to so many pods of a namespace are asked for one by one; above, one list of the namespace
/// costs less.
const HANDFUL: usize = 5;

/// How many events one page may hold.
const PAGE: &str = "500";

/// How many bytes one page may have.
const PAGE_MOST: usize = 64 << 20;

/// How many events of one object are kept, the newest.
const KEPT: usize = 60;

/// How long the events of one request may take, all pages included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many requests are under way at once.
pub(crate) const SIDE_BY_SIDE: usize = 8;

/// The pod whose events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PodRef {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
}

/// Events by the UID of their pod, and the namespaces whose events could not be read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Events, oldest first. Every pod that was asked about has an entry unless its namespace
    /// failed: an empty one says that its events have expired.
    pub(crate) events: HashMap<String, Vec<Event>>,
    /// Why a namespace's events are missing.
    pub(crate) failed: HashMap<String, ApiError>,
}

/// Reads the events of these pods: one by one, or by one list of a namespace where they are
/// more than a handful.
pub(crate) async fn of_pods(api: &Api, pods: &[PodRef]) -> Found {
    let mut by_namespace: BTreeMap<&str, Vec<&PodRef>> = BTreeMap::new();
    for pod in pods {
        by_namespace.entry(&pod.namespace).or_default().push(pod);
    }
    // What a request holds is its own: with borrowed parts the future could not change threads.
    let mut requests: Vec<(String, String, HashSet<String>)> = Vec::new();
    for (namespace, pods) in by_namespace {
        if pods.len() > HANDFUL {
            let wanted = pods.iter().map(|pod| pod.uid.clone()).collect();
            let selector = "involvedObject.kind=Pod".to_owned();
            requests.push((namespace.to_owned(), selector, wanted));
        } else {
            for pod in pods {
                let selector = format!(
                    "involvedObject.name={},involvedObject.uid={}",
                    pod.pod, pod.uid
                );
                let wanted = HashSet::from([pod.uid.clone()]);
                requests.push((namespace.to_owned(), selector, wanted));
            }
        }
    }
    let mut answers = stream::iter(requests)
        .map(|(namespace, selector, wanted)| async move {
            let reading = list(api, Some(&namespace), &selector, &wanted);
            let answer = tokio::time::timeout(PATIENCE, reading)
                .await
                .unwrap_or(Err(ApiError::Timeout { after: PATIENCE }));
            (namespace, answer, wanted)
        })
        .buffer_unordered(SIDE_BY_SIDE);
    let mut found = Found::default();
    while let Some((namespace, answer, wanted)) = answers.next().await {
        match answer {
            Ok(mut events) => {
                for uid in wanted {
                    let events = events.remove(&uid).unwrap_or_default();
                    found.events.insert(uid, events);
                }
            }
            Err(error) => {
                found.failed.insert(namespace, error);
            }
        }
    }
    found
}

/// Reads the events of a node. The kubelet files them in `default`, with the node's name for a
/// UID.
pub(crate) async fn of_node(api: &Api, node: &str) -> Result<Vec<Event>, ApiError> {
    let selector = format!("involvedObject.kind=Node,involvedObject.name={node}");
    let mut events: Vec<Event> = Vec::new();
    for (_, of_uid) in walk(api, Some("default"), &selector, |_| true).await? {
        events.extend(of_uid);
    }
    Ok(newest(events))
}

async fn list(
    api: &Api,
    namespace: Option<&str>,
    selector: &str,
    wanted: &HashSet<String>,
) -> Result<HashMap<String, Vec<Event>>, ApiError> {
    let read = || walk(api, namespace, selector, |uid| wanted.contains(uid));
    let by_uid = match read().await {
        // The token has aged between two pages: from the start, once.
        Err(ApiError::Expired { .. }) => read().await?,
        other => other?,
    };
    Ok(by_uid
        .into_iter()
        .map(|(uid, events)| (uid, newest(events)))
        .collect())
}

async fn walk(
    api: &Api,
    namespace: Option<&str>,
    selector: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<HashMap<String, Vec<Event>>, ApiError> {
    let mut by_uid: HashMap<String, Vec<Event>> = HashMap::new();
    let mut resume: Option<String> = None;
    loop {
        let path = ApiPath::core()
            .namespace(namespace)
            .segment("events")
            .query("limit", PAGE)
            .query("fieldSelector", selector)
            .query_opt("continue", resume.as_deref());
        let answer = api.get(&path, Form::Full, PAGE_MOST).await?;
        let walked = slim::walk(&answer.body, |raw: RawEvent<'_>| {
            let uid = raw.involved_object.uid.as_str();
            if is_wanted(uid) {
                let events = by_uid.entry(uid.to_owned()).or_default();
                events.push(raw.to_event());
                if events.len() > KEPT * 4 {
                    let all = std::mem::take(events);
                    *events = newest(all);
                }
            }
        })
        .map_err(|error| ApiError::malformed("events", &error))?;
        if walked.meta.resume.is_empty() {
            return Ok(by_uid);
        }
        resume = Some(walked.meta.resume);
    }
}

/// The newest events, oldest first.
pub(crate) fn newest(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| {
        (a.last, a.first, &a.reason, &a.message).cmp(&(b.last, b.first, &b.reason, &b.message))
    });
    let surplus = events.len().saturating_sub(KEPT);
    events.drain(..surplus);
    events
}

/// An event as the API has it: old recorders fill the two timestamps and the count, new ones
/// `eventTime` and `series`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct RawEvent<'a> {
    #[serde(deserialize_with = "nullable")]
    metadata: EventMetadata,
    #[serde(borrow, alias = "regarding", deserialize_with = "nullable")]
    pub(crate) involved_object: Involved<'a>,
    #[serde(rename = "type")]
    kind: Text<'a>,
    reason: Text<'a>,
    #[serde(alias = "note")]
    message: Text<'a>,
    #[serde(alias = "deprecatedCount", deserialize_with = "nullable")]
    count: u32,
    #[serde(alias = "deprecatedFirstTimestamp", deserialize_with = "time")]
    first_timestamp: Option<Timestamp>,
    #[serde(alias = "deprecatedLastTimestamp", deserialize_with = "time")]
    last_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "time")]
    event_time: Option<Timestamp>,
    series: Option<Series>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventMetadata {
    #[serde(deserialize_with = "time")]
    creation_timestamp: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(crate) struct Involved<'a> {
    pub(crate) kind: Text<'a>,
    pub(crate) name: Text<'a>,
    pub(crate) namespace: Text<'a>,
    pub(crate) uid: Text<'a>,
    field_path: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    #[serde(deserialize_with = "nullable")]
    count: u32,
    #[serde(deserialize_with = "time")]
    last_observed_time: Option<Timestamp>,
}

impl RawEvent<'_> {
    pub(crate) fn to_event(&self) -> Event {
        let first = self
            .first_timestamp
            .or(self.event_time)
            .or(self.metadata.creation_timestamp);
        let series = self.series.as_ref();
        let last = series
            .and_then(|series| series.last_observed_time)
            .or(self.last_timestamp)
            .or(self.event_time)
            .or(first);
        let count = series
            .map_or(self.count, |series| series.count.max(self.count))
            .max(1);
        Event {
            kind: capped(self.kind.as_str()),
            reason: capped(self.reason.as_str()),
            message: capped(self.message.as_str()),
            field_path: self.involved_object.field_path.non_empty().map(capped),
            first,
            last,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_recorders_are_read() {
        let old: RawEvent<'_> = serde_json::from_str(
            r#"{"metadata":{"creationTimestamp":"2026-01-01T00:00:00Z"},
                "involvedObject":{"kind":"Pod","uid":"u","fieldPath":"spec.containers{a}"},
                "type":"Warning","reason":"Failed","message":"m","count":4,
                "firstTimestamp":"2026-01-01T00:00:01Z","lastTimestamp":"2026-01-01T00:05:00Z",
                "eventTime":null}"#,
        )
        .unwrap();
        let event = old.to_event();
        assert_eq!(
            (event.count, event.field_path.as_deref()),
            (4, Some("spec.containers{a}"))
        );
        assert_eq!(event.last, "2026-01-01T00:05:00Z".parse().ok());

        let new: RawEvent<'_> = serde_json::from_str(
            r#"{"involvedObject":{"uid":"u"},"reason":"Pulling","message":"m",
                "firstTimestamp":null,"eventTime":"2026-01-01T00:00:00.123456Z",
                "series":{"count":7,"lastObservedTime":"2026-01-01T00:09:00.000000Z"}}"#,
        )
        .unwrap();
        let event = new.to_event();
        assert_eq!((event.count, event.field_path), (7, None));
        assert_eq!(event.first, "2026-01-01T00:00:00.123456Z".parse().ok());
        assert_eq!(event.last, "2026-01-01T00:09:00Z".parse().ok());
    }

    #[test]
    fn the_newest_are_kept_in_order() {
        let event = |second: i64| Event {
            kind: "Normal".to_owned(),
            reason: "Pulling".to_owned(),
            message: String::new(),
            field_path: None,
            first: None,
            last: Timestamp::from_second(second).ok(),
            count: 1,
        };
        let kept = newest((0..100).rev().map(event).collect());
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].last, Timestamp::from_second(40).ok());
        assert_eq!(kept[59].last, Timestamp::from_second(99).ok());
    }
}
