//! Reading `application/x-www-form-urlencoded` text.

/// The pairs of a query string or form, decoded, in order.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The first value of a name.
pub(crate) fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, escaped) {
            (_, Some(value)) => {
                decoded.push(value);
                at += 2;
            }
            (b'+', None) => decoded.push(b' '),
            (other, None) => decoded.push(*other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_plus_are_decoded_and_order_is_kept() {
        let read = pairs("scope=repository%3Aa%2Fb%3Apull&service=x+y&scope=z&bare&odd=%zz%2");
        let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["scope", "service", "scope", "bare", "odd"]);
        assert_eq!(first(&read, "scope"), Some("repository:a/b:pull"));
        assert_eq!(first(&read, "service"), Some("x y"));
        assert_eq!(first(&read, "odd"), Some("%zz%2"));
    }
}
