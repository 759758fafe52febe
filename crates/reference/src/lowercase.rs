//! Go's `strings.ToLower`, as far as a reference depends on it.

/// Lower-cases one character as Go's `unicode.ToLower` does in the kubelet.
///
/// Go maps character by character and has the tables of Unicode 15.0 (Go 1.26, with which
/// Kubernetes 1.37 is built), while this toolchain's are newer. Two characters outside of ASCII
/// matter because they turn into something else: the Kelvin sign becomes `k` and the dotted
/// capital I becomes `i`, both valid in names.
pub(crate) fn go_lower(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    match character {
        // The full mapping adds a combining dot; Go knows the simple one alone.
        '\u{130}' => 'i',
        // Upper-case letters that came with Unicode 16 and 17.
        '\u{1C89}'
        | '\u{A7CB}'
        | '\u{A7CC}'
        | '\u{A7CE}'
        | '\u{A7D2}'
        | '\u{A7D4}'
        | '\u{A7DA}'
        | '\u{A7DC}'
        | '\u{10D50}'..='\u{10D65}'
        | '\u{16EA0}'..='\u{16EB8}' => character,
        _ => character.to_lowercase().next().unwrap_or(character),
    }
}

/// Tells whether Go's `strings.ToLower` would change `character`.
pub(crate) fn is_upper(character: char) -> bool {
    go_lower(character) != character
}

/// Tells whether Go's `strings.ToLower` would change `text`.
pub(crate) fn has_upper(text: &str) -> bool {
    text.chars().any(is_upper)
}

/// Lower-cases `text` as Go's `strings.ToLower` does.
pub(crate) fn to_lower(text: &str) -> String {
    text.chars().map(go_lower).collect()
}
