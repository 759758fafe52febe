//! Label and field selectors.

use serde_json::Value;

/// A parsed selector; an object must meet every term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selectors {
    fields: Vec<(String, bool, String)>,
    labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    In(String, Vec<String>),
    /// Also met where the label is missing.
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selectors {
    /// Reads both selectors; the error is worded for a 400.
    pub(super) fn parse(
        kind: &str,
        fields: Option<&str>,
        labels: Option<&str>,
    ) -> Result<Self, String> {
        let mut parsed = Self::default();
        for term in fields
            .unwrap_or_default()
            .split(',')
            .filter(|term| !term.is_empty())
        {
            let (path, equal, value) = if let Some((path, value)) = term.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = term.split_once("==") {
                (path, true, value)
            } else if let Some((path, value)) = term.split_once('=') {
                (path, true, value)
            } else {
                return Err(format!(
                    "invalid selector: '{term}'; can't understand '{term}'"
                ));
            };
            if !is_selectable(kind, path) {
                return Err(format!("field label not supported: {path}"));
            }
            parsed
                .fields
                .push((path.to_owned(), equal, value.to_owned()));
        }
        for term in split_terms(labels.unwrap_or_default()) {
            parsed.labels.push(parse_label(term)?);
        }
        Ok(parsed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.labels.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let fields = self.fields.iter().all(|(path, equal, value)| {
            let found = path.split('.').try_fold(object, |at, key| at.get(key));
            let text = match found {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(flag)) => flag.to_string(),
                _ => String::new(),
            };
            (text == *value) == *equal
        });
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        fields
            && self.labels.iter().all(|term| match term {
                Label::In(key, values) => {
                    label(key).is_some_and(|value| values.iter().any(|other| other == value))
                }
                Label::NotIn(key, values) => {
                    label(key).is_none_or(|value| values.iter().all(|other| other != value))
                }
                Label::Exists(key) => label(key).is_some(),
                Label::Absent(key) => label(key).is_none(),
            })
    }
}

/// The fields that the API server indexes (k8s.io/kubernetes, pkg/apis/core/v1/conversion.go).
fn is_selectable(kind: &str, path: &str) -> bool {
    let general = ["metadata.name", "metadata.namespace"];
    let own: &[&str] = match kind {
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "ReplicaSet" => &["status.replicas"],
        "Job" => &["status.successful"],
        _ => &[],
    };
    general.contains(&path) || own.contains(&path)
}

/// Splits at commas outside of parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                terms.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(text[start..].trim());
    terms.retain(|term| !term.is_empty());
    terms
}

fn parse_label(term: &str) -> Result<Label, String> {
    let set = |values: &str| -> Option<Vec<String>> {
        let inner = values.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(
            inner
                .split(',')
                .map(|value| value.trim().to_owned())
                .collect(),
        )
    };
    let bad = || format!("unable to parse requirement: `{term}`");
    if let Some((key, values)) = term.split_once(" notin ") {
        return Ok(Label::NotIn(
            key.trim().to_owned(),
            set(values).ok_or_else(bad)?,
        ));
    }
    if let Some((key, values)) = term.split_once(" in ") {
        return Ok(Label::In(
            key.trim().to_owned(),
            set(values).ok_or_else(bad)?,
        ));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(Label::NotIn(
            key.trim().to_owned(),
            vec![value.trim().to_owned()],
        ));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(Label::In(
            key.trim().to_owned(),
            vec![value.trim().to_owned()],
        ));
    }
    match term.strip_prefix('!') {
        Some(key) => Ok(Label::Absent(key.trim().to_owned())),
        None if term.contains(' ') => Err(bad()),
        None => Ok(Label::Exists(term.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_select_as_kubectl_does() {
        let pod = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}});
        for (selector, expected) in [
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (api, web),tier", true),
            ("app notin (web)", false),
            ("!tier", false),
            ("!other", true),
            ("other!=x", true),
            ("other", false),
        ] {
            let parsed = Selectors::parse("Pod", None, Some(selector)).unwrap();
            assert_eq!(parsed.matches(&pod), expected, "{selector}");
        }
        assert!(Selectors::parse("Pod", None, Some("app in web")).is_err());
        assert!(Selectors::parse("Pod", None, Some("a b")).is_err());
    }

    #[test]
    fn fields_are_those_of_the_kind() {
        let event = json!({"involvedObject": {"kind": "Pod", "name": "a"}, "type": "Warning"});
        let parsed = Selectors::parse(
            "Event",
            Some("involvedObject.kind=Pod,involvedObject.name==a,type!=Normal"),
            None,
        )
        .unwrap();
        assert!(parsed.matches(&event));
        let other = json!({"involvedObject": {"kind": "Pod", "name": "b"}, "type": "Warning"});
        assert!(!parsed.matches(&other));
        assert_eq!(
            Selectors::parse("Pod", Some("spec.image=x"), None),
            Err("field label not supported: spec.image".to_owned())
        );
    }
}
