//! What holds for any input at all.

use proptest::prelude::*;
use pulldoctor_reference::{Dialect, Reference, suggestion_as};

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Until128), Just(Dialect::Since129)]
}

/// Anything, and what is nearly a reference.
fn inputs() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9:/@._\\-\\[\\]${}<>% \u{212A}\u{130}é]{0,40}",
        "([a-zA-Z0-9._-]{1,9}(:[0-9]{0,5})?/)?[a-zA-Z0-9._/-]{1,20}(:[a-zA-Z0-9._-]{0,8})?(@sha256:[0-9a-fA-F]{62,66})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn faults_point_at_characters_of_the_input(input in inputs(), dialect in dialects()) {
        if let Err(error) = Reference::parse_as(&input, dialect) {
            let span = error.span();
            prop_assert!(span.of(&input).is_some(), "{span:?} in {input:?}");
            prop_assert_eq!(span.is_empty(), input.is_empty(), "{:?} in {:?}", span, input);
            prop_assert!(!error.kubelet_text().is_empty());
            prop_assert!(!error.to_string().chars().any(char::is_control));
        }
    }

    #[test]
    fn the_spans_make_up_the_input(input in inputs(), dialect in dialects()) {
        if let Ok(reference) = Reference::parse_as(&input, dialect) {
            let spans = reference.spans();
            let mut rebuilt = String::new();
            if let Some(registry) = spans.registry {
                rebuilt += registry.of(&input).unwrap();
                rebuilt.push('/');
            }
            rebuilt += spans.repository.of(&input).unwrap();
            if let Some(tag) = spans.tag {
                rebuilt = format!("{rebuilt}:{}", tag.of(&input).unwrap());
            }
            if let Some(digest) = spans.digest {
                rebuilt = format!("{rebuilt}@{}", digest.of(&input).unwrap());
            }
            prop_assert_eq!(rebuilt, input);
        }
    }

    #[test]
    fn the_full_form_reads_as_itself(input in inputs()) {
        if let Ok(reference) = Reference::parse(&input) {
            let normal = reference.normal();
            prop_assert_eq!(Reference::parse(&normal).unwrap().normal(), normal);
            let sent = reference.kubelet_name();
            let again = Reference::parse(&sent).unwrap();
            prop_assert_eq!(again.normal(), reference.normal());
        }
    }

    #[test]
    fn a_suggestion_parses_and_is_none_for_what_does(input in inputs(), dialect in dialects()) {
        let suggested = suggestion_as(&input, dialect);
        if let Some(suggested) = &suggested {
            prop_assert!(Reference::parse_as(suggested, dialect).is_ok(), "{suggested:?}");
            prop_assert_ne!(suggested, &input);
        }
        if Reference::parse_as(&input, dialect).is_ok() {
            prop_assert_eq!(suggested, None);
        }
    }
}
