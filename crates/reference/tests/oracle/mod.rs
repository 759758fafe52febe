//! The Go programs of `lab/go/kube/cmd` that answer as the kubelet's own code does. Shared with
//! the keyring crate's tests.

use std::env;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Finds `lab/go/kube/cmd/NAME`: in the variable `PULLDOCTOR_NAME`, then in the lab's cache, where
/// it is built if Go is at hand. Without Go this says on the standard error that the test is
/// skipped; on CI it fails.
pub(crate) fn find_or_skip(name: &str, test: &str) -> Option<PathBuf> {
    match find(name) {
        Ok(oracle) => Some(oracle),
        Err(reason) => {
            let notice = format!("skipped: {test}: {reason}");
            assert!(env::var("CI").as_deref() != Ok("true"), "{notice}");
            say(&notice);
            None
        }
    }
}

/// Not eprintln!, which the test harness swallows when a test passes.
pub(crate) fn say(line: &str) {
    let mut error = std::io::stderr();
    writeln!(error, "{line}").unwrap();
}

/// Asks every question, one JSON document a line, and returns the answers in their order.
pub(crate) fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
    oracle: &Path,
    questions: &[Q],
) -> Vec<A> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", oracle.display()));
    let mut input = BufWriter::new(child.stdin.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<A> = thread::scope(|scope| {
        scope.spawn(move || {
            for question in questions {
                serde_json::to_writer(&mut input, question).unwrap();
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
    assert_eq!(answers.len(), questions.len(), "the oracle stopped early");
    answers
}

fn find(name: &str) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(format!("PULLDOCTOR_{}", name.to_uppercase())) {
        return Ok(path.into());
    }
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .ok_or("no home directory")?;
    let oracle = cache.join("pulldoctor/lab/bin").join(name);
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
        .arg(format!("./cmd/{name}"))
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
