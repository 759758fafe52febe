//! Holds the parser against the kubelet's own, on a few hundred thousand references.
//!
//! The oracle is `lab/go/kube/cmd/refcheck`, which calls `parsers.ParseImageName` of
//! Kubernetes 1.37. It is looked for in `PULLDOCTOR_REFCHECK`, then in the lab's cache, and built
//! there if Go is at hand. Without Go the test says that it is skipped; on CI it fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, also outside of test functions"
)]

mod generator;

use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

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
    let oracle = match find_oracle() {
        Ok(oracle) => oracle,
        Err(reason) => {
            let notice = format!("skipped: differential reference test: {reason}");
            assert!(env::var("CI").as_deref() != Ok("true"), "{notice}");
            // Not eprintln!, which the test harness swallows when a test passes.
            writeln!(std::io::stderr(), "{notice}").unwrap();
            return;
        }
    };

    let mut images = every_character();
    images.extend(listed().map(str::to_owned));
    let mut generator = Generator::new(SEED);
    images.extend((0..GENERATED).map(|_| generator.image()));

    let answers = ask(&oracle, &images);
    assert_eq!(answers.len(), images.len(), "the oracle stopped early");

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
    writeln!(
        std::io::stderr(),
        "differential reference test: {} references, {accepted} of them good, no difference",
        images.len()
    )
    .unwrap();
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

fn ask(oracle: &Path, images: &[String]) -> Vec<Answer> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", oracle.display()));
    let mut input = BufWriter::new(child.stdin.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers = thread::scope(|scope| {
        scope.spawn(move || {
            for image in images {
                serde_json::to_writer(&mut input, image).unwrap();
                input.write_all(b"\n").unwrap();
            }
            input.flush().unwrap();
        });
        output
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect()
    });
    assert!(child.wait().unwrap().success(), "the oracle failed");
    answers
}

fn find_oracle() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os("PULLDOCTOR_REFCHECK") {
        return Ok(path.into());
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .ok_or("no home directory")?;
    let oracle = cache.join("pulldoctor/lab/bin/refcheck");
    if oracle.is_file() {
        return Ok(oracle);
    }
    if !go_is_new_enough() {
        return Err("no Go toolchain".to_owned());
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/go/kube");
    let built = Command::new("go")
        .args(["build", "-trimpath", "-o"])
        .arg(&oracle)
        .arg("./cmd/refcheck")
        .current_dir(module)
        .output()
        .map_err(|error| format!("cannot run go: {error}"))?;
    if built.status.success() {
        Ok(oracle)
    } else {
        let text = String::from_utf8_lossy(&built.stderr);
        Err(format!("cannot build the oracle: {}", text.trim()))
    }
}

/// Tells whether `go` is 1.26 or newer, as the lab's module wants.
fn go_is_new_enough() -> bool {
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).output() else {
        return false;
    };
    let version = String::from_utf8_lossy(&output.stdout);
    let mut numbers = version
        .trim()
        .trim_start_matches("go")
        .split('.')
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (1, 26),
        _ => false,
    }
}
