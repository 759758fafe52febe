//! Text that must not be shown.

use std::fmt;

/// A password or token. It has no `Display` and no `Serialize`, and its `Debug` shows nothing of
/// it; [`SecretText::expose`] is the one way in, so that a search for it finds every use.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for a request to the host that may have it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Tells whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretText(…)")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        let secret = SecretText::new("hunter2");
        assert_eq!(
            format!("{secret:?} {:#?}", Some(&secret))
                .matches("hunter2")
                .count(),
            0
        );
        assert_eq!(secret.expose(), "hunter2");
    }
}
