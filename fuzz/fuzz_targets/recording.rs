//! Reads anything as a recording, asks and judges it, and renders what is found.
//!
//! `cargo +nightly fuzz run recording fuzz/corpus/recording fuzz/seeds/recording`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pulldoctor_diagnose::{questions, report};
use pulldoctor_model::Evidence;
use pulldoctor_report::{HumanOptions, Stylesheet, human, json};

fuzz_target!(|input: &[u8]| {
    let Ok(evidence) = serde_json::from_slice::<Evidence>(input) else {
        return;
    };
    let asked = questions(&evidence);
    assert_eq!(questions(&evidence), asked, "asking has no memory");
    let found = report(&evidence);
    let written = json(&found).expect("a report is written");
    let again = json(&report(&evidence)).expect("and again");
    assert_eq!(again, written, "the same evidence, the same bytes");
    for (width, verbose) in [(40, false), (100, true)] {
        let options = HumanOptions {
            width,
            style: Stylesheet::PLAIN,
            verbose,
            now: evidence.observed,
            program: "pulldoctor".to_owned(),
        };
        let page = human(&found, &options);
        assert!(
            !page.chars().any(|it| it.is_control() && it != '\n'),
            "a page is safe to show"
        );
    }
});
