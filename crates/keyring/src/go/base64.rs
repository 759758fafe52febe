//! `encoding/base64`: not strict about left-over bits, and blind to CR and LF anywhere.

/// Which of Go's encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `StdEncoding`: padded.
    Std,
    /// `RawStdEncoding`: not padded.
    RawStd,
    /// `RawURLEncoding`: not padded, `-` and `_` in the place of `+` and `/`.
    RawUrl,
}

impl Encoding {
    fn value(self, byte: u8) -> Option<u8> {
        match (self, byte) {
            (_, b'A'..=b'Z') => Some(byte - b'A'),
            (_, b'a'..=b'z') => Some(byte - b'a' + 26),
            (_, b'0'..=b'9') => Some(byte - b'0' + 52),
            (Self::RawUrl, b'-') | (Self::Std | Self::RawStd, b'+') => Some(62),
            (Self::RawUrl, b'_') | (Self::Std | Self::RawStd, b'/') => Some(63),
            _ => None,
        }
    }

    fn is_padded(self) -> bool {
        self == Self::Std
    }
}

/// Go's `CorruptInputError`: the input byte at which decoding stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Corrupt(pub(crate) usize);

/// `Encoding.DecodeString`.
pub(crate) fn decode(encoding: Encoding, source: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut out = Vec::with_capacity(source.len() / 4 * 3 + 3);
    let mut at = 0;
    while at < source.len() {
        at = quantum(encoding, source, at, &mut out)?;
    }
    Ok(out)
}

/// `decodeQuantum`: up to four characters from `at` on. Returns where the next ones start.
fn quantum(
    encoding: Encoding,
    source: &[u8],
    mut at: usize,
    out: &mut Vec<u8>,
) -> Result<usize, Corrupt> {
    let is_line_end = |at: usize| matches!(source.get(at), Some(b'\n' | b'\r'));
    let mut values = [0_u8; 4];
    let mut filled = 0;
    while filled < 4 {
        let Some(&byte) = source.get(at) else {
            if filled == 0 {
                return Ok(at);
            }
            if filled == 1 || encoding.is_padded() {
                return Err(Corrupt(at - filled));
            }
            break;
        };
        at += 1;
        if let Some(value) = encoding.value(byte) {
            values[filled] = value;
            filled += 1;
            continue;
        }
        if matches!(byte, b'\n' | b'\r') {
            continue;
        }
        if !encoding.is_padded() || byte != b'=' || filled < 2 {
            return Err(Corrupt(at - 1));
        }
        if filled == 2 {
            // A second `=` must follow.
            while is_line_end(at) {
                at += 1;
            }
            match source.get(at) {
                None => return Err(Corrupt(source.len())),
                Some(b'=') => at += 1,
                Some(_) => return Err(Corrupt(at - 1)),
            }
        }
        while is_line_end(at) {
            at += 1;
        }
        if at < source.len() {
            return Err(Corrupt(at));
        }
        break;
    }
    let [a, b, c, d] = values;
    let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    out.extend_from_slice(&bytes[..filled - 1]);
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stand_where_go_sees_them() {
        // Values printed by Go 1.26.
        let std = |text: &str| decode(Encoding::Std, text.as_bytes()).map_err(|Corrupt(at)| at);
        let raw = |text: &str| decode(Encoding::RawStd, text.as_bytes()).map_err(|Corrupt(at)| at);
        assert_eq!(std("YTpi"), Ok(b"a:b".to_vec()));
        assert_eq!(std("YTpi\r\nYw\n=\n="), Ok(b"a:bc".to_vec()));
        assert_eq!(std("YTpiYw="), Err(7));
        assert_eq!(std("YTpiY==="), Err(5));
        assert_eq!(std("YTpiYw==x"), Err(8));
        assert_eq!(raw("user:pass"), Err(4));
        assert_eq!(raw("YTpiY"), Err(4));
        assert_eq!(raw("YTpiYw"), Ok(b"a:bc".to_vec()));
        assert_eq!(raw("YTpi YTpi"), Err(4));
    }

    #[test]
    fn url_alphabet_is_its_own() {
        assert_eq!(decode(Encoding::RawUrl, b"-_8"), Ok(vec![0xfb, 0xff]));
        assert_eq!(decode(Encoding::RawUrl, b"+/8"), Err(Corrupt(0)));
    }
}
