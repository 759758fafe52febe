//! What was secret in a request, taken out of the refusal that answers it before anything reads
//! that (see `judge::mask`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use url::form_urlencoded;

use super::exchange::Ask;
use crate::judge::{mask as masked, secret_forms};

/// Takes the secrets of a request out of its answer.
pub(super) fn mask(ask: &Ask, headers: &mut HeaderMap, body: Bytes) -> Bytes {
    let secrets = secrets(ask);
    if secrets.is_empty() {
        return body;
    }
    for value in headers.values_mut() {
        if let Some(masked) = masked(value.as_bytes(), &secrets) {
            *value = HeaderValue::from_bytes(&masked)
                .unwrap_or_else(|_| HeaderValue::from_static("masked"));
        }
    }
    masked(&body, &secrets).map_or(body, Bytes::from)
}

/// Every form in which a secret of the request may come back.
fn secrets(ask: &Ask) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    if let Some(header) = &ask.authorization {
        let bytes = header.as_bytes();
        let start = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .map_or(0, |at| at + 1);
        found.push(bytes[start..].to_vec());
        if let Ok(pair) = STANDARD.decode(&bytes[start..])
            && let Some(colon) = pair.iter().position(|byte| *byte == b':')
        {
            found.push(pair[colon + 1..].to_vec());
        }
    }
    if let Some(form) = &ask.form {
        found.extend(
            form_urlencoded::parse(form)
                .filter(|(key, _)| key == "password" || key == "refresh_token")
                .map(|(_, value)| value.into_owned().into_bytes()),
        );
    }
    secret_forms(found)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::client::origin::Origin;

    fn ask() -> Ask {
        let origin = Origin::of_registry("registry.example.com", true).unwrap();
        Ask::new(Method::GET, &origin, "/v2/")
    }

    #[test]
    fn what_was_sent_does_not_come_back() {
        let mut basic = ask();
        // ci:pa"ss wörd
        basic.authorization = Some(HeaderValue::from_static("Basic Y2k6cGEic3Mgd8O2cmQ="));
        let mut form = ask();
        form.form = Some(Bytes::from_static(
            b"username=ci&password=pa%22ss+w%C3%B6rd&scope=x",
        ));
        let bodies = [
            "Authorization: Basic Y2k6cGEic3Mgd8O2cmQ=",
            "login pa\"ss wörd is bad",
            "{\"message\":\"pa\\\"ss wörd\"}",
            "password=pa%22ss+w%C3%B6rd&",
        ];
        for body in bodies {
            let mut headers = HeaderMap::new();
            headers.insert("server", HeaderValue::from_bytes(body.as_bytes()).unwrap());
            let masked = mask(&basic, &mut headers, Bytes::from(body));
            let header = String::from_utf8_lossy(headers["server"].as_bytes()).into_owned();
            for text in [String::from_utf8_lossy(&masked).into_owned(), header] {
                assert!(text.contains('…'), "{text}");
                for part in ["wörd", "%C3", "Y2k6"] {
                    assert!(!text.contains(part), "{text}");
                }
            }
        }
        let masked = mask(&form, &mut HeaderMap::new(), Bytes::from(bodies[3]));
        assert_eq!(masked, "password=…&".as_bytes());
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let mut short = ask();
        short.authorization = Some(HeaderValue::from_static("Bearer t"));
        for ask in [ask(), short] {
            let body = mask(&ask, &mut HeaderMap::new(), Bytes::from_static(b"the text"));
            assert_eq!(body, "the text");
        }
    }
}
