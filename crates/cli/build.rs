//! Embeds the recorded cases for `demo`, and the commit for `--version`.

use std::{env, error::Error, fmt::Write as _, fs, path::Path, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;

    println!("cargo::rerun-if-changed={}", root.join("cases").display());
    fs::write(
        Path::new(&out).join("cases.rs"),
        cases(&root.join("cases"))?,
    )?;

    let version = env::var("CARGO_PKG_VERSION")?;
    let version = match commit(&root) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=PULLDOCTOR_VERSION={version}");
    Ok(())
}

/// A Rust expression: the list of every case that has recorded evidence.
fn cases(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join("case.yaml").is_file() && path.join("evidence.json").is_file() {
                names.push(path);
            }
        }
    }
    names.sort();
    let mut text = String::from("&[\n");
    for path in names {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for file in ["case.yaml", "evidence.json"] {
            println!("cargo::rerun-if-changed={}", path.join(file).display());
        }
        let [case, evidence] = ["case.yaml", "evidence.json"]
            .map(|file| path.join(file).to_string_lossy().into_owned());
        writeln!(
            text,
            "    Recorded {{ name: {name:?}, yaml: include_str!({case:?}), evidence: include_str!({evidence:?}) }},",
        )?;
    }
    text.push_str("]\n");
    Ok(text)
}

/// The commit, where this is a git checkout.
fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(arguments)
            .output()
            .ok()?;
        output.status.success().then_some(())?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    };
    let head = git(&["rev-parse", "--git-path", "HEAD"])?;
    println!("cargo::rerun-if-changed={}", root.join(head).display());
    if let Some(branch) = git(&["symbolic-ref", "-q", "HEAD"])
        && let Some(file) = git(&["rev-parse", "--git-path", &branch])
    {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}
