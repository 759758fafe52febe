//! Label selectors, for pods that come from files. A server applies them itself.

use std::collections::BTreeMap;

/// A parsed selector: all of its requirements have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Reads what `-l` takes: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`,
    /// joined by commas.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parts(text)?
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether labels meet every requirement. As in Kubernetes, a missing key is not in any set.
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                labels.get(key).is_some_and(|value| values.contains(value))
            }
            Requirement::NotIn(key, values) => {
                labels.get(key).is_none_or(|value| !values.contains(value))
            }
            Requirement::Exists(key) => labels.contains_key(key),
            Requirement::Absent(key) => !labels.contains_key(key),
        })
    }
}

/// Splits at the commas outside of parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut start, mut is_inside) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' if !is_inside => is_inside = true,
            ')' if is_inside => is_inside = false,
            '(' | ')' => return Err(format!("unexpected `{character}`")),
            ',' if !is_inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err("`(` without `)`".to_owned());
    }
    parts.push(&text[start..]);
    Ok(parts
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect())
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some((head, values)) = part.split_once('(') {
        let values = values
            .trim_end_matches(')')
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(found), Some("in"), None) => Ok(Requirement::In(key(found)?, values)),
            (Some(found), Some("notin"), None) => Ok(Requirement::NotIn(key(found)?, values)),
            _ => Err(format!("`{part}` is no requirement")),
        };
    }
    if let Some((found, value)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(
            key(found)?,
            vec![value.trim().to_owned()],
        ));
    }
    if let Some((found, value)) = part.split_once('=') {
        let value = value.strip_prefix('=').unwrap_or(value);
        return Ok(Requirement::In(key(found)?, vec![value.trim().to_owned()]));
    }
    if let Some(found) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(key(found)?));
    }
    Ok(Requirement::Exists(key(part)?))
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '/');
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err(format!("`{text}` is no label key"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("app", "api"), ("tier", "web")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_form_is_understood() {
        for yes in [
            "app=api",
            "app==api",
            "app!=web",
            "app in (api, x),tier",
            "app notin (x)",
            "!other",
            "other!=x",
            "other notin (x)",
            "",
            "app",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in [
            "app=x",
            "app!=api",
            "other",
            "!app",
            "app in (x,y)",
            "app=api,tier=x",
            "other in (x)",
        ] {
            assert!(!matches(no), "{no}");
        }
        for bad in ["app in (", "app in x)", "a b", "=x", "(x)", "app near (x)"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
