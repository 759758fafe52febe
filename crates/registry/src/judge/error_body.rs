//! The body of a refusal.

use pulldoctor_model::{
    clean_line,
    registry::{ErrorBody, RegistryError},
    shorten,
};

/// Most errors that are kept.
const MOST_ERRORS: usize = 8;
/// Most characters of one message.
const MOST_MESSAGE: usize = 1000;

/// Reads an error body: the OCI form, the `{"details": …}` and `{"error": …}` of token services,
/// a web page's title, or the beginning of any text.
pub fn parse_error_body(body: &[u8]) -> ErrorBody {
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) {
        let errors = match object.get("errors") {
            Some(serde_json::Value::Array(list)) => {
                list.iter().take(MOST_ERRORS).filter_map(one).collect()
            }
            _ => Vec::new(),
        };
        if !errors.is_empty() {
            return ErrorBody { errors, text: None };
        }
        let code = string(object.get("error")).or_else(|| string(object.get("code")));
        let message = ["error_description", "details", "message", "msg"]
            .into_iter()
            .find_map(|name| string(object.get(name)));
        if code.is_some() || message.is_some() {
            let error = RegistryError {
                code: code.unwrap_or_default(),
                message: message.unwrap_or_default(),
            };
            return ErrorBody {
                errors: vec![error],
                text: None,
            };
        }
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(8 * 1024)]);
    let text = title(&text).unwrap_or_else(|| text.trim());
    ErrorBody {
        errors: Vec::new(),
        text: (!text.is_empty()).then(|| shorten(&clean_line(text), 300).into_owned()),
    }
}

fn one(value: &serde_json::Value) -> Option<RegistryError> {
    if let serde_json::Value::String(message) = value {
        return Some(RegistryError {
            code: String::new(),
            message: show(message),
        });
    }
    let code = string(value.get("code")).unwrap_or_default();
    let message = string(value.get("message")).unwrap_or_default();
    (!code.is_empty() || !message.is_empty()).then_some(RegistryError { code, message })
}

fn string(value: Option<&serde_json::Value>) -> Option<String> {
    match value? {
        serde_json::Value::String(text) if !text.is_empty() => Some(show(text)),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn show(text: &str) -> String {
    shorten(&clean_line(text), MOST_MESSAGE).into_owned()
}

/// The title of a web page, which names the proxy or portal that sent it.
fn title(text: &str) -> Option<&str> {
    // ASCII folding keeps the offsets.
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    let title = text[start..end].trim();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_form() {
        let body = parse_error_body(
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"tag":"x"}},{"code":"DENIED"}]}"#,
        );
        assert!(body.has("denied") && body.has("MANIFEST_UNKNOWN"));
        assert_eq!(
            body.summary().as_deref(),
            Some("manifest unknown: manifest unknown")
        );
    }

    #[test]
    fn token_services_and_pages_and_plain_texts() {
        let hub = parse_error_body(br#"{"details":"incorrect username or password"}"#);
        assert_eq!(
            hub.summary().as_deref(),
            Some("incorrect username or password")
        );
        let oauth = parse_error_body(br#"{"error":"invalid_grant","error_description":"bad"}"#);
        assert_eq!(oauth.summary().as_deref(), Some("invalid grant: bad"));
        let page = parse_error_body(b"<html><head><TITLE> 403 Forbidden </TITLE>");
        assert_eq!(page.summary().as_deref(), Some("403 Forbidden"));
        assert_eq!(
            parse_error_body(b"nope\n").summary().as_deref(),
            Some("nope")
        );
        assert_eq!(parse_error_body(b"").summary(), None);
    }

    #[test]
    fn hostile_texts_become_visible_and_short() {
        let body = parse_error_body(
            "{\"errors\":[{\"code\":\"X\",\"message\":\"\\u001b[2J\u{202e}gnp\"}]}".as_bytes(),
        );
        assert_eq!(body.summary().as_deref(), Some("x: \\u{1b}[2J\\u{202e}gnp"));
        let long = format!(
            "{{\"errors\":[{{\"message\":\"{}\"}}]}}",
            "a".repeat(100_000)
        );
        assert!(parse_error_body(long.as_bytes()).summary().unwrap().len() < 1100);
        let many = format!("{{\"errors\":[{}1]}}", "{\"code\":\"A\"},".repeat(1000));
        assert_eq!(parse_error_body(many.as_bytes()).errors.len(), MOST_ERRORS);
    }
}
