//! What the tests share.

/// Padded base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let mut block = [0; 3];
        block[..three.len()].copy_from_slice(three);
        let value = block
            .iter()
            .fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        for place in 0..4 {
            if place <= three.len() {
                out.push(char::from(ALPHABET[value >> (18 - 6 * place) & 63]));
            } else {
                out.push('=');
            }
        }
    }
    out
}
