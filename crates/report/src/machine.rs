//! Documents for programs: JSON, YAML (the same document), and one JSON object a line.

use std::{borrow::Cow, fmt::Write as _};

use pulldoctor_model::{Incident, Report, ReportGap, Scanned};
use serde::Serialize;

/// The report could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("write the document as YAML")]
pub struct YamlError(#[from] serde_saphyr::ser::Error);

/// A document as indented JSON with a line feed at its end.
pub fn json<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(safe(text))
}

/// The same document as YAML.
pub fn yaml<T: Serialize>(document: &T) -> Result<String, YamlError> {
    Ok(serde_saphyr::to_string(document)?)
}

/// One line of `-o ndjson`.
#[derive(Serialize)]
struct Line<'a, T> {
    r#type: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// What the last line of `-o ndjson` holds.
#[derive(Serialize)]
struct End<'a> {
    schema: &'a str,
    context: &'a str,
    scanned: &'a Scanned,
    incidents: Vec<&'a str>,
}

/// A document as one line of JSON.
pub fn ndjson<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(document)?;
    text.push('\n');
    Ok(safe(text))
}

/// The line of an incident.
pub fn ndjson_incident(incident: &Incident) -> Result<String, serde_json::Error> {
    ndjson(&Line {
        r#type: "incident",
        body: incident,
    })
}

/// The line of a gap.
pub fn ndjson_gap(gap: &ReportGap) -> Result<String, serde_json::Error> {
    ndjson(&Line {
        r#type: "gap",
        body: gap,
    })
}

/// The last line, with the ids of the incidents that stand: one that was written early may have
/// turned out to be another.
pub fn ndjson_end(report: &Report) -> Result<String, serde_json::Error> {
    ndjson(&Line {
        r#type: "end",
        body: &End {
            schema: &report.schema,
            context: &report.context,
            scanned: &report.scanned,
            incidents: report
                .incidents
                .iter()
                .map(|incident| incident.id.as_str())
                .collect(),
        },
    })
}

/// Writes what may change a terminal as JSON escapes. `serde_json` does so below U+0020 only, and
/// such characters can stand nowhere but inside strings.
fn safe(json: String) -> String {
    let is_unsafe = |character: char| {
        character != '\n'
            && !character.is_ascii_graphic()
            && character != ' '
            && matches!(
                pulldoctor_model::clean_line(character.encode_utf8(&mut [0; 4])),
                Cow::Owned(_)
            )
    };
    if !json.chars().any(is_unsafe) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_unsafe(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_are_escaped_and_read_back() {
        let hostile = "a\u{9b}31m\u{202e}b\u{1b}[0m\u{7f}é";
        let text = ndjson(&hostile).unwrap();
        assert_eq!(text, "\"a\\u009b31m\\u202eb\\u001b[0m\\u007fé\"\n");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }

    #[test]
    fn yaml_is_the_same_document_and_safe() {
        let document = serde_json::json!({
            "text": "a\u{9b}31m\u{1b}[0m", "yes": "yes", "number": "1.0", "null": null,
            "list": [], "lines": "one\ntwo: #three\n", "bidi": "x\u{202e}y", "empty": "",
        });
        let text = yaml(&document).unwrap();
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        let back: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, document);
    }
}
