//! Compares what the tool said with what a case expects, and a recording with another one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::case::{Expect, ExpectedIncident, Run, confidence_rank, name_matches};
use crate::exec;
use crate::tool::Said;

/// Compares exit code and report (the document of `diagnose -o json`) with the expectation;
/// returns what does not agree, one sentence each. Empty means that all agrees.
pub fn report(expect: &Expect, exit: i32, report: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if exit != expect.exit {
        wrong.push(format!("exit code {exit}, expected {}", expect.exit));
    }
    let empty = Vec::new();
    let incidents = report["incidents"].as_array().unwrap_or(&empty);
    let mut left: Vec<&Value> = incidents.iter().collect();
    for expected in &expect.incidents {
        // Several incidents may share a cause: the one that fits best is the one meant.
        let best = left
            .iter()
            .enumerate()
            .filter(|(_, incident)| incident["cause"] == expected.cause.as_str())
            .map(|(index, incident)| (differences(expected, incident), index))
            .min_by_key(|(differences, _)| differences.len());
        match best {
            Some((differences, index)) => {
                wrong.extend(differences);
                left.remove(index);
            }
            None => wrong.push(format!("no incident `{}`", expected.cause)),
        }
    }
    for incident in left {
        wrong.push(format!(
            "unexpected incident `{}` ({})",
            text(&incident["cause"]),
            text(&incident["summary"])
        ));
    }
    let gaps = report["gaps"].as_array().unwrap_or(&empty);
    for word in &expect.gaps {
        if !gaps.iter().any(|gap| text(&gap["what"]).contains(word)) {
            wrong.push(format!("no gap names `{word}`"));
        }
    }
    for pattern in &expect.absent {
        for pod in incidents.iter().flat_map(pods) {
            if name_matches(pattern, &pod) {
                wrong.push(format!("pod `{pod}` must not be reported"));
            }
        }
    }
    wrong
}

/// Compares what a further command said with what it must say.
pub fn run(expected: &Run, said: &Said) -> Vec<String> {
    let mut wrong = Vec::new();
    let command = expected.args.first().map_or("", String::as_str);
    if said.exit != expected.exit {
        wrong.push(format!(
            "`{command}`: exit code {}, expected {}: {}",
            said.exit,
            expected.exit,
            exec::last_lines(&said.stderr, 2)
        ));
    }
    for (pointer, value) in &expected.json {
        let found = said.report.pointer(pointer).unwrap_or(&Value::Null);
        if found != value {
            wrong.push(format!(
                "`{command}`: {pointer} is {found}, expected {value}"
            ));
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("it said {}", said.report));
    }
    for word in &expected.says {
        if !said.stdout.contains(word) && !said.stderr.contains(word) {
            wrong.push(format!("`{command}` does not say `{word}`"));
        }
    }
    wrong
}

fn differences(expected: &ExpectedIncident, incident: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let cause = &expected.cause;
    let confidence = text(&incident["confidence"]);
    if confidence_rank(confidence) < confidence_rank(&expected.confidence) {
        wrong.push(format!(
            "`{cause}` is only {confidence}, expected {}",
            expected.confidence
        ));
    }
    if let Some(object) = &expected.object {
        let (kind, name) = (
            text(&incident["object"]["kind"]),
            text(&incident["object"]["name"]),
        );
        if kind != object.kind
            || object
                .name
                .as_ref()
                .is_some_and(|expected| expected != name)
        {
            wrong.push(format!(
                "`{cause}` is about {kind} `{name}`, expected {} `{}`",
                object.kind,
                object.name.as_deref().unwrap_or("*")
            ));
        }
    }
    for (key, causes) in [
        ("ruledOut", &expected.ruled_out),
        ("rivals", &expected.rivals),
        ("also", &expected.also),
    ] {
        for wanted in causes {
            let found = incident[key]
                .as_array()
                .is_some_and(|list| list.iter().any(|entry| entry["cause"] == wanted.as_str()));
            if !found {
                wrong.push(format!("`{cause}` does not name `{wanted}` in {key}"));
            }
        }
    }
    for (key, causes) in [
        ("rivals", &expected.not_rivals),
        ("also", &expected.not_also),
    ] {
        for other in causes {
            let list = incident[key].as_array();
            if list.is_some_and(|list| list.iter().any(|one| one["cause"] == other.as_str())) {
                wrong.push(format!("`{cause}` names `{other}` in {key}"));
            }
        }
    }
    let summary = text(&incident["summary"]);
    for word in &expected.summary {
        if !summary.contains(word.as_str()) {
            wrong.push(format!("summary of `{cause}` lacks `{word}`: {summary}"));
        }
    }
    for place in &expected.from {
        let evidence = incident["evidence"].as_array();
        if !evidence.is_some_and(|list| list.iter().any(|item| item["from"] == place.as_str())) {
            wrong.push(format!("`{cause}` has no evidence from {place}"));
        }
    }
    if !expected.pods.is_empty() {
        let pods = pods(incident);
        for pod in &pods {
            if !expected
                .pods
                .iter()
                .any(|pattern| name_matches(pattern, pod))
            {
                wrong.push(format!("`{cause}` names pod `{pod}`"));
            }
        }
        for pattern in &expected.pods {
            if !pods.iter().any(|pod| name_matches(pattern, pod)) {
                wrong.push(format!("`{cause}` does not name pod `{pattern}`"));
            }
        }
    }
    wrong
}

fn pods(incident: &Value) -> Vec<String> {
    let symptoms = incident["symptoms"].as_array();
    symptoms
        .into_iter()
        .flatten()
        .map(|symptom| text(&symptom["pod"]).to_owned())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// The shape of recorded evidence: which keys its parts have, which kinds of symptoms, which
/// questions were answered from where, which stayed open and why. Names, texts, times and
/// counts are not part of it: they differ from run to run.
pub fn shape(evidence: &Value) -> BTreeSet<String> {
    let mut shape = BTreeSet::new();
    for key in evidence
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
    {
        shape.insert(format!("has {key}"));
    }
    for symptom in evidence["symptoms"].as_array().into_iter().flatten() {
        shape.insert(format!("symptom of kind {}", text(&symptom["kind"])));
        for key in symptom
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
        {
            shape.insert(format!("symptom has {key}"));
        }
    }
    for answered in evidence["answers"].as_array().into_iter().flatten() {
        let from = text(&answered["from"]);
        let from = from.split('/').next().unwrap_or(from);
        shape.insert(format!(
            "answer to {} from {from}",
            text(&answered["question"]["ask"])
        ));
    }
    for gap in evidence["gaps"].as_array().into_iter().flatten() {
        for question in gap["questions"].as_array().into_iter().flatten() {
            shape.insert(format!(
                "gap at {}: {}",
                text(&question["ask"]),
                text(&gap["why"])
            ));
        }
        if gap["hidesPods"] == true {
            shape.insert(format!("gap that hides pods: {}", text(&gap["why"])));
        }
    }
    shape
}

/// What a new recording has that the stored one lacks, and the other way round.
pub fn shape_differences(stored: &Value, new: &Value) -> Vec<String> {
    let (stored, new) = (shape(stored), shape(new));
    let gone = stored
        .difference(&new)
        .map(|part| format!("evidence no longer: {part}"));
    let fresh = new
        .difference(&stored)
        .map(|part| format!("evidence newly: {part}"));
    gone.chain(fresh).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expected(confidence: &str) -> Expect {
        Expect {
            exit: 1,
            incidents: vec![ExpectedIncident {
                cause: "rate-limited".to_owned(),
                confidence: confidence.to_owned(),
                object: None,
                ruled_out: vec!["registry-server-error".to_owned()],
                rivals: Vec::new(),
                not_rivals: vec!["blocked-by-policy".to_owned()],
                also: Vec::new(),
                not_also: vec!["mirror-misconfigured".to_owned()],
                summary: vec!["429".to_owned()],
                from: Vec::new(),
                pods: vec!["api-*".to_owned()],
            }],
            absent: vec!["web".to_owned()],
            gaps: vec!["hub.example.com".to_owned()],
        }
    }

    fn said() -> Value {
        json!({"incidents": [{
            "cause": "rate-limited", "confidence": "likely", "summary": "answers 429",
            "ruledOut": [{"cause": "registry-server-error"}], "symptoms": [{"pod": "api-1"}]}],
            "gaps": [{"what": "ask hub.example.com"}]})
    }

    #[test]
    fn what_agrees_gives_nothing() {
        assert_eq!(
            report(&expected("possible"), 1, &said()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_disagreement_is_named() {
        let wrong = report(&expected("proven"), 2, &said());
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        let mut other = said();
        other["incidents"][0]["symptoms"] = json!([{"pod": "web"}]);
        other["incidents"][0]["ruledOut"] = json!([]);
        other["incidents"][0]["summary"] = json!("slow");
        let wrong = report(&expected("likely"), 1, &other);
        assert_eq!(wrong.len(), 5, "{wrong:?}");
        let mut other = said();
        other["incidents"][0]["rivals"] = json!([{"cause": "blocked-by-policy"}]);
        other["incidents"][0]["also"] = json!([{"cause": "mirror-misconfigured"}]);
        other["gaps"] = json!([]);
        let wrong = report(&expected("likely"), 1, &other);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }

    #[test]
    fn missing_and_extra_incidents_are_named() {
        let wrong = report(
            &expected("likely"),
            1,
            &json!({"incidents": [{"cause": "unknown"}], "gaps": said()["gaps"]}),
        );
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn a_further_command_is_compared_by_pointer() {
        let run = Run {
            args: vec!["isolate".to_owned()],
            exit: 1,
            json: [("/trials/0/outcome".to_owned(), json!("pulled"))].into(),
            says: vec!["n1".to_owned()],
        };
        let mut said = Said {
            exit: 1,
            stdout: "on n1".to_owned(),
            stderr: String::new(),
            report: json!({"trials": [{"outcome": "pulled"}]}),
            evidence: Value::Null,
        };
        assert!(super::run(&run, &said).is_empty());
        said.exit = 0;
        said.stdout.clear();
        said.report = Value::Null;
        assert_eq!(super::run(&run, &said).len(), 4);
    }

    #[test]
    fn shape_ignores_names_and_sees_questions() {
        let one = json!({"symptoms": [{"kind": "container", "pod": "a"}],
            "answers": [{"question": {"ask": "node", "name": "n1"}, "from": "api"}], "gaps": []});
        let mut two = one.clone();
        two["symptoms"][0]["pod"] = json!("b");
        two["answers"][0]["question"]["name"] = json!("n2");
        assert!(shape_differences(&one, &two).is_empty());
        two["answers"] = json!([]);
        assert_eq!(
            shape_differences(&one, &two),
            ["evidence no longer: answer to node from api"]
        );
    }
}
