//! Registries and proxies that repeat what they were sent, an error page with the request's
//! headers in it for instance. What was secret in a request is taken out of the refusal that
//! answers it before anything reads that.

use url::form_urlencoded;

/// What stands in the place of a secret.
const MASK: &[u8] = "…".as_bytes();
/// Shorter ones are found in any text, and say nothing there.
const LEAST: usize = 4;

/// Every form in which these secrets may come back, the longest first: for [`mask`].
pub fn secret_forms(mut secrets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    // The padding of base64 says nothing, and may be left out.
    for secret in &mut secrets {
        while secret.last() == Some(&b'=') {
            secret.pop();
        }
    }
    let encoded: Vec<Vec<u8>> = secrets
        .iter()
        .flat_map(|secret| {
            let percent: String = form_urlencoded::byte_serialize(secret).collect();
            let json = serde_json::to_string(&String::from_utf8_lossy(secret)).unwrap_or_default();
            [percent, json.trim_matches('"').to_owned()]
        })
        .map(String::into_bytes)
        .collect();
    secrets.extend(encoded);
    secrets.retain(|secret| secret.len() >= LEAST);
    secrets.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    secrets.dedup();
    secrets
}

/// The text without the secrets; nothing where it holds none.
pub fn mask(text: &[u8], secrets: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    for secret in secrets {
        let from = out.as_deref().unwrap_or(text);
        if !from.windows(secret.len()).any(|window| window == secret) {
            continue;
        }
        let mut cleaned = Vec::with_capacity(from.len());
        let mut at = 0;
        while at < from.len() {
            if from[at..].starts_with(secret) {
                cleaned.extend_from_slice(MASK);
                at += secret.len();
            } else {
                cleaned.push(from[at]);
                at += 1;
            }
        }
        out = Some(cleaned);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_and_nothing_else() {
        let forms = secret_forms(vec![b"a\"b c/d==".to_vec(), b"t".to_vec()]);
        for text in [
            "<a\"b c/d>",
            "<a\\\"b c/d>",
            "<a%22b+c%2Fd>",
            "<a\"b c/d==>",
        ] {
            let masked = mask(text.as_bytes(), &forms).unwrap();
            let masked = String::from_utf8(masked).unwrap();
            assert!(
                masked.starts_with("<…") && masked.ends_with('>'),
                "{masked}"
            );
            assert!(!masked.contains('b'), "{masked}");
        }
        assert_eq!(mask(b"the text", &forms), None);
    }
}
