//! Embeds the recorded cases for `demo`, and the commit for `--version`.

use std::{env, error::Error, fs, path::Path, process::Command};

use flate2::{Compression, write::GzEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;

    println!("cargo::rerun-if-changed={}", root.join("cases").display());
    fs::write(
        Path::new(&out).join("cases.json.gz"),
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

/// Every case that has recorded evidence: `[[name, case.yaml, evidence.json], …]` as JSON, in gzip.
/// As they are they would be an eighth of the program.
fn cases(folder: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut folders = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.join("case.yaml").is_file() && path.join("evidence.json").is_file() {
                folders.push(path);
            }
        }
    }
    folders.sort();
    let mut cases = Vec::new();
    for path in folders {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut case = vec![name];
        for file in ["case.yaml", "evidence.json"] {
            let file = path.join(file);
            println!("cargo::rerun-if-changed={}", file.display());
            case.push(fs::read_to_string(file)?);
        }
        cases.push(case);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut packed, &cases)?;
    Ok(packed.finish()?)
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
