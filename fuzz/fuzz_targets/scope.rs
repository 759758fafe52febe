//! Reads anything as a label selector and as the name of an object.
//!
//! `cargo +nightly fuzz run scope fuzz/corpus/scope fuzz/seeds/scope`

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pulldoctor_cluster::{Bundle, Scope, Target};

const PODS: &str = r#"{"apiVersion":"v1","kind":"List","items":[
    {"kind":"Pod","metadata":{"name":"a","namespace":"n","labels":{"app":"api","tier":"web"}}},
    {"kind":"Pod","metadata":{"name":"b","namespace":"n"}}]}"#;

fuzz_target!(|input: &str| {
    if let Ok(target) = input.parse::<Target>() {
        let again: Target = target.to_string().parse().expect("what is shown is read");
        assert_eq!(again, target);
    }
    let mut bundle =
        Bundle::from_text(Path::new("pods.json"), PODS.as_bytes()).expect("it is good");
    let mut scope = Scope::all();
    scope.selector = Some(input.to_owned());
    if let Ok(evidence) = bundle.scan(&scope) {
        assert!(evidence.scanned.pods <= 2);
        // One requirement more can only select less.
        scope.selector = Some(format!("{input},app"));
        if let Ok(fewer) = bundle.scan(&scope) {
            assert!(fewer.scanned.pods <= evidence.scanned.pods.min(1));
        }
    }
});
