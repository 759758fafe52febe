//! The phrases, one file per speaker or subject.

use crate::draft::Draft;
use crate::pattern::Captures;

mod containerd;
mod containers_image;
mod content;
mod docker;
mod http;
mod kubelet;
mod languages;
mod network;
mod node;
mod secrets;
mod server;
mod tls;
mod tools;

/// A phrase and what it adds to the reading.
pub(crate) struct Rule {
    /// The phrase, in the language of [`crate::pattern`].
    pub(crate) pattern: &'static str,
    /// What it means.
    pub(crate) apply: fn(&mut Draft<'_>, &Captures<'_>),
}

const fn rule(pattern: &'static str, apply: fn(&mut Draft<'_>, &Captures<'_>)) -> Rule {
    Rule { pattern, apply }
}

/// All phrases. The order does not matter: at one place the longest match wins.
pub(crate) fn tables() -> [&'static [Rule]; 13] {
    [
        kubelet::RULES,
        secrets::RULES,
        containerd::RULES,
        containers_image::RULES,
        docker::RULES,
        tools::RULES,
        network::RULES,
        tls::RULES,
        http::RULES,
        server::RULES,
        content::RULES,
        node::RULES,
        languages::RULES,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn every_phrase_compiles_begins_with_a_word_and_is_lower_case() {
        for rule in tables().iter().flat_map(|t| t.iter()) {
            let words = Pattern::new(rule.pattern).first_words();
            assert!(
                !words.is_empty() && words.iter().all(|w| !w.is_empty()),
                "{}",
                rule.pattern
            );
            let outside_slots: String = rule
                .pattern
                .split('{')
                .map(|p| p.split('}').next_back().unwrap_or(p))
                .collect();
            assert!(
                !outside_slots.chars().any(|c| c.is_ascii_uppercase()),
                "{}",
                rule.pattern
            );
        }
    }
}
