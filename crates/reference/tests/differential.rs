//! Holds the parser against the kubelet's own, on a few hundred thousand references.
//!
//! The oracle is `lab/go/kube/cmd/refcheck`, which calls `parsers.ParseImageName` of
//! Kubernetes 1.37; the variable `PULLDOCTOR_REFCHECK` may name it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, also outside of test functions"
)]

mod generator;
mod oracle;

use std::fmt::Write as _;

use generator::Generator;
use pulldoctor_reference::{Digest, Reference};
use serde::Deserialize;

const GENERATED: usize = 200_000;
const SEED: u64 = 0x70_75_6c_6c;

/// One line of the oracle.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Answer {
    ok: bool,
    repo: String,
    domain: String,
    path: String,
    tag: String,
    digest: String,
    normal: String,
    error: String,
}

/// Answers as the oracle should; the error without the kubelet's `couldn't parse image name "…"`.
fn ours(image: &str) -> Answer {
    match Reference::parse(image) {
        Ok(reference) => Answer {
            ok: true,
            repo: reference.repo(),
            domain: reference.domain().to_owned(),
            path: reference.path().to_owned(),
            tag: reference.effective_tag().unwrap_or_default().to_owned(),
            digest: reference
                .digest()
                .map(Digest::to_string)
                .unwrap_or_default(),
            normal: reference.normal(),
            error: String::new(),
        },
        Err(error) => Answer {
            ok: false,
            repo: String::new(),
            domain: String::new(),
            path: String::new(),
            tag: String::new(),
            digest: String::new(),
            normal: String::new(),
            error: error.kubelet_text(),
        },
    }
}

fn agree(ours: &Answer, oracle: &Answer) -> bool {
    if ours.ok || oracle.ok {
        return ours == oracle;
    }
    // The quoted name is not ours to write; what follows its closing quote is.
    oracle.error.starts_with("couldn't parse image name \"")
        && oracle.error.ends_with(&format!("\": {}", ours.error))
}

#[test]
fn parser_agrees_with_the_kubelet() {
    let Some(oracle) = oracle::find_or_skip("refcheck", "differential reference test") else {
        return;
    };

    let mut images = every_character();
    images.extend(listed().map(str::to_owned));
    let mut generator = Generator::new(SEED);
    images.extend((0..GENERATED).map(|_| generator.image()));

    let answers: Vec<Answer> = oracle::ask(&oracle, &images);

    let (mut accepted, mut differing, mut report) = (0, 0, String::new());
    for (image, oracle) in images.iter().zip(&answers) {
        accepted += usize::from(oracle.ok);
        let ours = ours(image);
        if !agree(&ours, oracle) {
            differing += 1;
            if differing <= 20 {
                writeln!(report, "{image:?}\n  ours   {ours:?}\n  oracle {oracle:?}").unwrap();
            }
        }
    }
    assert_eq!(
        differing,
        0,
        "of {} references differ:\n{report}",
        images.len()
    );
    // A generator that makes nothing but faults, or none, would prove little.
    let share = accepted * 100 / images.len();
    assert!(
        (10..=60).contains(&share),
        "{share} % of the references parse"
    );
    oracle::say(&format!(
        "differential reference test: {} references, {accepted} of them good, no difference",
        images.len()
    ));
}

/// Every character of Unicode within a name: those that have a lower case one by one, since each
/// decides which error there is, the rest in blocks.
fn every_character() -> Vec<String> {
    let mut images = Vec::new();
    let mut block = String::new();
    for character in '\0'..=char::MAX {
        if character.to_lowercase().ne([character]) {
            images.extend([
                format!("a{character}b"),
                format!("{character}/b"),
                format!("a{character}.io/b:1"),
                format!("a:b{character}"),
            ]);
        } else {
            block.push(character);
            if block.len() > 512 {
                images.push(std::mem::take(&mut block));
            }
        }
    }
    images.push(block);
    // A single block must not hide behind another fault: the ASCII ones once more, each alone.
    for byte in 0..128_u8 {
        let character = char::from(byte);
        for (before, after) in [
            ("a", "b"),
            ("", ""),
            ("a.b/c", "d"),
            ("a:b", "c"),
            ("a:", ""),
            ("a@sha256:", "0"),
            ("a.b:5", "0/c"),
            ("", "/a"),
            ("a/", ""),
        ] {
            images.push(format!("{before}{character}{after}"));
        }
    }
    images
}

/// The inputs of the recorded table, so that the oracle judges them as well.
fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("data/upstream.tsv")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| line.split('\t').next())
}
