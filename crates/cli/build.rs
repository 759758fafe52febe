//! Embeds the recorded cases for `demo`, the node probe where there is one, and the commit for
//! `--version`.

use std::{env, error::Error, fmt::Write as _, fs, path::Path, path::PathBuf, process::Command};

use flate2::{Compression, write::GzEncoder};

#[path = "build/stamp.rs"]
mod stamp;

/// A folder with a packed probe, instead of the one that `cargo xtask probe` has filled.
const PROBE_DIR: &str = "PULLDOCTOR_PROBE_DIR";

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

    let probe = node_probe(&root, &Path::new(&out).join("probe"))?;
    fs::write(Path::new(&out).join("node_probe.rs"), probe)?;

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
        // Without the blanks that make it readable, a quarter less is left when it is packed.
        if let Some(evidence) = case.last_mut() {
            let read: serde_json::Value = serde_json::from_str(evidence)?;
            *evidence = read.to_string();
        }
        cases.push(case);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut packed, &cases)?;
    Ok(packed.finish()?)
}

/// Copies the packed node probe beside the code that includes it. Nothing is embedded where there
/// is none, or where its sources have changed since it was built.
fn node_probe(root: &Path, out: &Path) -> Result<String, Box<dyn Error>> {
    const NONE: &str = "None";
    println!("cargo::rerun-if-env-changed={PROBE_DIR}");
    println!(
        "cargo::rerun-if-changed={}",
        root.join(stamp::PLACE).display()
    );
    let given = env::var_os(PROBE_DIR).filter(|folder| !folder.is_empty());
    let folder = match given {
        Some(folder) => PathBuf::from(folder),
        None => {
            for file in stamp::FILES.iter().chain(&["Cargo.lock"]) {
                println!("cargo::rerun-if-changed={}", root.join(file).display());
            }
            for folder in stamp::FOLDERS {
                let sources = root.join(folder).join("src");
                println!("cargo::rerun-if-changed={}", sources.display());
            }
            let folder = root.join(stamp::PLACE);
            // Other sources, or a probe that was never built: `cargo xtask probe` does it.
            let Ok(written) = fs::read_to_string(folder.join(stamp::STAMP)) else {
                return Ok(NONE.to_owned());
            };
            if stamp::stamp(root).ok().as_deref() != Some(written.trim()) {
                return Ok(NONE.to_owned());
            }
            folder
        }
    };
    fs::create_dir_all(out)?;
    let mut parts = String::new();
    let mut copy = |name: &str| -> Result<bool, Box<dyn Error>> {
        let from = folder.join(name);
        if !from.is_file() {
            return Ok(false);
        }
        println!("cargo::rerun-if-changed={}", from.display());
        fs::write(out.join(name), fs::read(&from)?)?;
        write!(
            parts,
            "include_bytes!(concat!(env!(\"OUT_DIR\"), \"/probe/{name}\")).as_slice(), "
        )?;
        Ok(true)
    };
    let mut number = 0;
    while copy(&format!("part.{number}"))? {
        number += 1;
    }
    let has_stub = copy(stamp::STUB)?;
    if number == 0 || !has_stub {
        return Err(format!("{} holds no node probe", folder.display()).into());
    }
    // Parts first, the stub last.
    Ok(format!("Some(&[{parts}])"))
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
