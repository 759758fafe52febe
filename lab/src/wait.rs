//! Waits until a case's pods are in the state that the case asks for.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::case::{Wait, name_matches};
use crate::cluster::Cluster;

/// Seconds to wait when a case says nothing.
const WITHIN: u64 = 60;

/// Waits for a condition in a namespace.
///
/// # Errors
/// When it does not come about in time; the error says what was there instead.
pub fn for_condition(cluster: &Cluster, namespace: &str, wait: &Wait) -> Result<()> {
    let limit = Duration::from_secs(wait.within.unwrap_or(WITHIN));
    let start = Instant::now();
    loop {
        let pods = cluster.get(&format!("/api/v1/namespaces/{namespace}/pods"))?;
        let events = if wait.event.is_some() {
            cluster.get(&format!("/api/v1/namespaces/{namespace}/events"))?
        } else {
            Value::Null
        };
        let matching = items(&pods)
            .iter()
            .filter(|pod| matches(pod, &events, wait))
            .count();
        if matching >= wait.count.unwrap_or(1) {
            return Ok(());
        }
        if start.elapsed() > limit {
            bail!(
                "not within {} s: {}; there is: {}",
                limit.as_secs(),
                describe(wait),
                picture(&pods)
            );
        }
        thread::sleep(Duration::from_millis(400));
    }
}

fn matches(pod: &Value, events: &Value, wait: &Wait) -> bool {
    let name = text(&pod["metadata"]["name"]);
    if !name_matches(&wait.pod, name) {
        return false;
    }
    if let Some(reason) = &wait.event {
        let happened = items(events).iter().any(|event| {
            event["reason"] == reason.as_str() && event["involvedObject"]["name"] == name
        });
        if !happened {
            return false;
        }
    }
    if let Some((kind, status)) = wait
        .condition
        .as_deref()
        .and_then(|text| text.split_once('='))
    {
        let holds = pod["status"]["conditions"]
            .as_array()
            .is_some_and(|conditions| {
                conditions
                    .iter()
                    .any(|c| c["type"] == kind && c["status"] == status)
            });
        if !holds {
            return false;
        }
    }
    let about_container = !wait.waiting.is_empty()
        || wait.message.is_some()
        || wait.running.is_some()
        || wait.restarts.is_some();
    !about_container
        || statuses(pod)
            .filter(|status| {
                wait.container
                    .as_ref()
                    .is_none_or(|name| status["name"] == name.as_str())
            })
            .any(|status| status_matches(status, wait))
}

fn status_matches(status: &Value, wait: &Wait) -> bool {
    let waiting = &status["state"]["waiting"];
    if !wait.waiting.is_empty()
        && !wait
            .waiting
            .iter()
            .any(|reason| waiting["reason"] == reason.as_str())
    {
        return false;
    }
    if let Some(part) = &wait.message
        && !text(&waiting["message"]).contains(part.as_str())
    {
        return false;
    }
    if let Some(running) = wait.running
        && status["state"]["running"].is_object() != running
    {
        return false;
    }
    if let Some(restarts) = wait.restarts
        && status["restartCount"].as_u64().unwrap_or(0) < restarts
    {
        return false;
    }
    true
}

/// Statuses of all containers of a pod, of every kind.
fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    [
        "initContainerStatuses",
        "containerStatuses",
        "ephemeralContainerStatuses",
    ]
    .into_iter()
    .filter_map(|key| pod["status"][key].as_array())
    .flatten()
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn describe(wait: &Wait) -> String {
    let mut words = format!("pod {}", wait.pod);
    if let Some(container) = &wait.container {
        let _ = write!(words, " container {container}");
    }
    if !wait.waiting.is_empty() {
        let _ = write!(words, " waiting {}", wait.waiting.join("|"));
    }
    if let Some(message) = &wait.message {
        let _ = write!(words, " saying `{message}`");
    }
    if let Some(event) = &wait.event {
        let _ = write!(words, " with event {event}");
    }
    if let Some(running) = wait.running {
        let _ = write!(words, " running={running}");
    }
    if let Some(condition) = &wait.condition {
        let _ = write!(words, " with {condition}");
    }
    if let Some(restarts) = wait.restarts {
        let _ = write!(words, " with {restarts} restarts");
    }
    words
}

/// All pods in one line: name, phase, and what each container waits for.
fn picture(pods: &Value) -> String {
    let mut line = String::new();
    for pod in items(pods) {
        let _ = write!(
            line,
            "{} {}",
            text(&pod["metadata"]["name"]),
            text(&pod["status"]["phase"])
        );
        for status in statuses(pod) {
            let waiting = &status["state"]["waiting"];
            if waiting.is_object() {
                let _ = write!(
                    line,
                    " [{}: {} {}]",
                    text(&status["name"]),
                    text(&waiting["reason"]),
                    text(&waiting["message"])
                );
            }
        }
        line.push_str("; ");
    }
    if line.is_empty() {
        "no pods".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({"metadata": {"name": "api-1"}, "status": {"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [
                {"name": "a", "restartCount": 0, "state": {"running": {}}},
                {"name": "b", "restartCount": 2, "state": {"waiting": {"reason": "ErrImagePull", "message": "503 there"}}}]}})
    }

    fn wait(pod: &str) -> Wait {
        Wait {
            pod: pod.to_owned(),
            ..Wait::default()
        }
    }

    #[test]
    fn all_fields_must_hold_for_the_same_container() {
        let w = Wait {
            waiting: vec!["ErrImagePull".into()],
            message: Some("503".into()),
            ..wait("api-*")
        };
        assert!(matches(&pod(), &Value::Null, &w));
        let w = Wait {
            container: Some("a".into()),
            ..w
        };
        assert!(!matches(&pod(), &Value::Null, &w));
        let w = Wait {
            container: Some("a".into()),
            running: Some(true),
            ..wait("api-1")
        };
        assert!(matches(&pod(), &Value::Null, &w));
        let w = Wait {
            condition: Some("PodScheduled=False".into()),
            ..wait("api-1")
        };
        assert!(!matches(&pod(), &Value::Null, &w));
        assert!(!matches(&pod(), &Value::Null, &wait("other")));
    }

    #[test]
    fn events_are_of_the_pod() {
        let w = Wait {
            event: Some("BackOff".into()),
            ..wait("api-1")
        };
        let events = json!({"items": [{"reason": "BackOff", "involvedObject": {"name": "api-1"}}]});
        assert!(matches(&pod(), &events, &w));
        let events = json!({"items": [{"reason": "BackOff", "involvedObject": {"name": "x"}}]});
        assert!(!matches(&pod(), &events, &w));
    }
}
