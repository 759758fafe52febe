//! Checks tables of texts and the faults that they are read as.

use pulldoctor_messages::{Fault, read};

/// A fault as one short word: its kind, with what it holds behind a slash.
pub(crate) fn word(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).expect("a fault serialises");
    let mut parts = Vec::new();
    flatten(&value, &mut parts);
    parts.join("/")
}

fn flatten(value: &serde_json::Value, parts: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        if !value.is_null() {
            parts.push(value.to_string().trim_matches('"').to_owned());
        }
        return;
    };
    for key in [
        "kind",
        "how",
        "by",
        "failure",
        "policy",
        "status",
        "anonymous",
        "inner",
    ] {
        if let Some(value) = object.get(key) {
            flatten(value, parts);
        }
    }
}

#[track_caller]
pub(crate) fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(text, expected)| {
            let reading = read(text);
            let found = word(&reading.fault);
            (found != *expected).then(|| format!("{text:?}\n    is {found}, wanted {expected}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Checks a table whose texts stand in an envelope.
#[track_caller]
pub(crate) fn check_in(wrap: fn(&str) -> String, table: &[(&str, &str)]) {
    let texts: Vec<(String, &str)> = table
        .iter()
        .map(|(text, expected)| (wrap(text), *expected))
        .collect();
    let borrowed: Vec<(&str, &str)> = texts
        .iter()
        .map(|(text, expected)| (text.as_str(), *expected))
        .collect();
    check(&borrowed);
}
