//! Names near a mistyped one.

/// The nearest candidate, if one is near: at most a third of its letters differ.
pub(crate) fn nearest<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(typed, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(typed.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["secret-missing", "disk-full", "tls-expired"];
        assert_eq!(nearest("secret-mising", names), Some("secret-missing"));
        assert_eq!(nearest("disk-ful", names), Some("disk-full"));
        assert_eq!(nearest("foo-bar", names), None);
    }
}
