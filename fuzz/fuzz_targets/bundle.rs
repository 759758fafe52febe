//! Reads anything as what `kubectl get -o json|yaml` wrote, or as a recording; looks for stuck
//! pods in it and answers every question from it.
//!
//! `cargo +nightly fuzz run bundle fuzz/corpus/bundle fuzz/seeds/bundle`

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::{Bundle, BundleError, Scope};
use pulldoctor_diagnose::{questions, report};

/// What a secret of the seeds holds: it must not get through.
const CANARY: &str = "c4n4ry-1n-4-s3cr3t";

fuzz_target!(|input: &[u8]| {
    let mut bundle = match Bundle::from_text(Path::new("cluster.yaml"), input) {
        Ok(bundle) => bundle,
        Err(error) => {
            let is_told = matches!(error, BundleError::OtherDocument { .. });
            assert!(is_told || !format!("{error:?} {error}").contains(CANARY));
            return;
        }
    };
    let Ok(mut evidence) = bundle.scan(&Scope::all()) else {
        return;
    };
    for _ in 0..4 {
        let asked = questions(&evidence);
        if asked.is_empty() {
            break;
        }
        bundle.answer(&asked, &mut evidence);
    }
    let stuck = evidence.symptoms.len();
    let told: usize = report(&evidence)
        .incidents
        .iter()
        .map(|it| it.symptoms.len())
        .sum();
    assert_eq!(told, stuck, "every symptom is in one incident");
});
